package ksplice_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver"
	"github.com/hotstick/hotstick/internal/driver/ksplice"
)

func recorded(t testing.TB, name string) string {
	t.Helper()
	data, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// machine is one whose sysfs has these files with these words in them.
func machine(files map[string]string) fstest.MapFS {
	fsys := fstest.MapFS{"sys/module/ext4/initstate": {Data: []byte("live\n")}}
	for name, word := range files {
		fsys[name] = &fstest.MapFile{Data: []byte(word)}
	}
	return fsys
}

func TestALevelIsTheExactSetOfUpdates(t *testing.T) {
	const alone, integrated = "sys/module/ksplice_%s/ksplice/stage", "sys/kernel/ksplice/%s/stage"
	at := fmt.Sprintf
	for _, row := range []struct {
		name  string
		files map[string]string
		want  []string // nil: nothing is listed
		state hotstick.Effect
	}{
		{"none", nil, nil, ""},
		{"two, in either place", map[string]string{at(alone, "hb94cdr2"): "applied\n", at(integrated, "aaaa1111"): "applied\n"}, []string{"aaaa1111", "hb94cdr2"}, hotstick.InEffect},
		{"one in both places", map[string]string{at(alone, "hb94cdr2"): "applied\n", at(integrated, "hb94cdr2"): "applied\n"}, []string{"hb94cdr2"}, hotstick.InEffect},
		{"one that is not there yet and one that is gone", map[string]string{at(alone, "hb94cdr2"): "applied\n", at(alone, "aaaa1111"): "preparing\n", at(alone, "bbbb2222"): "reversed\n"}, []string{"hb94cdr2"}, hotstick.InEffect},
		{"one that does not say", map[string]string{at(alone, "hb94cdr2"): "applied\n", "sys/module/ksplice_aaaa1111/initstate": "live\n"}, []string{"aaaa1111", "hb94cdr2"}, hotstick.EffectUnknown},
		{"one that says something else", map[string]string{at(integrated, "hb94cdr2"): "odd\n"}, []string{"hb94cdr2"}, hotstick.EffectUnknown},
		{"the parts of an update are none", map[string]string{"sys/module/ksplice_hb94cdr2_vmlinux_new/initstate": "live\n", "sys/module/ksplice/initstate": "live\n"}, nil, ""},
	} {
		patches, err := ksplice.NewObserver(machine(row.files), nothing{}).Observe(t.Context())
		var want []hotstick.LoadedPatch
		if row.want != nil {
			want = []hotstick.LoadedPatch{{Module: hotstick.UpdateSet(row.want), Driver: "ksplice", State: row.state}}
		}
		if err != nil || fmt.Sprintf("%+v", patches) != fmt.Sprintf("%+v", want) {
			t.Errorf("%s: %+v (%v), want %+v", row.name, patches, err, want)
		}
	}
	if _, err := ksplice.NewObserver(fstest.MapFS{}, nothing{}).Observe(t.Context()); err == nil {
		t.Error("without /sys there is an answer")
	}
}

// nothing is a host without programs.
type nothing struct{}

func (nothing) Run(_ context.Context, argv ...string) (driver.Ran, error) {
	return driver.Ran{}, driver.ErrNoProgram
}

// programs are those that are there, with their version.
type programs map[string]string

func (p programs) Run(_ context.Context, argv ...string) (driver.Ran, error) {
	version, ok := p[argv[0]]
	if !ok {
		return driver.Ran{}, fmt.Errorf("%w: %s", driver.ErrNoProgram, argv[0])
	}
	return driver.Ran{Stdout: version + "\n"}, nil
}

func TestWhatTheHostCanDo(t *testing.T) {
	both := programs{"uptrack-install": "1.2.88", "ksplice": "1.0.55"}
	for _, row := range []struct {
		name     string
		programs programs
		files    map[string]string
		tool     string
		want     hotstick.ReasonCode
	}{
		{"both clients", both, nil, "uptrack-install 1.2.88", ""},
		{"only the new client", programs{"ksplice": "1.0.55"}, nil, "ksplice 1.0.55", ""},
		{"no client", programs{}, nil, "", hotstick.ReasonUnsupported},
		{"switched off by a file", both, map[string]string{ksplice.DisableFile: ""}, "uptrack-install 1.2.88", hotstick.ReasonNotEntitled},
		{"switched off at boot", both, map[string]string{"proc/cmdline": "root=/dev/vda ro nouptrack quiet\n"}, "uptrack-install 1.2.88", hotstick.ReasonNotEntitled},
		{"another parameter", both, map[string]string{"proc/cmdline": "nouptracking\n"}, "uptrack-install 1.2.88", ""},
	} {
		c := ksplice.NewObserver(machine(row.files), row.programs).Capabilities(t.Context())
		if c.Tool != row.tool || c.Available != (row.want == "") || c.Reason != nil && c.Reason.Code != row.want || c.Undo != hotstick.UndoUpdate || c.TrustClass != hotstick.TrustStep || !c.Schedules {
			t.Errorf("%s: %+v (%+v)", row.name, c, c.Reason)
		}
	}
}

// hanging is a client that is there and does not come to its end.
type hanging struct{}

func (hanging) Run(context.Context, ...string) (driver.Ran, error) {
	return driver.Ran{}, errors.New("cannot wait for uptrack-install any longer: context deadline exceeded")
}

func TestAClientThatDoesNotAnswerIsNotOneThatIsNotThere(t *testing.T) {
	c := ksplice.NewObserver(machine(nil), hanging{}).Capabilities(t.Context())
	if c.Available || c.Reason == nil || c.Reason.Code != hotstick.ReasonToolFailed || c.Tool != "" {
		t.Errorf("%+v (%+v)", c, c.Reason)
	}
	if r := driver.Unasked(errors.New("cannot fork")); !r.Retry {
		t.Errorf("%+v is for good", r)
	}
}

func TestHowAClientIsCalled(t *testing.T) {
	for _, row := range []struct {
		programs programs
		want     string
	}{
		{programs{"uptrack-install": "1", "ksplice": "1"}, "uptrack-install -y a b|uptrack-remove -n a b|uptrack-remove -y --all"},
		{programs{"ksplice": "1"}, "|ksplice -n kernel undo a b|ksplice -y kernel remove --all"},
	} {
		c, err := ksplice.FindClient(t.Context(), row.programs)
		if err != nil {
			t.Fatal(err)
		}
		two := []string{"a", "b"}
		got := strings.Join([]string{strings.Join(c.Install(ksplice.Do, two), " "), strings.Join(c.Remove(ksplice.Pretend, two), " "), strings.Join(c.RemoveAll(ksplice.Do), " ")}, "|")
		if got != row.want {
			t.Errorf("%v: %q, want %q", row.programs, got, row.want)
		}
	}
}

func TestAPlanIsUnderstoodOrRefused(t *testing.T) {
	for _, row := range []struct {
		file string
		want ksplice.Plan
	}{
		{"plan-install.txt", ksplice.Plan{Install: []string{"hb94cdr2", "aaaa1111"}}},
		{"plan-remove.txt", ksplice.Plan{Remove: []string{"aaaa1111", "hb94cdr2"}}},
		{"plan-unknown.txt", ksplice.Plan{Unknown: []string{"zzzz9999"}}},
	} {
		if got, err := ksplice.ParsePlan(recorded(t, row.file)); err != nil || fmt.Sprint(got) != fmt.Sprint(row.want) {
			t.Errorf("%s: %+v (%v), want %+v", row.file, got, err, row.want)
		}
	}
	head := "The following steps will be taken:\n"
	for _, text := range []string{"", "fine\n", head, head + "Nothing to be done.\n", head + "Install hb94cdr2 Fix.\n", head + "Remove [../../x] Fix.\n", "Install [hb94cdr2] Fix.\n", "Unknown update ../x, skipping.\nNothing to be done.\n"} {
		if p, err := ksplice.ParsePlan(text); err == nil {
			t.Errorf("%q is read as %+v", text, p)
		}
	}
}

func TestTheUpdatesThatAClientShows(t *testing.T) {
	for _, row := range []struct {
		file string
		want []string
		cves []string
	}{
		{"all-show.txt", []string{"nf9nfyzj", "fe2qyrtu", "syt1v7t7", "ednh9erf"}, []string{"CVE-2022-0847", "CVE-2024-36904"}},
		{"uptrack-show.txt", []string{"r9hrmw28", "qeibbp29", "5r11iivt"}, nil},
		{"uptrack-show-none.txt", nil, nil},
		{"uptrack-show-available.txt", []string{"hb94cdr2", "aaaa1111"}, []string{"CVE-2016-5195", "CVE-2020-27170", "CVE-2020-27171"}},
	} {
		updates, err := ksplice.ParseShow(recorded(t, row.file))
		var got, cves []string
		for _, u := range updates {
			got = append(got, u.ID)
			cves = append(cves, u.CVEs()...)
		}
		if err != nil || !slices.Equal(got, row.want) || !slices.Equal(cves, row.cves) {
			t.Errorf("%s: %v %v (%v), want %v %v", row.file, got, cves, err, row.want, row.cves)
		}
	}
}

func TestWhetherTheClientsApplyByThemselves(t *testing.T) {
	const held = "[Settings]\nautoinstall = no\ninstall_on_reboot = No\nupgrade_on_reboot: off\nskip_apply_after_pkg_install = yes\n"
	for _, row := range []struct {
		config string
		held   bool
	}{
		{held, true},
		{strings.Replace(held, "autoinstall = no\n", "", 1), true}, // it is off where it is not set
		{strings.Replace(held, "autoinstall = no", "autoinstall = yes", 1), false},
		{strings.Replace(held, "autoinstall = no", "autoinstall = perhaps", 1), false},
		{strings.Replace(held, "install_on_reboot = No\n", "", 1), false}, // it is on where it is not set
		{strings.Replace(held, "skip_apply_after_pkg_install = yes\n", "", 1), false},
		{strings.Replace(held, "[Settings]", "[User]", 1), false},
		{"", false},
	} {
		got, detail, err := ksplice.Held(fstest.MapFS{ksplice.Config: {Data: []byte(row.config)}})
		if err != nil || got != row.held || !got && detail == "" {
			t.Errorf("%q: held %v (%s, %v), want %v", row.config, got, detail, err, row.held)
		}
	}
}

func TestWhatAClientSaysIsCalledByItsName(t *testing.T) {
	for _, row := range []struct {
		ran   driver.Ran
		want  hotstick.ReasonCode
		retry bool
	}{
		{driver.Ran{Code: 1, Stdout: recorded(t, "failed-busy.txt")}, hotstick.ReasonTransitionStalled, true},
		{driver.Ran{Code: 1, Stdout: recorded(t, "failed-cold.txt")}, hotstick.ReasonNoWayBack, false},
		{driver.Ran{Code: 1, Stdout: recorded(t, "failed-no-match.txt")}, hotstick.ReasonKernelRefused, false},
		{driver.Ran{Code: 1, Stdout: recorded(t, "failed-module-busy.txt")}, hotstick.ReasonNoWayBack, false},
		{driver.Ran{Code: 1, Stdout: recorded(t, "failed-lock.txt")}, hotstick.ReasonToolFailed, true},
		{driver.Ran{Code: 10, Stdout: "Could not connect\n"}, hotstick.ReasonToolFailed, true},
		{driver.Ran{Code: 13, Stdout: "Your kernel is not supported\n"}, hotstick.ReasonCoverEnded, false},
		{driver.Ran{Code: 17, Stdout: "Installing updates is disabled.\n"}, hotstick.ReasonNotEntitled, false},
		{driver.Ran{Code: 20, Stdout: "You must specify an access key to use the service.\n"}, hotstick.ReasonNotEntitled, false},
		{driver.Ran{Code: 1, Stdout: "code_busy\n"}, hotstick.ReasonTransitionStalled, true},
		{driver.Ran{Code: 255, Stdout: "who knows\n"}, hotstick.ReasonToolFailed, false},
	} {
		r := ksplice.Refusal(row.ran, true)
		if r == nil || r.Reason.Code != row.want || r.Retry != row.retry {
			t.Errorf("%+v: %+v, want %s (retry: %v)", row.ran, r, row.want, row.retry)
		}
	}
	if r := ksplice.Refusal(driver.Ran{Code: 13}, false); r.Reason.Code != hotstick.ReasonUnsupported {
		t.Errorf("a kernel that was never supported: %+v", r)
	}
	if r := ksplice.Refusal(driver.Ran{Stdout: "code_busy"}, true); r != nil {
		t.Errorf("what ended well: %+v", r)
	}
}

func FuzzPlan(f *testing.F) {
	for _, name := range []string{"plan-install.txt", "plan-remove.txt", "plan-unknown.txt", "failed-busy.txt", "all-show.txt"} {
		f.Add(recorded(f, name))
	}
	f.Fuzz(func(t *testing.T, text string) {
		if p, err := ksplice.ParsePlan(text); err == nil {
			for _, id := range slices.Concat(p.Install, p.Remove, p.Unknown) {
				if len(id) != 8 || strings.ContainsAny(id, "/. -\n") {
					t.Fatalf("%q names the update %q", text, id)
				}
			}
		}
		if updates, err := ksplice.ParseShow(text); err == nil {
			for _, u := range updates {
				if len(u.ID) != 8 {
					t.Fatalf("%q shows the update %q", text, u.ID)
				}
			}
		}
	})
}
