package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/api"
	"github.com/hotstick/hotstick/internal/cli"
)

// terminal runs one command as on a terminal of 72 by 20 characters, with a
// server that is only a handler, and returns what was printed.
type terminal struct {
	t       *testing.T
	handler http.HandlerFunc
	env     map[string]string
	typed   string
	out     bytes.Buffer
	err     bytes.Buffer
}

const (
	columns = 72
	rows    = 20
)

func (m *terminal) run(args ...string) int {
	m.t.Helper()
	server := httptest.NewTLSServer(m.handler)
	defer server.Close()
	ca := filepath.Join(m.t.TempDir(), "ca.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(ca, block, 0o600); err != nil {
		m.t.Fatal(err)
	}
	env := map[string]string{"HOME": m.t.TempDir(), "HOTSTICK_SERVER": server.URL, "HOTSTICK_CA": ca}
	for k, v := range m.env {
		env[k] = v
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	return cli.Run(ctx, cli.Env{
		Args: args, Stdin: strings.NewReader(m.typed), Stdout: &m.out, Stderr: &m.err, Now: time.Now, Interactive: true,
		Getenv: func(name string) string { return env[name] },
		Size:   func() (int, int, bool) { return columns, rows, true },
	})
}

// rolloutOf answers the Nth request for a rollout with the Nth step, and holds
// the live stream open.
func rolloutOf(steps ...func(http.ResponseWriter)) http.HandlerFunc {
	var mu sync.Mutex
	n := 0
	return func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/api/v1/stream" {
			<-r.Context().Done()
			return
		}
		mu.Lock()
		step := steps[min(n, len(steps)-1)]
		n++
		mu.Unlock()
		step(w)
	}
}

func at(status hotstick.PlanStatus, states ...hotstick.HostState) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		r := api.Rollout{RolloutSummary: api.RolloutSummary{Plan: hotstick.NewDigest(nil), Name: "x\x1b[2J", Status: status, Hosts: len(states), States: map[hotstick.HostState]int{}},
			Headline: strings.Repeat("a long headline, ", 20)}
		wave := api.Wave{Name: "canary"}
		for _, s := range states {
			r.States[s]++
			wave.Hosts = append(wave.Hosts, api.Cell{Name: "h", State: s})
		}
		for range 30 {
			r.Waves = append(r.Waves, wave)
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(r)
	}
}

func broken(w http.ResponseWriter) {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err == nil {
		conn.Close()
	}
}

func TestAWatchRedrawsInPlaceAndStaysInsideTheTerminal(t *testing.T) {
	t.Parallel()
	m := &terminal{t: t, env: map[string]string{"NO_COLOR": "1"}, handler: rolloutOf(
		at(hotstick.Running, hotstick.Probation, hotstick.Waiting), at(hotstick.Completed, hotstick.Confirmed, hotstick.Confirmed))}
	if code := m.run("rollout", "watch", "x"); code != 0 {
		t.Errorf("exit code %d, want 0: %s", code, m.err.String())
	}
	out := m.out.String()
	if strings.Count(out, "\x1b[19A") != 1 {
		t.Errorf("the second frame was not drawn over the first one of 19 lines: %q", out)
	}
	plain := regexp.MustCompile(`\x1b\[(2K|J|\d+A)`).ReplaceAllString(out, "")
	if strings.Contains(plain, "\x1b") {
		t.Errorf("what the server said reached the terminal, or NO_COLOR was not heeded: %q", plain)
	}
	for l := range strings.Lines(plain) {
		if n := utf8.RuneCountInString(strings.Trim(l, "\r\n")); n >= columns {
			t.Errorf("a line of %d characters does not fit: %q", n, l)
		}
	}
	if !strings.Contains(m.err.String(), "completed") {
		t.Errorf("the outcome was not told: %q", m.err.String())
	}
}

func TestAWatchOutlivesAServerThatIsAway(t *testing.T) {
	t.Parallel()
	m := &terminal{t: t, handler: rolloutOf(at(hotstick.Running, hotstick.Waiting), broken, broken, broken, at(hotstick.Halted, hotstick.Reverted))}
	if code := m.run("rollout", "watch", "x", "--timeout", "30s"); code != 1 {
		t.Errorf("exit code %d, want 1: %s", code, m.err.String())
	}
	if !strings.Contains(m.out.String(), "waiting for it") {
		t.Errorf("nobody was told that the server is away: %q", m.out.String())
	}
}

