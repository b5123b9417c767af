package windowsstep_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver"
	"github.com/hotstick/hotstick/internal/driver/windows/windowsstep"
	"github.com/hotstick/hotstick/internal/kernel/nt"
)

func (m *machine) listed() string {
	m.Helper()
	patches, err := m.step.Observe(m.Context())
	if err != nil {
		m.Fatal(err)
	}
	var all []string
	for _, p := range patches {
		all = append(all, p.Module+" "+string(p.State))
	}
	return strings.Join(all, ", ")
}

// code is the reason of a refusal, with "later" where it may pass by itself.
func code(err error) string {
	var r *driver.Refusal
	switch {
	case err == nil:
		return ""
	case !errors.As(err, &r):
		return "error: " + err.Error()
	case r.Retry:
		return string(r.Reason.Code) + ", later"
	}
	return string(r.Reason.Code)
}

func TestAHotpatchComesIntoEffectAndSoTwice(t *testing.T) {
	m := newMachine(t)
	if got := m.listed(); got != "" {
		t.Errorf("before: %s", got)
	}
	for range 2 {
		if err := m.step.Apply(t.Context(), m.recipe); err != nil {
			t.Fatal(err)
		}
		if got := m.listed(); got != "kb5058497 in_effect" {
			t.Errorf("after: %s", got)
		}
		m.restart() // its name is not forgotten
	}
	if want := []string{"search KB5058497", "download 1f0a", "install 1f0a"}; !slices.Equal(m.agent.calls, want) {
		t.Errorf("the agent was asked to %q, want %q", m.agent.calls, want)
	}
	if err := m.step.Remove(t.Context(), m.recipe); code(err) != "no_way_back" || m.listed() != "kb5058497 in_effect" {
		t.Errorf("taken out: %v, and then %s is listed", err, m.listed())
	}
}

