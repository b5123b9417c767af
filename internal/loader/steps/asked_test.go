package steps

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver"
)

// tool is a vendor's program that says how often it was run; a step runs it.
type tool struct {
	t        *testing.T
	desk     *Desk
	ran      int
	silent   bool // no step comes
	there    bool
	loaded   string
	attempt  bool
	failure  error
	programs *Programs
	ahead    time.Duration
}

// later lets time go by.
func (v *tool) later(d time.Duration) { v.ahead += d }

func newTool(t *testing.T) *tool {
	v := &tool{t: t, there: true}
	began := time.Now()
	v.desk = &Desk{Dir: t.TempDir(), Starter: v, Uptime: func() time.Duration { return time.Hour + v.ahead + time.Since(began) }}
	v.again()
	return v
}

// again is a loader that was started again.
func (v *tool) again() {
	v.programs = &Programs{
		Desk: v.desk, Driver: "vendor", Installed: func(string) bool { return v.there },
		Attempt: func() bool { return v.attempt }, Modules: func() string { return v.loaded },
	}
}

func (v *tool) Start(ctx context.Context, step string) error {
	if step != ObserveStep {
		v.t.Errorf("the step %s was started", step)
	}
	if v.silent {
		return nil
	}
	return v.desk.Ask(ctx, "vendor", v.loaded, v, func(run driver.Commands) driver.Observer { return asked{run} })
}

func (v *tool) End(context.Context, string, int, bool) error { return nil }

func (v *tool) Run(context.Context, ...string) (driver.Ran, error) {
	v.ran++
	return driver.Ran{Stdout: fmt.Sprint(v.ran)}, v.failure
}

// asked is an observer with one question.
type asked struct{ run driver.Commands }

func (asked) Name() string { return "vendor" }

func (a asked) Capabilities(ctx context.Context) hotstick.Capabilities {
	if _, err := a.run.Run(ctx, "vendor", "--status"); err != nil {
		return hotstick.Capabilities{Reason: &driver.Refuse(hotstick.ReasonToolFailed, "%v", err).Reason}
	}
	return hotstick.Capabilities{Available: true}
}

func (asked) Observe(context.Context) ([]hotstick.LoadedPatch, error) { return nil, nil }

func (v *tool) mustSay(want string) {
	v.t.Helper()
	if ran, err := v.programs.Run(v.t.Context(), "vendor", "--status"); err != nil || ran.Stdout != want {
		v.t.Errorf("it says %q (%v), want %q", ran.Stdout, err, want)
	}
}

func (v *tool) mustNotSay() {
	v.t.Helper()
	if ran, err := v.programs.Run(v.t.Context(), "vendor", "--status"); err == nil || errors.Is(err, driver.ErrNoProgram) {
		v.t.Errorf("it says %q (%v)", ran.Stdout, err)
	}
}

func TestAProgramIsAskedByAStepNowAndThen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newTool(t)
		v.mustSay("1") // the first answer is waited for
		v.mustSay("1")
		v.again()
		v.mustSay("1") // a loader that was restarted asks for nothing twice
		v.later(newEnough + time.Second)
		v.mustSay("1") // what is old counts while it is asked again
		v.mustSay("2")
		v.attempt = true
		v.later(watched + time.Second)
		v.mustSay("2")
		v.mustSay("3")
		v.loaded = "another module"
		v.later(askPause + time.Second)
		v.mustSay("3")
		v.mustSay("4")
		v.later(oldest + time.Second)
		v.mustSay("5") // what is too old does not count
		if v.ran != 5 {
			t.Errorf("it was run %d times", v.ran)
		}
	})
}

func TestAProgramThatIsNotThereIsNotAskedAndOneThatDoesNotAnswerIsNotWaitedForAllTheTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newTool(t)
		v.there, v.silent = false, true
		if _, err := v.programs.Run(t.Context(), "vendor", "--status"); !errors.Is(err, driver.ErrNoProgram) || v.ran != 0 {
			t.Errorf("%v after %d runs", err, v.ran)
		}
		v.there = true
		began := time.Now()
		for range 10 {
			v.mustNotSay()
		}
		if waited := time.Since(began); waited > patience+time.Second {
			t.Errorf("the loader has waited for %s", waited)
		}
		v.later(askPause)
		v.silent = false
		v.mustNotSay() // it is asked, and not waited for
		v.mustSay("1")
		v.later(newEnough + time.Second)
		v.failure = errors.New("it hangs")
		v.mustSay("1")
		v.mustNotSay()
	})
}

func TestWhatWasSaidInAnotherBootIsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newTool(t)
		v.mustSay("1")
		began := time.Now()
		v.desk.Uptime = func() time.Duration { return time.Minute + v.ahead + time.Since(began) }
		v.again()
		v.mustSay("2")
		if _, err := v.programs.Run(t.Context(), "vendor", "--other"); err == nil {
			t.Error("it says what it was never asked")
		}
	})
}

// No program is asked for beside a step, whose own asking tells more.
func TestNobodyIsAskedWhileAStepRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newTool(t)
		v.mustSay("1")
		lock, err := Lock(v.desk.Dir)
		if err != nil {
			t.Fatal(err)
		}
		v.later(newEnough + time.Second)
		v.mustSay("1")
		v.mustSay("1")
		lock.Close()
		v.mustSay("1")
		v.mustSay("2")
		if v.ran != 2 {
			t.Errorf("it was run %d times", v.ran)
		}
	})
}

// A failure is remembered so briefly that it costs little, and no longer.
func TestWhatFailedIsAskedAgainSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newTool(t)
		v.failure = errors.New("it hangs")
		v.mustNotSay()
		v.failure = nil
		v.later(watched / 2)
		v.mustNotSay()
		if v.ran != 1 {
			t.Errorf("at once it was run %d times", v.ran)
		}
		v.later(watched)
		v.mustNotSay() // it is asked again meanwhile
		v.mustSay("2")
		v.later(watched + time.Second)
		v.mustSay("2")
		v.mustSay("2") // what did not fail counts for long
	})
}

// A program that was not there when it was asked and is now is no system that is absent.
func TestAProgramThatHasComeIsAskedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newTool(t)
		v.failure = driver.ErrNoProgram
		v.mustNotSay()
		v.failure = nil
		v.later(askPause + time.Second)
		v.mustNotSay()
		v.mustSay("2")
	})
}
