package klpchange

import (
	"bytes"
	"io/fs"
	"math"
	"os"
	"path"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Waking says which CPUs are kept from idling while a change begins.
//
// A transition's first pass runs inside the load, or the write that disables. It
// fails where a CPU idles, because the task that idles counts as running and moves
// to the new code only when it is woken; and the kernel tries again only after a
// second (klp_try_complete_transition in kernel/livepatch/transition.c). It fails as well
// where a task computes in user space and was not interrupted since the pass began.
//
// A thread on each other CPU takes that second away, which does nothing but yield: its
// CPU does not idle, what ran there waits, where its stack can be read, and the thread
// itself moves to the new code at each of its system calls. A thread that computes without
// calls would be refused, and one that sleeps leaves its CPU idle just when the pass looks.
// The thread that makes the change stays on its own CPU, where nothing else can run then.
type Waking struct {
	// Off leaves everything to the kernel.
	Off bool
	// Isolated: CPUs that somebody isolated (isolcpus, nohz_full) are woken as well.
	Isolated bool
}

const (
	// wakePause is how long a thread sleeps between two looks whether a transition begins.
	wakePause = 100 * time.Microsecond
	// watchPause is how long the watch sleeps between two looks at the change.
	watchPause = time.Millisecond
	// readyLimit bounds the wait for threads whose CPU lets them run only later.
	readyLimit = 20 * time.Millisecond
	// wakeLimit ends the threads, and the change's stay on its CPU, however long it takes.
	wakeLimit = 2 * time.Second
	// holdLimit is how long a thread holds its CPU before all else. The kernel's first try
	// takes a millisecond for some hundred tasks.
	holdLimit = 250 * time.Millisecond
	// spareThreads are left to the rest of the program.
	spareThreads = 32
	// wakeNice lets the threads, and the change, run before anything ordinary.
	wakeNice = -20
)

// change is what happens while the CPUs are kept awake.
type change int

const (
	// load is a load of a module, whose transition begins only near its end.
	load change = iota
	// disable begins its transition at once, and then waits for all tasks.
	disable
	// wait is for the kernel's own next try. It takes long, so the threads take turns with
	// what else runs.
	wait
)

// awake keeps CPUs awake for one change.
type awake struct {
	what change
	over atomic.Bool
	// ready and running count threads.
	ready, running atomic.Int32
}

// during makes a change while the other CPUs are kept awake.
func (w Waking) during(fsys fs.FS, what change, do func() error) error {
	if cpus := w.cpus(fsys); len(cpus) > 0 {
		return (&awake{what: what}).during(cpus, do)
	}
	return do()
}

func (a *awake) during(cpus []int, do func() error) error {
	// Each thread that yields holds one of the runtime's places, and the change needs one
	// to come back.
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(len(cpus) + 2))
	result := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with its CPU and its priority
		result <- a.besides(cpus, do)
	}()
	return <-result
}

// besides makes the change on this thread and its CPU; the others are kept awake. It waits
// for no thread for long: what runs in real time may keep one from its CPU for ever.
func (a *awake) besides(cpus []int, do func() error) error {
	here, err := a.stay()
	if err != nil {
		return do() // the kernel manages alone
	}
	if a.what != wait {
		defer goFirst()()
	}
	defer a.soon(func() bool { return a.running.Load() == 0 })
	defer a.over.Store(true)
	others := int32(0)
	for _, cpu := range cpus {
		if cpu != here {
			others++
			a.start(func() { a.keep(cpu) })
		}
	}
	a.soon(func() bool { return a.ready.Load() == others })
	tid := unix.Gettid()
	a.start(func() { a.watch(tid) })
	return do()
}

func (a *awake) start(thread func()) {
	a.running.Add(1)
	go func() {
		defer a.running.Add(-1)
		runtime.LockOSThread() // and never unlocked, as above
		thread()
	}()
}

// soon waits a moment for something.
func (a *awake) soon(happened func() bool) {
	for limit := time.Now().Add(readyLimit); !happened() && time.Now().Before(limit); {
		nap(wakePause)
	}
}

// stay binds this thread to the CPU that it is on.
func (a *awake) stay() (cpu int, err error) {
	var here uint32
	if _, _, errno := unix.RawSyscall(unix.SYS_GETCPU, uintptr(unsafe.Pointer(&here)), 0, 0); errno != 0 {
		return 0, errno
	}
	return int(here), a.bind(int(here))
}

// bind binds this thread to a CPU and lets it go first. Where it may not go first it
// takes turns, which is slower at worst.
func (a *awake) bind(cpu int) error {
	if a.what != wait {
		_ = unix.Setpriority(unix.PRIO_PROCESS, unix.Gettid(), wakeNice)
	}
	var one unix.CPUSet
	one.Set(cpu)
	return unix.SchedSetaffinity(0, &one)
}

// autogroup is the session's place among the others, where sessions have one.
const autogroup = "/proc/self/autogroup"

