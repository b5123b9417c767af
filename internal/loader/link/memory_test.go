package link_test

import (
	"runtime"
	"strings"
	"testing"

	"github.com/hotstick/hotstick/internal/loader/link"
)

// The loader is root and reads what the agent writes: a list of structs is written
// with three bytes an element, and read with a hundred.
func TestACallOfEmptyElementsFillsNoMemory(t *testing.T) {
	l := &echo{}
	path := serve(t, l, me())
	for _, list := range []string{"readings", "documents"} {
		open, end := `{"`+list+`":[`, `{}],"acknowledged":0}`+"\n"
		line := []byte(open + strings.Repeat("{},", (link.MaxFrame-len(open)-len(end))/3) + end)
		conn := mustDial(t, path)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if _, err := conn.Write(line); err != nil {
			t.Fatal(err)
		}
		said := mustBeCut(t, conn)
		runtime.ReadMemStats(&after)
		if !strings.Contains(said, "memory") {
			t.Errorf("%s: the loader said %.200q", list, said)
		}
		if filled := after.TotalAlloc - before.TotalAlloc; filled > 200<<20 {
			t.Errorf("%s: %d MiB were allocated", list, filled>>20)
		}
	}
	if n := l.count(); n != 0 {
		t.Errorf("the loader was called %d times", n)
	}
	mustAnswer(t, path)
}
