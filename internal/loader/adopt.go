package loader

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/catalog"
	"github.com/hotstick/hotstick/internal/kernel/kmod"
	"github.com/hotstick/hotstick/internal/kernel/masters"
	"github.com/hotstick/hotstick/internal/loader/journal"
	"github.com/hotstick/hotstick/internal/loader/ledger"
	"github.com/hotstick/hotstick/internal/loader/operate"
)

// Others is what the loader reads of other live-patch systems on its host.
type Others interface {
	// Masters lists those systems; patches are the loaded ones.
	Masters(patches []hotstick.LoadedPatch) []hotstick.Master
	// Module returns the file of a loaded module where its system keeps it;
	// fs.ErrNotExist if none does.
	Module(module string) ([]byte, error)
	// Loaded returns what the kernel tells of a loaded module: the version of its
	// sources and its build ID, each empty where the kernel does not tell.
	Loaded(module string) (srcVersion, buildID string)
}

// alone is a host without any other live-patch system.
type alone struct{}

// Masters implements Others.
func (alone) Masters([]hotstick.LoadedPatch) []hotstick.Master { return nil }

// Module implements Others.
func (alone) Module(string) ([]byte, error) { return nil, fs.ErrNotExist }

// Loaded implements Others.
func (alone) Loaded(string) (string, string) { return "", "" }

// Limits of an adopted level: no plan has brought it that could name its own. They are
// in seconds.
const (
	adoptedProbation  = 60
	adoptedTransition = 60
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
	// loads reports whether a driver loads bytes of ours.
	loads func(driver string) bool
	build hotstick.KernelBuild
	// before is a level of ours that is in effect.
	before *ledger.Level
	// blocked says why a level must not be armed.
	blocked func(hotstick.PatchRef) *hotstick.Reason
}

// judgeAdoption says which level is adopted and from whom; or what stands against it. It
// changes nothing.
func judgeAdoption(s adoptSituation) (ledger.Level, hotstick.Master, *hotstick.Reason, []string) {
	var none ledger.Level
	var nobody hotstick.Master
	switch {
	case s.led.Attempt != nil:
		return none, nobody, because(hotstick.ReasonOtherPlan, "an attempt is under way: wait until it has ended"), nil
	case !s.viewed:
		return none, nobody, because(hotstick.ReasonCatalogUnknown, ""), nil
	case !s.observed:
		return none, nobody, because(hotstick.ReasonVerificationFailed, unreadable), nil
	case inTransition(s.patches):
		return none, nobody, because(hotstick.ReasonTransitionBusy, ""), nil
	case len(s.foreign) == 0:
		return none, nobody, because(hotstick.ReasonForeignPatch, "no live patch of anybody else is in effect: there is nothing to adopt"), nil
	case s.before != nil:
		return none, nobody, because(hotstick.ReasonForeignPatch, "it is stacked on "+s.before.Patch.String()+", which is ours"), nil
	}
	var unknown []string
	var levels []ledger.Level
	for _, f := range s.foreign {
		level, why := s.identify(f)
		if why != "" {
			unknown = append(unknown, f.patch.Module+": "+why)
		}
		levels = append(levels, level)
	}
	if len(s.foreign) > 1 {
		unknown = append(unknown, fmt.Sprintf("%d patches are in effect at once: Hotstick keeps one cumulative level", len(s.foreign)))
	}
	master := hotstick.Master{System: masters.Hand}
	for _, m := range s.masters {
		switch {
		case slices.Contains(m.Modules, s.foreign[0].patch.Module):
			master = m
		case m.Active:
			unknown = append(unknown, m.System+": it loads patches by itself, and none of its is in effect; switch it off first")
		}
	}
	if len(unknown) > 0 {
		return none, nobody, because(hotstick.ReasonForeignPatch, "not everything that is loaded is known"), unknown
	}
	return levels[0], master, nil, nil
}

