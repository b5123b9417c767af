package ui_test

import (
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/hotstick/hotstick/internal/ui"
)

// ask sends one request to the console.
func ask(t *testing.T, method, path string, header ...string) *http.Response {
	t.Helper()
	r := httptest.NewRequest(method, path, nil)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	ui.Handler().ServeHTTP(w, r)
	return w.Result()
}

func body(t *testing.T, r *http.Response) string {
	t.Helper()
	data, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// asset returns the path of the page's script, read from the page itself.
func asset(t *testing.T) string {
	t.Helper()
	found := regexp.MustCompile(`src="(/assets/[^"]+\.js)"`).FindStringSubmatch(body(t, ask(t, "GET", "/")))
	if found == nil {
		t.Fatal("the page names no script under /assets/")
	}
	return found[1]
}

func TestPaths(t *testing.T) {
	script := asset(t)
	tests := []struct {
		name, method, path string
		status             int
		kind, cache        string
	}{
		{"the page is never stored", "GET", "/", 200, "text/html; charset=utf-8", "no-store"},
		{"a view's address is the page", "GET", "/rollouts/sha256:0a1b", 200, "text/html; charset=utf-8", "no-store"},
		{"a name with a dot is a view too", "GET", "/rollouts/kernel-6.1.170", 200, "text/html; charset=utf-8", "no-store"},
		{"assets are kept for ever", "GET", script, 200, "text/javascript; charset=utf-8", "public, max-age=31536000, immutable"},
		{"files with plain names are asked for again", "GET", "/theme.js", 200, "text/javascript; charset=utf-8", "no-cache"},
		{"a missing asset is never the page", "GET", "/assets/index-old.js", 404, "text/plain; charset=utf-8", "no-store"},
		{"nor is their folder", "GET", "/assets/", 404, "text/plain; charset=utf-8", "no-store"},
		{"climbing out of the folder finds a view", "GET", "/../../etc/passwd", 200, "text/html; charset=utf-8", "no-store"},
		{"climbing out of assets does not serve Go files", "GET", "/assets/../../ui.go", 200, "text/html; charset=utf-8", "no-store"},
		{"HEAD answers like GET", "HEAD", script, 200, "text/javascript; charset=utf-8", "public, max-age=31536000, immutable"},
		{"writing is refused", "POST", "/", 405, "text/plain; charset=utf-8", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := ask(t, test.method, test.path)
			if r.StatusCode != test.status {
				t.Errorf("status %d, want %d", r.StatusCode, test.status)
			}
			if got := r.Header.Get("Content-Type"); got != test.kind {
				t.Errorf("content type %q, want %q", got, test.kind)
			}
			if got := r.Header.Get("Cache-Control"); got != test.cache {
				t.Errorf("cache control %q, want %q", got, test.cache)
			}
			if test.method == "HEAD" && body(t, r) != "" {
				t.Error("HEAD must have no body")
			}
		})
	}
}

func TestEveryAnswerIsProtected(t *testing.T) {
	want := map[string][]string{
		"Content-Security-Policy": {"default-src 'self'", "frame-ancestors 'none'", "base-uri 'none'", "object-src 'none'", "require-trusted-types-for 'script'"},
		"X-Content-Type-Options":  {"nosniff"},
		"Referrer-Policy":         {"no-referrer"},
	}
	for _, path := range []string{"/", "/hosts", "/theme.js", "/assets/missing.js", asset(t)} {
		r := ask(t, "GET", path)
		for name, parts := range want {
			for _, part := range parts {
				if !strings.Contains(r.Header.Get(name), part) {
					t.Errorf("%s: %s is %q, want %q in it", path, name, r.Header.Get(name), part)
				}
			}
		}
		if strings.Contains(r.Header.Get("Content-Security-Policy"), "unsafe") {
			t.Errorf("%s: the policy allows something unsafe", path)
		}
	}
}

func TestThePageHasNothingInline(t *testing.T) {
	html := body(t, ask(t, "GET", "/"))
	for _, bad := range []string{"<style", "style=", "onload=", "javascript:", "http:", "https:"} {
		if strings.Contains(html, bad) {
			t.Errorf("the page contains %q, which its own policy forbids", bad)
		}
	}
	for _, tag := range regexp.MustCompile(`<script[^>]*>`).FindAllString(html, -1) {
		if !strings.Contains(tag, " src=") {
			t.Errorf("the page has an inline script: %s", tag)
		}
	}
}

func TestCompression(t *testing.T) {
	script := asset(t)
	plain := body(t, ask(t, "GET", script))
	tests := []struct {
		accept string
		zipped bool
	}{
		{"gzip", true},
		{"br, gzip;q=0.8", true},
		{"", false},
		{"br", false},
		{"gzip;q=0", false},
		{"gzip;q=rubbish", false},
		{"identity, GZIP", true},
	}
	for _, test := range tests {
		t.Run(test.accept, func(t *testing.T) {
			r := ask(t, "GET", script, "Accept-Encoding", test.accept)
			zipped := r.Header.Get("Content-Encoding") == "gzip"
			if zipped != test.zipped {
				t.Fatalf("compressed is %t, want %t", zipped, test.zipped)
			}
			got := body(t, r)
			if zipped {
				z, err := gzip.NewReader(strings.NewReader(got))
				if err != nil {
					t.Fatal(err)
				}
				data, err := io.ReadAll(z)
				if err != nil {
					t.Fatal(err)
				}
				got = string(data)
			}
			if got != plain {
				t.Error("the content differs from the plain answer")
			}
		})
	}
}

func TestAKnownFileIsNotSentAgain(t *testing.T) {
	first := ask(t, "GET", "/theme.js", "Accept-Encoding", "gzip")
	etag := first.Header.Get("ETag")
	if etag == "" {
		t.Fatal("no ETag")
	}
	again := ask(t, "GET", "/theme.js", "Accept-Encoding", "gzip", "If-None-Match", etag)
	if again.StatusCode != http.StatusNotModified || body(t, again) != "" {
		t.Errorf("status %d, want 304 without a body", again.StatusCode)
	}
	if other := ask(t, "GET", "/theme.js", "If-None-Match", etag); other.StatusCode != http.StatusOK {
		t.Errorf("status %d for the ETag of another encoding, want 200", other.StatusCode)
	}
}

// The budget is the console's principle 8: 150 kB of script, compressed.
func TestTheScriptIsWithinItsBudget(t *testing.T) {
	r := ask(t, "GET", asset(t), "Accept-Encoding", "gzip")
	if size := len(body(t, r)); size > 150<<10 {
		t.Errorf("the script is %d bytes compressed, want at most %d", size, 150<<10)
	}
}
