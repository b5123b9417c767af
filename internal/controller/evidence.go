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
// the kernel build that the catalog has for that artifact. The same again changes
// nothing.
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
				return p.Ref, c.Update(ctx, func(tx store.Tx) error { return keep(tx, statement.KindEvidence, p.Ref, raw, who) })
			}
		}
	}
	return hotstick.PatchRef{}, refuse(CodeNotFound, "publish the artifact first; evidence goes by its digest", "cannot take the evidence: it is about no artifact of the catalog")
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
	At     time.Time
}

// PatchEvidence lists what was said of a patch level's artifacts by whom the root
// names now, oldest first.
func PatchEvidence(tx store.Tx, trust hotstick.Trust, p hotstick.Patch) ([]HeldEvidence, error) {
	kept, err := tx.Bans().Statements(string(statement.KindEvidence))
	var out []HeldEvidence
	for _, k := range kept {
		said, by, err := statement.OpenEvidence(k.Envelope, trust)
		if err != nil {
			continue // its signer is not trusted any more
		}
		passed, err := said.Passed()
		if err != nil {
			return nil, err
		}
		for _, a := range p.Artifacts {
			if supports(said, p, a) {
				out = append(out, HeldEvidence{ID: k.Digest, Word: said.PredicateType.Word(), Build: a.Build, By: by, Passed: passed, At: k.At})
			}
		}
	}
	return out, err
}

// Proven lists the words of the evidence that speaks for every artifact of a patch
// level: for each the newest that came must have passed. Policies see them as
// patch.evidence.
func Proven(all []HeldEvidence, p hotstick.Patch) []string {
	var words []string
	for _, word := range []string{"lab", "provenance", "tests"} {
		if !slices.ContainsFunc(p.Artifacts, func(a hotstick.Artifact) bool { return !newestPassed(all, word, a.Build) }) {
			words = append(words, word)
		}
	}
	return words
}

func newestPassed(all []HeldEvidence, word string, build hotstick.KernelBuild) bool {
	passed := false
	for _, e := range all {
		if e.Word == word && e.Build == build {
			passed = e.Passed
		}
	}
	return passed
}
