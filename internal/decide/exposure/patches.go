package exposure

import (
	"slices"
	"strings"

	"github.com/hotstick/hotstick"
)

// patches is what a catalog's patches close, by the names under which hosts list them.
type patches struct {
	byModule map[moduleKey]*hotstick.Patch
	byRef    map[string]*closing
}

type moduleKey struct {
	driver, module string
	build          hotstick.KernelBuild
}

// closing is what one level closes.
type closing struct {
	ref  hotstick.PatchRef
	cves []string
}

func (c *closing) closes(cve string) bool {
	_, there := slices.BinarySearch(c.cves, cve)
	return there
}

func compilePatches(catalog []hotstick.Patch) patches {
	p := patches{byModule: map[moduleKey]*hotstick.Patch{}, byRef: map[string]*closing{}}
	for i := range catalog {
		level := &catalog[i]
		if hotstick.Reboots(level.Driver) {
			continue // what such a level closes, the booted version says
		}
		cves := slices.Clone(level.CVEs)
		slices.Sort(cves)
		p.byRef[level.Ref.String()] = &closing{level.Ref, cves}
		for _, a := range level.Artifacts {
			p.byModule[moduleKey{level.Driver, a.Module, a.Build}] = level
		}
	}
	return p
}

// loaded is one patch that a host lists, with what the catalog knows of it.
type loaded struct {
	hotstick.LoadedPatch
	level *hotstick.Patch
}

// settled writes the patches of a host that count, sorted, one word each: NAME@LEVEL, and
// after each "<" one that must close a CVE as well for the first to count for it, because it
// may have put its own code in the place of the first one's.
//
// A patch counts if it is in effect, so neither moving nor disabled nor unknown, and the
// catalog lists its module for this build. A patch that the catalog does not list, that is in
// effect above it or moves or is unknown, takes that away: nobody knows what it replaced.
// Where the kernel shows no stack order, any is above.
func (p patches) settled(f hotstick.Facts) string {
	var all []loaded
	for _, l := range f.Livepatch.Patches {
		if l.State != hotstick.Disabled && !hotstick.Reboots(l.Driver) {
			all = append(all, loaded{l, p.byModule[moduleKey{l.Driver, l.Module, f.Kernel.Build}]})
		}
	}
	var words []string
	for i, below := range all {
		if below.level == nil || below.State != hotstick.InEffect {
			continue
		}
		if word, ok := below.under(slices.Concat(all[:i], all[i+1:])); ok {
			words = append(words, word)
		}
	}
	slices.Sort(words)
	return strings.Join(slices.Compact(words), " ")
}

// under writes one patch with those above it; false if one of them is nobody's.
func (l loaded) under(others []loaded) (string, bool) {
	var above []string
	for _, other := range others {
		settled := other.State == hotstick.InEffect
		if settled && other.StackOrder < l.StackOrder {
			continue
		}
		switch {
		case other.level == nil:
			return "", false
		case settled && !shareFunction(l.level.Functions, other.level.Functions):
		default:
			above = append(above, other.level.Ref.String())
		}
	}
	slices.Sort(above)
	return strings.Join(append([]string{l.level.Ref.String()}, above...), "<"), true
}

// shareFunction reports whether two patches may change the same function; those that list
// none may.
func shareFunction(a, b []string) bool {
	return len(a) == 0 || len(b) == 0 || slices.ContainsFunc(a, func(f string) bool { return slices.Contains(b, f) })
}

// closed returns the patch of a class that closes a CVE, if one does.
func (p patches) closed(settled, cve string) (hotstick.PatchRef, bool) {
	for word := range strings.FieldsSeq(settled) {
		first, all := hotstick.PatchRef{}, true
		for ref := range strings.SplitSeq(word, "<") {
			c := p.byRef[ref]
			if all = c != nil && c.closes(cve); !all {
				break
			}
			if first.IsZero() {
				first = c.ref
			}
		}
		if all {
			return first, true
		}
	}
	return hotstick.PatchRef{}, false
}

// mayClose lists the CVEs that the patches of a class could close at best.
func (p patches) mayClose(settled string) (cves []string) {
	for word := range strings.FieldsSeq(settled) {
		first, _, _ := strings.Cut(word, "<")
		if c := p.byRef[first]; c != nil {
			cves = append(cves, c.cves...)
		}
	}
	return cves
}
