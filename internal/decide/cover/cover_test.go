package cover_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/decide/cover"
	"github.com/hotstick/hotstick/internal/strictyaml"
)

func day(s string) time.Time {
	t, err := time.Parse(time.DateOnly, s)
	if err != nil {
		panic(err)
	}
	return t
}

// kernel writes one as DRIVER DISTRIBUTION PACKAGE VERSION PUBLISHED, a dash for what is not
// known and an asterisk behind the driver for what the vendor has chosen.
func kernel(t *testing.T, s string) cover.Kernel {
	t.Helper()
	f := strings.Fields(s)
	for i := range f {
		f[i] = strings.TrimPrefix(f[i], "-")
	}
	k := cover.Kernel{Product: hotstick.KernelProduct{Distribution: f[1], Package: f[2]}, Version: f[3], Release: f[3]}
	k.Driver, k.Chosen = strings.CutSuffix(f[0], "*")
	if f[4] != "" {
		k.Published = hotstick.KernelRelease{Day: day(f[4]), Origin: hotstick.ReleasedByRepository}
	}
	return k
}

func says(c hotstick.Cover) string {
	s := string(c.State) + " " + string(c.Reason)
	if c.State == hotstick.CoverEnds {
		s = c.Until.Format(time.DateOnly) + " " + string(c.Reason)
	}
	if c.Rule != "" {
		s += " " + c.Rule
	}
	return s
}

func TestUntilWhenEachVendorCoversAKernel(t *testing.T) {
	rules, err := cover.Default()
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	tests := []struct{ name, kernel, want string }{
		{"Canonical, a series that an LTS began with", "canonical ubuntu:22.04 linux-aws 5.15.0-1062.68 2026-01-15", "2027-02-15 counted canonical-thirteen-months"},
		{"the same on the LTS before", "canonical ubuntu:20.04 linux-hwe-5.15 5.15.0-107.117~20.04.1 2026-01-15", "2027-02-15 counted canonical-thirteen-months"},
		{"a series in between", "canonical ubuntu:24.04 linux-hwe-6.11 6.11.0-26.26~24.04.1 2026-01-15", "2026-10-15 counted canonical-nine-months"},
		{"a month's end in a shorter month", "canonical ubuntu:24.04 linux 6.8.0-35.35 2026-01-31", "2027-02-28 counted canonical-thirteen-months"},
		{"the same before a leap day", "canonical ubuntu:24.04 linux 6.8.0-35.35 2027-01-31", "2028-02-29 counted canonical-thirteen-months"},
		{"a series that nobody listed", "canonical ubuntu:24.04 linux 9.9.0-1.1 2026-01-15", "unknown no_rule"},
		{"a kernel for real time", "canonical ubuntu:22.04 linux-realtime 5.15.0-1032.35 2026-01-15", "none left_out canonical-realtime"},
		{"Canonical, published nobody knows when", "canonical ubuntu:22.04 linux 5.15.0-107.117 -", "unknown release_unknown canonical-thirteen-months"},
		{"Canonical, a version that nobody told", "canonical ubuntu:22.04 linux - 2026-01-15", "unknown no_rule"},

		{"SUSE", "suse sles:15.6 kernel-default 6.4.0-150600.23.7 2026-03-31", "2027-03-31 counted suse"},
		{"SUSE, from a leap day", "suse sles:15.6 kernel-default 6.4.0-150600.23.7 2028-02-29", "2029-02-28 counted suse"},
		{"SUSE, published nobody knows when", "suse - - - -", "unknown release_unknown suse"},

		{"Red Hat, a chosen kernel", "kpatch* rhel:9.4 kernel 5.14.0-427.13.1.el9_4 2026-05-07", "2027-05-07 counted redhat"},
		{"Red Hat, and nothing shows that it is one", "kpatch rhel:9.4 kernel 5.14.0-427.13.1.el9_4 2026-05-07", "unknown choice_unknown redhat"},
		{"Red Hat, chosen, published nobody knows when", "kpatch* rhel:9.4 kernel 5.14.0-427.13.1.el9_4 -", "unknown release_unknown redhat"},
		{"Red Hat for real time", "kpatch rhel:9.4 kernel-rt 5.14.0-427.13.1.el9_4 2026-05-07", "none left_out redhat-realtime"},
		{"Red Hat before it was covered", "kpatch rhel:10.1 kernel 6.12.0-124.8.1.el10_1 2026-05-07", "none left_out redhat-before-10-2"},
		{"Red Hat 10.2", "kpatch* rhel:10.2 kernel 6.12.0-211.16.1.el10_2 2026-05-07", "2027-05-07 counted redhat"},
		{"kpatch where nobody else builds", "kpatch* debian:12 linux 6.1.170-3 2026-05-07", "unpromised own_patches kpatch-elsewhere"},

		{"Amazon, a month's end", "amazon amzn:2023 kernel 6.1.134-150.224.amzn2023 2025-11-30", "2026-02-28 counted amazon"},
		{"Amazon in the year of a leap day", "amazon amzn:2 kernel 5.10.237-230.949.amzn2 2027-11-30", "2028-02-29 counted amazon"},
		{"Amazon's system elsewhere", "amazon debian:12 linux 6.1.170-3 2025-11-30", "unknown no_rule"},

		{"Windows", "windows windows:2025 windows 26100.3788 -", "2027-01-12 next_baseline windows"},
		{"KernelCare", "kernelcare debian:12 linux 6.1.170-3 2026-05-07", "unknown unpublished kernelcare"},
		{"Ksplice", "ksplice ol:9 kernel-uek 5.15.0-300.el9uek 2026-05-07", "unknown unpublished ksplice"},
		{"a kernel's own mechanism", "klp debian:12 linux 6.1.170-3 2026-05-07", "unpromised own_patches upstream"},
		{"no system", "- debian:12 linux 6.1.170-3 2026-05-07", "none no_system"},
		{"a system that nobody knows", "magic debian:12 linux 6.1.170-3 2026-05-07", "unknown no_rule"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := rules.Judge(kernel(t, test.kernel), now)
			if got := says(c); got != test.want || (c.Rule == "") != (c.Source == "") || c.State != c.Reason.State() {
				t.Errorf("says %s, want %s (%+v)", got, test.want, c)
			}
			if (c.Reason == hotstick.CoverCounted) != (c.Released.Origin == hotstick.ReleasedByRepository) {
				t.Errorf("counted from %+v", c.Released)
			}
		})
	}
}

