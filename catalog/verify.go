package catalog

import (
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"
	"github.com/theupdateframework/go-tuf/v2/metadata/trustedmetadata"

	"github.com/hotstick/hotstick"
)

func contains(keys []hotstick.TrustedKey, key hotstick.TrustedKey) bool {
	return slices.ContainsFunc(keys, key.Equal)
}

func hexBytes(d hotstick.Digest) (metadata.HexBytes, error) {
	sum, err := hex.DecodeString(d.Hex())
	if err != nil {
		return nil, fmt.Errorf("cannot use digest %.80q: %w", d, err)
	}
	return sum, nil
}

// profile says what is refused beyond what TUF itself refuses: each file is read
// by the profile first, and only then verified.
type profile struct {
	root                func(data []byte) (*rootSigned, error)
	timestamp, snapshot func(data []byte) (*linkSigned, error)
	// targets reads the metadata of the publishers, or of another role that they
	// delegate to.
	targets func(t *trusted, role string, data []byte) (*targetsSigned, error)
	// delegatedBytes bounds the metadata of a delegate.
	delegatedBytes int64
	// lapse: a delegation whose metadata has expired keeps nobody from the rest.
	lapse bool
}

// strict is the form that this package's documentation specifies.
var strict = profile{root: readRoot, timestamp: readTimestamp, snapshot: readSnapshot, targets: readAnyTargets, delegatedBytes: MaxDelegatedBytes, lapse: true}

// trusted is TUF's set of trusted metadata. go-tuf verifies signatures, versions,
// digests and expiry; the profile's readers go first and keep what the files say.
type trusted struct {
	profile   profile
	tuf       *trustedmetadata.TrustedMetadata
	root      *rootSigned
	timestamp *linkSigned
	snapshot  *linkSigned
	targets   *targetsSigned
	// delegated holds the delegations' own metadata, by the role's name.
	delegated map[string]*targetsSigned
}

// trustRoot starts from a root that is trusted already.
func trustRoot(p profile, data []byte, now time.Time) (*trusted, error) {
	root, err := p.root(data)
	if err != nil {
		return nil, err
	}
	tuf, err := trustedmetadata.New(data)
	if err != nil {
		return nil, translate(roleRoot, err)
	}
	// The specification wants an end that is later than now; go-tuf takes equal.
	tuf.RefTime = now.UTC().Add(1)
	return &trusted{profile: p, tuf: tuf, root: root, delegated: map[string]*targetsSigned{}}, nil
}

// nextRoot takes the root with the next version, signed by the old root's keys and
// by its own.
func (t *trusted) nextRoot(data []byte) error {
	root, err := t.profile.root(data)
	if err != nil {
		return err
	}
	if root.Hotstick.Trust.Epoch < t.root.Hotstick.Trust.Epoch {
		return refused("root metadata that goes back from epoch %d to %d", t.root.Hotstick.Trust.Epoch, root.Hotstick.Trust.Epoch)
	}
	if _, err := t.tuf.UpdateRoot(data); err != nil {
		return translate(roleRoot, err)
	}
	t.root = root
	return nil
}

// setTimestamp takes a timestamp. An expired one is remembered, so that no older
// one is taken later, but is still an error. Another one of the same version
// changes nothing.
func (t *trusted) setTimestamp(data []byte) error {
	timestamp, err := t.profile.timestamp(data)
	if err != nil {
		return err
	}
	_, err = t.tuf.UpdateTimestamp(data)
	switch {
	case errors.Is(err, &metadata.ErrEqualVersionNumber{}):
		return nil
	case errors.Is(err, &metadata.ErrBadVersionNumber{}) && timestamp.Version < t.tuf.Timestamp.Signed.Version:
		if t.tuf.RefTime.After(timestamp.Expires) {
			return fmt.Errorf("%w: %w: timestamp metadata of version %d that ended at %s", ErrExpired, ErrRefused, timestamp.Version, timestamp.Expires.Format(time.RFC3339))
		}
		return fmt.Errorf("%w: %w: timestamp metadata of version %d: we had %d", ErrRefused, errOlder, timestamp.Version, t.tuf.Timestamp.Signed.Version)
	case err == nil, errors.Is(err, &metadata.ErrExpiredMetadata{}) && t.tuf.Timestamp != nil && t.tuf.Timestamp.Signed.Version == timestamp.Version:
		t.timestamp = timestamp
	}
	return translate(roleTimestamp, err)
}

