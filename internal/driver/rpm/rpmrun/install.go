package rpmrun

import (
	"context"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver"
	"github.com/hotstick/hotstick/internal/driver/klp"
	"github.com/hotstick/hotstick/internal/driver/rpm"
)

// Forward refuses to go back: of a package that is installed in a newer version the older
// would be installed gladly, and the kernel would stay as it is until it is rebooted.
func Forward(ctx context.Context, m Manager, packages []hotstick.Package) error {
	for _, p := range packages {
		have, err := m.Installed(ctx, p.Name)
		if err != nil {
			return err
		}
		if have != "" && rpm.Compare(have, p.Version) > 0 {
			return driver.Refuse(hotstick.ReasonNoWayBack, "%s is installed, which is newer than %s", p.Name+"-"+have, p.Version)
		}
	}
	return nil
}

// Host is what [InstallAndLoad] looks at.
type Host struct {
	// State is the state of the recipe's module in the kernel; empty if it is not loaded.
	State func() (hotstick.Effect, error)
	// File is the path of the module's file, for the kpatch tool; empty if there is none.
	File func() string
	// Expected is the module that the packages have by the vendor's rule for names; empty if
	// it has none.
	Expected string
}

// InstallAndLoad installs a recipe's packages. A module that is not loaded after that,
// because a package's script failed now or earlier, is loaded by the kpatch tool; where the
// script said why it failed, and there is no file to load, that is the refusal.
func InstallAndLoad(ctx context.Context, m Manager, recipe hotstick.Recipe, host Host) error {
	ran, err := m.Install(ctx, recipe.Packages, recipe.Build.Arch)
	if err != nil {
		return err
	}
	state, err := host.State()
	if err != nil || state != "" && state != hotstick.Disabled {
		return err
	}
	if r := Known(m.Program, ran); r != nil && r.Reason.Code != hotstick.ReasonNotEntitled {
		return r // the host says at every call that it is not registered, and may have the package
	}
	file := host.File()
	if file == "" {
		detail := ""
		if host.Expected != "" && host.Expected != recipe.Module {
			detail = ": by its name the package has " + host.Expected
		}
		return driver.Refuse(hotstick.ReasonVerificationFailed, "%s said that it is done, and there is no module %s%s", m.Program, recipe.Module, detail)
	}
	return Load(ctx, m.Commands, recipe.Module, "/"+file, state == hotstick.Disabled)
}

// StayIn is the Remove of systems that take nothing out: what is not in effect need not go.
func StayIn(ctx context.Context, o driver.Observer, recipe hotstick.Recipe) error {
	mine, err := o.Observe(ctx)
	if err != nil {
		return err
	}
	if klp.StateOf(mine, recipe.Module) == "" {
		return nil
	}
	return driver.Refuse(hotstick.ReasonNoWayBack, "removing the package leaves %s in the kernel until it is rebooted", recipe.Module)
}
