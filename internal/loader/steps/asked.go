package steps

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver"
)

// What a vendor's programs say a step has to hear (see [driver.Asking]): the loader's unit
// forbids most of what they do. The step keeps each answer in a file beside the desk's, and
// the loader's observers are given that in the place of the program.

// ObserveStep is the name of the step that asks the programs of all drivers.
const ObserveStep = "observe"

const (
	// maxSaid bounds a file of answers, in bytes, and maxRuns the answers in it.
	maxSaid = 1 << 20
	maxRuns = 32
)

// run is what a program said when it was asked.
type run struct {
	Argv   []string `json:"argv"`
	Stdout string   `json:"stdout,omitempty"`
	Stderr string   `json:"stderr,omitempty"`
	Code   int      `json:"code,omitempty"`
	// Missing: the program was not there. Error: it could not be run.
	Missing bool   `json:"missing,omitempty"`
	Error   string `json:"error,omitempty"`
}

// said is all that a driver's programs said at one time.
type said struct {
	Driver string `json:"driver"`
	// AtMillis is the boot's age before the first was asked, and Modules what the kernel had
	// loaded by then (see [Programs]).
	AtMillis int64 `json:"at_millis"`
	// EndMillis is the boot's age after the last had answered, or was given up.
	EndMillis int64  `json:"end_millis"`
	Modules   string `json:"modules"`
	Runs      []run  `json:"runs,omitempty"`
	// Failed: nobody could tell from it what the driver can or what is in effect, so it is
	// not kept for long.
	Failed bool `json:"failed,omitempty"`
}

func saidFile(driverName string) string { return "said-" + driverName + ".json" }

// recorder runs programs and remembers what they said.
type recorder struct {
	driver.Commands
	runs []run
}

func (r *recorder) Run(ctx context.Context, argv ...string) (driver.Ran, error) {
	ran, err := r.Commands.Run(ctx, argv...)
	entry := run{Argv: argv, Stdout: ran.Stdout, Stderr: ran.Stderr, Code: ran.Code}
	if err != nil {
		entry.Missing, entry.Error = errors.Is(err, driver.ErrNoProgram), err.Error()
	}
	if len(r.runs) < maxRuns {
		r.runs = append(r.runs, entry)
	}
	return ran, err
}

// askTime bounds what the programs of one driver may take.
const askTime = 30 * time.Second

// Ask asks a driver what it can and what is in effect, and keeps what its programs said to
// that for the loader. It is called in a step. The observer is one whose programs are run
// by what it is made with.
func (d *Desk) Ask(ctx context.Context, driverName, modules string, commands driver.Commands, observer func(driver.Commands) driver.Observer) error {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	s := said{Driver: driverName, AtMillis: d.Uptime().Milliseconds(), Modules: modules}
	heard := &recorder{Commands: commands}
	o := observer(heard)
	// What it makes of the answers is said in the loader, of the same ones.
	can := o.Capabilities(ctx)
	patches, err := o.Observe(ctx)
	s.Runs, s.Failed = heard.runs, err != nil || driver.Passing(can) || slices.ContainsFunc(patches, unknown)
	s.EndMillis = d.Uptime().Milliseconds()
	return Put(d.Dir, saidFile(driverName), s)
}

func unknown(p hotstick.LoadedPatch) bool { return p.State == hotstick.EffectUnknown }

const (
	// newEnough is the age up to which answers are taken without asking again, watched the
	// same while an attempt of the driver is under way and for answers that say that a program
	// failed, and oldest the age up to which they count while it is being asked again.
	newEnough = 5 * time.Minute
	watched   = 20 * time.Second
	oldest    = 20 * time.Minute
	// askPause is the least time between two askings.
	askPause = 5 * time.Second
	// patience is how long is waited for the first answers, and sulk how long is not waited
	// again where none came.
	patience = 5 * time.Second
	sulk     = 2 * time.Minute
	lookEach = 20 * time.Millisecond
)

