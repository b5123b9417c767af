package klpchange

import (
	"errors"
	"runtime"
	"slices"
	"testing"
	"testing/fstest"

	"golang.org/x/sys/unix"
)

func TestListsOfCPUsAreRead(t *testing.T) {
	for text, want := range map[string][]int{
		"": nil, "\n": nil, "(null)\n": nil, "3\n": {3}, "2-4,8\n": {2, 3, 4, 8}, "x-3": nil, "4-2": nil, "1-99999999": nil, "-1": nil,
	} {
		if got := cpuList(text); !slices.Equal(got, want) {
			t.Errorf("%q is %v, want %v", text, got, want)
		}
	}
}

func TestIsolatedCPUsAreLeftAloneWithoutConsent(t *testing.T) {
	var allowed unix.CPUSet
	if err := unix.SchedGetaffinity(0, &allowed); err != nil {
		t.Fatal(err)
	}
	if allowed.Count() < 2 {
		t.Skip("a lone CPU is never woken")
	}
	all := Waking{}.cpus(fstest.MapFS{})
	if len(all) != allowed.Count() {
		t.Fatalf("woken are %v of %d", all, allowed.Count())
	}
	for _, file := range []string{"isolated", "nohz_full"} {
		fsys := fstest.MapFS{"sys/devices/system/cpu/" + file: {Data: []byte("0\n")}}
		if slices.Contains(Waking{}.cpus(fsys), 0) {
			t.Errorf("CPU 0 is in %s and is woken", file)
		}
		if got := (Waking{Isolated: true}).cpus(fsys); !slices.Equal(got, all) {
			t.Errorf("with consent %v are woken, want %v", got, all)
		}
	}
	if got := (Waking{Off: true}).cpus(fstest.MapFS{}); len(got) != 0 {
		t.Errorf("switched off, %v are woken", got)
	}
}

func TestWakingChangesNothingOfTheChange(t *testing.T) {
	refused := errors.New("cannot")
	before := runtime.NumGoroutine()
	for _, w := range []Waking{{}, {Off: true}} {
		calls := 0
		err := w.during(fstest.MapFS{}, func() error { calls++; return refused })
		if calls != 1 || !errors.Is(err, refused) {
			t.Errorf("%+v: %d calls, %v", w, calls, err)
		}
	}
	if n := runtime.NumGoroutine(); n > before {
		t.Errorf("%d goroutines are left, of %d", n, before)
	}
}
