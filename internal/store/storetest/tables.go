package storetest

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/store"
)

var slotTests = []test{
	{"a slot has one holder", aSlotHasOneHolder},
	{"a release frees what the host holds for the plan", aReleaseFrees},
}

var banTests = []test{
	{"a ban is replaced", aBanIsReplaced},
	{"bans are listed by name, then level", bansAreListed},
	{"the stop is set and lifted", theStopIsSetAndLifted},
}

var tokenTests = []test{
	{"a token is used once", aTokenIsUsedOnce},
	{"a used token cannot be put unused", aUsedTokenStaysUsed},
	{"a token is replaced", aTokenIsReplaced},
	{"a token for three is used thrice", aTokenForThreeIsUsedThrice},
	{"a revoked token is not used", aRevokedTokenIsNotUsed},
	{"tokens that are worth nothing are swept", whatIsWorthNothingIsSwept},
	{"tokens are listed by kind", tokensAreListedByKind},
	{"an account is replaced, and listed by person", anAccountIsReplaced},
}

var outboxTests = []test{
	{"messages get numbers that rise", messagesGetNumbers},
	{"due messages come oldest first", dueMessagesComeOldestFirst},
	{"a message that was never added is not found", aMessageThatWasNeverAdded},
}

func (w *world) slots() (slots []store.Slot) {
	w.Helper()
	w.mustView(func(tx store.Tx) (err error) { slots, err = tx.Slots().List(); return err })
	return slots
}

func (w *world) take(s store.Slot) error {
	return w.update(func(tx store.Tx) error { return tx.Slots().Take(s) })
}

func aSlotHasOneHolder(w *world) {
	slot := store.Slot{Domain: "rack", Value: "a3", Index: 0, Plan: planID("p"), Host: hostID(1), Taken: store.Instant(at(0))}
	for _, c := range []struct {
		change func(s *store.Slot)
		want   error
	}{
		{func(*store.Slot) {}, nil},
		{func(*store.Slot) {}, store.ErrTaken},
		{func(s *store.Slot) { s.Host = hostID(2) }, store.ErrTaken},
		{func(s *store.Slot) { s.Plan = planID("other") }, store.ErrTaken},
		{func(s *store.Slot) { s.Index = 1 }, nil},
		{func(s *store.Slot) { s.Value = "a4" }, nil},
		{func(s *store.Slot) { s.Value = "A3" }, nil},
		{func(s *store.Slot) { s.Domain = "zone" }, nil},
	} {
		s := slot
		c.change(&s)
		if err := w.take(s); !errors.Is(err, c.want) {
			w.Errorf("%+v: got %v, want %v", s, err, c.want)
		}
	}
	var got []string
	for _, s := range w.slots() {
		got = append(got, fmt.Sprintf("%s %s %d", s.Domain, s.Value, s.Index))
	}
	if want := []string{"rack A3 0", "rack a3 0", "rack a3 1", "rack a4 0", "zone a3 0"}; !slices.Equal(got, want) {
		w.Errorf("got %v, want %v", got, want)
	}
}

func aReleaseFrees(w *world) {
	for i, s := range []store.Slot{
		{Domain: "rack", Plan: "p", Host: "h"}, {Domain: "fleet", Plan: "p", Host: "h"},
		{Domain: "rack", Plan: "p", Host: "other"}, {Domain: "rack", Plan: "other", Host: "h"},
	} {
		s.Index = i
		if err := w.take(s); err != nil {
			w.Fatal(err)
		}
	}
	for range 2 { // to release again changes nothing
		w.mustUpdate(func(tx store.Tx) error { return tx.Slots().Release("p", "h") })
		var got []int
		for _, s := range w.slots() {
			got = append(got, s.Index)
		}
		if !slices.Equal(got, []int{2, 3}) {
			w.Errorf("left are %v, want 2 and 3", got)
		}
	}
	w.mustView(func(tx store.Tx) error {
		freed, err1 := tx.Slots().Held("p", "h")
		held, err2 := tx.Slots().Held("other", "h")
		if len(freed) != 0 || len(held) != 1 || held[0].Index != 3 {
			w.Errorf("held are %+v and %+v", freed, held)
		}
		return errors.Join(err1, err2)
	})
	if err := w.take(store.Slot{Domain: "rack", Index: 0, Host: "next"}); err != nil {
		w.Errorf("the freed slot: %v", err)
	}
}