func TestWhatTheSystemItselfTellsHolds(t *testing.T) {
	rules, err := cover.Default()
	if err != nil {
		t.Fatal(err)
	}
	k := kernel(t, "canonical ubuntu:22.04 linux 5.15.0-107.117 2026-01-15")
	k.Told = time.Date(2027, 3, 19, 23, 30, 0, 0, time.FixedZone("", -3600))
	if got := says(rules.Judge(k, day("2026-11-21"))); got != "2027-03-20 told" {
		t.Errorf("says %s", got)
	}
	k.Over = true
	if c := rules.Judge(k, day("2027-03-21")); says(c) != "2027-03-20 told" || !c.Ended(day("2027-03-21")) || c.Ended(day("2027-03-20")) {
		t.Errorf("when it is over: %+v", c)
	}
	if got := says(rules.Judge(k, day("2027-03-20"))); got != "none over" {
		t.Errorf("when it is over before the day that it names: %s", got)
	}
	k.Told = time.Time{}
	if got := says(rules.Judge(k, day("2027-03-21"))); got != "none over" {
		t.Errorf("when it is over, and nobody tells since when: %s", got)
	}
}

func TestTheNextBaselineIsTheOneAfterNow(t *testing.T) {
	own, err := cover.Parse([]byte("apiVersion: hotstick/cover/v1\nkind: Cover\nname: ours\nrules: [{name: w, driver: windows, end: next_baseline, unplanned: [2026-08], source: KB1}]\n"))
	if err != nil {
		t.Fatal(err)
	}
	rules, err := cover.Default()
	if err != nil {
		t.Fatal(err)
	}
	k := kernel(t, "windows windows:2025 windows 26100.3788 -")
	for _, test := range []struct {
		at             time.Time
		planned, known string
	}{
		{day("2026-07-01"), "2026-07-14", "2026-07-14"},
		{time.Date(2026, 7, 14, 16, 59, 59, 0, time.UTC), "2026-07-14", "2026-07-14"},
		{time.Date(2026, 7, 14, 17, 0, 0, 0, time.UTC), "2026-10-13", "2026-08-11"},
		{day("2026-12-31"), "2027-01-12", "2027-01-12"},
	} {
		planned, known := rules.Judge(k, test.at).Until.Format(time.DateOnly), own.Over(rules).Judge(k, test.at).Until.Format(time.DateOnly)
		if planned != test.planned || known != test.known {
			t.Errorf("at %s the next one is %s, and %s with the unplanned one", test.at, planned, known)
		}
	}
}

