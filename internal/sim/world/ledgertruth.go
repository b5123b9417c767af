package world

import (
	"slices"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/loader/ledger"
	"github.com/hotstick/hotstick/internal/sim/checker"
	"github.com/hotstick/hotstick/internal/trace"
)

// ledgerTruth is what a host's ledger says as it lies on the disk. Each durable
// write is compared with the one before; the differences are what truly happened.
type ledgerTruth struct {
	known   bool
	ledger  ledger.Ledger
	attempt *ledger.Attempt
}

// durable takes a ledger that became durable.
func (n *node) durable(data []byte) {
	l, err := ledger.Decode(data)
	if err != nil {
		n.w.fail("host %s wrote a ledger that cannot be read: %v", n.name(), err)
		return
	}
	old := n.truth.ledger
	n.learned(old, l)
	for _, s := range l.Strikes {
		if !slices.ContainsFunc(old.Strikes, func(o ledger.Strike) bool { return o.Patch == s.Patch }) {
			e := trace.Event{Kind: trace.KindStrike, Boot: s.Boot, Patch: s.Patch, Cause: string(s.Reason)}
			if p := old.Permit; p != nil && p.Level.Patch == s.Patch && old.Attempt == nil {
				e.Plan, e.Attempt = p.Plan, p.Attempt // a confirmed level was named by a crash
			}
			n.tell(e)
			n.w.some("strike")
		}
	}
	n.phases(old, l)
	n.truth = ledgerTruth{known: true, ledger: l, attempt: l.Attempt}
}

// tell writes an event of this host.
func (n *node) tell(e trace.Event) {
	e.Node, e.Host = "disk", n.id
	if e.Boot == "" {
		e.Boot, _ = n.m.Boot()
	}
	if e.Uptime == 0 {
		e.Uptime = n.m.lived()
	}
	n.w.emit(e)
}

// learned compares plans, halts, bans and clears.
func (n *node) learned(old, l ledger.Ledger) {
	for _, p := range l.Plans {
		if old.Plan(p.ID) == nil {
			n.tell(trace.Event{Kind: trace.KindSeen, Plan: p.ID})
		}
	}
	for _, id := range l.Halts {
		if !slices.Contains(old.Halts, id) {
			n.tell(trace.Event{Kind: trace.KindLearned, Plan: id, To: "halt"})
			n.w.some("learned halt")
		}
	}
	for _, c := range l.Clears {
		if !slices.ContainsFunc(old.Clears, func(o ledger.Clear) bool { return o.Document == c.Document }) {
			n.tell(trace.Event{Kind: trace.KindLearned, Patch: c.Patch, To: "clear", Grant: c.Document})
			n.w.some("learned clear")
		}
	}
	for _, b := range l.Bans {
		if !old.Banned(b.Patch) {
			n.tell(trace.Event{Kind: trace.KindLearned, Patch: b.Patch, To: "ban"})
			n.w.some("learned ban")
		}
	}
	n.forgot(old, l)
	if l.Epoch > old.Epoch {
		n.tell(trace.Event{Kind: trace.KindLearned, To: "epoch", Epoch: l.Epoch})
	}
}

// forgot tells what an older ledger held and this one does not: only a clear may
// take a ban or a strike away, and nothing a halt.
func (n *node) forgot(old, l ledger.Ledger) {
	for _, b := range old.Bans {
		if !l.Banned(b.Patch) {
			n.tell(trace.Event{Kind: trace.KindLearned, Patch: b.Patch, From: "ban", To: "forgotten"})
		}
	}
	for _, s := range old.Strikes {
		if !l.Struck(s.Patch) {
			n.tell(trace.Event{Kind: trace.KindLearned, Patch: s.Patch, From: "strike", To: "forgotten"})
		}
	}
	for _, id := range old.Halts {
		if !l.Halted(id) {
			n.tell(trace.Event{Kind: trace.KindLearned, Plan: id, From: "halt", To: "forgotten"})
		}
	}
	n.ranBack(old, l)
}

