package checker

import (
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/trace"
)

// Words of learned events.
const (
	learnedBan     = "ban"
	learnedRecall  = "recall"
	learnedHalt    = "halt"
	learnedClear   = "clear"
	learnedCatalog = "catalog"
	learnedEpoch   = "epoch"
	// LearnedNonce: the host's loader made a nonce, which Detail holds.
	LearnedNonce = "nonce"
	// learnedForgotten: what the event's From says is not in the ledger any more.
	learnedForgotten = "forgotten"
)

// apply takes an event of a host.
func (h *host) apply(f *fleet, e *trace.Event) {
	switch e.Kind {
	case trace.KindBoot:
		h.boot, h.bootAt, h.up = e.Boot, e.T, true
		h.kernel, h.moving = map[hotstick.Digest]string{}, map[string]bool{}
		h.rebooted()
	case trace.KindTouch:
		h.touched(e)
	case trace.KindDown:
		h.down(f, e)
	case trace.KindSeen:
		if _, known := h.seen[e.Plan]; !known {
			h.seen[e.Plan] = e.Uptime
			if first, inherits := h.seen[f.plan(e.Plan).body.Plan.Continues]; inherits {
				h.seen[e.Plan] = first
			}
		}
	case trace.KindIntent:
		h.intends(f, e)
	case trace.KindLoad:
		if h.open != nil && e.Artifact == h.open.artifact {
			h.loads++
		}
	case trace.KindPhase:
		h.phase(f, e)
	case trace.KindKernel:
		h.observe(e)
	case trace.KindStrike:
		h.strikes[e.Boot] = true
		h.crashed[e.Patch] = true
		if e.Plan != "" {
			key := truthKey{e.Host, e.Attempt, hotstick.Quarantined}
			f.plan(e.Plan).reach(f, key)
		}
	case trace.KindLearned:
		h.learn(e)
	}
}

// cutShort ends the open attempt, of which nobody on the host may know any more. Of
// one whose host has gone down a server may have heard.
func (h *host) cutShort(f *fleet) {
	if h.open == nil || h.open.plan == "" {
		return
	}
	key := truthKey{h.id, h.open.number, hotstick.Interrupted}
	if h.open.boot != h.boot {
		key.state = hotstick.Quarantined
	}
	f.plan(h.open.plan).reach(f, key)
}

func (h *host) down(f *fleet, e *trace.Event) {
	h.up, h.downAt = false, e.T
	for a, state := range h.kernel {
		if state == string(hotstick.InEffect) {
			h.effects[effectKey{a, e.Boot}] = e.T
		}
	}
	if e.Cause == DownClean {
		return
	}
	h.unclean = append(h.unclean, e.T)
	if h.open != nil && h.open.plan != "" {
		// A host whose disk is full says so before it can write it down.
		f.plan(h.open.plan).truth[truthKey{h.id, h.open.number, hotstick.Quarantined}] = true
	}
	// Who went down together with its rack is no evidence against the patch.
	if h.open != nil && e.Cause != DownRack && h.open.phase != hotstick.Reverting {
		h.crashed[h.open.patch] = true
	}
}

func (h *host) intends(f *fleet, e *trace.Event) {
	h.open = &attempt{plan: e.Plan, number: e.Attempt, patch: e.Patch, artifact: e.Artifact, boot: e.Boot,
		grant: e.Grant, phase: hotstick.Armed, since: e.T}
	h.loads = 0
	if e.Plan != "" {
		h.setsOut(h, e)
		h.intents[intentKey{e.Plan, e.Attempt}] = true
		h.nonces[e.Detail] = spent
		f.plan(e.Plan).truth[truthKey{e.Host, e.Attempt, hotstick.Armed}] = true
	}
}

func (h *host) phase(f *fleet, e *trace.Event) {
	to := hotstick.HostState(e.To)
	if e.Plan != "" {
		p, key := f.plan(e.Plan), truthKey{e.Host, e.Attempt, to}
		p.reach(f, key)
	}
	h.ends(f, e)
	h.stuck = h.stuck || to == hotstick.Failed && e.From == string(hotstick.Reverting)
	if to == hotstick.Confirmed {
		h.confirmed[e.Patch.Name] = max(h.confirmed[e.Patch.Name], e.Patch.Level)
	}
	switch {
	case to.Terminal():
		h.open = nil
	case h.open == nil:
		// The way back from a level that was confirmed opens without an intent.
		h.open = &attempt{plan: e.Plan, number: e.Attempt, patch: e.Patch, artifact: e.Artifact, boot: h.boot,
			phase: to, since: e.T, voluntary: to == hotstick.Reverting}
	default:
		h.open.phase, h.open.since = to, e.T
	}
}

func (h *host) observe(e *trace.Event) {
	moves := e.To == string(hotstick.TransitionIn) || e.To == string(hotstick.TransitionOut)
	if moves {
		h.moving[e.Detail] = true
	} else {
		delete(h.moving, e.Detail)
	}
	if e.Artifact == "" {
		return
	}
	if e.From == string(hotstick.InEffect) {
		h.effects[effectKey{e.Artifact, e.Boot}] = e.T
	}
	if e.To == "" {
		delete(h.kernel, e.Artifact)
		return
	}
	h.kernel[e.Artifact] = e.To
}

func (h *host) learn(e *trace.Event) {
	switch e.To {
	case learnedBan, learnedRecall:
		h.banned[e.Patch] = true
		delete(h.cleared, e.Patch)
	case learnedHalt:
		h.halted[e.Plan] = true
	case learnedClear:
		h.cleared[e.Patch] = true
		delete(h.banned, e.Patch)
		delete(h.crashed, e.Patch)
	case learnedCatalog:
		h.catalog, h.catalogVersion = e.Uptime, e.Generation
	case learnedEpoch:
		h.epoch = e.Epoch
	case LearnedNonce:
		h.nonces[e.Detail] = e.T
	}
}

// wasInEffect reports whether an artifact was in effect at any moment since t, in
// the boot.
func (h *host) wasInEffect(a hotstick.Digest, boot string, since int64) bool {
	if h.boot == boot && h.kernel[a] == string(hotstick.InEffect) {
		return true
	}
	last, ok := h.effects[effectKey{a, boot}]
	return ok && last >= since
}

func ms(n int64) int64          { return n * int64(time.Millisecond) }
func seconds(n int) int64       { return int64(n) * int64(time.Second) }
func sec(n int64) time.Duration { return time.Duration(n).Round(time.Millisecond) }
