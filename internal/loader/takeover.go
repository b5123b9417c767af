package loader

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/catalog"
	"github.com/hotstick/hotstick/internal/kernel/kmod"
	"github.com/hotstick/hotstick/internal/kernel/masters"
	"github.com/hotstick/hotstick/internal/loader/ledger"
)

// Limits of an adopted level: no plan has brought it that could name its own. They are
// in seconds.
const (
	adoptedProbation  = 60
	adoptedTransition = 60
	adoptedStep       = 10 * 60
)

// foreign is a patch in effect that is not ours, with what is known of its code.
type foreign struct {
	patch hotstick.LoadedPatch
	// digest is of its file, info what the file says, and problem why there is none.
	digest  hotstick.Digest
	info    kmod.Info
	problem string
	// srcVersion and buildID are what the kernel tells of the loaded code.
	srcVersion, buildID string
}

// adoptSituation is everything that an adoption rests on.
type adoptSituation struct {
	led      ledger.Ledger
	view     catalog.View
	viewed   bool
	observed bool
	patches  []hotstick.LoadedPatch
	foreign  []foreign
	masters  []hotstick.Master
	// loads reports whether a driver loads bytes of ours, and drivers are those that work by
	// steps and can be used here.
	loads   func(driver string) bool
	drivers []hotstick.Capabilities
	build   hotstick.KernelBuild
	// before is a level of ours that is in effect.
	before *ledger.Level
	// blocked says why a level must not be armed.
	blocked func(hotstick.PatchRef) *hotstick.Reason
}

// takeover is what an adoption comes to.
type takeover struct {
	// level is zero where nothing is in effect and a system is only put on hold.
	level  ledger.Level
	master hotstick.Master
	// driver is the one whose system schedules itself and is put on hold; empty if none does.
	driver string
}

// judgeAdoption says which level is adopted and from whom; or what stands against it. It
// changes nothing.
func judgeAdoption(s adoptSituation) (takeover, *hotstick.Reason, []string) {
	none := func(code hotstick.ReasonCode, detail string) (takeover, *hotstick.Reason, []string) {
		return takeover{}, because(code, detail), nil
	}
	scheduler, why := s.scheduler()
	switch {
	case s.led.Attempt != nil:
		return none(hotstick.ReasonOtherPlan, "an attempt is under way: wait until it has ended")
	case !s.viewed:
		return none(hotstick.ReasonCatalogUnknown, "")
	case !s.observed:
		return none(hotstick.ReasonVerificationFailed, unreadable)
	case inTransition(s.patches):
		return none(hotstick.ReasonTransitionBusy, "")
	case why != nil:
		return takeover{}, why, nil
	case len(s.foreign) == 0 && scheduler == "":
		return none(hotstick.ReasonForeignPatch, "no live patch of anybody else is in effect, and no live-patch system schedules itself here: there is nothing to adopt")
	case len(s.foreign) > 0 && s.before != nil:
		return none(hotstick.ReasonForeignPatch, "it is stacked on "+s.before.Patch.String()+", which is ours")
	}
	t := takeover{driver: scheduler, master: hotstick.Master{System: cmp.Or(scheduler, masters.Hand)}}
	var unknown []string
	for _, f := range s.foreign {
		level, why := s.identify(f)
		switch {
		case why != "":
			unknown = append(unknown, f.patch.Module+": "+why)
		case scheduler != "" && level.Driver != scheduler:
			unknown = append(unknown, fmt.Sprintf("%s: it is a level of %s, and %s schedules itself here", f.patch.Module, level.Driver, scheduler))
		}
		t.level = level
	}
	if s.before != nil && s.before.Driver == scheduler {
		t.level = *s.before
	}
	if len(s.foreign) > 1 {
		unknown = append(unknown, fmt.Sprintf("%d patches are in effect at once: Hotstick keeps one cumulative level", len(s.foreign)))
	}
	bySteps := t.driver != "" || t.level.Driver != "" && !s.loads(t.level.Driver)
	if bySteps {
		t.master.System = cmp.Or(t.driver, t.level.Driver) // its unit loads what is installed, and stays as it is
	}
	for _, m := range s.masters {
		switch {
		case !bySteps && len(s.foreign) > 0 && slices.Contains(m.Modules, s.foreign[0].patch.Module):
			t.master = m
		case m.Active && (!bySteps || m.System != t.master.System):
			unknown = append(unknown, m.System+": it loads patches by itself, and none of its is in effect; switch it off first")
		}
	}
	if len(unknown) > 0 {
		return takeover{}, because(hotstick.ReasonForeignPatch, "not everything that is loaded is known"), unknown
	}
	return t, nil, nil
}

