package demo_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hotstick/hotstick/internal/demo"
	"github.com/hotstick/hotstick/internal/demo/house"
)

// steps that every run must have checks of.
var steps = []string{"4 ", "5 ", "6 ", "7 ", "8 ", "9 "}

// TestTheMainJobOnRealKernels is the product's end-to-end test: four real guests,
// the shipped programs, and every claim of the demo as a subtest.
func TestTheMainJobOnRealKernels(t *testing.T) {
	if os.Getenv("HOTSTICK_GUESTS") == "" {
		t.Skip("boots real kernels: run make test-guests, or set HOTSTICK_GUESTS=1 after make build")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 12*time.Minute)
	defer cancel()
	dir := t.TempDir()
	var course bytes.Buffer
	report, err := demo.Run(ctx, house.Options{
		Dir: dir, Programs: "../../bin", Patches: "../../patches", Listen: "127.0.0.1:0", Out: &course,
	})
	t.Logf("\n%s", course.String())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range report.Checks {
		t.Run(c.Name, func(t *testing.T) {
			if !c.OK {
				t.Error(c.Evidence)
			}
		})
	}
	for _, step := range steps {
		if !has(report, step) {
			t.Errorf("no check of step %s was made", step)
		}
	}
	if t.Failed() {
		showLogs(t, dir)
	}
}

func has(r demo.Report, step string) bool {
	for _, c := range r.Checks {
		if strings.HasPrefix(c.Name, step) {
			return true
		}
	}
	return false
}

// showLogs prints the ends of the server's log and of the kernels' consoles.
func showLogs(t *testing.T, dir string) {
	files, _ := filepath.Glob(filepath.Join(dir, "*", "*.log"))
	more, _ := filepath.Glob(filepath.Join(dir, "*.log"))
	for _, file := range append(files, more...) {
		data, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		t.Logf("--- %s\n%s", filepath.Base(filepath.Dir(file))+"/"+filepath.Base(file), data[max(0, len(data)-6000):])
	}
}

func TestRunSaysWhatIsMissing(t *testing.T) {
	empty := t.TempDir()
	tests := []struct {
		name    string
		options house.Options
		hint    string
	}{
		{"the programs", house.Options{Programs: empty}, "make build"},
		{"the patches", house.Options{Programs: fakePrograms(t), Patches: empty}, "--patches DIR"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			test.options.Out = &bytes.Buffer{}
			_, err := demo.Run(t.Context(), test.options)
			var problem *house.Problem
			if !errors.As(err, &problem) || !strings.HasPrefix(problem.Error(), "cannot find") || !strings.Contains(problem.Hint(), test.hint) {
				t.Errorf("said %v", err)
			}
		})
	}
}

func fakePrograms(t *testing.T) string {
	dir := t.TempDir()
	for _, name := range []string{"hotstick", "hotstick-agent", "hotstick-loader"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestAReportHoldsOnlyIfEveryCheckDoes(t *testing.T) {
	r := demo.Report{OK: false, Checks: []demo.Check{{Name: "5 a", OK: true}, {Name: "5 b", Evidence: "<seen>"}}}
	if failed := r.Failed(); len(failed) != 1 || failed[0].Name != "5 b" {
		t.Errorf("failed: %v", failed)
	}
	var out bytes.Buffer
	if err := r.WriteJSON(&out); err != nil {
		t.Fatal(err)
	}
	var back demo.Report
	if err := json.Unmarshal(out.Bytes(), &back); err != nil || back.OK || back.Checks[1].Evidence != "<seen>" {
		t.Errorf("read back %+v (%v)", back, err)
	}
}
