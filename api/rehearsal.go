package api

import (
	"time"

	"github.com/hotstick/hotstick"
)

// RehearsalRequest asks for a plan to be played on a simulated copy of its hosts.
type RehearsalRequest struct {
	// Runs is how often each scenario is played: 1 to 200; 0 means 20.
	Runs int `json:"runs,omitempty"`
	// Seed makes the chances; the same seed gives the same rehearsal.
	Seed uint64 `json:"seed,omitempty"`
	// Scenarios narrows what is played, by name; empty means all.
	Scenarios []string `json:"scenarios,omitempty"`
}

// Rehearsal is how a plan would go with patches of several kinds.
type Rehearsal struct {
	Plan  hotstick.PlanID `json:"plan"`
	Name  string          `json:"name"`
	Hosts int             `json:"hosts"`
	Waves int             `json:"waves"`
	Lanes int             `json:"lanes"`
	Runs  int             `json:"runs"`
	Seed  uint64          `json:"seed"`
	// Start is when the plan would have been started.
	Start     time.Time        `json:"start"`
	Model     RehearsalModel   `json:"model"`
	Scenarios []RehearsedPatch `json:"scenarios"`
	// Verdict says what it means: does a good patch get through, and what does a bad
	// one break.
	Verdict string `json:"verdict"`
}

// RehearsalModel is how the simulated hosts behave.
type RehearsalModel struct {
	// CheckInSeconds is how often a host that is up checks in.
	CheckInSeconds int `json:"check_in_seconds"`
	// TransitionMillis and RevertMillis are how long the kernel takes.
	TransitionMillis int `json:"transition_millis"`
	RevertMillis     int `json:"revert_millis"`
	// RebootSeconds is how long a host that went down is away.
	RebootSeconds int `json:"reboot_seconds"`
	// BackgroundPPM is the share of hosts that go down by themselves while on
	// probation, and TracePPM the share of crashes that leave a trace.
	BackgroundPPM int `json:"background_ppm"`
	TracePPM      int `json:"trace_ppm"`
}

// RehearsedPatch is one scenario over all its runs.
type RehearsedPatch struct {
	Name string `json:"name"`
	// Text says what the patch does.
	Text string `json:"text"`
	Runs int    `json:"runs"`
	// Completed, Halted and Held count the runs by their end; a held one waits for a
	// person.
	Completed int `json:"completed"`
	Halted    int `json:"halted"`
	Held      int `json:"held"`
	// Seconds is how long a run went on.
	Seconds Spread `json:"seconds"`
	// Crashed counts hosts, CrashedPercent and ReachedPercent are of the plan's hosts:
	// those that went down, and those that had the patch at the end.
	Crashed        Spread `json:"crashed"`
	CrashedPercent Spread `json:"crashed_percent"`
	ReachedPercent Spread `json:"reached_percent"`
	// Blast is the widest reach in each kind of failure domain.
	Blast []Blast `json:"blast"`
	// Stops are the places at which runs were stopped, the most frequent first.
	Stops []RehearsedStop `json:"stops"`
}

// Spread sums up one number over all runs.
type Spread struct {
	Mean   float64 `json:"mean"`
	Median float64 `json:"median"`
	P95    float64 `json:"p95"`
	P99    float64 `json:"p99"`
	Max    float64 `json:"max"`
}

// Blast is the most hosts of one domain, of as many as it has, that were disturbed
// at once.
type Blast struct {
	Domain string `json:"domain"`
	Value  string `json:"value"`
	Hosts  int    `json:"hosts"`
	Of     int    `json:"of"`
}

// RehearsedStop is one place at which runs were stopped: the furthest wave that had
// started, and why.
type RehearsedStop struct {
	// Wave is the wave's index, counted from 0.
	Wave   int    `json:"wave"`
	Name   string `json:"name"`
	End    string `json:"end"`
	Reason Reason `json:"reason"`
	Runs   int    `json:"runs"`
	// Seconds after the start; Patched and Crashed count hosts at that moment.
	Seconds Spread `json:"seconds"`
	Patched Spread `json:"patched"`
	Crashed Spread `json:"crashed"`
}
