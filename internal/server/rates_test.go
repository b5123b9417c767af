package server

import (
	"fmt"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/hotstick/hotstick/internal/identity"
)

func TestOneIdentityTakesNothingFromAnother(t *testing.T) {
	m, now := newMeters(), time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)
	r := Rate{PerSecond: 10, Burst: 5, Open: 100}
	served := func(key string) (n int, wait time.Duration) {
		for range 50 {
			over, w := m.admit(key, r, now)
			if w > 0 {
				return n, w
			}
			over()
			n++
		}
		return n, 0
	}
	for _, tt := range []struct {
		after time.Duration
		key   string
		want  int
	}{
		{0, "greedy", 5}, {0, "greedy", 0}, {0, "modest", 5},
		{100 * time.Millisecond, "greedy", 1}, {time.Second, "greedy", 5}, {time.Hour, "greedy", 5},
		{-time.Hour, "greedy", 0},
	} {
		now = now.Add(tt.after)
		got, wait := served(tt.key)
		if got != tt.want || wait <= 0 {
			t.Errorf("%s later %s gets %d answers and waits %s, want %d", tt.after, tt.key, got, wait, tt.want)
		}
	}
}

func TestAnIdentityHasOnlySoManyRequestsOpen(t *testing.T) {
	m, now := newMeters(), time.Now()
	r := Rate{PerSecond: 1e6, Burst: 1e6, Open: 3}
	var ends []func()
	for range 3 {
		over, wait := m.admit("x", r, now)
		if wait > 0 {
			t.Fatal("refused too early")
		}
		ends = append(ends, over)
	}
	if _, wait := m.admit("x", r, now); wait == 0 {
		t.Error("a fourth was opened")
	}
	ends[1]()
	if _, wait := m.admit("x", r, now); wait > 0 {
		t.Error("after one ended none may begin")
	}
}

func TestAFloodOfIdentitiesDoesNotFillTheMemory(t *testing.T) {
	m, now := newMeters(), time.Now()
	held, _ := m.admit("held", defaultRates.Person, now)
	for i := range 2 * maxMetered {
		over, _ := m.admit(fmt.Sprint("address ", i), defaultRates.Address, now)
		over()
	}
	if n := len(m.rows.rows); n != maxMetered {
		t.Errorf("%d identities are remembered", n)
	}
	held() // of one that was forgotten
}

// TestLimitsOverARealListener asks too often as everybody who can ask.
func TestLimitsOverARealListener(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	h := w.enrol("host-1", buildA)
	began := time.Now()
	w.options.Now = func() time.Time { return began } // nothing is ever served again
	w.options.Limits.Rates = Rates{Person: Rate{PerSecond: 1, Burst: 20}, Host: Rate{PerSecond: 1, Burst: 20}, Address: Rate{PerSecond: 1, Burst: 20}}
	w.restart()
	plain := w.plain()
	for _, c := range []struct {
		name, path string
		client     *http.Client
		header     string
		status     int
	}{
		{"a token", "/api/v1/session", plain, w.bearer(identity.Viewer), 200},
		{"a forged token", "/api/v1/session", plain, "Bearer hs_api_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 401},
		{"a host", "/agent/v1/catalog/timestamp.json", h.http, "", 200},
	} {
		counts := map[int]int{}
		for range 30 {
			req, err := http.NewRequestWithContext(w.Context(), "GET", w.server.URL()+c.path, nil)
			w.must(err)
			if c.header != "" {
				req.Header.Set("Authorization", c.header)
			}
			resp, err := c.client.Do(req)
			w.must(err)
			resp.Body.Close()
			counts[resp.StatusCode]++
			if after, err := strconv.Atoi(resp.Header.Get("Retry-After")); resp.StatusCode == http.StatusTooManyRequests && (err != nil || after < 1 || resp.Header.Get("Content-Type") != problemType) {
				t.Errorf("%s is refused with %v", c.name, resp.Header)
			}
		}
		if counts[c.status] != 20 || counts[http.StatusTooManyRequests] != 10 {
			t.Errorf("%s got %v", c.name, counts)
		}
	}
	// The address is used up, and with it what is open; whoever is known goes on.
	if a := w.ask("GET", "/version", ""); a.status != http.StatusTooManyRequests || a.problem().Code != codeRateLimited {
		t.Errorf("an open route: %d", a.status)
	}
	for _, path := range []string{"/api/v1/nothing", "/agent/v1/nothing", "/debug/pprof/"} {
		if a := w.ask("GET", path, ""); a.status != http.StatusTooManyRequests {
			t.Errorf("%s, which is not there: %d", path, a.status)
		}
	}
	if a := w.as(identity.Operator, "GET", "/api/v1/session", ""); a.status != http.StatusTooManyRequests {
		t.Errorf("with another token the same person goes on: %d", a.status)
	}
	other, err := w.server.AddAPIToken(t.Context(), identity.Viewer, bob)
	w.must(err)
	if a := w.ask("GET", "/api/v1/session", "", "Authorization", "Bearer "+other); a.status != http.StatusOK {
		t.Errorf("another person behind the same address: %d", a.status)
	}
}
