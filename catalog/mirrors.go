package catalog

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"
)

// Mirror is one of several sources of the same catalog.
type Mirror struct {
	// Name is how reports call it, such as its address.
	Name   string
	Source Fetcher
}

// MirrorState says what came of following one mirror.
type MirrorState string

// The states of a mirror.
const (
	// MirrorCurrent has what we trust now.
	MirrorCurrent MirrorState = "current"
	// MirrorBehind has something older, properly signed and still valid.
	MirrorBehind MirrorState = "behind"
	// MirrorExpired has only what has expired: it was frozen, or forgotten.
	MirrorExpired MirrorState = "expired"
	// MirrorAway gave nothing, not all of it, or not in time.
	MirrorAway MirrorState = "away"
	// MirrorLies gave what the signers did not sign, or they have signed twice.
	MirrorLies MirrorState = "lies"
)

// MirrorReport is what came of following one mirror.
type MirrorReport struct {
	Name  string
	State MirrorState
	// Err says why, unless the mirror is current or merely behind.
	Err error
	// Recalls counts those that it has, signed by whoever may, and the trusted
	// catalog lacks.
	Recalls int

	timestamp int64
}

// Follow refreshes from each mirror in turn. The newest of what is valid becomes
// the trusted view, whichever mirror has it, so one honest mirror of several is
// enough; the reports, in the order of the mirrors, name those that are not. There
// is an error only if no mirror had a valid catalog; recalls are learned even then.
// However long a mirror takes, it keeps nobody else from refreshing.
func (c *Client) Follow(ctx context.Context, now time.Time, mirrors ...Mirror) (View, []MirrorReport, error) {
	var view View
	var newest int64
	reports := make([]MirrorReport, len(mirrors))
	for i, m := range mirrors {
		answers := c.ask(ctx, now, m.Source)
		v, w, err := c.refresh(ctx, now, answers)
		reports[i] = report(m.Name, w, err)
		if err == nil {
			view, newest = v, w.timestamp.Version
		}
		answers.source = m.Source
		beside := c.beside(ctx, answers, reports[i].State == MirrorCurrent)
		if reports[i].Recalls, err = c.takeBeside(beside); err != nil {
			reports[i].besides(err)
		}
		if reports[i].Recalls > 0 && newest > 0 {
			if with, err := c.current(); err == nil {
				view.Recalls = with.Recalls
			}
		}
	}
	if newest == 0 {
		return View{}, reports, errNoMirror(reports)
	}
	for i, r := range reports {
		if r.State == MirrorCurrent && r.timestamp < newest {
			reports[i].State = MirrorBehind
		}
	}
	return view, reports, nil
}

// ask lets a mirror answer all that a refresh would ask it, without keeping what it
// says or anybody waiting. The refresh that follows takes these answers.
func (c *Client) ask(ctx context.Context, now time.Time, mirror Fetcher) *answers {
	now, _, err := c.noEarlier(now)
	a := &answers{given: map[string]answer{}}
	for range rounds {
		if err != nil {
			break
		}
		a = &answers{source: mirror, given: map[string]answer{}}
		dry := &stage{disk: c.disk, dry: true}
		if _, err = c.verify(ctx, now, a, dry); err == nil && !dry.overtaken(ctx, mirror) {
			break
		}
	}
	a.source = nil
	return a
}

// answers are what a source has answered so far. Without a source it has no others.
type answers struct {
	source Fetcher
	given  map[string]answer
}

type answer struct {
	data []byte
	err  error
}

// Fetch implements [Fetcher].
func (a *answers) Fetch(ctx context.Context, name string, maxBytes int64) ([]byte, error) {
	if known, asked := a.given[name]; asked {
		return known.data, known.err
	}
	if a.source == nil {
		return nil, fmt.Errorf("it was not asked for %s: %w", name, fs.ErrNotExist)
	}
	data, err := a.source.Fetch(ctx, name, maxBytes)
	a.given[name] = answer{data, err}
	return data, err
}

// besides notes what was wrong beside the set.
func (r *MirrorReport) besides(err error) {
	r.Err = errors.Join(r.Err, err)
	switch {
	case errors.Is(err, ErrRefused):
		r.State = MirrorLies
	case r.State == MirrorCurrent || r.State == MirrorBehind:
		r.State = MirrorAway
	}
}

func report(name string, w *workflow, err error) MirrorReport {
	r := MirrorReport{Name: name, Err: err}
	switch {
	case err == nil && w.forked:
		r.State, r.Err = MirrorLies, refused("it has another timestamp of version %d than we had, and both are signed", w.timestamp.Version)
	case err == nil:
		r.State, r.timestamp = MirrorCurrent, w.timestamp.Version
	case errors.Is(err, errOlder):
		r.State, r.Err = MirrorBehind, nil
	case errors.Is(err, ErrExpired):
		r.State = MirrorExpired
	case errors.Is(err, ErrRefused):
		r.State = MirrorLies
	default:
		r.State = MirrorAway
	}
	return r
}

func errNoMirror(reports []MirrorReport) error {
	errs := make([]error, len(reports))
	for i, r := range reports {
		errs[i] = fmt.Errorf("%s is %s: %w", r.Name, r.State, r.Err)
		if r.Err == nil {
			errs[i] = fmt.Errorf("%s is %s", r.Name, r.State)
		}
	}
	return fmt.Errorf("cannot refresh the catalog from any of %d mirrors: %w", len(reports), errors.Join(errs...))
}
