package server

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hotstick/hotstick/api"
	"github.com/hotstick/hotstick/internal/identity"
	"github.com/hotstick/hotstick/internal/store"
)

var update = flag.Bool("update", false, "write golden files anew")

// TestThePublicSurfaceIsThisTable fails when a route is added, dropped or given
// to other people without anybody looking at it.
func TestThePublicSurfaceIsThisTable(t *testing.T) {
	var lines []string
	for _, r := range routes() {
		lines = append(lines, fmt.Sprintf("%-6s %-48s %s", r.method, r.path, r.rule))
	}
	slices.Sort(lines)
	got := strings.Join(lines, "\n") + "\n"
	file := filepath.Join("testdata", "routes.golden")
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("the routes changed; if that is meant, run the test with -update\n%s", got)
	}
}

// credentials are what a stranger, a person of each role, a console session and
// a host show.
type shown struct {
	name    string
	token   string
	cookie  string
	host    *simulated
	allowed func(rule) bool
}

func TestEveryRouteAdmitsWhomItsRuleNamesAndNobodyElse(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	h := w.enrol("host-1", buildA)
	revoked := w.enrol("host-2", buildA)
	w.must(w.server.store.Update(t.Context(), func(tx store.Tx) error {
		if _, err := tx.Events().Append(store.Event{Kind: "host.revoked", Host: revoked.id}); err != nil {
			return err
		}
		return tx.Hosts().Delete(revoked.id)
	}))
	role := func(have ...string) func(rule) bool {
		return func(need rule) bool {
			return need == ruleOpen || slices.Contains(identity.RightsOfAll(have), identity.Right(need))
		}
	}
	open := func(need rule) bool { return need == ruleOpen }
	all := []shown{
		{name: "nobody", allowed: open},
		{name: "a forged token", token: "hs_api_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", allowed: open},
		{name: "a join token", token: w.joinToken(), allowed: open},
		{name: "an admin's console", cookie: w.signIn(identity.Admin), allowed: role(identity.Admin)},
		{name: "an auditor's console", cookie: w.signIn(identity.Auditor), allowed: role(identity.Auditor)},
		{name: "an operator who also approves", token: w.token(identity.Operator, identity.Approver), allowed: role(identity.Operator, identity.Approver)},
		{name: "a read-only admin", token: w.readOnly(identity.Admin), allowed: func(need rule) bool {
			return need == ruleOpen || slices.Contains(identity.ReadingRights(), identity.Right(need))
		}},
		{name: "an API token as cookie", cookie: w.tokens[identity.Admin], allowed: open},
		{name: "a host", host: h, allowed: func(need rule) bool { return need == ruleOpen || need == ruleHost || need == ruleLapsed }},
		{name: "a revoked host", host: revoked, allowed: open},
	}
	for _, name := range identity.Roles() {
		all = append(all, shown{name: name, token: w.tokens[name], allowed: role(name)})
	}
	for _, r := range routes() {
		if r.path == "/api/v1/session" && r.method == "DELETE" {
			continue // it would sign the console out; TestSigningOut covers it
		}
		for _, c := range all {
			status := w.knock(r, c)
			refused := status == http.StatusUnauthorized || status == http.StatusForbidden
			// Signing in and enrolling are open and answer for the token in the body.
			if r.rule == ruleOpen && r.method == "POST" {
				refused = false
			}
			if refused == c.allowed(r.rule) {
				t.Errorf("%s on %s %s (%s): got %d", c.name, r.method, r.path, r.rule, status)
			}
		}
	}
}

// A right that a read-only token keeps opens no route that changes anything, but
// for signing out; and every right opens some route.
func TestWhatChangesSomethingTakesARightThatReadOnlyTokensLack(t *testing.T) {
	used := map[rule]bool{}
	for _, r := range routes() {
		used[r.rule] = true
		reads := r.method == http.MethodGet || r.path == "/api/v1/session"
		if right := identity.Right(r.rule); slices.Contains(identity.ReadingRights(), right) && !reads {
			t.Errorf("%s %s takes the right %s", r.method, r.path, right)
		}
	}
	for _, right := range identity.Rights() {
		if !used[rule(right)] {
			t.Errorf("no route takes the right %s", right)
		}
	}
}

