package checker

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/trace"
)

func kernelRules() []Rule {
	return []Rule{
		{ID: "S8", Name: "truth", check: truthShown,
			Text: "A screen says applied only of a level that truly was in effect, in the boot that it speaks of, within the staleness limit."},
		{ID: "S10", Name: "one strike", check: oneStrike,
			Text: "A patch with which the host went down uncleanly and alone is never armed there again without a clear; a boot strikes at most once."},
		{ID: "S11", Name: "write ahead", check: writeAhead,
			Text: "Before each load there is a durable intent of this boot for these very bytes, and the boot has settled; a level comes back by itself only after fewer than two unclean boots in half an hour."},
		{ID: "S12", Name: "dead man", check: deadMan,
			Text: "A probation ends by itself, confirmed durably or with the level on its way out, without network or server."},
		{ID: "S12a", Name: "silence reverts", check: silenceReverts,
			Text: "While a level is on probation and the host's agent is away for longer than the limit, the level goes out."},
		{ID: "S12p", Name: "probation is in effect", check: probationInEffect,
			Text: "A probation begins, and a level is confirmed, only while the kernel says that it is in effect."},
		{ID: "S12r", Name: "a revert restores", check: revertRestores,
			Text: "A way back ends with the level in effect that was before the attempt, and no other: none only if none was, or if that one is bad itself. So too where the level had been confirmed."},
		{ID: "S13", Name: "gentle hands", check: gentleHands,
			Text: "Never forced, never unloaded while enabled or in transition, nothing started while a transition runs, nothing touched that is not ours."},
	}
}

// observationAge is how old what an agent observed may be when it is sent.
const observationAge = 2 * time.Second

func truthShown(f *fleet, e *trace.Event) (bool, string) {
	if e.Kind != trace.KindShown || e.To != "applied" || f.ground == nil {
		return false, ""
	}
	h := f.host(e.Host)
	var shown Shown
	if json.Unmarshal(e.Body, &shown) != nil {
		return false, ""
	}
	if age := e.T - ms(shown.HeardMillis); age > ms(f.ground.StaleMillis) {
		return true, fmt.Sprintf("shown as applied %s after the newest check-in; the limit is %s", sec(age), sec(ms(f.ground.StaleMillis)))
	}
	if shown.SentMillis < h.shownSent {
		return true, fmt.Sprintf("what the host said at %s is shown after what it said at %s",
			sec(ms(shown.SentMillis)), sec(ms(h.shownSent)))
	}
	since := ms(shown.SentMillis) - int64(observationAge)
	for d, a := range f.artifacts {
		if a.Patch == e.Patch && a.Build == h.build && h.wasInEffect(d, e.Boot, since) {
			return true, ""
		}
	}
	return true, fmt.Sprintf("%s is shown as applied and was not in effect", e.Patch)
}

func oneStrike(f *fleet, e *trace.Event) (bool, string) {
	h := f.host(e.Host)
	switch e.Kind {
	case trace.KindIntent:
		if h.crashed[e.Patch] {
			return true, fmt.Sprintf("the host went down with %s before", e.Patch)
		}
		return true, ""
	case trace.KindStrike:
		if h.strikes[e.Boot] {
			return true, "one boot strikes twice"
		}
		return true, ""
	}
	return false, ""
}

const (
	uncleanWindow = int64(30 * time.Minute)
	uncleanLimit  = 2
)

func writeAhead(f *fleet, e *trace.Event) (bool, string) {
	h := f.host(e.Host)
	switch e.Kind {
	case trace.KindLoad:
		a := h.open
		switch {
		case f.ground == nil:
			return false, ""
		case a == nil && h.diskBad:
			return false, "" // on the way back, which needs no disk
		case a == nil:
			return true, "nothing durable says why the host loads this"
		case a.phase == hotstick.Reverting, a.artifact != e.Artifact && a.phase != hotstick.Armed:
			return true, "" // the level before comes back
		case a.artifact != e.Artifact:
			return true, "the intent is for other bytes"
		case a.boot != e.Boot:
			return true, "the intent is of another boot"
		case e.T-h.bootAt < ms(f.ground.SettleMillis) && h.bootAt > 0:
			return true, fmt.Sprintf("the host loads %s after its boot", sec(e.T-h.bootAt))
		}
		return true, ""
	case trace.KindIntent:
		if e.Plan != "" {
			return false, ""
		}
		n := 0
		for _, at := range h.unclean {
			if e.T-at < uncleanWindow {
				n++
			}
		}
		if n >= uncleanLimit {
			return true, fmt.Sprintf("the level comes back by itself after %d unclean boots", n)
		}
		return true, ""
	}
	return false, ""
}

