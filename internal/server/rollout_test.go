package server

import (
	"slices"
	"testing"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/api"
)

func TestAGoodPatchReachesEveryHostOneLaneAtATime(t *testing.T) {
	onEachStore(t, func(w *world) {
		hosts := w.fleetOfFour()
		ref := w.publish(1)
		r := w.running(ref, quick)
		r = w.until(r.Plan, "it is completed", is(hotstick.Completed))
		if r.States[hotstick.Confirmed] != 4 {
			t.Errorf("states %v; want four confirmed", r.States)
		}
		if len(r.Waves[0].Hosts) != 1 {
			t.Errorf("the first wave has %d hosts; want one", len(r.Waves[0].Hosts))
		}
		for _, h := range hosts {
			if h.runs() != ref || h.granted(r.Plan) != 1 {
				t.Errorf("%s runs %s after %d grants; want %s after one", h.name, h.runs(), h.granted(r.Plan), ref)
			}
		}
		w.wantOrder(r)
		over, err := w.admin.Overview(t.Context())
		w.must(err)
		for _, c := range over.Coverage {
			if c.Covered != c.Hosts || c.Newest != ref {
				t.Errorf("coverage of %s: %d of %d at %s", c.Build, c.Covered, c.Hosts, c.Newest)
			}
		}
		list, err := w.admin.AllHosts(t.Context(), clientQuery("applied"))
		w.must(err)
		if len(list) != 4 {
			t.Errorf("%d hosts are shown as applied; want 4", len(list))
		}
	})
}

// wantOrder checks in the audit log that no host of a later wave was granted a
// start before every host of the first was confirmed.
func (w *world) wantOrder(r api.Rollout) {
	w.Helper()
	first := r.Waves[0].Hosts[0].Host
	log, err := w.admin.Events(w.Context(), eventsOf(r.Plan))
	w.must(err)
	events := slices.Clone(log.Events)
	slices.Reverse(events)
	confirmed := false
	for _, e := range events {
		if e.Host == first && e.State == string(hotstick.Confirmed) {
			confirmed = true
		}
		if e.Kind == "grant.issued" && e.Host != first && !confirmed {
			w.Errorf("%s was granted a start before the first canary was confirmed", e.HostName)
		}
	}
}

func TestABadPatchGoesBackByItselfAndIsBanned(t *testing.T) {
	onEachStore(t, func(w *world) {
		hosts := w.fleetOfFour()
		good := w.publish(1)
		w.until(w.running(good, quick).Plan, "the good level is everywhere", is(hotstick.Completed))
		bad := w.publish(2)
		for _, h := range hosts {
			h.mu.Lock()
			h.fates[2] = fails
			h.mu.Unlock()
		}
		r := w.running(bad, quick)
		r = w.until(r.Plan, "the canary is back and the plan halted", func(r api.Rollout) bool {
			return r.Status == hotstick.Halted && r.States[hotstick.Reverted] == 1
		})
		started := 0
		for _, h := range hosts {
			started += h.granted(r.Plan)
			if h.runs() != good {
				t.Errorf("%s runs %s; want the good level", h.name, h.runs())
			}
		}
		if started != 1 || r.States[hotstick.Waiting] != 3 {
			t.Errorf("%d hosts started, states %v; want one canary only", started, r.States)
		}
		p, err := w.admin.Patch(t.Context(), bad)
		w.must(err)
		if p.Ban == nil || p.Ban.Reason.Code != hotstick.ReasonGateFailed {
			t.Errorf("the bad level's ban is %+v", p.Ban)
		}
		d := api.DraftRequest{Patch: bad.String(), Selector: "true", Author: alice}
		_, err = w.admin.Draft(t.Context(), d)
		w.refused(err, 422, "refused")
	})
}

func TestAKillerPatchStrikesOnceAndNeverAgain(t *testing.T) {
	onEachStore(t, func(w *world) {
		hosts := w.fleetOfFour()
		killer := w.publish(1)
		for _, h := range hosts {
			h.mu.Lock()
			h.fates[1] = kills
			h.mu.Unlock()
		}
		r := w.running(killer, quick)
		r = w.until(r.Plan, "the plan is halted", func(r api.Rollout) bool {
			return r.Status == hotstick.Halted && r.States[hotstick.Quarantined] == 1
		})
		struck := 0
		for _, h := range hosts {
			struck += h.granted(r.Plan)
		}
		if struck != 1 {
			t.Errorf("%d hosts started the killer; want one", struck)
		}
		over, err := w.admin.Overview(t.Context())
		w.must(err)
		if over.Struck != 1 || len(over.Bans) != 1 {
			t.Errorf("the overview tells of %d struck hosts and %d bans; want one and one", over.Struck, len(over.Bans))
		}
	})
}

func TestHoldStopsStartsAndResumeGoesOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.fleetOfFour()
	r := w.running(w.publish(1), quick)
	w.until(r.Plan, "the canary is confirmed", func(r api.Rollout) bool { return r.States[hotstick.Confirmed] == 1 })
	held, err := w.admin.Hold(t.Context(), string(r.Plan), api.ActionRequest{Reason: "lunch"})
	w.must(err)
	if held.Status != hotstick.Held || held.Reason == nil || held.Reason.Detail != "lunch" {
		t.Errorf("after hold: %s %+v", held.Status, held.Reason)
	}
	for _, wave := range held.Waves {
		for _, c := range wave.Hosts {
			if c.State == hotstick.Waiting && (c.Reason == nil || c.Reason.Code != hotstick.ReasonPlanHeld) {
				t.Errorf("%s waits for %+v; want the hold", c.Name, c.Reason)
			}
		}
	}
	_, err = w.admin.Resume(t.Context(), string(r.Plan), api.ActionRequest{})
	w.must(err)
	w.until(r.Plan, "it is completed", is(hotstick.Completed))
}

func TestRevertSendsEveryHostBackAfterTheRollout(t *testing.T) {
	onEachStore(t, func(w *world) {
		hosts := w.fleetOfFour()
		r := w.running(w.publish(1), quick)
		w.until(r.Plan, "it is completed", is(hotstick.Completed))
		_, err := w.admin.Revert(t.Context(), string(r.Plan), api.RevertRequest{Reason: "changed our minds"})
		w.must(err)
		r = w.until(r.Plan, "all are back", func(r api.Rollout) bool { return r.States[hotstick.Reverted] == 4 })
		if r.Reverting {
			t.Error("the rollout is still shown as reverting")
		}
		for _, h := range hosts {
			if !h.runs().IsZero() {
				t.Errorf("%s still runs %s", h.name, h.runs())
			}
		}
	})
}

func TestStopAllHaltsEveryPlanAndBlocksNewOnes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	hosts := w.fleetOfFour()
	ref := w.publish(1)
	r := w.running(ref, quick)
	w.until(r.Plan, "a host has started", func(r api.Rollout) bool { return r.States[hotstick.Waiting] < 4 })
	second := w.approved(ref, api.PlanSettings{ProbationSeconds: 2, TransitionSeconds: 5, BakeSeconds: 1})
	stopped, err := w.admin.Stop(t.Context(), api.StopRequest{Reason: "3 a.m."})
	w.must(err)
	if !stopped.StopAll || len(stopped.Halted) != 2 {
		t.Errorf("stopped %+v; want two plans", stopped)
	}
	granted := 0
	for _, h := range hosts {
		granted += h.granted(r.Plan)
	}
	if granted > 1 {
		t.Errorf("%d hosts had started; want at most the canary", granted)
	}
	_, err = w.admin.Start(t.Context(), string(second.Plan))
	w.refused(err, 409, "conflict")
	third := w.approvedDespiteStop(ref)
	_, err = w.admin.Start(t.Context(), string(third.Plan))
	w.refused(err, 422, "stopped")
	_, err = w.admin.Stop(t.Context(), api.StopRequest{Lift: true})
	w.must(err)
	_, err = w.admin.Start(t.Context(), string(third.Plan))
	w.must(err)
	w.until(third.Plan, "it is completed after the lift", is(hotstick.Completed))
}

// approvedDespiteStop makes a further plan: signing is allowed while stopped.
func (w *world) approvedDespiteStop(ref hotstick.PatchRef) api.Rollout {
	return w.approved(ref, api.PlanSettings{ProbationSeconds: 1, TransitionSeconds: 6, BakeSeconds: 1})
}

func TestASecondServerGoesOnWhereTheFirstWasCut(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	hosts := w.fleetOfFour()
	r := w.running(w.publish(1), quick)
	w.until(r.Plan, "the canary is confirmed", func(r api.Rollout) bool { return r.States[hotstick.Confirmed] == 1 })
	w.restart()
	w.until(r.Plan, "two are confirmed", func(r api.Rollout) bool { return r.States[hotstick.Confirmed] >= 2 })
	w.restart()
	r = w.until(r.Plan, "it is completed", is(hotstick.Completed))
	for _, h := range hosts {
		if h.granted(r.Plan) != 1 {
			t.Errorf("%s took %d grants; want one", h.name, h.granted(r.Plan))
		}
	}
}
