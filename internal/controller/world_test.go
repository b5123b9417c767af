package controller

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/catalog"
	"github.com/hotstick/hotstick/internal/decide/rollout"
	"github.com/hotstick/hotstick/internal/inventory"
	"github.com/hotstick/hotstick/internal/inventory/leaftest"
	"github.com/hotstick/hotstick/internal/statement"
	"github.com/hotstick/hotstick/internal/store"
	"github.com/hotstick/hotstick/internal/store/memory"
	"github.com/hotstick/hotstick/internal/wire"
)

var (
	build = hotstick.KernelBuild{Release: "6.1.0-47-amd64", Arch: "x86_64", BuildID: "0011223344556677"}
	patch = hotstick.PatchRef{Name: "unix-ioctl", Level: 1}
	newer = hotstick.PatchRef{Name: "unix-ioctl", Level: 2}
)

// world is a store, a catalog and keys, in the fake time of a synctest bubble.
type world struct {
	*testing.T
	store   *memory.Store
	online  *statement.Key
	author  *statement.Key
	trusted catalog.View
	hosts   []hotstick.PlanHost
	keys    []ed25519.PublicKey
	plan    hotstick.PlanID
	control *Controller
}

// View and Refresh make the world a [Catalog].
func (w *world) View() catalog.View { return w.trusted }

func (w *world) Refresh(time.Time) (bool, error) { return false, nil }

// newWorld makes n hosts that have checked in, and a running plan for all of them
// at once.
func newWorld(t *testing.T, n int, edits ...edit) *world {
	w := &world{T: t, store: memory.Open(time.Now), online: newKey(t), author: newKey(t)}
	artifact := hotstick.Artifact{Build: build, Digest: hotstick.NewDigest([]byte("module")), SizeBytes: 6, Module: "unix_ioctl_1"}
	next := hotstick.Artifact{Build: build, Digest: hotstick.NewDigest([]byte("next")), SizeBytes: 4, Module: "unix_ioctl_2"}
	trust := hotstick.Trust{Approvals: 1, AuthorMayApprove: true, Epoch: 1,
		Persons:    []hotstick.TrustedPerson{{Person: "alice", Keys: []hotstick.TrustedKey{hotstick.TrustedKey(w.author.Public())}}},
		ServerKeys: []hotstick.TrustedKey{hotstick.TrustedKey(w.online.Public())}}
	w.trusted = catalog.NewView(1, time.Now().Add(240*time.Hour), trust, []hotstick.Patch{{Ref: patch, Driver: "klp",
		Reversibility: hotstick.ReversibleLive, Replace: true, Artifacts: []hotstick.Artifact{artifact}},
		{Ref: newer, Driver: "klp", Reversibility: hotstick.ReversibleLive, Replace: true, Artifacts: []hotstick.Artifact{next}}})
	for i := range n {
		w.addHost(fmt.Sprintf("host-%d", i+1))
	}
	w.addPlan(artifact, edits...)
	w.control = w.newController()
	return w
}

// edit changes a plan before it is signed, and the hosts that it lists.
type edit func(*world, *hotstick.Plan)

// racks puts so many hosts each into a rack, with a budget of max.
func racks(hosts, budget int) edit {
	return func(w *world, p *hotstick.Plan) {
		for i := range w.hosts {
			w.hosts[i].Domains = map[string]string{"rack": fmt.Sprint("r", i/hosts)}
		}
		p.Budgets = append(p.Budgets, hotstick.Budget{Domain: "rack", Max: budget})
	}
}

// canary makes the first host a wave of its own, before all others.
func canary(w *world, p *hotstick.Plan) {
	for i := range w.hosts[1:] {
		w.hosts[i+1].Wave = 1
	}
	p.Waves = []hotstick.Wave{{Name: "canary", Hosts: 1}, {Name: "rest", Hosts: len(w.hosts) - 1}}
}

