package windowsstep

import (
	"context"
	"fmt"
	"io"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver"
	"github.com/hotstick/hotstick/internal/kernel/nt"
)

// Changer is the Stepper as a loader in the same process uses it: the bytes that are to be
// loaded are those of a recipe. Load returns when the installation has ended, which takes
// minutes.
type Changer struct{ *Stepper }

var _ driver.Changer = Changer{}

// Load implements [driver.Changer].
func (c Changer) Load(ctx context.Context, load driver.Load) error {
	recipe, err := read(load)
	if err != nil {
		return driver.Refuse(hotstick.ReasonVerificationFailed, "%v", err)
	}
	running, err := nt.Build(c.Registry, c.Boot.Booted)
	switch {
	case err != nil:
		return driver.Refuse(hotstick.ReasonVerificationFailed, "%v", err)
	case recipe.Module != load.Module || recipe.Driver != c.Name():
		return driver.Refuse(hotstick.ReasonDigestMismatch, "the recipe is for %s of %s, not %s of %s", recipe.Module, recipe.Driver, load.Module, c.Name())
	case recipe.Build != load.Build || load.Build != running:
		return driver.Refuse(hotstick.ReasonWrongBuild, "made for %s; %s is running", recipe.Build, running)
	}
	patches, err := c.Observe(ctx)
	if err != nil {
		return driver.Refuse(hotstick.ReasonVerificationFailed, "%v", err)
	}
	if step, err := driver.JudgeLoad(patches, load); err != nil || step == driver.Nothing {
		return err
	}
	return c.Apply(ctx, recipe)
}

// read reads the recipe in a load's file.
func read(load driver.Load) (hotstick.Recipe, error) {
	data, err := io.ReadAll(io.NewSectionReader(load.File, 0, hotstick.MaxRecipeBytes+1))
	if err != nil {
		return hotstick.Recipe{}, fmt.Errorf("cannot read the recipe of %s: %w", load.Module, err)
	}
	return hotstick.ReadRecipe(data)
}

// Disable implements [driver.Changer].
func (c Changer) Disable(ctx context.Context, module string) error {
	patches, err := c.Observe(ctx)
	if err != nil {
		return driver.Refuse(hotstick.ReasonVerificationFailed, "%v", err)
	}
	if step, err := driver.JudgeDisable(patches, module); err != nil || step == driver.Nothing {
		return err
	}
	return driver.Refuse(hotstick.ReasonNoWayBack, "Windows takes %s out at a reboot only, after its update was uninstalled", module)
}

// Unload implements [driver.Changer]: nothing of a hotpatch is left in memory that is not
// in effect.
func (c Changer) Unload(ctx context.Context, module string) error {
	patches, err := c.Observe(ctx)
	if err != nil {
		return driver.Refuse(hotstick.ReasonVerificationFailed, "%v", err)
	}
	_, err = driver.JudgeUnload(patches, module)
	return err
}
