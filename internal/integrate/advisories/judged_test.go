package advisories_test

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/decide/exposure"
	"github.com/hotstick/hotstick/internal/integrate/advisories"
)

// judged reads a document and says where a host stands with the CVE that it is about, as the
// judge of exposures does.
func judged(t *testing.T, document []byte, distribution, pkg, version string) hotstick.ExposureReason {
	t.Helper()
	i := importer()
	i.Order = exposure.Compare
	b := &book{}
	if _, err := i.Import(context.Background(), advisories.Feed{Name: "test", Location: place(t, document)}, b); err != nil {
		t.Fatal(err, b.refused)
	}
	var said []hotstick.Advisory
	for _, d := range b.documents {
		said = append(said, d.Advisories...)
	}
	id, release, _ := strings.Cut(distribution, ":")
	f := hotstick.Facts{Host: hotstick.HostFacts{DistributionID: id, DistributionVersion: release}}
	f.Kernel.Build = hotstick.KernelBuild{Release: version, Arch: "x86_64", BuildID: "0123456789abcdef"}
	f.Kernel.Package = hotstick.KernelPackage{Source: pkg, Scheme: hotstick.RPMVersions, Version: version}
	if id == "debian" {
		f.Kernel.Package.Scheme = hotstick.DebVersions
	}
	x := exposure.Compile(said, nil, nil)
	reason, spoken := exposure.Full(x, []exposure.Host{{ID: "h", Class: x.Classify(f, true)}}).Stand("h", "CVE-2026-98022")
	if !spoken {
		t.Fatalf("the document says nothing of it: %+v", b.documents)
	}
	return reason
}

type object = map[string]any

// vex writes a document about one CVE. Its products are written CPE|PACKAGE.
func vex(status map[string][]string) []byte {
	var branches, ties []object
	known := map[string]bool{}
	define := func(category, name, cpe string) {
		if known[name] {
			return
		}
		known[name] = true
		product := object{"name": name, "product_id": name}
		if cpe != "" {
			product["product_identification_helper"] = object{"cpe": cpe}
		}
		branches = append(branches, object{"category": category, "name": name, "product": product})
	}
	for _, products := range status {
		for _, id := range products {
			cpe, pkg, _ := strings.Cut(id, "|")
			define("product_name", cpe, "cpe:/o:"+cpe)
			define("product_version", pkg, "")
			if !known[id] {
				known[id] = true
				ties = append(ties, object{"full_product_name": object{"name": id, "product_id": id}, "product_reference": pkg, "relates_to_product_reference": cpe})
			}
		}
	}
	data, err := json.Marshal(object{
		"document":        object{"csaf_version": "2.0", "tracking": object{"id": "X", "current_release_date": "2026-11-04T12:00:00Z"}},
		"product_tree":    object{"branches": branches, "relationships": ties},
		"vulnerabilities": []object{{"cve": "CVE-2026-98022", "product_status": status}},
	})
	if err != nil {
		panic(err)
	}
	return data
}

// of writes packages as products of a platform.
func of(cpe string, packages ...string) []string {
	ids := make([]string, 0, len(packages))
	for _, p := range packages {
		ids = append(ids, cpe+"|"+p)
	}
	return ids
}

