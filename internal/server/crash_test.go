package server

import (
	"context"
	"flag"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/api"
	"github.com/hotstick/hotstick/internal/audit"
	"github.com/hotstick/hotstick/internal/decide/rollout"
	"github.com/hotstick/hotstick/internal/inventory"
	"github.com/hotstick/hotstick/internal/statement"
	"github.com/hotstick/hotstick/internal/store"
)

// childDir and childListen make the test program serve instead of testing, so
// that a whole server process can be killed.
const (
	childDir    = "HOTSTICK_TEST_SERVER_DIR"
	childListen = "HOTSTICK_TEST_SERVER_LISTEN"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		serveAsChild(dir, os.Getenv(childListen))
		return
	}
	flag.Parse()
	// These tests wait for clocks far more than for processors.
	if err := flag.Set("test.parallel", "8"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

func serveAsChild(dir, listen string) {
	o := Options{Dir: dir, Listen: listen, Log: slog.New(slog.DiscardHandler),
		Limits: Limits{IdleInterval: 100 * time.Millisecond, StaleAfter: time.Minute,
			Rollout: rollout.Limits{SilentAfter: time.Minute, GrantLife: 2 * time.Second}}}
	s, err := New(context.Background(), o)
	if err == nil {
		err = s.Run(context.Background())
	}
	if err != nil {
		os.Stderr.WriteString(err.Error() + "\n")
		os.Exit(1)
	}
}

// TestKill9MidWave kills the server process at random moments of a rollout. Hosts
// go on checking in; in the end every host was started exactly once and the audit
// log has every step.
func TestKill9MidWave(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	hosts := w.fleetOfFour()
	r := w.running(w.publish(1), quick)
	address := w.server.Addr().String()
	before := w.head()
	w.stop()
	for range 8 {
		child := exec.Command(os.Args[0])
		child.Env = append(os.Environ(), childDir+"="+w.dir, childListen+"="+address)
		child.Stderr = os.Stderr
		w.must(child.Start())
		time.AfterFunc(time.Duration(300+rand.IntN(700))*time.Millisecond, func() { _ = child.Process.Kill() })
		_ = child.Wait()
	}
	w.start()
	r = w.until(r.Plan, "it is completed", is(hotstick.Completed))
	for _, h := range hosts {
		if h.granted(r.Plan) != 1 || h.runs().IsZero() {
			t.Errorf("%s took %d grants and runs %s; want one start", h.name, h.granted(r.Plan), h.runs())
		}
	}
	w.wantWholeLives(r)
	w.wantOrder(r)
	after := w.head()
	w.must(w.server.store.View(t.Context(), func(tx store.Tx) error { return audit.VerifyLog(tx.Events(), before, after) }))
}

// head is the audit log's head now, as somebody would keep it elsewhere.
func (w *world) head() audit.Head {
	w.Helper()
	var head audit.Head
	w.must(w.server.store.View(w.Context(), func(tx store.Tx) error {
		size, root, err := tx.Events().Head()
		head = audit.Head{Size: size, Root: root}
		return err
	}))
	return head
}

// wantWholeLives checks that the log has, for every host, each state of a good
// attempt once and in order.
func (w *world) wantWholeLives(r api.Rollout) {
	w.Helper()
	log, err := w.admin.Events(w.Context(), eventsOf(r.Plan))
	w.must(err)
	lives := map[hotstick.HostID][]hotstick.HostState{}
	for i := len(log.Events) - 1; i >= 0; i-- {
		if e := log.Events[i]; e.Kind == inventory.HostState {
			lives[e.Host] = append(lives[e.Host], hotstick.HostState(e.State))
		}
	}
	for host, states := range lives {
		for i, want := range []hotstick.HostState{hotstick.Admitted, hotstick.Armed, hotstick.Applying, hotstick.Probation, hotstick.Confirmed} {
			if i >= len(states) || states[i] != want {
				w.Errorf("the life of %s in the log is %v", host, states)
				break
			}
		}
	}
}

func TestAGrantWhoseAnswerWasLostIsGivenAgain(t *testing.T) {
	onEachStore(t, func(w *world) {
		h := w.enrol("host-1", buildA)
		for !w.factsOf(h) {
			if _, err := h.checkIn(t.Context(), 0); err != nil {
				t.Fatal(err)
			}
		}
		r := w.running(w.publish(1), quick)
		// The answer with the grant is lost: the documents are taken out of the host's
		// hands, the server ends, and another one knows nothing of it.
		h.lose = true
		h.until(func() bool { return h.lost > 0 })
		first := w.grantsInLog(r.Plan)
		w.restart()
		h.useCertificate(h.cert)
		h.lose = false
		h.run()
		r = w.until(r.Plan, "it is completed", is(hotstick.Completed))
		if first != 1 || h.granted(r.Plan) != 1 {
			t.Errorf("%d grants before the crash, %d accepted; want one and one", first, h.granted(r.Plan))
		}
	})
}

func (w *world) factsOf(h *simulated) bool {
	d, err := w.admin.Host(w.Context(), string(h.id))
	w.must(err)
	return d.Facts != nil
}

func (w *world) grantsInLog(plan hotstick.PlanID) int {
	w.Helper()
	log, err := w.admin.Events(w.Context(), eventsOf(plan))
	w.must(err)
	n := 0
	for _, e := range log.Events {
		if e.Kind == inventory.GrantIssued {
			n++
		}
	}
	return n
}

// crowd makes a plan whose only wave has all hosts at once, so that many grants
// are asked for at the same moment.
func (w *world) crowd(ref hotstick.PatchRef, n int) (api.Rollout, []*simulated) {
	w.Helper()
	var hosts []*simulated
	for range n {
		h := w.enrol("host", buildA)
		for h.want {
			if _, err := h.checkIn(w.Context(), 0); err != nil {
				w.Fatal(err)
			}
		}
		hosts = append(hosts, h)
	}
	d := w.draft(ref, api.PlanSettings{ProbationSeconds: 60, TransitionSeconds: 5, BakeSeconds: 1})
	var plan hotstick.Plan
	w.must(jsonInto(d.Payload, &plan))
	for i := range d.Hosts {
		d.Hosts[i].Wave, d.Hosts[i].StandIn = 0, nil
	}
	plan.Waves = []hotstick.Wave{{Name: "all", Hosts: n, BakeSeconds: 1}}
	plan.Budgets = []hotstick.Budget{{Domain: hotstick.FleetDomain, Max: n}}
	var err error
	plan.HostsRoot, err = statement.HostsRoot(d.Hosts)
	w.must(err)
	raw, err := statement.Sign(statement.KindPlan, plan, w.persons[alice], w.persons[bob], w.persons[carol])
	w.must(err)
	r, err := w.admin.Submit(w.Context(), api.SubmitRequest{Envelope: raw, Hosts: d.Hosts})
	w.must(err)
	r, err = w.admin.Start(w.Context(), string(r.Plan))
	w.must(err)
	return r, hosts
}

func TestNoGrantIsMadeAfterAHalt(t *testing.T) {
	onEachStore(t, func(w *world) {
		const n = 24
		r, hosts := w.crowd(w.publish(1), n)
		w.until(r.Plan, "all are admitted", func(r api.Rollout) bool { return r.States[hotstick.Admitted] == n })
		var halted atomic.Bool
		var late atomic.Int32
		var crowd sync.WaitGroup
		for _, h := range hosts {
			crowd.Go(func() {
				for range 6 {
					asked := halted.Load()
					before := h.granted(r.Plan)
					if _, err := h.checkIn(t.Context(), 0); err != nil {
						t.Error(err)
						return
					}
					if asked && h.granted(r.Plan) > before {
						late.Add(1)
					}
				}
			})
		}
		_, err := w.admin.Halt(t.Context(), string(r.Plan), api.ActionRequest{Reason: "now"})
		w.must(err)
		halted.Store(true)
		crowd.Wait()
		if late.Load() > 0 {
			t.Errorf("%d hosts asked after the halt and were granted a start", late.Load())
		}
		w.wantNoGrantAfter(r.Plan, hotstick.Halted)
	})
}

// wantNoGrantAfter checks the total order of the audit log.
func (w *world) wantNoGrantAfter(plan hotstick.PlanID, status hotstick.PlanStatus) {
	w.Helper()
	w.must(w.server.store.View(w.Context(), func(tx store.Tx) error {
		events, err := tx.Events().List(store.EventFilter{Plan: plan})
		if err != nil {
			return err
		}
		over := false
		grants := 0
		for i := len(events) - 1; i >= 0; i-- {
			e := events[i]
			over = over || e.Kind == inventory.PlanStatus && e.State == string(status)
			if e.Kind == inventory.GrantIssued {
				grants++
				if over {
					w.Errorf("event %d is a grant after the plan was %s", e.Seq, status)
				}
			}
		}
		w.Logf("%d grants before the plan was %s", grants, status)
		return nil
	}))
}

func TestNoGrantIsMadeAfterStopAllOrABan(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	ref := w.publish(1)
	r, hosts := w.crowd(ref, 3)
	w.until(r.Plan, "all are admitted", func(r api.Rollout) bool { return r.States[hotstick.Admitted] == 3 })
	_, err := w.admin.Ban(t.Context(), ref, api.BanRequest{Reason: "seen to be bad"})
	w.must(err)
	for _, h := range hosts {
		for range 3 {
			_, err := h.checkIn(t.Context(), 0)
			w.must(err)
		}
		if h.granted(r.Plan) != 0 {
			t.Errorf("%s was granted a start of a banned patch", h.name)
		}
		if len(h.bans) != 1 {
			t.Errorf("%s was not told of the ban", h.name)
		}
	}
	if n := w.grantsInLog(r.Plan); n != 0 {
		t.Errorf("%d grants of a banned patch", n)
	}
}
