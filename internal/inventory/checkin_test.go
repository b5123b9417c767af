package inventory

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/store"
	"github.com/hotstick/hotstick/internal/store/memory"
	"github.com/hotstick/hotstick/internal/wire"
)

const host = hotstick.HostID("h-aaaaaaaaaaaaaaaa")

var (
	plan  = hotstick.NewDigest([]byte("plan"))
	patch = hotstick.PatchRef{Name: "unix-ioctl", Level: 2}
	build = hotstick.KernelBuild{Release: "6.1.0-47-amd64", Arch: "x86_64", BuildID: "0011223344556677"}
)

// world is a store with one host that is listed in one plan.
type world struct {
	*testing.T
	store *memory.Store
	now   time.Time
}

func newWorld(t *testing.T, state hotstick.HostState) *world {
	w := &world{T: t, now: time.Date(2026, 11, 21, 3, 0, 0, 0, time.UTC)}
	w.store = memory.Open(func() time.Time { return w.now })
	w.update(func(tx store.Tx) error {
		if err := tx.Hosts().Put(store.Host{ID: host, Name: "db-1", Identity: make([]byte, 32), Enrolled: w.now}); err != nil {
			return err
		}
		return tx.Plans().Create(store.Plan{ID: plan, Name: "p", Patch: patch, Status: hotstick.Running, Created: w.now},
			[]store.PlanHost{{Listed: hotstick.PlanHost{Host: host, Name: "db-1", Build: build}, State: state, Attempt: 1}})
	})
	return w
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) update(fn func(store.Tx) error) {
	w.Helper()
	w.must(w.store.Update(w.Context(), fn))
}

// take stores a check-in and returns what became of it.
func (w *world) take(req wire.SyncRequest) Taken {
	w.Helper()
	var taken Taken
	w.update(func(tx store.Tx) error {
		var err error
		taken, err = Take(tx, req, time.Minute)
		return err
	})
	return taken
}

// line is where the host stands in the plan.
func (w *world) line() store.PlanHost {
	w.Helper()
	var line store.PlanHost
	w.must(w.store.View(w.Context(), func(tx store.Tx) error {
		var err error
		line, err = tx.Plans().Host(plan, host)
		return err
	}))
	return line
}

// kinds lists the events of the host, oldest first.
func (w *world) kinds() []string {
	w.Helper()
	var kinds []string
	w.must(w.store.View(w.Context(), func(tx store.Tx) error {
		events, err := tx.Events().List(store.EventFilter{Host: host})
		for _, e := range events {
			kinds = append([]string{e.Kind}, kinds...)
		}
		return err
	}))
	return kinds
}

func (w *world) outbox() []string {
	w.Helper()
	var kinds []string
	w.must(w.store.View(w.Context(), func(tx store.Tx) error {
		messages, err := tx.Outbox().Due(w.now.Add(time.Hour), 0)
		for _, m := range messages {
			kinds = append(kinds, m.Kind)
		}
		return err
	}))
	return kinds
}

// checkIn is a check-in of a boot with facts.
func checkIn(boot string, seq uint64) wire.SyncRequest {
	return wire.SyncRequest{Protocol: wire.Protocol, Host: host, Boot: boot, Seq: seq, FactsDigest: hotstick.NewDigest([]byte(boot)),
		Facts:  &hotstick.Facts{Host: hotstick.HostFacts{Hostname: "db-1", BootID: boot}, Kernel: hotstick.KernelFacts{Build: build}},
		Loader: wire.LoaderState{Nonce: "n"}}
}

func report(seq uint64, state hotstick.HostState) hotstick.Report {
	return hotstick.Report{Seq: seq, Boot: "b1", Plan: plan, Patch: patch, Attempt: 1, State: state}
}

