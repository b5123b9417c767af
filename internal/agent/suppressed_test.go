package agent_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/catalog"
	"github.com/hotstick/hotstick/internal/agent"
	"github.com/hotstick/hotstick/internal/driver"
	"github.com/hotstick/hotstick/internal/driver/fake"
	"github.com/hotstick/hotstick/internal/kernel/kmod"
	"github.com/hotstick/hotstick/internal/loader"
	"github.com/hotstick/hotstick/internal/loader/ledger"
	"github.com/hotstick/hotstick/internal/statement"
	"github.com/hotstick/hotstick/internal/wire"
)

var victimBuild = hotstick.KernelBuild{Release: "6.1.0-47-amd64", Arch: "x86_64", BuildID: strings.Repeat("ab", 20)}

// signer returns the key that belongs to a name.
func signer(name string) *statement.Key {
	k, err := statement.NewKey(bytes.Repeat([]byte{name[0], name[1], name[2], byte(len(name))}, 8))
	if err != nil {
		panic(err)
	}
	return k
}

// theft is a server that was stolen with its online key, a publisher whom it does not
// listen to any more, a mirror, and a host with a real agent and a real loader.
type theft struct {
	*testing.T
	// stolen is the server's catalog, in dir; mirrored is what the mirror serves.
	stolen           *catalog.Repository
	dir, mirrored    string
	root             []byte
	bad              hotstick.Patch
	kernel           *fake.Kernel
	server, mirror   *httptest.Server
	serverAt, mirrAt *pipes

	mu sync.Mutex
	// plans were approved before the theft.
	plans []announced
	hosts []hotstick.PlanHost
	// offered is the number of the plan for which grants are on offer, 0 for none.
	offered  int
	reports  []hotstick.Report
	refusals []hotstick.Reason
}

type announced struct {
	id  hotstick.PlanID
	raw json.RawMessage
}

// pipes is a listener within one bubble of time.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), closed: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { p.once.Do(func() { close(p.closed) }); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 443} }

// transport reaches the listener, and trusts the server behind it.
func (p *pipes) transport(server *httptest.Server) *http.Transport {
	t := server.Client().Transport.(*http.Transport).Clone()
	t.DialContext = func(context.Context, string, string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		select {
		case p.conns <- theirs:
			return ours, nil
		case <-p.closed:
			return nil, errDown
		}
	}
	return t
}

func serve(t *testing.T, handler http.Handler) (*httptest.Server, *pipes) {
	at := newPipes()
	s := httptest.NewUnstartedServer(handler)
	_ = s.Listener.Close()
	s.Listener = at
	s.StartTLS()
	t.Cleanup(s.Close)
	return s, at
}

func newTheft(t *testing.T) *theft {
	h := &theft{T: t, dir: t.TempDir(), mirrored: t.TempDir(), offered: 1}
	module := kmod.Compose(kmod.Info{Name: "fix_1", License: "GPL", Livepatch: true, Arch: victimBuild.Arch,
		Vermagic: victimBuild.Release + " SMP preempt mod_unload modversions "})
	h.bad = hotstick.Patch{Ref: hotstick.PatchRef{Name: "fix", Level: 1}, Summary: "breaks", Driver: fake.Name,
		Reversibility: hotstick.ReversibleLive, Replace: true, Functions: []string{"vmlinux:unix_ioctl"},
		Artifacts: []hotstick.Artifact{{Build: victimBuild, Digest: hotstick.NewDigest(module), SizeBytes: int64(len(module)), Module: "fix_1"}}}
	h.kernel = fake.New(fake.Config{Name: "victim", Build: victimBuild, Clock: time.Now, Transition: 300 * time.Millisecond})
	h.publish(module)
	h.sign("now")
	h.sign("later")
	mux := http.NewServeMux()
	mux.HandleFunc("/agent/v1/sync", h.sync)
	mux.Handle("/agent/v1/catalog/", http.StripPrefix("/agent/v1/catalog", http.HandlerFunc(h.show)))
	h.server, h.serverAt = serve(t, mux)
	h.mirror, h.mirrAt = serve(t, http.FileServer(http.Dir(h.mirrored)))
	return h
}

func (h *theft) must(data []byte, err error) []byte {
	h.Helper()
	if err != nil {
		h.Fatal(err)
	}
	return data
}

