// Package planner turns a selection of hosts into a plan: who goes in which
// wave, how far each host may go back, and how many may be disturbed at once.
//
// # Waves
//
// Canaries are staged: one host of the fleet; then one host of each of the next
// 2, 4, 8 … kernel builds until every build has one; then widening waves of 5 %,
// 25 % and the rest of what remains. Percentages round down, but never below the
// number of kernel builds.
// Within a stage, hosts are taken in the order of their IDs' digests with the
// patch, so the same few machines are not the canaries of every patch; hosts
// labelled critical=true go last.
//
// Everything is pure: the same request gives the same plan, byte for byte.
package planner

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/decide/compat"
)

// Request is what a plan is made from.
type Request struct {
	Name   string
	Patch  hotstick.Patch
	Author hotstick.Person
	Epoch  uint64
	Now    time.Time
	// Hosts are those the selector picked.
	Hosts []Host
	// Catalog lists every published patch, for levels to go back to.
	Catalog  []hotstick.Patch
	Banned   func(hotstick.PatchRef) bool
	Settings Settings
	// Root computes the Merkle root over the host list (internal/statement).
	Root func([]hotstick.PlanHost) (string, error)
}

// Host is one selected host.
type Host struct {
	ID       hotstick.HostID
	Name     string
	Identity hotstick.Fingerprint
	Compat   compat.Host
	Labels   map[string]string
}

// Settings are a plan's speeds; [DefaultSettings] fills in what is zero.
type Settings struct {
	Probation  time.Duration
	Transition time.Duration
	Bake       time.Duration
	// Delay is the signed time between two waves' earliest starts.
	Delay time.Duration
	Life  time.Duration
	// Budgets by domain kind.
	Budgets map[string]int
}

// DefaultSettings are careful ones for a fleet nobody is in a hurry with.
var DefaultSettings = Settings{
	Probation:  10 * time.Minute,
	Transition: 75 * time.Second,
	Bake:       30 * time.Minute,
	Delay:      0,
	Life:       14 * 24 * time.Hour,
}

// Draft is a plan that nobody has signed, with the hosts it lists and leaves out.
type Draft struct {
	Plan    hotstick.Plan
	Hosts   []hotstick.PlanHost
	LeftOut []LeftOut
}

// LeftOut is a selected host that the plan does not list.
type LeftOut struct {
	Host   hotstick.HostID
	Name   string
	Reason hotstick.Reason
}

// Refusal says why no plan can be made at all.
type Refusal struct {
	Reason  hotstick.Reason
	LeftOut []LeftOut
}

// Error implements error.
func (r *Refusal) Error() string {
	text, _ := r.Reason.Code.Meaning()
	return "cannot make a plan: " + text
}

// Build makes a draft. It returns a [Refusal] if the patch is banned or no host
// is left: an empty selection is never all hosts.
func Build(r Request) (Draft, error) {
	if r.Banned(r.Patch.Ref) {
		return Draft{}, &Refusal{Reason: hotstick.Reason{Code: hotstick.ReasonBanned, Subject: r.Patch.Ref.String()}}
	}
	fit, out := r.sieve()
	if len(fit) == 0 {
		return Draft{}, &Refusal{Reason: emptyReason(out), LeftOut: out}
	}
	r.Settings = r.Settings.orDefault()
	waves := r.waves(fit)
	hosts := list(waves)
	root, err := r.Root(hosts)
	if err != nil {
		return Draft{}, fmt.Errorf("cannot compute the host list's root: %v", err)
	}
	plan := r.describe(waves, root, len(hosts), r.lanes(fit))
	if err := plan.Validate(); err != nil {
		return Draft{}, err
	}
	return Draft{Plan: plan, Hosts: hosts, LeftOut: out}, nil
}

// emptyReason is the reason most left-out hosts share, or that nothing matched.
func emptyReason(out []LeftOut) hotstick.Reason {
	if len(out) == 0 {
		return hotstick.Reason{Code: hotstick.ReasonNotInPlan, Detail: "the selection matches no host"}
	}
	counts := map[hotstick.ReasonCode]int{}
	best := out[0].Reason
	for _, o := range out {
		counts[o.Reason.Code]++
		if counts[o.Reason.Code] > counts[best.Code] {
			best = o.Reason
		}
	}
	return best
}

// sieve parts the hosts that can take the patch from those that cannot.
func (r Request) sieve() (fit []Host, out []LeftOut) {
	known := r.modules()
	for _, h := range r.Hosts {
		if why := compat.Check(h.Compat, r.Patch, known); why != nil {
			out = append(out, LeftOut{Host: h.ID, Name: h.Name, Reason: *why})
			continue
		}
		fit = append(fit, h)
	}
	slices.SortFunc(fit, r.order)
	slices.SortFunc(out, func(a, b LeftOut) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Host, b.Host)) })
	return fit, out
}

// modules tells which module names are ours.
func (r Request) modules() func(string) bool {
	ours := map[string]bool{}
	for _, p := range r.Catalog {
		for _, a := range p.Artifacts {
			ours[a.Module] = true
		}
	}
	return func(module string) bool { return ours[module] }
}

// order puts critical hosts last and shuffles the rest the same way each time.
func (r Request) order(a, b Host) int {
	return cmp.Or(
		compareBool(a.Labels["critical"] == "true", b.Labels["critical"] == "true"),
		cmp.Compare(r.shuffle(a), r.shuffle(b)),
	)
}

func (r Request) shuffle(h Host) hotstick.Digest {
	return hotstick.NewDigest([]byte(r.Patch.Ref.String() + "\x00" + string(h.ID)))
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

func (s Settings) orDefault() Settings {
	s.Probation = cmp.Or(s.Probation, DefaultSettings.Probation)
	s.Transition = cmp.Or(s.Transition, DefaultSettings.Transition)
	s.Bake = cmp.Or(s.Bake, DefaultSettings.Bake)
	s.Life = cmp.Or(s.Life, DefaultSettings.Life)
	return s
}
