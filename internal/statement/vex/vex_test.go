package vex_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"flag"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/plain"
	"github.com/hotstick/hotstick/internal/statement/vex"
)

var update = flag.Bool("update", false, "write the golden files anew")

var head = vex.Head{Author: "security@example.org", Role: "Operator", Base: "https://hotstick.example.org/", Tool: "hotstick",
	At: time.Date(2026, 11, 21, 13, 0, 0, 500, time.FixedZone("", 3600))}

// host makes an ID of a letter.
func host(letter string) hotstick.HostID { return hotstick.HostID("h-" + strings.Repeat(letter, 16)) }

// answers has one for each reason, and hosts that stand alike.
func answers() (all []vex.Answer) {
	debian := vex.Kernel{Product: hotstick.KernelProduct{Distribution: "debian:12", Package: "linux", Scheme: hotstick.DebVersions}, Booted: "6.1.170-3", Fixed: "6.1.172-1", OnDisk: []string{"6.1.0-56-amd64", "6.1.0-58-amd64"}}
	dsa := hotstick.AdvisorySource{Feed: "debian", Document: "DSA-5681-1", Digest: hotstick.NewDigest([]byte("dsa")), Fetched: head.At}
	fix := hotstick.PatchRef{Name: "unix-ioctl", Level: 2}
	add := func(h, name, cve string, r hotstick.ExposureReason, k vex.Kernel, s hotstick.AdvisorySource, j hotstick.Justification) {
		all = append(all, vex.Answer{Host: host(h), Name: name, CVE: cve, Reason: r, Justification: j, Source: s, Kernel: k})
	}
	patched, offered, nofix := debian, debian, debian
	patched.Patch, offered.Offer, nofix.Fixed = fix, fix, ""
	const ours, theirs = "CVE-2026-52928", "CVE-2026-53249"
	add("b", "db-2", ours, hotstick.ClosedByPatch, patched, dsa, "")
	add("a", "db-1", ours, hotstick.ClosedByPatch, patched, dsa, "")
	add("c", "=cmd|'/c calc'!A1", ours, hotstick.ExposedInRange, offered, dsa, "")
	add("d", "web-1", ours, hotstick.ExposedInRange, debian, dsa, "")
	add("e", "web\r\n2", ours, hotstick.ExposedNoFix, nofix, dsa, "")
	nofix.Offer = fix
	add("f", "web-3", ours, hotstick.ExposedNoFix, nofix, dsa, "")
	rhel := vex.Kernel{Product: hotstick.KernelProduct{Distribution: "rhel:9.4", Package: "kernel", Scheme: hotstick.RPMVersions}, Booted: "5.14.0-427.13.1.el9_4"}
	nt := vex.Kernel{Product: hotstick.KernelProduct{Distribution: "windows:2025", Package: "windows", Scheme: hotstick.WindowsVersions}, Booted: "26100.1742", Memory: "26100.3788"}
	csaf := hotstick.AdvisorySource{Feed: "redhat", Document: "CVE-2026-53249", Digest: hotstick.NewDigest([]byte("csaf")), Fetched: head.At}
	for i, r := range hotstick.ExposureReasons() {
		k := rhel
		if r == hotstick.ClosedByLevel {
			k = nt
		}
		add(string("abcdefghijklmnopqrstuvwxyz"[i]), "host", theirs, r, k, csaf, "")
	}
	add("z", "far", theirs, hotstick.NeverByVendor, rhel, csaf, hotstick.VulnerableCodeNotPresent)
	all[len(all)-1].Disputed = true
	add("y", "dark", theirs, hotstick.UnknownProduct, vex.Kernel{}, hotstick.AdvisorySource{}, "")
	return all
}

func golden(t *testing.T, name string, raw []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile("testdata/"+name, raw, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(raw, want) {
		t.Errorf("%s is not as it was:\n%s", name, raw)
	}
}

func TestTheDocumentsAreAsTheyWere(t *testing.T) {
	raw, err := vex.OpenVEX(head, answers())
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "fleet.openvex.json", raw)
	var table bytes.Buffer
	if err := vex.CSV(&table, answers()); err != nil {
		t.Fatal(err)
	}
	golden(t, "fleet.csv", table.Bytes())
}

