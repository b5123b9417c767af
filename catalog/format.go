package catalog

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

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
	Targets     map[string]fileInfo `json:"targets"`
	Delegations *delegationsSigned  `json:"delegations,omitempty"`
	Hotstick    patchesBlock        `json:"x-hotstick"`
}

type patchesBlock struct {
	Schema      string            `json:"schema"`
	Patches     []hotstick.Patch  `json:"patches"`
	Delegations []scopeBlock      `json:"delegations,omitempty"`
	Recalls     []hotstick.Recall `json:"recalls,omitempty"`
}

// linkSigned is snapshot or timestamp: a timestamp names the snapshot, and that the
// targets metadata of the publishers and of the delegates.
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
	keys, err := keysOf(r.Keys)
	if err != nil {
		return RootSpec{}, err
	}
	list := func(role roleKeys) []hotstick.TrustedKey {
		public, pickErr := pick(keys, role.KeyIDs)
		err = errors.Join(err, pickErr)
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
	if err := checkRecalls(targets.Hotstick.Recalls); err != nil {
		return nil, refused("targets metadata: %v", err)
	}
	if _, err := targets.list(); err != nil {
		return nil, refused("targets metadata: %v", err)
	}
	if !maps.Equal(targets.Targets, targetEntries(targets.Hotstick.Patches)) {
		return nil, refused("targets metadata: its files are not the artifacts of its patches")
	}
	return targets, nil
}

// readAnyTargets reads the metadata of the publishers, or of a delegate of theirs.
func readAnyTargets(t *trusted, role string, data []byte) (*targetsSigned, error) {
	if role != roleTargets {
		return readDelegated(t.targets, role, data)
	}
	targets, err := readTargets(data)
	if err != nil {
		return nil, err
	}
	if err := checkDelegates(t.root, targets); err != nil {
		return nil, err
	}
	return targets, t.root.publishersSigned(data)
}

// targetEntries returns the entries that TUF's list has for these patches.
func targetEntries(patches []hotstick.Patch) map[string]fileInfo {
	entries := map[string]fileInfo{}
	for _, p := range patches {
		for _, a := range p.Files() {
			entries[targetName(a.Digest)] = fileInfo{Length: a.SizeBytes, Hashes: hashes{a.Digest.Hex()}}
		}
	}
	return entries
}

func readSnapshot(data []byte) (*linkSigned, error) {
	link, err := readLink(data, MaxSnapshotBytes, roleSnapshot, roleTargets, MaxTargetsBytes)
	if err != nil {
		return nil, err
	}
	if len(link.Meta) > maxSnapshotFiles {
		return nil, refused("snapshot metadata that names %d files: the limit is %d", len(link.Meta), maxSnapshotFiles)
	}
	for _, role := range link.delegatedNames() {
		if _, ok := link.Meta[role+".json"]; !ok || !delegationPattern.MatchString(role) || reserved(role) {
			return nil, refused("snapshot metadata that names %.80q", role)
		}
	}
	return link, nil
}

func readTimestamp(data []byte) (*linkSigned, error) {
	link, err := readLink(data, MaxTimestampBytes, roleTimestamp, roleSnapshot, MaxSnapshotBytes)
	if err == nil && len(link.Meta) != 1 {
		return nil, refused("timestamp metadata that names %d files", len(link.Meta))
	}
	return link, err
}

// readLink reads snapshot or timestamp metadata, which must name the file that
// follows it. Each file that it names must have a usable version, length and digest.
func readLink(data []byte, limit int, role, next string, nextLimit int64) (*linkSigned, error) {
	link, err := read(data, limit, role, func(l *linkSigned) head { return l.head })
	if err != nil {
		return nil, err
	}
	if _, ok := link.Meta[next+".json"]; !ok {
		return nil, refused("%s metadata that does not name %s.json", role, next)
	}
	for _, info := range link.Meta {
		switch {
		case info.Version < 1 || info.Version >= maxVersion:
			return nil, refused("%s metadata that names a file of version %d", role, info.Version)
		case info.Length < 1 || info.Length > nextLimit || !hexPattern.MatchString(info.Hashes.SHA256):
			return nil, refused("%s metadata without length and SHA-256 of a file, or beyond its limit", role)
		}
	}
	return link, nil
}

func (l *linkSigned) snapshot() metaInfo { return l.Meta[roleSnapshot+".json"] }
func (l *linkSigned) targets() metaInfo  { return l.Meta[roleTargets+".json"] }