func TestACheckInCountsOnce(t *testing.T) {
	w := newWorld(t, hotstick.Admitted)
	first := checkIn("b1", 5)
	first.Reports = []hotstick.Report{report(1, hotstick.Armed)}
	if taken := w.take(first); !taken.Counted || taken.Host.Reported != 1 {
		t.Fatalf("the first: %+v", taken)
	}
	events := len(w.kinds())
	for name, req := range map[string]wire.SyncRequest{"the same again": first, "an older one": checkIn("b1", 4)} {
		req.Reports = []hotstick.Report{report(2, hotstick.Applying)}
		taken := w.take(req)
		if taken.Counted || taken.Host.Reported != 1 || w.line().State != hotstick.Armed || len(w.kinds()) != events {
			t.Errorf("%s changed something: %+v, %s, %v", name, taken, w.line().State, w.kinds())
		}
	}
}

func TestAReportCountsOnce(t *testing.T) {
	w := newWorld(t, hotstick.Admitted)
	for seq := range uint64(3) {
		req := checkIn("b1", seq+1)
		req.Reports = []hotstick.Report{report(1, hotstick.Armed), report(2, hotstick.Applying)}
		w.take(req)
	}
	states := 0
	for _, k := range w.kinds() {
		if k == HostState || k == HostReport {
			states++
		}
	}
	if states != 2 || w.line().State != hotstick.Applying {
		t.Errorf("%d steps in the log, state %s; want 2, applying", states, w.line().State)
	}
}

func TestReportsThatChangeNothing(t *testing.T) {
	tests := []struct {
		name   string
		state  hotstick.HostState
		change func(*hotstick.Report)
		kind   string
	}{
		{"of another attempt", hotstick.Admitted, func(r *hotstick.Report) { r.Attempt = 2 }, HostReport},
		{"that the table of states forbids", hotstick.Reverted, func(*hotstick.Report) {}, HostReport},
		{"of a plan that nobody knows", hotstick.Admitted, func(r *hotstick.Report) { r.Plan = hotstick.NewDigest(nil) }, HostReport},
		{"of what the host did on its permit", hotstick.Admitted, func(r *hotstick.Report) { r.Plan = "" }, HostPermit},
		{"that only a server may say", hotstick.Armed, func(r *hotstick.Report) { r.State = hotstick.Lost }, HostReport},
	}
	for _, tt := range tests {
		w := newWorld(t, tt.state)
		req := checkIn("b1", 1)
		r := report(1, hotstick.Armed)
		tt.change(&r)
		req.Reports = []hotstick.Report{r}
		taken := w.take(req)
		kinds := w.kinds()
		if w.line().State != tt.state || taken.Host.Reported != 1 || kinds[len(kinds)-1] != tt.kind {
			t.Errorf("a report %s: state %s, reported %d, events %v", tt.name, w.line().State, taken.Host.Reported, kinds)
		}
	}
}

func TestANewBootCountsOnlyWithItsFacts(t *testing.T) {
	w := newWorld(t, hotstick.Admitted)
	w.take(checkIn("b1", 9))
	bare := checkIn("b2", 1)
	bare.Facts = nil
	if taken := w.take(bare); taken.Counted || !taken.WantFacts || taken.Host.Boot != "b1" {
		t.Errorf("a new boot without facts: %+v", taken)
	}
	if taken := w.take(checkIn("b2", 2)); !taken.Counted || taken.Host.Boot != "b2" || taken.Host.Boots != 2 {
		t.Errorf("a new boot with facts: %+v", taken)
	}
}

func TestTwoBootsOfOneIdentityThatAlternateAreACloneAndTheOlderIsNotHeard(t *testing.T) {
	w := newWorld(t, hotstick.Admitted)
	w.take(checkIn("b1", 9))
	w.take(checkIn("b2", 1))
	for seq := range uint64(3) {
		old := checkIn("b1", 10+seq)
		old.Reports = []hotstick.Report{report(1, hotstick.Armed)}
		if taken := w.take(old); taken.Counted || !taken.Cloned || taken.Host.Boot != "b2" {
			t.Errorf("the boot that was followed: %+v", taken)
		}
		if taken := w.take(checkIn("b2", 2+seq)); !taken.Counted {
			t.Errorf("the newer boot: %+v", taken)
		}
	}
	clones := 0
	for _, k := range w.kinds() {
		if k == HostCloned {
			clones++
		}
	}
	if told := w.outbox(); len(told) != 1 || told[0] != NotifyClone {
		t.Errorf("people were told %v", told)
	}
	if clones != 1 || w.line().State != hotstick.Admitted {
		t.Errorf("%d events of a clone, state %s; want one, admitted", clones, w.line().State)
	}
}

