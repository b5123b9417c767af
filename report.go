package hotstick

import "time"

// Report is what a loader says of one step of one attempt. Reports of one host
// carry a rising sequence number and the boot they were made in; each is
// accepted once.
type Report struct {
	// Seq rises by one with each report of this loader, across boots.
	Seq uint64 `json:"seq"`
	// Boot is the boot the report was made in.
	Boot string `json:"boot"`
	// At is the host's wall clock, for people; no decision rests on it.
	At time.Time `json:"at"`
	// Plan is empty for what the host did from a permit, without a plan.
	Plan    PlanID   `json:"plan,omitempty"`
	Patch   PatchRef `json:"patch"`
	Attempt int      `json:"attempt"`
	// State is the step. Confirmed with the reason crash is none: the boot in which the
	// level was confirmed, or came back from its permit, ended uncleanly later.
	State  HostState `json:"state"`
	Reason *Reason   `json:"reason,omitempty"`
	// Evidence is what the host saw, such as the crash trace.
	Evidence []Evidence `json:"evidence,omitempty"`
	// InEffect is the level that the kernel ran when the report was made.
	InEffect PatchRef `json:"in_effect"`
	Timing   Timing   `json:"timing"`
	// Crash is the kind of the crash that the report tells of; nil if it tells of none.
	Crash *CrashPrint `json:"crash,omitempty" since:"2"`
}

// Evidence is one observation kept with a report or an event.
type Evidence struct {
	// Kind says what it is: crash_trace, kernel_log, probe, sysfs, blocked_task.
	Kind string `json:"kind"`
	Text string `json:"text"`
}

// Timing gives the lengths of an attempt's parts in milliseconds of the host's
// monotonic clock; zero where the part did not happen in this report.
type Timing struct {
	LoadMillis       int64 `json:"load_millis,omitempty"`
	TransitionMillis int64 `json:"transition_millis,omitempty"`
	RevertMillis     int64 `json:"revert_millis,omitempty"`
}

// Reading is one probe's answer.
type Reading struct {
	Probe string `json:"probe"`
	// Healthy is false also where the probe did not answer in time.
	Healthy bool      `json:"healthy"`
	Detail  string    `json:"detail,omitempty"`
	At      time.Time `json:"at"`
	// AskedMillis is the boot's age when the probe was asked: an answer speaks of the host
	// as it was then or later. 0 where that is not known.
	AskedMillis int64 `json:"asked_millis,omitempty" since:"2"`
	// Measure is what the probe measured; nil if it only says yes or no.
	Measure *Measure `json:"measure,omitempty" since:"2"`
}

// Measure is a probe's number, beside what is usual on this host.
type Measure struct {
	Value float64 `json:"value"`
	// Unit is a unit of Prometheus: seconds, bytes, ratio, or empty for a count.
	Unit string `json:"unit,omitempty"`
	// Usual is the median before the attempt, and Limit what is still healthy; both are
	// nil until enough was measured.
	Usual *float64 `json:"usual,omitempty"`
	Limit *float64 `json:"limit,omitempty"`
}

// Limits of what a host may send; longer texts are cut by the sender and
// refused by the receiver.
const (
	MaxEvidence      = 16
	MaxEvidenceBytes = 16 << 10
	MaxReports       = 256
)
