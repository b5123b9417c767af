package server

import (
	"bytes"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/hotstick/hotstick/api"
	"github.com/hotstick/hotstick/internal/identity"
	"github.com/hotstick/hotstick/internal/store"
	"github.com/hotstick/hotstick/internal/wire"
)

func TestNothingForDebuggingIsPublic(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	for _, path := range []string{"/debug", "/debug/pprof/", "/debug/pprof/heap", "/debug/pprof/cmdline", "/debug/vars", "/debug/requests", "/debug/events"} {
		if a := w.ask("GET", path, "", "Authorization", w.bearer(identity.Admin)); a.status != http.StatusNotFound || a.problem().Code != codeNoRoute {
			t.Errorf("%s: %d %.80s", path, a.status, a.body)
		}
	}
	// Whoever imports net/http/pprof registers it here, whether that is served or not.
	// A library has done so with expvar.
	req, err := http.NewRequestWithContext(t.Context(), "GET", "/debug/pprof/", nil)
	w.must(err)
	if _, pattern := http.DefaultServeMux.Handler(req); pattern != "" {
		t.Errorf("the program has a handler for %s", pattern)
	}
	for _, method := range []string{"TRACE", "CONNECT", "OPTIONS"} {
		if a := w.ask(method, "/api/v1/overview", "", "X-Secret", "echo"); a.status != http.StatusMethodNotAllowed && a.status != http.StatusBadRequest || strings.Contains(a.body, "echo") {
			t.Errorf("%s: %d %s", method, a.status, a.body)
		}
	}
}

func TestEveryAnswerTellsBrowsersToBeStrict(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	always := map[string]string{"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
		"Cross-Origin-Resource-Policy": "same-origin", "Cross-Origin-Opener-Policy": "same-origin"}
	for _, c := range []struct{ name, method, path, policy string }{
		{"the console", "GET", "/", "default-src 'self'; base-uri 'none'; object-src 'none'; frame-ancestors 'none'; form-action 'self'; require-trusted-types-for 'script'; trusted-types svelte-trusted-html"},
		{"a view of the console", "GET", "/hosts", "default-src 'self';"},
		{"the API", "GET", "/api/v1/overview", apiPolicy},
		{"a refusal", "POST", "/api/v1/stop", apiPolicy},
		{"a route that is not there", "GET", "/api/v1/nothing", apiPolicy},
		{"an agent's route", "GET", "/agent/v1/authority", apiPolicy},
		{"metrics", "GET", "/metrics", apiPolicy},
		{"the document", "GET", "/openapi.json", apiPolicy},
	} {
		a := w.as(identity.Viewer, c.method, c.path, "")
		for name, want := range always {
			if got := a.header.Get(name); got != want {
				t.Errorf("%s has %s %q", c.name, name, got)
			}
		}
		policy := a.header.Get("Content-Security-Policy")
		if !strings.HasPrefix(policy, c.policy) || strings.Contains(policy, "unsafe") || !strings.Contains(policy, "frame-ancestors 'none'") {
			t.Errorf("%s has the policy %q", c.name, policy)
		}
		for name := range a.header {
			if strings.HasPrefix(name, "Access-Control-") || name == "Server" || name == "X-Powered-By" {
				t.Errorf("%s has %s", c.name, name)
			}
		}
		if c.path != "/" && a.header.Get("Cache-Control") != "no-store" && !strings.HasPrefix(c.path, "/hosts") {
			t.Errorf("%s may be kept: %s", c.name, a.header.Get("Cache-Control"))
		}
	}
}

// recorder keeps a log, for a test that looks for what must not be in it.
type recorder struct {
	mu   sync.Mutex
	kept bytes.Buffer
}

func (r *recorder) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.kept.Write(p)
}

func (r *recorder) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.kept.String()
}

