package loader

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"sync"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/catalog"
	"github.com/hotstick/hotstick/internal/driver"
	"github.com/hotstick/hotstick/internal/failpoint"
	"github.com/hotstick/hotstick/internal/loader/ledger"
	"github.com/hotstick/hotstick/internal/loader/link"
	"github.com/hotstick/hotstick/internal/loader/touch"
	"github.com/hotstick/hotstick/internal/planted"
	"github.com/hotstick/hotstick/internal/trace"
)

// Config is what a loader is made of. All fields from Limits on may be left out.
type Config struct {
	// Drivers are those that this host may be changed by, each under its own name; at
	// least one.
	Drivers  driver.Set
	Clock    Clock
	Disk     Disk
	Kernel   Kernel
	Catalog  Catalog
	Identity Identity
	// Tasks names what keeps a transition from ending. Nil: nobody can tell.
	Tasks Tasks
	// Root is the digest of the root from which Catalog verifies. The ledger pins it
	// the first time; see [Loader.PinRoot]. Empty: nothing is pinned.
	Root hotstick.Digest
	// Limits are DefaultLimits if zero, and so are those of a transition each.
	Limits Limits
	// Labels are those set on this host itself, which rules for late hosts are
	// compared with. Nil: there are none.
	Labels Labels
	// Dropped takes the recalls out of files that somebody has brought to this host,
	// and returns the catalog with them, if any was new. Nil: nobody brings any.
	Dropped func() (catalog.View, bool)
	// Off says what switches Hotstick off on this host. Nil: nothing ever does.
	Off func() Off
	// Others are other live-patch systems on this host. Nil: there are none.
	Others Others
	// Journal takes what happened, for people on the host. Nil: nobody reads it.
	Journal Journal
	// Keys are those that the kernel takes module signatures from; only root is shown
	// them, so the loader tells the agent. Nil: unknown.
	Keys []hotstick.KernelKey
	// Tracing looks who else has hooked into the kernel's functions, which only root is
	// shown. Nil: nobody can tell.
	Tracing func() hotstick.TracingFacts
	// Model is the machine's maker and product (see [hotstick.HostFacts]), which the print
	// of a crash names; empty if unknown.
	Model string
	// Touch is what patches touch beside the kernel. Nil: a patch that touches anything
	// is refused.
	Touch touch.World
	// Bell takes the digest of what an agent that calls would be told (see
	// [link.Response.State]), over and over; empty during an attempt. It is called within
	// the loader's own calls and must not call it back. Nil: agents always call.
	Bell func(hotstick.Digest)
	// Ordered returns the boot in which a step told the machine to reboot last, and the
	// kernel build that it was to boot; empty if none did. Nil: none ever does.
	Ordered func() (boot string, to hotstick.KernelBuild)
	// Random gives the nonces; crypto/rand if nil.
	Random io.Reader
	// Rest is called when the loader has nothing to do any more, to give memory
	// back. Nil does nothing.
	Rest func()
	// Log is silent if nil.
	Log *slog.Logger
	// Trace takes what the loader does; nil means nobody does. It is called within
	// the loader's own calls and must not call it back.
	Trace trace.Sink
}

