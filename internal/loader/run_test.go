package loader_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver/fake"
)

func TestRunDoesTheWorkAndLeavesTheMarkOfACleanStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.realTime()
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- w.loader.Run(ctx) }()
		good := w.publish("fix@1", fake.Behaviour{})
		w.offer(good, 1)
		for range 20 {
			<-time.After(time.Second)
			w.exchange()
		}
		w.mustEnd(hotstick.Confirmed, "")
		w.mustRun(good.Ref)
		if w.ledger().Boot.Clean {
			t.Error("a running loader is marked as stopped")
		}
		cancel()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if !w.ledger().Boot.Clean {
			t.Error("the mark of a clean stop is missing")
		}
	})
}
