package loader

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver"
	"github.com/hotstick/hotstick/internal/kernel/kmod"
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

// adopt makes a level ours that somebody else has loaded. A unit is that of the other
// system, as it is now; whoever asks puts it on hold afterwards. A system that schedules
// itself is put on hold by a step, from the next tick on; what it was before is read by a
// step, too, and whoever asks again is told how that went. The caller holds stepping and mu,
// which is given up meanwhile.
func (l *Loader) adopt(ctx context.Context, who operate.Caller, unit *operate.Unit, observed bool) operate.Answer {
	if a := l.led.Adopted; a != nil {
		return l.adoptAgain(who, *a)
	}
	l.mu.Unlock()
	drivers := l.stepped(ctx)
	l.mu.Lock()
	t, files, refused := l.takeover(ctx, drivers, observed)
	if refused != nil {
		return *refused
	}
	var settings []byte
	if t.driver != "" {
		l.mu.Unlock()
		kept, err := l.settings(ctx, t.driver)
		l.mu.Lock()
		switch {
		case errors.Is(err, driver.ErrUnderWay):
			return operate.Answer{Waiting: "how " + t.driver + " schedules itself is being read"}
		case err != nil:
			return operate.Answer{Refused: &driver.AsRefusal(err).Reason}
		}
		settings = kept
		if t, files, refused = l.takeover(ctx, drivers, observed); refused != nil { // a grant may have come meanwhile
			return *refused
		}
	}
	if t.master.Unit != "" && (unit == nil || unit.Name != t.master.Unit) {
		return refuse(hotstick.ReasonOtherMaster, "what "+t.master.Unit+" is now was not said")
	}
	a := ledger.Adoption{System: t.master.System, Level: t.level, By: who.Name, At: l.wall(), Stage: ledger.Taking, Driver: t.driver, Settings: settings}
	if t.master.Unit != "" {
		a.Unit, a.UnitEnabled, a.UnitActive = unit.Name, unit.Enabled, unit.Active
	}
	return l.takeOver(ctx, who, a, files)
}

// settings asks a driver how its system schedules itself.
func (l *Loader) settings(ctx context.Context, name string) ([]byte, error) {
	h, ok := l.cfg.Drivers.Holder(name)
	if !ok {
		return nil, driver.Refuse(hotstick.ReasonUnsupported, "the driver %s cannot put its system on hold", name)
	}
	return h.Settings(ctx)
}

// stepped are what the drivers can do that work by steps and can be used here.
func (l *Loader) stepped(ctx context.Context) []hotstick.Capabilities {
	var all []hotstick.Capabilities
	for _, d := range l.cfg.Drivers {
		if _, steps := d.(driver.Stepped); !steps || hotstick.Reboots(d.Name()) {
			continue
		}
		if c := d.Capabilities(ctx); c.Available {
			all = append(all, c)
		}
	}
	return all
}

// takeover judges what can be taken over here, with the files of what is loaded. The caller
// holds mu.
func (l *Loader) takeover(ctx context.Context, drivers []hotstick.Capabilities, observed bool) (takeover, map[hotstick.Digest][]byte, *operate.Answer) {
	s := adoptSituation{led: l.led, view: l.view, viewed: l.viewed, observed: observed, patches: l.patches, before: l.levelInEffect(),
		masters: l.cfg.Others.Masters(l.patches), loads: l.loadsBytes, drivers: drivers, build: l.build, blocked: l.blocked}
	files := map[hotstick.Digest][]byte{}
	for _, p := range livePatches(l.patches) {
		if p.State == hotstick.Disabled || s.before != nil && p.Module == s.before.Module {
			continue
		}
		f, data := l.foreign(ctx, p)
		files[f.digest], s.foreign = data, append(s.foreign, f)
	}
	t, reason, unknown := judgeAdoption(s)
	if reason != nil {
		return t, nil, &operate.Answer{Refused: reason, Unknown: unknown}
	}
	return t, files, nil
}

