package hotstick

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"github.com/hotstick/hotstick/internal/shape"
)

// HostID names one host for its whole life. It is derived from the host's own
// identity key (see [NewHostID]), so two machines never share one and a deleted
// host's ID never comes back to another machine.
type HostID string

// Fingerprint is the SHA-256 digest of a host's identity public key. Plans
// commit to it, so a server that owns the certificate authority still cannot
// put another machine in a host's place.
type Fingerprint = Digest

// NewFingerprint returns the fingerprint of an identity public key, which is 32
// bytes of Ed25519.
func NewFingerprint(key []byte) Fingerprint { return NewDigest(key) }

// NewHostID derives the host's ID from its identity public key, which is 32 bytes of
// Ed25519: "h-" and the first 80 bits of the key's SHA-256 digest in lower-case base
// 32.
func NewHostID(key []byte) HostID {
	sum := sha256.Sum256(key)
	return HostID("h-" + strings.ToLower(base32.StdEncoding.EncodeToString(sum[:10])))
}

var hostIDPattern = shape.All("a-z2-7", 16, 16).After("h-")

// Validate reports whether the ID has the form that [NewHostID] makes.
func (id HostID) Validate() error {
	if !hostIDPattern.MatchString(string(id)) {
		return fmt.Errorf("cannot use %q as a host ID: want h- and 16 base-32 characters", string(id))
	}
	return nil
}

// Digest is the SHA-256 digest of some bytes, written "sha256:" and 64 lower-case
// hexadecimal digits.
type Digest string

// NewDigest computes the digest of data.
func NewDigest(data []byte) Digest {
	sum := sha256.Sum256(data)
	return Digest("sha256:" + hex.EncodeToString(sum[:]))
}

var digestPattern = shape.All("0-9a-f", 64, 64).After("sha256:")

// Validate reports whether the digest is well formed.
func (d Digest) Validate() error {
	if !digestPattern.MatchString(string(d)) {
		return fmt.Errorf("cannot use %q as a digest: want sha256: and 64 hexadecimal digits", string(d))
	}
	return nil
}

// Hex returns the digits without the algorithm's name.
func (d Digest) Hex() string { return strings.TrimPrefix(string(d), "sha256:") }

// Short returns the first twelve digits, for people.
func (d Digest) Short() string {
	if h := d.Hex(); len(h) > 12 {
		return h[:12]
	}
	return d.Hex()
}

// PlanID is the digest of the signed plan's payload. Approvals, grants and
// reports carry it, so an edited plan is another plan.
type PlanID = Digest

// Person names somebody who signs, as the catalog's root metadata lists them.
// Two keys of one person count once.
type Person string

// KernelBuild is what a live patch must match exactly: the same release string
// can be built twice, the build ID cannot.
type KernelBuild struct {
	// Release is what uname -r prints, such as 6.1.0-47-amd64.
	Release string `json:"release"`
	// Arch is the machine's architecture as uname -m prints it, such as x86_64.
	Arch string `json:"arch"`
	// BuildID is the GNU build-id note of the running kernel, in hexadecimal
	// (source: /sys/kernel/notes).
	BuildID string `json:"build_id"`
}

var (
	releasePattern = shape.Of("0-9A-Za-z", "0-9A-Za-z.+~_-", 1, 128)
	buildIDPattern = shape.All("0-9a-f", 16, 64)
	archPattern    = shape.All("a-z0-9_", 2, 16)
)

// Validate reports what is malformed.
func (b KernelBuild) Validate() error {
	switch {
	case !releasePattern.MatchString(b.Release):
		return fmt.Errorf("cannot use %q as a kernel release", b.Release)
	case !archPattern.MatchString(b.Arch):
		return fmt.Errorf("cannot use %q as an architecture", b.Arch)
	case !buildIDPattern.MatchString(b.BuildID):
		return fmt.Errorf("cannot use %q as a kernel build ID: want 16 to 64 hexadecimal digits", b.BuildID)
	}
	return nil
}

// String shows the build to people: release and the start of the build ID.
func (b KernelBuild) String() string {
	id := b.BuildID
	if len(id) > 8 {
		id = id[:8]
	}
	return b.Release + " (" + id + ")"
}

// PatchRef names one level of a patch, written NAME@LEVEL.
type PatchRef struct {
	Name  string `json:"name"`
	Level int    `json:"level"`
}

var patchNamePattern = shape.Of("a-z", "a-z0-9-", 1, 63)

// String returns NAME@LEVEL.
func (r PatchRef) String() string { return r.Name + "@" + strconv.Itoa(r.Level) }

// IsZero reports whether the reference names no patch: the kernel as it booted.
func (r PatchRef) IsZero() bool { return r == PatchRef{} }

// Validate reports what is malformed. Levels start at 1.
func (r PatchRef) Validate() error {
	if !patchNamePattern.MatchString(r.Name) {
		return fmt.Errorf("cannot use %q as a patch name: want lower-case letters, digits and dashes", r.Name)
	}
	if r.Level < 1 || r.Level > 1_000_000 {
		return fmt.Errorf("cannot use %d as a level of %s: levels start at 1", r.Level, r.Name)
	}
	return nil
}

// ParsePatchRef reads NAME@LEVEL.
func ParsePatchRef(s string) (PatchRef, error) {
	name, level, ok := strings.Cut(s, "@")
	if !ok {
		return PatchRef{}, fmt.Errorf("cannot read %q as a patch: want NAME@LEVEL, such as unix-ioctl@1", s)
	}
	n, err := strconv.Atoi(level)
	if err != nil || strconv.Itoa(n) != level {
		return PatchRef{}, fmt.Errorf("cannot read %q as a level in %q: want a whole number", level, s)
	}
	ref := PatchRef{Name: name, Level: n}
	return ref, ref.Validate()
}
