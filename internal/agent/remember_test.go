package agent_test

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/catalog"
	"github.com/hotstick/hotstick/internal/agent"
	"github.com/hotstick/hotstick/internal/audit"
	"github.com/hotstick/hotstick/internal/statement"
	"github.com/hotstick/hotstick/internal/store"
	"github.com/hotstick/hotstick/internal/store/memory"
	"github.com/hotstick/hotstick/internal/wire"
)

// ledgerKeeper is a server's audit log, for an agent that remembers it.
type ledgerKeeper struct {
	*world
	key    *statement.Key
	log    *memory.Store
	memory *audit.Memory
	said   bytes.Buffer
	// epoch is the server's.
	epoch uint64
}

// trusting is a catalog whose root names a key.
type trusting struct {
	*shelf
	key *statement.Key
}

func (c trusting) Load() (catalog.View, error) {
	trust := hotstick.Trust{Epoch: 1, ServerKeys: []hotstick.TrustedKey{hotstick.TrustedKey(c.key.Public())}}
	return catalog.NewView(1, time.Now().Add(time.Hour), trust, nil), nil
}

// remembering runs an agent that remembers the log of its server.
func remembering(t *testing.T, f func(k *ledgerKeeper)) {
	t.Helper()
	k := &ledgerKeeper{epoch: 1}
	var err error
	if k.key, err = statement.GenerateKey(rand.Reader); err != nil {
		t.Fatal(err)
	}
	if k.memory, err = audit.OpenMemory(t.TempDir()); err != nil {
		t.Fatal(err)
	}
	run(t, func(w *world, cfg *agent.Config) {
		k.world, k.log = w, memory.Open(time.Now)
		cfg.Audit, cfg.Catalog = k.memory, trusting{(*shelf)(w), k.key}
		cfg.Log = slog.New(slog.NewTextHandler(&k.said, nil))
		w.reply = func(req *wire.SyncRequest) wire.SyncResponse {
			return wire.SyncResponse{NextMillis: 30_000, Audit: k.news(req.Audit)}
		}
	}, func(*world) { f(k) })
}

