package operatorcmd

import (
	"context"
	"fmt"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/loader/ledger"
	"github.com/hotstick/hotstick/internal/loader/operate"
)

// adopt takes over what another system has loaded, and puts that system on hold. The loader
// agrees, and remembers how the system was, before anything of it is changed; so it may be
// cut short anywhere and repeated. A system that schedules itself the loader has held by a
// step, and this only waits for that.
func adopt(ctx context.Context, s *session) error {
	answer, err := s.ask(ctx, operate.Request{Action: operate.State})
	if err != nil {
		return err
	}
	if err := s.sure("Take over the live patch that another system has loaded, and put that system on hold?"); err != nil {
		return err
	}
	req := operate.Request{Action: operate.Adopt, Unit: s.unitOf(ctx, answer.State.Masters)}
	ctx, cancel := context.WithTimeout(ctx, s.wait)
	defer cancel()
	answer, err = s.begin(ctx, req)
	if err != nil {
		return err
	}
	a := answer.Adoption
	switch {
	case a.Driver == "":
		return s.holdUnit(ctx, answer)
	case a.Stage == ledger.Taken:
		return s.done(answer)
	}
	settled := func(now *ledger.Adoption) bool { return now != nil && now.Stage == ledger.Taken }
	if err := s.await(ctx, answer.Waiting, "adopt", settled); err != nil {
		return err
	}
	if answer, err = s.ask(ctx, req); err != nil {
		return err
	}
	return s.done(answer)
}

// begin asks until the loader has written the adoption down; it reads at first how the other
// system schedules itself.
func (s *session) begin(ctx context.Context, req operate.Request) (operate.Answer, error) {
	tick := time.NewTicker(askEvery)
	defer tick.Stop()
	for {
		answer, err := s.ask(ctx, req)
		if err != nil || answer.Adoption != nil {
			return answer, err
		}
		select {
		case <-ctx.Done():
			return answer, fmt.Errorf("cannot say how it ends: after %s %s; nothing is changed yet, repeat hotstick-agent adopt", s.wait, clean(answer.Waiting))
		case <-tick.C:
		}
	}
}

// askEvery is the pause between two looks at what the loader has begun.
const askEvery = 200 * time.Millisecond

// await waits until the loader has an adoption as it is to be, or says why not yet.
func (s *session) await(ctx context.Context, doing, command string, settled func(*ledger.Adoption) bool) error {
	if !s.json {
		fmt.Fprintln(s.err, clean(doing))
	}
	tick := time.NewTicker(askEvery)
	defer tick.Stop()
	for {
		answer, err := s.ask(ctx, operate.Request{Action: operate.State})
		switch {
		case err != nil:
			return err
		case settled(answer.State.Adopted):
			return nil
		case answer.State.Schedule != nil:
			return &refused{reason: *answer.State.Schedule, unknown: []string{
				"it is written down and tried again every minute; to try now, repeat hotstick-agent " + command, byHand(answer.State.Adopted)}}
		case answer.State.Attempt != nil:
			return fmt.Errorf("cannot go on while %s is under way: it is written down and done after that", answer.State.Attempt.Patch)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("cannot say how it ends: after %s %s; hotstick-agent status tells", s.wait, clean(doing))
		case <-tick.C:
		}
	}
}

// unitOf is the unit of the system that is to be adopted, as it is now; nil if none has one.
func (s *session) unitOf(ctx context.Context, masters []hotstick.Master) *operate.Unit {
	var found *operate.Unit
	for _, m := range masters {
		if m.Unit == "" || found != nil && !m.Active {
			continue
		}
		unit := s.unit(ctx, m.Unit)
		found = &unit
	}
	return found
}

// holdUnit keeps the unit of an adopted system from loading patches.
func (s *session) holdUnit(ctx context.Context, answer operate.Answer) error {
	if a := answer.Adoption; a.Unit != "" && a.Stage == ledger.Taking {
		if out, err := s.systemctl(ctx, onHold(a)...); err != nil {
			return fmt.Errorf("cannot put %s on hold: %s (%w); the level is adopted, repeat this once that is mended", a.Unit, clean(out), err)
		}
	}
	if answer.Adoption.Stage != ledger.Taken {
		if _, err := s.ask(ctx, operate.Request{Action: operate.Adopted}); err != nil {
			return err
		}
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

// byHand says what a person can do where the loader cannot.
func byHand(a *ledger.Adoption) string {
	if a != nil && a.Stage == ledger.Releasing {
		return "if " + a.System + " is gone for good, hotstick-agent release --forget ends this and shows the settings that it had"
	}
	return "hotstick-agent release gives it up"
}

// forget ends a release that cannot be done, and shows what is to be put back by hand.
func forget(ctx context.Context, s *session) error {
	if err := s.sure("Forget the adopted system, without giving its settings back?"); err != nil {
		return err
	}
	answer, err := s.ask(ctx, operate.Request{Action: operate.Release, Forget: true})
	if err != nil {
		return err
	}
	switch a := answer.Adoption; {
	case s.json || a == nil:
	case len(a.Settings) > 0:
		answer.Done += "; if it is used again, put back by hand how it scheduled itself before: " + string(a.Settings)
	case a.Unit != "":
		answer.Done += fmt.Sprintf("; before, %s was enabled: %t, and active: %t", a.Unit, a.UnitEnabled, a.UnitActive)
	}
	return s.done(answer)
}

// release gives an adopted system back as it was. It may be repeated.
func release(ctx context.Context, s *session) error {
	if s.forget {
		return forget(ctx, s)
	}
	if err := s.sure("Give the adopted level back to the system that it came from?"); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, s.wait)
	defer cancel()
	answer, err := s.ask(ctx, operate.Request{Action: operate.Release})
	if err != nil {
		return err
	}
	if a := answer.Adoption; a.Driver != "" {
		gone := func(now *ledger.Adoption) bool { return now == nil }
		if err := s.await(ctx, answer.Waiting, "release", gone); err != nil {
			return err
		}
		answer.Done, answer.Waiting, answer.Adoption = answer.Done+"; "+a.System+" schedules itself as it did before", "", nil
		return s.done(answer)
	}
	if err := s.giveUnitBack(ctx, answer.Adoption); err != nil {
		return err
	}
	if _, err := s.ask(ctx, operate.Request{Action: operate.Released}); err != nil {
		return err
	}
	return s.done(answer)
}

// giveUnitBack enables and starts a unit as far as it was so before.
func (s *session) giveUnitBack(ctx context.Context, a *ledger.Adoption) error {
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
	return nil
}
