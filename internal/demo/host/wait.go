package host

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// InParallel calls f for 0 to n-1, at most width at once, and returns the first
// error.
func InParallel(width, n int, f func(int) error) error {
	errs := make([]error, n)
	turns := make(chan struct{}, width)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			turns <- struct{}{}
			defer func() { <-turns }()
			errs[i] = f(i)
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// Until asks cond four times a second until it holds, fails, or limit is over.
func Until(ctx context.Context, limit time.Duration, what string, cond func(context.Context) (bool, error)) error {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("waited %s for %s", limit, what))
	defer cancel()
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	for {
		ok, err := cond(ctx)
		if ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
}
