package rollout_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/decide/rollout"
)

func TestReverts(t *testing.T) {
	eight := strings.TrimSpace(strings.Repeat("%s/x/0:confirmed ", 8))
	names := []any{"a", "b", "c", "d", "e", "f", "g", "h"}
	fleet8 := fmt.Sprintf(eight, names...)
	halted := func(v *rollout.View) { v.Status, v.Reverting = hotstick.Halted, true }
	racks := all(halted, budgets(hotstick.Budget{Domain: "rack", Max: 3}), on("a b c d", labelled("rack", "r1")), on("e f g h", labelled("rack", "r2")))
	pairs := all(halted, budgets(hotstick.Budget{Domain: "pair", Max: 1, Quorum: true}), on("a b", labelled("pair", "p1")), on("c d", labelled("pair", "p2")))
	recalled := func(names string) func(*rollout.View) {
		return on(names, func(h *rollout.Host) { h.Recall = &hotstick.Reason{Code: hotstick.ReasonOperator} })
	}
	holds(t, []rule{
		{"a quarter of every rack goes at once", fleet8, racks, 0, "a->reverting, e->reverting"},
		{"one of every rack at least", "a/x/0:confirmed b/x/0:confirmed", all(racks), 0, "a->reverting"},
		{"one of every pair", "a/x/0:confirmed b/x/0:confirmed c/x/0:confirmed d/x/0:confirmed", pairs, 0, "a->reverting, c->reverting"},
		{"hosts under way may always go", "a/x/0:probation b/x/0:applying c/x/0:armed", racks, 0, "a->reverting, b->reverting, c->reverting"},
		{"and take the room of others", "a/x/0:probation b/x/0:confirmed e/x/0:confirmed", racks, 0, "a->reverting, e->reverting"},
		{"a member that is down takes room", "a/x/0:confirmed b/x/0:confirmed c/x/0:confirmed d/x/0:confirmed",
			all(pairs, on("b", func(h *rollout.Host) { h.LastSeen = t0 })), 5 * time.Minute, "c->reverting"},
		{"but not for ever", "a/x/0:confirmed b/x/0:confirmed c/x/0:reverting d/x/0:confirmed",
			all(pairs, on("b", func(h *rollout.Host) { h.LastSeen = t0 })), 5*time.Minute + rollout.RevertPatience, "a->reverting"},
		{"elsewhere one host goes however many are down", "a/x/0:confirmed b/x/0:quarantined c/x/0:quarantined d/x/0:quarantined",
			all(racks, on("b c d", func(h *rollout.Host) { h.LastSeen = t0 })), 5 * time.Minute, "a->reverting"},
		{"a silent host is ordered back when it is back", "a/x/0:confirmed b/x/0:confirmed", all(racks, on("a", silent)), 0, "b->reverting"},
		{"reverts ignore a hold", "a/x/0:confirmed", all(racks, func(v *rollout.View) { v.Status = hotstick.Held }), 0, "a->reverting"},
		{"nothing starts while a plan reverts", "a/x/0:confirmed b/x/1:waiting", func(v *rollout.View) { v.Reverting = true }, time.Minute, "a->reverting"},
		{"one host may be recalled", "a/x/0:confirmed b/x/1:confirmed c/x/2:waiting", recalled("b"), time.Minute, "b->reverting"},
		{"one that waits is passed over", "a/x/0:confirmed b/x/1:waiting", recalled("b"), time.Minute, "b->skipped, completed"},
		{"one that is admitted starts no more", "a/x/0:confirmed b/x/1:admitted", recalled("b"), time.Minute, "b->waiting, b->skipped, completed, free b"},
		{"one under way goes back", "a/x/0:confirmed b/x/1:probation", recalled("b"), time.Minute, "b->reverting"},
		{"of a plan that is over too", "a/x/0:confirmed b/x/1:confirmed", all(recalled("b"), func(v *rollout.View) { v.Status = hotstick.Completed }), time.Minute, "b->reverting"},
		{"recalls keep to the budget", "a/x/0:confirmed b/x/0:confirmed c/x/0:confirmed d/x/0:confirmed", all(pairs, recalled("a b c d"), func(v *rollout.View) {
			v.Status, v.Reverting = hotstick.Running, false
		}), time.Minute, "a->reverting, c->reverting"},
		{"a host that was ordered back does not hold its wave", "a/x/0:confirmed b/x/1:reverted=revert_ordered c/x/1:confirmed d/x/2:waiting", nil, time.Minute, "start d"},
	})
}

func TestWhoGoesBackHoldsSlots(t *testing.T) {
	v := fleet("a/x/0:confirmed")
	v.Status, v.Reverting = hotstick.Halted, true
	v.Slots = []rollout.Slot{{Domain: "fleet", Value: "all", Index: 0, Plan: "other", Host: "z"}}
	d := rollout.Next(v, t0)
	want := rollout.Slot{Domain: "fleet", Value: "all", Index: 1, Plan: v.ID, Host: "a"}
	if len(d.Changes) != 1 || len(d.Changes[0].Slots) != 1 || d.Changes[0].Slots[0] != want {
		t.Errorf("decided %+v, want %+v taken", d.Changes, want)
	}
}

func TestASlotThatIsStillHeldIsKeptOnTheWayBack(t *testing.T) {
	v := fleet("a/x/0:confirmed")
	v.Status, v.Reverting = hotstick.Halted, true
	v.Slots = []rollout.Slot{{Domain: "fleet", Value: "all", Index: 0, Plan: v.ID, Host: "a"}}
	if d := rollout.Next(v, t0); say(d) != "a->reverting" || d.Changes[0].Slots != nil {
		t.Errorf("decided %s with %+v", say(d), d.Changes)
	}
}
