package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/hotstick/hotstick/internal/evil"
)

// report is what the proof came to.
type report struct {
	OK         bool     `json:"ok"`
	Error      string   `json:"error,omitempty"`
	Strategies []result `json:"strategies"`
	// TakenBack are the hosts on which the owner's plan worked after the theft.
	TakenBack []string `json:"taken_back"`
	Parts     []timing `json:"parts"`
	Seconds   float64  `json:"seconds"`
}

// timing is how long a part took.
type timing struct {
	Part    string  `json:"part"`
	Seconds float64 `json:"seconds"`
}

// result is what became of one strategy.
type result struct {
	Name   string       `json:"name"`
	Does   string       `json:"does"`
	Claims []evil.Claim `json:"claims"`
	Hosts  []outcome    `json:"hosts"`
}

// outcome is what became of it on one host.
type outcome struct {
	Host  string `json:"host"`
	Turns int    `json:"turns"`
	// Refused are the loader's reasons, with how often it gave each.
	Refused map[string]int `json:"refused,omitempty"`
	// Served counts files that the thief changed; Logged is what agent and loader
	// said of them.
	Served int      `json:"served,omitempty"`
	Logged []string `json:"logged,omitempty"`
	// Changed says what the kernel did. It must be empty.
	Changed []string `json:"changed,omitempty"`
	Seconds float64  `json:"seconds"`
}

// delivered reports whether the host saw what the strategy does: its loader refused a
// document of it, or its agent or loader complained of a file.
func (o outcome) delivered() bool { return len(o.Refused) > 0 || o.Served > 0 && len(o.Logged) > 0 }

// add makes room for the results of strategies, and returns where it begins.
func (r *report) add(strategies []evil.Strategy, hosts []string) int {
	at := len(r.Strategies)
	for _, s := range strategies {
		r.Strategies = append(r.Strategies, result{Name: s.Name, Does: s.Does, Claims: s.Claims, Hosts: make([]outcome, len(hosts))})
	}
	return at
}

// faults lists what did not hold, each with the strategy, its claims and the evidence.
func (r report) faults() []string {
	var out []string
	for _, s := range r.Strategies {
		for _, o := range s.Hosts {
			if len(o.Changed) > 0 {
				out = append(out, fmt.Sprintf("%s (%s) moved the kernel of %s:\n    %s", s.Name, claims(s.Claims), o.Host, strings.Join(o.Changed, "\n    ")))
			}
		}
		if len(s.reached()) == 0 && (s.tried() || r.Error == "") {
			out = append(out, fmt.Sprintf("%s (%s) was not delivered: no host refused anything of it", s.Name, claims(s.Claims)))
		}
	}
	return out
}

// reached are the hosts that it was delivered to.
func (s result) reached() []string {
	var hosts []string
	for _, o := range s.Hosts {
		if o.delivered() {
			hosts = append(hosts, o.Host)
		}
	}
	return hosts
}

// tried reports whether any host was visited; in a run that broke off some never are.
func (s result) tried() bool {
	return slices.ContainsFunc(s.Hosts, func(o outcome) bool { return o.Turns > 0 })
}

// because lists why hosts refused it, the most frequent first.
func (s result) because() []string {
	count := map[string]int{}
	for _, o := range s.Hosts {
		for reason, n := range o.Refused {
			code, _, _ := strings.Cut(reason, " ")
			count[code] += n
		}
		for _, said := range o.Logged {
			if o.Served > 0 {
				count[said]++
			}
		}
	}
	reasons := slices.Sorted(maps.Keys(count))
	slices.SortStableFunc(reasons, func(a, b string) int { return count[b] - count[a] })
	return reasons
}

func (s result) changed() bool {
	return slices.ContainsFunc(s.Hosts, func(o outcome) bool { return len(o.Changed) > 0 })
}

func (r *report) finish(took time.Duration, err error) {
	r.Seconds = took.Seconds()
	if err != nil {
		r.Error = err.Error()
	}
	r.OK = err == nil && len(r.faults()) == 0
}

func claims(list []evil.Claim) string {
	words := make([]string, len(list))
	for i, c := range list {
		words[i] = string(c)
	}
	return strings.Join(words, ", ")
}

// longestReason bounds a reason in the table.
const longestReason = 110

// Holds implements frame.Report.
func (r report) Holds() bool { return r.OK }

// Table implements frame.Report.
func (r report) Table(w io.Writer) {
	fmt.Fprintf(w, "%-38s %-34s %-5s %-7s %s\n", "STRATEGY", "CLAIM", "HOSTS", "KERNEL", "REFUSED BECAUSE")
	for _, s := range r.Strategies {
		moved := "same"
		if s.changed() {
			moved = "CHANGED"
		}
		reasons := strings.Join(s.because(), ", ")
		if len(reasons) > longestReason {
			reasons = reasons[:longestReason] + " …"
		}
		fmt.Fprintf(w, "%-38s %-34.34s %-5d %-7s %s\n", s.Name, claims(s.Claims), len(s.reached()), moved, reasons)
	}
	fmt.Fprintln(w)
	for _, p := range r.Parts {
		fmt.Fprintf(w, "%6.1f s  %s\n", p.Seconds, p.Part)
	}
	fmt.Fprintf(w, "%6.1f s  in all; %d strategies; afterwards the owner's plan worked on %d hosts\n", r.Seconds, len(r.Strategies), len(r.TakenBack))
	for _, f := range r.faults() {
		fmt.Fprintf(w, "fault: %s\n", f)
	}
}
