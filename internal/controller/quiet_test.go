package controller

import (
	"context"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/decide/rollout"
	"github.com/hotstick/hotstick/internal/inventory"
	"github.com/hotstick/hotstick/internal/inventory/leaftest"
	"github.com/hotstick/hotstick/internal/store"
	"github.com/hotstick/hotstick/internal/wire"
)

// twins are two servers to which the same happens; the first remembers quiet hosts.
type twins struct {
	*testing.T
	random *rand.Rand
	each   [2]*world
	said   []wire.SyncRequest
	seq    uint64
	stops  []func()
	// quiet counts check-ins that needed no transaction.
	quiet int
}

const twinHosts = 6

// remembering makes the world's controller one that remembers quiet hosts.
func (w *world) remembering() {
	w.control = New(Options{Store: leaftest.Watch(w, w.store), Catalog: w, Online: w.online, Limits: rollout.DefaultLimits, Log: w.control.log, Now: time.Now})
}

func newTwins(t *testing.T, seed uint64) *twins {
	p := &twins{T: t, random: rand.New(rand.NewPCG(seed, 7)), seq: 100}
	for i := range p.each {
		w := newWorld(t, 2)
		for h := 2; h < twinHosts; h++ { // these are in no plan
			w.addHost(fmt.Sprint("other-", h))
		}
		if i == 0 {
			w.remembering()
		}
		p.each[i] = w
		p.stops = append(p.stops, w.run(w.control))
	}
	for h := range twinHosts {
		p.said = append(p.said, p.each[0].request(h, 1, nil))
	}
	pass(time.Second)
	return p
}

// checkIn makes one check-in with both, and compares the answers.
func (p *twins) checkIn(what string, host int, edit func(*wire.SyncRequest)) {
	p.Helper()
	p.seq++
	p.said[host].Seq, p.said[host].Facts, p.said[host].Reports = p.seq, nil, nil
	if edit != nil {
		edit(&p.said[host])
	}
	var answers [2]string
	for i, w := range p.each {
		req := p.said[host]
		req.Host = w.hosts[host].Host
		req.Loader.Plans = slices.Clone(req.Loader.Plans)
		taken, err := w.control.Take(p.Context(), req, time.Minute)
		if err != nil {
			answers[i] = err.Error()
			continue
		}
		if _, quiet := w.control.quiet.answer(&req); quiet {
			p.quiet++
		}
		out, err := w.control.Documents(p.Context(), req, 0)
		answers[i] = fmt.Sprint(taken.Counted, taken.WantFacts, taken.Cloned, taken.Doubtful, taken.Host.Reported, w.kinds(out.Documents), out.Active, err)
	}
	if answers[0] != answers[1] {
		p.Fatalf("%s of host %d is answered with\n%s\nand without memory with\n%s", what, host, answers[0], answers[1])
	}
}

// happen does one random thing to both.
func (p *twins) happen() {
	host, reason := p.random.IntN(twinHosts), fmt.Sprint(p.random.IntN(1000))
	both := func(do func(w *world) error) {
		var errs [2]error
		for i, w := range p.each {
			errs[i] = do(w)
		}
		if (errs[0] == nil) != (errs[1] == nil) {
			p.Fatalf("%v and %v", errs[0], errs[1])
		}
		pass(100 * time.Millisecond) // both servers decide
	}
	switch p.random.IntN(60) {
	case 0:
		both(func(w *world) error { return w.control.Ban(p.Context(), newer, "alice", reason) })
	case 1:
		both(func(w *world) error {
			return w.control.Exclude(p.Context(), w.hosts[host].Host, time.Now().Add(time.Minute), "alice", reason)
		})
	case 2:
		both(func(w *world) error {
			_, err := w.control.Halt(p.Context(), string(w.plan), "alice", reason)
			return err
		})
	case 3:
		if p.random.IntN(4) == 0 {
			both(func(w *world) error { return w.control.WriteOff(p.Context(), w.hosts[host].Host, "alice", reason) })
		}
	case 4:
		p.checkIn("a new state", host, func(r *wire.SyncRequest) {
			r.Loader.InEffect = hotstick.PatchRef{Name: "x", Level: 1 + p.random.IntN(2)}
		})
	case 5:
		p.checkIn("a failing probe", host, func(r *wire.SyncRequest) {
			r.Readings = []hotstick.Reading{{Probe: "web", Healthy: p.random.IntN(2) == 0, Detail: reason}}
		})
	case 6:
		p.checkIn("a report", host, func(r *wire.SyncRequest) {
			r.Reports = []hotstick.Report{{Seq: p.seq, Boot: r.Boot, Patch: patch, State: hotstick.Confirmed}}
		})
	case 7:
		p.checkIn("an older number", host, func(r *wire.SyncRequest) { r.Seq -= 1 + p.random.Uint64N(50) })
	case 8:
		p.checkIn("another key", host, func(r *wire.SyncRequest) { r.Key = hotstick.NewDigest([]byte(reason)) })
	case 9:
		p.checkIn("a loader that knows the ban", host, func(r *wire.SyncRequest) { r.Loader.Bans = []hotstick.PatchRef{newer} })
	case 10:
		p.checkIn("a reboot", host, func(r *wire.SyncRequest) {
			facts := *p.each[0].request(host, 1, nil).Facts
			facts.Host.BootID = reason
			r.Boot, r.Facts = reason, &facts
		})
	case 11:
		pass(time.Duration(p.random.IntN(120)) * time.Second)
	default:
		p.checkIn("a sign of life", host, nil)
		pass(time.Duration(p.random.IntN(12)) * time.Second)
	}
}

