package catalog

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/failpoint"
	"github.com/hotstick/hotstick/internal/statement"
)

// Lives of what the server signs. [Repository.Refresh] renews them when half is
// over, so a server may be away for at least half of TimestampLife before hosts
// start nothing new.
const (
	TimestampLife = 24 * time.Hour
	SnapshotLife  = 14 * 24 * time.Hour
)

// olderVersions is how many versions of snapshot and targets stay behind the
// current ones, for clients in the middle of a refresh.
const olderVersions = 8

// Repository is the catalog on the server: a directory of TUF files, and the
// online key that signs snapshot and timestamp. It is safe for concurrent use; two
// repositories on one directory are not.
type Repository struct {
	disk   disk
	online statement.Signer

	mu  sync.RWMutex // guards now, and orders all writing
	now generation
}

// generation is what the repository serves at one moment.
type generation struct {
	files
	spec      RootSpec
	rootVer   int64
	timestamp *linkSigned
	snapshot  *linkSigned
	targets   *targetsSigned
	delegated map[string]*targetsSigned
	// signed: the root's online keys have signed timestamp and snapshot. They
	// have not if those keys changed and the power failed before the rest did.
	signed bool
	view   View
}

// CreateRepository makes a repository in an empty directory, which must exist,
// from the first root and targets metadata.
func CreateRepository(dir string, root, targets []byte, online statement.Signer, now time.Time) (*Repository, error) {
	spec, version, err := ReadRoot(root)
	if err != nil {
		return nil, err
	}
	if version != 1 {
		return nil, refused("root metadata of version %d: a repository begins with the first", version)
	}
	parsed, err := verifyTargets(root, targets)
	if err != nil {
		return nil, err
	}
	for what, end := range map[string]time.Time{roleRoot: spec.Expires, roleTargets: parsed.Expires} {
		if now.After(end) {
			return nil, fmt.Errorf("%w: %s metadata ended at %s", ErrExpired, what, end.Format(time.RFC3339))
		}
	}
	r := &Repository{disk: disk{dir: dir}, online: online}
	if _, err := os.Stat(r.disk.path(timestampFile)); !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("cannot make a repository in %s: there is one already", dir)
	}
	if err := r.disk.write(metadataFile(roleRoot, 1), root); err != nil {
		return nil, err
	}
	next := generation{files: files{root: root, targets: targets}, spec: spec, rootVer: 1, targets: parsed}
	if err := r.commit(next, now); err != nil {
		return nil, err
	}
	return r, nil
}

// OpenRepository opens an existing repository and verifies its metadata, which
// may have expired.
func OpenRepository(dir string, online statement.Signer) (*Repository, error) {
	r := &Repository{disk: disk{dir: dir}, online: online}
	if err := r.disk.clean(targetsDir, incomingDir); err != nil {
		return nil, err
	}
	// The repository's directory has a client's form, and is read like one.
	kept, err := r.disk.versions(roleRoot)
	if err != nil {
		return nil, err
	}
	if len(kept) == 0 {
		return nil, fmt.Errorf("cannot open the catalog in %s without its root: %w", dir, fs.ErrNotExist)
	}
	// It begins with the first root, or with one that was adopted; see AdoptRoot.
	c := &Client{disk: r.disk, anchor: slices.Min(kept)}
	t, root, err := c.roots(time.Time{})
	if err != nil {
		return nil, err
	}
	g := generation{files: c.kept(), rootVer: t.root.Version}
	g.root = root
	if g.files.timestamp == nil || g.files.snapshot == nil || g.files.targets == nil {
		return nil, fmt.Errorf("cannot open the catalog in %s: timestamp, snapshot and targets metadata do not fit together: %w", dir, fs.ErrNotExist)
	}
	if g.spec, err = t.root.spec(); err != nil {
		return nil, err
	}
	if g.targets, err = readTargets(g.files.targets); err != nil {
		return nil, err
	}
	if g.timestamp, err = readTimestamp(g.files.timestamp); err != nil {
		return nil, err
	}
	if g.snapshot, err = readSnapshot(g.files.snapshot); err != nil {
		return nil, err
	}
	t.targets = g.targets
	if err := t.loadDelegated(g.files); err != nil {
		return nil, err
	}
	g.delegated = t.delegated
	if err := g.checkDelegated(); err != nil {
		return nil, fmt.Errorf("cannot open the catalog in %s: %w", dir, err)
	}
	g.signed = verifyLinks(root, g.files.timestamp, g.files.snapshot) == nil
	if r.now, err = g.finish(t); err != nil {
		return nil, err
	}
	return r, r.checkArtifacts(r.now.view.Patches)
}

