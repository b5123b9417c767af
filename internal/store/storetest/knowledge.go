package storetest

import (
	"slices"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/store"
)

var advisoryTests = []test{
	{"every field of a document and of what it says comes back", everyFieldOfADocument},
	{"a document read anew replaces what it said", aDocumentReadAnew},
	{"changes lead from one document to the next", changesLeadOn},
	{"what is said of a CVE is found", whatIsSaidOfACVE},
	{"what is gone is swept once it is old", whatIsGoneIsSwept},
	{"documents are listed by feed and ID", documentsAreListed},
}

func product(distribution string) hotstick.KernelProduct {
	return hotstick.KernelProduct{Distribution: distribution, Package: "linux", Scheme: hotstick.DebVersions}
}

func saying(cve, distribution string) hotstick.Advisory {
	return hotstick.Advisory{CVE: cve, Product: product(distribution), Status: hotstick.AdvisoryAffected, Ranges: []hotstick.VersionRange{{Fixed: "6.1.170-1"}}}
}

// say puts a document that says that debian:12 is open to some CVEs.
func (w *world) say(feed, id string, cves ...string) {
	w.Helper()
	var said []hotstick.Advisory
	for _, cve := range cves {
		said = append(said, saying(cve, "debian:12"))
	}
	w.mustUpdate(func(tx store.Tx) error {
		return tx.Advisories().Put(store.AdvisoryDocument{Feed: feed, ID: id, Fetched: at(1)}, said)
	})
}

func (w *world) since(change int64) (all []store.SaidAnew) {
	w.Helper()
	w.mustView(func(tx store.Tx) (err error) { all, err = tx.Advisories().Since(change, 0); return err })
	return all
}

func everyFieldOfADocument(w *world) {
	want := Full[store.AdvisoryDocument]()
	give := func() []hotstick.Advisory {
		a, b := Full[hotstick.Advisory](), Full[hotstick.Advisory]()
		b.CVE, b.Ranges, b.Justification, b.Module, b.Unreadable = "CVE-0", nil, "", "", false
		return []hotstick.Advisory{a, b, a}
	}
	w.mustUpdate(func(tx store.Tx) error {
		given, document := give(), Full[store.AdvisoryDocument]()
		err := tx.Advisories().Put(document, given)
		Spoil(given)
		Spoil(document)
		return err
	})
	said := want.ByKey(give())
	if len(said) != 2 || said[0].CVE != "CVE-0" || said[1].Source.Document != want.ID {
		w.Fatalf("the test is wrong: %+v", said)
	}
	for range 2 {
		got := w.since(0)
		if len(got) != 1 || len(got[0].Advisories) != 2 || got[0].Gone != nil {
			w.Fatalf("got %+v", got)
		}
		w.same(got[0].Document, want.Clone())
		for i := range said {
			w.same(got[0].Advisories[i], said[i])
		}
		Spoil(got)
		w.mustView(func(tx store.Tx) error {
			d, err := tx.Advisories().Get(want.Feed, want.ID)
			w.same(d, want.Clone())
			return err
		})
		w.reopen()
	}
}

func aDocumentReadAnew(w *world) {
	w.say("a", "D-1", "CVE-2026-0001", "CVE-2026-0002")
	w.say("a", "D-2", "CVE-2026-0001")
	w.say("b", "D-1", "CVE-2026-0001")
	w.say("a", "D-1", "CVE-2026-0003", "CVE-2026-0002")
	check := func(advisories, gone []string) {
		w.Helper()
		all := w.since(0)
		last := all[len(all)-1]
		if len(all) != 3 || last.Document.Feed != "a" || last.Document.ID != "D-1" {
			w.Fatalf("the last of %d is %+v", len(all), last)
		}
		var said, not []string
		for _, a := range last.Advisories {
			said = append(said, a.CVE)
		}
		for _, k := range last.Gone {
			not = append(not, k.CVE)
			if k.Product != product("debian:12") {
				w.Errorf("gone is %+v", k)
			}
		}
		if !slices.Equal(said, advisories) || !slices.Equal(not, gone) {
			w.Errorf("said are %v, gone %v; want %v and %v", said, not, advisories, gone)
		}
	}
	check([]string{"CVE-2026-0002", "CVE-2026-0003"}, []string{"CVE-2026-0001"})
	w.say("a", "D-1", "CVE-2026-0001")
	check([]string{"CVE-2026-0001"}, []string{"CVE-2026-0002", "CVE-2026-0003"})
	w.say("a", "D-1")
	check(nil, []string{"CVE-2026-0001", "CVE-2026-0002", "CVE-2026-0003"})
	w.wantErr(store.ErrNotFound, func(tx store.Tx) error { _, err := tx.Advisories().Get("b", "D-2"); return err })
}

