package exposure_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/decide/exposure"
)

var (
	debian = hotstick.KernelProduct{Distribution: "debian:12", Package: "linux", Scheme: hotstick.DebVersions}
	rhel94 = hotstick.KernelProduct{Distribution: "rhel:9.4", Package: "kernel", Scheme: hotstick.RPMVersions}
	rhel9  = hotstick.KernelProduct{Distribution: "rhel:9", Package: "kernel", Scheme: hotstick.RPMVersions}
	server = hotstick.KernelProduct{Distribution: "windows:2025", Package: "windows", Scheme: hotstick.WindowsVersions}
	micro  = hotstick.KernelProduct{Distribution: "sl-micro:6.0", Package: "kernel-default", Scheme: hotstick.RPMVersions}
	sles   = hotstick.KernelProduct{Distribution: "sles:15.6", Package: "kernel-default", Scheme: hotstick.RPMVersions}
)

// authorities: the feed tracker is Debian's own, csaf Red Hat's.
var authorities = map[string][]string{"tracker": {"debian"}, "csaf": {"rhel"}}

func advisory(feed, cve string, p hotstick.KernelProduct, ranges ...string) hotstick.Advisory {
	a := hotstick.Advisory{CVE: cve, Product: p, Status: hotstick.AdvisoryAffected, Source: hotstick.AdvisorySource{Feed: feed, Document: feed + "-" + cve, Digest: hotstick.NewDigest([]byte(feed + cve))}}
	for _, r := range ranges {
		from, to, _ := strings.Cut(r, "..")
		a.Ranges = append(a.Ranges, hotstick.VersionRange{Introduced: from, Fixed: to})
	}
	return a
}

// unread is an advisory of which more was said than could be read.
func unread(a hotstick.Advisory) hotstick.Advisory {
	a.Unreadable = true
	return a
}

func says(a hotstick.Advisory, status hotstick.AdvisoryStatus) hotstick.Advisory {
	a.Status, a.Ranges = status, nil
	return a
}

// onHost are the facts of a host that was booted with a version of a product.
func onHost(p hotstick.KernelProduct, version string) hotstick.Facts {
	id, release, _ := strings.Cut(p.Distribution, ":")
	f := hotstick.Facts{Host: hotstick.HostFacts{DistributionID: id, DistributionVersion: release}}
	f.Kernel.Build = hotstick.KernelBuild{Release: version, Arch: "x86_64", BuildID: "0123456789abcdef"}
	if p.Scheme == hotstick.WindowsVersions {
		f.Windows = &hotstick.WindowsFacts{Booted: version, Level: version}
		return f
	}
	f.Kernel.Package = hotstick.KernelPackage{Source: p.Package, Scheme: p.Scheme, Version: version}
	return f
}

// answer judges one host and says where it stands with CVE-2026-0001.
func answer(t *testing.T, f hotstick.Facts, patches []hotstick.Patch, advisories ...hotstick.Advisory) exposure.Answer {
	t.Helper()
	for _, a := range advisories {
		if err := a.Validate(); err != nil {
			t.Fatal(err)
		}
	}
	x := exposure.Compile(advisories, patches, authorities)
	a, ok := exposure.Full(x, []exposure.Host{{ID: "h", Class: x.Classify(f, true)}}).Explain("h", cve1)
	if !ok {
		t.Fatal("nothing is said of it")
	}
	if a.State != a.Reason.State() {
		t.Errorf("%s is %s", a.Reason, a.State)
	}
	return a
}

const cve1 = "CVE-2026-0001"

