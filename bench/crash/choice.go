package main

import (
	"hash/fnv"
	"math/rand/v2"
	"slices"

	"github.com/hotstick/hotstick/internal/failpoint"
)

// scenario is what happens in a round.
type scenario string

// The scenarios, in the order in which a run takes turns with them.
const (
	good   scenario = "good"   // a level is rolled out to the end
	bad    scenario = "bad"    // a level makes its host ill and is taken back
	stall  scenario = "stall"  // a level's transition never ends and is reversed
	ban    scenario = "ban"    // a level is banned, a plan halted, another level recalled
	reboot scenario = "reboot" // all hosts restart cleanly
	crash  scenario = "crash"  // a host goes down on probation
	join   scenario = "join"   // a new host joins
	backup scenario = "backup" // somebody makes a backup
)

var scenarios = []scenario{good, bad, stall, ban, reboot, crash, join, backup}

// where says in which scenario a point is reached surely.
func where(p failpoint.Point) scenario {
	switch p.Name {
	case failpoint.LoaderRevertBeforeSave, failpoint.LoaderRevertAfterSave, failpoint.LoaderRestoreBefore, failpoint.LoaderRestoreAfter,
		failpoint.LoaderRevertedBeforeSave, failpoint.LoaderRevertedAfterSave:
		return bad
	case failpoint.LoaderDisableBefore, failpoint.LoaderDisableAfter:
		return stall
	case failpoint.LoaderHaltTaken, failpoint.LoaderBanTaken, failpoint.LoaderRecallTaken:
		return ban
	case failpoint.LoaderPermitBeforeSave, failpoint.LoaderPermitAfterSave:
		return reboot
	case failpoint.LoaderStrikeBeforeSave:
		return crash
	case failpoint.LoaderIdentityPinned, failpoint.AgentEnrolBefore, failpoint.AgentEnrolAnswered, failpoint.AgentEnrolLabelsSaved,
		failpoint.AgentEnrolRootSaved, failpoint.AgentEnrolAuthSaved, failpoint.AgentEnrolTLSSaved, failpoint.ServerEnrolWritten, failpoint.ServerEnrolAfter:
		return join
	}
	if slices.Contains(p.Programs, failpoint.Backup) {
		return backup
	}
	return good
}

// within lists the points that a house reaches. Its hosts have no vendor's system, so no
// step of a driver runs there; TestStepsOnRealKernels of internal/loader/loadercmd kills at
// those.
func within(points []failpoint.Point) []failpoint.Point {
	return slices.DeleteFunc(slices.Clone(points), func(p failpoint.Point) bool {
		switch p.Name {
		case failpoint.LoaderStepBeforeAsked, failpoint.LoaderStepAsked, failpoint.LoaderStepTaken, failpoint.LoaderStepDone, failpoint.LoaderStepAnswered:
			return true
		}
		return false
	})
}

// target is one kill that is to happen: a point, in one of its programs.
type target struct {
	point   failpoint.Name
	program string
}

// plan is what is still to be done, by scenario.
type plan map[scenario][]target

// choose makes n kills out of a seed: every point at least once if n allows, in an order
// that the seed gives, the rest spread evenly. Programs that share a point take turns.
func choose(points []failpoint.Point, n int, seed string) plan {
	h := fnv.New64a()
	h.Write([]byte(seed))
	random := rand.New(rand.NewPCG(h.Sum64(), 5))
	order := slices.Clone(points)
	random.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
	chosen := plan{}
	for i := range n {
		p := order[i%len(order)]
		programs := p.Programs
		t := target{p.Name, programs[(i/len(order)+int(h.Sum64()%7))%len(programs)]}
		chosen[where(p)] = append(chosen[where(p)], t)
	}
	return chosen
}

// deal deals a plan out to houses. What every rollout reaches goes round; what needs a
// round of its own goes to one house, so that no two of them spend time on it.
func deal(all plan, houses int) []plan {
	parts := make([]plan, houses)
	for i := range parts {
		parts[i] = plan{}
	}
	for i, t := range all[good] {
		parts[i%houses][good] = append(parts[i%houses][good], t)
	}
	for i, s := range scenarios[1:] {
		if len(all[s]) > 0 {
			parts[i%houses][s] = all[s]
		}
	}
	return parts
}

// take takes up to n targets of a program out of a scenario, in the order of the table,
// which is about the order in which they are reached.
func (p plan) take(s scenario, program string, n int) []failpoint.Name {
	var taken []failpoint.Name
	p[s] = slices.DeleteFunc(p[s], func(t target) bool {
		if t.program != program || len(taken) == n {
			return false
		}
		taken = append(taken, t.point)
		return true
	})
	all := failpoint.Points()
	rank := func(name failpoint.Name) int {
		return slices.IndexFunc(all, func(p failpoint.Point) bool { return p.Name == name })
	}
	slices.SortStableFunc(taken, func(a, b failpoint.Name) int { return rank(a) - rank(b) })
	return taken
}

func (p plan) left() int {
	n := 0
	for _, s := range scenarios {
		n += len(p[s])
	}
	return n
}
