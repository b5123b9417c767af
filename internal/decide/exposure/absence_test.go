package exposure_test

import (
	"testing"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/decide/exposure"
)

func TestASilentHostMayRunAnotherProductsKernelByNow(t *testing.T) {
	x := exposure.Compile([]hotstick.Advisory{says(advisory("tracker", cve1, debian), hotstick.AdvisoryNotAffected)}, nil, nil)
	f := onHost(debian, "6.1.170-3")
	if fresh, silent := standing(x, f, true), standing(x, f, false); fresh != hotstick.NeverByVendor || silent != hotstick.UnknownSilent {
		t.Errorf("it is %s, and silent %s", fresh, silent)
	}
}

// wholly makes an advisory one of a source that is complete for some distributions.
func wholly(a hotstick.Advisory, distributions ...string) hotstick.Advisory {
	a.Source.Complete = distributions
	return a
}

func TestAbsenceIsAWordOnlyOfASourceThatIsComplete(t *testing.T) {
	const other = "CVE-2026-0009"
	bullseye := hotstick.KernelProduct{Distribution: "debian:11", Package: "linux", Scheme: hotstick.DebVersions}
	inBullseye, inMSRC := advisory("tracker", cve1, bullseye, "..5.10.300-1"), advisory("msrc", cve1, server, "..10.0.26100.3981")
	bookworm := advisory("tracker", other, debian, "..6.1.192-1")
	tests := []struct {
		name   string
		says   []hotstick.Advisory
		want   hotstick.ExposureReason
		silent string // the feed whose silence decides
	}{
		{"the source may have more to say", []hotstick.Advisory{inBullseye, bookworm}, hotstick.UnknownNoSource, ""},
		{"it is complete, and leaves the release out", []hotstick.Advisory{wholly(inBullseye, "debian:11", "debian:12"), wholly(bookworm, "debian:12")}, hotstick.NeverListed, "tracker"},
		{"it is complete for another release", []hotstick.Advisory{wholly(inBullseye, "debian:11"), wholly(bookworm, "debian:11")}, hotstick.UnknownNoSource, ""},
		{"it never named this product", []hotstick.Advisory{wholly(inBullseye, "debian:11", "debian:12")}, hotstick.UnknownNoSource, ""},
		{"it does not know the CVE yet", []hotstick.Advisory{advisory("csaf", cve1, rhel9, "..5.14.0-503.el9"), wholly(bookworm, "debian:12")}, hotstick.UnknownNoSource, ""},
		{"another source that names the product is believed", []hotstick.Advisory{wholly(inBullseye, "debian:12"), wholly(bookworm, "debian:12"), advisory("osv", cve1, debian, "..6.1.192-1")}, hotstick.ExposedInRange, ""},
		{"the hole of another system", []hotstick.Advisory{inMSRC, wholly(bookworm, "debian:12")}, hotstick.NeverOtherSystem, "tracker"},
		{"the hole of another system so far", []hotstick.Advisory{inMSRC, bookworm}, hotstick.UnknownNoSource, ""},
		{"the hole of another system, whose source is complete for itself", []hotstick.Advisory{wholly(inMSRC, "windows:2025"), bookworm}, hotstick.UnknownNoSource, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			a := answer(t, onHost(debian, "6.1.170-3"), nil, test.says...)
			if a.Reason != test.want {
				t.Fatalf("it is %s: %+v", a.Reason, a)
			}
			if test.silent == "" {
				return
			}
			if len(a.Says) != 1 || a.Says[0].Source.Feed != test.silent || a.Says[0].Reason != test.want || a.Says[0].Justification != test.want.Justification() || a.Says[0].Justification == "" || !a.Says[0].Decides {
				t.Errorf("nobody answers for it: %+v", a.Says)
			}
		})
	}
}

func TestAKernelThatIsNobodysIsNotSparedForAnotherSystemsHole(t *testing.T) {
	f := onHost(debian, "6.15.4-1")
	if a := answer(t, f, nil, advisory("msrc", cve1, server, "..10.0.26100.3981"), wholly(advisory("tracker", "CVE-2026-0009", debian, "..6.1.192-1"), "debian:12")); a.Reason != hotstick.UnknownProduct {
		t.Errorf("it is %s", a.Reason)
	}
}

func TestTheExposedAndTheUnknownAreCountedApart(t *testing.T) {
	x := exposure.Compile([]hotstick.Advisory{advisory("tracker", cve1, debian, "..6.1.192-1")}, nil, nil)
	var hosts []exposure.Host
	for id, f := range map[hotstick.HostID]hotstick.Facts{"a": onHost(debian, "6.1.170-3"), "b": onHost(debian, "6.1.192-1"), "c": onHost(rhel9, "5.14.0-1.el9"), "d": onHost(server, "26100.1"), "e": onHost(debian, "6.15.4-1")} {
		hosts = append(hosts, exposure.Host{ID: id, Class: x.Classify(f, true)})
	}
	if c := exposure.Full(x, hosts).Counts()[cve1]; c.Exposed() != 1 || c.Unknown() != 3 || c.Open() != 4 {
		t.Errorf("%d are exposed, %d unknown, %d open: %v", c.Exposed(), c.Unknown(), c.Open(), c)
	}
}

func TestWhatBecomesCompleteAndWhatDoesNotAnyMoreIsJudgedAnew(t *testing.T) {
	bullseye := hotstick.KernelProduct{Distribution: "debian:11", Package: "linux", Scheme: hotstick.DebVersions}
	named, leaves := advisory("tracker", "CVE-2026-0009", debian, "..6.1.192-1"), advisory("tracker", cve1, bullseye, "..5.10.300-1")
	x := exposure.Compile([]hotstick.Advisory{named, leaves}, nil, nil)
	fleet := exposure.Full(x, []exposure.Host{{ID: "h", Class: x.Classify(onHost(debian, "6.1.170-3"), true)}})
	for i, step := range []struct {
		says hotstick.Advisory
		want hotstick.ExposureReason
	}{
		{wholly(leaves, "debian:12"), hotstick.UnknownNoSource}, {wholly(named, "debian:12"), hotstick.NeverListed}, {leaves, hotstick.UnknownNoSource},
		{wholly(leaves, "debian:12"), hotstick.NeverListed}, {named, hotstick.UnknownNoSource},
	} {
		fleet = fleet.Change(exposure.Change{Advisories: []hotstick.Advisory{step.says}})
		if have, _ := fleet.Stand("h", cve1); have != step.want {
			t.Errorf("after step %d it is %s, want %s", i, have, step.want)
		}
	}
}
