package inventory

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/decide/drift"
	"github.com/hotstick/hotstick/internal/store"
)

// drift compares what the host runs with what is expected of it, and says when that
// begins to differ and when it does no more.
func (t *taking) drift() error {
	if t.modules == nil || t.host.Facts == nil {
		return nil
	}
	now := t.host
	now.LastSeen = t.tx.Now()
	s := drift.Situation{Was: t.old.Drift, Now: driftOf(now, t.modules), Heard: t.old.LastSeen, At: t.tx.Now(), Restored: t.restored}
	if t.old.Facts != nil && !t.old.LastSeen.IsZero() {
		s.Before = driftOf(t.old, t.modules)
	} else {
		s.Before = s.Now
	}
	t.host.Drift = drift.Judge(s)
	was, is := t.old.Drift.Shown(), t.host.Drift.Shown()
	switch {
	case is != nil && (was == nil || was.Kind != is.Kind || was.Module != is.Module):
		return t.tell(NotifyDrift, store.Event{Kind: HostDrifted, State: string(is.Kind), Patch: is.Expected, Evidence: driftEvidence(*is)})
	case is == nil && was != nil:
		return t.tell(NotifyAligned, store.Event{Kind: HostAligned, State: string(was.Kind), Patch: was.Expected})
	}
	return nil
}

// unsettled reports whether the host differs, or may differ, from what is expected of
// it, so that its next check-in must be looked at whatever it says.
func (t *taking) unsettled() bool { return t.host.Drift.Settling() }

// tell appends an event and tells people of it.
func (t *taking) tell(kind string, e store.Event) error {
	e.Host, e.HostName = t.host.ID, t.host.Name
	e, err := t.tx.Events().Append(e)
	if err != nil {
		return err
	}
	return Notify(t.tx, kind, e)
}

// driftOf is what a check-in says of the kernel and of what is expected of it.
func driftOf(h store.Host, modules Modules) drift.Host {
	truth := Read(h, modules, h.LastSeen, 0)
	d := drift.Host{Boot: h.Boot, Build: h.Facts.Kernel.Build, Expected: h.Loader.Expected, InEffect: truth.Level,
		Unclear: truth.Knowledge != Known || h.Loader.Busy, Foreign: truth.Foreign}
	if truth.Level.IsZero() && !h.Loader.InEffect.IsZero() {
		// The loader knows the module as ours, and the catalog does not any more.
		d.InEffect, d.Foreign = h.Loader.InEffect, ""
	}
	for _, m := range h.Facts.Masters {
		if m.Lifted != nil && d.Lifted == "" {
			d.Lifted, d.LiftedWhat = m.System, *m.Lifted
		}
		if d.Foreign == "" || !slices.Contains(m.Modules, d.Foreign) {
			continue
		}
		if d.Master = m.System; m.Adopted {
			d.Foreign, d.Master = "", ""
		}
	}
	i := slices.IndexFunc(h.Patches, func(p hotstick.LoadedPatch) bool { return p.State == hotstick.Disabled })
	if i >= 0 {
		d.Disabled = h.Patches[i].Module
	}
	return d
}

// driftEvidence says what was found, and between which check-ins it happened.
func driftEvidence(d hotstick.Drift) []hotstick.Evidence {
	found := "the kernel as it booted"
	switch {
	case d.Module != "":
		found = d.Module
	case !d.Found.IsZero():
		found = d.Found.String()
	}
	if d.Kind == hotstick.DriftLifted {
		found = cmp.Or(d.Detail, "not on hold")
	}
	if d.Master != "" {
		found += " of " + d.Master
	}
	when := "by " + d.Since.Format(time.RFC3339)
	if !d.Before.IsZero() {
		when = fmt.Sprintf("between %s and %s", d.Before.Format(time.RFC3339), d.Since.Format(time.RFC3339))
	}
	return []hotstick.Evidence{{Kind: "found", Text: found}, {Kind: "when", Text: when}}
}

// transition notes when a transition begins to stall, and when none does any more.
func (t *taking) transition() error {
	switch was, is := t.old.Loader.Stall, t.host.Loader.Stall; {
	case is != nil && (was == nil || was.Module != is.Module):
		return t.tell(NotifyStall, store.Event{Kind: HostStalled, State: is.Module,
			Reason: &hotstick.Reason{Code: hotstick.ReasonTransitionStalled, Subject: is.Module}, Evidence: stallEvidence(*is)})
	case is == nil && was != nil:
		return t.event(store.Event{Kind: HostUnstalled, State: was.Module})
	}
	return nil
}

// stallEvidence is a line for each of the first blockers.
func stallEvidence(s hotstick.Stall) []hotstick.Evidence {
	var out []hotstick.Evidence
	for _, b := range s.Blockers[:min(len(s.Blockers), maxTold)] {
		meaning, _ := b.Cause.Meaning()
		out = append(out, hotstick.Evidence{Kind: "blocked_task", Text: fmt.Sprintf("%s (%d): %s", b.Command, b.TID, meaning)})
	}
	return out
}

// maxTold bounds the blockers that one event names.
const maxTold = 4

// Barred says what on a host itself keeps a driver from starting anything there: it is
// switched off, somebody holds it, or a live-patch system stands in the way (see
// [hotstick.Rival]). Nil if nothing does. The driver "" stands for all that patch live.
func Barred(h store.Host, driver string) *hotstick.Reason {
	switch {
	case h.Loader.Off != "":
		return &hotstick.Reason{Code: hotstick.ReasonSwitchedOff, Subject: h.Loader.Off}
	case h.Loader.Hold != nil:
		return &hotstick.Reason{Code: hotstick.ReasonHeldOnHost, Subject: h.Loader.Hold.By, Detail: h.Loader.Hold.Reason}
	case h.Facts == nil:
		return nil
	case driver == "":
		return hotstick.Ruled(h.Facts.Masters, h.Facts.Drivers)
	}
	return hotstick.Rival(driver, h.Facts.Masters, h.Facts.Drivers)
}

// held notes when somebody begins to hold the host, or switches it off there, and when
// neither is so any more.
func (t *taking) held() error {
	was, is := t.old.Loader, &t.host.Loader
	if !t.req.Loader.Heard() { // nobody was asked
		if is.Hold == nil {
			is.Hold = was.Hold
		}
		if is.Off == "" {
			is.Off = was.Off
		}
	}
	switch {
	case is.Off == was.Off && alike(is.Hold, was.Hold):
		return nil
	case is.Off == "" && is.Hold == nil:
		return t.event(store.Event{Kind: HostUnheld})
	}
	return t.event(store.Event{Kind: HostHeld, Reason: Barred(store.Host{Loader: *is}, "")})
}
