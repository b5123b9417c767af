package inventory

import (
	"testing"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/store"
)

func TestTheLogIsReadFromAnyPointOn(t *testing.T) {
	w := newWorld(t, hotstick.Waiting)
	for _, n := range []int64{0, 1, sincePage - 1, sincePage, 1, sincePage + 1} {
		w.update(func(tx store.Tx) error {
			for range n {
				if _, err := tx.Events().Append(store.Event{Kind: "x"}); err != nil {
					return err
				}
			}
			return nil
		})
		w.must(w.store.View(t.Context(), func(tx store.Tx) error {
			next, err := Next(tx)
			for from := int64(0); from <= next; from++ {
				events, err := Since(tx, from)
				if err != nil || int64(len(events)) != next-from {
					t.Fatalf("from %d of %d: %d events, %v", from, next, len(events), err)
				}
				for i, e := range events {
					if e.Seq != from+int64(i) {
						t.Fatalf("from %d of %d: event %d is %d", from, next, i, e.Seq)
					}
				}
			}
			return err
		}))
	}
}
