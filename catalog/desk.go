package catalog

import (
	"fmt"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/statement"
)

// desk is where new targets metadata is written: what the newest says, and as whom.
type desk struct {
	// role is targets, or the name of a delegation.
	role string
	// publishers is the publishers' own metadata, which holds a delegate's scope.
	publishers  *targetsSigned
	version     int64
	patches     []hotstick.Patch
	recalls     []hotstick.Recall
	delegations []Delegation
}

// openDesk reads what is there, and checks that the signers may write more.
func openDesk(root, targets []byte, delegation string, own []byte, signers []statement.Signer) (desk, error) {
	spec, _, err := ReadRoot(root)
	if err != nil {
		return desk{}, err
	}
	publishers, err := verifyTargets(root, targets)
	if err != nil {
		return desk{}, err
	}
	d := desk{role: roleTargets, publishers: publishers}
	keys, source := spec.PublisherKeys, "root"
	current := publishers
	if delegation != "" {
		named, err := publishers.delegation(delegation)
		if err != nil {
			return desk{}, fmt.Errorf("cannot publish as %.80q: %w", delegation, err)
		}
		d.role, keys, source, current = delegation, named.Keys, "delegation to "+delegation, &targetsSigned{}
		if own != nil {
			if current, err = verifyDelegated(targets, publishers, delegation, own); err != nil {
				return desk{}, err
			}
		}
	}
	for _, s := range signers {
		if !contains(keys, s.Public()) {
			return desk{}, fmt.Errorf("cannot publish with key %s: the %s does not name it as a publisher's", statement.KeyID(s.Public())[:12], source)
		}
	}
	d.version, d.patches, d.recalls = current.Version, current.Hotstick.Patches, current.Hotstick.Recalls
	d.delegations, err = current.list()
	return d, err
}

// sign makes and signs the next version.
func (d desk) sign(expires time.Time, signers []statement.Signer) ([]byte, error) {
	if err := checkExpires(expires); err != nil {
		return nil, err
	}
	if d.patches == nil {
		d.patches = []hotstick.Patch{}
	}
	meta := metadata.Targets(expires)
	meta.Signed.Version = d.version + 1
	block := patchesBlock{Schema: patchesSchema, Patches: d.patches, Recalls: d.recalls}
	var err error
	if meta.Signed.Delegations, block.Delegations, err = signedDelegations(d.delegations); err != nil {
		return nil, err
	}
	meta.Signed.UnrecognizedFields = map[string]any{customField: block}
	for _, p := range d.patches {
		for _, a := range p.Files() {
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
	// What its readers would refuse must not leave this machine.
	if d.role != roleTargets {
		_, err = readDelegated(d.publishers, d.role, data)
	} else {
		_, err = readTargets(data)
	}
	if err != nil {
		return nil, err
	}
	return data, nil
}
