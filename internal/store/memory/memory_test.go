package memory_test

import (
	"testing"
	"time"

	"github.com/hotstick/hotstick/internal/store"
	"github.com/hotstick/hotstick/internal/store/memory"
	"github.com/hotstick/hotstick/internal/store/storetest"
)

func TestStore(t *testing.T) {
	storetest.Run(t, func(*testing.T) store.Store { return memory.Open(time.Now) })
}

func BenchmarkCheckIn(b *testing.B) {
	storetest.BenchmarkCheckIn(b, func(*testing.B) store.Store { return memory.Open(time.Now) })
}
