package exposures

import (
	"context"
	"iter"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/decide/exposure"
	"github.com/hotstick/hotstick/internal/store"
)

// batchRows is how many intervals are written in one transaction, so that check-ins do not
// wait for long.
const batchRows = 200

// maxSources bounds what a writer remembers of who said what.
const maxSources = 100_000

// writer writes intervals in batches.
type writer struct {
	ctx   context.Context
	l     *Loop
	began []store.Exposure
	ended []store.ExposureEnd
	// said are the sources that were asked for, by class and CVE: hosts of one class are open
	// by the same word.
	said map[classCVE]hotstick.AdvisorySource
}

type classCVE struct {
	class exposure.Class
	cve   string
}

func (l *Loop) writer(ctx context.Context) *writer {
	return &writer{ctx: ctx, l: l, said: map[classCVE]hotstick.AdvisorySource{}}
}

// write writes what began and ended.
func (l *Loop) write(ctx context.Context, events iter.Seq[exposure.Event]) error {
	w := l.writer(ctx)
	for e := range events {
		if err := w.event(e); err != nil {
			return err
		}
	}
	return w.flush()
}

func (w *writer) event(e exposure.Event) error {
	if e.Began {
		source := w.source(e.Host, e.CVE)
		w.began = append(w.began, store.Exposure{Host: e.Host, CVE: e.CVE, Reason: e.Now, Feed: source.Feed, Document: source.Document, Began: e.At})
	} else {
		w.ended = append(w.ended, store.ExposureEnd{Host: e.Host, CVE: e.CVE, At: e.At, Closed: e.Now})
	}
	if len(w.began)+len(w.ended) >= batchRows {
		return w.flush()
	}
	return nil
}

// source is whose word it is that a host is open to a CVE: the first of those that decide.
func (w *writer) source(host hotstick.HostID, cve string) hotstick.AdvisorySource {
	key := classCVE{w.l.hosts[host], cve}
	if source, there := w.said[key]; there {
		return source
	}
	var source hotstick.AdvisorySource
	if answer, known := w.l.fleet.Explain(host, cve); known && len(answer.Says) > 0 {
		source = answer.Says[0].Source
	}
	if len(w.said) >= maxSources {
		clear(w.said)
	}
	w.said[key] = source
	return source
}

func (w *writer) flush() error {
	if len(w.began)+len(w.ended) == 0 {
		return nil
	}
	err := w.l.store.Update(w.ctx, func(tx store.Tx) error {
		if err := tx.Exposures().End(w.ended); err != nil {
			return err
		}
		return tx.Exposures().Begin(w.began)
	})
	w.began, w.ended = w.began[:0], w.ended[:0]
	return err
}

// mend compares what is open with what the store has as open, and writes the difference.
func (l *Loop) mend(ctx context.Context) error {
	w, at := l.writer(ctx), l.now()
	judged := map[hotstick.HostID]bool{}
	for host, open := range byHost(exposure.Events(nil, l.fleet, at)) {
		judged[host] = true
		if err := w.mendHost(host, open, at); err != nil {
			return err
		}
	}
	// Hosts that are open to nothing now, or are gone.
	for after, more := hotstick.HostID(""), true; more; {
		var page []hotstick.HostID
		err := l.store.View(ctx, func(tx store.Tx) (err error) { page, err = tx.Exposures().Hosts(after, hostPage); return err })
		if err != nil {
			return err
		}
		for _, host := range page {
			if after = host; judged[host] {
				continue
			}
			if err := w.mendHost(host, nil, at); err != nil {
				return err
			}
		}
		more = len(page) == hostPage
	}
	return w.flush()
}

// byHost puts events that come host by host together.
func byHost(events iter.Seq[exposure.Event]) iter.Seq2[hotstick.HostID, map[string]exposure.Event] {
	return func(yield func(hotstick.HostID, map[string]exposure.Event) bool) {
		var host hotstick.HostID
		var open map[string]exposure.Event
		for e := range events {
			if open != nil && e.Host != host {
				if !yield(host, open) {
					return
				}
				open = nil
			}
			if open == nil {
				host, open = e.Host, map[string]exposure.Event{}
			}
			open[e.CVE] = e
		}
		if open != nil {
			yield(host, open)
		}
	}
}

// mendHost writes how one host's open intervals differ from what it is open to.
func (w *writer) mendHost(host hotstick.HostID, open map[string]exposure.Event, at time.Time) error {
	var stored []store.Exposure
	err := w.l.store.View(w.ctx, func(tx store.Tx) (err error) { stored, err = tx.Exposures().OfHost(host, true); return err })
	if err != nil {
		return err
	}
	for _, s := range stored {
		if _, still := open[s.CVE]; still {
			delete(open, s.CVE)
			continue
		}
		closed, _ := w.l.fleet.Stand(host, s.CVE)
		if err := w.event(exposure.Event{Host: host, CVE: s.CVE, At: at, Now: closed}); err != nil {
			return err
		}
	}
	for _, e := range open {
		if err := w.event(e); err != nil {
			return err
		}
	}
	return nil
}
