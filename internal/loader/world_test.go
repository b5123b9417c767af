package loader_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/catalog"
	"github.com/hotstick/hotstick/internal/driver"
	"github.com/hotstick/hotstick/internal/driver/fake"
	"github.com/hotstick/hotstick/internal/kernel/klog"
	"github.com/hotstick/hotstick/internal/kernel/kmod"
	"github.com/hotstick/hotstick/internal/kernel/tasks"
	"github.com/hotstick/hotstick/internal/loader"
	"github.com/hotstick/hotstick/internal/loader/ledger"
	"github.com/hotstick/hotstick/internal/loader/link"
	"github.com/hotstick/hotstick/internal/loader/touch"
	"github.com/hotstick/hotstick/internal/statement"
	"github.com/hotstick/hotstick/internal/trace"
)

var build = hotstick.KernelBuild{Release: "6.1.0-47-amd64", Arch: "x86_64", BuildID: strings.Repeat("ab", 20)}
var otherBuild = hotstick.KernelBuild{Release: "6.12.0-1-amd64", Arch: "x86_64", BuildID: strings.Repeat("cd", 20)}

func key(name string) *statement.Key {
	k, err := statement.NewKey(bytes.Repeat([]byte{byte(len(name)), name[0], name[len(name)-1], name[1]}, 8))
	if err != nil {
		panic(err)
	}
	return k
}

var (
	author   = key("author")
	approver = key("approver")
	server   = key("server")
	thief    = key("thief")
	identity = key("identity")
)

func trust() hotstick.Trust {
	return hotstick.Trust{
		Persons: []hotstick.TrustedPerson{
			{Person: "ann", Keys: []hotstick.TrustedKey{hotstick.TrustedKey(author.Public())}},
			{Person: "bob", Keys: []hotstick.TrustedKey{hotstick.TrustedKey(approver.Public())}},
		},
		Approvals: 1, ServerKeys: []hotstick.TrustedKey{hotstick.TrustedKey(server.Public())}, Epoch: 3,
	}
}

// world is one simulated host with its loader, and everybody who signs.
type world struct {
	t    *testing.T
	now  time.Time
	real time.Time
	// skew is how far the host's wall clock is off.
	skew    time.Duration
	machine *fake.Kernel
	// clings is how often a module cannot be unloaded yet.
	clings int
	disk   *disk
	view   catalog.View
	staged map[hotstick.Digest][]byte
	loader *loader.Loader
	limits loader.Limits
	looks  *look
	// marks are what the modules published from now on show of their way back.
	marks kmod.Marks
	// loads counts load calls by module, over all boots.
	loads map[string]int
	plans map[hotstick.PlanID][]hotstick.PlanHost
	// envelopes are the signed plans.
	envelopes map[hotstick.PlanID]json.RawMessage
	// probe is what the agent's one probe says; empty is healthy.
	probe string
	// mute stops the agent.
	mute bool
	// place edits the plan's host list before it is signed; this host is the second.
	place func(hosts []hotstick.PlanHost)
	// labels are those set on the host itself.
	labels    map[string]string
	labelsErr error
	// dropped gives the recalls that somebody brings.
	dropped func() (catalog.View, bool)
	// things are what patches touch beside the kernel; nil if nothing can be touched.
	things touch.World
	// vendor is a system that works by steps; nil for none.
	vendor *vendor
	// others are the other live-patch systems, and journal what people read; nil for none.
	others  loader.Others
	journal loader.Journal
	// off is what switches Hotstick off.
	off loader.Off
	// rung is what the bell says.
	rung hotstick.Digest
	// tracing is who has hooked into the kernel's functions, and traced how often that was
	// looked at.
	tracing hotstick.TracingFacts
	traced  int
	// trace takes what the loader tells; nil if nobody listens.
	trace trace.Sink
	// kernels are what the host may boot; nil where it only patches the one it runs.
	kernels *kernels
	// says is what the kernel has logged besides, in this boot.
	says []klog.Record
	// blind: the driver's truth source does not answer.
	blind bool
	// bold worlds go on where a rule is broken, and count that.
	bold   bool
	broken int
	// acked is what the server has stored; it stores nothing while deaf.
	acked    uint64
	seen     uint64
	deaf     bool
	last     link.Response
	reports  []hotstick.Report
	refusals []hotstick.Reason
}

