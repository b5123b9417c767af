package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/audit"
	"github.com/hotstick/hotstick/internal/store"
)

var eventTests = []test{
	{"events are numbered without gaps", eventsAreNumberedWithoutGaps},
	{"append gives number and time, whatever the caller says", appendGivesNumberAndTime},
	{"a leaf is the event's canonical bytes", aLeafIsTheEvent},
	{"the head is the one recomputed from the leaves", theHeadIsRecomputed},
	{"every head continues every older one", everyHeadContinues},
	{"events are listed newest first, in pages", eventsAreListedNewestFirst},
	{"a plan or host narrows the list", aPlanOrHostNarrows},
	{"an event that cannot be a leaf is refused", anEventThatCannotBeALeaf},
	{"what is not there is not found", whatIsNotThere},
}

func eventsAreNumberedWithoutGaps(w *world) {
	for i := range 40 {
		if i%3 == 0 {
			w.wantErr(errWanted, func(tx store.Tx) error {
				if _, err := tx.Events().Append(store.Event{Kind: "never"}); err != nil {
					w.Error(err)
				}
				return errWanted
			})
		}
		if i == 20 {
			w.reopen()
		}
		if e := w.append(store.Event{Kind: "x"}); e.Seq != int64(i) {
			w.Fatalf("event %d got number %d", i, e.Seq)
		}
	}
	w.verifyLog(40)
}

func appendGivesNumberAndTime(w *world) {
	w.mustUpdate(func(tx store.Tx) error {
		e, err := tx.Events().Append(store.Event{Seq: 99, At: at(0), Kind: "x"})
		if e.Seq != 0 || e.At != tx.Now() || e.Kind != "x" {
			w.Errorf("got %+v at %v", e, tx.Now())
		}
		return err
	})
}

func aLeafIsTheEvent(w *world) {
	e := w.append(Full[store.Event]())
	want, err := audit.Encode(e)
	if err != nil {
		w.Fatal(err)
	}
	w.mustView(func(tx store.Tx) error {
		got, err := tx.Events().Leaf(0)
		if !bytes.Equal(got, want) {
			w.Errorf("got  %s\nwant %s", got, want)
		}
		return err
	})
	if got := w.events(store.EventFilter{}); len(got) != 1 {
		w.Errorf("got %v", got)
	} else {
		w.same(got[0], e)
	}
}

func (w *world) head() (head audit.Head) {
	w.Helper()
	w.mustView(func(tx store.Tx) error {
		size, root, err := tx.Events().Head()
		head = audit.Head{Size: size, Root: root}
		return err
	})
	return head
}

// theHeadIsRecomputed builds the same log from the leaves' bytes alone.
func theHeadIsRecomputed(w *world) {
	var tree audit.Tree
	for i := range 70 {
		if got := w.head(); got != tree.Head() {
			w.Fatalf("head after %d events: %v, want %v", i, got, tree.Head())
		}
		w.mustUpdate(func(tx store.Tx) error {
			if _, err := tx.Events().Append(store.Event{Kind: fmt.Sprint("event ", i)}); err != nil {
				return err
			}
			leaf, err := tx.Events().Leaf(int64(i))
			tree.Add(leaf)
			size, root, err2 := tx.Events().Head()
			if (audit.Head{Size: size, Root: root}) != tree.Head() {
				w.Errorf("in the transaction: head %d is not that of the leaves", size)
			}
			return errors.Join(err, err2)
		})
	}
	w.reopen()
	if got := w.head(); got != tree.Head() {
		w.Errorf("after reopening: %v, want %v", got, tree.Head())
	}
	w.verifyLog(70)
}

func everyHeadContinues(w *world) {
	var heads []audit.Head
	for range 21 {
		heads = append(heads, w.head())
		w.append(store.Event{})
	}
	newest := w.head()
	w.mustView(func(tx store.Tx) error {
		if err := audit.VerifyLog(tx.Events(), append(heads, newest)...); err != nil {
			return err
		}
		for _, older := range heads {
			proof, err := audit.ProveGrowth(older.Size, newest.Size, tx.Events())
			if err == nil {
				err = audit.CheckGrowth(proof, older, newest)
			}
			if err != nil {
				w.Errorf("from %d to %d: %v", older.Size, newest.Size, err)
			}
		}
		for seq := range newest.Size {
			leaf, err := tx.Events().Leaf(seq)
			if err != nil {
				return err
			}
			proof, err := audit.ProveLeaf(newest.Size, seq, tx.Events())
			if err == nil {
				err = audit.CheckLeaf(proof, newest, seq, leaf)
			}
			if err != nil {
				w.Errorf("leaf %d: %v", seq, err)
			}
		}
		return nil
	})
}

