package planner

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/hotstick/hotstick"
)

// wave is one wave as it is built.
type wave struct {
	name  string
	hosts []Host
}

// widen lists, in percent of the hosts left after the canaries, how far each
// widening wave goes; the last takes all that remain. A widening wave is never
// smaller than the number of kernel builds: that many canaries went before it.
var widen = []int{5, 25, 100}

// waves parts the ordered hosts into staged canaries and widening waves.
func (r Request) waves(fit []Host) []wave {
	canaries, rest := pickCanaries(fit)
	builds := len(canaries)
	var waves []wave
	for stage, size := 0, 1; len(canaries) > 0; stage++ {
		n := min(size, len(canaries))
		waves = append(waves, wave{name: canaryName(stage), hosts: canaries[:n]})
		canaries = canaries[n:]
		if stage == 0 {
			size = 2
		} else {
			size *= 2
		}
	}
	done := 0
	for i, percent := range widen {
		upTo := max(done+builds, len(rest)*percent/100)
		if percent == 100 {
			upTo = len(rest)
		}
		if done >= len(rest) || (i < len(widen)-1 && upTo >= len(rest)) {
			continue
		}
		waves = append(waves, wave{name: fmt.Sprintf("wave-%d", len(waves)), hosts: rest[done:upTo]})
		done = upTo
	}
	return waves
}

// pickCanaries takes the first host of each kernel build, builds with most hosts
// first: their canary speaks for the most machines.
func pickCanaries(fit []Host) (canaries, rest []Host) {
	count := map[hotstick.KernelBuild]int{}
	for _, h := range fit {
		count[build(h)]++
	}
	taken := map[hotstick.KernelBuild]bool{}
	for _, h := range fit {
		if taken[build(h)] {
			rest = append(rest, h)
			continue
		}
		taken[build(h)] = true
		canaries = append(canaries, h)
	}
	slices.SortStableFunc(canaries, func(a, b Host) int {
		return cmp.Or(cmp.Compare(count[build(b)], count[build(a)]), cmp.Compare(build(a).BuildID, build(b).BuildID))
	})
	return canaries, rest
}

func canaryName(stage int) string {
	if stage == 0 {
		return "first-host"
	}
	return fmt.Sprintf("canary-%d", stage)
}

func build(h Host) hotstick.KernelBuild { return h.Compat.Facts.Kernel.Build }

// list flattens the waves into the plan's host list.
func list(waves []wave) []hotstick.PlanHost {
	var hosts []hotstick.PlanHost
	for i, w := range waves {
		for _, h := range w.hosts {
			hosts = append(hosts, hotstick.PlanHost{
				Host: h.ID, Name: h.Name, Identity: h.Identity, Build: build(h),
				Wave: i, Domains: maps.Clone(h.Labels),
			})
		}
	}
	return hosts
}

// lanes describes every kernel build, with the levels its hosts may go back to.
func (r Request) lanes(fit []Host) []hotstick.Lane {
	back := map[hotstick.KernelBuild]map[hotstick.PatchRef]bool{}
	for _, h := range fit {
		if back[build(h)] == nil {
			back[build(h)] = map[hotstick.PatchRef]bool{}
		}
		back[build(h)][h.Compat.InEffect] = true
	}
	var lanes []hotstick.Lane
	for _, b := range slices.SortedFunc(maps.Keys(back), compareBuilds) {
		artifact, _ := r.Patch.Artifact(b)
		lanes = append(lanes, hotstick.Lane{
			Build: b, Driver: r.Patch.Driver, Artifact: artifact.Digest,
			Module: artifact.Module, RevertTo: r.targets(b, back[b]),
		})
	}
	return lanes
}

// targets turns levels in effect into revert targets, lowest first.
func (r Request) targets(b hotstick.KernelBuild, refs map[hotstick.PatchRef]bool) []hotstick.RevertTarget {
	var targets []hotstick.RevertTarget
	for _, ref := range slices.SortedFunc(maps.Keys(refs), compareRefs) {
		t := hotstick.RevertTarget{Patch: ref}
		for _, p := range r.Catalog {
			if p.Ref != ref {
				continue
			}
			if a, ok := p.Artifact(b); ok {
				t.Artifact, t.Module = a.Digest, a.Module
			}
		}
		targets = append(targets, t)
	}
	return targets
}

func compareBuilds(a, b hotstick.KernelBuild) int {
	return cmp.Or(cmp.Compare(a.Release, b.Release), cmp.Compare(a.BuildID, b.BuildID), cmp.Compare(a.Arch, b.Arch))
}

func compareRefs(a, b hotstick.PatchRef) int {
	return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Level, b.Level))
}

func (r Request) describe(waves []wave, root string, count int, lanes []hotstick.Lane) hotstick.Plan {
	now := r.Now.UTC().Truncate(time.Second)
	p := hotstick.Plan{
		Schema: hotstick.PlanSchema, Name: cmp.Or(r.Name, r.Patch.Ref.String()+" "+now.Format("2006-01-02 15:04:05")),
		Patch: r.Patch.Ref, Author: r.Author, Epoch: r.Epoch, CreatedAt: now, NotAfter: now.Add(r.Settings.Life),
		Lanes: lanes, HostsRoot: root, HostCount: count,
		Budgets:           r.budgets(count),
		ProbationSeconds:  seconds(r.Settings.Probation),
		TransitionSeconds: seconds(r.Settings.Transition),
	}
	for i, w := range waves {
		p.Waves = append(p.Waves, hotstick.Wave{
			Name: w.name, Hosts: len(w.hosts),
			DelaySeconds: i * seconds(r.Settings.Delay),
			BakeSeconds:  seconds(r.Settings.Bake),
		})
	}
	return p
}

// budgets lists the domain kinds by name; the fleet's own is a quarter of the
// plan's hosts, never less than one, unless the request says otherwise.
func (r Request) budgets(count int) []hotstick.Budget {
	limits := map[string]int{hotstick.FleetDomain: max(1, count/4)}
	maps.Copy(limits, r.Settings.Budgets)
	var budgets []hotstick.Budget
	for _, kind := range slices.Sorted(maps.Keys(limits)) {
		budgets = append(budgets, hotstick.Budget{Domain: kind, Max: limits[kind]})
	}
	return budgets
}

// seconds rounds up: a limit in a signed plan is never shorter than was asked.
func seconds(d time.Duration) int {
	return int((d + time.Second - 1) / time.Second)
}
