package server

import (
	"log/slog"
	"testing"
	"time"

	"github.com/hotstick/hotstick/internal/steady"
	"github.com/hotstick/hotstick/internal/store"
	"github.com/hotstick/hotstick/internal/store/memory"
)

// A server that is started again with its machine's clock set back goes on where the
// log ends; one whose log ends years ahead comes right.
func TestARestartDoesNotMakeTimeRunTwice(t *testing.T) {
	for _, test := range []struct {
		name         string
		ahead, wants time.Duration
	}{
		{"the clock was right", -time.Hour, 0},
		{"it was set back by an hour", time.Hour, time.Hour},
		{"the log was written ten years ahead", 87_600 * time.Hour, 0},
	} {
		began := time.Now().Round(0)
		kept := memory.Open(func() time.Time { return began.Add(test.ahead) })
		err := kept.Update(t.Context(), func(tx store.Tx) error {
			_, err := tx.Events().Append(store.Event{Kind: "host.enrolled", Host: "h-aaaaaaaaaaaaaaaa"})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		clock := steady.New(func() time.Time { return began }, func() time.Duration { return 0 })
		s := &Server{options: Options{clock: clock}, now: clock.Now, store: kept, log: slog.New(slog.DiscardHandler)}
		if err := s.settleClock(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := clock.Now().Sub(began).Round(time.Minute); got != test.wants {
			t.Errorf("%s: the server begins %v ahead, want %v", test.name, got, test.wants)
		}
	}
}
