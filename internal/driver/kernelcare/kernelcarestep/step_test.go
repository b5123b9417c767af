package kernelcarestep_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver"
	"github.com/hotstick/hotstick/internal/driver/kernelcare/kernelcarestep"
)

// host is a machine in a directory, with a kcarectl in Go: quick, and broken in ways in
// which a rig is not. What the tool really says is shown beside the rig.
type host struct {
	t     *testing.T
	root  string
	level int
	// newest is what an update without a pin leads to; a pin leads to its number.
	newest int
	// failing are options that fail, with what they say.
	failing map[string]string
	calls   []string
}

func newHost(t *testing.T, conf string) *host {
	h := &host{t: t, root: t.TempDir(), newest: 9, failing: map[string]string{}}
	h.write("etc/sysconfig/kcare/kcare.conf", conf)
	h.write("sys/kernel/livepatch/.keep", "")
	h.write("sys/module/.keep", "")
	h.load()
	return h
}

func (h *host) write(name, text string) {
	path := filepath.Join(h.root, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		h.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		h.t.Fatal(err)
	}
}

func (h *host) conf() string {
	data, err := os.ReadFile(filepath.Join(h.root, "etc/sysconfig/kcare/kcare.conf"))
	if err != nil {
		h.t.Fatal(err)
	}
	return string(data)
}

func (h *host) load() {
	modules := "ext4 1000 0 - Live 0x0\n"
	if h.level > 0 {
		modules += "kcare 2000 0 - Live 0x0 (OE)\n"
	}
	h.write("proc/modules", modules)
}

func (h *host) Run(ctx context.Context, argv ...string) (driver.Ran, error) {
	if err := ctx.Err(); err != nil {
		return driver.Ran{}, err
	}
	option := argv[1]
	h.calls = append(h.calls, option)
	if said, ok := h.failing[option]; ok {
		return driver.Ran{Code: 1, Stderr: said}, nil
	}
	var out string
	switch option {
	case "--info":
		out = "No patches applied\n"
		if h.level > 0 {
			out = fmt.Sprintf("kpatch-state: patch is applied\nkpatch-description: %d-:1;6.1\n", h.level)
		}
	case "--update":
		h.level = h.newest
		if _, pin, ok := strings.Cut(h.conf(), "STICKY_PATCHSET=K"); ok {
			_, err := fmt.Sscanf(pin, "%d", &h.level)
			if err != nil {
				h.t.Fatal(err)
			}
		}
	case "--unload":
		h.level = 0
	default:
		h.t.Fatalf("nobody expects %v", argv)
	}
	h.load()
	return driver.Ran{Stdout: out}, nil
}

func (h *host) stepper() *kernelcarestep.Stepper {
	return kernelcarestep.New(os.DirFS(h.root), h.root, h)
}

// of is the recipe of a level; its patch set is called by the level it leads to here.
func of(level, leadsTo int) hotstick.Recipe {
	return hotstick.Recipe{Driver: "kernelcare", Module: fmt.Sprintf("kernelcare_level_%d", level), Version: fmt.Sprint(level), PatchSet: fmt.Sprintf("K%d", leadsTo)}
}

func TestAnOlderLevelThatDoesNotComeLeavesWhatWas(t *testing.T) {
	const pinned, unpinned = "AUTO_UPDATE=False\nSTICKY_PATCHSET=K5\n", "AUTO_UPDATE=False\nUPDATE_DELAY=48h\nPREFIX=48h\n"
	for _, row := range []struct {
		name     string
		conf     string
		have     int
		ask      hotstick.Recipe
		want     int
		notBack  bool
		updateBy string // what --update says when it fails
	}{
		{"another level came, and the one before was pinned", pinned, 5, of(3, 2), 5, false, ""},
		{"another level came, and the one before was not", unpinned, 5, of(3, 2), 2, true, ""},
		{"a newer level did not come", unpinned, 5, of(7, 5), 5, false, ""},
		{"another level came where none was", unpinned, 0, of(3, 2), 0, false, ""},
		{"the update failed, and the one before was not pinned", unpinned, 5, of(3, 3), 0, true, "broken"},
		{"the update failed where none was", pinned, 0, of(3, 3), 0, false, "broken"},
	} {
		t.Run(row.name, func(t *testing.T) {
			h := newHost(t, row.conf)
			h.level = row.have
			h.load()
			if row.updateBy != "" {
				h.failing["--update"] = row.updateBy
			}
			r := mustRefuse(t, h.stepper().Apply(t.Context(), row.ask), hotstick.ReasonToolFailed)
			if h.level != row.want || strings.Contains(r.Reason.Detail, "not back") != row.notBack {
				t.Errorf("level %d (%v), want %d", h.level, r, row.want)
			}
			if got := h.conf(); got != row.conf {
				t.Errorf("the configuration is now\n%s\nwant\n%s", got, row.conf)
			}
		})
	}
}