// disk is the loader's, which may break and may pull the plug.
type disk struct {
	ledger.Memory
	broken bool
	// saves counts durable writes. The plug is pulled around the one with the
	// number plug: before it is durable, or after.
	saves, plug int
	before      bool
}

// pulled is the panic by which the plug takes a loader down in mid-call.
type pulled struct{}

var errDisk = errors.New("no space left on device")

func (d *disk) Save(data []byte) error {
	if d.broken {
		return errDisk
	}
	d.saves++
	if d.saves == d.plug && d.before {
		panic(pulled{})
	}
	if err := d.Memory.Save(data); err != nil {
		return err
	}
	if d.saves == d.plug {
		panic(pulled{})
	}
	return nil
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, now: time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC), disk: &disk{},
		staged: map[hotstick.Digest][]byte{}, plans: map[hotstick.PlanID][]hotstick.PlanHost{},
		loads: map[string]int{}, envelopes: map[hotstick.PlanID]json.RawMessage{}}
	w.limits = loader.Limits{AgentSilence: 15 * time.Second, Settle: 5 * time.Second, Busy: 10 * time.Second}
	w.machine = fake.New(fake.Config{Name: t.Name(), Build: build, Clock: w.clock, Transition: 300 * time.Millisecond})
	w.looks = &look{watch: tasks.NewWatch(w.machine.FS())}
	w.view = catalog.NewView(1, w.now.Add(30*24*time.Hour), trust(), nil)
	w.start()
	w.now = w.now.Add(time.Minute)
	return w
}

// clock is the world's time.
func (w *world) clock() time.Time {
	if !w.real.IsZero() {
		return w.now.Add(time.Since(w.real))
	}
	return w.now
}

// realTime lets the world's time pass by itself from now on.
func (w *world) realTime() { w.real = time.Now() }

