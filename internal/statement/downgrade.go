package statement

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hotstick/hotstick"
)

// Downgrade allows a patch's older level on hosts that have confirmed a newer one.
// It starts nothing: a plan does, with its own signatures. The ways back that a plan
// lists (revert_to) need no downgrade, for the plan's signatures permit those.
type Downgrade struct {
	// Patch is the level that is allowed again.
	Patch hotstick.PatchRef `json:"patch"`
	// From is the newest level that a host may have confirmed or run. On a host that
	// has been further nothing is allowed.
	From int `json:"from"`
	// Hosts and Builds say where: on the listed hosts, and on every host that runs one
	// of the kernel builds.
	Hosts  []hotstick.HostID      `json:"hosts"`
	Builds []hotstick.KernelBuild `json:"builds"`
	// Why is for the people who sign and read it.
	Why      string    `json:"why"`
	IssuedAt time.Time `json:"issued_at"`
	NotAfter time.Time `json:"not_after"`
}

// Limits of downgrades and waivers.
const (
	// MaxDowngradePlaces bounds the hosts, and the kernel builds, of one downgrade.
	MaxDowngradePlaces = 1000
	// MaxExceptionLife bounds the life of a downgrade and of a waiver: an exception
	// that nobody renews is none.
	MaxExceptionLife = 400 * 24 * time.Hour
	// MaxAhead bounds by how much the time of issue of a clear, a downgrade, a waiver or
	// a template, or the end of a proof, may lie ahead of the clock of whoever takes it:
	// as much as good clocks differ. One that is dated ahead would live longer than its limit, beat
	// all that were signed before its date, and lift what came later. So a host whose
	// clock is behind takes none that is younger than its clock; it is refused, changes
	// nothing, and may come again when the clock is right.
	MaxAhead = 5 * time.Minute
	// maxWhy bounds what people say of an exception, in bytes.
	maxWhy = 500
)

// Covers reports whether the downgrade allows a level on a host that has confirmed,
// or runs, no level above highest.
func (d Downgrade) Covers(level hotstick.PatchRef, host hotstick.HostID, build hotstick.KernelBuild, highest int) bool {
	return level == d.Patch && highest <= d.From && (slices.Contains(d.Hosts, host) || slices.Contains(d.Builds, build))
}

// Validate reports the first thing that is malformed.
func (d Downgrade) Validate() error {
	if err := d.Patch.Validate(); err != nil {
		return err
	}
	switch {
	case d.From <= d.Patch.Level:
		return fmt.Errorf("cannot use a downgrade from level %d to %s: that is not older", d.From, d.Patch)
	case len(d.Hosts) == 0 && len(d.Builds) == 0:
		return errors.New("cannot use a downgrade for no host: list hosts or kernel builds; an empty list is never all")
	case len(d.Hosts) > MaxDowngradePlaces || len(d.Builds) > MaxDowngradePlaces:
		return fmt.Errorf("cannot use a downgrade for %d hosts and %d kernel builds: the limit is %d of each", len(d.Hosts), len(d.Builds), MaxDowngradePlaces)
	}
	for _, h := range d.Hosts {
		if err := h.Validate(); err != nil {
			return err
		}
	}
	for _, b := range d.Builds {
		if err := b.Validate(); err != nil {
			return err
		}
	}
	return checkException("downgrade", d.Why, d.IssuedAt, d.NotAfter)
}

// checkException checks what downgrades and waivers share: somebody said why, and
// they end.
func checkException(what, why string, issued, until time.Time) error {
	switch {
	case why == "" || len(why) > maxWhy:
		return fmt.Errorf("cannot use a %s whose reason has %d bytes: want 1 to %d", what, len(why), maxWhy)
	case !until.After(issued) || until.Sub(issued) > MaxExceptionLife:
		return fmt.Errorf("cannot use a %s that lives from %s to %s: want at most %d days", what,
			issued.Format(time.RFC3339), until.Format(time.RFC3339), MaxExceptionLife/(24*time.Hour))
	}
	return errors.Join(checkTime(issued), checkTime(until))
}

// UnverifiedDowngrade is a downgrade whose signatures nobody has checked.
type UnverifiedDowngrade struct{ Downgrade Downgrade }

// ParseDowngrade reads a downgrade without checking any signature, for whoever is
// asked to sign it as well.
func ParseDowngrade(raw []byte) (UnverifiedDowngrade, error) {
	_, d, err := open[Downgrade](raw, KindDowngrade)
	return UnverifiedDowngrade{d}, err
}

// OpenDowngrade verifies a downgrade: at least m persons signed it and its life is
// not over at now, nor begins after it (reason grant_expired; see [MaxAhead]).
func OpenDowngrade(raw []byte, trust hotstick.Trust, now time.Time) (Downgrade, error) {
	e, d, err := open[Downgrade](raw, KindDowngrade)
	if err == nil {
		_, err = checkPersons(e, trust, d.IssuedAt, d.NotAfter, now)
	}
	if err != nil {
		return Downgrade{}, err
	}
	return d, nil
}
