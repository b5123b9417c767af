package windowsstep_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver"
	"github.com/hotstick/hotstick/internal/driver/windows"
	"github.com/hotstick/hotstick/internal/driver/windows/windowsstep"
	"github.com/hotstick/hotstick/internal/kernel/nt"
)

// recorded is a Windows Update Agent that gives written answers, and installs by raising
// the revision in a recorded registry. The answers are written after Microsoft's
// documentation; none comes from a real agent.
type recorded struct {
	Answers windowsstep.State    `json:"state"`
	Updates []windowsstep.Update `json:"updates"`
	Fetch   windowsstep.Result   `json:"download"`
	Setup   windowsstep.Result   `json:"install"`
	Past    []windowsstep.Entry  `json:"history"`

	machine *machine
	// to is the revision that an installation leads to.
	to uint64
	// fail is the error of every call.
	fail  error
	calls []string
}

func (r *recorded) State(context.Context) (windowsstep.State, error) {
	return r.Answers, r.fail
}

func (r *recorded) Search(_ context.Context, article string) ([]windowsstep.Update, error) {
	r.calls = append(r.calls, "search "+article)
	return r.Updates, r.fail
}

func (r *recorded) Download(_ context.Context, id string) (windowsstep.Result, error) {
	r.calls = append(r.calls, "download "+id[:4])
	return r.Fetch, r.fail
}

func (r *recorded) Install(_ context.Context, id string) (windowsstep.Result, error) {
	r.calls = append(r.calls, "install "+id[:4])
	if r.Setup.Code == windowsstep.Succeeded && !r.Setup.RebootRequired && r.to != 0 {
		r.machine.set(nt.KeyVersion, "UBR", r.to)
	}
	return r.Setup, r.fail
}

func (r *recorded) History(context.Context, int) ([]windowsstep.Entry, error) { return r.Past, r.fail }

// machine is a recorded Windows Server 2025 that was booted with the baseline of April.
type machine struct {
	*testing.T
	reg    nt.Recorded
	agent  *recorded
	dir    string
	step   *windowsstep.Stepper
	recipe hotstick.Recipe
}

func (m *machine) set(key, name string, value uint64) {
	key = strings.ToLower(key)
	if m.reg[key] == nil {
		m.reg[key] = map[string]any{}
	}
	m.reg[key][strings.ToLower(name)] = value
}

// Set implements windowsstep.Policy.
func (m *machine) Set(name string, value uint32) error {
	m.set(nt.KeyAutoUpdate, name, uint64(value))
	return nil
}

// Delete implements windowsstep.Policy.
func (m *machine) Delete(name string) error {
	delete(m.reg[strings.ToLower(nt.KeyAutoUpdate)], strings.ToLower(name))
	return nil
}

func newMachine(t *testing.T) *machine {
	t.Helper()
	export, err := os.ReadFile("../../../kernel/nt/testdata/server-2025.reg")
	if err != nil {
		t.Fatal(err)
	}
	reg, err := nt.Record(string(export))
	if err != nil {
		t.Fatal(err)
	}
	answers, err := os.ReadFile("testdata/hotpatch.json")
	if err != nil {
		t.Fatal(err)
	}
	m := &machine{T: t, reg: reg, agent: &recorded{to: 3981}, dir: t.TempDir()}
	if err := json.Unmarshal(answers, m.agent); err != nil {
		t.Fatal(err)
	}
	m.agent.machine = m
	m.restart()
	build, err := nt.Build(reg, m.step.Boot.Booted)
	if err != nil {
		t.Fatal(err)
	}
	m.recipe = hotstick.Recipe{Schema: hotstick.RecipeSchema, Driver: "windows", Build: build, Module: "kb5058497", Version: "26100.3981", Updates: []string{"KB5058497"}}
	if err := m.recipe.Validate(); err != nil {
		t.Fatal(err)
	}
	return m
}

// restart is a new process in the same boot.
func (m *machine) restart() {
	m.Helper()
	names, err := windowsstep.OpenNames(m.dir)
	if err != nil {
		m.Fatal(err)
	}
	m.step = &windowsstep.Stepper{Names: names, Agent: m.agent, Policy: m,
		Observer: &windows.Observer{Registry: m.reg, Boot: nt.Boot{ID: "boot", Booted: nt.Level{Build: 26100, Revision: 3788}}, Named: names.Named}}
}

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
		{"success, and another revision", func(m *machine) { m.agent.to = 4061 }, "verification_failed", true},
		{"success, and the same revision", func(m *machine) { m.agent.to = 0 }, "verification_failed", true},
		{"no such update", func(m *machine) { m.agent.Updates = m.agent.Updates[1:] }, "no_artifact", false},
		{"two such updates", func(m *machine) { m.agent.Updates = append(m.agent.Updates, m.agent.Updates[0]) }, "unsupported", false},
		{"installed, and not in effect", func(m *machine) { m.agent.Updates[0].Installed = true }, "verification_failed", false},
		{"another installation", func(m *machine) { m.agent.Answers.Busy = true }, "transition_busy, later", false},
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
		{"something newer", func(m *machine) { m.set(nt.KeyVersion, "UBR", 4770) }, "no_way_back", false},
		{"another build of Windows", func(m *machine) { m.recipe.Version = "26200.3981" }, "wrong_build", false},
		{"a version that is none", func(m *machine) { m.recipe.Version = "1.2.3" }, "verification_failed", false},
		{"not enrolled", func(m *machine) {
			delete(m.reg[strings.ToLower(nt.KeyVersion+`\Update\TargetingInfo\DynamicInstalled\Hotpatch.amd64`)], "name")
		}, "not_entitled", false},
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
	data, err := m.recipe.Encode()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "recipe")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	changer := windowsstep.Changer{Stepper: m.step}
	load := driver.Load{Module: "kb5058497", File: file, Build: m.recipe.Build}
	if got := code(changer.Load(t.Context(), load)); got != "foreign_patch" || len(m.agent.calls) != 0 {
		t.Errorf("on a foreign update: %s, %q", got, m.agent.calls)
	}
	m.set(nt.KeyVersion, "UBR", 3788)
	other := load
	other.Module = "kb1"
	if got := code(changer.Load(t.Context(), other)); got != "digest_mismatch" {
		t.Errorf("a recipe of another name: %s", got)
	}
	other = load
	other.Build.Release = "10.0.26100.1"
	if got := code(changer.Load(t.Context(), other)); got != "wrong_build" {
		t.Errorf("for another build: %s", got)
	}
	if err := changer.Load(t.Context(), load); err != nil || m.listed() != "kb5058497 in_effect" {
		t.Errorf("loaded: %v, %s", err, m.listed())
	}
	if got := code(changer.Disable(t.Context(), "kb5058497")); got != "no_way_back" {
		t.Errorf("disabled: %s", got)
	}
	if err := changer.Disable(t.Context(), "kb1"); err != nil {
		t.Errorf("what is not there is disabled: %v", err)
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
