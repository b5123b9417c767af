package operatorcmd

import (
	"context"
	"fmt"
	"time"

	"github.com/hotstick/hotstick"
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
