package advisories_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/hotstick/hotstick/internal/integrate/advisories"
)

func TestOnlyADocumentOfTheWholeCVEIsComplete(t *testing.T) {
	const good = `{"package":{"ecosystem":"Debian:12","name":"linux"},"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"},{"fixed":"6.1.192-1"}]}]}`
	const bad = `{"package":{"ecosystem":"Debian:13","name":"linux"},"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"},{"fixed":";"}]}]}`
	for _, c := range []struct {
		id, names, affected string
		complete            bool
	}{
		{"DEBIAN-CVE-2026-98022", `"upstream":["CVE-2026-98022"]`, good, true},
		{"DSA-9001-1", `"upstream":["CVE-2026-98022"]`, good, false},
		{"DEBIAN-CVE-2026-98022", `"upstream":["CVE-2026-98022","CVE-2026-98023"]`, good, false},
		{"DEBIAN-CVE-2026-98022", `"upstream":["CVE-2026-98022"]`, good + "," + bad, false},
	} {
		path := filepath.Join(t.TempDir(), "document")
		doc := fmt.Sprintf(`{"schema_version":"1.6.0","id":%q,"modified":"2026-11-12T00:00:00Z",%s,"affected":[%s]}`, c.id, c.names, c.affected)
		if err := os.WriteFile(path, []byte(doc), 0o600); err != nil {
			t.Fatal(err)
		}
		b := &book{}
		complete := []string{"debian:12", "debian:13"}
		if _, err := importer().Import(context.Background(), advisories.Feed{Name: "test", Location: path, Complete: complete}, b); err != nil || len(b.documents) != 1 {
			t.Fatalf("%s: %v, %+v", c.id, err, b.refused)
		}
		for _, a := range b.documents[0].Advisories {
			if slices.Equal(a.Source.Complete, complete) != c.complete {
				t.Errorf("%s of %s: complete for %v", c.id, c.names, a.Source.Complete)
			}
		}
	}
}