// token makes a token with several roles.
func (w *world) token(roles ...string) string { return w.add(store.Token{Roles: roles}) }

// readOnly makes a token of a role that changes nothing.
func (w *world) readOnly(role string) string {
	t := store.Token{Roles: []string{role}}
	for _, r := range identity.ReadingRights() {
		t.Only = append(t.Only, string(r))
	}
	return w.add(t)
}

func (w *world) add(t store.Token) (secret string) {
	w.Helper()
	t.Kind, t.Person = identity.APIToken, alice
	w.must(w.server.store.Update(w.Context(), func(tx store.Tx) (err error) {
		secret, _, err = identity.AddToken(tx, t, 0, "test")
		return err
	}))
	return secret
}

func (w *world) joinToken() string {
	w.Helper()
	token, err := w.admin.MakeJoinToken(w.Context(), api.JoinTokenRequest{})
	w.must(err)
	return token.Token
}

// knock calls a route with a body that means nothing, and returns the status.
func (w *world) knock(r route, c shown) int {
	w.Helper()
	path := strings.NewReplacer("{id}", "h-aaaaaaaaaaaaaaaa", "{plan}", "none", "{name}", "none", "{level}", "1",
		"{digest}", "sha256:none", "{file}", "none.json", "{person}", "nobody").Replace(r.path)
	var body io.Reader
	if r.method != "GET" {
		body = strings.NewReader("{}")
	}
	req, err := http.NewRequestWithContext(w.Context(), r.method, w.server.URL()+path, body)
	w.must(err)
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	if c.cookie != "" {
		req.AddCookie(&http.Cookie{Name: cookieName, Value: c.cookie})
		req.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	client := w.plain()
	if c.host != nil {
		client = c.host.http
	}
	resp, err := client.Do(req)
	w.must(err)
	// The live stream does not end by itself.
	resp.Body.Close()
	return resp.StatusCode
}

// plain is an HTTP client that trusts the server and shows no certificate.
func (w *world) plain() *http.Client {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(w.server.Authority())
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS13}, ForceAttemptHTTP2: true}
	w.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// reply is a response that was read to its end.
type reply struct {
	status int
	header http.Header
	body   string
}

func (a reply) problem() api.Problem {
	var p api.Problem
	_ = json.Unmarshal([]byte(a.body), &p)
	return p
}

// ask sends a request as it is written.
func (w *world) ask(method, path, body string, header ...string) reply {
	w.Helper()
	req, err := http.NewRequestWithContext(w.Context(), method, w.server.URL()+path, bytes.NewReader([]byte(body)))
	w.must(err)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := w.plain().Do(req)
	w.must(err)
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	w.must(err)
	return reply{status: resp.StatusCode, header: resp.Header, body: string(data)}
}

func (w *world) bearer(role string) string { return "Bearer " + w.tokens[role] }

// signIn exchanges an API token for a console cookie.
func (w *world) signIn(role string) string {
	w.Helper()
	a := w.ask("POST", "/api/v1/session", fmt.Sprintf(`{"token":%q}`, w.tokens[role]), "Sec-Fetch-Site", "same-origin")
	if a.status != http.StatusOK {
		w.Fatalf("signing in answered %d %s", a.status, a.body)
	}
	cookie := a.header.Get("Set-Cookie")
	for _, want := range []string{cookieName + "=hs_session_", "Path=/", "HttpOnly", "Secure", "SameSite=Strict"} {
		if !strings.Contains(cookie, want) {
			w.Errorf("the cookie %q lacks %s", strings.SplitN(cookie, ";", 2)[1], want)
		}
	}
	value, _, _ := strings.Cut(strings.TrimPrefix(cookie, cookieName+"="), ";")
	return value
}

