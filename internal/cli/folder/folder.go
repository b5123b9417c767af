// Package folder keeps a catalog in a directory that is carried to where the keys
// are: a laptop without network, a stick in a safe.
//
// The directory is the state directory of a catalog client, so whatever is read
// from it is verified again, from the pinned root on. Beside that metadata it has
//
//	pending/root.json      the next root
//	pending/targets.json   the publishers' next targets metadata
//	pending/NAME.json      the same of the delegate NAME
//	pending/artifacts/     modules that these list and the catalog does not have
//
// which people sign one after the other until enough of them have. A pending file
// is never replaced by one that says something else: it is pushed or dropped.
package folder

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hotstick/hotstick/catalog"
	"github.com/hotstick/hotstick/internal/durable"
	"github.com/hotstick/hotstick/internal/statement"
)

// The roles that are no delegation.
const (
	Root    = "root"
	Targets = "targets"
)

const pendingDir = "pending"

// Errors that the command line gives its own hint for.
var (
	// ErrDamaged: the catalog was changed or cut off on the way.
	ErrDamaged = errors.New("its files do not fit together")
	// ErrPending: the role has something pending that says something else.
	ErrPending = errors.New("something else is pending")
	// ErrOvertaken: the catalog has gone on since the metadata was made.
	ErrOvertaken = errors.New("the catalog has gone on since")
	// ErrNotAsked: the metadata is not for this key to sign.
	ErrNotAsked = errors.New("its signature is not asked for")
	// ErrSigned: the key has signed already.
	ErrSigned = errors.New("it has signed already")
	// ErrNotPending: nothing is pending for the role.
	ErrNotPending = errors.New("nothing is pending")
)

// Folder is an open directory. Only one process may write to it at a time.
type Folder struct {
	dir string
	// View is what the verified catalog says; it may have expired.
	View catalog.View
	// RootFile and TargetsFile are the newest metadata, for what extends it.
	RootFile, TargetsFile []byte
	client                *catalog.Client
	current               map[string]paper
	pending               map[string]paper
}

// paper is a metadata file and what it says.
type paper struct {
	catalog.Paper
	data []byte
}

// Open reads and verifies a directory, from the pinned root on, or from its own
// first root where pinned is nil. The error wraps fs.ErrNotExist if there is no
// catalog, and [ErrDamaged] or catalog.ErrRefused if it is not to be believed.
func Open(dir string, pinned []byte) (*Folder, error) {
	if err := holds(dir, pinned); err != nil {
		return nil, err
	}
	client, err := catalog.NewClient(dir, pinned, nil)
	if err != nil {
		return nil, err
	}
	f := &Folder{dir: dir, client: client, current: map[string]paper{}, pending: map[string]paper{}}
	if f.View, err = client.Load(); errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("cannot use the catalog in %s: %w", dir, ErrDamaged)
	}
	if err != nil {
		return nil, err
	}
	if f.RootFile, f.TargetsFile, err = client.Metadata(); err != nil {
		return nil, err
	}
	for role, data := range map[string][]byte{Root: f.RootFile, Targets: f.TargetsFile} {
		if f.current[role], err = read(data); err != nil {
			return nil, err
		}
	}
	for _, d := range f.View.Delegations {
		own, err := client.Delegated(d.Name)
		if err != nil {
			return nil, err
		}
		if own == nil {
			continue
		}
		if f.current[d.Name], err = read(own); err != nil {
			return nil, err
		}
	}
	return f, f.readPending()
}

// holds makes sure that the directory has the pinned root, since a client would put
// it there, below a chain that does not begin with it.
func holds(dir string, pinned []byte) error {
	name := "*.root.json"
	if pinned != nil {
		_, version, err := catalog.ReadRoot(pinned)
		if err != nil {
			return fmt.Errorf("cannot use the root that this person was given: %w", err)
		}
		name = fmt.Sprintf("%d.root.json", version)
	}
	found, err := filepath.Glob(filepath.Join(escapeGlob(dir), name))
	if err == nil && len(found) == 0 {
		err = fs.ErrNotExist
	}
	if err != nil {
		return fmt.Errorf("cannot find %s in %s: %w", name, dir, err)
	}
	return nil
}

func escapeGlob(dir string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(dir)
}

// Anchor is the root from which trust in this directory starts.
func (f *Folder) Anchor() ([]byte, error) { return f.client.Anchor() }

func read(data []byte) (paper, error) {
	p, err := catalog.ReadPaper(data)
	return paper{p, data}, err
}

// ReadFile reads a metadata file that a person brought; it is never longer than
// metadata may be.
func ReadFile(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read signed metadata: %w", err)
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, catalog.MaxTargetsBytes+1))
	if err != nil {
		return nil, fmt.Errorf("cannot read signed metadata: %w", err)
	}
	if len(data) > catalog.MaxTargetsBytes {
		return nil, fmt.Errorf("cannot read %s: it has more than %d bytes", path, catalog.MaxTargetsBytes)
	}
	return data, nil
}

