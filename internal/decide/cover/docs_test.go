package cover_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/decide/cover"
)

// TestThePageSaysWhatHolds reads the example of the page, and looks for every word in it.
func TestThePageSaysWhatHolds(t *testing.T) {
	raw, err := os.ReadFile("../../../docs/reference/cover.md")
	if err != nil {
		t.Fatal(err)
	}
	example := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindSubmatch(raw)
	if example == nil {
		t.Fatal("there is no example")
	}
	if _, err := cover.Parse(example[1]); err != nil {
		t.Errorf("the example: %v", err)
	}
	for _, r := range hotstick.CoverReasons() {
		if !strings.Contains(string(raw), "| `"+string(r)+"` |") {
			t.Errorf("the page does not tell %s", r)
		}
	}
	for _, s := range hotstick.CoverStates() {
		if !strings.Contains(string(raw), "| `"+string(s)+"` |") {
			t.Errorf("the page does not tell %s", s)
		}
	}
}
