package rehearse

import (
	"fmt"
	"strings"
)

// Verdict says in two sentences what the rehearsal means for the plan: does a good
// patch get through, and what does a bad one break.
func (r Result) Verdict() string {
	var out []string
	if good := r.worst(0, func(o Outcome) float64 { return -float64(o.Ends.Completed) / float64(o.Runs) }); good != nil {
		out = append(out, good.survives())
	}
	if bad := r.worst(1, func(o Outcome) float64 { return o.Crashed.Mean + o.Crashed.P99 }); bad != nil {
		out = append(out, bad.breaks(r.Hosts))
	}
	return strings.Join(out, " ")
}

// worst is the outcome with the highest value of those in which the patch kills at
// least so many hosts (0: none at all); nil if there is none.
func (r Result) worst(kills int, value func(Outcome) float64) *Outcome {
	var worst *Outcome
	for i := range r.Scenarios {
		o := &r.Scenarios[i]
		if (kills > 0) == (o.Scenario.KillPPM > 0) && (worst == nil || value(*o) > value(*worst)) {
			worst = o
		}
	}
	return worst
}

func (o Outcome) survives() string {
	s := "A patch that " + o.Scenario.Text
	switch {
	case o.Ends.Completed == o.Runs:
		return s + " gets through every time."
	case o.Ends.Halted*100 > o.Runs:
		return fmt.Sprintf("Not ready: a patch that %s is halted in %d of %d runs.", o.Scenario.Text, o.Ends.Halted, o.Runs)
	}
	return fmt.Sprintf("%s gets through in %d of %d runs; in the others a lane waits for people because a host went down (%.0f %% of the hosts are reached in half of all runs).",
		s, o.Ends.Completed, o.Runs, o.Reached.Median)
}

func (o Outcome) breaks(hosts int) string {
	if o.Ends.Completed > 0 {
		return fmt.Sprintf("No gate stops a patch that %s in %d of %d runs; it crashes %.4g hosts on average. Longer bakes of the first waves would.",
			o.Scenario.Text, o.Ends.Completed, o.Runs, o.Crashed.Mean)
	}
	return fmt.Sprintf("Every bad patch is stopped; the worst, one that %s, crashes %.2g of %d hosts on average and %.0f in one of a hundred rollouts (%.2g %%).",
		o.Scenario.Text, o.Crashed.Mean, hosts, o.Crashed.P99, o.CrashedShare.P99)
}
