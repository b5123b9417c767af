package loader_test

import (
	"encoding/json"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/catalog"
	"github.com/hotstick/hotstick/internal/driver/fake"
	"github.com/hotstick/hotstick/internal/statement"
)

// twoWaves makes a plan of a canary, which is another host, and this host an hour
// later.
func twoWaves(p *hotstick.Plan) {
	p.Waves = []hotstick.Wave{{Name: "first", Hosts: 1, BakeSeconds: 60}, {Name: "rest", Hosts: 1, DelaySeconds: 3600}}
}

func inTheSecondWave(hosts []hotstick.PlanHost) { hosts[1].Wave = 1 }

// byNight makes this host keep to a calendar whose one window opens after an hour.
func byNight(hosts []hotstick.PlanHost) { hosts[1].Calendar = "night" }

func withNights(p *hotstick.Plan) {
	from := p.CreatedAt.Add(time.Hour)
	p.Calendars = []hotstick.Calendar{{Name: "night", Opens: []hotstick.Interval{{From: from, Until: from.Add(time.Hour)}}}}
}

// standsIn makes this host the stand-in of the canary.
func standsIn(hosts []hotstick.PlanHost) {
	hosts[1].Wave, hosts[1].StandIn = 1, &hotstick.StandIn{For: hosts[0].Host, Wave: 0}
}

// late makes the grant one for a late host.
func late(g *statement.Grant) { g.Late, g.Index, g.Proof = true, 0, nil }

// A stolen server holds the server's key and knows every plan and every proof. This
// is what it cannot do with them.
func TestAStolenServerCannotStart(t *testing.T) {
	web := func(p *hotstick.Plan) {
		p.Late = &hotstick.LateRule{Labels: map[string]string{"role": "web", "rack": "a3"}}
	}
	notListed := func(hosts []hotstick.PlanHost) {
		hosts[1].Identity, hosts[1].Host = hotstick.NewFingerprint(author.Public()), hotstick.NewHostID(author.Public())
	}
	for _, c := range []struct {
		what   string
		place  func([]hotstick.PlanHost)
		plan   func(*hotstick.Plan)
		labels map[string]string
		err    error
		wait   time.Duration
		grant  func(*statement.Grant)
		code   hotstick.ReasonCode
	}{
		{what: "a host that is neither listed nor late", place: notListed, wait: 2 * time.Hour, code: hotstick.ReasonNotInPlan},
		{what: "a host as late in a plan without a rule", place: notListed, wait: 2 * time.Hour, grant: late, code: hotstick.ReasonNotInPlan},
		{what: "a late host with other labels", place: notListed, plan: web, wait: 2 * time.Hour,
			labels: map[string]string{"role": "db", "rack": "a3"}, grant: late, code: hotstick.ReasonLabels},
		{what: "a late host with one label missing", place: notListed, plan: web, wait: 2 * time.Hour,
			labels: map[string]string{"role": "web"}, grant: late, code: hotstick.ReasonLabels},
		{what: "a late host whose labels cannot be read", place: notListed, plan: web, wait: 2 * time.Hour,
			err: errors.New("cannot read the labels"), grant: late, code: hotstick.ReasonLabels},
		{what: "a late host before the last wave's delay", place: notListed, plan: web,
			labels: map[string]string{"role": "web", "rack": "a3"}, grant: late, code: hotstick.ReasonDelay},
		{what: "a late host in an earlier wave", place: notListed, plan: web,
			labels: map[string]string{"role": "web", "rack": "a3"}, grant: func(g *statement.Grant) { late(g); g.Wave = 0 }, code: hotstick.ReasonNotInPlan},
		{what: "a late host of another kernel build", place: notListed, plan: func(p *hotstick.Plan) { web(p); p.Lanes[0].Build = otherBuild }, wait: 2 * time.Hour,
			labels: map[string]string{"role": "web", "rack": "a3"}, grant: late, code: hotstick.ReasonWrongBuild},
		{what: "a host that nobody signed as a stand-in in the canary's place", place: inTheSecondWave,
			grant: func(g *statement.Grant) { g.Wave = 0 }, code: hotstick.ReasonNotInPlan},
		{what: "a host before its own wave's delay", place: inTheSecondWave, code: hotstick.ReasonDelay},
		{what: "a stand-in before its canary's wave's delay", place: standsIn,
			plan: func(p *hotstick.Plan) { p.Waves[0].DelaySeconds = 600 }, code: hotstick.ReasonDelay},
		{what: "a host before its window", place: byNight, plan: withNights, code: hotstick.ReasonWindowClosed},
		{what: "a host after its window", place: byNight, plan: withNights, wait: 3 * time.Hour, code: hotstick.ReasonWindowClosed},
		{what: "a host as if it kept to no calendar", place: byNight, plan: withNights, wait: 90 * time.Minute,
			grant: func(g *statement.Grant) { g.Calendar = "" }, code: hotstick.ReasonNotInPlan},
		{what: "a host by a calendar that the plan lacks", place: byNight, wait: 90 * time.Minute, code: hotstick.ReasonWindowClosed},
	} {
		t.Run(c.what, func(t *testing.T) {
			w := newWorld(t)
			w.place, w.labels, w.labelsErr = c.place, c.labels, c.err
			raw, id := w.plan(w.publish("fix@1", fake.Behaviour{}), func(p *hotstick.Plan) {
				twoWaves(p)
				if c.plan != nil {
					c.plan(p)
				}
			})
			w.exchange(raw)
			w.now = w.now.Add(c.wait)
			w.exchange()
			w.exchange(w.grant(id, 1, func(g *statement.Grant) {
				g.Wave = 1
				if slices.ContainsFunc(w.plans[id], func(h hotstick.PlanHost) bool { return h.Host == g.Host }) {
					g.Wave = w.plans[id][1].EarliestWave()
				}
				if c.grant != nil {
					c.grant(g)
				}
			}))
			w.mustRefuse(c.code)
			w.pass(3 * time.Second)
			w.mustRun(hotstick.PatchRef{})
			if len(w.reports) > 0 {
				t.Errorf("reported %s: a refused document is no word about the host", w.states())
			}
		})
	}
}