func TestTheFixOfOneMinorReleaseDoesNotCloseTheNext(t *testing.T) {
	const rhel9 = "redhat:enterprise_linux:9"
	fixed := map[string][]string{"fixed": of(rhel9, "kernel-0:5.14.0-570.30.1.el9_6.src", "kernel-0:5.14.0-284.30.1.el9_2.src", "kernel-0:5.14.0-427.42.1.el9_4.src", "kernel-0:5.14.0-427.50.1.el9_4.src",
		"kernel-rt-0:5.14.0-284.30.1.rt14.315.el9_2.src", "kernel-rt-0:5.14.0-427.42.1.rt14.90.el9_4.src")}
	for _, c := range []struct {
		release, pkg, version string
		want                  hotstick.ExposureReason
	}{
		{"9.2", "kernel", "5.14.0-284.11.1.el9_2", hotstick.ExposedInRange},
		{"9.2", "kernel", "5.14.0-284.30.1.el9_2", hotstick.ClosedByBoot},
		{"9.2", "kernel", "5.14.0-284.99.1.el9_2", hotstick.ClosedByBoot},
		{"9.3", "kernel", "5.14.0-362.24.1.el9_3", hotstick.ExposedInRange}, // nobody says that it was fixed there
		{"9.4", "kernel", "5.14.0-427.13.1.el9_4", hotstick.ExposedInRange},
		{"9.4", "kernel", "5.14.0-427.42.1.el9_4", hotstick.ClosedByBoot},
		{"9.6", "kernel", "5.14.0-570.12.1.el9_6", hotstick.ExposedInRange},
		{"9.6", "kernel", "5.14.0-570.30.1.el9_6", hotstick.ClosedByBoot},
		{"9.7", "kernel", "5.14.0-611.5.1.el9_7", hotstick.ClosedByBoot}, // built after the newest fix
		{"9.1", "kernel", "5.14.0-162.6.1.el9_1", hotstick.ExposedInRange},
		{"9.4", "kernel-rt", "5.14.0-427.13.1.rt14.80.el9_4", hotstick.ExposedInRange},
		{"9.4", "kernel-rt", "5.14.0-427.42.1.rt14.90.el9_4", hotstick.ClosedByBoot},
	} {
		if got := judged(t, vex(fixed), "rhel:"+c.release, c.pkg, c.version); got != c.want {
			t.Errorf("%s of %s: %s, want %s", c.version, c.release, got, c.want)
		}
	}
}

func TestWhatAProductIsSaidToBeInSeveralPlacesIsAUnion(t *testing.T) {
	const (
		rhel9, sles = "redhat:enterprise_linux:9", "suse:sles:15:sp6"
		bad         = "kernel-0:5.14.0-1;rm.src"
	)
	for what, c := range map[string]struct {
		status                     map[string][]string
		distribution, pkg, version string
		want                       hotstick.ExposureReason
	}{
		"a fix bounds what is affected without a version":          {map[string][]string{"known_affected": of(rhel9, "kernel"), "fixed": of(rhel9, "kernel-0:5.14.0-427.42.1.el9_4.src")}, "rhel:9.4", "kernel", "5.14.0-427.42.1.el9_4", hotstick.ClosedByBoot},
		"a version that is affected is, whatever was fixed before": {map[string][]string{"known_affected": of(rhel9, "kernel-0:5.14.0-427.60.1.el9_4.src"), "fixed": of(rhel9, "kernel-0:5.14.0-427.42.1.el9_4.src")}, "rhel:9.4", "kernel", "5.14.0-427.60.1.el9_4", hotstick.ExposedInRange},
		"minor releases in two lists":                              {map[string][]string{"first_fixed": of(rhel9, "kernel-0:5.14.0-284.30.1.el9_2.src"), "fixed": of(rhel9, "kernel-0:5.14.0-427.42.1.el9_4.src")}, "rhel:9.4", "kernel", "5.14.0-427.13.1.el9_4", hotstick.ExposedInRange},
		"above the fix that could be read":                         {map[string][]string{"fixed": of(rhel9, "kernel-0:5.14.0-284.30.1.el9_2.src", bad)}, "rhel:9.4", "kernel", "5.14.0-427.13.1.el9_4", hotstick.UnknownUnreadable},
		"below it":                                                 {map[string][]string{"fixed": of(rhel9, "kernel-0:5.14.0-284.30.1.el9_2.src", bad)}, "rhel:9.2", "kernel", "5.14.0-284.11.1.el9_2", hotstick.ExposedInRange},
		"no fix that could be read":                                {map[string][]string{"fixed": of(rhel9, bad)}, "rhel:9.4", "kernel", "5.14.0-427.13.1.el9_4", hotstick.UnknownUnreadable},
		"one that is of no minor release":                          {map[string][]string{"fixed": of(rhel9, "kernel-0:5.14.0-284.30.1.el9_2.src", "kernel-0:5.14.0-x.src")}, "rhel:9.4", "kernel", "5.14.0-427.13.1.el9_4", hotstick.UnknownUnreadable},
		"an affected version that cannot be read":                  {map[string][]string{"known_affected": of(rhel9, bad), "fixed": of(rhel9, "kernel-0:5.14.0-284.30.1.el9_2.src")}, "rhel:9.2", "kernel", "5.14.0-284.30.1.el9_2", hotstick.UnknownUnreadable},
		"not affected as a whole, but for that one":                {map[string][]string{"known_affected": of(rhel9, bad), "known_not_affected": of(rhel9, "kernel")}, "rhel:9.2", "kernel", "5.14.0-284.30.1.el9_2", hotstick.UnknownUnreadable},
		"an unaffected version that cannot be read":                {map[string][]string{"fixed": of(rhel9, "kernel-0:5.14.0-284.30.1.el9_2.src"), "known_not_affected": of(rhel9, bad)}, "rhel:9.2", "kernel", "5.14.0-284.30.1.el9_2", hotstick.ClosedByBoot},
		"fixed, and it is not said where":                          {map[string][]string{"fixed": of(rhel9, "kernel")}, "rhel:9.4", "kernel", "5.14.0-427.13.1.el9_4", hotstick.UnknownUnreadable},
		"fixed there and elsewhere":                                {map[string][]string{"fixed": of(rhel9, "kernel", "kernel-0:5.14.0-427.13.1.el9_4.src")}, "rhel:9.4", "kernel", "5.14.0-427.13.1.el9_4", hotstick.ClosedByBoot},
		"SUSE's service packs are a product each":                  {map[string][]string{"recommended": of(sles, "kernel-default-6.4.0-150600.23.81.1", "kernel-default-6.4.0-150600.23.92.1")}, "sles:15.6", "kernel-default", "6.4.0-150600.23.81", hotstick.ClosedByBoot},
	} {
		if got := judged(t, vex(c.status), c.distribution, c.pkg, c.version); got != c.want {
			t.Errorf("%s: %s, want %s", what, got, c.want)
		}
	}
}

