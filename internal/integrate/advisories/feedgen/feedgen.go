// Package feedgen makes large feeds of CSAF documents for tests and benchmarks, in the shape
// that Red Hat's VEX files have. The same seed makes the same feed.
package feedgen

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"time"
)

// streams are platforms with the distribution tags of their kernels.
var streams = []struct{ id, cpe, tag string }{
	{"BaseOS-9.7.0.Z.MAIN", "cpe:/o:redhat:enterprise_linux:9::baseos", "el9_7"},
	{"BaseOS-9.4.0.Z.EUS", "cpe:/o:redhat:rhel_eus:9.4::baseos", "el9_4"},
	{"BaseOS-9.2.0.Z.E4S", "cpe:/o:redhat:rhel_e4s:9.2::baseos", "el9_2"},
	{"BaseOS-8.10.0.Z.MAIN.EUS", "cpe:/o:redhat:enterprise_linux:8::baseos", "el8_10"},
	{"BaseOS-8.6.0.Z.AUS", "cpe:/o:redhat:rhel_aus:8.6::baseos", "el8_6"},
}

// parts are the packages of each kernel build: one of them is the kernel.
var parts = []string{
	"kernel", "kernel-core", "kernel-debug", "kernel-debug-core", "kernel-debug-devel", "kernel-debug-modules", "kernel-devel",
	"kernel-headers", "kernel-modules", "kernel-modules-core", "kernel-modules-extra", "kernel-tools", "kernel-tools-libs", "bpftool", "perf", "python3-perf",
}

var architectures = []string{"aarch64", "ppc64le", "s390x", "x86_64"}

// CSAF makes the n-th document of a feed.
func CSAF(seed uint64, n int) []byte {
	r := rand.New(rand.NewPCG(seed, uint64(n)))
	var platforms, builds, ties, fixed bytes.Buffer
	list := func(b *bytes.Buffer, format string, args ...any) {
		if b.Len() > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(b, format, args...)
	}
	for _, s := range streams {
		list(&platforms, `{"category":"product_name","name":%[1]q,"product":{"name":%[1]q,"product_id":%[1]q,"product_identification_helper":{"cpe":%[2]q}}}`, s.id, s.cpe)
		version := fmt.Sprintf("5.14.0-%d.%d.1.%s", 100+r.IntN(900), 1+r.IntN(90), s.tag)
		for _, arch := range architectures {
			for _, part := range parts {
				id := fmt.Sprintf("%s-0:%s.%s", part, version, arch)
				list(&builds, `{"category":"product_version","name":%[1]q,"product":{"name":%[1]q,"product_id":%[1]q,"product_identification_helper":{"purl":"pkg:rpm/redhat/%s@%s?arch=%s"}}}`, id, part, version, arch)
				list(&ties, `{"category":"default_component_of","full_product_name":{"name":"%[1]s as a component of %[2]s","product_id":"%[2]s:%[1]s"},"product_reference":%[1]q,"relates_to_product_reference":%[2]q}`, id, s.id)
				list(&fixed, `"%s:%s"`, s.id, id)
			}
		}
	}
	cve := fmt.Sprintf("CVE-2026-%d", 900000+n)
	return fmt.Appendf(nil, `{"document":{"category":"csaf_vex","csaf_version":"2.0","title":"kernel: made","tracking":{"id":%[1]q,"current_release_date":"2026-11-10T05:12:44+00:00","status":"final","version":"1"}},`+
		`"product_tree":{"branches":[{"category":"vendor","name":"Red Hat","branches":[%[2]s,%[3]s]}],"relationships":[%[4]s]},`+
		`"vulnerabilities":[{"cve":%[1]q,"title":"kernel: made","release_date":"2026-10-30T00:00:00+00:00","product_status":{"fixed":[%[5]s]},`+
		`"scores":[{"cvss_v3":{"baseScore":5.5,"vectorString":"CVSS:3.1/AV:L/AC:L/PR:L/UI:N/S:U/C:N/I:N/A:H","version":"3.1"},"products":[%[5]s]}]}]}`,
		cve, platforms.Bytes(), builds.Bytes(), ties.Bytes(), fixed.Bytes())
}

// TarCSAF writes a tar of n documents, made one after the other.
func TarCSAF(w io.Writer, seed uint64, n int) error {
	t := tar.NewWriter(w)
	for i := range n {
		data := CSAF(seed, i)
		h := tar.Header{Name: fmt.Sprintf("2026/cve-2026-%d.json", 900000+i), Size: int64(len(data)), Mode: 0o644, Typeflag: tar.TypeReg, ModTime: time.Unix(0, 0)}
		if err := t.WriteHeader(&h); err != nil {
			return fmt.Errorf("cannot write a made feed: %w", err)
		}
		if _, err := t.Write(data); err != nil {
			return fmt.Errorf("cannot write a made feed: %w", err)
		}
	}
	return t.Close()
}
