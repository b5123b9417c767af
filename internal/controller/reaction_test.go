package controller

import (
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/catalog"
	"github.com/hotstick/hotstick/internal/decide/rollout"
	"github.com/hotstick/hotstick/internal/inventory"
	"github.com/hotstick/hotstick/internal/statement"
	"github.com/hotstick/hotstick/internal/store"
	"github.com/hotstick/hotstick/internal/store/memory"
	"github.com/hotstick/hotstick/internal/store/sqlite"
	"github.com/hotstick/hotstick/internal/wire"
)

// BenchmarkReaction injects one failing report after the other into a rollout of
// many hosts while a thousand healthy ones a second check in, and measures the time
// from the report's arrival until the decision that follows from it is committed:
// M8. The hosts go down without a trace, and the plan expects much of its
// background, so that the rollout goes on; halt-ms is the time to the halt after one
// crash more that names the patch.
func BenchmarkReaction(b *testing.B) {
	stores := []struct {
		name string
		open func(*testing.B) store.Store
	}{
		{"memory", func(*testing.B) store.Store { return memory.Open(time.Now) }},
		{"sqlite", func(b *testing.B) store.Store {
			s, err := sqlite.Open(b.Context(), filepath.Join(b.TempDir(), "hotstick.db"), time.Now)
			if err != nil {
				b.Fatal(err)
			}
			return s
		}},
	}
	for _, s := range stores {
		for _, n := range []int{1_000, 100_000} {
			b.Run(fmt.Sprintf("store=%s/hosts=%d", s.name, n), func(b *testing.B) {
				f := newFleet(b, s.open(b), n)
				f.run(b)
			})
		}
	}
}

// fleet is a rollout in its last wave: half of the hosts are confirmed, some are
// on probation, the others wait.
type fleet struct {
	store   store.Store
	control *Controller
	plan    hotstick.PlanID
	hosts   []hotstick.PlanHost
	// next is the first host on probation that has not failed yet.
	next, probation int
	seq             uint64
	view            catalog.View
}

// View and Refresh make the fleet a [Catalog].
func (f *fleet) View() catalog.View { return f.view }

func (f *fleet) Refresh(time.Time) (bool, error) { return false, nil }

func newFleet(b *testing.B, s store.Store, n int) *fleet {
	f := &fleet{store: s, seq: 1, next: n / 2, probation: n/2 + max(300, n/100)}
	online, err := statement.NewKey(make([]byte, 32))
	if err != nil {
		b.Fatal(err)
	}
	artifact := hotstick.Artifact{Build: build, Digest: hotstick.NewDigest([]byte("module")), SizeBytes: 6, Module: "unix_ioctl_1"}
	f.view = catalog.NewView(1, time.Now().Add(240*time.Hour), hotstick.Trust{Approvals: 1, Epoch: 1,
		ServerKeys: []hotstick.TrustedKey{hotstick.TrustedKey(online.Public())}},
		[]hotstick.Patch{{Ref: patch, Driver: "klp", Artifacts: []hotstick.Artifact{artifact}}})
	for i := range n {
		public := binary.BigEndian.AppendUint64(make([]byte, 24), uint64(i))
		f.hosts = append(f.hosts, hotstick.PlanHost{Host: hotstick.NewHostID(public), Name: fmt.Sprint("host-", i),
			Identity: hotstick.NewFingerprint(public), Build: build, Wave: min(i, 1), Domains: map[string]string{"rack": fmt.Sprint(i / 40)}})
	}
	f.store = s
	if err := f.fill(online, artifact); err != nil {
		b.Fatal(err)
	}
	f.control = New(Options{Store: s, Catalog: f, Online: online, Limits: rollout.DefaultLimits, Log: slog.New(slog.DiscardHandler)})
	return f
}