func aBanIsReplaced(w *world) {
	ban := Full[store.Ban]()
	w.mustUpdate(func(tx store.Tx) error { return tx.Bans().Put(ban) })
	ban.By, ban.Reason = "another", hotstick.Reason{Code: hotstick.ReasonCrash}
	w.mustUpdate(func(tx store.Tx) error { return tx.Bans().Put(ban) })
	w.mustView(func(tx store.Tx) error {
		got, err := tx.Bans().Get(ban.Patch)
		w.same(got, ban.Clone())
		return err
	})
	other := ban.Patch
	other.Level++
	w.wantErr(store.ErrNotFound, func(tx store.Tx) error { _, err := tx.Bans().Get(other); return err })
}

func bansAreListed(w *world) {
	refs := []hotstick.PatchRef{{Name: "a", Level: 2}, {Name: "a", Level: 10}, {Name: "b", Level: 1}}
	for _, ref := range []int{2, 1, 0} {
		w.mustUpdate(func(tx store.Tx) error { return tx.Bans().Put(store.Ban{Patch: refs[ref]}) })
	}
	w.mustView(func(tx store.Tx) error {
		bans, err := tx.Bans().List()
		var got []hotstick.PatchRef
		for _, b := range bans {
			got = append(got, b.Patch)
		}
		if !slices.Equal(got, refs) {
			w.Errorf("got %v, want %v", got, refs)
		}
		return err
	})
}

func theStopIsSetAndLifted(w *world) {
	for _, on := range []bool{true, true, false, false, true} {
		w.mustUpdate(func(tx store.Tx) error { return tx.Bans().SetStopAll(on) })
		w.mustView(func(tx store.Tx) error {
			got, err := tx.Bans().StopAll()
			if got != on {
				w.Errorf("got %v, want %v", got, on)
			}
			return err
		})
	}
	w.reopen()
	w.mustView(func(tx store.Tx) error {
		got, err := tx.Bans().StopAll()
		if !got {
			w.Error("the stop did not survive")
		}
		return err
	})
}

func aTokenIsUsedOnce(w *world) {
	w.wantErr(store.ErrNotFound, func(tx store.Tx) error { return tx.Tokens().Use("d") })
	w.mustUpdate(func(tx store.Tx) error { return tx.Tokens().Put(store.Token{Digest: "d", Kind: "join"}) })
	var used time.Time
	w.mustUpdate(func(tx store.Tx) error { used = tx.Now(); return tx.Tokens().Use("d") })
	w.wantErr(store.ErrTaken, func(tx store.Tx) error { return tx.Tokens().Use("d") })
	w.mustUpdate(func(tx store.Tx) error {
		if err := tx.Tokens().Use("d"); !errors.Is(err, store.ErrTaken) {
			w.Errorf("got %v", err)
		}
		got, err := tx.Tokens().Get("d")
		if got.Used == nil || *got.Used != used {
			w.Errorf("used at %v, want %v", got.Used, used)
		}
		return err
	})
}

func aUsedTokenStaysUsed(w *world) {
	token := store.Token{Digest: "d", Kind: "join"}
	w.mustUpdate(func(tx store.Tx) error {
		return errors.Join(tx.Tokens().Put(token), tx.Tokens().Use("d"))
	})
	w.wantErr(store.ErrTaken, func(tx store.Tx) error { return tx.Tokens().Put(token) })
	w.wantErr(store.ErrTaken, func(tx store.Tx) error { return tx.Tokens().Use("d") })
}