func TestTheBootedVersionDecides(t *testing.T) {
	here := func(ranges ...string) []hotstick.Advisory {
		return []hotstick.Advisory{advisory("tracker", cve1, debian, ranges...)}
	}
	tests := []struct {
		name  string
		facts hotstick.Facts
		says  []hotstick.Advisory
		want  hotstick.ExposureReason
		fixed string
	}{
		{"in the range", onHost(debian, "6.1.170-3"), here("..6.1.192-1"), hotstick.ExposedInRange, "6.1.192-1"},
		{"at the fix", onHost(debian, "6.1.192-1"), here("..6.1.192-1"), hotstick.ClosedByBoot, "6.1.192-1"},
		{"a test build before the fix", onHost(debian, "6.1.192-1~rc1"), here("..6.1.192-1"), hotstick.ExposedInRange, "6.1.192-1"},
		{"no fix yet", onHost(debian, "6.1.170-3"), here("5.10.1-1.."), hotstick.ExposedNoFix, ""},
		{"older than the hole", onHost(debian, "6.1.170-3"), here("6.1.180-1..6.1.192-1"), hotstick.NeverIntroduced, ""},
		{"between two ranges", onHost(debian, "6.1.170-3"), here("6.1.180-1..6.1.192-1", "..6.1.100-1"), hotstick.ClosedByBoot, "6.1.100-1"},
		{"a range that is no range", onHost(debian, "6.1.170-3"), here("6.1.180-1..6.1.160-1"), hotstick.UnknownUnreadable, ""},
		{"a fix that is no version", onHost(debian, "6.1.170-3"), here("..=cmd|1"), hotstick.UnknownUnreadable, ""},
		{"such a fix beside a good one that it is not in", onHost(debian, "6.1.170-3"), here("..<script>", "..6.1.160-1"), hotstick.UnknownUnreadable, ""},
		{"such a fix beside a good one that it is in", onHost(debian, "6.1.150-1"), here("..<script>", "..6.1.160-1"), hotstick.ExposedInRange, "6.1.160-1"},
		{"above what could be read", onHost(debian, "6.1.170-3"), []hotstick.Advisory{unread(advisory("tracker", cve1, debian, "..6.1.160-1"))}, hotstick.UnknownUnreadable, ""},
		{"in what could be read", onHost(debian, "6.1.150-1"), []hotstick.Advisory{unread(advisory("tracker", cve1, debian, "..6.1.160-1"))}, hotstick.ExposedInRange, "6.1.160-1"},
		{"nothing could be read", onHost(debian, "6.1.170-3"), []hotstick.Advisory{unread(advisory("tracker", cve1, debian))}, hotstick.UnknownUnreadable, ""},
		{"an absurd booted version", onHost(debian, "6.1."+strings.Repeat("9", 90)), here("..6.1.192-1"), hotstick.UnknownVersion, ""},
		{"a kernel that is nobody's", onHost(hotstick.KernelProduct{Distribution: "debian:12"}, ""), here("..6.1.192-1"), hotstick.UnknownProduct, ""},
		{"a backport, whose number is above the fix", onHost(debian, "6.12.9-1~bpo12+1"), here("..6.1.192-1"), hotstick.UnknownProduct, ""},
		{"another release", onHost(rhel9, "5.14.0-1.el9"), here("..6.1.192-1"), hotstick.UnknownNoSource, ""},
		{"another system", onHost(server, "26100.3981"), here("..6.1.192-1"), hotstick.UnknownNoSource, ""},
		{"the major release's word", onHost(rhel94, "5.14.0-427.13.1.el9_4"), []hotstick.Advisory{advisory("csaf", cve1, rhel9, "..5.14.0-503.el9")}, hotstick.ExposedInRange, "5.14.0-503.el9"},
		{"the minor release's word beats it", onHost(rhel94, "5.14.0-427.13.1.el9_4"), []hotstick.Advisory{advisory("csaf", cve1, rhel9, "..5.14.0-503.el9"), advisory("csaf", cve1, rhel94, "..5.14.0-427.13.1.el9_4")}, hotstick.ClosedByBoot, "5.14.0-427.13.1.el9_4"},
		{"a rebuild of SUSE's that no kernel tells", onHost(sles, "6.4.0-150600.23.7"), []hotstick.Advisory{advisory("oval", cve1, sles, "..6.4.0-150600.23.7.3")}, hotstick.ClosedByBoot, "6.4.0-150600.23.7.3"},
		{"a rebuild of SUSE Linux Micro 6", onHost(micro, "6.4.0-24.1"), []hotstick.Advisory{advisory("oval", cve1, micro, "..6.4.0-24.1.3")}, hotstick.ClosedByBoot, "6.4.0-24.1.3"},
		{"the release before it", onHost(sles, "6.4.0-150600.21"), []hotstick.Advisory{advisory("oval", cve1, sles, "..6.4.0-150600.23.7.3")}, hotstick.ExposedInRange, "6.4.0-150600.23.7.3"},
		{"not affected", onHost(debian, "6.1.170-3"), []hotstick.Advisory{says(advisory("tracker", cve1, debian), hotstick.AdvisoryNotAffected)}, hotstick.NeverByVendor, ""},
		{"under investigation", onHost(debian, "6.1.170-3"), []hotstick.Advisory{says(advisory("tracker", cve1, debian), hotstick.AdvisoryInvestigating)}, hotstick.UnknownInvestigating, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			a := answer(t, test.facts, nil, test.says...)
			if a.Reason != test.want {
				t.Fatalf("it is %s: %+v", a.Reason, a)
			}
			if len(a.Says) > 0 && a.Says[0].Fixed != test.fixed {
				t.Errorf("fixed in %q: %+v", a.Says[0].Fixed, a.Says)
			}
		})
	}
}