func TestTheSameAnswersAreTheSameBytes(t *testing.T) {
	want, err := vex.OpenVEX(head, answers())
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		all := rapid.Permutation(answers()).Draw(t, "order")
		if got, err := vex.OpenVEX(head, all); err != nil || !bytes.Equal(got, want) {
			t.Fatalf("another order is another document: %v", err)
		}
	})
	other := answers()
	other[0].Reason = hotstick.ClosedByBoot
	got, err := vex.OpenVEX(head, other)
	if err != nil || id(t, got) == id(t, want) {
		t.Errorf("another word has the same ID: %v", err)
	}
}

func id(t *testing.T, raw []byte) string {
	t.Helper()
	var d struct {
		ID string `json:"@id"`
	}
	if err := json.Unmarshal(raw, &d); err != nil {
		t.Fatal(err)
	}
	return d.ID
}

// parsed is a document as any reader takes it.
type parsed struct {
	Context    string `json:"@context"`
	ID         string `json:"@id"`
	Statements []struct {
		Vulnerability struct{ Name string }
		Products      []struct {
			ID            string `json:"@id"`
			Subcomponents []struct {
				ID string `json:"@id"`
			}
		}
		Status, Justification string
		Impact                string `json:"impact_statement"`
		Action                string `json:"action_statement"`
		Notes                 string `json:"status_notes"`
	}
}

// check keeps what OpenVEX's schema asks: what must be there with which status, and URIs.
func check(t *testing.T, raw []byte) (p parsed) {
	t.Helper()
	if err := json.Unmarshal(raw, &p); err != nil {
		t.Fatal(err)
	}
	uri := func(s string) {
		if u, err := url.Parse(s); err != nil || !u.IsAbs() || !plain.Is(s) || strings.ContainsAny(s, " \"<>\\^`{|}") {
			t.Errorf("%q is no URI: %v", s, err)
		}
	}
	uri(p.ID)
	for _, s := range p.Statements {
		justified := slices.Contains(hotstick.Justifications(), hotstick.Justification(s.Justification))
		switch s.Status {
		case "affected":
			if s.Action == "" || s.Justification != "" {
				t.Errorf("affected: %+v", s)
			}
		case "not_affected":
			if justified == (s.Impact != "") || !justified && s.Justification != "" {
				t.Errorf("not affected: %+v", s)
			}
		case "fixed", "under_investigation":
			if s.Action+s.Justification+s.Impact != "" {
				t.Errorf("%s: %+v", s.Status, s)
			}
		default:
			t.Errorf("the status %q is none", s.Status)
		}
		if len(s.Products) == 0 || s.Notes == "" || !plain.Is(s.Notes+s.Action+s.Impact) {
			t.Errorf("%+v", s)
		}
		for _, product := range s.Products {
			uri(product.ID)
			for _, c := range product.Subcomponents {
				uri(c.ID)
			}
		}
	}
	return p
}

func TestWhatIsOpenIsNeverToldAsClosed(t *testing.T) {
	for _, r := range hotstick.ExposureReasons() {
		raw, err := vex.OpenVEX(head, []vex.Answer{{Host: host("a"), CVE: "CVE-2026-52928", Reason: r, Justification: hotstick.ComponentNotPresent}})
		if err != nil {
			t.Fatal(err)
		}
		p := check(t, raw)
		want := map[hotstick.ExposureState]string{hotstick.Exposed: "affected", hotstick.ExposureUnknown: "under_investigation", hotstick.Mitigated: "not_affected",
			hotstick.FixedByLivePatch: "fixed", hotstick.FixedByBoot: "fixed", hotstick.NotAffected: "not_affected"}[r.State()]
		if p.Context != "https://openvex.dev/ns/v0.2.0" || len(p.Statements) != 1 || p.Statements[0].Status != want {
			t.Errorf("%s is told as %+v", r, p.Statements)
		}
	}
}

func TestHostsThatStandAlikeShareAStatement(t *testing.T) {
	raw, err := vex.OpenVEX(head, answers())
	if err != nil {
		t.Fatal(err)
	}
	first := check(t, raw).Statements[0]
	if first.Vulnerability.Name != "CVE-2026-52928" || len(first.Products) != 2 || first.Products[0].ID != "https://hotstick.example.org/hosts/h-aaaaaaaaaaaaaaaa" ||
		first.Products[0].Subcomponents[0].ID != "pkg:deb/debian/linux@6.1.170-3?arch=source&distro=debian-12" {
		t.Errorf("the first is %+v", first)
	}
	if want := "reason patch_in_effect; fixed in memory by unix-ioctl level 2; on disk 6.1.0-56-amd64, 6.1.0-58-amd64; booted debian:12 linux 6.1.170-3; by the word of debian DSA-5681-1 "; !strings.HasPrefix(first.Notes, want) {
		t.Errorf("its notes are %q", first.Notes)
	}
}

