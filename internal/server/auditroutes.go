package server

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/hotstick/hotstick/api"
	"github.com/hotstick/hotstick/internal/audit"
	"github.com/hotstick/hotstick/internal/controller"
	"github.com/hotstick/hotstick/internal/store"
)

const (
	// freshCheckpoint is how old a checkpoint may be that a person gets.
	freshCheckpoint = time.Second
	// maxLeafBytes bounds the leaves of one answer; at least one is in it.
	maxLeafBytes = 8 << 20
)

func (s *Server) auditCheckpoint(ctx context.Context, _ *empty) (*body[api.AuditCheckpoint], error) {
	c, err := s.checkpoints.get(ctx, 0, freshCheckpoint)
	if err != nil {
		return nil, err
	}
	out := api.AuditCheckpoint{Checkpoint: string(c.note)}
	out.Disputed, err = s.dispute(ctx)
	return answerWith(out), err
}

type growthInput struct {
	From int64 `query:"from" minimum:"0" required:"true" doc:"Size of the older log"`
	To   int64 `query:"to" minimum:"0" required:"true" doc:"Size of the newer log"`
}

func (s *Server) auditGrowth(ctx context.Context, in *growthInput) (*body[api.AuditProof], error) {
	var out api.AuditProof
	err := s.store.View(ctx, func(tx store.Tx) error {
		if err := within(tx, in.From, in.To); err != nil {
			return err
		}
		proof, err := audit.ProveGrowth(in.From, in.To, tx.Events())
		out.Hashes = hashBytes(proof)
		return err
	})
	return answerWith(out), err
}

// within refuses sizes that the log does not have.
func within(tx store.Tx, from, to int64) error {
	size, _, err := tx.Events().Head()
	if err != nil {
		return err
	}
	if from > to || to > size {
		return newProblem(http.StatusUnprocessableEntity, controller.CodeInvalid, "cannot prove this: the audit log has no such leaves",
			"ask for sizes up to that of the newest checkpoint")
	}
	return nil
}

type leavesInput struct {
	From  int64 `query:"from" minimum:"0" doc:"The first leaf"`
	Limit int   `query:"limit" minimum:"0" maximum:"1000"`
}

func (s *Server) auditLeaves(ctx context.Context, in *leavesInput) (*body[api.AuditLeaves], error) {
	out := api.AuditLeaves{Leaves: []api.AuditLeaf{}}
	err := s.store.View(ctx, func(tx store.Tx) error {
		var err error
		if out.Size, _, err = tx.Events().Head(); err != nil {
			return err
		}
		total := 0
		for seq := in.From; seq < out.Size && len(out.Leaves) < pageSize(in.Limit) && total < maxLeafBytes; seq++ {
			leaf, err := readLeaf(tx, seq)
			if errors.Is(err, store.ErrNotFound) && len(out.Leaves) > 0 {
				return nil // the next page begins with what is missing, and says so
			}
			if err != nil {
				return err
			}
			total += len(leaf.Leaf)
			out.Leaves = append(out.Leaves, leaf)
		}
		return nil
	})
	return answerWith(out), err
}

// readLeaf reads a leaf with what is stored beside it.
func readLeaf(tx store.Tx, seq int64) (api.AuditLeaf, error) {
	leaf, err := tx.Events().Leaf(seq)
	if err != nil {
		return api.AuditLeaf{}, err
	}
	hashes, err := tx.Events().ReadHashes(audit.Indexes(seq))
	return api.AuditLeaf{Seq: seq, Leaf: string(leaf), Hashes: hashBytes(hashes)}, err
}

type leafInput struct {
	Seq  int64 `path:"seq" doc:"The leaf's place in the log"`
	Size int64 `query:"size" minimum:"0" doc:"Size of the log that has it; 0 is the newest checkpoint's"`
}

func (s *Server) auditLeaf(ctx context.Context, in *leafInput) (*body[api.AuditInclusion], error) {
	size := in.Size
	if size == 0 {
		c, err := s.checkpoints.get(ctx, in.Seq+1, freshCheckpoint)
		if err != nil {
			return nil, err
		}
		size = c.Size
	}
	var out api.AuditInclusion
	err := s.store.View(ctx, func(tx store.Tx) error {
		if in.Seq < 0 || in.Seq >= size {
			return newProblem(http.StatusNotFound, controller.CodeNotFound, "cannot find this leaf: the audit log does not have it", "")
		}
		if err := within(tx, in.Seq, size); err != nil {
			return err
		}
		var err error
		if out.AuditLeaf, err = readLeaf(tx, in.Seq); err != nil {
			return err
		}
		proof, err := audit.ProveLeaf(size, in.Seq, tx.Events())
		out.Proof = hashBytes(proof)
		return err
	})
	return answerWith(out), err
}

func hashBytes(hashes []audit.Hash) [][]byte {
	out := make([][]byte, len(hashes))
	for i, h := range hashes {
		out[i] = h[:]
	}
	return out
}

type reconcileInput struct{ Body api.ReconcileRequest }

func (s *Server) reconcile(ctx context.Context, in *reconcileInput) (*body[api.ReconcileResult], error) {
	done, err := s.controller.Reconcile(ctx, callerOf(ctx).Person, in.Body.Reason, in.Body.AcceptSilent)
	if err != nil {
		return nil, err
	}
	return answerWith(api.ReconcileResult{Halted: listed(done.Halted), Banned: listed(done.Banned), Ahead: listed(done.Ahead), Silent: listed(done.Silent)}), nil
}

// listed is a list that is empty and not null.
func listed[T any](s []T) []T { return append([]T{}, s...) }
