package identity

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/store"
	"github.com/hotstick/hotstick/internal/store/memory"
)

var now = time.Date(2026, 11, 21, 3, 0, 0, 0, time.UTC)

const host = hotstick.HostID("h-aaaaaaaaaaaaaaaa")

func authority(t *testing.T, domain string) *Authority {
	t.Helper()
	a, err := NewAuthority(domain, now.AddDate(-1, 0, 0))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// certificate is a host's certificate from an authority.
func certificate(t *testing.T, a *Authority) *x509.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := a.hostCertificate(host, key.Public(), now)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestWhichCertificatesSpeakForAHost(t *testing.T) {
	ours, twin, elsewhere := authority(t, "hotstick"), authority(t, "hotstick"), authority(t, "elsewhere")
	server, err := ours.ServerCertificate([]string{"localhost", "127.0.0.1"}, now)
	if err != nil {
		t.Fatal(err)
	}
	good := certificate(t, ours)
	tests := []struct {
		name        string
		certificate *x509.Certificate
		at          time.Time
		want        hotstick.HostID
	}{
		{"a host's own, right away", good, now, host},
		{"on a host whose clock is behind", good, now.Add(-time.Minute), host},
		{"just before its end", good, now.Add(CertificateLife - time.Second), host},
		{"after its end", good, now.Add(CertificateLife + time.Second), ""},
		{"before its beginning", good, now.Add(-time.Hour), ""},
		{"of another authority with the same name", certificate(t, twin), now, ""},
		{"of another domain", certificate(t, elsewhere), now, ""},
		{"the server's own", server.Leaf, now, ""},
		{"the authority's own", ours.shown.certificate, now, ""},
	}
	for _, tt := range tests {
		if got, err := ours.Host(tt.certificate, tt.at); got != tt.want || (err == nil) != (tt.want != "") {
			t.Errorf("%s: %q, %v; want %q", tt.name, got, err, tt.want)
		}
	}
	for _, tt := range []struct {
		name string
		at   time.Time
		want hotstick.HostID
	}{
		{"expired", now.Add(48 * time.Hour), host},
		{"expired for almost 30 days", good.NotAfter.Add(LapsedLife - time.Second), host},
		{"expired for 30 days", good.NotAfter.Add(LapsedLife + time.Second), ""},
		{"of the future, for the server's clock was set back", now.Add(-365 * 24 * time.Hour), host},
	} {
		if got, err := ours.LapsedHost(good, tt.at); got != tt.want || (tt.want == "") != errors.Is(err, ErrLapsed) {
			t.Errorf("to be renewed, %s: %q, %v", tt.name, got, err)
		}
	}
	for _, at := range []time.Time{now, now.Add(48 * time.Hour), now.Add(-48 * time.Hour), good.NotAfter.Add(LapsedLife + time.Hour)} {
		if _, err := ours.LapsedHost(certificate(t, twin), at); err == nil || errors.Is(err, ErrLapsed) {
			t.Errorf("one of another authority, at %s: %v", at, err)
		}
	}
	if uri := good.URIs[0].String(); uri != "spiffe://hotstick/host/"+string(host) {
		t.Errorf("the certificate names %s", uri)
	}
}

func TestAnAuthorityIsKeptAndNeverOverwritten(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "ca")
	a := authority(t, "hotstick")
	if err := a.Save(dir); err != nil {
		t.Fatal(err)
	}
	b, err := OpenAuthority(dir)
	if err != nil || b.Digest() != a.Digest() || b.Domain() != "hotstick" {
		t.Fatalf("opened %+v, %v", b, err)
	}
	if _, err := b.Host(certificate(t, a), now); err != nil {
		t.Errorf("the opened one does not know its certificates: %v", err)
	}
	if err := authority(t, "hotstick").Save(dir); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a second authority in the same place: %v", err)
	}
	for name, spoil := range map[string]func(dir string) error{
		"with another's certificate": func(dir string) error {
			return os.WriteFile(filepath.Join(dir, CertificateFile), authority(t, "hotstick").PEM(), 0o644)
		},
		"with rubbish for a key": func(dir string) error { return os.WriteFile(filepath.Join(dir, KeyFile), []byte("rubbish"), 0o600) },
		"without its key":        func(dir string) error { return os.Remove(filepath.Join(dir, KeyFile)) },
	} {
		dir := filepath.Join(t.TempDir(), "ca")
		if err := errors.Join(a.Save(dir), spoil(dir)); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenAuthority(dir); err == nil {
			t.Errorf("an authority %s was opened", name)
		}
	}
}

func TestDomainsThatAreRefused(t *testing.T) {
	for _, domain := range []string{"", "UPPER", "a/b", "-a", "a b", strings.Repeat("a", 300)} {
		if _, err := NewAuthority(domain, now); err == nil {
			t.Errorf("%q was accepted", domain)
		}
	}
}

func TestTokensAreKeptAsDigestsAndEnd(t *testing.T) {
	clock := now
	s := memory.Open(func() time.Time { return clock })
	var secret string
	var kept store.Token
	err := s.Update(t.Context(), func(tx store.Tx) error {
		var err error
		secret, kept, err = AddToken(tx, store.Token{Kind: APIToken, Roles: []string{Viewer}, Person: "alice"}, time.Hour, "bob")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(secret, "hs_api_") || len(secret) != len("hs_api_")+32 || strings.Contains(string(kept.Digest), secret) {
		t.Errorf("the secret %q is kept as %q", secret, kept.Digest)
	}
	check := func(kind, secret string) error {
		return s.View(t.Context(), func(tx store.Tx) error {
			_, err := CheckToken(tx, kind, secret, tx.Now())
			return err
		})
	}
	for name, err := range map[string]error{
		"of another kind":          check(JoinToken, secret),
		"with another kind's name": check(SessionToken, "hs_session_"+strings.TrimPrefix(secret, "hs_api_")),
		"cut by a character":       check(APIToken, secret[:len(secret)-1]),
		"that is empty":            check(APIToken, ""),
		"that is its own digest":   check(APIToken, string(kept.Digest)),
		"that is very long":        check(APIToken, "hs_api_"+strings.Repeat("a", 1<<20)),
	} {
		if !errors.Is(err, ErrToken) {
			t.Errorf("a token %s: %v", name, err)
		}
	}
	if err := check(APIToken, secret); err != nil {
		t.Errorf("the token itself: %v", err)
	}
	clock = clock.Add(time.Hour)
	if err := check(APIToken, secret); !errors.Is(err, ErrTokenExpired) {
		t.Errorf("after its life: %v", err)
	}
	err = s.Update(t.Context(), func(tx store.Tx) error {
		_, _, err := AddToken(tx, store.Token{Kind: APIToken, Roles: []string{"root"}}, 0, "bob")
		return err
	})
	if err == nil {
		t.Error("a token of a role that does not exist was made")
	}
}
