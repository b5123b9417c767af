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

// report is what came of a run.
type report struct {
	Seed      string                 `json:"seed"`
	Points    int                    `json:"points"`
	Wanted    int                    `json:"wanted"`
	Kills     int                    `json:"kills"`
	At        map[failpoint.Name]int `json:"at"`
	Rounds    map[scenario]int       `json:"rounds"`
	Unreached []string               `json:"unreached,omitempty"`
	Findings  []finding              `json:"findings,omitempty"`
	// ResumeP50, ResumeP99 and Resumes are of the times from a kill until the program was
	// ready again, in seconds.
	ResumeP50 float64 `json:"resume_p50"`
	ResumeP99 float64 `json:"resume_p99"`
	Resumes   int     `json:"resumes"`
	Seconds   float64 `json:"seconds"`
	OK        bool    `json:"ok"`
}

func (r *report) measure(kills []kill) {
	var times []time.Duration
	for _, k := range kills {
		r.At[k.point]++
		if k.resumed > 0 {
			times = append(times, k.resumed)
		}
	}
	slices.Sort(times)
	if r.Resumes = len(times); r.Resumes > 0 {
		r.ResumeP50, r.ResumeP99 = times[len(times)/2].Seconds(), times[len(times)*99/100].Seconds()
	}
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
	fmt.Fprintf(w, "%d of %d kills at %d of %d points, resumed within %.2f s (median), %.2f s (99 %%) of %d; %d findings; %.0f s; seed %s\n",
		r.Kills, r.Wanted, len(r.At), r.Points, r.ResumeP50, r.ResumeP99, r.Resumes, len(r.Findings), r.Seconds, r.Seed)
}
