package server

import (
	"context"
	"time"

	"github.com/hotstick/hotstick/api"
	"github.com/hotstick/hotstick/internal/server/view"
	"github.com/hotstick/hotstick/internal/store"
)

func (s *Server) drivers(ctx context.Context, _ *empty) (*body[api.DriverList], error) {
	out := api.DriverList{}
	err := s.store.View(ctx, func(tx store.Tx) error {
		var err error
		out.Drivers, err = s.counts.drivers.get(time.Now, func() ([]api.Driver, error) {
			hosts, _, err := tx.Hosts().List(store.HostFilter{})
			return view.Drivers(hosts), err
		})
		return err
	})
	return answerWith(out), err
}
