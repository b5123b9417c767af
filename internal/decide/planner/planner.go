package planner

import (
	"cmp"
	"slices"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/decide/compat"
	"github.com/hotstick/hotstick/internal/decide/policy"
)

// Request is what a plan is made from.
type Request struct {
	Name  string
	Patch hotstick.Patch
	// CVE is what to close in place of Patch, and Candidates are the patches that do.
	CVE        string
	Candidates []Candidate
	Author     hotstick.Person
	Epoch      uint64
	Now        time.Time
	// Hosts are those the selector picked, in any order. The draft shares their
	// labels: nobody may change them afterwards.
	Hosts []Host
	// Catalog lists every published patch, for levels to go back to.
	Catalog []hotstick.Patch
	// Forbidden says why nobody may arm the patch: it is banned or recalled; nil if one
	// may.
	Forbidden *hotstick.Reason
	// Shape is what the policy says of the plan; zero fields mean [Defaults].
	Shape policy.Shape
	// Continues is the plan whose work this one takes over; nil for none.
	Continues *Continued
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
	// Verdict is what the policy says of the host. Its Reason leaves the host out,
	// as does an operator's, such as excluded.
	Verdict policy.Verdict
	// Verdicts are, in a request for a CVE, what the policy says of each candidate there.
	// Verdict then has only what holds whichever it is.
	Verdicts []policy.Verdict
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

// Build makes a draft. It returns a [Refusal] if the patch is banned or recalled, or no host
// is left: an empty selection is never all hosts. Any other error names what in
// the request is wrong.
func Build(r Request) (Draft, error) {
	p, err := Pack(r)
	if err != nil {
		return Draft{}, err
	}
	return p.Draft()
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

// sortLeftOut puts the left-out hosts in the order in which people read them.
func sortLeftOut(out []LeftOut) {
	slices.SortFunc(out, func(a, b LeftOut) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Host, b.Host)) })
}
