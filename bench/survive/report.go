package main

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// row is one trial.
type row struct {
	Scenario string `json:"scenario"`
	Does     string `json:"does"`
	Kernel   string `json:"kernel"`
	OK       bool   `json:"ok"`
	verdict
	Seconds float64 `json:"seconds"`
}

// report is what the proof came to.
type report struct {
	OK       bool    `json:"ok"`
	Rows     []row   `json:"rows"`
	Survived int     `json:"survived"`
	Seconds  float64 `json:"seconds"`
}

func summary(rows []row, took time.Duration) report {
	r := report{Rows: rows, Seconds: took.Seconds()}
	for _, row := range rows {
		if row.OK {
			r.Survived++
		}
	}
	r.OK = len(rows) > 0 && r.Survived == len(rows)
	return r
}

// figure writes seconds, and a dash where there is nothing to say.
func figure(seconds float64) string {
	if seconds == 0 {
		return "-"
	}
	return fmt.Sprintf("%.1f s", seconds)
}

const form = "%-17s %-28s %7s %10s %8s %8s  %s"

// line is the row in the table.
func (r row) line() string {
	verdict := "survived"
	if !r.OK {
		verdict = "FAILED: " + strings.Join(r.Faults, "; ")
	}
	return fmt.Sprintf(form, r.Scenario, r.Kernel, fmt.Sprint(r.Reboots), fmt.Sprint(r.Reapplies), figure(r.RevertSeconds), figure(r.StallSeconds), verdict)
}

// Holds implements frame.Report.
func (r report) Holds() bool { return r.OK }

// Table implements frame.Report.
func (r report) Table(w io.Writer) {
	fmt.Fprintf(w, form+"\n", "SCENARIO", "KERNEL", "REBOOTS", "RE-APPLIES", "REVERT", "STALL", "VERDICT")
	for _, row := range r.Rows {
		fmt.Fprintln(w, row.line())
	}
	fmt.Fprintf(w, "\n%d of %d trials survived, in %.0f s\n", r.Survived, len(r.Rows), r.Seconds)
}
