package catalog

import (
	"crypto/ed25519"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/theupdateframework/go-tuf/v2/metadata"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/shape"
	"github.com/hotstick/hotstick/internal/statement"
)

// Delegation lets a vendor or a team publish by itself, within its scope. The
// publishers sign it; the delegate's own metadata is the role of its name.
type Delegation struct {
	// Name is lower-case letters, digits and dashes, and no role of TUF's.
	Name string
	// Keys may publish, Threshold of them together. None is an online key.
	Keys      []hotstick.TrustedKey
	Threshold int
	Scope     Scope
}

// Scope bounds what a delegate may publish. Every patch, and each of its
// artifacts, must fit in every respect; an empty list lets nothing through and is
// refused.
type Scope struct {
	// Patches are names, or beginnings of names with * after them.
	Patches []string `json:"patches"`
	Vendors []string `json:"vendors"`
	Drivers []string `json:"drivers"`
	// Builds are kernel builds; an artifact must be for one of them.
	Builds []BuildScope `json:"builds"`
}

// BuildScope names one kernel build, or a family of them.
type BuildScope struct {
	// Release is a kernel release; * stands for any characters, not at its beginning.
	Release string `json:"release"`
	Arch    string `json:"arch"`
	// BuildID is empty for every build of the release.
	BuildID string `json:"build_id,omitempty"`
}

// Limits of delegations.
const (
	maxDelegations  = 64
	maxScopeEntries = 1000
	// maxSnapshotFiles bounds what a snapshot names: TUF lets no name go again.
	maxSnapshotFiles = 256
)

// delegatedPath is the pattern of the targets that every delegate may list: what
// binds it is its scope.
const delegatedPath = "sha256-*.ko"

var (
	delegationPattern   = shape.Of("a-z", "a-z0-9-", 1, 32)
	patchScopePattern   = shape.Of("a-z", "a-z0-9-", 1, 63)
	releaseScopePattern = shape.Of("0-9A-Za-z", "0-9A-Za-z.+~_*-", 1, 128)
	archScopePattern    = shape.All("a-z0-9_", 2, 16)
	buildIDScopePattern = shape.All("0-9a-f", 16, 64)
)

func reserved(role string) bool {
	return slices.Contains([]string{roleRoot, roleTargets, roleSnapshot, roleTimestamp}, role)
}

// check reports the first thing that makes a delegation unusable.
func (d Delegation) check() error {
	if !delegationPattern.MatchString(d.Name) || reserved(d.Name) {
		return fmt.Errorf("cannot delegate to %.80q: want lower-case letters, digits and dashes, and no role of TUF's", d.Name)
	}
	if d.Threshold < 1 || d.Threshold > len(d.Keys) || len(d.Keys) > maxSignatures {
		return fmt.Errorf("cannot delegate to %s with %d keys and threshold %d", d.Name, len(d.Keys), d.Threshold)
	}
	seen := map[string]bool{}
	for _, k := range d.Keys {
		if err := k.Validate(); err != nil {
			return fmt.Errorf("cannot delegate to %s: %w", d.Name, err)
		}
		if seen[string(k)] {
			return fmt.Errorf("cannot delegate to %s with one key twice", d.Name)
		}
		seen[string(k)] = true
	}
	if err := d.Scope.check(); err != nil {
		return fmt.Errorf("cannot delegate to %s: %w", d.Name, err)
	}
	return nil
}

func (s Scope) check() error {
	for _, list := range []struct {
		what    string
		entries []string
		pattern shape.Shape
		star    string
	}{{"patches", s.Patches, patchScopePattern, "*"}, {"vendors", s.Vendors, delegationPattern, ""}, {"drivers", s.Drivers, delegationPattern, ""}} {
		if len(list.entries) == 0 || len(list.entries) > maxScopeEntries {
			return fmt.Errorf("its scope has %d %s: want 1 to %d", len(list.entries), list.what, maxScopeEntries)
		}
		for _, e := range list.entries {
			if !list.pattern.MatchString(strings.TrimSuffix(e, list.star)) {
				return fmt.Errorf("its scope has %.80q among its %s", e, list.what)
			}
		}
	}
	if len(s.Builds) == 0 || len(s.Builds) > maxScopeEntries {
		return fmt.Errorf("its scope has %d kernel builds: want 1 to %d", len(s.Builds), maxScopeEntries)
	}
	for _, b := range s.Builds {
		if !releaseScopePattern.MatchString(b.Release) || !archScopePattern.MatchString(b.Arch) || b.BuildID != "" && !buildIDScopePattern.MatchString(b.BuildID) {
			return fmt.Errorf("its scope has %.80q on %.40q among its kernel builds", b.Release, b.Arch)
		}
	}
	return nil
}

