package view

import (
	"fmt"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/api"
	"github.com/hotstick/hotstick/internal/decide/gate"
	"github.com/hotstick/hotstick/internal/decide/rollout"
	"github.com/hotstick/hotstick/internal/decide/why"
	"github.com/hotstick/hotstick/internal/store"
)

// MaxCells is how many hosts a rollout's page lists; those of a larger plan are
// grouped, and read page by page.
const MaxCells = 5000

// Summary makes one line of the rollout list.
func Summary(p store.Plan, states map[hotstick.HostState]int) api.RolloutSummary {
	s := api.RolloutSummary{Plan: p.ID, Name: p.Name, Patch: p.Patch, CVE: p.CVE, Status: p.Status, Author: p.Author,
		Reason: Reason(p.Reason, onPlan(p)), States: states, Created: p.Created, Started: p.Started, Ended: p.Ended}
	for _, n := range states {
		s.Hosts += n
	}
	s.Reverting = states[hotstick.Reverting] > 0 || p.Reverting && states[hotstick.Confirmed] > 0
	return s
}

// Asked is what the decider says of a rollout: the very verdicts and waits that
// the loop acts on.
type Asked struct {
	Waves   []rollout.WaveStatus
	Lanes   []rollout.LaneStatus
	Domains []rollout.DomainStatus
	Stuck   *hotstick.Reason
}

// Track is what a rollout's page rests on.
type Track struct {
	Plan  store.Plan
	Body  hotstick.Plan
	Tally Tally
	Asked Asked
	// Members are the hosts that the page lists; none where it groups them.
	Members []Member
	// StandIns are those who took a canary's place.
	StandIns []api.StandIn
	Excluded []api.Exclusion
	Chain    api.Chain
	Signed   PlanSigned
	Events   []store.Event
}

// PlanSigned is who signed a plan, and how many must.
type PlanSigned struct {
	Approvals     []api.Approval
	Needed        int
	SingleControl bool
}

// Member is one host of a rollout.
type Member struct {
	Line store.PlanHost
	Host store.Host
	// Why is what it waits for now; nil if it waits for nothing.
	Why *hotstick.Reason
}

// Rollout makes a rollout's page with its wave track.
func (m Moment) Rollout(t Track) api.Rollout {
	r := api.Rollout{RolloutSummary: Summary(t.Plan, t.Tally.States), Description: t.Body,
		Approvals: nonNil(t.Signed.Approvals), Needed: t.Signed.Needed, SingleControl: t.Signed.SingleControl,
		Grouped: t.Tally.Hosts > MaxCells, Lanes: m.lanes(t), Budgets: budgets(t.Asked.Domains), Timeline: Events(t.Events),
		Waits: m.waits(t), Chain: t.Chain, Generation: t.Plan.Generation, At: m.Now}
	r.Waves = m.waves(t, r.Grouped)
	for _, member := range t.Members {
		if i := member.Line.Listed.Wave; i >= 0 && i < len(r.Waves) {
			r.Waves[i].Hosts = append(r.Waves[i].Hosts, m.Cell(member))
		}
	}
	r.Headline = rolloutHeadline(t, r)
	return r
}

// Cell makes one host of the wave track.
func (m Moment) Cell(of Member) api.Cell {
	l := of.Line
	at := m.place(m.Plans[l.Plan])
	at.Host = l.Listed.Name
	c := api.Cell{Host: l.Listed.Host, Name: l.Listed.Name, Build: l.Listed.Build, State: l.State, Attempt: l.Attempt,
		Reason: Reason(l.Reason, at), Domains: l.Listed.Domains, Updated: l.Updated, Timing: l.Timing,
		Wave: l.Listed.Wave, Calendar: l.Listed.Calendar}
	if of.Why != nil {
		c.Reason = Reason(of.Why, at)
	}
	if l.Listed.StandIn != nil {
		c.StandsInFor = l.Listed.StandIn.For
	}
	if of.Host.ID != "" {
		c.Name, c.Silent = of.Host.Name, m.Silent(of.Host)
	}
	return c
}

