package catalog

import (
	"context"
	"errors"
	"fmt"
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

	timestamp int64
}

// Follow refreshes from each mirror in turn. The newest of what is valid becomes
// the trusted view, whichever mirror has it, so one honest mirror of several is
// enough; the reports, in the order of the mirrors, name those that are not. There
// is an error only if no mirror had a valid catalog.
func (c *Client) Follow(ctx context.Context, now time.Time, mirrors ...Mirror) (View, []MirrorReport, error) {
	var view View
	var newest int64
	reports := make([]MirrorReport, len(mirrors))
	for i, m := range mirrors {
		v, w, err := c.refresh(ctx, now, m.Source)
		reports[i] = report(m.Name, w, err)
		if err == nil {
			view, newest = v, w.timestamp.Version
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