func TestWhatALoaderSaysMakesEventsOnlyWhereItChanged(t *testing.T) {
	w := newWorld(t, hotstick.Admitted)
	w.take(checkIn("b1", 1))
	seen := len(w.kinds())
	change := func(seq uint64, f func(*wire.LoaderState)) []string {
		req := checkIn("b1", seq)
		req.Loader.InEffect = patch
		req.Loader.Plans = []hotstick.PlanID{plan}
		req.Loader.Strikes = []hotstick.PatchRef{patch}
		f(&req.Loader)
		w.take(req)
		fresh := w.kinds()[seen:]
		seen += len(fresh)
		return fresh
	}
	want := []string{HostEffect, HostAnnounced, HostStruck}
	if got := change(2, func(*wire.LoaderState) {}); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("news: %v; want %v", got, want)
	}
	if got := change(3, func(*wire.LoaderState) {}); len(got) != 0 {
		t.Errorf("the same again: %v; want nothing", got)
	}
	refusal := wire.DocumentRefusal{Document: plan, Reason: hotstick.Reason{Code: hotstick.ReasonSignature, Detail: "x"}}
	refuse := func(l *wire.LoaderState) { l.Refusals = []wire.DocumentRefusal{refusal} }
	if got := change(4, refuse); len(got) != 1 || got[0] != HostRefused {
		t.Errorf("a refusal: %v", got)
	}
	if got := change(5, refuse); len(got) != 0 {
		t.Errorf("the same refusal again: %v; want nothing", got)
	}
	if got := w.outbox(); fmt.Sprint(got) != fmt.Sprint([]string{NotifyStrike}) {
		t.Errorf("told of %v; want the strike", got)
	}
}

func TestAHostThatGoesBackByItselfIsTold(t *testing.T) {
	for code, want := range map[hotstick.ReasonCode]int{hotstick.ReasonProbeFailed: 1, hotstick.ReasonRevertOrdered: 0} {
		w := newWorld(t, hotstick.Probation)
		req := checkIn("b1", 1)
		r := report(1, hotstick.Reverting)
		r.Reason = &hotstick.Reason{Code: code}
		req.Reports = []hotstick.Report{r}
		w.take(req)
		if got := w.outbox(); len(got) != want {
			t.Errorf("%s: told of %v; want %d messages", code, got, want)
		}
	}
}

func TestASilentHostThatReturnsIsAnEvent(t *testing.T) {
	w := newWorld(t, hotstick.Admitted)
	w.take(checkIn("b1", 1))
	w.now = w.now.Add(59 * time.Second)
	w.take(checkIn("b1", 2))
	before := len(w.kinds())
	w.now = w.now.Add(61 * time.Second)
	w.take(checkIn("b1", 3))
	if got := w.kinds()[before:]; len(got) != 1 || got[0] != HostReturned {
		t.Errorf("events %v; want one return", got)
	}
}

func TestARevokedHostIsNotHeard(t *testing.T) {
	w := newWorld(t, hotstick.Admitted)
	w.update(func(tx store.Tx) error { return tx.Hosts().Delete(host) })
	err := w.store.Update(t.Context(), func(tx store.Tx) error {
		_, err := Take(tx, checkIn("b1", 1), time.Minute)
		return err
	})
	if !errors.Is(err, ErrRevoked) {
		t.Errorf("got %v; want ErrRevoked", err)
	}
}

