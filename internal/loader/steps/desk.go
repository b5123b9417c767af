package steps

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver"
	"github.com/hotstick/hotstick/internal/durable"
	"github.com/hotstick/hotstick/internal/failpoint"
	"github.com/hotstick/hotstick/internal/strictjson"
)

// Act is what a step is asked for. The set is closed.
type Act string

// The acts.
const (
	// Apply brings a level into effect, Remove takes it out.
	Apply  Act = "apply"
	Remove Act = "remove"
	// Settle does what follows from the end of an attempt that rebooted.
	Settle Act = "settle"
	// Settings reads how the vendor's system schedules itself, Hold puts that on hold, and
	// Release gives back what Settings returned.
	Settings Act = "settings"
	Hold     Act = "hold"
	Release  Act = "release"
)

// Request is what a step is asked for.
type Request struct {
	// ID ties an answer to its request.
	ID     string `json:"id"`
	Driver string `json:"driver"`
	Act    Act    `json:"act"`
	// Module and Artifact are the level's; empty of what is no level's.
	Module   string          `json:"module,omitempty"`
	Artifact hotstick.Digest `json:"artifact,omitempty"`
	// Keep is what a Settle is told: the level stays.
	Keep bool `json:"keep,omitempty"`
	// AskedMillis is the boot's age when it was asked for.
	AskedMillis int64 `json:"asked_millis"`
	// Row names the attempt and its direction. FirstMillis is AskedMillis of the first of a
	// row of requests for the same, and Tries counts those before this one.
	Row         string `json:"row,omitempty"`
	FirstMillis int64  `json:"first_millis,omitempty"`
	Tries       int    `json:"tries,omitempty"`
	// LimitSeconds is how long the step may take.
	LimitSeconds int `json:"limit_seconds"`
	// PID is the step's process, once there is one.
	PID int `json:"pid,omitempty"`
}

// Answer is how a step ended.
type Answer struct {
	Request Request `json:"request"`
	// EndedMillis is the boot's age when it ended.
	EndedMillis int64 `json:"ended_millis"`
	// Refused is why it was not done; nil if it was. Retry: that may pass by itself.
	Refused *hotstick.Reason `json:"refused,omitempty"`
	Retry   bool             `json:"retry,omitempty"`
	// Value is what Settings returned.
	Value []byte `json:"value,omitempty"`
}

const (
	requestFile = "driver-request.json"
	takenFile   = "driver-taken.json"
	answerFile  = "driver-answer.json"
	lockFile    = "lock"
)

const (
	// maxFile bounds each of the files, in bytes.
	maxFile = 64 << 10
	// MaxSettings bounds what Settings may return.
	MaxSettings = 4 << 10
	// maxDetail bounds what a tool said, in bytes.
	maxDetail = 2 << 10
)

const (
	// startTime is how long a step may take to begin.
	startTime = 30 * time.Second
	// knockEvery is how often whoever starts steps is told again of a request that nobody
	// has taken: the step before may just have been ending. endEvery is the same for one
	// that is to end.
	knockEvery = 2 * time.Second
	endEvery   = 5 * time.Second
)

// Starter starts steps and ends them.
type Starter interface {
	// Start starts a driver's step and returns at once.
	Start(ctx context.Context, driver string) error
	// End tells the process of a running step, and nothing that it has started, that
	// nothing more is wanted of it (SIGTERM); with kill it kills all of them. It returns at
	// once.
	End(ctx context.Context, driver string, pid int, kill bool) error
}

// Desk is where loader and step meet. One of the loader's is safe for concurrent use.
type Desk struct {
	Dir     string
	Starter Starter
	// Uptime is the boot's age.
	Uptime func() time.Duration

	mu sync.Mutex
	// knocked and ended are when the starter was told last, for the request of the ID.
	knocked, ended time.Duration
	knockedFor     string
	endedFor       string
}

// state is how the newest step is going.
type state struct {
	request Request
	// running: it has not ended. waiting: and nobody has taken the request.
	running, waiting bool
	answer           Answer
}

// ask asks for a step, unless one runs. Its error is a refusal: nothing was begun.
func (d *Desk) ask(ctx context.Context, r Request) (id string, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	now, was, err := d.look()
	switch {
	case err != nil:
		return "", again("cannot ask for a step: %v", err)
	case was && now.running:
		return "", busy("a step of %s runs", now.request.Driver)
	}
	if locked, err := d.locked(); err != nil || locked {
		return "", busy("another step runs")
	}
	r.ID, r.AskedMillis = rand.Text(), d.Uptime().Milliseconds()
	r.FirstMillis = r.AskedMillis
	if was && r.repeats(now.request) {
		r.FirstMillis, r.Tries = now.request.FirstMillis, now.request.Tries+1
	}
	failpoint.Here(failpoint.LoaderStepBeforeAsked)
	if err := Put(d.Dir, requestFile, r); err != nil {
		return "", again("cannot ask for a step: %v", err)
	}
	failpoint.Here(failpoint.LoaderStepAsked)
	if err := d.knock(ctx, r); err != nil {
		if d.withdraw() != nil {
			return r.ID, nil // it has begun, whatever was said
		}
		_ = os.Remove(filepath.Join(d.Dir, takenFile)) // it never began; a leftover would only say that
		return "", again("cannot start the step of %s: %v", r.Driver, err)
	}
	return r.ID, nil
}

