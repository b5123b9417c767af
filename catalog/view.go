package catalog

import (
	"cmp"
	"slices"
	"time"

	"github.com/hotstick/hotstick"
)

// View is what a verified catalog says.
type View struct {
	// Version is the version of the snapshot metadata.
	Version int64
	// Expires is when the first of the four metadata files expires. Nothing new
	// may start from an expired view. It is zero where the signatures of the online
	// keys no longer hold.
	Expires time.Time
	// Refreshed is the time of the client's last successful refresh, or up to an hour
	// earlier after a restart; zero if unknown. It is the view's end once a refresh has
	// found it over. A clock that shows less was set back: whatever ends is judged by the
	// later of the two. A clock that ran ahead cannot push it beyond the view's end, for
	// a refresh fails then.
	Refreshed time.Time
	Trust     hotstick.Trust
	// Patches in the order of their publication: the publishers' first, then those
	// of each delegate.
	Patches []hotstick.Patch
	// Recalls are all that were ever seen, by patch, level and time.
	Recalls []hotstick.Recall
	// Delegations say who else may publish what.
	Delegations []Delegation

	index *index
	// ends are those of all files.
	ends []Expiry
	// lapses tells when the delegations of patches end.
	lapses map[hotstick.PatchRef]time.Time
}

// ExpiryWarning is how long before its end people are told that something that
// they must sign expires.
const ExpiryWarning = 7 * 24 * time.Hour

// Expiry is the end of one file of the catalog.
type Expiry struct {
	// Role is root, targets, snapshot, timestamp or the name of a delegation.
	Role string
	At   time.Time
}

// index finds patches without going through all of them: a server asks for every
// check-in of every host.
type index struct {
	refs      map[hotstick.PatchRef]int
	modules   map[loadedAs]int
	artifacts map[hotstick.Digest]place
}

type loadedAs struct {
	build  hotstick.KernelBuild
	module string
}

type place struct{ patch, artifact int }

// NewView makes a view with an index over its patches.
func NewView(version int64, expires time.Time, trust hotstick.Trust, patches []hotstick.Patch) View {
	return View{Version: version, Expires: expires, Trust: trust, Patches: patches, index: newIndex(patches)}
}

func newIndex(patches []hotstick.Patch) *index {
	x := &index{refs: map[hotstick.PatchRef]int{}, modules: map[loadedAs]int{}, artifacts: map[hotstick.Digest]place{}}
	for i, p := range patches {
		x.refs[p.Ref] = i
		for j, a := range p.Artifacts {
			x.modules[loadedAs{a.Build, a.Module}] = i
			x.artifacts[a.Digest] = place{i, j}
		}
	}
	return x
}

// find returns the index; a view that was not made by NewView gets one each time.
func (v View) find() *index {
	if v.index == nil {
		return newIndex(v.Patches)
	}
	return v.index
}

// Expired reports whether the view's signatures have expired at now.
func (v View) Expired(now time.Time) bool { return !now.Before(v.Expires) }

// ExpiredFor reports whether nothing new may start from one patch level at now,
// because the view has expired or the delegation that published the level has.
func (v View) ExpiredFor(ref hotstick.PatchRef, now time.Time) bool {
	end, delegated := v.lapses[ref]
	return v.Expired(now) || delegated && !now.Before(end)
}

// ExpiresWithin returns what ends before now + d and must be signed by people, the
// earliest first; use [ExpiryWarning]. What the server renews by itself is there
// only once it has ended.
func (v View) ExpiresWithin(now time.Time, d time.Duration) []Expiry {
	var soon []Expiry
	for _, e := range v.ends {
		limit := now.Add(d)
		if e.Role == roleSnapshot || e.Role == roleTimestamp {
			limit = now
		}
		if !e.At.After(limit) {
			soon = append(soon, e)
		}
	}
	slices.SortStableFunc(soon, func(a, b Expiry) int { return a.At.Compare(b.At) })
	return soon
}

// Recalled returns the recall of a patch level that asks for most, among those
// issued after since: the time of the last clear, or zero. Of two that ask for the
// same, it is the later.
func (v View) Recalled(ref hotstick.PatchRef, since time.Time) (hotstick.Recall, bool) {
	from, _ := slices.BinarySearchFunc(v.Recalls, ref, func(r hotstick.Recall, ref hotstick.PatchRef) int {
		return cmp.Or(cmp.Compare(r.Patch.Name, ref.Name), cmp.Compare(r.Patch.Level, ref.Level))
	})
	var most hotstick.Recall
	found := false
	for _, r := range v.Recalls[from:] {
		if r.Patch != ref {
			break
		}
		if r.Issued.After(since) && (!found || r.Action == most.Action || r.Action == hotstick.RecallRevert) {
			most, found = r, true
		}
	}
	return most, found
}

// Patch returns one patch level.
func (v View) Patch(ref hotstick.PatchRef) (hotstick.Patch, bool) {
	i, ok := v.find().refs[ref]
	if !ok {
		return hotstick.Patch{}, false
	}
	return v.Patches[i], true
}

// ByModule returns the patch whose artifact for build is loaded as module.
func (v View) ByModule(build hotstick.KernelBuild, module string) (hotstick.Patch, bool) {
	i, ok := v.find().modules[loadedAs{build, module}]
	if !ok {
		return hotstick.Patch{}, false
	}
	return v.Patches[i], true
}

// ByArtifact returns the patch and its artifact with this digest.
func (v View) ByArtifact(digest hotstick.Digest) (hotstick.Patch, hotstick.Artifact, bool) {
	at, ok := v.find().artifacts[digest]
	if !ok {
		return hotstick.Patch{}, hotstick.Artifact{}, false
	}
	p := v.Patches[at.patch]
	return p, p.Artifacts[at.artifact], true
}