func TestACookieWritesOnlyFromTheConsole(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	cookie := cookieName + "=" + w.signIn(identity.Admin)
	for _, site := range []string{"", "cross-site", "same-site", "none"} {
		a := w.ask("POST", "/api/v1/stop", `{"reason":"forged"}`, "Cookie", cookie, "Sec-Fetch-Site", site)
		if a.status != http.StatusForbidden || a.problem().Code != codeCrossSite {
			t.Errorf("a write with Sec-Fetch-Site %q: %d %s", site, a.status, a.body)
		}
	}
	if a := w.ask("GET", "/api/v1/overview", "", "Cookie", cookie); a.status != http.StatusOK {
		t.Errorf("a read with the cookie: %d", a.status)
	}
	if a := w.ask("POST", "/api/v1/session", fmt.Sprintf(`{"token":%q}`, w.tokens[identity.Admin]), "Sec-Fetch-Site", "cross-site"); a.status != http.StatusForbidden {
		t.Errorf("signing in from another site: %d", a.status)
	}
}

func TestSigningOutEndsTheSession(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	cookie := cookieName + "=" + w.signIn(identity.Viewer)
	if a := w.ask("DELETE", "/api/v1/session", "", "Cookie", cookie, "Sec-Fetch-Site", "same-origin"); a.status >= 300 || !strings.Contains(a.header.Get("Set-Cookie"), "Max-Age=0") {
		t.Errorf("signing out: %d %q", a.status, a.header.Get("Set-Cookie"))
	}
	if a := w.ask("GET", "/api/v1/session", "", "Cookie", cookie); a.status != http.StatusUnauthorized {
		t.Errorf("the old cookie still works: %d", a.status)
	}
}

func TestGuessingTokensIsSlowedDown(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	last := 0
	for range freeGuesses + 1 {
		last = w.ask("POST", "/api/v1/session", `{"token":"hs_api_guess"}`).status
	}
	if last != http.StatusTooManyRequests {
		t.Errorf("after %d wrong tokens the answer is %d", freeGuesses+1, last)
	}
}

func TestBadRequestsAreRefusedWithoutRepeatingThem(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	const secret = "hunter2hunter2"
	big := `{"reason":"` + strings.Repeat("x", smallBody) + `"}`
	tests := []struct {
		name, method, path, body string
		status                   int
		code                     string
	}{
		{"an unknown query parameter", "GET", "/api/v1/hosts?serch=" + secret, "", 422, "invalid"},
		{"a limit that is no number", "GET", "/api/v1/hosts?limit=" + secret, "", 422, "invalid"},
		{"a limit that is too large", "GET", "/api/v1/hosts?limit=1001", "", 422, "invalid"},
		{"a state that does not exist", "GET", "/api/v1/hosts?state=" + secret, "", 422, "invalid"},
		{"a forged page", "GET", "/api/v1/hosts?page=%21" + secret, "", 422, "invalid"},
		{"an unknown key", "POST", "/api/v1/stop", `{"reason":"x","hunter2hunter2":1}`, 422, "invalid"},
		{"a key in another case", "POST", "/api/v1/stop", `{"Reason":"` + secret + `"}`, 422, "invalid"},
		{"a key twice", "POST", "/api/v1/stop", `{"reason":"a","reason":"` + secret + `"}`, 422, "invalid"},
		{"a value of another type", "POST", "/api/v1/stop", `{"lift":"` + secret + `"}`, 422, "invalid"},
		{"bytes after the value", "POST", "/api/v1/stop", `{"reason":"x"} ` + secret, 422, "invalid"},
		{"no JSON at all", "POST", "/api/v1/stop", secret, 422, "invalid"},
		{"no body at all", "POST", "/api/v1/stop", "", 400, "invalid"},
		{"a body that is too large", "POST", "/api/v1/stop", big, 413, "too_large"},
		{"a host that does not exist", "GET", "/api/v1/hosts/" + secret, "", 404, "not_found"},
		{"a plan that does not exist", "GET", "/api/v1/rollouts/" + secret, "", 404, "not_found"},
		{"a patch that does not exist", "GET", "/api/v1/patches/" + secret + "/1", "", 404, "not_found"},
		{"a level that is no number", "GET", "/api/v1/patches/x/" + secret, "", 422, "invalid"},
		{"a path that does not exist", "GET", "/api/v1/" + secret, "", 404, "no_such_route"},
		{"an agent's path that does not exist", "POST", "/agent/v1/" + secret, "{}", 404, "no_such_route"},
		{"a method that does not exist", "PATCH", "/api/v1/stop", `{"reason":"` + secret + `"}`, 405, "method_not_allowed"},
		{"a write to a read-only route", "POST", "/api/v1/overview", "{}", 405, "method_not_allowed"},
		{"the documentation page that is not there", "GET", "/api/docs", "", 404, "no_such_route"},
		{"a wrong digest", "PUT", "/api/v1/catalog/artifacts/sha256:" + secret, "x", 422, "invalid"},
		{"a catalog file outside of it", "GET", "/api/v1/catalog/files/..%2f..%2fkeys%2fonline.pem", "", 404, "not_found"},
	}
	for _, tt := range tests {
		a := w.ask(tt.method, tt.path, tt.body, "Authorization", w.bearer(identity.Admin))
		p := a.problem()
		if a.status != tt.status || p.Code != tt.code || p.Status != tt.status || p.Detail == "" {
			t.Errorf("%s: got %d %s; want %d %s", tt.name, a.status, a.body, tt.status, tt.code)
		}
		if !strings.HasPrefix(a.header.Get("Content-Type"), problemType) {
			t.Errorf("%s: the answer's type is %q", tt.name, a.header.Get("Content-Type"))
		}
		if strings.Contains(a.body, secret) && tt.name != "an unknown key" {
			t.Errorf("%s: the answer repeats what was sent: %s", tt.name, a.body)
		}
	}
}

