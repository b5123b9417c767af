package server

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/api"
	"github.com/hotstick/hotstick/internal/audit"
	"github.com/hotstick/hotstick/internal/inventory"
	"github.com/hotstick/hotstick/internal/store"
	"github.com/hotstick/hotstick/internal/wire"
)

// attest adds to an answer the checkpoint that the agent does not have, with its
// proof, and takes in the agent's evidence if an earlier one did not follow.
func (s *Server) attest(ctx context.Context, req wire.SyncRequest, resp *wire.SyncResponse) error {
	seen := req.Audit
	if seen == nil {
		return nil
	}
	if seen.Refused != nil {
		if err := s.takeDispute(ctx, req.Host, *seen.Refused); err != nil {
			return err
		}
	}
	c, err := s.checkpoints.get(ctx, seen.Size, checkpointLife)
	if err != nil {
		return err
	}
	if c.Size == seen.Size && (c.Size == 0 || string(c.Root[:]) == string(seen.Root)) {
		return nil
	}
	resp.Audit = &wire.AuditNews{Checkpoint: c.note}
	if seen.Size > c.Size {
		return nil // there is no such proof, and the agent will say so
	}
	proof, err := s.checkpoints.growth(ctx, seen.Size, c)
	resp.Audit.Proof = hashBytes(proof)
	return err
}

// takeDispute takes in a host's evidence that this log does not continue what this
// server's key signed before: somebody put an older database back, or rewrote it.
// What a host says is worth nothing without our signature; and where the log does
// have the checkpoint that the host holds, the host is wrong.
func (s *Server) takeDispute(ctx context.Context, host hotstick.HostID, refused wire.AuditRefused) error {
	trust := s.catalog.View().Trust
	kept, keptErr := audit.OpenCheckpoint(refused.Kept, trust)
	_, offeredErr := audit.OpenCheckpoint(refused.Offered, trust)
	if err := errors.Join(keptErr, offeredErr); err != nil {
		s.log.Warn("a host shows evidence against the audit log that this server did not sign", "host", host, "error", err)
		return nil
	}
	var size int64
	fresh := false
	look := func(tx store.Tx) error {
		var err error
		fresh, size, err = disputes(tx, kept)
		return err
	}
	if err := s.store.View(ctx, look); err != nil || !fresh {
		return err
	}
	err := s.controller.Update(ctx, func(tx store.Tx) error {
		if err := look(tx); err != nil || !fresh {
			return err
		}
		e, err := tx.Events().Append(store.Event{Kind: inventory.LogDisputed, Host: host, State: strconv.FormatInt(kept.Size, 10),
			Reason:   &hotstick.Reason{Code: hotstick.ReasonUnreconciled},
			Evidence: []hotstick.Evidence{{Kind: "kept", Text: string(refused.Kept)}, {Kind: "offered", Text: string(refused.Offered)}}})
		if err != nil {
			return err
		}
		if err := inventory.Notify(tx, inventory.NotifyDispute, e); err != nil {
			return err
		}
		return tx.Events().SetMark(inventory.MarkDisputed, fmt.Sprintf("%d %d", kept.Size, e.Seq))
	})
	if err == nil && fresh {
		s.log.Error("the audit log does not continue what this server signed before: was a database put back?",
			"host", host, "leaves", size, "signed", kept.Size, "at", kept.At)
	}
	return err
}

// disputes reports whether a checkpoint is not of this log, was not reconciled, and
// says more than what is known of already; and how many leaves the log has.
func disputes(tx store.Tx, kept audit.Checkpoint) (fresh bool, size int64, err error) {
	settled, err := tx.Events().Mark(inventory.MarkReconciled)
	if err != nil {
		return false, 0, err
	}
	if at, err := time.Parse(time.RFC3339, settled); err == nil && !kept.At.After(at) {
		return false, 0, nil
	}
	known, err := tx.Events().Mark(inventory.MarkDisputed)
	if err != nil {
		return false, 0, err
	}
	if worst, _, ok := parseDispute(known); ok && worst >= kept.Size {
		return false, 0, nil
	}
	size, _, err = tx.Events().Head()
	if err != nil || kept.Size > size {
		return true, size, err
	}
	head, err := audit.NewHead(kept.Size, tx.Events())
	return head != kept.Head, size, err
}

// parseDispute reads the mark: the size of the checkpoint that the log does not
// continue, and the leaf that tells of it.
func parseDispute(mark string) (size, leaf int64, ok bool) {
	a, b, _ := strings.Cut(mark, " ")
	size, err1 := strconv.ParseInt(a, 10, 64)
	leaf, err2 := strconv.ParseInt(b, 10, 64)
	return size, leaf, err1 == nil && err2 == nil
}

// dispute returns the dispute that is not reconciled, or nil.
func (s *Server) dispute(ctx context.Context) (*api.AuditDispute, error) {
	var out *api.AuditDispute
	err := s.store.View(ctx, func(tx store.Tx) error {
		mark, err := tx.Events().Mark(inventory.MarkDisputed)
		if err != nil {
			return err
		}
		_, leaf, ok := parseDispute(mark)
		if !ok {
			return nil
		}
		found, err := tx.Events().List(store.EventFilter{From: leaf, Before: leaf + 1})
		if err != nil || len(found) != 1 || len(found[0].Evidence) != 2 {
			return err
		}
		e := found[0]
		out = &api.AuditDispute{Host: e.Host, At: e.At, Kept: e.Evidence[0].Text, Offered: e.Evidence[1].Text}
		return nil
	})
	return out, err
}
