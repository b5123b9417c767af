package catalog

import (
	"context"
	"crypto/ed25519"
	"errors"
	"io"
	"io/fs"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/statement"
)

var errLater = errors.New("cannot do this: not written yet")

// RootSpec is what the root metadata says.
type RootSpec struct {
	// RootKeys may sign the next root, RootThreshold of them together.
	RootKeys      []ed25519.PublicKey
	RootThreshold int
	// PublisherKeys may publish patches, PublisherThreshold of them together.
	PublisherKeys      []ed25519.PublicKey
	PublisherThreshold int
	// OnlineKeys are the server's, for snapshot and timestamp.
	OnlineKeys []ed25519.PublicKey
	// Trust says which keys speak for whom in statements.
	Trust   hotstick.Trust
	Expires time.Time
}

// Init makes and signs the first root metadata (version 1).
func Init(spec RootSpec, signers ...statement.Signer) ([]byte, error) { return nil, errLater }

// NextRoot makes the root that follows current. Enough keys of the old root and
// of the new one must sign, here or later with [Countersign].
func NextRoot(current []byte, spec RootSpec, signers ...statement.Signer) ([]byte, error) {
	return nil, errLater
}

// ReadRoot returns what a root says, and its version. It checks that the root is
// signed by enough of its own keys, not that anybody trusts it.
func ReadRoot(root []byte) (RootSpec, int64, error) { return RootSpec{}, 0, errLater }

// EmptyTargets makes and signs targets metadata (version 1) without any patch.
func EmptyTargets(expires time.Time, signers ...statement.Signer) ([]byte, error) {
	return nil, errLater
}

// Countersign adds a signature to root or targets metadata.
func Countersign(document []byte, signer statement.Signer) ([]byte, error) { return nil, errLater }

// ModuleCheck looks into the bytes of one artifact before they are published: an
// ELF kernel module marked as a live patch, made for this build, of this name.
type ModuleCheck func(patch hotstick.Patch, artifact hotstick.Artifact, data []byte) error

// Publication is one patch level to be published.
type Publication struct {
	// Root and Targets are the newest trusted metadata files.
	Root, Targets []byte
	Patch         hotstick.Patch
	// Read returns the bytes of an artifact of Patch.
	Read func(hotstick.Artifact) ([]byte, error)
	// Check looks into each artifact's bytes.
	Check ModuleCheck
	// Expires ends the life of the new targets metadata.
	Expires time.Time
}

// Publish returns the targets metadata with one patch more, version one higher,
// signed by the publisher. Publishing the same level with the same bytes again
// returns an error that wraps [ErrPublished].
func Publish(p Publication, signers ...statement.Signer) ([]byte, error) { return nil, errLater }

// ErrPublished tells that the catalog has exactly this patch already.
var ErrPublished = errors.New("the catalog has it already")

// View is what a verified catalog says.
type View struct {
	// Version is the version of the snapshot metadata.
	Version int64
	// Expires is when the first of the four metadata files expires. Nothing new
	// may start from an expired view.
	Expires time.Time
	Trust   hotstick.Trust
	// Patches in the order of their publication.
	Patches []hotstick.Patch
}

// NewView makes a view with an index over its patches.
func NewView(version int64, expires time.Time, trust hotstick.Trust, patches []hotstick.Patch) View {
	return View{}
}

// Expired reports whether the view's signatures have expired at now.
func (v View) Expired(now time.Time) bool { return !now.Before(v.Expires) }

// Patch returns one patch level.
func (v View) Patch(ref hotstick.PatchRef) (hotstick.Patch, bool) { return hotstick.Patch{}, false }

// ByModule returns the patch whose artifact for build is loaded as module.
func (v View) ByModule(build hotstick.KernelBuild, module string) (hotstick.Patch, bool) {
	return hotstick.Patch{}, false
}

// ByArtifact returns the patch and its artifact with this digest.
func (v View) ByArtifact(digest hotstick.Digest) (hotstick.Patch, hotstick.Artifact, bool) {
	return hotstick.Patch{}, hotstick.Artifact{}, false
}

// Repository is the catalog on the server: a directory of TUF files, and the
// online key that signs snapshot and timestamp. It is safe for concurrent use.
type Repository struct{}

// CreateRepository makes a repository in an empty directory from the first root
// and targets metadata.
func CreateRepository(dir string, root, targets []byte, online statement.Signer, now time.Time) (*Repository, error) {
	return nil, errLater
}

