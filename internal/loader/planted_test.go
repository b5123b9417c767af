//go:build planted

package loader_test

import (
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/catalog"
	"github.com/hotstick/hotstick/internal/driver/fake"
	"github.com/hotstick/hotstick/internal/planted"
	"github.com/hotstick/hotstick/internal/statement"
)

// Each planted bug does what it is named for: the scene ends well without it, and
// badly with it. The simulator finds them without being told where to look.
func TestPlantedBugsBite(t *testing.T) {
	never := func(w *world) bool { return w.running().IsZero() }
	granted := func(w *world, edit func(*statement.Grant)) {
		raw, id := w.plan(w.publish("fix@1", fake.Behaviour{}), nil)
		w.exchange(raw)
		w.exchange(w.grant(id, 1, edit))
		w.pass(3 * time.Second)
	}
	for bug, good := range map[string]func(w *world) bool{
		"author-approves": func(w *world) bool {
			_, id := w.plan(w.publish("fix@1", fake.Behaviour{}), nil)
			plan, err := statement.ParsePlan(w.envelopes[id])
			if err != nil {
				w.t.Fatal(err)
			}
			w.exchange(w.sign(statement.KindPlan, plan.Plan, author))
			return len(w.last.Plans) == 0
		},
		"proof-unchecked": func(w *world) bool { granted(w, func(g *statement.Grant) { g.Proof = nil }); return never(w) },
		"window-unchecked": func(w *world) bool {
			w.place = byNight
			raw, id := w.plan(w.publish("fix@1", fake.Behaviour{}), withNights)
			w.exchange(raw)
			w.exchange(w.grant(id, 1, nil))
			w.pass(3 * time.Second)
			return never(w)
		},
		"old-epoch-taken": func(w *world) bool {
			raw, id := w.plan(w.publish("fix@1", fake.Behaviour{}), nil)
			newer := w.view.Trust
			newer.Epoch++
			w.view = catalog.NewView(w.view.Version+1, w.view.Expires, newer, w.view.Patches)
			w.exchange(raw)
			w.exchange(w.grant(id, 1, nil))
			w.pass(3 * time.Second)
			return never(w)
		},
		"grant-never-expires": func(w *world) bool { granted(w, func(g *statement.Grant) { g.Nonce = "old" }); return never(w) },
		"intent-not-durable": func(w *world) bool {
			w.offer(w.publish("fix@1", fake.Behaviour{}), 1)
			w.pass(time.Second)
			return w.broken == 0
		},
		"confirm-not-durable": func(w *world) bool {
			w.offer(w.publish("fix@1", fake.Behaviour{}), 1)
			for range 150 {
				w.loader.Tick(w.t.Context())
				w.now = w.now.Add(100 * time.Millisecond)
				if w.exchange(); !w.last.Busy {
					break
				}
			}
			return w.ledger().Attempt == nil
		},
		"halted-plan-starts": func(w *world) bool {
			raw, id := w.plan(w.publish("fix@1", fake.Behaviour{}), nil)
			w.exchange(raw)
			w.exchange(w.halt(id))
			w.exchange(w.grant(id, 1, nil))
			return len(w.reports) == 0 // the intent; the load is stopped by a second look
		},
		"halts-lost-on-restart": func(w *world) bool {
			raw, id := w.plan(w.publish("fix@1", fake.Behaviour{}), nil)
			w.exchange(raw)
			w.exchange(w.halt(id))
			w.start()
			w.exchange()
			w.exchange(w.grant(id, 1, nil))
			w.pass(3 * time.Second)
			return never(w)
		},
		"bans-lost-on-restart": func(w *world) bool {
			p := w.publish("fix@1", fake.Behaviour{})
			w.exchange(w.ban(p))
			w.start()
			w.exchange()
			w.offer(p, 1)
			w.pass(3 * time.Second)
			return never(w)
		},
		"banned-patch-starts": func(w *world) bool {
			p := w.publish("fix@1", fake.Behaviour{})
			w.exchange(w.ban(p))
			w.offer(p, 1)
			return w.states() == "failed"
		},
		"banned-level-comes-back": func(w *world) bool {
			p := w.publish("fix@1", fake.Behaviour{})
			w.mustConfirm(p)
			w.exchange(w.ban(p))
			w.reboot(true)
			n := len(w.reports)
			w.pass(10 * time.Second)
			return len(w.reports) == n
		},
		"no-strike": func(w *world) bool {
			w.offer(w.publish("fix@1", fake.Behaviour{}), 1)
			w.pass(2 * time.Second)
			w.machine.Crash("")
			w.reboot(false)
			return len(w.last.Strikes) == 1
		},
		"attempt-repeats": func(w *world) bool {
			id := w.offer(w.publish("fix@1", fake.Behaviour{Ill: "503"}), 1)
			w.pass(10 * time.Second)
			w.probe = ""
			w.exchange(w.grant(id, 1, nil))
			w.pass(time.Second)
			return w.loads["fix_1"] == 1
		},
		"delay-by-wall-clock": func(w *world) bool {
			raw, id := w.plan(w.publish("fix@1", fake.Behaviour{}), func(p *hotstick.Plan) {
				p.CreatedAt, p.Waves[0].DelaySeconds = p.CreatedAt.Add(-2*time.Hour), 3600
			})
			w.exchange(raw)
			w.exchange(w.grant(id, 1, nil))
			w.pass(3 * time.Second)
			return never(w)
		},
		"boot-loop": func(w *world) bool {
			w.mustConfirm(w.publish("fix@1", fake.Behaviour{}))
			for range 2 {
				w.machine.Crash("")
				w.reboot(false)
			}
			w.pass(time.Minute)
			return never(w)
		},
		"transition-ignored": func(w *world) bool {
			w.offer(w.publish("fix@1", fake.Behaviour{Transition: 5 * time.Second}), 1)
			w.pass(time.Second)
			return w.states() == "armed applying"
		},
		"dead-man-sleeps": func(w *world) bool {
			raw, id := w.plan(w.publish("fix@1", fake.Behaviour{}), func(p *hotstick.Plan) { p.ProbationSeconds = 600 })
			w.exchange(raw)
			w.exchange(w.grant(id, 1, nil))
			w.pass(2 * time.Second)
			w.mute = true
			w.pass(time.Minute)
			return never(w)
		},
		"revert-to-none": func(w *world) bool {
			p := w.publish("fix@1", fake.Behaviour{})
			w.mustConfirm(p)
			w.offer(w.publish("fix@2", fake.Behaviour{Ill: "503"}), 1)
			w.pass(10 * time.Second)
			return w.running() == p.Ref
		},
	} {
		t.Run(bug, func(t *testing.T) {
			for _, on := range []string{"", bug} {
				planted.Plant(on)
				w := newWorld(t)
				w.bold = true
				if good(w) == (on != "") {
					t.Errorf("with %q planted it ends well: %t; refusals %v, reports %s", on, on != "", w.refusals, w.states())
				}
			}
			planted.Plant("")
		})
	}
}
