package inventory

import (
	"slices"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/store"
	"github.com/hotstick/hotstick/internal/wire"
)

const model = "Maker Product"

// granted makes the world's host one that was given its grant.
func (w *world) granted() *world {
	w.Helper()
	w.update(func(tx store.Tx) error {
		line, err := tx.Plans().Host(plan, host)
		now := tx.Now()
		if line.Granted = &now; err != nil {
			return err
		}
		return tx.Plans().PutHost(line)
	})
	return w
}

// stops are the crash stops that stand.
func (w *world) stops() (all []store.CrashStop) {
	w.Helper()
	w.must(w.store.View(w.Context(), func(tx store.Tx) (err error) {
		all, err = tx.Bans().CrashStops(hotstick.PatchRef{})
		return err
	}))
	return all
}

func modelled(boot string, seq uint64) wire.SyncRequest {
	req := checkIn(boot, seq)
	req.Facts.Host.Model = model
	return req
}

func crash(seq uint64) hotstick.Report {
	r := report(seq, hotstick.Quarantined)
	r.Reason = &hotstick.Reason{Code: hotstick.ReasonCrash}
	r.Crash = &hotstick.CrashPrint{Patch: patch, Build: build, Model: model}
	return r
}

func TestACrashStopsItsKindOfMachine(t *testing.T) {
	w := newWorld(t, hotstick.Probation).granted()
	w.take(modelled("b1", 1))
	req := modelled("b2", 1)
	req.Reports = []hotstick.Report{crash(1)}
	w.take(req)
	stops := w.stops()
	if len(stops) != 1 || stops[0].Print != *crash(1).Crash || stops[0].HostName != "db-1" || stops[0].Reason.Code != hotstick.ReasonCrash {
		t.Errorf("stops %+v", stops)
	}
	if !slices.Contains(w.kinds(), PatchStopped) || !slices.Contains(w.outbox(), NotifyCrash) {
		t.Errorf("events %v, notifications %v", w.kinds(), w.outbox())
	}
	req = modelled("b2", 2)
	again := crash(2)
	req.Reports = []hotstick.Report{again}
	events := len(w.kinds())
	w.take(req)
	if got := len(w.kinds()); len(w.stops()) != 1 || got != events+1 {
		t.Errorf("the same crash told again: %d stops, %d new events", len(w.stops()), got-events)
	}
}

// TestAHostileHostStopsNothingButItsOwnKind lets a host that is owned by somebody else
// report crashes that would stop the patch on machines of other kinds.
func TestAHostileHostStopsNothingButItsOwnKind(t *testing.T) {
	for _, c := range []struct {
		name   string
		state  hotstick.HostState
		grant  bool
		change func(*wire.SyncRequest, *hotstick.Report)
	}{
		{"another model", hotstick.Probation, true, func(_ *wire.SyncRequest, r *hotstick.Report) { r.Crash.Model = "Other" }},
		{"another model, with facts to match", hotstick.Probation, true, func(req *wire.SyncRequest, r *hotstick.Report) {
			r.Crash.Model, req.Facts.Host.Model = "Other", "Other"
		}},
		{"another kernel build", hotstick.Probation, true, func(_ *wire.SyncRequest, r *hotstick.Report) { r.Crash.Build.BuildID = "ffffffffffffffff" }},
		{"another kernel build, with facts to match", hotstick.Probation, true, func(req *wire.SyncRequest, r *hotstick.Report) {
			r.Crash.Build.BuildID, req.Facts.Kernel.Build.BuildID = "ffffffffffffffff", "ffffffffffffffff"
		}},
		{"another level", hotstick.Probation, true, func(_ *wire.SyncRequest, r *hotstick.Report) { r.Crash.Patch.Level = 9 }},
		{"another level, reported as such", hotstick.Probation, true, func(_ *wire.SyncRequest, r *hotstick.Report) { r.Crash.Patch.Level, r.Patch.Level = 9, 9 }},
		{"an attempt that was never granted", hotstick.Admitted, false, func(*wire.SyncRequest, *hotstick.Report) {}},
		{"an attempt of another number", hotstick.Probation, true, func(_ *wire.SyncRequest, r *hotstick.Report) { r.Attempt = 2 }},
		{"a plan that does not list it", hotstick.Probation, true, func(_ *wire.SyncRequest, r *hotstick.Report) { r.Plan = hotstick.NewDigest(nil) }},
		{"no plan", hotstick.Probation, true, func(_ *wire.SyncRequest, r *hotstick.Report) { r.Plan = "" }},
		{"an attempt that went well", hotstick.Probation, true, func(_ *wire.SyncRequest, r *hotstick.Report) { r.State = hotstick.Confirmed }},
	} {
		w := newWorld(t, c.state)
		if c.grant {
			w.granted()
		}
		w.take(modelled("b1", 1))
		req, r := modelled("b2", 1), crash(1)
		c.change(&req, &r)
		req.FactsDigest = hotstick.NewDigest([]byte(c.name))
		req.Reports = []hotstick.Report{r}
		w.take(req)
		if stops := w.stops(); len(stops) != 0 {
			t.Errorf("%s stopped %+v", c.name, stops)
		}
	}
}

