package agent_test

import (
	"crypto/ed25519"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/catalog"
	"github.com/hotstick/hotstick/internal/agent"
	"github.com/hotstick/hotstick/internal/identity"
	"github.com/hotstick/hotstick/internal/store"
	"github.com/hotstick/hotstick/internal/store/memory"
	"github.com/hotstick/hotstick/internal/wire"
)

// office is a server that enrols: a real authority behind real TLS.
type office struct {
	t         *testing.T
	authority *identity.Authority
	server    *httptest.Server
	root      []byte

	mu     sync.Mutex // guards all below
	tokens []string
	labels map[string]string
	// answer edits what is answered.
	answer func(*wire.EnrollResponse)
	status int
	hosts  []hotstick.HostID
	renews int
	// keys are the digests of the certificates that were shown, first the first.
	keys  []string
	first string
	// lapsed: certificates are not taken until one is renewed.
	lapsed bool
	// identity is the key of the host that enrolled last.
	identity ed25519.PublicKey
}

func newOffice(t *testing.T) *office {
	t.Helper()
	authority, err := identity.NewAuthority("test", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	o := &office{t: t, authority: authority, root: []byte(`{"signed":{}}`)}
	certificate, err := authority.ServerCertificate([]string{"127.0.0.1"}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	o.server = httptest.NewUnstartedServer(o)
	o.server.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}, ClientAuth: tls.RequestClientCert, MinVersion: tls.VersionTLS13}
	o.server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo)
	o.server.StartTLS()
	t.Cleanup(o.server.Close)
	return o
}

func (o *office) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/agent/v1/enroll":
		o.enrol(rw, r)
	case "/agent/v1/renew":
		o.renew(rw, r)
	case "/agent/v1/catalog/timestamp.json":
		o.mu.Lock()
		defer o.mu.Unlock()
		if o.lapsed || o.status == http.StatusUnauthorized {
			rw.WriteHeader(http.StatusUnauthorized)
			return
		}
		if len(r.TLS.PeerCertificates) == 1 {
			o.keys = append(o.keys, hotstick.NewDigest(r.TLS.PeerCertificates[0].Raw).Short())
			if o.first == "" {
				o.first = o.keys[0]
			}
			host, err := o.authority.Host(r.TLS.PeerCertificates[0], time.Now())
			if err == nil {
				o.hosts = append(o.hosts, host)
			}
		}
		_, _ = rw.Write([]byte("{}"))
	case "/agent/v1/catalog/elsewhere.json":
		http.Redirect(rw, r, "/agent/v1/catalog/timestamp.json", http.StatusFound)
	default:
		http.NotFound(rw, r)
	}
}

