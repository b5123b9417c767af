package statement_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/statement"
)

// about is evidence of a type about the bytes "a".
func about(typ statement.PredicateType, predicate string) statement.Evidence {
	return statement.Evidence{Type: statement.EvidenceType, PredicateType: typ, Predicate: json.RawMessage(predicate),
		Subject: []statement.EvidenceSubject{{Name: "hotstick_unix_ioctl_2.ko", Digest: map[string]string{"sha256": hotstick.NewDigest([]byte("a")).Hex()}}}}
}

const (
	slsa  = `{"buildDefinition":{"buildType":"https://example.org/kpatch-build/v1","externalParameters":{"source":"unix.patch"}},"runDetails":{"builder":{"id":"https://example.org/builder"}}}`
	suite = `{"result":"PASSED","configuration":[{"name":"ltp"}],"passedTests":["af_unix"]}`
)

func (w *world) evidence() statement.Evidence {
	return about(statement.PredicateLabProof, string(mustMarshal(w, statement.LabProof{Patch: hotstick.PatchRef{Name: "unix-ioctl", Level: 2}, Build: build,
		Stages: []statement.LabStage{{Name: "apply", Passed: true}, {Name: "revert", Passed: true}}, StartedAt: now, FinishedAt: now})))
}

func TestWhatEvidenceSpeaksFor(t *testing.T) {
	w := newWorld(t)
	lab := string(w.evidence().Predicate)
	for _, tt := range []struct {
		name   string
		typ    statement.PredicateType
		text   string
		passed bool
		word   string
	}{
		{"a proof", statement.PredicateLabProof, lab, true, "lab"},
		{"a proof of which a stage failed", statement.PredicateLabProof, strings.Replace(lab, `"passed":true`, `"passed":false`, 1), false, "lab"},
		{"provenance", statement.PredicateProvenance, slsa, true, "provenance"},
		{"tests that passed", statement.PredicateTestResult, suite, true, "tests"},
		{"tests that warned", statement.PredicateTestResult, strings.Replace(suite, "PASSED", "WARNED", 1), true, "tests"},
		{"tests that failed", statement.PredicateTestResult, strings.Replace(suite, "PASSED", "FAILED", 1), false, "tests"},
	} {
		raw := w.mustSign(statement.KindEvidence, about(tt.typ, tt.text), "lab")
		e, by, err := statement.OpenEvidence(raw, w.trust)
		if err != nil || len(by) != 1 || by[0] != "lab in Graz" {
			t.Errorf("%s: by %v, %v", tt.name, by, err)
			continue
		}
		if passed, err := e.Passed(); passed != tt.passed || err != nil || e.PredicateType.Word() != tt.word {
			t.Errorf("%s: passed is %t, %v; it is called %q", tt.name, passed, err, e.PredicateType.Word())
		}
	}
}

// Evidence is bound to bytes: what was proved of one file says nothing of another.
func TestEvidenceAboutOtherBytesProvesNothing(t *testing.T) {
	w := newWorld(t)
	e := w.evidence()
	if !e.About(hotstick.NewDigest([]byte("a"))) || e.About(hotstick.NewDigest([]byte("b"))) || e.About("") || e.About("sha256:") {
		t.Errorf("what it is about: %+v", e.Subject)
	}
}

func TestEvidenceThatNoLaboratorySignedIsRefused(t *testing.T) {
	w := newWorld(t)
	for _, who := range [][]string{{"server"}, {"ann"}, {"ann", "bob", "cid", "dan"}, {"mallory"}} {
		w.mustRefuse(open(w.mustSign(statement.KindEvidence, w.evidence(), who...), statement.KindEvidence, w.trust), hotstick.ReasonSignature)
	}
	// Nor does a laboratory approve anything.
	w.mustRefuse(open(w.mustSign(statement.KindClear, w.clear(), "bob", "lab"), statement.KindClear, w.trust), hotstick.ReasonSignature)
	w.mustRefuse(open(w.mustSign(statement.KindPlan, w.plan(hosts(3)), "ann", "bob", "lab"), statement.KindPlan, w.trust), hotstick.ReasonNotApproved)
	w.mustRefuse(open(w.mustSign(statement.KindBan, w.ban(), "lab"), statement.KindBan, w.trust), hotstick.ReasonSignature)
}

