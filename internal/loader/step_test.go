package loader

import (
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/loader/ledger"
)

func drawLevel(t *rapid.T, level int) ledger.Level {
	return ledger.Level{Patch: hotstick.PatchRef{Name: "fix", Level: level}, Module: map[int]string{1: "fix_1", 2: "fix_2"}[level],
		ProbationSeconds: 10, TransitionSeconds: 20}
}

// drawSituation draws anything that a loader could find itself in, likely or not.
func drawSituation(t *rapid.T) situation {
	flip := rapid.Bool()
	reason := func(name string, code hotstick.ReasonCode) *hotstick.Reason {
		if rapid.IntRange(0, 3).Draw(t, name) > 0 {
			return nil
		}
		return &hotstick.Reason{Code: code}
	}
	a := ledger.Attempt{Plan: "p", Number: 1, Phase: rapid.SampledFrom(openPhases).Draw(t, "phase"), Level: drawLevel(t, 2),
		SinceMillis: 1000, LoadMillis: 900, Reason: &hotstick.Reason{Code: hotstick.ReasonProbeFailed}}
	if flip.Draw(t, "has before") {
		before := drawLevel(t, 1)
		a.Before = &before
	}
	s := situation{
		attempt: a, observed: rapid.IntRange(0, 4).Draw(t, "observed") > 0,
		uptime:  time.Second + time.Duration(rapid.IntRange(0, 60).Draw(t, "seconds"))*time.Second,
		mayLoad: flip.Draw(t, "may load"), answered: flip.Draw(t, "answered"), beforeBlocked: flip.Draw(t, "before blocked"),
		silence: time.Duration(rapid.IntRange(0, 20).Draw(t, "silence")) * time.Second,
		stop:    reason("stop", hotstick.ReasonBanned), order: reason("order", hotstick.ReasonRevertOrdered),
		alarm: reason("alarm", hotstick.ReasonKernelLog), limits: DefaultLimits,
	}
	for _, module := range []string{"fix_1", "fix_2", "foreign"} {
		if flip.Draw(t, "has "+module) {
			s.patches = append(s.patches, hotstick.LoadedPatch{Module: module,
				State: rapid.SampledFrom(hotstick.Effects()).Draw(t, "state of "+module)})
		}
	}
	s.moving = s.moving.follow(s.patches, s.uptime, nil, "")
	s.moving.since -= time.Duration(rapid.IntRange(0, 40).Draw(t, "moving for")) * time.Second
	return s
}

func TestEveryStepKeepsTheRules(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawSituation(t)
		a := next(s)
		if !reflect.DeepEqual(a, next(s)) {
			t.Fatal("the same situation gives two different steps")
		}
		state, listed := s.effect(a.module)
		switch a.verb {
		case doLoad:
			if s.attempt.Phase != hotstick.Armed || !s.mayLoad || s.stop != nil || s.order != nil || !s.observed || listed || s.transition() {
				t.Fatalf("a load from %+v", s)
			}
		case doRestore:
			if s.attempt.Phase != hotstick.Reverting || s.attempt.Before == nil || s.beforeBlocked || !s.observed || listed || s.transition() {
				t.Fatalf("the level before is loaded from %+v", s)
			}
		case doDisable:
			own := a.module == s.attempt.Level.Module && s.attempt.Phase == hotstick.Reverting
			if !own || state != hotstick.TransitionIn && (state != hotstick.InEffect || s.transition()) {
				t.Fatalf("%s is disabled from %+v", a.module, s)
			}
		case doUnload:
			if a.module == "foreign" || state != hotstick.Disabled || s.transition() {
				t.Fatalf("%s is unloaded from %+v", a.module, s)
			}
		case doHelp:
			own := a.module == s.attempt.Level.Module || s.attempt.Before != nil && a.module == s.attempt.Before.Module
			if !own || !s.observed || s.moving.module != a.module || s.uptime-s.moving.since < s.limits.TransitionWait {
				t.Fatalf("%s is helped from %+v", a.module, s)
			}
		case doMove:
			if !canMove(s.attempt.Phase, a.to) {
				t.Fatalf("a step from %s to %s", s.attempt.Phase, a.to)
			}
			checkMove(t, s, a)
		}
	})
}

