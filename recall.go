package hotstick

import (
	"fmt"
	"time"
)

// Recall takes one patch level back, on every kernel build. The catalog's
// publishers sign it, offline; like a ban it beats every schedule, and only a
// signed clear lifts it.
type Recall struct {
	Patch  PatchRef     `json:"patch"`
	Action RecallAction `json:"action"`
	// Reason is shown to operators; one line.
	Reason string `json:"reason"`
	// Issued is when the recall was signed. A clear that is signed later lifts it; a
	// level that was cleared can be recalled again.
	Issued time.Time `json:"issued"`
}

// RecallAction is what a recall asks of the hosts.
type RecallAction string

// The actions of recalls.
const (
	// RecallBlock: nobody arms the level any more; where it is in effect it stays.
	RecallBlock RecallAction = "block"
	// RecallRevert: also, hosts that have it go back to the level before.
	RecallRevert RecallAction = "block-and-revert"
)

// maxReasonBytes bounds the reason of a recall.
const maxReasonBytes = 1000

// Validate reports the first thing that is malformed.
func (r Recall) Validate() error {
	if err := r.Patch.Validate(); err != nil {
		return err
	}
	switch r.Action {
	case RecallBlock, RecallRevert:
	default:
		return fmt.Errorf("cannot recall %s by %.40q: want block or block-and-revert", r.Patch, r.Action)
	}
	if r.Reason == "" || len(r.Reason) > maxReasonBytes {
		return fmt.Errorf("cannot recall %s without a reason, or with one beyond %d bytes", r.Patch, maxReasonBytes)
	}
	if _, offset := r.Issued.Zone(); r.Issued.IsZero() || offset != 0 || r.Issued.Nanosecond() != 0 {
		return fmt.Errorf("cannot recall %s as of %s: want UTC and whole seconds", r.Patch, r.Issued.Format(time.RFC3339Nano))
	}
	return nil
}