func TestARackThatIsLostStopsNothing(t *testing.T) {
	w := newWorld(t, hotstick.Probation).granted()
	w.take(modelled("b1", 1))
	req := modelled("b2", 1)
	req.Reports = []hotstick.Report{crash(1)}
	w.update(func(tx store.Tx) error {
		_, err := TakeJudged(tx, req, time.Minute, Judges{Together: func(store.PlanHost, time.Time) *hotstick.Reason {
			return &hotstick.Reason{Code: hotstick.ReasonPowerCut, Subject: "rack=a"}
		}})
		return err
	})
	if len(w.stops()) != 0 || w.line().State != hotstick.Interrupted {
		t.Errorf("stops %+v, state %s", w.stops(), w.line().State)
	}
}

// TestAnAgentThatSpeaksTheNewerProtocolSaysWhatTheOlderOneLeftOut: the digest is of the
// facts as the agent has them, and stays the same.
func TestAnAgentThatSpeaksTheNewerProtocolSaysWhatTheOlderOneLeftOut(t *testing.T) {
	w := newWorld(t, hotstick.Waiting)
	w.take(checkIn("b1", 1))
	req := modelled("b1", 2)
	req.Facts.Masters = []hotstick.Master{{System: "kpatch", Active: true}}
	taken := w.take(req)
	if Model(taken.Host) != model || Barred(taken.Host, "klp") == nil || Barred(taken.Host, "") == nil || Barred(taken.Host, "reboot") != nil {
		t.Errorf("model %q, masters %+v", Model(taken.Host), taken.Host.Facts.Masters)
	}
	events := len(w.kinds())
	req.Seq = 3
	if w.take(req); len(w.kinds()) != events {
		t.Errorf("the same facts again made %v", w.kinds()[events:])
	}
}

// ours says which modules are ours.
func ours(module string, _ hotstick.KernelBuild) (hotstick.PatchRef, bool) {
	return patch, module == "unix_ioctl_2"
}

// hear stores a check-in that says what runs and what should, ten seconds after the last.
func (w *world) hear(seq uint64, expected hotstick.PatchRef, patches ...hotstick.LoadedPatch) Taken {
	w.Helper()
	req := checkIn("b1", seq)
	req.Patches, req.Loader.Expected = patches, &expected
	for _, p := range patches {
		if ref, own := ours(p.Module, build); own && p.State == hotstick.InEffect {
			req.Loader.InEffect = ref
		}
	}
	w.now = w.now.Add(10 * time.Second)
	var taken Taken
	w.update(func(tx store.Tx) error {
		var err error
		taken, err = TakeJudged(tx, req, time.Minute, Judges{Modules: ours})
		return err
	})
	return taken
}

