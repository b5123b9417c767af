package loader_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver/fake"
	"github.com/hotstick/hotstick/internal/loader/ledger"
	"github.com/hotstick/hotstick/internal/statement"
	"github.com/hotstick/hotstick/internal/trace"
)

// told collects events, and compares each with the ledger and the kernel as they are
// at that moment.
type told struct {
	w      *world
	events []trace.Event
}

// Emit implements trace.Sink.
func (s *told) Emit(e trace.Event) {
	s.events = append(s.events, e)
	if e.Node != "loader" || e.Boot == "" {
		s.w.t.Errorf("an event of nobody: %+v", e)
	}
	switch e.Kind {
	case trace.KindIntent:
		a := s.ledger().Attempt
		if a == nil || a.Level.Artifact != e.Artifact || a.Grant != e.Grant {
			s.w.t.Errorf("told of the intent %+v before it was durable: the ledger has %+v", e, a)
		}
	case trace.KindSeen:
		if l := s.ledger(); l.Plan(e.Plan) == nil {
			s.w.t.Error("told of a plan before it was durable")
		}
	case trace.KindLoad:
		patches, err := s.w.machine.Observe(s.w.t.Context())
		if err != nil {
			s.w.t.Fatal(err)
		}
		for _, p := range patches {
			if p.Module == e.Detail {
				s.w.t.Error("told of the load after it")
			}
		}
	}
}

func (s *told) ledger() ledger.Ledger { return s.w.ledger() }

// story is what was told, a word or two an event, without what the kernel did.
func (s *told) story() string {
	var words []string
	for _, e := range s.events {
		switch e.Kind {
		case trace.KindPhase:
			words = append(words, e.From+">"+e.To)
		case trace.KindKernel:
		case trace.KindLearned:
			words = append(words, "learned "+e.To)
		case trace.KindLoad, trace.KindUnload, trace.KindDisable, trace.KindIntent:
			words = append(words, strings.TrimSpace(fmt.Sprintf("%s %s %s", e.Kind, e.Patch, e.Cause)))
		default:
			words = append(words, strings.TrimSpace(fmt.Sprintf("%s %s", e.Kind, e.Cause)))
		}
	}
	return strings.Join(words, ", ")
}

func newTold(t *testing.T) (*world, *told) {
	w := newWorld(t)
	s := &told{w: w}
	w.trace = s
	w.start()
	w.exchange()
	s.events = nil
	return w, s
}

