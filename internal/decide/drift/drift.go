// Package drift says how a host's kernel differs from what its ledger and the server
// expect of it, because of something that Hotstick did not do: somebody disabled or
// removed a level, loaded another live patch, booted another kernel, or put the machine
// back to an earlier moment. It is pure.
//
// A difference counts from the second check-in in a row that shows one, for what the
// agent reads of the kernel and what the loader says of its ledger are not of one
// moment. After a boot the level has [Settle] to come back. During an attempt, and
// while nobody can tell what the kernel runs, what was known before stays.
//
// Two kinds are known from the moment in which they happen and not from what is there
// later. snapshot stands until the level is back, or the ledger expects something that
// it did not expect after the machine was put back; other_kernel stands until the
// ledger expects a level again, or the host boots once more.
//
// hold_lifted is drift of what may start next and not of what runs. It counts at once, and
// stands until the system is on hold again or given back.
package drift

import (
	"time"

	"github.com/hotstick/hotstick"
)

// Settle is how long a level may take to come back after a boot. It is well above the
// time for which loaders let a boot settle; the attempt itself does not count.
const Settle = time.Minute

// Host is what one check-in says.
type Host struct {
	Boot  string
	Build hotstick.KernelBuild
	// Expected is what should be in effect as far as the ledger goes; nil if it says
	// nothing, as during an attempt.
	Expected *hotstick.PatchRef
	// InEffect is the level of ours that is.
	InEffect hotstick.PatchRef
	// Unclear: nobody can tell what the kernel runs, or it is changing.
	Unclear bool
	// Foreign is a live patch in effect that is not ours, and Master the system that says
	// it is its own; Disabled is a module that is there and disabled.
	Foreign, Master, Disabled string
	// Lifted is the system that is not on hold any more, and how.
	Lifted     string
	LiftedWhat hotstick.Lift
}

// Situation is what a judgement rests on: two check-ins, one after the other.
type Situation struct {
	Was *hotstick.Drift
	// Before is the newest check-in but one, made at Heard, and Now this one, at At.
	Before, Now Host
	Heard, At   time.Time
	// Restored: between the two the machine was put back to an earlier moment.
	Restored bool
}

// Judge returns how the host drifts now; nil if it does not. A lifted hold takes nothing from
// what is said of the kernel: that has its time to settle, with it or without.
func Judge(s Situation) *hotstick.Drift {
	var held *hotstick.Drift
	if s.Was != nil && s.Was.Kind == hotstick.DriftLifted {
		held, s.Was = s.Was, s.Was.Under.Drift()
	}
	d := s.level()
	switch {
	case d.Shown() != nil:
		return d
	case s.Now.Lifted != "":
		return s.lifted(held, d)
	case held != nil && s.Now.unknown():
		still := *held
		still.Under = d.Unsettled()
		return &still
	}
	return d
}

// level is the drift of what the kernel runs. While it differs, that a hold was lifted as
// well says less.
func (s Situation) level() *hotstick.Drift {
	if d := s.happened(); d != nil {
		return d
	}
	if s.Now.unknown() {
		return s.remembered()
	}
	kind, there := s.Now.differs(s.booted())
	switch {
	case !there && s.stands():
		return s.Was
	case !there:
		return nil
	case s.Was != nil && s.Was.Kind == kind && s.Was.Found == s.Now.InEffect && s.Was.Module == s.module(kind):
		return s.goesOn()
	}
	d := &hotstick.Drift{Kind: kind, Found: s.Now.InEffect, Module: s.module(kind), Since: s.At, Before: s.Heard, Pending: s.Was.Shown() == nil}
	if s.Now.Expected != nil {
		d.Expected = *s.Now.Expected
	}
	if kind == hotstick.DriftForeign {
		d.Master = s.Now.Master
	}
	return d
}

