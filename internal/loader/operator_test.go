package loader_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver/fake"
	"github.com/hotstick/hotstick/internal/loader/journal"
	"github.com/hotstick/hotstick/internal/loader/operate"
)

// alice is the person at the keyboard of the host.
var alice = operate.Caller{Name: "alice"}

// does is one call of alice's.
func (w *world) does(req operate.Request) operate.Answer {
	w.t.Helper()
	return w.loader.Operate(context.Background(), alice, req)
}

// mustDo is a call that is not refused.
func (w *world) mustDo(req operate.Request) operate.Answer {
	w.t.Helper()
	a := w.does(req)
	if a.Refused != nil {
		w.t.Fatalf("%s was refused: %+v %v", req.Action, a.Refused, a.Unknown)
	}
	return a
}

// mustBeRefused is a call that is refused with a code.
func (w *world) mustBeRefused(req operate.Request, code hotstick.ReasonCode) operate.Answer {
	w.t.Helper()
	a := w.does(req)
	if codeOf(a.Refused) != code || a.Done != "" {
		w.t.Fatalf("%s was answered with %+v, want the refusal %s", req.Action, a, code)
	}
	return a
}

func TestAHeldHostStartsNothingAndOutlivesItsLoader(t *testing.T) {
	w := newWorld(t)
	p := w.publish("fix@1", fake.Behaviour{})
	w.mustDo(operate.Request{Action: operate.Hold, Reason: "night shift"})
	w.start() // another process
	id := w.offer(p, 1)
	w.mustRefuse(hotstick.ReasonHeldOnHost)
	w.pass(time.Minute)
	if h := w.last.Hold; w.loads["fix_1"] != 0 || h == nil || h.By != "alice" || h.Reason != "night shift" {
		t.Fatalf("the level was loaded %d times while the host was held by %+v", w.loads["fix_1"], h)
	}
	w.mustDo(operate.Request{Action: operate.Unhold})
	w.exchange(w.grant(id, 1, nil))
	w.pass(15 * time.Second)
	w.mustEnd(hotstick.Confirmed, "")
	if w.last.Hold != nil {
		t.Error("the host is still held")
	}
}

func TestAHoldKeepsNeitherRevertsNorConfirmedLevelsAfterAReboot(t *testing.T) {
	w := newWorld(t)
	p := w.publish("fix@1", fake.Behaviour{})
	id := w.mustConfirm(p)
	w.mustDo(operate.Request{Action: operate.Hold})
	w.reboot(true)
	w.pass(30 * time.Second)
	w.mustRun(p.Ref)
	w.exchange(w.order(id, nil))
	w.pass(5 * time.Second)
	w.mustEnd(hotstick.Reverted, hotstick.ReasonRevertOrdered)
}

func TestAHoldThatIsNotDurableIsNone(t *testing.T) {
	w := newWorld(t)
	w.disk.broken = true
	w.mustBeRefused(operate.Request{Action: operate.Hold}, hotstick.ReasonLedgerUnwritable)
	w.disk.broken = false
	if w.exchange().Hold != nil {
		t.Error("a hold that was refused is shown")
	}
}

func TestARevertByHandTakesTheNewestLevelOut(t *testing.T) {
	for _, row := range []struct {
		name   string
		levels int
		// after is how long the newest level has been granted.
		after time.Duration
		// reboot before the revert, or between revert and check.
		rebooted bool
		want     string
	}{
		{"confirmed", 1, 15 * time.Second, false, ""},
		{"on probation", 1, 2 * time.Second, false, ""},
		{"in transition", 1, 100 * time.Millisecond, false, ""},
		{"confirmed over another", 2, 15 * time.Second, false, "fix@1"},
		{"on probation over another", 2, 2 * time.Second, false, "fix@1"},
		{"back from its permit", 1, 15 * time.Second, true, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := newWorld(t)
			for n := 1; n < row.levels; n++ {
				w.mustConfirm(w.publish(fmt.Sprintf("fix@%d", n), fake.Behaviour{}))
			}
			newest := w.publish(fmt.Sprintf("fix@%d", row.levels), fake.Behaviour{})
			w.offer(newest, 1)
			w.pass(row.after)
			if row.rebooted {
				w.reboot(true)
				w.pass(8 * time.Second) // on probation again
			}
			before := w.running()
			w.mustDo(operate.Request{Action: operate.Revert, Reason: "it is slow"})
			w.pass(5 * time.Second)
			w.mustEnd(hotstick.Reverted, hotstick.ReasonOperator)
			if r := w.reports[len(w.reports)-1].Reason; r.Subject != "alice" || r.Detail != "it is slow" {
				t.Errorf("the server is told %+v", r)
			}
			w.mustRunWord(row.want)
			for range 2 {
				w.reboot(true)
				w.pass(30 * time.Second)
				w.mustRunWord(row.want)
			}
			if n := w.loads[newest.Artifacts[0].Module]; n > 2 || !row.rebooted && n != 1 {
				t.Errorf("%s was loaded %d times; before the revert ran %s", newest.Ref, n, before)
			}
		})
	}
}

