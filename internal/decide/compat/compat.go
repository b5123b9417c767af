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
	Strikes  []hotstick.PatchRef
}

// Check returns why the patch cannot go to the host, or nil. Known says which
// module names belong to our catalog; any other live patch is foreign.
func Check(h Host, p hotstick.Patch, known func(module string) bool) *hotstick.Reason {
	if h.Facts == nil {
		return &hotstick.Reason{Code: hotstick.ReasonHostSilent}
	}
	if _, ok := p.Artifact(h.Facts.Kernel.Build); !ok {
		return &hotstick.Reason{Code: hotstick.ReasonNoArtifact, Subject: h.Facts.Kernel.Build.String()}
	}
	if slices.Contains(h.Strikes, p.Ref) {
		return &hotstick.Reason{Code: hotstick.ReasonStruck, Subject: p.Ref.String()}
	}
	if h.InEffect.Name == p.Ref.Name && h.InEffect.Level >= p.Ref.Level {
		return inEffect(h.InEffect, p.Ref)
	}
	if why := driverRefuses(h.Facts, p.Driver); why != nil {
		return why
	}
	if p.Replace {
		return foreign(h.Patches, known)
	}
	return nil
}

func inEffect(have, want hotstick.PatchRef) *hotstick.Reason {
	if have.Level > want.Level {
		return &hotstick.Reason{Code: hotstick.ReasonDowngrade, Subject: have.String()}
	}
	return &hotstick.Reason{Code: hotstick.ReasonAlreadyInEffect, Subject: have.String()}
}

func driverRefuses(f *hotstick.Facts, driver string) *hotstick.Reason {
	if f.Security.ModulesDisabled != nil && *f.Security.ModulesDisabled {
		return &hotstick.Reason{Code: hotstick.ReasonModulesDisabled}
	}
	for _, c := range f.Drivers {
		if c.Driver != driver {
			continue
		}
		if c.Available {
			return nil
		}
		if c.Reason != nil {
			return c.Reason
		}
		break
	}
	return &hotstick.Reason{Code: hotstick.ReasonUnsupported, Subject: driver}
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
