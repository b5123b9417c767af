package probe

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/kernel"
)

// Machine is what built-in probes look at.
type Machine struct {
	// Root is the host's root directory.
	Root fs.FS
	// Dir is a directory on the disk that the host lives on, in which a probe may write.
	Dir string
	// Uptime is an age on a clock that never jumps.
	Uptime func() time.Duration
}

// Settings are what the host's owner says of the built-in probes.
type Settings struct {
	// Rest is the pace at rest; 0 is [PaceRest].
	Rest time.Duration
	// Off are the names of those that are not asked.
	Off []string
	// Limits replace what a probe takes for healthy, by its name, in its own unit.
	Limits map[string]float64
}

// builtin is a probe that every host has, if its kernel can answer it.
type builtin struct {
	name   string
	unit   string
	limits Limits
	// watch is the pace while an attempt is under way; 0 is [PaceWatch].
	watch time.Duration
	meter func(m Machine) Meter
}

// builtins is the table of the built-in probes that measure. docs/reference/probes.md
// repeats it, which a test compares.
var builtins = []builtin{
	{name: "fsync", unit: hotstick.UnitSeconds, limits: Limits{Floor: 0.02, Times: 4, Ceiling: 2, Window: 24}, watch: 5 * time.Second,
		meter: func(m Machine) Meter { return fsync{m.Dir} }},
	{name: "memory", unit: hotstick.UnitRatio, limits: Limits{Floor: 0.6, Rise: 0.1, Ceiling: 0.98, Window: 60},
		meter: func(m Machine) Meter { return memory{m.Root} }},
	{name: "pressure_cpu", unit: hotstick.UnitRatio, limits: Limits{Floor: 0.8, Rise: 0.4, Window: 120},
		meter: func(m Machine) Meter { return pressure{m.Root, "cpu"} }},
	{name: "pressure_io", unit: hotstick.UnitRatio, limits: Limits{Floor: 0.6, Rise: 0.3, Window: 120},
		meter: func(m Machine) Meter { return pressure{m.Root, "io"} }},
	{name: "pressure_memory", unit: hotstick.UnitRatio, limits: Limits{Floor: 0.2, Rise: 0.15, Ceiling: 0.6, Window: 120},
		meter: func(m Machine) Meter { return pressure{m.Root, "memory"} }},
	{name: "run_queue", unit: hotstick.UnitSeconds, limits: Limits{Floor: 0.01, Times: 5, Window: 120},
		meter: func(m Machine) Meter { return &runQueue{root: m.Root, uptime: m.Uptime} }},
	{name: "slab", unit: hotstick.UnitBytesPerSecond, limits: Limits{Floor: 256 << 10, Times: 4, Window: 240, Smooth: 4},
		meter: func(m Machine) Meter { return &slab{root: m.Root, uptime: m.Uptime} }},
	{name: "tcp_retransmits", unit: hotstick.UnitRatio, limits: Limits{Floor: 0.02, Rise: 0.02, Times: 4, Ceiling: 0.3, Window: 120},
		meter: func(m Machine) Meter { return &retransmits{root: m.Root, uptime: m.Uptime} }},
}

// modulesName is the built-in probe that measures nothing.
const modulesName = "modules"

// Names lists the built-in probes that measure, and whether the name is one of a probe
// that is built in.
func Names() (measuring []string, all []string) {
	for _, b := range builtins {
		measuring = append(measuring, b.name)
	}
	all = append(slices.Clone(measuring), modulesName)
	slices.Sort(all)
	return measuring, all
}

