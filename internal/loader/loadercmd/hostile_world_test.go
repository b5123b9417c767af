package loadercmd

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/catalog"
	"github.com/hotstick/hotstick/internal/driver"
	"github.com/hotstick/hotstick/internal/driver/fake"
	"github.com/hotstick/hotstick/internal/kernel/klog"
	"github.com/hotstick/hotstick/internal/kernel/kmod"
	"github.com/hotstick/hotstick/internal/loader"
	"github.com/hotstick/hotstick/internal/loader/inbox"
	"github.com/hotstick/hotstick/internal/loader/ledger"
	"github.com/hotstick/hotstick/internal/loader/link"
	"github.com/hotstick/hotstick/internal/loader/operate"
	"github.com/hotstick/hotstick/internal/statement"
)

var hostileBuild = hotstick.KernelBuild{Release: "6.1.0-47-amd64", Arch: "x86_64", BuildID: strings.Repeat("ab", 20)}

// month is how long what people sign lives; the online part lives for a day.
const month = 30 * 24 * time.Hour

// hostile is a host whose agent was taken over: the loader's own program with its real
// socket, ledger and catalog client, over directories that the agent may fill with
// anything. Only the kernel is a simulated one.
type hostile struct {
	t                                                               *testing.T
	owner, publisher, server, author, approver, identity, neighbour *statement.Key

	agent, state, socket string
	root                 hotstick.Digest
	repo                 *catalog.Repository
	machine              *fake.Kernel // nil on a real kernel
	build                hotstick.KernelBuild
	driver               driver.Changer
	host                 host
	tasks                loader.Tasks
	loader               *loader.Loader
	stop                 func()
	hosts                []hotstick.PlanHost
	sent                 []json.RawMessage
	// limits are the loader's at its next start.
	limits loader.Limits
	// ahead is how far the host's wall clock is from now.
	ahead atomic.Int64

	mu     sync.Mutex
	loaded []hotstick.Digest // of the bytes that the kernel was handed
}

// host is what a loader reads of its kernel.
type host interface {
	loader.Clock
	loader.Kernel
}

func newHostile(t *testing.T) *hostile {
	t.Helper()
	w := newHost(t)
	w.machine = fake.New(fake.Config{Name: t.Name(), Build: hostileBuild, Clock: time.Now, Transition: 20 * time.Millisecond})
	w.build, w.driver, w.host = hostileBuild, &noting{w.machine, w}, &simulatedHost{w.machine, w}
	return w
}

// newHost is a host without its kernel.
func newHost(t *testing.T) *hostile {
	t.Helper()
	w := &hostile{t: t, agent: t.TempDir(), state: t.TempDir(), socket: filepath.Join(t.TempDir(), "s"),
		limits: loader.Limits{AgentSilence: 20 * time.Second, Busy: time.Second}}
	for _, k := range []**statement.Key{&w.owner, &w.publisher, &w.server, &w.author, &w.approver, &w.identity, &w.neighbour} {
		*k = mustKey(t)
	}
	now := time.Now().UTC().Truncate(time.Second)
	key := func(k *statement.Key) []hotstick.TrustedKey { return []hotstick.TrustedKey{k.Public()} }
	root, err := catalog.Init(catalog.RootSpec{RootKeys: key(w.owner), RootThreshold: 1, PublisherKeys: key(w.publisher), PublisherThreshold: 1,
		OnlineKeys: key(w.server), Expires: now.Add(month),
		Trust: hotstick.Trust{Approvals: 1, Epoch: 1, ServerKeys: key(w.server), Persons: []hotstick.TrustedPerson{
			{Person: "ann", Keys: key(w.author)}, {Person: "bob", Keys: key(w.approver)}}}}, w.owner)
	w.must(err)
	w.root = hotstick.NewDigest(root)
	targets, err := catalog.EmptyTargets(now.Add(month), w.publisher)
	w.must(err)
	mustWrite(t, filepath.Join(w.agent, "root.json"), root)
	w.must(statement.SavePublic(filepath.Join(w.agent, "identity.pub"), w.identity.Public()))
	w.must(os.Mkdir(w.staged(), 0o755))
	w.repo, err = catalog.CreateRepository(w.staged(), root, targets, w.server, now)
	w.must(err)
	return w
}