// grow appends leaves that say text.
func (k *ledgerKeeper) grow(n int, text string) {
	k.t.Helper()
	if err := k.log.Update(k.t.Context(), func(tx store.Tx) error {
		for range n {
			if _, err := tx.Events().Append(store.Event{Kind: text}); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		k.t.Fatal(err)
	}
}

// rewrite puts another log in the place of the first.
func (k *ledgerKeeper) rewrite(n int, text string) {
	k.edit(func() { k.log = memory.Open(time.Now) })
	k.grow(n, text)
}

// news is what the server says to an agent that has seen this.
func (k *ledgerKeeper) news(seen *wire.AuditSeen) *wire.AuditNews {
	news := &wire.AuditNews{}
	err := k.log.View(k.t.Context(), func(tx store.Tx) error {
		size, root, err := tx.Events().Head()
		if err != nil {
			return err
		}
		if proof, err := audit.ProveGrowth(seen.Size, size, tx.Events()); err == nil {
			for _, h := range proof {
				news.Proof = append(news.Proof, h[:])
			}
		}
		news.Checkpoint, err = audit.SignCheckpoint(audit.Checkpoint{Head: audit.Head{Size: size, Root: root}, Epoch: k.epoch, At: time.Now()}, k.key)
		return err
	})
	if err != nil {
		k.t.Error(err)
	}
	return news
}

func TestAnAgentRemembersTheAuditLogAndSaysWhat(t *testing.T) {
	remembering(t, func(k *ledgerKeeper) {
		k.grow(5, "x")
		k.pass(time.Second)
		if first := k.last(); first.Audit == nil || first.Audit.Size != 0 || first.Audit.Refused != nil {
			t.Errorf("the first check-in says %+v", first.Audit)
		}
		k.grow(7, "y")
		k.pass(time.Minute)
		k.pass(time.Minute)
		kept, _ := k.memory.Kept()
		if last := k.last(); last.Audit.Size != 12 || !bytes.Equal(last.Audit.Root, kept.Root[:]) || last.Audit.Refused != nil {
			t.Errorf("after two checkpoints it says %+v", last.Audit)
		}
		if again, err := audit.OpenMemory(k.memory.Dir()); err != nil {
			t.Error(err)
		} else if kept, _ := again.Kept(); kept.Size != 12 {
			t.Errorf("after a restart it would remember %d leaves", kept.Size)
		}
	})
}

func TestAnAgentShowsTheServerItsForkAndGoesOn(t *testing.T) {
	for _, attack := range []struct {
		name   string
		leaves int
		says   string
	}{{"a fork", 20, "do not begin with"}, {"a backup put back", 4, "shows 4 leaves, and had signed 12"}} {
		remembering(t, func(k *ledgerKeeper) {
			k.grow(12, "x")
			k.pass(time.Second)
			k.rewrite(attack.leaves, "y")
			k.pass(5 * time.Minute)
			last := k.last()
			if last.Audit.Size != 12 || last.Audit.Refused == nil {
				t.Fatalf("%s: it says %+v", attack.name, last.Audit)
			}
			kept, err1 := audit.ParseCheckpoint(last.Audit.Refused.Kept)
			offered, err2 := audit.ParseCheckpoint(last.Audit.Refused.Offered)
			if err1 != nil || err2 != nil || kept.Size != 12 || offered.Size != int64(attack.leaves) {
				t.Errorf("%s: the evidence is %+v, %+v", attack.name, kept, offered)
			}
			if said := k.said.String(); strings.Count(said, "level=ERROR") != 1 || !strings.Contains(said, attack.says) {
				t.Errorf("%s: it logged %s", attack.name, said)
			}
			if n := k.checkIns(); n < 5 {
				t.Errorf("%s: it checked in %d times", attack.name, n)
			}
		})
	}
}

func TestAForgedCheckpointIsNotRemembered(t *testing.T) {
	remembering(t, func(k *ledgerKeeper) {
		k.grow(3, "x")
		k.pass(time.Second)
		thief, err := statement.GenerateKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		k.edit(func() { k.key = thief })
		k.grow(3, "x")
		k.pass(time.Minute)
		if kept, _ := k.memory.Kept(); kept.Size != 3 || k.last().Audit.Refused != nil {
			t.Errorf("it remembers %d leaves and says %+v", kept.Size, k.last().Audit)
		}
		if !strings.Contains(k.said.String(), "no online key") {
			t.Errorf("it logged %s", fmt.Sprint(k.said.String()))
		}
	})
}

func TestACheckpointThatComesBeforeItsRootIsNoTroubleUntilTheRootStaysAway(t *testing.T) {
	for _, c := range []struct {
		what   string
		epoch  uint64
		passes time.Duration
		warns  int
	}{
		{"soon", 2, time.Minute, 0},
		{"after a while", 2, 10 * time.Minute, 1},
		{"of an epoch before, at once", 0, time.Minute, 1},
	} {
		remembering(t, func(k *ledgerKeeper) {
			k.grow(3, "x")
			k.pass(time.Second)
			k.edit(func() { k.epoch = c.epoch })
			k.grow(3, "x")
			k.pass(c.passes)
			if said := k.said.String(); strings.Count(said, "level=WARN") != c.warns || c.epoch > 0 && strings.Count(said, "waits for the catalog's next root") != 1 {
				t.Errorf("%s: it logged %s", c.what, said)
			}
			k.edit(func() { k.epoch = 1 })
			k.pass(time.Minute)
			if kept, _ := k.memory.Kept(); kept.Size != 6 {
				t.Errorf("%s: it remembers %d leaves", c.what, kept.Size)
			}
		})
	}
}