// takeOver writes an adoption down: from here on the level is ours. The caller holds mu.
func (l *Loader) takeOver(ctx context.Context, who operate.Caller, a ledger.Adoption, files map[hotstick.Digest][]byte) operate.Answer {
	level := a.Level
	if data := files[level.Artifact]; data != nil {
		if err := l.cfg.Disk.Keep(level.Artifact, data); err != nil {
			return refuse(hotstick.ReasonLedgerUnwritable, err.Error())
		}
		l.held[level.Artifact] = true
	}
	if level.Artifact != "" {
		_ = l.take(ctx, level.Artifact) // a recipe that is not there yet the agent brings
	}
	err := l.change(func(led *ledger.Ledger) {
		led.Adopted, led.Forgotten = &a, nil
		if level.Patch.IsZero() || led.Permit != nil && led.Permit.Level.Patch == level.Patch {
			return
		}
		led.Former, led.Permit = nil, &ledger.Permit{Level: level, AppliedBoot: l.boot}
		led.Confirmed[level.Patch.Name] = max(led.Confirmed[level.Patch.Name], level.Patch.Level)
	})
	if err != nil {
		return refuse(hotstick.ReasonLedgerUnwritable, err.Error())
	}
	l.known.scheduling = scheduling{}
	l.jot(true, journal.Entry{Kind: journal.KindAdopt, By: who.Name, Patch: level.Patch, Text: "from " + a.System})
	l.cfg.Log.Info("a live-patch system was taken over", "patch", level.Patch.String(), "system", a.System, "by", who.Name)
	return l.adoptionOf(a)
}

// adoptionOf says what was adopted, or what is being done.
func (l *Loader) adoptionOf(a ledger.Adoption) operate.Answer {
	what := a.Level.Patch.String() + " is adopted"
	if a.Level.Patch.IsZero() {
		what = a.System + " is adopted; it had nothing in effect"
	}
	answer := operate.Answer{Adoption: &a, Done: what}
	switch {
	case a.Driver == "":
	case a.Stage == ledger.Taken:
		answer.Done += ", and " + a.System + " is on hold"
	default:
		answer.Waiting = a.System + " is being put on hold"
	}
	return answer
}

// adoptAgain goes on with an adoption, or has a system put on hold again that somebody has
// let go. How it scheduled itself before the adoption stays as it was read then. The caller
// holds mu.
func (l *Loader) adoptAgain(who operate.Caller, a ledger.Adoption) operate.Answer {
	l.known.scheduling.refused = nil // a person has asked: it is tried at once
	switch {
	case a.Stage == ledger.Releasing:
		return refuse(hotstick.ReasonOtherMaster, a.System+" is being given back: finish that first, by hotstick-agent release")
	case a.Stage == ledger.Taken && a.Lifted != nil:
		if err := l.change(func(led *ledger.Ledger) { led.Adopted.Stage = ledger.Taking }); err != nil {
			return refuse(hotstick.ReasonLedgerUnwritable, err.Error())
		}
		l.jot(true, journal.Entry{Kind: journal.KindAdopt, By: who.Name, Patch: a.Level.Patch, Text: "put " + a.System + " on hold again"})
		l.cfg.Log.Info("a live-patch system is to be put on hold again", "system", a.System, "by", who.Name)
		a.Stage = ledger.Taking
	}
	return l.adoptionOf(a)
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
	case a == nil || a.Stage != from || a.Driver != "":
		return refuse(hotstick.ReasonOtherMaster, "no adoption has come that far")
	}
	err := l.change(func(led *ledger.Ledger) {
		led.Adopted.Stage, led.Adopted.Lifted = to, nil
		if to == "" {
			led.Adopted = nil
		}
	})
	if err != nil {
		return refuse(hotstick.ReasonLedgerUnwritable, err.Error())
	}
	return operate.Answer{Adoption: l.led.Adopted, Done: "done"}
}