// setSnapshot takes a snapshot. own tells that it comes from our own disk, where
// it may be older than the timestamp says: it is then an error, but remembered,
// so that nothing older is taken later.
func (t *trusted) setSnapshot(data []byte, own bool) error {
	snapshot, err := t.profile.snapshot(data)
	if err != nil {
		return err
	}
	if _, err := t.tuf.UpdateSnapshot(data, own); err != nil {
		return translate(roleSnapshot, err)
	}
	t.snapshot = snapshot
	return nil
}

// setTargets takes the targets metadata of a role to which parent delegates.
func (t *trusted) setTargets(role, parent string, data []byte) error {
	targets, err := t.profile.targets(t, role, data)
	if err != nil {
		return err
	}
	_, err = t.tuf.UpdateDelegatedTargets(data, role, parent)
	if lapsed := errors.Is(err, &metadata.ErrExpiredMetadata{}); err != nil && !(lapsed && t.profile.lapse && role != roleTargets) {
		return translate(role, err)
	}
	if role == roleTargets {
		t.targets = targets
	} else {
		t.delegated[role] = targets
	}
	return nil
}

// version returns the version of a role's trusted file below the root.
func (t *trusted) version(role string) int64 {
	switch role {
	case roleTimestamp:
		return t.timestamp.Version
	case roleSnapshot:
		return t.snapshot.Version
	case roleTargets:
		return t.targets.Version
	}
	return t.delegated[role].Version
}

// view returns what a complete set says, with all recalls that are known.
func (t *trusted) view(known []hotstick.Recall) (View, error) {
	patches, err := t.allPatches()
	if err != nil {
		return View{}, err
	}
	ends := []Expiry{{roleRoot, t.root.Expires}, {roleTargets, t.targets.Expires}, {roleSnapshot, t.snapshot.Expires}, {roleTimestamp, t.timestamp.Expires}}
	expires := ends[0].At
	for _, e := range ends {
		if e.At.Before(expires) {
			expires = e.At
		}
	}
	v := NewView(t.snapshot.Version, expires, t.root.Hotstick.Trust, patches)
	v.Recalls = mergeRecalls(t.recalls(), known)
	if v.Delegations, err = t.targets.list(); err != nil {
		return View{}, refused("%v", err)
	}
	v.ends, v.lapses = ends, map[hotstick.PatchRef]time.Time{}
	for _, d := range v.Delegations {
		own := t.delegated[d.Name]
		if own == nil {
			continue
		}
		v.ends = append(v.ends, Expiry{d.Name, own.Expires})
		for _, p := range own.Hotstick.Patches {
			v.lapses[p.Ref] = own.Expires
		}
	}
	return v, nil
}

// translate turns go-tuf's errors into ours.
func translate(role string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, &metadata.ErrExpiredMetadata{}):
		return fmt.Errorf("%w: %v", ErrExpired, err)
	default:
		return refused("%s metadata: %v", role, err)
	}
}

// delegate checks that a role's keys in root have signed a file, whatever its age.
func delegate[T metadata.Roles](root []byte, role string, meta *metadata.Metadata[T], data []byte) error {
	trusted, err := metadata.Root().FromBytes(root)
	if err != nil {
		return refused("root metadata: %v", err)
	}
	if meta, err = meta.FromBytes(data); err != nil {
		return refused("%s metadata: %v", role, err)
	}
	return translate(role, trusted.VerifyDelegate(role, meta))
}

// verifyTargets reads targets metadata that the root's publishers have signed. It
// may have expired.
func verifyTargets(root, data []byte) (*targetsSigned, error) {
	targets, err := readTargets(data)
	if err != nil {
		return nil, err
	}
	signer, err := readRoot(root)
	if err != nil {
		return nil, err
	}
	if err := checkDelegates(signer, targets); err != nil {
		return nil, err
	}
	if err := signer.publishersSigned(data); err != nil {
		return nil, err
	}
	return targets, delegate(root, roleTargets, metadata.Targets(), data)
}

// verifyLinks checks that the root's online keys have signed timestamp and
// snapshot. They may have expired.
func verifyLinks(root, timestamp, snapshot []byte) error {
	if err := delegate(root, roleTimestamp, metadata.Timestamp(), timestamp); err != nil {
		return err
	}
	return delegate(root, roleSnapshot, metadata.Snapshot(), snapshot)
}
