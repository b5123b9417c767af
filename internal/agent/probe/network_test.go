package probe_test

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/hotstick/hotstick/internal/agent/probe"
)

func TestWhatAPageSays(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("/ok", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "all is well") })
	mux.HandleFunc("/empty", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	mux.HandleFunc("/ill", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "<script>", http.StatusServiceUnavailable) })
	mux.HandleFunc("/elsewhere", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/ok", http.StatusFound) })
	mux.HandleFunc("/long", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, strings.Repeat("x", probe.MaxBody)+"well")
	})
	mux.HandleFunc("/never", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	server := httptest.NewServer(mux)
	defer server.Close()
	for _, c := range []struct {
		what    string
		probe   probe.HTTP
		healthy bool
		detail  string
	}{
		{"it is there", probe.HTTP{URL: "/ok"}, true, "it answered 200"},
		{"with the words", probe.HTTP{URL: "/ok", Contains: "well"}, true, `with "well"`},
		{"without the words", probe.HTTP{URL: "/ok", Contains: "fine"}, false, `without "fine"`},
		{"any success", probe.HTTP{URL: "/empty"}, true, "it answered 204"},
		{"another status than wanted", probe.HTTP{URL: "/ok", Status: 204}, false, "it answered 200"},
		{"a wanted failure", probe.HTTP{URL: "/ill", Status: 503}, true, "it answered 503"},
		{"a failure", probe.HTTP{URL: "/ill"}, false, "it answered 503"},
		{"a redirection is not followed", probe.HTTP{URL: "/elsewhere"}, false, "it answered 302"},
		{"words behind the cap", probe.HTTP{URL: "/long", Contains: "well"}, false, "without"},
		{"no answer", probe.HTTP{URL: "/never"}, false, "no answer within 300ms"},
	} {
		c.probe.URL, c.probe.Transport = server.URL+c.probe.URL, &http.Transport{DisableKeepAlives: true}
		timeout := time.Minute
		if c.what == "no answer" {
			timeout = 300 * time.Millisecond
		}
		if a := within(t, timeout, c.probe); a.Healthy != c.healthy || !strings.Contains(a.Detail, c.detail) {
			t.Errorf("%s: %t %q, want %t %q", c.what, a.Healthy, a.Detail, c.healthy, c.detail)
		}
	}
}

func TestWhetherAPortIsOpen(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	if a := within(t, time.Minute, probe.TCP{Address: address}); !a.Healthy {
		t.Errorf("open: %+v", a)
	}
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	if a := within(t, time.Minute, probe.TCP{Address: address}); a.Healthy || !strings.Contains(a.Detail, "refused") {
		t.Errorf("closed: %+v", a)
	}
}

func TestWhatAUnitSays(t *testing.T) {
	for _, c := range []struct {
		what, script string
		healthy      bool
		detail       string
	}{
		{"active", `test "$1 $2 $3" = "is-active -- a.service" && echo active`, true, "active"},
		{"reloading", "echo reloading", true, "reloading"},
		{"failed", "echo failed; exit 3", false, "the unit is failed"},
		{"starting", "echo activating; exit 3", false, "the unit is activating"},
		{"not there", "echo inactive; exit 4", false, "the unit is inactive"},
		{"no bus, and no processes", "echo 'Failed to connect to bus' >&2; exit 1", false, "Failed to connect"},
		{"no bus, and processes", "echo 'Failed to connect to bus' >&2; exit 1", true, "it has processes"},
		{"stopped, and processes are left over", "echo inactive; exit 3", false, "the unit is inactive"},
		{"silent", "exit 1", false, "cannot ask systemd"},
		{"hung", "sleep 60", false, "no answer within"},
	} {
		file := filepath.Join(t.TempDir(), "systemctl")
		if err := os.WriteFile(file, []byte("#!/bin/sh\n"+c.script+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		root := fstest.MapFS{}
		if strings.Contains(c.what, ", and processes") {
			root["sys/fs/cgroup/system.slice/a.service/cgroup.events"] = &fstest.MapFile{Data: []byte("populated 1\nfrozen 0\n")}
		}
		timeout := time.Minute
		if c.what == "hung" {
			timeout = 300 * time.Millisecond
		}
		if a := within(t, timeout, probe.Unit{Systemctl: file, Root: root, Unit: "a.service"}); a.Healthy != c.healthy || !strings.Contains(a.Detail, c.detail) {
			t.Errorf("%s: %t %q, want %t %q", c.what, a.Healthy, a.Detail, c.healthy, c.detail)
		}
	}
}
