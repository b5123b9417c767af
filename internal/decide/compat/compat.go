// Package compat says, before anything is planned, whether a patch level may go
// to a host at all. It is pure and answers with the first typed reason.
//
// The loader checks everything again on the host; this package only keeps plans
// free of hosts that would refuse.
package compat

import (
	"slices"

	"github.com/hotstick/hotstick"
)

// Host is what compatibility rests on.
type Host struct {
	Facts    *hotstick.Facts
	Patches  []hotstick.LoadedPatch
	InEffect hotstick.PatchRef
	// Strikes are the levels that the host's loader holds a strike against.
	Strikes []hotstick.PatchRef
	// Reverted are the levels that were reverted on the host and not cleared since.
	Reverted []hotstick.PatchRef
	// Downgrade: a signed downgrade allows the level on this host although a newer one
	// is in effect.
	Downgrade bool
}

// Rules are what one patch level asks of hosts.
type Rules struct {
	patch hotstick.Patch
	// builds are the kernel builds that have an artifact, with the key of its signature.
	builds map[hotstick.KernelBuild]hotstick.KernelKey
	known  func(module string) bool
}

// For makes the rules of a patch level. Known says which module names belong to
// our catalog; any other live patch is foreign.
func For(p hotstick.Patch, known func(module string) bool) Rules {
	r := Rules{patch: p, builds: make(map[hotstick.KernelBuild]hotstick.KernelKey, len(p.Artifacts)), known: known}
	for _, a := range p.Artifacts {
		r.builds[a.Build] = a.SignedBy
	}
	return r
}

// Check returns why the patch cannot go to the host, or nil.
func (r Rules) Check(h Host) *hotstick.Reason {
	ref := r.patch.Ref
	if h.Facts == nil {
		return &hotstick.Reason{Code: hotstick.ReasonHostSilent}
	}
	signer, built := r.builds[h.Facts.Kernel.Build]
	if !built {
		return &hotstick.Reason{Code: hotstick.ReasonNoArtifact, Subject: h.Facts.Kernel.Build.String()}
	}
	if slices.Contains(h.Strikes, ref) {
		return &hotstick.Reason{Code: hotstick.ReasonStruck, Subject: ref.String()}
	}
	if slices.Contains(h.Reverted, ref) {
		return &hotstick.Reason{Code: hotstick.ReasonRevertedBefore, Subject: ref.String()}
	}
	if why := inEffect(h, ref); why != nil {
		return why
	}
	if why := driverRefuses(h.Facts, r.patch.Driver); why != nil {
		return why
	}
	if why := cannotGoDown(h, ref, r.patch.Driver); why != nil {
		return why
	}
	if class := hotstick.ClassOf(r.patch.Driver); class == hotstick.TrustPin || class == hotstick.TrustStep {
		return nil // the vendor's system sees to its own signatures and to what it replaces
	}
	if why := kernelRefuses(h.Facts.Security, signer); why != nil {
		return why
	}
	if r.patch.Replace {
		if why := foreign(h.Patches, r.known); why != nil {
			return why
		}
	}
	if h.Facts.Sysctls["kernel.ftrace_enabled"] == "0" {
		// Turning it on is for whoever turned it off; no cause to reboot instead.
		return &hotstick.Reason{Code: hotstick.ReasonKernelRefused, Detail: "kernel.ftrace_enabled is 0: no live patch can come in until it is 1"}
	}
	return taken(h, r.patch.Functions)
}

// inEffect refuses what is there already, and what is older without permission.
func inEffect(h Host, want hotstick.PatchRef) *hotstick.Reason {
	have := h.InEffect
	switch {
	case have == want:
		return &hotstick.Reason{Code: hotstick.ReasonAlreadyInEffect, Subject: have.String()}
	case have.Name == want.Name && have.Level > want.Level && !h.Downgrade:
		return &hotstick.Reason{Code: hotstick.ReasonDowngrade, Subject: have.String()}
	}
	return nil
}

func driverRefuses(f *hotstick.Facts, driver string) *hotstick.Reason {
	if f.Security.ModulesDisabled != nil && *f.Security.ModulesDisabled && driver != "reboot" && driver != "windows" {
		return &hotstick.Reason{Code: hotstick.ReasonModulesDisabled}
	}
	for _, c := range f.Drivers {
		if c.Driver != driver {
			continue
		}
		switch why := hotstick.Rival(driver, f.Masters, f.Drivers); {
		case c.Available && why != nil:
			return why
		case c.Available && hotstick.ClassOf(driver) == hotstick.TrustPin && !c.Pinnable && c.Undo != "":
			// Its daemon would take whatever is newest. An agent that does not say how its
			// driver undoes does not say this either.
			return &hotstick.Reason{Code: hotstick.ReasonNotEntitled, Subject: driver, Detail: "it cannot be held to a level"}
		case c.Available:
			return nil
		}
		if c.Reason != nil {
			return c.Reason
		}
		break
	}
	return &hotstick.Reason{Code: hotstick.ReasonUnsupported, Subject: driver}
}

// cannotGoDown refuses a permitted way to an older level where the driver has none but a
// reboot.
func cannotGoDown(h Host, want hotstick.PatchRef, driver string) *hotstick.Reason {
	if h.InEffect.Name != want.Name || h.InEffect.Level <= want.Level {
		return nil
	}
	for _, c := range h.Facts.Drivers {
		if c.Driver == driver && c.Undo == hotstick.UndoReboot && !hotstick.Reboots(driver) {
			return &hotstick.Reason{Code: hotstick.ReasonNoWayBack, Subject: h.InEffect.String(), Detail: driver + " takes a level out only by a reboot"}
		}
	}
	return nil
}

// kernelRefuses foresees what the kernel would say to the module's signature.
func kernelRefuses(f hotstick.SecurityFacts, signer hotstick.KernelKey) *hotstick.Reason {
	switch {
	case !f.DemandsSignatures():
		return nil
	case signer == hotstick.KernelKey{}:
		return &hotstick.Reason{Code: hotstick.ReasonModuleUnsigned}
	case !f.Trusts(signer):
		return &hotstick.Reason{Code: hotstick.ReasonKeyMissing, Subject: signer.String()}
	}
	return nil
}

// foreign refuses a replacing patch where somebody else's patch is loaded, for
// it would put that one out of effect.
func foreign(patches []hotstick.LoadedPatch, known func(string) bool) *hotstick.Reason {
	for _, p := range patches {
		if p.State != hotstick.Disabled && !known(p.Module) {
			return &hotstick.Reason{Code: hotstick.ReasonForeignPatch, Subject: p.Module}
		}
	}
	return nil
}
