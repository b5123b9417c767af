package controller

import (
	"context"
	"slices"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/statement"
	"github.com/hotstick/hotstick/internal/store"
)

// Evidence takes evidence that a laboratory or a builder signed. Some file that it is
// about must be an artifact of the catalog, and a proof must speak of the level and
// the kernel build that the catalog has for that artifact, and must have ended. The same
// again changes nothing, but see put.
func (c *Controller) Evidence(ctx context.Context, raw []byte, who hotstick.Person) (hotstick.PatchRef, error) {
	view := c.catalog.View()
	said, _, err := statement.OpenEvidence(raw, view.Trust)
	if err != nil {
		return hotstick.PatchRef{}, refuse(CodeSignature, "the catalog's root names who may sign evidence: hotstick catalog root DIR --add-evidence NAME=FILE.pub",
			"%s", statement.ReasonOf(err).Detail)
	}
	for _, p := range view.Patches {
		for _, a := range p.Artifacts {
			if supports(said, p, a) {
				return p.Ref, c.Update(ctx, func(tx store.Tx) error { return c.takeEvidence(tx, said, p.Ref, raw, who) })
			}
		}
	}
	return hotstick.PatchRef{}, refuse(CodeNotFound, "publish the artifact first; evidence goes by its digest", "cannot take the evidence: it is about no artifact of the catalog")
}

// takeEvidence stores evidence. A proof is of one level; anything else is about files,
// which may belong to several levels, some of them not published yet.
func (c *Controller) takeEvidence(tx store.Tx, said statement.Evidence, patch hotstick.PatchRef, raw []byte, who hotstick.Person) error {
	s := store.Statement{Kind: string(statement.KindEvidence), Envelope: raw, By: who}
	if proof, err := said.LabProof(); err == nil {
		if proof.FinishedAt.After(tx.Now().Add(statement.MaxAhead)) {
			return refuse(CodeInvalid, "set the laboratory's clock right, and prove it again",
				"cannot take the evidence: the proof ended at %s, which is not yet", proof.FinishedAt.Format(time.RFC3339))
		}
		s.Patch = patch
	}
	return c.taken(tx, s, patch)
}

// supports reports whether evidence is about an artifact. What was proved of one
// patch or kernel build is no proof of another, though the bytes be the same.
func supports(said statement.Evidence, p hotstick.Patch, a hotstick.Artifact) bool {
	if !said.About(a.Digest) {
		return false
	}
	if said.PredicateType != statement.PredicateLabProof {
		return true
	}
	proof, err := said.LabProof()
	return err == nil && proof.Patch == p.Ref && proof.Build == a.Build
}

// HeldEvidence is what was said of an artifact.
type HeldEvidence struct {
	ID hotstick.Digest
	// Word is lab, provenance or tests.
	Word  string
	Build hotstick.KernelBuild
	// By are the laboratories and builders who signed it and may still.
	By     []string
	Passed bool
	// At is when it was handed in.
	At time.Time
	// Ended is when the laboratory was done, by its own word; zero for what is no proof.
	Ended time.Time
}

// PatchEvidence lists what was said of a patch level's artifacts by whom the root
// names now, oldest first: proofs by when they ended, whatever came first, and all else,
// which names no time that it could be ordered by, by when it was handed in.
func PatchEvidence(tx store.Tx, trust hotstick.Trust, p hotstick.Patch) ([]HeldEvidence, error) {
	kept, err := tx.Bans().Statements(string(statement.KindEvidence))
	if err != nil {
		return nil, err
	}
	var out []HeldEvidence
	for _, k := range kept {
		if !k.Patch.IsZero() && k.Patch != p.Ref {
			continue
		}
		held, err := heldEvidence(k, trust, p)
		if err != nil {
			return nil, err
		}
		out = append(out, held...)
	}
	slices.SortStableFunc(out, func(a, b HeldEvidence) int { return a.time().Compare(b.time()) })
	return out, nil
}

// heldEvidence is what one statement says of a patch level's artifacts. Signatures are
// verified last, and only where it says anything.
func heldEvidence(k store.Statement, trust hotstick.Trust, p hotstick.Patch) ([]HeldEvidence, error) {
	read, err := statement.ParseEvidence(k.Envelope)
	if err != nil {
		return nil, err
	}
	said := read.Evidence
	about := slices.DeleteFunc(slices.Clone(p.Artifacts), func(a hotstick.Artifact) bool { return !supports(said, p, a) })
	if len(about) == 0 {
		return nil, nil
	}
	_, by, err := statement.OpenEvidence(k.Envelope, trust)
	if err != nil {
		return nil, nil // its signer is not trusted any more
	}
	passed, err := said.Passed()
	if err != nil {
		return nil, err
	}
	one := HeldEvidence{ID: k.Digest, Word: said.PredicateType.Word(), By: by, Passed: passed, At: k.At}
	if proof, err := said.LabProof(); err == nil {
		one.Ended = proof.FinishedAt
	}
	out := make([]HeldEvidence, len(about))
	for i, a := range about {
		out[i] = one
		out[i].Build = a.Build
	}
	return out, nil
}

// time is what evidence is ordered by among its like.
func (e HeldEvidence) time() time.Time {
	if e.Ended.IsZero() {
		return e.At
	}
	return e.Ended
}

// Proven lists the words of the evidence that speaks for every artifact of a patch
// level: for each the newest must have passed. Policies see them as patch.evidence.
func Proven(all []HeldEvidence, p hotstick.Patch) []string {
	var words []string
	for _, word := range []string{"lab", "provenance", "tests"} {
		if !slices.ContainsFunc(p.Artifacts, func(a hotstick.Artifact) bool { return !newestPassed(all, word, a.Build) }) {
			words = append(words, word)
		}
	}
	return words
}

// newestPassed reports whether the newest evidence of a word passed; of several of the
// same time all must have.
func newestPassed(all []HeldEvidence, word string, build hotstick.KernelBuild) bool {
	passed, at := false, time.Time{}
	for _, e := range all {
		if e.Word != word || e.Build != build || e.time().Before(at) {
			continue
		}
		passed, at = e.Passed && (passed || e.time().After(at)), e.time()
	}
	return passed
}
