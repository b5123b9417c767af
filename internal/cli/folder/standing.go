package folder

import (
	"fmt"
	"slices"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/catalog"
)

// Need is one group of keys of which enough must sign.
type Need struct {
	// Who names the group for people.
	Who       string
	Keys      []hotstick.TrustedKey
	Threshold int
	// Signed are those of the keys that have signed.
	Signed []hotstick.TrustedKey
}

// Missing is how many more must sign.
func (n Need) Missing() int { return max(0, n.Threshold-len(n.Signed)) }

// Open are the keys that may still sign.
func (n Need) Open() []hotstick.TrustedKey {
	return slices.DeleteFunc(slices.Clone(n.Keys), func(k hotstick.TrustedKey) bool { return contains(n.Signed, k) })
}

// Standing says how far pending metadata is.
type Standing struct {
	Role    string
	Version int64
	Needs   []Need
	// Overtaken: the catalog has other metadata of this version already, or a delegate
	// is none any more; what is wanted must be made anew.
	Overtaken bool
	paper     paper
}

// Complete reports whether enough keys of every group have signed.
func (s Standing) Complete() bool {
	return len(s.Needs) > 0 && !slices.ContainsFunc(s.Needs, func(n Need) bool { return n.Missing() > 0 })
}

// Asks reports whether the metadata is for this key to sign.
func (s Standing) Asks(key hotstick.TrustedKey) bool { return contains(s.keys(), key) }

// SignedBy reports whether the key has signed.
func (s Standing) SignedBy(key hotstick.TrustedKey) bool { return s.paper.SignedBy(key) }

// Says returns what the metadata says.
func (s Standing) Says() catalog.Paper { return s.paper.Paper }

func (s Standing) keys() []hotstick.TrustedKey {
	var all []hotstick.TrustedKey
	for _, n := range s.Needs {
		for _, k := range n.Keys {
			if !contains(all, k) {
				all = append(all, k)
			}
		}
	}
	return all
}

func contains(keys []hotstick.TrustedKey, key hotstick.TrustedKey) bool {
	return slices.ContainsFunc(keys, key.Equal)
}

// Standing returns how far a role's pending metadata is.
func (f *Folder) Standing(role string) (Standing, error) {
	p, there := f.pending[role]
	if !there {
		return Standing{}, fmt.Errorf("cannot find pending %.80q metadata: %w", role, ErrNotPending)
	}
	return f.standing(role, p)
}

