package amazonstep_test

import (
	"testing"
	"time"

	"github.com/hotstick/hotstick/internal/driver/amazon/amazonstep"
)

// The first text is in Amazon's user guide of Amazon Linux 2023.
func TestTheEndOfTheCoverIsRead(t *testing.T) {
	for text, want := range map[string]string{
		"The current version of the Linux kernel you are running will no longer receive live patches after 2025-07-22.\n": "2025-07-23",
		"Loaded plugins: x\nsupported until 2020-11-18\n":                                                                 "2020-11-19",
		"after 2025-07-41.\n": "", "": "", "2025-07-22\n": "",
	} {
		until, ok := amazonstep.CoverUntil(text)
		if ok != (want != "") || ok && until.Format(time.DateOnly) != want {
			t.Errorf("%q is %s (%t), want %q", text, until, ok, want)
		}
	}
}

func FuzzCoverUntil(f *testing.F) {
	f.Add("after 2025-07-22.")
	f.Fuzz(func(t *testing.T, text string) {
		if until, ok := amazonstep.CoverUntil(text); !ok && !until.IsZero() {
			t.Errorf("%q is %s", text, until)
		}
	})
}
