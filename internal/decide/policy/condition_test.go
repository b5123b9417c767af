package policy

import (
	"testing"
	"time"

	"cel.dev/cel-go/common/types"
)

// An expression is judged by its parts, each written out and compiled again. Whatever
// it says, that must come to what the whole comes to.
func TestPartsAgreeWithTheWhole(t *testing.T) {
	language, err := newLanguage()
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	patch := Patch{Name: "fix", Level: 3, CVEs: []string{"CVE-2026-0001", "CVE-2026-0002"}, Published: now.Add(-36 * time.Hour), Severity: "hoch \"ü\" \\ \n"}.at(now)
	hosts := []Host{
		{Name: "web-1", Release: "6.1.0-47-amd64", Arch: "x86_64", Labels: map[string]string{"role": "web", "a.b/c": "1"}, Drivers: map[string]string{"klp": "bytes"}},
		{Name: "db-1", Release: "6.12.1", Labels: map[string]string{"role": "db"}, Drivers: map[string]string{}, InEffect: Level{Name: "fix", Level: 2}},
		{Labels: map[string]string{}, Drivers: map[string]string{}},
	}
	for _, text := range []string{
		`host.release.matches("^6\\.1\\.") && host.arch != ""`,
		`host.release.matches(r"^6\.1\.") && !(host.name in ["db-1", 'x"y'])`,
		`patch.severity == "hoch \"ü\" \\ \n" && host.labels["a.b/c"] == '1'`,
		`patch.age >= duration("1h30m") && now > timestamp("2026-01-01T00:00:00+02:00") && host.name != ""`,
		`patch.cves.exists(c, c.endsWith("0002") && host.name.size() > 0) && patch.cves.all(host, host.startsWith("CVE-"))`,
		`(host.labels.role == "web" ? host.arch == "x86_64" : host.in_effect.level < patch.level) && patch.level % 2 == 1`,
		`("role" in host.labels && host.labels.role == "db") || host.drivers.klp == "bytes"`,
		`has(host.labels.role) && host.labels.role.size() == 2`,
		`!(host.labels.role == "db" && host.arch == "") && (patch.level - 4) * -2 == 2`,
		`host.labels.map(k, k + host.labels[k]).exists(v, v == "roleweb") && true`,
		`host.labels.zone == "a" && host.name == "nobody"`,
		`patch.name + "-" + host.name == "fix-web-1" && 1.5e3 > 2.0 && b"\x00\xff" != b""`,
		`[1, 2, 3].filter(n, n > 1).size() == 2 && {"k": host.name}["k"] == "db-1"`,
	} {
		whole, wrong := language.check(text)
		if wrong != nil {
			t.Errorf("%s: %s", text, wrong.message)
			continue
		}
		program, err := language.program(whole)
		if err != nil {
			t.Fatal(err)
		}
		c, wrong := language.compile(expression(text))
		if wrong != nil {
			t.Fatal(wrong.message)
		}
		picked := 0
		for _, h := range hosts {
			w := &world{host: &h, patch: &patch, now: now}
			out, _, err := program.Eval(w)
			want := err == nil && out == types.True
			settled := c.settle(&world{patch: &patch, now: now})
			if got := c.judge(w).held; got != want {
				t.Errorf("%s, host %q: by parts %t, as a whole %t (%v)", text, h.Name, got, want, err)
			}
			if got := settled.judge(w).held; got != want {
				t.Errorf("%s, host %q: settled %t, as a whole %t (%v)", text, h.Name, got, want, err)
			}
			if want {
				picked++
			}
		}
		if picked == len(hosts) {
			t.Errorf("%s tells no host from another", text)
		}
	}
}
