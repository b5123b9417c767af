package controller

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/inventory"
	"github.com/hotstick/hotstick/internal/statement"
	"github.com/hotstick/hotstick/internal/store"
)

// TestAClearThatIsReplayedInAnotherEnvelopeLiftsNothing: with other white space, or one
// signature more, it says what it said, and that was done.
func TestAClearThatIsReplayedInAnotherEnvelopeLiftsNothing(t *testing.T) {
	bob := newKey(t)
	inBubble(t, 1, func(w *world) {
		w.trusted.Trust.Persons = append(w.trusted.Trust.Persons, hotstick.TrustedPerson{Person: "bob", Keys: []hotstick.TrustedKey{bob.Public()}})
		host := w.hosts[0].Host
		raw := w.clears(false, host)
		_, err := w.control.Clear(w.Context(), raw, "alice")
		w.must(err)
		w.event(func(tx store.Tx) error {
			return inventory.Mark(tx, host, patch, hotstick.Reason{Code: hotstick.ReasonProbeFailed}, "test")
		})
		more, err := statement.AddSignature(raw, bob)
		w.must(err)
		for name, again := range map[string][]byte{"the same": raw, "a space more": append(slices.Clone(raw), ' '), "a signature more": more} {
			_, err := w.control.Clear(w.Context(), again, "mallory")
			w.must(err)
			w.must(w.store.View(w.Context(), func(tx store.Tx) error {
				h, err := tx.Hosts().Get(host)
				if !slices.Equal(h.Reverted, []hotstick.PatchRef{patch}) {
					t.Errorf("%s: the mark of a later revert is gone", name)
				}
				return err
			}))
		}
		if got := w.kindsLogged(); got[inventory.PatchCleared] != 1 || got[inventory.HostCleared] != 1 {
			t.Errorf("the log has %v", got)
		}
	})
}

// TestAStatementThatIsSignedAnewTakesThePlaceOfOneThatNobodyTrusts changes the key of
// whoever signed, who then signs the same again.
func TestAStatementThatIsSignedAnewTakesThePlaceOfOneThatNobodyTrusts(t *testing.T) {
	inBubble(t, 1, func(w *world) {
		said, excepts, lifts := w.downgrade(0, patch), waiver("farm", nil), statement.Clear{Patch: patch, Hosts: []hotstick.HostID{w.hosts[0].Host},
			IssuedAt: within(0), NotAfter: within(time.Hour)}
		handIn := func() {
			t.Helper()
			_, err1 := w.control.Downgrade(w.Context(), w.signs(statement.KindDowngrade, said), "alice")
			_, err2 := w.control.Waiver(w.Context(), w.signs(statement.KindWaiver, excepts), "alice")
			_, err3 := w.control.Clear(w.Context(), w.signs(statement.KindClear, lifts), "alice")
			w.must(err1)
			w.must(err2)
			w.must(err3)
		}
		holding := func() (n int) {
			t.Helper()
			w.must(w.store.View(w.Context(), func(tx store.Tx) error {
				downgrades, err1 := Downgrades(tx, w.trusted.Trust)
				waivers, err2 := PolicyWaivers(tx, w.trusted.Trust)
				clears, err3 := tx.Bans().Statements(string(statement.KindClear))
				for _, c := range clears {
					if w.control.opens(tx, c) {
						n++
					}
				}
				n += len(downgrades) + len(waivers)
				if err1 != nil || err2 != nil {
					return w.Context().Err()
				}
				return err3
			}))
			return n
		}
		handIn()
		if n := holding(); n != 3 {
			t.Fatalf("%d of 3 hold", n)
		}
		w.author = newKey(t)
		w.trusted.Trust.Persons[0].Keys = []hotstick.TrustedKey{w.author.Public()}
		if n := holding(); n != 0 {
			t.Fatalf("%d hold, though their signer's key was changed", n)
		}
		w.event(func(tx store.Tx) error {
			return inventory.Mark(tx, w.hosts[0].Host, patch, hotstick.Reason{Code: hotstick.ReasonProbeFailed}, "test")
		})
		for range 2 { // the second time changes nothing
			handIn()
			if n := holding(); n != 3 {
				t.Errorf("%d of 3 hold after they were signed anew", n)
			}
		}
		w.must(w.store.View(w.Context(), func(tx store.Tx) error {
			h, err := tx.Hosts().Get(w.hosts[0].Host)
			if len(h.Reverted) != 1 {
				t.Error("a clear that was signed anew lifts the mark of a later revert")
			}
			return err
		}))
		if got := w.kindsLogged(); got[inventory.StatementTaken] != 2+3 || got[inventory.PatchCleared] != 1 {
			t.Errorf("the log has %v", got)
		}
	})
}

