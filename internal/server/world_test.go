package server

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/api"
	"github.com/hotstick/hotstick/catalog"
	"github.com/hotstick/hotstick/client"
	"github.com/hotstick/hotstick/internal/decide/rollout"
	"github.com/hotstick/hotstick/internal/identity"
	"github.com/hotstick/hotstick/internal/inventory/leaftest"
	"github.com/hotstick/hotstick/internal/statement"
	"github.com/hotstick/hotstick/internal/store"
	"github.com/hotstick/hotstick/internal/store/memory"
)

// world is a whole installation: keys, catalog, a server on a real TLS port, and
// simulated hosts that speak real wire messages.
type world struct {
	testing.TB
	dir       string
	persons   map[hotstick.Person]*statement.Key
	publisher *statement.Key
	// owner signs roots.
	owner *statement.Key
	// lab signs evidence.
	lab *statement.Key
	// kept is the store that outlives servers; nil where each opens hotstick.db.
	kept    store.Store
	options Options
	server  *Server
	stop    func()
	tokens  map[string]string
	admin   *client.Client
}

const (
	alice = hotstick.Person("alice")
	bob   = hotstick.Person("bob")
	carol = hotstick.Person("carol")
)

var (
	buildA = hotstick.KernelBuild{Release: "6.1.0-47-amd64", Arch: "x86_64", BuildID: "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}
	buildB = hotstick.KernelBuild{Release: "6.12.9-amd64", Arch: "x86_64", BuildID: "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"}
)

// onEachStore runs a test over both stores.
func onEachStore(t *testing.T, test func(*world)) {
	t.Parallel()
	t.Run("memory", func(t *testing.T) { t.Parallel(); test(newWorld(t, memory.Open(time.Now))) })
	t.Run("sqlite", func(t *testing.T) { t.Parallel(); test(newWorld(t, nil)) })
}

// newWorld initialises a data directory and starts a server on it.
func newWorld(t testing.TB, kept store.Store) *world {
	w := &world{TB: t, dir: t.TempDir(), kept: kept, persons: map[hotstick.Person]*statement.Key{}, tokens: map[string]string{}}
	made, err := Initialise(t.Context(), w.dir, InitOptions{Now: time.Now()})
	w.must(err)
	w.publisher = w.newKey()
	w.owner = w.newKey()
	w.lab = w.newKey()
	trust := hotstick.Trust{Approvals: 2, Epoch: 1, ServerKeys: []hotstick.TrustedKey{hotstick.TrustedKey(made.OnlineKey)},
		EvidenceKeys: []hotstick.EvidenceSigner{{Name: "lab", Keys: []hotstick.TrustedKey{w.lab.Public()}}}}
	for _, p := range []hotstick.Person{alice, bob, carol} {
		w.persons[p] = w.newKey()
		trust.Persons = append(trust.Persons, hotstick.TrustedPerson{Person: p, Keys: []hotstick.TrustedKey{hotstick.TrustedKey(w.persons[p].Public())}})
	}
	expires := time.Now().Add(30 * 24 * time.Hour).UTC().Truncate(time.Second)
	rootFile, err := catalog.Init(catalog.RootSpec{RootKeys: []hotstick.TrustedKey{w.owner.Public()}, RootThreshold: 1,
		PublisherKeys: []hotstick.TrustedKey{w.publisher.Public()}, PublisherThreshold: 1,
		OnlineKeys: []hotstick.TrustedKey{made.OnlineKey}, Trust: trust, Expires: expires}, w.owner)
	w.must(err)
	targets, err := catalog.EmptyTargets(expires, w.publisher)
	w.must(err)
	online, err := statement.LoadSigner(filepath.Join(w.dir, keysDir, onlineKey))
	w.must(err)
	w.must(os.Mkdir(made.CatalogDir, 0o700))
	_, err = catalog.CreateRepository(made.CatalogDir, rootFile, targets, online, time.Now())
	w.must(err)
	if kept != nil {
		kept = leaftest.Watch(t, kept)
	}
	w.options = Options{Dir: w.dir, Store: kept, Log: slog.New(slog.NewTextHandler(testLog{t}, &slog.HandlerOptions{Level: slog.LevelWarn})),
		// Hosts in tests check in as fast as they can.
		Limits: Limits{IdleInterval: 100 * time.Millisecond, StaleAfter: time.Minute, Rates: Rates{Host: Rate{PerSecond: 1e6, Burst: 1e6}},
			Rollout: rollout.Limits{SilentAfter: time.Minute, GrantLife: 2 * time.Second}}}
	w.start()
	w.makeTokens()
	t.Cleanup(func() { w.stop() })
	return w
}

// testLog writes a server's log to the test's.
type testLog struct{ t testing.TB }

func (l testLog) Write(p []byte) (int, error) {
	l.t.Log(string(p))
	return len(p), nil
}

func (w *world) newKey() *statement.Key {
	w.Helper()
	key, err := statement.GenerateKey(rand.Reader)
	w.must(err)
	return key
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// start runs a server on the data directory; on the same port if there was one.
func (w *world) start() {
	w.Helper()
	w.open()
	w.run()
}

// open makes the server that run has serve.
func (w *world) open() {
	w.Helper()
	address := "127.0.0.1:0"
	if w.server != nil {
		address = w.server.Addr().String()
	}
	listener, err := net.Listen("tcp", address)
	w.must(err)
	o := w.options
	o.Listener = listener
	w.server, err = New(context.Background(), o)
	w.must(err)
}

func (w *world) run() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	s := w.server
	go func() { done <- s.Run(ctx) }()
	w.stop = func() {
		cancel()
		if err := <-done; err != nil {
			w.Errorf("the server ended with: %v", err)
		}
		w.stop = func() {}
	}
}

// restart ends the server and starts another on the same data.
func (w *world) restart() {
	w.stop()
	w.start()
	w.admin = w.client(identity.Admin)
}

func (w *world) makeTokens() {
	w.Helper()
	for _, role := range identity.Roles() {
		token, err := w.server.AddAPIToken(w.Context(), role, alice)
		w.must(err)
		w.tokens[role] = token
	}
	w.admin = w.client(identity.Admin)
}

// client speaks to the server with a role; the empty role has no token.
func (w *world) client(role string) *client.Client {
	w.Helper()
	c, err := client.New(client.Options{Server: w.server.URL(), Token: w.tokens[role], Authority: w.server.Authority()})
	w.must(err)
	w.Cleanup(c.Close)
	return c
}

// publish puts a level for both builds into the catalog, as a publisher does.
func (w *world) publish(level int) hotstick.PatchRef {
	w.Helper()
	ref := hotstick.PatchRef{Name: "unix-ioctl", Level: level}
	bytes := map[hotstick.Digest][]byte{}
	patch := hotstick.Patch{Ref: ref, Summary: "closes a hole", CVEs: []string{"CVE-2026-52928"}, Driver: "klp",
		Reversibility: hotstick.ReversibleLive, Replace: true, Functions: []string{"vmlinux:unix_ioctl"}}
	for _, build := range []hotstick.KernelBuild{buildA, buildB} {
		data := fmt.Appendf(nil, "module %s for %s", ref, build)
		digest := hotstick.NewDigest(data)
		bytes[digest] = data
		patch.Artifacts = append(patch.Artifacts, hotstick.Artifact{Build: build, Digest: digest, SizeBytes: int64(len(data)), Module: module(ref)})
		w.must(w.admin.UploadArtifact(w.Context(), digest, data))
	}
	root, err := w.admin.CatalogFile(w.Context(), "root.json")
	w.must(err)
	targets, err := w.admin.CatalogFile(w.Context(), "targets.json")
	w.must(err)
	next, err := catalog.Publish(catalog.Publication{Root: root, Targets: targets, Patch: patch,
		Read:    func(a hotstick.Artifact) ([]byte, error) { return bytes[a.Digest], nil },
		Check:   func(hotstick.Patch, hotstick.Artifact, []byte) error { return nil },
		Now:     time.Now(),
		Expires: time.Now().Add(20 * 24 * time.Hour).UTC().Truncate(time.Second)}, w.publisher)
	w.must(err)
	_, err = w.admin.Publish(w.Context(), api.PublishRequest{Targets: next})
	w.must(err)
	return ref
}

// nextRoot hands the next root in, which says the same for longer, as its owner does.
func (w *world) nextRoot() error {
	root, err := w.admin.CatalogFile(w.Context(), "root.json")
	w.must(err)
	spec, _, err := catalog.ReadRoot(root)
	w.must(err)
	spec.Expires = spec.Expires.Add(time.Hour)
	next, err := catalog.NextRoot(root, spec, w.owner)
	w.must(err)
	_, err = w.admin.Root(w.Context(), api.RootRequest{Root: next})
	return err
}

// delegate lets a vendor publish, which recalls a patch of its own.
func (w *world) delegate() error {
	root, err := w.admin.CatalogFile(w.Context(), "root.json")
	w.must(err)
	targets, err := w.admin.CatalogFile(w.Context(), "targets.json")
	w.must(err)
	vendor, expires := w.newKey(), time.Now().Add(20*24*time.Hour).UTC().Truncate(time.Second)
	next, err := catalog.Revise(catalog.Revision{Root: root, Targets: targets, Expires: expires, Delegations: []catalog.Delegation{{
		Name: "acme", Keys: []hotstick.TrustedKey{vendor.Public()}, Threshold: 1, Scope: catalog.Scope{Patches: []string{"acme-*"},
			Vendors: []string{"acme"}, Drivers: []string{"klp"}, Builds: []catalog.BuildScope{{Release: "6.1.*", Arch: "x86_64"}}}}}}, w.publisher)
	w.must(err)
	_, err = w.admin.Publish(w.Context(), api.PublishRequest{Targets: next})
	w.must(err)
	own, err := catalog.Revise(catalog.Revision{Root: root, Targets: next, Delegation: "acme", Expires: expires, Recalls: []hotstick.Recall{{
		Patch: hotstick.PatchRef{Name: "acme-1", Level: 1}, Action: hotstick.RecallBlock, Reason: "x", Issued: expires.Add(-time.Hour)}}}, vendor)
	w.must(err)
	_, err = w.admin.Publish(w.Context(), api.PublishRequest{Delegated: map[string]json.RawMessage{"acme": own}})
	return err
}

// module names the kernel module of a level.
func module(ref hotstick.PatchRef) string { return fmt.Sprintf("unix_ioctl_%d", ref.Level) }

// quick are the speeds of plans in tests.
var quick = api.PlanSettings{ProbationSeconds: 1, TransitionSeconds: 5, BakeSeconds: 1, LifeSeconds: 3600}

// draft asks for a plan of every host.
func (w *world) draft(ref hotstick.PatchRef, settings api.PlanSettings) api.Draft {
	w.Helper()
	d, err := w.admin.Draft(w.Context(), api.DraftRequest{Name: ref.String(), Patch: ref.String(), Selector: "true", Author: alice, Settings: settings})
	w.must(err)
	return d
}

// sign wraps a drafted plan with signatures.
func (w *world) sign(d api.Draft, persons ...hotstick.Person) []byte {
	w.Helper()
	var plan hotstick.Plan
	w.must(jsonInto(d.Payload, &plan))
	var signers []statement.Signer
	for _, p := range persons {
		signers = append(signers, w.persons[p])
	}
	raw, err := statement.Sign(statement.KindPlan, plan, signers...)
	w.must(err)
	return raw
}

// approved drafts, signs, submits and approves a plan.
func (w *world) approved(ref hotstick.PatchRef, settings api.PlanSettings) api.Rollout {
	w.Helper()
	d := w.draft(ref, settings)
	r, err := w.admin.Submit(w.Context(), api.SubmitRequest{Envelope: w.sign(d, alice), Hosts: d.Hosts})
	w.must(err)
	for _, p := range []hotstick.Person{bob, carol} {
		r = w.approve(string(r.Plan), p)
	}
	if r.Status != hotstick.Approved {
		w.Fatalf("after two approvals the plan is %s", r.Status)
	}
	return r
}

// approve adds a person's signature to the plan as the server has it.
func (w *world) approve(plan string, p hotstick.Person) api.Rollout {
	w.Helper()
	b, err := w.admin.Bundle(w.Context(), plan)
	w.must(err)
	raw, err := statement.AddSignature(b.Envelope, w.persons[p])
	w.must(err)
	r, err := w.admin.Approve(w.Context(), plan, api.ApprovalRequest{Envelope: raw})
	w.must(err)
	return r
}

// running starts an approved plan.
func (w *world) running(ref hotstick.PatchRef, settings api.PlanSettings) api.Rollout {
	w.Helper()
	r, err := w.admin.Start(w.Context(), string(w.approved(ref, settings).Plan))
	w.must(err)
	return r
}

// until waits until the rollout satisfies the condition, and fails after a while
// with what was last seen.
func (w *world) until(plan hotstick.PlanID, what string, condition func(api.Rollout) bool) api.Rollout {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.Context(), 60*time.Second)
	defer cancel()
	tick := time.NewTicker(25 * time.Millisecond)
	defer tick.Stop()
	var last api.Rollout
	for {
		r, err := w.admin.Rollout(ctx, string(plan))
		if err != nil {
			if !errors.As(err, new(*client.Unreachable)) {
				w.Fatalf("waiting until %s: %v; last seen: %s %v %q", what, err, last.Status, last.States, last.Headline)
			}
		} else if last = r; condition(r) {
			return r
		}
		select {
		case <-ctx.Done():
			w.Fatalf("waited until %s; last seen: %s %v %q", what, last.Status, last.States, last.Headline)
		case <-tick.C:
		}
	}
}

func is(status hotstick.PlanStatus) func(api.Rollout) bool {
	return func(r api.Rollout) bool { return r.Status == status }
}

// refused fails unless err is a problem with this status and code.
func (w *world) refused(err error, status int, code string) *client.Error {
	w.Helper()
	var e *client.Error
	if !errors.As(err, &e) || e.Status != status || e.Code != code {
		w.Fatalf("got %v; want a problem with %d %s", err, status, code)
	}
	return e
}

func clientQuery(state string) client.HostQuery { return client.HostQuery{State: state, Limit: 2} }

func eventsOf(plan hotstick.PlanID) client.EventQuery {
	return client.EventQuery{Plan: plan, Limit: 1000}
}
