package show

import (
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/api"
)

func cves() api.CVEList {
	cvss := &hotstick.Score{Version: "3.1", Vector: "CVSS:3.1/AV:L", Base: 7.8}
	return api.CVEList{Total: 2, Basis: api.CVEBasis{Feeds: 1, CVEs: 9, Hosts: 5}, CVEs: []api.CVE{
		{CVE: "CVE-2026-52928", Title: "use after free " + evil, Published: now.AddDate(0, -1, 0), CVSS: cvss, KEV: &hotstick.Exploited{Added: now.AddDate(0, 0, -3)},
			EPSS: &hotstick.Prediction{Probability: 0.123, Date: now}, Priority: "act", Hosts: api.CVEHosts{Exposed: 2, Unknown: 1, FixedByLivePatch: 4},
			Patches: []hotstick.PatchRef{ref}, OpenSince: now.Add(-72 * time.Hour)},
		{CVE: "CVE-2026-1", Hosts: api.CVEHosts{NotAffected: 7}, Patches: []hotstick.PatchRef{}},
	}}
}

func cveExposure() api.Exposure {
	began, ended := now.Add(-72*time.Hour), now.Add(-48*time.Hour)
	first := cves().CVEs[0]
	source := hotstick.AdvisorySource{Feed: "debian", Document: "DSA-1" + evil, Digest: digest, Fetched: now.Add(-time.Hour)}
	linux := hotstick.KernelProduct{Distribution: "debian:12", Package: "linux", Scheme: hotstick.DebVersions}
	return api.Exposure{HostCVE: api.HostCVE{HostExposure: api.HostExposure{Host: api.HostRef{Host: "h-aaaaaaaaaaaaaaaa", Name: evil}, CVE: first.CVE, State: hotstick.Exposed,
		Reason: hotstick.ExposedInRange, Priority: "act", Release: old.Release, OpenSince: ended}, Title: first.Title, CVSS: first.CVSS, KEV: first.KEV, EPSS: first.EPSS},
		Lines: []string{evil + " is exposed to it.", "So says debian."}, Changes: "Boot " + evil, Kernel: api.ExposedKernel{Product: linux, Version: "6.1.10-1"}, Offers: []hotstick.PatchRef{ref}, Disputed: true,
		Says: []api.Saying{{Source: source, Product: linux, Reason: hotstick.ExposedInRange, Fixed: "6.1.20-1", Vendor: true, Decides: true},
			{Source: source, Product: linux, Reason: hotstick.NeverByVendor, Justification: hotstick.ComponentNotPresent, Module: "sctp"}},
		Path: []api.PriorityStep{{Ask: "exploitation", Answer: "active", Because: "listed as exploited"}, {Ask: "exposure", Answer: "open", Because: "no label exposure", Assumed: true}},
		Intervals: []api.ExposureInterval{{Began: began, Ended: &ended, Reason: hotstick.ExposedNoFix, Closed: hotstick.ClosedByPatch},
			{Began: ended, Reason: hotstick.ExposedInRange}}}
}

func TestTheTextsOfCVEs(t *testing.T) {
	st, wide := Style{Now: now}, Style{Now: now, Wide: true}
	e := cveExposure()
	linux := e.Kernel.Product
	detail := api.CVEDetail{CVE: cves().CVEs[0], Priorities: map[string]int{"act": 2, "track": 1}, More: 3,
		Kernels: []api.KernelExposure{{Product: linux, Version: "6.1.10-1", Arch: "x86_64", Hosts: api.CVEHosts{Exposed: 2}, Disputed: 1}},
		Says: []hotstick.Advisory{{Product: linux, Status: hotstick.AdvisoryAffected, Unreadable: true, Source: e.Says[0].Source,
			Ranges: []hotstick.VersionRange{{Fixed: "6.1.20-1"}, {Introduced: "6.2-1", LastAffected: "6.3-1"}, {Introduced: "7.0-1"}}}}}
	hosts := api.CVEHostList{CVE: "CVE-2026-52928", Total: 1, Hosts: []api.HostExposure{e.HostExposure}}
	closed := api.Exposure{HostCVE: api.HostCVE{HostExposure: api.HostExposure{Host: api.HostRef{Name: "web-01"}, CVE: "CVE-2026-1", State: hotstick.FixedByLivePatch, Reason: hotstick.ClosedByPatch}}, Memory: "26100.1", Patch: ref}
	for name, got := range map[string]string{
		"cves":           tableText(t, CVEs(cves(), st), st),
		"cves-wide":      tableText(t, CVEs(cves(), wide), wide),
		"cve":            CVE(detail, st) + CVE(api.CVEDetail{CVE: cves().CVEs[1]}, st),
		"cve-hosts":      tableText(t, CVEHosts(hosts, wide), wide) + tableText(t, CVEHosts(api.CVEHostList{CVE: "CVE-2026-1"}, st), st),
		"host-cves":      tableText(t, HostCVEs(api.HostCVEList{CVEs: []api.HostCVE{e.HostCVE}}, st), st),
		"exposure":       Exposure(e, st),
		"exposure-short": Exposure(closed, st),
	} {
		golden(t, name, got)
	}
}

func TestAnEmptyListOfCVEsSaysWhatToDo(t *testing.T) {
	for want, basis := range map[string]api.CVEBasis{
		"The server reads no advisories: name a feed with hotstick feed add.":             {Hosts: 3},
		"No feed was read to its end yet: see how that goes with hotstick feed list.":     {Feeds: 1},
		"The feeds say nothing of any kernel: see what was read with hotstick feed list.": {Feeds: 1, Read: now},
		"No host was judged yet: add one with hotstick host add.":                         {Feeds: 1, Read: now, CVEs: 5},
		"No CVE matches, of 5 that the feeds speak of.":                                   {Feeds: 1, CVEs: 5, Hosts: 3},
	} {
		if got := CVEs(api.CVEList{Basis: basis}, Style{}).Empty; got != want {
			t.Errorf("%+v: got %q, want %q", basis, got, want)
		}
	}
}
