package rollout_test

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/decide/rollout"
	"pgregory.net/rapid"
)

// world plays a fleet against Next: it commits decisions as the server would and
// lets hosts take steps that a loader may report.
type world struct {
	t      *rapid.T
	v      rollout.View
	now    time.Time
	halted bool
	// starts counts admissions by host, failures of the patch seen so far.
	starts  map[hotstick.HostID]int
	failing bool
}

func newWorld(t *rapid.T) *world {
	line := ""
	hosts := rapid.IntRange(1, 16).Draw(t, "hosts")
	builds := rapid.IntRange(1, 4).Draw(t, "builds")
	for i := range hosts {
		wave := 0
		switch {
		case i == 0:
		case i < builds:
			wave = 1
		default:
			wave = 2 + (i-builds)/4
		}
		line += fmt.Sprintf("h%02d/%c/%d:waiting ", i, 'a'+i%builds, wave)
	}
	w := &world{t: t, v: fleet(line), now: t0, starts: map[hotstick.HostID]int{}}
	w.v.Plan.Budgets = []hotstick.Budget{{Domain: hotstick.FleetDomain, Max: rapid.IntRange(1, 4).Draw(t, "fleet")}, {Domain: "rack", Max: 1}}
	for i := range w.v.Hosts {
		w.v.Hosts[i].Listed.Domains = map[string]string{"rack": fmt.Sprint(i % 3)}
	}
	return w
}

// decide commits one decision and checks what must hold of it.
func (w *world) decide() {
	for i := range w.v.Hosts {
		w.v.Hosts[i].LastSeen = w.now
	}
	d := rollout.Next(w.v, w.now)
	if again := rollout.Next(w.v, w.now); !reflect.DeepEqual(d, again) {
		w.t.Fatalf("one view gave two decisions:\n%+v\n%+v", d, again)
	}
	if len(d.Starts) > 0 && (w.halted || w.v.StopAll || w.v.Status != hotstick.Running) {
		w.t.Fatalf("started %v although the plan is %s", d.Starts, w.v.Status)
	}
	if w.failing && len(d.Starts) > 0 {
		w.t.Fatalf("started %v after the patch had failed", d.Starts)
	}
	for _, c := range d.Changes {
		w.set(c.Host, func(h *rollout.Host) {
			if !h.State.CanBecome(c.State) {
				w.t.Fatalf("%s cannot become %s", h.State, c.State)
			}
			h.State, h.Reason, h.Updated = c.State, &c.Reason, w.now
		})
	}
	for _, id := range d.Release {
		w.free(id)
	}
	for _, s := range d.Starts {
		w.admit(s)
	}
	if d.Status != "" {
		w.v.Status = d.Status
		w.halted = w.halted || d.Status == hotstick.Halted
	}
	w.v.Reverting = w.v.Reverting || d.Revert
}

func (w *world) admit(s rollout.Start) {
	w.starts[s.Host]++
	for _, slot := range s.Slots {
		for _, used := range w.v.Slots {
			if used.Domain == slot.Domain && used.Value == slot.Value && used.Index == slot.Index {
				w.t.Fatalf("slot %+v was given twice", slot)
			}
		}
		w.v.Slots = append(w.v.Slots, slot)
	}
	w.set(s.Host, func(h *rollout.Host) {
		if h.State != hotstick.Waiting || s.Attempt != h.Attempt+1 {
			w.t.Fatalf("admitted %s, which is %s with attempt %d, for attempt %d", s.Host, h.State, h.Attempt, s.Attempt)
		}
		h.State, h.Attempt, h.Granted, h.Updated = hotstick.Admitted, s.Attempt, &w.now, w.now
		w.checkOrder(*h)
	})
}

