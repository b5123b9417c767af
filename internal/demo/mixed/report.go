package mixed

import (
	"fmt"
	"io"

	"github.com/hotstick/hotstick/internal/demo/course"
)

// Report is the demo's result: every check with its evidence, and what became of each
// host.
type Report struct {
	OK     bool           `json:"ok"`
	CVE    string         `json:"cve"`
	Checks []course.Check `json:"checks"`
	Hosts  []HostRun      `json:"hosts,omitempty"`
	// Seconds is the whole run's wall time, downloads included, and PreparationSeconds the
	// part of it that fetched kernels and built patches.
	Seconds            float64 `json:"seconds"`
	PreparationSeconds float64 `json:"preparation_seconds"`
	// RolloutSeconds is the time from starting the plan to its last host at rest.
	RolloutSeconds float64 `json:"rollout_seconds"`
}

// HostRun sums one host up.
type HostRun struct {
	Name string `json:"name"`
	// Plays is what the host stands for; it says so of a rig.
	Plays string `json:"plays"`
	// Driver and Trust are by which system it was patched, and what can be claimed of the
	// bytes; empty for a host that was not covered.
	Driver string `json:"driver,omitempty"`
	Trust  string `json:"trust_class,omitempty"`
	Kernel string `json:"kernel"`
	// Level is what the plan brought, State how that ended, and Undone how going back did.
	Level  string `json:"level,omitempty"`
	State  string `json:"state"`
	Undone string `json:"undone,omitempty"`
}

// finish closes the report. An error is a check that did not hold.
func (r *Report) finish(rec *course.Recorder, err error) {
	checks, took := rec.Finish(err)
	r.CVE, r.Checks, r.Seconds, r.OK = CVE, checks, took.Seconds(), course.Held(checks)
}

// Failed lists the checks that did not hold.
func (r Report) Failed() []course.Check { return course.Failed(r.Checks) }

// WriteJSON writes the report as one document.
func (r Report) WriteJSON(w io.Writer) error { return course.WriteJSON(w, r) }

// writeSummary writes the closing table.
func (r Report) writeSummary(w io.Writer) {
	fmt.Fprintf(w, "\n%-9s %-52s %-10s %-6s %-22s %-10s %s\n", "HOST", "PLAYS", "SYSTEM", "TRUST", "LEVEL", "STATE", "BACK")
	for _, h := range r.Hosts {
		fmt.Fprintf(w, "%-9s %-52s %-10s %-6s %-22s %-10s %s\n", h.Name, h.Plays, or(h.Driver), or(h.Trust), or(h.Level), h.State, or(h.Undone))
	}
	held := len(r.Checks) - len(r.Failed())
	fmt.Fprintf(w, "\nA rig is not the vendor's system: it does what the vendor's documentation says, with real live patches in a real kernel.\n")
	fmt.Fprintf(w, "%d of %d checks held, in %.0f s (%.0f s of it preparing kernels and patches).\n", held, len(r.Checks), r.Seconds, r.PreparationSeconds)
}

func or(text string) string {
	if text == "" {
		return "-"
	}
	return text
}
