package wire_test

import (
	"runtime"
	"strings"
	"testing"

	"github.com/hotstick/hotstick/internal/wire"
)

// A host with a certificate may be anybody's by now.
func TestACheckInOfEmptyElementsFillsNoMemory(t *testing.T) {
	for _, list := range []string{
		`"reports":[`, `"readings":[`, `"patches":[`, `"loader":{"refusals":[`, `"reports":[{"evidence":[`,
	} {
		open := `{"protocol":1,` + list
		message := open + strings.Repeat("{},", (wire.MaxRequestBytes-len(open)-8)/3) + "{}" + strings.NewReplacer("[", "]", "{", "}").Replace(ends(list)) + "}"
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		err := wire.Decode(strings.NewReader(message), wire.MaxRequestBytes, &wire.SyncRequest{})
		runtime.ReadMemStats(&after)
		if err == nil || !strings.Contains(err.Error(), "memory") {
			t.Errorf("%s: got %v", list, err)
		}
		if filled := after.TotalAlloc - before.TotalAlloc; filled > 50<<20 {
			t.Errorf("%s: %d MiB were allocated", list, filled>>20)
		}
	}
}

// ends returns the brackets that are open at the end of text, the last one first.
func ends(text string) string {
	var open string
	for _, c := range text {
		if c == '[' || c == '{' {
			open = string(c) + open
		}
	}
	return open
}
