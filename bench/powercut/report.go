package main

import (
	"fmt"
	"io"

	"github.com/hotstick/hotstick/bench/powercut/writelog"
)

// finding is something that a cut broke.
type finding struct {
	// Where says at which cut.
	Where string `json:"where"`
	Text  string `json:"text"`
}

// report is what came of a run.
type report struct {
	Seed string `json:"seed"`
	// Writes, Flushes and Facts are those in the log of the points.
	Writes     int       `json:"writes"`
	Flushes    int       `json:"flushes"`
	Facts      int       `json:"facts"`
	Wanted     int       `json:"wanted"`
	Points     int       `json:"points"`
	WantedCuts int       `json:"wanted_cuts"`
	Cuts       []cut     `json:"cuts,omitempty"`
	Findings   []finding `json:"findings,omitempty"`
	Seconds    float64   `json:"seconds"`
	OK         bool      `json:"ok"`
}

// cut is what came of one real cut.
type cut struct {
	// Stage is the one after whose beginning the power went, by so many seconds.
	Stage string  `json:"stage"`
	After float64 `json:"after"`
	// Facts are those known when the power went.
	Facts int `json:"facts"`
	// Attempt is the phase of the attempt that was under way; empty without one.
	Attempt string `json:"attempt,omitempty"`
	// Ended is what became of it.
	Ended string `json:"ended,omitempty"`
}

// measure counts what is in the log.
func (r *report) measure(entries []writelog.Entry) {
	for _, e := range entries {
		switch {
		case e.Is(writelog.Mark):
			r.Facts++
		case e.Is(writelog.Flush) && e.Bytes == 0:
			r.Flushes++
		default:
			r.Writes++
		}
	}
}

func (r *report) fault(where string, faults ...error) {
	for _, err := range faults {
		r.Findings = append(r.Findings, finding{where, err.Error()})
	}
}

// judge says whether the run proves what it should: that nothing is broken, or, with a
// bug planted, that the run finds what the bug breaks.
func (r *report) judge(planted bool) {
	r.OK = (len(r.Findings) > 0) == planted && r.Points >= r.Wanted && len(r.Cuts) >= r.WantedCuts
}

// table writes the report for people.
func (r *report) table(w io.Writer) {
	for i, c := range r.Cuts {
		fmt.Fprintf(w, "cut %d: %.1f s after %s, %d facts known, attempt %s, then %s\n", i+1, c.After, c.Stage, c.Facts, dash(c.Attempt), dash(c.Ended))
	}
	for _, f := range r.Findings {
		fmt.Fprintf(w, "BROKEN %s: %s\n", f.Where, f.Text)
	}
	fmt.Fprintf(w, "%d of %d points of a log with %d writes, %d flushes and %d facts; %d of %d real cuts; %d findings; %.0f s; seed %s\n",
		r.Points, r.Wanted, r.Writes, r.Flushes, r.Facts, len(r.Cuts), r.WantedCuts, len(r.Findings), r.Seconds, r.Seed)
}

// dash stands for nothing.
func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
