package statement_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/statement"
)

// A clear of recalls alone has its golden file, as each kind has.
func TestAClearOfRecallsKeepsItsForm(t *testing.T) {
	w := newWorld(t)
	c := w.clear()
	c.Hosts, c.Ban, c.Recall = []hotstick.HostID{}, false, true
	raw := w.mustSign(statement.KindClear, c, "bob", "dan")
	path := filepath.Join("testdata", "clear-of-recalls.json")
	if *update {
		if err := os.WriteFile(path, raw, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	golden, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(golden) != string(raw) {
		t.Errorf("the format has changed: %s", raw)
	}
	got, err := statement.OpenClear(golden, w.trust, now)
	if err != nil || !got.Recall || got.Ban {
		t.Errorf("the clear says %+v, %v", got, err)
	}
}