func TestARecordClosesOnlyWhatAllOfItCloses(t *testing.T) {
	const good = `"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"},{"fixed":"6.1.160-1"}]}]`
	for what, c := range map[string]struct {
		entries []string
		version string
		want    hotstick.ExposureReason
	}{
		"at the fix":                           {[]string{good}, "6.1.160-1", hotstick.ClosedByBoot},
		"two entries":                          {[]string{good, `"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"6.1.165-1"},{"fixed":"6.1.180-1"}]}]`}, "6.1.170-1", hotstick.ExposedInRange},
		"listed versions":                      {[]string{`"versions":["6.1.170-1","6.1.150-1"]`}, "6.1.170-1", hotstick.ExposedInRange},
		"a version that is not listed":         {[]string{`"versions":["6.1.150-1"]`}, "6.1.170-1", hotstick.ClosedByBoot},
		"a listed version beside a range":      {[]string{good + `,"versions":["6.1.150-1","6.1.170-1"]`}, "6.1.170-1", hotstick.ExposedInRange},
		"a listed version that cannot be read": {[]string{good + `,"versions":["6.1.150-1","6.1 170"]`}, "6.1.170-1", hotstick.UnknownUnreadable},
		"a fix that cannot be read":            {[]string{`"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"},{"fixed":"6;1"}]}]`}, "6.1.170-1", hotstick.UnknownUnreadable},
		"a beginning that cannot be read":      {[]string{`"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"6;1"},{"fixed":"6.1.160-1"}]}]`}, "6.1.170-1", hotstick.UnknownUnreadable},
		"a second range that cannot be read":   {[]string{strings.Replace(good, `]}]`, `]},{"type":"ECOSYSTEM","events":[{"introduced":"6.1.165-1"},{"limit":"6.1.180-1"}]}]`, 1)}, "6.1.170-1", hotstick.UnknownUnreadable},
		"but what was read of it is open":      {[]string{strings.Replace(good, `]}]`, `]},{"type":"ECOSYSTEM","events":[{"introduced":"6.1.165-1"},{"limit":"6.1.180-1"}]}]`, 1)}, "6.1.150-1", hotstick.ExposedInRange},
		"a second entry that cannot be read":   {[]string{good, `"ranges":[{"type":"ECOSYSTEM","events":[]}]`}, "6.1.170-1", hotstick.UnknownUnreadable},
		"a first entry that cannot be read":    {[]string{`"ranges":[{"type":"ECOSYSTEM","events":[]}]`, good}, "6.1.170-1", hotstick.UnknownUnreadable},
		"an entry without versions":            {[]string{good, `"ranges":[]`}, "6.1.170-1", hotstick.UnknownUnreadable},
		"versions of another kind":             {[]string{strings.Replace(good, `]}]`, `]},{"type":"SEMVER","events":[{"introduced":"0"}]}]`, 1)}, "6.1.170-1", hotstick.UnknownUnreadable},
		"commits beside versions":              {[]string{strings.Replace(good, `]}]`, `]},{"type":"GIT","events":[{"introduced":"0"}]}]`, 1)}, "6.1.170-1", hotstick.ClosedByBoot},
	} {
		text := make([]string, 0, len(c.entries))
		for _, e := range c.entries {
			text = append(text, `{"package":{"ecosystem":"Debian:12","name":"linux"},`+e+`}`)
		}
		record := osvHead + `,"affected":[` + strings.Join(text, ",") + `]}`
		if got := judged(t, []byte(record), "debian:12", "linux", c.version); got != c.want {
			t.Errorf("%s: %s, want %s", what, got, c.want)
		}
	}
}

