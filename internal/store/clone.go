package store

import (
	"bytes"
	"maps"
	"slices"
	"time"

	"github.com/hotstick/hotstick"
)

// The Clone methods return what a store keeps of a value: a deep copy, with times
// in UTC (those of rows in whole microseconds) and empty slices and maps nil.
// Stores call them on the way in, so that all stores return the same.

// Instant returns t as a store keeps it: UTC, whole microseconds, no monotonic
// reading.
func Instant(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }

func instant(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	u := Instant(*t)
	return &u
}

// list copies a slice of values that hold no references; empty becomes nil.
func list[S ~[]E, E any](s S) S {
	if len(s) == 0 {
		return nil
	}
	return slices.Clone(s)
}

// deep copies a slice whose values need more than an assignment.
func deep[S ~[]E, E any](s S, clone func(E) E) S {
	s = list(s)
	for i := range s {
		s[i] = clone(s[i])
	}
	return s
}

func dict(m map[string]string) map[string]string {
	if len(m) == 0 {
		return nil
	}
	return maps.Clone(m)
}

func pointer[T any](p *T) *T {
	if p == nil {
		return nil
	}
	v := *p
	return &v
}

// blob copies bytes; empty becomes nil.
func blob(b []byte) []byte {
	if len(b) == 0 {
		return nil
	}
	return bytes.Clone(b)
}

// Clone returns what a store keeps of h.
func (h Host) Clone() Host {
	h.Identity = blob(h.Identity)
	h.Enrolled, h.LastSeen = Instant(h.Enrolled), Instant(h.LastSeen)
	h.Facts = CloneFacts(h.Facts)
	h.Patches = deep(h.Patches, clonePatch)
	h.Loader = h.Loader.Clone()
	h.Readings = CloneReadings(h.Readings)
	h.IllSince, h.Reverted = instant(h.IllSince), list(h.Reverted)
	h.Group, h.Lineage = dict(h.Group), h.Lineage.Clone()
	h.Drift = CloneDrift(h.Drift)
	return h
}

// CloneReadings returns what a store keeps of readings.
func CloneReadings(readings []hotstick.Reading) []hotstick.Reading {
	return deep(readings, func(r hotstick.Reading) hotstick.Reading {
		r.At = r.At.UTC()
		if r.Measure = pointer(r.Measure); r.Measure != nil {
			r.Measure.Usual, r.Measure.Limit = pointer(r.Measure.Usual), pointer(r.Measure.Limit)
		}
		return r
	})
}

// Clone returns what a store keeps of l.
func (l HostLoader) Clone() HostLoader {
	l.Plans, l.Strikes, l.Bans, l.Recalls = list(l.Plans), list(l.Strikes), list(l.Bans), list(l.Recalls)
	l.Expected, l.Stall, l.Hold = pointer(l.Expected), cloneStall(l.Stall), pointer(l.Hold)
	if l.Hold != nil {
		l.Hold.Since = l.Hold.Since.UTC()
	}
	return l
}

func cloneStall(s *hotstick.Stall) *hotstick.Stall {
	s = pointer(s)
	if s != nil {
		s.Blockers = deep(s.Blockers, func(b hotstick.Blocker) hotstick.Blocker { b.Stack = list(b.Stack); return b })
	}
	return s
}

// CloneDrift returns what a store keeps of a drift.
func CloneDrift(d *hotstick.Drift) *hotstick.Drift {
	d = pointer(d)
	if d != nil {
		d.Since, d.Before, d.Under = Instant(d.Since), Instant(d.Before), pointer(d.Under)
	}
	if d != nil && d.Under != nil {
		d.Under.Since, d.Under.Before = Instant(d.Under.Since), Instant(d.Under.Before)
	}
	return d
}

func clonePatch(p hotstick.LoadedPatch) hotstick.LoadedPatch {
	p.Replace, p.Functions, p.Waiting = pointer(p.Replace), list(p.Functions), list(p.Waiting)
	return p
}