func aTokenIsReplaced(w *world) {
	token := Full[store.Token]()
	w.mustUpdate(func(tx store.Tx) error { return tx.Tokens().Put(token) })
	token.Expires = at(9)
	w.mustUpdate(func(tx store.Tx) error { return tx.Tokens().Put(token) })
	w.mustView(func(tx store.Tx) error {
		got, err := tx.Tokens().Get(token.Digest)
		w.same(got, token.Clone())
		return err
	})
	w.wantErr(store.ErrNotFound, func(tx store.Tx) error { _, err := tx.Tokens().Get("none"); return err })
}

func (w *world) add(m store.Message) (id int64) {
	w.Helper()
	w.mustUpdate(func(tx store.Tx) (err error) { id, err = tx.Outbox().Add(m); return err })
	return id
}

func messagesGetNumbers(w *world) {
	first := w.add(store.Message{ID: 77, Kind: "a"})
	if second := w.add(store.Message{ID: 77, Kind: "b"}); first < 1 || second <= first {
		w.Errorf("numbers %d and %d", first, second)
	}
}

func dueMessagesComeOldestFirst(w *world) {
	due := []int{5, 3, 9, 1, 4} // the minute in which each is due
	var ids []int64
	for _, minute := range due {
		ids = append(ids, w.add(store.Message{Due: at(minute)}))
	}
	done := at(0)
	w.mustUpdate(func(tx store.Tx) error {
		return tx.Outbox().Put(store.Message{ID: ids[4], Due: at(4), Done: &done})
	})
	for _, c := range []struct {
		now   time.Time
		limit int
		want  []int64
	}{
		{at(0), 0, nil},
		{at(1), 0, ids[3:4]},
		{at(5).Add(-time.Millisecond), 0, []int64{ids[1], ids[3]}},
		{at(5), 0, []int64{ids[0], ids[1], ids[3]}},
		{at(5), 2, []int64{ids[0], ids[1]}},
		{at(30), 0, ids[:4]},
	} {
		w.mustView(func(tx store.Tx) error {
			messages, err := tx.Outbox().Due(c.now, c.limit)
			var got []int64
			for _, m := range messages {
				got = append(got, m.ID)
			}
			if !slices.Equal(got, c.want) {
				w.Errorf("at %v, at most %d: got %v, want %v", c.now, c.limit, got, c.want)
			}
			return err
		})
	}
}

func aMessageThatWasNeverAdded(w *world) {
	w.wantErr(store.ErrNotFound, func(tx store.Tx) error { return tx.Outbox().Put(store.Message{ID: 1}) })
	id := w.add(store.Message{})
	w.wantErr(store.ErrNotFound, func(tx store.Tx) error { return tx.Outbox().Put(store.Message{ID: id + 1}) })
}

func aTokenForThreeIsUsedThrice(w *world) {
	w.mustUpdate(func(tx store.Tx) error { return tx.Tokens().Put(store.Token{Digest: "d", Kind: "join", Hosts: 3}) })
	for i := range 3 {
		w.mustUpdate(func(tx store.Tx) error { return tx.Tokens().Use("d") })
		w.mustView(func(tx store.Tx) error {
			got, err := tx.Tokens().Get("d")
			if got.Joined != i+1 || (got.Used != nil) != (i == 2) {
				w.Errorf("after %d uses the token is %+v", i+1, got)
			}
			return err
		})
	}
	w.wantErr(store.ErrTaken, func(tx store.Tx) error { return tx.Tokens().Use("d") })
}

func aRevokedTokenIsNotUsed(w *world) {
	now := at(0)
	token := store.Token{Digest: "d", Kind: "join", Hosts: 3, Revoked: &now}
	w.mustUpdate(func(tx store.Tx) error { return tx.Tokens().Put(token) })
	w.wantErr(store.ErrTaken, func(tx store.Tx) error { return tx.Tokens().Use("d") })
	token.Revoked = nil
	w.wantErr(store.ErrTaken, func(tx store.Tx) error { return tx.Tokens().Put(token) })
}