func TestWhatIsRefusedAndWhy(t *testing.T) {
	pending := `SOFTWARE\Microsoft\Windows\CurrentVersion\Component Based Servicing\RebootPending`
	for _, c := range []struct {
		what string
		edit func(*machine)
		want string
		// asked: Windows Update was asked to install something.
		asked bool
	}{
		{"an update that wants a reboot after all", func(m *machine) { m.agent.Setup.RebootRequired = true }, "reboot_pending", true},
		{"an update that says beforehand that it reboots", func(m *machine) { m.agent.Updates[0].Reboots = windowsstep.AlwaysReboots }, "unsupported", false},
		{"success, and another revision", func(m *machine) { m.agent.Updates[0].To = 4061 }, "verification_failed", true},
		{"success, and the same revision", func(m *machine) { m.agent.Updates[0].To = 0 }, "verification_failed", true},
		{"no such update", func(m *machine) { m.agent.Updates = m.agent.Updates[1:] }, "tool_failed", false},
		{"two such updates", func(m *machine) { m.agent.Updates = append(m.agent.Updates, m.agent.Updates[0]) }, "unsupported", false},
		{"installed, and not in effect", func(m *machine) { m.agent.Updates[0].Installed = true }, "verification_failed", false},
		{"another installation", func(m *machine) { m.agent.Answers.Busy = true }, "tool_failed, later", false},
		{"Windows Update waits for a reboot", func(m *machine) { m.agent.Answers.RebootRequired = true }, "reboot_pending", false},
		{"servicing waits for a reboot", func(m *machine) { m.set(pending, "x", 1) }, "reboot_pending", false},
		{"no agent", func(m *machine) { m.agent.fail = &windowsstep.AgentError{Call: "search", HResult: 0x80040154} }, "unsupported", false},
		{"an agent that implements nothing", func(m *machine) { m.agent.fail = &windowsstep.AgentError{Call: "search", HResult: 0x80004001} }, "unsupported", false},
		{"no network", func(m *machine) { m.agent.fail = &windowsstep.AgentError{Call: "search", HResult: 0x8024402C} }, "tool_failed, later", false},
		{"a download that fails", func(m *machine) {
			m.agent.Fetch = windowsstep.Result{Code: windowsstep.Failed, HResult: 0x80246008}
		}, "tool_failed, later", false},
		{"an installation that fails", func(m *machine) {
			m.agent.Setup = windowsstep.Result{Code: windowsstep.Failed, HResult: 0x80070643}
		}, "tool_failed", true},
		{"one that was aborted", func(m *machine) { m.agent.Setup = windowsstep.Result{Code: windowsstep.Aborted} }, "tool_failed", true},
		{"half a success", func(m *machine) { m.agent.Setup.Code = windowsstep.SucceededWithErrors }, "tool_failed", true},
		{"a result that nobody knows", func(m *machine) { m.agent.Setup.Code = 17 }, "tool_failed", true},
		{"something newer, of nobody of ours", func(m *machine) { m.set(nt.KeyVersion, "UBR", 4770) }, "no_way_back", false},
		{"another build of Windows", func(m *machine) { m.recipe.Version = "26200.3981" }, "wrong_build", false},
		{"a version that is none", func(m *machine) { m.recipe.Version = "1.2.3" }, "verification_failed", false},
		{"not enrolled", func(m *machine) {
			delete(m.reg[strings.ToLower(nt.KeyVersion+`\Update\TargetingInfo\DynamicInstalled\Hotpatch.amd64`)], "name")
		}, "not_entitled", false},
		{"no security by virtualisation", func(m *machine) {
			m.set(`SYSTEM\CurrentControlSet\Control\DeviceGuard`, "EnableVirtualizationBasedSecurity", 0)
		}, "unsupported", false},
		{"a hotpatch of somebody else", func(m *machine) { m.set(nt.KeyVersion, "UBR", 3900) }, "foreign_patch", false},
		{"a reboot that the update's own result does not tell", func(m *machine) { m.agent.after = func() { m.agent.Answers.RebootRequired = true } }, "reboot_pending", true},
		{"a reboot that only servicing tells", func(m *machine) { m.agent.after = func() { m.set(pending, "x", 1) } }, "reboot_pending", true},
		{"a file that is not what was signed", func(m *machine) {
			m.agent.Setup = windowsstep.Result{Code: windowsstep.Failed, HResult: 0x800B0109}
		}, "signature", true},
		{"a damaged component store", func(m *machine) {
			m.agent.Setup = windowsstep.Result{Code: windowsstep.Failed, HResult: 0x80073712}
		}, "tool_failed", true},
		{"a full disk", func(m *machine) { m.agent.Fetch = windowsstep.Result{Code: windowsstep.Failed, HResult: 0x80070070} }, "tool_failed", false},
		{"no Windows Update", func(m *machine) { delete(m.reg, strings.ToLower(`SYSTEM\CurrentControlSet\Services\wuauserv`)) }, "unsupported", false},
	} {
		m := newMachine(t)
		c.edit(m)
		before := m.listed()
		if got := code(m.step.Apply(t.Context(), m.recipe)); got != c.want {
			t.Errorf("%s: %s, want %s", c.what, got, c.want)
		}
		asked := slices.ContainsFunc(m.agent.calls, func(s string) bool { return strings.HasPrefix(s, "install") })
		if asked != c.asked {
			t.Errorf("%s: asked to %q", c.what, m.agent.calls)
		}
		if after := m.listed(); !asked && after != before {
			t.Errorf("%s: listed is %q, and was %q", c.what, after, before)
		}
	}
}

func TestAFailureSaysWhatTheHistorySays(t *testing.T) {
	m := newMachine(t)
	m.agent.Setup = windowsstep.Result{Code: windowsstep.Failed, HResult: 0x80240022}
	m.agent.Past = []windowsstep.Entry{{Title: "KB5058497", Code: windowsstep.Failed, HResult: 0x80070070}}
	if err := m.step.Apply(t.Context(), m.recipe); err == nil || !strings.Contains(err.Error(), "not enough room on the disk") {
		t.Errorf("the reason is %v", err)
	}
}

func TestAnUpdateOfSomebodyElseIsForeign(t *testing.T) {
	m := newMachine(t)
	m.set(nt.KeyVersion, "UBR", 3900)
	if got := m.listed(); got != "windows_26100_3900 in_effect" {
		t.Errorf("listed is %q", got)
	}
	if got := code(m.step.Apply(t.Context(), m.recipe)); got != "foreign_patch" || len(m.agent.calls) != 0 {
		t.Errorf("on a foreign update: %s, %q", got, m.agent.calls)
	}
	if got := m.listed(); got != "windows_26100_3900 in_effect" {
		t.Errorf("afterwards listed is %q", got)
	}
}