// ranBack tells what is less in a ledger than in the older one, and never may be.
func (n *node) ranBack(old, l ledger.Ledger) {
	back := func(what string, is bool) {
		if is {
			n.tell(trace.Event{Kind: trace.KindLearned, From: what, To: "forgotten"})
		}
	}
	back("epoch", l.Epoch < old.Epoch)
	back("clock", l.Boot.ClockMillis < old.Boot.ClockMillis)
	back("report number", l.Seq < old.Seq)
	for _, name := range sorted(old.Confirmed) {
		back("confirmed level", l.Confirmed[name] < old.Confirmed[name])
	}
}

// phases compares attempts. One write may hold the end of one and the beginning
// of the next.
func (n *node) phases(old, l ledger.Ledger) {
	was, is := old.Attempt, l.Attempt
	same := was != nil && is != nil && was.Plan == is.Plan && was.Number == is.Number && was.Boot == is.Boot &&
		was.Level.Artifact == is.Level.Artifact
	if was != nil {
		n.between(old, l, same)
	}
	if was != nil && !same {
		n.phase(*was, was.Phase, endOf(old, l, *was))
	}
	for _, p := range l.Plans {
		// An attempt that ended where it began never was in the ledger as open.
		o := old.Plan(p.ID)
		ended := p.State != "" && (o == nil || o.Attempt != p.Attempt)
		if ended && !(was != nil && was.Plan == p.ID && was.Number == p.Attempt) {
			n.tell(trace.Event{Kind: trace.KindPhase, Plan: p.ID, Attempt: p.Attempt, To: string(p.State)})
		}
	}
	switch {
	case is == nil:
	case same && was.Phase != is.Phase:
		n.phase(*is, was.Phase, is.Phase)
	case !same && is.Phase == hotstick.Reverting:
		n.phase(*is, "", hotstick.Reverting)
	case !same:
		n.tell(trace.Event{Kind: trace.KindIntent, Plan: is.Plan, Attempt: is.Number, Patch: is.Level.Patch,
			Artifact: is.Level.Artifact, Boot: is.Boot, Grant: is.Grant, Detail: n.docs.nonces[is.Grant]})
		n.w.thief.started(is.Grant)
		n.w.some("host armed")
		if is.Plan == "" {
			n.w.some("re-applied after a reboot")
		}
	}
}

// between tells of steps that the disk, which took no writes, holds only as reports.
// Of what was in effect then nothing is said.
func (n *node) between(old, l ledger.Ledger, open bool) {
	was := *old.Attempt
	for _, r := range l.Reports {
		if r.Seq <= old.Seq || r.Plan != was.Plan || r.Attempt != was.Number || r.Patch != was.Level.Patch ||
			r.State.Terminal() || r.State == was.Phase || open && r.State == l.Attempt.Phase {
			continue
		}
		n.tell(trace.Event{Kind: trace.KindPhase, Plan: r.Plan, Attempt: r.Attempt, Patch: r.Patch, To: string(r.State)})
	}
}

func (n *node) phase(a ledger.Attempt, from, to hotstick.HostState) {
	e := trace.Event{Kind: trace.KindPhase, Plan: a.Plan, Attempt: a.Number, Patch: a.Level.Patch,
		Artifact: a.Level.Artifact, From: string(from), To: string(to)}
	if a.Reason != nil {
		e.Cause = string(a.Reason.Code)
	}
	if n.disk.reading {
		e.Detail = checker.ReadBack
	}
	n.tell(e)
	n.w.some("host " + string(to))
}

// endOf says how an attempt ended, from the newest report of it.
func endOf(old, l ledger.Ledger, a ledger.Attempt) hotstick.HostState {
	for i := len(l.Reports) - 1; i >= 0; i-- {
		r := l.Reports[i]
		if r.Seq > old.Seq && r.Plan == a.Plan && r.Attempt == a.Number && r.Patch == a.Level.Patch && r.State.Terminal() {
			return r.State
		}
	}
	return hotstick.Interrupted
}