// PendingFiles lists what another copy of a directory has pending, by role.
func PendingFiles(dir string) (map[string]string, error) {
	entries, err := os.ReadDir(filepath.Join(dir, pendingDir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read what is pending: %w", err)
	}
	files := map[string]string{}
	for _, e := range entries {
		if role, ok := strings.CutSuffix(e.Name(), ".json"); ok && !strings.HasPrefix(role, ".") {
			files[role] = filepath.Join(dir, pendingDir, e.Name())
		}
	}
	return files, nil
}

func (f *Folder) readPending() error {
	files, err := PendingFiles(f.dir)
	if err != nil {
		return err
	}
	for role, path := range files {
		data, err := ReadFile(path)
		if err != nil {
			return err
		}
		p, err := read(data)
		if err != nil {
			return fmt.Errorf("cannot use %s: %w", path, err)
		}
		if (p.Root != nil) != (role == Root) {
			return fmt.Errorf("cannot use %s: it is no %s metadata", path, role)
		}
		f.pending[role] = p
	}
	return nil
}

// Roles lists what people sign in the order root, targets, delegations: those that
// the catalog has, and those that are pending.
func (f *Folder) Roles(pending bool) []string {
	from := f.current
	if pending {
		from = f.pending
	}
	var roles []string
	for role := range from {
		roles = append(roles, role)
	}
	slices.SortFunc(roles, Compare)
	return roles
}

// Compare orders roles: root, targets, then the delegations by name.
func Compare(a, b string) int { return strings.Compare(order(a)+a, order(b)+b) }

func order(role string) string {
	switch role {
	case Root:
		return "0"
	case Targets:
		return "1"
	}
	return "2"
}

// Current returns what a role's newest metadata says.
func (f *Folder) Current(role string) (catalog.Paper, bool) {
	p, ok := f.current[role]
	return p.Paper, ok
}

// CurrentFile returns a role's newest metadata, or nil.
func (f *Folder) CurrentFile(role string) []byte { return f.current[role].data }

// Free returns an error that wraps [ErrPending] if the role has something pending.
func (f *Folder) Free(role string) error {
	if _, taken := f.pending[role]; taken {
		return fmt.Errorf("cannot make new %s metadata: %w", role, ErrPending)
	}
	return nil
}

// Draft returns the standing of metadata that is not kept yet.
func (f *Folder) Draft(role string, data []byte) (Standing, error) {
	p, err := read(data)
	if err != nil {
		return Standing{}, err
	}
	return f.standing(role, p)
}

// Keep makes metadata pending, durably.
func (f *Folder) Keep(role string, data []byte) error {
	p, err := read(data)
	if err != nil {
		return err
	}
	if was, there := f.pending[role]; there && !was.Same(p.Paper) {
		return f.Free(role)
	}
	if err := os.Mkdir(filepath.Join(f.dir, pendingDir), 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("cannot keep what is pending: %w", err)
	}
	if err := durable.Replace(filepath.Join(f.dir, pendingDir), role+".json", 0o644, data); err != nil {
		return err
	}
	f.pending[role] = p
	return nil
}

// Sign adds a signature to metadata, if it is asked for.
func (s Standing) Sign(signer statement.Signer) ([]byte, error) {
	switch {
	case !s.Asks(signer.Public()):
		return nil, fmt.Errorf("cannot sign %s metadata with key %s: %w", s.Role, statement.KeyID(signer.Public())[:12], ErrNotAsked)
	case s.paper.SignedBy(signer.Public()):
		return nil, fmt.Errorf("cannot sign %s metadata with key %s: %w", s.Role, statement.KeyID(signer.Public())[:12], ErrSigned)
	}
	return catalog.Countersign(s.paper.data, signer)
}

// Take takes metadata from another copy: it becomes pending, or its signatures are
// added to what is pending and says the same. It reports whether anything is new.
func (f *Folder) Take(role string, data []byte) (bool, error) {
	s, err := f.Draft(role, data)
	if err != nil {
		return false, err
	}
	if s.Overtaken {
		return false, fmt.Errorf("cannot take %s metadata of version %d: %w", role, s.Version, ErrOvertaken)
	}
	was, there := f.pending[role]
	if !there {
		return true, f.Keep(role, data)
	}
	if !was.Same(s.paper.Paper) {
		return false, f.Free(role)
	}
	merged, err := catalog.Merge(was.data, data, s.keys())
	if err != nil || string(merged) == string(was.data) {
		return false, err
	}
	return true, f.Keep(role, merged)
}

// Settle removes what is pending and in the catalog by now, and returns its roles.
func (f *Folder) Settle() ([]string, error) {
	var done []string
	for _, role := range f.Roles(true) {
		now, there := f.current[role]
		if !there || !now.Same(f.pending[role].Paper) {
			continue
		}
		if err := f.Drop(role); err != nil {
			return done, err
		}
		done = append(done, role)
	}
	return done, f.Tidy()
}

// Drop removes what is pending for a role.
func (f *Folder) Drop(role string) error {
	if _, there := f.pending[role]; !there {
		return fmt.Errorf("cannot drop %.80q: %w", role, ErrNotPending)
	}
	if err := os.Remove(filepath.Join(f.dir, pendingDir, role+".json")); err != nil {
		return fmt.Errorf("cannot drop what is pending: %w", err)
	}
	delete(f.pending, role)
	return nil
}
