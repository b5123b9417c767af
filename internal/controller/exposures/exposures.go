package exposures

import (
	"context"
	"log/slog"
	"maps"
	"reflect"
	"slices"
	"sync/atomic"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/catalog"
	"github.com/hotstick/hotstick/internal/decide/exposure"
	"github.com/hotstick/hotstick/internal/store"
)

// Catalog says which patches there are.
type Catalog interface{ View() catalog.View }

// Options are what a loop works with. All but SilentAfter and Log are needed.
type Options struct {
	Store   store.Store
	Catalog Catalog
	// Now is the clock of the store.
	Now func() time.Time
	// SilentAfter is how old a host's last word may be to show that anything is closed; 0 means
	// [DefaultSilentAfter].
	SilentAfter time.Duration
	// Tree decides how urgent what is open is.
	Tree *exposure.Tree
	Log  *slog.Logger
}

// DefaultSilentAfter is long enough for a reboot or for an agent that is updated, which are
// no reason to count what is closed as open.
const DefaultSilentAfter = time.Hour

// Loop judges the fleet. One goroutine runs it; everybody may ask for [Loop.Fleet].
type Loop struct {
	store   store.Store
	catalog Catalog
	now     func() time.Time
	silent  time.Duration
	log     *slog.Logger

	published atomic.Pointer[Picture]

	// fleet is nil until it was judged for the first time; doubt says that the store may have
	// other intervals than follow from it.
	fleet *exposure.Fleet
	doubt bool
	// judges classifies hosts by the catalog's patches.
	judges *exposure.Index
	basis  basis
	// change and event are the next to be taken in, of documents and of the audit log.
	change, event int64
	hosts         map[hotstick.HostID]exposure.Class
	sites         sites
	// scan is when to look at every host next, and anew when to judge all of it anew.
	scan, anew time.Time
	away       away
}

// basis is what a fleet is judged by beside hosts and advisories: where it changes, all of it
// is judged anew.
type basis struct {
	version int64
	patches []hotstick.Patch
	// authorities and complete are by feed: what it is the vendor of, and what it is complete for.
	authorities, complete map[string][]string
}

// New makes a loop. Nothing happens before [Loop.Begin], [Loop.Run] or [Loop.Round].
func New(o Options) *Loop {
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.SilentAfter == 0 {
		o.SilentAfter = DefaultSilentAfter
	}
	return &Loop{store: o.Store, catalog: o.Catalog, now: o.Now, silent: o.SilentAfter, log: o.Log, sites: sites{tree: o.Tree}}
}

// Picture is a fleet with what decides how urgent it is. It is read only, and nobody who reads
// it waits for the loop.
type Picture struct {
	Fleet *exposure.Fleet
	// Sites are those of the hosts whose labels answer anything to the tree.
	Sites map[hotstick.HostID]exposure.Site
}

// Picture is where every host stands; nil while nothing is known of any CVE.
func (l *Loop) Picture() *Picture { return l.published.Load() }

// Fleet is the picture's fleet.
func (l *Loop) Fleet() *exposure.Fleet {
	if p := l.Picture(); p != nil {
		return p.Fleet
	}
	return nil
}

// Tree decides how urgent what is open is.
func (l *Loop) Tree() *exposure.Tree { return l.sites.tree }

// Pace of the loop.
const (
	// coalesce bounds how often it looks at what was committed.
	coalesce = time.Second
	// scanEvery is how often it looks at every host, if that takes less than one in scanShare
	// of the time.
	scanEvery = time.Minute
	scanShare = 20
	// anewEvery is how often all is judged anew: a fleet that is changed only remembers every
	// class that any host ever was of.
	anewEvery = 24 * time.Hour
)

// Begin learns how long the server was away. It is called before hosts can check in: after the
// first of them nothing tells the silence of the others from the server's absence. Only the
// first call counts; [Loop.Run] calls it too, and whoever calls [Loop.Round] instead calls it
// once before.
func (l *Loop) Begin(ctx context.Context) error {
	if l.away.known {
		return nil
	}
	return l.store.View(ctx, func(tx store.Tx) error {
		newest, err := newest(tx)
		if err == nil {
			l.away.begin(l.now(), newest, l.silent)
		}
		return err
	})
}

