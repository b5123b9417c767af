package sim

import (
	"context"
	"errors"
	"sync"
)

// RunAll runs hosts until the context ends, or the first of them fails. At most
// parallel of them enrol at once; joined is told, after each, how many have.
func RunAll(ctx context.Context, hosts []*Host, parallel int, joined func(n int)) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	door := make(chan struct{}, max(1, parallel))
	var running sync.WaitGroup
	var mu sync.Mutex // guards count and failed
	count := 0
	var failed error
	for _, h := range hosts {
		running.Go(func() {
			err := enter(ctx, door, h.Enrol)
			if err == nil {
				mu.Lock()
				count++
				joined(count)
				mu.Unlock()
				err = h.Run(ctx)
			}
			if err != nil && ctx.Err() == nil {
				mu.Lock()
				failed = errors.Join(failed, err)
				mu.Unlock()
				stop()
			}
		})
	}
	running.Wait()
	return failed
}

// enter runs fn once there is room.
func enter(ctx context.Context, door chan struct{}, fn func(context.Context) error) error {
	select {
	case door <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-door }()
	return fn(ctx)
}
