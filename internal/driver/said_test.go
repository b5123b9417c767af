package driver_test

import (
	"strings"
	"testing"

	"github.com/hotstick/hotstick/internal/driver"
)

func TestWhatAProgramSaidIsOneShortLine(t *testing.T) {
	for _, row := range []struct {
		ran  driver.Ran
		want string
	}{
		{driver.Ran{Stdout: "fine\n"}, "fine"},
		{driver.Ran{Stdout: "trying\n", Stderr: "a\n\n b\x1b[31m \n"}, "a / b[31m"},
		{driver.Ran{Stdout: "1\n2\n3\n4\n5\n"}, "2 / 3 / 4 / 5"},
		{driver.Ran{}, ""},
	} {
		if got := row.ran.Said(); got != row.want {
			t.Errorf("%+v said %q, want %q", row.ran, got, row.want)
		}
	}
	if got := (driver.Ran{Stderr: strings.Repeat("é", 4000)}).Said(); len(got) > 410 || !strings.HasPrefix(got, "…") {
		t.Errorf("%d bytes: %.20s", len(got), got)
	}
}
