package manifest

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/hotstick/hotstick"
)

const good = `apiVersion: hotstick/v1
kind: Patch
name: unix-ioctl
level: 2
summary: SIOCATMARK on a datagram socket is refused again
cves: [CVE-2026-52928]
driver: klp
reversibility: live
replace: true
functions:
  - {object: vmlinux, name: unix_ioctl}
check: check.c
probe: /usr/lib/hotstick/probes/unix
license: GPL-2.0
`

func TestAFolderBecomesThePatchThatTheCatalogSigns(t *testing.T) {
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, Name), []byte(good), 0o644); err != nil {
		t.Fatal(err)
	}
	m, err := Read(folder)
	if err != nil {
		t.Fatal(err)
	}
	artifact := hotstick.Artifact{
		Build:  hotstick.KernelBuild{Release: "6.1.0-47-amd64", Arch: "x86_64", BuildID: strings.Repeat("ab", 20)},
		Digest: hotstick.NewDigest([]byte("x")), SizeBytes: 1, Module: "hs_unix_ioctl_2",
	}
	got, err := m.Patch([]hotstick.Artifact{artifact})
	if err != nil {
		t.Fatal(err)
	}
	want := hotstick.Patch{
		Ref:     hotstick.PatchRef{Name: "unix-ioctl", Level: 2},
		Summary: "SIOCATMARK on a datagram socket is refused again",
		CVEs:    []string{"CVE-2026-52928"}, Driver: "klp", Reversibility: hotstick.ReversibleLive, Replace: true,
		Functions: []string{"vmlinux:unix_ioctl"}, Artifacts: []hotstick.Artifact{artifact},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("patch = %+v\nwant %+v", got, want)
	}
	if _, err := m.Patch(nil); err == nil {
		t.Error("a patch without artifacts was accepted")
	}
}

func TestABadManifestIsRefusedWithItsPlace(t *testing.T) {
	replace := func(old, new string) string { return strings.Replace(good, old, new, 1) }
	for _, c := range []struct {
		what, doc string
		want      []string
	}{
		{"unknown key", replace("replace:", "replaces:"), []string{`[9:1] unknown field "replaces"`, "^"}},
		{"unknown key inside", replace("name: unix_ioctl}", "nam: unix_ioctl}"), []string{`unknown field "nam"`, "^"}},
		{"repeated key", good + "level: 3\n", []string{"already defined", "^"}},
		{"wrong type", replace("level: 2", "level: two"), []string{"[4:8]", "^"}},
		{"broken", good + "cves: [", []string{"^"}},
		{"second document", good + "---\n" + good, []string{"second YAML document"}},
		{"empty", "", []string{"empty YAML document"}},
		{"comment only", "# nothing\n", []string{"cannot read"}},
		{"too long", good + strings.Repeat("# x\n", MaxBytes), []string{"more than 65536 bytes"}},
		{"other version", replace("hotstick/v1", "hotstick/v9"), []string{`apiVersion "hotstick/v9"`}},
		{"other kind", replace("kind: Patch", "kind: Plan"), []string{`kind "Plan"`}},
		{"bad name", replace("unix-ioctl", "Unix_ioctl"), []string{"patch name"}},
		{"level zero", replace("level: 2", "level: 0"), []string{"levels start at 1"}},
		{"no function", replace("functions:\n  - {object: vmlinux, name: unix_ioctl}\n", ""), []string{"without functions"}},
		{"no object", replace("object: vmlinux, ", ""), []string{`object ""`}},
		{"no license", replace("license: GPL-2.0\n", ""), []string{"without a license"}},
	} {
		_, err := Parse([]byte(c.doc))
		if err == nil {
			t.Errorf("%s: accepted", c.what)
			continue
		}
		for _, want := range c.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: error is\n%v\nwant it to say %q", c.what, err, want)
			}
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(good))
	f.Add([]byte("apiVersion: &a [*a]\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		m, err := Parse(raw)
		if err == nil && m.ref().Validate() != nil {
			t.Errorf("accepted a manifest with a bad name: %+v", m)
		}
	})
}