// release makes an adopted level somebody else's again. It stays in effect, and so does a
// newer one of the same system, which that knows as its own. Whoever asks puts the unit back
// afterwards; a system that was put on hold by a step is given back by one, from the next
// tick on. The caller holds stepping and mu.
func (l *Loader) release(who operate.Caller) operate.Answer {
	a := l.led.Adopted
	switch {
	case a == nil:
		return refuse(hotstick.ReasonOtherMaster, "nothing was adopted")
	case a.Stage == ledger.Releasing:
		l.known.scheduling.refused = nil
		return given(*a)
	case l.led.Attempt != nil:
		return refuse(hotstick.ReasonOtherPlan, "an attempt is under way: wait until it has ended")
	case l.led.Permit != nil && l.led.Permit.Level.Patch != a.Level.Patch && (l.loadsBytes(a.For()) || l.led.Permit.Level.Driver != a.For()):
		return refuse(hotstick.ReasonOtherPlan, fmt.Sprintf("%s has come since: revert it first, by hotstick-agent revert", l.led.Permit.Level.Patch))
	}
	err := l.change(func(led *ledger.Ledger) {
		led.Adopted.Stage = ledger.Releasing
		led.Permit, led.Former = nil, nil
	})
	if err != nil {
		return refuse(hotstick.ReasonLedgerUnwritable, err.Error())
	}
	l.known.scheduling = scheduling{}
	l.jot(true, journal.Entry{Kind: journal.KindRelease, By: who.Name, Patch: a.Level.Patch, Text: "to " + a.System})
	l.cfg.Log.Info("an adopted level was given back", "patch", a.Level.Patch.String(), "system", a.System, "by", who.Name)
	return given(*l.led.Adopted)
}

// forgetAdoption ends a release that cannot be done, because a person says so: the system's
// settings stay as they are on the host, and what they were before stays in the ledger and
// goes into the answer. A release must have been begun, and nothing may be under way that
// could still give them back. The caller holds stepping and mu.
func (l *Loader) forgetAdoption(who operate.Caller) operate.Answer {
	a, why := l.led.Adopted, l.known.scheduling.refused
	switch {
	case a == nil:
		return refuse(hotstick.ReasonOtherMaster, "nothing was adopted")
	case a.Stage != ledger.Releasing:
		return refuse(hotstick.ReasonOtherMaster, a.System+" was not released: try hotstick-agent release first")
	case a.Driver != "" && (why == nil || l.known.scheduling.step):
		return refuse(hotstick.ReasonOtherMaster, a.System+" is being given its settings back: wait for the end of that")
	}
	f := ledger.Forgotten{Adoption: *a, By: who.Name, At: l.wall(), Why: why}
	if err := l.change(func(led *ledger.Ledger) { led.Adopted, led.Forgotten = nil, &f }); err != nil {
		return refuse(hotstick.ReasonLedgerUnwritable, err.Error())
	}
	l.known.scheduling = scheduling{}
	l.jot(true, journal.Entry{Kind: journal.KindForgotten, By: who.Name, Patch: a.Level.Patch, Text: clip(a.System + " was not given its settings back: " + string(a.Settings))})
	l.cfg.Log.Warn("a live-patch system was not given its settings back", "system", a.System, "by", who.Name)
	return operate.Answer{Adoption: a, Done: "the adoption of " + a.System + " is forgotten; nothing was given back"}
}

// given says what is given back.
func given(a ledger.Adoption) operate.Answer {
	what := a.System
	if !a.Level.Patch.IsZero() {
		what = a.Level.Patch.String()
	}
	answer := operate.Answer{Adoption: &a, Done: what + " is given back"}
	if a.Driver != "" {
		answer.Waiting = a.System + " is being given its settings back"
	}
	return answer
}

// takenOver is the system that was taken over; nil if none was. One that is about to be put
// on hold for the first time is none yet. The caller holds mu.
func (l *Loader) takenOver() *hotstick.Takeover {
	a := l.led.Adopted
	if a == nil || a.Stage == ledger.Releasing || a.Stage == ledger.Taking && a.Driver != "" && a.Lifted == nil {
		return nil
	}
	return &hotstick.Takeover{System: a.System, Driver: a.For(), Lifted: a.Lifted}
}

// masters are the live-patch systems of this host, with what was taken over. The caller
// holds mu.
func (l *Loader) masters() []hotstick.Master {
	all := l.cfg.Others.Masters(l.patches)
	if t := l.takenOver(); t != nil {
		return t.Mark(all)
	}
	return all
}
