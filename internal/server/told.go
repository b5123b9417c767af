package server

import (
	"context"
	"strconv"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/inventory"
	"github.com/hotstick/hotstick/internal/store"
)

// serverActor is the server's name in the audit log where nobody asked for
// something.
const serverActor = "server"

// Marks of what the audit log tells of.
const (
	markTargets = "catalog.targets"
	markRoot    = "catalog.root"
)

// tellOfCatalog makes the audit log tell of the catalog as it is. The catalog lies
// in files, so it cannot change in one transaction with the log; whatever the log
// does not tell of yet, because the server ended in between or the files were
// changed while it was down, it tells of now. It must be called after every change
// of the catalog, and when the server starts.
func (s *Server) tellOfCatalog(ctx context.Context, who string) error {
	type change struct {
		mark  string
		value hotstick.Digest
		event store.Event
	}
	news := []change{
		{markRoot, hotstick.NewDigest(s.catalog.Root()), store.Event{Kind: inventory.TrustChanged,
			State: strconv.FormatUint(s.catalog.View().Trust.Epoch, 10)}},
		{markTargets, hotstick.NewDigest(s.catalog.Targets()), store.Event{Kind: inventory.CatalogPublished}},
	}
	for _, d := range s.catalog.View().Delegations {
		if own := s.catalog.Delegated(d.Name); own != nil {
			news = append(news, change{markTargets + "." + d.Name, hotstick.NewDigest(own), store.Event{Kind: inventory.CatalogPublished}})
		}
	}
	return s.controller.Update(ctx, func(tx store.Tx) error {
		for _, n := range news {
			told, err := tx.Events().Mark(n.mark)
			if err != nil {
				return err
			}
			if told == string(n.value) {
				continue
			}
			n.event.Actor, n.event.Evidence = who, []hotstick.Evidence{{Kind: n.mark, Text: string(n.value)}}
			if _, err := tx.Events().Append(n.event); err != nil {
				return err
			}
			if err := tx.Events().SetMark(n.mark, string(n.value)); err != nil {
				return err
			}
		}
		return nil
	})
}
