package loader

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/failpoint"
	"github.com/hotstick/hotstick/internal/loader/ledger"
	"github.com/hotstick/hotstick/internal/statement"
)

// precedence is the order in which the documents of one call are taken: what
// holds back before what starts, and a plan before the grant that names it.
var precedence = []statement.Kind{statement.KindHalt, statement.KindClear, statement.KindBan,
	statement.KindOrder, statement.KindPlan, statement.KindDowngrade, statement.KindGrant}

// paper is a document with the kind that it claims to be.
type paper struct {
	raw  json.RawMessage
	kind statement.Kind
	// err says why it is no statement at all.
	err error
}

// inOrder sorts documents by precedence; what is no statement comes last and is
// refused then.
func inOrder(documents []json.RawMessage) []paper {
	papers := make([]paper, len(documents))
	for i, raw := range documents {
		papers[i].raw = raw
		papers[i].kind, papers[i].err = statement.KindOf(raw)
	}
	rank := func(p paper) int {
		if i := slices.Index(precedence, p.kind); p.err == nil && i >= 0 {
			return i
		}
		return len(precedence)
	}
	slices.SortStableFunc(papers, func(a, b paper) int { return rank(a) - rank(b) })
	return papers
}

// document verifies one document and takes it. It returns why not, nil if it was
// taken or changes nothing. The caller holds mu.
func (l *Loader) document(ctx context.Context, p paper, observed bool) *hotstick.Reason {
	switch {
	case !l.viewed:
		return because(hotstick.ReasonCatalogUnknown, "")
	case p.err != nil:
		return reasonOf(p.err)
	}
	raw := p.raw
	switch p.kind {
	case statement.KindPlan:
		return l.takePlan(raw)
	case statement.KindGrant:
		return l.takeGrant(ctx, raw, observed)
	case statement.KindBan:
		return l.takeBan(raw)
	case statement.KindHalt:
		return l.takeHalt(raw)
	case statement.KindOrder:
		return l.takeOrder(raw)
	case statement.KindClear:
		return l.takeClear(raw)
	case statement.KindDowngrade:
		return l.takeDowngrade(raw)
	}
	return because(hotstick.ReasonSignature, fmt.Sprintf("statements of kind %q are not for loaders", p.kind))
}

func reasonOf(err error) *hotstick.Reason {
	r := statement.ReasonOf(err)
	return &r
}

// takePlan verifies a plan and announces it: its delays run from here.
func (l *Loader) takePlan(raw []byte) *hotstick.Reason {
	plan, id, err := statement.OpenPlan(raw, l.view.Trust, l.noEarlier())
	if err != nil {
		return reasonOf(err)
	}
	switch {
	case l.led.Halted(id):
		return because(hotstick.ReasonPlanHalted, "")
	case l.led.Plan(id) != nil:
		return l.keepAgain(id, raw)
	case l.led.Full():
		return because(hotstick.ReasonLedgerUnwritable, "a list that must lose nothing is full")
	}
	record := ledger.Plan{ID: id, Envelope: hotstick.NewDigest(raw), NotAfter: plan.NotAfter}
	for _, lane := range plan.Lanes {
		switch {
		case lane.Build != l.build:
		case record.Artifact == "":
			record.Artifact = lane.Artifact
		default:
			record.Others = append(record.Others, lane.Artifact)
		}
	}
	if err := l.cfg.Disk.Keep(record.Envelope, raw); err != nil {
		return l.unwritable(err)
	}
	failpoint.Here(failpoint.LoaderPlanKept)
	err = l.change(func(led *ledger.Ledger) {
		record.AnnouncedMillis = announced(led, plan.Continues, led.Clock(l.cfg.Clock.Uptime()))
		led.Plans = append(led.Plans, record)
		prunePlans(led)
	})
	if err != nil {
		return l.unwritable(err)
	}
	failpoint.Here(failpoint.LoaderPlanAnnounced)
	l.cfg.Log.Info("plan announced", "plan", id.Short(), "closes", plan.Closes())
	l.sweep()
	return nil
}

// announced is from when a plan's delays count: from now, or from where those of
// the plan count that it continues. That one may have been superseded; of one that
// was halted for any other cause nothing is inherited.
func announced(l *ledger.Ledger, continues hotstick.PlanID, now int64) int64 {
	old := l.Plan(continues)
	if old == nil || l.Halted(continues) && old.HaltReason != hotstick.ReasonSuperseded {
		return now
	}
	return old.AnnouncedMillis
}

// keepAgain puts back the kept envelope of a known plan if it was lost.
func (l *Loader) keepAgain(id hotstick.PlanID, raw []byte) *hotstick.Reason {
	digest := hotstick.NewDigest(raw)
	if l.holds(l.led.Plan(id).Envelope) {
		return nil
	}
	if err := l.cfg.Disk.Keep(digest, raw); err != nil {
		return l.unwritable(err)
	}
	if err := l.change(func(led *ledger.Ledger) { led.Plan(id).Envelope = digest }); err != nil {
		return l.unwritable(err)
	}
	return nil
}