// covers reports whether the scope has patches of this name.
func (s Scope) covers(name string) bool {
	return slices.ContainsFunc(s.Patches, func(p string) bool { return matchWild(p, name) })
}

// admits says why a patch is outside the scope.
func (s Scope) admits(p hotstick.Patch) error {
	switch {
	case !s.covers(p.Ref.Name):
		return fmt.Errorf("%s is no patch of its scope", p.Ref)
	case !slices.Contains(s.Vendors, p.Vendor):
		return fmt.Errorf("%s is of vendor %q, which is not in its scope", p.Ref, p.Vendor)
	case !slices.Contains(s.Drivers, p.Driver):
		return fmt.Errorf("%s is for driver %s, which is not in its scope", p.Ref, p.Driver)
	}
	for _, a := range p.Artifacts {
		if !slices.ContainsFunc(s.Builds, func(b BuildScope) bool { return b.admits(a.Build) }) {
			return fmt.Errorf("%s has an artifact for %s, which is not in its scope", p.Ref, a.Build)
		}
	}
	return nil
}

func (b BuildScope) admits(build hotstick.KernelBuild) bool {
	return matchWild(b.Release, build.Release) && b.Arch == build.Arch && (b.BuildID == "" || b.BuildID == build.BuildID)
}

// The delegations as the targets metadata has them: the keys in TUF's own fields,
// the scopes in ours.

type delegationsSigned struct {
	Keys  map[string]rootKey `json:"keys"`
	Roles []delegatedSigned  `json:"roles"`
}

type delegatedSigned struct {
	Name        string   `json:"name"`
	KeyIDs      []string `json:"keyids"`
	Threshold   int      `json:"threshold"`
	Terminating bool     `json:"terminating"`
	Paths       []string `json:"paths"`
}

type scopeBlock struct {
	Name  string `json:"name"`
	Scope Scope  `json:"scope"`
}

// list turns the wire form of the delegations into what they say, in order.
func (t *targetsSigned) list() ([]Delegation, error) {
	scopes := t.Hotstick.Delegations
	if t.Delegations == nil {
		if len(scopes) > 0 {
			return nil, fmt.Errorf("%d scopes of no delegation", len(scopes))
		}
		return nil, nil
	}
	roles := t.Delegations.Roles
	if len(roles) != len(scopes) || len(roles) == 0 || len(roles) > maxDelegations {
		return nil, fmt.Errorf("%d delegations and %d scopes: want one for each, and at most %d", len(roles), len(scopes), maxDelegations)
	}
	keys, err := keysOf(t.Delegations.Keys)
	if err != nil {
		return nil, err
	}
	var list []Delegation
	for i, r := range roles {
		d := Delegation{Name: r.Name, Threshold: r.Threshold, Scope: scopes[i].Scope}
		if d.Keys, err = pick(keys, r.KeyIDs); err != nil {
			return nil, err
		}
		if err := d.check(); err != nil {
			return nil, err
		}
		same := func(have Delegation) bool { return have.Name == r.Name }
		if scopes[i].Name != r.Name || r.Terminating || !slices.Equal(r.Paths, []string{delegatedPath}) || slices.ContainsFunc(list, same) {
			return nil, fmt.Errorf("the delegation to %s stands there twice, without its scope, or for other paths than %s", r.Name, delegatedPath)
		}
		list = append(list, d)
	}
	return list, nil
}

// delegation returns the one of this name.
func (t *targetsSigned) delegation(name string) (Delegation, error) {
	list, err := t.list()
	if err != nil {
		return Delegation{}, err
	}
	for _, d := range list {
		if d.Name == name {
			return d, nil
		}
	}
	return Delegation{}, fmt.Errorf("there is no delegation to %.80q", name)
}

// signedDelegations makes the wire form of delegations.
func signedDelegations(list []Delegation) (*metadata.Delegations, []scopeBlock, error) {
	if len(list) == 0 {
		return nil, nil, nil
	}
	out := &metadata.Delegations{Keys: map[string]*metadata.Key{}}
	var scopes []scopeBlock
	for _, d := range list {
		if err := d.check(); err != nil {
			return nil, nil, err
		}
		role := metadata.DelegatedRole{Name: d.Name, Threshold: d.Threshold, Paths: []string{delegatedPath}}
		for _, public := range d.Keys {
			key, err := tufKey(public)
			if err != nil {
				return nil, nil, fmt.Errorf("cannot use a key of %s: %w", d.Name, err)
			}
			id, err := key.ID()
			if err != nil {
				return nil, nil, fmt.Errorf("cannot use a key of %s: %w", d.Name, err)
			}
			out.Keys[id] = key
			role.KeyIDs = append(role.KeyIDs, id)
		}
		out.Roles = append(out.Roles, role)
		scopes = append(scopes, scopeBlock{d.Name, d.Scope})
	}
	return out, scopes, nil
}

