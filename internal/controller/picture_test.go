package controller

import (
	"context"
	"errors"
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
	"github.com/hotstick/hotstick/internal/store"
)

// TestWhatIsKeptIsWhatTheStoreHas drives two servers with two rollouts on one store,
// with reports that go to either of them, and operators who meddle. After each step, what each
// server keeps must say the same as a rollout that is made from the store alone.
func TestWhatIsKeptIsWhatTheStoreHas(t *testing.T) {
	for seed := range uint64(30) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, 8, canary, racks(3, 1), func(w *world, p *hotstick.Plan) {
				p.Budgets[0].Max = 3
				p.Gate.BackgroundPPM = 200_000
				w.hosts = w.hosts[:6] // the last two are outsiders
				p.HostCount, p.Waves[1].Hosts = 6, 5
			})
			pair := &pair{world: w, servers: []*Controller{w.control, w.newController()}, random: rand.New(rand.NewPCG(seed, 1))}
			other, err := w.control.Submit(w.Context(), w.retarget(func(w *world, p *hotstick.Plan) {
				canary(w, p)
				p.Continues, p.Budgets[0].Max = "", 3
			}), w.hosts, "alice")
			w.must(err)
			_, err = w.control.Start(w.Context(), string(other), "alice", "")
			w.must(err)
			for i := range 2 {
				pair.outsider(i)
			}
			for range 120 {
				what := pair.step()
				for i, c := range pair.servers {
					if !pair.agrees(c, w.plan) || !pair.agrees(c, other) {
						t.Fatalf("seed %d: server %d differs after %s", seed, i, what)
					}
				}
			}
		})
	}
}

// pair is a world with two servers.
type pair struct {
	*world
	servers []*Controller
	random  *rand.Rand
	seq     uint64
}

// outsider adds a host that the plan does not list, in the rack of one that it
// does.
func (p *pair) outsider(i int) {
	p.addHost(fmt.Sprint("outsider-", i))
	p.hosts[len(p.hosts)-1].Domains = map[string]string{"rack": fmt.Sprint("r", i)}
}

func (p *pair) step() string {
	w, c := p.world, p.servers[p.random.IntN(len(p.servers))]
	w.control = c
	host := p.random.IntN(len(w.hosts))
	id := w.hosts[host].Host
	listed := host < 6
	switch n := p.random.IntN(20); {
	case n < 6:
		c.Round(w.Context())
		return "a round"
	case n < 10:
		p.seen(host)
		return fmt.Sprint("a check-in of ", host)
	case n < 15 && listed:
		return p.say(host)
	case n == 15:
		pass(time.Duration(p.random.IntN(200)) * time.Second)
		return "time"
	case n == 16:
		if p.random.IntN(2) == 0 {
			w.must(c.Exclude(w.Context(), id, time.Now().Add(time.Minute), "alice", "no"))
			return "an exclusion"
		}
		w.must(c.Include(w.Context(), id, "alice", "yes"))
		return "an inclusion"
	case n == 17 && listed:
		_, err := c.Retry(w.Context(), string(w.plan), "alice", "again", nil)
		_ = err // refused once the rollout is over
		return "a retry"
	case n == 18 && p.random.IntN(4) == 0 && listed:
		_, err := c.Revert(w.Context(), string(w.plan), "alice", "no", []hotstick.HostID{id})
		_ = err // refused for a host that waits
		return "a revert"
	case n == 19 && p.random.IntN(3) == 0:
		_, err := c.Freeze(w.Context(), time.Now(), time.Now().Add(time.Minute), "alice", fmt.Sprint(p.random.IntN(3)))
		w.must(err)
		return "a freeze"
	}
	p.seen(host)
	return fmt.Sprint("a check-in of ", host)
}

// seen is a check-in, and all that its answer may do.
func (p *pair) seen(host int) {
	p.seq++
	req := p.request(host, 100+p.seq, nil)
	req.Loader.Plans = []hotstick.PlanID{p.plan}
	if p.random.IntN(4) == 0 {
		req.Readings = []hotstick.Reading{{Probe: "http"}}
	}
	_, err := p.control.Take(p.Context(), req, time.Minute)
	p.must(err)
	_, err = p.control.Documents(p.Context(), req, 0)
	p.must(err)
}

