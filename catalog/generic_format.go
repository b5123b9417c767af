package catalog

import (
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"

	"github.com/hotstick/hotstick/internal/strictjson"
)

// generic is TUF's form and nothing more: other key types, unknown fields, and
// delegations are fine. What go-tuf would stumble over is refused before it sees
// it: null where something must be, keys of a wrong length, numbers out of range.
var generic = profile{
	root: func(data []byte) (*rootSigned, error) { return looseRoot(data) },
	timestamp: func(data []byte) (*linkSigned, error) {
		return looseLink(data, MaxTimestampBytes, roleTimestamp, roleSnapshot)
	},
	snapshot: func(data []byte) (*linkSigned, error) {
		return looseLink(data, MaxTargetsBytes, roleSnapshot, roleTargets)
	},
	targets: func(_ *trusted, _ string, data []byte) (*targetsSigned, error) { return looseTargets(data) },

	delegatedBytes: MaxTargetsBytes,
}

// Limits of generic metadata.
const (
	maxDelegationsVisited = 64
	maxRolesNamed         = 10_000
	maxSuccinctBits       = 32
)

// looseSigned is what of a file's signed part must not be null or out of range.
type looseSigned struct {
	Type               string                `json:"_type"`
	SpecVersion        string                `json:"spec_version"`
	Version            *int64                `json:"version"`
	Expires            *time.Time            `json:"expires"`
	ConsistentSnapshot bool                  `json:"consistent_snapshot"`
	Keys               map[string]*looseKey  `json:"keys"`
	Roles              map[string]*looseRole `json:"roles"`
	Meta               map[string]*looseMeta `json:"meta"`
	Targets            map[string]*struct {
		Length int64 `json:"length"`
	} `json:"targets"`
	Delegations *looseDelegations `json:"delegations"`
}

type looseKey struct {
	Type  string `json:"keytype"`
	Value *struct {
		Public *string `json:"public"`
	} `json:"keyval"`
}

type looseRole struct {
	Name       string   `json:"name"`
	KeyIDs     []string `json:"keyids"`
	Threshold  int      `json:"threshold"`
	Paths      []string `json:"paths"`
	PathHashes []string `json:"path_hash_prefixes"`
	BitLength  int      `json:"bit_length"`
	NamePrefix string   `json:"name_prefix"`
}

type looseMeta struct {
	Version int64             `json:"version"`
	Length  int64             `json:"length"`
	Hashes  map[string]string `json:"hashes"`
}

type looseDelegations struct {
	Keys     map[string]*looseKey `json:"keys"`
	Roles    []*looseRole         `json:"roles"`
	Succinct *looseRole           `json:"succinct_roles"`
}

// readLoose decodes one file and checks what all roles have in common.
func readLoose(data []byte, limit int, role string) (*looseSigned, error) {
	if len(data) > limit {
		return nil, refused("%s metadata of %d bytes: the limit is %d", role, len(data), limit)
	}
	var doc struct {
		Signed     *looseSigned      `json:"signed"`
		Signatures []json.RawMessage `json:"signatures"`
	}
	// A field that stands there twice means one thing to us and another to go-tuf.
	if err := strictjson.Check(data); err != nil {
		return nil, refused("%s metadata: %v", role, err)
	}
	if err := json.Unmarshal(data, &doc); err != nil {
		return nil, refused("%s metadata: %v", role, err)
	}
	s := doc.Signed
	switch {
	case s == nil || s.Version == nil || s.Expires == nil:
		return nil, refused("%s metadata without its signed part, a version or an end", role)
	case s.Type != role:
		return nil, refused("%.40q metadata where %s was wanted", s.Type, role)
	case !strings.HasPrefix(s.SpecVersion, "1."):
		return nil, refused("%s metadata of TUF %.20q: this version knows 1", role, s.SpecVersion)
	case *s.Version < 1 || *s.Version >= maxVersion:
		return nil, refused("%s metadata of version %d", role, *s.Version)
	case len(doc.Signatures) > maxSignatures:
		return nil, refused("%s metadata with %d signatures: the limit is %d", role, len(doc.Signatures), maxSignatures)
	}
	return s, nil
}

func (s *looseSigned) head() head {
	return head{Type: s.Type, SpecVersion: s.SpecVersion, Version: *s.Version, Expires: *s.Expires}
}

func looseRoot(data []byte) (*rootSigned, error) {
	s, err := readLoose(data, MaxRootBytes, roleRoot)
	if err != nil {
		return nil, err
	}
	if err := checkLooseKeys(s.Keys); err != nil {
		return nil, err
	}
	for _, name := range []string{roleRoot, roleTargets, roleSnapshot, roleTimestamp} {
		if err := s.Roles[name].check(name); err != nil {
			return nil, err
		}
	}
	for name, role := range s.Roles {
		if role == nil {
			return nil, refused("root metadata with null for the role %.40q", name)
		}
	}
	return &rootSigned{head: s.head(), ConsistentSnapshot: s.ConsistentSnapshot}, nil
}

