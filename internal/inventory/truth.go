package inventory

import (
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/planted"
	"github.com/hotstick/hotstick/internal/store"
)

// Modules names the patch level that a kernel module of the catalog carries on a
// kernel build. It reports false for modules that are not ours.
type Modules func(module string, build hotstick.KernelBuild) (hotstick.PatchRef, bool)

// NewModules indexes the catalog's patches by module and kernel build.
func NewModules(patches []hotstick.Patch) Modules {
	type key struct {
		module string
		build  hotstick.KernelBuild
	}
	index := map[key]hotstick.PatchRef{}
	for _, p := range patches {
		for _, a := range p.Artifacts {
			index[key{a.Module, a.Build}] = p.Ref
			if hotstick.Reboots(p.Driver) { // its host runs another build by then
				index[key{module: a.Module}] = p.Ref
			}
		}
	}
	return func(module string, build hotstick.KernelBuild) (hotstick.PatchRef, bool) {
		ref, ok := index[key{module, build}]
		if !ok {
			ref, ok = index[key{module: module}]
		}
		return ref, ok
	}
}

// Knowledge is how much the newest report of a host can be relied on.
type Knowledge string

const (
	// Known: the newest report is of the current boot and young enough.
	Known Knowledge = "known"
	// Stale: the newest report is older than the staleness limit.
	Stale Knowledge = "stale"
	// Unknown: the host never said, or its truth source could not be read.
	Unknown Knowledge = "unknown"
	// Moving: a transition runs, so neither level is in effect everywhere.
	Moving Knowledge = "transitioning"
)

// Truth is what a host's kernel runs, as far as it is known.
type Truth struct {
	Knowledge Knowledge
	// Level is in effect on every task, with nothing foreign above it; zero for
	// the kernel as it booted. Where Knowledge is not Known it is the last that
	// was known, and no screen may call it applied.
	Level hotstick.PatchRef
	// Foreign is a live patch that is not ours and lies above ours, or is loaded
	// where none of ours is.
	Foreign string
}

// Read derives the truth from a host's newest check-in: its truth source's own
// list, not what anybody wished.
func Read(h store.Host, modules Modules, now time.Time, staleAfter time.Duration) Truth {
	if h.Facts == nil || h.LastSeen.IsZero() {
		return Truth{Knowledge: Unknown}
	}
	t := readPatches(h, modules)
	if now.Sub(h.LastSeen) > staleAfter && !planted.Bug("stale-is-known") {
		t.Knowledge = Stale
	}
	return t
}

func readPatches(h store.Host, modules Modules) Truth {
	t := Truth{Knowledge: Known}
	top, topForeign := -1, -1
	var kernel hotstick.PatchRef // a level that the running kernel itself is
	for _, p := range h.Patches {
		ref, ours := modules(p.Module, h.Facts.Kernel.Build)
		switch p.State {
		case hotstick.TransitionIn, hotstick.TransitionOut:
			if t.Knowledge = Moving; planted.Bug("moving-is-known") {
				t.Knowledge, t.Level = Known, ref
			}
		case hotstick.EffectUnknown:
			t.Knowledge = Unknown
		case hotstick.InEffect:
			if hotstick.Reboots(p.Driver) {
				kernel = ref // below every live patch, whatever its number
				continue
			}
			// Where the kernel shows no stack order all are 0: then the higher level
			// of ours counts, and a foreign patch counts as above ours.
			switch {
			case !ours && p.StackOrder >= topForeign:
				topForeign, t.Foreign = p.StackOrder, p.Module
			case ours && (p.StackOrder > top || p.StackOrder == top && ref.Level > t.Level.Level):
				top, t.Level = p.StackOrder, ref
			}
		}
	}
	if t.Level.IsZero() && t.Foreign == "" {
		t.Level = kernel
	}
	switch {
	case t.Foreign == "":
	case topForeign < top:
		t.Foreign = ""
	case !t.Level.IsZero():
		// Something foreign above ours may have replaced its functions.
		t.Knowledge = Unknown
	}
	return t
}
