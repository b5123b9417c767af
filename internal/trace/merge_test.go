package trace_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
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

func TestALineThatWasCutOffGoes(t *testing.T) {
	for _, tail := range []string{"", `{"t":5,"no`, strings.Repeat("x", 9000)} {
		path := filepath.Join(t.TempDir(), "trace")
		for range 2 {
			w, err := trace.AppendSynced(path)
			if err != nil {
				t.Fatal(err)
			}
			w.Emit(trace.Event{T: 1, Node: "loader", Kind: trace.KindBoot})
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			f.WriteString(tail)
			f.Close()
		}
		w, err := trace.Append(path)
		if err != nil {
			t.Fatal(err)
		}
		w.Close()
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if events, err := trace.ReadAll(bytes.NewReader(data)); err != nil || len(events) != 2 {
			t.Errorf("after %.10q: %d events, %v", tail, len(events), err)
		}
	}
}