func changesLeadOn(w *world) {
	for _, id := range []string{"D-3", "D-1", "D-2"} {
		w.say("a", id, "CVE-2026-0001")
	}
	walk := func(from int64) (ids []string, last int64) {
		for last = from; ; {
			var page []store.SaidAnew
			w.mustView(func(tx store.Tx) (err error) { page, err = tx.Advisories().Since(last, 2); return err })
			for _, d := range page {
				if d.Change <= last {
					w.Errorf("%d follows %d", d.Change, last)
				}
				ids, last = append(ids, d.Document.ID), d.Change
			}
			if len(page) < 2 {
				return ids, last
			}
		}
	}
	ids, last := walk(0)
	if !slices.Equal(ids, []string{"D-3", "D-1", "D-2"}) {
		w.Errorf("got %v", ids)
	}
	w.say("a", "D-1", "CVE-2026-0002")
	w.say("b", "D-4")
	if ids, _ := walk(last); !slices.Equal(ids, []string{"D-1", "D-4"}) {
		w.Errorf("then %v", ids)
	}
	// Numbers do not come back with documents that are gone.
	_, last = walk(0)
	w.mustUpdate(func(tx store.Tx) error {
		return tx.Advisories().Put(store.AdvisoryDocument{Feed: "b", ID: "D-4", Withdrawn: true, Fetched: at(1)}, nil)
	})
	w.mustUpdate(func(tx store.Tx) error { return tx.Advisories().Sweep(at(2)) })
	w.reopen()
	w.say("a", "D-5")
	if ids, newest := walk(last); !slices.Equal(ids, []string{"D-5"}) || newest != last+2 {
		w.Errorf("after the sweep %v up to %d, from %d", ids, newest, last)
	}
}

func whatIsSaidOfACVE(w *world) {
	w.say("b", "D-1", "CVE-2026-0001")
	w.say("a", "D-2", "CVE-2026-0002", "CVE-2026-0001")
	w.say("a", "D-1", "CVE-2026-0001")
	w.say("a", "D-1", "CVE-2026-0003")
	w.mustView(func(tx store.Tx) error {
		all, err := tx.Advisories().OfCVE("CVE-2026-0001")
		if len(all) != 2 || all[0].Source.Feed != "a" || all[0].Source.Document != "D-2" || all[1].Source.Feed != "b" || !all[1].Source.Fetched.Equal(store.Instant(at(1))) {
			w.Errorf("got %+v", all)
		}
		for _, a := range all {
			want := saying("CVE-2026-0001", "debian:12")
			want.Source = a.Source
			w.same(a, want)
		}
		return err
	})
}

func whatIsGoneIsSwept(w *world) {
	w.say("a", "D-1", "CVE-2026-0001")
	w.say("a", "D-1", "CVE-2026-0002")
	w.say("a", "D-2", "CVE-2026-0003")
	w.mustUpdate(func(tx store.Tx) error {
		return tx.Advisories().Put(store.AdvisoryDocument{Feed: "a", ID: "D-2", Withdrawn: true, Fetched: at(1)}, nil)
	})
	w.mustUpdate(func(tx store.Tx) error { return tx.Advisories().Sweep(at(1)) })
	if all := w.since(0); len(all) != 2 || len(all[0].Gone) != 1 || len(all[1].Gone) != 1 {
		w.Errorf("what is young was swept: %+v", all)
	}
	w.mustUpdate(func(tx store.Tx) error { return tx.Advisories().Sweep(at(2)) })
	all := w.since(0)
	if len(all) != 1 || all[0].Document.ID != "D-1" || len(all[0].Gone) > 0 || len(all[0].Advisories) != 1 {
		w.Errorf("after the sweep: %+v", all)
	}
}

func documentsAreListed(w *world) {
	for _, id := range []string{"D-3", "D-1", "D-2"} {
		w.say("a", id)
	}
	w.say("b", "D-9")
	w.mustView(func(tx store.Tx) error {
		all, err := tx.Advisories().List("a", "", 0)
		page, err2 := tx.Advisories().List("a", "D-1", 1)
		if err2 != nil || len(all) != 3 || all[0].ID != "D-1" || all[2].ID != "D-3" || len(page) != 1 || page[0].ID != "D-2" {
			w.Errorf("got %+v and %+v, %v", all, page, err2)
		}
		return err
	})
}
