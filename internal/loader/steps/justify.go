package steps

import (
	"fmt"
	"slices"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/catalog"
	"github.com/hotstick/hotstick/internal/loader/ledger"
)

// Ground is what a step verifies its request by. It believes neither the loader's request
// nor the agent: only the loader's ledger, the catalog that the loader trusts, bytes of a
// digest, and the kernel that it runs on.
type Ground struct {
	Ledger ledger.Ledger
	// Boot and Build are those of the running kernel.
	Boot  string
	Build hotstick.KernelBuild
	// View is the last trusted catalog; Viewed tells whether there is one.
	View   catalog.View
	Viewed bool
	// Kept are the bytes that the loader has kept under the request's artifact.
	Kept []byte
}

// Justify returns the recipe that a request is for, or says why it must not be followed.
// It is pure.
//
// To bring a level in, the attempt under way must be for it or go back to it, word by word:
// driver, module, artifact, kernel build. A level that is not gone back to must also be in
// the catalog with these bytes for this build, and neither struck nor banned nor recalled.
// The way back needs no document, as everywhere: that what it leads to was once signed was
// checked when it came.
func Justify(g Ground, r Request) (hotstick.Recipe, error) {
	var none hotstick.Recipe
	a := g.Ledger.Attempt
	switch {
	case g.Ledger.Boot.ID != g.Boot:
		return none, fmt.Errorf("cannot do anything: the ledger is of another boot")
	case r.Act != Apply && r.Act != Remove:
		return none, fmt.Errorf("cannot do %.40q to a level", string(r.Act))
	case a == nil:
		return none, fmt.Errorf("cannot %s %s: the ledger has no attempt", r.Act, r.Module)
	}
	level, back := a.Level, a.Phase == hotstick.Reverting
	if !names(level, r) && a.Before != nil && r.Act == Apply {
		level, back = *a.Before, true
	}
	switch {
	case !names(level, r):
		return none, fmt.Errorf("cannot %s %s: the ledger's attempt is for %s by %s", r.Act, r.Module, a.Level.Patch, a.Level.Driver)
	case level.Build != g.Build && (r.Act == Apply && !back || level.Target != g.Build):
		return none, fmt.Errorf("cannot %s %s: it is for another kernel build, %s", r.Act, r.Module, level.Build)
	case r.Act == Apply && names(a.Level, r) && a.Phase != hotstick.Armed && a.Phase != hotstick.Applying:
		return none, fmt.Errorf("cannot apply %s: the attempt is past that (%s)", r.Module, a.Phase)
	}
	if r.Act == Apply && !back {
		if err := allowed(g, *a); err != nil {
			return none, err
		}
	}
	return recipe(g, level)
}

// names reports whether a level is that of a request.
func names(l ledger.Level, r Request) bool {
	return l.Driver == r.Driver && l.Module == r.Module && l.Artifact == r.Artifact
}

// allowed says why the attempt's level must not come in, nil if it may.
func allowed(g Ground, a ledger.Attempt) error {
	ref := a.Level.Patch
	switch {
	case a.Plan == "" && !permitted(g.Ledger, a.Level):
		return fmt.Errorf("cannot apply %s again: the ledger has no permit for it", ref)
	case a.Plan != "" && (g.Ledger.Plan(a.Plan) == nil || g.Ledger.Halted(a.Plan)):
		return fmt.Errorf("cannot apply %s: its plan is not known, or was halted", ref)
	case g.Ledger.Struck(ref), g.Ledger.Banned(ref):
		return fmt.Errorf("cannot apply %s: it is struck or banned here", ref)
	case !g.Viewed:
		return fmt.Errorf("cannot apply %s: no signed catalog is trusted here", ref)
	}
	if _, recalled := g.View.Recalled(ref, g.Ledger.RecallsCleared(ref)); recalled {
		return fmt.Errorf("cannot apply %s: it is recalled", ref)
	}
	patch, ok := g.View.Patch(ref)
	if !ok {
		return fmt.Errorf("cannot apply %s: the signed catalog does not have it", ref)
	}
	artifact, ok := patch.Artifact(g.Build)
	if !ok || patch.Driver != a.Level.Driver || artifact.Digest != a.Level.Artifact || artifact.Module != a.Level.Module {
		return fmt.Errorf("cannot apply %s: the signed catalog lists something else for %s", ref, g.Build)
	}
	return nil
}

