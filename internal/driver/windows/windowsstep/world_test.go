package windowsstep_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver"
	"github.com/hotstick/hotstick/internal/driver/drivertest"
	"github.com/hotstick/hotstick/internal/driver/windows"
	"github.com/hotstick/hotstick/internal/driver/windows/windowsstep"
	"github.com/hotstick/hotstick/internal/kernel/nt"
)

// offered is an update that the recorded agent offers, and the revision that it leads to.
type offered struct {
	windowsstep.Update
	To uint64 `json:"to"`
}

// recorded is a Windows Update Agent that gives written answers, and installs by raising
// the revision in a recorded registry. The answers are written after Microsoft's
// documentation; none comes from a real agent.
type recorded struct {
	Answers windowsstep.State   `json:"state"`
	Updates []offered           `json:"updates"`
	Fetch   windowsstep.Result  `json:"download"`
	Setup   windowsstep.Result  `json:"install"`
	TakeOff windowsstep.Result  `json:"uninstall"`
	Past    []windowsstep.Entry `json:"history"`

	machine *machine
	// lies: it ends well and does nothing. hangs: an installation never ends by itself.
	lies, hangs bool
	// fail is the error of every call.
	fail  error
	calls []string
	// after is called once an installation has begun to change something.
	after func()
	// running are the calls that have not ended.
	running []string
}

func (r *recorded) State(ctx context.Context) (windowsstep.State, error) {
	return r.Answers, errors.Join(r.fail, ctx.Err())
}

func (r *recorded) Search(ctx context.Context, article string) ([]windowsstep.Update, error) {
	r.calls = append(r.calls, "search "+article)
	var all []windowsstep.Update
	for _, u := range r.Updates {
		all = append(all, u.Update)
	}
	return all, errors.Join(r.fail, ctx.Err())
}

func (r *recorded) Do(ctx context.Context, what windowsstep.Work, id string) (windowsstep.Result, error) {
	r.calls = append(r.calls, string(what)+" "+id[:4])
	if err := errors.Join(r.fail, ctx.Err()); err != nil {
		return windowsstep.Result{}, err
	}
	if r.hangs && what == windowsstep.Install {
		r.running = append(r.running, id)
		<-ctx.Done()
		r.running = nil
		return windowsstep.Result{}, ctx.Err()
	}
	result := map[windowsstep.Work]windowsstep.Result{windowsstep.Download: r.Fetch, windowsstep.Install: r.Setup, windowsstep.Uninstall: r.TakeOff}[what]
	if result.Code == windowsstep.Succeeded && !r.lies {
		for i := range r.Updates {
			if r.Updates[i].ID == id {
				r.done(what, &r.Updates[i], result.RebootRequired)
			}
		}
	}
	if r.after != nil && what != windowsstep.Download {
		r.after()
	}
	return result, nil
}

// done is what a work leaves on the machine.
func (r *recorded) done(what windowsstep.Work, u *offered, reboot bool) {
	switch what {
	case windowsstep.Download:
		u.Downloaded = true
	case windowsstep.Install:
		u.Installed = true
		if !reboot && u.To != 0 {
			r.machine.set(nt.KeyVersion, "UBR", u.To)
		}
	case windowsstep.Uninstall:
		u.Installed = false
		if !reboot {
			r.machine.set(nt.KeyVersion, "UBR", booted)
		}
	}
}

func (r *recorded) History(ctx context.Context, _ int) ([]windowsstep.Entry, error) {
	return r.Past, errors.Join(r.fail, ctx.Err())
}

// booted is the revision of the baseline of April 2025.
const booted = 3788

// machine is a recorded Windows Server 2025 that was booted with that baseline.
type machine struct {
	*testing.T
	reg   nt.Recorded
	agent *recorded
	dir   string
	step  *windowsstep.Stepper
	// recipe is the hotpatch of May 2025, newer that of June.
	recipe, newer hotstick.Recipe
	// policy is how a change of the policy goes wrong.
	policy drivertest.Fault
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
	switch m.policy {
	case drivertest.ToolFails:
		return errors.New(drivertest.Words)
	case drivertest.ToolLies:
		return nil
	}
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
	export, err := os.ReadFile("../../../rig/wine/server-2025.reg")
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
	m := &machine{T: t, reg: reg, agent: &recorded{}, dir: t.TempDir()}
	if err := json.Unmarshal(answers, m.agent); err != nil {
		t.Fatal(err)
	}
	m.agent.machine = m
	m.restart()
	m.recipe, m.newer = m.leadingTo("KB5058497", "26100.3981"), m.leadingTo("KB5060841", "26100.4270")
	return m
}

