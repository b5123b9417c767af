package hotstick

import (
	"fmt"
	"slices"
	"time"
)

// VersionScheme says by whose rules versions of a kernel package are compared.
type VersionScheme string

const (
	// DebVersions are compared as dpkg does.
	DebVersions VersionScheme = "deb"
	// RPMVersions are compared as rpm does.
	RPMVersions VersionScheme = "rpm"
	// UpstreamVersions are kernel.org's, such as 6.1.140.
	UpstreamVersions VersionScheme = "upstream"
	// WindowsVersions are builds with their revision, such as 10.0.26100.3788.
	WindowsVersions VersionScheme = "windows"
)

// VersionSchemes returns the closed set.
func VersionSchemes() []VersionScheme {
	return []VersionScheme{DebVersions, RPMVersions, UpstreamVersions, WindowsVersions}
}

// KernelProduct is a line of kernels that one vendor fixes together.
type KernelProduct struct {
	// Distribution is ID and VERSION_ID of os-release, such as debian:12, rhel:9.4,
	// sles:15.6, ubuntu:22.04; "upstream" for kernel.org, windows:2025.
	Distribution string `json:"distribution"`
	// Package is the source package, such as linux, linux-aws, kernel, kernel-default.
	Package string        `json:"package"`
	Scheme  VersionScheme `json:"scheme"`
}

// AdvisoryStatus is what a source says of a CVE in a product.
type AdvisoryStatus string

const (
	// AdvisoryAffected: the versions of the ranges have the hole.
	AdvisoryAffected AdvisoryStatus = "affected"
	// AdvisoryNotAffected: no version of the product has the hole, for the reason given.
	AdvisoryNotAffected AdvisoryStatus = "not_affected"
	// AdvisoryInvestigating: the vendor does not know yet.
	AdvisoryInvestigating AdvisoryStatus = "under_investigation"
)

// AdvisoryStatuses returns the closed set.
func AdvisoryStatuses() []AdvisoryStatus {
	return []AdvisoryStatus{AdvisoryAffected, AdvisoryNotAffected, AdvisoryInvestigating}
}

// Justification is why a product or a host is not affected, in VEX's words.
type Justification string

// VEX's five justifications (source: CISA, VEX status justifications, 2022).
const (
	ComponentNotPresent        Justification = "component_not_present"
	VulnerableCodeNotPresent   Justification = "vulnerable_code_not_present"
	VulnerableCodeNotReachable Justification = "vulnerable_code_not_in_execute_path"
	VulnerableCodeUncontrolled Justification = "vulnerable_code_cannot_be_controlled_by_adversary"
	InlineMitigationsExist     Justification = "inline_mitigations_already_exist"
)

// Justifications returns the closed set.
func Justifications() []Justification {
	return []Justification{ComponentNotPresent, VulnerableCodeNotPresent, VulnerableCodeNotReachable, VulnerableCodeUncontrolled, InlineMitigationsExist}
}

// VersionRange holds the versions from Introduced up to, not including, Fixed, or up to
// and including LastAffected.
type VersionRange struct {
	// Introduced is empty where every older version is affected too.
	Introduced string `json:"introduced,omitempty"`
	// Fixed is empty where no version is fixed yet.
	Fixed string `json:"fixed,omitempty"`
	// LastAffected stands in place of Fixed where a source names the newest affected
	// version and no fix: no version is the one after another, so that the range with
	// this one in it cannot be written with Fixed.
	LastAffected string `json:"last_affected,omitempty"`
}

// Advisory is what one source says of one CVE in one product.
type Advisory struct {
	CVE     string         `json:"cve"`
	Product KernelProduct  `json:"product"`
	Status  AdvisoryStatus `json:"status"`
	// Ranges are the affected versions; only with affected, and then at least one, unless
	// Unreadable.
	Ranges []VersionRange `json:"ranges,omitempty"`
	// Unreadable: the source calls other versions affected too, and which cannot be read.
	// What is in none of the ranges is not closed by that. Only with affected.
	Unreadable bool `json:"unreadable,omitempty"`
	// Justification is given with not_affected where the source gives one.
	Justification Justification `json:"justification,omitempty"`
	// Module is the only module that has the hole, where the source names one. A kernel that
	// has not loaded it, and cannot any more, is not exposed by it.
	Module string         `json:"module,omitempty"`
	Source AdvisorySource `json:"source"`
}