func (o *office) enrol(rw http.ResponseWriter, r *http.Request) {
	var req wire.EnrollRequest
	if err := wire.Decode(r.Body, wire.MaxEnrollBytes, &req); err != nil {
		o.t.Errorf("the agent sent what the server refuses: %v", err)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.tokens, o.labels = append(o.tokens, req.Token), req.Labels
	if o.status != 0 {
		rw.WriteHeader(o.status)
		_, _ = rw.Write([]byte(`{"title":"Forbidden","status":403,"detail":"cannot use this token: it was used already","code":"token_used","hint":"make a new one: hotstick host add"}`))
		return
	}
	o.identity = req.Identity
	resp := &wire.EnrollResponse{Host: hotstick.NewHostID(req.Identity), Certificate: o.certify(req.Identity, req.Request, req.Proof),
		Authority: o.authority.Certificate(), Root: o.root}
	if o.answer != nil {
		o.answer(resp)
	}
	o.send(rw, resp)
}

func (o *office) renew(rw http.ResponseWriter, r *http.Request) {
	var req wire.RenewRequest
	if err := wire.Decode(r.Body, wire.MaxEnrollBytes, &req); err != nil || len(r.TLS.PeerCertificates) == 0 {
		o.t.Errorf("the renewal is %v, %d certificates", err, len(r.TLS.PeerCertificates))
		return
	}
	if _, err := o.authority.Host(r.TLS.PeerCertificates[0], time.Now()); err != nil {
		o.t.Error(err)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.renews++
	o.lapsed = false
	o.send(rw, &wire.RenewResponse{Certificate: o.certify(o.identity, req.Request, req.Proof)})
}

func (o *office) send(rw http.ResponseWriter, m wire.Message) {
	body, err := wire.Encode(m, wire.MaxResponseBytes)
	if err != nil {
		o.t.Error(err)
	}
	_, _ = rw.Write(body)
}

// certify signs a client certificate through the door that checks the identity
// key's proof.
func (o *office) certify(key, request, proof []byte) []byte {
	id := hotstick.NewHostID(key)
	var der []byte
	err := memory.Open(time.Now).Update(o.t.Context(), func(tx store.Tx) error {
		if err := tx.Hosts().Put(store.Host{ID: id, Identity: key}); err != nil {
			return err
		}
		var err error
		der, err = o.authority.Renew(tx, id, wire.RenewRequest{Request: request, Proof: proof})
		return err
	})
	if err != nil {
		o.t.Error(err)
	}
	return der
}

func (o *office) join() agent.Join {
	return agent.Join{Server: o.server.URL, Token: "hs_join_x", Authority: o.authority.Digest(), Root: hotstick.NewDigest(o.root)}
}

func newHome(t *testing.T) (*agent.Home, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "agent")
	home, err := agent.OpenHome(dir)
	if err != nil {
		t.Fatal(err)
	}
	return home, dir
}

func TestAHostJoinsAndSpeaksMutualTLS(t *testing.T) {
	o := newOffice(t)
	home, dir := newHome(t)
	if home.Joined() {
		t.Fatal("a new host has joined")
	}
	if err := home.Enrol(t.Context(), o.join(), "n1"); err != nil {
		t.Fatal(err)
	}
	if !home.Joined() {
		t.Fatal("the host has not joined")
	}
	for name, want := range map[string]os.FileMode{"identity.key": 0o600, "tls.pem": 0o600, "identity.pub": 0o644, "root.json": 0o644} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("%s has mode %v, %v; want %v", name, info.Mode().Perm(), err, want)
		}
	}
	session, err := agent.NewSession(home, o.server.URL, time.Now, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := mustCatalog(t, session).Fetch(t.Context(), "timestamp.json", 100); err != nil {
		t.Fatal(err)
	}
	id, err := home.Host()
	if err != nil || len(o.hosts) != 1 || o.hosts[0] != id {
		t.Errorf("the server saw %v, the host is %s, %v", o.hosts, id, err)
	}
	public, err := agent.LoadIdentity(dir)
	if err != nil || hotstick.NewHostID(public) != id {
		t.Errorf("the loader would pin %v, %v", public, err)
	}
}

func TestARepeatedEnrolmentKeepsTheIdentity(t *testing.T) {
	o := newOffice(t)
	home, _ := newHome(t)
	o.status = http.StatusServiceUnavailable // the answer is lost
	if err := home.Enrol(t.Context(), o.join(), "n1"); err == nil {
		t.Fatal("a refused enrolment succeeds")
	}
	before, err := home.Host()
	if err != nil {
		t.Fatal(err)
	}
	o.status = 0
	if err := home.Enrol(t.Context(), o.join(), "n1"); err != nil {
		t.Fatal(err)
	}
	if after, err := home.Host(); err != nil || after != before {
		t.Errorf("the host was %s and is %s, %v", before, after, err)
	}
}

func TestARefusedTokenSaysWhatToDo(t *testing.T) {
	o := newOffice(t)
	o.status = http.StatusForbidden
	home, _ := newHome(t)
	err := home.Enrol(t.Context(), o.join(), "n1")
	want := "cannot talk to the server: it answered 403 (cannot use this token: it was used already; make a new one: hotstick host add)"
	if err == nil || err.Error() != want {
		t.Errorf("error is %v, want %s", err, want)
	}
	if home.Joined() {
		t.Error("the host has joined")
	}
}

func TestTheTokenIsSentToNobodyElse(t *testing.T) {
	o, impostor := newOffice(t), newOffice(t)
	home, _ := newHome(t)
	join := o.join()
	join.Server = impostor.server.URL
	err := home.Enrol(t.Context(), join, "n1")
	if !errors.Is(err, agent.ErrEnrolment) {
		t.Errorf("error is %v", err)
	}
	if len(impostor.tokens) != 0 {
		t.Errorf("an impostor got the token %v", impostor.tokens)
	}
}

func TestAnImpostorWithTheRealCertificateGetsNothing(t *testing.T) {
	// The CA's certificate is public. An impostor sends it along with its own leaf.
	o := newOffice(t)
	other, err := identity.NewAuthority("test", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := other.ServerCertificate([]string{"127.0.0.1"}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	leaf.Certificate = append(leaf.Certificate[:1:1], o.authority.Certificate())
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{leaf}})
	if err != nil {
		t.Fatal(err)
	}
	got := make(chan string, 1)
	go func() {
		defer close(got)
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		text, _ := io.ReadAll(conn)
		got <- string(text)
	}()
	home, _ := newHome(t)
	join := o.join()
	join.Server = "https://" + listener.Addr().String()
	if err := home.Enrol(t.Context(), join, "n1"); err == nil {
		t.Error("the enrolment succeeds")
	}
	listener.Close()
	if text := <-got; strings.Contains(text, "hs_join") {
		t.Errorf("the impostor got %q", text)
	}
}

