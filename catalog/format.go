package catalog

import (
	"crypto/ed25519"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/strictjson"
)

// The types of this file say which fields the metadata files have, and are what
// we read them with. go-tuf reads the same bytes again to verify the signatures;
// since no field is unknown and none is doubled, both see the same document.

const (
	trustSchema   = "hotstick/trust/v1"
	patchesSchema = "hotstick/patches/v1"
	customField   = "x-hotstick"
)

// maxSignatures bounds the signatures of one file.
const maxSignatures = 64

type document[T any] struct {
	Signed     T           `json:"signed"`
	Signatures []signature `json:"signatures"`
}

type signature struct {
	KeyID string `json:"keyid"`
	Sig   string `json:"sig"`
}

// head is what all roles have in common.
type head struct {
	Type        string    `json:"_type"`
	SpecVersion string    `json:"spec_version"`
	Version     int64     `json:"version"`
	Expires     time.Time `json:"expires"`
}

type rootSigned struct {
	head
	ConsistentSnapshot bool               `json:"consistent_snapshot"`
	Keys               map[string]rootKey `json:"keys"`
	Roles              rootRoles          `json:"roles"`
	Hotstick           trustBlock         `json:"x-hotstick"`
}

type rootKey struct {
	Type   string `json:"keytype"`
	Scheme string `json:"scheme"`
	Value  keyval `json:"keyval"`
}

type keyval struct {
	Public string `json:"public"`
}

type rootRoles struct {
	Root      roleKeys `json:"root"`
	Targets   roleKeys `json:"targets"`
	Snapshot  roleKeys `json:"snapshot"`
	Timestamp roleKeys `json:"timestamp"`
}

type roleKeys struct {
	KeyIDs    []string `json:"keyids"`
	Threshold int      `json:"threshold"`
}

type trustBlock struct {
	Schema string         `json:"schema"`
	Trust  hotstick.Trust `json:"trust"`
}

type targetsSigned struct {
	head
	Targets  map[string]fileInfo `json:"targets"`
	Hotstick patchesBlock        `json:"x-hotstick"`
}

type patchesBlock struct {
	Schema  string           `json:"schema"`
	Patches []hotstick.Patch `json:"patches"`
}

// linkSigned is snapshot or timestamp: each names one next file.
type linkSigned struct {
	head
	Meta map[string]metaInfo `json:"meta"`
}

type fileInfo struct {
	Length int64  `json:"length"`
	Hashes hashes `json:"hashes"`
}

type metaInfo struct {
	Version int64  `json:"version"`
	Length  int64  `json:"length"`
	Hashes  hashes `json:"hashes"`
}

type hashes struct {
	SHA256 string `json:"sha256"`
}

// matches reports whether data can be the file that the metadata names. Our own
// format always says length and digest; TUF leaves both open.
func (i metaInfo) matches(data []byte) bool {
	return (i.Length == 0 || int64(len(data)) == i.Length) && (i.Hashes.SHA256 == "" || hotstick.NewDigest(data).Hex() == i.Hashes.SHA256)
}

// limit returns how long the file may be, at most most.
func (i metaInfo) limit(most int64) int64 {
	if i.Length == 0 {
		return most
	}
	return min(i.Length, most)
}

// read decodes one metadata file and checks what all have in common.
func read[T any](data []byte, limit int, role string, headOf func(*T) head) (*T, error) {
	if len(data) > limit {
		return nil, refused("%s metadata of %d bytes: the limit is %d", role, len(data), limit)
	}
	var doc document[T]
	if err := strictjson.Unmarshal(data, &doc); err != nil {
		return nil, refused("%s metadata: %v", role, err)
	}
	h := headOf(&doc.Signed)
	switch {
	case h.Type != role:
		return nil, refused("%.40q metadata where %s was wanted", h.Type, role)
	case !strings.HasPrefix(h.SpecVersion, "1.0."):
		return nil, refused("%s metadata of TUF %.20q: this version knows 1.0", role, h.SpecVersion)
	case h.Version < 1 || h.Version >= maxVersion:
		return nil, refused("%s metadata of version %d", role, h.Version)
	case checkExpires(h.Expires) != nil:
		return nil, refused("%s metadata: %v", role, checkExpires(h.Expires))
	case len(doc.Signatures) > maxSignatures:
		return nil, refused("%s metadata with %d signatures: the limit is %d", role, len(doc.Signatures), maxSignatures)
	}
	return &doc.Signed, nil
}

func readRoot(data []byte) (*rootSigned, error) {
	root, err := read(data, MaxRootBytes, roleRoot, func(r *rootSigned) head { return r.head })
	if err != nil {
		return nil, err
	}
	if !root.ConsistentSnapshot || root.Hotstick.Schema != trustSchema {
		return nil, refused("root metadata without consistent snapshots or of trust schema %.40q", root.Hotstick.Schema)
	}
	spec, err := root.spec()
	if err != nil {
		return nil, refused("root metadata: %v", err)
	}
	if err := spec.check(); err != nil {
		return nil, refused("root metadata: %v", err)
	}
	return root, nil
}

