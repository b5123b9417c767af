package controller

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/decide/policy"
	"github.com/hotstick/hotstick/internal/inventory"
	"github.com/hotstick/hotstick/internal/statement"
	"github.com/hotstick/hotstick/internal/store"
)

// signs is a statement with the author's signature, which is enough in this world.
func (w *world) signs(kind statement.Kind, body any, by ...statement.Signer) []byte {
	w.Helper()
	if len(by) == 0 {
		by = []statement.Signer{w.author}
	}
	raw, err := statement.Sign(kind, body, by...)
	w.must(err)
	return raw
}

// within is a time from now, as statements have them.
func within(d time.Duration) time.Time { return time.Now().UTC().Truncate(time.Second).Add(d) }

func (w *world) downgrade(host int, level hotstick.PatchRef) statement.Downgrade {
	return statement.Downgrade{Patch: level, From: level.Level + 1, Hosts: []hotstick.HostID{w.hosts[host].Host}, Builds: []hotstick.KernelBuild{},
		Why: "it is slow", IssuedAt: within(0), NotAfter: within(time.Hour)}
}

func waiver(name string, edit func(*statement.Waiver)) statement.Waiver {
	w := statement.Waiver{Name: name, Policy: "standard", Rules: []string{"reversible"}, Hosts: "true", Why: "they said so", IssuedAt: within(0), NotAfter: within(time.Hour)}
	if edit != nil {
		edit(&w)
	}
	return w
}

// Loaders keep no downgrade, so it comes with every grant that may need it, before it,
// and to nobody else.
func TestADowngradeGoesWithTheGrantOfTheHostThatItCovers(t *testing.T) {
	inBubble(t, 2, func(w *world) {
		_, err := w.control.Downgrade(w.Context(), w.signs(statement.KindDowngrade, w.downgrade(0, patch)), "alice")
		w.must(err)
		_, err = w.control.Downgrade(w.Context(), w.signs(statement.KindDowngrade, w.downgrade(0, newer)), "alice") // of another level
		w.must(err)
		w.rounds()
		for host, want := range map[int][]statement.Kind{0: {statement.KindDowngrade, statement.KindGrant}, 1: {statement.KindGrant}} {
			out, err := w.control.Documents(w.Context(), w.checkIn(host, 10, nil), 0)
			w.must(err)
			kinds := slices.DeleteFunc(w.kinds(out.Documents), func(k statement.Kind) bool { return k == statement.KindPlan })
			if !slices.Equal(kinds, want) {
				t.Errorf("host %d is sent %v, want %v", host, kinds, want)
			}
		}
	})
}

func TestAStatementThatTheServerSignedForPersonsIsRefused(t *testing.T) {
	inBubble(t, 1, func(w *world) {
		_, err := w.control.Downgrade(w.Context(), w.signs(statement.KindDowngrade, w.downgrade(0, patch), w.online), "alice")
		refusedAs(t, err, CodeSignature)
		_, err = w.control.Waiver(w.Context(), w.signs(statement.KindWaiver, waiver("a", nil), w.online), "alice")
		refusedAs(t, err, CodeSignature)
		_, err = w.control.Waiver(w.Context(), w.signs(statement.KindWaiver, waiver("a", func(x *statement.Waiver) { x.Hosts = "host.nothing" })), "alice")
		refusedAs(t, err, CodeInvalid)
		pass(2 * time.Hour)
		old := waiver("a", func(x *statement.Waiver) { x.IssuedAt, x.NotAfter = within(-2*time.Hour), within(-time.Hour) })
		_, err = w.control.Waiver(w.Context(), w.signs(statement.KindWaiver, old), "alice")
		refusedAs(t, err, CodeRefused)
		if n := w.kindsLogged()[inventory.StatementTaken]; n != 0 {
			t.Errorf("%d refused statements are in the log", n)
		}
	})
}