func TestAKernelOfAnotherReleaseIsNotComparedWithTheHosts(t *testing.T) {
	other := func(distribution string, p hotstick.KernelProduct) hotstick.KernelProduct {
		p.Distribution = distribution
		return p
	}
	hwe := hotstick.KernelProduct{Distribution: "ubuntu:22.04", Package: "linux-hwe-6.8", Scheme: hotstick.DebVersions}
	aws := hotstick.KernelProduct{Distribution: "ubuntu:22.04", Package: "linux-aws", Scheme: hotstick.DebVersions}
	tests := []struct {
		name  string
		facts hotstick.Facts
		says  []hotstick.Advisory
		want  hotstick.ExposureReason
	}{
		{"an upgraded userland on the old kernel", onHost(other("debian:13", debian), "6.1.170-3"), []hotstick.Advisory{
			advisory("tracker", cve1, debian, "..6.1.192-1"), says(advisory("tracker", cve1, other("debian:13", debian)), hotstick.AdvisoryNotAffected)}, hotstick.ExposedInRange},
		{"the old kernel is older than the hole of the new release", onHost(debian, "5.10.218-1"), []hotstick.Advisory{advisory("tracker", cve1, debian, "6.1.1-1..6.1.192-1")}, hotstick.UnknownNoSource},
		{"a newer release's kernel is above every fix", onHost(debian, "6.12.9-1"), []hotstick.Advisory{advisory("tracker", cve1, debian, "..6.1.192-1")}, hotstick.UnknownNoSource},
		{"a kernel of no release", onHost(debian, "6.15.4-1"), []hotstick.Advisory{advisory("tracker", cve1, debian, "..6.1.192-1")}, hotstick.UnknownProduct},
		{"another minor release's RPM", onHost(rhel94, "5.14.0-503.11.1.el9_5"), []hotstick.Advisory{advisory("csaf", cve1, rhel94, "..5.14.0-427.60.1.el9_4")}, hotstick.UnknownNoSource},
		{"another minor release's RPM, of which something is said", onHost(rhel94, "5.14.0-503.11.1.el9_5"), []hotstick.Advisory{
			advisory("csaf", cve1, rhel94, "..5.14.0-427.60.1.el9_4"), advisory("csaf", cve1, other("rhel:9.5", rhel9), "..5.14.0-503.40.1.el9_5")}, hotstick.ExposedInRange},
		{"another service pack's", onHost(sles, "6.4.0-150700.53.3"), []hotstick.Advisory{advisory("oval", cve1, sles, "..6.4.0-150600.23.7.3")}, hotstick.UnknownNoSource},
		{"a newer series of Ubuntu's that its name does not tell", onHost(aws, "6.5.0-1020.20"), []hotstick.Advisory{advisory("usn", cve1, aws, "..5.15.0-1050.55")}, hotstick.UnknownNoSource},
		{"a newer series of Ubuntu's", onHost(hwe, "6.8.0-40.40"), []hotstick.Advisory{advisory("usn", cve1, hwe, "..6.8.0-45.45~22.04.1")}, hotstick.ExposedInRange},
		{"a newer series of Ubuntu's on a newer release", onHost(other("ubuntu:24.04", hwe), "6.8.0-40.40~22.04.3"), []hotstick.Advisory{
			advisory("usn", cve1, hwe, "..6.8.0-45.45~22.04.1"), says(advisory("usn", cve1, other("ubuntu:24.04", hwe)), hotstick.AdvisoryNotAffected)}, hotstick.ExposedInRange},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if a := answer(t, test.facts, nil, test.says...); a.Reason != test.want {
				t.Errorf("it is %s: %+v", a.Reason, a)
			}
		})
	}
}

func TestWhereSourcesDisagreeTheVendorIsBelievedAndThenTheWorst(t *testing.T) {
	f := onHost(debian, "6.1.170-3")
	vendor := advisory("tracker", cve1, debian, "..6.1.160-1")
	other := advisory("osv", cve1, debian, "..6.1.192-1")
	third := says(advisory("vex", cve1, debian), hotstick.AdvisoryNotAffected)
	a := answer(t, f, nil, other, vendor, third)
	if a.Reason != hotstick.ClosedByBoot || !a.Disputed || len(a.Says) != 3 || a.Says[0].Source.Feed != "tracker" || !a.Says[0].Decides || !a.Says[0].Vendor || a.Says[1].Decides || a.Says[2].Decides {
		t.Errorf("the vendor was not believed: %+v", a)
	}
	a = answer(t, f, nil, other, third)
	if a.Reason != hotstick.ExposedInRange || !a.Disputed || a.Says[0].Source.Feed != "osv" || a.Says[1].Reason != hotstick.NeverByVendor {
		t.Errorf("the worst was not believed: %+v", a)
	}
	if a = answer(t, f, nil, vendor, third); a.Disputed {
		t.Errorf("both call it closed: %+v", a)
	}
	again := vendor
	again.Ranges = []hotstick.VersionRange{{Fixed: "6.1.200-1"}}
	if a = answer(t, f, nil, vendor, again); a.Reason != hotstick.ExposedInRange || len(a.Says) != 1 {
		t.Errorf("a document that was fetched again stands beside itself: %+v", a)
	}
}

// level is a patch of the catalog, for the build that onHost gives.
func level(name string, n int, version string, functions []string, cves ...string) hotstick.Patch {
	return hotstick.Patch{Ref: hotstick.PatchRef{Name: name, Level: n}, Driver: "klp", CVEs: cves, Functions: functions,
		Artifacts: []hotstick.Artifact{{Build: onHost(debian, version).Kernel.Build, Module: fmt.Sprintf("%s_%d", name, n)}}}
}

