package link

import (
	"fmt"

	"github.com/hotstick/hotstick"
)

// Limits of what one call may carry, beside its size.
const (
	MaxDocuments = 256
	MaxReadings  = 256
	// MaxDetailBytes bounds a reading's detail.
	MaxDetailBytes = 4 << 10
	maxProbeName   = 128
	// maxMemory bounds what the lists of a call may fill, in bytes, while nobody has
	// counted their elements yet. A call of the most documents and readings fills a
	// thirtieth of it.
	maxMemory = 1 << 20
)

// cannotSpeak begins the refusal of a version; clients tell it by this.
const cannotSpeak = "cannot speak version"

// Validate reports the first thing that is malformed in a call.
func (r *Request) Validate() error {
	if r.Protocol < 0 || r.Protocol > Protocol {
		return fmt.Errorf(cannotSpeak+" %d of the calls: this loader speaks up to %d", r.Protocol, Protocol)
	}
	if len(r.Documents) > MaxDocuments {
		return fmt.Errorf("cannot take %d documents in one call: the limit is %d", len(r.Documents), MaxDocuments)
	}
	if len(r.Readings) > MaxReadings {
		return fmt.Errorf("cannot take %d readings in one call: the limit is %d", len(r.Readings), MaxReadings)
	}
	for _, reading := range r.Readings {
		if reading.Probe == "" || len(reading.Probe) > maxProbeName || len(reading.Detail) > MaxDetailBytes {
			return fmt.Errorf("cannot take a reading with a name of %d and a detail of %d bytes", len(reading.Probe), len(reading.Detail))
		}
		if err := reading.Measure.Validate(); err != nil {
			return err
		}
	}
	return nil
}

// Validate reports the first thing that is malformed in an answer.
func (r *Response) Validate() error {
	if len(r.Reports) > hotstick.MaxReports {
		return fmt.Errorf("cannot take %d reports in one answer: the limit is %d", len(r.Reports), hotstick.MaxReports)
	}
	for _, report := range r.Reports {
		if err := report.State.Validate(); err != nil {
			return err
		}
	}
	if err := r.Hold.Validate(); err != nil {
		return err
	}
	return r.Stall.Validate()
}
