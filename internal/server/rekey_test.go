package server

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"math/big"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/api"
	"github.com/hotstick/hotstick/catalog"
	"github.com/hotstick/hotstick/client"
	"github.com/hotstick/hotstick/internal/agent"
	"github.com/hotstick/hotstick/internal/identity"
	"github.com/hotstick/hotstick/internal/statement"
	"github.com/hotstick/hotstick/internal/store"
	"github.com/hotstick/hotstick/internal/wire"
)

// theft is a server that somebody else has now, still running, and the clean one that
// takes its place at another address.
type theft struct {
	*world
	// stolen is the old server's address, old its authority's certificate.
	stolen string
	old    hotstick.Digest
	made   Rekeyed
	clean  *Server
}

// mustBeStolen backs the server up, and makes a clean one of the backup.
func (w *world) mustBeStolen() *theft {
	w.Helper()
	s := &theft{world: w, stolen: w.server.URL(), old: w.server.authority.Digest()}
	data, _ := w.backup()
	dir := filepath.Join(w.TempDir(), "clean")
	_, made, err := RestoreRekeyed(w.Context(), dir, bytes.NewReader(data), alice, time.Now)
	w.must(err)
	s.made = made
	s.clean, err = New(context.Background(), Options{Dir: dir, Listen: "127.0.0.1:0", Log: w.options.Log, Limits: w.options.Limits})
	w.must(err)
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.clean.Run(ctx) }()
	w.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			w.Errorf("the clean server ended with: %v", err)
		}
	})
	return s
}

// cleanClient speaks to the clean server.
func (s *theft) cleanClient(token string) *client.Client {
	s.Helper()
	c, err := client.New(client.Options{Server: s.clean.URL(), Token: token, Authority: s.clean.Authority()})
	s.must(err)
	s.Cleanup(c.Close)
	return c
}

// mustRotate has the root's owner take the new online key in and the old one out.
func (s *theft) mustRotate() {
	s.Helper()
	c := s.cleanClient(s.made.AdminToken)
	root, err := c.CatalogFile(s.Context(), "root.json")
	s.must(err)
	spec, _, err := catalog.ReadRoot(root)
	s.must(err)
	online, err := statement.LoadPublic(s.made.Online)
	s.must(err)
	stolen, err := statement.LoadPublic(s.made.Stolen)
	s.must(err)
	if !slices.ContainsFunc(spec.OnlineKeys, func(k hotstick.TrustedKey) bool { return string(k) == string(stolen) }) {
		s.Error("the stolen key's public half is not that of the root")
	}
	spec.OnlineKeys, spec.Trust.ServerKeys, spec.Trust.Epoch = []hotstick.TrustedKey{[]byte(online)}, []hotstick.TrustedKey{[]byte(online)}, spec.Trust.Epoch+1
	next, err := catalog.NextRoot(root, spec, s.owner)
	s.must(err)
	_, err = c.Root(s.Context(), api.RootRequest{Root: next})
	s.must(err)
}

// follower is a host with a catalog of its own, which keeps what it verified.
type follower struct {
	*joined
	catalog *catalog.Client
	now     func() time.Time
}

func (w *world) mustFollow(name string) *follower {
	w.Helper()
	f := &follower{joined: w.mustJoin(name, time.Now), now: time.Now}
	root, err := f.home.Root()
	w.must(err)
	f.catalog, err = catalog.NewClient(w.TempDir(), root, nil)
	w.must(err)
	return f
}

// moveTo lets the host's agent speak to the server at this address, from now on and a
// while later, for it has pauses.
func (f *follower) moveTo(address string) {
	f.w.Helper()
	session, err := agent.NewSession(f.home, address, f.now, slog.New(slog.DiscardHandler))
	f.w.must(err)
	session.Follow(f.catalog.Trust)
	session.Learn(func(ctx context.Context, roots catalog.Fetcher) {
		if _, _, err := f.catalog.Follow(ctx, time.Now(), catalog.Mirror{Name: "roots", Source: roots}); err == nil {
			f.w.Error("a whole catalog came from where only roots are")
		}
	})
	f.session = session
	f.w.Cleanup(func() { (&http.Client{Transport: session.Transport()}).CloseIdleConnections() })
}

