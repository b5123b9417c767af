// Package trace is the schema of what happened, shared by the product, the
// simulator and the checkers.
//
// A trace is a file of JSON lines, one [Event] a line, in the order in which the
// events happened. The simulator writes what truly happened, kernels included;
// the real server, agent and loader write what they did (their --trace option).
// The checkers (internal/sim/checker) read either.
//
// The schema is frozen as hotstick/trace/v1: fields may be added, never changed
// or removed, and a reader ignores fields it does not know. The first event of a
// file is of kind [KindBegin] and names the schema.
package trace

import (
	"encoding/json"

	"github.com/hotstick/hotstick"
)

// Schema names the format.
const Schema = "hotstick/trace/v1"

// Kind is what an event tells of. The set is closed; each kind says which fields
// it fills.
type Kind string

// Kinds of the whole run.
const (
	// KindBegin opens a trace: Detail is [Schema].
	KindBegin Kind = "begin"
	// KindFault is a fault that the simulator made: Cause names it.
	KindFault Kind = "fault"
)

// Kinds of the server. Node names it.
const (
	// KindPlan: a plan became known. Plan, Patch, Epoch; Body is a [PlanBody].
	KindPlan Kind = "plan"
	// KindPlanStatus: From, To, Cause, Generation.
	KindPlanStatus Kind = "plan_status"
	// KindHostState: the server's line for a host. Plan, Host, Attempt, From, To,
	// Cause.
	KindHostState Kind = "host_state"
	// KindGate: a wave's gate was judged when a host was admitted behind it. Plan,
	// Wave, To is the outcome.
	KindGate Kind = "gate"
	// KindGrant: a grant was signed and committed. Plan, Host, Boot, Epoch, Attempt,
	// Wave, Grant.
	// Detail is the model of the host's machine.
	KindGrant Kind = "grant"
	// KindSlot: To is taken or free; Domains has the one domain; Plan, Host.
	KindSlot Kind = "slot"
	// KindBan, KindClear: Patch; for a clear Host too if it lifts a strike, and To is
	// crashes if it ends the stops of crashes only, recall if it lifts recalls only.
	KindBan   Kind = "ban"
	KindClear Kind = "clear"
	// KindCrashStop: Patch is stopped on machines of the kernel build To (its build ID) and
	// the model Detail, because Host went down with it.
	KindCrashStop Kind = "crash_stop"
	// KindStopAll: To is on or off.
	KindStopAll Kind = "stop_all"
	// KindShown: what a screen says of a host. Host, Boot, Patch, To is the state.
	KindShown Kind = "shown"
	// KindWriteOff: an operator gave a host up. Host.
	KindWriteOff Kind = "write_off"
	// KindLeaf: an audit leaf was appended. Generation is the log's new size, Detail
	// its new root.
	KindLeaf Kind = "leaf"
)

// Kinds of a host. Node is agent or loader and the host, or kernel for what the
// simulator knows to be true.
const (
	// KindBoot: a boot began. Host, Boot; Cause tells how the last one ended (clean
	// or unclean).
	KindBoot Kind = "boot"
	// KindDown: the machine went down. Host, Boot, Cause.
	KindDown Kind = "down"
	// KindSeen: the loader saw a plan for the first time. Plan, Host.
	KindSeen Kind = "seen"
	// KindIntent: the intent is durable. Plan, Host, Boot, Attempt, Patch, Artifact,
	// Grant.
	KindIntent Kind = "intent"
	// KindLoad: the load call. Host, Boot, Plan, Attempt, Patch, Artifact.
	KindLoad Kind = "load"
	// KindPhase: the loader's attempt moved. From, To, Cause, Plan, Attempt, Patch.
	KindPhase Kind = "phase"
	// KindKernel: what the kernel says of a module changed. Host, Boot, Artifact, From,
	// To.
	KindKernel Kind = "kernel"
	// KindDisable, KindUnload, KindForce: the loader asked the kernel. Artifact.
	KindDisable Kind = "disable"
	KindUnload  Kind = "unload"
	KindForce   Kind = "force"
	// KindStep: a vendor's tool begins to work for the host's attempt. Host, Boot,
	// Artifact; To is apply, remove or settle, Detail the driver.
	KindStep Kind = "step"
	// KindTouch: what a patch touches beside the kernel's code was changed. Host, Boot;
	// Detail is the thing, From and To its values.
	KindTouch Kind = "touch"
	// KindStrike: the loader struck a patch. Patch, Cause.
	KindStrike Kind = "strike"
	// KindLearned: the loader durably learned a ban, recall, halt or clear. Patch or
	// Plan; To is which.
	KindLearned Kind = "learned"
	// KindRefused: the loader refused a document. Cause, Grant is its digest.
	KindRefused Kind = "refused"
)

// Event is one line of a trace.
type Event struct {
	// T is nanoseconds: of the simulation, or Unix time of a real run.
	T    int64  `json:"t"`
	Node string `json:"node"`
	Kind Kind   `json:"kind"`

	Host       hotstick.HostID   `json:"host,omitempty"`
	Boot       string            `json:"boot,omitempty"`
	Plan       hotstick.PlanID   `json:"plan,omitempty"`
	Epoch      uint64            `json:"epoch,omitempty"`
	Generation uint64            `json:"generation,omitempty"`
	Attempt    int               `json:"attempt,omitempty"`
	Wave       int               `json:"wave,omitempty"`
	Patch      hotstick.PatchRef `json:"patch,omitzero"`
	Artifact   hotstick.Digest   `json:"artifact,omitempty"`
	From       string            `json:"from,omitempty"`
	To         string            `json:"to,omitempty"`
	Cause      string            `json:"cause,omitempty"`
	// Grant is the digest of the document concerned.
	Grant   hotstick.Digest   `json:"grant,omitempty"`
	Domains map[string]string `json:"domains,omitempty"`
	// Uptime is milliseconds of the host's own clock, summed over boots where the
	// loader's ledger does.
	Uptime int64           `json:"uptime,omitempty"`
	Detail string          `json:"detail,omitempty"`
	Body   json.RawMessage `json:"body,omitempty"`
}

// PlanBody is the body of a [KindPlan] event: all that a checker must know of a
// plan.
type PlanBody struct {
	Plan      hotstick.Plan       `json:"plan"`
	Hosts     []hotstick.PlanHost `json:"hosts"`
	Approvers []hotstick.Person   `json:"approvers"`
}

// Sink takes events. A nil Sink is not allowed; use [Discard].
type Sink interface {
	// Emit takes one event. It must not block for long and may not fail: a writer
	// that cannot write says so when it is closed. T is set by the sink if it is 0.
	Emit(Event)
}

// Discard is the sink of whoever was not asked for a trace.
var Discard Sink = discard{}

type discard struct{}

func (discard) Emit(Event) {}
