package link

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"
)

// placeWait is how long a caller that is heard waits for a place. One who hung up
// gives its place back only when its goroutine has seen that, a moment later. Once
// somebody has waited in vain, nobody waits until a place was free: a flood of callers
// must not make each other wait in a row.
const placeWait = time.Second

// Accept takes calls on a socket until the context ends; then it closes the listener and
// waits for those under way. hear says why a caller is not heard, or returns what answers
// it; both get a connection that Accept closes. At most most callers are answered at once;
// who is not heard never takes a place.
func Accept(ctx context.Context, listener net.Listener, most int, log *slog.Logger, hear func(net.Conn) (answer func() error, err error)) error {
	var calls sync.WaitGroup
	defer calls.Wait()
	stop := context.AfterFunc(ctx, func() { listener.Close() })
	defer stop()
	places, wait := make(chan struct{}, most), placeWait
	for {
		conn, err := listener.Accept()
		switch {
		case ctx.Err() != nil && err == nil:
			conn.Close() // it came while the context ended: nobody is left to answer it
			return nil
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return fmt.Errorf("cannot accept calls on %s: %w", listener.Addr(), err)
		}
		answer, err := hear(conn)
		if err != nil {
			log.Warn("a caller was sent away", "socket", listener.Addr().String(), "error", err)
			conn.Close()
			continue
		}
		if !take(places, wait) {
			conn.Close() // more callers than there can honestly be
			wait = 0
			continue
		}
		wait = placeWait
		calls.Go(func() {
			defer func() { <-places }()
			defer conn.Close()
			if err := answer(); err != nil && ctx.Err() == nil {
				log.Warn("a call ended badly", "socket", listener.Addr().String(), "error", err)
			}
		})
	}
}

// take takes a place, and reports whether one was free within the wait.
func take(places chan<- struct{}, wait time.Duration) bool {
	select {
	case places <- struct{}{}:
		return true
	default:
	}
	select {
	case places <- struct{}{}:
		return true
	case <-time.After(wait):
		return false
	}
}
