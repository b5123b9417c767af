package inventory

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/hotstick/hotstick/internal/decide/why"
	"github.com/hotstick/hotstick/internal/failpoint"
	"github.com/hotstick/hotstick/internal/store"
)

// Kinds of notifications.
const (
	NotifyHold   = "rollout.held"
	NotifyHalt   = "rollout.halted"
	NotifyRevert = "rollout.reverting"
	NotifyStrike = "host.struck"
	NotifySelf   = "host.reverted"
	NotifyClone  = "host.cloned"
	NotifyStop   = "fleet.stopped"
	// NotifyDrift: a host's kernel is not as expected. NotifyAligned: it is again.
	NotifyDrift   = "host.drifted"
	NotifyAligned = "host.aligned"
	// NotifyStall: a transition does not end.
	NotifyStall = "host.stalled"
	// NotifyCrash: a level is stopped on one kind of machine.
	NotifyCrash = "patch.crash_stopped"
	// NotifyApproval: a plan waits for approvers.
	NotifyApproval = "rollout.approval_wanted"
	// NotifyFinish: a rollout completed.
	NotifyFinish = "rollout.finished"
	// NotifyDispute: a host holds a checkpoint that the audit log does not continue;
	// nothing starts any more.
	NotifyDispute = "log.disputed"
)

// Notification is the body of one outgoing message.
type Notification struct {
	Type      string    `json:"type"`
	Timestamp time.Time `json:"timestamp"`
	// Text is one or two sentences for people.
	Text string      `json:"text"`
	Data store.Event `json:"data"`
}

// Notify puts a notification about an event into the outbox, in the transaction
// of the change that it tells of.
func Notify(tx store.Tx, kind string, e store.Event) error {
	body, err := json.Marshal(Notification{Type: kind, Timestamp: tx.Now().UTC(), Text: notificationText(kind, e), Data: e})
	if err != nil {
		return fmt.Errorf("cannot encode a notification: %v", err)
	}
	_, err = tx.Outbox().Add(store.Message{Kind: kind, Body: body, Created: tx.Now(), Due: tx.Now()})
	failpoint.Here(failpoint.ControllerNotifyWritten)
	return err
}

func notificationText(kind string, e store.Event) string {
	text := kind
	if e.HostName != "" {
		text += " " + e.HostName
	}
	if !e.Patch.IsZero() {
		text += " " + e.Patch.String()
	}
	if e.Reason != nil {
		text += ": " + why.Text(*e.Reason)
	}
	return text
}