// Health returns the built-in probes that this host's kernel can answer, and the names of
// those that it cannot.
func Health(m Machine, s Settings) (probes []Probe, lacking []string) {
	for _, b := range builtins {
		if slices.Contains(s.Off, b.name) {
			continue
		}
		meter := b.meter(m)
		if lacks(meter) {
			lacking = append(lacking, b.name)
			continue
		}
		limits := b.limits
		limits.Only = s.Limits[b.name]
		probes = append(probes, Probe{Name: b.name, Rest: s.Rest, Watch: b.watch,
			Asker: &measured{meter: meter, judge: NewJudge(limits), unit: b.unit, uptime: m.Uptime}})
	}
	if slices.Contains(s.Off, modulesName) {
		return probes, lacking
	}
	if loads := (&modules{root: m.Root}); lacks(loads) {
		lacking = append(lacking, modulesName)
	} else {
		probes = append(probes, Probe{Name: modulesName, Rest: s.Rest, Asker: loads})
	}
	return probes, lacking
}

// lacks reports whether a kernel cannot answer a built-in probe at all.
func lacks(probe any) bool {
	c, asks := probe.(interface{ offered() error })
	return asks && absent(c.offered())
}

// absent reports whether the kernel does not have what was to be read, has it switched
// off, such as pressure with psi=0, or does not show it to us.
func absent(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, errors.ErrUnsupported) || errors.Is(err, fs.ErrPermission)
}

type pressure struct {
	root     fs.FS
	resource string
}

// Measure implements [Meter].
func (p pressure) Measure(context.Context) (float64, error) {
	return kernel.Pressure(p.root, p.resource)
}

func (p pressure) offered() error { _, err := p.Measure(context.Background()); return err }

// runQueue is how long a task waits for a processor, each time it wants one.
type runQueue struct {
	root   fs.FS
	uptime func() time.Duration
	rate   rate
}

// Measure implements [Meter].
func (q *runQueue) Measure(context.Context) (float64, error) {
	w, err := kernel.RunQueue(q.root)
	if err != nil {
		return 0, err
	}
	waited, turns, _, ok := q.rate.over(mark{q.uptime(), w.Seconds, w.Turns})
	if !ok || turns < 1 || waited < 0 {
		return 0, errUnseen
	}
	return waited / turns, nil
}

func (q *runQueue) offered() error { _, err := kernel.RunQueue(q.root); return err }

// fewSegments is how many segments a span is thought to have at least, so that one lost
// segment of five is no alarm.
const fewSegments = 500

// retransmits is the share of TCP's segments that are sent again.
type retransmits struct {
	root   fs.FS
	uptime func() time.Duration
	rate   rate
}

// Measure implements [Meter].
func (r *retransmits) Measure(context.Context) (float64, error) {
	s, err := kernel.TCP(r.root)
	if err != nil {
		return 0, err
	}
	sent, again, _, ok := r.rate.over(mark{r.uptime(), s.Sent, s.Again})
	if !ok || sent < 0 || again < 0 {
		return 0, errUnseen
	}
	return again / max(sent, fewSegments), nil
}

func (r *retransmits) offered() error { _, err := kernel.TCP(r.root); return err }

// memory is the share of memory that nobody can have any more.
type memory struct{ root fs.FS }

// Measure implements [Meter].
func (m memory) Measure(context.Context) (float64, error) {
	use, err := kernel.ReadMemory(m.root)
	if err != nil {
		return 0, err
	}
	return 1 - use.Available/use.Total, nil
}

func (m memory) offered() error { _, err := kernel.ReadMemory(m.root); return err }

// slab is how fast the kernel's own memory grows that it cannot give back. A leak grows
// on; a step, such as many connections at once, ends.
type slab struct {
	root   fs.FS
	uptime func() time.Duration
	rate   rate
}

// Measure implements [Meter].
func (s *slab) Measure(context.Context) (float64, error) {
	use, err := kernel.ReadMemory(s.root)
	if err != nil {
		return 0, err
	}
	grown, _, seconds, ok := s.rate.over(mark{at: s.uptime(), counter: use.Slab})
	if !ok {
		return 0, errUnseen
	}
	return max(0, grown/seconds), nil
}

func (s *slab) offered() error { _, err := kernel.ReadMemory(s.root); return err }
