package kernelcare_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"strings"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver"
	"github.com/hotstick/hotstick/internal/driver/kernelcare"
)

func recorded(t testing.TB, name string) string {
	t.Helper()
	data, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestTheAppliedLevelIsRead(t *testing.T) {
	for _, row := range []struct {
		file string
		want kernelcare.Info
		said bool
	}{
		{"info-applied.txt", kernelcare.Info{Applied: true, Level: 1, Effective: "5.4.0-1028.31", Built: "Thu Feb 11 23:02:52 2021"}, true},
		{"info-applied-2016.txt", kernelcare.Info{Applied: true, Level: 3, Effective: "3.16.36-1+deb8u2", Built: "Fri Oct 21 02:05:59 2016"}, true},
		{"info-test-feed.txt", kernelcare.Info{Applied: true, Level: 40, Type: "extra", Effective: "5.14.0-284.30.1.el9_2", Built: "Fri Sep  8 10:00:00 2023"}, true},
		{"info-unknown-kernel.txt", kernelcare.Info{}, false},
	} {
		got, said, err := kernelcare.ParseInfo(recorded(t, row.file))
		if err != nil || got != row.want || said != row.said {
			t.Errorf("%s: %+v, %v (%v); want %+v, %v", row.file, got, said, err, row.want, row.said)
		}
	}
}

func TestWhatIsHalfKnownIsNotRead(t *testing.T) {
	applied := "kpatch-state: patch is applied\n"
	for _, text := range []string{
		applied, applied + "kpatch-description: 3\n", applied + "kpatch-description: -;5.4\n", applied + "kpatch-description: 0;5.4\n", applied + "kpatch-description: 03;5.4\n",
		applied + "kpatch-description: 99999999;5.4\n", applied + applied + "kpatch-description: 3;5.4\n",
		"kpatch-state: being applied\nkpatch-description: 3;5.4\n", "kpatch-description: 3;5.4\n", "kpatch-state: patch is not applied\nkpatch-description: 3;5.4\n",
	} {
		if info, _, err := kernelcare.ParseInfo(text); err == nil {
			t.Errorf("%q is read as %+v", text, info)
		}
	}
}

func TestTheFixesOfALevel(t *testing.T) {
	fixes, err := kernelcare.ParsePatchInfo(recorded(t, "patch-info.txt"))
	want := []kernelcare.Fix{{Name: "5.4.0/symlink-protection.patch"}, {Name: "5.4.0/CVE-2022-33655.patch", CVE: "CVE-2022-33655"}}
	if err != nil || fmt.Sprint(fixes) != fmt.Sprint(want) {
		t.Errorf("%+v (%v), want %+v", fixes, err, want)
	}
	if _, err := kernelcare.ParsePatchInfo(strings.Repeat("kpatch-name: a\n", kernelcare.MaxFixes+1)); err == nil {
		t.Error("any number of records is read")
	}
}

// answers are what kcarectl says to each option; a missing one fails the run.
type answers map[string]driver.Ran

func (a answers) Run(_ context.Context, argv ...string) (driver.Ran, error) {
	ran, ok := a[strings.Join(argv[1:], " ")]
	if argv[0] != "kcarectl" || !ok {
		return driver.Ran{}, fmt.Errorf("%w: %s", driver.ErrNoProgram, strings.Join(argv, " "))
	}
	return ran, nil
}

const (
	withModule    = "ext4 1000 0 - Live 0x0\nkcare 20480 0 - Live 0x0 (OE)\n"
	withoutModule = "ext4 1000 0 - Live 0x0\n"
	inTree        = "kcare 20480 0 - Live 0x0\n"
)

func machine(modules string) fstest.MapFS {
	return fstest.MapFS{"proc/modules": {Data: []byte(modules)}}
}

func TestTheToolAndTheKernelAreHeldAgainstEachOther(t *testing.T) {
	applied := driver.Ran{Stdout: recorded(t, "info-applied-2016.txt")}
	nothing := driver.Ran{Stdout: "No patches applied, but some are available, run 'kcarectl --update'.\n"}
	for _, row := range []struct {
		name    string
		modules string
		answers answers
		want    string
	}{
		{"applied", withModule, answers{"--info": applied}, "kernelcare_level_3 in_effect"},
		{"the tool says applied and the kernel has nothing of it", withoutModule, answers{"--info": applied}, "kernelcare_level_3 unknown"},
		{"a module of the kernel's own has that name", inTree, answers{"--info": applied}, "kernelcare_level_3 unknown"},
		{"nothing", withoutModule, answers{"--info": nothing}, ""},
		{"nothing, and the module has stayed", withModule, answers{"--info": nothing, "--status": {Code: 1}}, ""},
		{"the module is there and the tool says neither", withModule, answers{"--info": nothing, "--status": {Code: 0}}, "kcare unknown"},
		{"the module is there and the tool fails", withModule, answers{"--info": {Code: 70, Stderr: "broken"}, "--status": {Code: 1}}, "kcare unknown"},
		{"the status is none that is documented", withModule, answers{"--info": nothing, "--status": {Code: 9}}, "kcare unknown"},
		{"the tool is gone and the module is there", withModule, answers{}, "kcare unknown"},
		{"it was never here", withoutModule, answers{}, ""},
		{"the answer is not understood", withModule, answers{"--info": {Stdout: "kpatch-state: odd\n"}}, "kcare unknown"},
	} {
		patches, err := kernelcare.NewObserver(machine(row.modules), row.answers).Observe(t.Context())
		var got []string
		for _, p := range patches {
			got = append(got, p.Module+" "+string(p.State))
		}
		if err != nil {
			got = []string{"error"}
		}
		if strings.Join(got, ",") != row.want {
			t.Errorf("%s: %v (%v), want %q", row.name, got, err, row.want)
		}
	}
}

// counted counts how often kcarectl is run.
type counted struct {
	answers
	runs int
}

func (c *counted) Run(ctx context.Context, argv ...string) (driver.Ran, error) {
	c.runs++
	return c.answers.Run(ctx, argv...)
}

func TestTheToolIsNotAskedManyTimesASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tool := &counted{answers: answers{"--info": {Stdout: recorded(t, "info-applied.txt")}}}
		fsys := machine(withModule)
		o := kernelcare.NewObserver(fsys, tool)
		mustRun := func(want int) {
			t.Helper()
			if _, err := o.Observe(t.Context()); err != nil || tool.runs != want {
				t.Fatalf("it was run %d times, want %d (%v)", tool.runs, want, err)
			}
		}
		mustRun(1)
		mustRun(1)
		fsys["proc/modules"] = &fstest.MapFile{Data: []byte(withoutModule)} // what the kernel says is never old
		if patches, _ := o.Observe(t.Context()); len(patches) != 1 || patches[0].State != hotstick.EffectUnknown {
			t.Errorf("without the module it says %+v", patches)
		}
		mustRun(2)
		<-time.After(3 * time.Second)
		mustRun(3)
	})
}

