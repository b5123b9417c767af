package catalog

import (
	"fmt"

	"github.com/hotstick/hotstick"
)

// CheckRecipe looks into an artifact of a driver that does not load bytes of ours: it must
// be the canonical bytes of a recipe for exactly this driver, kernel build and module. A
// recipe for anything else would be signed as what it is not.
func CheckRecipe(patch hotstick.Patch, artifact hotstick.Artifact, data []byte) error {
	r, err := hotstick.ReadRecipe(data)
	if err != nil {
		return err
	}
	switch {
	case r.Driver != patch.Driver:
		return fmt.Errorf("cannot use the recipe of %s: it is for the driver %s, and the patch for %s", r.Module, r.Driver, patch.Driver)
	case r.Build != artifact.Build:
		return fmt.Errorf("cannot use the recipe of %s: it is for %s", r.Module, r.Build)
	case r.Module != artifact.Module:
		return fmt.Errorf("cannot use the recipe of %s: the patch says that the driver lists %s", r.Module, artifact.Module)
	}
	return nil
}

// checkBytes checks an artifact by the class of its driver.
func (p Publication) checkBytes(a hotstick.Artifact, data []byte) error {
	switch hotstick.ClassOf(p.Patch.Driver) {
	case hotstick.TrustPin, hotstick.TrustStep:
		if a.SignedBy != (hotstick.KernelKey{}) || a.SignedHash != "" {
			return fmt.Errorf("cannot use a recipe as what a kernel's key has signed")
		}
		return CheckRecipe(p.Patch, a, data)
	case hotstick.TrustBytes:
		if _, err := hotstick.ReadRecipe(data); err == nil {
			return fmt.Errorf("cannot use a recipe: %s loads the bytes themselves", p.Patch.Driver)
		}
	}
	return p.Check(p.Patch, a, data)
}