func TestTheHoldIsPutOnNoticedWhenLiftedAndGivenBack(t *testing.T) {
	for _, before := range []map[string]uint64{{}, {"NoAutoUpdate": 0, "AUOptions": 4}, {"AUOptions": 3}} {
		m := newMachine(t)
		for name, value := range before {
			m.set(nt.KeyAutoUpdate, name, value)
		}
		held := func() bool {
			h, detail, err := m.step.Held(t.Context())
			if err != nil || h == (detail != "") || h != m.step.Capabilities(t.Context()).Held {
				t.Errorf("held %v, %q, %v", h, detail, err)
			}
			return h
		}
		settings, err := m.step.Settings(t.Context())
		if err != nil || held() {
			t.Fatal(err)
		}
		for range 2 {
			if err := m.step.Hold(t.Context()); err != nil || !held() {
				t.Errorf("not on hold: %v", err)
			}
		}
		m.set(nt.KeyAutoUpdate, "NoAutoUpdate", 0) // a group policy
		if held() {
			t.Error("a lifted hold is not noticed")
		}
		if err := m.step.Hold(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := m.step.Release(t.Context(), settings); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"NoAutoUpdate", "AUOptions"} {
			got, there := m.reg.Number(nt.KeyAutoUpdate, name)
			want, was := before[name]
			if got != want || there != was {
				t.Errorf("with %v before, %s is %d (%v) after", before, name, got, there)
			}
		}
		if err := m.step.Release(t.Context(), []byte("{}x")); err == nil {
			t.Error("settings that are none are taken")
		}
	}
}

func TestABaselineMonthIsRefusedAndAHotpatchMonthIsNot(t *testing.T) {
	m := newMachine(t)
	for _, c := range []struct {
		article, level, want, says string
		edit                       func(*offered)
	}{
		{"KB5058497", "26100.3981", "", "", nil},
		{"KB5060841", "26100.4270", "", "", nil},
		{"KB5062553", "26100.4652", "unsupported", "as the baseline of 2025-07 does", nil},
		{"KB5062553", "26100.4652", "unsupported", "though 2025-08 brings hotpatches to machines that run the baseline of 2025-07", func(o *offered) {
			o.Published = time.Date(2025, 8, 12, 17, 0, 0, 0, time.UTC) // a machine that missed the baseline gets the cumulative update
		}},
		{"KB5062553", "26100.4652", "unsupported", "restarts the machine: it", func(o *offered) { o.Published = time.Time{} }},
	} {
		if c.edit != nil {
			c.edit(&m.agent.Updates[2])
		}
		err := m.step.Apply(t.Context(), m.leadingTo(c.article, c.level))
		if got := code(err); got != c.want || c.says != "" && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %q and %q", c.article, err, c.want, c.says)
		}
	}
	if got := m.listed(); got != "kb5060841 in_effect" {
		t.Errorf("listed is %q", got)
	}
}

func TestWhatIsInstalledAlreadyNeedsNobody(t *testing.T) {
	m := newMachine(t)
	m.set(nt.KeyVersion, "UBR", 3981)
	m.agent.fail = &windowsstep.AgentError{Call: "search", HResult: 0x80040154}
	if err := m.step.Apply(t.Context(), m.recipe); err != nil || m.listed() != "kb5058497 in_effect" || len(m.agent.calls) != 0 {
		t.Errorf("%v, %s, asked to %q", err, m.listed(), m.agent.calls)
	}
}

func TestAnUpdateThatANewerOneReplacesIsInstalledAllTheSame(t *testing.T) {
	m := newMachine(t) // the agent offers the hotpatch of June beside that of May
	if err := m.step.Apply(t.Context(), m.recipe); err != nil || m.listed() != "kb5058497 in_effect" {
		t.Errorf("%v, %s", err, m.listed())
	}
}

