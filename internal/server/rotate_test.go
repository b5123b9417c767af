package server

import (
	"crypto/tls"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/api"
	"github.com/hotstick/hotstick/internal/agent"
	"github.com/hotstick/hotstick/internal/identity"
	"github.com/hotstick/hotstick/internal/statement"
	"github.com/hotstick/hotstick/internal/wire"
)

// joined is a host whose agent is the real one, as far as it speaks to the server.
type joined struct {
	w       *world
	dir     string
	home    *agent.Home
	session *agent.Session
}

// mustJoin enrols a host by the join line of the moment.
func (w *world) mustJoin(name string, now func() time.Time) *joined {
	w.Helper()
	m := &joined{w: w, dir: w.TempDir()}
	var err error
	m.home, err = agent.OpenHome(m.dir)
	w.must(err)
	w.must(m.home.Enrol(w.Context(), agent.Join{Server: w.server.URL(), Token: w.joinToken(),
		Authority: w.server.authority.Digest(), Root: hotstick.NewDigest(w.server.catalog.Root())}, name))
	m.wake(now)
	return m
}

// wake starts the host's agent anew.
func (m *joined) wake(now func() time.Time) {
	m.w.Helper()
	session, err := agent.NewSession(m.home, m.w.server.URL(), now, slog.New(slog.DiscardHandler))
	m.w.must(err)
	session.Follow(func() (hotstick.Trust, error) { return m.w.server.catalog.View().Trust, nil })
	m.session = session
	m.w.Cleanup(func() { (&http.Client{Transport: session.Transport()}).CloseIdleConnections() })
}

// ask asks the server for something, over a new connection.
func (m *joined) ask() (int, error) {
	client := &http.Client{Transport: m.session.Transport()}
	client.CloseIdleConnections()
	resp, err := client.Get(m.w.server.URL() + "/agent/v1/catalog/timestamp.json")
	if err != nil {
		return 0, err
	}
	return resp.StatusCode, resp.Body.Close()
}

// trusts counts the authorities that the host trusts.
func (m *joined) trusts() int {
	m.w.Helper()
	data, err := os.ReadFile(filepath.Join(m.dir, "ca.pem"))
	m.w.must(err)
	return strings.Count(string(data), "BEGIN CERTIFICATE")
}

func (m *joined) mustReach(when string) {
	m.w.Helper()
	if status, err := m.ask(); status != http.StatusOK {
		m.w.Fatalf("%s: %d, %v", when, status, err)
	}
}

func TestTheAuthorityIsReplacedWithoutLosingAHost(t *testing.T) {
	onEachStoreWithAClock(t, func(w *world, c *clock) {
		awake, sleeper := w.mustJoin("awake", c.now), w.mustJoin("sleeper", c.now)
		old := w.server.authority.Digest()
		change := func(req api.AuthorityRequest) (api.Authority, error) {
			return w.admin.ChangeAuthority(w.Context(), req)
		}

		_, err := change(api.AuthorityRequest{})
		w.refused(err, 422, "invalid")
		_, err = change(api.AuthorityRequest{Reason: "yearly", Finish: true})
		w.refused(err, 409, "conflict")
		announced, err := change(api.AuthorityRequest{Reason: "yearly"})
		w.must(err)
		if announced.Digest != old || announced.Next == "" || strings.Count(announced.Certificates, "BEGIN") != 2 {
			w.Errorf("announced is %+v", announced)
		}
		_, err = change(api.AuthorityRequest{Reason: "yearly"})
		w.refused(err, 409, "conflict")
		_, err = change(api.AuthorityRequest{Reason: "yearly", Finish: true})
		w.refused(err, 409, "conflict")
		awake.mustReach("while both are trusted")
		w.mustJoin("joined meanwhile", c.now).mustReach("a host that joined meanwhile")

		// The host that is up renews, hears of the next authority, and has a certificate
		// of it. Then the old one is dropped.
		c.ahead.Store(int64(19 * time.Hour))
		awake.session.Upkeep(w.Context())
		if n := awake.trusts(); n != 2 {
			w.Fatalf("after its renewal the host trusts %d authorities", n)
		}
		awake.mustReach("after the renewal")
		w.restart()
		awake.mustReach("after a restart in the middle")
		c.ahead.Store(int64(25 * time.Hour))
		finished, err := change(api.AuthorityRequest{Reason: "yearly", Finish: true})
		w.must(err)
		if finished.Digest != announced.Next || finished.Next != "" {
			w.Errorf("finished is %+v", finished)
		}
		w.restart()
		if w.server.authority.Digest() != announced.Next {
			w.Error("the server has forgotten its new authority")
		}
		awake.mustReach("after the old one is gone")

		// At its next renewal the host forgets the old one, too.
		c.ahead.Store(int64(40 * time.Hour))
		awake.session.Upkeep(w.Context())
		if n := awake.trusts(); n != 1 {
			w.Errorf("in the end the host trusts %d authorities", n)
		}
		awake.mustReach("in the end")

		// The one that slept knows neither the server nor is known, and finds back.
		c.ahead.Store(int64(20 * 24 * time.Hour))
		sleeper.wake(c.now)
		if status, err := sleeper.ask(); err == nil {
			w.Errorf("the sleeper takes an authority that nobody named to it: %d", status)
		}
		sleeper.session.Upkeep(w.Context())
		sleeper.mustReach("the host that slept")
		if n := sleeper.trusts(); n != 1 {
			w.Errorf("the sleeper trusts %d authorities", n)
		}
	})
}

