package hotstick

import (
	"fmt"
	"regexp"
	"time"
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
	// Class says what the level is for: security or bugfix; empty if nobody said.
	Class string `json:"class,omitempty"`
	// Severity is low, medium, high or critical; empty if nobody said.
	Severity string `json:"severity,omitempty"`
	// Published is when the level was first signed into the catalog; zero for those
	// of before this was written down. Policies count a patch's age from it.
	Published time.Time  `json:"published,omitzero"`
	Artifacts []Artifact `json:"artifacts"`
}

// Artifact is the bytes of one patch level for one kernel build and one driver.
type Artifact struct {
	Build  KernelBuild `json:"build"`
	Digest Digest      `json:"digest"`
	// SizeBytes is the exact length of the file.
	SizeBytes int64 `json:"size_bytes"`
	// Module is the name under which the kernel lists it.
	Module string `json:"module"`
	// SignedBy is the key whose signature the module carries, for kernels that
	// demand one; zero if it carries none.
	SignedBy KernelKey `json:"signed_by,omitzero"`
}

var (
	cvePattern    = regexp.MustCompile(`^CVE-[0-9]{4}-[0-9]{4,19}$`)
	modulePattern = regexp.MustCompile(`^[a-z][a-z0-9_]{0,54}$`)
	driverPattern = regexp.MustCompile(`^[a-z][a-z0-9]{1,31}$`)
	vendorPattern = regexp.MustCompile(`^[a-z][a-z0-9-]{0,31}$`)
	keyIDPattern  = regexp.MustCompile(`^([0-9a-f]{2}){0,64}$`)
)

// maxKeyName bounds the name of a kernel key, in bytes.
const maxKeyName = 256

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
	if len(a.SignedBy.Name) > maxKeyName || !keyIDPattern.MatchString(a.SignedBy.ID) {
		return fmt.Errorf("cannot use %.80q as the key of a module's signature", a.SignedBy.String())
	}
	return nil
}