func TestOnlyAPatchThatIsInEffectAndSettledCounts(t *testing.T) {
	const version = "6.1.170-3"
	catalog := []hotstick.Patch{
		level("fix", 1, version, []string{"vmlinux:f"}, "CVE-2026-0002"), level("fix", 2, version, []string{"vmlinux:f", "vmlinux:g"}, cve1, "CVE-2026-0002"),
		level("other", 1, version, []string{"vmlinux:h"}), level("over", 1, version, []string{"vmlinux:g"}), level("elsewhere", 1, "6.1.1-1", nil, cve1),
	}
	patch := func(module string, state hotstick.Effect, order int) hotstick.LoadedPatch {
		return hotstick.LoadedPatch{Module: module, Driver: "klp", State: state, StackOrder: order}
	}
	is := hotstick.InEffect
	tests := []struct {
		name    string
		patches []hotstick.LoadedPatch
		closed  bool
	}{
		{"none", nil, false},
		{"in effect", []hotstick.LoadedPatch{patch("fix_2", is, 1)}, true},
		{"moving in", []hotstick.LoadedPatch{patch("fix_2", hotstick.TransitionIn, 1)}, false},
		{"moving out", []hotstick.LoadedPatch{patch("fix_2", hotstick.TransitionOut, 1)}, false},
		{"disabled", []hotstick.LoadedPatch{patch("fix_2", hotstick.Disabled, 1)}, false},
		{"nobody knows", []hotstick.LoadedPatch{patch("fix_2", hotstick.EffectUnknown, 1)}, false},
		{"the level that does not close it", []hotstick.LoadedPatch{patch("fix_1", is, 1)}, false},
		{"one for another build", []hotstick.LoadedPatch{patch("elsewhere_1", is, 1)}, false},
		{"a module of that name by another driver", []hotstick.LoadedPatch{{Module: "fix_2", Driver: "kpatch", State: is, StackOrder: 1}}, false},
		{"another above that changes something else", []hotstick.LoadedPatch{patch("fix_2", is, 1), patch("other_1", is, 2)}, true},
		{"another above that changes the same", []hotstick.LoadedPatch{patch("fix_2", is, 1), patch("over_1", is, 2)}, false},
		{"another below that changes the same", []hotstick.LoadedPatch{patch("fix_2", is, 2), patch("over_1", is, 1)}, true},
		{"the kernel shows no order", []hotstick.LoadedPatch{patch("fix_2", is, 0), patch("over_1", is, 0)}, false},
		{"an older level above", []hotstick.LoadedPatch{patch("fix_2", is, 1), patch("fix_1", is, 2)}, false},
		{"a newer level comes", []hotstick.LoadedPatch{patch("fix_2", is, 1), patch("other_1", hotstick.TransitionIn, 2)}, false},
		{"a disabled one above", []hotstick.LoadedPatch{patch("fix_2", is, 1), patch("over_1", hotstick.Disabled, 2)}, true},
		{"a foreign one above", []hotstick.LoadedPatch{patch("fix_2", is, 1), patch("foreign", is, 2)}, false},
		{"a foreign one below", []hotstick.LoadedPatch{patch("fix_2", is, 2), patch("foreign", is, 1)}, true},
		{"a foreign one moving", []hotstick.LoadedPatch{patch("fix_2", is, 2), patch("foreign", hotstick.TransitionIn, 1)}, false},
		{"a foreign one disabled", []hotstick.LoadedPatch{patch("fix_2", is, 1), patch("foreign", hotstick.Disabled, 2)}, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := onHost(debian, version)
			f.Livepatch.Patches = test.patches
			want, ref := hotstick.ExposedInRange, hotstick.PatchRef{}
			if test.closed {
				want, ref = hotstick.ClosedByPatch, hotstick.PatchRef{Name: "fix", Level: 2}
			}
			a := answer(t, f, catalog, advisory("tracker", cve1, debian, "..6.1.192-1"))
			if a.Reason != want || a.Patch != ref {
				t.Errorf("it is %s by %s", a.Reason, a.Patch)
			}
			if silent := standing(exposure.Compile([]hotstick.Advisory{advisory("tracker", cve1, debian, "..6.1.192-1")}, catalog, nil), f, false); !silent.State().Open() {
				t.Errorf("of a silent host it is %s", silent)
			}
		})
	}
}

func standing(x *exposure.Index, f hotstick.Facts, fresh bool) hotstick.ExposureReason {
	r, _ := exposure.Full(x, []exposure.Host{{ID: "h", Class: x.Classify(f, fresh)}}).Stand("h", cve1)
	return r
}