func TestAChangeOfTheAuthorityThatAPowerCutEndedIsEndedAtTheStart(t *testing.T) {
	onEachStoreWithAClock(t, func(w *world, c *clock) {
		m := w.mustJoin("host", c.now)
		_, err := w.admin.ChangeAuthority(w.Context(), api.AuthorityRequest{Reason: "x"})
		w.must(err)
		dir := filepath.Join(w.dir, caDir)
		before := map[string][]byte{}
		for _, name := range []string{"ca.pem", "ca.key", "next.pem", "next.key"} {
			before[name], err = os.ReadFile(filepath.Join(dir, name))
			w.must(err)
		}
		finished, err := w.admin.ChangeAuthority(w.Context(), api.AuthorityRequest{Reason: "x", Finish: true, AtOnce: true})
		w.must(err)
		// The audit log has it; of the files nothing, or only the key, came to the disk.
		for _, moved := range [][]string{{}, {"ca.key"}} {
			w.stop()
			for name, data := range before {
				w.must(os.WriteFile(filepath.Join(dir, name), data, 0o600))
			}
			for range moved {
				w.must(os.Rename(filepath.Join(dir, "next.key"), filepath.Join(dir, "ca.key")))
			}
			w.start()
			if got := w.server.authority.Digest(); got != finished.Digest {
				w.Errorf("after a power cut with %v moved the authority is %s, want %s", moved, got.Short(), finished.Digest.Short())
			}
		}
		m.session.Upkeep(w.Context()) // nothing is due; it must not need to be
		if _, err := m.ask(); err == nil {
			w.Error("a host trusts whom nobody named to it")
		}
		m.session.Upkeep(w.Context())
		m.mustReach("after a change at once")
	})
}

func TestAThiefOfTheAuthorityAloneNamesNoHeir(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	stranger := w.newKey()
	for _, tt := range []struct {
		name   string
		signer *statement.Key
		epoch  uint64
	}{
		{"signed by a key of the thief's", stranger, 1},
		{"signed by an approver", w.persons[bob], 1},
		{"of another epoch", stranger, 2},
	} {
		m := w.mustJoin("host", time.Now)
		stolen, err := identity.OpenAuthority(filepath.Join(w.dir, caDir))
		w.must(err)
		heir, err := identity.NewAuthority("hotstick", time.Now())
		w.must(err)
		forged, err := statement.Sign(statement.KindAuthority, statement.Authority{From: stolen.Digest(), Certificate: heir.Certificate(),
			Last: true, Epoch: tt.epoch, IssuedAt: time.Now().UTC().Truncate(time.Second)}, tt.signer)
		w.must(err)
		impostor := w.impostor(heir, forged)
		session, err := agent.NewSession(m.home, impostor.URL, func() time.Time { return time.Now().Add(20 * time.Hour) }, slog.New(slog.DiscardHandler))
		w.must(err)
		session.Follow(func() (hotstick.Trust, error) { return w.server.catalog.View().Trust, nil })
		client := &http.Client{Transport: session.Transport()}
		for range 2 {
			if resp, err := client.Get(impostor.URL + "/agent/v1/catalog/timestamp.json"); err == nil {
				resp.Body.Close()
				t.Errorf("an heir %s is trusted", tt.name)
			}
			session.Upkeep(t.Context())
		}
		if n := m.trusts(); n != 1 {
			t.Errorf("an heir %s: the host trusts %d authorities", tt.name, n)
		}
		m.mustReach("the real server, afterwards")
	}
}

// impostor is a server of an authority, which names itself to be an heir.
func (w *world) impostor(authority *identity.Authority, statements ...json.RawMessage) *httptest.Server {
	w.Helper()
	certificate, err := authority.ServerCertificate([]string{"127.0.0.1"}, time.Now())
	w.must(err)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/agent/v1/authority" {
			w.Errorf("the impostor was asked for %s", r.URL.Path)
		}
		data, err := wire.Encode(&wire.AuthorityResponse{Authorities: statements}, wire.MaxResponseBytes)
		_, written := rw.Write(data)
		if err := errors.Join(err, written); err != nil {
			w.Error(err)
		}
	}))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS13}
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo)
	server.StartTLS()
	w.Cleanup(server.Close)
	return server
}
