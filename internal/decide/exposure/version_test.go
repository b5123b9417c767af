package exposure_test

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/decide/exposure"
)

// ascending are known orders, the oldest first; "=" joins what is equal. Those of deb are
// dpkg's rules (deb-version(7)), those of rpm are from rpm's own test suite
// (tests/rpmvercmp.at) and Red Hat's and SUSE's kernels.
var ascending = map[hotstick.VersionScheme][]string{
	hotstick.DebVersions: {
		"1.0~~", "1.0~~a", "1.0~", "1.0~rc1-1", "1.0=1.0-0=0:1.0=1.00", "1.0-1~bpo12+1", "1.0-1", "1.0-1+b1", "1.0-1.1", "1.0a", "1.0+", "1.0.1",
		"4.19.67-2+deb10u2", "6.1.99-1", "6.1.140-1~deb11u1", "6.1.140-1=6.1.0140-1", "6.1.170-3", "6.12.107-1~bpo12+1", "6.12.107-1", "1:0.1", "2:0",
	},
	hotstick.RPMVersions: {
		"1.0~rc1", "1.0~rc2", "1.0=1_0=0:1.0=1.00", "1.0^", "1.0^git1~pre", "1.0^git1", "1.0^git2", "1.0^20160101", "1.0.a", "1.0.1", "1.1", "1.01.1", "2.0.1", "2.0.1a", "2_1",
		"4.18.0-513.5.1.el8_9", "4.18.0-513.24.1.el8_9", "5.14.0-70.el9", "5.14.0-427.13.1.el9_4", "5.14.0-427.13.2.el9_4", "5.14.0-427.100.1.el9_4", "5.14.0-503.el9", "6.4.0-150600.23.7", "6.4.0-150600.23.7.3", "1:0.1",
	},
	hotstick.UpstreamVersions: {"0", "2.6.32.71", "5.4.294", "6.1-rc1=6.1.0-rc1", "6.1-rc10", "6.1=6.1.0", "6.1.9", "6.1.140", "6.2", "6.10", "6.10.1"},
	hotstick.WindowsVersions:  {"10.0.20348.3695", "26100.1=10.0.26100.1", "26100.3981", "10.0.26100.4061"},
}

func TestKnownVersionsStandInTheirOrder(t *testing.T) {
	for scheme, order := range ascending {
		for i, older := range order {
			for j, newer := range order {
				for _, a := range strings.Split(older, "=") {
					for _, b := range strings.Split(newer, "=") {
						have, err := exposure.Compare(scheme, a, b)
						if want := sign(i - j); err != nil || have != want {
							t.Errorf("%s: %s beside %s is %d, want %d (%v)", scheme, a, b, have, want, err)
						}
					}
				}
			}
		}
	}
}

func sign(n int) int { return min(1, max(-1, n)) }

func TestAbsurdVersionsAreNotComparedAtAll(t *testing.T) {
	for scheme, absurd := range map[hotstick.VersionScheme][]string{
		hotstick.DebVersions: {"", "-1", "1-", "a1", ":1", "x:1", "-1:1", "+1:1", " 1", "1 ", "1_0", "1:2:3", "1.0;rm", "1\x00", "1é", "١", strings.Repeat("9", 19), strings.Repeat("1.", 70) + "1",
			"=1+cmd", "1000000000000:1"},
		hotstick.RPMVersions:      {"", "-1", "1-", "1-2-3", ":1", "a:1", "(none):1", "1 ", "<b>", "~1", "1é", strings.Repeat("1", 400)},
		hotstick.UpstreamVersions: {"", ".", "6.", ".1", "6..1", "v6.1", "6.1-rc", "6.1-rc-1", "6.1-rc1-rc2", "6.1.140-1", "1.2.3.4.5.6", "6.9999999999", "-1.0", "+6.1", "6.1 "},
		hotstick.WindowsVersions:  {"", "26100", "10.0.26100", "10.0.26100.1.2", "10.0.26100.x", "26100.", "26100.-1", "10.0.26100.9999999999"},
		"snap":                    {"1", "6.1.140"},
	} {
		for _, text := range absurd {
			if have, err := exposure.Compare(scheme, text, text); err == nil {
				t.Errorf("%s: %q was compared: %d", scheme, text, have)
			} else if !strings.HasPrefix(err.Error(), "cannot use ") || len(err.Error()) > 500 {
				t.Errorf("%s: %q: %v", scheme, text, err)
			}
		}
	}
}