func TestAModuleThatCouldBeLoadedMitigatesNothing(t *testing.T) {
	a := advisory("tracker", cve1, debian, "..6.1.192-1")
	a.Module = "af-alg"
	unnamed := advisory("osv", cve1, debian, "..6.1.192-1")
	tests := []struct {
		name     string
		disabled *bool
		loaded   string
		builtIn  []string
		says     []hotstick.Advisory
		want     hotstick.ExposureReason
	}{
		{"not loaded", nil, "ext4", nil, []hotstick.Advisory{a}, hotstick.ExposedInRange},
		{"not loaded, and loading is allowed", new(false), "ext4", []string{"sha1"}, []hotstick.Advisory{a}, hotstick.ExposedInRange},
		{"kept out", new(true), "ext4", []string{"sha1"}, []hotstick.Advisory{a}, hotstick.MitigatedModule},
		{"loaded before", new(true), "af_alg", []string{"sha1"}, []hotstick.Advisory{a}, hotstick.ExposedInRange},
		{"built in", new(true), "ext4", []string{"af_alg"}, []hotstick.Advisory{a}, hotstick.ExposedInRange},
		{"nobody knows what is built in", new(true), "ext4", nil, []hotstick.Advisory{a}, hotstick.ExposedInRange},
		{"another source names no module", new(true), "ext4", []string{"sha1"}, []hotstick.Advisory{a, unnamed}, hotstick.ExposedInRange},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := onHost(debian, "6.1.170-3")
			f.Security.ModulesDisabled, f.Kernel.BuiltIn, f.Modules = test.disabled, test.builtIn, []hotstick.ModuleFacts{{Name: test.loaded}}
			if have := answer(t, f, nil, test.says...); have.Reason != test.want {
				t.Errorf("it is %s", have.Reason)
			}
		})
	}
}

func TestAHotpatchIsAFixInMemory(t *testing.T) {
	f := onHost(server, "26100.3775")
	f.Windows.Level = "26100.3981"
	a := answer(t, f, nil, advisory("msrc", cve1, server, "..10.0.26100.3981"))
	if a.Reason != hotstick.ClosedByLevel || a.Memory != "26100.3981" || a.Kernel.Version != "26100.3775" || a.Says[0].Fixed != "10.0.26100.3981" {
		t.Errorf("%+v", a)
	}
	if a = answer(t, f, nil, advisory("msrc", cve1, server, "..10.0.26100.4061")); a.Reason != hotstick.ExposedInRange {
		t.Errorf("the next level's: %+v", a)
	}
}

func TestEventsTellWhenAnExposureBeganAndEnded(t *testing.T) {
	at := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	x := exposure.Compile([]hotstick.Advisory{advisory("tracker", cve1, debian, "..6.1.192-1")}, nil, nil)
	old, fixed := x.Classify(onHost(debian, "6.1.170-3"), true), x.Classify(onHost(debian, "6.1.192-1"), true)
	first := exposure.Full(x, []exposure.Host{{ID: "a", Class: old}, {ID: "b", Class: fixed}, {ID: "c", Class: old}})
	second := first.Change(exposure.Change{Hosts: []exposure.Host{{ID: "a", Class: fixed}}, Gone: []hotstick.HostID{"c"}})
	third := second.Change(exposure.Change{Advisories: []hotstick.Advisory{advisory("tracker", cve1, debian, "..6.1.200-1")}})
	last := third.Change(exposure.Change{Withdrawn: []exposure.Key{exposure.KeyOf(advisory("tracker", cve1, debian))}})
	mustTell(t, nil, first, at, "a began: affected", "c began: affected")
	mustTell(t, first, second, at, "a ended: affected → fixed_version_booted", "c ended: affected")
	mustTell(t, second, third, at, "a began: fixed_version_booted → affected", "b began: fixed_version_booted → affected")
	mustTell(t, third, last, at, "a ended: affected", "b ended: affected")
	mustTell(t, first, first, at)
	if len(last.Counts()) != 0 || first.Counts()[cve1].Open() != 2 || !slices.Equal(third.Hosts(cve1), []hotstick.HostID{"a", "b"}) {
		t.Errorf("counts: %v, %v, %v", last.Counts(), first.Counts(), third.Hosts(cve1))
	}
}

func mustTell(t *testing.T, before, after *exposure.Fleet, at time.Time, want ...string) {
	t.Helper()
	var have []string
	for e := range exposure.Events(before, after, at) {
		if e.CVE != cve1 || !e.At.Equal(at) {
			t.Errorf("%+v", e)
		}
		word := map[bool]string{true: " began: ", false: " ended: "}[e.Began]
		have = append(have, strings.TrimSuffix(string(e.Host)+word+strings.Trim(string(e.Was)+" → "+string(e.Now), " →"), " "))
	}
	if !slices.Equal(have, want) {
		t.Errorf("told %q, want %q", have, want)
	}
}

// world is a small fleet with all that decides its exposure, drawn by chance.
type world struct {
	advisories map[exposure.Key]hotstick.Advisory
	facts      map[hotstick.HostID]hotstick.Facts
	catalog    []hotstick.Patch
}

