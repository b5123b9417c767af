package origin

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
)

type tally struct {
	t      *testing.T
	limits Limits
	n      int
}

func (c *tally) Document(_ string, data []byte) (bool, error) {
	if c.n++; int64(len(data)) > c.limits.Document {
		c.t.Fatalf("a document of %d bytes", len(data))
	}
	return len(data) > 0, nil
}

func (c *tally) Refused(_ string, err error) error {
	if c.n++; err == nil {
		c.t.Fatal("refused for nothing")
	}
	return nil
}

// Whatever an archive is, its limits hold and nothing is left out without a word.
func FuzzReadArchive(f *testing.F) {
	var packed, tarred bytes.Buffer
	w := tar.NewWriter(&tarred)
	_ = w.WriteHeader(&tar.Header{Name: "a.json", Size: 2, Typeflag: tar.TypeReg, Mode: 0o644})
	_, _ = w.Write([]byte("{}"))
	_ = w.Close()
	z := gzip.NewWriter(&packed)
	_, _ = z.Write(tarred.Bytes())
	_ = z.Close()
	e, err := zstd.NewWriter(nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(tarred.Bytes())
	f.Add(packed.Bytes())
	f.Add(e.EncodeAll(tarred.Bytes(), nil))
	f.Add([]byte("PK\x03\x04"))
	f.Fuzz(func(t *testing.T, data []byte) {
		path := filepath.Join(t.TempDir(), "x")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		limits := Limits{Document: 4 << 10, Total: 64 << 10, Download: 64 << 10, Documents: 100, Directory: 16 << 10}
		c := &tally{t: t, limits: limits}
		if err := Path(context.Background(), path, limits, c); err != nil && !errors.Is(err, ErrLimit) {
			t.Fatal(err)
		}
		if c.n > limits.Documents {
			t.Fatalf("%d documents", c.n)
		}
	})
}

// No line of a list leads out of the list's own directory.
func FuzzReadListing(f *testing.F) {
	f.Add("2026/a.json\n2026/b.json\n")
	f.Add("\"2026/a.json\",\"2026-11-02T00:00:00+00:00\"\n")
	f.Add("../a.json\n")
	f.Fuzz(func(t *testing.T, text string) {
		list, err := parseListing(text)
		if err != nil {
			return
		}
		seen := map[string]bool{}
		for _, l := range list {
			p := l.path
			if seen[p] {
				t.Fatalf("%q stands twice", p)
			}
			seen[p] = true
			if strings.HasPrefix(p, "/") || !filepath.IsLocal(p) || strings.Contains(p, ":") {
				t.Fatalf("%q leads away", p)
			}
		}
	})
}
