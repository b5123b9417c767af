package storetest

import (
	"errors"

	"github.com/hotstick/hotstick/internal/store"
)

var markTests = []test{
	{"a mark is empty until it is set, and is replaced", aMarkIsReplaced},
	{"an update that fails leaves its marks as they were", aFailedMarkIsUndone},
}

func (w *world) mark(name string) (value string) {
	w.Helper()
	w.mustView(func(tx store.Tx) (err error) { value, err = tx.Events().Mark(name); return err })
	return value
}

func aMarkIsReplaced(w *world) {
	if got := w.mark("catalog"); got != "" {
		w.Errorf("a mark that was never set is %q", got)
	}
	for _, value := range []string{"a", "a", "'; DROP TABLE marks", ""} {
		w.mustUpdate(func(tx store.Tx) error { return tx.Events().SetMark("catalog", value) })
		if got := w.mark("catalog"); got != value {
			w.Errorf("got %q, want %q", got, value)
		}
	}
	if got := w.mark("Catalog"); got != "" {
		w.Errorf("another mark is %q", got)
	}
}

func aFailedMarkIsUndone(w *world) {
	w.mustUpdate(func(tx store.Tx) error { return tx.Events().SetMark("catalog", "a") })
	failed := errors.New("no")
	w.wantErr(failed, func(tx store.Tx) error {
		if err := tx.Events().SetMark("catalog", "b"); err != nil {
			return err
		}
		return failed
	})
	if got := w.mark("catalog"); got != "a" {
		w.Errorf("got %q", got)
	}
}
