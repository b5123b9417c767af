package steps

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"

	"github.com/hotstick/hotstick/internal/driver"
)

// Within runs the steps of one driver in the loader's own process, for a host on which
// loader and steps have the same rights anyway (Windows; see ADR 0016). A step verifies
// as much as one in a process of its own. It is the desk's Starter.
type Within struct {
	Stepper driver.Stepper
	// Ground is what a request is verified by.
	Ground func(Request) (Ground, error)
	Log    *slog.Logger

	desk *Desk
	// ctx ends with the process's service, and wg waits for the steps.
	ctx  context.Context
	stop context.CancelFunc
	wg   sync.WaitGroup

	// mu guards end, which makes the running step end.
	mu  sync.Mutex
	end context.CancelFunc
}

var _ Starter = (*Within)(nil)

// Open binds it to a desk, and begins again what an earlier process of this boot has left
// in the middle: nobody else would, and the vendor's system may have gone on meanwhile.
func (w *Within) Open(d *Desk) error {
	w.desk, d.Starter = d, w
	w.ctx, w.stop = context.WithCancel(context.Background())
	left, err := d.leave()
	if err == nil && left != "" {
		w.Log.Info("a step that a stop has cut short begins again", "driver", left)
		return w.Start(w.ctx, left)
	}
	return err
}

// leave makes a step that was cut short a request again, and returns its driver; empty if
// there is none.
func (d *Desk) leave() (string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var r Request
	taken, err := get(d.Dir, takenFile, &r)
	if err != nil || !taken {
		return "", err
	}
	var a Answer
	if answered, err := get(d.Dir, answerFile, &a); err != nil || answered && a.Request.ID == r.ID {
		return "", err
	}
	if locked, err := d.locked(); err != nil || locked {
		return "", err
	}
	r.PID, r.AskedMillis = 0, d.Uptime().Milliseconds()
	if err := Put(d.Dir, requestFile, r); err != nil {
		return "", err
	}
	return r.Driver, os.Remove(filepath.Join(d.Dir, takenFile))
}

// Start implements [Starter].
func (w *Within) Start(_ context.Context, name string) error {
	if err := w.ctx.Err(); err != nil {
		return fmt.Errorf("cannot start a step: the service stops")
	}
	w.wg.Go(func() {
		if err := w.work(name); err != nil {
			w.Log.Warn("a step has not ended well", "driver", name, "error", err)
		}
	})
	return nil
}

// work is one step. One that the end of the service cuts short gives no answer.
func (w *Within) work(name string) error {
	job, err := w.desk.Take(name)
	if errors.Is(err, errBusy) {
		return nil // it was started twice
	}
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(w.ctx)
	defer cancel()
	w.mu.Lock()
	w.end = cancel
	w.mu.Unlock()
	var value []byte
	ground, err := w.Ground(job.Request)
	if err == nil {
		value, err = job.Work(ctx, w.Stepper, ground)
	}
	if err != nil && w.ctx.Err() != nil {
		job.Abandon()
		return nil
	}
	if answered := job.Answer(value, err); answered != nil {
		return answered
	}
	return err
}

// End implements [Starter]. There is no process of its own that could be killed.
func (w *Within) End(context.Context, string, int, bool) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.end != nil {
		w.end()
	}
	return nil
}

// Close makes the running step end, without an answer, and waits for that as long as the
// context allows.
func (w *Within) Close(ctx context.Context) error {
	w.stop()
	ended := make(chan struct{})
	go func() { defer close(ended); w.wg.Wait() }()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("cannot wait for a step: %w", ctx.Err())
	}
}