// checkOrder: nobody starts before the first host of the fleet is confirmed, and
// no lane widens before its own canary is.
func (w *world) checkOrder(started rollout.Host) {
	for _, h := range w.v.Hosts {
		if started.Listed.Wave > 0 && h.Listed.Wave == 0 && h.State != hotstick.Confirmed {
			w.t.Fatalf("%s started while the first host is %s", started.Listed.Name, h.State)
		}
		if h.Listed.Build == started.Listed.Build && h.Listed.Wave < started.Listed.Wave && h.State != hotstick.Confirmed {
			w.t.Fatalf("%s started while %s of its lane, in an earlier wave, is %s", started.Listed.Name, h.Listed.Name, h.State)
		}
	}
}

func (w *world) free(id hotstick.HostID) {
	kept := w.v.Slots[:0]
	for _, s := range w.v.Slots {
		if s.Host != id {
			kept = append(kept, s)
		}
	}
	w.v.Slots = kept
}

func (w *world) set(id hotstick.HostID, f func(*rollout.Host)) {
	for i := range w.v.Hosts {
		if w.v.Hosts[i].Listed.Host == id {
			f(&w.v.Hosts[i])
		}
	}
}

// steps a healthy or unlucky host may report next.
var steps = map[hotstick.HostState][]hotstick.HostState{
	hotstick.Admitted:  {hotstick.Armed, hotstick.Armed, hotstick.Armed, hotstick.Failed},
	hotstick.Armed:     {hotstick.Applying, hotstick.Applying, hotstick.Interrupted},
	hotstick.Applying:  {hotstick.Probation, hotstick.Probation, hotstick.Probation, hotstick.Quarantined},
	hotstick.Probation: {hotstick.Confirmed, hotstick.Confirmed, hotstick.Confirmed, hotstick.Confirmed, hotstick.Reverted, hotstick.Quarantined},
	hotstick.Reverting: {hotstick.Reverted},
}

var causes = map[hotstick.HostState]hotstick.ReasonCode{
	hotstick.Failed: hotstick.ReasonKernelRefused, hotstick.Interrupted: hotstick.ReasonCleanShutdown,
	hotstick.Quarantined: hotstick.ReasonCrashNamed, hotstick.Reverted: hotstick.ReasonProbeFailed,
}

// report lets one host take a step; unlucky ones are rare in most runs.
func (w *world) report(r *rand.Rand, luck float64) {
	var moving []*rollout.Host
	for i := range w.v.Hosts {
		if len(steps[w.v.Hosts[i].State]) > 0 {
			moving = append(moving, &w.v.Hosts[i])
		}
	}
	if len(moving) == 0 {
		return
	}
	h := moving[r.IntN(len(moving))]
	next := steps[h.State]
	to := next[0]
	if r.Float64() > luck {
		to = next[r.IntN(len(next))]
	}
	reason := &hotstick.Reason{Code: causes[to]}
	if h.State == hotstick.Reverting {
		reason.Code = hotstick.ReasonRevertOrdered
	}
	if to == hotstick.Confirmed || causes[to] == "" {
		reason = nil
	}
	bad := reason != nil && (reason.Code == hotstick.ReasonCrashNamed || reason.Code == hotstick.ReasonProbeFailed)
	w.failing = w.failing || bad
	h.State, h.Reason, h.Updated = to, reason, w.now
}

// Whatever hosts do: nothing starts after a halt or a failure, no slot is given
// twice, order is kept, attempts only grow by decisions, and healthy rollouts end.
func TestRolloutProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		luck := rapid.SampledFrom([]float64{1, 1, 0.95, 0.5}).Draw(t, "luck")
		for range 1000 {
			w.now = w.now.Add(time.Duration(r.IntN(20)) * time.Second)
			if r.IntN(3) > 0 {
				w.report(r, luck)
			}
			w.decide()
			if w.v.Status.Over() {
				break
			}
		}
		if luck == 1 && w.v.Status != hotstick.Completed {
			t.Fatalf("a healthy rollout of %d hosts did not end: it is %s", len(w.v.Hosts), w.v.Status)
		}
		if w.failing && w.v.Status == hotstick.Completed {
			t.Fatal("a rollout completed although the patch had failed")
		}
		for id, n := range w.starts {
			if n > 1 && luck == 1 {
				t.Fatalf("%s was admitted %d times", id, n)
			}
		}
	})
}