// CloneFacts returns what a store keeps of facts.
func CloneFacts(f *hotstick.Facts) *hotstick.Facts {
	if f == nil {
		return nil
	}
	c := *f
	c.Host.BootedAt = c.Host.BootedAt.UTC()
	c.Kernel.Installed, c.Kernel.BuiltIn = list(c.Kernel.Installed), list(c.Kernel.BuiltIn)
	s := &c.Security
	s.Keys = list(s.Keys)
	s.SignatureEnforced, s.ModulesDisabled, s.SecureBoot = pointer(s.SignatureEnforced), pointer(s.ModulesDisabled), pointer(s.SecureBoot)
	c.Livepatch.Patches = deep(c.Livepatch.Patches, clonePatch)
	c.Tracing.Functions = deep(c.Tracing.Functions, func(f hotstick.TracedFunction) hotstick.TracedFunction {
		f.Handlers = list(f.Handlers)
		return f
	})
	c.Tracing.Tracers = deep(c.Tracing.Tracers, func(t hotstick.Tracer) hotstick.Tracer {
		t.Functions = list(t.Functions)
		return t
	})
	c.Tracing.Kprobes, c.Machine.Drivers = list(c.Tracing.Kprobes), list(c.Machine.Drivers)
	c.Services.Running, c.Services.RebootFor, c.Services.Cluster.Nodes = list(c.Services.Running), list(c.Services.RebootFor), list(c.Services.Cluster.Nodes)
	c.Sysctls, c.Withheld = dict(c.Sysctls), list(c.Withheld)
	c.Modules = list(c.Modules)
	c.Drivers = deep(c.Drivers, func(d hotstick.Capabilities) hotstick.Capabilities {
		d.Rollback, d.Reason, d.CoverUntil = list(d.Rollback), cloneReason(d.Reason), d.CoverUntil.UTC()
		return d
	})
	c.Masters = deep(c.Masters, func(m hotstick.Master) hotstick.Master {
		m.Modules, m.Lifted = list(m.Modules), pointer(m.Lifted)
		if m.Lifted != nil {
			m.Lifted.At, m.Lifted.Before = m.Lifted.At.UTC(), m.Lifted.Before.UTC()
		}
		return m
	})
	c.Labels = dict(c.Labels)
	if c.Windows != nil {
		w := *c.Windows
		w.RebootlessAllowed, w.PendingReboot, w.Against = pointer(w.RebootlessAllowed), list(w.PendingReboot), list(w.Against)
		c.Windows = &w
	}
	return &c
}

func cloneReason(r *hotstick.Reason) *hotstick.Reason {
	if r == nil {
		return nil
	}
	c := *r
	if c.Until != nil {
		until := c.Until.UTC()
		c.Until = &until
	}
	return &c
}

// Clone returns what a store keeps of p.
func (p Plan) Clone() Plan {
	p.Envelope, p.Reason = blob(p.Envelope), cloneReason(p.Reason)
	p.Created = Instant(p.Created)
	p.Approved, p.Started, p.Ended = instant(p.Approved), instant(p.Started), instant(p.Ended)
	return p
}

// Clone returns what a store keeps of h.
func (h PlanHost) Clone() PlanHost {
	h.Listed.Domains = dict(h.Listed.Domains)
	h.Listed.StandIn = pointer(h.Listed.StandIn)
	h.Reason, h.Evidence, h.Recall = cloneReason(h.Reason), list(h.Evidence), cloneReason(h.Recall)
	h.Updated = Instant(h.Updated)
	h.Granted, h.Started, h.Ended = instant(h.Granted), instant(h.Started), instant(h.Ended)
	return h
}

// Clone returns what a store keeps of e.
func (e Event) Clone() Event {
	e.At = Instant(e.At)
	e.Reason, e.Evidence = cloneReason(e.Reason), list(e.Evidence)
	return e
}

// Clone returns what a store keeps of b.
func (b Ban) Clone() Ban {
	b.Envelope, b.Reason, b.At = blob(b.Envelope), *cloneReason(&b.Reason), Instant(b.At)
	return b
}

// Clone returns what a store keeps of t.
func (t Token) Clone() Token {
	t.Expires, t.Used, t.Created = Instant(t.Expires), instant(t.Used), Instant(t.Created)
	t.Group, t.Revoked = dict(t.Group), instant(t.Revoked)
	t.Roles, t.Only = list(t.Roles), list(t.Only)
	return t
}

// Clone returns what a store keeps of a.
func (a Account) Clone() Account {
	a.Roles, a.Created, a.Since = list(a.Roles), Instant(a.Created), Instant(a.Since)
	return a
}

// Clone returns what a store keeps of m.
func (m Message) Clone() Message {
	m.Body = blob(m.Body)
	m.Created, m.Due, m.Done = Instant(m.Created), Instant(m.Due), instant(m.Done)
	return m
}

// Clone returns what a store keeps of e.
func (e Exclusion) Clone() Exclusion {
	e.Until, e.At = Instant(e.Until), Instant(e.At)
	return e
}

// Clone returns what a store keeps of f.
func (f Freeze) Clone() Freeze {
	f.From, f.Until, f.At = Instant(f.From), Instant(f.Until), Instant(f.At)
	return f
}

// Clone returns what a store keeps of s.
func (s Statement) Clone() Statement {
	s.Envelope, s.At = blob(s.Envelope), Instant(s.At)
	return s
}
