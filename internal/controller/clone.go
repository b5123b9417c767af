package controller

import (
	"context"
	"strings"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/inventory"
	"github.com/hotstick/hotstick/internal/store"
)

// cloned is why a host whose identity two machines use takes part in nothing, or
// nil.
func cloned(h store.Host) *hotstick.Reason {
	if h.Lineage.Cloned == nil {
		return nil
	}
	var differs []string
	for _, e := range h.Lineage.Cloned.Evidence {
		differs = append(differs, e.Kind+" "+e.Text)
	}
	return &hotstick.Reason{Code: hotstick.ReasonCloned, Detail: strings.Join(differs, "; ")}
}

// Unclone lets a host take part again, after one of the two machines is gone or has
// joined anew. If both still use the identity it is found out again. It may be
// repeated.
func (c *Controller) Unclone(ctx context.Context, host hotstick.HostID, who hotstick.Person, reason string) error {
	said, err := ordered(who, reason)
	if err != nil {
		return err
	}
	return c.onHost(ctx, host, func(tx store.Tx, h store.Host) error {
		if h.Lineage.Cloned == nil {
			return nil
		}
		h.Lineage.Cloned = nil
		if err := tx.Hosts().Put(h); err != nil {
			return err
		}
		_, err := tx.Events().Append(store.Event{Kind: inventory.HostUncloned, Actor: string(who), Host: host, HostName: h.Name, Reason: said})
		return err
	})
}
