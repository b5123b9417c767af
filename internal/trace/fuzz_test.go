package trace_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/hotstick/hotstick/internal/trace"
)

// What was read can be written, and reads the same.
func FuzzRead(f *testing.F) {
	f.Add([]byte(`{"kind":"begin","detail":"` + trace.Schema + `"}` + "\n" + `{"kind":"kernel","host":"h"}` + "\n"))
	f.Add([]byte("{}\n"))
	f.Add([]byte("null\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		events, err := trace.ReadAll(bytes.NewReader(data))
		if err != nil {
			return
		}
		var again bytes.Buffer
		w := trace.NewWriter(&again, func() time.Time { return time.Unix(1, 0) })
		for _, e := range events {
			w.Emit(e)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if back, err := trace.ReadAll(&again); err != nil || len(back) != len(events) {
			t.Errorf("%d events became %d: %v", len(events), len(back), err)
		}
	})
}
