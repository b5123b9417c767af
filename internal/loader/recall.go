package loader

import (
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/catalog"
	"github.com/hotstick/hotstick/internal/failpoint"
	"github.com/hotstick/hotstick/internal/loader/ledger"
	"github.com/hotstick/hotstick/internal/loader/touch"
	"github.com/hotstick/hotstick/internal/trace"
)

// wayOut is a level in effect that is recalled and to go back, and since when, in
// uptime, this process knows.
type wayOut struct {
	patch hotstick.PatchRef
	since time.Duration
}

// recalled returns the recall of a level that no clear has lifted. The catalog keeps
// recalls for ever, the ledger what lifts them. The caller holds mu.
func (l *Loader) recalled(ref hotstick.PatchRef) (hotstick.Recall, bool) {
	return l.view.Recalled(ref, l.led.RecallsCleared(ref))
}

// calledBack says why a level in effect is to go back, nil if it may stay: a recall
// may only block. The caller holds mu.
func (l *Loader) calledBack(ref hotstick.PatchRef) *hotstick.Reason {
	if r, ok := l.recalled(ref); ok && r.Action == hotstick.RecallRevert {
		return recallReason(r)
	}
	return nil
}

func recallReason(r hotstick.Recall) *hotstick.Reason {
	return &hotstick.Reason{Code: hotstick.ReasonRecalled, Subject: r.Patch.String(), Detail: clip(r.Reason)}
}

// recalls lists the levels that a recall keeps from this host's build, for the
// server, which then sends the clears that it has. The caller holds mu.
func (l *Loader) recalls() []hotstick.PatchRef {
	var refs []hotstick.PatchRef
	for i, r := range l.view.Recalls {
		if i > 0 && l.view.Recalls[i-1].Patch == r.Patch {
			continue
		}
		if p, listed := l.view.Patch(r.Patch); listed {
			if _, fits := p.Artifact(l.build); !fits {
				continue
			}
		}
		if _, holds := l.recalled(r.Patch); holds && len(refs) < ledger.MaxMarks {
			refs = append(refs, r.Patch)
		}
	}
	return refs
}

// trust makes a verified view the one that counts. The caller holds mu.
func (l *Loader) trust(view catalog.View) {
	seen := map[hotstick.Recall]bool{}
	for _, r := range l.view.Recalls {
		seen[r] = true
	}
	l.view, l.viewed = view, true
	for _, r := range view.Recalls {
		if _, holds := l.recalled(r.Patch); holds && !seen[r] {
			l.tell(trace.Event{Kind: trace.KindLearned, Patch: r.Patch, To: "recall"})
			failpoint.Here(failpoint.LoaderRecallTaken)
			l.cfg.Log.Info("patch recalled", "patch", r.Patch.String(), "action", r.Action)
			l.nudge()
		}
	}
}

// dropPace is how often the loader looks for recalls that were brought, at most.
const dropPace = 10 * time.Second

// takeDropped takes recalls that somebody has brought past server and agent.
func (l *Loader) takeDropped() {
	l.mu.Lock()
	defer l.mu.Unlock()
	uptime := l.cfg.Clock.Uptime()
	if l.cfg.Dropped == nil || l.known.dropped != 0 && uptime-l.known.dropped < dropPace {
		return
	}
	l.known.dropped = uptime
	if view, fresh := l.cfg.Dropped(); fresh && !l.strange() {
		l.trust(view)
	}
}

// goBack opens the way back from a confirmed level that is recalled, once
// Limits.RecallPatience is over: until then it is the server that sends hosts back,
// few of each failure domain at a time. It needs no document and reports whether an
// attempt is open now. The caller holds mu and has made sure that the permit's level
// is in effect in this boot.
func (l *Loader) goBack(p ledger.Permit) bool {
	reason, uptime := l.calledBack(p.Level.Patch), l.cfg.Clock.Uptime()
	switch {
	case reason == nil:
		l.wayOut = wayOut{}
		return false
	case l.wayOut.patch != p.Level.Patch:
		l.wayOut = wayOut{p.Level.Patch, uptime}
	}
	if uptime-l.wayOut.since < l.cfg.Limits.RecallPatience {
		return false
	}
	if err := l.openWayBack(l.wayBackOf(p), reason); err != nil {
		// The way back must not depend on a disk; but a loader that cannot write has no
		// attempt to resume, so it tries again.
		l.cfg.Log.Error("cannot write that the recalled level goes back", "error", err)
		return false
	}
	return true
}

// wayBackOf is the attempt that takes a confirmed level back: the plan's that brought it,
// if that is still known. The caller holds mu.
func (l *Loader) wayBackOf(p ledger.Permit) ledger.Attempt {
	a := ledger.Attempt{Number: p.Attempt, Level: p.Level}
	for _, record := range l.led.Plans {
		if record.State == hotstick.Confirmed && record.Level != nil && record.Level.Patch == p.Level.Patch {
			a = ledger.Attempt{Plan: record.ID, Number: record.Attempt, Level: *record.Level, Before: record.Before}
		}
	}
	return a
}

// openWayBack makes an attempt that begins with its way back. The caller holds mu.
func (l *Loader) openWayBack(a ledger.Attempt, reason *hotstick.Reason) error {
	at := l.moment(l.patches)
	a.Phase, a.Boot, a.SinceMillis, a.Reason = hotstick.Reverting, l.boot, at.uptime.Milliseconds(), reason
	err := l.change(func(led *ledger.Ledger) {
		opened := a
		led.Attempt, led.Touched = &opened, touch.Anew(led.Touched)
		addReport(led, at, attemptReport(a, hotstick.Reverting, reason))
	})
	if err == nil {
		l.run = attemptRun{}
	}
	return err
}