// TestAStatementThatIsDatedAheadIsNotTaken: it would beat, lift and outlive what it must
// not.
func TestAStatementThatIsDatedAheadIsNotTaken(t *testing.T) {
	inBubble(t, 1, func(w *world) {
		ahead, end := within(statement.MaxAhead+time.Minute), within(time.Hour)
		d, x := w.downgrade(0, patch), waiver("farm", func(x *statement.Waiver) { x.IssuedAt, x.NotAfter = ahead, end })
		d.IssuedAt, d.NotAfter = ahead, end
		_, err := w.control.Downgrade(w.Context(), w.signs(statement.KindDowngrade, d), "alice")
		refusedAs(t, err, CodeRefused)
		_, err = w.control.Waiver(w.Context(), w.signs(statement.KindWaiver, x), "alice")
		refusedAs(t, err, CodeRefused)
		_, err = w.control.Clear(w.Context(), w.signs(statement.KindClear, statement.Clear{Patch: patch, Hosts: []hotstick.HostID{}, Ban: true, IssuedAt: ahead, NotAfter: end}), "alice")
		refusedAs(t, err, CodeRefused)
		pass(2 * time.Minute)
		_, err = w.control.Waiver(w.Context(), w.signs(statement.KindWaiver, x), "alice")
		w.must(err)
	})
}

// TestAProofThatWasKeptBackDoesNotOutdateALaterFailure: a publisher chooses when to hand
// proofs in, the laboratory when they were made.
func TestAProofThatWasKeptBackDoesNotOutdateALaterFailure(t *testing.T) {
	inBubble(t, 1, func(w *world) {
		lab := newKey(t)
		w.trusted.Trust.EvidenceKeys = []hotstick.EvidenceSigner{{Name: "lab", Keys: []hotstick.TrustedKey{lab.Public()}}}
		proved := func(ended time.Time, passed bool) []byte {
			proof := statement.LabProof{Patch: patch, Build: build, Stages: []statement.LabStage{{Name: "apply", Passed: passed}}, StartedAt: ended, FinishedAt: ended}
			return w.signs(statement.KindEvidence, statement.Evidence{Type: statement.EvidenceType, PredicateType: statement.PredicateLabProof, Predicate: mustJSON(t, proof),
				Subject: []statement.EvidenceSubject{{Digest: map[string]string{"sha256": w.trusted.Patches[0].Artifacts[0].Digest.Hex()}}}}, lab)
		}
		proven := func() (words []string) {
			w.must(w.store.View(w.Context(), func(tx store.Tx) error {
				all, err := PatchEvidence(tx, w.trusted.Trust, w.trusted.Patches[0])
				words = Proven(all, w.trusted.Patches[0])
				return err
			}))
			return words
		}
		now := within(0)
		_, err := w.control.Evidence(w.Context(), proved(within(statement.MaxAhead+time.Minute), true), "mallory")
		refusedAs(t, err, CodeInvalid)
		for _, tt := range []struct {
			name   string
			ended  time.Duration
			passed bool
			want   int
		}{
			{"the first", -3 * time.Hour, true, 1},
			{"a failure", -time.Hour, false, 0},
			{"one that was kept back", -2 * time.Hour, true, 0},
			{"one of the same second as the failure", -time.Hour, true, 0},
			{"one that was made after it", -time.Minute, true, 1},
			{"a failure that was kept back", -time.Hour - time.Minute, false, 1},
		} {
			_, err := w.control.Evidence(w.Context(), proved(now.Add(tt.ended), tt.passed), "mallory")
			w.must(err)
			if words := proven(); len(words) != tt.want {
				t.Errorf("after %s: proven are %v", tt.name, words)
			}
			pass(time.Second)
		}
	})
}

