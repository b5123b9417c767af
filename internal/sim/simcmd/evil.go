package simcmd

import (
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/evil"
	"github.com/hotstick/hotstick/internal/sim/world"
)

// defaultEvilEvents is how long a run with a thief is: a plan, what people do of it,
// and its end fit in.
const defaultEvilEvents = 1500

// EvilSummary is what became of many runs in which a thief owned the servers.
type EvilSummary struct {
	Seeds          int     `json:"seeds"`
	Events         int     `json:"events"`
	Seconds        float64 `json:"seconds"`
	SeedsPerSecond float64 `json:"seeds_per_second"`
	// Honest are attempts that honest grants started beside the thief's.
	Honest     int            `json:"honest"`
	Strategies []Attack       `json:"strategies"`
	Violations int            `json:"violations"`
	Failing    []uint64       `json:"failing,omitempty"`
	Looked     map[string]int `json:"looked"`
	// Missing says why the runs prove nothing.
	Missing []string `json:"missing,omitempty"`
}

// Attack is what became of one strategy.
type Attack struct {
	world.Theft
	Claims []evil.Claim `json:"claims"`
	Seeds  int          `json:"seeds"`
	// Broken are starts, and whatever else, that broke a rule.
	Broken int `json:"broken"`
}

// evilCase is the case of a seed: each runs one strategy, in turn. Each round begins
// one further on, so that no strategy meets only even seeds.
func evilCase(f flags, seed int) world.Case {
	name := f.strategy
	if all := world.Modelled(); name == "" {
		name = all[(seed+seed/len(all))%len(all)].Name
	}
	events := f.events
	if events == 0 {
		events = defaultEvilEvents
	}
	return world.Case{Seed: uint64(seed), Options: world.Options{Events: events, Evil: name}}
}

func runEvil(f flags, out io.Writer) int {
	s := EvilSummary{Looked: map[string]int{}}
	attacks := map[string]*Attack{}
	for _, a := range world.Modelled() {
		attacks[a.Name] = &Attack{Theft: world.Theft{Strategy: a.Name, Refused: map[hotstick.ReasonCode]int{}}, Claims: a.Claims}
	}
	began := time.Now()
	take := func(f flags, r world.Result) {
		s.add(r, attacks[evilCase(f, int(r.Seed)).Options.Evil])
		if r.Bad() && f.output == "text" && len(s.Failing) <= 5 {
			fmt.Fprintf(out, "seed %d:\n", r.Seed)
			tell(out, r)
		}
	}
	for r := range runs(f, f.from, f.seeds) {
		take(f, r)
	}
	for _, name := range slices.Sorted(keys(attacks)) {
		insist(f, attacks[name], take)
	}
	s.Seconds = time.Since(began).Seconds()
	s.SeedsPerSecond = float64(s.Seeds) / s.Seconds
	for _, name := range slices.Sorted(keys(attacks)) {
		if a := attacks[name]; a.Seeds > 0 {
			s.Strategies = append(s.Strategies, *a)
		}
	}
	s.judge()
	if f.output == "json" {
		writeJSON(out, s)
	} else {
		s.print(out)
	}
	switch {
	case s.Violations > 0:
		return exitBroken
	case len(s.Missing) > 0:
		return exitInvalid
	}
	return 0
}

func (s *EvilSummary) add(r world.Result, a *Attack) {
	s.Seeds++
	s.Events += r.Events
	for k, v := range r.Report.Looked {
		s.Looked[k] += v
	}
	a.Seeds++
	if t := r.Theft; t != nil {
		a.Answers, a.Files, a.Documents = a.Answers+t.Answers, a.Files+t.Files, a.Documents+t.Documents
		a.Starts, a.Honest, s.Honest = a.Starts+t.Starts, a.Honest+t.Honest, s.Honest+t.Honest
		for code, n := range t.Refused {
			a.Refused[code] += n
		}
	}
	if r.Bad() {
		a.Broken++
		s.Violations++
		s.Failing = append(s.Failing, r.Seed)
	}
}

// insist runs more seeds of a strategy that those before gave no chance: what it takes,
// such as a plan that one person signed twice, does not happen in every run.
func insist(f flags, a *Attack, take func(flags, world.Result)) {
	f.strategy = a.Strategy
	for from := f.from + f.seeds; a.Seeds >= enoughSeeds && a.missed() && a.Seeds < maxSeeds; from += enoughSeeds {
		for r := range runs(f, from, enoughSeeds) {
			take(f, r)
		}
	}
}

// missed reports whether the runs of a strategy prove nothing.
func (a *Attack) missed() bool { return a.Answers+a.Files == 0 || a.Honest == 0 }

// enoughSeeds of one strategy should have delivered it, and maxSeeds must have.
const (
	enoughSeeds = 5
	maxSeeds    = 200
)

// judge says what the runs lack: an attack that was never made proves nothing, nor does
// one beside which nothing honest started.
func (s *EvilSummary) judge() {
	for _, a := range s.Strategies {
		switch {
		case a.Seeds < enoughSeeds:
		case a.Answers+a.Files == 0:
			s.Missing = append(s.Missing, fmt.Sprintf("%s was never delivered in %d seeds", a.Strategy, a.Seeds))
		case a.Honest == 0:
			s.Missing = append(s.Missing, fmt.Sprintf("%s: nothing honest started beside it in %d seeds", a.Strategy, a.Seeds))
		}
	}
}

func (s *EvilSummary) print(out io.Writer) {
	fmt.Fprintf(out, "%d seeds, %d events, in %.1f s: %.2f seeds/s; %d honest starts\n\n", s.Seeds, s.Events, s.Seconds, s.SeedsPerSecond, s.Honest)
	fmt.Fprintf(out, "%-40s %5s %8s %6s %9s %8s %7s %7s  %s\n", "STRATEGY", "SEEDS", "ANSWERS", "FILES", "DOCUMENTS", "ALLOWED", "HONEST", "BROKEN", "REFUSED AS")
	for _, a := range s.Strategies {
		fmt.Fprintf(out, "%-40s %5d %8d %6d %9d %8d %7d %7d  %s\n", a.Strategy, a.Seeds, a.Answers, a.Files, a.Documents, a.Starts, a.Honest, a.Broken, reasons(a.Refused))
	}
	for _, m := range s.Missing {
		fmt.Fprintf(out, "invalid: %s\n", m)
	}
	fmt.Fprintf(out, "%d violations, failing seeds %v\n", s.Violations, s.Failing)
}

// reasons tells the most frequent first.
func reasons(refused map[hotstick.ReasonCode]int) string {
	codes := slices.Sorted(keys(refused))
	slices.SortStableFunc(codes, func(a, b hotstick.ReasonCode) int { return refused[b] - refused[a] })
	text := ""
	for _, code := range codes {
		text += fmt.Sprintf("%s %d  ", code, refused[code])
	}
	return text
}
