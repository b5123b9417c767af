package windowsstep

import (
	"context"
	"fmt"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver"
)

// UpdateAgent is the Windows Update Agent of a machine. An error of it is an *AgentError
// where the agent itself gave one.
type UpdateAgent interface {
	// State says what the agent does now.
	State(ctx context.Context) (State, error)
	// Search asks for the updates of one article, such as KB5058497, whether installed or
	// not. What does not apply to the machine is not among them.
	Search(ctx context.Context, article string) ([]Update, error)
	// Download brings an update onto the disk.
	Download(ctx context.Context, id string) (Result, error)
	// Install installs a downloaded update.
	Install(ctx context.Context, id string) (Result, error)
	// History returns what the agent has done last, the newest first.
	History(ctx context.Context, most int) ([]Entry, error)
}

// State is what the agent does.
type State struct {
	// Busy: it installs something.
	Busy bool `json:"busy"`
	// RebootRequired: something that was installed waits for a reboot.
	RebootRequired bool `json:"reboot_required"`
}

// Update is one update as the agent lists it. The texts are opaque.
type Update struct {
	ID        string   `json:"id"`
	Title     string   `json:"title"`
	Articles  []string `json:"articles"`
	CVEs      []string `json:"cves,omitempty"`
	Installed bool     `json:"installed"`
	// Downloaded: it is on the disk.
	Downloaded bool `json:"downloaded"`
	// Uninstallable: it can be taken off again, with a reboot.
	Uninstallable bool `json:"uninstallable"`
	// Reboots is IInstallationBehavior.RebootBehavior: 0 never, 1 always, 2 may.
	Reboots int `json:"reboots"`
}

// AlwaysReboots is the RebootBehavior of an update that is no hotpatch.
const AlwaysReboots = 1

// Result is how an operation ended.
type Result struct {
	Code ResultCode `json:"code"`
	// HResult is why, where it did not end well.
	HResult HResult `json:"hresult"`
	// RebootRequired: the update is in effect after a reboot only.
	RebootRequired bool `json:"reboot_required"`
}

// Entry is one operation of the agent's history.
type Entry struct {
	Title   string     `json:"title"`
	Code    ResultCode `json:"code"`
	HResult HResult    `json:"hresult"`
}

// ResultCode is the OperationResultCode of the agent.
type ResultCode int

// The closed set of result codes.
const (
	NotStarted ResultCode = iota
	InProgress
	Succeeded
	SucceededWithErrors
	Failed
	Aborted
)

// String is the code's own name.
func (c ResultCode) String() string {
	names := []string{"not started", "in progress", "succeeded", "succeeded with errors", "failed", "aborted"}
	if c < 0 || int(c) >= len(names) {
		return fmt.Sprintf("result %d", int(c))
	}
	return names[c]
}

// HResult is a code of COM or of the agent.
type HResult uint32

// String is such as 0x8024000B.
func (h HResult) String() string { return fmt.Sprintf("0x%08X", uint32(h)) }

// AgentError is a call that the agent, or COM in its place, did not do.
type AgentError struct {
	Call    string
	HResult HResult
}

// Error implements error.
func (e *AgentError) Error() string {
	return fmt.Sprintf("cannot %s by the Windows Update Agent: %s", e.Call, e.HResult.meaning())
}

// known are the codes that are met most, after Microsoft's list of the agent's errors.
var known = map[HResult]struct {
	code  hotstick.ReasonCode
	retry bool
	text  string
}{
	0x80004001: {hotstick.ReasonUnsupported, false, "not implemented"},
	0x80040154: {hotstick.ReasonUnsupported, false, "the class is not registered"},
	0x800401F3: {hotstick.ReasonUnsupported, false, "the class is not known"},
	0x80080005: {hotstick.ReasonUnsupported, true, "the service did not start"},
	0x80070422: {hotstick.ReasonUnsupported, false, "the service is disabled"},
	0x80070005: {hotstick.ReasonUnsupported, false, "access denied"},
	0x80070070: {hotstick.ReasonToolFailed, true, "there is not enough room on the disk"},
	0x80240009: {hotstick.ReasonTransitionBusy, true, "another operation is under way"},
	0x8024000B: {hotstick.ReasonToolFailed, true, "the operation was cancelled"},
	0x8024000C: {hotstick.ReasonAlreadyInEffect, false, "nothing had to be done"},
	0x80240016: {hotstick.ReasonTransitionBusy, true, "another installation is under way, or a reboot is pending"},
	0x80240017: {hotstick.ReasonUnsupported, false, "the update does not apply to this machine"},
	0x8024001E: {hotstick.ReasonToolFailed, true, "the service was stopped"},
	0x80240020: {hotstick.ReasonToolFailed, false, "nobody is logged on, whom it wants"},
	0x80240022: {hotstick.ReasonToolFailed, false, "every update failed"},
	0x80240023: {hotstick.ReasonToolFailed, false, "the licence was declined"},
	0x80240024: {hotstick.ReasonNoArtifact, false, "there are no updates"},
	0x8024002E: {hotstick.ReasonUnsupported, false, "a policy forbids it"},
	0x80240438: {hotstick.ReasonToolFailed, true, "there is no way to the update service"},
	0x8024402C: {hotstick.ReasonToolFailed, true, "the name of the update service cannot be resolved"},
	0x80244022: {hotstick.ReasonToolFailed, true, "the update service is overloaded"},
	0x80246008: {hotstick.ReasonToolFailed, true, "the download service is not there"},
	0x80248014: {hotstick.ReasonUnsupported, false, "the update service is not registered"},
	0x80070BC9: {hotstick.ReasonRebootPending, false, "a reboot is needed before"},
	0x80070BC2: {hotstick.ReasonRebootPending, false, "a reboot is needed to end it"},
}

func (h HResult) meaning() string {
	if k, ok := known[h]; ok {
		return fmt.Sprintf("%s (%s)", k.text, h)
	}
	return h.String()
}

// refusal says what a code means for an attempt; one that is not known is a failed tool.
func (h HResult) refusal(what string) *driver.Refusal {
	k, ok := known[h]
	if !ok {
		k.code = hotstick.ReasonToolFailed
	}
	r := driver.Refuse(k.code, "Windows Update cannot %s: %s", what, h.meaning())
	r.Retry = k.retry
	return r
}
