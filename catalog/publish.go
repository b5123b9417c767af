package catalog

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"

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
	Patch         hotstick.Patch
	// Read returns the bytes of an artifact of Patch.
	Read func(hotstick.Artifact) ([]byte, error)
	// Check looks into each artifact's bytes.
	Check ModuleCheck
	// Now is when the level is published; it is signed with a new one.
	Now time.Time
	// Expires ends the life of the new targets metadata; UTC, whole seconds.
	Expires time.Time
}

// EmptyTargets makes and signs targets metadata (version 1) without any patch.
func EmptyTargets(expires time.Time, signers ...statement.Signer) ([]byte, error) {
	return makeTargets(nil, 1, expires, signers)
}

// Publish returns the targets metadata with one patch more, version one higher,
// signed by the publisher. A level that is there already gains the builds that it
// had no artifact for; publishing what is there already returns an error that
// wraps [ErrPublished], and other bytes or another manifest for it are refused.
func Publish(p Publication, signers ...statement.Signer) ([]byte, error) {
	spec, _, err := ReadRoot(p.Root)
	if err != nil {
		return nil, err
	}
	for _, s := range signers {
		if !contains(spec.PublisherKeys, s.Public()) {
			return nil, fmt.Errorf("cannot publish with key %s: the root does not name it as a publisher's", statement.KeyID(s.Public())[:12])
		}
	}
	current, err := verifyTargets(p.Root, p.Targets)
	if err != nil {
		return nil, err
	}
	p.Patch.Published = p.Now.UTC().Truncate(time.Second)
	patches, err := addPatch(current.Hotstick.Patches, p.Patch)
	if err != nil {
		return nil, err
	}
	if err := checkPatches(patches); err != nil {
		return nil, fmt.Errorf("cannot publish %s: %w", p.Patch.Ref, err)
	}
	if err := p.checkArtifacts(); err != nil {
		return nil, err
	}
	return makeTargets(patches, current.Version+1, p.Expires, signers)
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
		if err := p.Check(p.Patch, a, data); err != nil {
			return fmt.Errorf("cannot publish %s for %s: %w", p.Patch.Ref, a.Build, err)
		}
	}
	return nil
}

func makeTargets(patches []hotstick.Patch, version int64, expires time.Time, signers []statement.Signer) ([]byte, error) {
	if err := checkExpires(expires); err != nil {
		return nil, err
	}
	if patches == nil {
		patches = []hotstick.Patch{}
	}
	meta := metadata.Targets(expires)
	meta.Signed.Version = version
	meta.Signed.UnrecognizedFields = map[string]any{customField: patchesBlock{Schema: patchesSchema, Patches: patches}}
	for _, p := range patches {
		for _, a := range p.Artifacts {
			sum, err := hexBytes(a.Digest)
			if err != nil {
				return nil, err
			}
			meta.Signed.Targets[targetName(a.Digest)] = &metadata.TargetFiles{Length: a.SizeBytes, Hashes: metadata.Hashes{"sha256": sum}}
		}
	}
	data, err := sign(meta, signers)
	if err != nil {
		return nil, err
	}
	if _, err := readTargets(data); err != nil {
		return nil, err
	}
	return data, nil
}