func TestWhatWouldCloseIt(t *testing.T) {
	fix := hotstick.PatchRef{Name: "fix", Level: 2}
	for _, test := range []struct {
		reason hotstick.ExposureReason
		kernel vex.Kernel
		want   string
	}{
		{hotstick.ExposedInRange, vex.Kernel{Offer: fix, Fixed: "6.1.172-1"}, "Apply the live patch fix@2, or boot 6.1.172-1 or later."},
		{hotstick.ExposedInRange, vex.Kernel{Offer: fix}, "Apply the live patch fix@2, or boot a fixed version."},
		{hotstick.ExposedInRange, vex.Kernel{Fixed: "6.1.172-1"}, "Boot 6.1.172-1 or later."},
		{hotstick.ExposedInRange, vex.Kernel{}, "Boot a fixed version."},
		{hotstick.ExposedNoFix, vex.Kernel{Offer: fix}, "Apply the live patch fix@2; no version to boot is fixed yet."},
		{hotstick.ExposedNoFix, vex.Kernel{}, "No version is fixed yet."},
	} {
		raw, err := vex.OpenVEX(head, []vex.Answer{{Host: host("a"), CVE: "CVE-2026-52928", Reason: test.reason, Kernel: test.kernel, Disputed: true}})
		if err != nil {
			t.Fatal(err)
		}
		if s := check(t, raw).Statements[0]; s.Action != test.want || !strings.HasSuffix(s.Notes, "; disputed by other sources") {
			t.Errorf("%s, %+v: %q (%s)", test.reason, test.kernel, s.Action, s.Notes)
		}
	}
}

func TestPackageURLs(t *testing.T) {
	for want, k := range map[string]vex.Kernel{
		"pkg:deb/ubuntu/linux-hwe-6.8@6.8.0-40.40~22.04.3?arch=source&distro=ubuntu-22.04": {Product: hotstick.KernelProduct{Distribution: "ubuntu:22.04", Package: "linux-hwe-6.8", Scheme: hotstick.DebVersions}, Booted: "6.8.0-40.40~22.04.3"},
		"pkg:deb/debian/linux@1:6.12%2B1?arch=source&distro=debian-13":                     {Product: hotstick.KernelProduct{Distribution: "debian:13", Package: "linux", Scheme: hotstick.DebVersions}, Booted: "1:6.12+1"},
		"pkg:rpm/redhat/kernel@5.14.0-427.13.1.el9_4?arch=src&distro=rhel-9.4":             {Product: hotstick.KernelProduct{Distribution: "rhel:9.4", Package: "kernel", Scheme: hotstick.RPMVersions}, Booted: "5.14.0-427.13.1.el9_4"},
		"pkg:rpm/suse/kernel-default@6.4.0?arch=src&distro=sles-15.6&epoch=2":              {Product: hotstick.KernelProduct{Distribution: "sles:15.6", Package: "kernel-default", Scheme: hotstick.RPMVersions}, Booted: "2:6.4.0"},
		"pkg:generic/linux@6.1.140":                          {Product: hotstick.KernelProduct{Distribution: "upstream", Package: "linux", Scheme: hotstick.UpstreamVersions}, Booted: "6.1.140"},
		"pkg:generic/windows@26100.3788?distro=windows-2025": {Product: hotstick.KernelProduct{Distribution: "windows:2025", Package: "windows", Scheme: hotstick.WindowsVersions}, Booted: "26100.3788"},
		"pkg:generic/a%2Fb%3F%23@%0A%22":                     {Product: hotstick.KernelProduct{Package: "a/b?#"}, Booted: "\n\""},
	} {
		raw, err := vex.OpenVEX(head, []vex.Answer{{Host: host("a"), CVE: "CVE-2026-52928", Reason: hotstick.ClosedByBoot, Kernel: k}})
		if err != nil {
			t.Fatal(err)
		}
		if got := check(t, raw).Statements[0].Products[0].Subcomponents[0].ID; got != want {
			t.Errorf("%+v is %s, want %s", k, got, want)
		}
	}
}

