package demo

import (
	"fmt"
	"io"
	"strings"

	"github.com/hotstick/hotstick/internal/demo/course"
)

// Report is the demo's result: every check with its evidence, and what each host
// went through.
type Report struct {
	OK     bool      `json:"ok"`
	Checks []Check   `json:"checks"`
	Hosts  []HostRun `json:"hosts,omitempty"`
	// Seconds is the whole run's wall time, downloads included.
	Seconds float64 `json:"seconds"`
	// PreparationSeconds is the part of it that fetched kernels and built patches.
	PreparationSeconds float64 `json:"preparation_seconds"`
	// RolloutSeconds is the time from starting the good rollout to its last host
	// confirmed.
	RolloutSeconds float64 `json:"rollout_seconds"`
	// Footprint is the resident memory of agent and loader on the first guest,
	// after all the work of the demo.
	Footprint Footprint `json:"footprint"`
}

// Footprint is memory in KiB (VmRSS).
type Footprint struct {
	AgentRSSKiB  int `json:"agent_rss_kib"`
	LoaderRSSKiB int `json:"loader_rss_kib"`
}

// Check is one claim of the demo.
type Check = course.Check

// HostRun sums one host up.
type HostRun struct {
	Name     string `json:"name"`
	Release  string `json:"release"`
	InEffect string `json:"in_effect"`
	// Loads counts what the kernel itself logged as "enabling patch".
	Loads    int      `json:"loads"`
	Reverted []string `json:"reverted,omitempty"`
	// TransitionMillis is the host's newest measured transition.
	TransitionMillis int64 `json:"transition_millis"`
	Reboots          int   `json:"reboots"`
}

// Failed lists the checks that did not hold.
func (r Report) Failed() []Check { return course.Failed(r.Checks) }

// WriteJSON writes the report as one document.
func (r Report) WriteJSON(w io.Writer) error { return course.WriteJSON(w, r) }

// writeSummary writes the closing table.
func (r Report) writeSummary(w io.Writer) {
	fmt.Fprintf(w, "\n%-8s %-24s %-14s %6s  %-28s %11s %8s\n", "HOST", "KERNEL", "IN EFFECT", "LOADS", "REVERTED", "TRANSITION", "REBOOTS")
	for _, h := range r.Hosts {
		reverted := strings.Join(h.Reverted, ", ")
		if reverted == "" {
			reverted = "-"
		}
		fmt.Fprintf(w, "%-8s %-24s %-14s %6d  %-28s %9d ms %8d\n", h.Name, h.Release, h.InEffect, h.Loads, reverted, h.TransitionMillis, h.Reboots)
	}
	held := len(r.Checks) - len(r.Failed())
	fmt.Fprintf(w, "\n%d of %d checks held, in %.0f s (%.0f s of it preparing kernels and patches).\n", held, len(r.Checks), r.Seconds, r.PreparationSeconds)
}