// Run judges until the context ends or the store is closed.
func (l *Loop) Run(ctx context.Context) error {
	changes, stop := l.store.Changes()
	defer stop()
	if err := l.Begin(ctx); err != nil {
		return err
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	var last time.Time
	for {
		select {
		case <-ctx.Done():
			return nil
		case _, open := <-changes:
			if !open {
				return nil
			}
			timer.Reset(max(0, coalesce-time.Since(last)))
		case <-timer.C:
			if err := l.Round(ctx); err != nil && ctx.Err() == nil {
				l.log.Error("cannot judge exposures", "error", err)
			}
			last = time.Now()
			timer.Reset(scanEvery)
		}
	}
}

// Round brings the fleet and the intervals up to date. After an error the next one mends what
// this one left.
func (l *Loop) Round(ctx context.Context) error {
	now, needed, err := l.basisNow(ctx)
	if err != nil || !needed {
		return err
	}
	var next *exposure.Fleet
	if l.fleet == nil || !l.basis.same(now) || !l.now().Before(l.anew) {
		l.basis = now
		next, err = l.judgeAll(ctx)
	} else {
		next, err = l.judgeChanges(ctx)
	}
	if err != nil {
		l.fleet = nil // what was taken in already is lost: all is judged anew
		return err
	}
	before := l.fleet
	if before == nil {
		l.doubt = true
	}
	l.fleet = next
	l.published.Store(&Picture{Fleet: next, Sites: l.sites.publish()})
	if l.doubt {
		err = l.mend(ctx)
	} else if next != before {
		err = l.write(ctx, exposure.Events(before, next, l.now()))
	}
	l.doubt = err != nil
	return err
}

// basisNow reads what the fleet is to be judged by. Where no feed is named and nothing is
// known, there is nothing to do.
func (l *Loop) basisNow(ctx context.Context) (b basis, needed bool, err error) {
	b.authorities, b.complete = map[string][]string{}, map[string][]string{}
	err = l.store.View(ctx, func(tx store.Tx) error {
		feeds, err := tx.Feeds().List()
		if err != nil {
			return err
		}
		for _, f := range feeds {
			if len(f.Vendor) > 0 {
				b.authorities[f.Name] = f.Vendor
			}
			// What a feed said stays when it is not read any more, but then its silence tells
			// nothing.
			if len(f.Complete) > 0 && f.Enabled && !f.Removed {
				b.complete[f.Name] = f.Complete
			}
		}
		if needed = len(feeds) > 0 || l.fleet != nil; needed {
			return nil
		}
		documents, err1 := tx.Advisories().Since(0, 1)
		hosts, err := tx.Exposures().Hosts("", 1)
		needed = len(documents)+len(hosts) > 0
		if err1 != nil {
			return err1
		}
		return err
	})
	view := l.catalog.View()
	b.version, b.patches = view.Version, view.Patches
	return b, needed, err
}

func (b basis) same(o basis) bool {
	return (b.version == o.version || reflect.DeepEqual(b.patches, o.patches)) &&
		maps.EqualFunc(b.authorities, o.authorities, slices.Equal) && maps.EqualFunc(b.complete, o.complete, slices.Equal)
}

// judgeAll judges the whole fleet.
func (l *Loop) judgeAll(ctx context.Context) (*exposure.Fleet, error) {
	l.judges = exposure.Compile(nil, l.basis.patches, nil)
	l.anew = l.now().Add(anewEvery)
	l.change, l.hosts = 0, map[hotstick.HostID]exposure.Class{}
	l.sites.clear()
	var said []hotstick.Advisory
	if err := l.documents(ctx, func(d store.SaidAnew) { said = append(said, d.Advisories...) }); err != nil {
		return nil, err
	}
	hosts, _, err := l.look(ctx)
	if err != nil {
		return nil, err
	}
	return exposure.Full(exposure.Compile(said, l.basis.patches, l.basis.authorities), hosts), nil
}

// judgeChanges judges what has changed since the last time.
func (l *Loop) judgeChanges(ctx context.Context) (*exposure.Fleet, error) {
	var c exposure.Change
	err := l.documents(ctx, func(d store.SaidAnew) {
		c.Advisories = append(c.Advisories, d.Advisories...)
		for _, k := range d.Gone {
			c.Withdrawn = append(c.Withdrawn, exposure.Key{Feed: d.Document.Feed, Document: d.Document.ID, CVE: k.CVE, Product: k.Product})
		}
	})
	if err != nil {
		return nil, err
	}
	if l.now().Before(l.scan) {
		c.Hosts, c.Gone, err = l.follow(ctx)
	} else {
		c.Hosts, c.Gone, err = l.look(ctx)
	}
	if err != nil {
		return nil, err
	}
	if len(c.Advisories)+len(c.Withdrawn)+len(c.Hosts)+len(c.Gone) == 0 {
		return l.fleet, nil
	}
	return l.fleet.Change(c), nil
}
