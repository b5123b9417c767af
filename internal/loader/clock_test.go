package loader_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/catalog"
	"github.com/hotstick/hotstick/internal/driver/fake"
	"github.com/hotstick/hotstick/internal/statement"
)

// renew gives the catalog another end, refreshed at the world's time.
func (w *world) renew(life time.Duration) {
	w.view = catalog.NewView(w.view.Version, w.now.Add(life), w.view.Trust, w.view.Patches)
	w.view.Refreshed = w.now
}

// Whoever freezes a host's catalog and sets its clock back gets nothing that was over
// for it already.
func TestAFreezeWithTheClockSetBackStartsNothing(t *testing.T) {
	late := func(w *world, p hotstick.Patch, plan hotstick.PlanID) json.RawMessage { return w.grant(plan, 1, nil) }
	for _, c := range []struct {
		what  string
		place func([]hotstick.PlanHost)
		plan  func(*hotstick.Plan)
		// true time passes, then the clock is set back by it.
		wait time.Duration
		// seen is done before the clock is set back.
		seen func(w *world, p hotstick.Patch, plan hotstick.PlanID)
		code hotstick.ReasonCode
	}{
		{what: "a plan that ended before the last refresh", wait: 25 * time.Hour, code: hotstick.ReasonPlanExpired,
			seen: func(w *world, _ hotstick.Patch, _ hotstick.PlanID) { w.renew(24 * time.Hour); w.exchange() }},
		{what: "a plan that ended before the last refresh, after a restart", wait: 25 * time.Hour, code: hotstick.ReasonPlanExpired,
			seen: func(w *world, _ hotstick.Patch, _ hotstick.PlanID) {
				w.renew(24 * time.Hour)
				w.reboot(true)
				w.pass(10 * time.Second)
			}},
		{what: "a catalog that was refused as expired", plan: func(p *hotstick.Plan) { p.NotAfter = p.NotAfter.Add(90 * 24 * time.Hour) },
			wait: 31 * 24 * time.Hour, code: hotstick.ReasonCatalogExpired,
			seen: func(w *world, p hotstick.Patch, plan hotstick.PlanID) {
				w.exchange(late(w, p, plan))
				w.mustRefuse(hotstick.ReasonCatalogExpired)
			}},
		{what: "a window that was over before the last refresh", place: byNight, plan: withNights, wait: 3 * time.Hour, code: hotstick.ReasonWindowClosed,
			seen: func(w *world, _ hotstick.Patch, _ hotstick.PlanID) { w.renew(24 * time.Hour); w.exchange() }},
	} {
		t.Run(c.what, func(t *testing.T) {
			w := newWorld(t)
			w.place = c.place
			p := w.publish("fix@1", fake.Behaviour{})
			raw, plan := w.plan(p, c.plan)
			w.exchange(raw)
			w.now = w.now.Add(c.wait)
			w.exchange()
			c.seen(w, p, plan)
			w.skew = -c.wait
			if c.place != nil {
				w.skew += 90 * time.Minute // in the middle of the window
			}
			w.exchange()
			w.exchange(late(w, p, plan))
			w.mustRefuse(c.code)
			w.exchange(raw)
			w.pass(15 * time.Second)
			if w.running() != (hotstick.PatchRef{}) {
				t.Error("it was started")
			}
		})
	}
}

func TestADowngradeWhoseLifeWasOverDoesNotComeBackWithTheClock(t *testing.T) {
	w := newDowngraded(t)
	raw := w.downgrade(nil, author)
	w.exchange(raw)
	w.now = w.now.Add(2 * time.Hour)
	w.renew(24 * time.Hour)
	w.exchange()
	w.skew = -2 * time.Hour
	w.exchange(raw)
	w.mustRefuse(hotstick.ReasonGrantExpired)
	w.exchange(w.grant(w.plan, 1, nil))
	w.pass(time.Second)
	w.mustEnd(hotstick.Failed, hotstick.ReasonDowngrade)
	w.mustRun(w.newest.Ref)
}

func TestAClearWhoseLifeWasOverDoesNotComeBackWithTheClock(t *testing.T) {
	w := newWorld(t)
	p := w.publish("fix@1", fake.Behaviour{})
	w.exchange(w.ban(p))
	raw := w.sign(statement.KindClear, statement.Clear{Patch: p.Ref, Ban: true, Hosts: []hotstick.HostID{},
		IssuedAt: w.now.Add(time.Second).Truncate(time.Second), NotAfter: w.now.Add(time.Hour).Truncate(time.Second)}, author, approver)
	w.now = w.now.Add(2 * time.Hour)
	w.renew(24 * time.Hour)
	w.exchange()
	w.skew = -2 * time.Hour
	w.exchange(raw)
	w.mustRefuse(hotstick.ReasonGrantExpired)
}

// A clock that ran ahead for a moment locks nobody out for longer than until the
// catalog is renewed.
func TestAClockThatRanAheadIsForgottenWithTheNextRenewal(t *testing.T) {
	w := newWorld(t)
	p := w.publish("fix@1", fake.Behaviour{})
	w.renew(24 * time.Hour)
	raw, plan := w.plan(p, func(p *hotstick.Plan) { p.NotAfter = p.NotAfter.AddDate(20, 0, 0) })
	w.exchange(raw)
	w.skew = 10 * 365 * 24 * time.Hour
	w.exchange(w.grant(plan, 1, nil))
	w.mustRefuse(hotstick.ReasonCatalogExpired)
	w.skew = 0
	w.exchange(w.grant(plan, 1, nil))
	w.mustRefuse(hotstick.ReasonCatalogExpired)
	w.now = w.now.Add(12 * time.Hour)
	w.renew(24 * time.Hour)
	w.exchange()
	w.exchange(w.grant(plan, 1, nil))
	w.pass(15 * time.Second)
	w.mustEnd(hotstick.Confirmed, "")
}