// prunePlans keeps the newest plans. One with an open attempt, and those that the
// permits rest on, stay: they may be ordered back.
func prunePlans(l *ledger.Ledger) {
	for i := 0; len(l.Plans) > ledger.MaxPlans && i < len(l.Plans); {
		id := l.Plans[i].ID
		if l.Attempt != nil && l.Attempt.Plan == id || l.Permit != nil && l.Permit.Plan == id || l.Former != nil && l.Former.Plan == id {
			i++
			continue
		}
		l.Plans = slices.Delete(l.Plans, i, i+1)
	}
}

func (l *Loader) unwritable(err error) *hotstick.Reason {
	l.cfg.Log.Error("cannot write to the ledger's disk", "error", err)
	return because(hotstick.ReasonLedgerUnwritable, clip(err.Error()))
}

// takeBan remembers that a patch must not be armed. A patch in effect stays.
func (l *Loader) takeBan(raw []byte) *hotstick.Reason {
	ban, err := statement.OpenBan(raw, l.view.Trust)
	if err != nil {
		return reasonOf(err)
	}
	if l.led.Banned(ban.Patch) {
		return nil
	}
	for _, c := range l.led.Clears {
		if c.Patch == ban.Patch && c.Ban && !ban.IssuedAt.After(c.IssuedAt) {
			return nil // lifted by a later clear
		}
	}
	if len(l.led.Bans) >= ledger.MaxMarks {
		return because(hotstick.ReasonLedgerUnwritable, "the list of bans is full; nothing starts any more")
	}
	err = l.change(func(led *ledger.Ledger) {
		led.Bans = append(led.Bans, ledger.Ban{Patch: ban.Patch, Reason: ban.Reason, IssuedAt: ban.IssuedAt})
	})
	if err != nil {
		return l.unwritable(err)
	}
	failpoint.Here(failpoint.LoaderBanTaken)
	l.cfg.Log.Info("patch banned", "patch", ban.Patch.String())
	return nil
}

// takeHalt remembers that a plan starts nothing any more, also one that this
// loader has never seen.
func (l *Loader) takeHalt(raw []byte) *hotstick.Reason {
	halt, err := statement.OpenHalt(raw, l.view.Trust)
	if err != nil {
		return reasonOf(err)
	}
	switch {
	case l.led.Halted(halt.Plan):
		return nil
	case len(l.led.Halts) >= ledger.MaxHalts:
		return because(hotstick.ReasonLedgerUnwritable, "the list of halts is full; nothing starts any more")
	}
	err = l.change(func(led *ledger.Ledger) {
		led.Halts = append(led.Halts, halt.Plan)
		if p := led.Plan(halt.Plan); p != nil {
			p.HaltReason = halt.Reason.Code
		}
	})
	if err != nil {
		return l.unwritable(err)
	}
	failpoint.Here(failpoint.LoaderHaltTaken)
	l.cfg.Log.Info("plan halted", "plan", halt.Plan.Short(), "reason", halt.Reason.Code)
	return nil
}

// takeClear lifts what it names, once.
func (l *Loader) takeClear(raw []byte) *hotstick.Reason {
	clearance, err := statement.OpenClear(raw, l.view.Trust, l.noEarlier())
	if err != nil {
		return reasonOf(err)
	}
	id, err := statement.IDOf(raw)
	if err != nil {
		return reasonOf(err)
	}
	for _, c := range l.led.Clears {
		if c.Document == id {
			return nil
		}
	}
	if len(l.led.Clears) >= ledger.MaxMarks {
		return because(hotstick.ReasonLedgerUnwritable, "the list of clears is full")
	}
	me := slices.Contains(clearance.Hosts, hostID(l.led.Identity))
	err = l.change(func(led *ledger.Ledger) {
		if me {
			led.Strikes = slices.DeleteFunc(led.Strikes, func(s ledger.Strike) bool { return s.Patch == clearance.Patch })
		}
		if clearance.Ban {
			led.Bans = slices.DeleteFunc(led.Bans, func(b ledger.Ban) bool {
				return b.Patch == clearance.Patch && !b.IssuedAt.After(clearance.IssuedAt)
			})
		}
		led.Clears = append(led.Clears, ledger.Clear{Document: id, Patch: clearance.Patch,
			Ban: clearance.Ban, Recall: clearance.Recall, IssuedAt: clearance.IssuedAt})
	})
	if err != nil {
		return l.unwritable(err)
	}
	return nil
}

// sweep drops kept bytes that nothing in the ledger needs any more.
func (l *Loader) sweep() {
	wanted := map[hotstick.Digest]bool{}
	for _, level := range l.ours() {
		wanted[level.Artifact] = true
	}
	if l.led.Unsettled != nil {
		wanted[l.led.Unsettled.Artifact] = true
	}
	for _, p := range l.led.Plans {
		wanted[p.Envelope], wanted[p.Artifact] = true, true
		for _, other := range p.Others {
			wanted[other] = true
		}
		if p.Before != nil {
			wanted[p.Before.Artifact] = true
		}
	}
	failpoint.Here(failpoint.LoaderSweepBefore)
	if err := l.cfg.Disk.Sweep(wanted); err != nil {
		l.cfg.Log.Warn("cannot drop bytes that are not needed any more", "error", err)
		return
	}
	for d := range l.held {
		if !wanted[d] {
			delete(l.held, d)
		}
	}
}
