package windowsstep

import (
	"context"
	"fmt"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver"
)

// UpdateAgent is the Windows Update Agent of a machine. An error of it is an *AgentError
// where the agent itself gave one.
type UpdateAgent interface {
	// State says what the agent does now.
	State(ctx context.Context) (State, error)
	// Search asks for the updates of one article, such as KB5058497, whether installed or
	// not, and whether or not a newer one replaces them. What does not apply to the machine
	// is not among them.
	Search(ctx context.Context, article string) ([]Update, error)
	// Do does one thing with one update, and returns once it has ended. Nobody can break an
	// installation off: whoever gives up waiting leaves it to Windows.
	Do(ctx context.Context, what Work, id string) (Result, error)
	// History returns what the agent has done last, the newest first.
	History(ctx context.Context, most int) ([]Entry, error)
}

// Work is what the agent does with an update.
type Work string

// The closed set of works.
const (
	Download  Work = "download"
	Install   Work = "install"
	Uninstall Work = "uninstall"
)

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
	// Uninstallable: it can be taken off again.
	Uninstallable bool `json:"uninstallable"`
	// Reboots is IInstallationBehavior.RebootBehavior: 0 never, 1 always, 2 may.
	Reboots int `json:"reboots"`
	// Published is when Microsoft has changed it last; zero if it does not say.
	Published time.Time `json:"published,omitzero"`
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

func (h HResult) meaning() string {
	if k, ok := codes[h]; ok {
		return fmt.Sprintf("%s (%s)", k.text, h)
	}
	return h.String()
}

// refusal says what a code means for an attempt; one that is not known is a failed tool.
func (h HResult) refusal(what string) *driver.Refusal {
	k, ok := codes[h]
	if !ok {
		k.code = hotstick.ReasonToolFailed
	}
	r := driver.Refuse(k.code, "Windows Update cannot %s: %s", what, h.meaning())
	r.Retry = k.retry
	return r
}
