package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// ring is an ePortal with two servers in each of two feeds, after the documentation of its API.
type ring struct{ offered map[string]int }

var sets = []string{"K20260101_01", "K20260301_01", "K20260501_02"}

func (p *ring) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	feed := q.Get("feed")
	if r.Header.Get("X-Api-Key") != "secret" {
		http.Error(w, "unauthorized", http.StatusUnauthorized)
		return
	}
	switch r.Method + " " + r.URL.Path {
	case "GET /admin/api/servers":
		var list []map[string]any
		for i, f := range []string{"main", "ring1", "main", "ring1"} {
			list = append(list, map[string]any{"id": fmt.Sprint(i), "hostname": "h", "feed": f, "patch_level": 40 + i/3, "checkin": fmt.Sprintf("2026-11-21 1%d:00:00", i)})
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"count": len(list), "result": list})
	case "GET /admin/api/patchsets/":
		var list []map[string]string
		for i, s := range sets {
			list = append(list, map[string]string{"patchset": s, "status": map[bool]string{true: "enabled", false: "disabled"}[i < p.offered[feed]]})
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"result": list})
	case "POST /admin/api/patchsets/manage":
		for i, s := range sets {
			if s == q.Get("patchset") {
				p.offered[feed] = i + 1
			}
		}
		_, _ = w.Write([]byte("{}"))
	default:
		http.NotFound(w, r)
	}
}

func run(t *testing.T, args ...string) (string, string, int) {
	t.Helper()
	var out, errs bytes.Buffer
	code := Run(t.Context(), Env{Args: args, Stdin: strings.NewReader(""), Stdout: &out, Stderr: &errs, Getenv: func(string) string { return "" },
		Now: func() time.Time { return time.Date(2026, 11, 21, 14, 0, 0, 0, time.UTC) }, Size: func() (int, int, bool) { return 0, 0, false }})
	return out.String(), errs.String(), code
}

func TestFeedsOfAnEPortalAreRings(t *testing.T) {
	portal := httptest.NewServer(&ring{offered: map[string]int{"main": 1, "ring1": 2}})
	defer portal.Close()
	key := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(key, []byte("secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	to := []string{"--portal", portal.URL, "--key", key}
	out, errs, code := run(t, append([]string{"driver", "feeds"}, to...)...)
	for _, want := range []string{"main    2         K20260101_01   40 on 2", "4h", "ring1   2         K20260301_01   41 on 1, 40 on 1", "3h"} {
		if code != 0 || !strings.Contains(out, want) {
			t.Errorf("feeds: exit code %d, want %q in\n%s%s", code, want, out, errs)
		}
	}
	if out, errs, code = run(t, append([]string{"driver", "offer", "main", "--set", "K20260301_01", "--yes"}, to...)...); code != 0 || out != "main offers K20260301_01\n" {
		t.Errorf("offer: exit code %d, %s%s", code, out, errs)
	}
	if out, _, _ = run(t, append([]string{"driver", "feeds", "-o", "json"}, to...)...); !strings.Contains(out, `"offers": "K20260301_01"`) {
		t.Errorf("after that it offers\n%s", out)
	}
	if _, errs, code = run(t, "driver", "feeds", "--portal", "http://eportal.example.com", "--key", key); code == 0 || !strings.Contains(errs, "in the clear") {
		t.Errorf("a key goes out in the clear: exit code %d, %s", code, errs)
	}
	if _, errs, code = run(t, "driver", "feeds"); code != exitUsage || !strings.Contains(errs, "--portal URL") {
		t.Errorf("without an address: exit code %d, %s", code, errs)
	}
}

func TestWhatAVendorsToolSaysItFixesIsRead(t *testing.T) {
	for _, c := range []struct{ driver, file, want string }{
		{"kernelcare", "../driver/kernelcare/testdata/patch-info.txt", "CVE-2022-33655\n"},
		{"ksplice", "../driver/ksplice/testdata/uptrack-show-available.txt", "CVE-2016-5195\nCVE-2020-27170\nCVE-2020-27171\n"},
	} {
		if out, errs, code := run(t, "driver", "cves", c.driver, c.file); code != 0 || !strings.Contains(out, c.want) {
			t.Errorf("%s: exit code %d, %s%s", c.driver, code, out, errs)
		}
	}
	if _, errs, code := run(t, "driver", "cves", "ksplice", "../driver/ksplice/testdata/uptrack-show-none.txt"); code != exitNotFound {
		t.Errorf("nothing: exit code %d, %s", code, errs)
	}
	if _, _, code := run(t, "driver", "cves", "suse", "x"); code != exitUsage {
		t.Errorf("suse: exit code %d", code)
	}
}
