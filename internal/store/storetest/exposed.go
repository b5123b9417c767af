package storetest

import (
	"fmt"
	"slices"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/store"
)

var vulnerabilityTests = []test{
	{"what documents say of a CVE is joined", whatDocumentsSayIsJoined},
	{"what a document does not say any more is forgotten", whatIsNotSaidAnyMore},
	{"every field of a vulnerability comes back", everyFieldOfAVulnerability},
	{"vulnerabilities are paged by CVE", vulnerabilitiesArePaged},
}

var exposureTests = []test{
	{"an exposure begins once and ends once", anExposureBeginsOnce},
	{"every field of an exposure comes back", everyFieldOfAnExposure},
	{"an exposure of an unknown host is refused whole", anExposureOfAnUnknownHost},
	{"hosts that are open are paged", exposedHostsArePaged},
	{"a CVE is open since its earliest open interval", aCVEIsOpenSince},
	{"an update that fails leaves exposures as they were", aFailedExposureIsUndone},
}

func (w *world) know(feed, document string, minute int, said ...hotstick.Vulnerability) {
	w.Helper()
	w.mustUpdate(func(tx store.Tx) error { return tx.Vulnerabilities().Put(feed, document, at(minute), said) })
}

func (w *world) known(cve string) (v hotstick.Vulnerability) {
	w.Helper()
	w.mustView(func(tx store.Tx) (err error) { v, err = tx.Vulnerabilities().Get(cve); return err })
	return v
}

func whatDocumentsSayIsJoined(w *world) {
	const cve = "CVE-2026-0001"
	w.know("osv", "D-1", 1, hotstick.Vulnerability{CVE: cve, Summary: "first", Published: at(9), Scores: []hotstick.Score{{Version: "3.1", Vector: "v", Base: 7.8, Source: "osv"}}})
	w.know("csaf", "D-2", 1, hotstick.Vulnerability{CVE: cve, Published: at(3), Scores: []hotstick.Score{{Version: "4.0", Vector: "w", Base: 8, Source: "csaf"}}})
	w.know("kev", "KEV", 1, hotstick.Vulnerability{CVE: cve, Exploited: &hotstick.Exploited{Added: at(4), Ransomware: true}})
	w.know("epss", "EPSS", 1, hotstick.Vulnerability{CVE: cve, Prediction: &hotstick.Prediction{Probability: 0.25, Date: at(4)}})
	w.know("epss", "EPSS", 2, hotstick.Vulnerability{CVE: cve, Prediction: &hotstick.Prediction{Probability: 0.5, Date: at(5)}})
	got := w.known(cve)
	if got.CVE != cve || got.Summary != "first" || !got.Published.Equal(at(3)) || len(got.Scores) != 2 || got.Scores[0].Version != "4.0" ||
		got.Exploited == nil || !got.Exploited.Ransomware || got.Prediction == nil || got.Prediction.Probability != 0.5 {
		w.Errorf("got %+v", got)
	}
	w.wantErr(store.ErrNotFound, func(tx store.Tx) error { _, err := tx.Vulnerabilities().Get("CVE-2026-0002"); return err })
}

func whatIsNotSaidAnyMore(w *world) {
	old := []hotstick.Vulnerability{{CVE: "CVE-2026-0001"}, {CVE: "CVE-2026-0002"}, {CVE: "CVE-2026-0003"}}
	w.know("kev", "KEV", 1, old...)
	w.know("osv", "KEV", 1, old[0])
	w.know("kev", "KEV", 2, old[2])
	forget := func(limit int) (n int) {
		w.mustUpdate(func(tx store.Tx) (err error) {
			n, err = tx.Vulnerabilities().Forget("kev", "KEV", at(2), limit)
			return err
		})
		return n
	}
	if a, b, c := forget(1), forget(5), forget(5); a != 1 || b != 1 || c != 0 {
		w.Errorf("forgotten were %d, %d and %d", a, b, c)
	}
	w.mustView(func(tx store.Tx) error {
		all, err := tx.Vulnerabilities().List("", 0)
		if len(all) != 2 || all[0].CVE != "CVE-2026-0001" || all[1].CVE != "CVE-2026-0003" {
			w.Errorf("left are %+v", all)
		}
		return err
	})
}

func everyFieldOfAVulnerability(w *world) {
	want := Full[hotstick.Vulnerability]()
	want.Scores = want.Scores[:1]
	given := Full[hotstick.Vulnerability]()
	given.Scores = given.Scores[:1]
	w.know("a", "D", 1, given)
	Spoil(given)
	for range 2 {
		got := w.known(want.CVE)
		w.same(got, store.CloneVulnerability(want))
		Spoil(got)
		w.reopen()
	}
}