// Loader is the only code that changes a kernel. Its methods are safe for
// concurrent use.
type Loader struct {
	cfg  Config
	boot string
	// build is the running kernel build.
	build hotstick.KernelBuild
	// wake makes Run tick at once.
	wake chan struct{}

	// stepping admits one Tick at a time. It is taken before mu, and held while
	// the driver works; mu never is.
	stepping sync.Mutex

	// mu guards everything below.
	mu  sync.Mutex
	led ledger.Ledger
	// broken says why the ledger cannot be used; then nothing starts, ever.
	broken error
	// unsaved: the ledger in memory is newer than the one on disk.
	unsaved bool
	// saved is the newest report that is on disk; no later one is handed out.
	saved  uint64
	run    attemptRun
	health health
	nonces nonces
	// patches is the newest observation; nil before the first.
	patches []hotstick.LoadedPatch
	// blind is why the truth source could not be read at the last observation;
	// empty if it could.
	blind string
	// moving is the transition that runs in the kernel, ours or not.
	moving course
	// wayOut is the confirmed level that waits for an order to go back.
	wayOut wayOut
	// known is what is looked at now and then only.
	known known
	// waiting: a permit's level is about to come back.
	waiting  bool
	settling settling
	// view is the last trusted catalog; viewed tells whether there is one.
	view   catalog.View
	viewed bool
	// floor is the latest time that anything was judged by; see judged.
	floor time.Time
	// held are digests of bytes that are known to be on the loader's own disk.
	held map[hotstick.Digest]bool
	// downgrades are signed statements that came with grants, oldest first.
	downgrades []json.RawMessage
}

// attemptRun is what only the process that runs an attempt knows.
type attemptRun struct {
	// mayLoad: this process wrote the intent and has not asked for the load.
	mayLoad   bool
	loadError string
	// refused is why the kernel did not take the attempt's level.
	refused  *hotstick.Reason
	loadedAt time.Duration
	order    *hotstick.Reason
	// touchFailed is why a touch of the attempt could not be made, and touchedAt when
	// putting one back failed last.
	touchFailed *hotstick.Reason
	// touchWaits is since when a touch waits for a driver's step; 0 if none does.
	touchWaits time.Duration
	// movedAt is when a transition was seen last.
	movedAt   time.Duration
	touchedAt time.Duration
	// askFrom is from when on a step is asked for again that could not be, and asked how
	// often that was so.
	askFrom time.Duration
	asked   int
	// stepping is the module of the step that runs for the attempt; empty if none does.
	stepping string
}