func TestAnAnswerThatIsNotTheJoinLinesIsRefused(t *testing.T) {
	for _, c := range []struct {
		what   string
		answer func(*wire.EnrollResponse)
	}{
		{"another catalog", func(r *wire.EnrollResponse) { r.Root = []byte("evil") }},
		{"another authority", func(r *wire.EnrollResponse) { r.Authority = []byte("evil") }},
		{"another host", func(r *wire.EnrollResponse) { r.Host = "h-abcdefghijklmnop" }},
	} {
		t.Run(c.what, func(t *testing.T) {
			o := newOffice(t)
			o.answer = c.answer
			home, _ := newHome(t)
			if err := home.Enrol(t.Context(), o.join(), "n1"); !errors.Is(err, agent.ErrEnrolment) {
				t.Errorf("error is %v", err)
			}
			if home.Joined() {
				t.Error("the host has joined")
			}
		})
	}
}

func TestAMalformedJoinLineIsRefused(t *testing.T) {
	o := newOffice(t)
	for _, c := range []struct {
		what string
		edit func(*agent.Join)
		want string
	}{
		{"plain HTTP", func(j *agent.Join) { j.Server = "http://127.0.0.1" }, "https://"},
		{"no server", func(j *agent.Join) { j.Server = "" }, "https://"},
		{"no token", func(j *agent.Join) { j.Token = "" }, "token"},
		{"no CA", func(j *agent.Join) { j.Authority = "" }, "CA"},
		{"a cut-off root", func(j *agent.Join) { j.Root = j.Root[:20] }, "root"},
	} {
		join := o.join()
		c.edit(&join)
		home, _ := newHome(t)
		if err := home.Enrol(t.Context(), join, "n1"); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error is %v", c.what, err)
		}
	}
	if len(o.tokens) != 0 {
		t.Errorf("tokens were sent: %v", o.tokens)
	}
}

func TestACertificateIsRenewedWhenTwoThirdsOfItsLifeAreOver(t *testing.T) {
	o := newOffice(t)
	home, dir := newHome(t)
	if err := home.Enrol(t.Context(), o.join(), "n1"); err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	clock := func() time.Time { return now }
	session, err := agent.NewSession(home, o.server.URL, clock, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(filepath.Join(dir, "tls.pem"))
	if err != nil {
		t.Fatal(err)
	}
	session.Upkeep(t.Context())
	if o.renews != 0 {
		t.Fatal("a fresh certificate was renewed")
	}
	now = now.Add(identity.CertificateLife * 2 / 3).Add(-10 * time.Minute)
	session.Upkeep(t.Context())
	if o.renews != 0 {
		t.Fatal("a certificate was renewed too early")
	}
	now = now.Add(identity.CertificateLife/12 + 10*time.Minute)
	session.Upkeep(t.Context())
	session.Upkeep(t.Context())
	if o.renews != 1 {
		t.Fatalf("renewed %d times", o.renews)
	}
	after, err := os.ReadFile(filepath.Join(dir, "tls.pem"))
	if err != nil || string(after) == string(before) {
		t.Errorf("the file is the old one, %v", err)
	}
	if _, err := mustCatalog(t, session).Fetch(t.Context(), "timestamp.json", 100); err != nil {
		t.Errorf("the new certificate does not work: %v", err)
	}
}

func mustCatalog(t *testing.T, session *agent.Session) *catalog.Web {
	t.Helper()
	source, err := session.Catalog()
	if err != nil {
		t.Fatal(err)
	}
	return source
}

func TestAServerCannotSendTheAgentElsewhereNorMakeItReadOn(t *testing.T) {
	o := newOffice(t)
	home, _ := newHome(t)
	if err := home.Enrol(t.Context(), o.join(), "n1"); err != nil {
		t.Fatal(err)
	}
	session, err := agent.NewSession(home, o.server.URL+"/", time.Now, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	source := mustCatalog(t, session)
	for _, c := range []struct {
		file  string
		limit int64
		want  error
	}{
		{"timestamp.json", 1, catalog.ErrRefused}, // longer than what the catalog says
		{"elsewhere.json", 100, catalog.ErrRefused},
		{"../renew", 100, catalog.ErrRefused},
		{"none.json", 100, os.ErrNotExist},
		{"timestamp.json", 100, nil},
	} {
		if _, err := source.Fetch(t.Context(), c.file, c.limit); !errors.Is(err, c.want) {
			t.Errorf("%s of at most %d bytes: error is %v", c.file, c.limit, err)
		}
	}
}
