package exposure_test

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/decide/exposure"
)

// The fleet of the goals: 100,000 hosts of 20 products with 100 builds each, every third
// host with one of three levels of a patch, and 5,000 CVEs that a source speaks of in every
// product, in one of ten another source as well.
const (
	benchHosts    = 100_000
	benchProducts = 20
	benchBuilds   = 100
	benchCVEs     = 5_000
)

func benchProduct(i int) hotstick.KernelProduct {
	if i%2 == 0 {
		return hotstick.KernelProduct{Distribution: "ubuntu:22.04", Package: fmt.Sprintf("linux-%c", 'a'+i), Scheme: hotstick.DebVersions}
	}
	return hotstick.KernelProduct{Distribution: fmt.Sprintf("rhel:%d", i), Package: "kernel", Scheme: hotstick.RPMVersions}
}

func benchVersion(product, n int) string {
	if product%2 == 0 {
		return fmt.Sprintf("5.15.%d-%d", n, 1+product)
	}
	return fmt.Sprintf("5.14.0-%d.13.1.el%d", n, product)
}

func benchCVE(i int) string { return fmt.Sprintf("CVE-2026-%04d", i+1000) }

// benchFix is the build that fixes a CVE in a product: releases fix many at a time.
func benchFix(cve, product int) int { return (cve*7+product*13)%(3*benchBuilds) + 1 }

func benchAdvisories() (all []hotstick.Advisory) {
	for cve := range benchCVEs {
		for product := range benchProducts {
			p := benchProduct(product)
			fixed := benchVersion(product, benchFix(cve, product))
			all = append(all, advisory("vendor", benchCVE(cve), p, ".."+fixed))
			if cve%10 == 0 {
				all = append(all, advisory("osv", benchCVE(cve), p, benchVersion(product, 1)+".."+fixed))
			}
		}
	}
	return all
}

func benchFacts(i int) hotstick.Facts {
	product, build := i%benchProducts, i/benchProducts%benchBuilds
	f := onHost(benchProduct(product), benchVersion(product, 3*build))
	if n := i / (benchProducts * benchBuilds) % 9; n < 3 {
		f.Kernel.Build.BuildID = "0123456789abcdef"
		f.Livepatch.Patches = []hotstick.LoadedPatch{{Module: fmt.Sprintf("fix_%d", n+1), Driver: "klp", State: hotstick.InEffect, StackOrder: 1}}
	}
	return f
}

func benchCatalog() (catalog []hotstick.Patch) {
	for n := 1; n <= 3; n++ {
		p := hotstick.Patch{Ref: hotstick.PatchRef{Name: "fix", Level: n}, Driver: "klp"}
		for cve := range 20 * n {
			p.CVEs = append(p.CVEs, benchCVE(cve))
		}
		for i := range benchProducts * benchBuilds {
			p.Artifacts = append(p.Artifacts, hotstick.Artifact{Module: fmt.Sprintf("fix_%d", n), Build: benchFacts(i).Kernel.Build})
		}
		catalog = append(catalog, p)
	}
	return catalog
}

func benchHostsOf(x *exposure.Index) []exposure.Host {
	hosts := make([]exposure.Host, benchHosts)
	for i := range hosts {
		hosts[i] = exposure.Host{ID: hotstick.HostID(fmt.Sprintf("host-%06d", i)), Class: x.Classify(benchFacts(i), true)}
	}
	return hosts
}

// BenchmarkFull goes from advisories, a catalog and the facts' classes to every verdict.
func BenchmarkFull(b *testing.B) {
	advisories, catalog := benchAdvisories(), benchCatalog()
	hosts := benchHostsOf(exposure.Compile(nil, catalog, nil))
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	var f *exposure.Fleet
	b.ReportAllocs()
	for b.Loop() {
		f = exposure.Full(exposure.Compile(advisories, catalog, authorities), hosts)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/(1<<20), "MiB-kept")
	b.ReportMetric(float64(after.Sys)/(1<<20), "MiB-of-process")
	runtime.KeepAlive(f)
}

func BenchmarkClassify(b *testing.B) {
	x := exposure.Compile(nil, benchCatalog(), nil)
	facts := benchFacts(0)
	for b.Loop() {
		x.Classify(facts, true)
	}
}

// BenchmarkIncremental makes one change of each kind, and tells its events.
func BenchmarkIncremental(b *testing.B) {
	catalog := benchCatalog()
	x := exposure.Compile(benchAdvisories(), catalog, authorities)
	fleet := exposure.Full(x, benchHostsOf(x))
	class := func(f hotstick.Facts) []exposure.Host {
		return []exposure.Host{{ID: "host-004711", Class: x.Classify(f, true)}}
	}
	p := benchProduct(0)
	for name, change := range map[string]exposure.Change{
		"host":            {Hosts: class(benchFacts(5))},
		"host-of-its-own": {Hosts: class(onHost(p, "5.15.17-77"))},
		"advisory":        {Advisories: []hotstick.Advisory{advisory("vendor", benchCVE(17), p, "..5.15.33-77")}},
		"new-cve":         {Advisories: []hotstick.Advisory{advisory("vendor", "CVE-2026-99999", p, "..5.15.33-77")}},
		"withdrawn":       {Withdrawn: []exposure.Key{exposure.KeyOf(advisory("vendor", benchCVE(17), p))}},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				fleet.Change(change)
			}
		})
		b.Run(name+"-with-events", func(b *testing.B) {
			n := 0
			for b.Loop() {
				for range exposure.Events(fleet, fleet.Change(change), time.Time{}) {
					n++
				}
			}
			b.ReportMetric(float64(n)/float64(b.N), "events")
		})
	}
}