func TestWhichWaiversHold(t *testing.T) {
	inBubble(t, 1, func(w *world) {
		submit := func(x statement.Waiver) {
			t.Helper()
			for range 2 { // the second time changes nothing
				_, err := w.control.Waiver(w.Context(), w.signs(statement.KindWaiver, x), "alice")
				w.must(err)
			}
		}
		holding := func() []policy.Waiver {
			t.Helper()
			var out []policy.Waiver
			w.must(w.store.View(w.Context(), func(tx store.Tx) error {
				var err error
				out, err = PolicyWaivers(tx, w.trusted.Trust)
				return err
			}))
			return out
		}
		submit(waiver("farm", nil))
		submit(waiver("bench", nil))
		if got := holding(); len(got) != 2 || got[0].Name != "bench" || !slices.Equal(got[0].By, []hotstick.Person{"alice"}) {
			t.Errorf("%+v hold", got)
		}
		pass(2 * time.Second)
		submit(waiver("farm", func(x *statement.Waiver) { x.LeaveOut, x.Rules, x.NotAfter = true, nil, within(time.Minute) }))
		if got := holding(); len(got) != 2 || !got[1].LeaveOut {
			t.Errorf("the younger one does not replace the older: %+v", got)
		}
		// What was replaced does not come back when the younger one ends.
		pass(2 * time.Minute)
		if got := holding(); len(got) != 1 || got[0].Name != "bench" {
			t.Errorf("%+v hold after the younger one's end", got)
		}
		if n := w.kindsLogged()[inventory.StatementTaken]; n != 3 {
			t.Errorf("%d leaves, want 3", n)
		}
		// Somebody who left the root excepts nobody any more.
		w.trusted.Trust.Persons[0].Keys = []hotstick.TrustedKey{newKey(t).Public()}
		if got := holding(); len(got) != 0 {
			t.Errorf("%+v hold, though nobody who signed is trusted", got)
		}
	})
}

// What was proved of one level says nothing of another with the same bytes.
func TestEvidenceOfAnotherLevelIsRefused(t *testing.T) {
	inBubble(t, 1, func(w *world) {
		lab := newKey(t)
		w.trusted.Trust.EvidenceKeys = []hotstick.EvidenceSigner{{Name: "lab", Keys: []hotstick.TrustedKey{lab.Public()}}}
		artifact := w.trusted.Patches[0].Artifacts[0]
		prove := func(level hotstick.PatchRef, on hotstick.KernelBuild, passed bool) []byte {
			proof := statement.LabProof{Patch: level, Build: on, Stages: []statement.LabStage{{Name: "apply", Passed: passed}}, StartedAt: within(0), FinishedAt: within(0)}
			return w.signs(statement.KindEvidence, statement.Evidence{Type: statement.EvidenceType, PredicateType: statement.PredicateLabProof,
				Predicate: mustJSON(t, proof), Subject: []statement.EvidenceSubject{{Digest: map[string]string{"sha256": artifact.Digest.Hex()}}}}, lab)
		}
		proven := func() []string {
			var words []string
			w.must(w.store.View(w.Context(), func(tx store.Tx) error {
				all, err := PatchEvidence(tx, w.trusted.Trust, w.trusted.Patches[0])
				words = Proven(all, w.trusted.Patches[0])
				return err
			}))
			return words
		}
		elsewhere := build
		elsewhere.BuildID = "ffffffffffffffff"
		for _, raw := range [][]byte{prove(newer, build, true), prove(patch, elsewhere, true)} {
			_, err := w.control.Evidence(w.Context(), raw, "alice")
			refusedAs(t, err, CodeNotFound)
		}
		if words := proven(); len(words) != 0 {
			t.Errorf("proven: %v", words)
		}
		for _, passed := range []bool{true, false} {
			ref, err := w.control.Evidence(w.Context(), prove(patch, build, passed), "alice")
			w.must(err)
			if words := proven(); ref != patch || passed != slices.Equal(words, []string{"lab"}) {
				t.Errorf("after a proof of %s that passed: %t: %v", ref, passed, words)
			}
			pass(time.Second)
		}
	})
}

func mustJSON(t *testing.T, v any) []byte {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
