package turn_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/hotstick/hotstick/internal/turn"
)

func TestEveryNameComesIntoTurn(t *testing.T) {
	names := []string{"a", "b", "c"}
	seen := map[string]int{}
	for i := range 300 {
		commit := fmt.Sprintf("%040x", i)
		got := turn.Of(commit, names...)
		if got != turn.Of(commit, names...) {
			t.Fatalf("%s chooses another one the second time", commit)
		}
		seen[got]++
	}
	for _, name := range names {
		if seen[name] < 60 {
			t.Errorf("%s was chosen %d times of 300", name, seen[name])
		}
	}
}

type skipped struct{ why string }

func (*skipped) Helper()                       {}
func (s *skipped) Skipf(f string, args ...any) { s.why = fmt.Sprintf(f, args...) }

func TestAllRunUnlessTheyTakeTurns(t *testing.T) {
	names := []string{"a", "b", "c"}
	t.Setenv(turn.Variable, "")
	if got := turn.Now(names...); !slices.Equal(got, names) {
		t.Errorf("without turns there are %q", got)
	}
	t.Setenv(turn.Variable, "commit")
	now := turn.Now(names...)
	if len(now) != 1 {
		t.Fatalf("in turn are %q", now)
	}
	for _, name := range names {
		var s skipped
		turn.Take(&s, name, names...)
		if (s.why == "") != (name == now[0]) {
			t.Errorf("%s, where %s is in turn: %q", name, now[0], s.why)
		}
	}
}
