package sqlite

import (
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/audit"
	"github.com/hotstick/hotstick/internal/store"
	"github.com/hotstick/hotstick/internal/store/storetest"
)

func fullHost() store.Host {
	h := storetest.Full[store.Host]()
	h.Revoked = false
	return h
}

// TestACheckInThatBringsNothingNewWritesOneNarrowRow forbids every other write by
// triggers.
func TestACheckInThatBringsNothingNewWritesOneNarrowRow(t *testing.T) {
	s := mustOpen(t, filepath.Join(t.TempDir(), "hotstick.db"))
	h := fullHost()
	if err := s.Update(t.Context(), func(tx store.Tx) error { return tx.Hosts().Put(h) }); err != nil {
		t.Fatal(err)
	}
	for _, table := range []string{"hosts", "host_facts"} {
		for _, event := range []string{"UPDATE", "INSERT", "DELETE"} {
			if err := s.writer.run(fmt.Sprintf(`CREATE TEMP TRIGGER no_%s_%s BEFORE %s ON %s BEGIN SELECT RAISE(ABORT, 'wrote %s'); END`,
				event, table, event, table, table)); err != nil {
				t.Fatal(err)
			}
		}
	}
	put := func(change func(*store.Host)) (rows int64, err error) {
		err = s.Update(t.Context(), func(tx store.Tx) error {
			before, _ := one(tx.(*tx_), value[int64], `SELECT total_changes()`)
			h, err := tx.Hosts().Get(h.ID)
			if err != nil {
				return err
			}
			change(&h)
			err = tx.Hosts().Put(h)
			after, _ := one(tx.(*tx_), value[int64], `SELECT total_changes()`)
			rows = after - before
			return err
		})
		return rows, err
	}
	for i := range 3 {
		rows, err := put(func(h *store.Host) {
			h.LastSeen, h.Seq, h.Readings[0].At = h.LastSeen.Add(time.Minute), h.Seq+1, h.Readings[0].At.Add(time.Minute)
		})
		if err != nil || rows != 1 {
			t.Errorf("check-in %d wrote %d rows, %v", i, rows, err)
		}
		s.facts = newFactsCache() // with and without remembered facts
	}
	if rows, err := put(func(*store.Host) {}); err != nil || rows != 0 {
		t.Errorf("nothing new wrote %d rows, %v", rows, err)
	}
	if _, err := put(func(h *store.Host) { h.Boots++ }); err == nil {
		t.Error("the triggers do not watch")
	}
	if _, err := put(func(h *store.Host) { h.Facts.Host.CPUs++ }); err == nil {
		t.Error("the triggers do not watch the facts")
	}
}

// tx_ names the transaction's type where tx names a transaction.
type tx_ = tx