func vulnerabilitiesArePaged(w *world) {
	var said []hotstick.Vulnerability
	for i := range 7 {
		said = append(said, hotstick.Vulnerability{CVE: fmt.Sprint("CVE-2026-000", 7-i)})
	}
	w.know("a", "D", 1, said...)
	w.know("b", "D", 1, said...)
	var names []string
	for after, more := "", true; more; {
		w.mustView(func(tx store.Tx) error {
			page, err := tx.Vulnerabilities().List(after, 3)
			for _, v := range page {
				names, after = append(names, v.CVE), v.CVE
			}
			more = len(page) == 3
			return err
		})
	}
	if len(names) != 7 || !slices.IsSorted(names) {
		w.Errorf("got %v", names)
	}
}

func (w *world) begin(all ...store.Exposure) {
	w.Helper()
	w.mustUpdate(func(tx store.Tx) error { return tx.Exposures().Begin(all) })
}

func (w *world) exposures(host hotstick.HostID, open bool) (all []store.Exposure) {
	w.Helper()
	w.mustView(func(tx store.Tx) (err error) { all, err = tx.Exposures().OfHost(host, open); return err })
	return all
}

func anExposureBeginsOnce(w *world) {
	w.putHost(store.Host{ID: hostID(1)})
	e := store.Exposure{Host: hostID(1), CVE: "CVE-2026-0002", Reason: hotstick.ExposedInRange, Began: at(1)}
	other := e
	other.CVE = "CVE-2026-0001"
	w.begin(e, other)
	later := e
	later.Began, later.Reason = at(2), hotstick.ExposedNoFix
	w.begin(later)
	if got := w.exposures(e.Host, true); len(got) != 2 || got[0].CVE != other.CVE || !got[1].Began.Equal(store.Instant(at(1))) || got[1].Reason != e.Reason {
		w.Errorf("open are %+v", got)
	}
	end := store.ExposureEnd{Host: e.Host, CVE: e.CVE, At: at(3), Closed: hotstick.ClosedByPatch}
	again := end
	again.At, again.Closed = at(4), hotstick.ClosedByBoot
	w.mustUpdate(func(tx store.Tx) error {
		return tx.Exposures().End([]store.ExposureEnd{end, again, {Host: "nobody", CVE: e.CVE}, {Host: e.Host, CVE: "CVE-1"}})
	})
	later.Began = at(3) // the very moment in which it ended
	w.begin(later)
	w.reopen()
	got := w.exposures(e.Host, false)
	if len(got) != 3 || got[1].Ended == nil || !got[1].Ended.Equal(store.Instant(at(3))) || got[1].Closed != hotstick.ClosedByPatch ||
		got[2].Ended != nil || !got[2].Began.Equal(store.Instant(at(3))) || got[2].Reason != hotstick.ExposedNoFix {
		w.Errorf("all are %+v", got)
	}
	w.mustView(func(tx store.Tx) error {
		open, err := tx.Exposures().Open(e.Host, e.CVE)
		w.same(open, got[2])
		return err
	})
	w.wantErr(store.ErrNotFound, func(tx store.Tx) error { _, err := tx.Exposures().Open(e.Host, "CVE-2026-0009"); return err })
}

func everyFieldOfAnExposure(w *world) {
	want := Full[store.Exposure]()
	w.putHost(store.Host{ID: want.Host})
	w.begin(want)
	w.mustUpdate(func(tx store.Tx) error {
		return tx.Exposures().End([]store.ExposureEnd{{Host: want.Host, CVE: want.CVE, At: *want.Ended, Closed: want.Closed}})
	})
	w.reopen()
	got := w.exposures(want.Host, false)
	if len(got) != 1 {
		w.Fatalf("got %+v", got)
	}
	w.same(got[0], want.Clone())
}

func anExposureOfAnUnknownHost(w *world) {
	w.putHost(store.Host{ID: hostID(1)})
	known := store.Exposure{Host: hostID(1), CVE: "CVE-2026-0001", Began: at(1)}
	unknown := known
	unknown.Host = hostID(2)
	w.mustUpdate(func(tx store.Tx) error {
		if err := tx.Exposures().Begin([]store.Exposure{known, unknown}); err != store.ErrNotFound {
			w.Errorf("got %v", err)
		}
		return nil
	})
	if got := w.exposures(hostID(1), false); len(got) > 0 {
		w.Errorf("got %+v", got)
	}
}

