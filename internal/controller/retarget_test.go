package controller

import (
	"slices"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/inventory"
	"github.com/hotstick/hotstick/internal/statement"
	"github.com/hotstick/hotstick/internal/store"
)

func TestAPlanContinuesOnlyAnOlderLevelOfItsPatch(t *testing.T) {
	inBubble(t, 2, func(w *world) {
		same := func(w *world, p *hotstick.Plan) {
			a, _ := w.trusted.Patches[0].Artifact(build)
			p.Patch, p.Lanes[0].Artifact, p.Lanes[0].Module = patch, a.Digest, a.Module
		}
		unknown := func(_ *world, p *hotstick.Plan) { p.Continues = hotstick.NewDigest([]byte("unknown")) }
		for what, c := range map[string]struct {
			edit edit
			code string
		}{
			"one for the same level": {same, CodeRefused},
			"one that nobody knows":  {unknown, CodeNotFound},
		} {
			_, err := w.control.Submit(w.Context(), w.retarget(c.edit), w.hosts, "alice")
			t.Log(what)
			refusedAs(t, err, c.code)
		}
		_, err := w.control.Submit(w.Context(), w.retarget(), w.hosts, "alice")
		w.must(err)
		_, err = w.control.Revert(w.Context(), string(w.plan), "alice", "bad", nil)
		w.must(err)
		_, err = w.control.Submit(w.Context(), w.retarget(func(_ *world, p *hotstick.Plan) { p.Name = "late" }), w.hosts, "alice")
		refusedAs(t, err, CodeRefused)
	})
}

// TestCreditThatNobodyEarnedIsRefused: a planner that was tampered with calls waves
// proven, to pass their bakes over.
func TestCreditThatNobodyEarnedIsRefused(t *testing.T) {
	claim := func(wave int) edit {
		return func(w *world, p *hotstick.Plan) { canary(w, p); p.Waves[wave].Proven = true }
	}
	inBubble(t, 3, func(w *world) {
		w.rounds()
		w.report(0, hotstick.Confirmed, nil)
		w.rounds()
		submit := func(raw []byte) error {
			_, err := w.control.Submit(w.Context(), raw, w.hosts, "alice")
			return err
		}
		refusedAs(t, submit(w.retarget(claim(1))), CodeRefused)
		w.must(submit(w.retarget(claim(0))))
	}, canary)
}

// TestANewerPlanTakesOverWithoutDisturbingWhatIsUnderWay: the older plan is halted
// in the transaction in which the newer one starts; a host on probation confirms,
// and only then takes the newer level.
func TestANewerPlanTakesOverWithoutDisturbingWhatIsUnderWay(t *testing.T) {
	inBubble(t, 3, func(w *world) {
		w.rounds()
		w.report(0, hotstick.Probation, nil)
		id, err := w.control.Submit(w.Context(), w.retarget(), w.hosts, "alice")
		w.must(err)
		_, err = w.control.Start(w.Context(), string(id), "alice", "")
		w.must(err)
		old := w.status()
		if old.Status != hotstick.Halted || old.Reason.Code != hotstick.ReasonSuperseded || old.Reverting {
			t.Fatalf("the older plan is %s, %+v, reverting %v", old.Status, old.Reason, old.Reverting)
		}
		w.rounds()
		states := func() (states []hotstick.HostState) {
			w.must(w.store.View(w.Context(), func(tx store.Tx) error {
				lines, err := tx.Plans().Hosts(id)
				for _, l := range lines {
					states = append(states, l.State)
				}
				return err
			}))
			return states
		}
		if got := states(); got[0] != hotstick.Waiting {
			t.Errorf("the host on probation is %s in the newer plan", got[0])
		}
		if got := w.line(0).State; got != hotstick.Probation {
			t.Errorf("the host on probation is %s in the older plan", got)
		}
		w.report(0, hotstick.Confirmed, nil)
		w.rounds()
		if got := w.line(0).State; got != hotstick.Confirmed {
			t.Errorf("it did not confirm: it is %s", got)
		}
		if got := states(); !slices.Contains(got, hotstick.Admitted) {
			t.Errorf("the newer plan starts nothing: %v", got)
		}
		if bans := w.kindsLogged()[inventory.PatchBanned]; bans != 0 {
			t.Error("the older level is banned")
		}
	})
}

// TestDelaysCountFromTheFirstPlanOfAChain looks at what the decider is told.
func TestDelaysCountFromTheFirstPlanOfAChain(t *testing.T) {
	inBubble(t, 1, func(w *world) {
		first := *w.status().Started
		pass(time.Hour)
		w.checkIn(0, 9, nil)
		id, err := w.control.Submit(w.Context(), w.retarget(), w.hosts, "alice")
		w.must(err)
		_, err = w.control.Start(w.Context(), string(id), "alice", "")
		w.must(err)
		w.must(w.store.View(w.Context(), func(tx store.Tx) error {
			p, err := tx.Plans().Get(id)
			if err != nil {
				return err
			}
			v, err := w.control.View(tx, p)
			if v.Started == nil || !v.Started.Equal(first) {
				t.Errorf("its delays count from %v, want %v", v.Started, first)
			}
			return err
		}))
	})
}

