package trace_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"regexp"
	"strings"
	"testing"
)

// The reference is written from the Go types and their comments.
func TestTheReferenceIsWhatTheTypesSay(t *testing.T) {
	const path = "../../docs/reference/trace.md"
	want := reference(t)
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(have) != want {
		t.Errorf("%s is not what the types say: run go test -run Reference ./internal/trace -update", path)
	}
}

const introduction = "# Traces\n\nWritten from `internal/trace/trace.go` by its test.\n\n" +
	"A trace says what happened, one JSON object on a line, in the order in which it happened. The simulator writes what truly happened, " +
	"kernels included; the real server and loader write what they did, with `--trace FILE`. The checkers read either. " +
	"In a real trace a host's `kernel` events are what its loader saw.\n\n" +
	"The schema is `hotstick/trace/v1`. It is frozen: fields may be added, never changed or removed, and a reader passes over fields that it does not know. " +
	"A program that goes on with an older file appends to it, so there is one `begin` only.\n\n" +
	"The loader writes `intent` after the intent is durable, and `load` after that and before the call. What it does by itself has no plan: " +
	"`plan` is empty where a confirmed level comes back after a reboot. A `load` with cause `revert` puts the level before back.\n\n"

func reference(t *testing.T) string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "trace.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	var fields, kinds strings.Builder
	for _, decl := range file.Decls {
		decl, ok := decl.(*ast.GenDecl)
		if !ok {
			continue
		}
		said := ""
		for _, spec := range decl.Specs {
			switch spec := spec.(type) {
			case *ast.TypeSpec:
				if s, ok := spec.Type.(*ast.StructType); ok && spec.Name.Name == "Event" {
					writeFields(&fields, s)
				}
			case *ast.ValueSpec:
				if !strings.HasPrefix(spec.Names[0].Name, "Kind") {
					continue
				}
				if said == "" {
					fmt.Fprintf(&kinds, "\n%s\n\n| kind | says |\n|---|---|\n", oneLine(decl.Doc.Text()))
				}
				if spec.Doc != nil {
					said = oneLine(spec.Doc.Text())
				}
				fmt.Fprintf(&kinds, "| `%s` | %s |\n", strings.Trim(spec.Values[0].(*ast.BasicLit).Value, `"`), said)
			}
		}
	}
	return introduction + "## Fields\n\nEmpty fields are left out, except `t` and `node`.\n\n| field | type | says |\n|---|---|---|\n" + fields.String() +
		"\n## Kinds\n" + kinds.String()
}

var jsonName = regexp.MustCompile(`json:"([a-z]+)`)

func writeFields(b *strings.Builder, s *ast.StructType) {
	for _, f := range s.Fields.List {
		kind := map[string]string{"int64": "number", "int": "number", "uint64": "number", "string": "text", "hotstick.PatchRef": "object: name, level",
			"hotstick.Digest": "digest", "hotstick.PlanID": "digest", "hotstick.HostID": "text", "Kind": "text", "map[string]string": "object of text", "json.RawMessage": "object"}[typeName(f.Type)]
		said := ""
		if f.Doc != nil {
			said = oneLine(f.Doc.Text())
		}
		fmt.Fprintf(b, "| `%s` | %s | %s |\n", jsonName.FindStringSubmatch(f.Tag.Value)[1], kind, said)
	}
}

func typeName(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return typeName(e.X) + "." + e.Sel.Name
	case *ast.MapType:
		return "map[" + typeName(e.Key) + "]" + typeName(e.Value)
	}
	return ""
}

// link is how a comment names another identifier.
var link = regexp.MustCompile(`\[([A-Za-z.]+)\]`)

func oneLine(s string) string {
	return link.ReplaceAllString(strings.ReplaceAll(strings.TrimSpace(s), "\n", " "), "$1")
}
