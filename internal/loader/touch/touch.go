package touch

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/loader/ledger"
)

// ErrBusy: nothing can be touched while a step of a driver runs. That passes.
var ErrBusy = errors.New("cannot touch anything while a step of a driver runs")

// World is what can be touched. Its calls end by themselves in bounded time. Where it must
// wait for somebody else's work to end, they return [ErrBusy] at once and have changed
// nothing.
type World interface {
	// Read returns the value that a thing has now: of a sysctl or parameter what the
	// kernel says, of a module [Loaded] or [Absent], of a service [Active] or [Inactive].
	// A command has none; an error says that there is no such program. After the first
	// word, the value of a module may have what else is needed to put it back.
	Read(ctx context.Context, t hotstick.Touch) (string, error)
	// Set gives a thing a value. A service that is set to Active is restarted or
	// reloaded; a command that is set to Done or Undone is run.
	Set(ctx context.Context, t hotstick.Touch, value string) error
}

// Values of what has none by itself.
const (
	Loaded   = "loaded"
	Absent   = "absent"
	Active   = "active"
	Inactive = "inactive"
	Done     = "done"
	Undone   = "undone"
)

// MaxTries is how often putting a thing back is tried.
const MaxTries = 3

// Step is one change of one thing.
type Step struct {
	// Back: the record At is put back. Otherwise Record is made, which is that at At, or a
	// new one if At is the journal's length.
	Back   bool
	At     int
	Record ledger.Touched
}

// Same reports whether two values of a thing mean the same: the kernel prints what it
// was given in its own way.
func Same(t hotstick.Touch, a, b string) bool {
	switch t.Kind {
	case hotstick.TouchModuleLoad, hotstick.TouchModuleUnload:
		a, _, _ = strings.Cut(a, " ")
		b, _, _ = strings.Cut(b, " ")
		return a == b
	case hotstick.TouchParameter:
		return truth(a) == truth(b)
	}
	return plain(a) == plain(b)
}

func plain(s string) string { return strings.Join(strings.Fields(s), " ") }

// truth is a parameter's value with the kernel's words for yes and no as numbers.
func truth(s string) string {
	switch s = plain(s); s {
	case "Y", "y":
		return "1"
	case "N", "n":
		return "0"
	}
	return s
}

// wanted is the value that a touch gives its thing.
func wanted(t hotstick.Touch) string {
	switch t.Kind {
	case hotstick.TouchModuleLoad:
		return Loaded
	case hotstick.TouchModuleUnload:
		return Absent
	case hotstick.TouchServiceRestart, hotstick.TouchServiceReload:
		return Active
	case hotstick.TouchCommand:
		return Done
	}
	return t.Value
}

// Service reports whether the touch starts a service over: that has no value to put
// back, and is done again instead.
func Service(t hotstick.Touch) bool {
	return t.Kind == hotstick.TouchServiceRestart || t.Kind == hotstick.TouchServiceReload
}

// Forward returns the next change that the level needs on one side of its load, and
// whether there is one.
func Forward(journal []ledger.Touched, level ledger.Level, boot string, when hotstick.TouchWhen) (Step, bool) {
	var needed []ledger.Touched
	for _, t := range level.Touches {
		if t.When == when {
			needed = append(needed, ledger.Touched{Touch: t, Set: wanted(t)})
		}
	}
	if when == hotstick.TouchAfter {
		settled := unsettled(journal, level)
		needed = slices.Concat(settled, needed, again(journal, level, len(settled) > 0))
	}
	for _, n := range needed {
		at := slices.IndexFunc(journal, func(r ledger.Touched) bool {
			return r.Level == level.Patch && r.Touch.Thing() == n.Touch.Thing()
		})
		switch {
		case at >= 0 && journal[at].Done:
			continue
		case at >= 0:
			return Step{At: at, Record: journal[at]}, true
		}
		n.Level, n.Boot = level.Patch, boot
		return Step{At: len(journal), Record: n}, true
	}
	return Step{}, false
}

// unsettled lists what older levels have changed and this one does not touch, newest
// first, with the values from before the first of them. What this level has settled
// already is in the list too.
func unsettled(journal []ledger.Touched, level ledger.Level) []ledger.Touched {
	var list []ledger.Touched
	for _, r := range slices.Backward(journal) {
		thing := r.Touch.Thing()
		if Service(r.Touch) || !r.Touch.Reversible() || r.Level == level.Patch && !r.Settled || touches(level, thing) ||
			slices.ContainsFunc(list, func(s ledger.Touched) bool { return s.Touch.Thing() == thing }) {
			continue
		}
		set := original(journal, r.Touch)
		if !r.Settled && Same(r.Touch, r.Set, set) {
			continue
		}
		list = append(list, ledger.Touched{Touch: r.Touch, Set: set, Settled: true})
	}
	return list
}

// again lists the services of older levels, which must read anew what was settled.
func again(journal []ledger.Touched, level ledger.Level, settled bool) []ledger.Touched {
	var list []ledger.Touched
	for _, r := range journal {
		if settled && Service(r.Touch) && !touches(level, r.Touch.Thing()) {
			list = append(list, ledger.Touched{Touch: r.Touch, Set: Active, Settled: true})
		}
	}
	return list
}

