package server

import (
	"context"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/api"
)

func (s *Server) unclone(ctx context.Context, in *hostActionInput) (*body[api.HostDetail], error) {
	return s.onHost(ctx, in.ID, func(id hotstick.HostID) error {
		return s.controller.Unclone(ctx, id, callerOf(ctx).Person, in.Body.Reason)
	})
}
