package identity

import (
	"slices"
	"testing"
	"time"
)

// What was verified once is verified no more; what can change is asked each time.
func TestARememberedCertificateEndsWithItsTimeAndItsAuthority(t *testing.T) {
	a := authority(t, "hotstick")
	if err := a.Save(t.TempDir()); err != nil {
		t.Fatal(err)
	}
	c := certificate(t, a)
	end := a.shown.certificate.NotAfter
	for _, tt := range []struct {
		what string
		at   time.Time
		ok   bool
	}{
		{"at first", now, true}, {"once more", now, true}, {"after its end", now.Add(CertificateLife + time.Second), false},
		{"long before its beginning", now.Add(-time.Hour), false}, {"after the authority's end", end.Add(time.Hour), false}, {"and again", now, true},
	} {
		if _, err := a.Host(c, tt.at); (err == nil) != tt.ok {
			t.Errorf("%s: %v", tt.what, err)
		}
	}
	forged := *c
	forged.Raw = slices.Clone(c.Raw)
	forged.Raw[len(forged.Raw)-1] ^= 1
	forged.Signature = forged.Raw[len(forged.Raw)-len(c.Signature):]
	if _, err := a.Host(&forged, now); err == nil {
		t.Error("a certificate with another signature is taken for the one that is remembered")
	}
	if _, err := a.Announce(now); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Host(c, now); err != nil {
		t.Errorf("while another authority is announced: %v", err)
	}
	if err := a.Replace(); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Host(c, now); err == nil {
		t.Error("the authority was replaced, and its certificates are still taken")
	}
}

func TestMemoryOfCertificatesIsBounded(t *testing.T) {
	a := authority(t, "hotstick")
	c := certificate(t, a)
	if _, err := a.Host(c, now); err != nil {
		t.Fatal(err)
	}
	for i := range maxVerified {
		a.verified.signer[[32]byte{byte(i), byte(i >> 8), byte(i >> 16), 1}] = nil
	}
	if _, err := a.Host(certificate(t, a), now); err != nil {
		t.Fatal(err)
	}
	if n := len(a.verified.signer); n != 1 {
		t.Errorf("%d certificates are remembered", n)
	}
}
