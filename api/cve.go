package api

import (
	"time"

	"github.com/hotstick/hotstick"
)

// CVE is a CVE that a feed speaks of, and how the fleet stands with it.
type CVE struct {
	CVE       string    `json:"cve"`
	Title     string    `json:"title,omitempty"`
	Published time.Time `json:"published,omitzero"`
	// CVSS is the score of the newest version, KEV CISA's entry among the exploited, EPSS the
	// prediction; each is missing where no feed has it.
	CVSS *hotstick.Score      `json:"cvss,omitempty"`
	KEV  *hotstick.Exploited  `json:"kev,omitempty"`
	EPSS *hotstick.Prediction `json:"epss,omitempty"`
	// Priority is the most urgent one that it has on any host: act, attend, track* or track.
	// It is missing where it is open on none.
	Priority string   `json:"priority,omitempty"`
	Hosts    CVEHosts `json:"hosts"`
	// Patches are the levels of the catalog that close it on some kernel build.
	Patches []hotstick.PatchRef `json:"patches"`
	// OpenSince is since when it is open on any host that it is open on now.
	OpenSince time.Time `json:"open_since,omitzero"`
}

// CVEHosts counts hosts by where they stand with a CVE. Exposed and Unknown count as open; they
// are never added up, or what nobody looked into would hide what somebody has found.
type CVEHosts struct {
	Exposed          int `json:"exposed"`
	Unknown          int `json:"unknown"`
	Mitigated        int `json:"mitigated"`
	FixedByLivePatch int `json:"fixed_by_live_patch"`
	FixedByBoot      int `json:"fixed_by_boot"`
	NotAffected      int `json:"not_affected"`
}

// CVEList is a page of CVEs, the most urgent first.
type CVEList struct {
	CVEs []CVE `json:"cves"`
	// Total counts all that match, on every page.
	Total int    `json:"total"`
	Next  string `json:"next,omitempty"`
	// Basis is what all of it rests on.
	Basis CVEBasis `json:"basis"`
}

// CVEBasis is what an answer about CVEs rests on.
type CVEBasis struct {
	// Feeds counts those that are read, and Read is when any of them was last read to its end.
	Feeds int       `json:"feeds"`
	Read  time.Time `json:"read,omitzero"`
	// CVEs counts those that the feeds speak of, and Hosts those that were judged.
	CVEs  int `json:"cves"`
	Hosts int `json:"hosts"`
}

// CVEDetail is one CVE with who is open to it and what sources say.
type CVEDetail struct {
	CVE CVE `json:"cve"`
	// Scores are CVSS, the newest version first.
	Scores []hotstick.Score `json:"scores"`
	// Priorities counts the hosts on which it is open by the priority that it has there.
	Priorities map[string]int `json:"priorities"`
	// Kernels counts hosts by the kernel that they booted, those with the most open ones first.
	Kernels []KernelExposure `json:"kernels"`
	// Says is what each source says of each product. More counts what was left out.
	Says []hotstick.Advisory `json:"says"`
	More int                 `json:"more,omitempty"`
}

// KernelExposure counts the hosts that booted one kernel.
type KernelExposure struct {
	// Product and Version are as sources speak of the kernel; what it does not tell is empty.
	Product hotstick.KernelProduct `json:"product"`
	Version string                 `json:"version"`
	Arch    string                 `json:"arch"`
	Hosts   CVEHosts               `json:"hosts"`
	// Disputed counts those of which sources disagree on whether it is open.
	Disputed int `json:"disputed,omitempty"`
}

// CVEHostList is a page of the hosts that stand somewhere with a CVE, by their IDs.
type CVEHostList struct {
	CVE   string         `json:"cve"`
	Hosts []HostExposure `json:"hosts"`
	Total int            `json:"total"`
	Next  string         `json:"next,omitempty"`
}

// HostExposure is where one host stands with one CVE.
type HostExposure struct {
	Host   HostRef                 `json:"host"`
	CVE    string                  `json:"cve"`
	State  hotstick.ExposureState  `json:"state"`
	Reason hotstick.ExposureReason `json:"reason"`
	// Priority is how soon somebody has to act; only while it is open.
	Priority string `json:"priority,omitempty"`
	// Release is of the booted kernel.
	Release   string    `json:"release,omitempty"`
	OpenSince time.Time `json:"open_since,omitzero"`
}

