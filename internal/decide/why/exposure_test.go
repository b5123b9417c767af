package why_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/decide/why"
)

// closedForGood are the reasons after which nothing is left to do.
var closedForGood = []hotstick.ExposureReason{hotstick.ClosedByBoot, hotstick.NeverIntroduced, hotstick.NeverByVendor, hotstick.NeverListed, hotstick.NeverOtherSystem}

func TestEveryExposureReadsAsASentenceAndSaysWhatNext(t *testing.T) {
	seen := map[string]hotstick.ExposureReason{}
	for _, r := range hotstick.ExposureReasons() {
		e := why.Exposure{Host: "db-1", CVE: "CVE-2026-52928", Reason: r}
		text := why.ExposureSentence(e)
		if !strings.Contains(text, "db-1") || !strings.Contains(text, "CVE-2026-52928") || !strings.HasSuffix(text, ".") || strings.Contains(text, "unknown") || strings.Contains(text, "%!") {
			t.Errorf("%s: %q", r, text)
		}
		if other, twice := seen[text]; twice {
			t.Errorf("%s and %s read alike: %q", r, other, text)
		}
		seen[text] = r
		if done := why.ExposureRemedy(e) == ""; done != slices.Contains(closedForGood, r) {
			t.Errorf("%s: what next is %q", r, why.ExposureRemedy(e))
		}
	}
	if text := why.ExposureSentence(why.Exposure{Host: "db-1", CVE: "CVE-2026-1", Reason: "weather"}); !strings.Contains(text, `the reason "weather" is unknown`) {
		t.Errorf("of a reason that nobody knows: %q", text)
	}
}

func TestExplainExposure(t *testing.T) {
	dsa := &why.Word{Source: hotstick.AdvisorySource{Feed: "debian", Document: "DSA-5681-1"}, Introduced: "6.1.20-1", Fixed: "6.1.172-1"}
	base := func(r hotstick.ExposureReason, w *why.Word) why.Exposure {
		return why.Exposure{Host: "db-1", CVE: "CVE-2026-52928", Reason: r, Word: w, Version: "6.1.170-3",
			Product: hotstick.KernelProduct{Distribution: "debian:12", Package: "linux", Scheme: hotstick.DebVersions}}
	}
	fix := []hotstick.PatchRef{{Name: "fix", Level: 2}}
	offered, patched, hot := base(hotstick.ExposedInRange, dsa), base(hotstick.ClosedByPatch, dsa), base(hotstick.ClosedByLevel, nil)
	offered.Offers, patched.Patch = fix, fix[0]
	hot.Product, hot.Version, hot.Memory = hotstick.KernelProduct{}, "26100.1742", "26100.3788"
	kept := base(hotstick.MitigatedModule, &why.Word{Source: hotstick.AdvisorySource{Feed: "debian"}, Module: "af_alg"})
	kept.Offers, kept.Disputed = fix, true
	const ran, said = "It has booted linux 6.1.170-3 of debian:12.", "So says debian (DSA-5681-1): introduced in 6.1.20-1, fixed in 6.1.172-1."
	tests := []struct {
		name    string
		e       why.Exposure
		lines   []string
		changes string
	}{
		{"what a patch would close", offered, []string{"db-1 is exposed to CVE-2026-52928: the version that it has booted has the hole, and it is fixed from 6.1.172-1 on.", ran, said},
			"fix@2 closes it on this kernel. See whom a plan would reach: hotstick rollout plan --fixes CVE-2026-52928 --select true --dry-run"},
		{"what only a boot would close", base(hotstick.ExposedInRange, dsa), []string{"db-1 is exposed to CVE-2026-52928: the version that it has booted has the hole, and it is fixed from 6.1.172-1 on.", ran, said},
			"Publish a live patch for its kernel build, or install 6.1.172-1 or later and reboot: hotstick patch publish FOLDER --key FILE"},
		{"what a patch closes", patched, []string{"db-1 is not exposed to CVE-2026-52928 as long as it does not boot: a live patch that closes it is in effect, fix@2.", ran, said},
			"A boot without the patch brings it back; 6.1.172-1 or later closes it for good."},
		{"what a hotpatch closes", hot, []string{"db-1 is not exposed to CVE-2026-52928 as long as it does not boot: the level in its memory is a fixed one, though the one that it has booted is not.",
			"It has booted 26100.1742, and the level in its memory is 26100.3788."}, "A boot brings it back until the level is put in again; a fixed version closes it for good."},
		{"what is kept out", kept, []string{"db-1 has the hole of CVE-2026-52928, and nobody can use it before the next boot: the only module that has it, af_alg, is not in the running kernel, and no module can be loaded any more.",
			ran, "So says debian: in the module af_alg.", "Sources disagree on whether it is open: the vendor's own word holds, and among equals the worst."},
			"The next boot brings it back, and fix@2 closes it before: hotstick rollout plan --fixes CVE-2026-52928 --select true --dry-run"},
		{"of which nothing is known", why.Exposure{Host: "db-1", CVE: "CVE-2026-52928", Reason: hotstick.UnknownProduct},
			[]string{"Nobody knows whether db-1 is exposed to CVE-2026-52928, so it counts as open: its kernel does not tell which product it is of.", "What it has booted is not known."},
			"Look at what the host tells of its kernel; one that somebody built is of no product that sources know: hotstick host show db-1"},
		{"what the vendor rules out", base(hotstick.NeverByVendor, &why.Word{Source: hotstick.AdvisorySource{Feed: "suse", Document: "CVE-2026-52928"}, Justification: hotstick.VulnerableCodeNotPresent}),
			[]string{"db-1 is not affected by CVE-2026-52928: the source says that this kernel is not affected.", ran, "So says suse (CVE-2026-52928): because: vulnerable_code_not_present."}, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			lines, changes := why.ExplainExposure(test.e)
			if !slices.Equal(lines, test.lines) || changes != test.changes {
				t.Errorf("said\n%s\n%s\nwant\n%s\n%s", strings.Join(lines, "\n"), changes, strings.Join(test.lines, "\n"), test.changes)
			}
		})
	}
}

// TestADocumentsVersionGetsNoCommandIntoAShell: whoever serves a document writes what an
// operator may paste.
func TestADocumentsVersionGetsNoCommandIntoAShell(t *testing.T) {
	e := why.Exposure{Host: "$(reboot)", CVE: "CVE-1; reboot", Reason: hotstick.UnknownProduct, Offers: []hotstick.PatchRef{{Name: "fix", Level: 2}}}
	if got := why.ExposureRemedy(e); !strings.HasSuffix(got, "hotstick host show HOST") {
		t.Errorf("of a hostile name: %q", got)
	}
	e.Reason = hotstick.ExposedInRange
	if got := why.ExposureRemedy(e); !strings.HasSuffix(got, "--fixes CVE --select true --dry-run") {
		t.Errorf("of a hostile CVE: %q", got)
	}
	for _, version := range []string{"1: hotstick stop --all", "$(reboot)"} {
		e.Offers, e.Word = nil, &why.Word{Fixed: version}
		if got := why.ExposureRemedy(e); strings.Contains(got, version) || !strings.Contains(got, "install a fixed version and reboot: hotstick patch publish") {
			t.Errorf("of a hostile version: %q", got)
		}
	}
}