func newKey(t *testing.T) *statement.Key {
	key, err := statement.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func (w *world) newController() *Controller {
	return New(Options{Store: leaftest.Watch(w, w.store), Catalog: w, Online: w.online, Limits: rollout.DefaultLimits, Log: slog.New(slog.DiscardHandler)})
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) addHost(name string) {
	w.Helper()
	public, _, err := ed25519.GenerateKey(rand.Reader)
	w.must(err)
	id := hotstick.NewHostID(public)
	w.hosts = append(w.hosts, hotstick.PlanHost{Host: id, Name: name, Identity: hotstick.NewFingerprint(public), Build: build})
	w.keys = append(w.keys, public)
	w.must(w.store.Update(w.Context(), func(tx store.Tx) error {
		return tx.Hosts().Put(store.Host{ID: id, Name: name, Identity: public, Enrolled: tx.Now()})
	}))
	w.checkIn(len(w.hosts)-1, 1, nil)
}

// addPlan stores a signed plan with one wave that is running already.
func (w *world) addPlan(a hotstick.Artifact, edits ...edit) {
	w.Helper()
	raw := w.draft(a, edits...)
	read, err := statement.ParsePlan(raw)
	w.must(err)
	w.plan = read.ID
	w.must(w.store.Update(w.Context(), func(tx store.Tx) error {
		var lines []store.PlanHost
		for i, h := range w.hosts {
			lines = append(lines, store.PlanHost{Index: i, Listed: h, State: hotstick.Waiting, Updated: tx.Now()})
		}
		started := tx.Now()
		if err := tx.Plans().Create(store.Plan{ID: read.ID, Name: "p", Patch: read.Plan.Patch, CVE: read.Plan.CVE, Envelope: raw, Status: hotstick.Running,
			Author: "alice", Created: started, Started: &started}, lines); err != nil {
			return err
		}
		_, err := tx.Events().Append(store.Event{Kind: inventory.PlanStatus, Plan: read.ID, State: string(hotstick.Running)})
		return err
	}))
}

// draft signs a plan for all hosts at once.
func (w *world) draft(a hotstick.Artifact, edits ...edit) []byte {
	w.Helper()
	now := time.Now().UTC().Truncate(time.Second)
	plan := hotstick.Plan{Schema: hotstick.PlanSchema, Name: "p", Patch: patch, Author: "alice", Epoch: 1,
		CreatedAt: now, NotAfter: now.Add(24 * time.Hour), HostCount: len(w.hosts),
		Lanes:            []hotstick.Lane{{Build: build, Driver: "klp", Artifact: a.Digest, Module: a.Module, RevertTo: []hotstick.RevertTarget{{}}}},
		Waves:            []hotstick.Wave{{Name: "all", Hosts: len(w.hosts)}},
		Budgets:          []hotstick.Budget{{Domain: hotstick.FleetDomain, Max: 2}},
		ProbationSeconds: 60, TransitionSeconds: 60}
	for _, e := range edits {
		e(w, &plan)
	}
	var err error
	plan.HostsRoot, err = statement.HostsRoot(w.hosts)
	w.must(err)
	raw, err := statement.Sign(statement.KindPlan, plan, w.author)
	w.must(err)
	return raw
}

// retarget is a plan for the newer level that continues the running one.
func (w *world) retarget(edits ...edit) []byte {
	w.Helper()
	a, ok := w.trusted.Patches[1].Artifact(build)
	if !ok {
		w.Fatal("the catalog has no artifact for the newer level")
	}
	return w.draft(a, append([]edit{func(w *world, p *hotstick.Plan) { p.Name, p.Patch, p.Continues = "q", newer, w.plan }}, edits...)...)
}

// request is a check-in of host i.
func (w *world) request(i int, seq uint64, reports []hotstick.Report) wire.SyncRequest {
	boot := fmt.Sprintf("boot-%d", i)
	return wire.SyncRequest{Protocol: wire.Protocol, Host: w.hosts[i].Host, Boot: boot, Seq: seq, FactsDigest: hotstick.NewDigest([]byte(boot + fmt.Sprint(w.hosts[i].Domains))),
		Facts: &hotstick.Facts{Host: hotstick.HostFacts{Hostname: w.hosts[i].Name, BootID: boot}, Kernel: hotstick.KernelFacts{Build: build},
			Labels: w.hosts[i].Domains},
		Loader:  wire.LoaderState{Nonce: fmt.Sprintf("nonce-%d-%d", i, seq), Busy: w.busy(i, reports)},
		Reports: reports}
}

// busy reports whether host i has an attempt open after its reports.
func (w *world) busy(i int, reports []hotstick.Report) bool {
	w.Helper()
	if n := len(reports); n > 0 {
		return underWay(reports[n-1].State)
	}
	busy := false
	w.must(w.store.View(w.Context(), func(tx store.Tx) error {
		line, err := tx.Plans().Host(w.plan, w.hosts[i].Host)
		busy = err == nil && underWay(line.State)
		return nil
	}))
	return busy
}

func underWay(s hotstick.HostState) bool {
	return s.HoldsSlot() && s != hotstick.Admitted && s != hotstick.Lost
}

// checkIn stores a check-in and returns it.
func (w *world) checkIn(i int, seq uint64, reports []hotstick.Report) wire.SyncRequest {
	w.Helper()
	req := w.request(i, seq, reports)
	w.must(w.store.Update(w.Context(), func(tx store.Tx) error {
		_, err := inventory.Take(tx, req, time.Minute)
		return err
	}))
	return req
}

// says is a report of host i.
func (w *world) says(seq uint64, state hotstick.HostState, why *hotstick.Reason) []hotstick.Report {
	return []hotstick.Report{{Seq: seq, Plan: w.plan, Patch: patch, Attempt: 1, State: state, Reason: why}}
}

// run runs the controller until the test ends.
func (w *world) run(c *Controller) func() {
	ctx, cancel := context.WithCancel(w.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := c.Run(ctx); err != nil {
			w.Error(err)
		}
	}()
	return func() { cancel(); <-done }
}

// line is where a host stands in the plan.
func (w *world) line(i int) store.PlanHost {
	w.Helper()
	var line store.PlanHost
	w.must(w.store.View(w.Context(), func(tx store.Tx) error {
		var err error
		line, err = tx.Plans().Host(w.plan, w.hosts[i].Host)
		return err
	}))
	return line
}

// report stores a report of the host's current attempt, with the next sequence
// numbers.
func (w *world) report(i int, state hotstick.HostState, why *hotstick.Reason) wire.SyncRequest {
	w.Helper()
	var h store.Host
	line := w.line(i)
	w.must(w.store.View(w.Context(), func(tx store.Tx) error {
		var err error
		h, err = tx.Hosts().Get(w.hosts[i].Host)
		return err
	}))
	r := hotstick.Report{Seq: h.Reported + 1, Plan: w.plan, Patch: patch, Attempt: line.Attempt, State: state, Reason: why}
	req := w.request(i, h.Seq+1, []hotstick.Report{r})
	_, err := w.control.Take(w.Context(), req, time.Minute)
	w.must(err)
	return req
}

// rounds drives the controller on this goroutine until it has nothing more to do
// at this time.
func (w *world) rounds() {
	w.Helper()
	for range 100 {
		if w.control.Round(w.Context()) > coalesce {
			return
		}
	}
	w.Fatal("the controller does not come to rest")
}

// states counts the plan's hosts by state.
func (w *world) states() map[hotstick.HostState]int {
	w.Helper()
	states := map[hotstick.HostState]int{}
	w.must(w.store.View(w.Context(), func(tx store.Tx) error {
		lines, err := tx.Plans().Hosts(w.plan)
		for _, l := range lines {
			states[l.State]++
		}
		return err
	}))
	return states
}

func (w *world) status() store.Plan {
	w.Helper()
	var p store.Plan
	w.must(w.store.View(w.Context(), func(tx store.Tx) error {
		var err error
		p, err = tx.Plans().Get(w.plan)
		return err
	}))
	return p
}

// admitted returns the indexes of admitted hosts.
func (w *world) admitted() []int {
	w.Helper()
	var found []int
	w.must(w.store.View(w.Context(), func(tx store.Tx) error {
		lines, err := tx.Plans().Hosts(w.plan)
		for i, l := range lines {
			if l.State == hotstick.Admitted {
				found = append(found, i)
			}
		}
		return err
	}))
	return found
}

// kinds lists the kinds of statements in an answer.
func (w *world) kinds(documents []json.RawMessage) []statement.Kind {
	w.Helper()
	var kinds []statement.Kind
	for _, d := range documents {
		k, err := statement.KindOf(d)
		w.must(err)
		kinds = append(kinds, k)
	}
	return kinds
}

// kindsLogged counts the events of the log by kind.
func (w *world) kindsLogged() map[string]int {
	w.Helper()
	kinds := map[string]int{}
	w.must(w.store.View(w.Context(), func(tx store.Tx) error {
		events, err := tx.Events().List(store.EventFilter{})
		for _, e := range events {
			kinds[e.Kind]++
		}
		return err
	}))
	return kinds
}