// TestEvidenceOfFilesThatSeveralLevelsHaveSpeaksForEach: provenance names files, of
// which some are published later.
func TestEvidenceOfFilesThatSeveralLevelsHaveSpeaksForEach(t *testing.T) {
	inBubble(t, 1, func(w *world) {
		builder := newKey(t)
		w.trusted.Trust.EvidenceKeys = []hotstick.EvidenceSigner{{Name: "builder", Keys: []hotstick.TrustedKey{builder.Public()}}}
		var about []statement.EvidenceSubject
		for _, p := range w.trusted.Patches {
			about = append(about, statement.EvidenceSubject{Digest: map[string]string{"sha256": p.Artifacts[0].Digest.Hex()}})
		}
		raw := w.signs(statement.KindEvidence, statement.Evidence{Type: statement.EvidenceType, PredicateType: statement.PredicateTestResult,
			Predicate: json.RawMessage(`{"result":"PASSED","configuration":[]}`), Subject: about}, builder)
		_, err := w.control.Evidence(w.Context(), raw, "alice")
		w.must(err)
		w.must(w.store.View(w.Context(), func(tx store.Tx) error {
			for _, p := range w.trusted.Patches {
				all, err := PatchEvidence(tx, w.trusted.Trust, p)
				if words := Proven(all, p); err != nil || !slices.Equal(words, []string{"tests"}) {
					t.Errorf("of %s is proven %v, %v", p.Ref, words, err)
				}
			}
			return nil
		}))
	})
}

// TestAWaiverThatLeavesHostsOutKeepsLateOnesOut lets a host come late that a waiver
// means, until that one ends or is replaced, and one that it does not mean.
func TestAWaiverThatLeavesHostsOutKeepsLateOnesOut(t *testing.T) {
	late := func(_ *world, p *hotstick.Plan) {
		p.Late = &hotstick.LateRule{Labels: map[string]string{"rack": "r0"}}
	}
	for _, ended := range []bool{true, false} {
		inBubble(t, 1, func(w *world) {
			w.rounds()
			leaveOut := func(x *statement.Waiver) {
				x.LeaveOut, x.Rules, x.Hosts, x.NotAfter = true, nil, `host.name == "kept-out"`, within(time.Hour)
			}
			_, err := w.control.Waiver(w.Context(), w.signs(statement.KindWaiver, waiver("farm", leaveOut)), "alice")
			w.must(err)
			joined := func() (names []string) {
				w.rounds()
				w.must(w.store.View(w.Context(), func(tx store.Tx) error {
					lines, err := tx.Plans().Hosts(w.plan)
					for _, l := range lines[1:] {
						names = append(names, l.Listed.Name)
					}
					return err
				}))
				return names
			}
			pass(time.Second)
			for i, name := range []string{"kept-out", "let-in"} {
				w.addHost(name)
				w.hosts[1+i].Domains = map[string]string{"rack": "r0"}
				w.checkIn(1+i, 2, nil)
			}
			w.rounds()
			for range 2 { // also after a restart of the server
				if got := joined(); !slices.Equal(got, []string{"let-in"}) {
					t.Fatalf("%v joined under the waiver", got)
				}
				w.control.doubt()
			}
			pass(time.Minute)
			if ended {
				pass(time.Hour)
			} else {
				_, err := w.control.Waiver(w.Context(), w.signs(statement.KindWaiver, waiver("farm", func(x *statement.Waiver) { leaveOut(x); x.Hosts = "false" })), "alice")
				w.must(err)
			}
			if got := joined(); !slices.Equal(got, []string{"let-in", "kept-out"}) {
				t.Errorf("%v joined after the waiver ended: %t", got, ended)
			}
		}, racks(2, 2), late)
	}
}
