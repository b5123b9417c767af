// Package documenttest fuzzes readers of advisories, whatever their format.
package documenttest

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/integrate/advisories/document"
)

// Fuzz begins with the examples and holds the reader to one promise: whatever the bytes are,
// what is read of them is valid, or nothing is.
func Fuzz(f *testing.F, examples string, read func([]byte) (document.Document, error)) {
	f.Helper()
	files, err := filepath.Glob(examples)
	if err != nil || len(files) == 0 {
		f.Fatal("no examples")
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		d, err := read(data)
		if err != nil {
			return
		}
		if d.ID == "" || d.Modified.IsZero() || len(d.Unread) > document.MaxUnread {
			t.Fatalf("%+v", d)
		}
		for _, a := range d.Advisories {
			a.Source.Digest = hotstick.NewDigest(data)
			if err := a.Validate(); err != nil {
				t.Fatal(err)
			}
		}
		if d.Vulnerabilities == nil {
			return
		}
		for v := range d.Vulnerabilities {
			if err := hotstick.ValidateCVE(v.CVE); err != nil {
				t.Fatal(err)
			}
		}
	})
}
