package loader

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/loader/ledger"
	"github.com/hotstick/hotstick/internal/loader/touch"
)

// moment is when and in which state of the kernel something is recorded.
type moment struct {
	wall     time.Time
	uptime   time.Duration
	boot     string
	inEffect hotstick.PatchRef
	// Only where a boot is judged: the machine's model, the running kernel, and the boot in
	// which a step told the machine to reboot last, into which kernel.
	model     string
	build     hotstick.KernelBuild
	ordered   string
	orderedTo hotstick.KernelBuild
}

// addReport appends a report to the ledger. If the server has not taken any for
// so long that the list is full, the oldest one gives way.
func addReport(l *ledger.Ledger, at moment, r hotstick.Report) {
	l.Seq++
	r.Seq, r.Boot, r.At, r.InEffect = l.Seq, at.boot, at.wall.UTC().Truncate(time.Second), at.inEffect
	r.Evidence = boundEvidence(r.Evidence)
	if len(l.Reports) >= hotstick.MaxReports {
		l.Reports = append([]hotstick.Report(nil), l.Reports[1:]...)
	}
	l.Reports = append(l.Reports, r)
	makeRoom(l)
}

// maxKeptEvidence bounds the evidence of all reports that the server has not
// taken, as it is written, so that they always fit into the ledger and into one
// answer.
const maxKeptEvidence = 2 << 20

// makeRoom takes the evidence out of the oldest reports if there is too much. The
// reports themselves stay.
func makeRoom(l *ledger.Ledger) {
	total := 0
	for i := len(l.Reports) - 1; i >= 0; i-- {
		if total > maxKeptEvidence {
			l.Reports[i].Evidence = nil
		}
		if len(l.Reports[i].Evidence) == 0 {
			continue
		}
		// What is escaped, and how, is the encoder's affair.
		if encoded, err := json.Marshal(l.Reports[i].Evidence); err == nil {
			total += len(encoded)
		}
	}
}

// maxReportEvidence bounds the evidence of one report, in bytes.
const maxReportEvidence = 32 << 10

// boundEvidence keeps the first pieces: the first fault says most.
func boundEvidence(evidence []hotstick.Evidence) []hotstick.Evidence {
	var bounded []hotstick.Evidence
	room := maxReportEvidence
	for _, e := range evidence {
		limit := min(room, hotstick.MaxEvidenceBytes)
		if limit == 0 || len(bounded) == hotstick.MaxEvidence {
			break
		}
		if len(e.Text) > limit {
			e.Text = strings.ToValidUTF8(e.Text[:limit], "")
		}
		room -= len(e.Text)
		bounded = append(bounded, e)
	}
	return bounded
}

// arm writes the intent of an attempt: from here on the load may happen.
func arm(l *ledger.Ledger, a ledger.Attempt, at moment) {
	a.Phase, a.Boot, a.SinceMillis = hotstick.Armed, at.boot, at.uptime.Milliseconds()
	l.Attempt, l.Touched = &a, touch.Begin(l.Touched, a.Level.Patch)
	if p := l.Plan(a.Plan); p != nil {
		level := a.Level
		p.Attempt, p.State, p.Level, p.Before, p.LeftBoot = a.Number, "", &level, a.Before, ""
	}
	addReport(l, at, attemptReport(a, hotstick.Armed, nil))
}

// advance writes an attempt's next phase, or its end. The caller has checked the
// step against the table of phases.
func advance(l *ledger.Ledger, to hotstick.HostState, reason *hotstick.Reason, at moment) {
	a := *l.Attempt
	if to == hotstick.Applying && a.LoadMillis == 0 {
		// After a restart only the time of the intent is known.
		a.LoadMillis = a.SinceMillis
	}
	if to == hotstick.Reverting {
		a.Reason = reason
	}
	a.Phase, a.SinceMillis = to, at.uptime.Milliseconds()
	addReport(l, at, attemptReport(a, to, reason))
	if isOpen(to) {
		l.Attempt = &a
		return
	}
	finish(l, a, to, reason, at)
}