func TestTheTraceTellsWhatHappened(t *testing.T) {
	for _, c := range []struct {
		what string
		act  func(w *world)
		want string
	}{
		{"a good patch", func(w *world) { w.mustConfirm(w.publish("fix@1", fake.Behaviour{})) },
			"seen, intent fix@1, load fix@1, armed>applying, applying>probation, probation>confirmed"},
		{"a sick patch over a good one", func(w *world) {
			w.mustConfirm(w.publish("fix@1", fake.Behaviour{}))
			w.offer(w.publish("fix@2", fake.Behaviour{Ill: "503"}), 1)
			w.pass(10 * time.Second)
		}, "seen, intent fix@1, load fix@1, armed>applying, applying>probation, probation>confirmed, " +
			"seen, intent fix@2, load fix@2, armed>applying, applying>probation, unload fix@1, probation>reverting, load fix@1 revert, unload fix@2, reverting>reverted"},
		{"a killer, and the clear that lets it in again", func(w *world) {
			killer := w.publish("fix@1", fake.Behaviour{Crash: true, CrashAfter: 3 * time.Second})
			w.offer(killer, 1)
			w.pass(10 * time.Second)
			w.reboot(false)
			w.exchange(w.sign(statement.KindClear, statement.Clear{Patch: killer.Ref, Hosts: []hotstick.HostID{hotstick.NewHostID(identity.Public())},
				IssuedAt: w.now.Truncate(time.Second), NotAfter: w.now.Add(time.Hour).Truncate(time.Second)}, author, approver))
		}, "seen, intent fix@1, load fix@1, armed>applying, applying>probation, boot unclean, probation>quarantined, strike crash_named_patch, learned clear"},
		{"a level that comes back after a reboot", func(w *world) {
			w.mustConfirm(w.publish("fix@1", fake.Behaviour{}))
			w.reboot(true)
			w.pass(30 * time.Second)
		}, "seen, intent fix@1, load fix@1, armed>applying, applying>probation, probation>confirmed, " +
			"boot clean, intent fix@1, load fix@1, armed>applying, applying>probation, probation>confirmed"},
		{"a level that is ordered back", func(w *world) {
			id := w.mustConfirm(w.publish("fix@1", fake.Behaviour{}))
			w.exchange(w.order(id, nil))
			w.pass(5 * time.Second)
		}, "seen, intent fix@1, load fix@1, armed>applying, applying>probation, probation>confirmed, " +
			"confirmed>reverting, disable fix@1, unload fix@1, reverting>reverted"},
		{"a halt, a ban and a grant all the same", func(w *world) {
			p := w.publish("fix@1", fake.Behaviour{})
			raw, id := w.plan(p, nil)
			w.exchange(raw)
			w.exchange(w.halt(id), w.ban(p))
			w.exchange(w.grant(id, 1, nil))
		}, "seen, learned halt, learned ban, refused plan_halted"},
		{"a host that will not", func(w *world) {
			p := w.publish("fix@1", fake.Behaviour{})
			w.exchange(w.ban(p))
			w.offer(p, 1)
		}, "learned ban, seen, >failed, refused banned"},
	} {
		t.Run(c.what, func(t *testing.T) {
			w, s := newTold(t)
			c.act(w)
			if got := s.story(); got != c.want {
				t.Errorf("told\n %s\nwant\n %s", got, c.want)
			}
		})
	}
}

func TestTheTraceTellsOfTheKernel(t *testing.T) {
	w, s := newTold(t)
	w.exchange(w.order(w.mustConfirm(w.publish("fix@1", fake.Behaviour{})), nil))
	w.pass(5 * time.Second)
	w.foreign("kpatch_other")
	var got []string
	for _, e := range s.events {
		if e.Kind != trace.KindKernel {
			continue
		}
		got = append(got, e.Detail+" "+e.From+">"+e.To)
		if ours := e.Detail == "fix_1"; ours != (e.Artifact != "") {
			t.Errorf("the artifact of %s is %q", e.Detail, e.Artifact)
		}
	}
	want := "fix_1 >transition_in, fix_1 transition_in>in_effect, fix_1 in_effect>transition_out, fix_1 transition_out>disabled, fix_1 disabled>, " +
		"kpatch_other >in_effect"
	if have := strings.Join(got, ", "); have != want {
		t.Errorf("told %s, want %s", have, want)
	}
}

func TestTheFirstBootIsToldToo(t *testing.T) {
	w := newWorld(t)
	s := &told{w: w}
	w.trace, w.disk = s, &disk{}
	w.start()
	if len(s.events) != 1 || s.events[0].Kind != trace.KindBoot || s.events[0].Cause != "" {
		t.Errorf("told %+v", s.events)
	}
	w.start()
	if len(s.events) != 1 {
		t.Errorf("a restart of the loader was told as %+v", s.events[1:])
	}
}

func TestAStepThatCouldNotBeWrittenIsToldOnce(t *testing.T) {
	w, s := newTold(t)
	w.offer(w.publish("fix@1", fake.Behaviour{Ill: "503"}), 1)
	w.disk.broken = true
	w.pass(10 * time.Second)
	w.disk.broken = false
	w.pass(time.Second)
	if n := strings.Count(s.story(), ">reverted"); n != 1 {
		t.Errorf("told %d times: %s", n, s.story())
	}
}
