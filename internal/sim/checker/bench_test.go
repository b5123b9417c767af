package checker_test

import (
	"encoding/json"
	"testing"

	"github.com/hotstick/hotstick/internal/sim/checker"
	"github.com/hotstick/hotstick/internal/sim/world"
	"github.com/hotstick/hotstick/internal/trace"
)

// BenchmarkTake checks the trace of one run of the simulator, from its first event to
// its last.
func BenchmarkTake(b *testing.B) {
	var events []trace.Event
	world.Run(world.Case{Seed: 3, Options: world.Options{Trace: func(line []byte) {
		var e trace.Event
		if err := json.Unmarshal(line, &e); err != nil {
			b.Fatal(err)
		}
		events = append(events, e)
	}}})
	b.ReportAllocs()
	for b.Loop() {
		c := checker.New()
		for _, e := range events {
			c.Take(e)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(events)), "ns/event")
}
