package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
)

// tally is what one face said over a run.
type tally struct {
	Face    string `json:"face"`
	Samples int    `json:"samples"`
	// Applied, Unpatched and Stale count the judged claims with that word; of the
	// metrics, those that count at least one host.
	Applied    int `json:"applied"`
	Unpatched  int `json:"unpatched"`
	Stale      int `json:"stale"`
	Unjudged   int `json:"unjudged"`
	Mismatches int `json:"mismatches"`
}

// report is what the proof came to.
type report struct {
	OK     bool     `json:"ok"`
	Faces  []tally  `json:"faces"`
	Events []string `json:"events"`
	// Looks at kernels over the serial lines.
	Looks int `json:"looks"`
	// Samples are the claims that were judged.
	Samples    int            `json:"samples"`
	Mismatches int            `json:"mismatches"`
	Failed     map[string]int `json:"failed,omitempty"`
	// Said are the first mismatches in words, and what makes a run hollow.
	Said    []string `json:"said,omitempty"`
	Seconds float64  `json:"seconds"`
}

// mostSaid bounds the mismatches in words.
const mostSaid = 20

// take counts a claim.
func (r *report) take(s said, o outcome, text string) {
	i := slices.IndexFunc(r.Faces, func(t tally) bool { return t.Face == s.face })
	if i < 0 {
		i, r.Faces = len(r.Faces), append(r.Faces, tally{Face: s.face})
	}
	t := &r.Faces[i]
	switch o {
	case unjudged:
		t.Unjudged++
		return
	case mismatch:
		t.Mismatches++
		r.Mismatches++
		if len(r.Said) < mostSaid {
			r.Said = append(r.Said, text)
		}
	}
	t.Samples++
	r.Samples++
	if s.counts && s.number == 0 {
		return
	}
	switch s.state {
	case wordApplied:
		t.Applied++
	case wordUnpatched:
		t.Unpatched++
	case wordStale:
		t.Stale++
	}
}

// finish says whether it holds. A face that never claimed anything proved nothing.
func (r *report) finish() {
	r.OK = r.Mismatches == 0
	for _, name := range faceNames {
		i := slices.IndexFunc(r.Faces, func(t tally) bool { return t.Face == name })
		if i < 0 || r.Faces[i].Applied == 0 || r.Faces[i].Unpatched == 0 || name != "metrics" && r.Faces[i].Stale == 0 {
			r.OK = false
			r.Said = append(r.Said, fmt.Sprintf("%v: the face %q never said all of applied, unpatched and stale", errHollow, name))
		}
	}
}

// table writes the report for people.
func (r report) table(w io.Writer) {
	const form = "%-9s %8s %8s %10s %7s %9s %11s\n"
	fmt.Fprintf(w, form, "FACE", "SAMPLES", "APPLIED", "UNPATCHED", "STALE", "UNJUDGED", "MISMATCHES")
	for _, t := range r.Faces {
		fmt.Fprintf(w, form, t.Face, fmt.Sprint(t.Samples), fmt.Sprint(t.Applied), fmt.Sprint(t.Unpatched), fmt.Sprint(t.Stale), fmt.Sprint(t.Unjudged), fmt.Sprint(t.Mismatches))
	}
	fmt.Fprintf(w, "\n%d samples against %d looks at two kernels, %d events, %d mismatches, in %.0f s\n", r.Samples, r.Looks, len(r.Events), r.Mismatches, r.Seconds)
	for _, text := range r.Said {
		fmt.Fprintln(w, text)
	}
}

func (r report) json(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(r)
}
