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
		row := []Cell{{Text: r.Plan.Short()}, text(r.Name), text(closes(r)), planStatus(r.Status),
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
	p.field("Patch", "%s", Clean(closes(r.RolloutSummary)))
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
	around(&p, r)
	p.table(st, "Waves", waveTable(r, st))
	if held := heldLanes(r); len(held.Rows) > 0 {
		p.table(st, "Kernel builds on hold", held)
	}
	if r.Grouped {
		p.section(st, "Hosts")
		p.line("  %d hosts are too many for a page: hotstick rollout hosts %s", r.Hosts, r.Plan.Short())
	} else {
		p.table(st, "Hosts that need a look", attention(r, st))
	}
	p.table(st, "Budgets in use", budgets(r.Budgets, st.Now))
	p.table(st, "Timeline", latest(r.Timeline, st))
	return p.String()
}

// around shows what the rollout waits for beside its gates, and the plans before
// and after it.
func around(p *page, r api.Rollout) {
	if r.Stuck != nil {
		p.field("Waits", "%s", Escape(waitText(*r.Stuck)))
	}
	if c := r.Continues; c != nil {
		p.field("Continues", "%s (%s, %s)", Clean(c.Name), Clean(c.Patch.String()), c.Status)
	}
	if c := r.ContinuedBy; c != nil {
		p.field("Taken over", "by %s (%s, %s)", Clean(c.Name), Clean(c.Patch.String()), c.Status)
	}
	if r.Description.Policy.Name != "" {
		p.field("Policy", "%s", Clean(r.Description.Policy.Name))
	}
	for _, c := range r.Calendars {
		p.field("Windows", "%s: %s, %s", Clean(c.Name), plural(c.Hosts, "host", "hosts"), windowText(c))
	}
	for _, f := range r.Freezes {
		p.field("Freeze", "%s until %s: %s", f.From.UTC().Format(time.RFC3339), f.Until.UTC().Format(time.RFC3339), Escape(f.Reason))
	}
	for i, e := range r.Excluded {
		if i == maxListed {
			p.field("Excluded", "… %d more", len(r.Excluded)-i)
			break
		}
		p.field("Excluded", "%s until %s: %s", Clean(e.Name), e.Until.UTC().Format(time.RFC3339), Escape(e.Reason))
	}
	for _, s := range r.StandIns {
		p.field("Stands in", "%s for %s in wave %d", Clean(s.Name), Clean(s.ForName), s.Wave+1)
	}
}

// waitText is a reason and what would change it.
func waitText(r api.Reason) string {
	text := reasonText(r)
	if r.Changes != "" {
		text += " " + r.Changes
	}
	return text
}

func windowText(c api.CalendarUse) string {
	switch {
	case c.Closes != nil:
		return "open until " + c.Closes.UTC().Format(time.RFC3339)
	case c.Opens != nil:
		return "closed until " + c.Opens.UTC().Format(time.RFC3339)
	}
	return "closed, and does not open again"
}

// heldLanes lists the kernel builds that do not go on by themselves.
func heldLanes(r api.Rollout) Table {
	t := Table{Header: []string{"KERNEL", "BUILD ID", "HOSTS", "STATES", "WHY"}}
	for _, l := range r.Lanes {
		if l.Held != nil {
			t.Rows = append(t.Rows, []Cell{text(l.Build.Release), text(cut(l.Build.BuildID, 9)), number(l.Hosts), {Text: stateCounts(l.States)},
				{Text: Escape(waitText(*l.Held))}})
		}
	}
	return t
}

// closes says what a rollout is for.
func closes(r api.RolloutSummary) string {
	if r.CVE != "" {
		return r.CVE
	}
	return r.Patch.String()
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
		t.Rows = append(t.Rows, []Cell{number(w.Index + 1), text(w.Name), number(w.Size), {Text: stateCounts(w.States)},
			{Text: Clean(orNone(w.Gate.Verdict)), State: w.Gate.Verdict}, {Text: fmt.Sprintf("%d of %d", w.Gate.Confirmed, w.Gate.Needed)},
			{Text: waveText(w, st.Now)}})
	}
	return t
}

// waveText is what the wave waits for where it is closed, and what its gate says.
func waveText(w api.Wave, now time.Time) string {
	text := gateText(w.Gate, now)
	if w.Closed != nil && w.Closed.Code == hotstick.ReasonNeedsPromotion {
		text = Clean(waitText(*w.Closed))
	}
	if w.Absent > 0 {
		text += fmt.Sprintf(" %s passed over for now.", plural(w.Absent, "host is", "hosts are"))
	}
	return text
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

// Cells is the list of a rollout's hosts.
func Cells(list []api.Cell, st Style) Table {
	t := Table{Header: []string{"HOST", "WAVE", "STATE", "ATTEMPT", "AGE", "KERNEL"}, Empty: "No host matches."}
	if st.Wide {
		t.Header = append(t.Header, "ID", "BUILD ID", "WINDOWS", "DOMAINS")
	}
	t.Header = append(t.Header, "REASON")
	for _, c := range list {
		row := []Cell{text(c.Name), number(c.Wave + 1), {Text: Clean(string(c.State)), State: string(c.State)}, number(c.Attempt),
			{Text: since(c.Updated, st.Now)}, text(c.Build.Release)}
		if st.Wide {
			row = append(row, text(string(c.Host)), text(c.Build.BuildID), text(c.Calendar), text(labels(c.Domains)))
		}
		t.Rows = append(t.Rows, append(row, reasonCell(c.Reason)))
	}
	return t
}

// CellNames are the hosts' IDs: a name may not be unique.
func CellNames(list []api.Cell) []string {
	var names []string
	for _, c := range list {
		names = append(names, string(c.Host))
	}
	return names
}

func needsLook(c api.Cell) bool {
	switch c.State {
	case hotstick.Reverting, hotstick.Reverted, hotstick.Failed, hotstick.Interrupted, hotstick.Quarantined, hotstick.Lost:
		return true
	}
	return c.Silent
}

func budgets(list []api.BudgetUse, now time.Time) Table {
	t := Table{Header: []string{"DOMAIN", "VALUE", "IN USE", "ILL", "AT ONCE", "QUORUM"}, Empty: "  No slot is in use."}
	for _, b := range list {
		if b.Used+b.Ill > 0 || b.MixedSince != nil {
			t.Rows = append(t.Rows, []Cell{text(b.Domain), text(b.Value), number(b.Used), number(b.Ill), number(b.Max), {Text: quorum(b, now)}})
		}
	}
	return t
}

func quorum(b api.BudgetUse, now time.Time) string {
	switch {
	case b.MixedSince != nil:
		return "mixed for " + since(*b.MixedSince, now)
	case b.Quorum:
		return "yes"
	}
	return "-"
}
