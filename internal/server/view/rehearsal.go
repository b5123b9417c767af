package view

import (
	"cmp"
	"slices"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/api"
	"github.com/hotstick/hotstick/internal/decide/rehearse"
	"github.com/hotstick/hotstick/internal/decide/why"
)

// Rehearsal makes a rehearsal's page.
func Rehearsal(r rehearse.Result) api.Rehearsal {
	out := api.Rehearsal{Plan: r.Plan, Name: r.Name, Hosts: r.Hosts, Waves: r.Waves, Lanes: r.Lanes, Runs: r.Runs, Seed: r.Seed,
		Start: r.Start, Model: api.RehearsalModel(r.Model), Scenarios: []api.RehearsedPatch{}, Verdict: r.Verdict()}
	for _, o := range r.Scenarios {
		p := api.RehearsedPatch{Name: o.Scenario.Name, Text: o.Scenario.Text, Runs: o.Runs,
			Completed: o.Ends.Completed, Halted: o.Ends.Halted, Held: o.Ends.Held, Seconds: api.Spread(o.Seconds),
			Crashed: api.Spread(o.Crashed), CrashedPercent: api.Spread(o.CrashedShare), ReachedPercent: api.Spread(o.Reached),
			Blast: []api.Blast{}, Stops: []api.RehearsedStop{}}
		for _, b := range o.Blast {
			p.Blast = append(p.Blast, api.Blast(b))
		}
		for _, s := range o.Stops {
			reason := hotstick.Reason{Code: s.Code, Cause: s.Cause}
			p.Stops = append(p.Stops, api.RehearsedStop{Wave: s.Wave, Name: s.Name, End: string(s.End), Reason: *Reason(&reason, why.Place{Plan: r.Plan.Short()}), Runs: s.Runs,
				Seconds: api.Spread(s.Seconds), Patched: api.Spread(s.Patched), Crashed: api.Spread(s.Crashed)})
		}
		slices.SortStableFunc(p.Stops, func(a, b api.RehearsedStop) int { return cmp.Compare(b.Runs, a.Runs) })
		out.Scenarios = append(out.Scenarios, p)
	}
	return out
}
