package store

import (
	"time"

	"github.com/hotstick/hotstick"
)

// Exposure is a time in which a host was open to a CVE.
type Exposure struct {
	Host hotstick.HostID
	CVE  string
	// Reason is why it counted as open when it began; its State is where the host stood.
	Reason hotstick.ExposureReason
	// Feed and Document are whose word it was; empty where nobody says.
	Feed, Document string
	Began          time.Time
	// Ended is nil while it is open still, and Closed then is empty: it is why it did not
	// count as open any more, empty if the host or the CVE is not known any more.
	Ended  *time.Time
	Closed hotstick.ExposureReason
}

// ExposureEnd ends an exposure.
type ExposureEnd struct {
	Host   hotstick.HostID
	CVE    string
	At     time.Time
	Closed hotstick.ExposureReason
}

// ExposureTable holds exposures as intervals. Of one host and CVE one at most is open.
type ExposureTable interface {
	// Begin opens intervals; what is open already stays as it began. ErrNotFound if there never
	// was such a host.
	Begin(all []Exposure) error
	// End ends intervals; what is not open is passed over.
	End(all []ExposureEnd) error
	// OfHost returns the intervals of a host by CVE, then by when they began; open narrows to
	// those that did not end.
	OfHost(host hotstick.HostID, open bool) ([]Exposure, error)
	// Open returns the one that is open; ErrNotFound if none is.
	Open(host hotstick.HostID, cve string) (Exposure, error)
	// Since returns when the earliest of a CVE's open intervals began; ErrNotFound if none is
	// open.
	Since(cve string) (time.Time, error)
	// Hosts returns hosts that have an open interval by ID, those after one of them; revoked
	// ones too. Limit 0 means all.
	Hosts(after hotstick.HostID, limit int) ([]hotstick.HostID, error)
}

// Clone returns what a store keeps of e.
func (e Exposure) Clone() Exposure {
	e.Began, e.Ended = Instant(e.Began), instant(e.Ended)
	return e
}