func gateOf(waves []rollout.WaveStatus, wave int, at why.Place) api.Gate {
	if wave >= len(waves) {
		none := hotstick.Reason{Code: hotstick.ReasonNoReadings}
		return api.Gate{Verdict: string(gate.Hold), Reason: *Reason(&none, at), Limit: 1}
	}
	v := waves[wave].Gate
	return api.Gate{Verdict: string(v.Outcome), Reason: *Reason(&v.Reason, at), Confirmed: v.Confirmed, Needed: v.Needed,
		Failures: v.Failures, EarliestAt: v.EarliestAt, Limit: v.Limit}
}

// rolloutHeadline answers: is it safe to go on?
func rolloutHeadline(t Track, r api.Rollout) string {
	confirmed := r.States[hotstick.Confirmed] + r.States[hotstick.Skipped]
	done := fmt.Sprintf("%d of %s done", confirmed, count(r.Hosts, "host is", "hosts are"))
	switch r.Status {
	case hotstick.Proposed:
		return fmt.Sprintf("Waiting for approvals: %d of %d.", approvals(r), r.Needed)
	case hotstick.Approved:
		return "Approved; it can be started."
	case hotstick.Held:
		return "On hold" + because(t.Plan.Reason) + " " + done + "."
	case hotstick.Halted:
		text := "Halted" + because(t.Plan.Reason)
		if n := r.States[hotstick.Reverting]; n > 0 {
			text += fmt.Sprintf(" %s going back.", count(n, "host is", "hosts are"))
		}
		return text + fmt.Sprintf(" %s back at the level before.", count(r.States[hotstick.Reverted], "host is", "hosts are"))
	case hotstick.Completed:
		return "Completed: " + done + "."
	case hotstick.Expired:
		return "Expired: the plan's signed life ended; " + done + "."
	}
	return runningHeadline(r, done)
}

func runningHeadline(r api.Rollout, done string) string {
	for _, w := range r.Waves {
		switch {
		case w.Gate.Verdict == string(gate.Fail):
			return "Not safe to go on: " + w.Gate.Reason.Text
		case w.Gate.Verdict == string(gate.Hold) && w.Gate.Failures > 0:
			return "Holding: " + w.Gate.Reason.Text
		}
	}
	if r.Stuck != nil && waitsForMore(r.Stuck.Code) {
		return "Waiting: " + r.Stuck.Text
	}
	for _, w := range r.Waves {
		if w.Gate.Verdict != string(gate.Pass) {
			return fmt.Sprintf("Going on safely: wave %q has %d of %d confirmed; %s.", w.Name, w.Gate.Confirmed, w.Gate.Needed, done)
		}
	}
	return "Going on safely: every gate passed; " + done + "."
}

// waitsForMore reports whether a wait is worth the headline: one that is not part
// of every good rollout, as bakes, delays and hosts under way are.
func waitsForMore(code hotstick.ReasonCode) bool {
	switch code {
	case hotstick.ReasonBake, hotstick.ReasonDelay, hotstick.ReasonUnderWay, hotstick.ReasonNoReadings, hotstick.ReasonWaveNotOpen,
		hotstick.ReasonAwaitingGrant, hotstick.ReasonBudget, hotstick.ReasonSettling, hotstick.ReasonServerRestarting:
		return false
	}
	return true
}

func approvals(r api.Rollout) int {
	n := 0
	for _, a := range r.Approvals {
		if a.Role == RoleApprover {
			n++
		}
	}
	return n
}

func because(r *hotstick.Reason) string {
	if r == nil {
		return "."
	}
	return ": " + why.Text(*r)
}

// Roles of a plan's signatures.
const (
	RoleAuthor   = "author"
	RoleApprover = "approver"
)
