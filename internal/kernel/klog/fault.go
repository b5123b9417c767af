package klog

import (
	"regexp"
	"slices"
	"strings"
	"time"
)

// Kind is the kind of a fault. The set is closed.
type Kind string

const (
	// Panic: the kernel gave up.
	Panic Kind = "panic"
	// Oops: the kernel touched what it must not and killed the task.
	Oops Kind = "oops"
	// Bug: the kernel found itself in a state that must not be.
	Bug Kind = "bug"
	// Warning: the same, less grave.
	Warning Kind = "warning"
	// HungTask: a task did not run for minutes.
	HungTask Kind = "hung_task"
	// Lockup: a processor did not schedule for many seconds.
	Lockup Kind = "lockup"
	// RCUStall: a processor or task held up a grace period.
	RCUStall Kind = "rcu_stall"
	// ModuleRefused: a live patch kept a module from being loaded (see [Refuser]).
	ModuleRefused Kind = "module_refused"
)

// Fault is one sign of the kernel's ill health.
type Fault struct {
	Kind Kind
	// Uptime is the age of the boot at the fault's first line.
	Uptime time.Duration
	// Text is the fault's lines, at most [MaxText] bytes.
	Text string
}

// Bounds of one fault, and of how many are kept.
const (
	MaxText    = 12 << 10
	maxLines   = 160
	maxPause   = 2 * time.Second
	maxFaults  = 64
	maxPrelude = 4
)

// beginnings lists the forms of a fault's first line; the first that fits counts.
var beginnings = []struct {
	kind Kind
	form *regexp.Regexp
}{
	{Panic, regexp.MustCompile(`^Kernel panic - not syncing`)},
	{Lockup, regexp.MustCompile(`^(watchdog: |NMI watchdog: )?BUG: soft lockup - CPU`)},
	{Lockup, regexp.MustCompile(`^(watchdog: |NMI watchdog: )?(CPU\d+: )?Watchdog detected hard LOCKUP on cpu`)},
	{RCUStall, regexp.MustCompile(`^(rcu: )?INFO: rcu\w* (self-)?detected (expedited )?stalls? on`)},
	{HungTask, regexp.MustCompile(`^INFO: task .+:\d+ (blocked for more than|is blocked on|blocked in I/O wait for more than) `)},
	{Oops, regexp.MustCompile(`^BUG: (kernel NULL pointer dereference|unable to handle |stack guard page was hit|IRQ stack guard|TASK stack guard)`)},
	{Oops, regexp.MustCompile(`^Unable to handle kernel `)},
	{Oops, regexp.MustCompile(`^(Oops|Internal error): `)},
	{Oops, regexp.MustCompile(`^Oops\b.*\[#\d+\]`)},
	{Oops, regexp.MustCompile(`^(general protection fault|invalid opcode|int3|divide error|double fault|traps: PANIC: double fault|stack segment|segment not present|alignment check|bounds|overflow|coprocessor segment overrun|invalid TSS)\b.*: [0-9a-f]{4} \[#\d+\]`)},
	{Bug, regexp.MustCompile(`^kernel BUG at `)},
	{Bug, regexp.MustCompile(`^BUG: `)},
	{Bug, regexp.MustCompile(`^BUG \S+ \(.+\): `)}, // of a slab cache
	{Bug, regexp.MustCompile(`^(Bad page state in process|kernel tried to execute NX-protected page|list_(add|del) (corruption|double)|Kernel stack is corrupted|CFI failure at )`)},
	{Warning, regexp.MustCompile(`^WARNING: CPU: \d+`)},
	{Warning, regexp.MustCompile(`^WARNING: .* at `)},
	{Warning, regexp.MustCompile(`^WARNING: (possible |suspicious |inconsistent |bad |kernel stack |stack |lock held|Nested lock|still has locks)`)},
	{Warning, regexp.MustCompile(`^(UBSAN: |refcount_t: )`)},
	{ModuleRefused, refusedModule},
}

// refusedModule is how the kernel says that a live patch keeps a module out: the patch by
// its own module's name, and the module.
var refusedModule = regexp.MustCompile(`^livepatch: patch '([^']+)' failed for module '([^']+)', refusing to load module`)

// Refuser returns which live patch kept a module from being loaded, by its module's name,
// and the module that it kept out.
func (f Fault) Refuser() (patch, module string, ok bool) {
	m := refusedModule.FindStringSubmatch(f.Text)
	if f.Kind != ModuleRefused || m == nil {
		return "", "", false
	}
	return m[1], m[2], true
}

// cutHere is what the kernel prints before some faults.
const cutHere = "------------[ cut here ]------------"

// begins returns the kind of fault that a line begins.
func begins(line string) (Kind, bool) {
	for _, b := range beginnings {
		if b.form.MatchString(line) {
			return b.kind, true
		}
	}
	return "", false
}

// Collector finds the faults in records that come one after the other. It keeps
// the newest of them.
type Collector struct {
	faults []Fault
	open   bool // the newest fault takes in more lines
	lines  int
	last   time.Duration
	// prelude are the lines since the mark cutHere: the kernel prints what a
	// warning is about before it says that it is one.
	prelude []Record
	cut     bool
}

// Add takes the next record.
func (c *Collector) Add(r Record) {
	kind, starts := begins(r.Text)
	switch {
	case starts && c.continues(kind, r):
		c.append(r)
	case starts:
		c.start(kind, r)
	case r.Text == cutHere:
		c.open, c.cut, c.prelude = false, true, nil
	case c.open && (c.lines >= maxLines || r.Uptime-c.last > maxPause):
		c.open = false
	case c.open:
		c.append(r)
		if strings.HasPrefix(r.Text, "---[ end ") {
			c.open = false
		}
	case c.cut && len(c.prelude) < maxPrelude:
		c.prelude = append(c.prelude, r)
	default:
		c.cut, c.prelude = false, nil
	}
}

// continues reports whether a first line goes on with what is open: one fault is
// announced by up to three such lines, of which the first says most.
func (c *Collector) continues(kind Kind, r Record) bool {
	if !c.open || c.lines > 8 || r.Uptime-c.last > maxPause {
		return false
	}
	before := c.faults[len(c.faults)-1].Kind
	switch kind {
	case Oops:
		return before == Oops || before == Bug
	case Bug, Warning:
		return before == Bug || before == Warning && kind == Warning
	}
	return false
}

func (c *Collector) start(kind Kind, r Record) {
	if len(c.faults) == maxFaults {
		c.faults = slices.Delete(c.faults, 0, 1)
	}
	c.faults = append(c.faults, Fault{Kind: kind, Uptime: r.Uptime})
	c.open, c.lines = true, 0
	for _, p := range c.prelude {
		c.append(p)
	}
	c.cut, c.prelude = false, nil
	c.append(r)
}

func (c *Collector) append(r Record) {
	f := &c.faults[len(c.faults)-1]
	c.lines++
	c.last = r.Uptime
	if len(f.Text)+len(r.Text)+1 <= MaxText {
		f.Text += r.Text + "\n"
	}
}

// Faults returns what was found so far, oldest first. The newest may still grow.
func (c *Collector) Faults() []Fault { return slices.Clone(c.faults) }

// Since returns the faults that began at or after an age of the boot.
func (c *Collector) Since(uptime time.Duration) []Fault {
	var found []Fault
	for _, f := range c.faults {
		if f.Uptime >= uptime {
			found = append(found, f)
		}
	}
	return found
}

// FindFaults returns the faults in text as a console or pstore shows it.
func FindFaults(text string) []Fault {
	var c Collector
	for _, r := range ParseText(text) {
		c.Add(r)
	}
	return c.faults
}
