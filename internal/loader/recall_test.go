package loader_test

import (
	"cmp"
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/catalog"
	"github.com/hotstick/hotstick/internal/driver/fake"
	"github.com/hotstick/hotstick/internal/statement"
)

// recall puts a recall of a level into the catalog.
func (w *world) recall(p hotstick.Patch, action hotstick.RecallAction) {
	w.t.Helper()
	w.view.Version++
	w.view.Recalls = append(slices.Clone(w.view.Recalls), hotstick.Recall{Patch: p.Ref, Action: action,
		Reason: "it loses packets", Issued: w.now.Truncate(time.Second)})
	slices.SortFunc(w.view.Recalls, func(a, b hotstick.Recall) int { return cmp.Or(a.Patch.Level-b.Patch.Level, a.Issued.Compare(b.Issued)) })
}

// clearRecall is a clear of the level's recalls.
func (w *world) clearRecall(p hotstick.Patch, edit func(*statement.Clear)) json.RawMessage {
	w.t.Helper()
	c := statement.Clear{Patch: p.Ref, Hosts: []hotstick.HostID{}, Recall: true,
		IssuedAt: w.now.Truncate(time.Second), NotAfter: w.now.Add(time.Hour).Truncate(time.Second)}
	if edit != nil {
		edit(&c)
	}
	return w.sign(statement.KindClear, c, author, approver)
}

func TestAThiefCannotStartWhatWasRecalled(t *testing.T) {
	for _, action := range []hotstick.RecallAction{hotstick.RecallBlock, hotstick.RecallRevert} {
		w := newWorld(t)
		p := w.publish("fix@1", fake.Behaviour{})
		w.recall(p, action)
		w.offer(p, 1)
		w.mustRefuse(hotstick.ReasonRecalled)
		w.pass(time.Minute)
		if w.loads["fix_1"] != 0 {
			t.Errorf("%s: a recalled level was loaded", action)
		}
		if !slices.Equal(w.last.Recalls, []hotstick.PatchRef{p.Ref}) {
			t.Errorf("%s: the server is told of %v", action, w.last.Recalls)
		}
	}
}

func TestARecalledLevelIsNotAppliedAgainAfterAReboot(t *testing.T) {
	w := newWorld(t)
	first := w.publish("fix@1", fake.Behaviour{})
	w.mustConfirm(first)
	second := w.publish("fix@2", fake.Behaviour{})
	w.mustConfirm(second)
	w.recall(second, hotstick.RecallBlock)
	w.pass(10 * time.Minute)
	w.mustRun(second.Ref) // a block leaves what is in effect
	w.reboot(true)
	w.pass(time.Minute)
	w.mustRun(first.Ref) // the level before comes back instead
}

func TestARecalledLevelGoesBackWithoutAnybodysWord(t *testing.T) {
	w := newWorld(t)
	w.limits.RecallPatience = 5 * time.Minute
	w.start()
	first := w.publish("fix@1", fake.Behaviour{})
	w.mustConfirm(first)
	second := w.publish("fix@2", fake.Behaviour{})
	w.mustConfirm(second)
	w.recall(second, hotstick.RecallRevert)
	w.pass(5*time.Minute - time.Second)
	w.mustRun(second.Ref) // only the server knows how many may go at a time
	w.pass(5 * time.Second)
	w.mustEnd(hotstick.Reverted, hotstick.ReasonRecalled)
	w.mustRun(first.Ref)
	w.reboot(true)
	w.pass(10 * time.Minute)
	w.mustRun(first.Ref)
}

func TestARecalledLevelGoesBackAtOnceWhenOrderedOrUnderWay(t *testing.T) {
	w := newWorld(t)
	w.limits.RecallPatience = 5 * time.Minute
	w.start()
	first := w.publish("fix@1", fake.Behaviour{})
	id := w.mustConfirm(first)
	w.recall(first, hotstick.RecallRevert)
	w.pass(time.Second)
	w.exchange(w.order(id, func(o *statement.Order) { o.Reason.Code = hotstick.ReasonRecalled }))
	w.pass(5 * time.Second)
	w.mustEnd(hotstick.Reverted, hotstick.ReasonRevertOrdered)
	w.mustRun(hotstick.PatchRef{})

	second := w.publish("fix@2", fake.Behaviour{})
	w.offer(second, 1)
	w.pass(2 * time.Second)
	w.mustEnd(hotstick.Probation, "")
	w.recall(second, hotstick.RecallRevert)
	w.pass(5 * time.Second)
	w.mustEnd(hotstick.Reverted, hotstick.ReasonRecalled)
	w.mustRun(hotstick.PatchRef{})
}

