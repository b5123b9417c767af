package dev

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/hotstick/hotstick/api"
	"github.com/hotstick/hotstick/internal/sim"
)

// Run runs everything until the context ends. ready is called once the rollout
// moves.
func Run(ctx context.Context, o Options, ready func(Ready)) error {
	w, err := open(ctx, o)
	if err != nil {
		return err
	}
	defer w.client.Close()
	return w.run(ctx, ready)
}

// run runs the parts until the context ends or one of them fails.
func (w *world) run(ctx context.Context, ready func(Ready)) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var running sync.WaitGroup
	run := func(part func(context.Context) error) {
		running.Go(func() {
			if err := part(ctx); err != nil && ctx.Err() == nil {
				stop(err)
			}
		})
	}
	run(w.server.Run)
	run(func(ctx context.Context) error { return w.play(ctx, run, ready) })
	<-ctx.Done()
	running.Wait()
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) && !errors.Is(cause, context.DeadlineExceeded) {
		return cause
	}
	return nil
}

// play sets the scene: a catalog, a fleet, a rollout.
func (w *world) play(ctx context.Context, run func(func(context.Context) error), ready func(Ready)) error {
	began := time.Now()
	tell := func(format string, args ...any) {
		w.options.Progress("%5.1fs  "+format, append([]any{time.Since(began).Seconds()}, args...)...)
	}
	tell("server and console on %s", w.ready.URL)
	if err := w.publish(ctx); err != nil {
		return err
	}
	if err := w.makeHosts(); err != nil {
		return err
	}
	joined := make(chan struct{})
	run(func(ctx context.Context) error {
		return sim.RunAll(ctx, w.hosts, parallel, func(n int) {
			if n == len(w.hosts) {
				close(joined)
			}
		})
	})
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-joined:
	}
	tell("%d simulated hosts joined, on %d kernel builds", len(w.hosts), len(sim.Builds()))
	if err := w.untilKnown(ctx); err != nil {
		return err
	}
	r, err := w.moving(ctx)
	if err != nil {
		return err
	}
	tell("rollout of %s to %d hosts is moving", r.Patch, r.Hosts)
	w.ready.Plan = r.Plan.Short()
	if len(r.Waves) > 0 && len(r.Waves[0].Hosts) > 0 {
		w.ready.Host = r.Waves[0].Hosts[0].Name
	}
	ready(w.ready)
	return nil
}

// moving is the rollout to look at: one that is there, or a new one.
func (w *world) moving(ctx context.Context) (api.Rollout, error) {
	list, err := w.client.Rollouts(ctx)
	if err != nil {
		return api.Rollout{}, err
	}
	if len(list.Rollouts) > 0 {
		return w.client.Rollout(ctx, string(list.Rollouts[0].Plan))
	}
	level := w.levels[0]
	if w.options.Bad {
		level = w.levels[1]
	}
	return w.launch(ctx, level)
}
