package sqlite

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/hotstick/hotstick/internal/store"
	"github.com/hotstick/hotstick/internal/store/storetest"
)

// opened is a store that the suite can close and open again.
type opened struct {
	*Store
	path string
}

func (o opened) Reopen(t *testing.T) store.Store {
	if err := o.Close(); err != nil {
		t.Fatalf("close: %v", err)
	}
	return mustOpen(t, o.path)
}

func mustOpen(t testing.TB, path string) opened {
	t.Helper()
	s, err := Open(t.Context(), path, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return opened{s, path}
}

func TestStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store {
		return mustOpen(t, filepath.Join(t.TempDir(), "hotstick.db"))
	})
}

func BenchmarkCheckIn(b *testing.B) {
	storetest.BenchmarkCheckIn(b, func(b *testing.B) store.Store {
		return mustOpen(b, filepath.Join(b.TempDir(), "hotstick.db"))
	})
}
