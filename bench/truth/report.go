package main

import (
	"fmt"
	"io"
	"slices"
)

// tally is what one face said over a run.
type tally struct {
	Face string `json:"face"`
	// Claims are those that were judged.
	Claims int `json:"claims"`
	// Applied, Unpatched and Stale count the judged claims with that word; of the
	// metrics, those that count at least one host.
	Applied   int `json:"applied"`
	Unpatched int `json:"unpatched"`
	Stale     int `json:"stale"`
	Unjudged  int `json:"unjudged"`
	// Starved claims seemed wrong while their guest got no processor.
	Starved    int `json:"starved"`
	Mismatches int `json:"mismatches"`
}

// report is what the proof came to.
type report struct {
	OK     bool     `json:"ok"`
	Faces  []tally  `json:"faces"`
	Events []string `json:"events"`
	// Looks at kernels over the serial lines.
	Looks int `json:"looks"`
	// Beats are what the guests' own clockwork sent, and LateBeats those of them that
	// came late.
	Beats     int `json:"beats"`
	LateBeats int `json:"late_beats"`
	// Samples count hosts at moments at which all faces spoke and all was judged.
	Samples int `json:"samples"`
	// Mismatches count claims.
	Mismatches int            `json:"mismatches"`
	Failed     map[string]int `json:"failed,omitempty"`
	// Said are the first mismatches in words, and what makes a run hollow.
	Said    []string `json:"said,omitempty"`
	Seconds float64  `json:"seconds"`
}

// mostStarved is which part of a face's claims may seem wrong on a starved guest.
const mostStarved = 20

// mostSaid bounds the mismatches in words.
const mostSaid = 20

// faceNames are all faces, in the order of the table.
var faceNames = []string{"api", "cli", "console", "metrics"}

// take judges and counts a moment.
func (r *report) take(m moment, j judge) {
	judged := map[string]int{} // claims that could be judged: of each host, and of numbers
	for _, s := range m {
		o, text := j.judge(s)
		r.count(s, o, text)
		if o != unjudged && o != starved {
			judged[s.host]++
		}
	}
	for name := range j.hosts {
		if judged[name] == len(faceNames)-1 && judged[""] == countedWords {
			r.Samples++
		}
	}
}

// count counts a claim.
func (r *report) count(s said, o outcome, text string) {
	if r.Faces == nil {
		for _, name := range faceNames {
			r.Faces = append(r.Faces, tally{Face: name})
		}
	}
	t := &r.Faces[slices.Index(faceNames, s.face)]
	switch o {
	case unjudged:
		t.Unjudged++
		return
	case starved:
		t.Starved++
		return
	case mismatch:
		t.Mismatches++
		r.Mismatches++
		if len(r.Said) < mostSaid {
			r.Said = append(r.Said, text)
		}
	}
	t.Claims++
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
		if i >= 0 && r.Faces[i].Starved*mostStarved > r.Faces[i].Claims {
			r.OK = false
			r.Said = append(r.Said, fmt.Sprintf("%v: of what the face %q said, %d seemed wrong on guests that got no processor: leave the machine to this run", errHollow, name, r.Faces[i].Starved))
		}
	}
}

// Holds implements frame.Report.
func (r report) Holds() bool { return r.OK }

// Table implements frame.Report.
func (r report) Table(w io.Writer) {
	const form = "%-9s %8s %8s %10s %7s %9s %8s %11s\n"
	fmt.Fprintf(w, form, "FACE", "CLAIMS", "APPLIED", "UNPATCHED", "STALE", "UNJUDGED", "STARVED", "MISMATCHES")
	for _, t := range r.Faces {
		fmt.Fprintf(w, form, t.Face, fmt.Sprint(t.Claims), fmt.Sprint(t.Applied), fmt.Sprint(t.Unpatched), fmt.Sprint(t.Stale), fmt.Sprint(t.Unjudged), fmt.Sprint(t.Starved), fmt.Sprint(t.Mismatches))
	}
	fmt.Fprintf(w, "\n%d samples of two hosts by four faces against %d looks at their kernels, %d events, %d mismatches, %d of %d beats late, in %.0f s\n", r.Samples, r.Looks, len(r.Events), r.Mismatches, r.LateBeats, r.Beats, r.Seconds)
	for _, text := range r.Said {
		fmt.Fprintln(w, text)
	}
}
