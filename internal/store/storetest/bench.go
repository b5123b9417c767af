package storetest

import (
	"context"
	"fmt"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/store"
)

// BenchmarkCheckIn measures what a store does for one check-in of one host out of
// many: "unchanged" brings nothing but a sign of life, "durable" brings a report,
// which changes the host, its line in a plan and the audit log. Beside the time it
// reports how many check-ins one core can do in a second of its own time, which
// waiting for the disk does not count against.
func BenchmarkCheckIn(b *testing.B, open func(b *testing.B) store.Store) {
	for name, checkIn := range map[string]func(store.Tx, hotstick.HostID, uint64) error{"unchanged": unchanged, "durable": durable} {
		b.Run(name, func(b *testing.B) {
			for _, crowd := range []int{1, 64} {
				b.Run(fmt.Sprintf("crowd=%d", crowd), func(b *testing.B) {
					s := open(b)
					fleet(b, s)
					measure(b, s, crowd, checkIn)
				})
			}
		})
	}
}

const benchHosts = 500

// fleet fills a store with hosts as real ones are: 150 modules each, listed in a
// plan.
func fleet(b *testing.B, s store.Store) {
	err := s.Update(context.Background(), func(tx store.Tx) error {
		p, lines := aPlan("p", at(0), benchHosts)
		if err := tx.Plans().Create(p, lines); err != nil {
			return err
		}
		for i := range benchHosts {
			if err := tx.Hosts().Put(realHost(i)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
}

func realHost(i int) store.Host {
	no := false
	f := &hotstick.Facts{
		Host:   hotstick.HostFacts{Hostname: fmt.Sprint("host-", i), BootID: "0b2f7c1e-52c4-4f0e-9d4b-1f4f3f8c2a11", BootedAt: at(0), CPUs: 8, MemoryBytes: 64 << 30, Distribution: "Debian GNU/Linux 12 (bookworm)"},
		Kernel: hotstick.KernelFacts{Build: hotstick.KernelBuild{Release: "6.1.0-47-amd64", Arch: "x86_64", BuildID: "0123456789abcdef0123456789abcdef01234567"}, LivepatchSupported: true},
		Security: hotstick.SecurityFacts{Lockdown: "none", SignatureEnforced: &no, ModulesDisabled: &no,
			SecureBoot: &no},
		Labels:  map[string]string{"rack": fmt.Sprint("r", i%20), "role": "web", "zone": "a"},
		Drivers: []hotstick.Capabilities{{Driver: "klp", TrustClass: hotstick.TrustBytes, Rollback: []hotstick.Reversibility{hotstick.ReversibleLive}, Truth: "sysfs", Available: true}},
	}
	for m := range 150 {
		f.Modules = append(f.Modules, hotstick.ModuleFacts{Name: fmt.Sprint("some_module_", m), SizeBytes: int64(m) << 12, SrcVersion: "533BB7E5866E52F63B9ACCB"})
	}
	patch := hotstick.LoadedPatch{Module: "hotstick_unix_ioctl_1", Driver: "klp", State: hotstick.InEffect, Functions: []string{"vmlinux:unix_ioctl,1"}}
	f.Livepatch.Patches = []hotstick.LoadedPatch{patch}
	return store.Host{ID: hostID(i), Name: f.Host.Hostname, Identity: make([]byte, 32), Enrolled: at(0), Facts: f, FactsDigest: "sha256:00",
		Boot: f.Host.BootID, Boots: 1, Patches: []hotstick.LoadedPatch{patch}, LastSeen: at(1),
		Readings: []hotstick.Reading{{Probe: "kernel-log", Healthy: true, At: at(1)}, {Probe: "taint", Healthy: true, At: at(1)}, {Probe: "command", Healthy: true, At: at(1)}}}
}

func unchanged(tx store.Tx, id hotstick.HostID, seq uint64) error {
	h, err := tx.Hosts().Get(id)
	if err != nil {
		return err
	}
	h.Seq, h.LastSeen = seq, tx.Now()
	for i := range h.Readings {
		h.Readings[i].At = tx.Now()
	}
	return tx.Hosts().Put(h)
}

func durable(tx store.Tx, id hotstick.HostID, seq uint64) error {
	h, err := tx.Hosts().Get(id)
	if err != nil {
		return err
	}
	h.Seq, h.LastSeen, h.Reported = seq, tx.Now(), seq
	line, err := tx.Plans().Host(planID("p"), id)
	if err != nil {
		return err
	}
	line.State, line.Updated = hotstick.Probation, tx.Now()
	if err := tx.Plans().PutHost(line); err != nil {
		return err
	}
	e := store.Event{Kind: "host.state", Plan: planID("p"), Host: id, HostName: h.Name, State: string(line.State)}
	if _, err := tx.Events().Append(e); err != nil {
		return err
	}
	return tx.Hosts().Put(h)
}

// measure has a crowd of goroutines check hosts in, one after the other.
func measure(b *testing.B, s store.Store, crowd int, checkIn func(store.Tx, hotstick.HostID, uint64) error) {
	b.ReportAllocs()
	before := cpuTime()
	b.ResetTimer()
	var next atomic.Int64
	for _, err := range together(crowd, func(int) error {
		for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
			err := s.Update(context.Background(), func(tx store.Tx) error {
				return checkIn(tx, hostID(int(i)%benchHosts), uint64(i))
			})
			if err != nil {
				return err
			}
		}
		return nil
	}) {
		if err != nil {
			b.Fatal(err)
		}
	}
	b.StopTimer()
	b.ReportMetric(float64(b.N)/(cpuTime()-before).Seconds(), "check-ins/core-s")
}

// cpuTime is the time that all cores gave this process.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