func TestOnlyThePatchSetChoosesWhatIsApplied(t *testing.T) {
	h := newHost(t, "# mine\nSTICKY_PATCH=010126\nAUTO_UPDATE=False\nUPDATE_DELAY=48h\nPREFIX=48h\nPATCH_SERVER=http://e/\n")
	if err := h.stepper().Apply(t.Context(), of(3, 3)); err != nil {
		t.Fatal(err)
	}
	if want := "# mine\nAUTO_UPDATE=False\nPREFIX=48h\nPATCH_SERVER=http://e/\nSTICKY_PATCHSET=K3\n"; h.conf() != want {
		t.Errorf("the configuration is now\n%s\nwant\n%s", h.conf(), want)
	}
	h.calls = nil
	if err := h.stepper().Apply(t.Context(), of(3, 3)); err != nil || !slices.Equal(h.calls, []string{"--info"}) {
		t.Errorf("applied twice: %v, %v", h.calls, err)
	}
}

func TestALevelThatNobodyAskedForStays(t *testing.T) {
	h := newHost(t, "AUTO_UPDATE=False\n")
	h.level = 5
	h.load()
	mustRefuse(t, h.stepper().Remove(t.Context(), of(3, 3)), hotstick.ReasonForeignPatch)
	if h.level != 5 {
		t.Errorf("level %d", h.level)
	}
	h.write("sys/module/ksplice_hb94cdr2/ksplice/stage", "applied\n")
	mustRefuse(t, h.stepper().Apply(t.Context(), of(6, 6)), hotstick.ReasonForeignPatch)
	if h.level != 5 || h.conf() != "AUTO_UPDATE=False\n" {
		t.Errorf("level %d with\n%s", h.level, h.conf())
	}
}

func TestARecipeWhoseNamesDisagree(t *testing.T) {
	for _, r := range []hotstick.Recipe{{Module: "kernelcare_level_4", Version: "3"}, {Module: "kernelcare_level_03", Version: "03"}, {Module: "kernelcare_level_x", Version: "x"}} {
		h := newHost(t, "")
		mustRefuse(t, h.stepper().Apply(t.Context(), r), hotstick.ReasonVerificationFailed)
		if len(h.calls) > 0 {
			t.Errorf("%+v: called %v", r, h.calls)
		}
	}
}

func TestSettingsOfSomethingElseAreNotPutBack(t *testing.T) {
	h := newHost(t, "AUTO_UPDATE=False\n")
	for _, text := range []string{"", "{}", "null", `{"keys":[{"name":"PATCH_SERVER","lines":[{"at":0,"text":"PATCH_SERVER=http://evil/"}]}]}`,
		strings.Replace(string(settings(t, h)), `"AUTO_UPDATE=False"`, `"AUTO_UPDATE=True\nPATCH_SERVER=http://evil/"`, 1)} {
		if err := h.stepper().Release(t.Context(), []byte(text)); err == nil {
			t.Errorf("%q is put back", text)
		}
	}
	if h.conf() != "AUTO_UPDATE=False\n" {
		t.Errorf("the configuration is now\n%s", h.conf())
	}
}

func settings(t *testing.T, h *host) []byte {
	t.Helper()
	s, err := h.stepper().Settings(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s
}
