package trace_test

import (
	"bytes"
	"fmt"
	"io"
	"testing"

	"github.com/hotstick/hotstick/internal/trace"
)

func TestTracesOfOneRunAreMergedByTheirTimes(t *testing.T) {
	file := func(node string, times ...int64) io.Reader {
		var events []trace.Event
		for _, at := range times {
			events = append(events, trace.Event{T: at, Node: node, Kind: trace.KindBoot})
		}
		return bytes.NewReader(written(t, events))
	}
	var got string
	err := trace.Merge([]io.Reader{file("a", 10, 30, 20), file("b", 10, 25), file("c")}, func(e trace.Event) error {
		got += fmt.Sprint(e.Node, e.T, " ")
		return nil
	})
	// The clock of a went back: its events stay in their order all the same.
	if want := "a10 b10 b25 a30 a20 "; err != nil || got != want {
		t.Errorf("got %q, %v; want %q", got, err, want)
	}
}

func TestAFileThatIsNoTraceIsNamed(t *testing.T) {
	err := trace.Merge([]io.Reader{bytes.NewReader([]byte("x\n"))}, func(trace.Event) error { return nil })
	if err == nil {
		t.Fatal("merged what is no trace")
	}
}