func TestBothLevelsRecalledLeadToTheKernelAsItBooted(t *testing.T) {
	w := newWorld(t)
	first := w.publish("fix@1", fake.Behaviour{})
	w.mustConfirm(first)
	second := w.publish("fix@2", fake.Behaviour{})
	w.mustConfirm(second)
	w.recall(first, hotstick.RecallRevert)
	w.recall(second, hotstick.RecallRevert)
	w.pass(10 * time.Second)
	w.mustEnd(hotstick.Reverted, hotstick.ReasonRecalled)
	w.mustRun(hotstick.PatchRef{})
}

func TestALevelBeforeThatIsRecalledLaterGoesBackToo(t *testing.T) {
	w := newWorld(t)
	first := w.publish("fix@1", fake.Behaviour{})
	w.mustConfirm(first)
	second := w.publish("fix@2", fake.Behaviour{})
	w.mustConfirm(second)
	w.recall(second, hotstick.RecallRevert)
	w.pass(10 * time.Second)
	w.mustRun(first.Ref)
	w.recall(first, hotstick.RecallRevert)
	w.pass(10 * time.Second)
	w.mustRun(hotstick.PatchRef{})
	w.reboot(true)
	w.pass(time.Minute)
	w.mustRun(hotstick.PatchRef{})
}

func TestARecalledLevelWaitsForAForeignTransition(t *testing.T) {
	w := newWorld(t)
	p := w.publish("fix@1", fake.Behaviour{})
	w.mustConfirm(p)
	w.machine.Behave("foreign", fake.Behaviour{Stall: true, Stacks: true})
	w.foreign("foreign", "fix_1")
	w.recall(p, hotstick.RecallRevert)
	w.pass(10 * time.Second)
	w.mustEnd(hotstick.Reverting, hotstick.ReasonRecalled)
	w.mustRun(p.Ref)
}

func TestAClearLiftsTheRecallsBeforeItAndNoLaterOne(t *testing.T) {
	w := newWorld(t)
	p := w.publish("fix@1", fake.Behaviour{})
	w.recall(p, hotstick.RecallBlock)
	w.now = w.now.Add(time.Minute)
	for what, edit := range map[string]func(*statement.Clear){
		"of its ban":             func(c *statement.Clear) { c.Ban, c.Recall = true, false },
		"that is older":          func(c *statement.Clear) { c.IssuedAt = c.IssuedAt.Add(-time.Hour) },
		"of another patch level": func(c *statement.Clear) { c.Patch.Level++ },
	} {
		if w.exchange(w.clearRecall(p, edit)); len(w.last.Recalls) != 1 {
			t.Errorf("a clear %s lifted the recall", what)
		}
	}
	if w.exchange(w.clearRecall(p, nil)); len(w.last.Recalls) != 0 {
		t.Fatalf("the recall stands; refusals %v", w.refusals)
	}
	w.mustConfirm(p)
	w.start() // what a clear lifted stays lifted
	w.now = w.now.Add(time.Minute)
	w.pass(time.Minute)
	w.mustRun(p.Ref)
	w.recall(p, hotstick.RecallRevert)
	w.pass(10 * time.Second)
	w.mustRun(hotstick.PatchRef{})
}

func TestARecallThatIsBroughtToTheHostIsTakenWithoutServerAndAgent(t *testing.T) {
	w := newWorld(t)
	p := w.publish("fix@1", fake.Behaviour{})
	w.mustConfirm(p)
	brought := w.view
	brought.Recalls = []hotstick.Recall{{Patch: p.Ref, Action: hotstick.RecallRevert, Reason: "bad", Issued: w.now.Truncate(time.Second)}}
	fresh := true
	w.dropped = func() (catalog.View, bool) {
		defer func() { fresh = false }()
		return brought, fresh
	}
	w.start()
	w.mute = true
	w.pass(30 * time.Second)
	w.mustRun(hotstick.PatchRef{})
}
