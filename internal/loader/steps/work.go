package steps

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver"
	"github.com/hotstick/hotstick/internal/failpoint"
	"github.com/hotstick/hotstick/internal/loader/ledger"
)

// Job is a request that a step has taken.
type Job struct {
	Request Request
	desk    *Desk
	lock    io.Closer
}

// Take takes the request for a driver. Whoever starts a step without one, or for another
// driver, does nothing.
func (d *Desk) Take(driverName string) (*Job, error) {
	if err := os.MkdirAll(d.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("cannot make the directory of steps: %w", err)
	}
	lock, err := Lock(d.Dir)
	if err != nil {
		return nil, err
	}
	job := &Job{desk: d, lock: lock}
	asked, err := get(d.Dir, requestFile, &job.Request)
	switch {
	case err == nil && !asked:
		err = errors.New("cannot begin: the loader has asked for nothing")
	case err == nil && job.Request.Driver != driverName:
		err = fmt.Errorf("cannot begin: the loader has asked for a step of %.40q", job.Request.Driver)
	case err == nil:
		err = job.take()
	}
	if err != nil {
		lock.Close()
		return nil, err
	}
	failpoint.Here(failpoint.LoaderStepTaken)
	return job, nil
}

// take makes the request this step's. The loader may take it back at the same moment; one
// of the two does.
func (j *Job) take() error {
	if err := j.desk.withdraw(); err != nil {
		return fmt.Errorf("cannot take the loader's request: %w", err)
	}
	j.Request.PID = os.Getpid()
	return Put(j.desk.Dir, takenFile, j.Request)
}

// Answer says how the step went, and ends it.
func (j *Job) Answer(value []byte, refusal error) error {
	defer j.lock.Close()
	answer := Answer{Request: j.Request, EndedMillis: j.desk.Uptime().Milliseconds(), Value: value}
	if refusal != nil {
		r := asRefusal(refusal)
		answer.Refused, answer.Retry = &r.Reason, r.Retry
	}
	if err := Put(j.desk.Dir, answerFile, answer); err != nil {
		return err
	}
	failpoint.Here(failpoint.LoaderStepAnswered)
	if err := os.Remove(filepath.Join(j.desk.Dir, takenFile)); err != nil {
		return fmt.Errorf("cannot drop the request that was answered: %w", err)
	}
	return nil
}

// Abandon ends the step without an answer, as its death would.
func (j *Job) Abandon() { j.lock.Close() }

// asRefusal turns any error into a refusal with bounded text.
func asRefusal(err error) driver.Refusal {
	r := driver.Refusal{Reason: hotstick.Reason{Code: hotstick.ReasonToolFailed, Detail: err.Error()}}
	var refused *driver.Refusal
	if errors.As(err, &refused) {
		r = *refused
	}
	if len(r.Reason.Detail) > maxDetail {
		r.Reason.Detail = strings.ToValidUTF8(r.Reason.Detail[:maxDetail], "")
	}
	return r
}

// retryEvery is the pause before a step tries again what may pass by itself.
const retryEvery = 5 * time.Second

// Work does a job, once it is justified. It is what runs with all the rights. Once the
// context ends nothing more is begun; the driver's programs then end as package hostcmd has
// it, and a package manager not before the request's own limit.
func (j *Job) Work(ctx context.Context, stepper driver.Stepper, ground Ground) ([]byte, error) {
	limit := time.Duration(j.Request.LimitSeconds) * time.Second
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	switch j.Request.Act {
	case Settings, Hold, Release:
		return j.schedule(ctx, stepper, ground)
	case Settle:
		return nil, j.settle(ctx, stepper, ground)
	}
	recipe, err := Justify(ground, j.Request)
	if err != nil {
		return nil, driver.Refuse(hotstick.ReasonVerificationFailed, "%v", err)
	}
	if ctx.Err() != nil {
		return nil, driver.Refuse(hotstick.ReasonToolFailed, "it was made to end before it had begun")
	}
	if p, is := stepper.(driver.Particular); is {
		stepper = p.Only(ours(ground.Ledger))
	}
	if r, is := stepper.(driver.Returning); is && goesBack(ground.Ledger) {
		stepper = r.Back()
	}
	do := stepper.Apply
	if j.Request.Act == Remove {
		do = stepper.Remove
	}
	patience, over := context.WithTimeout(ctx, limit/2)
	defer over()
	for {
		err := do(ctx, recipe)
		var refused *driver.Refusal
		if !errors.As(err, &refused) || !refused.Retry || !pause(patience) {
			failpoint.Here(failpoint.LoaderStepDone)
			return nil, inTime(ctx, err, limit)
		}
	}
}

// goesBack reports whether the ledger's attempt is on its way back.
func goesBack(led ledger.Ledger) bool {
	return led.Attempt != nil && led.Attempt.Phase == hotstick.Reverting
}

// ours are the modules that the ledger knows as ours.
func ours(led ledger.Ledger) []string {
	var modules []string
	add := func(l *ledger.Level) {
		if l != nil {
			modules = append(modules, l.Module)
		}
	}
	if a := led.Attempt; a != nil {
		add(&a.Level)
		add(a.Before)
	}
	for _, p := range []*ledger.Permit{led.Permit, led.Former} {
		if p != nil {
			add(&p.Level)
		}
	}
	return modules
}

// settle does what follows from the end of an attempt that rebooted.
func (j *Job) settle(ctx context.Context, stepper driver.Stepper, ground Ground) error {
	settler, is := stepper.(driver.Settler)
	if !is {
		return nil
	}
	recipe, err := JustifySettle(ground, j.Request)
	if err != nil {
		return driver.Refuse(hotstick.ReasonVerificationFailed, "%v", err)
	}
	return settler.Settle(ctx, recipe, j.Request.Keep)
}

// pause waits before the next try, and reports whether there is to be one.
func pause(ctx context.Context) bool {
	timer := time.NewTimer(retryEvery)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// inTime says of a step that its time ended, and not only what its tool said of that.
func inTime(ctx context.Context, err error, limit time.Duration) error {
	var refused *driver.Refusal
	switch {
	case err == nil || errors.As(err, &refused):
		return err
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return driver.Refuse(hotstick.ReasonToolFailed, "it had not ended after %s: %v", limit, err)
	case ctx.Err() != nil:
		return driver.Refuse(hotstick.ReasonToolFailed, "it was made to end: %v", err)
	}
	return err
}

// schedule does what puts a vendor's own scheduling on hold or gives it back. The ledger's
// adoption must say so; only reading needs nobody's word.
func (j *Job) schedule(ctx context.Context, stepper driver.Stepper, ground Ground) ([]byte, error) {
	s, is := stepper.(driver.Scheduler)
	if !is {
		return nil, driver.Refuse(hotstick.ReasonUnsupported, "%s does not schedule itself", j.Request.Driver)
	}
	if j.Request.Act == Settings {
		value, err := s.Settings(ctx)
		if err == nil && len(value) > MaxSettings {
			err = fmt.Errorf("cannot keep settings of %d bytes: the limit is %d", len(value), MaxSettings)
		}
		return value, err
	}
	settings, err := JustifySchedule(ground, j.Request)
	switch {
	case err != nil:
		return nil, driver.Refuse(hotstick.ReasonVerificationFailed, "%v", err)
	case j.Request.Act == Hold:
		return nil, s.Hold(ctx)
	}
	return nil, s.Release(ctx, settings)
}