func TestWhatIsRefused(t *testing.T) {
	good := vex.Answer{Host: host("a"), CVE: "CVE-2026-52928", Reason: hotstick.ClosedByBoot}
	for name, spoil := range map[string]func(*vex.Head, *[]vex.Answer){
		"nothing":           func(_ *vex.Head, all *[]vex.Answer) { *all = nil },
		"no host":           func(_ *vex.Head, all *[]vex.Answer) { (*all)[0].Host = "../../x" },
		"no CVE":            func(_ *vex.Head, all *[]vex.Answer) { (*all)[0].CVE = "GHSA-1" },
		"no reason":         func(_ *vex.Head, all *[]vex.Answer) { (*all)[0].Reason = "weather" },
		"no justification":  func(_ *vex.Head, all *[]vex.Answer) { (*all)[0].Justification = "because" },
		"two words":         func(_ *vex.Head, all *[]vex.Answer) { *all = append(*all, good) },
		"no author":         func(h *vex.Head, _ *[]vex.Answer) { h.Author = " " },
		"too long a role":   func(h *vex.Head, _ *[]vex.Answer) { h.Role = strings.Repeat("x", 257) },
		"no time":           func(h *vex.Head, _ *[]vex.Answer) { h.At = time.Time{} },
		"no address":        func(h *vex.Head, _ *[]vex.Answer) { h.Base = "hotstick" },
		"another scheme":    func(h *vex.Head, _ *[]vex.Answer) { h.Base = "javascript://x" },
		"with a password":   func(h *vex.Head, _ *[]vex.Answer) { h.Base = "https://a:b@x" },
		"with a query":      func(h *vex.Head, _ *[]vex.Answer) { h.Base = "https://x/?a" },
		"with a fragment":   func(h *vex.Head, _ *[]vex.Answer) { h.Base = "https://x/#a" },
		"with a hidden end": func(h *vex.Head, _ *[]vex.Answer) { h.Base = "https://x/\u202e" },
	} {
		h, all := head, []vex.Answer{good}
		spoil(&h, &all)
		if raw, err := vex.OpenVEX(h, all); err == nil || !strings.HasPrefix(err.Error(), "cannot ") {
			t.Errorf("%s: %v %s", name, err, raw)
		}
	}
	var out bytes.Buffer
	if err := vex.CSV(&out, []vex.Answer{good, good}); err == nil || out.Len() > 0 {
		t.Errorf("a table of two words: %v", err)
	}
}

// FuzzHostileStrings: whatever a host or a document calls things, it changes nothing but
// texts, and none of them is a formula.
func FuzzHostileStrings(f *testing.F) {
	for _, s := range []string{"db-1", "=1+1", "\",\"status\":\"fixed", "a\r\nb", "\xff", "\u202e", "</script>", "'=1", "\u2028", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a := vex.Answer{Host: host("a"), Name: s, CVE: "CVE-2026-52928", Reason: hotstick.ExposedInRange, Source: hotstick.AdvisorySource{Feed: s, Document: s, Digest: hotstick.Digest(s)},
			Kernel: vex.Kernel{Product: hotstick.KernelProduct{Distribution: s, Package: s, Scheme: hotstick.RPMVersions}, Booted: s, Memory: s, OnDisk: []string{s, s}, Fixed: s}}
		h := head
		h.Author, h.Role, h.Tool = "x"+s[:min(len(s), 200)], s[:min(len(s), 200)], s
		raw, err := vex.OpenVEX(h, []vex.Answer{a})
		if err != nil {
			t.Fatal(err)
		}
		if p := check(t, raw); len(p.Statements) != 1 || p.Statements[0].Status != "affected" {
			t.Errorf("%q makes %s", s, raw)
		}
		var out bytes.Buffer
		if err := vex.CSV(&out, []vex.Answer{a}); err != nil {
			t.Fatal(err)
		}
		rows, err := csv.NewReader(&out).ReadAll()
		if err != nil || len(rows) != 2 || len(rows[1]) != len(rows[0]) {
			t.Fatalf("%q makes the table %q, %v", s, rows, err)
		}
		for _, field := range rows[1] {
			if !plain.Is(field) || field != "" && field != "-" && strings.Contains("=+-@", field[:1]) {
				t.Errorf("%q makes the field %q", s, field)
			}
		}
	})
}
