package world

import (
	"math/rand/v2"
	"time"

	"github.com/hotstick/hotstick/internal/trace"
)

// Options are the knobs of a run. The zero value is filled from the seed.
type Options struct {
	// Events ends the run once so many have happened; 0 means 10,000.
	Events int
	// Hosts is the size of the fleet; 0 draws 20 to 60, and fewer for one that is mixed.
	Hosts int
	// Servers on one store; 0 draws 1 to 3.
	Servers int
	// Plans at most; 0 draws 1 to 3.
	Plans int
	// Live ends the faults in the middle of the run and then asks for liveness. In
	// such a run nobody steals the server.
	Live bool
	// Mixed gives half of the hosts the live-patch systems of vendors.
	Mixed bool
	// Touched lets levels touch more than the kernel's code.
	Touched bool
	// Evil is the strategy of a thief who steals the servers in the run; empty for an
	// ordinary run, in which somebody may steal them, too.
	Evil string
	// Pace is how often a host in an active rollout checks in.
	Pace time.Duration
	// Timeout is how long an agent waits for an answer that was lost.
	Timeout time.Duration
	// Trace, if not nil, is given each line of the trace.
	Trace func(line []byte)
	// Product, if not nil, takes what servers and loaders trace of themselves; no
	// rule of the run looks at it.
	Product trace.Sink `json:"-"`
	// inspect looks at the world at the end.
	inspect func(*World)
	// spoil makes every host learn a ban that nobody heeds, so that a rule breaks.
	spoil bool
}

// DefaultEvents is how long a run of the suite is.
const DefaultEvents = 10_000

// stream returns a generator for one purpose, so that leaving something out of a
// run does not move the rest.
func stream(seed uint64, purpose string, index int) *rand.Rand {
	h := uint64(14695981039346656037)
	for _, c := range []byte(purpose) {
		h = (h ^ uint64(c)) * 1099511628211
	}
	return rand.New(rand.NewPCG(seed, h+uint64(index)*0x9e3779b97f4a7c15))
}

func (o Options) filled(seed uint64) Options {
	r := stream(seed, "options", 0)
	hosts, servers, plans := 20+r.IntN(41), 1+r.IntN(3), 1+r.IntN(3)
	pace := time.Duration(2000+r.IntN(4000)) * time.Millisecond
	if o.Evil != "" {
		hosts, plans = 4+hosts%4, 4
	}
	if o.Mixed {
		hosts = 10 + hosts/4 // vendors' tools take their time
	}
	set := func(p *int, v int) {
		if *p == 0 {
			*p = v
		}
	}
	set(&o.Events, DefaultEvents)
	set(&o.Hosts, hosts)
	set(&o.Servers, servers)
	set(&o.Plans, plans)
	if o.Pace == 0 {
		o.Pace = pace
	}
	if o.Timeout == 0 {
		o.Timeout = 5 * time.Second
	}
	return o
}