// New starts a loader: it reads the ledger and brings it into this boot, which
// is where a strike is written if the last boot ended badly. A ledger that
// cannot be read does not fail the start; such a loader answers its agent,
// refuses every document with ledger_unwritable, and changes nothing.
func New(cfg Config) (*Loader, error) {
	if cfg.Limits == (Limits{}) {
		cfg.Limits = DefaultLimits
	}
	cfg.Limits.TransitionWait = cmp.Or(cfg.Limits.TransitionWait, DefaultLimits.TransitionWait)
	cfg.Limits.TransitionHelp = cmp.Or(cfg.Limits.TransitionHelp, DefaultLimits.TransitionHelp)
	if cfg.Labels == nil {
		cfg.Labels = func() (map[string]string, error) { return nil, nil }
	}
	if cfg.Others == nil {
		cfg.Others = alone{}
	}
	if cfg.Journal == nil {
		cfg.Journal = noJournal{}
	}
	if cfg.Ordered == nil {
		cfg.Ordered = func() (string, hotstick.KernelBuild) { return "", hotstick.KernelBuild{} }
	}
	if cfg.Random == nil {
		cfg.Random = rand.Reader
	}
	if cfg.Rest == nil {
		cfg.Rest = func() {}
	}
	if cfg.Trace == nil {
		cfg.Trace = trace.Discard
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	boot, err := cfg.Kernel.Boot()
	if err != nil {
		return nil, fmt.Errorf("cannot start without the boot ID: %w", err)
	}
	build, err := cfg.Kernel.Build()
	if err != nil {
		return nil, fmt.Errorf("cannot start without knowing the kernel build: %w", err)
	}
	l := &Loader{cfg: cfg, boot: boot, build: build, wake: make(chan struct{}, 1), held: map[hotstick.Digest]bool{}}
	l.health.since = cfg.Clock.Uptime()
	l.nonces.life = grantLife
	if l.view, err = cfg.Catalog.Load(); err == nil {
		l.viewed = true
	} else if !errors.Is(err, fs.ErrNotExist) {
		cfg.Log.Error("cannot read the last trusted catalog", "error", err)
	}
	if err := l.open(); err != nil {
		l.broken = err
		cfg.Log.Error("cannot use the ledger; nothing will be started", "error", err)
	}
	if l.strange() {
		l.view, l.viewed = catalog.View{}, false
		cfg.Log.Error("cannot trust the catalog: the root that the loader was told is not the one that it has pinned; if that is meant: hotstick-loader --new-root",
			"told", cfg.Root.Short(), "pinned", l.led.Root.Short())
	}
	l.findTracers() // an agent that calls before the first tick would else be told of none
	return l, nil
}

// open reads the ledger and writes it back as this boot's. If it can be read and
// not written, the loader goes on: it can start nothing, but it still takes a
// patch on probation back out.
func (l *Loader) open() error {
	old, err := l.read()
	if err != nil {
		return err
	}
	crashes, err := l.freshCrashes(old)
	if err != nil {
		l.cfg.Log.Warn("cannot read the crash records of earlier boots", "error", err)
	}
	l.saved = old.Seq
	if planted.Bug("bans-lost-on-restart") {
		old.Bans = nil
	}
	if planted.Bug("halts-lost-on-restart") {
		old.Halts = nil
	}
	at := l.moment(nil)
	at.model, at.build = l.cfg.Model, l.build
	at.ordered, at.orderedTo = l.cfg.Ordered()
	l.led = wake(old, crashes, at)
	if len(l.led.Strikes) > len(old.Strikes) {
		failpoint.Here(failpoint.LoaderStrikeBeforeSave)
	}
	if err := l.save(l.led); err != nil {
		l.unsaved = true
		l.cfg.Log.Error("cannot write the ledger; nothing is started until that works", "error", err)
	}
	l.tellBoot(&old, &l.led)
	l.tellChange(&old, &l.led)
	failpoint.Here(failpoint.LoaderBootWritten)
	healed := l.heal(old)
	l.chronicle(&healed, &l.led)
	return nil
}

// read returns the ledger on disk, or a new one where there is none.
func (l *Loader) read() (ledger.Ledger, error) {
	data, err := l.cfg.Disk.Load()
	if errors.Is(err, fs.ErrNotExist) {
		return ledger.New(l.boot), nil
	}
	if err != nil {
		return ledger.Ledger{}, err
	}
	return ledger.Decode(data)
}

// freshCrashes returns the crash records that no earlier boot was judged by.
func (l *Loader) freshCrashes(old ledger.Ledger) ([]Crash, error) {
	crashes, err := l.cfg.Kernel.Crashes()
	known := map[hotstick.Digest]bool{}
	for _, d := range old.Crashes {
		known[d] = true
	}
	var fresh []Crash
	for _, c := range crashes {
		if !known[c.ID] {
			fresh = append(fresh, c)
		}
	}
	return fresh, err
}

// save writes a ledger durably. The caller holds mu, or is New.
func (l *Loader) save(led ledger.Ledger) error {
	led.Boot.ClockMillis = led.Clock(l.cfg.Clock.Uptime())
	data, err := ledger.Encode(led)
	if err != nil {
		return err
	}
	failpoint.Here(failpoint.LoaderLedgerBeforeSave)
	if err := l.cfg.Disk.Save(data); err != nil {
		return err
	}
	failpoint.Here(failpoint.LoaderLedgerAfterSave)
	old := l.led
	l.led, l.saved, l.unsaved = led, led.Seq, false
	l.tellChange(&old, &led)
	l.chronicle(&old, &led)
	return nil
}

// change applies a change to the ledger if it can be made durable; otherwise
// nothing has changed. The caller holds mu.
func (l *Loader) change(f func(*ledger.Ledger)) error {
	if l.broken != nil {
		return l.broken
	}
	led := l.led.Clone()
	f(&led)
	was, is := l.led.Attempt != nil, led.Attempt != nil
	if !was && is && planted.Bug("intent-not-durable") || was && !is && planted.Bug("confirm-not-durable") {
		l.led = led
		return nil
	}
	return l.save(led)
}

// changeAnyway applies a change also if it cannot be made durable now: the way
// back must not depend on a disk. It is saved as soon as that works again. The
// caller holds mu.
func (l *Loader) changeAnyway(f func(*ledger.Ledger)) {
	if err := l.change(f); err == nil {
		return
	} else {
		l.cfg.Log.Error("cannot write the ledger; going back goes on in memory", "error", err)
	}
	old := l.led.Clone()
	f(&l.led)
	l.unsaved = true
	l.tellChange(&old, &l.led)
	l.chronicle(&old, &l.led)
}

// saw takes the result of an observation. What keeps going wrong is logged once.
// The caller holds mu.
func (l *Loader) saw(patches []hotstick.LoadedPatch, err error) {
	if err == nil {
		l.tellKernel(l.patches, patches)
		l.patches, l.blind = patches, ""
		l.moving = l.moving.follow(patches, l.cfg.Clock.Uptime(), l.led.Attempt, l.run.stepping)
		if l.moving.module != "" {
			l.run.movedAt = l.cfg.Clock.Uptime()
		}
		return
	}
	if l.blind != err.Error() {
		l.blind = err.Error()
		l.cfg.Log.Warn("cannot observe what is loaded", "error", err)
	}
}

// moment is now, with what was observed to be loaded. The caller holds mu, or is
// New.
func (l *Loader) moment(patches []hotstick.LoadedPatch) moment {
	return moment{wall: l.cfg.Clock.Now(), uptime: l.cfg.Clock.Uptime(), boot: l.boot, inEffect: l.inEffect(patches)}
}

// inEffect names the level of ours that the kernel runs. The caller holds mu, or
// is New.
func (l *Loader) inEffect(patches []hotstick.LoadedPatch) hotstick.PatchRef {
	for _, level := range l.ours() {
		if state, ok := effect(patches, level.Module); ok && state == hotstick.InEffect {
			return level.Patch
		}
	}
	return hotstick.PatchRef{}
}

// ours lists the levels that this loader may have put into the kernel, the
// newest first. The caller holds mu, or is New.
func (l *Loader) ours() []ledger.Level {
	var levels []ledger.Level
	if a := l.led.Attempt; a != nil {
		levels = append(levels, a.Level)
		if a.Before != nil {
			levels = append(levels, *a.Before)
		}
	}
	for _, p := range []*ledger.Permit{l.led.Permit, l.led.Former} {
		if p != nil {
			levels = append(levels, p.Level)
		}
	}
	for _, p := range l.led.Plans {
		if p.Level != nil {
			levels = append(levels, *p.Level)
		}
	}
	return levels
}

// Stop writes the mark of a clean stop. It is called when the process is told to
// end, which may be the machine's shutdown; see package ledger for how a mere
// restart differs. A loader that was idle and has ended is stood in for by [MarkClean].
func (l *Loader) Stop() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cfg.Bell != nil {
		l.cfg.Bell("") // whoever stops a loader wants to see that it is gone
	}
	return l.change(func(led *ledger.Ledger) { led.Boot.Clean = true })
}

// Run ticks until the context ends, at the pace that the work asks for. It ends by
// itself, with [ErrIdle], once [Limits].Idle is over.
func (l *Loader) Run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	rested := false
	for {
		select {
		case <-ctx.Done():
			return l.Stop()
		case <-l.wake:
		case <-timer.C:
		}
		pace := l.Tick(ctx)
		if pace == paceIdle && !rested {
			l.cfg.Rest()
		}
		rested = pace == paceIdle
		if left, may := l.Idle(); may && left <= 0 {
			return l.leave()
		} else if may {
			pace = min(pace, left)
		}
		timer.Reset(pace)
	}
}

// nudge makes Run tick at once.
func (l *Loader) nudge() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

var _ link.Loader = (*Loader)(nil)
