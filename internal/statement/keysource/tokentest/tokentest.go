// Package tokentest makes tokens for tests: SoftHSM's, which live in a directory of
// the test, filled by OpenSC's own tool.
package tokentest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// World is the tokens that are plugged in.
type World struct {
	t *testing.T
	// Module is the library that speaks for them.
	Module string
	tokens string
	// dirs says where each token lies, by its label.
	dirs map[string]string
}

// places are where distributions put SoftHSM's library.
var places = []string{"/usr/lib/softhsm/libsofthsm2.so", "/usr/lib/*/softhsm/libsofthsm2.so", "/usr/lib*/pkcs11/libsofthsm2.so"}

// New makes a world without tokens. The test is skipped where the programs are not
// installed, and fails there in continuous integration.
func New(t *testing.T) *World {
	t.Helper()
	w := &World{t: t, tokens: filepath.Join(t.TempDir(), "tokens"), dirs: map[string]string{}}
	for _, place := range places {
		if found, err := filepath.Glob(place); err == nil && len(found) > 0 {
			w.Module = found[0]
		}
	}
	_, noTool := exec.LookPath("pkcs11-tool")
	_, noHSM := exec.LookPath("softhsm2-util")
	switch missing := noTool != nil || noHSM != nil || w.Module == ""; {
	case missing && os.Getenv("CI") != "":
		t.Fatal("cannot make a token: install opensc and softhsm2 (scripts/setup test)")
	case missing:
		t.Skip("cannot make a token: install opensc and softhsm2 (scripts/setup test)")
	}
	conf := w.tokens + ".conf"
	w.must(os.Mkdir(w.tokens, 0o700))
	w.must(os.WriteFile(conf, fmt.Appendf(nil, "directories.tokendir = %s\nlog.level = ERROR\n", w.tokens), 0o600))
	t.Setenv("SOFTHSM2_CONF", conf)
	return w
}

func (w *World) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *World) run(program string, args ...string) {
	w.t.Helper()
	if out, err := exec.Command(program, args...).CombinedOutput(); err != nil {
		w.t.Fatalf("%s %q: %v\n%s", program, args, err, out)
	}
}

// Plug makes a new token and plugs it in.
func (w *World) Plug(label, pin string) {
	w.t.Helper()
	before := w.list()
	w.run("softhsm2-util", "--init-token", "--free", "--label", label, "--pin", pin, "--so-pin", "87654321")
	for dir := range w.list() {
		if !before[dir] {
			w.dirs[label] = dir
		}
	}
}

func (w *World) list() map[string]bool {
	w.t.Helper()
	found, err := os.ReadDir(w.tokens)
	w.must(err)
	dirs := map[string]bool{}
	for _, f := range found {
		dirs[f.Name()] = true
	}
	return dirs
}

// Pull takes the token of this label out, for ever.
func (w *World) Pull(label string) {
	w.t.Helper()
	w.must(os.RemoveAll(filepath.Join(w.tokens, w.dirs[label])))
}

// Key makes a key on a token: kind is EC:prime256v1, for instance. Without an ID the
// key has none. The label must not begin another token's: the tool would take either.
func (w *World) Key(token, pin, kind, label, id string) {
	w.t.Helper()
	args := []string{"--module", w.Module, "--token-label", token, "--login", "--pin", pin, "--keypairgen", "--key-type", kind, "--label", label}
	if id != "" {
		args = append(args, "--id", id)
	}
	w.run("pkcs11-tool", args...)
}