// deadManSlack is for the paces of loaders and of whoever looks.
const deadManSlack = 20 * time.Second

func deadMan(f *fleet, e *trace.Event) (bool, string) {
	if f.ground == nil || e.Host == "" {
		return false, ""
	}
	h := f.host(e.Host)
	a := h.open
	if a == nil || a.phase != hotstick.Probation || !h.up || h.loaderAt < 0 || h.foreign >= a.since || f.artifacts[a.artifact].Stays {
		return false, ""
	}
	p := f.plan(a.plan)
	if a.plan == "" || !p.known() {
		return false, ""
	}
	limit := seconds(p.body.Plan.ProbationSeconds) + ms(f.ground.SilenceMillis) + int64(deadManSlack)
	if late := e.T - max(a.since, h.loaderAt, h.bootAt); late > limit && h.kernel[a.artifact] == string(hotstick.InEffect) {
		return true, fmt.Sprintf("probation has lasted %s and the level is still in effect", sec(late))
	}
	return true, ""
}

func silenceReverts(f *fleet, e *trace.Event) (bool, string) {
	if f.ground == nil || e.Host == "" {
		return false, ""
	}
	h := f.host(e.Host)
	a := h.open
	if a == nil || a.plan == "" || a.phase != hotstick.Probation || !h.up || h.loaderAt < 0 || h.agentOff == 0 || h.foreign >= a.since || f.artifacts[a.artifact].Stays {
		return false, ""
	}
	silent := e.T - max(h.agentOff, h.loaderAt, a.since, h.bootAt)
	if silent > ms(f.ground.SilenceMillis)+int64(5*time.Second) && h.kernel[a.artifact] == string(hotstick.InEffect) {
		return true, fmt.Sprintf("the agent has been away for %s and the level is still in effect", sec(silent))
	}
	return true, ""
}

// ReadBack is the detail of a phase whose write failed and was found on the disk
// later, perhaps in another boot: when it began nobody saw.
const ReadBack = "read back"

func probationInEffect(f *fleet, e *trace.Event) (bool, string) {
	to := hotstick.HostState(e.To)
	if e.Kind != trace.KindPhase || f.ground == nil || to != hotstick.Probation && to != hotstick.Confirmed || e.Artifact == "" {
		return false, ""
	}
	if e.Detail == ReadBack {
		return false, ""
	}
	h := f.host(e.Host)
	if s := h.kernel[e.Artifact]; s != string(hotstick.InEffect) && h.foreign == 0 && h.up {
		return true, fmt.Sprintf("the host is %s while the kernel says %q", to, s)
	}
	return true, ""
}

func gentleHands(f *fleet, e *trace.Event) (bool, string) {
	h := f.host(e.Host)
	switch e.Kind {
	case trace.KindForce:
		return true, "the host forced a transition"
	case trace.KindUnload:
		if s := h.kernel[e.Artifact]; s != "" && s != string(hotstick.Disabled) && s != string(hotstick.EffectUnknown) {
			return true, "the host unloads a patch that is " + s
		}
	case trace.KindLoad:
		if len(h.moving) > 0 && e.To != "refused" {
			return true, "the host loads while a transition runs"
		}
	case trace.KindDisable:
		if e.Artifact == "" && f.ground != nil {
			return true, "the host disables a patch that is not ours: " + e.Detail
		}
	default:
		return false, ""
	}
	return true, ""
}