func (w *hostile) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// staged is the directory in which the loader looks for the catalog.
func (w *hostile) staged() string { return filepath.Join(w.agent, "catalog") }

// start starts the loader as its program does.
func (w *hostile) start() {
	w.t.Helper()
	disk, err := ledger.OpenDir(w.state)
	w.must(err)
	own := &inbox.Catalog{Dir: filepath.Join(w.state, "catalog"), Agent: w.agent, Root: w.root}
	quiet := slog.New(slog.DiscardHandler)
	w.loader, err = loader.New(loader.Config{Drivers: driver.Set{w.driver}, Clock: w.host, Disk: disk, Kernel: w.host, Catalog: own, Tasks: w.tasks,
		Identity: func() (ed25519.PublicKey, error) { return inbox.Identity(w.agent) }, Limits: w.limits, Log: quiet})
	w.must(err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- serve(ctx, w.loader, doors{newDoor(w.socket, link.Listen, nil), newDoor(w.socket+".operator", operate.Listen, nil)},
			[]uint32{uint32(os.Getuid())}, quiet)
	}()
	w.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			w.t.Errorf("the loader ended with %v", err)
		}
		disk.Close()
	})
	w.t.Cleanup(w.stop)
	w.eventually("the loader's socket", func() bool {
		_, err := os.Stat(w.socket)
		return err == nil
	})
}

// eventually waits until it is so.
func (w *hostile) eventually(what string, so func() bool) {
	w.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for range 1500 {
		if so() {
			return
		}
		<-tick.C
	}
	w.t.Fatalf("waited in vain for %s", what)
}

// call is one call of the agent over the socket.
func (w *hostile) call(documents ...json.RawMessage) link.Response {
	w.t.Helper()
	return w.ask(link.Request{Catalog: true, Documents: documents, Readings: well})
}

// well is what the agent's probe says, whatever is true.
var well = []hotstick.Reading{{Probe: "web", Healthy: true}}

func (w *hostile) ask(req link.Request) link.Response {
	w.t.Helper()
	client := link.Dial(w.socket)
	defer client.Close()
	ctx, cancel := context.WithTimeout(w.t.Context(), 20*time.Second)
	defer cancel()
	resp, err := client.Exchange(ctx, req)
	w.must(err)
	return resp
}

// publish signs a level into the catalog and stages its bytes.
func (w *hostile) publish(level int, does fake.Behaviour) hotstick.Patch {
	w.t.Helper()
	module := "fix_" + string(rune('0'+level))
	data := kmod.Compose(kmod.Info{Name: module, License: "GPL", Livepatch: true, Arch: hostileBuild.Arch,
		Vermagic: hostileBuild.Release + " SMP preempt mod_unload modversions "})
	w.machine.Behave(module, does)
	return w.list(hotstick.PatchRef{Name: "fix", Level: level}, module, data)
}

// list signs a module's bytes into the catalog and stages them.
func (w *hostile) list(ref hotstick.PatchRef, module string, data []byte) hotstick.Patch {
	w.t.Helper()
	a := hotstick.Artifact{Build: w.build, Digest: hotstick.NewDigest(data), SizeBytes: int64(len(data)), Module: module}
	p := hotstick.Patch{Ref: ref, Driver: w.driver.Name(), Summary: "closes it", Class: "security", Severity: "high",
		Reversibility: hotstick.ReversibleLive, Replace: true, Functions: []string{"vmlinux:unix_ioctl"}, Artifacts: []hotstick.Artifact{a}}
	w.must(os.MkdirAll(filepath.Dir(w.file(p)), 0o755))
	mustWrite(w.t, w.file(p), data)
	now := time.Now().UTC().Truncate(time.Second)
	targets, err := catalog.Publish(catalog.Publication{Root: w.repo.Root(), Targets: w.repo.Targets(), Patch: p, Now: now, Expires: now.Add(month),
		Read:  func(hotstick.Artifact) ([]byte, error) { return data, nil },
		Check: func(hotstick.Patch, hotstick.Artifact, []byte) error { return nil }}, w.publisher)
	w.must(err)
	_, err = w.repo.Accept(targets, now)
	w.must(err)
	return p
}