var (
	products = []hotstick.KernelProduct{debian, rhel94, rhel9, sles, server}
	drawn    = map[hotstick.KernelProduct][]string{
		debian: {"6.1-1", "6.1-2~a", "6.1-2", "6.1-3", "2:6.1-1", "6.1.bad/", "5.10-4", ""},
		rhel94: {"1-1.el9_4", "1-1.7.el9_4", "1-1.el9", "1-2~a.el9_4", "1-2.el9_4", "1-3.el8_10", "-", ""},
		rhel9:  {"1-1.el9", "1-1.7.el9_4", "1-2.el9", "1-2~a.el9", "-", ""},
		sles:   {"1-150600.2.7", "1-150600.2", "1-150600.3~a", "1-150600.3", "1-150500.4", "-", ""},
		server: {"1.1", "10.0.1.2", "1.3", "1", ""},
	}
	cves = []string{cve1, "CVE-2026-0002", "CVE-2026-0003", "CVE-2026-0004"}
)

func drawAdvisory(t *rapid.T) hotstick.Advisory {
	p := rapid.SampledFrom(products).Draw(t, "product")
	a := hotstick.Advisory{CVE: rapid.SampledFrom(cves).Draw(t, "cve"), Product: p, Status: rapid.SampledFrom(append(hotstick.AdvisoryStatuses(), hotstick.AdvisoryAffected, hotstick.AdvisoryAffected)).Draw(t, "status")}
	a.Source.Feed = rapid.SampledFrom([]string{"tracker", "csaf", "osv"}).Draw(t, "feed")
	a.Source.Document = rapid.SampledFrom([]string{"1", "2"}).Draw(t, "document")
	a.Source.Complete = rapid.SampledFrom([][]string{nil, nil, {"debian:12"}, {"sles:15.6", "windows:2025"}, {"rhel:9", "debian:11"}}).Draw(t, "complete")
	a.Module = rapid.SampledFrom([]string{"", "af-alg"}).Draw(t, "module")
	for range rapid.IntRange(1, 2).Draw(t, "ranges") {
		v := rapid.SampledFrom(drawn[p])
		r := hotstick.VersionRange{Introduced: v.Draw(t, "introduced"), Fixed: v.Draw(t, "fixed")}
		if rapid.Bool().Draw(t, "last") {
			r.Fixed, r.LastAffected = "", r.Fixed
		}
		a.Ranges = append(a.Ranges, r)
	}
	a.Unreadable = rapid.IntRange(0, 4).Draw(t, "unreadable") == 0
	if a.Status != hotstick.AdvisoryAffected {
		a.Ranges, a.Unreadable = nil, false
	}
	return a
}

func drawFacts(t *rapid.T) hotstick.Facts {
	p := rapid.SampledFrom(products).Draw(t, "product")
	f := onHost(p, rapid.SampledFrom(drawn[p]).Draw(t, "version"))
	f.Kernel.Build = onHost(debian, "1-1").Kernel.Build
	if f.Windows != nil {
		f.Windows.Level = rapid.SampledFrom(drawn[p]).Draw(t, "level")
	}
	if rapid.Bool().Draw(t, "sealed") {
		f.Security.ModulesDisabled, f.Kernel.BuiltIn = new(true), []string{"sha1"}
		f.Modules = []hotstick.ModuleFacts{{Name: rapid.SampledFrom([]string{"ext4", "af_alg"}).Draw(t, "loaded")}}
	}
	for range rapid.IntRange(0, 2).Draw(t, "patches") {
		f.Livepatch.Patches = append(f.Livepatch.Patches, hotstick.LoadedPatch{Driver: "klp", Module: rapid.SampledFrom([]string{"fix_1", "fix_2", "other_1", "foreign"}).Draw(t, "module"),
			State: rapid.SampledFrom([]hotstick.Effect{hotstick.InEffect, hotstick.InEffect, hotstick.TransitionIn, hotstick.Disabled}).Draw(t, "state"), StackOrder: rapid.IntRange(0, 2).Draw(t, "order")})
	}
	return f
}

// expect is the oracle: it compares texts, one host and one CVE at a time, from the rules as
// they are written down, and knows no index.
func (w world) expect(f hotstick.Facts, cve string) hotstick.ExposureReason {
	k := exposure.Booted(f)
	verdict, naming := w.kernel(k, cve)
	if f.Windows != nil && f.Windows.Level != f.Windows.Booted && verdict.State().Open() {
		k.Version = f.Windows.Level
		if now, _ := w.kernel(k, cve); now == hotstick.ClosedByBoot {
			return hotstick.ClosedByLevel
		}
	}
	switch {
	case !verdict.State().Open():
	case w.patched(f, cve):
		return hotstick.ClosedByPatch
	case verdict.State() == hotstick.Exposed && naming && f.Security.ModulesDisabled != nil && f.Modules[0].Name != "af_alg":
		return hotstick.MitigatedModule
	}
	return verdict
}

