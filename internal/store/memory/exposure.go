package memory

import (
	"cmp"
	"slices"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/store"
)

type exposureTable struct{ *tx }

func (t exposureTable) Begin(all []store.Exposure) error {
	if err := t.writable(); err != nil {
		return err
	}
	for _, e := range all {
		if _, there := t.s.hosts.byID[e.Host]; !there {
			return store.ErrNotFound
		}
	}
	for _, e := range all {
		e = e.Clone()
		e.Ended, e.Closed = nil, ""
		ofHost := t.s.know.exposures[e.Host]
		if ofHost == nil {
			ofHost = map[string][]store.Exposure{}
			set(t.tx, t.s.know.exposures, e.Host, ofHost)
		}
		known := ofHost[e.CVE]
		if len(known) == 0 || known[len(known)-1].Ended != nil {
			set(t.tx, ofHost, e.CVE, append(slices.Clip(known), e))
		}
	}
	return nil
}

func (t exposureTable) End(all []store.ExposureEnd) error {
	if err := t.writable(); err != nil {
		return err
	}
	for _, end := range all {
		known := t.s.know.exposures[end.Host][end.CVE]
		if len(known) == 0 || known[len(known)-1].Ended != nil {
			continue
		}
		known = slices.Clone(known)
		at := store.Instant(end.At)
		last := &known[len(known)-1]
		last.Ended, last.Closed = &at, end.Closed
		set(t.tx, t.s.know.exposures[end.Host], end.CVE, known)
	}
	return nil
}

func (t exposureTable) OfHost(host hotstick.HostID, open bool) ([]store.Exposure, error) {
	if err := t.usable(); err != nil {
		return nil, err
	}
	var found []store.Exposure
	for _, known := range t.s.know.exposures[host] {
		for _, e := range known {
			if !open || e.Ended == nil {
				found = append(found, e.Clone())
			}
		}
	}
	slices.SortStableFunc(found, func(a, b store.Exposure) int {
		return cmp.Or(cmp.Compare(a.CVE, b.CVE), a.Began.Compare(b.Began))
	})
	return found, nil
}

func (t exposureTable) Open(host hotstick.HostID, cve string) (store.Exposure, error) {
	known := t.s.know.exposures[host][cve]
	if err := t.usable(); err != nil {
		return store.Exposure{}, err
	}
	if len(known) == 0 || known[len(known)-1].Ended != nil {
		return store.Exposure{}, store.ErrNotFound
	}
	return known[len(known)-1].Clone(), nil
}

func (t exposureTable) Since(cve string) (earliest time.Time, err error) {
	if err := t.usable(); err != nil {
		return earliest, err
	}
	for _, byCVE := range t.s.know.exposures {
		known := byCVE[cve]
		if len(known) == 0 || known[len(known)-1].Ended != nil {
			continue
		}
		if began := known[len(known)-1].Began; earliest.IsZero() || began.Before(earliest) {
			earliest = began
		}
	}
	if earliest.IsZero() {
		return earliest, store.ErrNotFound
	}
	return earliest, nil
}

func (t exposureTable) Hosts(after hotstick.HostID, limit int) ([]hotstick.HostID, error) {
	if err := t.usable(); err != nil {
		return nil, err
	}
	var found []hotstick.HostID
	for host, byCVE := range t.s.know.exposures {
		if host <= after {
			continue
		}
		for _, known := range byCVE {
			if len(known) > 0 && known[len(known)-1].Ended == nil {
				found = append(found, host)
				break
			}
		}
	}
	slices.Sort(found)
	return first(found, limit), nil
}
