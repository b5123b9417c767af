package storetest

import (
	"context"

	"github.com/hotstick/hotstick/internal/store"
)

var changeTests = []test{
	{"a commit gives a token", aCommitGivesAToken},
	{"tokens coalesce", tokensCoalesce},
	{"what changes nothing gives no token", whatChangesNothingGivesNoToken},
	{"every subscriber gets its own token", everySubscriberGetsItsOwn},
	{"a subscription ends", aSubscriptionEnds},
	{"closing the store closes the channels", closingClosesTheChannels},
}

// waits reports whether a token waits. Stores give tokens before Update returns.
func waits(ch <-chan struct{}) bool {
	select {
	case _, ok := <-ch:
		return ok
	default:
		return false
	}
}

func (w *world) change() { w.append(store.Event{Kind: "change"}) }

func aCommitGivesAToken(w *world) {
	ch, end := w.s.Changes()
	defer end()
	w.change()
	if !waits(ch) {
		w.Error("no token")
	}
}

func tokensCoalesce(w *world) {
	ch, end := w.s.Changes()
	defer end()
	w.change()
	w.change()
	if !waits(ch) || waits(ch) {
		w.Error("want one token after two commits")
	}
}

func whatChangesNothingGivesNoToken(w *world) {
	ch, end := w.s.Changes()
	defer end()
	w.mustView(func(store.Tx) error { return nil })
	w.mustUpdate(func(store.Tx) error { return nil })
	w.wantErr(errWanted, func(tx store.Tx) error {
		if err := tx.Bans().SetStopAll(true); err != nil {
			w.Error(err)
		}
		return errWanted
	})
	if err := w.s.Check(context.Background()); err != nil {
		w.Error(err)
	}
	if waits(ch) {
		w.Error("a token without a change")
	}
}

func everySubscriberGetsItsOwn(w *world) {
	a, endA := w.s.Changes()
	defer endA()
	b, endB := w.s.Changes()
	defer endB()
	w.change()
	if !waits(a) || !waits(b) {
		w.Error("want a token for each")
	}
}

func aSubscriptionEnds(w *world) {
	ch, end := w.s.Changes()
	end()
	end()
	w.change()
	select {
	case _, ok := <-ch:
		w.Errorf("received after the end (open: %v)", ok)
	default:
	}
}

func closingClosesTheChannels(w *world) {
	ch, end := w.s.Changes()
	if err := w.s.Close(); err != nil {
		w.Error(err)
	}
	if _, open := <-ch; open {
		w.Error("a token of a closed store")
	}
	end()
	late, _ := w.s.Changes()
	if _, open := <-late; open {
		w.Error("a token of a closed store")
	}
}
