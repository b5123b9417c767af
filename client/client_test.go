package client

import (
	"context"
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/hotstick/hotstick/api"
)

// serve runs a TLS server that answers everything with fn, and a client of it.
func serve(t *testing.T, fn http.HandlerFunc) *Client {
	t.Helper()
	s := httptest.NewTLSServer(fn)
	t.Cleanup(s.Close)
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	c, err := New(Options{Server: s.URL, Token: "hs_api_secret", Authority: ca})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestServersThatAreRefused(t *testing.T) {
	for _, server := range []string{"", "http://example.com", "example.com:8443", "https://", "://"} {
		if _, err := New(Options{Server: server}); err == nil {
			t.Errorf("%q was accepted", server)
		}
	}
	if _, err := New(Options{Server: "https://example.com", Authority: []byte("no PEM")}); err == nil {
		t.Error("an authority that is none was accepted")
	}
}

func TestAProblemIsATypedError(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusConflict)
		_, _ = w.Write([]byte(`{"title":"Conflict","status":409,"code":"conflict","detail":"cannot do it","hint":"do something else"}`))
	})
	_, err := c.Overview(t.Context())
	var e *Error
	if !errors.As(err, &e) || e.Code != "conflict" || e.Status != 409 || e.Error() != "cannot do it (do something else)" {
		t.Errorf("got %v", err)
	}
}

func TestAnAnswerOfSomethingElseIsNotTakenForHotsticks(t *testing.T) {
	tests := []struct {
		name   string
		answer http.HandlerFunc
	}{
		{"a proxy's page", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			w.WriteHeader(http.StatusBadGateway)
			_, _ = w.Write([]byte("<h1>Bad gateway</h1>"))
		}},
		{"a problem that is none", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(http.StatusBadGateway)
			_, _ = w.Write([]byte("{"))
		}},
	}
	for _, tt := range tests {
		_, err := serve(t, tt.answer).Overview(t.Context())
		var e *Error
		if !errors.As(err, &e) || e.Code != "not_hotstick" || e.Status != http.StatusBadGateway {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

func TestTheTokenDoesNotFollowARedirect(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("the redirect was followed, with %q", r.Header.Get("Authorization"))
	}))
	defer elsewhere.Close()
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer hs_api_secret" {
			t.Errorf("the token is %q", r.Header.Get("Authorization"))
		}
		http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
	})
	if _, err := c.Overview(t.Context()); err == nil {
		t.Error("a redirect was taken for an answer")
	}
}

func TestAServerThatIsNotThereIsUnreachable(t *testing.T) {
	s := httptest.NewTLSServer(http.NotFoundHandler())
	stranger, err := New(Options{Server: s.URL})
	if err != nil {
		t.Fatal(err)
	}
	var gone *Unreachable
	if _, err := stranger.Overview(t.Context()); !errors.As(err, &gone) {
		t.Errorf("a certificate that nobody vouches for: %v", err)
	}
	s.Close()
	if _, err := stranger.Overview(t.Context()); !errors.As(err, &gone) {
		t.Errorf("a closed port: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := stranger.Overview(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled call: %v", err)
	}
}

func TestNamesAreEscapedInPaths(t *testing.T) {
	var path string
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		path = r.URL.EscapedPath()
		_, _ = w.Write([]byte("{}"))
	})
	if _, err := c.Why(t.Context(), "../../stop?x=1#y"); err != nil {
		t.Fatal(err)
	}
	if want := "/api/v1/hosts/..%2F..%2Fstop%3Fx=1%23y/why"; path != want {
		t.Errorf("path %s; want %s", path, want)
	}
}

func TestTheStreamReadsEventsAcrossPings(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("event: ping\ndata: {}\n\nevent: change\ndata: {\"seq\":7,\ndata: \"kind\":\"host.state\"}\n\nevent: later\ndata: ?\n\n"))
	})
	var got []api.Change
	err := c.Stream(t.Context(), func(ch api.Change) error {
		got = append(got, ch)
		return nil
	})
	var gone *Unreachable
	if !errors.As(err, &gone) || !strings.Contains(err.Error(), "closed the live stream") {
		t.Errorf("the end: %v", err)
	}
	if len(got) != 1 || got[0].Seq != 7 || got[0].Kind != "host.state" {
		t.Errorf("changes %+v", got)
	}
}
