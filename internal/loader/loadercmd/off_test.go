package loadercmd

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/loader"
)

func TestWhatSwitchesHotstickOff(t *testing.T) {
	for _, c := range []struct {
		what, cmdline string
		make          func(path string) error
		want          loader.Off
	}{
		{"nothing", "quiet ro", nil, loader.Off{}},
		{"a word that only looks like it", "xhotstick=off hotstick=offline hotstick=on", nil, loader.Off{}},
		{"the command line", "quiet hotstick=off ro\n", nil, loader.Off{By: hotstick.OffByCommandLine}},
		{"an empty file", "", text(""), loader.Off{By: hotstick.OffByFile}},
		{"a file with a reason", "", text(" too many pages \nand more\n"), loader.Off{By: hotstick.OffByFile, Why: "too many pages"}},
		{"a directory", "", func(path string) error { return os.Mkdir(path, 0o755) }, loader.Off{By: hotstick.OffByFile}},
		{"a link to nowhere", "", func(path string) error { return os.Symlink("nowhere", path) }, loader.Off{By: hotstick.OffByFile}},
		{"more than anybody reads", "", text(strings.Repeat("x", 2*maxOff)), loader.Off{By: hotstick.OffByFile}},
	} {
		path := filepath.Join(t.TempDir(), "off")
		o := newOffSwitch(path, fstest.MapFS{"proc/cmdline": {Data: []byte(c.cmdline)}})
		if before := o.state(); c.make != nil && before.By != "" {
			t.Errorf("before %s: %+v", c.what, before)
		}
		if c.make != nil {
			if err := c.make(path); err != nil {
				t.Fatal(err)
			}
		}
		if got := o.state(); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.what, got, c.want)
		}
	}
}

func text(s string) func(string) error {
	return func(path string) error { return os.WriteFile(path, []byte(s), 0o644) }
}

func TestASocketOfAnotherProcessIsNotTaken(t *testing.T) {
	for _, env := range []map[string]string{nil, {"LISTEN_PID": "1", "LISTEN_FDS": "1"}, {"LISTEN_FDS": "1"}} {
		if handed := inherited(func(k string) string { return env[k] }); len(handed) != 0 {
			t.Errorf("with %v: %v", env, handed)
		}
	}
}
