package server

import (
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/hotstick/hotstick/api"
	"github.com/hotstick/hotstick/internal/audit"
	"github.com/hotstick/hotstick/internal/identity"
	"github.com/hotstick/hotstick/internal/inventory"
	"github.com/hotstick/hotstick/internal/wire"
)

// checkpoint fetches the newest checkpoint and verifies it.
func (w *world) checkpoint() audit.Checkpoint {
	w.Helper()
	got, err := w.admin.AuditCheckpoint(w.Context())
	w.must(err)
	c, err := audit.OpenCheckpoint([]byte(got.Checkpoint), w.server.catalog.View().Trust)
	w.must(err)
	return c
}

// hashes are those of a proof.
func (w *world) hashes(raw [][]byte) []audit.Hash {
	w.Helper()
	out := make([]audit.Hash, len(raw))
	for i, h := range raw {
		if copy(out[i][:], h) != len(out[i]) {
			w.Fatalf("a hash of %d bytes", len(h))
		}
	}
	return out
}

func TestWhoReadsTheAuditLogCanProveIt(t *testing.T) {
	onEachStore(t, func(w *world) {
		first := w.checkpoint()
		w.fleetOfFour()
		w.publish(1)
		w.must(result(w.server.checkpoints.get(w.Context(), 0, 0))) // as if a second had passed
		newest := w.checkpoint()
		if newest.Size <= first.Size {
			t.Fatalf("from %d to %d leaves", first.Size, newest.Size)
		}
		growth, err := w.admin.AuditGrowth(w.Context(), first.Size, newest.Size)
		w.must(err)
		w.must(audit.CheckGrowth(w.hashes(growth.Hashes), first.Head, newest.Head))
		var tree audit.Tree
		for tree.Head().Size < newest.Size {
			page, err := w.admin.AuditLeaves(w.Context(), tree.Head().Size, 3)
			w.must(err)
			if len(page.Leaves) == 0 || len(page.Leaves) > 3 || page.Size < newest.Size {
				t.Fatalf("a page of %d leaves of %d", len(page.Leaves), page.Size)
			}
			for _, l := range page.Leaves {
				if tree.Head().Size == newest.Size {
					break
				}
				added, stored := tree.Add([]byte(l.Leaf)), w.hashes(l.Hashes)
				if len(added) != len(stored) || added[0] != stored[0] || added[len(added)-1] != stored[len(stored)-1] {
					t.Fatalf("leaf %d has %d stored hashes, and adds %d", l.Seq, len(stored), len(added))
				}
			}
		}
		if tree.Head() != newest.Head {
			t.Error("the leaves are not those of the checkpoint")
		}
		for _, seq := range []int64{0, first.Size, newest.Size - 1} {
			leaf, err := w.admin.AuditLeaf(w.Context(), seq, newest.Size)
			w.must(err)
			if err := audit.CheckLeaf(w.hashes(leaf.Proof), newest.Head, seq, []byte(leaf.Leaf)); err != nil {
				t.Errorf("leaf %d: %v", seq, err)
			}
		}
		_, err = w.admin.AuditGrowth(w.Context(), first.Size, newest.Size+1000)
		w.refused(err, 422, "invalid")
		_, err = w.admin.AuditGrowth(w.Context(), newest.Size, first.Size)
		w.refused(err, 422, "invalid")
		_, err = w.admin.AuditLeaf(w.Context(), newest.Size+1000, 0)
		w.refused(err, 404, "not_found")
	})
}

// remember checks in with what a host remembers of the log, and takes the answer's
// checkpoint.
func (w *world) remember(h *simulated, m *audit.Memory) error {
	w.Helper()
	req := h.message(0)
	req.Audit = &wire.AuditSeen{}
	if kept, there := m.Kept(); there {
		req.Audit.Size, req.Audit.Root = kept.Size, kept.Root[:]
	}
	if c := m.Conflict(); c != nil {
		req.Audit.Refused = &wire.AuditRefused{Kept: c.Kept, Offered: c.Offered}
	}
	var answer wire.SyncResponse
	_, err := h.post("/agent/v1/sync", req, &answer)
	w.must(err)
	if answer.Audit == nil {
		return nil
	}
	_, err = m.Take(answer.Audit.Checkpoint, w.server.catalog.View().Trust, w.hashes(answer.Audit.Proof))
	return err
}

func (w *world) newMemory() *audit.Memory {
	w.Helper()
	m, err := audit.OpenMemory(w.TempDir())
	w.must(err)
	return m
}

func TestAHostGetsEachCheckpointOnceWithItsProof(t *testing.T) {
	onEachStore(t, func(w *world) {
		h, m := w.enrol("host-1", buildA), w.newMemory()
		w.must(w.remember(h, m))
		first, there := m.Kept()
		if !there || first.Size == 0 {
			t.Fatalf("remembers %+v", first)
		}
		w.joinToken()
		w.must(w.remember(h, m))
		if same, _ := m.Kept(); same != first {
			t.Error("a checkpoint for every leaf: one a minute would do")
		}
		w.must(result(w.server.checkpoints.get(w.Context(), 0, 0))) // as if a minute had passed
		w.must(w.remember(h, m))
		if next, _ := m.Kept(); next.Size <= first.Size {
			t.Errorf("still remembers %d leaves", next.Size)
		}
		if plain, err := h.checkIn(w.Context(), 0); err != nil || plain.Audit != nil {
			t.Errorf("a host that did not ask got %+v, %v", plain.Audit, err)
		}
	})
}

