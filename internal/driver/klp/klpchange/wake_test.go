package klpchange

import (
	"errors"
	"math"
	"runtime"
	"slices"
	"testing"
	"testing/fstest"
	"time"

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

func TestNoThreadIsStartedThatAControlGroupForbids(t *testing.T) {
	for name, c := range map[string]struct {
		files fstest.MapFS
		want  int
	}{
		"no control groups": {fstest.MapFS{}, math.MaxInt},
		"no limit": {fstest.MapFS{
			"proc/self/cgroup": {Data: []byte("0::/system.slice/a.service\n")},
			"sys/fs/cgroup/system.slice/a.service/pids.max":     {Data: []byte("max\n")},
			"sys/fs/cgroup/system.slice/a.service/pids.current": {Data: []byte("9\n")},
		}, math.MaxInt},
		"a limit of the slice": {fstest.MapFS{
			"proc/self/cgroup": {Data: []byte("0::/system.slice/a.service\n")},
			"sys/fs/cgroup/system.slice/a.service/pids.max":     {Data: []byte("64\n")},
			"sys/fs/cgroup/system.slice/a.service/pids.current": {Data: []byte("9\n")},
			"sys/fs/cgroup/system.slice/pids.max":               {Data: []byte("100\n")},
			"sys/fs/cgroup/system.slice/pids.current":           {Data: []byte("90\n")},
		}, 10},
		"a kernel nearly full": {fstest.MapFS{
			"proc/loadavg":                {Data: []byte("0.10 0.20 0.30 2/880 12345\n")},
			"proc/sys/kernel/pid_max":     {Data: []byte("1000\n")},
			"proc/sys/kernel/threads-max": {Data: []byte("60000\n")},
		}, 20},
		"the first version": {fstest.MapFS{
			"proc/self/cgroup":                  {Data: []byte("4:pids:/a\n1:cpu:/b\n")},
			"sys/fs/cgroup/pids/a/pids.max":     {Data: []byte("64\n")},
			"sys/fs/cgroup/pids/a/pids.current": {Data: []byte("4\n")},
		}, 60},
	} {
		if got := threadsLeft(c.files); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
		if got := len((Waking{}).cpus(c.files)); got > 0 && c.want < spareThreads+2 {
			t.Errorf("%s: %d CPUs are kept awake", name, got)
		}
	}
}

func TestWakingChangesNothingOfTheChange(t *testing.T) {
	refused := errors.New("cannot")
	before := runtime.NumGoroutine()
	for _, w := range []Waking{{}, {Off: true}} {
		for _, what := range []change{load, disable, wait} {
			calls := 0
			err := w.during(fstest.MapFS{}, what, func() error { calls++; return refused })
			if calls != 1 || !errors.Is(err, refused) {
				t.Errorf("%+v, change %d: %d calls, %v", w, what, calls, err)
			}
		}
	}
	for n := 0; runtime.NumGoroutine() > before; n++ {
		if n == 1000 {
			t.Fatalf("%d goroutines are left, of %d", runtime.NumGoroutine(), before)
		}
		nap(time.Millisecond)
	}
}

// A loader has two of the runtime's places, and a large machine many CPUs.
func TestAChangeComesBackBesideManyThreads(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2))
	allowed := Waking{}.cpus(fstest.MapFS{})
	if len(allowed) == 0 {
		t.Skip("a lone CPU is never woken")
	}
	var cpus []int
	for range 64 {
		cpus = append(cpus, allowed...)
	}
	done := make(chan error)
	go func() {
		done <- (&awake{what: disable}).during(cpus, func() error { nap(time.Millisecond); return nil })
	}()
	select {
	case err := <-done:
		if n := runtime.GOMAXPROCS(0); err != nil || n != 2 {
			t.Errorf("%v, and then the runtime has %d places", err, n)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("the change does not come back")
	}
}
