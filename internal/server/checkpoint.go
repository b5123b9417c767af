package server

import (
	"context"
	"sync"
	"time"

	"github.com/hotstick/hotstick/internal/audit"
	"github.com/hotstick/hotstick/internal/statement"
	"github.com/hotstick/hotstick/internal/store"
)

const (
	// checkpointLife is how old a checkpoint may be that an agent gets. All that check
	// in meanwhile get the same, so one signature and few proofs serve the fleet.
	checkpointLife = time.Minute
	// maxProofs bounds the proofs that are kept for one checkpoint.
	maxProofs = 4096
)

// checkpointer signs checkpoints of the audit log and keeps the newest one.
type checkpointer struct {
	store store.Store
	key   statement.Signer
	// epoch is that of the trust of this moment.
	epoch func() uint64
	now   func() time.Time

	mu     sync.Mutex
	newest checkpoint
	// proofs lead to the newest checkpoint from smaller sizes.
	proofs map[int64][]audit.Hash
}

// checkpoint is a signed checkpoint.
type checkpoint struct {
	audit.Checkpoint
	// note is nil until the first one is signed.
	note []byte
}

// get returns a checkpoint that is at most so old and has at least so many leaves,
// if the log has them.
func (c *checkpointer) get(ctx context.Context, atLeast int64, life time.Duration) (checkpoint, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	age := c.now().Sub(c.newest.At)
	if c.newest.note != nil && age >= 0 && age < life && c.newest.Size >= atLeast && c.newest.Epoch == c.epoch() {
		return c.newest, nil
	}
	next := checkpoint{Checkpoint: audit.Checkpoint{Epoch: c.epoch(), At: c.now().UTC().Truncate(time.Second)}}
	err := c.store.View(ctx, func(tx store.Tx) error {
		size, root, err := tx.Events().Head()
		next.Head = audit.Head{Size: size, Root: root}
		return err
	})
	if err != nil {
		return checkpoint{}, err
	}
	if next.note, err = audit.SignCheckpoint(next.Checkpoint, c.key); err != nil {
		return checkpoint{}, err
	}
	if next.Head != c.newest.Head {
		c.proofs = map[int64][]audit.Hash{}
	}
	c.newest = next
	return next, nil
}

// growth returns the proof that a checkpoint's log begins with its first leaves.
func (c *checkpointer) growth(ctx context.Context, from int64, to checkpoint) ([]audit.Hash, error) {
	c.mu.Lock()
	proof, known := c.proofs[from]
	known = known && c.newest.Head == to.Head
	c.mu.Unlock()
	if known {
		return proof, nil
	}
	err := c.store.View(ctx, func(tx store.Tx) error {
		var err error
		proof, err = audit.ProveGrowth(from, to.Size, tx.Events())
		return err
	})
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.newest.Head == to.Head && len(c.proofs) < maxProofs {
		c.proofs[from] = proof
	}
	return proof, nil
}
