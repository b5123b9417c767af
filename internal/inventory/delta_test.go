package inventory

import (
	"testing"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/wire"
)

// TestWhatHasChangedIsPutToTheFactsThatAreThere: and only to those, and only if the result
// is what the host has; else the host is asked for its facts.
func TestWhatHasChangedIsPutToTheFactsThatAreThere(t *testing.T) {
	old := hotstick.Facts{Host: hotstick.HostFacts{Hostname: "db-1", BootID: "boot-1"}, Kernel: hotstick.KernelFacts{Build: build},
		Modules: []hotstick.ModuleFacts{{Name: "ext4"}, {Name: "nfs"}}}
	newer := old
	newer.Kernel.Tainted = 4096
	newer.Modules = []hotstick.ModuleFacts{{Name: "ext4"}, {Name: "xfs"}}
	was, err := old.Digest()
	is, err2 := newer.Digest()
	if err != nil || err2 != nil {
		t.Fatal(err, err2)
	}
	for _, c := range []struct {
		name   string
		change func(*wire.SyncRequest)
		taken  bool
	}{
		{"as it is", func(*wire.SyncRequest) {}, true},
		{"of facts that the server has not", func(r *wire.SyncRequest) { r.Delta.Base = hotstick.NewDigest(nil) }, false},
		{"with another result than the host has", func(r *wire.SyncRequest) { r.Delta.Gone = nil }, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, hotstick.Waiting)
			w.take(wire.SyncRequest{Host: host, Boot: "boot-1", Seq: 1, Facts: &old, FactsDigest: was})
			req := wire.SyncRequest{Host: host, Boot: "boot-1", Seq: 2, FactsDigest: is, Delta: old.Delta(newer, was)}
			c.change(&req)
			w.must(Check(req))
			taken := w.take(req)
			f := taken.Host.Facts
			if taken.WantFacts == c.taken || f == nil || (f.Kernel.Tainted == 4096) != c.taken || (f.Modules[1].Name == "xfs") != c.taken {
				t.Errorf("taken as %+v, facts %+v", taken, f)
			}
		})
	}
}

func TestFactsOfAnotherBootDoNotComeInPieces(t *testing.T) {
	w := newWorld(t, hotstick.Waiting)
	old := hotstick.Facts{Host: hotstick.HostFacts{Hostname: "db-1", BootID: "boot-1"}, Kernel: hotstick.KernelFacts{Build: build}}
	newer := old
	newer.Host.BootID = "boot-2"
	was, err := old.Digest()
	w.must(err)
	is, err := newer.Digest()
	w.must(err)
	w.take(wire.SyncRequest{Host: host, Boot: "boot-1", Seq: 1, Facts: &old, FactsDigest: was})
	req := wire.SyncRequest{Host: host, Boot: "boot-1", Seq: 2, FactsDigest: is, Delta: old.Delta(newer, was)}
	if err := expand(&req, w.take(wire.SyncRequest{Host: host, Boot: "boot-1", Seq: 2, FactsDigest: was}).Host); err == nil {
		t.Error("facts of another boot than the check-in's were taken")
	}
}