func TestALateHostWithTheRightLabelsJoins(t *testing.T) {
	w := newWorld(t)
	w.labels = map[string]string{"role": "web", "rack": "a3"}
	p := w.publish("fix@1", fake.Behaviour{})
	w.place = func(hosts []hotstick.PlanHost) {
		hosts[1].Wave, hosts[1].Identity, hosts[1].Host = 1, hotstick.NewFingerprint(author.Public()), hotstick.NewHostID(author.Public())
	}
	raw, id := w.plan(p, func(p *hotstick.Plan) {
		twoWaves(p)
		p.Late = &hotstick.LateRule{Labels: map[string]string{"role": "web"}}
	})
	w.exchange(raw)
	w.now = w.now.Add(time.Hour)
	w.exchange()
	w.exchange(w.grant(id, 1, late))
	w.pass(15 * time.Second)
	w.mustEnd(hotstick.Confirmed, "")
}

func TestAHostStartsInItsWindow(t *testing.T) {
	w := newWorld(t)
	w.place = byNight
	raw, id := w.plan(w.publish("fix@1", fake.Behaviour{}), withNights)
	w.exchange(raw)
	w.now = w.now.Add(90 * time.Minute)
	w.exchange()
	w.exchange(w.grant(id, 1, nil))
	w.pass(15 * time.Second)
	w.mustEnd(hotstick.Confirmed, "")
}

func TestAStandInStartsInItsCanarysWave(t *testing.T) {
	w := newWorld(t)
	w.place = standsIn
	raw, id := w.plan(w.publish("fix@1", fake.Behaviour{}), twoWaves)
	w.exchange(raw)
	w.exchange(w.grant(id, 1, nil))
	w.pass(15 * time.Second)
	w.mustEnd(hotstick.Confirmed, "")
}

// succeeded announces a plan for fix@1 whose wave waits for an hour, lets half an
// hour pass and returns a continuing plan for fix@2 with the same delay.
func succeeded(w *world) (first hotstick.PlanID, second json.RawMessage, id hotstick.PlanID) {
	slow := func(p *hotstick.Plan) { p.Waves[0].DelaySeconds = 3600 }
	raw, first := w.plan(w.publish("fix@1", fake.Behaviour{}), slow)
	w.exchange(raw)
	for range 30 {
		w.now = w.now.Add(time.Minute)
		w.exchange()
	}
	second, id = w.plan(w.publish("fix@2", fake.Behaviour{}), func(p *hotstick.Plan) { slow(p); p.Continues = first })
	return first, second, id
}