func TestTheModuleMayHaveAnotherName(t *testing.T) {
	o := kernelcare.NewObserver(machine("tuxcare 20480 0 - Live 0x0 (O)\n"), answers{"--info": {Stdout: recorded(t, "info-applied.txt")}}).WithModule("tuxcare")
	patches, err := o.Observe(t.Context())
	if err != nil || len(patches) != 1 || patches[0].State != hotstick.InEffect {
		t.Errorf("%+v, %v", patches, err)
	}
}

// unasked is a tool that is there and does not come to its end.
type unasked struct{ error }

func (u unasked) Run(context.Context, ...string) (driver.Ran, error) { return driver.Ran{}, u.error }

func TestWhatTheHostCanDo(t *testing.T) {
	applied := driver.Ran{Stdout: recorded(t, "info-applied.txt")}
	fine := answers{"--version": {Stdout: "2.90-1\n"}, "--license-info": {Stdout: "Key-based valid license found\n"}, "--status": {Code: 2}}
	broken := driver.Ran{Code: 1, Stderr: "ImportError: No module named kcarectl\n"}
	with := func(pairs ...any) answers {
		a := maps.Clone(fine)
		for i := 0; i < len(pairs); i += 2 {
			a[pairs[i].(string)] = pairs[i+1].(driver.Ran)
		}
		return a
	}
	hangs := unasked{errors.New("cannot wait for kcarectl any longer: context deadline exceeded")}
	for _, row := range []struct {
		name    string
		answers driver.Commands
		modules string
		want    hotstick.ReasonCode
	}{
		{"all is well", fine, withModule, ""},
		{"it is not installed", answers{}, withoutModule, hotstick.ReasonUnsupported},
		{"no licence", with("--license-info", driver.Ran{Stdout: "No valid license found for IP 10.0.0.1\n"}), withoutModule, hotstick.ReasonNotEntitled},
		{"not registered", with("--license-info", driver.Ran{Code: 1, Stderr: "Server is not registered\n"}), withoutModule, hotstick.ReasonNotEntitled},
		{"the vendor does not know the kernel", with("--status", driver.Ran{Code: 3}, "--info", driver.Ran{Stdout: "No patches applied\n"}), withoutModule, hotstick.ReasonUnsupported},
		{"the vendor knew the kernel once", with("--status", driver.Ran{Code: 3}, "--info", applied), withModule, hotstick.ReasonCoverEnded},
		{"the vendor does not know the kernel, and nobody can tell what is applied", with("--status", driver.Ran{Code: 3}, "--info", broken), withModule, hotstick.ReasonToolFailed},
		{"the status is none that is documented", with("--status", driver.Ran{Code: 9}), withModule, hotstick.ReasonToolFailed},
		{"it fails whatever it is asked", answers{"--version": broken, "--license-info": broken, "--status": broken}, withoutModule, hotstick.ReasonToolFailed},
		{"it hangs", hangs, withoutModule, hotstick.ReasonToolFailed},
	} {
		c := kernelcare.NewObserver(machine(row.modules), row.answers).Capabilities(t.Context())
		if c.Available != (row.want == "") || c.Reason != nil && c.Reason.Code != row.want || c.Undo != hotstick.UndoAll || !c.Schedules || !c.Pinnable || c.TrustClass != hotstick.TrustPin {
			t.Errorf("%s: %+v (%+v), want %q", row.name, c, c.Reason, row.want)
		}
	}
}

