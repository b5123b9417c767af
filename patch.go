package hotstick

import (
	"fmt"
	"regexp"
	"time"

	"github.com/hotstick/hotstick/internal/shape"
)

// Patch is one level of a fix: what it closes and the artifacts that carry it.
// It is what the catalog signs.
type Patch struct {
	Ref     PatchRef `json:"ref"`
	Summary string   `json:"summary"`
	// CVEs lists what this level closes, older levels' CVEs included.
	CVEs []string `json:"cves,omitempty"`
	// Vendor is who made the patch, such as canonical; empty if nobody said.
	Vendor        string        `json:"vendor,omitempty"`
	Driver        string        `json:"driver"`
	Reversibility Reversibility `json:"reversibility"`
	// Replace: the level replaces every older one when it is loaded (cumulative).
	Replace bool `json:"replace"`
	// Functions are written OBJECT:FUNCTION. A crash whose trace names one of
	// them, or the module, is blamed on the patch.
	Functions []string `json:"functions,omitempty"`
	// Touches are what the level needs beside the kernel's code, in the order in which
	// it is done. A reader that does not know the field refuses the catalog.
	Touches []Touch `json:"touches,omitempty"`
	// Class says what the level is for: security or bugfix; empty if nobody said.
	Class string `json:"class,omitempty"`
	// Severity is low, medium, high or critical; empty if nobody said.
	Severity string `json:"severity,omitempty"`
	// Published is when the level was first signed into the catalog; zero for those
	// of before this was written down. Policies count a patch's age from it.
	Published time.Time  `json:"published,omitzero"`
	Artifacts []Artifact `json:"artifacts"`
}

// Artifact is the bytes of one patch level for one kernel build and one driver: a module
// for drivers of class bytes, and a [Recipe] for the others.
type Artifact struct {
	Build  KernelBuild `json:"build"`
	Digest Digest      `json:"digest"`
	// SizeBytes is the exact length of the file.
	SizeBytes int64 `json:"size_bytes"`
	// Module is the name under which the driver's truth source lists it.
	Module string `json:"module"`
	// SignedBy is the key whose signature the module carries, for kernels that
	// demand one; zero if it carries none.
	SignedBy KernelKey `json:"signed_by,omitzero"`
	// SignedHash is the hash that the module's own signature is over, such as sha512;
	// empty if it carries none or one that this version does not know.
	SignedHash string `json:"signed_hash,omitempty"`
	// VendorSignature is what the vendor signed the file with, apart from it; zero if
	// nothing was kept.
	VendorSignature VendorSignature `json:"vendor_signature,omitzero"`
}

// VendorSignature is a vendor's own signature over an artifact, in a file of its own.
// It is kept and shown for whoever wants to check it with the vendor's tools. Hotstick
// verifies nothing of it, and nothing that Hotstick trusts rests on it: an artifact
// may be loaded because publishers signed its digest into the catalog.
type VendorSignature struct {
	Kind   SignatureKind `json:"kind"`
	Digest Digest        `json:"digest"`
	// SizeBytes is the exact length of the file.
	SizeBytes int64 `json:"size_bytes"`
	// Signer is the key that the file itself names, such as the ID of a PGP key; empty
	// if there is no telling. Anybody can write it there.
	Signer string `json:"signer,omitempty"`
}

// SignatureKind is the format of a vendor's signature. The set is closed.
type SignatureKind string

// The formats.
const (
	SignaturePGP      SignatureKind = "pgp"
	SignaturePKCS7    SignatureKind = "pkcs7"
	SignatureMinisign SignatureKind = "minisign"
	SignatureSSH      SignatureKind = "ssh"
)

// Files lists every file of the patch by digest and length: its artifacts, and the
// vendors' signatures over them as artifacts without a module.
func (p Patch) Files() []Artifact {
	files := append([]Artifact(nil), p.Artifacts...)
	for _, a := range p.Artifacts {
		if s := a.VendorSignature; s != (VendorSignature{}) {
			files = append(files, Artifact{Build: a.Build, Digest: s.Digest, SizeBytes: s.SizeBytes})
		}
	}
	return files
}

var (
	cvePattern    = regexp.MustCompile(`^CVE-[0-9]{4}-[0-9]{4,19}$`)
	modulePattern = shape.Of("a-zA-Z", "a-zA-Z0-9_", 1, 55)
	driverPattern = shape.Of("a-z", "a-z0-9", 2, 32)
	vendorPattern = shape.Of("a-z", "a-z0-9-", 1, 32)
	hashPattern   = shape.All("a-z0-9-", 0, 16)
	keyIDPattern  = shape.All("0-9a-f", 0, 128)
)

