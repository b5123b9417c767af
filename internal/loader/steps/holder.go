package steps

import (
	"context"
	"errors"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver"
	"github.com/hotstick/hotstick/internal/loader/ledger"
)

// holder is a [Changer] whose system schedules itself.
type holder struct {
	*Changer
	scheduler driver.Scheduler
	// asked are the IDs of the steps that this process has asked for, by their act. Changer's
	// mu guards them.
	asked map[Act]string
}

var _ driver.Holder = (*holder)(nil)

// New returns the driver of an observer at a desk: a [driver.Holder] where its system
// schedules itself.
func New(observer driver.Observer, desk *Desk, led func() (ledger.Ledger, error)) driver.Changer {
	c := newChanger(observer, desk, led)
	if s, is := observer.(driver.Scheduler); is {
		return &holder{Changer: c, scheduler: s, asked: map[Act]string{}}
	}
	return c
}

// Held implements [driver.Holder].
func (h *holder) Held(ctx context.Context) (bool, string, error) { return h.scheduler.Held(ctx) }

// Settings implements [driver.Holder].
func (h *holder) Settings(ctx context.Context) ([]byte, error) { return h.await(ctx, Settings) }

// Hold implements [driver.Holder].
func (h *holder) Hold(ctx context.Context) error {
	_, err := h.await(ctx, Hold)
	return err
}

// Release implements [driver.Holder].
func (h *holder) Release(ctx context.Context) error {
	_, err := h.await(ctx, Release)
	return err
}

// scheduleSeconds is how long a step may take that reads or changes how a system schedules
// itself: a package manager may wait for its lock, a daemon may be started anew.
const scheduleSeconds = 5 * 60

// fresh is how long an answer counts that nobody has fetched.
const fresh = time.Minute

// await asks for a step, once, and says how it ended.
func (h *holder) await(ctx context.Context, act Act) ([]byte, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if s, was := h.desk.now(ctx); was && h.asked[act] != "" && s.request.ID == h.asked[act] {
		if s.running {
			return nil, driver.ErrUnderWay
		}
		delete(h.asked, act)
		if h.desk.Uptime()-millis(s.answer.EndedMillis) > fresh {
			return h.begin(ctx, act) // nobody waited for it
		}
		if r := s.answer.Refused; r != nil {
			return nil, &driver.Refusal{Reason: *r, Retry: s.answer.Retry}
		}
		return s.answer.Value, nil
	}
	return h.begin(ctx, act)
}

// begin asks for a step. The caller holds mu.
func (h *holder) begin(ctx context.Context, act Act) ([]byte, error) {
	id, err := h.desk.ask(ctx, Request{Driver: h.Name(), Act: act, LimitSeconds: scheduleSeconds})
	var refused *driver.Refusal
	switch {
	case errors.As(err, &refused) && refused.Retry && refused.Reason.Code == hotstick.ReasonTransitionBusy:
		return nil, driver.ErrUnderWay // another step runs: this one is asked for after it
	case err != nil:
		return nil, err
	}
	h.asked[act] = id
	return nil, driver.ErrUnderWay
}