func tokensAreListedByKind(w *world) {
	w.mustUpdate(func(tx store.Tx) error {
		return errors.Join(
			tx.Tokens().Put(store.Token{Digest: "c", Kind: "join", Created: at(1), Group: map[string]string{"site": "a"}}),
			tx.Tokens().Put(store.Token{Digest: "b", Kind: "join", Created: at(2)}),
			tx.Tokens().Put(store.Token{Digest: "a", Kind: "join", Created: at(2)}),
			tx.Tokens().Put(store.Token{Digest: "x", Kind: "api", Created: at(0)}))
	})
	w.mustView(func(tx store.Tx) error {
		got, err := tx.Tokens().List("join")
		var digests []string
		for _, t := range got {
			digests = append(digests, string(t.Digest))
		}
		if !slices.Equal(digests, []string{"c", "a", "b"}) || got[0].Group["site"] != "a" {
			w.Errorf("the list is %+v", got)
		}
		if none, err := tx.Tokens().List("session"); err != nil || none != nil {
			w.Errorf("of a kind that nobody made there are %v, %v", none, err)
		}
		return err
	})
}

func whatIsWorthNothingIsSwept(w *world) {
	gone := at(0)
	for _, t := range []store.Token{{Digest: "expired", Expires: at(1)}, {Digest: "used", Used: &gone}, {Digest: "revoked", Revoked: &gone},
		{Digest: "good", Expires: at(1e6)}, {Digest: "endless"}} {
		for _, kind := range []string{"session", "api"} {
			t.Kind, t.Digest = kind, t.Digest+"-"+hotstick.Digest(kind)
			w.mustUpdate(func(tx store.Tx) error { return tx.Tokens().Put(t) })
		}
	}
	w.mustUpdate(func(tx store.Tx) error { return tx.Tokens().Sweep("session") })
	w.mustView(func(tx store.Tx) error {
		left, err1 := tx.Tokens().List("session")
		others, err2 := tx.Tokens().List("api")
		if len(left) != 2 || len(others) != 5 {
			w.Errorf("left are %+v, and %d of another kind", left, len(others))
		}
		return errors.Join(err1, err2)
	})
}

func anAccountIsReplaced(w *world) {
	for _, a := range []store.Account{
		{Person: "carol", Roles: []string{"viewer"}}, {Person: "alice", Roles: []string{"admin"}, Password: "p"}, {Person: "Alice"},
		{Person: "carol", Roles: []string{"operator", "approver"}, Disabled: true, Since: at(3)},
	} {
		w.mustUpdate(func(tx store.Tx) error { return tx.Tokens().PutAccount(a) })
	}
	w.reopen()
	w.mustView(func(tx store.Tx) error {
		all, err := tx.Tokens().Accounts()
		var got []string
		for _, a := range all {
			got = append(got, fmt.Sprintf("%s %v %v", a.Person, a.Roles, a.Disabled))
		}
		if want := []string{"Alice [] false", "alice [admin] false", "carol [operator approver] true"}; !slices.Equal(got, want) {
			w.Errorf("got %q, want %q", got, want)
		}
		return err
	})
	w.wantErr(store.ErrNotFound, func(tx store.Tx) error { _, err := tx.Tokens().Account("bob"); return err })
	boom := errors.New("boom")
	w.wantErr(boom, func(tx store.Tx) error {
		return errors.Join(tx.Tokens().PutAccount(store.Account{Person: "mallory", Roles: []string{"admin"}}), boom)
	})
	w.mustView(func(tx store.Tx) error {
		if _, err := tx.Tokens().Account("mallory"); !errors.Is(err, store.ErrNotFound) {
			w.Errorf("of an update that failed there is an account: %v", err)
		}
		return nil
	})
}
