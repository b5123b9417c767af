package view

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/api"
	"github.com/hotstick/hotstick/internal/decide/gate"
	"github.com/hotstick/hotstick/internal/decide/rollout"
	"github.com/hotstick/hotstick/internal/decide/why"
	"github.com/hotstick/hotstick/internal/store"
)

// Summary makes one line of the rollout list.
func Summary(p store.Plan, lines []store.PlanHost) api.RolloutSummary {
	s := api.RolloutSummary{Plan: p.ID, Name: p.Name, Patch: p.Patch, Status: p.Status, Author: p.Author,
		Reason: Reason(p.Reason), Hosts: len(lines), States: map[hotstick.HostState]int{},
		Created: p.Created, Started: p.Started, Ended: p.Ended}
	for _, l := range lines {
		s.States[l.State]++
	}
	s.Reverting = s.States[hotstick.Reverting] > 0 || p.Reverting && s.States[hotstick.Confirmed] > 0
	return s
}

// Track is what a rollout's page rests on.
type Track struct {
	Plan  store.Plan
	Lines []store.PlanHost
	// Hosts are the listed hosts by ID.
	Hosts map[hotstick.HostID]store.Host
	// View and Decision are what the decider sees and says now; Why asks it about
	// one host.
	View     rollout.View
	Decision rollout.Decision
	Why      func(hotstick.HostID) *hotstick.Reason
	// Approvals and Needed come from the plan's signatures.
	Approvals     []api.Approval
	Needed        int
	SingleControl bool
	Events        []store.Event
}

// Rollout makes a rollout's page with its wave track.
func (m Moment) Rollout(t Track) api.Rollout {
	r := api.Rollout{RolloutSummary: Summary(t.Plan, t.Lines), Description: t.View.Plan,
		Approvals: nonNil(t.Approvals), Needed: t.Needed, SingleControl: t.SingleControl,
		Budgets: budgets(t.View), Timeline: Events(t.Events), Generation: t.Plan.Generation, At: m.Now}
	for i, w := range t.View.Plan.Waves {
		r.Waves = append(r.Waves, api.Wave{Index: i, Name: w.Name, Hosts: []api.Cell{}, Gate: gateOf(t.Decision, i)})
	}
	for _, l := range t.Lines {
		if i := l.Listed.Wave; i >= 0 && i < len(r.Waves) {
			r.Waves[i].Hosts = append(r.Waves[i].Hosts, m.cell(t, l))
		}
	}
	r.Headline = rolloutHeadline(t, r)
	return r
}

func (m Moment) cell(t Track, l store.PlanHost) api.Cell {
	c := api.Cell{Host: l.Listed.Host, Name: l.Listed.Name, Build: l.Listed.Build, State: l.State, Attempt: l.Attempt,
		Reason: Reason(l.Reason), Domains: l.Listed.Domains, Updated: l.Updated, Timing: l.Timing}
	if l.State == hotstick.Waiting && t.Why != nil {
		if wait := t.Why(l.Listed.Host); wait != nil {
			c.Reason = Reason(wait)
		}
	}
	if h, ok := t.Hosts[l.Listed.Host]; ok {
		c.Name, c.Silent = h.Name, m.Silent(h)
	}
	return c
}

func gateOf(d rollout.Decision, wave int) api.Gate {
	if wave >= len(d.Gates) {
		none := hotstick.Reason{Code: hotstick.ReasonNoReadings}
		return api.Gate{Verdict: string(gate.Hold), Reason: *Reason(&none), Limit: 1}
	}
	v := d.Gates[wave]
	return api.Gate{Verdict: string(v.Outcome), Reason: *Reason(&v.Reason), Confirmed: v.Confirmed, Needed: v.Needed,
		Failures: v.Failures, EarliestAt: v.EarliestAt, Limit: v.Limit}
}

// budgets counts the slots in use in every failure domain that the plan touches.
// Slots of other plans count too: the domain does not care who disturbs it.
func budgets(v rollout.View) []api.BudgetUse {
	type domain struct{ kind, value string }
	used := map[domain]int{}
	for _, s := range v.Slots {
		used[domain{s.Domain, s.Value}]++
	}
	out := []api.BudgetUse{}
	for _, b := range v.Plan.Budgets {
		seen := map[string]bool{}
		for _, h := range v.Hosts {
			value := h.Listed.Domains[b.Domain]
			if b.Domain == hotstick.FleetDomain {
				value = "all"
			}
			if seen[value] {
				continue
			}
			seen[value] = true
			out = append(out, api.BudgetUse{Domain: b.Domain, Value: value, Used: used[domain{b.Domain, value}], Max: b.Max})
		}
	}
	slices.SortStableFunc(out, func(a, b api.BudgetUse) int {
		return cmp.Or(cmp.Compare(a.Domain, b.Domain), cmp.Compare(a.Value, b.Value))
	})
	return out
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
	for _, w := range r.Waves {
		if w.Gate.Verdict != string(gate.Pass) {
			return fmt.Sprintf("Going on safely: wave %q has %d of %d confirmed; %s.", w.Name, w.Gate.Confirmed, w.Gate.Needed, done)
		}
	}
	return "Going on safely: every gate passed; " + done + "."
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