func TestAnInstallationThatHasBegunIsWaitedForWhenItIsToEnd(t *testing.T) {
	m := newMachine(t)
	m.step.Grace = time.Hour
	ctx, cancel := context.WithCancel(t.Context())
	m.agent.after = cancel // the loader ends the step while Windows installs
	if err := m.step.Apply(ctx, m.recipe); err != nil || m.listed() != "kb5058497 in_effect" {
		t.Errorf("%v, %s", err, m.listed())
	}
	if ctx.Err() == nil {
		t.Error("the step was never told to end")
	}
}

func TestTheWayBackIsToldPerUpdate(t *testing.T) {
	for _, c := range []struct {
		what string
		edit func(*machine)
		want string
	}{
		{"one that can be uninstalled", func(*machine) {}, "hotstick-agent uninstall-update KB5058497"},
		{"one that cannot", func(m *machine) { m.agent.Updates[0].Uninstallable = false }, "cannot uninstall KB5058497"},
		{"one that the agent does not list any more", func(m *machine) { m.agent.Updates = nil }, "look for its package"},
		{"an agent that does not answer", func(m *machine) { m.agent.fail = &windowsstep.AgentError{Call: "search", HResult: 0x80040154} }, "that could not be asked"},
	} {
		m := newMachine(t)
		if err := m.step.Apply(t.Context(), m.recipe); err != nil {
			t.Fatal(err)
		}
		c.edit(m)
		if err := m.step.Remove(t.Context(), m.recipe); code(err) != "no_way_back" || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.what, err, c.want)
		}
		if undo := m.step.Capabilities(t.Context()).Undo; undo != hotstick.UndoReboot || m.listed() != "kb5058497 in_effect" {
			t.Errorf("%s: the driver promises %s, and %s is listed", c.what, undo, m.listed())
		}
	}
}

func TestAnUpdateIsUninstalledWhereItCanBe(t *testing.T) {
	pending := `SOFTWARE\Microsoft\Windows\CurrentVersion\Component Based Servicing\RebootPending`
	for _, c := range []struct {
		what   string
		edit   func(*machine)
		reboot bool
		want   string
		listed string
	}{
		{"it is gone after a reboot", func(*machine) {}, true, "", "kb5058497 in_effect"},
		{"it is gone at once", func(m *machine) { m.agent.TakeOff.RebootRequired = false }, false, "", ""},
		{"only servicing tells of the reboot", func(m *machine) {
			m.agent.lies, m.agent.TakeOff.RebootRequired = true, false
			m.agent.after = func() { m.set(pending, "x", 1) }
		}, true, "", "kb5058497 in_effect"},
		{"nothing happens", func(m *machine) { m.agent.lies, m.agent.TakeOff.RebootRequired = true, false }, false, "verification_failed", "kb5058497 in_effect"},
		{"it cannot be", func(m *machine) { m.agent.Updates[0].Uninstallable = false }, false, "no_way_back", "kb5058497 in_effect"},
		{"servicing says that it cannot be", func(m *machine) {
			m.agent.TakeOff = windowsstep.Result{Code: windowsstep.Failed, HResult: 0x800F0825}
		}, false, "no_way_back", "kb5058497 in_effect"},
		{"only a server of the organisation may", func(m *machine) {
			m.agent.TakeOff = windowsstep.Result{Code: windowsstep.Failed, HResult: 0x80240028}
		}, false, "no_way_back", "kb5058497 in_effect"},
		{"it is not installed", func(m *machine) { m.agent.Updates[0].Installed = false }, false, "tool_failed", "kb5058497 in_effect"},
		{"something else is being installed", func(m *machine) { m.agent.Answers.Busy = true }, false, "tool_failed, later", "kb5058497 in_effect"},
	} {
		m := newMachine(t)
		if err := m.step.Apply(t.Context(), m.recipe); err != nil {
			t.Fatal(err)
		}
		c.edit(m)
		reboot, err := m.step.Uninstall(t.Context(), "KB5058497")
		if got := code(err); got != c.want || reboot != c.reboot || m.listed() != c.listed {
			t.Errorf("%s: until a reboot %t, %v, listed %q; want %t, %q, %q", c.what, reboot, err, m.listed(), c.reboot, c.want, c.listed)
		}
	}
}