// TestNoSecretIsInLogsErrorsEventsOrFiles does everything that a secret is part of,
// rightly and wrongly, and then looks for each in whatever the server tells and keeps.
func TestNoSecretIsInLogsErrorsEventsOrFiles(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	log := &recorder{}
	w.options.Log = slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	w.restart()
	secrets := map[string]string{"a person's password": secretWord}
	answers := map[string]string{}
	asks := func(name string, a reply) reply { answers[name] = a.body; return a }
	for role, token := range w.tokens {
		secrets["the token of "+role] = token
	}

	w.employ("erin", identity.Operator)
	cookie := w.succeeds(asks("signing in", w.password("erin", secretWord))).cookie()
	secrets["a session's cookie"] = strings.TrimPrefix(cookie, cookieName+"=")
	secrets["a wrong password"] = "wrong horse battery"
	asks("a wrong password", w.password("erin", "wrong horse battery"))
	secrets["a password in the place of a name"] = "name horse battery"
	asks("a password in the place of a name", w.password("name horse battery", "x"))
	secrets["a password that is too short"] = "shorty-7"
	asks("a short password", w.as(identity.Admin, "POST", "/api/v1/accounts", `{"person":"frank","roles":["viewer"],"password":"shorty-7"}`))
	secrets["a password in a wrong field"] = "field horse battery"
	asks("a wrong field", w.as(identity.Admin, "POST", "/api/v1/accounts", `{"person":"field horse battery","roles":["field horse battery"],"password":7}`))
	secrets["a forged token"] = "hs_api_" + strings.Repeat("b", 32)
	asks("a forged token", w.ask("GET", "/api/v1/overview", "", "Authorization", "Bearer "+secrets["a forged token"]))
	asks("signing in with a forged token", w.ask("POST", "/api/v1/session", fmt.Sprintf(`{"token":%q}`, secrets["a forged token"])))
	asks("a token in the path", w.as(identity.Admin, "GET", "/api/v1/hosts/"+w.tokens[identity.Viewer], ""))
	asks("a token in the query", w.as(identity.Admin, "GET", "/api/v1/hosts?token="+w.tokens[identity.Viewer], ""))

	var made api.Token
	w.must(jsonInto([]byte(w.succeeds(w.as(identity.Admin, "POST", "/api/v1/tokens", `{"roles":["viewer"]}`)).body), &made))
	secrets["a made token"] = made.Token
	secrets["a new password"] = "staple horse battery"
	asks("an own password", w.ask("POST", "/api/v1/session/password", `{"current":"`+secretWord+`","new":"staple horse battery"}`, "Cookie", cookie, "Sec-Fetch-Site", "same-origin"))
	asks("taking a token back", w.as(identity.Admin, "POST", "/api/v1/tokens/"+made.ID+"/revoke", `{"reason":"x"}`))
	secrets["a join token"] = w.joinToken()
	enrolled := w.newHost("host-1", buildA)
	var answer wire.EnrollResponse
	status, err := enrolled.post("/agent/v1/enroll", enrolled.enrolment(secrets["a join token"]), &answer)
	w.must(err)
	if status != http.StatusOK {
		t.Fatalf("enrolling answered %d", status)
	}
	another := w.newHost("host-2", buildA)
	secrets["a join token that is none"] = "hs_join_" + strings.Repeat("c", 32)
	_, err = another.post("/agent/v1/enroll", another.enrolment(secrets["a join token that is none"]), &answer)
	if err == nil {
		t.Error("a join token that is none was taken")
	}
	answers["enrolling with a join token that is none"] = fmt.Sprint(err)

	for _, path := range []string{"/api/v1/events", "/api/v1/audit/leaves", "/api/v1/accounts", "/api/v1/tokens", "/api/v1/join-tokens", "/metrics", "/openapi.json", "/api/v1/overview"} {
		asks(path, w.succeeds(w.as(identity.Admin, "GET", path, "")))
	}
	w.must(w.server.store.View(t.Context(), func(tx store.Tx) error {
		a, err := tx.Tokens().Account("erin")
		parts := strings.Split(a.Password, "$")
		secrets["the hash of a password"] = parts[len(parts)-1]
		return err
	}))
	w.stop()
	if got := log.String(); !strings.Contains(got, "a sign-in failed") {
		t.Errorf("the log does not tell of a sign-in that failed: %s", got)
	}
	answers["the log"] = log.String()
	for where, text := range answers {
		for name, secret := range secrets {
			if strings.Contains(text, secret) {
				t.Errorf("%s is in %s", name, where)
			}
		}
	}
	delete(secrets, "the hash of a password") // it is kept
	w.must(filepath.WalkDir(w.dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		for name, secret := range secrets {
			if bytes.Contains(data, []byte(secret)) {
				t.Errorf("%s is in the file %s", name, path)
			}
		}
		return err
	}))
}