// publish makes the catalog as it was before the theft.
func (h *theft) publish(module []byte) {
	now := time.Now().UTC().Truncate(time.Second)
	end := now.AddDate(0, 6, 0)
	person := func(name string) hotstick.TrustedPerson {
		return hotstick.TrustedPerson{Person: hotstick.Person(name), Keys: []hotstick.TrustedKey{signer(name).Public()}}
	}
	h.root = h.must(catalog.Init(catalog.RootSpec{RootKeys: []hotstick.TrustedKey{signer("owner").Public()}, RootThreshold: 1,
		PublisherKeys: []hotstick.TrustedKey{signer("publisher").Public()}, PublisherThreshold: 1, OnlineKeys: []hotstick.TrustedKey{signer("online").Public()},
		Trust: hotstick.Trust{Persons: []hotstick.TrustedPerson{person("ann"), person("bob")}, Approvals: 1, Epoch: 1,
			ServerKeys: []hotstick.TrustedKey{signer("online").Public()}}, Expires: end}, signer("owner")))
	var err error
	empty := h.must(catalog.EmptyTargets(end, signer("publisher")))
	if h.stolen, err = catalog.CreateRepository(h.dir, h.root, empty, signer("online"), now); err != nil {
		h.Fatal(err)
	}
	if _, err := h.stolen.AddArtifact(bytes.NewReader(module)); err != nil {
		h.Fatal(err)
	}
	targets := h.must(catalog.Publish(catalog.Publication{Root: h.root, Targets: empty, Patch: h.bad, Now: now, Expires: end,
		Read:  func(hotstick.Artifact) ([]byte, error) { return module, nil },
		Check: func(hotstick.Patch, hotstick.Artifact, []byte) error { return nil }}, signer("publisher")))
	if _, err := h.stolen.Accept(targets, now); err != nil {
		h.Fatal(err)
	}
}

// sign makes a plan, as it was approved before the theft.
func (h *theft) sign(name string) {
	me := signer("identity").Public()
	h.hosts = []hotstick.PlanHost{{Host: hotstick.NewHostID(me), Name: "victim", Identity: hotstick.NewFingerprint(me), Build: victimBuild}}
	root, err := statement.HostsRoot(h.hosts)
	if err != nil {
		h.Fatal(err)
	}
	now := time.Now().UTC().Truncate(time.Second)
	plan := hotstick.Plan{Schema: hotstick.PlanSchema, Name: name, Patch: h.bad.Ref, Author: "ann", Epoch: 1, CreatedAt: now, NotAfter: now.Add(72 * time.Hour),
		Lanes: []hotstick.Lane{{Build: victimBuild, Driver: fake.Name, Artifact: h.bad.Artifacts[0].Digest, Module: "fix_1", RevertTo: []hotstick.RevertTarget{{}}}},
		Waves: []hotstick.Wave{{Name: "all", Hosts: 1}}, HostCount: 1, HostsRoot: root, Budgets: []hotstick.Budget{{Domain: hotstick.FleetDomain, Max: 1}},
		ProbationSeconds: 10, TransitionSeconds: 20}
	raw := h.must(statement.Sign(statement.KindPlan, plan, signer("ann"), signer("bob")))
	parsed, err := statement.ParsePlan(raw)
	if err != nil {
		h.Fatal(err)
	}
	h.plans = append(h.plans, announced{parsed.ID, raw})
}

// show serves the stolen server's catalog, whose timestamps the thief renews.
func (h *theft) show(rw http.ResponseWriter, r *http.Request) {
	file, err := h.stolen.Open(strings.TrimPrefix(r.URL.Path, "/"))
	if err != nil {
		http.NotFound(rw, r)
		return
	}
	defer file.Close()
	_, _ = io.Copy(rw, file)
}