// lifted is the drift of a host whose system is not on hold any more. One source says so, and
// it has looked at the moment of the check-in: the first one is enough. Under it is how the
// kernel may begin to differ.
func (s Situation) lifted(was, under *hotstick.Drift) *hotstick.Drift {
	d := hotstick.Drift{Kind: hotstick.DriftLifted, Found: s.Now.InEffect, Master: s.Now.Lifted, Since: s.At, Before: s.Heard}
	if s.Now.Expected != nil {
		d.Expected = *s.Now.Expected
	}
	if was != nil && was.Master == s.Now.Lifted {
		d = *was
	}
	d.Detail, d.Under = s.Now.LiftedWhat.Detail, under.Unsettled()
	return &d
}

// unknown: nobody can tell what the kernel runs, or what it should.
func (h Host) unknown() bool { return h.Foreign == "" && (h.Expected == nil || h.Unclear) }

// happened is what is known from the moment in which it happens.
func (s Situation) happened() *hotstick.Drift {
	old, now := s.Before.Expected, s.Now.Expected
	if old == nil || now == nil || old.IsZero() || *old == *now || s.Before.Boot == "" {
		return nil
	}
	d := hotstick.Drift{Expected: *old, Found: *now, Since: s.At, Before: s.Heard}
	switch {
	case s.Restored:
		d.Kind = hotstick.DriftSnapshot
	case s.Before.Boot != s.Now.Boot && s.Before.Build != s.Now.Build && now.IsZero():
		d.Kind = hotstick.DriftKernel
	default:
		return nil
	}
	return &d
}

// remembered is what is known while nobody can tell: what was, and that the host has
// booted, for what is missing later in this boot went with it.
func (s Situation) remembered() *hotstick.Drift {
	if s.Was.Shown() != nil {
		return s.sinceBoot()
	}
	if s.Before.Boot == s.Now.Boot || s.Before.Expected == nil || s.Before.Expected.IsZero() {
		return s.Was
	}
	return &hotstick.Drift{Kind: hotstick.DriftRebooted, Expected: *s.Before.Expected, Since: s.At, Before: s.Heard, Pending: true}
}

// stands reports whether what happened before still counts, although nothing else
// differs.
func (s Situation) stands() bool {
	if s.Was == nil || s.Now.Expected == nil {
		return false
	}
	switch s.Was.Kind {
	case hotstick.DriftSnapshot:
		return s.Now.InEffect != s.Was.Expected && *s.Now.Expected == s.Was.Found
	case hotstick.DriftKernel:
		return s.Now.Expected.IsZero() && s.Now.Boot == s.Before.Boot
	}
	return false
}

// booted reports whether the level went with a boot, and not in this one.
func (s Situation) booted() bool {
	if s.Was != nil && s.Was.Kind == hotstick.DriftRebooted {
		return true
	}
	return s.Before.Boot != s.Now.Boot
}

// differs says in what a check-in shows a difference, if in anything.
func (h Host) differs(booted bool) (hotstick.DriftKind, bool) {
	switch {
	case h.Foreign != "":
		return hotstick.DriftForeign, true
	case h.InEffect == *h.Expected:
		return "", false
	case h.Expected.IsZero():
		return hotstick.DriftForeign, true // a level of ours of which the ledger knows nothing
	case booted:
		return hotstick.DriftRebooted, true
	case h.Disabled != "":
		return hotstick.DriftDisabled, true
	}
	return hotstick.DriftRemoved, true
}

func (s Situation) module(kind hotstick.DriftKind) string {
	switch kind {
	case hotstick.DriftForeign:
		return s.Now.Foreign
	case hotstick.DriftDisabled:
		return s.Now.Disabled
	}
	return ""
}

// sinceBoot is what was known. What went with a boot is missing since the newest one: each
// gives the level another chance to come back.
func (s Situation) sinceBoot() *hotstick.Drift {
	if s.Was.Kind != hotstick.DriftRebooted || s.Before.Boot == s.Now.Boot {
		return s.Was
	}
	d := *s.Was
	d.Since = s.At
	return &d
}

// goesOn is a difference that was there before; it counts once it has lasted.
func (s Situation) goesOn() *hotstick.Drift {
	d := *s.sinceBoot()
	if d.Kind != hotstick.DriftRebooted || s.At.Sub(d.Since) >= Settle {
		d.Pending = false
	}
	return &d
}