// reaches tells whether the server at the address answers this host, after it had the
// time to find out who that is.
func (f *follower) reaches(address string) bool {
	f.w.Helper()
	f.moveTo(address)
	for range 2 {
		client := &http.Client{Transport: f.session.Transport()}
		resp, err := client.Get(address + "/agent/v1/catalog/timestamp.json")
		if err == nil {
			f.w.must(resp.Body.Close())
			if resp.StatusCode == http.StatusOK {
				return true
			}
		}
		f.session.Upkeep(f.w.Context())
	}
	return false
}

func TestAfterATheftAHostFindsTheCleanServerByTheRootAndLeavesTheThief(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	host := w.mustFollow("host")
	s := w.mustBeStolen()
	if host.reaches(s.clean.URL()) {
		t.Fatal("before the root names it, a host takes a server that anybody could be")
	}
	if n := host.trusts(); n != 1 || !host.reaches(s.stolen) {
		t.Fatalf("the host trusts %d authorities, and has lost its server", n)
	}
	s.mustRotate()
	if !host.reaches(s.clean.URL()) {
		t.Fatal("the host does not find the clean server")
	}
	if trust, err := host.catalog.Trust(); err != nil || trust.Epoch != 2 {
		t.Errorf("the host is in epoch %d, %v", trust.Epoch, err)
	}
	if n := host.trusts(); n != 1 || host.reaches(s.stolen) {
		t.Errorf("the host trusts %d authorities, and still the stolen server", n)
	}
	if !host.reaches(s.clean.URL()) {
		t.Error("after the thief's try the host has lost the clean server")
	}
}

func TestAThiefWhoAddedAnAuthorityOfHisOwnLosesItWithTheEpoch(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	host := w.mustFollow("host")
	s := w.mustBeStolen()
	_, err := w.admin.ChangeAuthority(t.Context(), api.AuthorityRequest{Reason: "the thief's own"})
	w.must(err)
	later := func() time.Time { return time.Now().Add(20 * time.Hour) }
	host.now = later
	host.moveTo(s.stolen)
	host.session.Upkeep(t.Context())
	if n := host.trusts(); n != 2 {
		t.Fatalf("the thief could not add an authority: the host trusts %d", n)
	}
	s.mustRotate()
	host.now = func() time.Time { return later().Add(time.Hour) }
	if !host.reaches(s.clean.URL()) {
		t.Error("the host does not find the clean server")
	}
	if n := host.trusts(); n != 1 {
		t.Errorf("the host trusts %d authorities: one is the thief's", n)
	}
}

func TestAHostThatTheThiefLedAwayFindsBackByItsIdentityKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	host := w.mustFollow("host")
	s := w.mustBeStolen()
	for _, finish := range []bool{false, true} {
		_, err := w.admin.ChangeAuthority(t.Context(), api.AuthorityRequest{Reason: "the thief's own", Finish: finish, AtOnce: finish})
		w.must(err)
	}
	if !host.reaches(s.stolen) {
		t.Fatal("the thief could not lead the host away")
	}
	data, err := os.ReadFile(filepath.Join(host.dir, "ca.pem"))
	w.must(err)
	if !strings.HasPrefix(string(data), string(w.server.Authority())) || host.trusts() != 1 {
		t.Fatal("the host does not trust the thief's authority alone")
	}
	if host.reaches(s.clean.URL()) {
		t.Error("the host finds back before the root says to whom")
	}
	s.mustRotate()
	host.now = func() time.Time { return time.Now().Add(2 * time.Hour) } // pauses are over
	if !host.reaches(s.clean.URL()) {
		t.Error("the host does not find back")
	}
	if n := host.trusts(); n != 1 || host.reaches(s.stolen) {
		t.Errorf("the host trusts %d authorities, and still the thief's", n)
	}
}