// Standings returns how far everything pending is, root first.
func (f *Folder) Standings() ([]Standing, error) {
	var all []Standing
	for _, role := range f.Roles(true) {
		s, err := f.Standing(role)
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
}

func (f *Folder) standing(role string, p paper) (Standing, error) {
	s := Standing{Role: role, Version: p.Version, Overtaken: p.Version != f.current[role].Version+1, paper: p}
	if (p.Root != nil) != (role == Root) {
		return s, fmt.Errorf("cannot use this as %.80q metadata: it is of another kind", role)
	}
	if err := continues(f.current[role].Paper, p.Paper); err != nil {
		return s, fmt.Errorf("cannot use the pending %s metadata: %w", role, err)
	}
	s.Needs = f.needs(role, p)
	s.Overtaken = s.Overtaken || len(s.Needs) == 0
	for i, n := range s.Needs {
		for _, k := range n.Keys {
			if p.SignedBy(k) {
				s.Needs[i].Signed = append(s.Needs[i].Signed, k)
			}
		}
	}
	return s, nil
}

// continues refuses what no catalog may say after what it said before, whoever asks
// for a signature on it: a recall taken out, other bytes for a level, an older epoch.
func continues(last, next catalog.Paper) error {
	if last.Root != nil && next.Root != nil && next.Root.Trust.Epoch < last.Root.Trust.Epoch {
		return fmt.Errorf("%w: it goes back from epoch %d to %d", catalog.ErrRefused, last.Root.Trust.Epoch, next.Root.Trust.Epoch)
	}
	for _, r := range last.Recalls {
		if !slices.Contains(next.Recalls, r) {
			return fmt.Errorf("%w: the recall of %s is taken out", catalog.ErrRefused, r.Patch)
		}
	}
	for _, old := range last.Patches {
		at := slices.IndexFunc(next.Patches, func(p hotstick.Patch) bool { return p.Ref == old.Ref })
		if at < 0 {
			continue
		}
		for _, a := range next.Patches[at].Artifacts {
			if had, ok := old.Artifact(a.Build); ok && had != a {
				return fmt.Errorf("%w: %s has other bytes for %s than it had", catalog.ErrRefused, old.Ref, a.Build)
			}
		}
	}
	return nil
}

// needs says who must sign. Targets metadata is signed for the root that will be
// there when it comes: the pending one, if there is one. Nobody signs for a delegate
// that is none.
func (f *Folder) needs(role string, p paper) []Need {
	switch role {
	case Root:
		old, next := f.current[Root].Root, p.Root
		if sameKeys(old.RootKeys, next.RootKeys) && old.RootThreshold == next.RootThreshold {
			return []Need{{Who: "owners", Keys: next.RootKeys, Threshold: next.RootThreshold}}
		}
		return []Need{{Who: "owners so far", Keys: old.RootKeys, Threshold: old.RootThreshold},
			{Who: "next owners", Keys: next.RootKeys, Threshold: next.RootThreshold}}
	case Targets:
		spec := f.NextRoot()
		return []Need{{Who: "publishers", Keys: spec.PublisherKeys, Threshold: spec.PublisherThreshold}}
	}
	if d, named := find(f.nextTargets().Delegations, role); named {
		return []Need{{Who: role, Keys: d.Keys, Threshold: d.Threshold}}
	}
	return nil
}

// NextRoot is what the root says after everything pending is in the catalog.
func (f *Folder) NextRoot() catalog.RootSpec {
	if p, there := f.pending[Root]; there {
		return *p.Root
	}
	return *f.current[Root].Root
}

func (f *Folder) nextTargets() catalog.Paper {
	if p, there := f.pending[Targets]; there {
		return p.Paper
	}
	return f.current[Targets].Paper
}

func sameKeys(a, b []hotstick.TrustedKey) bool {
	return len(a) == len(b) && !slices.ContainsFunc(a, func(k hotstick.TrustedKey) bool { return !contains(b, k) })
}

// Holds reports whether the current targets metadata holds under a root: enough of
// its publishers have signed it.
func (f *Folder) Holds(root catalog.RootSpec) bool {
	signed := 0
	for _, k := range root.PublisherKeys {
		if f.current[Targets].SignedBy(k) {
			signed++
		}
	}
	return signed >= root.PublisherThreshold
}

// Ready is what may be handed in now.
type Ready struct {
	// Root is nil unless enough have signed. RootTargets must go with it, because it
	// changes the publishers; else they are nil.
	Root, RootTargets []byte
	// Targets and Delegated go after it.
	Targets   []byte
	Delegated map[string][]byte
	// Roles are all that these are.
	Roles []string
	// Waiting is what lacks signatures, or something that lacks them.
	Waiting []Standing
}

// Ready sorts out what is pending.
func (f *Folder) Ready() (Ready, error) {
	var out Ready
	all, err := f.Standings()
	if err != nil {
		return out, err
	}
	done := map[string]bool{}
	for _, s := range all {
		done[s.Role] = s.Complete()
	}
	// A root that changes the publishers and their new targets wait for each other.
	if p, there := f.pending[Root]; there && !f.Holds(*p.Root) {
		both := done[Root] && done[Targets]
		done[Root], done[Targets] = both, both
	}
	_, newTargets := f.pending[Targets]
	for _, s := range all {
		_, named := find(f.View.Delegations, s.Role)
		switch data := s.paper.data; {
		case !done[s.Role]:
			out.Waiting = append(out.Waiting, s)
			continue
		case s.Role == Root:
			out.Root = data
		case s.Role == Targets && out.Root != nil && !f.Holds(f.NextRoot()):
			out.RootTargets = data
		case s.Role == Targets:
			out.Targets = data
		case newTargets && !done[Targets] && !named:
			out.Waiting = append(out.Waiting, s)
			continue
		default:
			if out.Delegated == nil {
				out.Delegated = map[string][]byte{}
			}
			out.Delegated[s.Role] = data
		}
		out.Roles = append(out.Roles, s.Role)
	}
	return out, nil
}

func find(list []catalog.Delegation, name string) (catalog.Delegation, bool) {
	for _, d := range list {
		if d.Name == name {
			return d, true
		}
	}
	return catalog.Delegation{}, false
}

// Signers returns the keys that may sign a role now, and how many must.
func (f *Folder) Signers(role string) ([]hotstick.TrustedKey, int) {
	root := f.current[Root].Root
	switch role {
	case Root:
		return root.RootKeys, root.RootThreshold
	case Targets:
		return root.PublisherKeys, root.PublisherThreshold
	}
	d, _ := find(f.View.Delegations, role)
	return d.Keys, d.Threshold
}
