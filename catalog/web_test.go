package catalog_test

import (
	"bufio"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/catalog"
)

// mirror is a web server that does what the test says.
func mirror(t *testing.T, handle http.HandlerFunc) *catalog.Web {
	t.Helper()
	server := httptest.NewServer(handle)
	t.Cleanup(server.Close)
	web, err := catalog.NewWeb(server.URL+"/catalog", nil)
	if err != nil {
		t.Fatal(err)
	}
	return web
}

func TestEndlessData(t *testing.T) {
	endless := func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			if _, err := w.Write(make([]byte, 32<<10)); err != nil {
				return
			}
		}
	}
	bomb := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		_, _ = z.Write(make([]byte, 64<<20))
		_ = z.Close()
	}
	tests := []struct {
		name   string
		handle http.HandlerFunc
		why    string
	}{
		{"chunked, without an end", endless, "more than 16384 bytes"},
		{"without Content-Length, the connection stays open", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Transfer-Encoding", "identity")
			endless(w, r)
		}, "more than 16384 bytes"},
		{"a gzip bomb", bomb, "encodes it"},
		{"a gzip bomb in a gzip bomb", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Encoding", "gzip, gzip")
			bomb(w, r)
		}, "encodes it"},
		{"a timestamp of 10 MB, and says so", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "10000000")
			_, _ = w.Write(make([]byte, 10_000_000))
		}, "announces 10000000 bytes"},
		{"a length of 2^62, and memory for it", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "4611686018427387904")
			_, _ = w.Write([]byte("x"))
		}, "announces"},
		{"one byte too many", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write(make([]byte, catalog.MaxTimestampBytes+1))
		}, "bytes"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			web := mirror(t, test.handle)
			data, err := web.Fetch(t.Context(), "timestamp.json", catalog.MaxTimestampBytes)
			if !errors.Is(err, catalog.ErrRefused) || !strings.Contains(err.Error(), test.why) {
				t.Errorf("got %d bytes, %v", len(data), err)
			}
			// And nothing of it moves a client, through the whole workflow.
			w := newWorld(t)
			w.mustFail(w.mustClient(web), catalog.ErrRefused, "")
		})
	}
}

func TestLyingLength(t *testing.T) {
	tests := map[string]string{
		"longer than the file":  "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort",
		"two lengths":           "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nshort!",
		"negative":              "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nshort",
		"not a number":          "HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\nshort",
		"a chunk that is short": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64\r\nshort",
		"no answer":             "",
		"a header without end":  "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 1<<20),
	}
	for name, answer := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				web := piped(t, func(conn net.Conn) {
					_, _ = io.WriteString(conn, answer)
					_ = conn.Close()
				})
				if data, err := web.Fetch(t.Context(), "timestamp.json", 1000); err == nil {
					t.Errorf("got %q", data)
				}
			})
		})
	}
	// Bytes beyond the announced length are not read as part of the file.
	synctest.Test(t, func(t *testing.T) {
		web := piped(t, func(conn net.Conn) {
			_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nshort, and more")
			_ = conn.Close()
		})
		if data, err := web.Fetch(t.Context(), "timestamp.json", 1000); err != nil || string(data) != "short" {
			t.Errorf("got %q, %v", data, err)
		}
	})
}

// piped is a mirror at the other end of a pipe, so that a synctest bubble's clock
// is the only one.
func piped(t *testing.T, serve func(net.Conn)) *catalog.Web {
	t.Helper()
	transport := &http.Transport{
		MaxResponseHeaderBytes: 32 << 10,
		DialContext: func(context.Context, string, string) (net.Conn, error) {
			ours, theirs := net.Pipe()
			served := make(chan struct{})
			go func() {
				defer close(served)
				if _, err := http.ReadRequest(bufio.NewReader(theirs)); err == nil {
					serve(theirs)
				}
			}()
			t.Cleanup(func() {
				_ = theirs.Close()
				<-served
			})
			return ours, nil
		},
	}
	t.Cleanup(transport.CloseIdleConnections)
	web, err := catalog.NewWeb("http://mirror.example/catalog/", transport)
	if err != nil {
		t.Fatal(err)
	}
	return web
}

func TestSlowRetrieval(t *testing.T) {
	const size = 8000
	header := fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", size)
	drip := func(conn net.Conn, n int, each time.Duration, what []byte) {
		tick := time.NewTicker(each) // the bubble's clock
		defer tick.Stop()
		for range n {
			if _, err := conn.Write(what); err != nil {
				return
			}
			<-tick.C
		}
	}
	tests := []struct {
		name   string
		serve  func(net.Conn)
		within time.Duration
	}{
		{"one byte every 10 s", func(c net.Conn) { _, _ = io.WriteString(c, header); drip(c, size, 10*time.Second, []byte("x")) }, catalog.PaceTime},
		{"a header of one byte every 10 s", func(c net.Conn) {
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nX: ")
			drip(c, size, 10*time.Second, []byte("x"))
		}, catalog.PaceTime},
		{"stall before the header", func(net.Conn) {}, catalog.PaceTime},
		{"stall after the header", func(c net.Conn) { _, _ = io.WriteString(c, header) }, catalog.PaceTime},
		{"stall at the last byte", func(c net.Conn) { _, _ = io.WriteString(c, header+strings.Repeat("x", size-1)) }, catalog.PaceTime},
		{"stall at the last byte after a good start", func(c net.Conn) {
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 100001\r\n\r\n"+strings.Repeat("x", 100000))
		}, 2 * catalog.PaceTime},
		{"just fast enough, for ever", func(c net.Conn) {
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n")
			drip(c, 1<<20, time.Second, make([]byte, 2*catalog.MinBytesPerSecond))
		}, catalog.FetchTime},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				web := piped(t, test.serve)
				began := time.Now()
				_, err := web.Fetch(t.Context(), "2.targets.json", catalog.MaxTargetsBytes)
				if took := time.Since(began); !errors.Is(err, catalog.ErrSlow) || took > test.within {
					t.Errorf("after %s, want at most %s: %v", took, test.within, err)
				}
			})
		})
	}
	// A slow line that is fast enough gets its file.
	synctest.Test(t, func(t *testing.T) {
		web := piped(t, func(c net.Conn) {
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 409600\r\n\r\n")
			drip(c, 100, 2*time.Second, make([]byte, 4096))
		})
		if data, err := web.Fetch(t.Context(), "2.targets.json", catalog.MaxTargetsBytes); err != nil || len(data) != 409600 {
			t.Errorf("got %d bytes, %v", len(data), err)
		}
	})
}