func TestDriftIsSeenWithinTwoHeartbeats(t *testing.T) {
	level := func(state hotstick.Effect) hotstick.LoadedPatch {
		return hotstick.LoadedPatch{Module: "unix_ioctl_2", Driver: "klp", State: state}
	}
	vendor := hotstick.LoadedPatch{Module: "kpatch_x", Driver: "klp", State: hotstick.InEffect, StackOrder: 2}
	for _, c := range []struct {
		name     string
		expected hotstick.PatchRef
		found    []hotstick.LoadedPatch
		want     hotstick.DriftKind
		module   string
	}{
		{"echo 0", patch, []hotstick.LoadedPatch{level(hotstick.Disabled)}, hotstick.DriftDisabled, "unix_ioctl_2"},
		{"rmmod", patch, nil, hotstick.DriftRemoved, ""},
		{"a vendor's patch above ours", patch, []hotstick.LoadedPatch{level(hotstick.InEffect), vendor}, hotstick.DriftForeign, "kpatch_x"},
		{"a vendor's patch alone", hotstick.PatchRef{}, []hotstick.LoadedPatch{vendor}, hotstick.DriftForeign, "kpatch_x"},
		{"insmod of ours by hand", hotstick.PatchRef{}, []hotstick.LoadedPatch{level(hotstick.InEffect)}, hotstick.DriftForeign, ""},
	} {
		w := newWorld(t, hotstick.Confirmed)
		well := []hotstick.LoadedPatch{level(hotstick.InEffect)}
		if c.expected.IsZero() {
			well = nil
		}
		if taken := w.hear(1, c.expected, well...); taken.Host.Drift != nil {
			t.Errorf("%s: a healthy host drifts: %+v", c.name, taken.Host.Drift)
		}
		heard := w.now
		if taken := w.hear(2, c.expected, c.found...); taken.Host.Drift.Shown() != nil || !taken.Unsettled {
			t.Errorf("%s: after one check-in %+v, unsettled %t", c.name, taken.Host.Drift, taken.Unsettled)
		}
		d := w.hear(3, c.expected, c.found...).Host.Drift.Shown()
		if d == nil || d.Kind != c.want || d.Module != c.module || !d.Before.Equal(heard) || !d.Since.Equal(heard.Add(10*time.Second)) {
			t.Errorf("%s: %+v, want %s of %q", c.name, d, c.want, c.module)
			continue
		}
		if taken := w.hear(4, c.expected, well...); taken.Host.Drift != nil {
			t.Errorf("%s: it is put right, and still drifts: %+v", c.name, taken.Host.Drift)
		}
		if told := w.outbox(); !slices.Equal(told, []string{NotifyDrift, NotifyAligned}) {
			t.Errorf("%s: told %v", c.name, told)
		}
	}
}

func TestAHostThatIsHeldOrStallsIsToldOnce(t *testing.T) {
	w := newWorld(t, hotstick.Waiting)
	stall := &hotstick.Stall{Module: "m", State: hotstick.TransitionIn, Tasks: 1, Blockers: []hotstick.Blocker{{Command: "d", Cause: hotstick.BlockInside}}}
	hold := &hotstick.HostHold{By: "root", Reason: "backup", Since: w.now}
	for i, step := range []struct {
		say   func(*wire.LoaderState)
		kinds []string
	}{
		{func(*wire.LoaderState) {}, []string{HostBooted, HostFacts}},
		{func(l *wire.LoaderState) { l.Stall = stall }, []string{HostIll, HostStalled}},
		{func(l *wire.LoaderState) { l.Stall = stall }, nil},
		{func(*wire.LoaderState) {}, []string{HostWell, HostUnstalled}},
		{func(l *wire.LoaderState) { l.Hold = hold }, []string{HostHeld}},
		{func(l *wire.LoaderState) { l.Hold, l.Off = hold, hotstick.OffByFile }, []string{HostHeld}},
		{func(l *wire.LoaderState) { l.Nonce = "" }, nil}, // the agent did not reach the loader
		{func(l *wire.LoaderState) { l.Nonce, l.Resting, l.Hold, l.Off = "", true, hold, hotstick.OffByFile }, nil},
		{func(l *wire.LoaderState) { l.Nonce, l.Resting = "", true }, []string{HostUnheld}}, // it said so before it went to rest
	} {
		before := len(w.kinds())
		req := checkIn("b1", uint64(i+1))
		step.say(&req.Loader)
		w.take(req)
		if got := w.kinds()[before:]; !slices.Equal(got, step.kinds) {
			t.Errorf("step %d: %v, want %v", i, got, step.kinds)
		}
	}
}