// fill stores the plan and its hosts, a thousand in one transaction.
func (f *fleet) fill(author statement.Signer, a hotstick.Artifact) error {
	root, err := statement.HostsRoot(f.hosts)
	if err != nil {
		return err
	}
	n, now := len(f.hosts), time.Now().UTC().Truncate(time.Second)
	raw, err := statement.Sign(statement.KindPlan, hotstick.Plan{Schema: hotstick.PlanSchema, Name: "p", Patch: patch, Author: "alice", Epoch: 1,
		CreatedAt: now, NotAfter: now.Add(24 * time.Hour), HostsRoot: root, HostCount: n,
		Lanes:            []hotstick.Lane{{Build: build, Driver: "klp", Artifact: a.Digest, Module: a.Module, RevertTo: []hotstick.RevertTarget{{}}}},
		Waves:            []hotstick.Wave{{Name: "canary", Hosts: 1}, {Name: "all", Hosts: n - 1}},
		Budgets:          []hotstick.Budget{{Domain: hotstick.FleetDomain, Max: max(300, n/100)}, {Domain: "rack", Max: 40}},
		Gate:             hotstick.GateSettings{BackgroundPPM: 300_000},
		ProbationSeconds: 3600, TransitionSeconds: 60}, author)
	if err != nil {
		return err
	}
	read, err := statement.ParsePlan(raw)
	if err != nil {
		return err
	}
	f.plan = read.ID
	for from := 0; from < n; from += 1000 {
		if err := f.store.Update(context.Background(), func(tx store.Tx) error {
			for i := from; i < min(from+1000, n); i++ {
				if err := f.putHost(tx, i); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			return err
		}
	}
	return f.store.Update(context.Background(), func(tx store.Tx) error { return f.putPlan(tx, raw) })
}

func (f *fleet) putHost(tx store.Tx, i int) error {
	h := f.hosts[i]
	boot := fmt.Sprint("boot-", i)
	return tx.Hosts().Put(store.Host{ID: h.Host, Name: h.Name, Identity: binary.BigEndian.AppendUint64(make([]byte, 24), uint64(i)),
		Enrolled: tx.Now(), LastSeen: tx.Now(), Boot: boot, Seq: 1, Loader: store.HostLoader{Busy: f.next <= i && i < f.probation}, FactsDigest: hotstick.NewDigest([]byte(boot)),
		Facts: &hotstick.Facts{Host: hotstick.HostFacts{Hostname: h.Name, BootID: boot}, Kernel: hotstick.KernelFacts{Build: build}, Labels: h.Domains}})
}

func (f *fleet) putPlan(tx store.Tx, raw []byte) error {
	started := tx.Now().Add(-time.Hour)
	lines := make([]store.PlanHost, len(f.hosts))
	for i, h := range f.hosts {
		lines[i] = store.PlanHost{Index: i, Listed: h, State: hotstick.Waiting, Updated: started}
		switch {
		case i < f.next:
			lines[i].State, lines[i].Attempt = hotstick.Confirmed, 1
		case i < f.probation:
			lines[i].State, lines[i].Attempt = hotstick.Probation, 1
			for _, s := range []store.Slot{{Domain: hotstick.FleetDomain, Value: "all", Index: i - f.next},
				{Domain: "rack", Value: h.Domains["rack"], Index: i % 40}} {
				s.Plan, s.Host, s.Taken = f.plan, h.Host, started
				if err := tx.Slots().Take(s); err != nil {
					return err
				}
			}
		}
	}
	err := tx.Plans().Create(store.Plan{ID: f.plan, Name: "p", Patch: patch, Envelope: raw, Status: hotstick.Running,
		Author: "alice", Created: started, Started: &started}, lines)
	if err != nil {
		return err
	}
	_, err = tx.Events().Append(store.Event{Kind: inventory.PlanStatus, Plan: f.plan, State: string(hotstick.Running)})
	return err
}

// checkIn takes a host's check-in as the server does.
func (f *fleet) checkIn(ctx context.Context, i int, seq uint64, reports ...hotstick.Report) error {
	boot := fmt.Sprint("boot-", i)
	req := wire.SyncRequest{Protocol: wire.Protocol, Host: f.hosts[i].Host, Boot: boot, Seq: seq,
		FactsDigest: hotstick.NewDigest([]byte(boot)), Reports: reports}
	if err := f.store.Update(ctx, func(tx store.Tx) error {
		_, err := inventory.Take(tx, req, time.Minute)
		return err
	}); err != nil {
		return err
	}
	_, err := f.control.Documents(ctx, req, 0)
	return err
}

func (f *fleet) run(b *testing.B) {
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan error, 2)
	go func() { done <- f.control.Run(ctx) }()
	go func() { done <- f.healthy(ctx) }()
	changes, stop := f.store.Changes()
	f.settle(b, changes)
	var took []time.Duration
	b.ResetTimer()
	for range b.N {
		if f.next == f.probation {
			b.Fatal("no host is left on probation: use fewer iterations")
		}
		i := f.next
		f.next++
		if !f.holds(b, i) {
			b.Fatalf("%s holds no slot: nothing would be decided on its report", f.hosts[i].Name)
		}
		began := time.Now()
		why := &hotstick.Reason{Code: hotstick.ReasonCrash}
		if err := f.checkIn(ctx, i, 2, hotstick.Report{Seq: 1, Plan: f.plan, Patch: patch, Attempt: 1, State: hotstick.Quarantined, Reason: why}); err != nil {
			b.Fatal(err)
		}
		for f.holds(b, i) {
			<-changes
		}
		took = append(took, time.Since(began))
	}
	b.StopTimer()
	if status := f.status(b); status != hotstick.Running {
		b.Fatalf("the rollout is %s: its gate took the failing reports for the patch's", status)
	}
	if !f.holds(b, f.next) {
		b.Fatalf("%s holds no slot: its report would halt nothing", f.hosts[f.next].Name)
	}
	began := time.Now()
	named := &hotstick.Reason{Code: hotstick.ReasonCrashNamed, Subject: "unix_ioctl"}
	if err := f.checkIn(ctx, f.next, 2, hotstick.Report{Seq: 1, Plan: f.plan, Patch: patch, Attempt: 1, State: hotstick.Quarantined, Reason: named}); err != nil {
		b.Fatal(err)
	}
	for f.status(b) != hotstick.Halted {
		<-changes
	}
	b.ReportMetric(ms(time.Since(began)), "halt-ms")
	slices.Sort(took)
	b.ReportMetric(ms(took[len(took)/2]), "p50-ms")
	b.ReportMetric(ms(took[(len(took)-1)*99/100]), "p99-ms")
	cancel()
	stop()
	for range 2 {
		if err := <-done; err != nil && ctx.Err() == nil {
			b.Error(err)
		}
	}
	if err := f.store.Close(); err != nil {
		b.Error(err)
	}
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// healthy lets confirmed hosts check in, about a thousand a second, until the
// context ends.
func (f *fleet) healthy(ctx context.Context) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	half := len(f.hosts) / 2
	for n := 0; ; {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			for range 10 {
				if err := f.checkIn(ctx, n%half, uint64(2+n/half)); err != nil && ctx.Err() == nil {
					return err
				}
				n++
			}
		}
	}
}

// settle waits until the controller has taken the plan up and decided on it once.
func (f *fleet) settle(b *testing.B, changes <-chan struct{}) {
	for {
		f.control.picture.mu.Lock()
		l := f.control.picture.lives[f.plan]
		settled := l != nil && !l.dirty
		f.control.picture.mu.Unlock()
		if settled {
			return
		}
		select {
		case <-changes:
		case <-b.Context().Done():
			b.Fatal("the controller never came to rest")
		}
	}
}

func (f *fleet) holds(b *testing.B, i int) (holds bool) {
	b.Helper()
	err := f.store.View(b.Context(), func(tx store.Tx) error {
		held, err := tx.Slots().Held(f.plan, f.hosts[i].Host)
		holds = len(held) > 0
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	return holds
}

func (f *fleet) status(b *testing.B) (s hotstick.PlanStatus) {
	b.Helper()
	err := f.store.View(b.Context(), func(tx store.Tx) error {
		p, err := tx.Plans().Get(f.plan)
		s = p.Status
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	return s
}
