package agent_test

import (
	"io"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/hotstick/hotstick/internal/agent"
	"github.com/hotstick/hotstick/internal/identity"
)

// mustSession opens the session of a host that has just joined, with a clock that
// the test moves.
func (o *office) mustSession(now *time.Time) *agent.Session {
	o.t.Helper()
	home, _ := newHome(o.t)
	if err := home.Enrol(o.t.Context(), o.join(), "n1"); err != nil {
		o.t.Fatal(err)
	}
	session, err := agent.NewSession(home, o.server.URL, func() time.Time { return *now }, slog.New(slog.DiscardHandler))
	if err != nil {
		o.t.Fatal(err)
	}
	return session
}

// ask asks the server for something and returns what it answers.
func (o *office) ask(session *agent.Session) (int, error) {
	resp, err := (&http.Client{Transport: session.Transport()}).Get(o.server.URL + "/agent/v1/catalog/timestamp.json")
	if err != nil {
		return 0, err
	}
	return resp.StatusCode, resp.Body.Close()
}

func TestAHostWhoseClockWasSetBackStillSpeaksAndRenews(t *testing.T) {
	for _, back := range []time.Duration{time.Hour, 24 * time.Hour, 50 * 365 * 24 * time.Hour} {
		o := newOffice(t)
		now := time.Now()
		session := o.mustSession(&now)
		now = now.Add(-back)
		if status, err := o.ask(session); status != http.StatusOK {
			t.Errorf("clock set back by %s: %d, %v", back, status, err)
		}
		if session.Upkeep(t.Context()); o.renews != 0 {
			t.Errorf("clock set back by %s: a fresh certificate was renewed", back)
		}
		// By the server's clock the certificate ends; by the host's it never does.
		o.mu.Lock()
		o.lapsed = true
		o.mu.Unlock()
		if status, err := o.ask(session); status != http.StatusUnauthorized {
			t.Fatalf("%d, %v", status, err)
		}
		if session.Upkeep(t.Context()); o.renews != 1 {
			t.Errorf("clock set back by %s: renewed %d times", back, o.renews)
		}
		if session.Upkeep(t.Context()); o.renews != 1 {
			t.Errorf("clock set back by %s: renewed again at once", back)
		}
		if status, err := o.ask(session); status != http.StatusOK {
			t.Errorf("after the renewal: %d, %v", status, err)
		}
	}
}

func TestAServerThatNeverTakesTheCertificateIsNotFloodedWithRenewals(t *testing.T) {
	o := newOffice(t)
	now := time.Now()
	session := o.mustSession(&now)
	o.status = http.StatusUnauthorized
	for range 3600 {
		if _, err := o.ask(session); err != nil {
			t.Fatal(err)
		}
		session.Upkeep(t.Context())
		now = now.Add(time.Second)
	}
	if o.renews < 30 || o.renews > 60 {
		t.Errorf("%d renewals in an hour", o.renews)
	}
}

func TestAnExpiredCertificateIsRenewedBeforeAnythingElse(t *testing.T) {
	o := newOffice(t)
	now := time.Now()
	session := o.mustSession(&now)
	now = now.Add(identity.CertificateLife + time.Hour)
	if session.Upkeep(t.Context()); o.renews != 1 {
		t.Errorf("renewed %d times", o.renews)
	}
}

func TestNoConnectionOfAnOldCertificateIsUsedAgain(t *testing.T) {
	o := newOffice(t)
	now := time.Now()
	session := o.mustSession(&now)
	client := &http.Client{Transport: session.Transport()}
	get := func() *http.Response {
		resp, err := client.Get(o.server.URL + "/agent/v1/catalog/timestamp.json")
		if err != nil {
			t.Fatal(err)
		}
		return resp
	}
	busy := get() // its connection goes back to the pool only after the renewal
	now = now.Add(identity.CertificateLife * 5 / 6)
	if session.Upkeep(t.Context()); o.renews != 1 {
		t.Fatalf("renewed %d times", o.renews)
	}
	if _, err := io.Copy(io.Discard, busy.Body); err != nil {
		t.Fatal(err)
	}
	busy.Body.Close()
	o.mu.Lock()
	o.keys = nil
	o.mu.Unlock()
	for range 4 {
		get().Body.Close()
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, key := range o.keys {
		if key != o.keys[len(o.keys)-1] || key == o.first {
			t.Errorf("the host showed %v after its renewal; before, %s", o.keys, o.first)
		}
	}
}
