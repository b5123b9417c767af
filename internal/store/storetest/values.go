package storetest

import (
	"reflect"
	"strings"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/store"
)

var valueTests = []test{
	{"every field of every row comes back, also after reopening", everyFieldComesBack},
	{"nothing is shared with what was given", nothingIsSharedWithWhatWasGiven},
	{"nothing is shared with what was returned", nothingIsSharedWithWhatWasReturned},
	{"times come back in UTC to the microsecond", timesComeBackInUTC},
	{"the zero time comes back as the zero time", theZeroTimeComesBack},
	{"empty comes back nil", emptyComesBackNil},
	{"big facts come back whole", bigFactsComeBackWhole},
}

// rows is one full row of each table.
type rows struct {
	Host    store.Host
	Plan    store.Plan
	Line    store.PlanHost
	Slot    store.Slot
	Event   store.Event
	Ban     store.Ban
	Token   store.Token
	Account store.Account
	Message store.Message

	Exclusion store.Exclusion
	Freeze    store.Freeze
	Statement store.Statement
	CrashStop store.CrashStop
}

func fullRows() rows {
	r := rows{Full[store.Host](), Full[store.Plan](), Full[store.PlanHost](), Full[store.Slot](),
		Full[store.Event](), Full[store.Ban](), Full[store.Token](), Full[store.Account](), Full[store.Message](),
		Full[store.Exclusion](), Full[store.Freeze](), Full[store.Statement](), Full[store.CrashStop]()}
	r.Host.Revoked = false
	r.Line.Plan = r.Plan.ID
	r.Event.Seq, r.Message.ID, r.Freeze.ID = 0, 1, 1
	return r
}

func (r *rows) put(tx store.Tx) error {
	line := r.Line.Clone()
	if err := tx.Hosts().Put(r.Host); err != nil {
		return err
	}
	if err := tx.Plans().Create(r.Plan, []store.PlanHost{line}); err != nil {
		return err
	}
	if err := tx.Plans().PutHost(r.Line); err != nil {
		return err
	}
	if err := tx.Slots().Take(r.Slot); err != nil {
		return err
	}
	if _, err := tx.Events().Append(r.Event); err != nil {
		return err
	}
	if err := tx.Bans().Put(r.Ban); err != nil {
		return err
	}
	if err := tx.Tokens().Put(r.Token); err != nil {
		return err
	}
	if err := tx.Tokens().PutAccount(r.Account); err != nil {
		return err
	}
	if err := tx.Hosts().Exclude(r.Exclusion); err != nil {
		return err
	}
	if _, err := tx.Bans().Freeze(r.Freeze); err != nil {
		return err
	}
	if err := tx.Bans().PutStatement(r.Statement); err != nil {
		return err
	}
	if err := tx.Bans().StopPrint(r.CrashStop); err != nil {
		return err
	}
	_, err := tx.Outbox().Add(r.Message)
	return err
}

// read reads every row back, each through one way, and reports through lists
// whether they agree.
func (w *world) read(want rows) (got rows) {
	w.Helper()
	w.mustView(func(tx store.Tx) error {
		var err error
		check := func(e error) {
			if e != nil && err == nil {
				err = e
			}
		}
		var e error
		got.Host, e = tx.Hosts().Get(want.Host.ID)
		check(e)
		got.Plan, e = tx.Plans().Get(want.Plan.ID)
		check(e)
		got.Line, e = tx.Plans().Host(want.Plan.ID, want.Line.Listed.Host)
		check(e)
		slots, e := tx.Slots().List()
		check(e)
		events, e := tx.Events().List(store.EventFilter{})
		check(e)
		got.Ban, e = tx.Bans().Get(want.Ban.Patch)
		check(e)
		got.Token, e = tx.Tokens().Get(want.Token.Digest)
		check(e)
		got.Account, e = tx.Tokens().Account(want.Account.Person)
		check(e)
		got.Exclusion, e = tx.Hosts().Exclusion(want.Exclusion.Host)
		check(e)
		freezes, e := tx.Bans().Freezes()
		check(e)
		statements, e := tx.Bans().Statements(want.Statement.Kind)
		check(e)
		stops, e := tx.Bans().CrashStops(want.CrashStop.Print.Patch)
		check(e)
		if len(freezes) == 1 && len(statements) == 1 && len(stops) == 1 {
			got.Freeze, got.Statement, got.CrashStop = freezes[0], statements[0], stops[0]
		}
		if len(slots) == 1 && len(events) == 1 {
			got.Slot, got.Event = slots[0], events[0]
		}
		got.Message = w.onlyMessage(tx)
		return err
	})
	return got
}

// onlyMessage returns the one message, which must not be done.
func (w *world) onlyMessage(tx store.Tx) store.Message {
	w.Helper()
	messages, err := tx.Outbox().Due(time.Now().AddDate(1000, 0, 0), 0)
	if err != nil || len(messages) != 1 {
		w.Fatalf("%d messages, %v; want 1", len(messages), err)
	}
	return messages[0]
}