// sync answers a check-in: with the plan, and with a grant as long as one is on offer.
func (h *theft) sync(rw http.ResponseWriter, r *http.Request) {
	var req wire.SyncRequest
	if err := wire.Decode(r.Body, wire.MaxRequestBytes, &req); err != nil {
		h.Errorf("the agent sent what the server refuses: %v", err)
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	resp := wire.SyncResponse{NextMillis: 10_000, CatalogVersion: h.stolen.View().Version}
	for _, report := range req.Reports {
		h.reports, resp.Acknowledged = append(h.reports, report), report.Seq
	}
	for _, refusal := range req.Loader.Refusals {
		h.refusals = append(h.refusals, refusal.Reason)
	}
	for _, p := range h.plans {
		if !slices.Contains(req.Loader.Plans, p.id) {
			resp.Documents = append(resp.Documents, p.raw)
		}
	}
	if len(resp.Documents) == 0 && h.offered > 0 && req.Loader.Nonce != "" && !req.Loader.Busy {
		proof, err := statement.ProveHost(h.hosts, 0)
		if err != nil {
			h.Error(err)
		}
		me := h.hosts[0]
		grant := h.must(statement.Sign(statement.KindGrant, statement.Grant{Plan: h.plans[h.offered-1].id, Host: me.Host, Identity: me.Identity, Build: me.Build,
			Attempt: 1, Proof: proof, Nonce: req.Loader.Nonce, Epoch: 1, Generation: 1, TTLSeconds: 60}, signer("online")))
		resp.Documents = append(resp.Documents, grant)
	}
	body, err := wire.Encode(&resp, wire.MaxResponseBytes)
	if err != nil {
		h.Error(err)
	}
	_, _ = rw.Write(body)
}

// run runs agent and loader until the test ends.
func (h *theft) run() {
	h.Helper()
	agentDir, loaderDir := h.TempDir(), h.TempDir()
	own, err := catalog.NewClient(loaderDir, h.root, catalog.NewStaged(agentDir))
	if err != nil {
		h.Fatal(err)
	}
	m := &victim{h.kernel}
	l, err := loader.New(loader.Config{Drivers: driver.Set{h.kernel}, Clock: m, Disk: &ledger.Memory{}, Kernel: m, Catalog: own,
		Identity: func() (ed25519.PublicKey, error) { return ed25519.PublicKey(signer("identity").Public()), nil }})
	if err != nil {
		h.Fatal(err)
	}
	source, err := catalog.NewWeb(h.server.URL+"/agent/v1/catalog", h.serverAt.transport(h.server))
	if err != nil {
		h.Fatal(err)
	}
	files, err := catalog.NewClient(agentDir, h.root, source)
	if err != nil {
		h.Fatal(err)
	}
	mirror, err := catalog.NewWeb(h.mirror.URL, h.mirrAt.transport(h.mirror))
	if err != nil {
		h.Fatal(err)
	}
	a := agent.New(agent.Config{Host: h.hosts[0].Host, Server: h.server.URL, Transport: h.serverAt.transport(h.server), Loader: l, Catalog: files,
		Mirrors: []catalog.Mirror{{Name: h.mirror.URL, Source: mirror}}, Observer: m, Uptime: m.Uptime, Log: slog.New(slog.DiscardHandler)})
	ctx, cancel := context.WithCancel(h.Context())
	done := make(chan error, 2)
	go func() { done <- l.Run(ctx) }()
	go func() { done <- a.Run(ctx) }()
	h.Cleanup(func() {
		cancel()
		if err := errors.Join(<-done, <-done); err != nil {
			h.Error(err)
		}
	})
}

// victim is the host as agent and loader see it.
type victim struct{ *fake.Kernel }

func (victim) Now() time.Time                                                { return time.Now() }
func (v victim) Uptime() time.Duration                                       { return time.Since(v.State().BootedAt) }
func (v victim) Boot() (string, error)                                       { return v.State().BootID, nil }
func (victim) Build() (hotstick.KernelBuild, error)                          { return victimBuild, nil }
func (v victim) Taint() (uint64, error)                                      { return v.State().Taint, nil }
func (victim) Faults(uint64) ([]loader.Fault, uint64, error)                 { return nil, 0, nil }
func (victim) Crashes() ([]loader.Crash, error)                              { return nil, nil }
func (v victim) Patches(ctx context.Context) ([]hotstick.LoadedPatch, error) { return v.Observe(ctx) }
func (v victim) Facts(context.Context) (hotstick.Facts, error) {
	var f hotstick.Facts
	f.Host.Hostname, f.Host.BootID = "victim", v.State().BootID
	return f, nil
}

// inEffect reports whether the bad patch is.
func (h *theft) inEffect() bool {
	patches, err := h.kernel.Observe(h.Context())
	if err != nil {
		h.Fatal(err)
	}
	return len(patches) == 1 && patches[0].State == hotstick.InEffect
}

func (h *theft) pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// A thief has the server and its online key. The publishers recall a patch; the thief
// takes no recall, shows none, and goes on to renew timestamps and to sign grants.
func TestAServerThatSuppressesARecallIsBeatenByAMirror(t *testing.T) {
	for name, recall := range map[string]func(h *theft, targets []byte){
		"the mirror has a catalog from before the theft": func(h *theft, targets []byte) {
			honest, err := catalog.OpenRepository(h.mirrored, signer("online"))
			if err == nil {
				_, err = honest.Accept(targets, time.Now())
			}
			if err != nil {
				h.Fatal(err)
			}
		},
		"the publishers put only the recall there": func(h *theft, targets []byte) {
			if err := os.Mkdir(filepath.Join(h.mirrored, "recalls"), 0o755); err != nil {
				h.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(h.mirrored, "recalls", "1.json"), targets, 0o644); err != nil {
				h.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newTheft(t)
				if err := os.CopyFS(h.mirrored, os.DirFS(h.dir)); err != nil {
					t.Fatal(err)
				}
				h.run()
				h.pass(2 * time.Minute)
				if !h.inEffect() {
					t.Fatalf("the patch was never applied: %+v, %+v", h.reports, h.refusals)
				}
				h.offer(0)
				targets := h.must(catalog.Revise(catalog.Revision{Root: h.root, Targets: h.stolen.Targets(), Expires: time.Now().AddDate(0, 6, 0),
					Recalls: []hotstick.Recall{{Patch: h.bad.Ref, Action: hotstick.RecallRevert, Reason: "panics", Issued: time.Now().UTC().Truncate(time.Second)}}}, signer("publisher")))
				recall(h, targets)
				h.thieve()
				h.pass(30 * time.Minute) // the mirrors' pace, and the patience of a loader whose server says nothing
				if h.inEffect() {
					t.Fatal("the recalled patch is still in effect")
				}
				if last := h.reports[len(h.reports)-1]; last.State != hotstick.Reverted || last.Reason == nil || last.Reason.Code != hotstick.ReasonRecalled {
					t.Errorf("the last report is %+v", last)
				}
				h.offer(2)
				h.pass(time.Minute)
				if len(h.refusals) == 0 || h.refusals[0].Code != hotstick.ReasonRecalled || h.inEffect() {
					t.Errorf("the thief's grant was not refused as one for a recalled patch: %+v", h.refusals[:min(1, len(h.refusals))])
				}
			})
		})
	}
}