// mustRunWord checks the level in effect by its name; empty is none.
func (w *world) mustRunWord(want string) {
	w.t.Helper()
	got := ""
	if ref := w.running(); !ref.IsZero() {
		got = ref.String()
	}
	if got != want {
		w.t.Fatalf("the kernel runs %q, want %q", got, want)
	}
}

func TestARevertByHandNeedsNoDiskWhileAnAttemptIsUnderWay(t *testing.T) {
	w := newWorld(t)
	w.offer(w.publish("fix@1", fake.Behaviour{}), 1)
	w.pass(2 * time.Second)
	w.disk.broken = true
	w.mustDo(operate.Request{Action: operate.Revert})
	w.pass(5 * time.Second)
	w.mustRunWord("")
}

func TestThereIsNothingToRevertByHand(t *testing.T) {
	w := newWorld(t)
	w.mustBeRefused(operate.Request{Action: operate.Revert}, hotstick.ReasonForeignPatch)
}

func TestANewGrantBringsBackWhatWasRevertedByHand(t *testing.T) {
	w := newWorld(t)
	p := w.publish("fix@1", fake.Behaviour{})
	id := w.mustConfirm(p)
	w.mustDo(operate.Request{Action: operate.Revert})
	w.pass(5 * time.Second)
	w.exchange(w.grant(id, 1, nil))
	w.mustRefuse(hotstick.ReasonGrantReplayed)
	w.exchange(w.grant(id, 2, nil))
	w.pass(15 * time.Second)
	w.mustRun(p.Ref)
}

func TestAPersonSeesTheAttemptAndItsTime(t *testing.T) {
	w := newWorld(t)
	if s := w.mustDo(operate.Request{Action: operate.State}).State; s.Attempt != nil || s.Link.Nonce != "" {
		t.Fatalf("an idle loader shows %+v", s)
	}
	p := w.publish("fix@1", fake.Behaviour{})
	w.offer(p, 1)
	w.pass(4 * time.Second)
	a := w.mustDo(operate.Request{Action: operate.State}).State.Attempt
	if a == nil || a.Phase != hotstick.Probation || a.Patch != p.Ref || a.ForMillis+a.LeftMillis != 10_000 {
		t.Errorf("on probation of 10 s a person sees %+v", a)
	}
}

func TestAPersonWhoLooksIsNoSignOfTheAgentsLife(t *testing.T) {
	w := newWorld(t)
	raw, id := w.plan(w.publish("fix@1", fake.Behaviour{}), func(p *hotstick.Plan) { p.ProbationSeconds = 120 })
	w.exchange(raw)
	w.exchange(w.grant(id, 1, nil))
	w.pass(2 * time.Second)
	w.mute = true
	for range 25 {
		w.pass(time.Second)
		w.mustDo(operate.Request{Action: operate.State})
	}
	w.mute = false
	w.pass(time.Second)
	w.mustEnd(hotstick.Reverted, hotstick.ReasonAgentSilent)
}

func TestTheJournalTellsWhatHappened(t *testing.T) {
	w := newWorld(t)
	dir := t.TempDir()
	w.journal = journal.Open(dir)
	w.start()
	p := w.publish("fix@1", fake.Behaviour{})
	w.mustConfirm(p)
	w.mustDo(operate.Request{Action: operate.Hold, Reason: "release week"})
	w.mustDo(operate.Request{Action: operate.Revert, Reason: "it is slow"})
	w.pass(5 * time.Second)
	w.exchange(w.ban(p))
	w.mustDo(operate.Request{Action: operate.Unhold})
	w.reboot(false)
	var got []string
	for _, e := range w.mustDo(operate.Request{Action: operate.Journal}).Entries {
		word := string(e.Kind)
		if e.State != "" {
			word = string(e.State)
		}
		if e.By != "" {
			word += " by " + e.By
		}
		if e.Text != "" {
			word += ": " + e.Text
		}
		got = append(got, word)
	}
	want := []string{"armed", "applying", "probation", "confirmed", "hold by alice: release week",
		"reverting by alice: it is slow", "revert by alice: it is slow", "reverted by alice: it is slow", "ban",
		"unhold by alice", "boot: the boot before ended uncleanly"}
	if !slices.Equal(got, want) {
		t.Errorf("the journal tells\n%q, want\n%q", got, want)
	}
}

// TestACrashBetweenLedgerAndJournalLosesNoStep drops the journal's end, as a crash between
// the two writes would.
func TestACrashBetweenLedgerAndJournalLosesNoStep(t *testing.T) {
	w := newWorld(t)
	w.journal = journal.Open(t.TempDir())
	w.start()
	w.deaf = true // what the server has taken, it shows itself
	w.offer(w.publish("fix@1", fake.Behaviour{}), 1)
	w.pass(2 * time.Second)
	lost := w.journal
	w.journal = journal.Open(t.TempDir())
	entries, err := lost.Entries()
	if err != nil || len(entries) < 3 {
		t.Fatalf("the journal has %v (%v)", entries, err)
	}
	if err := w.journal.Append(true, entries[:1]...); err != nil {
		t.Fatal(err)
	}
	w.start()
	healed, err := w.journal.Entries()
	if err != nil || !slices.Equal(healed, entries) {
		t.Errorf("after the crash the journal has %+v (%v), want %+v", healed, err, entries)
	}
}
