package catalog

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/statement"
)

// ErrPublished tells that the catalog has exactly this patch already.
var ErrPublished = errors.New("the catalog has it already")

// ModuleCheck looks into the bytes of one artifact before they are published: an
// ELF kernel module marked as a live patch, made for this build, of this name.
type ModuleCheck func(patch hotstick.Patch, artifact hotstick.Artifact, data []byte) error

// Publication is one patch level to be published.
type Publication struct {
	// Root and Targets are the newest metadata files that the publisher trusts.
	Root, Targets []byte
	// Delegation is empty for a publisher. A delegate gives the name of its
	// delegation here, and in Own its newest metadata, nil before the first.
	Delegation string
	Own        []byte
	Patch      hotstick.Patch
	// Read returns the bytes of a file of Patch: see its Files.
	Read func(hotstick.Artifact) ([]byte, error)
	// Check looks into each artifact's bytes, where they are a module's. What they are of a
	// driver that loads no bytes of ours, a recipe, is checked by [CheckRecipe].
	Check ModuleCheck
	// Now is when the level is published; it is signed with a new one.
	Now time.Time
	// Expires ends the life of the new targets metadata; UTC, whole seconds.
	Expires time.Time
}

// EmptyTargets makes and signs targets metadata (version 1) without any patch.
func EmptyTargets(expires time.Time, signers ...statement.Signer) ([]byte, error) {
	return desk{role: roleTargets}.sign(expires, signers)
}

// Publish returns the targets metadata with one patch more, version one higher,
// signed by the publisher. A level that is there already gains the builds that it
// had no artifact for; publishing what is there already returns an error that
// wraps [ErrPublished], and other bytes or another manifest for it are refused.
func Publish(p Publication, signers ...statement.Signer) ([]byte, error) {
	d, err := openDesk(p.Root, p.Targets, p.Delegation, p.Own, signers)
	if err != nil {
		return nil, err
	}
	p.Patch.Published = p.Now.UTC().Truncate(time.Second)
	if d.patches, err = addPatch(d.patches, p.Patch); err != nil {
		return nil, err
	}
	if err := checkPatches(d.patches); err != nil {
		return nil, fmt.Errorf("cannot publish %s: %w", p.Patch.Ref, err)
	}
	if err := p.checkArtifacts(); err != nil {
		return nil, err
	}
	return d.sign(p.Expires, signers)
}

// Revision changes what targets metadata says beside patches.
type Revision struct {
	// Root, Targets, Delegation and Own are those of a [Publication].
	Root, Targets []byte
	Delegation    string
	Own           []byte
	// Recalls are added to those that are there, which never go again.
	Recalls []hotstick.Recall
	// Delegations replace those that are there, unless nil. Only publishers delegate.
	Delegations []Delegation
	// Expires ends the life of the new targets metadata; UTC, whole seconds.
	Expires time.Time
}

// Revise returns the targets metadata with the changes, version one higher, signed
// by the publisher. Without any changes it has a longer life.
func Revise(r Revision, signers ...statement.Signer) ([]byte, error) {
	d, err := openDesk(r.Root, r.Targets, r.Delegation, r.Own, signers)
	if err != nil {
		return nil, err
	}
	if r.Delegations != nil && r.Delegation != "" {
		return nil, fmt.Errorf("cannot delegate as %s: a delegate cannot", r.Delegation)
	}
	d.recalls = mergeRecalls(d.recalls, r.Recalls)
	if r.Delegations != nil {
		d.delegations = r.Delegations
	}
	return d.sign(r.Expires, signers)
}

// addPatch returns the patches with p added, or with p's artifacts added to the
// level that is there already.
func addPatch(patches []hotstick.Patch, p hotstick.Patch) ([]hotstick.Patch, error) {
	i := slices.IndexFunc(patches, func(old hotstick.Patch) bool { return old.Ref == p.Ref })
	if i < 0 {
		return append(slices.Clone(patches), p), nil
	}
	old := patches[i]
	if a, b := manifest(old), manifest(p); !reflect.DeepEqual(a, b) {
		return nil, fmt.Errorf("cannot publish %s: the level is published already with another manifest; publish a higher level", p.Ref)
	}
	merged := old
	merged.Artifacts = slices.Clone(old.Artifacts)
	for _, a := range p.Artifacts {
		have, ok := old.Artifact(a.Build)
		switch {
		case !ok:
			merged.Artifacts = append(merged.Artifacts, a)
		case have != a:
			return nil, fmt.Errorf("cannot publish %s: the level is published already with other bytes for %s; publish a higher level", p.Ref, a.Build)
		}
	}
	if len(merged.Artifacts) == len(old.Artifacts) {
		return nil, fmt.Errorf("cannot publish %s: %w", p.Ref, ErrPublished)
	}
	patches = slices.Clone(patches)
	patches[i] = merged
	return patches, nil
}

// manifest returns the patch as its author described it: without artifacts and the
// time of its publication, empty lists being no lists.
func manifest(p hotstick.Patch) hotstick.Patch {
	p.Artifacts, p.Published = nil, time.Time{}
	if len(p.CVEs) == 0 {
		p.CVEs = nil
	}
	if len(p.Functions) == 0 {
		p.Functions = nil
	}
	if len(p.Touches) == 0 {
		p.Touches = nil
	}
	return p
}

// checkArtifacts reads every artifact and checks that its bytes are what the patch
// says. Only then anything is signed.
func (p Publication) checkArtifacts() error {
	if p.Read == nil || p.Check == nil {
		return errors.New("cannot publish without a look into the artifacts")
	}
	for _, a := range p.Patch.Artifacts {
		data, err := p.Read(a)
		if err != nil {
			return fmt.Errorf("cannot publish %s: %w", p.Patch.Ref, err)
		}
		if int64(len(data)) != a.SizeBytes || hotstick.NewDigest(data) != a.Digest {
			return fmt.Errorf("cannot publish %s: the artifact for %s has %d bytes with digest %s, and the patch says %d and %s",
				p.Patch.Ref, a.Build, len(data), hotstick.NewDigest(data).Short(), a.SizeBytes, a.Digest.Short())
		}
		if err := p.checkBytes(a, data); err != nil {
			return fmt.Errorf("cannot publish %s for %s: %w", p.Patch.Ref, a.Build, err)
		}
	}
	for _, s := range p.Patch.Files()[len(p.Patch.Artifacts):] {
		data, err := p.Read(s)
		if err != nil {
			return fmt.Errorf("cannot publish %s: %w", p.Patch.Ref, err)
		}
		if int64(len(data)) != s.SizeBytes || hotstick.NewDigest(data) != s.Digest {
			return fmt.Errorf("cannot publish %s: the vendor's signature for %s is another one than the patch says", p.Patch.Ref, s.Build)
		}
	}
	return nil
}