// Programs are the [driver.Commands] of an observer within the loader: they run nothing,
// and say what the programs said when a step ran them last. They are safe for concurrent
// use. Only the first answers of a boot are waited for.
type Programs struct {
	Desk   *Desk
	Driver string
	// Installed tells whether a program is on the host.
	Installed func(program string) bool
	// Attempt tells whether an attempt of the driver is under way, and Modules what the
	// kernel has loaded, in some text: once that changes, answers are old.
	Attempt func() bool
	Modules func() string

	mu sync.Mutex
	// asked is when a step was asked for last, and sulking when one was waited for in vain;
	// 0 is never.
	asked, sulking time.Duration
}

var _ driver.Commands = (*Programs)(nil)

// Run implements [driver.Commands].
func (p *Programs) Run(ctx context.Context, argv ...string) (driver.Ran, error) {
	if !p.Installed(argv[0]) {
		return driver.Ran{}, fmt.Errorf("%w: %s", driver.ErrNoProgram, argv[0])
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	s, age, err := p.read()
	if err != nil {
		return driver.Ran{}, err
	}
	entry := s.of(argv)
	if entry == nil || entry.Missing && age > askPause || p.old(s, age) {
		p.ask(ctx)
	}
	if entry == nil || age > oldest {
		if entry = p.wait(ctx, argv); entry == nil {
			return driver.Ran{}, fmt.Errorf("cannot tell yet what %s says: a step is to ask it", argv[0])
		}
	}
	ran := driver.Ran{Stdout: entry.Stdout, Stderr: entry.Stderr, Code: entry.Code}
	switch {
	case entry.Missing: // its package was being replaced
		return ran, fmt.Errorf("cannot tell yet what %s says: it was not there when a step asked it", argv[0])
	case entry.Error != "":
		return ran, errors.New(entry.Error)
	}
	return ran, nil
}

// of returns what a program said to these arguments; nil if it was not asked.
func (s said) of(argv []string) *run {
	i := slices.IndexFunc(s.Runs, func(r run) bool { return slices.Equal(r.Argv, argv) })
	if i < 0 {
		return nil
	}
	return &s.Runs[i]
}

// read returns the newest answers and their age; none if they are of another boot.
func (p *Programs) read() (said, time.Duration, error) {
	var s said
	_, err := read(p.Desk.Dir, saidFile(p.Driver), maxSaid, &s)
	age := p.Desk.Uptime() - millis(s.AtMillis)
	if s.Driver != p.Driver || age < 0 {
		return said{}, 0, err
	}
	return s, age, err
}

// old reports whether the programs are to be asked again.
func (p *Programs) old(s said, age time.Duration) bool {
	// What hangs is given a pause from its end on: asking took longer than the answers last.
	paused := p.Desk.Uptime() - millis(s.EndMillis)
	return age > newEnough || paused > watched && s.Failed || age > watched && p.Attempt() || age > askPause && s.Modules != p.Modules()
}

// ask asks for a step. One of the driver's own asks too, before it ends.
func (p *Programs) ask(ctx context.Context) {
	now := p.Desk.Uptime()
	if p.asked != 0 && now-p.asked < askPause {
		return
	}
	if locked, err := p.Desk.locked(); err != nil || locked {
		return
	}
	p.asked = now
	_ = p.Desk.Starter.Start(ctx, ObserveStep) // without answers the driver is not available
}

// wait waits for answers where there are none.
func (p *Programs) wait(ctx context.Context, argv []string) *run {
	began := p.Desk.Uptime()
	if p.asked == 0 || began-p.asked > patience || p.sulking != 0 && began-p.sulking < sulk {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	timer := time.NewTicker(lookEach)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			p.sulking = p.Desk.Uptime()
			return nil
		case <-timer.C:
		}
		s, age, err := p.read()
		if entry := s.of(argv); err == nil && age < oldest && entry != nil {
			p.sulking = 0
			return entry
		}
	}
}
