package show

import (
	"fmt"

	"github.com/hotstick/hotstick"
)

// Difference lists what a plan does otherwise than the last one, one line each:
// what it patches, how fast, with which budgets, and what it goes back to.
func Difference(last, next hotstick.Plan) []string {
	var d difference
	d.change("patch", last.Patch, next.Patch)
	d.change("CVE", orNone(Clean(last.CVE)), orNone(Clean(next.CVE)))
	d.change("author", Clean(string(last.Author)), Clean(string(next.Author)))
	d.change("hosts", last.HostCount, next.HostCount)
	d.change("epoch", last.Epoch, next.Epoch)
	d.change("probation", seconds(last.ProbationSeconds), seconds(next.ProbationSeconds))
	d.change("transition limit", seconds(last.TransitionSeconds), seconds(next.TransitionSeconds))
	d.change("life", last.NotAfter.Sub(last.CreatedAt), next.NotAfter.Sub(next.CreatedAt))
	d.change("policy", policyName(last.Policy), policyName(next.Policy))
	d.change("gates", orNone(gateSettings(last.Gate)), orNone(gateSettings(next.Gate)))
	d.change("calendars", len(last.Calendars), len(next.Calendars))
	d.change("further approvals", last.Approvals, next.Approvals)
	d.change("times that a level is put back on a host", last.Reapply, next.Reapply)
	d.change("emergency", len(last.Emergency) > 0, len(next.Emergency) > 0)
	d.waves(last.Waves, next.Waves)
	d.budgets(last.Budgets, next.Budgets)
	d.lanes(last, next)
	return d.lines
}

// policyName tells policies apart, also where only the text changed.
func policyName(p hotstick.PolicyRef) string {
	if p.Name == "" {
		return "none"
	}
	return Clean(p.Name) + " " + p.Digest.Short()
}

type difference struct{ lines []string }

func (d *difference) add(format string, args ...any) {
	d.lines = append(d.lines, fmt.Sprintf(format, args...))
}

// change adds a line if the two print differently.
func (d *difference) change(what string, last, next any) {
	if a, b := fmt.Sprint(last), fmt.Sprint(next); a != b {
		d.add("%s: %s → %s", what, a, b)
	}
}

func (d *difference) waves(last, next []hotstick.Wave) {
	d.change("waves", len(last), len(next))
	for i := range min(len(last), len(next)) {
		what := fmt.Sprintf("wave %d", i+1)
		d.change(what+" hosts", last[i].Hosts, next[i].Hosts)
		d.change(what+" earliest", seconds(last[i].DelaySeconds), seconds(next[i].DelaySeconds))
		d.change(what+" bake", seconds(last[i].BakeSeconds), seconds(next[i].BakeSeconds))
		d.change(what+" opens", waveRules(last[i]), waveRules(next[i]))
	}
}

func (d *difference) budgets(last, next []hotstick.Budget) {
	before := map[string]string{}
	for _, b := range last {
		before[b.Domain] = Amount(b)
	}
	for _, b := range next {
		if n, ok := before[b.Domain]; !ok {
			d.add("budget %s: none → %s at once", Clean(b.Domain), Amount(b))
		} else {
			d.change("budget "+Clean(b.Domain), n, Amount(b))
		}
		delete(before, b.Domain)
	}
	for _, b := range last {
		if _, gone := before[b.Domain]; gone {
			d.add("budget %s: %s at once → none", Clean(b.Domain), Amount(b))
		}
	}
}

func (d *difference) lanes(last, next hotstick.Plan) {
	for _, l := range next.Lanes {
		old, ok := last.LaneLike(l)
		if !ok {
			d.add("%s: new", laneName(next, l))
			continue
		}
		what := laneName(next, l)
		if last.CVE != "" && next.CVE != "" {
			d.change(what+" gets", old.Patch, l.Patch)
		}
		if old.TransitionSeconds != 0 || l.TransitionSeconds != 0 {
			d.change(what+" transition limit", seconds(last.TransitionOf(old)), seconds(next.TransitionOf(l)))
		}
		d.change(what+" goes back to", targets(old.RevertTo), targets(l.RevertTo))
	}
	for _, l := range last.Lanes {
		if _, ok := next.LaneLike(l); !ok {
			d.add("%s: no longer in the plan", laneName(last, l))
		}
	}
}

// laneName names a lane; where hosts of one build get patches by several drivers, with its
// driver.
func laneName(p hotstick.Plan, l hotstick.Lane) string {
	name := "kernel build " + Clean(l.Build.String())
	if p.CVE != "" {
		name += " by " + Clean(l.Driver)
	}
	return name
}