func exposedHostsArePaged(w *world) {
	var want []hotstick.HostID
	for i := range 7 {
		w.putHost(store.Host{ID: hostID(i), Name: fmt.Sprint("x", 9-i)})
		if i == 3 {
			continue
		}
		w.begin(store.Exposure{Host: hostID(i), CVE: "CVE-2026-0001", Began: at(1)}, store.Exposure{Host: hostID(i), CVE: "CVE-2026-0002", Began: at(1)})
		if i == 5 {
			w.mustUpdate(func(tx store.Tx) error {
				return tx.Exposures().End([]store.ExposureEnd{{Host: hostID(i), CVE: "CVE-2026-0001", At: at(2)}, {Host: hostID(i), CVE: "CVE-2026-0002", At: at(2)}})
			})
			continue
		}
		want = append(want, hostID(i))
	}
	w.mustUpdate(func(tx store.Tx) error { return tx.Hosts().Delete(hostID(1)) })
	var got []hotstick.HostID
	for after, more := hotstick.HostID(""), true; more; {
		w.mustView(func(tx store.Tx) error {
			page, err := tx.Exposures().Hosts(after, 2)
			if got = append(got, page...); len(page) > 0 {
				after = page[len(page)-1]
			}
			more = len(page) == 2
			return err
		})
	}
	if !slices.Equal(got, want) {
		w.Errorf("got %v, want %v", got, want)
	}
}

func aCVEIsOpenSince(w *world) {
	const cve = "CVE-2026-0001"
	since := func(want int) {
		w.Helper()
		w.mustView(func(tx store.Tx) error {
			got, err := tx.Exposures().Since(cve)
			if !got.Equal(store.Instant(at(want))) {
				w.Errorf("open since %v, want %v", got, at(want))
			}
			return err
		})
	}
	for i := range 3 {
		w.putHost(store.Host{ID: hostID(i)})
		w.begin(store.Exposure{Host: hostID(i), CVE: cve, Began: at(9 - i)}, store.Exposure{Host: hostID(i), CVE: "CVE-2026-0002", Began: at(1)})
	}
	since(7)
	end := func(i int) {
		w.mustUpdate(func(tx store.Tx) error {
			return tx.Exposures().End([]store.ExposureEnd{{Host: hostID(i), CVE: cve, At: at(10)}})
		})
	}
	end(2)
	w.reopen()
	since(8)
	w.begin(store.Exposure{Host: hostID(2), CVE: cve, Began: at(11)})
	end(1)
	since(9)
	end(0)
	since(11)
	end(2)
	w.wantErr(store.ErrNotFound, func(tx store.Tx) error { _, err := tx.Exposures().Since(cve); return err })
	w.wantErr(store.ErrNotFound, func(tx store.Tx) error { _, err := tx.Exposures().Since("CVE-2026-0009"); return err })
}

func aFailedExposureIsUndone(w *world) {
	w.putHost(store.Host{ID: hostID(1)})
	e := store.Exposure{Host: hostID(1), CVE: "CVE-2026-0001", Began: at(1)}
	w.begin(e)
	w.know("a", "D", 1, hotstick.Vulnerability{CVE: "CVE-2026-0001"})
	w.wantErr(errWanted, func(tx store.Tx) error {
		other := e
		other.CVE = "CVE-2026-0002"
		_, err := tx.Vulnerabilities().Forget("a", "D", time.Now().AddDate(9, 0, 0), 0)
		for _, err := range []error{err, tx.Exposures().Begin([]store.Exposure{other}), tx.Exposures().End([]store.ExposureEnd{{Host: e.Host, CVE: e.CVE, At: at(2)}}),
			tx.Vulnerabilities().Put("a", "D", at(1), []hotstick.Vulnerability{{CVE: "CVE-2026-0002"}})} {
			if err != nil {
				w.Error(err)
			}
		}
		return errWanted
	})
	if got := w.exposures(e.Host, true); len(got) != 1 || got[0].CVE != e.CVE || w.known(e.CVE).CVE != e.CVE {
		w.Errorf("got %+v", got)
	}
	w.begin(store.Exposure{Host: hostID(1), CVE: "CVE-2026-0002", Began: at(5)}) // numbers that were undone are given anew
	if got := w.exposures(e.Host, true); len(got) != 2 {
		w.Errorf("got %+v", got)
	}
}
