package inventory

import (
	"slices"

	"github.com/hotstick/hotstick/internal/store"
)

// sincePage is how many events are read at once.
const sincePage = 256

// Since returns the events of the audit log from a sequence number on, oldest
// first.
func Since(tx store.Tx, from int64) ([]store.Event, error) {
	var events []store.Event
	for before := int64(0); ; {
		page, err := tx.Events().List(store.EventFilter{Before: before, From: from, Limit: sincePage})
		if err != nil {
			return nil, err
		}
		events = append(events, page...)
		if len(page) > 0 {
			before = page[len(page)-1].Seq
		}
		// Before 0 would mean the end of the log again.
		if len(page) < sincePage || before <= from || before == 0 {
			slices.Reverse(events)
			return events, nil
		}
	}
}

// Next returns the sequence number that the next event of the audit log will get.
func Next(tx store.Tx) (int64, error) {
	newest, err := tx.Events().List(store.EventFilter{Limit: 1})
	if err != nil || len(newest) == 0 {
		return 0, err
	}
	return newest[0].Seq + 1, nil
}