func (w *world) disputed() *api.AuditDispute {
	w.Helper()
	got, err := w.admin.AuditCheckpoint(w.Context())
	w.must(err)
	return got.Disputed
}

func TestADatabaseThatWasPutBackIsFoundByAHostThatRemembers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	h, m := w.enrol("host-1", buildA), w.newMemory()
	backup := filepath.Join(t.TempDir(), "backup.db")
	w.stop()
	w.copyFile(filepath.Join(w.dir, databaseFile), backup)
	w.start()
	w.admin = w.client(identity.Admin)
	for range 5 {
		w.joinToken()
	}
	w.must(w.remember(h, m))
	w.stop()
	w.copyFile(backup, filepath.Join(w.dir, databaseFile))
	w.start()
	w.admin = w.client(identity.Admin)
	if err := w.remember(h, m); err == nil {
		t.Fatal("the host took a shorter log for the same")
	}
	if d := w.disputed(); d != nil {
		t.Errorf("before the host has said so: %+v", d)
	}
	for range 2 {
		if err := w.remember(h, m); err == nil {
			t.Fatal("the host took a shorter log for the same")
		}
	}
	kept, _ := m.Kept()
	d := w.disputed()
	if d == nil || d.Host != h.id {
		t.Fatalf("the dispute is %+v", d)
	}
	if c, err := audit.ParseCheckpoint([]byte(d.Kept)); err != nil || c != kept {
		t.Errorf("the evidence is %+v, %v", c, err)
	}
	events, err := w.admin.Events(w.Context(), eventsOf(""))
	w.must(err)
	n := 0
	for _, e := range events.Events {
		if e.Kind == inventory.LogDisputed {
			n++
		}
	}
	if n != 1 {
		t.Errorf("%d leaves tell of it, want one", n)
	}
}

func (w *world) copyFile(from, to string) {
	w.Helper()
	in, err := os.Open(from)
	w.must(err)
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	w.must(err)
	_, err = io.Copy(out, in)
	w.must(err)
	w.must(out.Close())
}

func TestAHostileHostCannotDiscreditTheLog(t *testing.T) {
	onEachStore(t, func(w *world) {
		h, m := w.enrol("host-1", buildA), w.newMemory()
		w.must(w.remember(h, m))
		older, err := w.server.checkpoints.get(w.Context(), 0, time.Hour)
		w.must(err)
		w.joinToken()
		newer, err := w.server.checkpoints.get(w.Context(), 0, 0)
		w.must(err)
		thief := w.newKey()
		forged, err := audit.SignCheckpoint(audit.Checkpoint{Head: audit.Head{Size: 1 << 40}, Epoch: 1, At: time.Now()}, thief)
		w.must(err)
		for name, r := range map[string]wire.AuditRefused{
			"two honest notes":     {Kept: newer.note, Offered: older.note},
			"the same note twice":  {Kept: newer.note, Offered: newer.note},
			"a forged note":        {Kept: forged, Offered: older.note},
			"a forged second note": {Kept: newer.note, Offered: forged},
			"garbage":              {Kept: []byte("x"), Offered: []byte("y")},
		} {
			req := h.message(0)
			req.Audit = &wire.AuditSeen{Size: 1, Root: make([]byte, 32), Refused: &r}
			var answer wire.SyncResponse
			status, err := h.post("/agent/v1/sync", req, &answer)
			if err != nil || status != 200 || w.disputed() != nil {
				t.Errorf("%s: %d, %v, %+v", name, status, err, w.disputed())
			}
		}
		for name, seen := range map[string]wire.AuditSeen{
			"leaves that never were": {Size: 1 << 40, Root: make([]byte, 32)},
			"another root":           {Size: 2, Root: make([]byte, 32)},
		} {
			req := h.message(0)
			req.Audit = &seen
			var answer wire.SyncResponse
			if status, err := h.post("/agent/v1/sync", req, &answer); err != nil || answer.Audit == nil {
				t.Errorf("%s: %d, %v, %+v", name, status, err, answer.Audit)
			}
		}
	})
}

// TestOneSignatureServesTheFleet: the fleet checks in, and the log is read and
// signed once a minute.
func TestOneSignatureServesTheFleet(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	c := &checkpointer{store: w.server.store, key: w.server.checkpoints.key, epoch: func() uint64 { return 1 }, now: func() time.Time { return clockNow }}
	first, err := c.get(w.Context(), 0, time.Minute)
	w.must(err)
	w.joinToken()
	same, err := c.get(w.Context(), 0, time.Minute)
	if err != nil || string(same.note) != string(first.note) {
		t.Errorf("signed again at once: %v", err)
	}
	ahead, err := c.get(w.Context(), first.Size+1, time.Minute)
	if err != nil || ahead.Size != first.Size+1 {
		t.Errorf("who has seen more gets %d leaves, %v", ahead.Size, err)
	}
	proof, err := c.growth(w.Context(), first.Size, ahead)
	if err != nil || audit.CheckGrowth(proof, first.Head, ahead.Head) != nil {
		t.Errorf("its proof: %v", err)
	}
	again, err := c.growth(w.Context(), first.Size, ahead)
	if err != nil || len(again) != len(proof) || &again[0] != &proof[0] {
		t.Errorf("the proof was made again, %v", err)
	}
	c.epoch = func() uint64 { return 2 }
	if next, err := c.get(w.Context(), 0, time.Minute); err != nil || next.Epoch != 2 {
		t.Errorf("after the epoch changed: epoch %d, %v", next.Epoch, err)
	}
}

var clockNow = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
