package archtest

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// pkg is what the rules need to know of one package: its shipped code and its tests.
type pkg struct {
	path       string // below the module, "" for the root
	doc        string
	imports    []string // of shipped code only
	calls      []call   // selector calls of shipped code
	testCalls  []call
	goroutines int
	sizes      []size
}

type call struct{ name, at string }

// size is one thing that has a budget.
type size struct {
	kind string // file, test, function, interface, struct
	name string
	n    int
}

// tree parses the module once.
func tree(t *testing.T) []*pkg {
	t.Helper()
	pkgs, err := parse()
	if err != nil {
		t.Fatal(err)
	}
	return pkgs
}

var parse = sync.OnceValues(func() ([]*pkg, error) {
	root, err := filepath.Abs("../..")
	if err != nil {
		return nil, err
	}
	byPath := map[string]*pkg{}
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() && path != root && (strings.HasPrefix(name, ".") || slices.Contains([]string{"testdata", "node_modules", "hold", "bin", "patches"}, name)) {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(name, ".go") {
			return nil
		}
		rel, err := filepath.Rel(root, filepath.Dir(path))
		if err != nil {
			return err
		}
		if rel == "." {
			rel = ""
		}
		p := byPath[rel]
		if p == nil {
			p = &pkg{path: filepath.ToSlash(rel)}
			byPath[rel] = p
		}
		return p.add(root, path)
	})
	var pkgs []*pkg
	for _, p := range byPath {
		pkgs = append(pkgs, p)
	}
	slices.SortFunc(pkgs, func(a, b *pkg) int { return strings.Compare(a.path, b.path) })
	return pkgs, err
})

func (p *pkg) add(root, path string) error {
	src, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, path, src, parser.ParseComments)
	if err != nil {
		return err
	}
	rel, err := filepath.Rel(root, path)
	if err != nil {
		return err
	}
	isTest := strings.HasSuffix(path, "_test.go")
	kind := "file"
	if isTest {
		kind = "test"
	}
	p.sizes = append(p.sizes, size{kind, rel, strings.Count(string(src), "\n")})
	at := func(n ast.Node) string { return fmt.Sprintf("%s:%d", rel, set.Position(n.Pos()).Line) }
	if isTest {
		p.testCalls = append(p.testCalls, calls(file, at)...)
		return nil
	}
	if file.Doc != nil {
		p.doc = file.Doc.Text()
	}
	for _, imp := range file.Imports {
		if s, err := strconv.Unquote(imp.Path.Value); err == nil && !slices.Contains(p.imports, s) {
			p.imports = append(p.imports, s)
		}
	}
	p.calls = append(p.calls, calls(file, at)...)
	ast.Inspect(file, func(n ast.Node) bool {
		p.measure(set, rel, n)
		return true
	})
	return nil
}

func calls(file *ast.File, at func(ast.Node) string) []call {
	var found []call
	ast.Inspect(file, func(n ast.Node) bool {
		if sel, ok := n.(*ast.SelectorExpr); ok {
			if x, ok := sel.X.(*ast.Ident); ok {
				found = append(found, call{x.Name + "." + sel.Sel.Name, at(n)})
			}
		}
		return true
	})
	return found
}

func (p *pkg) measure(set *token.FileSet, rel string, n ast.Node) {
	switch n := n.(type) {
	case *ast.GoStmt:
		p.goroutines++
	case *ast.FuncDecl:
		lines := set.Position(n.End()).Line - set.Position(n.Pos()).Line + 1
		p.sizes = append(p.sizes, size{"function", rel + " " + n.Name.Name, lines})
	case *ast.TypeSpec:
		switch typ := n.Type.(type) {
		case *ast.InterfaceType:
			p.sizes = append(p.sizes, size{"interface", rel + " " + n.Name.Name, typ.Methods.NumFields()})
		case *ast.StructType:
			p.sizes = append(p.sizes, size{"struct", rel + " " + n.Name.Name, typ.Fields.NumFields()})
		}
	}
}
