package probe

import (
	"context"
	"time"

	"github.com/hotstick/hotstick"
)

// Probe is one health check of the host.
type Probe struct {
	// Name is shown to people and groups readings.
	Name  string
	Asker Asker
	// Timeout bounds one asking; 0 is [DefaultTimeout].
	Timeout time.Duration
	// Rest and Watch are the times between two askings at rest and while an attempt is
	// under way; 0 are [PaceRest] and [PaceWatch].
	Rest, Watch time.Duration
}

// Asker looks at one side of the host. It is never called twice at once.
type Asker interface {
	// Ask says how the host is. It should return once the context ends; if it does not,
	// nobody waits for it. Watched: an attempt is under way, so the host is compared with
	// how it was before.
	Ask(ctx context.Context, watched bool) Answer
}

// Answer is what a probe says.
type Answer struct {
	Healthy bool
	// Detail is what the probe saw; opaque.
	Detail string
	// Measure is nil for a probe that only says yes or no.
	Measure *hotstick.Measure
}

// What holds where a probe's own settings say nothing.
const (
	DefaultTimeout = 5 * time.Second
	PaceRest       = time.Minute
	PaceWatch      = time.Second
)

// maxOutput bounds what is kept of what a probe's subject says, in bytes.
const maxOutput = 4 << 10

func (p Probe) timeout() time.Duration { return orElse(p.Timeout, DefaultTimeout) }

func (p Probe) pace(watched bool) time.Duration {
	if watched {
		return orElse(p.Watch, PaceWatch)
	}
	return orElse(p.Rest, PaceRest)
}

func orElse(d, otherwise time.Duration) time.Duration {
	if d > 0 {
		return d
	}
	return otherwise
}