// say reports some step of the host's attempt that is allowed.
func (p *pair) say(host int) string {
	next := p.line(host).State.NextStates()
	if len(next) == 0 || p.line(host).State == hotstick.Waiting {
		return "nothing"
	}
	state := next[p.random.IntN(len(next))]
	p.seq++
	req := p.request(host, 100+p.seq, []hotstick.Report{{Seq: p.seq, Plan: p.plan, Patch: patch, Attempt: p.line(host).Attempt, State: state,
		Reason: &hotstick.Reason{Code: hotstick.ReasonCleanShutdown}}})
	_, err := p.control.Take(p.Context(), req, time.Minute)
	p.must(err)
	return fmt.Sprintf("host %d reports %s", host, state)
}

// agrees compares what a server keeps with what the store has. What a server does
// not know yet, because it heard no event of it, is its next round's business.
func (p *pair) agrees(c *Controller, id hotstick.PlanID) bool {
	same := true
	p.must(p.store.View(p.Context(), func(tx store.Tx) error {
		plan, err := tx.Plans().Get(id)
		if err != nil {
			return err
		}
		c.picture.mu.Lock()
		defer c.picture.mu.Unlock()
		if _, err := c.catchUp(tx); err != nil {
			return err
		}
		l := c.picture.lives[id]
		if l == nil {
			return nil
		}
		if err := c.reframe(tx, l, plan); err != nil {
			return err
		}
		view, err := c.view(tx, plan)
		if err != nil {
			return err
		}
		now := l.now(tx)
		fresh := rollout.Open(view)
		for _, h := range view.Hosts {
			kept, _ := l.r.Host(h.Listed.Host)
			p.equal(&same, "host "+h.Listed.Name, kept.State, h.State)
			p.equal(&same, "attempt of "+h.Listed.Name, kept.Attempt, h.Attempt)
			kept.LastSeen = h.LastSeen // mere signs of life are passed on now and then
			p.equal(&same, "posture of "+h.Listed.Name, kept.Posture, h.Posture)
			p.equal(&same, "why "+h.Listed.Name, l.r.Why(h.Listed.Host, now), fresh.Why(h.Listed.Host, now))
		}
		p.equal(&same, "stuck", l.r.Stuck(now), fresh.Stuck(now))
		p.equal(&same, "lanes", l.r.Lanes(now), fresh.Lanes(now))
		p.equal(&same, "domains", l.r.Domains(now), fresh.Domains(now))
		return nil
	}))
	return same
}

func (p *pair) equal(same *bool, what string, got, want any) {
	if !reflect.DeepEqual(got, want) {
		p.Errorf("%s: kept is %+v, the store has %+v", what, got, want)
		*same = false
	}
}

// TestAHostThatTalksToAnotherServerIsNotLost: one server decides, and all check-ins
// go to the other one. Signs of life have no events.
func TestAHostThatTalksToAnotherServerIsNotLost(t *testing.T) {
	inBubble(t, 2, func(w *world) {
		here, there := w.control, w.newController()
		w.rounds()
		w.control = there
		w.report(0, hotstick.Probation, nil)
		for seq := uint64(10); seq < 30; seq++ {
			pass(time.Minute)
			_, err := there.Documents(w.Context(), w.checkIn(0, seq, nil), 0)
			w.must(err)
			here.Round(w.Context())
			if got := w.line(0).State; got != hotstick.Probation {
				t.Fatalf("after %d minutes it is %s", seq-9, got)
			}
		}
		pass(6 * time.Minute)
		here.Round(w.Context())
		if got := w.line(0).State; got != hotstick.Lost {
			t.Errorf("after a true silence it is %s", got)
		}
	})
}

// TestALostFeedCostsARebuildOnly throws signs of life away.
func TestALostFeedCostsARebuildOnly(t *testing.T) {
	inBubble(t, 2, func(w *world) {
		w.rounds()
		w.report(0, hotstick.Probation, nil)
		w.rounds()
		before := w.control.picture.lives[w.plan]
		w.control.feed.mu.Lock()
		w.control.feed.overflow = true
		w.control.feed.mu.Unlock()
		for seq := uint64(10); seq < 20; seq++ {
			pass(time.Minute)
			w.checkIn(0, seq, nil)
			w.rounds()
		}
		if after := w.control.picture.lives[w.plan]; after == before || after == nil {
			t.Error("the plan was not taken up anew")
		}
		if got := w.line(0).State; got != hotstick.Probation {
			t.Errorf("it is %s", got)
		}
	})
}

