package catalog

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/secure-systems-lab/go-securesystemslib/cjson"
	"github.com/theupdateframework/go-tuf/v2/metadata"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/statement"
	"github.com/hotstick/hotstick/internal/strictjson"
)

// Paper is metadata that people sign, root or targets, on its way from one signer
// to the next: well-formed, and signed by nobody yet, by some, or by enough.
type Paper struct {
	Version int64
	Expires time.Time
	// Root is what root metadata says; nil for targets metadata.
	Root *RootSpec
	// Patches, Recalls and Delegations are what targets metadata says.
	Patches     []hotstick.Patch
	Recalls     []hotstick.Recall
	Delegations []Delegation

	payload    []byte
	signatures []signature
}

// ReadPaper reads root or targets metadata without asking who has signed it; the
// form is checked as ever. Errors wrap [ErrRefused].
func ReadPaper(data []byte) (Paper, error) {
	role, err := roleOf(data)
	if err != nil {
		return Paper{}, err
	}
	switch role {
	case roleRoot:
		root, err := readRoot(data)
		if err != nil {
			return Paper{}, err
		}
		spec, err := root.spec()
		if err != nil {
			return Paper{}, err
		}
		return signable(metadata.Root(), data, Paper{Version: root.Version, Expires: root.Expires, Root: &spec})
	case roleTargets:
		targets, err := readTargets(data)
		if err != nil {
			return Paper{}, err
		}
		list, err := targets.list()
		if err != nil {
			return Paper{}, err
		}
		return signable(metadata.Targets(), data, Paper{Version: targets.Version, Expires: targets.Expires,
			Patches: targets.Hotstick.Patches, Recalls: targets.Hotstick.Recalls, Delegations: list})
	}
	return Paper{}, refused("%.40q metadata where root or targets was wanted", role)
}

// signable fills in what the signatures are over.
func signable[T metadata.Roles](meta *metadata.Metadata[T], data []byte, p Paper) (Paper, error) {
	meta, err := meta.FromBytes(data)
	if err != nil {
		return Paper{}, refused("%v", err)
	}
	if p.payload, err = cjson.EncodeCanonical(meta.Signed); err != nil {
		return Paper{}, refused("%v", err)
	}
	var doc document[json.RawMessage]
	if err := strictjson.Unmarshal(data, &doc); err != nil {
		return Paper{}, refused("%v", err)
	}
	p.signatures = doc.Signatures
	return p, nil
}

// Same reports whether both say the same, whoever has signed them.
func (p Paper) Same(other Paper) bool { return string(p.payload) == string(other.payload) }

// SignedBy reports whether a valid signature of this key is there.
func (p Paper) SignedBy(key hotstick.TrustedKey) bool {
	return signedBy(key, p.payload, p.signatures)
}

func signedBy(key hotstick.TrustedKey, payload []byte, signatures []signature) bool {
	id, err := keyID(key)
	if err != nil {
		return false
	}
	for _, s := range signatures {
		sig, err := hex.DecodeString(s.Sig)
		if err == nil && s.KeyID == id && statement.Verify(key, payload, sig) {
			return true
		}
	}
	return false
}

// Merge returns a document with the signatures of another one that says the same,
// as when two people sign two copies of it. Only signatures of these keys are taken,
// and only valid ones.
func Merge(document, other []byte, keys []hotstick.TrustedKey) ([]byte, error) {
	mine, err := ReadPaper(document)
	if err != nil {
		return nil, err
	}
	theirs, err := ReadPaper(other)
	if err != nil {
		return nil, err
	}
	if !mine.Same(theirs) {
		return nil, refused("two documents of version %d and %d that do not say the same", mine.Version, theirs.Version)
	}
	for _, key := range keys {
		if mine.SignedBy(key) || !theirs.SignedBy(key) {
			continue
		}
		if document, err = Countersign(document, signedAlready{key, theirs}); err != nil {
			return nil, err
		}
	}
	return document, nil
}

// signedAlready stands in for a signer whose signature is there.
type signedAlready struct {
	key   hotstick.TrustedKey
	paper Paper
}

// Public implements statement.Signer.
func (s signedAlready) Public() hotstick.TrustedKey { return s.key }

// Sign implements statement.Signer.
func (s signedAlready) Sign([]byte) ([]byte, error) {
	id, err := keyID(s.key)
	if err != nil {
		return nil, err
	}
	for _, sig := range s.paper.signatures {
		if sig.KeyID == id {
			return hex.DecodeString(sig.Sig)
		}
	}
	return nil, fmt.Errorf("cannot find the signature of key %s", id[:12])
}

// Anchor returns the root from which this client's trust starts.
func (c *Client) Anchor() ([]byte, error) {
	return c.disk.read(metadataFile(roleRoot, c.anchor), MaxRootBytes)
}

// Delegated returns a delegate's newest trusted metadata from the state directory,
// or nil if it has published nothing.
func (c *Client) Delegated(name string) ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t, root, err := c.roots(time.Time{})
	if err != nil {
		return nil, err
	}
	f := c.kept()
	if f.targets == nil {
		return nil, nil
	}
	if t.targets, err = verifyTargets(root, f.targets); err != nil {
		return nil, err
	}
	if err := t.loadDelegated(f); err != nil || t.delegated[name] == nil {
		return nil, err
	}
	return f.delegated[name], nil
}

// Copy returns a client on another directory whose source is this one's files.
func (c *Client) Copy(dir string) (*Client, error) {
	anchor, err := c.Anchor()
	if err != nil {
		return nil, err
	}
	return NewClient(dir, anchor, NewStaged(c.disk.dir))
}
