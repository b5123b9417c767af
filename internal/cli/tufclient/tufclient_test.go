package tufclient_test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hotstick/hotstick/internal/cli/tufclient"
)

// golden is the catalog's own golden repository, which a generic client can read.
const golden = "../../../catalog/testdata/catalog"

// setDate puts a date program first in the path, as faketime would bend the real one.
func setDate(t *testing.T, answer string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "date"), []byte("#!/bin/sh\n[ \"$1\" = +%s ] && echo "+answer+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
}

func client(t *testing.T, args ...string) (int, string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code := tufclient.Main(args, &stdout, &stderr)
	if (code == 0) != (stderr.Len() == 0) {
		t.Errorf("exit code %d with %q", code, stderr.String())
	}
	return code, stdout.String() + stderr.String()
}

func TestTheConformanceCommandLine(t *testing.T) {
	server := httptest.NewServer(http.FileServer(http.Dir(golden)))
	t.Cleanup(server.Close)
	state, out := t.TempDir(), t.TempDir()
	at := []string{"--metadata-dir", state, "--metadata-url", server.URL}

	setDate(t, "1795240800") // 2026-11-21T06:00:00Z, when the golden catalog was made
	if code, text := client(t, append(at, "refresh")...); code != 1 {
		t.Errorf("refreshed without a root: %s", text)
	}
	if code, text := client(t, "--metadata-dir", state, "init", filepath.Join(golden, "2.targets.json")); code != 1 {
		t.Errorf("began with something else than a root: %s", text)
	}
	if code, text := client(t, "--metadata-dir", state, "init", filepath.Join(golden, "1.root.json")); code != 0 {
		t.Fatal(text)
	}
	if code, text := client(t, append(at, "refresh")...); code != 0 {
		t.Fatal(text)
	}
	kept, err := filepath.Glob(filepath.Join(state, "*"))
	if err != nil || len(kept) != 4 || filepath.Base(kept[0]) != "root.json" || filepath.Base(kept[3]) != "timestamp.json" {
		t.Errorf("kept %q, %v", kept, err)
	}

	files, err := filepath.Glob(filepath.Join(golden, "targets", "*.ko"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	_, target, _ := strings.Cut(filepath.Base(files[0]), ".")
	download := append(at, "--target-name", target, "--target-base-url", server.URL+"/targets/", "--target-dir", out)
	code, text := client(t, append(download, "download")...)
	if code != 0 {
		t.Fatal(text)
	}
	want, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(strings.TrimSpace(text)); err != nil || !bytes.Equal(got, want) {
		t.Errorf("downloaded %q to %q, %v", got, text, err)
	}
	if code, text := client(t, append(download, "--target-name", "missing", "download")...); code != 1 {
		t.Errorf("downloaded what nobody lists: %s", text)
	}

	setDate(t, "1895240800")
	if code, text := client(t, append(at, "refresh")...); code != 1 || !strings.Contains(text, "expired") {
		t.Errorf("three years later: %d, %s", code, text)
	}
	setDate(t, "soon")
	if code, text := client(t, append(at, "refresh")...); code != 1 {
		t.Errorf("without a clock: %s", text)
	}
}

func TestWrongCommandLinesAreRefused(t *testing.T) {
	for _, args := range [][]string{nil, {"refresh"}, {"--metadata-dir", "x"}, {"--metadata-dir", "x", "init"}, {"--metadata-dir", "x", "init", "/nonexistent"},
		{"--metadata-dir", "x", "--metadata-url", "file:///etc", "refresh"}, {"--metadata-dir", "x", "download"}, {"--metadata-dir", "x", "refresh", "more"}, {"--unknown"}} {
		if code, text := client(t, args...); code != 1 {
			t.Errorf("%q: %d, %s", args, code, text)
		}
	}
}
