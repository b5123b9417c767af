package hotstick

import (
	"fmt"
	"time"
)

// HostHold is a person's word on the host itself that nothing starts there. What is
// under way goes on, and so do reverts.
type HostHold struct {
	// By is the account of the person, as the kernel of the host told; opaque.
	By     string    `json:"by"`
	Reason string    `json:"reason,omitempty"`
	Since  time.Time `json:"since"`
}

// What switches Hotstick off on a host: nothing is loaded, applied again or taken out
// while one is there, but that an attempt under way goes back first.
const (
	OffByFile        = "file"
	OffByCommandLine = "command_line"
)

// maxHoldText bounds the texts of a hold, in bytes.
const maxHoldText = 256

// Validate reports the first thing that is malformed.
func (h *HostHold) Validate() error {
	if h != nil && (h.By == "" || len(h.By) > maxHoldText || len(h.Reason) > maxHoldText) {
		return fmt.Errorf("cannot use a hold by %d and for %d bytes: want 1 to %d for who, and at most that for why", len(h.By), len(h.Reason), maxHoldText)
	}
	return nil
}
