package hotstick

import (
	"fmt"
	"time"
)

// PlanSchema is the only plan format this version reads or writes.
const PlanSchema = "hotstick/plan/v1"

// Plan is the immutable description of a rollout: what goes where, in which
// order and how fast. Its author and its approvers sign exactly these bytes;
// any edit is another plan.
type Plan struct {
	Schema string `json:"schema"`
	// Name is for people; the plan's identity is the digest of its payload.
	Name   string   `json:"name"`
	Patch  PatchRef `json:"patch"`
	Author Person   `json:"author"`
	// Epoch fences servers: a loader refuses a plan of an older epoch.
	Epoch     uint64    `json:"epoch"`
	CreatedAt time.Time `json:"created_at"`
	// NotAfter ends the plan's life; nothing starts later.
	NotAfter time.Time `json:"not_after"`
	Lanes    []Lane    `json:"lanes"`
	Waves    []Wave    `json:"waves"`
	// HostsRoot is the root of the Merkle tree over the listed hosts, in the
	// order of the plan's host list (see internal/statement).
	HostsRoot string `json:"hosts_root"`
	HostCount int    `json:"host_count"`
	// Budgets bound how many hosts of one failure domain may be disturbed at once.
	Budgets []Budget `json:"budgets"`
	// Probation is how long, in seconds, each host must stay healthy before it
	// is confirmed; meanwhile it reverts by itself.
	ProbationSeconds int `json:"probation_seconds"`
	// TransitionSeconds bounds the wait for the kernel's transition before it is
	// reversed.
	TransitionSeconds int `json:"transition_seconds"`
}

// Lane is one kernel build within a plan. Gates run per lane.
type Lane struct {
	Build    KernelBuild `json:"build"`
	Driver   string      `json:"driver"`
	Artifact Digest      `json:"artifact"`
	Module   string      `json:"module"`
	// RevertTo lists the levels that hosts of this lane may go back to; the
	// plan's signatures are the permission for that downgrade. The kernel as it
	// booted is written with level 0.
	RevertTo []RevertTarget `json:"revert_to"`
}

// RevertTarget is a level that a host may go back to. A zero target means the
// kernel as it booted, with no live patch of ours.
type RevertTarget struct {
	Patch    PatchRef `json:"patch"`
	Artifact Digest   `json:"artifact,omitempty"`
	Module   string   `json:"module,omitempty"`
}

// Wave is a set of hosts that may start together once the wave before has its
// readings. Hosts carry their wave's index.
type Wave struct {
	Name string `json:"name"`
	// Hosts counts the hosts listed for this wave.
	Hosts int `json:"hosts"`
	// DelaySeconds is how long after the plan's announcement, on the loader's
	// own clock, a host of this wave may start at the earliest.
	DelaySeconds int `json:"delay_seconds"`
	// BakeSeconds is how long the wave must stay healthy after its last host was
	// confirmed before the next wave opens.
	BakeSeconds int `json:"bake_seconds"`
}

// PlanHost is one line of a plan's host list. Identity, Build and Wave are bound
// by the plan's Merkle root; Name and Domains are what the server knew then.
type PlanHost struct {
	Host     HostID            `json:"host"`
	Name     string            `json:"name"`
	Identity Fingerprint       `json:"identity"`
	Build    KernelBuild       `json:"build"`
	Wave     int               `json:"wave"`
	Domains  map[string]string `json:"domains,omitempty"`
}

// Budget bounds the hosts of each domain of one kind (a label key such as rack,
// or "fleet" for all hosts) that may be disturbed at once.
type Budget struct {
	Domain string `json:"domain"`
	Max    int    `json:"max"`
}

// FleetDomain is the domain kind that every host belongs to.
const FleetDomain = "fleet"

// Limits of one plan. A plan beyond them is refused before it is read further.
const (
	MaxPlanWaves   = 200
	MaxPlanLanes   = 1000
	MaxPlanHosts   = 1_000_000
	MaxPlanBudgets = 32
)

// Lane returns the lane of a kernel build.
func (p Plan) Lane(build KernelBuild) (Lane, bool) {
	for _, l := range p.Lanes {
		if l.Build == build {
			return l, true
		}
	}
	return Lane{}, false
}

// Validate reports the first thing that is malformed or inconsistent.
func (p Plan) Validate() error {
	switch {
	case p.Schema != PlanSchema:
		return fmt.Errorf("cannot read plan schema %q: this version knows %s", p.Schema, PlanSchema)
	case p.Name == "" || len(p.Name) > 200:
		return fmt.Errorf("cannot use a plan name of %d characters: want 1 to 200", len(p.Name))
	case p.Author == "":
		return fmt.Errorf("cannot use a plan without an author")
	case !p.NotAfter.After(p.CreatedAt):
		return fmt.Errorf("cannot use a plan that ends before it begins")
	case p.HostCount < 1 || p.HostCount > MaxPlanHosts:
		return fmt.Errorf("cannot use a plan of %d hosts: an empty selection is never all hosts", p.HostCount)
	case p.ProbationSeconds < 1 || p.TransitionSeconds < 1:
		return fmt.Errorf("cannot use a plan without a probation and a transition limit")
	}
	if err := p.Patch.Validate(); err != nil {
		return err
	}
	if err := p.validateLanes(); err != nil {
		return err
	}
	return p.validateWaves()
}

func (p Plan) validateLanes() error {
	if len(p.Lanes) == 0 || len(p.Lanes) > MaxPlanLanes {
		return fmt.Errorf("cannot use a plan of %d lanes: want 1 to %d", len(p.Lanes), MaxPlanLanes)
	}
	seen := map[KernelBuild]bool{}
	for _, l := range p.Lanes {
		if err := l.Build.Validate(); err != nil {
			return err
		}
		if seen[l.Build] {
			return fmt.Errorf("cannot use a plan with two lanes for %s", l.Build)
		}
		seen[l.Build] = true
		if err := l.Artifact.Validate(); err != nil {
			return err
		}
		if !modulePattern.MatchString(l.Module) || !driverPattern.MatchString(l.Driver) {
			return fmt.Errorf("cannot use module %q with driver %q in a plan", l.Module, l.Driver)
		}
	}
	return nil
}

func (p Plan) validateWaves() error {
	if len(p.Waves) == 0 || len(p.Waves) > MaxPlanWaves {
		return fmt.Errorf("cannot use a plan of %d waves: want 1 to %d", len(p.Waves), MaxPlanWaves)
	}
	total, delay := 0, 0
	for i, w := range p.Waves {
		if w.Hosts < 1 {
			return fmt.Errorf("cannot use wave %d: it lists no host", i)
		}
		if w.DelaySeconds < delay || w.BakeSeconds < 0 {
			return fmt.Errorf("cannot use wave %d: delays must not shrink and bakes must not be negative", i)
		}
		delay = w.DelaySeconds
		total += w.Hosts
	}
	if total != p.HostCount {
		return fmt.Errorf("cannot use a plan whose waves list %d hosts and whose total says %d", total, p.HostCount)
	}
	if len(p.Budgets) == 0 || len(p.Budgets) > MaxPlanBudgets {
		return fmt.Errorf("cannot use a plan of %d budgets: want 1 to %d", len(p.Budgets), MaxPlanBudgets)
	}
	for _, b := range p.Budgets {
		if b.Domain == "" || b.Max < 1 {
			return fmt.Errorf("cannot use a budget of %d for domain %q: a budget is at least one host", b.Max, b.Domain)
		}
	}
	return nil
}