// identify finds the catalog's level of a loaded patch, or says why there is none.
func (s adoptSituation) identify(f foreign) (ledger.Level, string) {
	if f.problem != "" {
		return ledger.Level{}, f.problem
	}
	if why := sameCode(f); why != "" {
		return ledger.Level{}, why
	}
	for _, p := range s.view.Patches {
		artifact, ok := p.Artifact(s.build)
		if !ok || artifact.Digest != f.digest || artifact.Module != f.patch.Module {
			continue
		}
		switch blocked := s.blocked(p.Ref); {
		case !s.loads(p.Driver):
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
			Replace: p.Replace, Functions: p.Functions, ProbationSeconds: adoptedProbation, TransitionSeconds: adoptedTransition}, ""
	}
	return ledger.Level{}, "the catalog lists no such bytes for this kernel build (" + f.digest.Short() + ")"
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

// adopt makes a level ours that somebody else has loaded. The unit is that of the other
// system, as it is now; whoever asks puts it on hold afterwards. The caller holds
// stepping and mu.
func (l *Loader) adopt(ctx context.Context, who operate.Caller, unit *operate.Unit, observed bool) operate.Answer {
	if a := l.led.Adopted; a != nil {
		if a.Stage == ledger.Releasing {
			return refuse(hotstick.ReasonOtherMaster, "a level is being given back: finish that first, by hotstick-agent release")
		}
		return operate.Answer{Adoption: a, Done: a.Level.Patch.String() + " is adopted"}
	}
	s := adoptSituation{led: l.led, view: l.view, viewed: l.viewed, observed: observed, patches: l.patches, before: l.levelInEffect(),
		masters: l.cfg.Others.Masters(l.patches), loads: l.loadsBytes, build: l.build, blocked: l.blocked}
	files := map[hotstick.Digest][]byte{}
	for _, p := range l.patches {
		if p.State == hotstick.Disabled || s.before != nil && p.Module == s.before.Module {
			continue
		}
		f, data := l.foreign(ctx, p)
		files[f.digest], s.foreign = data, append(s.foreign, f)
	}
	level, master, reason, unknown := judgeAdoption(s)
	switch {
	case reason != nil:
		return operate.Answer{Refused: reason, Unknown: unknown}
	case master.Unit != "" && (unit == nil || unit.Name != master.Unit):
		return refuse(hotstick.ReasonOtherMaster, "what "+master.Unit+" is now was not said")
	}
	a := ledger.Adoption{System: master.System, Level: level, By: who.Name, At: l.cfg.Clock.Now().UTC().Truncate(time.Second), Stage: ledger.Taking}
	if master.Unit != "" {
		a.Unit, a.UnitEnabled, a.UnitActive = unit.Name, unit.Enabled, unit.Active
	}
	if err := l.cfg.Disk.Keep(level.Artifact, files[level.Artifact]); err != nil {
		return refuse(hotstick.ReasonLedgerUnwritable, err.Error())
	}
	l.held[level.Artifact] = true
	err := l.change(func(led *ledger.Ledger) {
		led.Adopted, led.Former = &a, nil
		led.Permit = &ledger.Permit{Level: level, AppliedBoot: l.boot}
		led.Confirmed[level.Patch.Name] = max(led.Confirmed[level.Patch.Name], level.Patch.Level)
	})
	if err != nil {
		return refuse(hotstick.ReasonLedgerUnwritable, err.Error())
	}
	l.jot(true, journal.Entry{Kind: journal.KindAdopt, By: who.Name, Patch: level.Patch, Text: "from " + a.System})
	l.cfg.Log.Info("a level was adopted", "patch", level.Patch.String(), "system", a.System, "by", who.Name)
	return operate.Answer{Adoption: &a, Done: level.Patch.String() + " is adopted"}
}

// foreign finds the file of a loaded patch: where its system keeps it, or else in the
// catalog. The caller holds mu.
func (l *Loader) foreign(ctx context.Context, p hotstick.LoadedPatch) (foreign, []byte) {
	f := foreign{patch: p}
	f.srcVersion, f.buildID = l.cfg.Others.Loaded(p.Module)
	data, err := l.cfg.Others.Module(p.Module)
	if errors.Is(err, fs.ErrNotExist) {
		data, err = l.listedFile(ctx, p.Module)
	}
	if errors.Is(err, fs.ErrNotExist) {
		f.problem = "no file of it is at a known place, and the catalog has none of its name that was fetched"
		return f, nil
	}
	if err == nil {
		f.info, err = kmod.Read(bytes.NewReader(data), int64(len(data)))
	}
	if err != nil {
		f.problem = err.Error()
		return f, nil
	}
	f.digest = hotstick.NewDigest(data)
	return f, data
}

// listedFile returns the bytes that the catalog lists for a module's name on this build.
// The caller holds mu.
func (l *Loader) listedFile(ctx context.Context, module string) ([]byte, error) {
	for _, p := range l.view.Patches {
		artifact, ok := p.Artifact(l.build)
		if !ok || artifact.Module != module {
			continue
		}
		if err := l.take(ctx, artifact.Digest); err != nil {
			continue
		}
		return l.cfg.Disk.Kept(artifact.Digest)
	}
	return nil, fs.ErrNotExist
}

// stageAdoption brings an adoption a stage further; the last one forgets it. It may be
// repeated. The caller holds mu.
func (l *Loader) stageAdoption(from, to ledger.AdoptionStage) operate.Answer {
	a := l.led.Adopted
	switch {
	case a == nil && to == "" || a != nil && a.Stage == to:
		return operate.Answer{Adoption: a, Done: "done already"}
	case a == nil || a.Stage != from:
		return refuse(hotstick.ReasonOtherMaster, "no adoption has come that far")
	}
	err := l.change(func(led *ledger.Ledger) {
		led.Adopted.Stage = to
		if to == "" {
			led.Adopted = nil
		}
	})
	if err != nil {
		return refuse(hotstick.ReasonLedgerUnwritable, err.Error())
	}
	return operate.Answer{Adoption: l.led.Adopted, Done: "done"}
}

// release makes an adopted level somebody else's again. It stays in effect; whoever asks
// puts the unit back afterwards. The caller holds stepping and mu.
func (l *Loader) release(who operate.Caller) operate.Answer {
	a := l.led.Adopted
	switch {
	case a == nil:
		return refuse(hotstick.ReasonOtherMaster, "nothing was adopted")
	case a.Stage == ledger.Releasing:
		return operate.Answer{Adoption: a, Done: a.Level.Patch.String() + " is given back"}
	case l.led.Attempt != nil:
		return refuse(hotstick.ReasonOtherPlan, "an attempt is under way: wait until it has ended")
	case l.led.Permit != nil && l.led.Permit.Level.Patch != a.Level.Patch:
		return refuse(hotstick.ReasonOtherPlan, fmt.Sprintf("%s has come since: revert it first, by hotstick-agent revert", l.led.Permit.Level.Patch))
	}
	err := l.change(func(led *ledger.Ledger) {
		led.Adopted.Stage = ledger.Releasing
		led.Permit, led.Former = nil, nil
	})
	if err != nil {
		return refuse(hotstick.ReasonLedgerUnwritable, err.Error())
	}
	l.jot(true, journal.Entry{Kind: journal.KindRelease, By: who.Name, Patch: a.Level.Patch, Text: "to " + a.System})
	l.cfg.Log.Info("an adopted level was given back", "patch", a.Level.Patch.String(), "system", a.System, "by", who.Name)
	return operate.Answer{Adoption: l.led.Adopted, Done: a.Level.Patch.String() + " is given back"}
}

// takenOver lists the systems from which a level was adopted. The caller holds mu.
func (l *Loader) takenOver() []string {
	if a := l.led.Adopted; a != nil && a.Stage != ledger.Releasing {
		return []string{a.System}
	}
	return nil
}
