package storetest

import (
	"fmt"
	"slices"
	"time"

	"github.com/hotstick/hotstick/internal/store"
)

var feedTests = []test{
	{"every field of a feed and of its state comes back", everyFieldOfAFeed},
	{"what an operator says leaves the state as it is", aPutKeepsTheState},
	{"an unknown feed is not found", anUnknownFeed},
	{"a feed that still says anything is not deleted", aFeedThatSaysAnything},
	{"a mark is that of its feed, and goes with it", aMarkOfAFeed},
	{"refusals are bounded, and the oldest make room", refusalsAreBounded},
	{"an update that fails leaves feeds as they were", aFailedFeedIsUndone},
}

func (w *world) feed(name string) (f store.Feed) {
	w.Helper()
	w.mustView(func(tx store.Tx) (err error) { f, err = tx.Feeds().Get(name); return err })
	return f
}

func (w *world) putFeed(f store.Feed) {
	w.Helper()
	w.mustUpdate(func(tx store.Tx) error { return tx.Feeds().Put(f) })
}

func everyFieldOfAFeed(w *world) {
	want := Full[store.Feed]()
	w.mustUpdate(func(tx store.Tx) error {
		given := Full[store.Feed]()
		if err := tx.Feeds().Put(given); err != nil {
			return err
		}
		Spoil(given)
		return tx.Feeds().Tell(want.Name, want.State)
	})
	for range 2 {
		got := w.feed(want.Name)
		w.same(got, want.Clone())
		Spoil(got)
		w.mustView(func(tx store.Tx) error {
			all, err := tx.Feeds().List()
			if len(all) != 1 {
				w.Fatalf("there are %d feeds", len(all))
			}
			w.same(all[0], want.Clone())
			return err
		})
		w.reopen()
	}
}

func aPutKeepsTheState(w *world) {
	w.putFeed(store.Feed{Name: "a"})
	if got := w.feed("a"); got.State != (store.FeedState{}) || got.Complete != nil || got.Enabled {
		w.Errorf("a new feed is %+v", got)
	}
	state := store.FeedState{Tried: at(1), Failed: "no route", Failures: 3}
	w.mustUpdate(func(tx store.Tx) error { return tx.Feeds().Tell("a", state) })
	w.putFeed(store.Feed{Name: "a", Enabled: true, State: store.FeedState{Failures: 9}})
	if got := w.feed("a"); got.State != state.Clone() || !got.Enabled {
		w.Errorf("got %+v", got)
	}
}

func anUnknownFeed(w *world) {
	w.wantErr(store.ErrNotFound, func(tx store.Tx) error { _, err := tx.Feeds().Get("a"); return err })
	w.wantErr(store.ErrNotFound, func(tx store.Tx) error { return tx.Feeds().Tell("a", store.FeedState{}) })
	w.wantErr(store.ErrNotFound, func(tx store.Tx) error { return tx.Feeds().SetMark("a", []byte("x")) })
	w.mustUpdate(func(tx store.Tx) error { return tx.Feeds().Delete("a") })
}

func aFeedThatSaysAnything(w *world) {
	w.putFeed(store.Feed{Name: "a"})
	w.putFeed(store.Feed{Name: "b"})
	w.say("a", "D-1")
	w.wantErr(store.ErrTaken, func(tx store.Tx) error { return tx.Feeds().Delete("a") })
	w.mustUpdate(func(tx store.Tx) error { return tx.Feeds().Delete("b") })
	w.mustUpdate(func(tx store.Tx) error {
		return tx.Advisories().Put(store.AdvisoryDocument{Feed: "a", ID: "D-1", Withdrawn: true}, nil)
	})
	w.mustUpdate(func(tx store.Tx) error { return tx.Feeds().Delete("a") })
	w.mustView(func(tx store.Tx) error {
		all, err := tx.Feeds().List()
		if len(all) > 0 {
			w.Errorf("left are %+v", all)
		}
		return err
	})
}