// start starts a loader process on the machine as it is.
func (w *world) start() {
	drivers := driver.Set{&watched{Kernel: w.machine, w: w}}
	runs := build
	var ordered func() (string, hotstick.KernelBuild)
	if w.kernels != nil {
		drivers, runs, ordered = append(drivers, w.kernels), w.kernels.runs, w.kernels.told
	}
	if w.vendor != nil {
		drivers = append(drivers, w.vendor.changer())
	}
	host := &simulated{machine: w.machine, build: runs, now: w.clock, skew: func() time.Duration { return w.skew }, says: func() []klog.Record { return w.says }}
	l, err := loader.New(loader.Config{
		Drivers: drivers, Ordered: ordered, Clock: host, Disk: w.disk, Kernel: host, Catalog: (*staging)(w), Limits: w.limits, Tasks: w.looks,
		Identity: func() (ed25519.PublicKey, error) { return ed25519.PublicKey(identity.Public()), nil },
		Labels:   func() (map[string]string, error) { return w.labels, w.labelsErr }, Trace: w.trace, Dropped: w.dropped,
		Model:  "Maker Product",
		Touch:  w.things,
		Others: w.others, Journal: w.journal,
		Off:     func() loader.Off { return w.off },
		Bell:    func(state hotstick.Digest) { w.rung = state },
		Tracing: func() hotstick.TracingFacts { w.traced++; return w.tracing },
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.loader = l
}

// watched is the driver. It checks that nothing is loaded without a durable
// intent, and counts loads.
type watched struct {
	*fake.Kernel
	w *world
}

// Unload fails as often as the world clings to a module.
func (d *watched) Unload(ctx context.Context, module string) error {
	if d.w.clings > 0 {
		d.w.clings--
		busy := driver.Refuse(hotstick.ReasonKernelRefused, "the kernel still holds %s", module)
		busy.Retry = true
		return busy
	}
	return d.Kernel.Unload(ctx, module)
}

// Observe fails while the world is blind.
func (d *watched) Observe(ctx context.Context) ([]hotstick.LoadedPatch, error) {
	if d.w.blind {
		return nil, errors.New("permission denied")
	}
	return d.Kernel.Observe(ctx)
}

func (d *watched) Load(ctx context.Context, load driver.Load) error {
	d.w.loads[load.Module]++
	data, err := d.w.disk.Memory.Load()
	if err != nil {
		d.w.t.Errorf("%s is loaded without a ledger: %v", load.Module, err)
		return err
	}
	led, err := ledger.Decode(data)
	if err != nil {
		d.w.t.Error(err)
	}
	a := led.Attempt
	forward := a != nil && a.Phase == hotstick.Armed && a.Level.Module == load.Module
	back := a != nil && a.Before != nil && a.Before.Module == load.Module
	if !forward && !back {
		d.w.breaks("%s is loaded without a durable intent: the ledger has %+v", load.Module, a)
	}
	if forward && led.Struck(a.Level.Patch) {
		d.w.breaks("%s is loaded although it is struck", load.Module)
	}
	return d.Kernel.Load(ctx, load)
}

// breaks tells of a broken rule.
func (w *world) breaks(format string, args ...any) {
	w.t.Helper()
	w.broken++
	if !w.bold {
		w.t.Errorf(format, args...)
	}
}

// staging is the catalog as the loader would find it.
type staging world

func (s *staging) Refresh(context.Context, time.Time) (catalog.View, error) { return s.view, nil }
func (s *staging) Load() (catalog.View, error)                              { return s.view, nil }
func (s *staging) Artifact(_ context.Context, d hotstick.Digest) ([]byte, error) {
	if data, ok := s.staged[d]; ok {
		return data, nil
	}
	return nil, fs.ErrNotExist
}

// publish adds a level to the catalog and stages its bytes.
func (w *world) publish(ref string, does fake.Behaviour) hotstick.Patch {
	w.t.Helper()
	r, err := hotstick.ParsePatchRef(ref)
	if err != nil {
		w.t.Fatal(err)
	}
	module := strings.ReplaceAll(fmt.Sprintf("%s_%d", r.Name, r.Level), "-", "_")
	data := kmod.Compose(kmod.Info{Name: module, License: "GPL", Livepatch: true, Arch: build.Arch, Marks: w.marks,
		Vermagic: build.Release + " SMP preempt mod_unload modversions "})
	artifact := hotstick.Artifact{Build: build, Digest: hotstick.NewDigest(data), SizeBytes: int64(len(data)), Module: module}
	p := hotstick.Patch{Ref: r, Driver: fake.Name, Reversibility: hotstick.ReversibleLive, Replace: !does.Stacks,
		Functions: []string{"vmlinux:unix_ioctl"}, Artifacts: []hotstick.Artifact{artifact}}
	w.staged[artifact.Digest] = data
	w.machine.Behave(module, does)
	patches := append(slices.Clone(w.view.Patches), p)
	recalls := w.view.Recalls
	w.view = catalog.NewView(w.view.Version+1, w.view.Expires, w.view.Trust, patches)
	w.view.Recalls = recalls
	return p
}

// plan is a signed plan for this host, which may be edited before it is signed.
func (w *world) plan(p hotstick.Patch, edit func(*hotstick.Plan)) (json.RawMessage, hotstick.PlanID) {
	w.t.Helper()
	lane := hotstick.Lane{Build: build, Driver: p.Driver, Artifact: p.Artifacts[0].Digest, Module: p.Artifacts[0].Module,
		RevertTo: []hotstick.RevertTarget{{}}}
	for _, older := range w.view.Patches {
		if older.Ref.Name == p.Ref.Name && older.Ref.Level < p.Ref.Level {
			lane.RevertTo = append(lane.RevertTo, hotstick.RevertTarget{Patch: older.Ref,
				Artifact: older.Artifacts[0].Digest, Module: older.Artifacts[0].Module})
		}
	}
	plan := hotstick.Plan{
		Schema: hotstick.PlanSchema, Name: "plan of " + p.Ref.String(), Patch: p.Ref, Author: "ann", Epoch: 3,
		CreatedAt: w.now.Add(-time.Minute).Truncate(time.Second), NotAfter: w.now.Add(24 * time.Hour).Truncate(time.Second),
		Lanes: []hotstick.Lane{lane}, Waves: []hotstick.Wave{{Name: "all", Hosts: 2}},
		HostCount: 2, Budgets: []hotstick.Budget{{Domain: hotstick.FleetDomain, Max: 1}},
		ProbationSeconds: 10, TransitionSeconds: 20,
	}
	if edit != nil {
		edit(&plan)
	}
	me := hotstick.PlanHost{Host: hotstick.NewHostID(identity.Public()), Name: "n1",
		Identity: hotstick.NewFingerprint(identity.Public()), Build: plan.Lanes[0].Build}
	other := hotstick.PlanHost{Host: hotstick.NewHostID(thief.Public()), Name: "n2",
		Identity: hotstick.NewFingerprint(thief.Public()), Build: plan.Lanes[0].Build}
	hosts := []hotstick.PlanHost{other, me}
	if w.place != nil {
		w.place(hosts)
	}
	root, err := statement.HostsRoot(hosts)
	if err != nil {
		w.t.Fatal(err)
	}
	plan.HostsRoot = root
	raw := w.sign(statement.KindPlan, plan, author, approver)
	parsed, err := statement.ParsePlan(raw)
	if err != nil {
		w.t.Fatal(err)
	}
	w.plans[parsed.ID], w.envelopes[parsed.ID] = hosts, raw
	return raw, parsed.ID
}

func (w *world) sign(kind statement.Kind, body any, signers ...statement.Signer) json.RawMessage {
	w.t.Helper()
	raw, err := statement.Sign(kind, body, signers...)
	if err != nil {
		w.t.Fatal(err)
	}
	return raw
}

// grant is a good grant, which may be edited before it is signed.
func (w *world) grant(id hotstick.PlanID, attempt int, edit func(*statement.Grant)) json.RawMessage {
	w.t.Helper()
	proof, err := statement.ProveHost(w.plans[id], 1)
	if err != nil {
		w.t.Fatal(err)
	}
	g := statement.Grant{Plan: id, Host: hotstick.NewHostID(identity.Public()), Identity: hotstick.NewFingerprint(identity.Public()),
		Build: build, Wave: w.plans[id][1].EarliestWave(), Calendar: w.plans[id][1].Calendar, Attempt: attempt, Index: 1, Proof: proof, Nonce: w.last.Nonce, Epoch: 3, Generation: 1, TTLSeconds: 60}
	if edit != nil {
		edit(&g)
	}
	return w.sign(statement.KindGrant, g, server)
}

func (w *world) ban(p hotstick.Patch) json.RawMessage {
	return w.sign(statement.KindBan, statement.Ban{Patch: p.Ref, Reason: hotstick.Reason{Code: hotstick.ReasonOperator},
		Epoch: 3, IssuedAt: w.now.Truncate(time.Second)}, server)
}

func (w *world) halt(id hotstick.PlanID) json.RawMessage {
	return w.haltBecause(id, hotstick.ReasonOperator)
}

func (w *world) haltBecause(id hotstick.PlanID, code hotstick.ReasonCode) json.RawMessage {
	return w.sign(statement.KindHalt, statement.Halt{Plan: id, Reason: hotstick.Reason{Code: code},
		Epoch: 3, IssuedAt: w.now.Truncate(time.Second)}, server)
}

func (w *world) order(id hotstick.PlanID, edit func(*statement.Order)) json.RawMessage {
	o := statement.Order{Plan: id, Host: hotstick.NewHostID(identity.Public()), Nonce: w.last.Nonce, Epoch: 3, TTLSeconds: 60,
		Reason: hotstick.Reason{Code: hotstick.ReasonRevertOrdered}}
	if edit != nil {
		edit(&o)
	}
	return w.sign(statement.KindOrder, o, server)
}

// exchange is one call of the agent.
func (w *world) exchange(documents ...json.RawMessage) link.Response {
	w.t.Helper()
	req := link.Request{Catalog: true, Documents: documents, Acknowledged: w.acked,
		Readings: []hotstick.Reading{{Probe: "web", Healthy: w.ill() == "", Detail: w.ill()}}}
	resp, err := w.loader.Exchange(context.Background(), req)
	if err != nil {
		w.t.Fatal(err)
	}
	w.last = resp
	for _, r := range resp.Reports {
		if r.Seq > w.seen {
			w.seen = r.Seq
			w.reports = append(w.reports, r)
		}
	}
	if !w.deaf {
		w.acked = w.seen
	}
	for _, r := range resp.Refusals {
		w.refusals = append(w.refusals, r.Reason)
	}
	return resp
}

func (w *world) ill() string {
	if w.probe != "" {
		return w.probe
	}
	return w.machine.State().Ill
}

// pass lets time pass in small steps, with the loader and its agent at work.
func (w *world) pass(d time.Duration) {
	w.t.Helper()
	const step = 100 * time.Millisecond
	for end := w.now.Add(d); w.now.Before(end); w.now = w.now.Add(step) {
		if w.machine.State().Down {
			return
		}
		if w.vendor != nil {
			w.vendor.work()
		}
		w.loader.Tick(context.Background())
		if !w.mute && !w.machine.State().Down {
			w.exchange()
		}
	}
}

// offer announces the plan and gives a grant for it.
func (w *world) offer(p hotstick.Patch, attempt int) hotstick.PlanID {
	w.t.Helper()
	raw, id := w.plan(p, nil)
	w.exchange(raw)
	w.exchange(w.grant(id, attempt, nil))
	return id
}

// mustConfirm brings a level to its confirmed end.
func (w *world) mustConfirm(p hotstick.Patch) hotstick.PlanID {
	w.t.Helper()
	id := w.offer(p, 1)
	w.pass(15 * time.Second)
	w.mustEnd(hotstick.Confirmed, "")
	w.mustRun(p.Ref)
	return id
}

// mustEnd checks the newest report.
func (w *world) mustEnd(state hotstick.HostState, code hotstick.ReasonCode) {
	w.t.Helper()
	if len(w.reports) == 0 {
		w.t.Fatalf("nothing was reported; want %s %s; refusals %v", state, code, w.refusals)
	}
	r := w.reports[len(w.reports)-1]
	if r.State != state || codeOf(r.Reason) != code {
		w.t.Fatalf("the host ended as %s %s (%+v); want %s %s; refusals %v", r.State, codeOf(r.Reason), r.Reason, state, code, w.refusals)
	}
}

func codeOf(r *hotstick.Reason) hotstick.ReasonCode {
	if r == nil {
		return ""
	}
	return r.Code
}

// mustRefuse checks the newest refusal.
func (w *world) mustRefuse(code hotstick.ReasonCode) {
	w.t.Helper()
	if len(w.refusals) == 0 || w.refusals[len(w.refusals)-1].Code != code {
		w.t.Fatalf("refusals are %v; want the last to be %s", w.refusals, code)
	}
}

// mustRun checks what is in effect in the kernel itself.
func (w *world) mustRun(ref hotstick.PatchRef) {
	w.t.Helper()
	if got := w.running(); got != ref {
		w.t.Fatalf("the kernel runs %v, want %v", got, ref)
	}
}

// running reads the level in effect from the machine.
func (w *world) running() hotstick.PatchRef {
	patches, err := w.machine.Observe(context.Background())
	if err != nil {
		w.t.Fatal(err)
	}
	for _, p := range patches {
		for _, listed := range w.view.Patches {
			if p.State == hotstick.InEffect && listed.Artifacts[0].Module == p.Module {
				return listed.Ref
			}
		}
	}
	return hotstick.PatchRef{}
}

// reboot starts the machine and a loader again; clean tells the loader before.
func (w *world) reboot(clean bool) {
	w.t.Helper()
	if clean {
		if err := w.loader.Stop(); err != nil {
			w.t.Fatal(err)
		}
	}
	w.machine.Boot()
	w.now = w.now.Add(time.Second)
	w.start()
	w.exchange()
}

// states lists the reported states in order, those of reports without a plan in
// parentheses.
func (w *world) states() string {
	var s []string
	for _, r := range w.reports {
		word := string(r.State)
		if r.Plan == "" {
			word = "(" + word + ")"
		}
		s = append(s, word)
	}
	return strings.Join(s, " ")
}

// mustFile puts bytes into a file that is gone after the test.
func mustFile(t *testing.T, data []byte) *os.File {
	t.Helper()
	path := filepath.Join(t.TempDir(), "module.ko")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// ledger is what the loader would find after a crash now.
func (w *world) ledger() ledger.Ledger {
	w.t.Helper()
	data, err := w.disk.Memory.Load()
	if err != nil {
		w.t.Fatal(err)
	}
	l, err := ledger.Decode(data)
	if err != nil {
		w.t.Fatal(err)
	}
	return l
}
