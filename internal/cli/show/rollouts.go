package show

import (
	"fmt"
	"strings"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/api"
)

// Rollouts is the rollout list, newest first.
func Rollouts(list []api.RolloutSummary, st Style) Table {
	t := Table{
		Header: []string{"ROLLOUT", "NAME", "PATCH", "STATUS", "HOSTS", "STATES", "AGE"},
		Empty:  "No rollout yet: hotstick rollout plan PATCH@LEVEL --select EXPRESSION",
	}
	if st.Wide {
		t.Header = append(t.Header, "AUTHOR", "DIGEST")
	}
	t.Header = append(t.Header, "REASON")
	for _, r := range list {
		row := []Cell{{Text: r.Plan.Short()}, text(r.Name), text(r.Patch.String()), planStatus(r.Status),
			number(r.Hosts), {Text: stateCounts(r.States)}, {Text: since(r.Created, st.Now)}}
		if st.Wide {
			row = append(row, text(string(r.Author)), text(string(r.Plan)))
		}
		t.Rows = append(t.Rows, append(row, reasonCell(r.Reason)))
	}
	return t
}

func planStatus(s hotstick.PlanStatus) Cell {
	return Cell{Text: Clean(string(s)), State: string(s)}
}

// RolloutNames are the arguments by which other commands find the rollouts
// again: the start of the digest, which is unique where a name may not be.
func RolloutNames(list []api.RolloutSummary) []string {
	var names []string
	for _, r := range list {
		names = append(names, r.Plan.Short())
	}
	return names
}

// stateCounts lists the states that occur, in the order of a host's life.
func stateCounts(states map[hotstick.HostState]int) string {
	var out []string
	for _, s := range hotstick.HostStates() {
		if n := states[s]; n > 0 {
			out = append(out, fmt.Sprintf("%d %s", n, s))
		}
	}
	if len(out) == 0 {
		return "-"
	}
	return strings.Join(out, ", ")
}

// Rollout is one rollout: is it safe to go on, and who is where.
func Rollout(r api.Rollout, st Style) string {
	var p page
	p.line("%s  %s", st.Bold(Clean(r.Name)), st.paint(string(r.Status), planStatus(r.Status).shaped(st)))
	p.line("%s", Escape(r.Headline))
	p.field("Digest", "%s", Clean(string(r.Plan)))
	p.field("Patch", "%s", Clean(r.Patch.String()))
	p.field("Author", "%s", Clean(string(r.Author)))
	p.field("Approvals", "%s", approvals(r))
	p.field("Hosts", "%d: %s", r.Hosts, stateCounts(r.States))
	if r.Reason != nil {
		p.field("Reason", "%s", Escape(reasonText(*r.Reason)))
	}
	p.field("Created", "%s", r.Created.UTC().Format(time.RFC3339))
	if r.Started != nil {
		p.field("Started", "%s%s", r.Started.UTC().Format(time.RFC3339), ended(r.RolloutSummary))
	}
	p.table(st, "Waves", waveTable(r, st))
	p.table(st, "Hosts that need a look", attention(r, st))
	p.table(st, "Budgets in use", budgets(r.Budgets))
	p.table(st, "Timeline", latest(r.Timeline, st))
	return p.String()
}

func ended(r api.RolloutSummary) string {
	if r.Ended == nil || r.Started == nil {
		return ""
	}
	return fmt.Sprintf(", over after %s", r.Ended.Sub(*r.Started).Round(time.Second))
}

func approvals(r api.Rollout) string {
	review := Review{Needed: r.Needed, SingleControl: r.SingleControl}
	for _, a := range r.Approvals {
		if a.Role == "approver" || r.SingleControl {
			review.Approvers = append(review.Approvers, a.Person)
		}
	}
	return review.approvals()
}

func waveTable(r api.Rollout, st Style) Table {
	t := Table{Header: []string{"WAVE", "NAME", "HOSTS", "STATES", "GATE", "CONFIRMED", "GATE SAYS"}}
	for _, w := range r.Waves {
		t.Rows = append(t.Rows, []Cell{number(w.Index + 1), text(w.Name), number(len(w.Hosts)), {Text: stateCounts(waveStates(w))},
			{Text: Clean(orNone(w.Gate.Verdict)), State: w.Gate.Verdict}, {Text: fmt.Sprintf("%d of %d", w.Gate.Confirmed, w.Gate.Needed)},
			{Text: gateText(w.Gate, st.Now)}})
	}
	return t
}

func waveStates(w api.Wave) map[hotstick.HostState]int {
	states := map[hotstick.HostState]int{}
	for _, c := range w.Hosts {
		states[c.State]++
	}
	return states
}

// gateText is the gate's reason, the time that is still missing, and what the
// evidence so far could have missed.
func gateText(g api.Gate, now time.Time) string {
	text := Clean(reasonText(g.Reason))
	if g.Verdict == "pass" {
		text = "Passed."
	}
	if g.EarliestAt != nil && g.EarliestAt.After(now) {
		text += fmt.Sprintf(" Earliest in %s.", Age(g.EarliestAt.Sub(now)))
	}
	if g.Confirmed > 0 && g.Failures == 0 {
		text += fmt.Sprintf(" A crash rate below %.2g%% could have been missed.", 100*g.Limit)
	}
	return text
}

// attention lists the hosts that a person may have to do something about.
func attention(r api.Rollout, st Style) Table {
	t := Table{Header: []string{"HOST", "WAVE", "STATE", "ATTEMPT", "AGE", "REASON"}, Empty: "  None."}
	total := 0
	for _, w := range r.Waves {
		for _, c := range w.Hosts {
			if !needsLook(c) {
				continue
			}
			total++
			if total > maxListed && !st.Wide {
				continue
			}
			t.Rows = append(t.Rows, []Cell{text(c.Name), number(w.Index + 1), {Text: Clean(string(c.State)), State: string(c.State)},
				number(c.Attempt), {Text: since(c.Updated, st.Now)}, reasonCell(c.Reason)})
		}
	}
	if more := total - len(t.Rows); more > 0 {
		t.Rows = append(t.Rows, []Cell{{Text: fmt.Sprintf("… %d more (-o wide)", more)}, {}, {}, {}, {}, {}})
	}
	return t
}

func needsLook(c api.Cell) bool {
	switch c.State {
	case hotstick.Reverting, hotstick.Reverted, hotstick.Failed, hotstick.Interrupted, hotstick.Quarantined, hotstick.Lost:
		return true
	}
	return c.Silent
}

func budgets(list []api.BudgetUse) Table {
	t := Table{Header: []string{"DOMAIN", "VALUE", "IN USE", "AT ONCE"}, Empty: "  No slot is in use."}
	for _, b := range list {
		if b.Used > 0 {
			t.Rows = append(t.Rows, []Cell{text(b.Domain), text(b.Value), number(b.Used), number(b.Max)})
		}
	}
	return t
}
