package server

import (
	"fmt"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/inventory"
	"github.com/hotstick/hotstick/internal/store"
	"github.com/hotstick/hotstick/internal/store/memory"
)

// counting is a store with plans of three hosts each, and tallies of them.
type counting struct {
	*testing.T
	store   store.Store
	tallies *tallies
}

func newCounting(t *testing.T, limit int) *counting {
	w := &counting{T: t, store: memory.Open(time.Now), tallies: newTallies()}
	w.tallies.limit = limit
	return w
}

func (w *counting) update(fn func(store.Tx) error) {
	w.Helper()
	if err := w.store.Update(w.Context(), fn); err != nil {
		w.Fatal(err)
	}
}

func host(n int) hotstick.HostID { return hotstick.HostID(fmt.Sprintf("h-aaaaaaaaaaaaaaa%d", n)) }

// plan stores a plan whose hosts all wait.
func (w *counting) plan(name string) hotstick.PlanID {
	id := hotstick.NewDigest([]byte(name))
	w.update(func(tx store.Tx) error {
		var lines []store.PlanHost
		for n := range 3 {
			lines = append(lines, store.PlanHost{Index: n, State: hotstick.Waiting,
				Listed: hotstick.PlanHost{Host: host(n), Name: fmt.Sprint("web-", n), Build: buildA, Wave: min(n, 1)}})
		}
		if _, err := tx.Events().Append(store.Event{Kind: inventory.PlanProposed, Plan: id}); err != nil {
			return err
		}
		return tx.Plans().Create(store.Plan{ID: id, Name: name, Status: hotstick.Running}, lines)
	})
	return id
}

// step moves a host on, as the loops do: the line and its event together.
func (w *counting) step(plan hotstick.PlanID, n int, state hotstick.HostState) {
	w.update(func(tx store.Tx) error {
		line, err := tx.Plans().Host(plan, host(n))
		if err != nil {
			return err
		}
		line.State = state
		if err := tx.Plans().PutHost(line); err != nil {
			return err
		}
		_, err = tx.Events().Append(store.Event{Kind: inventory.HostState, Plan: plan, Host: host(n), State: string(state)})
		return err
	})
}

// wants compares the counts of a plan.
func (w *counting) wants(plan hotstick.PlanID, what string, want string) {
	w.Helper()
	err := w.store.View(w.Context(), func(tx store.Tx) error {
		got, err := w.tallies.states(tx, plan)
		if have := fmt.Sprint(got); err == nil && have != want {
			w.Errorf("%s: %s; want %s", what, have, want)
		}
		return err
	})
	if err != nil {
		w.Fatal(err)
	}
}

func TestCountsFollowStepsAndOutliveWhatIsLetGo(t *testing.T) {
	w := newCounting(t, 3)
	first := w.plan("first")
	w.wants(first, "at the beginning", "map[waiting:3]")
	w.step(first, 0, hotstick.Admitted)
	w.step(first, 0, hotstick.Confirmed)
	w.wants(first, "after two steps", "map[confirmed:1 waiting:2]")
	second := w.plan("second")
	w.wants(second, "of another plan", "map[waiting:3]")
	if w.tallies.plans[first].lines != nil || w.tallies.plans[second].lines == nil {
		t.Error("the lines of the plan that was asked for last must stay, and the others go")
	}
	w.wants(first, "without its lines", "map[confirmed:1 waiting:2]")
	w.step(first, 1, hotstick.Failed)
	w.wants(first, "after a step that its lines missed", "map[confirmed:1 failed:1 waiting:1]")
	if w.tallies.plans[second].lines != nil {
		t.Error("more lines are kept than the limit")
	}
}

func TestPagesAreCutWhereTheLastOneEnded(t *testing.T) {
	w := newCounting(t, maxTallied)
	plan := w.plan("first")
	err := w.store.View(t.Context(), func(tx store.Tx) error {
		second := func(l tallied) bool { return l.wave == 1 }
		hosts, next, total, err := w.tallies.page(tx, plan, second, 0, 1)
		if err != nil || len(hosts) != 1 || hosts[0] != host(1) || next != 2 || total != 2 {
			t.Errorf("the first page: %v, then %d of %d, %v", hosts, next, total, err)
		}
		hosts, next, total, err = w.tallies.page(tx, plan, second, next, 1)
		if err != nil || len(hosts) != 1 || hosts[0] != host(2) || next != 0 || total != 2 {
			t.Errorf("the second page: %v, then %d of %d, %v", hosts, next, total, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
