package statement

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/strictjson"
)

// Evidence is an in-toto Statement (version 1): what a laboratory or a builder says of
// files, by their digests. It is the one kind whose payload type and body are not
// ours, so that other tools can read and make it. This package takes less than in-toto
// allows: only the predicates below, only the fields below, and every subject with its
// SHA-256 digest.
type Evidence struct {
	// Type is EvidenceType.
	Type    string            `json:"_type"`
	Subject []EvidenceSubject `json:"subject"`
	// Predicate is what is said; its type says how to read it.
	PredicateType PredicateType   `json:"predicateType"`
	Predicate     json.RawMessage `json:"predicate"`
}

// EvidenceSubject is a file that evidence is about.
type EvidenceSubject struct {
	Name string `json:"name,omitempty"`
	// Digest maps names of hashes to hexadecimal digests; sha256 must be there, and only
	// that is looked at.
	Digest map[string]string `json:"digest"`
}

// EvidenceType is the type of every in-toto statement that is read here.
const EvidenceType = "https://in-toto.io/Statement/v1"

// inTotoPayload is the payload type of evidence.
const inTotoPayload = "application/vnd.in-toto+json"

// PredicateType is a predicate's type. The set is closed.
type PredicateType string

// The predicates.
const (
	// PredicateLabProof: the patch was proved on its real kernel ([LabProof]).
	PredicateLabProof PredicateType = "https://github.com/hotstick/hotstick/lab-proof/v1"
	// PredicateProvenance: where the file was built, and from what (SLSA 1.0).
	PredicateProvenance PredicateType = "https://slsa.dev/provenance/v1"
	// PredicateTestResult: a suite of tests ran (in-toto's test result 0.1).
	PredicateTestResult PredicateType = "https://in-toto.io/attestation/test-result/v0.1"
)

// Word is what policies and screens call evidence of this type: lab, provenance or
// tests.
func (t PredicateType) Word() string {
	switch t {
	case PredicateLabProof:
		return "lab"
	case PredicateProvenance:
		return "provenance"
	case PredicateTestResult:
		return "tests"
	}
	return ""
}

// LabProof says how a patch level fared in a laboratory, on its real kernel build.
type LabProof struct {
	Patch hotstick.PatchRef    `json:"patch"`
	Build hotstick.KernelBuild `json:"build"`
	// Stages are what was done, in order. A proof passed if every stage did.
	Stages     []LabStage `json:"stages"`
	StartedAt  time.Time  `json:"started_at"`
	FinishedAt time.Time  `json:"finished_at"`
}

// LabStage is one step of a proof, such as apply or revert.
type LabStage struct {
	Name   string `json:"name"`
	Passed bool   `json:"passed"`
	Detail string `json:"detail,omitempty"`
}

// provenance is SLSA's predicate. What is within its parts is the builder's business.
type provenance struct {
	BuildDefinition struct {
		BuildType            string          `json:"buildType"`
		ExternalParameters   json.RawMessage `json:"externalParameters"`
		InternalParameters   json.RawMessage `json:"internalParameters,omitempty"`
		ResolvedDependencies json.RawMessage `json:"resolvedDependencies,omitempty"`
	} `json:"buildDefinition"`
	RunDetails struct {
		Builder struct {
			ID                  string          `json:"id"`
			Version             json.RawMessage `json:"version,omitempty"`
			BuilderDependencies json.RawMessage `json:"builderDependencies,omitempty"`
		} `json:"builder"`
		Metadata   json.RawMessage `json:"metadata,omitempty"`
		Byproducts json.RawMessage `json:"byproducts,omitempty"`
	} `json:"runDetails"`
}

// testResult is in-toto's predicate.
type testResult struct {
	Result        string          `json:"result"`
	Configuration json.RawMessage `json:"configuration"`
	URL           string          `json:"url,omitempty"`
	PassedTests   []string        `json:"passedTests,omitempty"`
	WarnedTests   []string        `json:"warnedTests,omitempty"`
	FailedTests   []string        `json:"failedTests,omitempty"`
}

// Limits of evidence.
const (
	// MaxSubjects bounds the files of one evidence.
	MaxSubjects = 1000
	// MaxLabStages bounds the stages of a proof.
	MaxLabStages = 100
)

// Validate reports the first thing that is malformed.
func (e Evidence) Validate() error {
	switch {
	case e.Type != EvidenceType:
		return fmt.Errorf("cannot use evidence of type %.80q: want %s", e.Type, EvidenceType)
	case len(e.Subject) == 0 || len(e.Subject) > MaxSubjects:
		return fmt.Errorf("cannot use evidence about %d files: want 1 to %d", len(e.Subject), MaxSubjects)
	}
	for _, s := range e.Subject {
		if err := s.digest().Validate(); err != nil {
			return fmt.Errorf("cannot use evidence about %.80q without its SHA-256 digest: %w", s.Name, err)
		}
	}
	_, err := e.Passed()
	return err
}

