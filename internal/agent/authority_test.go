package agent_test

import (
	"crypto/tls"
	"encoding/json"
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
	"github.com/hotstick/hotstick/internal/agent"
	"github.com/hotstick/hotstick/internal/identity"
	"github.com/hotstick/hotstick/internal/statement"
	"github.com/hotstick/hotstick/internal/wire"
)

// address is one network address behind which now this server answers, now that one.
type address struct {
	t      *testing.T
	server *httptest.Server

	mu sync.Mutex // guards all below
	// authority issues the certificate of whoever answers.
	authority *identity.Authority
	// says are the statements about authorities that he answers.
	says []json.RawMessage
}

func (a *address) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if r.URL.Path != "/agent/v1/authority" {
		rw.WriteHeader(http.StatusUnauthorized) // so that the host looks after itself
		return
	}
	body, err := wire.Encode(&wire.AuthorityResponse{Authorities: a.says}, wire.MaxResponseBytes)
	if err != nil {
		a.t.Error(err)
	}
	_, _ = rw.Write(body)
}

func newAddress(t *testing.T) *address {
	t.Helper()
	a := &address{t: t}
	a.server = httptest.NewUnstartedServer(a)
	// By name alone, which an address has none of, a certificate could not be chosen.
	a.server.TLS = &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
		a.mu.Lock()
		defer a.mu.Unlock()
		c, err := a.authority.ServerCertificate([]string{"127.0.0.1"}, time.Now())
		return &tls.Config{MinVersion: tls.VersionTLS13, ClientAuth: tls.RequestClientCert, Certificates: []tls.Certificate{c}}, err
	}}
	a.server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo)
	a.server.StartTLS()
	t.Cleanup(a.server.Close)
	return a
}

// answers puts somebody behind the address.
func (a *address) answers(authority *identity.Authority, says ...json.RawMessage) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.authority, a.says = authority, says
	a.server.CloseClientConnections()
}

func mustAuthority(t *testing.T) *identity.Authority {
	t.Helper()
	a, err := identity.NewAuthority("test", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// mustName says that one authority follows another, the last word on that one.
func mustName(t *testing.T, epoch uint64, from, to *identity.Authority, by string) json.RawMessage {
	t.Helper()
	raw, err := statement.Sign(statement.KindAuthority, statement.Authority{From: from.Digest(), Certificate: to.Certificate(),
		Last: true, Epoch: epoch, IssuedAt: time.Now().Truncate(time.Second)}, signer(by))
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// led is a host that a thief of the server's key has led to his own authority, and
// that has the root of the next epoch now, whose server is clean.
type led struct {
	t       *testing.T
	office  *office
	home    *agent.Home
	dir     string
	address *address
	thief   *identity.Authority
	clean   *identity.Authority
	session *agent.Session
	now     time.Time
	trust   hotstick.Trust
}

func newLed(t *testing.T) *led {
	t.Helper()
	h := &led{t: t, office: newOffice(t), address: newAddress(t), thief: mustAuthority(t), clean: mustAuthority(t), now: time.Now()}
	h.home, h.dir = newHome(t)
	if err := h.home.Enrol(t.Context(), h.office.join(), "n1"); err != nil {
		t.Fatal(err)
	}
	h.trust = trustOf("stolen", 1)
	h.start()
	h.address.answers(h.thief, mustName(t, 1, h.office.authority, h.thief, "stolen"))
	h.upkeep()
	h.mustTrust(h.thief, "after the thief led it away")
	h.trust = trustOf("clean", 2)
	return h
}

func trustOf(server string, epoch uint64) hotstick.Trust {
	key := func(name string) []hotstick.TrustedKey {
		return []hotstick.TrustedKey{hotstick.TrustedKey(signer(name).Public())}
	}
	return hotstick.Trust{Epoch: epoch, ServerKeys: key(server), Approvals: 1,
		Persons: []hotstick.TrustedPerson{{Person: "ann", Keys: key("author")}, {Person: "bob", Keys: key("approver")}}}
}

// start starts the agent's session, as after a restart too.
func (h *led) start() {
	h.t.Helper()
	var err error
	h.session, err = agent.NewSession(h.home, h.address.server.URL, func() time.Time { return h.now }, slog.New(slog.DiscardHandler))
	if err != nil {
		h.t.Fatal(err)
	}
	h.session.Follow(func() (hotstick.Trust, error) { return h.trust, nil })
}

// upkeep lets the host talk to whoever is there, and look after what it heard.
func (h *led) upkeep() {
	h.t.Helper()
	_, _ = mustCatalog(h.t, h.session).Fetch(h.t.Context(), "timestamp.json", 100)
	h.now = h.now.Add(time.Hour)
	h.session.Upkeep(h.t.Context())
}

func (h *led) mustTrust(a *identity.Authority, when string) {
	h.t.Helper()
	_, err := mustCatalog(h.t, h.session).Fetch(h.t.Context(), "timestamp.json", 100)
	if err == nil || strings.Contains(err.Error(), "no authority that this host knows") {
		h.t.Errorf("%s the host does not speak to whom it should: %v", when, err)
	}
	data, err := os.ReadFile(filepath.Join(h.dir, "ca.pem"))
	if err != nil || strings.Count(string(data), "BEGIN") != 1 {
		h.t.Errorf("%s it trusts %s, %v", when, data, err)
	}
	if h.address.authority != a {
		h.t.Errorf("%s somebody else answers", when)
	}
}

func TestAThiefWhoNamesNobodyInTheNewEpochDoesNotKeepItsHosts(t *testing.T) {
	for _, c := range []struct {
		what string
		says func(h *led) []json.RawMessage
	}{
		{"nothing", func(*led) []json.RawMessage { return nil }},
		{"an empty list", func(*led) []json.RawMessage { return []json.RawMessage{} }},
		{"a statement of the old epoch", func(h *led) []json.RawMessage {
			return []json.RawMessage{mustName(h.t, 1, h.office.authority, h.thief, "stolen")}
		}},
		{"a statement that the new epoch's key did not sign", func(h *led) []json.RawMessage {
			return []json.RawMessage{mustName(h.t, 2, h.office.authority, h.thief, "stolen")}
		}},
	} {
		t.Run(c.what, func(t *testing.T) {
			h := newLed(t)
			h.address.answers(h.thief, c.says(h)...)
			h.upkeep() // the thief is heard first in the new epoch
			h.start()
			h.upkeep()
			h.address.answers(h.clean, mustName(t, 2, h.office.authority, h.clean, "clean"))
			h.upkeep()
			h.mustTrust(h.clean, "after the clean server was heard")
			h.address.answers(h.thief)
			if _, err := mustCatalog(t, h.session).Fetch(t.Context(), "timestamp.json", 100); err == nil || !strings.Contains(err.Error(), "no authority that this host knows") {
				t.Errorf("it still speaks to the thief: %v", err)
			}
		})
	}
}

func TestAnAnswerThatEndsEveryAuthorityLeavesTheHostWhatItHas(t *testing.T) {
	h := newLed(t)
	h.address.answers(h.thief, mustName(t, 2, h.thief, h.clean, "clean"), mustName(t, 2, h.clean, h.thief, "clean"))
	h.upkeep()
	h.start()
	h.mustTrust(h.thief, "after an answer in a circle")
}