// OpenRepository opens an existing repository and verifies all of its metadata.
func OpenRepository(dir string, online statement.Signer) (*Repository, error) { return nil, errLater }

// AddArtifact takes the bytes of an artifact before the targets metadata that
// lists it. It is not served until [Repository.Accept].
func (r *Repository) AddArtifact(data io.Reader) (hotstick.Digest, error) { return "", errLater }

// Accept takes new targets metadata: signed by the publishers, exactly one version
// higher, every artifact present. The same targets again change nothing.
func (r *Repository) Accept(targets []byte, now time.Time) (View, error) { return View{}, errLater }

// AcceptRoot takes the root that follows the current one.
func (r *Repository) AcceptRoot(root []byte, now time.Time) (View, error) { return View{}, errLater }

// Refresh renews the timestamp, and the snapshot, if their life is running out,
// and reports whether it did. Call it at least every hour.
func (r *Repository) Refresh(now time.Time) (bool, error) { return false, errLater }

// View returns what the catalog says now.
func (r *Repository) View() View { return View{} }

// Root returns the newest root metadata, which new hosts pin.
func (r *Repository) Root() []byte { return nil }

// Targets returns the current targets metadata, which the publisher extends.
func (r *Repository) Targets() []byte { return nil }

// Open opens a file of the repository by the name that a client's [Fetcher]
// fetches, such as 3.root.json, timestamp.json or targets/….ko. Any other name
// gives an error that wraps fs.ErrNotExist.
func (r *Repository) Open(name string) (fs.File, error) { return nil, errLater }

// Fetcher is where a client gets the files of the catalog from: a server or a
// directory. Nothing it returns is believed.
type Fetcher interface {
	// Fetch returns the file of that name, with an error if it is longer than
	// maxBytes. Where there is no such file the error wraps fs.ErrNotExist.
	Fetch(ctx context.Context, name string, maxBytes int64) ([]byte, error)
}

// Staged is a [Fetcher] that reads a directory: a repository's, or the state
// directory of another [Client].
type Staged struct{}

// NewStaged returns a fetcher for the directory. It never leaves the directory,
// whatever links are in it.
func NewStaged(dir string) *Staged { return &Staged{} }

// Fetch implements [Fetcher].
func (s *Staged) Fetch(ctx context.Context, name string, maxBytes int64) ([]byte, error) {
	return nil, errLater
}

// Client reads the catalog on a host, or anywhere else where the source is not
// trusted. It keeps what it has verified in its own directory, whose files have
// the names and form of the source's, so that another client can read them as
// its source. A client is not safe for concurrent use.
type Client struct{}

// NewClient opens a client with its state directory, which must be writable by
// its owner only. pinned is the root that the host was given when it enrolled;
// it may be nil if the directory holds one already. source may be nil for a client
// that only calls [Client.Load].
func NewClient(dir string, pinned []byte, source Fetcher) (*Client, error) { return nil, errLater }

// Refresh brings the client up to date with its source. On any error the last
// trusted view stays as it was. Errors wrap [ErrExpired] or [ErrRefused] where
// the source gave something that is not acceptable.
func (c *Client) Refresh(ctx context.Context, now time.Time) (View, error) {
	return View{}, errLater
}

// Load returns the last trusted view from the state directory, even if it has
// expired, without asking the source. The error wraps fs.ErrNotExist if there is none.
func (c *Client) Load() (View, error) { return View{}, errLater }

// Artifact returns the verified bytes of an artifact of the last trusted view,
// from the state directory or else from the source.
func (c *Client) Artifact(ctx context.Context, digest hotstick.Digest) ([]byte, error) {
	return nil, errLater
}

// Keep makes sure that the artifact is in the state directory, durably, and
// returns the path of its file. It verifies the bytes again each time.
func (c *Client) Keep(ctx context.Context, digest hotstick.Digest) (string, error) {
	return "", errLater
}

// Prune removes all kept artifacts but these.
func (c *Client) Prune(keep ...hotstick.Digest) error { return errLater }

// ErrExpired tells that the source's metadata has expired.
var ErrExpired = errors.New("the catalog's signatures have expired")

// ErrRefused tells that the source gave metadata or an artifact that is not
// properly signed, is older than what is known, or is malformed.
var ErrRefused = errors.New("the catalog was refused")

// ArtifactFile returns the name under which an artifact is fetched, such as
// targets/HEX.sha256-HEX.ko.
func ArtifactFile(digest hotstick.Digest) string { return "" }