func TestRedirectToAFileOrAMetadataAddress(t *testing.T) {
	secret := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the redirection was followed") }))
	t.Cleanup(secret.Close)
	for _, to := range []string{"file:///etc/shadow", "http://169.254.169.254/latest/meta-data/", secret.URL, "//" + strings.TrimPrefix(secret.URL, "http://"), "/elsewhere", "gopher://x/"} {
		for _, status := range []int{301, 302, 303, 307, 308} {
			web := mirror(t, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/catalog/timestamp.json" {
					t.Errorf("asked for %s", r.URL)
				}
				w.Header().Set("Location", to)
				w.WriteHeader(status)
			})
			if data, err := web.Fetch(t.Context(), "timestamp.json", 1000); !errors.Is(err, catalog.ErrRefused) {
				t.Errorf("%d to %s: %q, %v", status, to, data, err)
			}
		}
	}
}

func TestAFileNameCannotLeaveTheSource(t *testing.T) {
	web := mirror(t, func(w http.ResponseWriter, r *http.Request) {
		if r.RequestURI != "/catalog/1.%2Fdelegated.json" {
			t.Errorf("asked for %s", r.RequestURI)
		}
	})
	for _, name := range []string{"", "../x", "a/../../x", "./x", "a//b", "x?y", "x#y", "/x", "a/.."} {
		if _, err := web.Fetch(t.Context(), name, 10); !errors.Is(err, catalog.ErrRefused) {
			t.Errorf("%q: %v", name, err)
		}
	}
	if _, err := web.Fetch(t.Context(), "1.%2Fdelegated.json", 10); err != nil {
		t.Error(err)
	}
	for _, base := range []string{"", "file:///etc", "ftp://x/", "http://", "http://a:b@c/", "http://a/?x", "http://a/#x", "%"} {
		if _, err := catalog.NewWeb(base, nil); err == nil {
			t.Errorf("%q is a source", base)
		}
	}
	missing := mirror(t, http.NotFound)
	if _, err := missing.Fetch(t.Context(), "timestamp.json", 10); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	broken := mirror(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusPartialContent) })
	if _, err := broken.Fetch(t.Context(), "timestamp.json", 10); err == nil {
		t.Error("a part of a file was taken")
	}
}

func TestALargeArtifactIsNeverInMemoryAsAWhole(t *testing.T) {
	const size = 32 << 20
	w := newWorld(t)
	p := w.patch(1, build61)
	data := append([]byte("module"), make([]byte, size)...)
	p.Artifacts[0].Digest, p.Artifacts[0].SizeBytes = hotstick.NewDigest(data), int64(len(data))
	digest := p.Artifacts[0].Digest
	w.data[digest] = data
	w.mustPublish(p)
	files := http.StripPrefix("/catalog", http.FileServer(http.Dir(w.dir)))
	evil := false
	web := mirror(t, func(rw http.ResponseWriter, r *http.Request) {
		if evil && strings.HasSuffix(r.URL.Path, ".ko") {
			_, _ = rw.Write(append([]byte("virus!"), data[6:]...))
			return
		}
		files.ServeHTTP(rw, r)
	})
	agent := t.TempDir()
	for name, c := range map[string]*catalog.Client{"the agent": w.mustClientIn(agent, web), "the loader": w.mustClient(catalog.NewStaged(agent))} {
		if name == "the loader" {
			first := w.mustClientIn(agent, web)
			w.mustRefresh(first)
			if _, err := first.Keep(t.Context(), digest); err != nil {
				t.Fatal(err)
			}
		}
		w.mustRefresh(c)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		path, err := c.Keep(t.Context(), digest)
		runtime.ReadMemStats(&after)
		if err != nil {
			t.Fatal(name, err)
		}
		if used := after.TotalAlloc - before.TotalAlloc; used > size/4 {
			t.Errorf("%s: %d bytes of memory for %d bytes of artifact", name, used, size)
		}
		if got, err := os.ReadFile(path); err != nil || hotstick.NewDigest(got) != digest {
			t.Errorf("%s keeps something else: %v", name, err)
		}
	}
	// Other bytes of the same length do not get the name.
	evil = true
	dir := t.TempDir()
	c := w.mustClientIn(dir, web)
	w.mustRefresh(c)
	if path, err := c.Keep(t.Context(), digest); !errors.Is(err, catalog.ErrRefused) {
		t.Errorf("%s, %v", path, err)
	}
	if left, err := filepath.Glob(filepath.Join(dir, "targets", "*")); err != nil || len(left) != 0 {
		t.Errorf("%v is left, %v", left, err)
	}
}