func (w *world) wantSeqs(f store.EventFilter, want ...int64) {
	w.Helper()
	var got []int64
	for _, e := range w.events(f) {
		got = append(got, e.Seq)
	}
	if !slices.Equal(got, want) {
		w.Errorf("%+v gives %v, want %v", f, got, want)
	}
}

func eventsAreListedNewestFirst(w *world) {
	for range 7 {
		w.append(store.Event{})
	}
	w.wantSeqs(store.EventFilter{}, 6, 5, 4, 3, 2, 1, 0)
	w.wantSeqs(store.EventFilter{Limit: 3}, 6, 5, 4)
	w.wantSeqs(store.EventFilter{Limit: 3, Before: 4}, 3, 2, 1)
	w.wantSeqs(store.EventFilter{Limit: 3, Before: 1}, 0)
	w.wantSeqs(store.EventFilter{Before: 100, Limit: 1}, 6)
	w.wantSeqs(store.EventFilter{From: 5}, 6, 5)
	w.wantSeqs(store.EventFilter{From: 2, Before: 5, Limit: 2}, 4, 3)
	w.wantSeqs(store.EventFilter{From: 7})
}

func aPlanOrHostNarrows(w *world) {
	for i := range int64(12) {
		e := store.Event{}
		if i%2 == 0 {
			e.Plan = planID("p")
		}
		if i%3 == 0 {
			e.Host = hostID(3)
		}
		w.append(e)
	}
	w.wantSeqs(store.EventFilter{Plan: planID("p")}, 10, 8, 6, 4, 2, 0)
	w.wantSeqs(store.EventFilter{Plan: planID("p"), Before: 8, Limit: 2}, 6, 4)
	w.wantSeqs(store.EventFilter{Host: hostID(3)}, 9, 6, 3, 0)
	w.wantSeqs(store.EventFilter{Host: hostID(3), Before: 6}, 3, 0)
	w.wantSeqs(store.EventFilter{Host: hostID(3), From: 3, Before: 9}, 6, 3)
	w.wantSeqs(store.EventFilter{Plan: planID("p"), From: 7}, 10, 8)
	w.wantSeqs(store.EventFilter{Host: hostID(3), Plan: planID("p")}, 6, 0)
	w.wantSeqs(store.EventFilter{Host: hostID(3), Plan: planID("p"), Limit: 1}, 6)
	w.wantSeqs(store.EventFilter{Host: hostID(4)})
	w.wantSeqs(store.EventFilter{Plan: "%"})
}

func anEventThatCannotBeALeaf(w *world) {
	huge := store.Event{Evidence: []hotstick.Evidence{{Text: strings.Repeat("x", audit.MaxLeafBytes)}}}
	w.mustUpdate(func(tx store.Tx) error {
		if _, err := tx.Events().Append(huge); err == nil {
			w.Error("took an event larger than a leaf may be")
		}
		_, err := tx.Events().Append(store.Event{Kind: "next"})
		return err
	})
	w.verifyLog(1)
}

func whatIsNotThere(w *world) {
	w.append(store.Event{})
	w.mustView(func(tx store.Tx) error {
		for _, seq := range []int64{-1, 1, 1 << 40} {
			if leaf, err := tx.Events().Leaf(seq); !errors.Is(err, store.ErrNotFound) {
				w.Errorf("leaf %d: %q, %v", seq, leaf, err)
			}
		}
		for _, index := range []int64{1, 2, 1 << 40} {
			if hashes, err := tx.Events().ReadHashes([]int64{0, index}); !errors.Is(err, store.ErrNotFound) {
				w.Errorf("hash %d: %v, %v", index, hashes, err)
			}
		}
		hashes, err := tx.Events().ReadHashes(nil)
		if len(hashes) != 0 {
			w.Errorf("no question, and the answer %v", hashes)
		}
		return err
	})
}