// TestQueriesUseIndexes runs every query and asks SQLite how it would answer it: no
// table that grows may be read from end to end, and nothing sorted on the side.
func TestQueriesUseIndexes(t *testing.T) {
	s := mustOpen(t, filepath.Join(t.TempDir(), "hotstick.db"))
	ask := func(tx store.Tx) error {
		for _, f := range []store.HostFilter{{}, {After: "h-1/x"}, {Build: "b"}, {Build: "b", After: "h-1/x"}, {Search: "s"}, {Search: "s", Build: "b", After: "h-1/x"}} {
			if _, _, err := tx.Hosts().List(f); err != nil {
				return err
			}
		}
		for _, f := range []store.EventFilter{{}, {Before: 7}, {From: 7}, {Plan: "p"}, {Host: "h", From: 7}, {Host: "h", Before: 7}, {Host: "h", Plan: "p"}} {
			if _, err := tx.Events().List(f); err != nil {
				return err
			}
		}
		_, _ = tx.Hosts().Get("h-1")
		_, _ = tx.Plans().Get("p")
		_, _ = tx.Plans().Hosts("p")
		_, _ = tx.Plans().Host("p", "h")
		_, _ = tx.Tokens().Get("d")
		_, err1 := tx.Plans().List(true)
		_, err2 := tx.Plans().OfHost("h")
		_, err3 := tx.Outbox().Due(tx.Now(), 10)
		_, _, err4 := tx.Events().Head()
		_, err5 := tx.Slots().Held("p", "h")
		_, err6 := tx.Hosts().Exclusions()
		_, err7 := tx.Bans().Freezes()
		_, err8 := tx.Bans().Statements("clear")
		_, err9 := tx.Plans().Unfinished()
		_, _ = tx.Hosts().Exclusion("h")
		_, err10 := tx.Bans().CrashStops(hotstick.PatchRef{})
		_, err11 := tx.Bans().CrashStops(hotstick.PatchRef{Name: "p", Level: 1})
		return errors.Join(askKnowledge(tx), err10, err11, err1, err2, err3, err4, err5, err6, err7, err8, err9)
	}
	full := fullHost()
	if err := s.Update(t.Context(), func(tx store.Tx) error {
		p := store.Plan{ID: "p"}
		errs := []error{tx.Hosts().Put(full), tx.Plans().Create(p, nil), tx.Plans().Advance(p), tx.Slots().Release("p", "h")}
		full.Boots++
		full.Seq++
		full.Facts = nil
		errs = append(errs, tx.Hosts().Put(full), tx.Hosts().Delete(full.ID))
		_, errLate := tx.Plans().AddLate(store.PlanHost{Plan: "p"})
		_, errFreeze := tx.Bans().Freeze(store.Freeze{})
		errs = append(errs, errLate, errFreeze, tx.Hosts().Exclude(store.Exclusion{}), tx.Hosts().Include("h"),
			tx.Bans().PutStatement(store.Statement{}), tx.Bans().ReplaceStatement(store.Statement{}), tx.Bans().Delete(hotstick.PatchRef{}), tx.Bans().Unfreeze(1), tx.Bans().StopPrint(store.CrashStop{}))
		_, _ = tx.Bans().LiftPrints(hotstick.PatchRef{})
		_ = tx.Plans().PutHost(store.PlanHost{Plan: "p"})
		_ = tx.Tokens().Use("d")
		_ = tx.Outbox().Put(store.Message{ID: 1})
		return errors.Join(append(errs, writeKnowledge(tx, full.ID), ask(tx))...)
	}); err != nil {
		t.Fatal(err)
	}
	// What may be read from end to end: what is asked for whole, in the order of an
	// index. What may be sorted: the few plans that list one host. The unfinished
	// plans are asked for once, when a server starts.
	allowed := regexp.MustCompile(`^(SEARCH |SCAN h USING (COVERING )?INDEX hosts_by_(name|build)|SCAN outbox USING INDEX outbox_pending|SCAN exclusions$|SCAN crash_stops$|SCAN freezes USING INDEX |SCAN events$|SCAN feeds$|SCAN advisories USING INDEX advisories_gone$|SCAN CONSTANT ROW$|REUSE SUBQUERY|CO-ROUTINE |SCAN \(subquery|CORRELATED |LIST SUBQUERY|SCALAR SUBQUERY|USE TEMP B-TREE FOR LAST TERM OF ORDER BY$)`)
	if len(s.writer.stmts) < 30 {
		t.Fatalf("only %d statements were run", len(s.writer.stmts))
	}
	for query := range s.writer.stmts {
		for _, step := range explainPlan(t, s.Store, query) {
			ofHost := strings.Contains(query, "ORDER BY p.created") && strings.HasPrefix(step, "USE TEMP B-TREE")
			unfinished := strings.Contains(query, "FROM plans p WHERE over = 0") && !strings.HasPrefix(step, "SCAN l")
			if !allowed.MatchString(step) && !ofHost && !unfinished {
				t.Errorf("%s\n\t%s", step, query)
			}
		}
	}
}

