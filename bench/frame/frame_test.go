package frame

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

type verdict struct {
	OK bool `json:"ok"`
}

func (v verdict) Table(w io.Writer) { io.WriteString(w, "a table") }
func (v verdict) Holds() bool       { return v.OK }

func TestACommandEndsAsItsProofDoes(t *testing.T) {
	kept := filepath.Join(t.TempDir(), "kept")
	for _, tt := range []struct {
		name   string
		args   []string
		report Report
		err    error
		code   int
		out    string // part of stdout
		says   string // part of stderr
	}{
		{"it holds", nil, verdict{true}, nil, 0, "a table", ""},
		{"it does not hold", nil, verdict{}, nil, 1, "a table", ""},
		{"as JSON", []string{"-o", "json"}, verdict{true}, nil, 0, `"ok": true`, ""},
		{"it came to no end", nil, verdict{true}, errors.New("cannot go on"), 1, "a table", "error: cannot go on"},
		{"it could not begin", nil, nil, errors.New("cannot begin"), 1, "", "error: cannot begin"},
		{"kept", []string{"-dir", kept}, verdict{true}, nil, 0, "a table", ""},
		{"kept where something is", []string{"-dir", kept}, verdict{true}, nil, 1, "", "exists"},
		{"an argument", []string{"x"}, verdict{true}, nil, 2, "", "want no arguments"},
		{"another format", []string{"-o", "yaml"}, verdict{true}, nil, 2, "", "want no arguments"},
		{"an unknown flag", []string{"-x"}, verdict{true}, nil, 2, "", "not defined"},
		{"a number", []string{"-n", "3"}, verdict{true}, nil, 0, "a table", ""},
		{"too small a number", []string{"-n", "0"}, verdict{true}, nil, 2, "", "want a number from 1"},
	} {
		var n int
		var out, errs bytes.Buffer
		var dir string
		p := Proof{Name: "proof", Flags: func(f *flag.FlagSet) { CountVar(f, &n, "n", 5, "how many") },
			Prove: func(_ context.Context, at string, _ io.Writer) (Report, error) {
				dir = at
				return tt.report, tt.err
			}}
		code := p.Command(tt.args, &out, &errs)
		if code != tt.code || !strings.Contains(out.String(), tt.out) || !strings.Contains(errs.String(), tt.says) {
			t.Errorf("%s: %d %q %q", tt.name, code, out.String(), errs.String())
		}
		if _, err := os.Stat(dir); dir != "" && (err == nil) != (dir == kept) {
			t.Errorf("%s: the directory %s: %v", tt.name, dir, err)
		}
		if tt.name == "a number" && n != 3 || tt.name == "it holds" && n != 5 {
			t.Errorf("%s: the number is %d", tt.name, n)
		}
	}
}
