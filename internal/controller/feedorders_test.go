package controller

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hotstick/hotstick/internal/store"
)

func TestWhatNoFeedCanBeIsRefused(t *testing.T) {
	inBubble(t, 1, func(w *world) {
		for name, edit := range map[string]func(*store.Feed){
			"no name":                 func(f *store.Feed) { f.Name = "" },
			"a name with a slash":     func(f *store.Feed) { f.Name = "a/b" },
			"a long name":             func(f *store.Feed) { f.Name = strings.Repeat("a", 41) },
			"no location":             func(f *store.Feed) { f.Location = "" },
			"a relative path":         func(f *store.Feed) { f.Location = "feeds/debian" },
			"another scheme":          func(f *store.Feed) { f.Location = "file:///etc" },
			"an address without host": func(f *store.Feed) { f.Location = "https:///all.zip" },
			"a password":              func(f *store.Feed) { f.Location = "https://ada:secret@one.test/" },
			"a long address":          func(f *store.Feed) { f.Location = "https://one.test/" + strings.Repeat("a", 1000) },
			"too often":               func(f *store.Feed) { f.Period = time.Second },
			"too seldom":              func(f *store.Feed) { f.Period = 31 * 24 * time.Hour },
			"complete for no release": func(f *store.Feed) { f.Complete = []string{"debian"} },
			"complete for everything": func(f *store.Feed) { f.Complete = make([]string, 65) },
			"the vendor of a release": func(f *store.Feed) { f.Vendor = []string{"debian:12"} },
		} {
			f := store.Feed{Name: "debian", Location: "https://one.test/all.zip", Period: time.Hour}
			edit(&f)
			err := w.control.PutFeed(w.Context(), f, "alice", "x")
			if refusedAs(t, err, CodeInvalid); err != nil && strings.Contains(err.Error(), "secret") {
				t.Errorf("%s: the refusal repeats it", name)
			}
		}
		if all := w.feeds(); len(all) > 0 {
			t.Errorf("there are %+v", all)
		}
		refusedAs(t, w.control.PutFeed(w.Context(), store.Feed{Name: "a", Location: "/a", Period: time.Hour}, "alice", " "), CodeInvalid)
		refusedAs(t, w.control.RemoveFeed(w.Context(), "a", "alice", "x"), CodeNotFound)
	})
}

func (w *world) feeds() (all []store.Feed) {
	w.must(w.store.View(w.Context(), func(tx store.Tx) (err error) { all, err = tx.Feeds().List(); return err }))
	return all
}

func TestAFeedIsNamedChangedAndTakenOut(t *testing.T) {
	inBubble(t, 1, func(w *world) {
		f := store.Feed{Name: "a", Location: "/a/../b/", Period: time.Hour, Enabled: true}
		w.must(w.control.PutFeed(w.Context(), f, "alice", "x"))
		first := w.feeds()[0]
		if first.Kind != store.FeedPath || first.Location != "/b" || first.Added.IsZero() {
			t.Errorf("it is %+v", first)
		}
		state := store.FeedState{Failures: 3}
		w.must(w.store.Update(w.Context(), func(tx store.Tx) error { return tx.Feeds().Tell("a", state) }))
		pass(time.Minute)
		f.Location, f.Complete = "https://one.test/all.zip", []string{"debian:12", "sle-micro:5.5"}
		w.must(w.control.PutFeed(w.Context(), f, "alice", "x"))
		if second := w.feeds()[0]; second.Kind != store.FeedWeb || !second.Added.Equal(first.Added) || second.State != state || len(second.Complete) != 2 {
			t.Errorf("then it is %+v", second)
		}
		for range 2 {
			w.must(w.control.RemoveFeed(w.Context(), "a", "alice", "x"))
		}
		if all := w.feeds(); len(all) != 1 || !all[0].Removed {
			t.Errorf("taken out it is %+v", all)
		}
		refusedAs(t, w.control.PutFeed(w.Context(), f, "alice", "x"), CodeConflict)
		for i := range maxFeeds - 1 {
			f.Name = fmt.Sprint("f-", i)
			w.must(w.control.PutFeed(w.Context(), f, "alice", "x"))
		}
		f.Name = "one-more"
		refusedAs(t, w.control.PutFeed(w.Context(), f, "alice", "x"), CodeConflict)
	})
}