// someVersion draws what looks like a version; it is not always one.
func someVersion(scheme hotstick.VersionScheme) *rapid.Generator[string] {
	switch scheme {
	case hotstick.DebVersions:
		return rapid.StringMatching(`([0-2]:)?[0-2][0-2a~+.-]{0,5}(-[0-2a~+.]{1,4})?`)
	case hotstick.RPMVersions:
		return rapid.StringMatching(`([0-2]:)?[0-2][0-2ab~^_.]{0,5}(-[0-2a~^.]{1,4})?`)
	case hotstick.UpstreamVersions:
		return rapid.StringMatching(`[0-2](\.[0-2]{1,2}){0,3}(-rc[0-2])?`)
	}
	return rapid.StringMatching(`(10\.0\.)?[0-2]{1,2}\.[0-2]{1,2}`)
}

func TestEveryOrderIsTotal(t *testing.T) {
	for _, scheme := range hotstick.VersionSchemes() {
		t.Run(string(scheme), func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				draw := someVersion(scheme)
				a, b, c := draw.Draw(t, "a"), draw.Draw(t, "b"), draw.Draw(t, "c")
				ab, err1 := exposure.Compare(scheme, a, b)
				bc, err2 := exposure.Compare(scheme, b, c)
				if err1 != nil || err2 != nil {
					t.Skip("not versions")
				}
				ac, _ := exposure.Compare(scheme, a, c)
				ba, _ := exposure.Compare(scheme, b, a)
				aa, _ := exposure.Compare(scheme, a, a)
				switch {
				case aa != 0:
					t.Fatalf("%s is not itself", a)
				case ab != -ba:
					t.Fatalf("%s beside %s is %d, and the other way round %d", a, b, ab, ba)
				case ab <= 0 && bc <= 0 && ac > 0, ab >= 0 && bc >= 0 && ac < 0, ab == 0 && ac != bc:
					t.Fatalf("%s %d %s %d %s, but %d", a, ab, b, bc, c, ac)
				}
			})
		})
	}
}

// TestTheToolsThemselvesAgree asks dpkg and rpm.
func TestTheToolsThemselvesAgree(t *testing.T) {
	tools := map[hotstick.VersionScheme]func(t *testing.T, a, b string) (int, bool){
		hotstick.DebVersions: dpkgSays, hotstick.RPMVersions: rpmSays,
	}
	programs := map[hotstick.VersionScheme]string{hotstick.DebVersions: "dpkg", hotstick.RPMVersions: "rpm"}
	for scheme, says := range tools {
		t.Run(programs[scheme], func(t *testing.T) {
			if _, err := exec.LookPath(programs[scheme]); err != nil {
				t.Skipf("%s is not installed", programs[scheme])
			}
			draw := someVersion(scheme)
			for seed := range 150 {
				a, b := draw.Example(2*seed), draw.Example(2*seed+1)
				have, err := exposure.Compare(scheme, a, b)
				if want, ok := says(t, a, b); err == nil && ok && have != want {
					t.Errorf("%s beside %s is %d, and %s says %d", a, b, have, programs[scheme], want)
				}
			}
		})
	}
}

func dpkgSays(_ *testing.T, a, b string) (int, bool) {
	asks := func(relation string) bool {
		return exec.Command("dpkg", "--compare-versions", a, relation, b).Run() == nil
	}
	switch {
	case asks("lt"):
		return -1, true
	case asks("gt"):
		return 1, true
	}
	return 0, asks("eq")
}

// rpmSays compares one piece, as rpm's own function does: an epoch or a release is no part
// of what it is given.
func rpmSays(t *testing.T, a, b string) (int, bool) {
	if strings.ContainsAny(a+b, ":-") {
		return 0, false
	}
	out, err := exec.Command("rpm", "--eval", fmt.Sprintf("%%{lua:print(rpm.vercmp(%q, %q))}", a, b)).Output()
	if err != nil {
		t.Fatal(err)
	}
	var n int
	_, err = fmt.Sscan(string(out), &n)
	return n, err == nil
}
