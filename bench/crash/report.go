package main

import (
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/hotstick/hotstick/internal/failpoint"
)

// resumeGoal is within which time after a kill a program is ready again, for 99 of 100.
const resumeGoal = 5 * time.Second

// busyFactor: where a start without any crash takes long too, a start after one may take
// this many times as long.
const busyFactor = 3

// report is what came of a run.
type report struct {
	Seed   string `json:"seed"`
	Points int    `json:"points"`
	// Wanted are the kills that were to be made, Least those that had to.
	Wanted    int                    `json:"wanted"`
	Least     int                    `json:"least"`
	Kills     int                    `json:"kills"`
	At        map[failpoint.Name]int `json:"at"`
	Rounds    map[scenario]int       `json:"rounds"`
	Unreached []string               `json:"unreached,omitempty"`
	Findings  []finding              `json:"findings,omitempty"`
	// ResumeP50, ResumeP99 and Resumes are of the times from a kill until the program was
	// ready again, in seconds; StartP99 is of starts that came after no crash.
	ResumeP50 float64 `json:"resume_p50"`
	ResumeP99 float64 `json:"resume_p99"`
	Resumes   int     `json:"resumes"`
	StartP99  float64 `json:"start_p99"`
	Seconds   float64 `json:"seconds"`
	OK        bool    `json:"ok"`

	resumed, calm []time.Duration
}

// take adds what one house did.
func (r *report) take(h *run, found []finding) {
	for _, f := range found {
		r.Findings = append(r.Findings, finding{What: fmt.Sprintf("house %d: %s", h.number, f.What), Text: f.Text, stuck: f.stuck})
	}
	for _, t := range h.unreached {
		r.Unreached = append(r.Unreached, fmt.Sprintf("%s in the %s", t.point, t.program))
	}
	for s, n := range h.rounds {
		r.Rounds[s] += n
	}
	for _, k := range h.kills() {
		r.Kills++
		r.At[k.point]++
		if k.resumed > 0 {
			r.resumed = append(r.resumed, k.resumed)
		}
	}
	for _, p := range h.processes {
		r.calm = append(r.calm, p.calm...)
	}
}

// judge says whether the run was good.
func (r *report) judge() {
	slices.Sort(r.resumed)
	slices.Sort(r.calm)
	if r.Resumes = len(r.resumed); r.Resumes > 0 {
		r.ResumeP50, r.ResumeP99 = r.resumed[r.Resumes/2].Seconds(), r.resumed[r.Resumes*99/100].Seconds()
	}
	if n := len(r.calm); n > 0 {
		r.StartP99 = r.calm[n*99/100].Seconds()
	}
	r.OK = len(r.Findings)+len(r.Unreached) == 0 && r.Kills >= r.Least && r.ResumeP99 <= max(resumeGoal.Seconds(), busyFactor*r.StartP99)
}

// table writes the report for people.
func (r *report) table(w io.Writer) {
	for _, p := range failpoint.Points() {
		if n := r.At[p.Name]; n > 0 {
			fmt.Fprintf(w, "%4d  %s\n", n, p.Name)
		}
	}
	for _, text := range r.Unreached {
		fmt.Fprintf(w, "not reached: %s\n", text)
	}
	for _, f := range r.Findings {
		fmt.Fprintf(w, "BROKEN %s: %s\n", f.What, f.Text)
	}
	fmt.Fprintf(w, "%d of %d kills at %d of %d points, resumed within %.2f s (median), %.2f s (99 %%) of %d, started without a crash within %.2f s (99 %%); %d findings; %.0f s; seed %s\n",
		r.Kills, r.Wanted, len(r.At), r.Points, r.ResumeP50, r.ResumeP99, r.Resumes, r.StartP99, len(r.Findings), r.Seconds, r.Seed)
	if r.Kills < r.Least {
		fmt.Fprintf(w, "too few kills: %d, want %d at least\n", r.Kills, r.Least)
	}
}
