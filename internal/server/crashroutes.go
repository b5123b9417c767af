package server

import (
	"context"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/api"
	"github.com/hotstick/hotstick/internal/server/view"
	"github.com/hotstick/hotstick/internal/store"
)

func (s *Server) crashes(ctx context.Context, _ *empty) (*body[api.CrashStopList], error) {
	out := api.CrashStopList{}
	err := s.store.View(ctx, func(tx store.Tx) error {
		stops, err := tx.Bans().CrashStops(hotstick.PatchRef{})
		out.Crashes = view.CrashStops(stops)
		return err
	})
	return answerWith(out), err
}