// checkMove: confirming needs everything to speak for it, and every way out but
// the two good ones has a reason.
func checkMove(t *rapid.T, s situation, a action) {
	state, _ := s.effect(s.attempt.Level.Module)
	if a.to == hotstick.Confirmed {
		healthy := s.alarm == nil && s.order == nil && s.answered && s.silence <= s.limits.AgentSilence
		if !healthy || !s.observed || state != hotstick.InEffect || s.transition() || s.sincePhase() < 10*time.Second {
			t.Fatalf("confirmed from %+v", s)
		}
	}
	if a.to == hotstick.Reverted {
		if !s.observed || state == hotstick.InEffect {
			t.Fatalf("reverted while the new level is in effect: %+v", s)
		}
		before := s.attempt.Before
		if before != nil && !s.beforeBlocked {
			if old, _ := s.effect(before.Module); old != hotstick.InEffect {
				t.Fatalf("reverted without the level before: %+v", s)
			}
		}
	}
	if a.to != hotstick.Applying && a.to != hotstick.Probation && a.to != hotstick.Confirmed && a.reason == nil {
		t.Fatalf("%s without a reason from %+v", a.to, s)
	}
}

func TestNobodyWaitsForEverInProbation(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawSituation(t)
		s.attempt.Phase = hotstick.Probation
		s.uptime = time.Second + 10*time.Second + s.limits.AgentSilence + time.Second
		// The replaced level's code may have to be unloaded first; that is one step.
		if a := next(s); a.verb != doMove && a.verb != doUnload {
			t.Fatalf("the dead man sleeps: %+v from %+v", a, s)
		}
	})
}

func TestNobodyWaitsForEverForWhatCannotBeRead(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawSituation(t)
		s.observed, s.uptime = false, time.Second+3*20*time.Second+time.Second
		if a := next(s); a.verb != doMove {
			t.Fatalf("waits for ever: %+v from %+v", a, s)
		}
	})
}

// TestALedgerForgetsNothing plays any sequence of an attempt's steps, restarts
// and reboots against the ledger.
func TestALedgerForgetsNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		led := ledger.New("boot-0")
		boots, attempts, quarantined := 0, 0, map[int]int{}
		at := moment{boot: "boot-0", wall: time.Unix(1_800_000_000, 0)}
		seq, halts, strikes := uint64(0), 0, 0
		steps := map[string]func(*rapid.T){
			"halt": func(t *rapid.T) {
				led.Halts = append(led.Halts, hotstick.NewDigest([]byte{byte(halts)}))
				halts++
			},
			"arm": func(t *rapid.T) {
				level := drawLevel(t, rapid.IntRange(1, 2).Draw(t, "level"))
				if led.Attempt != nil || led.Struck(level.Patch) {
					return
				}
				attempts++
				arm(&led, ledger.Attempt{Plan: "p", Number: attempts, Level: level}, at)
			},
			"advance": func(t *rapid.T) {
				if led.Attempt == nil {
					return
				}
				var allowed []hotstick.HostState
				for _, to := range phases[led.Attempt.Phase] {
					if to != hotstick.Quarantined { // that is the next boot's word
						allowed = append(allowed, to)
					}
				}
				advance(&led, rapid.SampledFrom(allowed).Draw(t, "to"), because(hotstick.ReasonOperator, ""), at)
			},
			"restart": func(t *rapid.T) { led = wake(led, nil, at) },
			"reboot": func(t *rapid.T) {
				boots++
				at.boot = "boot-" + string(rune('a'+boots%26)) + time.Duration(boots).String()
				led.Boot.Clean = rapid.Bool().Draw(t, "clean")
				open := led.Attempt
				clean := led.Boot.Clean
				led = wake(led, nil, at)
				if open != nil && !clean {
					strikes++
					quarantined[open.Number]++
					if !led.Struck(open.Level.Patch) {
						t.Fatalf("no strike for %v", open.Level.Patch)
					}
				}
				again := wake(led, nil, at)
				if !reflect.DeepEqual(again, led) {
					t.Fatal("waking twice in one boot changes the ledger")
				}
			},
			"": func(t *rapid.T) {
				if led.Seq < seq || len(led.Halts) != halts {
					t.Fatalf("went back: seq %d after %d, %d halts of %d", led.Seq, seq, len(led.Halts), halts)
				}
				seq = led.Seq
				for _, p := range []*ledger.Permit{led.Permit, led.Former} {
					if p != nil && led.Struck(p.Level.Patch) {
						t.Fatal("a struck level has a permit")
					}
				}
				if led.Former != nil && (led.Permit == nil || led.Permit.Level.Patch == led.Former.Level.Patch) {
					t.Fatalf("the former permit is %+v, the newest %+v", led.Former, led.Permit)
				}
				for n, times := range quarantined {
					if times > 1 {
						t.Fatalf("attempt %d was struck %d times", n, times)
					}
				}
				encoded, err := ledger.Encode(led)
				if err != nil {
					t.Fatal(err)
				}
				_ = encoded
			},
		}
		t.Repeat(steps)
	})
}