func aMarkOfAFeed(w *world) {
	mark := func() (m []byte) {
		w.mustView(func(tx store.Tx) (err error) { m, err = tx.Feeds().Mark("a"); return err })
		return m
	}
	if mark() != nil {
		w.Error("a feed that nobody knows has a mark")
	}
	w.putFeed(store.Feed{Name: "a"})
	for _, want := range []string{"one", "two\x00", ""} {
		given := []byte(want)
		w.mustUpdate(func(tx store.Tx) error { return tx.Feeds().SetMark("a", given) })
		Spoil(given)
		w.reopen()
		if got := mark(); string(got) != want || want == "" && got != nil {
			w.Errorf("got %q, want %q", got, want)
		}
	}
	w.mustUpdate(func(tx store.Tx) error { return tx.Feeds().SetMark("a", []byte("x")) })
	w.mustUpdate(func(tx store.Tx) error { return tx.Feeds().Refuse(store.Refusal{Feed: "a", Path: "p"}) })
	w.mustUpdate(func(tx store.Tx) error { return tx.Feeds().Delete("a") })
	w.putFeed(store.Feed{Name: "a"})
	if mark() != nil || len(w.refusals("a")) > 0 {
		w.Error("a new feed has the mark or the refusals of one that was deleted")
	}
}

func (w *world) refusals(feed string) (all []store.Refusal) {
	w.Helper()
	w.mustView(func(tx store.Tx) (err error) { all, err = tx.Feeds().Refusals(feed); return err })
	return all
}

func refusalsAreBounded(w *world) {
	refuse := func(path string, minute int) {
		w.Helper()
		w.mustUpdate(func(tx store.Tx) error {
			return tx.Feeds().Refuse(store.Refusal{Feed: "a", Path: path, Reason: "why", At: at(minute)})
		})
	}
	want := Full[store.Refusal]()
	w.mustUpdate(func(tx store.Tx) error { return tx.Feeds().Refuse(want) })
	if got := w.refusals(want.Feed); len(got) != 1 || got[0] != want.Clone() {
		w.Errorf("got %+v", got)
	}
	w.mustUpdate(func(tx store.Tx) error {
		for i := range store.MaxRefusals {
			if err := tx.Feeds().Refuse(store.Refusal{Feed: "a", Path: fmt.Sprintf("%03d", i), At: at(5)}); err != nil {
				return err
			}
		}
		return nil
	})
	paths := func() (all []string) {
		for _, r := range w.refusals("a") {
			all = append(all, r.Path)
		}
		return all
	}
	refuse("as old", 5)
	refuse("007", 4)
	refuse("newer", 6)
	got := paths()
	if len(got) != store.MaxRefusals || slices.Contains(got, "as old") || slices.Contains(got, "007") || !slices.Contains(got, "newer") || !slices.IsSorted(got) {
		w.Errorf("%d are kept: %v", len(got), got)
	}
	w.mustUpdate(func(tx store.Tx) error { return tx.Feeds().Forgive("a", at(6)) })
	if got := paths(); !slices.Equal(got, []string{"newer"}) {
		w.Errorf("left are %v", got)
	}
	if len(w.refusals(want.Feed)) != 1 {
		w.Error("another feed's refusals went too")
	}
}

func aFailedFeedIsUndone(w *world) {
	w.putFeed(store.Feed{Name: "a", Location: "/one"})
	w.say("a", "D-1", "CVE-2026-0001")
	w.wantErr(errWanted, func(tx store.Tx) error {
		for _, err := range []error{
			tx.Feeds().Put(store.Feed{Name: "a", Location: "/two"}), tx.Feeds().Put(store.Feed{Name: "b"}),
			tx.Feeds().Tell("a", store.FeedState{Failures: 1}), tx.Feeds().SetMark("a", []byte("x")),
			tx.Feeds().Refuse(store.Refusal{Feed: "a", Path: "p"}),
			tx.Advisories().Put(store.AdvisoryDocument{Feed: "a", ID: "D-1", Withdrawn: true}, nil),
			tx.Feeds().Delete("b"), tx.Feeds().Delete("a"), tx.Advisories().Sweep(time.Now().AddDate(9, 0, 0)),
		} {
			if err != nil {
				w.Error(err)
			}
		}
		return errWanted
	})
	if got := w.feed("a"); got.Location != "/one" || got.State.Failures != 0 || len(w.refusals("a")) > 0 {
		w.Errorf("got %+v", got)
	}
	if got := w.since(0); len(got) != 1 || len(got[0].Advisories) != 1 || got[0].Document.Withdrawn {
		w.Errorf("the document is %+v", got)
	}
}