func TestAPlanThatContinuesAnotherKeepsItsClock(t *testing.T) {
	for _, c := range []struct {
		what string
		// before are the documents that come before the new plan.
		before func(w *world, first hotstick.PlanID) []json.RawMessage
		keeps  bool
	}{
		{"announced before the older one is halted", func(*world, hotstick.PlanID) []json.RawMessage { return nil }, true},
		{"after the older one was superseded", func(w *world, first hotstick.PlanID) []json.RawMessage {
			return []json.RawMessage{w.haltBecause(first, hotstick.ReasonSuperseded)}
		}, true},
		{"after the older one's gate failed", func(w *world, first hotstick.PlanID) []json.RawMessage {
			return []json.RawMessage{w.haltBecause(first, hotstick.ReasonGateFailed)}
		}, false},
	} {
		t.Run(c.what, func(t *testing.T) {
			w := newWorld(t)
			first, second, id := succeeded(w)
			w.exchange(c.before(w, first)...)
			w.exchange(second)
			w.exchange(w.haltBecause(first, hotstick.ReasonSuperseded))
			w.now = w.now.Add(31 * time.Minute)
			w.exchange()
			w.exchange(w.grant(id, 1, nil))
			if !c.keeps {
				w.mustRefuse(hotstick.ReasonDelay)
				w.now = w.now.Add(31 * time.Minute)
				w.exchange()
				w.exchange(w.grant(id, 1, nil))
			}
			w.pass(15 * time.Second)
			w.mustEnd(hotstick.Confirmed, "")
			// The older plan stays halted.
			w.exchange(w.envelopes[first])
			w.mustRefuse(hotstick.ReasonPlanHalted)
			w.exchange(w.grant(first, 1, nil))
			w.mustRefuse(hotstick.ReasonPlanHalted)
		})
	}
}

func TestAPlanThatContinuesOneNobodySawHereStartsItsOwnClock(t *testing.T) {
	w := newWorld(t)
	raw, id := w.plan(w.publish("fix@2", fake.Behaviour{}), func(p *hotstick.Plan) {
		p.Waves[0].DelaySeconds, p.Continues = 3600, hotstick.NewDigest([]byte("elsewhere"))
	})
	w.exchange(raw)
	w.now = w.now.Add(59 * time.Minute)
	w.exchange()
	w.exchange(w.grant(id, 1, nil))
	w.mustRefuse(hotstick.ReasonDelay)
}

func TestSupersedingAPlanDoesNotTouchARunningProbation(t *testing.T) {
	w := newWorld(t)
	p := w.publish("fix@1", fake.Behaviour{})
	id := w.offer(p, 1)
	w.pass(3 * time.Second)
	w.exchange(w.haltBecause(id, hotstick.ReasonSuperseded))
	w.pass(12 * time.Second)
	w.mustEnd(hotstick.Confirmed, "")
	w.mustRun(p.Ref)
}

// killedByItsConfirmedLevel confirms fix@1 and fix@2, and takes the host down with
// fix@2's name in the trace.
func killedByItsConfirmedLevel(w *world) (first, second hotstick.Patch, plan hotstick.PlanID) {
	first = w.publish("fix@1", fake.Behaviour{})
	w.mustConfirm(first)
	second = w.publish("fix@2", fake.Behaviour{})
	plan = w.mustConfirm(second)
	w.now = w.now.Add(24 * time.Hour)
	w.exchange()
	w.machine.Crash("[86400.000000] BUG: kernel NULL pointer dereference, address: 0000000000000000\n" +
		"[86400.000001] RIP: 0010:unix_ioctl+0x41/0x130 [fix_2]\n")
	w.reboot(false)
	return first, second, plan
}

// A level that was confirmed and kills its host later is struck, the level before it
// comes back, and nothing but a clear lets the killer in again.
func TestAConfirmedLevelThatLaterKillsItsHostGivesWayToTheOneBefore(t *testing.T) {
	w := newWorld(t)
	first, second, id := killedByItsConfirmedLevel(w)
	w.mustEnd(hotstick.Quarantined, hotstick.ReasonCrashNamed)
	if r := w.reports[len(w.reports)-1]; r.Patch != second.Ref || r.Plan != id {
		t.Errorf("the report is of %s in %s", r.Patch, r.Plan.Short())
	}
	w.pass(2 * time.Second)
	w.mustRun(hotstick.PatchRef{}) // still settling
	w.pass(30 * time.Second)
	w.mustEnd(hotstick.Confirmed, "")
	w.mustRun(first.Ref)
	// The killer does not come back: by its own grant, by a new plan, by a reboot.
	w.exchange(w.grant(id, 2, nil))
	raw, again := w.plan(second, func(p *hotstick.Plan) { p.Name = "again" })
	w.exchange(raw)
	w.exchange(w.grant(again, 1, nil))
	w.mustEnd(hotstick.Failed, hotstick.ReasonStruck)
	w.reboot(true)
	w.pass(30 * time.Second)
	w.mustRun(first.Ref)
	// It may once somebody signs so.
	w.exchange(w.sign(statement.KindClear, statement.Clear{Patch: second.Ref, Hosts: []hotstick.HostID{hotstick.NewHostID(identity.Public())},
		IssuedAt: w.now.Truncate(time.Second), NotAfter: w.now.Add(time.Hour).Truncate(time.Second)}, author, approver))
	raw, again = w.plan(second, func(p *hotstick.Plan) { p.Name = "after the clear" })
	w.exchange(raw)
	w.exchange(w.grant(again, 1, nil))
	w.pass(15 * time.Second)
	w.mustEnd(hotstick.Confirmed, "")
	w.mustRun(second.Ref)
}

