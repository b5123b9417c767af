package klpchange_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/hotstick/hotstick/internal/guest/kernelpkg"
	"github.com/hotstick/hotstick/internal/kernel/kmod"
	"github.com/hotstick/hotstick/internal/rig/rigtest"
)

// What a compiler makes of a patch's source still shows its way back.
func TestRealModulesShowTheirWayBack(t *testing.T) {
	rigtest.Wanted(t)
	for _, line := range rigtest.Lines() {
		k, err := kernelpkg.Fetch(t.Context(), "", kernelpkg.Want{Line: line}, nil)
		if err != nil {
			t.Fatal(err)
		}
		for source, want := range map[string]kmod.Marks{
			"testdata/marked":                         {Callbacks: true, States: true, Shadow: true, NoExit: true},
			filepath.Join(patchesDir, "unix-ioctl-1"): {},
			filepath.Join(patchesDir, "busy-1"):       {},
		} {
			file, err := k.BuildModule(t.Context(), source, t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			f, err := os.Open(file)
			if err != nil {
				t.Fatal(err)
			}
			stat, err := f.Stat()
			if err != nil {
				t.Fatal(err)
			}
			info, err := kmod.Read(f, stat.Size())
			f.Close()
			if err != nil || info.Marks != want {
				t.Errorf("%s for %s shows %q (%v), want %q", source, line, info.Marks, err, want)
			}
		}
	}
}