// TestAPlanAtRestIsNotKept looks at what stays in memory.
func TestAPlanAtRestIsNotKept(t *testing.T) {
	inBubble(t, 2, func(w *world) {
		w.rounds()
		for i := range 2 {
			w.report(i, hotstick.Confirmed, nil)
			w.rounds()
		}
		if p := w.status(); p.Status != hotstick.Completed {
			t.Fatalf("the rollout is %s", p.Status)
		}
		if n, awake := len(w.control.picture.lives), len(w.control.picture.awake); n != 0 || awake != 0 {
			t.Errorf("%d plans are kept and %d awake", n, awake)
		}
		_, err := w.control.Revert(w.Context(), string(w.plan), "alice", "after all", []hotstick.HostID{w.hosts[0].Host})
		w.must(err)
		w.rounds()
		if got := w.line(0).State; got != hotstick.Reverting {
			t.Errorf("a plan at rest does not wake: the host is %s", got)
		}
	})
}

// TestACommitThatFailsLeavesNothingInMemory: the store fails after the decision was
// made, so what the rollout took for done was not.
func TestACommitThatFailsLeavesNothingInMemory(t *testing.T) {
	inBubble(t, 2, func(w *world) {
		failing := &failing{Store: w.store, fail: true}
		w.control = New(Options{Store: failing, Catalog: w, Online: w.online, Limits: rollout.DefaultLimits, Log: w.control.log})
		if _, err := w.control.Decide(w.Context(), w.plan); err == nil {
			t.Fatal("the commit did not fail")
		}
		if got := w.admitted(); len(got) != 0 {
			t.Fatalf("hosts %v are admitted", got)
		}
		failing.fail = false
		w.rounds()
		if got := w.admitted(); len(got) != 2 {
			t.Errorf("hosts %v are admitted once the disk has room, want both", got)
		}
	})
}

// TestTheEndOfARolloutComesBeforeWhatFollowsFromIt: with many hosts under way the
// halt is not held up by the orders that send them back.
func TestTheEndOfARolloutComesBeforeWhatFollowsFromIt(t *testing.T) {
	const n = piece + 40
	inBubble(t, n, func(w *world) {
		w.rounds()
		for i := range n {
			w.report(i, hotstick.Probation, nil)
		}
		w.report(0, hotstick.Quarantined, &hotstick.Reason{Code: hotstick.ReasonCrashNamed, Subject: "f"})
		w.control.Round(w.Context())
		if got := w.states()[hotstick.Reverting]; w.status().Status != hotstick.Halted || got != piece {
			t.Errorf("the first commit halts and orders %d back: the rollout is %s", got, w.status().Status)
		}
		w.report(n-1, hotstick.Reverted, &hotstick.Reason{Code: hotstick.ReasonProbeFailed}) // faster than its order
		w.rounds()
		if got := w.states(); got[hotstick.Reverting] != n-2 || got[hotstick.Reverted] != 1 || got[hotstick.Quarantined] != 1 {
			t.Errorf("after all commits: %v", got)
		}
	}, func(_ *world, p *hotstick.Plan) { p.Budgets[0].Max, p.Gate.MinReadings = n, n })
}

// failing is a store whose commits fail.
type failing struct {
	store.Store
	fail bool
}

var errDisk = errors.New("cannot write: the disk is full")

// Update implements [store.Store].
func (f *failing) Update(ctx context.Context, fn func(store.Tx) error) error {
	return f.Store.Update(ctx, func(tx store.Tx) error {
		if err := fn(tx); err != nil || !f.fail {
			return err
		}
		return errDisk
	})
}

func TestPeopleAreToldThatApprovalIsWantedAndThatARolloutIsDone(t *testing.T) {
	inBubble(t, 2, func(w *world) {
		bob := newKey(t)
		trust := w.trusted.Trust
		trust.AuthorMayApprove = false
		trust.Persons = append(trust.Persons, hotstick.TrustedPerson{Person: "bob", Keys: []hotstick.TrustedKey{hotstick.TrustedKey(bob.Public())}})
		w.trusted.Trust = trust
		_, err := w.control.Submit(w.Context(), w.retarget(func(_ *world, p *hotstick.Plan) { p.Continues = "" }), w.hosts, "alice")
		w.must(err)
		for i := range 2 {
			w.rounds()
			w.report(i, hotstick.Confirmed, nil)
		}
		w.rounds()
		var kinds []string
		w.must(w.store.View(w.Context(), func(tx store.Tx) error {
			messages, err := tx.Outbox().Due(time.Now(), 0)
			for _, m := range messages {
				kinds = append(kinds, m.Kind)
			}
			return err
		}))
		if want := []string{inventory.NotifyApproval, inventory.NotifyFinish}; !slices.Equal(kinds, want) {
			t.Errorf("people were told %v, want %v", kinds, want)
		}
	})
}
