package loader

import (
	"slices"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/loader/ledger"
	"github.com/hotstick/hotstick/internal/trace"
)

// tell writes an event of this host to the trace. The caller holds mu, or is New.
func (l *Loader) tell(e trace.Event) {
	if !l.traced() {
		return
	}
	e.Node, e.Host, e.Boot, e.Uptime = "loader", hostID(l.led.Identity), l.boot, l.led.Clock(l.cfg.Clock.Uptime())
	l.cfg.Trace.Emit(e)
}

// traced reports whether anybody wants the trace; otherwise nothing is compared.
func (l *Loader) traced() bool { return l.cfg.Trace != trace.Discard }

// tellChange tells what a ledger has that the one before it had not. It is called
// once the new ledger counts: when it is durable, or when the way back goes on
// without a disk. The caller holds mu, or is New.
func (l *Loader) tellChange(old, now *ledger.Ledger) {
	if !l.traced() {
		return
	}
	for _, p := range now.Plans {
		if old.Plan(p.ID) == nil {
			l.tell(trace.Event{Kind: trace.KindSeen, Plan: p.ID})
		}
	}
	for _, id := range now.Halts[min(len(old.Halts), len(now.Halts)):] {
		l.tell(trace.Event{Kind: trace.KindLearned, Plan: id, To: "halt"})
	}
	for _, c := range now.Clears[min(len(old.Clears), len(now.Clears)):] {
		l.tell(trace.Event{Kind: trace.KindLearned, Patch: c.Patch, To: "clear"})
	}
	for _, b := range now.Bans {
		if !old.Banned(b.Patch) {
			l.tell(trace.Event{Kind: trace.KindLearned, Patch: b.Patch, To: "ban"})
		}
	}
	if now.Epoch > old.Epoch {
		l.tell(trace.Event{Kind: trace.KindLearned, Epoch: now.Epoch, To: "epoch"})
	}
	l.tellReports(old, now)
}

// tellReports tells the steps of attempts: each one is a report. A strike is told
// with the step that ends the attempt.
func (l *Loader) tellReports(old, now *ledger.Ledger) {
	before := *old
	for _, r := range now.Reports {
		if r.Seq <= old.Seq || r.State == hotstick.Confirmed && r.Reason != nil {
			continue // of a boot that ended badly after the attempt, the boot itself tells
		}
		e := trace.Event{Kind: trace.KindPhase, Plan: r.Plan, Attempt: r.Attempt, Patch: r.Patch, To: string(r.State), From: string(stateOf(&before, r))}
		if r.Reason != nil {
			e.Cause = string(r.Reason.Code)
		}
		for _, a := range []*ledger.Attempt{old.Attempt, now.Attempt} {
			if a != nil && a.Plan == r.Plan && a.Number == r.Attempt {
				e.Artifact, e.Grant = a.Level.Artifact, a.Grant
			}
		}
		if r.State == hotstick.Armed {
			e.Kind, e.From, e.To = trace.KindIntent, "", ""
		}
		l.tell(e)
		if r.State == hotstick.Quarantined {
			l.tell(trace.Event{Kind: trace.KindStrike, Plan: r.Plan, Attempt: r.Attempt, Patch: r.Patch, Cause: e.Cause})
		}
		before.Attempt = &ledger.Attempt{Plan: r.Plan, Number: r.Attempt, Phase: r.State}
	}
}

// stateOf is the state of a report's attempt in a ledger; empty if it has none.
func stateOf(l *ledger.Ledger, r hotstick.Report) hotstick.HostState {
	if a := l.Attempt; a != nil && a.Plan == r.Plan && a.Number == r.Attempt {
		return a.Phase
	}
	if p := l.Plan(r.Plan); p != nil && p.Attempt == r.Attempt {
		return p.State
	}
	return ""
}

// tellBoot tells of a new boot and how the last one ended, which nobody knows of a
// ledger that was never written.
func (l *Loader) tellBoot(old, now *ledger.Ledger) {
	cause := "clean"
	switch first := old.Boot.ClockMillis == 0; {
	case first:
		cause = ""
	case old.Boot.ID == now.Boot.ID:
		return
	}
	if len(now.Boot.UncleanMillis) > 0 && now.Boot.UncleanMillis[len(now.Boot.UncleanMillis)-1] == now.Boot.BaseMillis {
		cause = "unclean"
	}
	l.tell(trace.Event{Kind: trace.KindBoot, Cause: cause})
}

// tellKernel tells what changed in the kernel between two observations, in the order
// of the modules' names. The caller holds mu.
func (l *Loader) tellKernel(old, now []hotstick.LoadedPatch) {
	if !l.traced() {
		return
	}
	var modules []string
	for _, p := range slices.Concat(old, now) {
		modules = append(modules, p.Module)
	}
	slices.Sort(modules)
	for _, module := range slices.Compact(modules) {
		from, _ := effect(old, module)
		to, _ := effect(now, module)
		if from != to {
			l.tell(trace.Event{Kind: trace.KindKernel, Artifact: l.artifactOf(module), From: string(from), To: string(to), Detail: module})
		}
	}
}

// tellAct tells what the kernel is asked for, before it is asked. What puts the level
// before back has the cause revert.
func (l *Loader) tellAct(kind trace.Kind, a ledger.Attempt, module, cause string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	level := a.Level
	if a.Before != nil && a.Before.Module == module {
		level = *a.Before
	}
	l.tell(trace.Event{Kind: kind, Plan: a.Plan, Attempt: a.Number, Patch: level.Patch, Artifact: level.Artifact, Cause: cause, Detail: module})
}

// artifactOf returns the artifact of a module of ours; empty for any other. The
// caller holds mu.
func (l *Loader) artifactOf(module string) hotstick.Digest {
	for _, level := range l.ours() {
		if level.Module == module {
			return level.Artifact
		}
	}
	return ""
}