// recall signs a recall into the catalog.
func (w *hostile) recall(p hotstick.Patch) {
	w.t.Helper()
	now := time.Now().UTC().Truncate(time.Second)
	targets, err := catalog.Revise(catalog.Revision{Root: w.repo.Root(), Targets: w.repo.Targets(), Expires: now.Add(month),
		Recalls: []hotstick.Recall{{Patch: p.Ref, Action: hotstick.RecallBlock, Reason: "bad", Issued: now}}}, w.publisher)
	w.must(err)
	_, err = w.repo.Accept(targets, now)
	w.must(err)
}

// file is where the agent stages the level's bytes.
func (w *hostile) file(p hotstick.Patch) string {
	return filepath.Join(w.staged(), filepath.FromSlash(catalog.ArtifactFile(p.Artifacts[0].Digest)))
}

// plan is a signed plan for this host.
func (w *hostile) plan(p hotstick.Patch, name string) (json.RawMessage, hotstick.PlanID) {
	w.t.Helper()
	now := time.Now().UTC().Truncate(time.Second)
	w.hosts = []hotstick.PlanHost{w.place("n1", w.neighbour), w.place("n2", w.identity)}
	root, err := statement.HostsRoot(w.hosts)
	w.must(err)
	raw := w.sign(statement.KindPlan, hotstick.Plan{Schema: hotstick.PlanSchema, Name: name, Patch: p.Ref, Author: "ann", Epoch: 1,
		CreatedAt: now.Add(-time.Minute), NotAfter: now.Add(7 * 24 * time.Hour), HostCount: 2, HostsRoot: root,
		Lanes: []hotstick.Lane{{Build: w.build, Driver: p.Driver, Artifact: p.Artifacts[0].Digest, Module: p.Artifacts[0].Module,
			RevertTo: []hotstick.RevertTarget{{}}}},
		Waves: []hotstick.Wave{{Name: "all", Hosts: 2}}, Budgets: []hotstick.Budget{{Domain: hotstick.FleetDomain, Max: 1}},
		ProbationSeconds: 1, TransitionSeconds: 75}, w.author, w.approver)
	parsed, err := statement.ParsePlan(raw)
	w.must(err)
	return raw, parsed.ID
}

func (w *hostile) place(name string, k *statement.Key) hotstick.PlanHost {
	return hotstick.PlanHost{Host: hotstick.NewHostID(k.Public()), Name: name, Identity: hotstick.NewFingerprint(k.Public()), Build: w.build}
}

func (w *hostile) grant(id hotstick.PlanID, nonce string) json.RawMessage {
	w.t.Helper()
	return w.grantOf(id, 1, nonce)
}

func (w *hostile) grantOf(id hotstick.PlanID, attempt int, nonce string) json.RawMessage {
	w.t.Helper()
	proof, err := statement.ProveHost(w.hosts, 1)
	w.must(err)
	return w.sign(statement.KindGrant, statement.Grant{Plan: id, Host: w.hosts[1].Host, Identity: w.hosts[1].Identity, Build: w.build,
		Attempt: attempt, Index: 1, Proof: proof, Nonce: nonce, Epoch: 1, Generation: 1, TTLSeconds: 60}, w.server)
}

func (w *hostile) sign(kind statement.Kind, body any, signers ...statement.Signer) json.RawMessage {
	w.t.Helper()
	raw, err := statement.Sign(kind, body, signers...)
	w.must(err)
	w.sent = append(w.sent, raw)
	return raw
}

