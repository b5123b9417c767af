package server

import (
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/client"
	"github.com/hotstick/hotstick/internal/inventory"
	"github.com/hotstick/hotstick/internal/store"
	"github.com/hotstick/hotstick/internal/store/memory"
)

// crowd is a world with so many hosts and a running plan over them, without anybody
// who checks in.
func crowd(b *testing.B, hosts int) (*world, string) {
	w := newWorld(b, memory.Open(time.Now))
	w.must(w.kept.Update(b.Context(), func(tx store.Tx) error {
		for i := range hosts {
			seed := make([]byte, ed25519.SeedSize)
			copy(seed, fmt.Sprint(i))
			key := ed25519.NewKeyFromSeed(seed).Public().(ed25519.PublicKey)
			build := buildA
			if i%3 == 0 {
				build = buildB
			}
			facts := &hotstick.Facts{Kernel: hotstick.KernelFacts{Build: build},
				Labels:  map[string]string{"rack": fmt.Sprint(i / 40), "zone": fmt.Sprint(i % 8)},
				Drivers: []hotstick.Capabilities{{Driver: "klp", TrustClass: hotstick.TrustBytes, Available: true}}}
			err := tx.Hosts().Put(store.Host{ID: hotstick.NewHostID(key), Name: fmt.Sprintf("host-%06d", i), Identity: key, Enrolled: tx.Now(),
				Facts: facts, Boot: "b", Seq: 1, LastSeen: tx.Now(), Boots: 1})
			if err != nil {
				return err
			}
		}
		_, err := tx.Events().Append(store.Event{Kind: inventory.HostFacts})
		return err
	}))
	r := w.running(w.publish(1), quick)
	return w, string(r.Plan)
}

// BenchmarkRolloutPage reads a rollout's page over HTTPS, as a console does.
func BenchmarkRolloutPage(b *testing.B) {
	for _, hosts := range []int{100, 5_000, 100_000} {
		b.Run(fmt.Sprintf("hosts=%d", hosts), func(b *testing.B) {
			w, plan := crowd(b, hosts)
			bytes := 0
			for b.Loop() {
				r, err := w.admin.Rollout(b.Context(), plan)
				w.must(err)
				if bytes == 0 {
					raw, err := json.Marshal(r)
					w.must(err)
					bytes = len(raw)
				}
			}
			b.ReportMetric(float64(bytes), "B/page")
		})
	}
}

// BenchmarkRolloutHosts reads one page of a rollout's hosts.
func BenchmarkRolloutHosts(b *testing.B) {
	w, plan := crowd(b, 100_000)
	for b.Loop() {
		_, err := w.admin.RolloutHosts(b.Context(), plan, client.CellQuery{Search: "9999", Limit: 100})
		w.must(err)
	}
}

// BenchmarkFleetPages reads what counts every host: the overview, the metrics and the
// catalog, as consoles and scrapers do over and over; and a page of the host list.
func BenchmarkFleetPages(b *testing.B) {
	w, _ := crowd(b, 100_000)
	for _, page := range []struct {
		name string
		read func() error
	}{
		{"overview", func() error { _, err := w.admin.Overview(b.Context()); return err }},
		{"catalog", func() error { _, err := w.admin.Catalog(b.Context()); return err }},
		{"metrics", func() error { _, err := w.server.metrics.registry.Gather(); return err }},
		{"hosts", func() error { _, err := w.admin.Hosts(b.Context(), client.HostQuery{Limit: 100}); return err }},
	} {
		b.Run(page.name, func(b *testing.B) {
			for b.Loop() {
				w.must(page.read())
			}
		})
	}
}