// leadingTo is the recipe of an update.
func (m *machine) leadingTo(article, level string) hotstick.Recipe {
	m.Helper()
	build, err := nt.Build(m.reg, m.step.Boot.Booted)
	if err != nil {
		m.Fatal(err)
	}
	r := hotstick.Recipe{Schema: hotstick.RecipeSchema, Driver: "windows", Build: build, Module: strings.ToLower(article), Version: level, Updates: []string{article}}
	if err := r.Validate(); err != nil {
		m.Fatal(err)
	}
	return r
}

// restart is a new process in the same boot.
func (m *machine) restart() {
	m.Helper()
	names, err := windowsstep.OpenNames(m.dir)
	if err != nil {
		m.Fatal(err)
	}
	m.step = &windowsstep.Stepper{Names: names, Agent: m.agent, Policy: m, Grace: time.Millisecond,
		Observer: &windows.Observer{Registry: m.reg, Boot: nt.Boot{ID: "boot", Booted: nt.Level{Build: 26100, Revision: booted}}, Named: names.Named}}
}

// enrolment is the key of the package that enrols a machine.
var enrolment = strings.ToLower(nt.KeyVersion + `\Update\TargetingInfo\DynamicInstalled\Hotpatch.amd64`)

// misbehave breaks the machine, and makes it sound again.
func (m *machine) misbehave(f drivertest.Fault) bool {
	fails := func(code windowsstep.HResult) windowsstep.Result {
		return windowsstep.Result{Code: windowsstep.Failed, HResult: code}
	}
	fresh := newMachine(m.T)
	m.agent.Answers, m.agent.Fetch, m.agent.Setup, m.agent.Past = fresh.agent.Answers, fresh.agent.Fetch, fresh.agent.Setup, nil
	m.agent.fail, m.agent.lies, m.agent.hangs, m.policy = nil, f == drivertest.ToolLies, f == drivertest.ToolHangs, f
	m.reg[enrolment]["name"] = "Hotpatch Enrollment Package"
	for i := range m.agent.Updates {
		u := &m.agent.Updates[i]
		u.Articles, u.Downloaded = fresh.agent.Updates[i].Articles, u.Installed
	}
	switch f {
	case drivertest.Sound, drivertest.ToolLies, drivertest.ToolHangs:
	case drivertest.ToolGone:
		m.agent.fail = &windowsstep.AgentError{Call: "search", HResult: 0x80040154}
	case drivertest.ToolFails:
		m.agent.Setup, m.agent.Past = fails(0x80070643), []windowsstep.Entry{{Title: drivertest.Words, Code: windowsstep.Failed, HResult: 0x80070643}}
	case drivertest.ToolBusy:
		m.agent.Answers.Busy = true
	case drivertest.NoNetwork:
		m.agent.fail = &windowsstep.AgentError{Call: "search", HResult: 0x8024402C}
	case drivertest.NotEntitled:
		delete(m.reg[enrolment], "name")
	case drivertest.NoLevel:
		for i := range m.agent.Updates {
			m.agent.Updates[i].Articles = []string{"1"}
		}
	case drivertest.DiskFull:
		m.agent.Fetch = fails(0x80070070)
	case drivertest.BadKey:
		m.agent.Fetch = fails(0x800B0109)
	default:
		return false
	}
	return true
}

func TestTheDriverKeepsItsPromises(t *testing.T) {
	drivertest.RunSteps(t, func(t *testing.T) drivertest.StepWorld {
		m := newMachine(t)
		return drivertest.StepWorld{
			New:  func() driver.Stepper { m.restart(); return m.step },
			Good: m.recipe, Newer: m.newer,
			Kernel: func() []string {
				if now, _ := m.reg.Number(nt.KeyVersion, "UBR"); now != booted {
					return []string{fmt.Sprintf("revision %d", now)}
				}
				return nil
			},
			Break: m.misbehave,
			Left:  func() []string { return m.agent.running },
			Lift:  func() { m.set(nt.KeyAutoUpdate, "NoAutoUpdate", 0) },
			Scheduling: func() string {
				return fmt.Sprint(m.reg[strings.ToLower(nt.KeyAutoUpdate)])
			},
			Pause: runtime.Gosched,
			Patience: func() (context.Context, context.CancelFunc) {
				return context.WithTimeout(t.Context(), 50*time.Millisecond)
			},
		}
	})
}