func TestAnOperatorsFileIsAskedFirst(t *testing.T) {
	rules, err := cover.Default()
	if err != nil {
		t.Fatal(err)
	}
	own, err := cover.Parse([]byte(`apiVersion: hotstick/cover/v1
kind: Cover
name: ours
summary: what our contracts say
rules:
  - {name: extended, driver: kpatch, distributions: ['rhel:9'], releases: ['*.el9_4.*'], months: 24, source: contract 4711}
  - {name: farm, driver: kernelcare, packages: ['linux*'], until: 2027-06-30, source: mail of 2026-10-01}
kernels:
  - {release: 6.8.0-35.35, published: 2026-02-28}
`))
	if err != nil {
		t.Fatal(err)
	}
	both := own.Over(rules)
	if both.Digest() != own.Digest() || own.Digest() == rules.Digest() {
		t.Errorf("the digest is %s", both.Digest())
	}
	for kern, want := range map[string]string{
		"kpatch rhel:9.4 kernel 5.14.0-427.13.1.el9_4.x86_64 2026-05-07": "2028-05-07 counted extended",
		"kpatch rhel:9.5 kernel 5.14.0-503.el9_5.x86_64 2026-05-07":      "unknown choice_unknown redhat",
		"kpatch* rhel:90 kernel 5.14.0-503.el9_4.x86_64 2026-05-07":      "2027-05-07 counted redhat",
		"kernelcare debian:12 linux 6.1.170-3 -":                         "2027-06-30 set farm",
		"kernelcare rhel:9.4 kernel 5.14.0-427 -":                        "unknown unpublished kernelcare",
		"canonical ubuntu:24.04 linux 6.8.0-35.35 -":                     "2027-03-28 counted canonical-thirteen-months",
		"canonical ubuntu:24.04 linux 6.8.0-35.35 2026-05-07":            "2027-03-28 counted canonical-thirteen-months",
		"canonical ubuntu:24.04 linux 6.8.0-36.36 2026-05-07":            "2027-06-07 counted canonical-thirteen-months",
	} {
		c := both.Judge(kernel(t, kern), day("2026-11-21"))
		if got := says(c); got != want {
			t.Errorf("%s: says %s, want %s", kern, got, want)
		}
		if own := strings.Contains(kern, "-35.35"); own != (c.Released.Origin == hotstick.ReleasedByOperator) {
			t.Errorf("%s: counted from %+v", kern, c.Released)
		}
	}
}

