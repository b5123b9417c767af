package rehearse

import (
	"math"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/decide/gate"
	"github.com/hotstick/hotstick/internal/decide/rollout"
)

// what may happen to a host.
type what uint8

const (
	// grant: it checks in and takes its grant.
	grant what = iota
	// settled: its transition is over.
	settled
	// proven: its probation is over.
	proven
	// crash: it goes down with the patch; mishap: for a cause of its own.
	crash
	mishap
	// booted: it is up again.
	booted
	// order: it checks in and finds that it is ordered back; undone: it is back.
	order
	undone
	// reached: it is within reach again.
	reached
)

// happen lets one event happen.
func (w *world) happen(e event) {
	h := &w.hosts[e.host]
	switch e.what {
	case crash:
		if h.patched && !h.booting {
			w.goDown(e.host, true)
		}
		return
	case booted:
		w.comeUp(e.host)
		return
	case reached:
		w.reconnect(e.host)
		return
	}
	if e.turn != h.turn || h.booting {
		return // the host took another course since
	}
	switch e.what {
	case grant:
		w.take(e.host)
	case settled:
		w.tell(e.host, hotstick.Probation, nil)
		w.at(seconds(w.plan.ProbationSeconds), proven, e.host)
	case proven:
		w.tell(e.host, hotstick.Confirmed, nil)
		w.disturb(e.host, false)
	case mishap:
		w.goDown(e.host, false)
	case order:
		w.goBack(e.host)
	case undone:
		w.remove(e.host)
		w.tell(e.host, hotstick.Reverted, &hotstick.Reason{Code: hotstick.ReasonRevertOrdered})
		w.disturb(e.host, false)
	}
}

// take starts a host that finds its grant at a check-in.
func (w *world) take(i int32) {
	h, listed := &w.hosts[i], w.fleet.hosts[i].Listed
	known, _ := w.engine.Host(listed.Host)
	if h.cut || known.State != hotstick.Admitted {
		return // no server, no grant
	}
	granted := w.now
	known.Granted = &granted
	w.engine.SetHost(known)
	h.patched = true
	w.patched++
	w.started++
	w.wave = max(w.wave, listed.EarliestWave())
	w.disturb(i, true)
	w.tell(i, hotstick.Armed, nil)
	w.at(w.about(millis(w.model.TransitionMillis)), settled, i)
	if h.doomed {
		w.at(time.Duration(w.chance.ExpFloat64()*float64(seconds(w.DelaySeconds))), crash, i)
	}
	if at := w.mishap(); at < w.plan.ProbationSeconds+int(gate.Watched.Seconds()) {
		w.at(seconds(at), mishap, i)
	}
}

// mishap is how many seconds after its load a host goes down for a cause of its own:
// it is as likely at any time as it is on probation.
func (w *world) mishap() int {
	perSecond := float64(w.model.BackgroundPPM) / 1e6 / float64(w.plan.ProbationSeconds)
	return int(min(w.chance.ExpFloat64()/perSecond, math.MaxInt32))
}

// goBack lets a host follow an order, if the server can be reached.
func (w *world) goBack(i int32) {
	h := &w.hosts[i]
	if h.cut {
		return // it asks again when it is reached
	}
	if !h.patched {
		w.tell(i, hotstick.Reverted, &hotstick.Reason{Code: hotstick.ReasonRevertOrdered})
		return
	}
	h.state = hotstick.Reverting
	w.disturb(i, true)
	w.at(w.about(millis(w.model.RevertMillis)), undone, i)
}