// HostCVEList is a page of CVEs of one host, what is open first, the most urgent first.
type HostCVEList struct {
	Host HostRef   `json:"host"`
	CVEs []HostCVE `json:"cves"`
	// Counts are of all CVEs, whatever the filter.
	Counts CVEHosts `json:"counts"`
	Total  int      `json:"total"`
	Next   string   `json:"next,omitempty"`
	Basis  CVEBasis `json:"basis"`
}

// HostCVE is where the host stands with one CVE.
type HostCVE struct {
	HostExposure
	Title string               `json:"title,omitempty"`
	CVSS  *hotstick.Score      `json:"cvss,omitempty"`
	KEV   *hotstick.Exploited  `json:"kev,omitempty"`
	EPSS  *hotstick.Prediction `json:"epss,omitempty"`
}

// Exposure says where a host stands with a CVE, why, and by whose word.
type Exposure struct {
	HostCVE
	// Lines say it in sentences, the most telling first, and Changes what would change it;
	// empty if nothing needs to.
	Lines   []string `json:"lines"`
	Changes string   `json:"changes,omitempty"`
	// Kernel is the booted kernel, and Memory the level in memory where the system tells one
	// beside it.
	Kernel ExposedKernel `json:"kernel"`
	Memory string        `json:"memory,omitempty"`
	// Patch is in effect and closes it; the zero level if none does.
	Patch hotstick.PatchRef `json:"patch,omitzero"`
	// Offers are the levels of the catalog that close it on this kernel build.
	Offers []hotstick.PatchRef `json:"offers"`
	// Disputed: sources disagree on whether it is open.
	Disputed bool     `json:"disputed,omitempty"`
	Says     []Saying `json:"says"`
	// Path is the way through the tree of priorities; only while it is open.
	Path []PriorityStep `json:"path,omitempty"`
	// Intervals are the times in which it was open, the oldest first.
	Intervals []ExposureInterval `json:"intervals"`
}

// ExposedKernel is a booted kernel as sources speak of it.
type ExposedKernel struct {
	Product hotstick.KernelProduct `json:"product"`
	Version string                 `json:"version"`
}

// Saying is what one source says of the booted kernel, those that decide first.
type Saying struct {
	Source  hotstick.AdvisorySource `json:"source"`
	Product hotstick.KernelProduct  `json:"product"`
	Reason  hotstick.ExposureReason `json:"reason"`
	// Introduced and Fixed bound the range that the reason follows from.
	Introduced    string                 `json:"introduced,omitempty"`
	Fixed         string                 `json:"fixed,omitempty"`
	Justification hotstick.Justification `json:"justification,omitempty"`
	// Module is the only one that has the hole, where the source names it.
	Module string `json:"module,omitempty"`
	// Vendor: it is the vendor's own word. Decides: nobody's beats it.
	Vendor  bool `json:"vendor,omitempty"`
	Decides bool `json:"decides,omitempty"`
}

// PriorityStep is one answer on the way to a priority.
type PriorityStep struct {
	Ask    string `json:"ask"`
	Answer string `json:"answer"`
	// Because is what the answer follows from.
	Because string `json:"because"`
	// Assumed: nothing was known, so the worst was taken.
	Assumed bool `json:"assumed,omitempty"`
}

// ExposureInterval is a time in which the host was open to the CVE.
type ExposureInterval struct {
	Began time.Time `json:"began"`
	// Reason is why it counted as open when it began; Feed and Document are whose word it was.
	Reason   hotstick.ExposureReason `json:"reason"`
	Feed     string                  `json:"feed,omitempty"`
	Document string                  `json:"document,omitempty"`
	// Ended is missing while it is open still; Closed is why it ended.
	Ended  *time.Time              `json:"ended,omitempty"`
	Closed hotstick.ExposureReason `json:"closed,omitempty"`
}