func TestTheSystemInUse(t *testing.T) {
	can := func(driver string, class hotstick.TrustClass, available bool) hotstick.Capabilities {
		return hotstick.Capabilities{Driver: driver, TrustClass: class, Available: available}
	}
	klp, kc, boot := can("klp", hotstick.TrustBytes, true), can("kernelcare", hotstick.TrustPin, true), can("reboot", hotstick.TrustStep, true)
	canonical := can("canonical", hotstick.TrustPin, true)
	canonical.CoverUntil = day("2027-03-19")
	ended, barred := can("ksplice", hotstick.TrustStep, false), can("amazon", hotstick.TrustStep, false)
	ended.Reason, barred.Reason = &hotstick.Reason{Code: hotstick.ReasonCoverEnded}, &hotstick.Reason{Code: hotstick.ReasonNotEntitled}
	loaded := func(driver string, state hotstick.Effect) []hotstick.LoadedPatch {
		return []hotstick.LoadedPatch{{Driver: driver, State: state}}
	}
	module := func(name string) []hotstick.LoadedPatch {
		return []hotstick.LoadedPatch{{Driver: "klp", Module: name, State: hotstick.InEffect}}
	}
	for _, test := range []struct {
		name    string
		drivers []hotstick.Capabilities
		patches []hotstick.LoadedPatch
		want    string
		chosen  bool
	}{
		{"nothing", nil, nil, "", false},
		{"what cannot be used", []hotstick.Capabilities{boot, can("klp", hotstick.TrustBytes, false)}, nil, "", false},
		{"a vendor's before the kernel's own", []hotstick.Capabilities{klp, canonical, kc, boot}, nil, "canonical", false},
		{"the kernel's own alone", []hotstick.Capabilities{boot, klp}, nil, "klp", false},
		{"the one that is loaded", []hotstick.Capabilities{klp, canonical, kc}, loaded("kernelcare", hotstick.InEffect), "kernelcare", false},
		{"one whose cover is over before the kernel's own", []hotstick.Capabilities{barred, klp, ended}, nil, "ksplice", false},
		{"one that covers before one that does not", []hotstick.Capabilities{ended, kc}, nil, "kernelcare", false},
		{"one whose cover is over, and which is loaded", []hotstick.Capabilities{kc, ended}, loaded("ksplice", hotstick.InEffect), "ksplice", false},
		{"one whose patch bears the kernel's version", []hotstick.Capabilities{kc, klp}, module("kpatch_6_1_0_47_1_2"), "klp", true},
		{"another kernel's", []hotstick.Capabilities{kc, klp}, module("kpatch_16_1_0_47_1_2"), "klp", false},
		{"and another's", []hotstick.Capabilities{kc, klp}, module("kpatch_6_1_0_471_1_2"), "klp", false},
		{"not one that was", []hotstick.Capabilities{klp, canonical, kc}, loaded("kernelcare", hotstick.Disabled), "canonical", false},
	} {
		k := cover.Of(hotstick.Facts{Drivers: test.drivers, Livepatch: hotstick.LivepatchFacts{Patches: test.patches},
			Host:   hotstick.HostFacts{DistributionID: "debian", DistributionVersion: "12"},
			Kernel: hotstick.KernelFacts{Build: hotstick.KernelBuild{Release: "6.1.0-47-amd64"}, Package: hotstick.KernelPackage{Source: "linux", Scheme: hotstick.DebVersions, Version: "6.1.170-3"}}})
		if k.Driver != test.want || k.Chosen != test.chosen || k.Told.IsZero() != (test.want != "canonical") || k.Over != (test.want == "ksplice") || k.Product.Distribution != "debian:12" || k.Version != "6.1.170-3" || k.Release != "6.1.0-47-amd64" {
			t.Errorf("%s: %+v", test.name, k)
		}
	}
}