// goDown takes a host down: an attempt is over, and the server hears nothing.
func (w *world) goDown(i int32, blamed bool) {
	h := &w.hosts[i]
	h.turn++
	h.booting = true
	if !h.crashed {
		h.crashed = true
		w.crashed++
	}
	report := hotstick.Report{Attempt: h.attempt, State: hotstick.Quarantined,
		Reason: &hotstick.Reason{Code: hotstick.ReasonCrash, Subject: w.module(i)}}
	named := blamed && w.chance.IntN(1_000_000) < w.model.TracePPM
	if named {
		report.Reason.Code = hotstick.ReasonCrashNamed
	}
	// After the attempt, a loader blames the patch only for a crash that names it.
	if h.state == hotstick.Confirmed && !named {
		report.State = hotstick.Confirmed
	}
	h.untold = append(h.untold, report)
	w.disturb(i, true)
	w.silence(i)
	w.at(w.about(seconds(w.model.RebootSeconds)), booted, i)
}

// comeUp boots a host. One that is struck does not take the patch again; a
// confirmed one takes it again by its permit.
func (w *world) comeUp(i int32) {
	h := &w.hosts[i]
	h.booting = false
	w.disturb(i, false)
	if n := len(h.untold); n > 0 && h.untold[n-1].State == hotstick.Quarantined {
		w.remove(i)
		h.state = hotstick.Quarantined
	}
	if !h.cut {
		w.reconnect(i)
	}
}

// reconnect lets a host tell what it could not.
func (w *world) reconnect(i int32) {
	h := &w.hosts[i]
	h.cut = false
	if h.booting {
		return
	}
	listed := w.fleet.hosts[i].Listed
	known, _ := w.engine.Host(listed.Host)
	known.LastSeen = w.fleet.hosts[i].LastSeen
	w.engine.SetHost(known)
	for _, r := range h.untold {
		w.report(i, r)
	}
	h.untold = nil
	if known, _ = w.engine.Host(listed.Host); known.State == hotstick.Reverting && h.state != hotstick.Reverting {
		h.turn++
		w.at(w.wait(), order, i)
	}
	if known.State == hotstick.Admitted {
		w.at(w.wait(), grant, i)
	}
}

// tell reports a step, now or when the server can be reached.
func (w *world) tell(i int32, state hotstick.HostState, why *hotstick.Reason) {
	h := &w.hosts[i]
	h.state = state
	r := hotstick.Report{Attempt: h.attempt, State: state, Reason: why,
		Timing: hotstick.Timing{TransitionMillis: int64(w.model.TransitionMillis)}}
	if h.cut {
		h.untold = append(h.untold, r)
		return
	}
	w.report(i, r)
}

func (w *world) report(i int32, r hotstick.Report) {
	known, _ := w.engine.Host(w.fleet.hosts[i].Listed.Host)
	if rollout.Crashed(known, r) {
		known.Reason, known.Crashed = r.Reason, w.now
		w.engine.SetHost(known)
		return
	}
	known.Busy = r.State == hotstick.Armed || r.State == hotstick.Probation
	state, changed := rollout.Observe(known, r)
	if !changed {
		return
	}
	known.State, known.Reason, known.Timing, known.Updated = state, r.Reason, r.Timing, w.now
	w.engine.SetHost(known)
	w.moved = w.now
}

// remove takes the patch out of the host's kernel.
func (w *world) remove(i int32) {
	if h := &w.hosts[i]; h.patched {
		h.patched = false
		w.patched--
	}
}

// disturb counts a host in its domains, or no longer.
func (w *world) disturb(i int32, on bool) {
	h := &w.hosts[i]
	if h.disturbed == on {
		return
	}
	h.disturbed = on
	for k := range w.down {
		domain := w.fleet.kinds[k].of[i]
		if w.fleet.kinds[k].values[domain] == "" {
			continue // a host without the label is in no domain of that kind
		}
		if !on {
			w.down[k][domain]--
			continue
		}
		w.down[k][domain]++
		if n := w.down[k][domain]; n > w.widest[k].hosts {
			w.widest[k] = reach{n, domain}
		}
	}
}

// module is what a loader's report of a crash speaks of.
func (w *world) module(i int32) string { return w.fleet.modules[i] }
