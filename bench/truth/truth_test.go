package main

import (
	"bytes"
	"os"
	"testing"
)

// TestNoScreenSaysWhatAKernelDoesNot takes two thousand samples of all four faces while
// things happen to two real guests.
func TestNoScreenSaysWhatAKernelDoesNot(t *testing.T) {
	if os.Getenv("HOTSTICK_GUESTS") == "" {
		t.Skip("boots real kernels and Chromium: run make truth-some, or set HOTSTICK_GUESTS=1 after make build")
	}
	var course, table bytes.Buffer
	r, err := prove(t.Context(), options{dir: t.TempDir(), programs: "../../bin", patches: "../../patches", web: "../../internal/ui/web",
		own: "console.mjs", samples: 2000, course: &course})
	r.Table(&table)
	t.Logf("\n%s", table.String())
	if err != nil || !r.OK || r.Samples < 2000 {
		t.Fatalf("%d samples were judged, %d mismatches: %v\n%s", r.Samples, r.Mismatches, err, course.String())
	}
}