func permitted(led ledger.Ledger, level ledger.Level) bool {
	for _, p := range []*ledger.Permit{led.Permit, led.Former} {
		if p != nil && p.Level.Patch == level.Patch && p.Level.Artifact == level.Artifact {
			return true
		}
	}
	return false
}

// recipe reads the recipe of a level from the kept bytes.
func recipe(g Ground, level ledger.Level) (hotstick.Recipe, error) {
	if hotstick.NewDigest(g.Kept) != level.Artifact {
		return hotstick.Recipe{}, fmt.Errorf("cannot use the kept bytes of %s: they are not those that were signed", level.Patch)
	}
	r, err := hotstick.ReadRecipe(g.Kept)
	builds := []hotstick.KernelBuild{r.Build}
	if level.Reboots() {
		builds = append(builds, level.Target) // it is settled in the kernel that it led to
	}
	switch {
	case err != nil:
		return r, err
	case r.Driver != level.Driver:
		return r, fmt.Errorf("cannot use the recipe of %s: it is for the driver %s, not %s", level.Patch, r.Driver, level.Driver)
	case r.Module != level.Module:
		return r, fmt.Errorf("cannot use the recipe of %s: it leads to %s, not %s", level.Patch, r.Module, level.Module)
	case r.Target != level.Target, !slices.Contains(builds, g.Build):
		return r, fmt.Errorf("cannot use the recipe of %s: it is for %s, and %s runs", level.Patch, r.Build, g.Build)
	}
	return r, nil
}

// JustifySettle returns the recipe of a level that is to be settled, or says why it is not:
// the ledger must have it as unsettled, and Keep must be what its permit says.
func JustifySettle(g Ground, r Request) (hotstick.Recipe, error) {
	var none hotstick.Recipe
	v, p := g.Ledger.Unsettled, g.Ledger.Permit
	switch {
	case g.Ledger.Boot.ID != g.Boot:
		return none, fmt.Errorf("cannot do anything: the ledger is of another boot")
	case g.Ledger.Attempt != nil || v == nil || !names(*v, r):
		return none, fmt.Errorf("cannot settle %s: the ledger does not say so", r.Module)
	case r.Keep != (p != nil && p.Level.Patch == v.Patch && p.Level.Target == v.Target):
		return none, fmt.Errorf("cannot settle %s: whether it stays the ledger says otherwise", r.Module)
	}
	g.Build = v.Build // the driver looks at what runs; in a third kernel too work may come back
	return recipe(g, *v)
}

// JustifySchedule returns the settings that a Release gives back, or says why a vendor's
// scheduling must be left alone: it is put on hold while its system is adopted, and given
// back when that ends.
func JustifySchedule(g Ground, r Request) ([]byte, error) {
	a := g.Ledger.Adopted
	switch {
	case g.Ledger.Boot.ID != g.Boot:
		return nil, fmt.Errorf("cannot do anything: the ledger is of another boot")
	case a == nil || a.Driver != r.Driver:
		return nil, fmt.Errorf("cannot touch how %s schedules itself: it is not adopted", r.Driver)
	case r.Act == Hold && a.Stage != ledger.Taking && a.Stage != ledger.Taken:
		return nil, fmt.Errorf("cannot put %s on hold: it is being given back", r.Driver)
	case r.Act == Release && a.Stage != ledger.Releasing:
		return nil, fmt.Errorf("cannot give %s back: it is adopted", r.Driver)
	}
	return a.Settings, nil
}
