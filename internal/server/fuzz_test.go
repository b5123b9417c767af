package server

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/hotstick/hotstick/internal/identity"
)

// No request of an admin, however odd, makes the server fault, and each refusal is
// a problem with a code.
func FuzzRequest(f *testing.F) {
	w := newWorld(f, nil)
	handler := w.server.serving.handler
	for i, r := range routes() {
		if !stream(r) {
			f.Add(uint8(i), "h-aaaaaaaaaaaaaaaa", "", "{}")
		}
	}
	f.Add(uint8(1), "sha256:0", "limit=1&after=x", `{"reason":"x"}`)
	f.Add(uint8(0), "%2e%2e%2f\x00", "limit=-1&limit=2", `{"a":1,"A":2}`)
	f.Fuzz(func(t *testing.T, which uint8, name, query, body string) {
		table := routes()
		r := table[int(which)%len(table)]
		if stream(r) || r.path == "/api/v1/session" || strings.HasPrefix(r.path, "/api/v1/stop") {
			t.Skip("it ends with its caller, or ends what the others need")
		}
		path := r.path
		for _, hole := range []string{"{id}", "{plan}", "{name}", "{level}", "{digest}", "{file}", "{rest...}"} {
			path = strings.ReplaceAll(path, hole, url.PathEscape(name))
		}
		req := httptest.NewRequest(r.method, "/", strings.NewReader(body)).WithContext(t.Context())
		req.URL = &url.URL{Path: path, RawQuery: query}
		req.RemoteAddr = "192.0.2.1:1"
		req.Header.Set("Authorization", "Bearer "+w.tokens[identity.Admin])
		if r.method != http.MethodGet {
			req.Header.Set("Content-Type", "application/json")
		}
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, req)
		kind := answer.Header().Get("Content-Type")
		switch {
		case answer.Code >= 500 && answer.Code != http.StatusServiceUnavailable:
			t.Errorf("%s %s?%s with %q: %d %s", r.method, path, query, body, answer.Code, answer.Body)
		case answer.Code >= 400 && kind != problemType:
			t.Errorf("%s %s: %d is told as %q", r.method, path, answer.Code, kind)
		}
	})
}

// stream reports whether a route's answer has no end of its own.
func stream(r route) bool {
	return strings.HasSuffix(r.path, "/stream") || strings.HasSuffix(r.path, "/watch")
}
