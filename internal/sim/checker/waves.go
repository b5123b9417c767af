package checker

import (
	"fmt"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/trace"
)

func waveRules() []Rule {
	return []Rule{
		{ID: "S5", Name: "wave order", check: waveOrder,
			Text: "A host is admitted only when its wave is open: in each earlier wave its lane has come to rest, nobody came to harm, enough were confirmed and heard of lately (no data is never a pass), and the bake is over. The first wave, and each with a lane's first host, stand before all lanes; manual waves wait for a person; stand-ins go only where the canary cannot. Grants follow admissions."},
		{ID: "S5a", Name: "signed delay", check: signedDelay,
			Text: "A host starts only when its wave's signed delay has passed, on the host's own clock, since it durably saw the plan, or the one that this plan continues."},
		{ID: "S5w", Name: "windows", check: insideWindow,
			Text: "A host is given a grant only inside its maintenance window."},
		{ID: "S5l", Name: "signed windows", check: signedWindow,
			Text: "A host whose clock is right starts only inside the windows that the plan's signatures give it, whoever owns the server."},
		{ID: "S5o", Name: "orders are kept", check: ordersKept,
			Text: "While changes are frozen no host is admitted or given a grant, and a host that people keep out never is."},
		{ID: "S9", Name: "once, in order", check: onceInOrder,
			Text: "For each plan, host and attempt there is at most one intent and one load, over all crashes; attempts grow by one, each by a logged decision."},
		{ID: "S9d", Name: "drift", check: putBack,
			Text: "What somebody else took away is put back only where the plan's signatures say so and as often as they say, never once the plan is halted or the patch banned, and only on a host that had confirmed the level and lost it."},
		{ID: "S33", Name: "last known good", check: lastKnownGood,
			Text: "A host sets out only from a level that was confirmed there and that the plan's signatures list to go back to; and what comes back by itself is the level that was confirmed last and not taken back since, or the one before where that is bad."},
	}
}

func signedDelay(f *fleet, e *trace.Event) (bool, string) {
	p, ok := f.started(e)
	if !ok || e.Uptime == 0 {
		return false, ""
	}
	h, joins := f.placeOf(p, e.Host)
	if !joins {
		return false, ""
	}
	delay := p.body.Plan.Waves[h.EarliestWave()].DelaySeconds
	seen, known := f.host(e.Host).seen[e.Plan]
	switch {
	case delay == 0:
		return false, ""
	case !known:
		return true, "the host starts a plan that it never durably saw"
	case e.Uptime-seen < int64(delay)*1000:
		return true, fmt.Sprintf("the host starts %d ms after it saw the plan; the signed delay is %d s", e.Uptime-seen, delay)
	}
	return true, ""
}

func signedWindow(f *fleet, e *trace.Event) (bool, string) {
	p, ok := f.started(e)
	if !ok || f.ground == nil || f.ground.Began.IsZero() || f.host(e.Host).clockBad {
		return false, ""
	}
	h, joins := f.placeOf(p, e.Host)
	c, ok := p.body.Plan.Calendar(h.Calendar)
	if !joins || h.Calendar == "" || !ok {
		return false, ""
	}
	now := f.ground.Began.Add(time.Duration(e.T))
	for _, i := range c.Opens {
		if !now.Before(i.From) && now.Before(i.Until) {
			return true, ""
		}
	}
	return true, "the host's signed windows are closed"
}

func insideWindow(f *fleet, e *trace.Event) (bool, string) {
	if e.Kind != trace.KindGrant || e.Uptime == 0 || f.owned {
		return false, "" // Uptime holds the server's wall clock in ms here
	}
	p := f.plan(e.Plan)
	h := p.listed[e.Host]
	c, ok := p.body.Plan.Calendar(h.Calendar)
	if h.Calendar == "" || !ok {
		return false, ""
	}
	for _, i := range c.Opens {
		if e.Uptime >= i.From.UnixMilli() && e.Uptime < i.Until.UnixMilli() {
			return true, ""
		}
	}
	return true, "the host's window is closed"
}

func onceInOrder(f *fleet, e *trace.Event) (bool, string) {
	switch e.Kind {
	case trace.KindIntent:
		h := f.host(e.Host)
		if e.Plan == "" {
			return false, ""
		}
		if h.intents[intentKey{e.Plan, e.Attempt}] {
			return true, fmt.Sprintf("attempt %d is armed a second time", e.Attempt)
		}
		return true, ""
	case trace.KindLoad:
		h := f.host(e.Host)
		if h.open != nil && !h.open.voluntary && h.open.phase != hotstick.Reverting && h.open.artifact == e.Artifact && h.loads > 0 {
			return true, "one attempt asks the kernel twice"
		}
		return true, ""
	case trace.KindHostState:
		if e.To != string(hotstick.Admitted) || f.owned {
			return false, ""
		}
		if l := f.plan(e.Plan).line(e.Host); e.Attempt != l.attempt+1 {
			return true, fmt.Sprintf("attempt %d follows attempt %d", e.Attempt, l.attempt)
		}
		return true, ""
	}
	return false, ""
}