func TestTheOpenAPIDocumentNamesEveryOperatorRoute(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	a := w.ask("GET", "/openapi.json", "")
	var doc struct {
		OpenAPI string                                `json:"openapi"`
		Paths   map[string]map[string]json.RawMessage `json:"paths"`
	}
	w.must(json.Unmarshal([]byte(a.body), &doc))
	if doc.OpenAPI != "3.1.0" {
		t.Errorf("the document is of OpenAPI %s", doc.OpenAPI)
	}
	for _, r := range routes() {
		if _, there := doc.Paths[r.path][strings.ToLower(r.method)]; there != (r.bind != nil) {
			t.Errorf("%s %s in the document: %v", r.method, r.path, there)
		}
	}
	if strings.Contains(a.body, "ErrorModel") || !strings.Contains(a.body, "#/components/schemas/Problem") {
		t.Error("the document describes errors as something other than problems")
	}
}

func TestMetricsHaveNoHostInThem(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	h := w.join("host-1", buildA)
	w.known(h)
	a := w.ask("GET", "/metrics", "", "Authorization", w.bearer(identity.Viewer))
	for _, want := range []string{`hotstick_hosts{state="unpatched"} 1`, `hotstick_plans{status="running"} 0`, "hotstick_build_info{", `hotstick_stop_all 0`, `hotstick_unreconciled 0`, "hotstick_catalog_expiring 0", "hotstick_recalls 0", "hotstick_catalog_expiry_timestamp_seconds 1.",
		`hotstick_http_requests_total{code="200",route="POST /agent/v1/enroll"} 1`} {
		if !strings.Contains(a.body, want) {
			t.Errorf("the metrics lack %s", want)
		}
	}
	if strings.Contains(a.body, "host-1") || strings.Contains(a.body, string(h.id)) {
		t.Error("a host's name or ID is in the metrics")
	}
}

func TestHealthAndVersion(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	for _, path := range []string{"/healthz", "/readyz", "/version"} {
		if a := w.ask("GET", path, ""); a.status != http.StatusOK {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
	}
	if c, err := w.admin.Catalog(t.Context()); err != nil || c.Warning != "" || time.Until(c.Expires) < 19*24*time.Hour {
		t.Errorf("a fresh catalog: ends %s, warns %q, %v", c.Expires, c.Warning, err)
	}
	if a := w.ask("GET", "/", ""); a.status != http.StatusOK || !strings.Contains(a.header.Get("Content-Security-Policy"), "default-src 'self'") {
		t.Errorf("the console: %d %v", a.status, a.header)
	}
}