func TestWhatARetargetIsDraftedFrom(t *testing.T) {
	inBubble(t, 3, func(w *world) {
		w.rounds()
		w.report(0, hotstick.Confirmed, nil)
		w.rounds()
		w.must(w.store.View(w.Context(), func(tx store.Tx) error {
			c, err := w.control.Continuation(tx, w.status())
			if c.ID != w.plan || c.Plan.Patch != patch || len(c.Lines) != 3 || !slices.Equal(c.Passed, []bool{true, false}) {
				t.Errorf("got %s, %d lines, waves passed %v", c.Plan.Patch, len(c.Lines), c.Passed)
			}
			return err
		}))
	}, canary)
}

// TestALateHostJoinsTheLastWave enrols hosts while the plan runs, with and without
// the label that its rule asks for.
func TestALateHostJoinsTheLastWave(t *testing.T) {
	late := func(_ *world, p *hotstick.Plan) {
		p.Late = &hotstick.LateRule{Labels: map[string]string{"rack": "r0"}}
		p.Budgets[0].Max = 4
	}
	inBubble(t, 2, func(w *world) {
		w.rounds()
		for i, rack := range []string{"r0", "r9"} {
			w.addHost("late")
			w.hosts[2+i].Domains = map[string]string{"rack": rack}
			w.checkIn(2+i, 2, nil)
		}
		w.rounds()
		w.must(w.store.View(w.Context(), func(tx store.Tx) error {
			lines, err := tx.Plans().Hosts(w.plan)
			if len(lines) != 3 || !lines[2].Late || lines[2].Listed.Host != w.hosts[2].Host || lines[2].Listed.Domains["rack"] != "r0" {
				t.Fatalf("the plan has %d hosts: %+v", len(lines), lines[2:])
			}
			return err
		}))
		if n := w.kindsLogged()[inventory.HostJoined]; n != 1 {
			t.Errorf("%d joined, want 1", n)
		}
		for i := range 2 {
			w.report(i, hotstick.Confirmed, nil)
			w.rounds()
		}
		req := w.checkIn(2, 3, nil)
		out, err := w.control.Documents(w.Context(), req, 0)
		w.must(err)
		if len(out.Documents) == 0 || w.kinds(out.Documents[len(out.Documents)-1:])[0] != statement.KindGrant {
			t.Fatalf("the late host is %s and was sent %v", w.line(2).State, w.kinds(out.Documents))
		}
		g, err := statement.OpenGrant(out.Documents[len(out.Documents)-1], w.trusted.Trust)
		if err != nil || !g.Late || g.Index != 0 || len(g.Proof) != 0 || g.Wave != 0 {
			t.Errorf("its grant is %+v, %v", g, err)
		}
	}, racks(2, 2), late)
}

// TestHostsThatGoDownTogetherAreInterrupted cuts the power of a rack in which one
// host is on probation, or kills that host alone.
func TestHostsThatGoDownTogetherAreInterrupted(t *testing.T) {
	for _, c := range []struct {
		what   string
		others []int // that go on checking in
		trace  bool
		want   hotstick.HostState
	}{
		{"the whole rack", nil, false, hotstick.Interrupted},
		{"one of the others stays up", []int{1}, false, hotstick.Interrupted},
		{"it alone", []int{1, 2, 3}, false, hotstick.Quarantined},
		{"the whole rack, but it left a trace", nil, true, hotstick.Quarantined},
	} {
		inBubble(t, 4, func(w *world) {
			w.rounds()
			w.report(0, hotstick.Probation, nil)
			w.rounds()
			seq := uint64(30)
			for range 10 {
				pass(20 * time.Second)
				seq++
				for _, i := range c.others {
					_, err := w.control.Documents(w.Context(), w.checkIn(i, seq, nil), 0)
					w.must(err)
				}
			}
			w.rounds()
			r := w.says(2, hotstick.Quarantined, &hotstick.Reason{Code: hotstick.ReasonCrash})
			if c.trace {
				r[0].Evidence = []hotstick.Evidence{{Kind: "crash_trace", Text: "oops"}}
			}
			_, err := w.control.Take(w.Context(), w.request(0, 90, r), time.Minute)
			w.must(err)
			if got := w.line(0).State; got != c.want {
				t.Errorf("%s: it is %s, want %s", c.what, got, c.want)
			}
		}, canary, racks(4, 1))
	}
}