func TestAThiefWithoutTheIdentityKeyRenewsNothingOnTheCleanServer(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	host := w.mustFollow("host")
	id, err := host.home.Host()
	w.must(err)
	s := w.mustBeStolen()
	// The thief makes what he likes with the old authority's key, or with his own.
	for name, dir := range map[string]string{"the stolen authority": filepath.Join(w.dir, caDir), "his own": w.mustOwnAuthority()} {
		client := posing(w.mustForge(dir, id))
		req, err := wire.Encode(w.mustAskRenewal(w.newKey()), wire.MaxEnrollBytes)
		w.must(err)
		resp, err := client.Post(s.clean.URL()+"/agent/v1/renew", "application/json", bytes.NewReader(req))
		w.must(err)
		w.must(resp.Body.Close())
		if resp.StatusCode == http.StatusOK {
			t.Errorf("with a certificate of %s and another identity key a thief becomes the host", name)
		}
		resp, err = client.Get(s.clean.URL() + "/agent/v1/catalog/timestamp.json")
		w.must(err)
		w.must(resp.Body.Close())
		if resp.StatusCode != http.StatusUnauthorized {
			t.Errorf("with a certificate of %s a thief reads the catalog: %d", name, resp.StatusCode)
		}
	}
}

// posing is a client that shows a certificate and asks nobody for his.
func posing(as tls.Certificate) *http.Client {
	return &http.Client{Transport: &http.Transport{DisableKeepAlives: true,
		TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS13, InsecureSkipVerify: true, Certificates: []tls.Certificate{as}}}}
}

// mustOwnAuthority makes a stranger's authority and returns its directory.
func (w *world) mustOwnAuthority() string {
	w.Helper()
	own, err := identity.NewAuthority(identity.DefaultDomain, time.Now())
	w.must(err)
	dir := w.TempDir()
	w.must(own.Save(dir))
	return dir
}

func TestAStrangerWhoNamesAHostDoesNotStarveItAtTheCleanServer(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	host := w.mustFollow("host")
	id, err := host.home.Host()
	w.must(err)
	w.options.Limits.Rates.Host = Rate{PerSecond: 0.001, Burst: 10}
	s := w.mustBeStolen()
	s.mustRotate()
	strange := posing(w.mustForge(w.mustOwnAuthority(), id))
	for range 20 {
		resp, err := strange.Get(s.clean.URL() + "/agent/v1/roots/1.root.json")
		w.must(err)
		w.must(resp.Body.Close())
		if resp.StatusCode != http.StatusOK {
			t.Fatalf("the stranger is answered %d: he counts as somebody else than his address", resp.StatusCode)
		}
	}
	if !host.reaches(s.clean.URL()) {
		t.Error("a stranger used up what the host may ask")
	}
}

func TestAStrangerLearnsNotWhichHostsTheCleanServerHas(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	host, gone := w.mustFollow("host"), w.mustFollow("gone")
	known, err := host.home.Host()
	w.must(err)
	revoked, err := gone.home.Host()
	w.must(err)
	_, err = w.admin.WriteOff(w.Context(), string(revoked), api.ActionRequest{Reason: "left"})
	w.must(err)
	s := w.mustBeStolen()
	his := w.mustOwnAuthority()
	key := w.newKey()
	small, err := wire.Encode(w.mustAskRenewal(key), wire.MaxEnrollBytes)
	w.must(err)
	large := w.mustAskRenewal(key)
	large.Request = append(large.Request, make([]byte, 20<<10)...)
	big, err := wire.Encode(large, wire.MaxEnrollBytes)
	w.must(err)
	answers := func(id hotstick.HostID, renewals ...[]byte) (out []string) {
		strange := posing(w.mustForge(his, id))
		heard := func(resp *http.Response, err error) {
			w.must(err)
			text, err := io.ReadAll(resp.Body)
			w.must(errors.Join(err, resp.Body.Close()))
			out = append(out, fmt.Sprint(resp.StatusCode, " ", string(text)))
		}
		heard(strange.Get(s.clean.URL() + "/agent/v1/roots/1.root.json"))
		heard(strange.Get(s.clean.URL() + "/agent/v1/catalog/root.json"))
		for _, renewal := range renewals {
			heard(strange.Post(s.clean.URL()+"/agent/v1/renew", "application/json", bytes.NewReader(renewal)))
		}
		return out
	}
	// Of one address no more wrong ones are answered at once.
	want := answers(hotstick.NewHostID(key.Public()), small, big)
	for name, got := range map[string][]string{"a host": answers(known, small, big), "a host that was written off": answers(revoked, small)} {
		if !slices.Equal(got, want[:len(got)]) {
			t.Errorf("to whoever names %s it answers\n%q, for nobody\n%q", name, got, want)
		}
	}
}

