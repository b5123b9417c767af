package klpchange

import (
	"io/fs"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// Waking says which CPUs are kept from idling while a change begins.
//
// A transition's first pass runs inside the load, or the write that disables. It
// fails where a CPU idles, because the task that idles counts as running and moves
// to the new code only when it is woken; and the kernel tries again only after a
// second (klp_try_complete_transition in kernel/livepatch/transition.c). Threads that
// do nothing but wake up and sleep again on each CPU take that second away. They must
// sleep: one that spins is itself a running task, which the pass refuses.
type Waking struct {
	// Off leaves everything to the kernel.
	Off bool
	// Isolated: CPUs that somebody isolated (isolcpus, nohz_full) are woken as well.
	Isolated bool
}

const (
	// wakePause is how long a thread sleeps between two times that it wakes a CPU.
	wakePause = 150 * time.Microsecond
	// wakeLead is how long the threads run before the change, so that all are there.
	wakeLead = 2 * time.Millisecond
	// wakeLimit ends them even if the change hangs.
	wakeLimit = 2 * time.Second
	// maxWakers bounds the threads. Where there are more CPUs each goes from one to the
	// next.
	maxWakers = 8
)

// during makes a change while the CPUs are kept awake.
func (w Waking) during(fsys fs.FS, change func() error) error {
	cpus := w.cpus(fsys)
	if len(cpus) == 0 {
		return change()
	}
	var (
		over    atomic.Bool
		threads sync.WaitGroup
		end     = time.Now().Add(wakeLimit)
	)
	for i := range min(maxWakers, len(cpus)) {
		var mine []int
		for j := i; j < len(cpus); j += maxWakers {
			mine = append(mine, cpus[j])
		}
		threads.Go(func() { wake(mine, func() bool { return over.Load() || time.Now().After(end) }) })
	}
	defer threads.Wait()
	defer over.Store(true)
	nap(wakeLead)
	return change()
}

// cpus lists those that this process may use and that are to be woken.
func (w Waking) cpus(fsys fs.FS) (cpus []int) {
	var allowed unix.CPUSet
	if w.Off || unix.SchedGetaffinity(0, &allowed) != nil || allowed.Count() < 2 {
		return nil // a lone CPU is the one that makes the change
	}
	left := map[int]bool{}
	if !w.Isolated {
		for _, file := range []string{"isolated", "nohz_full"} {
			text, _ := fs.ReadFile(fsys, "sys/devices/system/cpu/"+file) // absent: there are none
			for _, cpu := range cpuList(string(text)) {
				left[cpu] = true
			}
		}
	}
	for cpu := range len(allowed) * strconv.IntSize {
		if allowed.IsSet(cpu) && !left[cpu] {
			cpus = append(cpus, cpu)
		}
	}
	return cpus
}

// cpuList reads the kernel's form of a list, such as 2-5,8. What is no list is none:
// "(null)" is what some kernels say.
func cpuList(text string) (cpus []int) {
	for part := range strings.SplitSeq(strings.TrimSpace(text), ",") {
		first, last, isRange := strings.Cut(part, "-")
		from, err := strconv.Atoi(first)
		to := from
		if err == nil && isRange {
			to, err = strconv.Atoi(last)
		}
		if err != nil || from < 0 || to > 1<<16 {
			continue
		}
		for cpu := from; cpu <= to; cpu++ {
			cpus = append(cpus, cpu)
		}
	}
	return cpus
}

// wake goes from CPU to CPU and sleeps on each. Its thread ends with it: it is bound
// to CPUs, and nothing else may run there.
func wake(cpus []int, over func() bool) {
	runtime.LockOSThread()
	for i := 0; !over(); i++ {
		if i < len(cpus) || len(cpus) > 1 {
			var one unix.CPUSet
			one.Set(cpus[i%len(cpus)])
			if unix.SchedSetaffinity(0, &one) != nil {
				return // the CPU went away: the kernel manages alone
			}
		}
		nap(wakePause)
	}
}

// nap sleeps in the kernel. A timer of the runtime would wake another thread.
func nap(d time.Duration) {
	ts := unix.NsecToTimespec(d.Nanoseconds())
	_ = unix.ClockNanosleep(unix.CLOCK_MONOTONIC, 0, &ts, nil) // cut short it is as good
}