func TestCheckInsBeyondTheLimitsAreRefused(t *testing.T) {
	long := strings.Repeat("x", maxText+1)
	tests := map[string]func(*wire.SyncRequest){
		"a long boot":         func(r *wire.SyncRequest) { r.Boot = long },
		"a long nonce":        func(r *wire.SyncRequest) { r.Loader.Nonce = long },
		"many plans":          func(r *wire.SyncRequest) { r.Loader.Plans = make([]hotstick.PlanID, maxListed+1) },
		"a long hostname":     func(r *wire.SyncRequest) { r.Facts.Host.Hostname = long },
		"a long command line": func(r *wire.SyncRequest) { r.Facts.Kernel.CommandLine = strings.Repeat("x", maxCommandLine+1) },
		"many modules":        func(r *wire.SyncRequest) { r.Facts.Modules = make([]hotstick.ModuleFacts, maxModules+1) },
		"a long module":       func(r *wire.SyncRequest) { r.Facts.Modules = []hotstick.ModuleFacts{{Name: long}} },
		"a long label":        func(r *wire.SyncRequest) { r.Facts.Labels = map[string]string{"k": long} },
		"a label of no name":  func(r *wire.SyncRequest) { r.Facts.Labels = map[string]string{"": "v"} },
		"many traced functions": func(r *wire.SyncRequest) {
			r.Facts.Tracing.Functions = make([]hotstick.TracedFunction, hotstick.MaxTraced+1)
		},
		"many device drivers": func(r *wire.SyncRequest) {
			r.Facts.Machine.Drivers = make([]hotstick.DeviceDriver, hotstick.MaxDeviceDrivers+1)
		},
		"a long firmware":  func(r *wire.SyncRequest) { r.Facts.Machine.Firmware.Version = long },
		"a long driver":    func(r *wire.SyncRequest) { r.Facts.Machine.Drivers = []hotstick.DeviceDriver{{Driver: long}} },
		"many nodes":       func(r *wire.SyncRequest) { r.Facts.Services.Cluster.Nodes = make([]string, hotstick.MaxClusterNodes+1) },
		"a long unit":      func(r *wire.SyncRequest) { r.Facts.Services.Running = []string{long} },
		"a long sysctl":    func(r *wire.SyncRequest) { r.Facts.Sysctls = map[string]string{"k": long} },
		"many kept groups": func(r *wire.SyncRequest) { r.Facts.Withheld = make([]string, 5) },
		"many tracers":     func(r *wire.SyncRequest) { r.Facts.Tracing.Tracers = make([]hotstick.Tracer, hotstick.MaxTracers+1) },
		"a long tracer":    func(r *wire.SyncRequest) { r.Facts.Tracing.Tracers = []hotstick.Tracer{{Process: long}} },
		"a long handler": func(r *wire.SyncRequest) {
			r.Facts.Tracing.Functions = []hotstick.TracedFunction{{Handlers: []string{long}}}
		},
		"a long probe": func(r *wire.SyncRequest) { r.Facts.Tracing.Kprobes = []hotstick.Kprobe{{Function: long}} },
		"many drivers": func(r *wire.SyncRequest) { r.Facts.Drivers = make([]hotstick.Capabilities, maxDrivers+1) },
		"many patches": func(r *wire.SyncRequest) { r.Patches = make([]hotstick.LoadedPatch, maxPatches+1) },
		"a long function": func(r *wire.SyncRequest) {
			r.Patches = []hotstick.LoadedPatch{{Module: "m", State: hotstick.InEffect, Functions: []string{long}}}
		},
		"an unknown effect": func(r *wire.SyncRequest) { r.Patches = []hotstick.LoadedPatch{{Module: "m", State: "forced"}} },
		"many readings":     func(r *wire.SyncRequest) { r.Readings = make([]hotstick.Reading, maxReadings+1) },
		"a long reading": func(r *wire.SyncRequest) {
			r.Readings = []hotstick.Reading{{Detail: strings.Repeat("x", hotstick.MaxEvidenceBytes+1)}}
		},
		"a malformed plan": func(r *wire.SyncRequest) { r.Reports = []hotstick.Report{{Plan: "p"}} },
		"a long reason": func(r *wire.SyncRequest) {
			r.Reports = []hotstick.Report{{Reason: &hotstick.Reason{Detail: strings.Repeat("x", hotstick.MaxEvidenceBytes+1)}}}
		},
	}
	if err := Check(checkIn("b1", 1)); err != nil {
		t.Fatalf("a good check-in: %v", err)
	}
	for name, change := range tests {
		req := checkIn("b1", 1)
		change(&req)
		err := Check(req)
		if err == nil {
			t.Errorf("%s was accepted", name)
		} else if len(err.Error()) > 200 {
			t.Errorf("%s: the error repeats it: %d bytes", name, len(err.Error()))
		}
	}
}

