package catalog

import (
	"fmt"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"
	"github.com/theupdateframework/go-tuf/v2/metadata/trustedmetadata"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/statement"
)

// RootSpec is what the root metadata says.
type RootSpec struct {
	// RootKeys may sign the next root, RootThreshold of them together.
	RootKeys      []hotstick.TrustedKey
	RootThreshold int
	// PublisherKeys may publish patches, PublisherThreshold of them together.
	PublisherKeys      []hotstick.TrustedKey
	PublisherThreshold int
	// OnlineKeys are the server's, for snapshot and timestamp. All are Ed25519.
	OnlineKeys []hotstick.TrustedKey
	// Trust says which keys speak for whom in statements.
	Trust hotstick.Trust
	// Expires is in UTC with whole seconds.
	Expires time.Time
}

// Init makes and signs the first root metadata (version 1).
func Init(spec RootSpec, signers ...statement.Signer) ([]byte, error) {
	return makeRoot(spec, 1, signers)
}

// NextRoot makes the root that follows current: other keys, persons, thresholds or
// epoch. Enough keys of the old root and of the new one must sign, here or later
// with [Countersign]. The epoch never goes back.
func NextRoot(current []byte, spec RootSpec, signers ...statement.Signer) ([]byte, error) {
	old, version, err := ReadRoot(current)
	if err != nil {
		return nil, err
	}
	if spec.Trust.Epoch < old.Trust.Epoch {
		return nil, fmt.Errorf("cannot go back from epoch %d to %d", old.Trust.Epoch, spec.Trust.Epoch)
	}
	return makeRoot(spec, version+1, signers)
}

func makeRoot(spec RootSpec, version int64, signers []statement.Signer) ([]byte, error) {
	if err := spec.check(); err != nil {
		return nil, err
	}
	meta := metadata.Root(spec.Expires)
	meta.Signed.Version = version
	meta.Signed.UnrecognizedFields = map[string]any{customField: trustBlock{Schema: trustSchema, Trust: spec.Trust}}
	for _, role := range []struct {
		name      string
		keys      []hotstick.TrustedKey
		threshold int
	}{
		{roleRoot, spec.RootKeys, spec.RootThreshold}, {roleTargets, spec.PublisherKeys, spec.PublisherThreshold},
		{roleSnapshot, spec.OnlineKeys, 1}, {roleTimestamp, spec.OnlineKeys, 1},
	} {
		for _, public := range role.keys {
			key, err := tufKey(public)
			if err != nil {
				return nil, fmt.Errorf("cannot use a %s key: %w", role.name, err)
			}
			if err := meta.Signed.AddKey(key, role.name); err != nil {
				return nil, fmt.Errorf("cannot use a %s key: %w", role.name, err)
			}
		}
		meta.Signed.Roles[role.name].Threshold = role.threshold
	}
	data, err := sign(meta, signers)
	if err != nil {
		return nil, err
	}
	// A root that its readers would refuse must not leave this machine.
	if _, err := readRoot(data); err != nil {
		return nil, err
	}
	return data, nil
}

// ReadRoot returns what a root says, and its version. It checks that the root is
// signed by enough of its own keys, not that anybody trusts it.
func ReadRoot(root []byte) (RootSpec, int64, error) {
	signed, err := readRoot(root)
	if err != nil {
		return RootSpec{}, 0, err
	}
	if _, err := trustedmetadata.New(root); err != nil {
		return RootSpec{}, 0, refused("root metadata: %v", err)
	}
	spec, err := signed.spec()
	return spec, signed.Version, err
}