// kept is what a store returns of rows.
func (r rows) kept() rows {
	return rows{r.Host.Clone(), r.Plan.Clone(), r.Line.Clone(), r.Slot, r.Event.Clone(), r.Ban.Clone(), r.Token.Clone(), r.Account.Clone(), r.Message.Clone(),
		r.Exclusion.Clone(), r.Freeze.Clone(), r.Statement.Clone(), r.CrashStop.Clone()}
}

func (w *world) compare(got, want rows) {
	w.Helper()
	want = want.kept()
	want.Slot.Taken = store.Instant(want.Slot.Taken)
	want.Event.At = got.Event.At
	g, e := reflect.ValueOf(got), reflect.ValueOf(want)
	for i := range g.NumField() {
		w.same(g.Field(i).Interface(), e.Field(i).Interface())
	}
}

// same compares field by field, to say which differs.
func (w *world) same(got, want any) {
	w.Helper()
	g, e := reflect.ValueOf(got), reflect.ValueOf(want)
	for i := range g.NumField() {
		if !reflect.DeepEqual(g.Field(i).Interface(), e.Field(i).Interface()) {
			w.Errorf("%s.%s: got %+v, want %+v", g.Type(), g.Type().Field(i).Name, g.Field(i), e.Field(i))
		}
	}
}

func everyFieldComesBack(w *world) {
	r := fullRows()
	r.Message.Done = nil
	w.mustUpdate(r.put)
	w.compare(w.read(r), r)
	w.reopen()
	w.compare(w.read(r), r)
}

func nothingIsSharedWithWhatWasGiven(w *world) {
	want, given := fullRows(), fullRows()
	want.Message.Done, given.Message.Done = nil, nil
	w.mustUpdate(given.put)
	spoilRows(&given)
	w.compare(w.read(want), want)
}

func nothingIsSharedWithWhatWasReturned(w *world) {
	want := fullRows()
	want.Message.Done = nil
	w.mustUpdate(want.put)
	for range 2 { // a store may keep what it read first
		got := w.read(want)
		w.compare(got, want)
		spoilRows(&got)
		w.mustView(func(tx store.Tx) error {
			hosts, _, err := tx.Hosts().List(store.HostFilter{})
			Spoil(hosts)
			plans, err2 := tx.Plans().List(false)
			Spoil(plans)
			lines, err3 := tx.Plans().Hosts(want.Plan.ID)
			Spoil(lines)
			lines, err4 := tx.Plans().OfHost(want.Line.Listed.Host)
			Spoil(lines)
			leaf, err5 := tx.Events().Leaf(0)
			Spoil(leaf)
			for _, e := range []error{err2, err3, err4, err5} {
				if err == nil {
					err = e
				}
			}
			return err
		})
	}
	w.compare(w.read(want), want)
}

// spoilRows spoils rows in place, behind the top level only: the structs
// themselves were passed by value.
func spoilRows(r *rows) {
	for _, v := range []any{r.Host, r.Plan, r.Line, r.Event, r.Ban, r.Token, r.Message} {
		Spoil(v)
	}
}

func timesComeBackInUTC(w *world) {
	given := at(1)
	w.putHost(store.Host{ID: hostID(1), LastSeen: given, Enrolled: given})
	got := w.host(hostID(1)).LastSeen
	if got.Location() != time.UTC || !got.Equal(given.Truncate(time.Microsecond)) {
		w.Errorf("got %v, want %v in UTC", got, given)
	}
}

func theZeroTimeComesBack(w *world) {
	w.putHost(store.Host{ID: hostID(1)})
	h := w.host(hostID(1))
	if !h.LastSeen.IsZero() || h.LastSeen != (time.Time{}) {
		w.Errorf("got %v", h.LastSeen)
	}
	w.mustUpdate(func(tx store.Tx) error { return tx.Tokens().Put(store.Token{Digest: "d"}) })
	w.mustView(func(tx store.Tx) error {
		token, err := tx.Tokens().Get("d")
		if !token.Expires.IsZero() || token.Used != nil {
			w.Errorf("got %+v", token)
		}
		return err
	})
}

func emptyComesBackNil(w *world) {
	w.putHost(store.Host{ID: hostID(1), Identity: []byte{}, Patches: []hotstick.LoadedPatch{}, Readings: []hotstick.Reading{},
		Loader: store.HostLoader{Plans: []hotstick.PlanID{}},
		Facts:  &hotstick.Facts{Labels: map[string]string{}, Drivers: []hotstick.Capabilities{{Driver: "klp", Rollback: []hotstick.Reversibility{}}}}})
	h := w.host(hostID(1))
	want := store.Host{ID: hostID(1), Facts: &hotstick.Facts{Drivers: []hotstick.Capabilities{{Driver: "klp"}}}}
	w.same(h, want)
}

func bigFactsComeBackWhole(w *world) {
	h := store.Host{ID: hostID(1), Name: "big", Facts: &hotstick.Facts{}}
	for i := range 5000 {
		h.Facts.Modules = append(h.Facts.Modules, hotstick.ModuleFacts{Name: strings.Repeat("m", 400), SizeBytes: int64(i)})
	}
	w.putHost(h)
	w.reopen()
	w.same(w.host(h.ID), h.Clone())
}