// askKnowledge runs the queries of what feeds say and of exposures.
func askKnowledge(tx store.Tx) error {
	var errs [12]error
	_, errs[0] = tx.Feeds().List()
	_, errs[1] = tx.Feeds().Mark("f")
	_, errs[2] = tx.Feeds().Refusals("f")
	_, errs[3] = tx.Advisories().List("f", "d", 2)
	_, errs[4] = tx.Advisories().Since(0, 2)
	_, errs[5] = tx.Advisories().OfCVE("CVE-2026-0001")
	_, errs[6] = tx.Vulnerabilities().List("", 2)
	_, errs[7] = tx.Vulnerabilities().List("", 0)
	_, errs[8] = tx.Exposures().OfHost("h", false)
	_, errs[9] = tx.Exposures().OfHost("h", true)
	_, errs[10] = tx.Exposures().Hosts("h", 2)
	_, _ = tx.Feeds().Get("f")
	_, _ = tx.Advisories().Get("f", "d")
	_, _ = tx.Vulnerabilities().Get("CVE-2026-0001")
	_, _ = tx.Exposures().Open("h", "CVE-2026-0001")
	_, _ = tx.Exposures().Since("CVE-2026-0001")
	return errors.Join(errs[:]...)
}

// writeKnowledge runs the statements that write it.
func writeKnowledge(tx store.Tx, host hotstick.HostID) error {
	now := tx.Now()
	_, err := tx.Vulnerabilities().Forget("f", "d", now, 2)
	a := hotstick.Advisory{CVE: "CVE-2026-0001", Product: hotstick.KernelProduct{Distribution: "debian:12", Package: "linux"}}
	return errors.Join(err, tx.Feeds().Put(store.Feed{Name: "f"}), tx.Feeds().Tell("f", store.FeedState{}), tx.Feeds().SetMark("f", []byte("1")), tx.Feeds().SetMark("f", nil),
		tx.Feeds().Refuse(store.Refusal{Feed: "f"}), tx.Feeds().Forgive("f", now), tx.Feeds().Delete("f"),
		tx.Advisories().Put(store.AdvisoryDocument{Feed: "f", ID: "d"}, []hotstick.Advisory{a}), tx.Advisories().Sweep(now),
		tx.Vulnerabilities().Put("f", "d", now, []hotstick.Vulnerability{{CVE: "CVE-2026-0001"}}),
		tx.Exposures().Begin([]store.Exposure{{Host: host, CVE: "CVE-2026-0001"}}), tx.Exposures().End([]store.ExposureEnd{{Host: host, CVE: "CVE-2026-0001"}}))
}

func explainPlan(t *testing.T, s *Store, query string) (steps []string) {
	if strings.HasPrefix(query, "BEGIN") || strings.HasPrefix(query, "COMMIT") {
		return nil
	}
	args := make([]any, strings.Count(query, "?"))
	rows, err := s.writer.conn.QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+query, args...)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var id, parent, unused int
		var detail string
		if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
			t.Fatal(err)
		}
		steps = append(steps, detail)
	}
	return steps
}

