package operatorcmd

import (
	"context"
	"fmt"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/loader/ledger"
	"github.com/hotstick/hotstick/internal/loader/operate"
)

func hold(ctx context.Context, s *session) error {
	answer, err := s.ask(ctx, operate.Request{Action: operate.Hold, Reason: s.reason})
	if err != nil {
		return err
	}
	return s.done(answer)
}

func unhold(ctx context.Context, s *session) error {
	answer, err := s.ask(ctx, operate.Request{Action: operate.Unhold, Reason: s.reason})
	if err != nil {
		return err
	}
	return s.done(answer)
}

// revert sends the newest level back and waits for the end.
func revert(ctx context.Context, s *session) error {
	answer, err := s.ask(ctx, operate.Request{Action: operate.State})
	if err != nil {
		return err
	}
	level := "the newest level"
	switch st := answer.State; {
	case st.Attempt != nil:
		level = st.Attempt.Patch.String()
	case st.Permit != nil:
		level = st.Permit.Level.Patch.String()
	}
	if err := s.sure("Take " + level + " out of this kernel, and put back what was before?"); err != nil {
		return err
	}
	answer, err = s.ask(ctx, operate.Request{Action: operate.Revert, Reason: s.reason})
	if err != nil {
		return err
	}
	if !s.json {
		fmt.Fprintln(s.err, clean(answer.Done))
	}
	return s.awaitEnd(ctx)
}

// awaitEnd waits until no attempt is under way, and says what is in effect.
func (s *session) awaitEnd(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.wait)
	defer cancel()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		answer, err := s.ask(ctx, operate.Request{Action: operate.State})
		if err != nil {
			return err
		}
		if st := answer.State; st.Attempt == nil {
			if s.json {
				s.print(st)
				return nil
			}
			fmt.Fprintln(s.out, "in effect now:", inWords(st.Link.InEffect))
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("cannot say how it ends: it still goes back after %s; hotstick-agent doctor tells what keeps it", s.wait)
		case <-tick.C:
		}
	}
}

func inWords(ref hotstick.PatchRef) string {
	if ref.IsZero() {
		return "the kernel as it booted"
	}
	return ref.String()
}

// adopt takes over what another system has loaded. The loader agrees, and remembers what
// the system's unit was, before the unit is touched; so it may be cut short anywhere and
// repeated.
func adopt(ctx context.Context, s *session) error {
	answer, err := s.ask(ctx, operate.Request{Action: operate.State})
	if err != nil {
		return err
	}
	if err := s.sure("Take over the live patch that another system has loaded, and put that system on hold?"); err != nil {
		return err
	}
	req := operate.Request{Action: operate.Adopt}
	for _, m := range answer.State.Masters {
		if m.Unit == "" || req.Unit != nil && !m.Active {
			continue
		}
		unit := s.unit(ctx, m.Unit)
		req.Unit = &unit
	}
	answer, err = s.ask(ctx, req)
	if err != nil {
		return err
	}
	if a := answer.Adoption; a.Unit != "" && a.Stage == ledger.Taking {
		if out, err := s.systemctl(ctx, onHold(a)...); err != nil {
			return fmt.Errorf("cannot put %s on hold: %s (%w); the level is adopted, repeat this once that is mended", a.Unit, clean(out), err)
		}
	}
	if _, err := s.ask(ctx, operate.Request{Action: operate.Adopted}); err != nil {
		return err
	}
	return s.done(answer)
}

// onHold keeps a unit from loading patches by itself. That of kpatch has done its work
// and is only kept from the next boot; a daemon is stopped as well.
func onHold(a *ledger.Adoption) []string {
	if a.Unit == "kpatch.service" {
		return []string{"disable", a.Unit}
	}
	return []string{"disable", "--now", a.Unit}
}

// unit asks systemd for a unit's state. What systemd does not answer is no.
func (s *session) unit(ctx context.Context, name string) operate.Unit {
	enabled, errEnabled := s.systemctl(ctx, "is-enabled", name)
	active, errActive := s.systemctl(ctx, "is-active", name)
	return operate.Unit{Name: name, Enabled: errEnabled == nil && enabled == "enabled", Active: errActive == nil && active == "active"}
}

// release gives an adopted level back, with its unit as it was. It may be repeated.
func release(ctx context.Context, s *session) error {
	if err := s.sure("Give the adopted level back to the system that it came from?"); err != nil {
		return err
	}
	answer, err := s.ask(ctx, operate.Request{Action: operate.Release})
	if err != nil {
		return err
	}
	a := answer.Adoption
	for _, step := range []struct {
		do   bool
		args []string
	}{
		{a.UnitEnabled, []string{"enable", a.Unit}},
		{a.UnitActive, []string{"start", a.Unit}},
	} {
		if !step.do {
			continue
		}
		if out, err := s.systemctl(ctx, step.args...); err != nil {
			return fmt.Errorf("cannot put %s back: %s (%w); repeat this once that is mended", a.Unit, clean(out), err)
		}
	}
	if _, err := s.ask(ctx, operate.Request{Action: operate.Released}); err != nil {
		return err
	}
	return s.done(answer)
}
