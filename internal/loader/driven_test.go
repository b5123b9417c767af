package loader

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"
)

// A simulator relies on the loader having no clock, timer, goroutine or randomness
// but those it was given. Run is the loop for real hosts.
func TestTheLoaderHasNothingOfItsOwn(t *testing.T) {
	banned := map[string]bool{"time.Now": true, "time.Since": true, "time.Until": true, "time.After": true, "time.NewTimer": true,
		"time.NewTicker": true, "time.AfterFunc": true, "time.Sleep": true, "context.WithTimeout": true, "context.WithDeadline": true}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	looked := 0
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		looked++
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				return n.Name.Name != "Run"
			case *ast.GoStmt:
				t.Errorf("%s starts a goroutine", name)
			case *ast.SelectorExpr:
				if pkg, ok := n.X.(*ast.Ident); ok && banned[pkg.Name+"."+n.Sel.Name] {
					t.Errorf("%s uses %s.%s", name, pkg.Name, n.Sel.Name)
				}
			}
			return true
		})
	}
	if looked < 10 {
		t.Errorf("looked at %d files", looked)
	}
}
