package loader

import (
	"slices"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/loader/journal"
	"github.com/hotstick/hotstick/internal/loader/ledger"
)

// Journal takes what people on the host may want to read later. Nothing is decided by
// it; [journal.File] is one.
type Journal interface {
	// Append writes entries; with sync they are durable when it returns.
	Append(sync bool, entries ...journal.Entry) error
	// Entries returns the newest, oldest first.
	Entries() ([]journal.Entry, error)
}

// noJournal is the journal of a loader whose host nobody looks at.
type noJournal struct{}

// Append implements Journal.
func (noJournal) Append(bool, ...journal.Entry) error { return nil }

// Entries implements Journal.
func (noJournal) Entries() ([]journal.Entry, error) { return nil, nil }

// chronicle writes to the journal what a ledger has that the one before it had not. A
// journal that cannot be written stops nothing. The caller holds mu, or is New.
func (l *Loader) chronicle(old, now *ledger.Ledger) {
	if l.cfg.Journal == (noJournal{}) {
		return // thousands of simulated hosts need not compare anything
	}
	l.jot(now.Attempt == nil, chronicle(old, now)...)
}

// jot writes entries to the journal. The caller holds mu, or is New.
func (l *Loader) jot(sync bool, entries ...journal.Entry) {
	if len(entries) == 0 {
		return
	}
	for i := range entries {
		if entries[i].At.IsZero() {
			entries[i].At, entries[i].Boot = l.cfg.Clock.Now(), l.boot
		}
	}
	if err := l.cfg.Journal.Append(sync, entries...); err != nil {
		l.cfg.Log.Warn("cannot write the journal", "error", err)
	}
}

// heal returns the ledger that the journal ends with, as far as reports go, so that those
// are written that a crash has kept from it.
func (l *Loader) heal(old ledger.Ledger) ledger.Ledger {
	entries, err := l.cfg.Journal.Entries()
	if err != nil {
		l.cfg.Log.Warn("cannot read the journal", "error", err)
		return old
	}
	old.Seq, old.Reports = 0, nil
	for _, e := range entries {
		old.Seq = max(old.Seq, e.Seq)
	}
	return old
}

// chronicle says what a ledger has that the one before it had not. It is pure; entries
// without a time are of now.
func chronicle(old, now *ledger.Ledger) []journal.Entry {
	var entries []journal.Entry
	if old.Boot.ID != now.Boot.ID && old.Boot.ClockMillis != 0 {
		text := "the boot before ended cleanly"
		if n := now.Boot.UncleanMillis; len(n) > 0 && n[len(n)-1] == now.Boot.BaseMillis {
			text = "the boot before ended uncleanly"
		}
		entries = append(entries, journal.Entry{Kind: journal.KindBoot, Text: text})
	}
	for _, r := range now.Reports {
		if r.Seq > old.Seq && !slices.ContainsFunc(old.Reports, func(o hotstick.Report) bool { return sameStep(o, r) }) {
			entries = append(entries, reported(r))
		}
	}
	for _, s := range now.Strikes {
		if !old.Struck(s.Patch) {
			entries = append(entries, journal.Entry{Kind: journal.KindStrike, Patch: s.Patch, Code: s.Reason})
		}
	}
	for _, b := range now.Bans {
		if !old.Banned(b.Patch) {
			entries = append(entries, journal.Entry{Kind: journal.KindBan, Patch: b.Patch, Code: b.Reason.Code, Text: b.Reason.Detail})
		}
	}
	for _, c := range now.Clears[min(len(old.Clears), len(now.Clears)):] {
		entries = append(entries, journal.Entry{Kind: journal.KindClear, Patch: c.Patch})
	}
	if e, ok := heldOrLifted(old.Adopted, now.Adopted); ok {
		entries = append(entries, e)
	}
	for _, id := range now.Halts[min(len(old.Halts), len(now.Halts)):] {
		e := journal.Entry{Kind: journal.KindHalt, Plan: id}
		if p := now.Plan(id); p != nil {
			e.Code = p.HaltReason
		}
		entries = append(entries, e)
	}
	return entries
}

// heldOrLifted tells of an adopted system that is put on hold, or not on hold any more.
func heldOrLifted(old, now *ledger.Adoption) (journal.Entry, bool) {
	switch {
	case now == nil || old != nil && old.Stage == now.Stage && (old.Lifted == nil) == (now.Lifted == nil):
	case now.Lifted != nil && (old == nil || old.Lifted == nil):
		return journal.Entry{Kind: journal.KindLifted, Patch: now.Level.Patch, Code: hotstick.ReasonHoldLifted, Text: now.System + ": " + now.Lifted.Detail}, true
	case now.Stage == ledger.Taken && now.Lifted == nil:
		return journal.Entry{Kind: journal.KindHeldAgain, Patch: now.Level.Patch, Text: now.System + " is on hold"}, true
	}
	return journal.Entry{}, false
}

// sameStep reports whether two reports tell of the same step. Their numbers may have
// been given anew.
func sameStep(a, b hotstick.Report) bool {
	return a.Plan == b.Plan && a.Attempt == b.Attempt && a.Patch == b.Patch && a.State == b.State && a.Boot == b.Boot && a.At.Equal(b.At)
}

func reported(r hotstick.Report) journal.Entry {
	e := journal.Entry{At: r.At, Boot: r.Boot, Kind: journal.KindAttempt, Seq: r.Seq, Plan: r.Plan, Patch: r.Patch, Attempt: r.Attempt, State: r.State}
	if r.Reason != nil {
		e.Code, e.Text = r.Reason.Code, r.Reason.Detail
		if r.Reason.Code == hotstick.ReasonOperator {
			e.By = r.Reason.Subject
		}
	}
	return e
}