// TestTheLogCannotBeRewritten tries what somebody with the rights of the server on
// its database can do.
func TestTheLogCannotBeRewritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hotstick.db")
	s := mustOpen(t, path)
	var kept audit.Head
	for i := range 9 {
		if err := s.Update(t.Context(), func(tx store.Tx) error {
			if _, err := tx.Events().Append(store.Event{Kind: fmt.Sprint("event ", i), Actor: "mallory"}); err != nil {
				return err
			}
			size, root, err := tx.Events().Head()
			kept = audit.Head{Size: size, Root: root}
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	verify := func() (err error) {
		return s.View(t.Context(), func(tx store.Tx) error { return audit.VerifyLog(tx.Events(), kept) })
	}
	if err := verify(); err != nil {
		t.Fatal(err)
	}
	db := rawDB(t, path)
	for _, attack := range []string{`UPDATE events SET leaf = x'7b7d' WHERE seq = 5`, `DELETE FROM events WHERE seq = 8`} {
		if _, err := db.Exec(attack); err == nil || !strings.Contains(err.Error(), "audit log") {
			t.Errorf("%s: %v", attack, err)
		}
	}
	mustExec(t, db, `DROP TRIGGER events_stay`)
	mustExec(t, db, `DROP TRIGGER events_remain`)
	mustExec(t, db, `UPDATE events SET leaf = CAST(replace(leaf, 'mallory', 'alice') AS BLOB) WHERE seq = 5`)
	var f *audit.Fault
	if err := verify(); !errors.As(err, &f) || f.From != 5 || f.Problem != audit.LeafChanged {
		t.Errorf("an edited event: %v", err)
	}
	mustExec(t, db, `UPDATE events SET leaf = CAST(replace(leaf, 'alice', 'mallory') AS BLOB) WHERE seq = 5`)
	if err := verify(); err != nil {
		t.Errorf("put back: %v", err)
	}
	mustExec(t, db, `DELETE FROM events WHERE seq = 8`)
	if err := verify(); !errors.As(err, &f) || f.From != 8 || f.Problem != audit.LeafMissing {
		t.Errorf("a cut log: %v", err)
	}
}

func TestRememberedFactsStayWithinTheirBound(t *testing.T) {
	c := newFactsCache()
	facts := func(i int) *hotstick.Facts { return &hotstick.Facts{Host: hotstick.HostFacts{CPUs: i}} }
	const size = maxFactsBytes / 10
	for i := range 25 {
		c.put(fmt.Sprint(i), facts(i), size)
		c.put(fmt.Sprint(i), facts(-1), size) // the same sum is the same facts
		c.get("3")                            // used again and again, so it stays
	}
	if c.size > maxFactsBytes || c.size != len(c.bySum)*size || c.used.Len() != len(c.bySum) {
		t.Errorf("%d bytes in %d and %d entries", c.size, len(c.bySum), c.used.Len())
	}
	for sum, want := range map[string]bool{"3": true, "24": true, "16": true, "4": false, "15": false} {
		if got := c.get(sum); (got != nil) != want || got != nil && fmt.Sprint(got.Host.CPUs) != sum {
			t.Errorf("%s: got %v, want it kept: %v", sum, got, want)
		}
	}
	c.put("huge", facts(0), maxFactsBytes)
	if c.get("huge") != nil {
		t.Error("one host's facts pushed all others out")
	}
}

// TestSameFactsSeesEveryField changes one field at a time, by reflection.
func TestSameFactsSeesEveryField(t *testing.T) {
	a := storetest.Full[store.Host]().Clone().Facts
	if b := store.CloneFacts(a); !sameFacts(a, b) {
		t.Fatal("a copy is not the same")
	}
	n := 0
	everyLeaf(reflect.ValueOf(a).Elem(), func(path string, leaf reflect.Value) {
		before := store.CloneFacts(a)
		old := reflect.New(leaf.Type()).Elem()
		old.Set(leaf)
		leaf.SetZero()
		if sameFacts(before, a) {
			t.Errorf("a change of %s is not seen", path)
		}
		leaf.Set(old)
		n++
	})
	if n < 40 {
		t.Errorf("only %d fields were changed", n)
	}
}

func everyLeaf(v reflect.Value, do func(path string, leaf reflect.Value)) {
	walk("", v, do)
}

func walk(path string, v reflect.Value, do func(string, reflect.Value)) {
	switch {
	case v.Type() == reflect.TypeFor[time.Time]():
		do(path, v)
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			walk(path+"."+v.Type().Field(i).Name, v.Field(i), do)
		}
	case v.Kind() == reflect.Pointer:
		walk(path, v.Elem(), do)
	case v.Kind() == reflect.Slice:
		for i := range v.Len() {
			walk(fmt.Sprintf("%s[%d]", path, i), v.Index(i), do)
		}
	default:
		do(path, v)
	}
}

func TestTheRangeOfTimes(t *testing.T) {
	for _, want := range []time.Time{{}, time.Unix(0, 0).UTC(), time.Date(1, 1, 1, 0, 0, 0, 1000, time.UTC), time.Date(9999, 12, 31, 23, 59, 59, 999999000, time.UTC)} {
		if got := when(want.UnixMicro()); got != want {
			t.Errorf("got %v, want %v", got, want)
		}
	}
	if got := when(math.MaxInt64); got.Before(time.Now()) {
		t.Errorf("the last time is %v", got)
	}
}