// keysOf reads keys, each of which has the ID that it must have.
func keysOf(wire map[string]rootKey) (map[string]hotstick.TrustedKey, error) {
	keys := map[string]hotstick.TrustedKey{}
	for id, k := range wire {
		public, err := k.read()
		if err != nil {
			return nil, fmt.Errorf("key %.80q: %w", id, err)
		}
		// TUF has several ways to write a key for ECDSA, each with another ID. One key
		// must not count for two, so only the one that we write is read.
		if want, err := keyID(public); err != nil || want != id {
			return nil, fmt.Errorf("key %.80q has another ID", id)
		}
		keys[id] = public
	}
	return keys, nil
}

// read returns what TUF's form of a key says: hexadecimal digits for Ed25519, PKIX in
// PEM for ECDSA.
func (k rootKey) read() (hotstick.TrustedKey, error) {
	switch {
	case k.Type == metadata.KeyTypeEd25519 && k.Scheme == metadata.KeySchemeEd25519:
		public, err := hex.DecodeString(k.Value.Public)
		if err != nil || len(public) != ed25519.PublicKeySize {
			return nil, errors.New("it is not Ed25519")
		}
		return public, nil
	case k.Type == metadata.KeyTypeECDSA_SHA2_P256 && k.Scheme == metadata.KeySchemeECDSA_SHA2_P256:
		block, rest := pem.Decode([]byte(k.Value.Public))
		if block == nil || len(rest) > 0 {
			return nil, errors.New("it is not PEM")
		}
		return statement.ParsePublic(block.Bytes)
	}
	return nil, fmt.Errorf("its type is %.40q and its scheme %.40q: want ed25519 or ecdsa", k.Type, k.Scheme)
}

// pick returns the keys of these IDs.
func pick(keys map[string]hotstick.TrustedKey, ids []string) ([]hotstick.TrustedKey, error) {
	var picked []hotstick.TrustedKey
	for _, id := range ids {
		if keys[id] == nil {
			return nil, fmt.Errorf("key %.80q is named and not given", id)
		}
		picked = append(picked, keys[id])
	}
	return picked, nil
}

// checkDelegates makes sure that no delegate's key is an online one: whoever
// steals the server must not be able to publish.
func checkDelegates(root *rootSigned, targets *targetsSigned) error {
	spec, err := root.spec()
	if err != nil {
		return err
	}
	list, err := targets.list()
	if err != nil {
		return err
	}
	for _, d := range list {
		if slices.ContainsFunc(d.Keys, func(k hotstick.TrustedKey) bool { return contains(spec.OnlineKeys, k) }) {
			return refused("the delegation to %s names an online key", d.Name)
		}
	}
	return nil
}

// readDelegated reads the metadata of a delegate, and holds it to its scope.
func readDelegated(publishers *targetsSigned, role string, data []byte) (*targetsSigned, error) {
	d, err := publishers.delegation(role)
	if err != nil {
		return nil, refused("%v", err)
	}
	if len(data) > MaxDelegatedBytes {
		return nil, refused("the metadata of %s has %d bytes: the limit is %d", role, len(data), MaxDelegatedBytes)
	}
	targets, err := readTargets(data)
	if err != nil {
		return nil, err
	}
	if targets.Delegations != nil || len(targets.Hotstick.Delegations) > 0 {
		return nil, refused("the metadata of %s: a delegate cannot delegate", role)
	}
	for _, p := range targets.Hotstick.Patches {
		if err := d.Scope.admits(p); err != nil {
			return nil, refused("the metadata of %s: %v", role, err)
		}
	}
	for _, r := range targets.Hotstick.Recalls {
		if !d.Scope.covers(r.Patch.Name) {
			return nil, refused("the metadata of %s recalls %s, which is no patch of its scope", role, r.Patch)
		}
	}
	return targets, nil
}

// allPatches returns what the publishers and then each delegate in its order have
// published, which must be unambiguous together.
func (t *trusted) allPatches() ([]hotstick.Patch, error) {
	all := slices.Clone(t.targets.Hotstick.Patches)
	list, err := t.targets.list()
	if err != nil {
		return nil, refused("%v", err)
	}
	for _, d := range list {
		if own := t.delegated[d.Name]; own != nil {
			all = append(all, own.Hotstick.Patches...)
		}
	}
	if err := checkPatches(all); err != nil {
		return nil, refused("publishers and delegates together: %v", err)
	}
	return all, nil
}

// delegatedNames returns the roles besides targets that a snapshot names, sorted.
func (l *linkSigned) delegatedNames() []string {
	var names []string
	for name := range l.Meta {
		if role := strings.TrimSuffix(name, ".json"); role != roleTargets {
			names = append(names, role)
		}
	}
	slices.Sort(names)
	return names
}
