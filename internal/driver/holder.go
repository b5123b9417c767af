package driver

import (
	"context"
	"errors"

	"github.com/hotstick/hotstick"
)

// Holder is a Changer whose system schedules itself, as the loader sees it (see [Scheduler]).
// Settings, Hold and Release ask for a step and return [ErrUnderWay] until it has ended;
// asked again, they say how it went. Asked by another process, they begin anew.
type Holder interface {
	Changer
	// Held only reads, and costs little.
	Held(ctx context.Context) (held bool, detail string, err error)
	// Settings returns how the system schedules itself.
	Settings(ctx context.Context) ([]byte, error)
	// Hold and Release do what the ledger's adoption says.
	Hold(ctx context.Context) error
	Release(ctx context.Context) error
}

// ErrUnderWay: the step that was asked for has not ended.
var ErrUnderWay = errors.New("cannot say yet: the step has not ended")

// Holder returns the driver of a name, if its system schedules itself.
func (s Set) Holder(name string) (Holder, bool) {
	c, _ := s.Of(name)
	h, ok := c.(Holder)
	return h, ok
}

// AsRefusal returns the refusal in an error; any other error is that of a tool.
func AsRefusal(err error) *Refusal {
	var refused *Refusal
	if !errors.As(err, &refused) {
		refused = Refuse(hotstick.ReasonToolFailed, "%v", err)
	}
	return refused
}
