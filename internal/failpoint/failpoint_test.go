package failpoint

import (
	"bytes"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the reference anew")

const root = "../.."

// constants maps the constants of this package to their names.
func constants(t *testing.T) map[string]Name {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "points.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]Name{}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || spec.Type == nil {
			return true
		}
		if named, ok := spec.Type.(*ast.Ident); ok && named.Name == "Name" {
			found[spec.Names[0].Name] = Name(strings.Trim(spec.Values[0].(*ast.BasicLit).Value, `"`))
		}
		return true
	})
	return found
}

func TestTheTableIsThePointsInTheCode(t *testing.T) {
	named := constants(t)
	used := map[string]int{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() && (d.Name() == "node_modules" || d.Name() == ".git") {
			return errorOrSkip(err)
		}
		if d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		source, err := os.ReadFile(path)
		if err != nil || !bytes.Contains(source, []byte("failpoint.Here(")) {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, source, 0)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			fn, ok := call.Fun.(*ast.SelectorExpr)
			if !ok || fn.Sel.Name != "Here" {
				return true
			}
			if name, ok := call.Args[0].(*ast.SelectorExpr); ok {
				used[name.Sel.Name]++
			} else {
				t.Errorf("%s: a failpoint is named by its constant", path)
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	listed := map[Name]bool{}
	for _, p := range Points() {
		if listed[p.Name] {
			t.Errorf("%s stands twice in the table", p.Name)
		}
		listed[p.Name] = true
		if p.Leaves == "" || len(p.Programs) == 0 {
			t.Errorf("%s does not say who reaches it and what it leaves", p.Name)
		}
	}
	for _, constant := range slices.Sorted(maps.Keys(named)) {
		if used[constant] == 0 {
			t.Errorf("%s is nowhere in the code", constant)
		}
		if !listed[named[constant]] {
			t.Errorf("%s is not in the table", constant)
		}
	}
	if len(listed) < 45 || len(listed) != len(named) || len(used) != len(named) {
		t.Errorf("%d points in the table, %d constants, %d used", len(listed), len(named), len(used))
	}
}

func errorOrSkip(err error) error {
	if err != nil {
		return err
	}
	return filepath.SkipDir
}

func TestReleaseBuildsHaveNoFailpoints(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the programs; make test does it")
	}
	for _, program := range []string{"hotstick", "hotstick-agent", "hotstick-loader"} {
		for _, tags := range []string{"", "lab"} {
			data := mustBuild(t, program, tags)
			held := 0
			for _, p := range Points() {
				if bytes.Contains(data, []byte(p.Name)) {
					held++
				}
			}
			symbols := bytes.Count(data, []byte("internal/failpoint.")) + bytes.Count(data, []byte("HOTSTICK_FAILPOINTS"))
			switch {
			case tags == "" && held+symbols > 0:
				t.Errorf("the release build of %s holds %d names of failpoints and %d words of their package", program, held, symbols)
			case tags == "lab" && (held != len(Points()) || symbols == 0):
				t.Errorf("the lab build of %s holds %d of %d names and %d words: this test finds nothing", program, held, len(Points()), symbols)
			}
		}
	}
}

func mustBuild(t *testing.T, program, tags string) []byte {
	t.Helper()
	file := filepath.Join(t.TempDir(), program)
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-tags", tags, "-o", file, "../../cmd/"+program)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestArmingIsStrict(t *testing.T) {
	for text, want := range map[string]string{
		"durable/renamed=kill":                           "map[durable/renamed:1]",
		"durable/renamed=kill:3,store/commit-after=kill": "map[durable/renamed:3 store/commit-after:1]",
		"":                       "map[]",
		"durable/renamed":        "",
		"durable/renamed=kill:0": "",
		"durable/renamed=kill:x": "",
		"durable/renamed=sleep":  "",
		"nowhere=kill":           "",
	} {
		set, err := parse(text)
		if got := fmt.Sprint(set); err == nil && got != want || err != nil && want != "" {
			t.Errorf("%q: %s, %v; want %q", text, got, err, want)
		}
	}
}

func TestTheReferenceIsWhatTheTableSays(t *testing.T) {
	const path = root + "/docs/reference/failpoints.md"
	want := reference()
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if have, err := os.ReadFile(path); err != nil || string(have) != want {
		t.Errorf("%s is not what the table says (%v): run go test -run Reference ./internal/failpoint -update", path, err)
	}
}

func reference() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# Failpoints\n\nWritten from `internal/failpoint/points.go` by its test.\n\n"+
		"A failpoint is a place at which a crash is worth trying. Release builds have none: a test builds the three programs and looks. "+
		"A program that was built with `-tags lab` reads `HOTSTICK_FAILPOINTS`: `NAME=kill` ends it there as `kill -9` does, `NAME=kill:N` the Nth time; several are separated by commas.\n\n"+
		"`make crash` kills real processes at these points, `make crash-full` at each of them %d times: see [benchmarks](benchmarks.md). Those within a step of a vendor's driver (`loader/step-…`) no host of theirs reaches; `TestStepsOnRealKernels` of `internal/loader/loadercmd` kills real processes there, in guests.\n\n"+
		"| point | in | what the crash leaves |\n|---|---|---|\n", 25)
	for _, p := range Points() {
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", p.Name, strings.Join(p.Programs, ", "), p.Leaves)
	}
	return b.String()
}