func TestWhetherTheAgentAppliesByItself(t *testing.T) {
	for _, row := range []struct {
		config, job string
		held        bool
	}{
		{"AUTO_UPDATE=False\n", "", true},
		{"auto_update = no\n", "", true},
		{"AUTO_UPDATE=True\n", "", false},
		{"AUTO_UPDATE=YES\n", "", false},
		{"AUTO_UPDATE=\n", "", false},
		{"# AUTO_UPDATE=False\n", "", false},
		{"AUTO_UPDATE=False\nAUTO_UPDATE=True\n", "", false},
		{"", "", false},
		{"AUTO_UPDATE=False\n", "0 */4 * * * root /usr/bin/kcarectl -q --auto-update\n", true},
		{"AUTO_UPDATE=False\n", "0 */4 * * * root /usr/bin/kcarectl --update >/dev/null\n", false},
		{"AUTO_UPDATE=False\n", "0 4 * * * root kcarectl -u;true\n", false},
		{"AUTO_UPDATE=False\n", "# kcarectl --update\n0 4 * * * root apt-get update --update\n", true},
	} {
		fsys := fstest.MapFS{kernelcare.Config: {Data: []byte(row.config)}}
		if row.job != "" {
			fsys["etc/cron.d/job"] = &fstest.MapFile{Data: []byte(row.job)}
		}
		held, detail, err := kernelcare.Held(fsys)
		if err != nil || held != row.held || !held && detail == "" {
			t.Errorf("%q with the job %q: held %v (%s, %v), want %v", row.config, row.job, held, detail, err, row.held)
		}
	}
	if held, _, err := kernelcare.Held(fstest.MapFS{}); held || err != nil {
		t.Errorf("without a configuration: held %v, %v", held, err)
	}
}

