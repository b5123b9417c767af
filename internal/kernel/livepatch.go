package kernel

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"github.com/hotstick/hotstick"
)

const livepatchDir = "sys/kernel/livepatch"

// ErrNoLivepatch is returned where the kernel has no live patching at all. It is
// not the same as a kernel with no live patch loaded.
var ErrNoLivepatch = errors.New("cannot read live patches: the kernel has no live patching")

// HasLivepatch tells whether the kernel has live patching.
func HasLivepatch(fsys fs.FS) bool { return exists(fsys, livepatchDir) }

// maxFunctions bounds what is listed of one patch.
const maxFunctions = 1024

// Livepatches lists every live patch of the kernel in the order of names, with
// the driver left empty. A registered patch is described by its directory:
//
//	enabled  transition
//	1        0           in effect
//	1        1           in transition, towards the new code
//	0        1           in transition, back to the old code
//	0        0           disabled; the directory is about to vanish
//
// The directory of a disabled or replaced patch is gone; what remains is a module
// with taint K. Such a module that is just being loaded or unloaded is unknown.
func Livepatches(fsys fs.FS) ([]hotstick.LoadedPatch, error) {
	if !exists(fsys, "sys/kernel") {
		return nil, errors.New("cannot read live patches: /sys is not there")
	}
	if !HasLivepatch(fsys) {
		return nil, ErrNoLivepatch
	}
	modules, err := readModules(fsys)
	if err != nil {
		return nil, fmt.Errorf("cannot read live patches: %w", err)
	}
	// The modules are read first: a patch that is registered meanwhile is then
	// found by its directory, and none is found by neither.
	entries, err := fs.ReadDir(fsys, livepatchDir)
	if err != nil {
		return nil, fmt.Errorf("cannot read live patches: %w", err)
	}
	listed := map[string]bool{}
	var patches []hotstick.LoadedPatch
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		if p, ok := readLivepatch(fsys, e.Name()); ok {
			listed[p.Module] = true
			patches = append(patches, p)
		}
	}
	for _, m := range modules {
		if m.isLivepatch() && !listed[m.name] {
			patches = append(patches, leftover(m))
		}
	}
	slices.SortFunc(patches, func(a, b hotstick.LoadedPatch) int { return strings.Compare(a.Module, b.Module) })
	return patches, nil
}

func leftover(m moduleLine) hotstick.LoadedPatch {
	state := hotstick.Disabled
	if m.state != "Live" {
		state = hotstick.EffectUnknown
	}
	return hotstick.LoadedPatch{Module: m.name, State: state}
}

// readLivepatch reads one directory; false if it vanished meanwhile.
func readLivepatch(fsys fs.FS, name string) (hotstick.LoadedPatch, bool) {
	dir := livepatchDir + "/" + name
	p := hotstick.LoadedPatch{
		Module: name, State: readState(fsys, dir),
		Replace: flag(fsys, dir+"/replace", "1", "0"),
	}
	if n, err := strconv.ParseUint(line(fsys, dir+"/stack_order"), 10, 16); err == nil {
		p.StackOrder = int(n)
	}
	p.Functions, p.Waiting = readObjects(fsys, dir)
	if p.State == hotstick.EffectUnknown && !exists(fsys, dir) {
		return hotstick.LoadedPatch{}, false
	}
	return p, true
}

// readState reads the two attributes. They change one after the other, so they
// are read again until the transition is the same before and after.
func readState(fsys fs.FS, dir string) hotstick.Effect {
	for range 4 {
		before := flag(fsys, dir+"/transition", "1", "0")
		enabled := flag(fsys, dir+"/enabled", "1", "0")
		after := flag(fsys, dir+"/transition", "1", "0")
		if before == nil || enabled == nil || after == nil {
			return hotstick.EffectUnknown
		}
		if *before == *after {
			return stateOf(*enabled, *after)
		}
	}
	return hotstick.EffectUnknown
}

func stateOf(enabled, transition bool) hotstick.Effect {
	switch {
	case enabled && transition:
		return hotstick.TransitionIn
	case enabled:
		return hotstick.InEffect
	case transition:
		return hotstick.TransitionOut
	}
	return hotstick.Disabled
}

// readObjects lists OBJECT:FUNCTION,POSITION from the directories below a patch, and the
// objects of which the kernel says that they are not patched. Where it says nothing, as
// before 6.1, there is no telling.
func readObjects(fsys fs.FS, dir string) (functions, waiting []string) {
	objects, err := fs.ReadDir(fsys, dir)
	if err != nil {
		return nil, nil
	}
	for _, object := range objects {
		if !object.IsDir() {
			continue
		}
		if patched := flag(fsys, dir+"/"+object.Name()+"/patched", "1", "0"); patched != nil && !*patched {
			waiting = append(waiting, object.Name())
		}
		entries, err := fs.ReadDir(fsys, dir+"/"+object.Name())
		if err != nil {
			continue
		}
		for _, f := range entries {
			if f.IsDir() && len(functions) < maxFunctions {
				functions = append(functions, object.Name()+":"+f.Name())
			}
		}
	}
	return functions, waiting
}