// offer hands over a plan and, with the nonce of that call, a grant for it.
func (w *hostile) offer(p hotstick.Patch) link.Response {
	w.t.Helper()
	raw, id := w.plan(p, fmt.Sprint("plan ", len(w.sent)))
	return w.call(w.grant(id, w.call(raw).Nonce))
}

// running tells what the kernel runs.
func (w *hostile) running() []string {
	w.t.Helper()
	patches, err := w.machine.Observe(w.t.Context())
	w.must(err)
	var modules []string
	for _, p := range patches {
		if p.State == hotstick.InEffect {
			modules = append(modules, p.Module)
		}
	}
	return modules
}

// end waits until the newest report is one that ends an attempt, calling as an agent
// does, and returns it.
func (w *hostile) end() hotstick.Report {
	w.t.Helper()
	var last hotstick.Report
	w.eventually("the end of the attempt", func() bool {
		resp := w.ask(link.Request{Readings: well})
		if n := len(resp.Reports); n > 0 {
			last = resp.Reports[n-1]
		}
		return !resp.Busy && last.State.Terminal()
	})
	return last
}

// ended waits, without a word to the loader, until no attempt is open in its ledger, and
// returns the newest report there.
func (w *hostile) ended() hotstick.Report {
	w.t.Helper()
	var last hotstick.Report
	w.eventually("the end of the attempt in the ledger", func() bool {
		data, err := os.ReadFile(filepath.Join(w.state, "ledger.json"))
		w.must(err)
		led, err := ledger.Decode(data)
		w.must(err)
		if n := len(led.Reports); n > 0 {
			last = led.Reports[n-1]
		}
		return led.Attempt == nil && last.State.Terminal()
	})
	return last
}

// loads are the digests of what the kernel was handed.
func (w *hostile) loads() []hotstick.Digest {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.loaded)
}

// noting is the driver; it notes the bytes that it is handed.
type noting struct {
	*fake.Kernel
	w *hostile
}

func (d *noting) Load(ctx context.Context, load driver.Load) error {
	info, err := load.File.Stat()
	if err != nil {
		return err
	}
	data, err := io.ReadAll(io.NewSectionReader(load.File, 0, info.Size()))
	if err != nil {
		return err
	}
	d.w.mu.Lock()
	d.w.loaded = append(d.w.loaded, hotstick.NewDigest(data))
	d.w.mu.Unlock()
	return d.Kernel.Load(ctx, load)
}

// simulatedHost is what the loader reads of the simulated kernel, in real time.
type simulatedHost struct {
	*fake.Kernel
	w *hostile
}

func (h *simulatedHost) Now() time.Time { return time.Now().Add(time.Duration(h.w.ahead.Load())) }

// Uptime is that of a machine that has been up for an hour.
func (h *simulatedHost) Uptime() time.Duration {
	return time.Hour + time.Since(h.State().BootedAt)
}

func (h *simulatedHost) Boot() (string, error)                { return h.State().BootID, nil }
func (h *simulatedHost) Build() (hotstick.KernelBuild, error) { return hostileBuild, nil }
func (h *simulatedHost) Taint() (uint64, error)               { return h.State().Taint, nil }
func (h *simulatedHost) Crashes() ([]loader.Crash, error)     { return nil, nil }

func (h *simulatedHost) Faults(after uint64) ([]loader.Fault, uint64, error) {
	var found klog.Collector
	newest := uint64(0)
	for _, record := range h.State().Log {
		found.Add(record)
		newest = max(newest, uint64(record.Uptime.Microseconds()))
	}
	var faults []loader.Fault
	for _, f := range found.Faults() {
		if uint64(f.Uptime.Microseconds()) > after {
			faults = append(faults, loader.Fault{Kind: string(f.Kind), Text: f.Text})
		}
	}
	return faults, newest, nil
}

func mustKey(t *testing.T) *statement.Key {
	t.Helper()
	key, err := statement.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func mustWrite(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}