// kernel returns the verdict of sources, and whether all who call it open name the module.
func (w world) kernel(k exposure.Kernel, cve string) (hotstick.ExposureReason, bool) {
	var said []hotstick.Advisory
	linux, nt := false, false
	asked, booted := k.Product.Distribution, k.Product
	for _, a := range w.advisories {
		if a.CVE == cve {
			nt = nt || a.Product == server
			linux = linux || a.Product != server
		}
	}
	for len(said) == 0 {
		for _, a := range w.advisories {
			if a.CVE == cve && a.Product == k.Product && a.Product.Distribution == asked {
				said = append(said, a)
			}
		}
		if asked != "rhel:9.4" {
			break
		}
		asked, k.Product = "rhel:9", rhel9
	}
	if len(said) == 0 {
		return w.absent(booted, cve, k.Product == server && !nt || k.Product != server && !linux), false
	}
	worst := func(only func(hotstick.Advisory) bool) (hotstick.ExposureReason, bool) {
		rank, some := len(hotstick.ExposureReasons())-1, false
		for _, a := range said {
			if only(a) {
				rank, some = min(rank, slices.Index(hotstick.ExposureReasons(), one(a, k))), true
			}
		}
		return hotstick.ExposureReasons()[rank], some
	}
	naming := true
	for _, a := range said {
		naming = naming && (a.Module != "" || !one(a, k).State().Open())
	}
	id, _, _ := strings.Cut(k.Product.Distribution, ":")
	if r, some := worst(func(a hotstick.Advisory) bool { return slices.Contains(authorities[a.Source.Feed], id) }); some {
		return r, naming
	}
	r, _ := worst(func(hotstick.Advisory) bool { return true })
	return r, naming
}

// absent is the verdict where nobody speaks of the CVE in the product.
func (w world) absent(p hotstick.KernelProduct, cve string, elsewhere bool) hotstick.ExposureReason {
	if p.Distribution == "" {
		return hotstick.UnknownProduct
	}
	for _, q := range append([]hotstick.KernelProduct{p}, map[bool][]hotstick.KernelProduct{true: {rhel9}}[p == rhel94]...) {
		knows, covers := false, false
		for _, a := range w.advisories {
			is := slices.Contains(a.Source.Complete, q.Distribution)
			knows, covers = knows || is && a.Product == q, covers || is && a.CVE == cve
		}
		switch {
		case knows && elsewhere:
			return hotstick.NeverOtherSystem
		case knows && covers:
			return hotstick.NeverListed
		}
	}
	return hotstick.UnknownNoSource
}

func one(a hotstick.Advisory, k exposure.Kernel) hotstick.ExposureReason {
	switch a.Status {
	case hotstick.AdvisoryNotAffected:
		return hotstick.NeverByVendor
	case hotstick.AdvisoryInvestigating:
		return hotstick.UnknownInvestigating
	}
	cut := func(v string) string {
		if a.Product == sles && strings.Contains(v, ".") {
			return v[:strings.LastIndex(v, ".")]
		}
		return v
	}
	bad := false
	compare := func(x, y string) int {
		n, err := exposure.Compare(k.Product.Scheme, x, y)
		bad = bad || err != nil
		return n
	}
	if compare(k.Version, k.Version); bad {
		return hotstick.UnknownVersion
	}
	found := map[hotstick.ExposureReason]bool{hotstick.UnknownUnreadable: a.Unreadable}
	for _, r := range a.Ranges {
		bad = false
		from, to, last := cut(r.Introduced), cut(r.Fixed+r.LastAffected), r.LastAffected != ""
		after := from == "" || compare(k.Version, from) >= 0
		before := to == "" || compare(k.Version, to) < 0 || last && compare(k.Version, to) == 0
		backwards := from != "" && to != "" && (compare(from, to) > 0 || !last && compare(from, to) == 0)
		switch {
		case bad || backwards:
			found[hotstick.UnknownUnreadable] = true
		case after && before && to == "":
			found[hotstick.ExposedNoFix] = true
		case after && before:
			found[hotstick.ExposedInRange] = true
		case after:
			found[hotstick.ClosedByBoot] = true
		default:
			found[hotstick.NeverIntroduced] = true
		}
	}
	for _, r := range hotstick.ExposureReasons() {
		if found[r] {
			return r
		}
	}
	return ""
}

func (w world) patched(f hotstick.Facts, cve string) bool {
	find := func(module string) *hotstick.Patch {
		for i, p := range w.catalog {
			if p.Artifacts[0].Module == module {
				return &w.catalog[i]
			}
		}
		return nil
	}
	for i, l := range f.Livepatch.Patches {
		p := find(l.Module)
		if p == nil || l.State != hotstick.InEffect || !slices.Contains(p.CVEs, cve) {
			continue
		}
		good := true
		for j, other := range f.Livepatch.Patches {
			q := find(other.Module)
			switch {
			case i == j, other.State == hotstick.Disabled, other.State == hotstick.InEffect && other.StackOrder < l.StackOrder:
			case q == nil:
				good = false
			case other.State == hotstick.InEffect && !slices.ContainsFunc(q.Functions, func(f string) bool { return slices.Contains(p.Functions, f) }):
			case !slices.Contains(q.CVEs, cve):
				good = false
			}
		}
		if good {
			return true
		}
	}
	return false
}