func (s EvidenceSubject) digest() hotstick.Digest {
	return hotstick.Digest("sha256:" + s.Digest["sha256"])
}

// About reports whether the evidence is about the file with this digest.
func (e Evidence) About(digest hotstick.Digest) bool {
	return slices.ContainsFunc(e.Subject, func(s EvidenceSubject) bool { return s.digest() == digest })
}

// Passed reports whether the evidence speaks for its files: every stage of a proof
// passed, no test failed. Provenance says only where something was built. It fails for
// a predicate that cannot be read, or whose type is unknown.
func (e Evidence) Passed() (bool, error) {
	switch e.PredicateType {
	case PredicateLabProof:
		proof, err := e.LabProof()
		return err == nil && !slices.ContainsFunc(proof.Stages, func(s LabStage) bool { return !s.Passed }), err
	case PredicateProvenance:
		var p provenance
		if err := strictjson.Unmarshal(e.Predicate, &p); err != nil {
			return false, fmt.Errorf("cannot read the provenance: %w", err)
		}
		if p.BuildDefinition.BuildType == "" || p.RunDetails.Builder.ID == "" || len(p.BuildDefinition.ExternalParameters) == 0 {
			return false, errors.New("cannot use provenance without buildType, externalParameters and builder id")
		}
		return true, nil
	case PredicateTestResult:
		return e.testsPassed()
	}
	return false, fmt.Errorf("cannot use evidence with a predicate of type %.120q", string(e.PredicateType))
}

func (e Evidence) testsPassed() (bool, error) {
	var r testResult
	if err := strictjson.Unmarshal(e.Predicate, &r); err != nil {
		return false, fmt.Errorf("cannot read the test result: %w", err)
	}
	switch r.Result {
	case "PASSED", "WARNED":
		if len(r.FailedTests) > 0 {
			return false, fmt.Errorf("cannot use a test result that is %s with %d failed tests", r.Result, len(r.FailedTests))
		}
		return true, nil
	case "FAILED":
		return false, nil
	}
	return false, fmt.Errorf("cannot use a test result that is %.40q: want PASSED, WARNED or FAILED", r.Result)
}

// LabProof reads the predicate of a proof.
func (e Evidence) LabProof() (LabProof, error) {
	var p LabProof
	if e.PredicateType != PredicateLabProof {
		return p, fmt.Errorf("cannot take evidence of type %.120q for a proof", string(e.PredicateType))
	}
	if err := strictjson.Unmarshal(e.Predicate, &p); err != nil {
		return p, fmt.Errorf("cannot read the proof: %w", err)
	}
	if len(p.Stages) == 0 || len(p.Stages) > MaxLabStages {
		return p, fmt.Errorf("cannot use a proof of %d stages: want 1 to %d", len(p.Stages), MaxLabStages)
	}
	if p.FinishedAt.Before(p.StartedAt) {
		return p, errors.New("cannot use a proof that ended before it began")
	}
	return p, errors.Join(p.Patch.Validate(), p.Build.Validate(), checkTime(p.StartedAt), checkTime(p.FinishedAt))
}

// UnverifiedEvidence is evidence whose signatures nobody has checked.
type UnverifiedEvidence struct{ Evidence Evidence }

// ParseEvidence reads evidence without checking any signature.
func ParseEvidence(raw []byte) (UnverifiedEvidence, error) {
	_, e, err := open[Evidence](raw, KindEvidence)
	return UnverifiedEvidence{e}, err
}

// OpenEvidence verifies evidence: a laboratory or a builder that the root names signed
// it. It returns their names, sorted. The signature of a person, or of the server, says
// nothing here. Whoever goes by it still asks [Evidence.About] for the digest at hand.
func OpenEvidence(raw []byte, trust hotstick.Trust) (Evidence, []string, error) {
	e, body, err := open[Evidence](raw, KindEvidence)
	if err == nil {
		err = usable(trust)
	}
	if err != nil {
		return Evidence{}, nil, err
	}
	var by []string
	for _, signer := range trust.EvidenceKeys {
		if len(e.signedBy(signer.Keys)) > 0 {
			by = append(by, signer.Name)
		}
	}
	if len(by) == 0 {
		return Evidence{}, nil, refuse(hotstick.ReasonSignature, "cannot take the evidence: no laboratory or builder that the root names signed it")
	}
	slices.Sort(by)
	return body, by, nil
}