func TestAHostIsIllWhileAProbeFails(t *testing.T) {
	w := newWorld(t, hotstick.Waiting)
	ok, bad := hotstick.Reading{Probe: "http", Healthy: true}, hotstick.Reading{Probe: "disk", Detail: "full"}
	for seq, c := range []struct {
		what     string
		readings []hotstick.Reading
		ill      bool
		event    string
	}{
		{"all is well", []hotstick.Reading{ok}, false, ""},
		{"one of two fails", []hotstick.Reading{ok, bad}, true, HostIll},
		{"it fails again", []hotstick.Reading{bad}, true, ""},
		{"it is well again", []hotstick.Reading{ok}, false, HostWell},
		{"it stays well", nil, false, ""},
	} {
		w.now = w.now.Add(time.Minute)
		before := len(w.kinds())
		req := checkIn("boot-1", uint64(seq+1))
		req.Readings = c.readings
		taken := w.take(req)
		added := strings.Join(w.kinds()[before:], " ")
		if ill := taken.Host.IllSince != nil; ill != c.ill || !strings.Contains(added, c.event) || c.event == "" && strings.Contains(added, "ll") {
			t.Errorf("%s: ill %v, events %q", c.what, ill, added)
		}
		if c.ill && taken.Host.IllSince.After(time.Date(2026, 11, 21, 3, 2, 0, 0, time.UTC)) {
			t.Errorf("%s: it is ill since %v only", c.what, taken.Host.IllSince)
		}
	}
}

func TestWhatAHostTakesBackOutByItselfSticks(t *testing.T) {
	for _, c := range []struct {
		what   string
		state  hotstick.HostState
		why    *hotstick.Reason
		sticks bool
	}{
		{"a probe failed", hotstick.Reverting, &hotstick.Reason{Code: hotstick.ReasonProbeFailed}, true},
		{"it is back already", hotstick.Reverted, &hotstick.Reason{Code: hotstick.ReasonKernelLog}, true},
		{"it was ordered", hotstick.Reverting, &hotstick.Reason{Code: hotstick.ReasonRevertOrdered}, false},
		{"it was confirmed", hotstick.Confirmed, nil, false},
	} {
		w := newWorld(t, hotstick.Probation)
		req := checkIn("boot-1", 1)
		r := report(1, c.state)
		r.Patch, r.Reason = patch, c.why
		req.Reports = []hotstick.Report{r}
		w.take(req)
		again := checkIn("boot-1", 2)
		r.Seq = 2
		again.Reports = []hotstick.Report{r}
		taken := w.take(again)
		marks := strings.Count(strings.Join(w.kinds(), " "), HostMarked)
		if sticks := len(taken.Host.Reverted) == 1 && marks == 1; sticks != c.sticks || len(taken.Host.Reverted) > 1 {
			t.Errorf("%s: marked %v with %d events, want %v", c.what, taken.Host.Reverted, marks, c.sticks)
		}
	}
}

func TestAHostWhoseLoaderIsAwayStaysAsBusyAsItWas(t *testing.T) {
	w := newWorld(t, hotstick.Probation)
	for seq, c := range []struct {
		what        string
		nonce       string
		busy, taken bool
	}{
		{"its loader is at work", "n", true, true},
		{"its agent was restarted and does not reach the loader", "", false, true},
		{"its loader is done", "n", false, false},
		{"it is away again", "", false, false},
	} {
		req := checkIn("boot-1", uint64(seq+1))
		req.Loader.Nonce, req.Loader.Busy = c.nonce, c.busy
		if taken := w.take(req); taken.Host.Loader.Busy != c.taken {
			t.Errorf("%s: busy %v, want %v", c.what, taken.Host.Loader.Busy, c.taken)
		}
	}
}
