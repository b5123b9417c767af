package fake

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/kernel/klog"
)

// Config describes a simulated machine.
type Config struct {
	// Name seeds everything that must differ between machines, such as boot IDs.
	Name string
	// Build is the kernel build that runs.
	Build hotstick.KernelBuild
	// Clock tells the time. It must never go back.
	Clock func() time.Time
	// Transition is how long a transition takes if its module's behaviour does
	// not say; 0 ends it at once.
	Transition time.Duration
	// Behaviours are keyed by module name. A module that is not listed is good.
	Behaviours map[string]Behaviour
	// Files are further files of the machine's tree (see [Kernel.FS]), such as
	// etc/os-release. They replace what the simulation would show.
	Files map[string]string
	// OnDown is told of each crash, once, after it happened. It may call the
	// kernel's methods.
	OnDown func(Crash)
}

// Behaviour is what a module does to its host.
type Behaviour struct {
	// Transition overrides the time that the way in takes.
	Transition time.Duration
	// Stall keeps the way in from ever ending: a thread sleeps in the first of the
	// Functions. Its reversal ends.
	Stall bool
	// StallOut keeps the way out from ever ending, until the behaviour changes.
	StallOut bool
	// Sleepy: the way in ends only once somebody helps it (see [driver.Helper]).
	Sleepy bool
	// Refuse makes the kernel refuse the module, with this reason.
	Refuse hotstick.ReasonCode
	// Errno is the error with which finit_module fails, for drivers that work on
	// [Kernel.Calls].
	// Says is what the kernel logs with it.
	Errno syscall.Errno
	Says  string
	// Crash takes the host down CrashAfter the load, as long as the module's code
	// is in memory by then.
	Crash      bool
	CrashAfter time.Duration
	// Ill is what a health probe says while the module is in effect; empty for a
	// healthy one.
	Ill string
	// Warns is logged by the kernel as a WARN when the module comes into effect,
	// and sets taint W.
	Warns string
	// Stacks: the module does not replace older ones.
	Stacks bool
	// Unreadable: the truth source cannot tell the module's state.
	Unreadable bool
	// Functions are what the module patches, written OBJECT:FUNCTION,POSITION.
	Functions []string
}

// Crash is one unclean end of a boot.
type Crash struct {
	At     time.Time
	BootID string
	// Module is the module that did it; empty if it was none.
	Module string
	// Trace is what the kernel printed last, as pstore keeps it.
	Trace string
}

// Kernel is a simulated machine. Its methods may be called concurrently.
type Kernel struct {
	cfg Config

	mu         sync.Mutex // guards all below
	behaviours map[string]Behaviour
	boots      int
	bootedAt   time.Time
	down       bool
	crash      *Crash // the last one, kept like pstore keeps it
	unheard    []Crash
	modules    []*module // in load order
	moving     *module
	until      time.Time // end of the transition; zero: never
	helped     int
	taint      uint64
	log        []klog.Record
}

// module is one module in memory.
type module struct {
	name     string
	srcver   string
	does     Behaviour
	klp      bool // a live patch
	patched  bool // registered: enabled, or in transition
	enabled  bool // the target state
	loadedAt time.Time
}

// Bits of the taint mask, from Documentation/admin-guide/tainted-kernels.rst.
const (
	taintWarn      = 1 << 9
	taintOutOfTree = 1 << 12
	taintUnsigned  = 1 << 13
	taintLivepatch = 1 << 15
)

// New boots a machine.
func New(cfg Config) *Kernel {
	k := &Kernel{cfg: cfg, behaviours: map[string]Behaviour{}}
	maps.Copy(k.behaviours, cfg.Behaviours)
	k.boot()
	return k
}

func (k *Kernel) boot() {
	k.boots++
	k.bootedAt = k.cfg.Clock()
	k.down = false
	k.modules, k.moving, k.taint, k.log = nil, nil, 0, nil
}

// Boot starts the machine again, after a crash or instead of one: a new boot ID,
// nothing loaded. The crash record of the last crash stays readable.
func (k *Kernel) Boot() {
	k.enter()
	k.boot()
	k.leave()
}

// Crash takes the machine down now, for a cause that is no module: power, or a
// fault elsewhere. An empty trace leaves no crash record.
func (k *Kernel) Crash(trace string) {
	k.enter()
	if !k.down {
		k.goDown(Crash{At: k.cfg.Clock(), BootID: k.bootID(), Trace: trace})
	}
	k.leave()
}

// ClearCrash removes the crash record, as the host does once it has read it.
func (k *Kernel) ClearCrash() {
	k.enter()
	k.crash = nil
	k.leave()
}

// Behave changes what a module does from now on, loaded or not.
func (k *Kernel) Behave(name string, does Behaviour) {
	k.enter()
	defer k.leave()
	k.behaviours[name] = does
	if m := k.find(name); m != nil {
		m.does = does
		if m == k.moving && k.until.IsZero() && !k.stalls(m) {
			k.until = k.cfg.Clock().Add(k.cfg.Transition)
		}
	}
}

// Helped counts how often a transition was helped, whatever came of it.
func (k *Kernel) Helped() int {
	k.enter()
	defer k.leave()
	return k.helped
}

// Settle lets everything happen that is due.
func (k *Kernel) Settle() {
	k.enter()
	k.leave()
}

// Next returns the time of the next thing that will happen by itself, and
// whether there is one.
func (k *Kernel) Next() (time.Time, bool) {
	k.enter()
	defer k.leave()
	return k.next()
}

// State is what a simulated host can see of its kernel without a driver.
type State struct {
	BootID   string
	BootedAt time.Time
	Down     bool
	Taint    uint64
	// Ill is the first complaint of a module in effect; empty if all is well.
	Ill string
	// Log is the kernel log of this boot.
	Log []klog.Record
	// LastCrash is the crash record that survived the last reboot, if any.
	LastCrash *Crash
}

// State returns the machine's state now.
func (k *Kernel) State() State {
	k.enter()
	defer k.leave()
	s := State{BootID: k.bootID(), BootedAt: k.bootedAt, Down: k.down, Taint: k.taint, Log: slices.Clone(k.log)}
	if k.crash != nil {
		crash := *k.crash
		s.LastCrash = &crash
	}
	for _, m := range k.modules {
		if m.does.Ill != "" && m.patched && m.enabled && k.moving != m {
			s.Ill = m.does.Ill
			break
		}
	}
	return s
}

// bootID derives the ID of the current boot, in the form of the kernel's.
func (k *Kernel) bootID() string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s boot %d", k.cfg.Name, k.boots))
	h := hex.EncodeToString(sum[:16])
	return h[:8] + "-" + h[8:12] + "-4" + h[13:16] + "-a" + h[17:20] + "-" + h[20:]
}

// enter locks and lets happen what is due.
func (k *Kernel) enter() {
	k.mu.Lock()
	k.catchUp(k.cfg.Clock())
}

// leave unlocks and tells of the crashes that happened meanwhile.
func (k *Kernel) leave() {
	heard := k.unheard
	k.unheard = nil
	k.mu.Unlock()
	if k.cfg.OnDown == nil {
		return
	}
	for _, c := range heard {
		k.cfg.OnDown(c)
	}
}

func (k *Kernel) printk(at time.Time, format string, args ...any) {
	k.log = append(k.log, klog.Record{
		Seq: uint64(len(k.log)), Uptime: at.Sub(k.bootedAt), Text: fmt.Sprintf(format, args...),
	})
}