// spec turns the wire form of a root into what it says.
func (r *rootSigned) spec() (RootSpec, error) {
	keys := map[string]ed25519.PublicKey{}
	for id, k := range r.Keys {
		public, err := hex.DecodeString(k.Value.Public)
		if err != nil || len(public) != ed25519.PublicKeySize || k.Type != metadata.KeyTypeEd25519 || k.Scheme != metadata.KeySchemeEd25519 {
			return RootSpec{}, fmt.Errorf("key %.80q is not Ed25519", id)
		}
		if want, err := keyID(public); err != nil || want != id {
			return RootSpec{}, fmt.Errorf("key %.80q has another ID", id)
		}
		keys[id] = public
	}
	var err error
	list := func(role roleKeys) []ed25519.PublicKey {
		var public []ed25519.PublicKey
		for _, id := range role.KeyIDs {
			if keys[id] == nil {
				err = fmt.Errorf("key %.80q is named and not given", id)
			}
			public = append(public, keys[id])
		}
		return public
	}
	spec := RootSpec{
		RootKeys: list(r.Roles.Root), RootThreshold: r.Roles.Root.Threshold,
		PublisherKeys: list(r.Roles.Targets), PublisherThreshold: r.Roles.Targets.Threshold,
		OnlineKeys: list(r.Roles.Timestamp), Trust: r.Hotstick.Trust, Expires: r.Expires,
	}
	if err != nil {
		return RootSpec{}, err
	}
	if r.Roles.Timestamp.Threshold != 1 || r.Roles.Snapshot.Threshold != 1 || !slices.Equal(r.Roles.Snapshot.KeyIDs, r.Roles.Timestamp.KeyIDs) {
		return RootSpec{}, fmt.Errorf("snapshot and timestamp are not signed by the same keys with threshold 1")
	}
	return spec, nil
}

func readTargets(data []byte) (*targetsSigned, error) {
	targets, err := read(data, MaxTargetsBytes, roleTargets, func(t *targetsSigned) head { return t.head })
	if err != nil {
		return nil, err
	}
	if targets.Hotstick.Schema != patchesSchema {
		return nil, refused("targets metadata of patch schema %.40q: this version knows %s", targets.Hotstick.Schema, patchesSchema)
	}
	if err := checkPatches(targets.Hotstick.Patches); err != nil {
		return nil, refused("targets metadata: %v", err)
	}
	if !maps.Equal(targets.Targets, targetEntries(targets.Hotstick.Patches)) {
		return nil, refused("targets metadata: its files are not the artifacts of its patches")
	}
	return targets, nil
}

// readAnyTargets reads the metadata of the publishers.
func readAnyTargets(_ *trusted, _ string, data []byte) (*targetsSigned, error) {
	return readTargets(data)
}

// targetEntries returns the entries that TUF's list has for these patches.
func targetEntries(patches []hotstick.Patch) map[string]fileInfo {
	entries := map[string]fileInfo{}
	for _, p := range patches {
		for _, a := range p.Artifacts {
			entries[targetName(a.Digest)] = fileInfo{Length: a.SizeBytes, Hashes: hashes{a.Digest.Hex()}}
		}
	}
	return entries
}

func readSnapshot(data []byte) (*linkSigned, error) {
	return readLink(data, MaxSnapshotBytes, roleSnapshot, roleTargets, MaxTargetsBytes)
}

func readTimestamp(data []byte) (*linkSigned, error) {
	return readLink(data, MaxTimestampBytes, roleTimestamp, roleSnapshot, MaxSnapshotBytes)
}

// readLink reads snapshot or timestamp metadata, which must name exactly the one
// file that follows it.
func readLink(data []byte, limit int, role, next string, nextLimit int64) (*linkSigned, error) {
	link, err := read(data, limit, role, func(l *linkSigned) head { return l.head })
	if err != nil {
		return nil, err
	}
	info, ok := link.Meta[next+".json"]
	switch {
	case !ok || len(link.Meta) != 1:
		return nil, refused("%s metadata that names %d files: want %s.json", role, len(link.Meta), next)
	case info.Version < 1 || info.Version >= maxVersion:
		return nil, refused("%s metadata that names version %d of %s", role, info.Version, next)
	case info.Length < 1 || info.Length > nextLimit || !hexPattern.MatchString(info.Hashes.SHA256):
		return nil, refused("%s metadata without length and SHA-256 of %s, or beyond its limit", role, next)
	}
	return link, nil
}

func (l *linkSigned) snapshot() metaInfo { return l.Meta[roleSnapshot+".json"] }
func (l *linkSigned) targets() metaInfo  { return l.Meta[roleTargets+".json"] }