// checkDelegated makes sure that every delegate's metadata is there which the
// snapshot names.
func (g generation) checkDelegated() error {
	list, err := g.targets.list()
	if err != nil {
		return err
	}
	for _, d := range list {
		if _, named := g.snapshot.Meta[d.Name+".json"]; named && g.delegated[d.Name] == nil {
			return fmt.Errorf("the metadata of %s is missing or damaged: %w", d.Name, fs.ErrNotExist)
		}
	}
	return nil
}

// finish computes the view of a generation.
func (g generation) finish(t *trusted) (generation, error) {
	t.timestamp, t.snapshot, t.targets, t.delegated = g.timestamp, g.snapshot, g.targets, g.delegated
	var err error
	g.view, err = t.view(nil)
	if _, err := verifyTargets(g.root, g.files.targets); err != nil || !g.signed {
		g.view.Expires = time.Time{}
	}
	return g, err
}

// commit signs a snapshot and a timestamp for next, writes all of it and serves
// it. The caller holds mu, and root and artifacts are on disk already.
func (r *Repository) commit(next generation, now time.Time) error {
	snapshotVersion, timestampVersion := int64(1), int64(1)
	if r.now.snapshot != nil {
		snapshotVersion, timestampVersion = r.now.snapshot.Version+1, r.now.timestamp.Version+1
	}
	if !contains(next.spec.OnlineKeys, r.online.Public()) {
		return fmt.Errorf("cannot sign the catalog: the root does not name the server's online key %s", statement.KeyID(r.online.Public())[:12])
	}
	var err error
	if next.files.snapshot, err = signSnapshot(snapshotVersion, r.named(next), now, r.online); err != nil {
		return err
	}
	if err := r.writeTargets(next); err != nil {
		return err
	}
	failpoint.Here(failpoint.CatalogTargetsWritten)
	if err := r.disk.write(metadataFile(roleSnapshot, snapshotVersion), next.files.snapshot); err != nil {
		return err
	}
	failpoint.Here(failpoint.CatalogSnapshotWritten)
	if next.snapshot, err = readSnapshot(next.files.snapshot); err != nil {
		return err
	}
	return r.commitTimestamp(next, timestampVersion, now)
}

// named returns the files that the snapshot of next names. What was once named
// stays, as TUF wants it, even if nobody delegates to it any more.
func (r *Repository) named(next generation) map[string]metaInfo {
	files := map[string]metaInfo{}
	if r.now.snapshot != nil {
		maps.Copy(files, r.now.snapshot.Meta)
	}
	files[roleTargets+".json"] = infoOf(next.targets.Version, next.files.targets)
	for name, own := range next.delegated {
		files[name+".json"] = infoOf(own.Version, next.files.delegated[name])
	}
	return files
}

// writeTargets writes the targets metadata that is new in next.
func (r *Repository) writeTargets(next generation) error {
	for _, name := range slices.Sorted(maps.Keys(next.delegated)) {
		if was := r.now.delegated[name]; was == nil || was.Version != next.delegated[name].Version {
			if err := r.disk.write(metadataFile(name, next.delegated[name].Version), next.files.delegated[name]); err != nil {
				return err
			}
		}
	}
	if r.now.targets != nil && next.targets.Version == r.now.targets.Version {
		return nil
	}
	return r.disk.write(metadataFile(roleTargets, next.targets.Version), next.files.targets)
}