func (w world) full() *exposure.Fleet {
	x := exposure.Compile(slices.Collect(maps.Values(w.advisories)), w.catalog, authorities)
	var hosts []exposure.Host
	for id, f := range w.facts {
		hosts = append(hosts, exposure.Host{ID: id, Class: x.Classify(f, true)})
	}
	return exposure.Full(x, hosts)
}

func (w world) check(t *rapid.T, f *exposure.Fleet) {
	spoken := map[string]bool{}
	for _, a := range w.advisories {
		spoken[a.CVE] = true
	}
	for id, facts := range w.facts {
		for _, cve := range cves {
			have, ok := f.Stand(id, cve)
			if ok != spoken[cve] {
				t.Fatalf("%s: known is %v", cve, ok)
			}
			if want := w.expect(facts, cve); ok && have != want {
				t.Fatalf("%s on %s is %s, want %s", cve, id, have, want)
			}
			if a, explained := f.Explain(id, cve); explained != ok || a.Reason != have && ok {
				t.Fatalf("%s on %s is %s, and explained as %+v", cve, id, have, a)
			}
		}
	}
	counts := f.Counts()
	for _, cve := range cves {
		if counts[cve].Open() != len(f.Hosts(cve)) {
			t.Fatalf("%s: %d are counted, and %v listed", cve, counts[cve].Open(), f.Hosts(cve))
		}
	}
}

// opened is what is open in a fleet, host by host.
func opened(f *exposure.Fleet) map[string]bool {
	all := map[string]bool{}
	for _, cve := range cves {
		for _, id := range f.Hosts(cve) {
			all[string(id)+" "+cve] = true
		}
	}
	return all
}

func TestEveryFleetIsJudgedAsTheRulesSayAndEveryChangeAsIfAnew(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := world{map[exposure.Key]hotstick.Advisory{}, map[hotstick.HostID]hotstick.Facts{}, []hotstick.Patch{
			level("fix", 1, "1-1", []string{"f"}, cve1), level("fix", 2, "1-1", []string{"f", "g"}, cve1, "CVE-2026-0002"), level("other", 1, "1-1", []string{"g"}, "CVE-2026-0002"),
		}}
		for _, a := range rapid.SliceOfN(rapid.Custom(drawAdvisory), 0, 8).Draw(t, "advisories") {
			w.advisories[exposure.KeyOf(a)] = a
		}
		for i, f := range rapid.SliceOfN(rapid.Custom(drawFacts), 0, 5).Draw(t, "hosts") {
			w.facts[hotstick.HostID(fmt.Sprint(i))] = f
		}
		fleet := w.full()
		w.check(t, fleet)
		x := exposure.Compile(nil, w.catalog, authorities)
		for range rapid.IntRange(1, 6).Draw(t, "changes") {
			before, was := fleet, opened(fleet)
			change := w.change(t, x)
			fleet = before.Change(change)
			w.check(t, fleet)
			mustFollow(t, before, fleet, was)
			mustFollow(t, before, w.full(), was)
			if !maps.Equal(opened(before), was) {
				t.Fatal("a change altered the fleet before it")
			}
		}
	})
}

// change draws a change, makes it in the world and returns it.
func (w world) change(t *rapid.T, x *exposure.Index) (c exposure.Change) {
	switch rapid.IntRange(0, 3).Draw(t, "change") {
	case 0:
		a := rapid.Custom(drawAdvisory).Draw(t, "advisory")
		w.advisories[exposure.KeyOf(a)] = a
		c.Advisories = []hotstick.Advisory{a}
	case 1:
		key := exposure.KeyOf(rapid.Custom(drawAdvisory).Draw(t, "withdrawn"))
		keys := slices.SortedFunc(maps.Keys(w.advisories), func(a, b exposure.Key) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
		if i := slices.IndexFunc(keys, func(k exposure.Key) bool { return k.CVE == key.CVE }); i >= 0 {
			key = keys[i]
		}
		delete(w.advisories, key)
		c.Withdrawn = []exposure.Key{key}
	case 2:
		id, f := hotstick.HostID(fmt.Sprint(rapid.IntRange(0, 6).Draw(t, "host"))), rapid.Custom(drawFacts).Draw(t, "facts")
		w.facts[id] = f
		c.Hosts = []exposure.Host{{ID: id, Class: x.Classify(f, true)}}
	default:
		id := hotstick.HostID(fmt.Sprint(rapid.IntRange(0, 6).Draw(t, "gone")))
		delete(w.facts, id)
		c.Gone = []hotstick.HostID{id}
	}
	return c
}

// mustFollow replays the events over what was open.
func mustFollow(t *rapid.T, before, after *exposure.Fleet, was map[string]bool) {
	now := maps.Clone(was)
	for e := range exposure.Events(before, after, time.Time{}) {
		name := string(e.Host) + " " + e.CVE
		if now[name] == e.Began {
			t.Fatalf("%+v tells nothing new", e)
		}
		if delete(now, name); e.Began {
			now[name] = true
		}
	}
	if want := opened(after); !maps.Equal(now, want) {
		t.Fatalf("after the events %v is open, and really %v", now, want)
	}
}