// mustAskRenewal asks for a certificate with the proof of an identity key.
func (w *world) mustAskRenewal(key *statement.Key) *wire.RenewRequest {
	w.Helper()
	tlsKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	w.must(err)
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, tlsKey)
	w.must(err)
	proof, err := key.Sign(csr)
	w.must(err)
	return &wire.RenewRequest{Request: csr, Proof: proof}
}

// mustForge makes a certificate that names a host, as whoever has an authority's
// directory can.
func (w *world) mustForge(dir string, id hotstick.HostID) tls.Certificate {
	w.Helper()
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, identity.CertificateFile), filepath.Join(dir, identity.KeyFile))
	w.must(err)
	template := &x509.Certificate{SerialNumber: big.NewInt(7), NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(time.Hour),
		URIs:     []*url.URL{{Scheme: "spiffe", Host: "hotstick", Path: "/host/" + string(id)}},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	w.must(err)
	der, err := x509.CreateCertificate(rand.Reader, template, pair.Leaf, key.Public(), pair.PrivateKey)
	w.must(err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func TestAThiefsCertificateForAHostGetsNothingFromTheCleanServer(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	host := w.mustFollow("host")
	s := w.mustBeStolen()
	s.mustRotate()
	// The host's certificate is of the stolen authority, as any that the thief makes for
	// himself with its key: it renews itself, which takes the identity key, and reads
	// roots.
	strange := &http.Client{Transport: stranger(t, host)}
	for path, want := range map[string]int{
		"/agent/v1/catalog/timestamp.json": http.StatusUnauthorized, "/agent/v1/roots/timestamp.json": http.StatusNotFound,
		"/agent/v1/roots/2.root.json": http.StatusOK, "/agent/v1/roots/9.root.json": http.StatusNotFound,
	} {
		resp, err := strange.Get(s.clean.URL() + path)
		w.must(err)
		w.must(resp.Body.Close())
		if resp.StatusCode != want {
			t.Errorf("%s: %d, want %d", path, resp.StatusCode, want)
		}
	}
}

// stranger shows the host's certificate and asks nobody for his.
func stranger(t *testing.T, f *follower) *http.Transport {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(f.dir, "tls.pem"))
	f.w.must(err)
	pair, err := tls.X509KeyPair(data, data)
	f.w.must(err)
	transport := &http.Transport{TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS13, InsecureSkipVerify: true, Certificates: []tls.Certificate{pair}}}
	t.Cleanup(transport.CloseIdleConnections)
	return transport
}

func TestWhatWasStolenOpensNothingOnTheCleanServer(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	join := w.joinToken()
	w.must(w.server.store.Update(t.Context(), func(tx store.Tx) error {
		return identity.AddAccount(tx, store.Account{Person: carol, Roles: []string{identity.Viewer}, Password: "a hash that the thief has"}, "test")
	}))
	s := w.mustBeStolen()
	w.must(s.clean.store.View(t.Context(), func(tx store.Tx) error {
		a, err := tx.Tokens().Account(carol)
		if a.Password != "" || len(a.Roles) != 1 {
			t.Errorf("after the theft carol's account is %+v", a)
		}
		return err
	}))
	for role, token := range w.tokens {
		_, err := s.cleanClient(token).Overview(t.Context())
		if e, ok := errors.AsType[*client.Error](err); !ok || e.Status != http.StatusUnauthorized {
			t.Errorf("the stolen token of the %s: %v", role, err)
		}
	}
	home, err := agent.OpenHome(t.TempDir())
	w.must(err)
	err = home.Enrol(t.Context(), agent.Join{Server: s.clean.URL(), Token: join, Authority: s.clean.authority.Digest(),
		Root: hotstick.NewDigest(s.clean.catalog.Root())}, "somebody")
	if err == nil || !strings.Contains(err.Error(), "taken back") {
		t.Errorf("the stolen join token: %v", err)
	}
	if want := len(w.tokens) + 1; s.made.Tokens != want {
		t.Errorf("%d tokens were taken back, want %d", s.made.Tokens, want)
	}
	if s.clean.authority.Digest() == s.old || s.clean.authority.Next() != nil {
		t.Error("the clean server has the stolen authority")
	}
	page, err := s.cleanClient(s.made.AdminToken).Events(t.Context(), client.EventQuery{Kind: "authority", Limit: 10})
	w.must(err)
	if len(page.Events) != 1 || page.Events[0].Kind != identity.AuthoritySucceeded {
		t.Errorf("the audit log says %+v", page.Events)
	}
	w.must(s.clean.store.View(t.Context(), func(tx store.Tx) error {
		events, err := tx.Events().List(store.EventFilter{})
		events = slices.DeleteFunc(events, func(e store.Event) bool { return e.Kind != identity.AuthoritySucceeded })
		for kind, file := range map[string]string{"online-from": s.made.Stolen, "online-to": s.made.Online} {
			key, err := statement.LoadPublic(file)
			w.must(err)
			if want := (hotstick.Evidence{Kind: kind, Text: string(hotstick.NewDigest(key))}); len(events) != 1 || !slices.Contains(events[0].Evidence, want) {
				t.Errorf("no leaf tells of %+v: %+v", want, events)
			}
		}
		return err
	}))
	if o, err := s.cleanClient(s.made.AdminToken).Overview(t.Context()); err != nil || !o.Unreconciled {
		t.Errorf("a clean server starts things before it is reconciled (%v)", err)
	}
}

