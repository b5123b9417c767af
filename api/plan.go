package api

import (
	"encoding/json"

	"github.com/hotstick/hotstick"
)

// DraftRequest asks the planner for a plan.
type DraftRequest struct {
	Name  string `json:"name,omitempty"`
	Patch string `json:"patch,omitempty"`
	// CVE asks, in place of Patch, for whatever closes it on each host by the host's own
	// system.
	CVE string `json:"cve,omitempty"`
	// Selector is a CEL expression over a host, such as host.labels.role == "db".
	// Empty is refused: write true to mean every host.
	Selector string          `json:"selector"`
	Author   hotstick.Person `json:"author"`
	Settings PlanSettings    `json:"settings"`
	// Policy names one of the server's policies; PolicyDocument is one sent along.
	// At most one of them is set. Settings win over what a policy says.
	Policy         string `json:"policy,omitempty"`
	PolicyDocument string `json:"policy_document,omitempty"`
	// Continues is the plan whose work the draft takes over: a retarget. Its hosts
	// are that plan's hosts, so Selector is then empty.
	Continues string `json:"continues,omitempty"`
	// Emergency is the signed envelope of a template under which the plan may run
	// faster and with one approval.
	Emergency json.RawMessage `json:"emergency,omitempty"`
}

// PlanSettings are the speeds of a plan; zero means the default.
type PlanSettings struct {
	ProbationSeconds  int `json:"probation_seconds,omitempty"`
	TransitionSeconds int `json:"transition_seconds,omitempty"`
	BakeSeconds       int `json:"bake_seconds,omitempty"`
	DelaySeconds      int `json:"delay_seconds,omitempty"`
	LifeSeconds       int `json:"life_seconds,omitempty"`
	// Budgets bound the disturbed hosts per domain kind, such as rack: 1.
	Budgets map[string]int `json:"budgets,omitempty"`
}

// Draft is a plan to be signed, with its host list.
type Draft struct {
	// Payload is the exact bytes to sign.
	Payload json.RawMessage     `json:"payload"`
	Hosts   []hotstick.PlanHost `json:"hosts"`
	// Continues is the plan that the draft takes over from, with what it proved.
	Continues *PlanLink `json:"continues,omitempty"`
	// LeftOut lists the selected hosts that are not in the plan, and why.
	LeftOut []LeftOut `json:"left_out,omitempty"`
}

// LeftOut is a selected host that a plan leaves out.
type LeftOut struct {
	Host   hotstick.HostID `json:"host"`
	Name   string          `json:"name"`
	Reason Reason          `json:"reason"`
}

// Uncovered says on which hosts of the fleet the CVE of a plan stays open: those that the
// plan does not list and on which nothing that is in effect closes it. Of a plan for one
// patch it says nothing.
type Uncovered struct {
	CVE string `json:"cve,omitempty"`
	// Policy is the name of the plan's policy, by which hosts are judged; empty if the plan
	// has none. PolicyUnknown says that the server does not have that policy: it never had,
	// or has another text by that name by now.
	Policy        string  `json:"policy,omitempty" since:"2"`
	PolicyUnknown *Reason `json:"policy_unknown,omitempty" since:"2"`
	Hosts         int     `json:"hosts"`
	// Gaps are the hosts by the cause for which a plan made now, under the same policy, would
	// leave them out, not_in_plan where it would take them, or policy_unknown where only the
	// policy could tell; the most hosts first.
	Gaps []CoverageGap `json:"gaps"`
}

// CoverageGap is one cause, and some of its hosts.
type CoverageGap struct {
	Reason Reason    `json:"reason"`
	Hosts  int       `json:"hosts"`
	Some   []HostRef `json:"some"`
}

// SubmitRequest hands in a plan that its author signed.
type SubmitRequest struct {
	Envelope json.RawMessage     `json:"envelope"`
	Hosts    []hotstick.PlanHost `json:"hosts"`
}

// Bundle is what an approver checks and signs.
type Bundle struct {
	Plan     hotstick.PlanID     `json:"plan"`
	Envelope json.RawMessage     `json:"envelope"`
	Hosts    []hotstick.PlanHost `json:"hosts"`
	// Previous is the last plan for the same patch name, for the difference.
	Previous *hotstick.Plan `json:"previous,omitempty"`
}

// ApprovalRequest adds a signature: the envelope with one more of them.
type ApprovalRequest struct {
	Envelope json.RawMessage `json:"envelope"`
}

// Policy is a policy document that the server knows.
type Policy struct {
	Name   string          `json:"name"`
	Digest hotstick.Digest `json:"digest"`
	// Summary is the document's own line about itself.
	Summary string `json:"summary,omitempty"`
	// Document is the text; it is left out of lists.
	Document string `json:"document,omitempty"`
}

// PolicyList lists the policies that the server knows, by name.
type PolicyList struct {
	Policies []Policy `json:"policies"`
}