// thieve renews the server's timestamp with the stolen key, twice.
func (h *theft) thieve() {
	for i := range time.Duration(2) {
		if _, err := h.stolen.Refresh(time.Now().Add((i + 1) * catalog.TimestampLife)); err != nil {
			h.Error(err)
		}
	}
}

// offer lets the server grant attempts of one of the plans from now on.
func (h *theft) offer(plan int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.offered, h.refusals = plan, nil
}

// Two web servers that know nothing of Hotstick serve a directory; the host names
// them in its configuration.
func TestAMirrorIsKnownByItsCertificate(t *testing.T) {
	h := newTheft(t)
	honest := httptest.NewTLSServer(http.FileServer(http.Dir(h.dir)))
	defer honest.Close()
	liar := httptest.NewTLSServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(rw, "<html>"+r.URL.Path)
	}))
	defer liar.Close()
	its := hotstick.NewDigest(honest.Certificate().Raw)
	for _, test := range []struct {
		what, mirrors string
		want          []catalog.MirrorState
		why           string
	}{
		{"pinned", entry(honest.URL, its), []catalog.MirrorState{catalog.MirrorCurrent}, ""},
		{"pinned to another certificate", entry(honest.URL, hotstick.NewDigest(nil)), []catalog.MirrorState{catalog.MirrorAway}, "the certificate in the configuration"},
		{"not pinned, and of no authority that the host knows", entry(honest.URL, ""), []catalog.MirrorState{catalog.MirrorAway}, "certificate"},
		{"one that lies and one that does not", entry(liar.URL, its) + entry(honest.URL+"/", its), []catalog.MirrorState{catalog.MirrorLies, catalog.MirrorCurrent}, "refused"},
	} {
		file, err := agent.ReadFile([]byte("mirrors:\n" + test.mirrors))
		if err != nil {
			t.Fatalf("%s: %v", test.what, err)
		}
		mirrors, err := file.Sources()
		if err != nil {
			t.Fatalf("%s: %v", test.what, err)
		}
		files, err := catalog.NewClient(t.TempDir(), h.root, nil)
		if err != nil {
			t.Fatal(err)
		}
		view, reports, err := files.Follow(t.Context(), time.Now(), mirrors...)
		for i, r := range reports {
			if r.State != test.want[i] || r.Err != nil && !strings.Contains(r.Err.Error(), test.why) {
				t.Errorf("%s: %+v", test.what, r)
			}
		}
		if taken := slices.Contains(test.want, catalog.MirrorCurrent); (err == nil) != taken || taken != (len(view.Patches) == 1) {
			t.Errorf("%s: %d patches, %v", test.what, len(view.Patches), err)
		}
		if err != nil {
			continue
		}
		if _, err := files.Keep(t.Context(), h.bad.Artifacts[0].Digest, mirrors[len(mirrors)-1].Source); err != nil {
			t.Errorf("%s: %v", test.what, err)
		}
	}
}

// entry is one mirror in a configuration file.
func entry(url string, certificate hotstick.Digest) string {
	return "  - url: " + url + "\n    certificate: \"" + string(certificate) + "\"\n"
}
