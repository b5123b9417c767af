package checker

import (
	"fmt"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/trace"
)

func waveRules() []Rule {
	return []Rule{
		{ID: "S5", Name: "wave order", check: waveOrder,
			Text: "A wave opens for a lane when every host of the lane's earlier waves has come to an end or was passed over by a logged decision, their bake is over, and at least one of them was confirmed: no data is never a pass. The first wave stands before all lanes."},
		{ID: "S5a", Name: "signed delay", check: signedDelay,
			Text: "A host starts only when its wave's signed delay has passed, on the host's own clock, since it durably saw the plan."},
		{ID: "S5w", Name: "windows", check: insideWindow,
			Text: "A host is given a grant only inside its maintenance window."},
		{ID: "S5o", Name: "orders are kept", check: ordersKept,
			Text: "While changes are frozen no host is admitted, and a host that people keep out never is."},
		{ID: "S9", Name: "once, in order", check: onceInOrder,
			Text: "For each plan, host and attempt there is at most one intent and one load, over all crashes; attempts grow by one, each by a logged decision."},
		{ID: "S33", Name: "last known good",
			Text:      "Where a host goes back to changes only after a plan's final bake.",
			Unchecked: "the product keeps no last known good: where a host may go back to is signed into each plan's lanes (revert_to), and the level in effect before the attempt is what it goes back to"},
	}
}

func waveOrder(f *fleet, e *trace.Event) (bool, string) {
	if e.Kind != trace.KindGrant {
		return false, ""
	}
	p := f.plan(e.Plan)
	h, listed := p.listed[e.Host]
	if !p.known() || !listed || f.owned || h.StandIn != nil {
		return false, ""
	}
	if h.Wave == 0 || p.granted[waveLane{h.Wave, h.Build}] {
		return true, ""
	}
	if p.body.Plan.Waves[h.Wave].Proven {
		return true, p.canariesPassed()
	}
	if text := p.canariesPassed(); text != "" {
		return true, text
	}
	for j := range h.Wave {
		if p.body.Plan.Waves[j].Proven {
			continue
		}
		if text := p.passed(j, h.Build, e.T); text != "" {
			return true, text
		}
	}
	return true, ""
}

// canariesPassed: somebody of the first wave was confirmed, or needed nothing; where
// it was passed over, another host of the plan has shown that the level holds.
func (p *plan) canariesPassed() string {
	passedOver := true
	for id, h := range p.listed {
		if p.served(id) {
			return ""
		}
		if l := p.lines[id]; h.Wave == 0 && (l == nil || l.state != hotstick.Skipped) {
			passedOver = false
		}
	}
	if passedOver {
		return "every host of the first wave was passed over: nobody has shown anything"
	}
	return "no host of the first wave was confirmed"
}

// served: the host was confirmed, or ran the level already.
func (p *plan) served(id hotstick.HostID) bool {
	l := p.lines[id]
	return l != nil && (l.confirmedAt > 0 || l.state == hotstick.Skipped && l.cause == string(hotstick.ReasonAlreadyInEffect))
}

// passed says why a wave does not let a lane go on; empty if it does.
func (p *plan) passed(wave int, lane hotstick.KernelBuild, now int64) string {
	n, served, skipped, newest := 0, 0, 0, int64(0)
	for _, h := range p.body.Hosts {
		if h.StandIn != nil && h.StandIn.Wave == wave && h.Build == lane && p.served(h.Host) {
			served++
		}
		if h.Wave != wave || h.Build != lane {
			continue
		}
		n++
		l := p.lines[h.Host]
		if l == nil || !l.terminal && l.state != hotstick.Lost {
			return fmt.Sprintf("wave %d is not over: %s has not come to an end", wave, h.Name)
		}
		if p.served(h.Host) {
			served++
		}
		if l.state == hotstick.Skipped {
			skipped++
		}
		newest = max(newest, l.confirmedAt)
	}
	switch bake := seconds(p.body.Plan.Waves[wave].BakeSeconds); {
	case n == 0:
		return ""
	case served == 0 && skipped == n && p.evidence(wave, lane):
		return "" // passed over by decisions, and others of the lane have shown something
	case served == 0 && skipped == n:
		return fmt.Sprintf("every host of wave %d of this lane was passed over: nobody has shown anything", wave)
	case served == 0:
		return fmt.Sprintf("wave %d has no confirmed host of this lane: no data is no pass", wave)
	case newest > 0 && now-newest < bake:
		return fmt.Sprintf("wave %d has baked for %s of %s", wave, sec(now-newest), sec(bake))
	}
	return ""
}

// evidence: a host of the lane in another wave up to the given one was confirmed,
// or somebody stood in.
func (p *plan) evidence(wave int, lane hotstick.KernelBuild) bool {
	for id, h := range p.listed {
		if h.Build == lane && h.EarliestWave() <= wave && p.served(id) {
			return true
		}
	}
	return false
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
	case delay == 0 || p.body.Plan.Continues != "":
		return false, ""
	case !known:
		return true, "the host starts a plan that it never durably saw"
	case e.Uptime-seen < int64(delay)*1000:
		return true, fmt.Sprintf("the host starts %d ms after it saw the plan; the signed delay is %d s", e.Uptime-seen, delay)
	}
	return true, ""
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