func TestWhatTheToolSaysIsCalledByItsName(t *testing.T) {
	for _, row := range []struct {
		ran   driver.Ran
		want  hotstick.ReasonCode
		retry bool
	}{
		{driver.Ran{Stdout: "Patch level 40 applied. Effective kernel version 5.4.0-177.197\nKernel is safe\n"}, "", false},
		{driver.Ran{Code: 1, Stderr: "Unable to freeze 3 threads\n"}, hotstick.ReasonTransitionStalled, true},
		{driver.Ran{Code: 1, Stdout: "Unknown kernel (Ubuntu 5.4.0-1029-raspi), no patches available\n"}, hotstick.ReasonUnsupported, false},
		{driver.Ran{Code: 1, Stderr: "Key limit reached\n"}, hotstick.ReasonNotEntitled, false},
		{driver.Ran{Code: 1, Stderr: "Your license has expired\n"}, hotstick.ReasonNotEntitled, false},
		{driver.Ran{Code: 1, Stderr: "<urlopen error [Errno -3] Temporary failure in name resolution>\n"}, hotstick.ReasonToolFailed, true},
		{driver.Ran{Code: 1, Stdout: "kernel is unsupported\n"}, hotstick.ReasonUnsupported, false},
		{driver.Ran{Code: 1, Stderr: "<urlopen error [SSL: UNSUPPORTED_PROTOCOL] unsupported protocol, cannot connect>\n"}, hotstick.ReasonToolFailed, true},
		{driver.Ran{Code: 1, Stderr: "cannot connect to https://patches.kernelcare.com: [SSL: UNSUPPORTED_PROTOCOL]\n"}, hotstick.ReasonToolFailed, true},
		{driver.Ran{Code: 1, Stderr: "insmod: Required key not available\n"}, hotstick.ReasonKeyMissing, false},
		{driver.Ran{Code: 1, Stderr: "who knows\n"}, hotstick.ReasonToolFailed, false},
	} {
		refusal := kernelcare.Refusal(row.ran)
		switch {
		case refusal == nil && row.want == "":
		case refusal == nil || refusal.Reason.Code != row.want || refusal.Retry != row.retry || refusal.Reason.Detail == "":
			t.Errorf("%+v: %+v, want %s (retry: %v)", row.ran, refusal, row.want, row.retry)
		}
	}
	var err error = kernelcare.Refusal(driver.Ran{Code: 1})
	var refusal *driver.Refusal
	if !errors.As(err, &refusal) {
		t.Error("a tool that fails without a word is no refusal")
	}
}

func FuzzInfo(f *testing.F) {
	for _, name := range []string{"info-applied.txt", "info-applied-2016.txt", "info-unknown-kernel.txt", "info-test-feed.txt", "patch-info.txt"} {
		f.Add(recorded(f, name))
	}
	f.Fuzz(func(t *testing.T, text string) {
		info, said, err := kernelcare.ParseInfo(text)
		if info.Applied && (err != nil || !said || info.Level < 1 || info.Level > kernelcare.MaxLevel) {
			t.Fatalf("%q is read as %+v, %v, %v", text, info, said, err)
		}
		if fixes, err := kernelcare.ParsePatchInfo(text); err != nil && len(fixes) > 0 {
			t.Fatalf("%q is refused and read", text)
		}
	})
}