// goFirst lets this session's tasks go before those of others until it is ended: with
// automatic groups a thread's own priority holds only within its session.
func goFirst() (end func()) {
	if now, err := os.ReadFile(autogroup); err != nil || !bytes.HasSuffix(now, []byte(" nice 0\n")) {
		return func() {} // there are no such groups, or somebody gave this one its place
	}
	setPlace(wakeNice)
	return func() { setPlace(0) }
}

func setPlace(nice int) {
	fd, err := unix.Open(autogroup, unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return // the threads take turns with others
	}
	defer unix.Close(fd)
	_, _ = unix.Write(fd, []byte(strconv.Itoa(nice))) // refused: as above
}

// keep keeps a CPU awake: from now on, or, for a load, from the moment when its transition
// begins.
func (a *awake) keep(cpu int) {
	err := a.bind(cpu)
	a.ready.Add(1)
	if err != nil {
		return // the CPU went away
	}
	end := time.Now().Add(wakeLimit)
	for a.what == load && !inTransition() {
		if a.over.Load() || time.Now().After(end) {
			return
		}
		nap(wakePause)
	}
	if a.what != wait {
		end = time.Now().Add(holdLimit)
	}
	for !a.over.Load() && time.Now().Before(end) {
		_, _, _ = unix.RawSyscall(unix.SYS_SCHED_YIELD, 0, 0, 0)
	}
}

// watch lets the CPUs go when the write that disables has come to sleep: what follows is a
// wait for all tasks, which takes twice as long while some only yield. It lets the change
// go from its own CPU then, and when it takes too long, for something else may hold that.
func (a *awake) watch(changer int) {
	for end := time.Now().Add(wakeLimit); time.Now().Before(end); nap(watchPause) {
		if a.over.Load() {
			return
		}
		if a.what == disable && asleep(changer) {
			break
		}
	}
	a.over.Store(true)
	var all unix.CPUSet
	for cpu := range len(all) * strconv.IntSize {
		all.Set(cpu)
	}
	_ = unix.SchedSetaffinity(changer, &all) // the kernel takes those that there are
}

// inTransition tells whether a transition began: before one a task's state is -1.
func inTransition() bool {
	state, err := os.ReadFile("/proc/thread-self/patch_state")
	return err == nil && !bytes.HasPrefix(state, []byte("-"))
}

// asleep tells whether a thread of this process waits in the kernel.
func asleep(tid int) bool {
	stat, err := os.ReadFile("/proc/self/task/" + strconv.Itoa(tid) + "/stat")
	_, state, found := bytes.Cut(stat, []byte(") ")) // the name of a thread of ours has no bracket
	return err == nil && found && !bytes.HasPrefix(state, []byte("R"))
}

// cpus lists those that this process may use and that are to be woken.
func (w Waking) cpus(fsys fs.FS) (cpus []int) {
	var allowed unix.CPUSet
	if w.Off || unix.SchedGetaffinity(0, &allowed) != nil || allowed.Count() < 2 {
		return nil // a lone CPU is the one that makes the change
	}
	if threadsLeft(fsys) < allowed.Count()+spareThreads {
		return nil // the runtime dies of a thread that it may not start
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

// threadsLeft tells how many threads the kernel and this process's control groups still
// allow. Of what the kernel allows a tenth is for others.
func threadsLeft(fsys fs.FS) int {
	left := math.MaxInt
	load, _ := fs.ReadFile(fsys, "proc/loadavg") // absent: there are no limits
	if fields := strings.Fields(string(load)); len(fields) > 3 {
		_, total, _ := strings.Cut(fields[3], "/") // such as 2/345: what runs, and what there is
		now, _ := strconv.Atoi(total)
		for _, limit := range []string{"pid_max", "threads-max"} {
			if most, err := readNumber(fsys, "proc/sys/kernel/"+limit); err == nil {
				left = min(left, most-most/10-now)
			}
		}
	}
	groups, _ := fs.ReadFile(fsys, "proc/self/cgroup") // absent: there are no limits
	for line := range strings.Lines(string(groups)) {
		_, rest, _ := strings.Cut(strings.TrimSpace(line), ":")
		controllers, group, _ := strings.Cut(rest, ":")
		root := map[string]string{"": "sys/fs/cgroup", "pids": "sys/fs/cgroup/pids"}[controllers]
		for group = path.Clean("/" + group); root != "" && group != "/"; group = path.Dir(group) {
			most, err := readNumber(fsys, root+group+"/pids.max") // "max" is no number
			now, errNow := readNumber(fsys, root+group+"/pids.current")
			if err == nil && errNow == nil {
				left = min(left, most-now)
			}
		}
	}
	return left
}

func readNumber(fsys fs.FS, name string) (int, error) {
	data, err := fs.ReadFile(fsys, name)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(data)))
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

// nap sleeps in the kernel. A timer of the runtime would wake another thread.
func nap(d time.Duration) {
	ts := unix.NsecToTimespec(d.Nanoseconds())
	_ = unix.ClockNanosleep(unix.CLOCK_MONOTONIC, 0, &ts, nil) // cut short it is as good
}