// scheduler is the driver of the system that schedules itself on this host; empty if none
// does. Two are too many.
func (s adoptSituation) scheduler() (string, *hotstick.Reason) {
	var names []string
	for _, c := range s.drivers {
		if c.Schedules {
			names = append(names, c.Driver)
		}
	}
	switch len(names) {
	case 0:
		return "", nil
	case 1:
		return names[0], nil
	}
	return "", because(hotstick.ReasonOtherMaster, strings.Join(names, " and ")+" both schedule themselves here: remove all but one")
}

// identify finds the catalog's level of a loaded patch, or says why there is none: by its
// very bytes, or else by the driver and the module of the system that has loaded it.
func (s adoptSituation) identify(f foreign) (ledger.Level, string) {
	why := f.problem
	if why == "" {
		why = sameCode(f)
	}
	i := slices.IndexFunc(s.drivers, func(c hotstick.Capabilities) bool { return c.Driver == f.patch.Driver })
	bySteps := i >= 0
	holds := bySteps && s.drivers[i].Schedules // whoever is put on hold brings the next level, too
	var found []hotstick.Patch
	for _, p := range s.view.Patches {
		artifact, ok := p.Artifact(s.build)
		switch {
		case !ok || artifact.Module != f.patch.Module:
		case why == "" && artifact.Digest == f.digest && !holds:
			return s.level(p)
		case bySteps && p.Driver == f.patch.Driver:
			found = append(found, p)
		}
	}
	if why == "" {
		why = "the catalog lists no such bytes for this kernel build (" + f.digest.Short() + ")"
	}
	switch {
	case len(found) == 1 && f.patch.State == hotstick.InEffect:
		return s.level(found[0])
	case len(found) == 1:
		return ledger.Level{}, "nobody can tell whether it is in effect (" + string(f.patch.State) + ")"
	case len(found) > 1:
		return ledger.Level{}, fmt.Sprintf("the catalog lists both %s and %s for it on this kernel build", found[0].Ref, found[1].Ref)
	case bySteps:
		return ledger.Level{}, fmt.Sprintf("%s, nor a level of %s with this module for %s: publish its recipe first", why, f.patch.Driver, s.build)
	}
	return ledger.Level{}, why
}

// level is what the ledger keeps of a level that is adopted, or why it is not.
func (s adoptSituation) level(p hotstick.Patch) (ledger.Level, string) {
	artifact, _ := p.Artifact(s.build)
	transition := adoptedTransition
	if !s.loads(p.Driver) {
		transition = adoptedStep
	}
	switch blocked := s.blocked(p.Ref); {
	case !s.loads(p.Driver) && !slices.ContainsFunc(s.drivers, func(c hotstick.Capabilities) bool { return c.Driver == p.Driver }):
		return ledger.Level{}, "the catalog lists it for the driver " + p.Driver
	case blocked != nil:
		meaning, _ := blocked.Code.Meaning()
		return ledger.Level{}, p.Ref.String() + " must not be armed here: " + meaning
	case len(p.Touches) > 0:
		return ledger.Level{}, p.Ref.String() + " touches more than the kernel, and nobody knows what that was before"
	case p.Ref.Level < s.led.Confirmed[p.Ref.Name]:
		return ledger.Level{}, p.Ref.String() + " is older than a level that was confirmed here"
	}
	return ledger.Level{Patch: p.Ref, Driver: p.Driver, Module: artifact.Module, Artifact: artifact.Digest, Build: s.build,
		Replace: p.Replace, Functions: p.Functions, Reversibility: p.Reversibility, ProbationSeconds: adoptedProbation, TransitionSeconds: transition}, ""
}

// sameCode says why a file is not what the kernel runs; empty if it is, by everything
// that both sides tell, and at least by one thing.
func sameCode(f foreign) string {
	compared := false
	for _, pair := range [][2]string{{f.info.SrcVersion, f.srcVersion}, {f.info.BuildID, f.buildID}} {
		if pair[0] == "" || pair[1] == "" {
			continue
		}
		compared = true
		if pair[0] != pair[1] {
			return "its file is not what the kernel runs: somebody has replaced one of them since"
		}
	}
	if !compared {
		return "neither a source version nor a build ID tells whether its file is what the kernel runs"
	}
	return ""
}