func TestTheLevelBeforeAStruckOneDoesNotComeBackIf(t *testing.T) {
	for _, c := range []struct {
		what string
		act  func(w *world, first hotstick.Patch)
	}{
		{"it is banned", func(w *world, first hotstick.Patch) { w.exchange(w.ban(first)) }},
		{"it was struck too", func(w *world, _ hotstick.Patch) {
			w.pass(8 * time.Second)
			w.machine.Crash("RIP: 0010:unix_ioctl+0x41/0x130 [fix_1]\n")
			w.reboot(false)
			w.now = w.now.Add(time.Hour)
		}},
		{"the host keeps going down", func(w *world, _ hotstick.Patch) {
			w.machine.Crash("")
			w.reboot(false)
		}},
	} {
		t.Run(c.what, func(t *testing.T) {
			w := newWorld(t)
			first, _, _ := killedByItsConfirmedLevel(w)
			c.act(w, first)
			w.pass(time.Minute)
			w.mustRun(hotstick.PatchRef{})
		})
	}
}

// What is banned does not come back after a reboot; what it had replaced does.
func TestTheLevelBeforeABannedOneComesBackAfterTheNextReboot(t *testing.T) {
	w := newWorld(t)
	first := w.publish("fix@1", fake.Behaviour{})
	w.mustConfirm(first)
	second := w.publish("fix@2", fake.Behaviour{})
	w.mustConfirm(second)
	w.exchange(w.ban(second))
	w.pass(time.Minute)
	w.mustRun(second.Ref)
	for range 2 {
		w.reboot(true)
		w.pass(30 * time.Second)
		w.mustEnd(hotstick.Confirmed, "")
		w.mustRun(first.Ref)
	}
}

func TestTheLevelBeforeAWithdrawnOneComesBackAfterTheNextReboot(t *testing.T) {
	w := newWorld(t)
	first := w.publish("fix@1", fake.Behaviour{})
	w.mustConfirm(first)
	w.mustConfirm(w.publish("fix@2", fake.Behaviour{}))
	w.view = catalog.NewView(w.view.Version+1, w.view.Expires, w.view.Trust, []hotstick.Patch{first})
	w.exchange()
	w.reboot(true)
	w.pass(30 * time.Second)
	w.mustEnd(hotstick.Confirmed, "")
	w.mustRun(first.Ref)
}

func TestALevelThatStepsInAndFallsIllIsNotTriedTwiceInOneBoot(t *testing.T) {
	w := newWorld(t)
	first := w.publish("fix@1", fake.Behaviour{})
	w.mustConfirm(first)
	second := w.publish("fix@2", fake.Behaviour{})
	w.mustConfirm(second)
	w.exchange(w.ban(second))
	w.machine.Behave("fix_1", fake.Behaviour{Ill: "503"})
	w.reboot(true)
	w.pass(5 * time.Minute)
	w.mustRun(hotstick.PatchRef{})
	w.mustEnd(hotstick.Reverted, hotstick.ReasonProbeFailed)
	if n := w.loads["fix_1"]; n != 2 {
		t.Errorf("loaded %d times, want once in each boot", n)
	}
}

// An order to go back does not bring back what was there before the level before.
func TestALevelThatWasOrderedBackIsNoFormerLevel(t *testing.T) {
	w := newWorld(t)
	first := w.publish("fix@1", fake.Behaviour{})
	w.mustConfirm(first)
	id := w.mustConfirm(w.publish("fix@2", fake.Behaviour{}))
	w.exchange(w.order(id, nil))
	w.pass(10 * time.Second)
	w.mustEnd(hotstick.Reverted, hotstick.ReasonRevertOrdered)
	if l := w.ledger(); l.Former != nil || l.Permit.Level.Patch != first.Ref {
		t.Errorf("the permits are %+v and %+v", l.Permit, l.Former)
	}
}
