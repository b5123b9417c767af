package steps_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver"
	"github.com/hotstick/hotstick/internal/loader/ledger"
	"github.com/hotstick/hotstick/internal/loader/steps"
)

// slowTool is a driver whose tool takes its time: until done is closed, or its context ends.
type slowTool struct {
	begun chan string
	done  chan struct{}
}

func (*slowTool) Name() string { return "kpatch" }

func (*slowTool) Capabilities(context.Context) hotstick.Capabilities {
	return hotstick.Capabilities{Driver: "kpatch", Undo: hotstick.UndoReboot, Available: true}
}

func (*slowTool) Observe(context.Context) ([]hotstick.LoadedPatch, error) { return nil, nil }

func (s *slowTool) Apply(ctx context.Context, r hotstick.Recipe) error {
	s.begun <- r.Module
	select {
	case <-s.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (*slowTool) Remove(context.Context, hotstick.Recipe) error { return nil }

// process is a loader's process with its steps within.
type process struct {
	*testing.T
	tool    *slowTool
	within  *steps.Within
	changer *steps.Changer
}

func newProcess(t *testing.T, dir string) *process {
	t.Helper()
	g, _ := ground(t)
	p := &process{T: t, tool: &slowTool{begun: make(chan string, 1), done: make(chan struct{})}}
	p.within = &steps.Within{Stepper: p.tool, Ground: func(steps.Request) (steps.Ground, error) { return g, nil }, Log: slog.New(slog.DiscardHandler)}
	began := time.Now()
	desk := &steps.Desk{Dir: dir, Uptime: func() time.Duration { return time.Hour + time.Since(began) }}
	p.changer = steps.New(p.tool, desk, func() (ledger.Ledger, error) { return g.Ledger, nil }).(*steps.Changer)
	if err := p.within.Open(desk); err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *process) load() {
	p.Helper()
	if err := p.changer.Load(p.Context(), driver.Load{Module: "kpatch_fix_2"}); err != nil {
		p.Fatal(err)
	}
}

func (p *process) begins() {
	p.Helper()
	if got := <-p.tool.begun; got != "kpatch_fix_2" {
		p.Fatalf("the step is for %s", got)
	}
	if s, was := p.changer.Step(p.Context()); !was || !s.Running || !s.Apply {
		p.Errorf("while it runs the step is %+v", s)
	}
	patches, err := p.changer.Observe(p.Context())
	if err != nil || len(patches) != 1 || patches[0].State != hotstick.TransitionIn {
		p.Errorf("while it runs the host shows %+v, %v", patches, err)
	}
}

// ends waits until the step has ended, and returns why it was not done.
func (p *process) ends() *driver.Refusal {
	p.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		if s, was := p.changer.Step(p.Context()); was && !s.Running {
			return s.Refused
		}
		select {
		case <-tick.C:
		case <-p.Context().Done():
			p.Fatal("the step never ends")
		}
	}
}

func TestAStepWithinTheLoaderIsAskedForAndWatched(t *testing.T) {
	p := newProcess(t, t.TempDir())
	p.load() // returns at once: the tool has not ended
	p.begins()
	p.load() // what is under way is not asked for again
	close(p.tool.done)
	if r := p.ends(); r != nil {
		t.Errorf("refused: %v", r)
	}
}

func TestAStepWithinTheLoaderIsMadeToEnd(t *testing.T) {
	p := newProcess(t, t.TempDir())
	p.load()
	p.begins()
	if err := p.changer.End(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	if r := p.ends(); r == nil || r.Reason.Code != hotstick.ReasonToolFailed {
		t.Errorf("it ended with %v", r)
	}
}

func TestAStepThatAStopCutsShortBeginsAgain(t *testing.T) {
	dir := t.TempDir()
	p := newProcess(t, dir)
	p.load()
	p.begins()
	if err := p.within.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	p = newProcess(t, dir) // the service is started again
	p.begins()
	close(p.tool.done)
	if r := p.ends(); r != nil {
		t.Errorf("refused: %v", r)
	}
	p = newProcess(t, dir) // and once more: what has ended is left alone
	if s, was := p.changer.Step(t.Context()); !was || s.Running {
		t.Errorf("a step that had ended is now %+v", s)
	}
}
