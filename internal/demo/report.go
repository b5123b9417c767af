package demo

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
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
type Check struct {
	// Name begins with the number of the step.
	Name     string `json:"name"`
	OK       bool   `json:"ok"`
	Evidence string `json:"evidence"`
}

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

// recorder prints the demo's course with elapsed time and keeps its checks. It
// may be used by several goroutines.
type recorder struct {
	mu     sync.Mutex
	out    io.Writer
	began  time.Time
	report Report
	tint   bool
}

func newRecorder(out io.Writer, tint bool) *recorder {
	return &recorder{out: out, began: time.Now(), tint: tint}
}

func (r *recorder) line(mark, format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	text := strings.TrimRight(fmt.Sprintf(format, args...), "\n")
	fmt.Fprintf(r.out, "%6.1fs %s %s\n", time.Since(r.began).Seconds(), mark, text)
}

// step begins a numbered part of the demo.
func (r *recorder) step(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if r.tint {
		text = "\x1b[1m" + text + "\x1b[0m"
	}
	r.line("──", "%s", text)
}

// note tells what happens.
func (r *recorder) note(format string, args ...any) { r.line("  ", format, args...) }

// ran shows a command as the operator would type it.
func (r *recorder) ran(command string) { r.line(" $", "%s", command) }

// check records a claim and shows it.
func (r *recorder) check(name string, ok bool, format string, args ...any) bool {
	c := Check{Name: name, OK: ok, Evidence: fmt.Sprintf(format, args...)}
	mark, evidence := " ✓", c.Evidence
	if !ok {
		mark = " ✗"
	}
	if r.tint {
		color := "32"
		if !ok {
			color = "31"
		}
		mark = "\x1b[" + color + "m" + mark + "\x1b[0m"
	}
	r.mu.Lock()
	r.report.Checks = append(r.report.Checks, c)
	r.mu.Unlock()
	r.line(mark, "%s: %s", name, evidence)
	return ok
}

// finish closes the report.
func (r *recorder) finish(err error) Report {
	if err != nil {
		r.check("run to the end", false, "%v", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.report.Seconds = time.Since(r.began).Seconds()
	r.report.OK = len(r.report.Checks) > 0
	for _, c := range r.report.Checks {
		r.report.OK = r.report.OK && c.OK
	}
	return r.report
}

// Failed lists the checks that did not hold.
func (r Report) Failed() []Check {
	var failed []Check
	for _, c := range r.Checks {
		if !c.OK {
			failed = append(failed, c)
		}
	}
	return failed
}

// WriteJSON writes the report as one document.
func (r Report) WriteJSON(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(r)
}

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
