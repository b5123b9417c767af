package controller

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/audit"
	"github.com/hotstick/hotstick/internal/store"
	"github.com/hotstick/hotstick/internal/trace"
)

// recorder keeps a trace.
type recorder struct{ events []trace.Event }

// Emit implements [trace.Sink].
func (r *recorder) Emit(e trace.Event) { r.events = append(r.events, e) }

// lines are the events of some kinds, one line each.
func (r *recorder) lines(kinds ...trace.Kind) []string {
	var lines []string
	for _, e := range r.events {
		if slices.Contains(kinds, e.Kind) {
			lines = append(lines, strings.TrimSpace(fmt.Sprintf("%s %s>%s %s", e.Kind, e.From, e.To, e.Cause)))
		}
	}
	return lines
}

func TestATraceTellsWhatWasCommitted(t *testing.T) {
	inBubble(t, 1, func(w *world) {
		r := &recorder{}
		w.control = New(Options{Store: w.store, Catalog: w, Online: w.online, Limits: w.control.limits, Log: w.control.log, Trace: r, Node: "server"})
		w.rounds()
		req := w.checkIn(0, 2, nil)
		out, err := w.control.Documents(w.Context(), req, 0)
		w.must(err)
		w.report(0, hotstick.Probation, nil)
		_, err = w.control.Halt(w.Context(), string(w.plan), "alice", "enough")
		w.must(err)
		w.report(0, hotstick.Confirmed, nil)
		w.rounds()
		_, err = w.control.StopAll(w.Context(), "alice", "stop")
		w.must(err)
		w.must(w.control.Ban(w.Context(), patch, "alice", "bad"))
		pass(2 * time.Second)
		_, err = w.control.Clear(w.Context(), w.clears(true), "alice")
		w.must(err)
		w.must(w.control.Lift(w.Context(), "alice", "go"))
		w.must(w.control.WriteOff(w.Context(), w.hosts[0].Host, "alice", "gone"))
		want := []string{
			"slot >taken", "host_state waiting>admitted awaiting_grant", "grant >", "host_state admitted>probation",
			"plan_status running>halted operator", "host_state probation>confirmed", "slot >free", "stop_all >on stop_all",
			"ban > operator", "clear > banned", "stop_all >off operator", "write_off > written_off",
		}
		got := r.lines(trace.KindSlot, trace.KindHostState, trace.KindGrant, trace.KindPlanStatus, trace.KindStopAll,
			trace.KindBan, trace.KindClear, trace.KindWriteOff)
		if !slices.Equal(got, want) {
			t.Errorf("the trace is\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		for _, e := range r.events {
			if e.Kind == trace.KindGrant && (e.Grant != hotstick.NewDigest(out.Documents[len(out.Documents)-1]) || e.Attempt != 1 || e.Boot != req.Boot) {
				t.Errorf("the grant is told as %+v", e)
			}
		}
	})
}

// TestEveryLeafIsTraced compares the leaves of a trace with the audit log.
func TestEveryLeafIsTraced(t *testing.T) {
	inBubble(t, 2, func(w *world) {
		r := &recorder{}
		var before int64
		w.must(w.store.View(w.Context(), func(tx store.Tx) (err error) { before, _, err = tx.Events().Head(); return err }))
		w.control = New(Options{Store: w.store, Catalog: w, Online: w.online, Limits: w.control.limits, Log: w.control.log, Trace: r})
		w.rounds()
		id, err := w.control.Submit(w.Context(), w.retarget(), w.hosts, "alice")
		w.must(err)
		var last trace.Event
		n := before
		for _, e := range r.events {
			if e.Kind == trace.KindLeaf {
				if n++; e.Generation != uint64(n) {
					t.Fatalf("leaf %d is told as %d", n, e.Generation)
				}
				last = e
			}
			if e.Kind == trace.KindPlan {
				var body trace.PlanBody
				if err := json.Unmarshal(e.Body, &body); err != nil || e.Plan != id || len(body.Hosts) != 2 || body.Plan.Continues != w.plan {
					t.Errorf("the plan is told as %s with %+v, %v", e.Plan, body, err)
				}
			}
		}
		w.must(w.store.View(w.Context(), func(tx store.Tx) error {
			size, root, err := tx.Events().Head()
			if size != n || last.Detail != audit.Hash(root).String() {
				t.Errorf("the last leaf is %d %s, the log has %d %s", n, last.Detail, size, audit.Hash(root).String())
			}
			return err
		}))
		if len(r.lines(trace.KindPlan)) != 1 {
			t.Error("the plan is not told once")
		}
	})
}

func TestAGateIsToldWhereAHostStartsBehindIt(t *testing.T) {
	inBubble(t, 2, func(w *world) {
		r := &recorder{}
		w.control = New(Options{Store: w.store, Catalog: w, Online: w.online, Limits: w.control.limits, Log: w.control.log, Trace: r})
		w.rounds()
		if got := r.lines(trace.KindGate); len(got) != 0 {
			t.Errorf("for the canary: %v", got)
		}
		w.report(0, hotstick.Confirmed, nil)
		w.rounds()
		if got := r.lines(trace.KindGate); !slices.Equal(got, []string{"gate >pass"}) {
			t.Errorf("for the wave behind it: %v", got)
		}
	}, canary)
}

// resumed is the trace of a server that was killed after so many leaves.
type resumed struct {
	recorder
	leaves uint64
}

func (r *resumed) Leaves() uint64 { return r.leaves }

// TestWhatAKilledServerCouldNotTellIsToldByTheNext: a server that was killed between a
// commit and its trace leaves nothing out, such as a slot that came free.
func TestWhatAKilledServerCouldNotTellIsToldByTheNext(t *testing.T) {
	inBubble(t, 1, func(w *world) {
		whole := &recorder{}
		w.control = New(Options{Store: w.store, Catalog: w, Online: w.online, Limits: w.control.limits, Log: w.control.log, Trace: whole})
		w.rounds()
		_, err := w.control.Documents(w.Context(), w.checkIn(0, 2, nil), 0)
		w.must(err)
		killed := len(whole.events)
		var leaves uint64
		for _, e := range whole.events {
			if e.Kind == trace.KindLeaf {
				leaves = e.Generation
			}
		}
		w.report(0, hotstick.Probation, nil)
		w.report(0, hotstick.Confirmed, nil)
		w.rounds()
		r := &resumed{leaves: leaves}
		next := New(Options{Store: w.store, Catalog: w, Online: w.online, Limits: w.control.limits, Log: w.control.log, Trace: r})
		w.must(next.Begin(w.Context()))
		kinds := []trace.Kind{trace.KindSlot, trace.KindHostState, trace.KindPlanStatus, trace.KindLeaf}
		want := (&recorder{events: whole.events[killed:]}).lines(kinds...)
		if got := r.lines(kinds...); len(want) < 4 || !slices.Equal(got, want) {
			t.Errorf("the next server tells\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		r.events = nil
		r.leaves = uint64(last(whole).Generation)
		w.must(next.Begin(w.Context()))
		if len(r.events) != 0 {
			t.Errorf("a server with nothing to tell told %+v", r.events)
		}
	})
}

// last is the newest leaf of a trace.
func last(r *recorder) (leaf trace.Event) {
	for _, e := range r.events {
		if e.Kind == trace.KindLeaf {
			leaf = e
		}
	}
	return leaf
}
