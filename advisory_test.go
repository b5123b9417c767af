package hotstick_test

import (
	"testing"

	"github.com/hotstick/hotstick"
)

func TestAdvisoriesThatSayNothingAreRefused(t *testing.T) {
	good := func() hotstick.Advisory {
		return hotstick.Advisory{
			CVE: "CVE-2026-98022", Status: hotstick.AdvisoryAffected, Ranges: []hotstick.VersionRange{{Fixed: "6.1.192-1"}},
			Product: hotstick.KernelProduct{Distribution: "debian:12", Package: "linux", Scheme: hotstick.DebVersions},
			Source:  hotstick.AdvisorySource{Feed: "debian", Document: "DSA-1", Digest: hotstick.NewDigest([]byte("x"))},
		}
	}
	if err := good().Validate(); err != nil {
		t.Fatal(err)
	}
	unread := good()
	if unread.Ranges, unread.Unreadable = nil, true; unread.Validate() != nil {
		t.Error("affected in versions that cannot be read was refused")
	}
	for what, edit := range map[string]func(*hotstick.Advisory){
		"not affected in versions that cannot be read": func(a *hotstick.Advisory) {
			a.Status, a.Ranges, a.Unreadable = hotstick.AdvisoryNotAffected, nil, true
		},
		"no CVE":                     func(a *hotstick.Advisory) { a.CVE = "GHSA-1" },
		"no distribution":            func(a *hotstick.Advisory) { a.Product.Distribution = "" },
		"no package":                 func(a *hotstick.Advisory) { a.Product.Package = "" },
		"an unknown scheme":          func(a *hotstick.Advisory) { a.Product.Scheme = "npm" },
		"an unknown status":          func(a *hotstick.Advisory) { a.Status = "fixed" },
		"affected without a range":   func(a *hotstick.Advisory) { a.Ranges = nil },
		"not affected, with a range": func(a *hotstick.Advisory) { a.Status = hotstick.AdvisoryNotAffected },
		"a range that ends twice": func(a *hotstick.Advisory) {
			a.Ranges = []hotstick.VersionRange{{Fixed: "6.1.192-1", LastAffected: "6.1.190-1"}}
		},
		"a justification of affected": func(a *hotstick.Advisory) { a.Justification = hotstick.ComponentNotPresent },
		"a justification nobody knows": func(a *hotstick.Advisory) {
			a.Status, a.Ranges, a.Justification = hotstick.AdvisoryNotAffected, nil, "luck"
		},
		"a document without its digest": func(a *hotstick.Advisory) { a.Source.Digest = "" },
	} {
		a := good()
		edit(&a)
		if a.Validate() == nil {
			t.Errorf("%s: it was accepted", what)
		}
	}
}

func TestOnlyWhatIsKnownToBeClosedIsClosed(t *testing.T) {
	open := 0
	for _, s := range hotstick.ExposureStates() {
		if s.Open() {
			open++
		}
	}
	if open != 2 || !hotstick.ExposureUnknown.Open() || hotstick.FixedByLivePatch.Open() {
		t.Errorf("%d states are open", open)
	}
}