// hosts are the hosts as the store has them, with names in the place of IDs.
func (p *twins) hosts(w *world) (all []store.Host) {
	p.must(w.store.View(p.Context(), func(tx store.Tx) error {
		for i, h := range w.hosts {
			found, err := tx.Hosts().Get(h.Host)
			if err != nil {
				return err
			}
			found.ID, found.Identity, found.Loader.Plans = hotstick.HostID(fmt.Sprint(i)), nil, nil
			all = append(all, found)
		}
		return nil
	}))
	return all
}

func (p *twins) must(err error) {
	p.Helper()
	if err != nil {
		p.Fatal(err)
	}
}

// Whatever happens, a server that remembers quiet hosts gives the answers of one that
// asks its store each time, and soon has the same in its store.
func TestMemoryOfQuietHostsChangesNoAnswer(t *testing.T) {
	quiet := 0
	for seed := range uint64(12) {
		synctest.Test(t, func(t *testing.T) {
			p := newTwins(t, seed)
			for range 250 {
				p.happen()
			}
			quiet += p.quiet
			pass(saveEvery + time.Second)
			for _, stop := range p.stops {
				stop()
			}
			if a, b := p.hosts(p.each[0]), p.hosts(p.each[1]); !reflect.DeepEqual(a, b) {
				for i := range a {
					if !reflect.DeepEqual(a[i], b[i]) {
						t.Errorf("seed %d: the store has %+v, and without memory %+v", seed, a[i], b[i])
					}
				}
			}
		})
	}
	if quiet < 500 {
		t.Errorf("quiet hosts were taken without a transaction %d times: the test shows nothing", quiet)
	}
}

// counted counts the transactions of a store.
type counted struct {
	store.Store
	updates, views int
}

func (c *counted) Update(ctx context.Context, fn func(store.Tx) error) error {
	c.updates++
	return c.Store.Update(ctx, fn)
}

func (c *counted) View(ctx context.Context, fn func(store.Tx) error) error {
	c.views++
	return c.Store.View(ctx, fn)
}

func TestAQuietHostNeedsNoTransaction(t *testing.T) {
	inBubble(t, 1, func(w *world) {
		c := &counted{Store: w.store}
		w.control = New(Options{Store: c, Catalog: w, Online: w.online, Limits: rollout.DefaultLimits, Log: w.control.log, Now: time.Now})
		w.addHost("other")
		say := func(seq uint64) (inventory.Taken, Outgoing) {
			t.Helper()
			req := w.request(1, seq, nil)
			req.Facts = nil
			c.updates, c.views = 0, 0
			taken, err := w.control.Take(t.Context(), req, time.Minute)
			w.must(err)
			out, err := w.control.Documents(t.Context(), req, 0)
			w.must(err)
			pass(10 * time.Second)
			return taken, out
		}
		say(2)
		if taken, out := say(3); c.updates+c.views > 0 || !taken.Counted || out.Active || len(out.Documents) > 0 {
			t.Errorf("%d updates and %d views for %+v, %+v", c.updates, c.views, taken, out)
		}
		w.must(w.control.Ban(t.Context(), newer, "alice", "bad"))
		if _, out := say(4); c.views == 0 || len(out.Documents) != 1 {
			t.Errorf("the ban was not sent: %d views, %+v", c.views, out)
		}
		w.must(w.control.WriteOff(t.Context(), w.hosts[1].Host, "alice", "gone"))
		if _, err := w.control.Take(t.Context(), w.request(1, 5, nil), time.Minute); err == nil {
			t.Error("a host that was written off is served from memory")
		}
		w.control.saveAll(t.Context())
		if n := len(w.control.quiet.unsaved); n > 0 {
			t.Errorf("%d signs of life wait for ever", n)
		}
	})
}
