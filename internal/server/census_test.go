package server

import (
	"errors"
	"testing"
	"time"
)

// TestALargeCountIsSharedAndASmallOneIsMadeAnew: counting costs at most a twentieth of
// a core, however many ask.
func TestALargeCountIsSharedAndASmallOneIsMadeAnew(t *testing.T) {
	for _, test := range []struct {
		name  string
		takes time.Duration
		wait  time.Duration
		anew  bool
	}{
		{"a small fleet is counted for each who asks", countedAnew, 0, true},
		{"a large one is not", time.Second, 0, false},
		{"nor shortly before its time", time.Second, countShare*time.Second - 1, false},
		{"but then it is", time.Second, countShare * time.Second, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			now, n := time.Unix(0, 0), 0
			var c counted[int]
			clock := func() time.Time { return now }
			count := func() (int, error) {
				now = now.Add(test.takes)
				n++
				return n, nil
			}
			_, err := c.get(clock, count)
			if err != nil {
				t.Fatal(err)
			}
			now = now.Add(test.wait)
			got, err := c.get(clock, count)
			if anew := got == 2; err != nil || got != n || anew != test.anew {
				t.Errorf("count %d of %d, counted anew: %v, %v", got, n, anew, err)
			}
		})
	}
}

func TestACountThatFailsIsNotKept(t *testing.T) {
	now := time.Unix(0, 0)
	var c counted[int]
	clock := func() time.Time { return now }
	broken := errors.New("broken")
	if _, err := c.get(clock, func() (int, error) { now = now.Add(time.Hour); return 7, broken }); !errors.Is(err, broken) {
		t.Fatalf("got %v", err)
	}
	if got, err := c.get(clock, func() (int, error) { return 8, nil }); got != 8 || err != nil {
		t.Errorf("got %d, %v; want a new count", got, err)
	}
}
