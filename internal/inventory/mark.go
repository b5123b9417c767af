package inventory

import (
	"slices"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/store"
)

// Mark notes that a patch was taken back out of a host, so that no plan offers it
// there again before a clear. To mark it again changes nothing.
func Mark(tx store.Tx, id hotstick.HostID, patch hotstick.PatchRef, why hotstick.Reason, who string) error {
	h, err := tx.Hosts().Get(id)
	if err != nil {
		return err
	}
	if !mark(&h, patch) {
		return nil
	}
	if err := tx.Hosts().Put(h); err != nil {
		return err
	}
	_, err = tx.Events().Append(store.Event{Kind: HostMarked, Actor: who, Host: h.ID, HostName: h.Name, Patch: patch, Reason: &why})
	return err
}

// maxMarks bounds what is kept of one host. A host that reverted more levels has
// other troubles; the oldest mark goes.
const maxMarks = 256

func mark(h *store.Host, patch hotstick.PatchRef) bool {
	if slices.Contains(h.Reverted, patch) {
		return false
	}
	if len(h.Reverted) >= maxMarks {
		h.Reverted = h.Reverted[1:]
	}
	h.Reverted = append(h.Reverted, patch)
	return true
}