// repeats reports whether a request is for the same as the last one.
func (r Request) repeats(last Request) bool {
	return last.Row == r.Row && last.Driver == r.Driver && last.Act == r.Act && last.Module == r.Module && last.Artifact == r.Artifact
}

// again refuses for a cause that may pass by itself.
func again(format string, args ...any) *driver.Refusal {
	r := driver.Refuse(hotstick.ReasonToolFailed, format, args...)
	r.Retry = true
	return r
}

func busy(format string, args ...any) *driver.Refusal {
	r := driver.Refuse(hotstick.ReasonTransitionBusy, format, args...)
	r.Retry = true
	return r
}

// knock tells the starter of a request. The caller holds mu.
func (d *Desk) knock(ctx context.Context, r Request) error {
	d.knocked, d.knockedFor = d.Uptime(), r.ID
	return d.Starter.Start(ctx, r.Driver)
}

// withdraw takes a request back that nobody has taken.
func (d *Desk) withdraw() error {
	return durable.Rename(filepath.Join(d.Dir, requestFile), filepath.Join(d.Dir, takenFile))
}

// now says how the newest step is going; false if there was none in this boot. What waits
// too long for its beginning is given up.
func (d *Desk) now(ctx context.Context) (state, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	s, was, err := d.look()
	if err != nil || !was {
		return state{}, false
	}
	if !s.waiting {
		return s, true
	}
	age := d.Uptime() - millis(s.request.AskedMillis)
	switch {
	case age > startTime:
		if d.withdraw() == nil {
			s, was, err = d.look()
		}
	case age >= knockEvery && (d.knockedFor != s.request.ID || d.Uptime()-d.knocked >= knockEvery):
		_ = d.knock(ctx, s.request) // if that fails, the time runs out
	}
	return s, was && err == nil
}

// end makes the running step end. The caller does not hold mu.
func (d *Desk) end(ctx context.Context, kill bool) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	s, was, err := d.look()
	switch {
	case err != nil:
		return err
	case !was || !s.running:
		return nil
	case s.waiting && d.withdraw() == nil:
		return nil
	case d.endedFor == s.request.ID && d.Uptime()-d.ended < endEvery:
		return nil
	}
	d.ended, d.endedFor = d.Uptime(), s.request.ID
	return d.Starter.End(ctx, s.request.Driver, s.request.PID, kill)
}

// look reads the desk. The order is that in which a step can only be found further on, and
// never missed: it locks before it takes the request, and answers before it drops that.
func (d *Desk) look() (state, bool, error) {
	var s state
	if asked, err := get(d.Dir, requestFile, &s.request); err != nil || asked {
		s.running, s.waiting = true, true
		return s, asked, err
	}
	locked, err := d.locked()
	if err != nil {
		return s, false, err
	}
	taken, err := get(d.Dir, takenFile, &s.request)
	if err != nil {
		return s, false, err
	}
	answered, err := get(d.Dir, answerFile, &s.answer)
	switch {
	case err != nil:
		return s, false, err
	case taken && (!answered || s.answer.Request.ID != s.request.ID):
		s.running, s.answer = locked, Answer{}
		if !locked {
			// Somebody has killed it, for want of memory perhaps: what it does may be done again.
			r := again("the step ended before it could say how it went")
			s.answer = Answer{Request: s.request, EndedMillis: s.request.AskedMillis, Refused: &r.Reason, Retry: true}
		}
		return s, true, nil
	}
	s.request = s.answer.Request
	return s, answered, nil
}

// Put writes a file of a directory of steps as a whole.
func Put(dir, name string, v any) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("cannot make the directory of steps: %w", err)
	}
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path+".new", data, 0o600); err != nil {
		return fmt.Errorf("cannot write %s: %w", path, err)
	}
	return durable.Rename(path+".new", path)
}

// get reads a file and reports whether it was there.
func get(dir, name string, v any) (bool, error) { return read(dir, name, maxFile, v) }

func read(dir, name string, limit int64, v any) (bool, error) {
	data, err := durable.ReadUntrusted(filepath.Join(dir, name), limit)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, strictjson.Unmarshal(data, v)
}

func millis(ms int64) time.Duration { return time.Duration(ms) * time.Millisecond }