func TestAThiefWhoDisabledTheAdminDoesNotLockTheOwnerOut(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	for _, person := range []hotstick.Person{alice, carol} {
		w.must(w.server.store.Update(t.Context(), func(tx store.Tx) error {
			return errors.Join(identity.AddAccount(tx, store.Account{Person: person, Roles: []string{identity.Viewer}}, "the thief"),
				identity.SetDisabled(tx, person, true, "the thief", "mine now"))
		}))
	}
	s := w.mustBeStolen()
	admin := s.cleanClient(s.made.AdminToken)
	page, err := admin.Events(t.Context(), client.EventQuery{Kind: "account", Limit: 10})
	w.must(err)
	var kinds []string
	for _, e := range page.Events {
		kinds = append(kinds, e.Kind)
		if e.Actor != consoleActor && e.Actor != "the thief" {
			t.Errorf("the leaf of %s names %q", e.Kind, e.Actor)
		}
	}
	for _, kind := range []string{identity.AccountEnabled, identity.AccountRoles} {
		if !slices.Contains(kinds, kind) {
			t.Errorf("no leaf tells of %s: %v", kind, kinds)
		}
	}
	// The same with the server's machine at hand, later.
	if _, err := s.clean.AddAPIToken(t.Context(), identity.Viewer, carol); err == nil || !strings.Contains(err.Error(), "disabled") {
		t.Errorf("a token that is worth nothing was made: %v", err)
	}
	token, err := s.clean.AddAPIToken(t.Context(), identity.Admin, carol)
	w.must(err)
	if _, err := s.cleanClient(token).Accounts(t.Context()); err != nil {
		t.Errorf("with the machine at hand nobody becomes an admin: %v", err)
	}
}

func TestAnAuthorityThatWasAnnouncedEndsWithTheTheftToo(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	host := w.mustFollow("host")
	announced, err := w.admin.ChangeAuthority(t.Context(), api.AuthorityRequest{Reason: "yearly"})
	w.must(err)
	late := w.mustFollow("late") // has a certificate of the announced one
	s := w.mustBeStolen()
	s.mustRotate()
	for name, h := range map[string]*follower{"early": host, "late": late} {
		if !h.reaches(s.clean.URL()) {
			t.Errorf("the %s host does not find the clean server", name)
		}
		if n := h.trusts(); n != 1 {
			t.Errorf("the %s host trusts %d authorities", name, n)
		}
	}
	if s.clean.authority.Digest() == announced.Next {
		t.Error("the clean server shows the authority whose key was stolen before it followed")
	}
}

func TestARekeyedRestoreThatFailsLeavesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	data, _ := w.backup()
	dir := filepath.Join(t.TempDir(), "clean")
	if _, _, err := RestoreRekeyed(t.Context(), dir, bytes.NewReader(data[:len(data)/2]), alice, time.Now); err == nil {
		t.Error("a backup that was cut off is restored")
	}
	if left, err := filepath.Glob(dir + "*"); err != nil && !errors.Is(err, fs.ErrNotExist) || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
