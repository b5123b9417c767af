package catalog

import (
	"fmt"
	"time"

	"github.com/hotstick/hotstick/internal/statement"
)

// Delegated is the targets metadata of a delegate.
type Delegated struct {
	// Name is that of the delegation.
	Name     string
	Metadata []byte
}

// Accept takes new targets metadata: signed by the publishers, exactly one version
// higher, every artifact present. A level keeps the bytes it had for a build, and a
// recall stays. Where the delegations change so that what a delegate has published
// does not hold any more, its new metadata must come with it. The same targets
// again change nothing.
func (r *Repository) Accept(targets []byte, now time.Time, delegated ...Delegated) (View, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.accept(targets, delegated, now)
}

// AcceptDelegated takes new metadata of one delegate, under the targets metadata
// that is there, and checks it like [Repository.Accept].
func (r *Repository) AcceptDelegated(d Delegated, now time.Time) (View, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.accept(r.now.files.targets, []Delegated{d}, now)
}

func (r *Repository) accept(targets []byte, delegated []Delegated, now time.Time) (View, error) {
	same := string(targets) == string(r.now.files.targets)
	for _, d := range delegated {
		same = same && string(d.Metadata) == string(r.now.files.delegated[d.Name])
	}
	if same && r.now.signed {
		return r.now.view, nil
	}
	next, err := r.next(r.now.root, targets, delegated, now)
	if err != nil {
		return View{}, err
	}
	next.spec, next.rootVer = r.now.spec, r.now.rootVer
	if err := r.commit(next, now); err != nil {
		return View{}, err
	}
	return r.now.view, nil
}

// AcceptRoot takes the root that follows the current one, signed by enough keys of
// both, and naming this server's online key. Where the new root changes the
// publishers, their new targets metadata must come with it; otherwise targets is nil.
func (r *Repository) AcceptRoot(root, targets []byte, now time.Time) (View, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	t, err := trustRoot(strict, r.now.root, now)
	if err != nil {
		return View{}, err
	}
	if string(root) != string(r.now.root) {
		err = t.nextRoot(root)
	}
	if err != nil {
		return View{}, err
	}
	if now.After(t.root.Expires) {
		return View{}, fmt.Errorf("%w: root metadata ended at %s", ErrExpired, t.root.Expires.Format(time.RFC3339))
	}
	if targets == nil {
		targets = r.now.files.targets
	}
	next, err := r.next(root, targets, nil, now)
	if err != nil {
		return View{}, fmt.Errorf("cannot take the root with these targets: %w", err)
	}
	next.rootVer = t.root.Version
	if next.spec, err = t.root.spec(); err != nil {
		return View{}, err
	}
	if !contains(next.spec.OnlineKeys, r.online.Public()) {
		return View{}, refused("a root that does not name the server's online key %s: restart the server with its new key first", statement.KeyID(r.online.Public())[:12])
	}
	if err := r.disk.write(metadataFile(roleRoot, next.rootVer), root); err != nil {
		return View{}, err
	}
	if err := r.commit(next, now); err != nil {
		return View{}, err
	}
	return r.now.view, nil
}

// next checks targets metadata, the publishers' and the delegates', against a root
// and puts its artifacts in place.
func (r *Repository) next(root, targets []byte, delegated []Delegated, now time.Time) (generation, error) {
	parsed, err := verifyTargets(root, targets)
	if err != nil {
		return generation{}, err
	}
	if string(targets) != string(r.now.files.targets) {
		if err := follows(roleTargets, parsed, r.now.targets.Version, now); err != nil {
			return generation{}, err
		}
	}
	t := &trusted{targets: parsed, delegated: map[string]*targetsSigned{}}
	g := generation{files: files{root: root, targets: targets}, targets: parsed, delegated: t.delegated}
	if err := r.nextDelegated(&g, delegated, now); err != nil {
		return generation{}, err
	}
	patches, err := t.allPatches()
	if err != nil {
		return generation{}, err
	}
	if gone := without(r.now.view.Recalls, t.recalls()); len(gone) > 0 {
		return generation{}, refused("the recall of %s is taken out: only a clear lifts it", gone[0].Patch)
	}
	for _, p := range patches {
		old, ok := r.now.view.Patch(p.Ref)
		if !ok {
			continue
		}
		for _, a := range p.Artifacts {
			if had, ok := old.Artifact(a.Build); ok && had != a {
				return generation{}, refused("%s has other bytes for %s than it had: publish a higher level", p.Ref, a.Build)
			}
		}
	}
	return g, r.place(patches)
}

// nextDelegated fills in the delegates' metadata: what is new, and otherwise what
// was there, which must hold under the new targets metadata too.
func (r *Repository) nextDelegated(g *generation, fresh []Delegated, now time.Time) error {
	list, err := g.targets.list()
	if err != nil {
		return err
	}
	given := map[string][]byte{}
	for _, d := range fresh {
		if _, err := g.targets.delegation(d.Name); err != nil || given[d.Name] != nil {
			return refused("metadata of %.80q, to which nobody delegates, or twice", d.Name)
		}
		given[d.Name] = d.Metadata
	}
	for _, d := range list {
		data, had := given[d.Name], r.now.files.delegated[d.Name]
		last := r.now.snapshot.Meta[d.Name+".json"].Version
		if last > 0 && had == nil {
			return refused("the delegation to %s has ended before: use another name", d.Name)
		}
		if data == nil {
			data = had
		}
		if data == nil {
			continue
		}
		own, err := verifyDelegated(g.files.targets, g.targets, d.Name, data)
		if err != nil {
			return fmt.Errorf("cannot keep what %s has published, its new metadata must come with this: %w", d.Name, err)
		}
		if string(data) != string(had) {
			if err := follows(d.Name, own, last, now); err != nil {
				return err
			}
		}
		g.delegated[d.Name] = own
		g.files.set(d.Name, data)
	}
	if n := len(r.named(*g)); n > maxSnapshotFiles {
		return refused("a snapshot that names %d files: the limit is %d", n, maxSnapshotFiles)
	}
	return nil
}

// follows checks that metadata is one version higher than what was there, and valid.
func follows(role string, fresh *targetsSigned, last int64, now time.Time) error {
	if want := last + 1; fresh.Version != want {
		return refused("%s metadata of version %d: want %d; somebody may have published in between", role, fresh.Version, want)
	}
	if now.After(fresh.Expires) {
		return fmt.Errorf("%w: %s metadata ended at %s", ErrExpired, role, fresh.Expires.Format(time.RFC3339))
	}
	return nil
}
