package controller

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/inventory"
	"github.com/hotstick/hotstick/internal/statement"
	"github.com/hotstick/hotstick/internal/wire"
)

// TestAHeldCheckInHearsABanAndAClearAtOnce holds the check-ins of hosts in a rollout, as
// the server does, while somebody bans the patch and others lift that again.
func TestAHeldCheckInHearsABanAndAClearAtOnce(t *testing.T) {
	for _, ref := range []hotstick.PatchRef{patch, newer} { // the plan's own level, and another
		inBubble(t, 2, func(w *world) {
			w.remembering()
			defer w.run(w.control)()
			pass(time.Second)
			seq := uint64(10)
			// hear holds a check-in of the second host, which waits for its wave, lets
			// something happen, and returns what it heard and after how long.
			hear := func(edit func(*wire.LoaderState), happens func()) ([]statement.Kind, time.Duration) {
				t.Helper()
				seq++
				req := w.request(1, seq, nil)
				req.Loader.Plans = []hotstick.PlanID{w.plan}
				edit(&req.Loader)
				_, err := w.control.Take(w.Context(), req, time.Minute)
				w.must(err)
				answered := make(chan Outgoing, 1)
				go func() {
					out, err := w.control.Documents(w.Context(), req, time.Minute)
					if err != nil {
						t.Error(err)
					}
					answered <- out
				}()
				pass(15 * time.Second)
				synctest.Wait()
				began := time.Now()
				select {
				case out := <-answered:
					t.Fatalf("it is not held: %v, active %t", w.kinds(out.Documents), out.Active)
				default:
				}
				happens()
				out := <-answered
				return w.kinds(out.Documents), time.Since(began)
			}
			kinds, after := hear(func(*wire.LoaderState) {}, func() { w.must(w.control.Ban(w.Context(), ref, "alice", "bad")) })
			if !slices.Contains(kinds, statement.KindBan) || after > time.Second {
				t.Errorf("after %s of a ban of %s it hears %v", after, ref, kinds)
			}
			if ref == patch {
				return // the plan is over by it, and its hosts are not held any more
			}
			pass(time.Second)
			kinds, after = hear(func(l *wire.LoaderState) { l.Bans = []hotstick.PatchRef{ref} }, func() {
				_, err := w.control.Clear(w.Context(), w.signs(statement.KindClear, statement.Clear{Patch: ref, Hosts: []hotstick.HostID{}, Ban: true,
					IssuedAt: within(0), NotAfter: within(time.Hour)}), "alice")
				w.must(err)
			})
			if !slices.Contains(kinds, statement.KindClear) || after > time.Second {
				t.Errorf("after %s of a clear it hears %v", after, kinds)
			}
			if n := w.kindsLogged()[inventory.PatchCleared]; n != 1 {
				t.Errorf("%d clears", n)
			}
		}, canary)
	}
}

// TestABanWhoseAnswerIsLostComesAgainWhileTheNextCheckInIsHeld: a host that waits for
// its next wave must not wait for the end of the hold as well.
func TestABanWhoseAnswerIsLostComesAgainWhileTheNextCheckInIsHeld(t *testing.T) {
	inBubble(t, 2, func(w *world) {
		defer w.run(w.control)()
		pass(time.Second)
		checkIn := func(seq uint64, hold time.Duration) []statement.Kind {
			t.Helper()
			req := w.request(1, seq, nil)
			req.Loader.Plans = []hotstick.PlanID{w.plan}
			_, err := w.control.Take(w.Context(), req, time.Minute)
			w.must(err)
			out, err := w.control.Documents(w.Context(), req, hold)
			w.must(err)
			return w.kinds(out.Documents)
		}
		w.must(w.control.Ban(w.Context(), newer, "alice", "bad"))
		if kinds := checkIn(10, 0); !slices.Contains(kinds, statement.KindBan) {
			t.Fatalf("it is sent %v", kinds)
		}
		began := time.Now()
		kinds, after := checkIn(11, time.Minute), time.Since(began)
		if !slices.Contains(kinds, statement.KindBan) || after > resendAfter {
			t.Errorf("the ban that was lost comes again after %s, with %v", after, kinds)
		}
	}, canary)
}