func TestEvidenceOfALaboratoryThatLeftTheRootIsRefused(t *testing.T) {
	w := newWorld(t)
	raw := w.mustSign(statement.KindEvidence, w.evidence(), "lab")
	w.trust.EvidenceKeys = nil
	w.mustRefuse(open(raw, statement.KindEvidence, w.trust), hotstick.ReasonSignature)
}

func TestMalformedEvidenceIsRefusedWhoeverSigned(t *testing.T) {
	w := newWorld(t)
	lab := string(w.evidence().Predicate)
	edited := func(edit func(*statement.Evidence)) statement.Evidence { e := w.evidence(); edit(&e); return e }
	for name, e := range map[string]statement.Evidence{
		"an older statement":               edited(func(e *statement.Evidence) { e.Type = "https://in-toto.io/Statement/v0.1" }),
		"a predicate nobody knows":         about("https://example.org/hunch/v1", "{}"),
		"a newer predicate":                about("https://slsa.dev/provenance/v2", slsa),
		"no predicate":                     edited(func(e *statement.Evidence) { e.Predicate = json.RawMessage("null") }),
		"about nothing":                    edited(func(e *statement.Evidence) { e.Subject = nil }),
		"without SHA-256":                  edited(func(e *statement.Evidence) { e.Subject[0].Digest = map[string]string{"sha1": "00"} }),
		"with a digest that is none":       edited(func(e *statement.Evidence) { e.Subject[0].Digest = map[string]string{"sha256": "00"} }),
		"a proof with an unknown field":    about(statement.PredicateLabProof, strings.Replace(lab, "{", `{"also":1,`, 1)),
		"a proof without stages":           about(statement.PredicateLabProof, lab[:strings.Index(lab, `"stages"`)]+`"stages":[],`+lab[strings.Index(lab, `"started_at"`):]),
		"a proof of no patch":              about(statement.PredicateLabProof, strings.Replace(lab, "unix-ioctl", "", 1)),
		"a proof that says passed twice":   about(statement.PredicateLabProof, strings.Replace(lab, `"passed":true`, `"passed":false,"passed":true`, 1)),
		"provenance by nobody":             about(statement.PredicateProvenance, strings.Replace(slsa, "https://example.org/builder", "", 1)),
		"provenance with an unknown field": about(statement.PredicateProvenance, strings.Replace(slsa, "{", `{"also":1,`, 1)),
		"tests without a result":           about(statement.PredicateTestResult, strings.Replace(suite, "PASSED", "", 1)),
		"tests that pass and fail":         about(statement.PredicateTestResult, strings.Replace(suite, "passedTests", "failedTests", 1)),
	} {
		if _, err := statement.Sign(statement.KindEvidence, e, key("lab")); err == nil {
			t.Errorf("%s: signed", name)
		}
		raw, err := statement.SignPayload(statement.KindEvidence, mustMarshal(t, e), key("lab"))
		if err != nil {
			t.Fatal(err)
		}
		w.mustRefuse(open(raw, statement.KindEvidence, w.trust), hotstick.ReasonSignature)
	}
}

func TestLaboratoriesHaveKeysOfTheirOwn(t *testing.T) {
	for name, edit := range map[string]func(*hotstick.Trust){
		"a person's key":   func(x *hotstick.Trust) { x.EvidenceKeys[0].Keys = x.Persons[0].Keys },
		"the server's key": func(x *hotstick.Trust) { x.EvidenceKeys[0].Keys = x.ServerKeys },
		"no key":           func(x *hotstick.Trust) { x.EvidenceKeys[0].Keys = nil },
		"no name":          func(x *hotstick.Trust) { x.EvidenceKeys[0].Name = "" },
		"a name used twice": func(x *hotstick.Trust) {
			x.EvidenceKeys = append(x.EvidenceKeys, hotstick.EvidenceSigner{Name: "lab in Graz", Keys: []hotstick.TrustedKey{key("other").Public()}})
		},
	} {
		w := newWorld(t)
		edit(&w.trust)
		if statement.CheckTrust(w.trust) == nil {
			t.Errorf("%s is usable", name)
		}
	}
}