func TestAHostIsJudgedByItsOwnStream(t *testing.T) {
	for what, c := range map[string]struct {
		status                     map[string][]string
		distribution, pkg, version string
		want                       hotstick.ExposureReason
	}{
		"RHEL 9.4 EUS":         {map[string][]string{"fixed": append(of("redhat:enterprise_linux_eus:9.4", "kernel-0:5.14.0-427.99.1.el9_4.src"), of("redhat:enterprise_linux:9", "kernel-0:5.14.0-284.30.1.el9_2.src")...)}, "rhel:9.4", "kernel", "5.14.0-427.13.1.el9_4", hotstick.ExposedInRange},
		"SUSE Linux Micro 6.0": {map[string][]string{"recommended": of("suse:sl-micro:6.0", "kernel-default-6.4.0-24.1")}, "sl-micro:6.0", "kernel-default", "6.4.0-20", hotstick.ExposedInRange},
		"and with the fix":     {map[string][]string{"recommended": of("suse:sl-micro:6.0", "kernel-default-6.4.0-24.1")}, "sl-micro:6.0", "kernel-default", "6.4.0-24", hotstick.ClosedByBoot},
	} {
		if got := judged(t, vex(c.status), c.distribution, c.pkg, c.version); got != c.want {
			t.Errorf("%s: %s, want %s", what, got, c.want)
		}
	}
}

// What a small document can make of itself is bounded: each flag may name every group, and
// each group every product.
func TestFlagsOfManyGroupsOfManyProductsAreRefused(t *testing.T) {
	products := make([]string, 10_000)
	for i := range products {
		products[i] = fmt.Sprint("p", i)
	}
	flags := slices.Repeat([]object{{"label": hotstick.ComponentNotPresent, "group_ids": []string{"all"}}}, 1000)
	b := &book{}
	_, err := importer().Import(context.Background(), advisories.Feed{Name: "test", Location: place(t, flagged(t, products, flags))}, b)
	if err == nil || len(b.refused) != 1 || !strings.Contains(b.refused[0].Err.Error(), "by their groups") {
		t.Errorf("%v, refused %v", err, b.refused)
	}
}

func TestAFlagOfManyGroupsIsNotCopiedForEach(t *testing.T) {
	data := flagged(t, []string{"p"}, []object{{"label": hotstick.ComponentNotPresent, "group_ids": slices.Repeat([]string{"all"}, 20_000)}})
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	mustImport(t, place(t, data))
	runtime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; took > 500<<20 {
		t.Errorf("a document of %d bytes took %d MiB", len(data), took>>20)
	}
}

// flagged writes a document with flags and one group of products.
func flagged(t *testing.T, products []string, flags []object) []byte {
	t.Helper()
	data, err := json.Marshal(object{
		"document":        object{"csaf_version": "2.0", "tracking": object{"id": "X", "current_release_date": "2026-11-04T12:00:00Z"}},
		"product_tree":    object{"product_groups": []object{{"group_id": "all", "product_ids": products}}},
		"vulnerabilities": []object{{"cve": "CVE-2026-98022", "flags": flags}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return data
}