// finish takes an attempt out of the ledger and keeps what follows from its end.
func finish(l *ledger.Ledger, a ledger.Attempt, end hotstick.HostState, reason *hotstick.Reason, at moment) {
	l.Attempt = nil
	unsettle(l, a)
	if p := l.Plan(a.Plan); p != nil {
		p.State = end
		if end == hotstick.Failed && a.Reason != nil && at.inEffect == a.Level.Patch {
			p.LeftBoot = at.boot
		}
	}
	switch end {
	case hotstick.Confirmed:
		confirm(l, a, at)
	case hotstick.Reverted:
		settleRevert(l, a, at)
	case hotstick.Failed:
		if a.Plan == "" && (reason.Code == hotstick.ReasonTouchFailed || ofVendor(a.Level.Driver)) {
			hold(l.Permit, a.Level.Patch, at.boot)
			hold(l.Former, a.Level.Patch, at.boot)
		}
		if a.Reason != nil && l.Permit != nil {
			// The way back failed: the permit's level may not be in effect, and must
			// not be taken for one that somebody else removed.
			permit := *l.Permit
			permit.HeldBoot = at.boot
			l.Permit = &permit
		}
	case hotstick.Quarantined:
		strike(l, a.Level.Patch, at.boot, reason.Code)
	}
}

// confirm makes the permit of a level. A new level's predecessor stays as the
// former permit; a former permit that had to step in is the only one from then on.
func confirm(l *ledger.Ledger, a ledger.Attempt, at moment) {
	permit := ledger.Permit{Level: a.Level, Plan: a.Plan, Attempt: a.Number, AppliedBoot: at.boot}
	old, former := l.Permit, l.Former
	switch {
	case a.Plan != "" && old != nil && old.Level.Patch != a.Level.Patch:
		l.Former = old
	case a.Plan == "" && old != nil && old.Level.Patch == a.Level.Patch:
		permit.Plan, permit.Attempt = old.Plan, old.Attempt
	case a.Plan == "" && former != nil:
		permit.Plan, permit.Attempt = former.Plan, former.Attempt
		l.Former = nil
	}
	l.Permit, l.Touched = &permit, touch.Fold(l.Touched, a.Level.Patch, a.Before)
	l.Confirmed[a.Level.Patch.Name] = max(l.Confirmed[a.Level.Patch.Name], a.Level.Patch.Level)
}

// settleRevert says what may come back after the next reboot, now that the level
// before is in effect again.
func settleRevert(l *ledger.Ledger, a ledger.Attempt, at moment) {
	forget(l, a, at)
	if p := l.Permit; p != nil && bootedInto(a, p.Level) {
		permit := *p // its kernel runs, so it is in effect
		permit.AppliedBoot = at.boot
		l.Permit = &permit
	}
}

// forget takes back what allowed the level to come back.
func forget(l *ledger.Ledger, a ledger.Attempt, at moment) {
	if a.Plan == "" && !byHand(a.Reason) {
		// It came from its permit and was unhealthy: not twice in one boot.
		hold(l.Permit, a.Level.Patch, at.boot)
		hold(l.Former, a.Level.Patch, at.boot)
		return
	}
	if l.Former != nil && l.Former.Level.Patch == a.Level.Patch && byHand(a.Reason) {
		l.Former = nil // it had stepped in for the newest
	}
	if l.Permit == nil || l.Permit.Level.Patch != a.Level.Patch {
		return
	}
	former := l.Former
	l.Permit, l.Former = nil, nil
	switch {
	case a.Before != nil && at.inEffect == a.Before.Patch:
		l.Permit = &ledger.Permit{Level: *a.Before, Plan: a.Plan, Attempt: a.Number, AppliedBoot: at.boot}
	case former != nil && bootedInto(a, former.Level):
		l.Permit = former
	}
}

func hold(p *ledger.Permit, ref hotstick.PatchRef, boot string) {
	if p != nil && p.Level.Patch == ref {
		p.HeldBoot = boot
	}
}

// strike remembers that the host went down with a patch. The permit of a struck
// level is void, and the one before it counts again.
func strike(l *ledger.Ledger, ref hotstick.PatchRef, boot string, code hotstick.ReasonCode) {
	if !l.Struck(ref) {
		l.Strikes = append(l.Strikes, ledger.Strike{Patch: ref, Boot: boot, Reason: code})
	}
	if l.Permit != nil && l.Permit.Level.Patch == ref {
		l.Permit, l.Former = l.Former, nil
	}
	if l.Former != nil && l.Former.Level.Patch == ref {
		l.Former = nil
	}
}

func attemptReport(a ledger.Attempt, state hotstick.HostState, reason *hotstick.Reason) hotstick.Report {
	return hotstick.Report{Plan: a.Plan, Patch: a.Level.Patch, Attempt: a.Number, State: state,
		Reason: reason, Evidence: a.Evidence, Timing: a.Timing}
}