func TestWhatIsRefusedAndWhere(t *testing.T) {
	const head = "apiVersion: hotstick/cover/v1\nkind: Cover\nname: ours\n"
	for _, test := range []struct{ what, text, at, says string }{
		{"nothing", "", "0:0", "no document"},
		{"two documents", head + "---\n" + head, "0:0", "the limit is 1"},
		{"another format", "apiVersion: hotstick/policy/v1\n", "1:13", "hotstick/cover/v1"},
		{"no rules", head, "1:1", "without rules"},
		{"an unknown key", head + "rules: [{name: a, driver: klp, month: 3, source: x}]\n", "4:32", "did you mean months?"},
		{"no name", head + "rules: [{driver: klp, months: 3, source: x}]\n", "4:9", "without a name"},
		{"a name twice", head + "rules: [{name: a, driver: klp, series: ['6.1'], months: 3, source: x}, {name: a, driver: suse, months: 3, source: x}]\n", "4:79", "twice"},
		{"no driver", head + "rules: [{name: a, months: 3, source: x}]\n", "4:9", "as the driver"},
		{"an unknown driver", head + "rules: [{name: a, driver: kpath, months: 3, source: x}]\n", "4:27", "did you mean kpatch?"},
		{"a reboot", head + "rules: [{name: a, driver: reboot, months: 3, source: x}]\n", "4:27", "as the driver"},
		{"no end", head + "rules: [{name: a, driver: klp, source: x}]\n", "4:9", "0 ways to end"},
		{"two ends", head + "rules: [{name: a, driver: klp, months: 3, end: left_out, source: x}]\n", "4:9", "2 ways to end"},
		{"no months", head + "rules: [{name: a, driver: klp, months: 0, source: x}]\n", "4:40", "want 1 to 240"},
		{"too many months", head + "rules: [{name: a, driver: klp, months: 241, source: x}]\n", "4:40", "want 1 to 240"},
		{"a day that is none", head + "rules: [{name: a, driver: klp, until: 2027-02-29, source: x}]\n", "4:39", "as a day"},
		{"a year that is none", head + "rules: [{name: a, driver: klp, until: 1027-02-28, source: x}]\n", "4:39", "as a day"},
		{"an end that is none", head + "rules: [{name: a, driver: klp, end: never, source: x}]\n", "4:37", "next_baseline"},
		{"an end that is an answer", head + "rules: [{name: a, driver: klp, end: told, source: x}]\n", "4:37", "next_baseline"},
		{"a baseline of another system", head + "rules: [{name: a, driver: klp, months: 3, unplanned: [2026-08], source: x}]\n", "4:54", "without end: next_baseline"},
		{"a month that is none", head + "rules: [{name: a, driver: windows, end: next_baseline, unplanned: [2026-13], source: x}]\n", "4:68", "as a month"},
		{"a pattern that is none", head + "rules: [{name: a, driver: klp, packages: ['['], months: 3, source: x}]\n", "4:43", "as a pattern"},
		{"a series that is none", head + "rules: [{name: a, driver: klp, series: [6.1.1], months: 3, source: x}]\n", "4:41", "as a series"},
		{"no source", head + "rules: [{name: a, driver: klp, months: 3}]\n", "4:9", "nobody can look up"},
		{"a rule that cannot be reached", head + "rules: [{name: a, driver: klp, months: 3, source: x}, {name: b, driver: klp, series: ['6.1'], months: 4, source: x}]\n", "4:55", "cannot come to this rule: a"},
		{"a kernel without its day", head + "kernels: [{release: a}]\n", "4:11", "without its release"},
		{"a kernel twice", head + "kernels: [{release: a, published: 2026-01-01}, {release: a, published: 2026-01-01}]\n", "4:58", "twice"},
	} {
		_, err := cover.Parse([]byte(test.text))
		var problems strictyaml.Problems
		if !errors.As(err, &problems) || !strings.HasPrefix(err.Error(), "cannot use the rules of cover: ") {
			t.Errorf("%s was not refused: %v", test.what, err)
			continue
		}
		p := problems[0]
		if at := fmt.Sprintf("%d:%d", p.Line, p.Column); at != test.at || !strings.Contains(p.Message+p.Hint, test.says) {
			t.Errorf("%s: at %s: %s (%s); want %s at %s", test.what, at, p.Message, p.Hint, test.says, test.at)
		}
	}
}

// TestMonthsAreNeverCountedTooFar compares with the calendar: the end is at most so many
// months away, and the day after it is in another month or on a later day.
func TestMonthsAreNeverCountedTooFar(t *testing.T) {
	rules, err := cover.Default()
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		from := day("2000-01-01").AddDate(0, 0, rapid.IntRange(0, 36524).Draw(t, "day"))
		k := cover.Kernel{Driver: "suse", Published: hotstick.KernelRelease{Day: from.Add(time.Duration(rapid.IntRange(0, 86399).Draw(t, "second")) * time.Second), Origin: hotstick.ReleasedByAdvisory}}
		until := rules.Judge(k, from).Until
		if until.Year() != from.Year()+1 || until.Month() != from.Month() || until.Day() > from.Day() {
			t.Fatalf("a year from %s is %s", from, until)
		}
		if until.Day() < from.Day() && until.AddDate(0, 0, 1).Day() != 1 {
			t.Fatalf("a year from %s is %s, and that is too short", from, until)
		}
	})
}
