package catalog

import (
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
	Trust   hotstick.Trust
	// Patches in the order of their publication.
	Patches []hotstick.Patch

	index *index
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