func touches(level ledger.Level, thing string) bool {
	return slices.ContainsFunc(level.Touches, func(t hotstick.Touch) bool { return t.Thing() == thing })
}

// original is the value that a thing had before the first record of it. Records count
// back as long as each begins where the one before it ended: beyond that somebody else
// has changed the thing, and what it was then is what counts.
func original(journal []ledger.Touched, t hotstick.Touch) string {
	was, begun := "", false
	for _, r := range slices.Backward(journal) {
		if r.Touch.Thing() != t.Thing() {
			continue
		}
		if begun && !Same(t, r.Set, was) {
			break
		}
		was, begun = r.Was, true
	}
	return was
}

// Was is the value of a command before a level's own record of it: what the newest
// record says.
func Was(journal []ledger.Touched, t hotstick.Touch) string {
	for _, r := range slices.Backward(journal) {
		if r.Touch.Thing() == t.Thing() {
			return r.Set
		}
	}
	return Undone
}

// Goal says which records go on the way back.
type Goal struct {
	// Level is the level that goes.
	Level hotstick.PatchRef
	// All: the kernel as it booted is put back, so all records go.
	All bool
}

func (g Goal) takes(r ledger.Touched) bool { return g.All || r.Level == g.Level }

// Back returns the next record to put back, and whether there is one: newest first,
// services after everything else. Records that were tried as often as most are left.
func Back(journal []ledger.Touched, g Goal, most int) (Step, bool) {
	for at, r := range slices.Backward(journal) {
		if g.takes(r) && !Service(r.Touch) && r.Tries < most {
			return Step{Back: true, At: at, Record: r}, true
		}
	}
	for at, r := range journal {
		if g.takes(r) && Service(r.Touch) && r.Tries < most {
			return Step{Back: true, At: at, Record: r}, true
		}
	}
	return Step{}, false
}

// BackAfter returns the next record of after the load to put back, before the level
// itself goes. It is tried once only, so that nothing keeps the level in the kernel.
func BackAfter(journal []ledger.Touched, g Goal) (Step, bool) {
	for at, r := range slices.Backward(journal) {
		after := r.Touch.When == hotstick.TouchAfter || r.Settled
		if g.takes(r) && after && !Service(r.Touch) && r.Tries == 0 {
			return Step{Back: true, At: at, Record: r}, true
		}
	}
	return Step{}, false
}

// Left lists what should have been put back and could not be.
func Left(journal []ledger.Touched, g Goal) []ledger.Touched {
	var left []ledger.Touched
	for _, r := range journal {
		if g.takes(r) {
			left = append(left, r)
		}
	}
	return left
}

// Begin makes a journal ready for an attempt of a level: what an earlier attempt of the
// same level left behind is no record of this one.
func Begin(journal []ledger.Touched, level hotstick.PatchRef) []ledger.Touched {
	begun := Anew(journal)
	for i := range begun {
		if begun[i].Level == level {
			begun[i].Level = hotstick.PatchRef{}
		}
	}
	return begun
}

// Anew makes a journal ready for a way back: what could not be put back is tried again.
func Anew(journal []ledger.Touched) []ledger.Touched {
	anew := slices.Clone(journal)
	for i := range anew {
		anew[i].Tries = 0
	}
	return anew
}

// Fold shortens the journal once a level is confirmed: its own records stay, and those
// of all older levels become one for each thing, of the level before.
func Fold(journal []ledger.Touched, level hotstick.PatchRef, before *ledger.Level) []ledger.Touched {
	var folded, own []ledger.Touched
	for i, r := range journal {
		thing := r.Touch.Thing()
		switch {
		case r.Level == level:
			own = append(own, r)
			continue
		case Service(r.Touch):
			if before != nil && r.Level == before.Patch {
				folded = append(folded, r)
			}
			continue
		}
		older := journal[:i+1]
		newest := !slices.ContainsFunc(journal[i+1:], func(n ledger.Touched) bool { return n.Level != level && n.Touch.Thing() == thing })
		if !newest {
			continue
		}
		joined := r
		joined.Was, joined.Settled = original(notOf(older, level), r.Touch), false
		if before != nil {
			joined.Level = before.Patch
		}
		declared := before != nil && touches(*before, thing)
		if !declared && Same(r.Touch, joined.Was, joined.Set) {
			continue
		}
		folded = append(folded, joined)
	}
	return append(folded, own...)
}

func notOf(journal []ledger.Touched, level hotstick.PatchRef) []ledger.Touched {
	return slices.DeleteFunc(slices.Clone(journal), func(r ledger.Touched) bool { return r.Level == level })
}

// Reboot drops the records of other boots but those of commands, whose effects may
// outlive a reboot, and which are tried anew.
func Reboot(journal []ledger.Touched, boot string) []ledger.Touched {
	var left []ledger.Touched
	for _, r := range journal {
		if r.Boot == boot || r.Touch.Kind == hotstick.TouchCommand {
			left = append(left, r)
		}
	}
	return Anew(left)
}

// Leftover returns the next command of another boot to undo, and whether there is one.
func Leftover(journal []ledger.Touched, boot string) (Step, bool) {
	for at, r := range slices.Backward(journal) {
		if r.Boot != boot && r.Tries < MaxTries {
			return Step{Back: true, At: at, Record: r}, true
		}
	}
	return Step{}, false
}