// maxKeyName bounds the name of a kernel key, in bytes.
const maxKeyName = 256

// MaxVendorSignatureBytes bounds a vendor's signature.
const MaxVendorSignatureBytes = 64 << 10

// MaxArtifactBytes bounds one artifact. The largest vendor live patches are
// some megabytes.
const MaxArtifactBytes = 64 << 20

// Artifact returns the artifact for a kernel build.
func (p Patch) Artifact(build KernelBuild) (Artifact, bool) {
	for _, a := range p.Artifacts {
		if a.Build == build {
			return a, true
		}
	}
	return Artifact{}, false
}

// Validate reports the first thing that is malformed.
func (p Patch) Validate() error {
	if err := p.Ref.Validate(); err != nil {
		return err
	}
	if !driverPattern.MatchString(p.Driver) {
		return fmt.Errorf("cannot use %q as the driver of %s", p.Driver, p.Ref)
	}
	if p.Vendor != "" && !vendorPattern.MatchString(p.Vendor) {
		return fmt.Errorf("cannot use %.80q as the vendor of %s: want lower-case letters, digits and dashes", p.Vendor, p.Ref)
	}
	switch p.Reversibility {
	case ReversibleLive, ReversibleDowngrade, ReversibleReboot:
	default:
		return fmt.Errorf("cannot use %q as the reversibility of %s: want live, downgrade or reboot", p.Reversibility, p.Ref)
	}
	for _, cve := range p.CVEs {
		if !cvePattern.MatchString(cve) {
			return fmt.Errorf("cannot use %q as a CVE of %s: want CVE-YEAR-NUMBER", cve, p.Ref)
		}
	}
	switch p.Class {
	case "", "security", "bugfix":
	default:
		return fmt.Errorf("cannot use %q as the class of %s: want security or bugfix", p.Class, p.Ref)
	}
	switch p.Severity {
	case "", "low", "medium", "high", "critical":
	default:
		return fmt.Errorf("cannot use %q as the severity of %s: want low, medium, high or critical", p.Severity, p.Ref)
	}
	if err := p.validateTouches(); err != nil {
		return err
	}
	return p.validateArtifacts()
}

func (p Patch) validateArtifacts() error {
	if len(p.Artifacts) == 0 {
		return fmt.Errorf("cannot use %s: it has no artifact", p.Ref)
	}
	seen := map[KernelBuild]bool{}
	for _, a := range p.Artifacts {
		if err := a.Validate(); err != nil {
			return err
		}
		if seen[a.Build] {
			return fmt.Errorf("cannot use %s: two artifacts for %s", p.Ref, a.Build)
		}
		seen[a.Build] = true
	}
	return nil
}

// Validate reports the first thing that is malformed.
func (a Artifact) Validate() error {
	if err := a.Build.Validate(); err != nil {
		return err
	}
	if err := a.Digest.Validate(); err != nil {
		return err
	}
	if a.SizeBytes < 1 || a.SizeBytes > MaxArtifactBytes {
		return fmt.Errorf("cannot use an artifact of %d bytes: the limit is %d", a.SizeBytes, MaxArtifactBytes)
	}
	if !modulePattern.MatchString(a.Module) {
		return fmt.Errorf("cannot use %q as a module name", a.Module)
	}
	if len(a.SignedBy.Name) > maxKeyName || !keyIDPattern.MatchString(a.SignedBy.ID) || len(a.SignedBy.ID)%2 != 0 {
		return fmt.Errorf("cannot use %.80q as the key of a module's signature", a.SignedBy.String())
	}
	if !hashPattern.MatchString(a.SignedHash) {
		return fmt.Errorf("cannot use %.80q as the hash of a module's signature", a.SignedHash)
	}
	return a.VendorSignature.validate(a)
}

func (s VendorSignature) validate(of Artifact) error {
	if s == (VendorSignature{}) {
		return nil
	}
	switch s.Kind {
	case SignaturePGP, SignaturePKCS7, SignatureMinisign, SignatureSSH:
	default:
		return fmt.Errorf("cannot use a vendor's signature of kind %.40q", string(s.Kind))
	}
	switch {
	case s.SizeBytes < 1 || s.SizeBytes > MaxVendorSignatureBytes:
		return fmt.Errorf("cannot use a vendor's signature of %d bytes: the limit is %d", s.SizeBytes, MaxVendorSignatureBytes)
	case s.Digest == of.Digest:
		return fmt.Errorf("cannot use an artifact as the vendor's signature over itself")
	case len(s.Signer) > maxKeyName:
		return fmt.Errorf("cannot use a signer's name of %d bytes: the limit is %d", len(s.Signer), maxKeyName)
	}
	return s.Digest.Validate()
}
