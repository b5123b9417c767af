package driver

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/kernel"
)

// Set is every driver that a loader changes its host by. The driver of a level says which
// of them loads it and takes it out.
type Set []Changer

// NewSet returns the set of some drivers, each of which has a name of its own.
func NewSet(members ...Changer) (Set, error) {
	for i, m := range members {
		if slices.ContainsFunc(members[:i], func(o Changer) bool { return o.Name() == m.Name() }) {
			return nil, fmt.Errorf("cannot have two drivers called %s", m.Name())
		}
	}
	if len(members) == 0 {
		return nil, errors.New("cannot do anything without a driver")
	}
	return members, nil
}

// Of returns the driver of a name.
func (s Set) Of(name string) (Changer, bool) {
	i := slices.IndexFunc(s, func(c Changer) bool { return c.Name() == name })
	if i < 0 {
		return nil, false
	}
	return s[i], true
}

// Can says what the driver of a name can do here; of one that there is not, nothing.
func (s Set) Can(ctx context.Context, name string) hotstick.Capabilities {
	if c, ok := s.Of(name); ok {
		return c.Capabilities(ctx)
	}
	return hotstick.Capabilities{Reason: &Refuse(hotstick.ReasonUnsupported, "there is no driver %s", name).Reason}
}

// Capabilities says what each driver can do here.
func (s Set) Capabilities(ctx context.Context) []hotstick.Capabilities {
	var all []hotstick.Capabilities
	for _, c := range s {
		all = append(all, c.Capabilities(ctx))
	}
	return all
}

// Observe lists every live patch that any driver knows, each module once: a vendor's
// driver knows its own modules better than the plain reading of sysfs does. A truth source
// that cannot be read is an error: what is not known is never nothing. So it is for a driver
// that cannot be used any more, such as klp where the kernel loads no modules since; only a
// kernel without live patching has none, and a vendor's system that is not there neither.
func (s Set) Observe(ctx context.Context) ([]hotstick.LoadedPatch, error) {
	var union []hotstick.LoadedPatch
	for _, c := range s {
		patches, err := c.Observe(ctx)
		if err != nil {
			if len(s) > 1 && ctx.Err() == nil && isAbsent(ctx, c, err) {
				continue
			}
			return union, fmt.Errorf("cannot observe what driver %s has loaded: %w", c.Name(), err)
		}
		union = Unite(union, patches)
	}
	return union, nil
}

// isAbsent reports whether a driver whose truth source cannot be read has none here.
func isAbsent(ctx context.Context, c Changer, err error) bool {
	if hotstick.ClassOf(c.Name()) == hotstick.TrustBytes {
		return errors.Is(err, kernel.ErrNoLivepatch)
	}
	return !c.Capabilities(ctx).Available
}

// Unite adds a driver's listing to that of others. Of two that list one module, the one
// that is no driver of bytes counts.
func Unite(union, more []hotstick.LoadedPatch) []hotstick.LoadedPatch {
	for _, p := range more {
		i := find(union, p.Module)
		switch {
		case i < 0:
			union = append(union, p)
		case hotstick.ClassOf(p.Driver) != hotstick.TrustBytes:
			union[i] = p
		}
	}
	return union
}

// Progress is how the newest step of a driver is going.
type Progress struct {
	// Module is the level's, and Apply tells whether it is to come or to go.
	Module string
	Apply  bool
	// Asked is the uptime at which the step was asked for.
	Asked time.Duration
	// First is the uptime at which the same was asked for first in the same direction of the
	// same attempt; Tries counts the steps before this one that were asked for it.
	First time.Duration
	Tries int
	// Ended is the uptime at which it ended, 0 while it runs.
	Ended time.Duration
	// Running: it has not ended, or not begun yet.
	Running bool
	// Refused is why it was not done; nil of one that was, or runs.
	Refused *Refusal
}

// Stepped is a Changer whose changes are made by steps: Load and Disable return once the
// step was asked for, and while it runs Observe lists the module as in transition.
type Stepped interface {
	Changer
	// Step says how the newest step is going; false if there was none in this boot.
	Step(ctx context.Context) (Progress, bool)
	// End asks a running step to begin nothing more, and returns before it has ended: what
	// it has begun it may end, within its own time (see [StepGrace]). With kill it is ended
	// whatever it does. What it has done by then, Observe says.
	End(ctx context.Context, kill bool) error
}

// Step says how the newest step of any of some drivers is going; false if there was none.
func (s Set) Step(ctx context.Context, names ...string) (Progress, bool) {
	var newest Progress
	found := false
	for _, name := range names {
		c, _ := s.Of(name)
		stepped, is := c.(Stepped)
		if !is {
			continue
		}
		if p, was := stepped.Step(ctx); was && (!found || cmp.Compare(p.Asked, newest.Asked) > 0) {
			newest, found = p, true
		}
	}
	return newest, found
}
