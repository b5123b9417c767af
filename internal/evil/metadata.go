package evil

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"strconv"
	"strings"

	"github.com/secure-systems-lab/go-securesystemslib/cjson"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/catalog"
	"github.com/hotstick/hotstick/internal/statement"
)

// metadata are attacks with metadata of the thief's own making. It holds the key of
// timestamp and snapshot, so those are properly signed.
func metadata() []Strategy {
	return []Strategy{
		{Name: "metadata-signed-by-the-online-key", Claims: []Claim{Unsigned}, Forges: true,
			Does:  "publishes its own modules in the place of the catalogued ones and signs that with the online key",
			Serve: rewritten(publish(func(l *Loot) statement.Signer { return l.Online }))},
		{Name: "metadata-signed-by-the-thief", Claims: []Claim{Unsigned}, Forges: true,
			Does:  "publishes its own modules in the place of the catalogued ones and signs that with a key of its own",
			Serve: rewritten(publish(func(l *Loot) statement.Signer { return l.Own }))},
		{Name: "old-snapshot", Claims: []Claim{Stale, Recalled}, Forges: true,
			Does: "names the oldest snapshot in a new timestamp", Serve: rewritten(oldSnapshot)},
		{Name: "mixed-snapshots", Claims: []Claim{Stale, Recalled}, Forges: true,
			Does: "names the oldest targets metadata in a new snapshot", Serve: rewritten(mixed)},
		{Name: "metadata-renewed-for-ever", Claims: []Claim{Stale}, Forges: true,
			Does: "signs timestamp and snapshot for ten years ahead over what the publishers signed once", Serve: rewritten(renewed)},
		{Name: "root-by-the-thief", Claims: []Claim{Unsigned, Unapproved}, Forges: true,
			Does:  "serves a new root that trusts nobody but the thief",
			Serve: rewritten(nextRoot(func(l *Loot) statement.Signer { return l.Own }))},
		{Name: "root-by-the-online-key", Claims: []Claim{Unsigned, Unapproved}, Forges: true,
			Does:  "serves a new root that trusts nobody but the thief, signed with the online key",
			Serve: rewritten(nextRoot(func(l *Loot) statement.Signer { return l.Online }))},
		{Name: "thousand-roots", Claims: []Claim{Stale}, Forges: true,
			Does: "serves a new root for every version that a host asks for", Serve: endlessRoots},
		{Name: "endless-metadata", Claims: []Claim{Stale}, Forges: true,
			Does: "lets every metadata file go on without an end", Serve: endless},
	}
}

// books are the files that a thief changed, by name.
type books map[string][]byte

// rewritten serves what change makes of the catalog. The same files always give the
// same change, so that what a host fetches one after the other fits together.
func rewritten(change func(*Loot, shelf) books) func(*Loot, File) []byte {
	return func(l *Loot, f File) []byte {
		s, ok := read(f)
		if !ok {
			return f.Honest
		}
		for name, data := range change(l, s) {
			if strings.HasSuffix(name, f.Name) {
				return data
			}
		}
		return f.Honest
	}
}

// shelf is the honest catalog.
type shelf struct {
	file                         func(name string) []byte
	timestamp, snapshot, targets doc // the newest
}

// doc is a metadata file.
type doc struct {
	data   []byte
	signed map[string]any
}