// check makes sure that a role has keys, and a threshold that needs some of them.
func (r *looseRole) check(name string) error {
	if r == nil || len(r.KeyIDs) == 0 || len(r.KeyIDs) > maxSignatures || r.Threshold < 1 {
		return refused("the role %.40q without 1 to %d keys, or with a threshold below 1", name, maxSignatures)
	}
	return nil
}

// checkLooseKeys keeps keys away from go-tuf that would make it panic.
func checkLooseKeys(keys map[string]*looseKey) error {
	for id, k := range keys {
		if k == nil || k.Value == nil || k.Value.Public == nil {
			return refused("key %.80q is null", id)
		}
		if k.Type == metadata.KeyTypeEd25519 {
			if public, err := hex.DecodeString(*k.Value.Public); err != nil || len(public) != ed25519.PublicKeySize {
				return refused("key %.80q is not %d bytes of Ed25519", id, ed25519.PublicKeySize)
			}
		}
	}
	return nil
}

func looseLink(data []byte, limit int, role, next string) (*linkSigned, error) {
	s, err := readLoose(data, limit, role)
	if err != nil {
		return nil, err
	}
	if s.Meta[next+".json"] == nil || len(s.Meta) > maxRolesNamed {
		return nil, refused("%s metadata that does not name %s.json, or %d files", role, next, len(s.Meta))
	}
	link := &linkSigned{head: s.head(), Meta: map[string]metaInfo{}}
	for name, m := range s.Meta {
		if m == nil || m.Version < 1 || m.Version >= maxVersion || m.Length < 0 {
			return nil, refused("%s metadata that names %.80q without a usable version and length", role, name)
		}
		link.Meta[name] = metaInfo{Version: m.Version, Length: m.Length, Hashes: hashes{SHA256: m.Hashes["sha256"]}}
	}
	return link, nil
}

func looseTargets(data []byte) (*targetsSigned, error) {
	s, err := readLoose(data, MaxTargetsBytes, roleTargets)
	if err != nil {
		return nil, err
	}
	for name, t := range s.Targets {
		if t == nil || t.Length < 0 {
			return nil, refused("targets metadata with null or less than nothing for %.80q", name)
		}
	}
	if err := s.Delegations.check(); err != nil {
		return nil, err
	}
	return &targetsSigned{head: s.head()}, nil
}

func (d *looseDelegations) check() error {
	if d == nil {
		return nil
	}
	if err := checkLooseKeys(d.Keys); err != nil {
		return err
	}
	if d.Succinct != nil {
		if d.Succinct.BitLength < 1 || d.Succinct.BitLength > maxSuccinctBits || d.Succinct.NamePrefix == "" || len(d.Roles) > 0 {
			return refused("succinct delegations of %d bits, without a name, or beside others", d.Succinct.BitLength)
		}
		return d.Succinct.check(d.Succinct.NamePrefix)
	}
	seen := map[string]bool{}
	for _, r := range d.Roles {
		if r == nil || r.Name == "" || seen[r.Name] || slices.Contains([]string{roleRoot, roleTargets, roleSnapshot, roleTimestamp}, r.Name) {
			return refused("a delegation to null, to nobody, to a top-level role or to one role twice")
		}
		seen[r.Name] = true
		if len(r.Paths) > 0 && len(r.PathHashes) > 0 {
			return refused("the delegation %.40q has paths and digests of paths", r.Name)
		}
		if err := r.check(r.Name); err != nil {
			return err
		}
	}
	return nil
}

// delegatee is a role that may speak for a target's path.
type delegatee struct {
	name        string
	terminating bool
}

// delegatesFor returns the roles to which d delegates a path, in its order.
func delegatesFor(d *metadata.Delegations, target string) []delegatee {
	if d == nil {
		return nil
	}
	sum := sha256Hex(target)
	if s := d.SuccinctRoles; s != nil {
		return []delegatee{{fmt.Sprintf("%s-%s", s.NamePrefix, succinctBin(sum, s.BitLength)), true}}
	}
	var found []delegatee
	for _, r := range d.Roles {
		if slices.ContainsFunc(r.Paths, func(p string) bool { return matchPath(p, target) }) ||
			slices.ContainsFunc(r.PathHashPrefixes, func(p string) bool { return p != "" && strings.HasPrefix(sum, p) }) {
			found = append(found, delegatee{r.Name, r.Terminating})
		}
	}
	return found
}

// matchPath reports whether a target's path fits a pattern, in which * and ? stand
// for anything but a slash.
func matchPath(pattern, target string) bool {
	patterns, parts := strings.Split(pattern, "/"), strings.Split(target, "/")
	return slices.EqualFunc(patterns, parts, matchWild)
}

// matchWild matches text against a pattern in which * stands for any characters
// and ? for one. It takes time in proportion to the product of their lengths.
func matchWild(pattern, text string) bool {
	p, t, star, mark := 0, 0, -1, 0
	for t < len(text) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark, p = p, t, p+1
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == text[t]):
			p, t = p+1, t+1
		case star >= 0:
			mark++
			p, t = star+1, mark
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}