// commitTimestamp signs the timestamp for next's snapshot. Its replacement on disk
// is the moment at which next becomes what the catalog says.
func (r *Repository) commitTimestamp(next generation, version int64, now time.Time) error {
	var err error
	if next.files.timestamp, err = signTimestamp(version, next.snapshot.Version, next.files.snapshot, now, r.online); err != nil {
		return err
	}
	if next.timestamp, err = readTimestamp(next.files.timestamp); err != nil {
		return err
	}
	// What clients would refuse must not be served.
	if err := verifyLinks(next.root, next.files.timestamp, next.files.snapshot); err != nil {
		return err
	}
	t, err := trustRoot(strict, next.root, now)
	if err != nil {
		return err
	}
	next.signed = true
	if next, err = next.finish(t); err != nil {
		return err
	}
	failpoint.Here(failpoint.CatalogTimestampBefore)
	if err := r.disk.write(timestampFile, next.files.timestamp); err != nil {
		return err
	}
	failpoint.Here(failpoint.CatalogTimestampAfter)
	r.now = next
	r.disk.prune(roleSnapshot, next.snapshot.Version, olderVersions)
	r.disk.prune(roleTargets, next.targets.Version, olderVersions)
	for name, own := range next.delegated {
		r.disk.prune(name, own.Version, olderVersions)
	}
	return nil
}

// Refresh renews the timestamp, and the snapshot, if their life is half over, and
// reports whether it did. Call it at least every hour.
func (r *Repository) Refresh(now time.Time) (bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case !r.now.signed, r.now.snapshot.Expires.Sub(now) < SnapshotLife/2:
		return true, r.commit(r.now, now)
	case r.now.timestamp.Expires.Sub(now) < TimestampLife/2:
		if !contains(r.now.spec.OnlineKeys, r.online.Public()) {
			return false, fmt.Errorf("cannot renew the catalog: the root does not name the server's online key %s", statement.KeyID(r.online.Public())[:12])
		}
		return true, r.commitTimestamp(r.now, r.now.timestamp.Version+1, now)
	}
	return false, nil
}

// View returns what the catalog says now.
func (r *Repository) View() View {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.now.view
}

// Root returns the newest root metadata, which new hosts pin.
func (r *Repository) Root() []byte {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.now.root
}

// Targets returns the current targets metadata, which the publisher extends.
func (r *Repository) Targets() []byte {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.now.files.targets
}

// Delegated returns the metadata of a delegate, or nil if it has published nothing.
func (r *Repository) Delegated(name string) []byte {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.now.files.delegated[name]
}

// Open opens a file of the repository by the name that a client's [Fetcher]
// fetches, such as 3.root.json, timestamp.json or targets/….ko. Any other name
// gives an error that wraps fs.ErrNotExist. The file is an *os.File.
func (r *Repository) Open(name string) (fs.File, error) {
	if !servable(name) {
		return nil, fmt.Errorf("cannot open %.80q: %w", name, fs.ErrNotExist)
	}
	file, err := os.Open(r.disk.path(name))
	if err != nil {
		return nil, fmt.Errorf("cannot open a file of the catalog: %w", err)
	}
	return file, nil
}

var _ io.ReadSeeker = (*os.File)(nil)

// checkArtifacts makes sure that every listed artifact is there with its size.
func (r *Repository) checkArtifacts(patches []hotstick.Patch) error {
	for _, p := range patches {
		for _, a := range p.Files() {
			if err := r.holds(ArtifactFile(a.Digest), a); err != nil {
				return fmt.Errorf("cannot serve %s: %w", p.Ref, err)
			}
		}
	}
	return nil
}

func (r *Repository) holds(name string, a hotstick.Artifact) error {
	info, err := os.Stat(r.disk.path(name))
	if err != nil {
		return fmt.Errorf("the artifact for %s is missing: %w", a.Build, err)
	}
	if info.Size() != a.SizeBytes {
		return refused("the artifact for %s has %d bytes: the catalog says %d", a.Build, info.Size(), a.SizeBytes)
	}
	return nil
}