func parse(data []byte) (doc, bool) {
	var file struct {
		Signed map[string]any `json:"signed"`
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	err := dec.Decode(&file)
	return doc{data, file.Signed}, err == nil && file.Signed != nil
}

// version returns the version of a file, or of what it names.
func version(v any) int64 {
	m, _ := v.(map[string]any)
	n, _ := m["version"].(json.Number)
	i, _ := n.Int64() // what has none gets 0, which no file has
	return i
}

func (d doc) named(role string) int64 {
	meta, _ := d.signed["meta"].(map[string]any)
	return version(meta[role+".json"])
}

func read(f File) (shelf, bool) {
	s := shelf{file: func(name string) []byte {
		if name == f.Name {
			return f.Honest
		}
		return f.Read(name)
	}}
	var ok bool
	if s.timestamp, ok = parse(s.file(timestampFile)); !ok {
		return s, false
	}
	if s.snapshot, ok = s.open(s.timestamp, "snapshot"); !ok {
		return s, false
	}
	s.targets, ok = s.open(s.snapshot, "targets")
	return s, ok
}

// open returns the file of a role that another one names.
func (s shelf) open(by doc, role string) (doc, bool) {
	return parse(s.file(numbered(role, by.named(role))))
}

// oldest returns the file of a role of the lowest version that there is.
func (s shelf) oldest(role string, newest int64) (doc, bool) {
	for v := int64(1); v <= newest; v++ {
		if d, ok := parse(s.file(numbered(role, v))); ok {
			return d, true
		}
	}
	return doc{}, false
}

func numbered(role string, version int64) string {
	return strconv.FormatInt(version, 10) + "." + role + ".json"
}

// ahead is by how much the thief's files have higher versions than the honest ones.
const ahead = 1000

// signedBy writes a file anew with changes.
func (d doc) signedBy(by statement.Signer, changes map[string]any) []byte {
	signed := maps.Clone(d.signed)
	maps.Copy(signed, changes)
	payload, err := cjson.EncodeCanonical(signed)
	if err != nil {
		return nil
	}
	sig, err := by.Sign(payload)
	if err != nil {
		return nil
	}
	return encode(map[string]any{"signed": signed, "signatures": []any{map[string]any{"keyid": keyID(by), "sig": hex.EncodeToString(sig)}}})
}

// keyID is TUF's ID of an Ed25519 key.
func keyID(of statement.Signer) string {
	sum := sha256.Sum256(fmt.Appendf(nil, `{"keytype":"ed25519","keyval":{"public":"%x"},"scheme":"ed25519"}`, []byte(of.Public())))
	return hex.EncodeToString(sum[:])
}

// names is the entry by which one file names another.
func names(role string, version int64, data []byte) map[string]any {
	return map[string]any{role + ".json": map[string]any{"version": version, "length": len(data),
		"hashes": map[string]any{"sha256": hotstick.NewDigest(data).Hex()}}}
}

// farEnd is the end of what the thief signs.
const farEnd = "2099-01-01T00:00:00Z"

// bind makes a snapshot and a timestamp that lead to targets metadata.
func (s shelf) bind(l *Loot, targetsVersion int64, targets []byte) books {
	number := max(s.timestamp.named("snapshot"), version(s.timestamp.signed)) + ahead
	meta, _ := s.snapshot.signed["meta"].(map[string]any)
	meta = maps.Clone(meta)
	maps.Copy(meta, names("targets", targetsVersion, targets))
	snapshot := s.snapshot.signedBy(l.Online, map[string]any{"version": number, "expires": farEnd, "meta": meta})
	return books{numbered("targets", targetsVersion): targets, numbered("snapshot", number): snapshot,
		timestampFile: s.timestamp.signedBy(l.Online, map[string]any{"version": number, "expires": farEnd, "meta": names("snapshot", number, snapshot)})}
}

// publish makes targets metadata that lists the thief's modules in the place of all
// others.
func publish(who func(*Loot) statement.Signer) func(*Loot, shelf) books {
	return func(l *Loot, s shelf) books {
		block, _ := s.targets.signed["x-hotstick"].(map[string]any)
		patches, _ := block["patches"].([]any)
		made, entries, replaced := books{}, map[string]any{}, []any{}
		for _, p := range patches {
			patch, _ := p.(map[string]any)
			patch = maps.Clone(patch)
			artifacts, _ := patch["artifacts"].([]any)
			patch["artifacts"] = swap(s, artifacts, entries, made)
			replaced = append(replaced, patch)
		}
		block = maps.Clone(block)
		block["patches"] = replaced
		number := version(s.targets.signed) + ahead
		targets := s.targets.signedBy(who(l), map[string]any{"version": number, "x-hotstick": block, "targets": entries})
		maps.Copy(made, s.bind(l, number, targets))
		return made
	}
}

// swap replaces artifacts by the thief's, lists those in entries and puts their bytes
// into made.
func swap(s shelf, artifacts []any, entries map[string]any, made books) []any {
	var out []any
	for _, a := range artifacts {
		artifact, _ := a.(map[string]any)
		artifact = maps.Clone(artifact)
		listed, _ := artifact["digest"].(string)
		data := s.file(catalog.ArtifactFile(hotstick.Digest(listed)))
		if len(data) == 0 {
			continue
		}
		data = own(data)
		digest := hotstick.NewDigest(data)
		artifact["digest"], artifact["size_bytes"] = digest, len(data)
		name := catalog.ArtifactFile(digest)
		entries[name[strings.LastIndex(name, "sha256-"):]] = map[string]any{"length": len(data), "hashes": map[string]any{"sha256": digest.Hex()}}
		made[name] = data
		out = append(out, artifact)
	}
	return out
}

// oldSnapshot lets a new timestamp name the oldest snapshot.
func oldSnapshot(l *Loot, s shelf) books {
	old, ok := s.oldest("snapshot", s.timestamp.named("snapshot"))
	if !ok {
		return nil
	}
	return books{timestampFile: s.timestamp.signedBy(l.Online, map[string]any{"version": version(s.timestamp.signed) + ahead, "expires": farEnd,
		"meta": names("snapshot", version(old.signed), old.data)})}
}

// mixed lets a new snapshot name the oldest targets metadata.
func mixed(l *Loot, s shelf) books {
	old, ok := s.oldest("targets", version(s.targets.signed))
	if !ok {
		return nil
	}
	return s.bind(l, version(old.signed), old.data)
}

// renewed signs the newest targets metadata over and over.
func renewed(l *Loot, s shelf) books { return s.bind(l, version(s.targets.signed), s.targets.data) }

// newest returns the newest root that there is.
func (s shelf) newest() (doc, bool) {
	var found doc
	for v := int64(1); ; v++ {
		d, ok := parse(s.file(numbered("root", v)))
		if !ok {
			return found, found.signed != nil
		}
		found = d
	}
}

// nextRoot makes the root that gives every role to a key of the thief's.
func nextRoot(who func(*Loot) statement.Signer) func(*Loot, shelf) books {
	return func(l *Loot, s shelf) books {
		root, ok := s.newest()
		if !ok {
			return nil
		}
		number := version(root.signed) + 1
		return books{numbered("root", number): ownRoot(l, root, who(l), number)}
	}
}

// ownRoot keeps the online keys, which the thief has anyway: a root with one key in
// all roles is refused for its form.
func ownRoot(l *Loot, root doc, by statement.Signer, number int64) []byte {
	keys, _ := root.signed["keys"].(map[string]any)
	roles, _ := root.signed["roles"].(map[string]any)
	keys, roles = maps.Clone(keys), maps.Clone(roles)
	keys[keyID(l.Own)] = map[string]any{"keytype": "ed25519", "scheme": "ed25519", "keyval": map[string]any{"public": hex.EncodeToString(l.Own.Public())}}
	for _, role := range []string{"root", "targets"} {
		roles[role] = map[string]any{"keyids": []any{keyID(l.Own)}, "threshold": 1}
	}
	used := map[string]bool{}
	for _, role := range roles {
		r, _ := role.(map[string]any)
		ids, _ := r["keyids"].([]any)
		for _, id := range ids {
			name, _ := id.(string)
			used[name] = true
		}
	}
	maps.DeleteFunc(keys, func(id string, _ any) bool { return !used[id] })
	return root.signedBy(by, map[string]any{"version": number, "keys": keys, "roles": roles})
}

// endlessRoots serves a root for every version that nobody has made yet.
func endlessRoots(l *Loot, f File) []byte {
	number, isRoot := strings.CutSuffix(f.Name, ".root.json")
	wanted, err := strconv.ParseInt(number, 10, 64)
	s, ok := read(f)
	if !isRoot || err != nil || len(f.Honest) > 0 || !ok {
		return f.Honest
	}
	root, ok := s.newest()
	if !ok {
		return f.Honest
	}
	return ownRoot(l, root, l.Own, wanted)
}

// longest is longer than any metadata file may be.
const longest = catalog.MaxTargetsBytes + 1

// endless puts blanks behind every metadata file, which its readers would skip.
func endless(_ *Loot, f File) []byte {
	if isArtifact(f.Name) || len(f.Honest) == 0 {
		return f.Honest
	}
	return append(bytes.Clone(f.Honest), bytes.Repeat([]byte{' '}, longest)...)
}