func TestColoursAreForTerminalsThatWantThem(t *testing.T) {
	list := func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(api.HostList{Hosts: []api.Host{{Name: "db", State: "applied"}}, Total: 1})
	}
	m := &terminal{t: t, handler: list}
	if code := m.run("host", "list"); code != 0 || !strings.Contains(m.out.String(), "\x1b[32m● applied\x1b[0m") {
		t.Errorf("exit code %d, no colour in %q", code, m.out.String())
	}
	m = &terminal{t: t, handler: list, env: map[string]string{"NO_COLOR": "1"}}
	if code := m.run("host", "list"); code != 0 || strings.Contains(m.out.String(), "\x1b") || !strings.Contains(m.out.String(), "● applied") {
		t.Errorf("exit code %d, colour in %q", code, m.out.String())
	}
}

func TestStepsWithoutAWayBackAreAskedFor(t *testing.T) {
	for _, c := range []struct {
		args  []string
		typed string
		asked bool
		code  int
		calls int
	}{
		{[]string{"stop", "--all"}, "n\n", true, 1, 0},
		{[]string{"stop", "--all"}, "", true, 1, 0},
		{[]string{"stop", "--all"}, "yes\n", true, 0, 1},
		{[]string{"stop", "--all", "--yes"}, "", false, 0, 1},
		{[]string{"stop", "--lift"}, "", false, 0, 1},
		{[]string{"rollout", "halt", "x"}, "\n", true, 1, 0},
		{[]string{"rollout", "revert", "x"}, "n\n", true, 1, 0},
		{[]string{"rollout", "revert", "x"}, "y\n", true, 0, 1},
		{[]string{"rollout", "hold", "x"}, "", false, 0, 1},
		{[]string{"patch", "ban", "a@1", "--reason", "r"}, "n\n", true, 1, 0},
		{[]string{"patch", "ban", "a@1", "--reason", "r", "-y"}, "", false, 0, 1},
	} {
		calls := 0
		m := &terminal{t: t, typed: c.typed, handler: func(w http.ResponseWriter, _ *http.Request) {
			calls++
			_, _ = w.Write([]byte("{}"))
		}}
		code := m.run(c.args...)
		if asked := strings.Contains(m.err.String(), "[y/N]"); code != c.code || calls != c.calls || asked != c.asked {
			t.Errorf("%v, typed %q: exit code %d, %d calls, asked %t; want %d, %d, %t", c.args, c.typed, code, calls, asked, c.code, c.calls, c.asked)
		}
	}
}

func TestEveryRefusalHasItsExitCode(t *testing.T) {
	for _, c := range []struct {
		status int
		code   string
		want   int
	}{
		{400, "", 2}, {401, "unauthenticated", 4}, {403, "forbidden", 4}, {404, "not_found", 5}, {409, "conflict", 6},
		{409, "ambiguous", 2}, {413, "too_large", 2}, {422, "invalid", 2}, {422, "selector", 2}, {422, "refused", 6},
		{422, "approver_is_author", 6}, {422, "plan_edited", 6}, {422, "unknown_person", 4}, {422, "banned", 6}, {422, "stopped", 6},
		{422, "signature", 6}, {500, "internal", 1}, {503, "unavailable", 8}, {504, "", 7}, {418, "", 1},
	} {
		m := &terminal{t: t, handler: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(c.status)
			_ = json.NewEncoder(w).Encode(api.Problem{Title: "t", Detail: "cannot \x1b[2J", Code: c.code, Hint: "do that"})
		}}
		if got := m.run("rollout", "start", "x"); got != c.want {
			t.Errorf("%d %s: exit code %d, want %d", c.status, c.code, got, c.want)
		}
		if want := "error: cannot \\x1b[2J\nhint: do that\n"; m.err.String() != want {
			t.Errorf("%d %s: %q, want %q", c.status, c.code, m.err.String(), want)
		}
	}
}

func TestSomethingElseThanHotstickIsToldApart(t *testing.T) {
	m := &terminal{t: t, handler: func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "<html>proxy</html>", http.StatusBadGateway)
	}}
	if code := m.run("host", "list"); code == 0 || !strings.Contains(m.err.String(), "something other than Hotstick") {
		t.Errorf("exit code %d, %q", code, m.err.String())
	}
}
