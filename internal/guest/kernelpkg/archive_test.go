package kernelpkg

import (
	"slices"
	"strings"
	"testing"
)

const madison = `
linux-image-6.12.107+deb12-cloud-amd64 | 6.12.107-1~deb12u1 | http://deb.example/debian-security bookworm-security/main amd64 Packages
linux-image-6.12.96+deb12-cloud-amd64 | 6.12.96-1~deb12u1 | http://deb.example/debian-security bookworm-security/main amd64 Packages
linux-image-6.12.100+deb12-cloud-amd64 | 6.12.100-1~deb12u1 | http://deb.example/debian-security bookworm-security/main amd64 Packages
linux-image-6.12.113+deb12-cloud-amd64 | 6.12.113-1~deb12u1 | http://deb.example/debian-security bookworm-security/main amd64 Packages
linux-image-6.12.107+deb12-rt-amd64 | 6.12.107-1~deb12u1 | http://deb.example/debian-security bookworm-security/main amd64 Packages
linux-image-6.12.107+deb12-amd64 | 6.12.107-1~deb12u1 | http://deb.example/debian-security bookworm-security/main amd64 Packages
linux-image-6.12.107+deb12-cloud-amd64-dbg | 6.12.107-1~deb12u1 | http://deb.example/debian-security bookworm-security/main amd64 Packages
linux-image-6.12.107+deb12-cloud-amd64-unsigned | 6.12.107-1~deb12u1 | http://deb.example/debian-security bookworm-security/main amd64 Packages
linux-headers-6.12.107+deb12-cloud-amd64 | 6.12.107-1~deb12u1 | http://deb.example/debian-security bookworm-security/main amd64 Packages
linux-headers-6.12.107+deb12-amd64 | 6.12.107-1~deb12u1 | http://deb.example/debian-security bookworm-security/main amd64 Packages
linux-headers-6.12.107+deb12-rt-amd64 | 6.12.107-1~deb12u1 | http://deb.example/debian-security bookworm-security/main amd64 Packages
linux-headers-6.12.113+deb12-cloud-amd64 | 6.12.113-1~deb12u1 | http://deb.example/debian-security bookworm-security/main amd64 Packages
linux-headers-6.12.100+deb12-cloud-amd64 | 6.12.100-2~deb12u1 | http://deb.example/debian-security bookworm-security/main amd64 Packages
linux-image-6.1.0-47-cloud-amd64 | 6.1.170-4 | http://deb.example/debian bookworm/main amd64 Packages
linux-image-6.1.0-47-cloud-amd64 | 6.1.170-3 | http://deb.example/debian bookworm/main amd64 Packages
linux-headers-6.1.0-47-cloud-amd64 | 6.1.170-3 | http://deb.example/debian bookworm/main amd64 Packages
linux-headers-6.1.0-47-cloud-amd64 | 6.1.170-4 | http://deb.example/debian bookworm/main amd64 Packages
linux-6.12 | 6.12.107-1~deb12u1 | http://deb.example/debian-security bookworm-security/main Sources
`

func TestOnlyBuildsWithHeadersAreOfferedOldestFirst(t *testing.T) {
	l, err := parseMadison(madison)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		line, flavour string
		want          string
	}{
		{"6.12", "cloud-amd64", "6.12.107+deb12-cloud-amd64 6.12.113+deb12-cloud-amd64"},
		{"6.12", "amd64", "6.12.107+deb12-amd64"},
		{"6.12", "rt-amd64", "6.12.107+deb12-rt-amd64"},
		{"6.1", "cloud-amd64", "6.1.0-47-cloud-amd64 6.1.0-47-cloud-amd64"}, // two versions of one release
		{"6.1", "amd64", ""},
		{"6", "cloud-amd64", "6.1.0-47-cloud-amd64 6.1.0-47-cloud-amd64 6.12.107+deb12-cloud-amd64 6.12.113+deb12-cloud-amd64"},
	} {
		var got []string
		for _, o := range l.offers(tt.line, tt.flavour) {
			got = append(got, o.Release)
		}
		if strings.Join(got, " ") != tt.want {
			t.Errorf("offers of %s %s: got %q, want %q", tt.line, tt.flavour, got, tt.want)
		}
	}
	if first := l.offers("6.1", "cloud-amd64")[0]; first.Version != "6.1.170-3" {
		t.Errorf("the oldest 6.1 has version %s", first.Version)
	}
	if slices.Contains(l["linux-6.12"], "6.12.107-1~deb12u1") {
		t.Error("a source package counts as a binary one")
	}
}

func TestAListingThatIsNotUnderstoodIsRefused(t *testing.T) {
	for _, text := range []string{"linux-image | 6.1", "N: Unable to locate package", "a | b | c | d"} {
		if _, err := parseMadison(text); err == nil {
			t.Errorf("accepted %q", text)
		}
	}
}

func TestDependenciesAreFoundInADependsField(t *testing.T) {
	const depends = "linux-base (>= 4.12~), linux-headers-6.12.107+deb12-common (= 6.12.107-1~deb12u1), linux-image-6.12.107+deb12-amd64 (= 1) | other, linux-kbuild-6.1 (>= 6.1.170-3), gcc-12"
	for _, tt := range []struct {
		prefix, suffix string
		name, version  string
	}{
		{"linux-headers-", "-common", "linux-headers-6.12.107+deb12-common", "6.12.107-1~deb12u1"},
		{"linux-kbuild-", "", "linux-kbuild-6.1", ""}, // any newer one will do
		{"gcc-", "", "gcc-12", ""},
		{"make", "", "", ""},
	} {
		name, version, ok := dependency(depends, tt.prefix, tt.suffix)
		if name != tt.name || version != tt.version || ok != (tt.name != "") {
			t.Errorf("%s…%s: got %q %q %v", tt.prefix, tt.suffix, name, version, ok)
		}
	}
}