// AdvisorySource says where an advisory was read.
type AdvisorySource struct {
	// Feed is the name that the operator has given the source.
	Feed string `json:"feed"`
	// Document is the source's own ID, such as DSA-5681-1 or RHSA-2026:1234.
	Document string `json:"document"`
	// Complete are the distributions with their releases, such as debian:12, for which the
	// feed names every CVE that affects a kernel, and the document every kernel that its CVE
	// affects: one that it leaves out there is not affected. Elsewhere absence says nothing.
	Complete []string `json:"complete,omitempty"`
	// Digest is of the document's bytes as they were read.
	Digest  Digest    `json:"digest"`
	Fetched time.Time `json:"fetched"`
}

// Vulnerability is what is known of a CVE whatever the product.
type Vulnerability struct {
	CVE       string    `json:"cve"`
	Summary   string    `json:"summary,omitempty"`
	Published time.Time `json:"published,omitzero"`
	// Scores are CVSS, the newest version first.
	Scores []Score `json:"scores,omitempty"`
	// Exploited is set where CISA's catalog of known exploited vulnerabilities lists it.
	Exploited *Exploited `json:"exploited,omitempty"`
	// Prediction is EPSS's.
	Prediction *Prediction `json:"prediction,omitempty"`
}

// Score is one CVSS score.
type Score struct {
	// Version is 3.0, 3.1 or 4.0.
	Version string `json:"version"`
	Vector  string `json:"vector"`
	// Base is computed from the vector, 0 to 10: what a source claims is not taken.
	Base   float64 `json:"base"`
	Source string  `json:"source,omitempty"`
}

// Exploited is an entry of CISA's catalog (KEV).
type Exploited struct {
	Added time.Time `json:"added"`
	// Due is CISA's date for agencies.
	Due        time.Time `json:"due,omitzero"`
	Ransomware bool      `json:"ransomware,omitempty"`
}

// Prediction is EPSS: how likely the hole is exploited within 30 days.
type Prediction struct {
	Probability float64   `json:"probability"`
	Percentile  float64   `json:"percentile"`
	Date        time.Time `json:"date"`
}

// Validate checks an advisory that came from outside.
func (a Advisory) Validate() error {
	if err := ValidateCVE(a.CVE); err != nil {
		return err
	}
	switch {
	case a.Product.Distribution == "" || a.Product.Package == "":
		return fmt.Errorf("cannot use an advisory for %s: it names no product", a.CVE)
	case !slices.Contains(VersionSchemes(), a.Product.Scheme):
		return fmt.Errorf("cannot use %q as a version scheme: want one of %v", a.Product.Scheme, VersionSchemes())
	case !slices.Contains(AdvisoryStatuses(), a.Status):
		return fmt.Errorf("cannot use %q as an advisory's status: want one of %v", a.Status, AdvisoryStatuses())
	case (a.Status == AdvisoryAffected) != (len(a.Ranges) > 0 || a.Unreadable):
		return fmt.Errorf("cannot use an advisory for %s that is %s with %d ranges", a.CVE, a.Status, len(a.Ranges))
	case a.Justification != "" && (a.Status != AdvisoryNotAffected || !slices.Contains(Justifications(), a.Justification)):
		return fmt.Errorf("cannot use %q as the justification of an advisory that is %s", a.Justification, a.Status)
	}
	for _, r := range a.Ranges {
		if r.Fixed != "" && r.LastAffected != "" {
			return fmt.Errorf("cannot use a range of %s that ends twice, before %.40q and with %.40q", a.CVE, r.Fixed, r.LastAffected)
		}
	}
	return a.Source.Digest.Validate()
}
