package exposure

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/hotstick/hotstick"
)

// Decision is how soon somebody has to act on an open CVE, in SSVC's words.
type Decision string

const (
	// Act: now, out of the usual order.
	Act Decision = "act"
	// Attend: sooner than usual.
	Attend Decision = "attend"
	// TrackClosely: in the usual order; look again when something changes.
	TrackClosely Decision = "track*"
	// Track: in the usual order.
	Track Decision = "track"
)

// Decisions returns the closed set, the most urgent first.
func Decisions() []Decision { return []Decision{Act, Attend, TrackClosely, Track} }

// Question is what a node of a tree asks.
type Question string

const (
	// Exploitation: is it used already?
	Exploitation Question = "exploitation"
	// Reach: who can get at the host?
	Reach Question = "exposure"
	// Criticality: what hangs on the host?
	Criticality Question = "criticality"
	// Impact: what can it do?
	Impact Question = "impact"
)

// Questions returns the closed set.
func Questions() []Question { return []Question{Exploitation, Reach, Criticality, Impact} }

// Answers returns the closed set of a question's answers, the worst first.
func (q Question) Answers() []string {
	switch q {
	case Exploitation:
		return []string{"active", "poc", "none"}
	case Reach:
		return []string{"open", "controlled", "small"}
	case Criticality, Impact:
		return []string{"high", "medium", "low"}
	}
	return nil
}

// Node asks a question, or decides if it asks none.
type Node struct {
	Ask    Question
	Then   map[string]Node
	Decide Decision
}

// Tree is a decision tree with what its questions are answered from.
type Tree struct {
	Root Node
	// ReachLabel and CriticalityLabel are the labels of hosts that answer; a host without
	// one, or with a value that is no answer, gets the worst answer.
	ReachLabel, CriticalityLabel string
	// LikelyFrom is the probability by EPSS from which on a hole counts as one with a
	// published exploit, which no feed tells.
	LikelyFrom float64
	// HighFrom and MediumFrom are the CVSS base scores from which on the impact is such.
	HighFrom, MediumFrom float64
}

// Step is one answer on the way through a tree.
type Step struct {
	Ask    Question
	Answer string
	// Because is what the answer follows from, such as "listed as exploited 2026-10-01".
	Because string
	// Assumed: nothing was known, so the worst was taken.
	Assumed bool
}

// Priority is a decision with the way to it.
type Priority struct {
	Decision Decision
	Path     []Step
}

// DefaultTree is the tree that holds where no policy gives another. What is exploited is
// acted on, but on hosts that nobody reaches and on which nothing hangs; what is likely to be
// is attended to where it can do harm.
func DefaultTree() Tree {
	decide := func(d Decision) Node { return Node{Decide: d} }
	ask := func(q Question, then ...Node) Node {
		n := Node{Ask: q, Then: map[string]Node{}}
		for i, answer := range q.Answers() {
			n.Then[answer] = then[min(i, len(then)-1)]
		}
		return n
	}
	return Tree{
		Root: ask(Exploitation,
			ask(Reach, decide(Act), ask(Criticality, decide(Act), decide(Act), decide(Attend)), ask(Criticality, decide(Act), decide(Attend), decide(Attend))),
			ask(Impact,
				ask(Reach, ask(Criticality, decide(Act), decide(Attend), decide(Attend)), ask(Criticality, decide(Attend), decide(Attend), decide(TrackClosely)), ask(Criticality, decide(Attend), decide(TrackClosely), decide(TrackClosely))),
				ask(Reach, ask(Criticality, decide(Attend), decide(TrackClosely), decide(TrackClosely)), decide(TrackClosely), decide(Track)),
				decide(Track)),
			ask(Impact,
				ask(Reach, ask(Criticality, decide(Attend), decide(TrackClosely), decide(TrackClosely)), ask(Criticality, decide(TrackClosely), decide(TrackClosely), decide(Track)), decide(Track)),
				decide(Track)),
		),
		ReachLabel: "exposure", CriticalityLabel: "criticality", LikelyFrom: 0.1, HighFrom: 7, MediumFrom: 4,
	}
}

// Validate reports the first thing for which a tree cannot decide every case.
func (t Tree) Validate() error {
	switch {
	case !(t.LikelyFrom > 0 && t.LikelyFrom <= 1):
		return fmt.Errorf("cannot use %v as the probability from which on an exploit is likely: want more than 0, at most 1", t.LikelyFrom)
	case !(t.MediumFrom > 0 && t.MediumFrom < t.HighFrom && t.HighFrom <= 10):
		return fmt.Errorf("cannot use %v and %v as the scores of medium and high impact: want 0 < medium < high ≤ 10", t.MediumFrom, t.HighFrom)
	case t.ReachLabel == "" || t.CriticalityLabel == "":
		return fmt.Errorf("cannot use a tree without the labels that answer for exposure and criticality")
	}
	return t.Root.validate(nil)
}

// validate also bounds the depth: no way asks a question twice.
func (n Node) validate(asked []Question) error {
	if n.Ask == "" {
		if !slices.Contains(Decisions(), n.Decide) || len(n.Then) > 0 {
			return fmt.Errorf("cannot use %.40q as a decision after %v: want one of %v", string(n.Decide), asked, Decisions())
		}
		return nil
	}
	answers := n.Ask.Answers()
	switch {
	case answers == nil:
		return fmt.Errorf("cannot ask %.40q: want one of %v", string(n.Ask), Questions())
	case slices.Contains(asked, n.Ask):
		return fmt.Errorf("cannot ask %q twice on one way", string(n.Ask))
	case n.Decide != "":
		return fmt.Errorf("cannot decide %q and ask %q in one place", string(n.Decide), string(n.Ask))
	case len(n.Then) != len(answers):
		return fmt.Errorf("cannot use the %d answers of %q: want each of %v once", len(n.Then), string(n.Ask), answers)
	}
	for _, answer := range answers {
		next, there := n.Then[answer]
		if !there {
			return fmt.Errorf("cannot ask %q without the answer %q", string(n.Ask), answer)
		}
		if err := next.validate(append(slices.Clone(asked), n.Ask)); err != nil {
			return err
		}
	}
	return nil
}

// Decide says how soon somebody has to act on a CVE that is open on a host with such labels.
// The tree is a valid one.
func (t Tree) Decide(v hotstick.Vulnerability, labels map[string]string) Priority {
	var p Priority
	n := t.Root
	for n.Ask != "" {
		step := t.answer(n.Ask, v, labels)
		p.Path = append(p.Path, step)
		n = n.Then[step.Answer]
	}
	p.Decision = n.Decide
	return p
}

func (t Tree) answer(q Question, v hotstick.Vulnerability, labels map[string]string) Step {
	switch q {
	case Exploitation:
		return t.exploitation(v)
	case Impact:
		return t.impact(v)
	case Reach:
		return byLabel(q, t.ReachLabel, labels)
	}
	return byLabel(q, t.CriticalityLabel, labels)
}

func (t Tree) exploitation(v hotstick.Vulnerability) Step {
	switch {
	case v.Exploited != nil:
		return Step{Ask: Exploitation, Answer: "active", Because: "listed as exploited " + v.Exploited.Added.UTC().Format("2006-01-02")}
	case v.Prediction == nil:
		// It is not listed as exploited, so the worst that is left is a published exploit.
		return Step{Ask: Exploitation, Answer: "poc", Because: "no prediction", Assumed: true}
	}
	s := Step{Ask: Exploitation, Answer: "none", Because: "predicted with probability " + strconv.FormatFloat(v.Prediction.Probability, 'g', 4, 64)}
	if !(v.Prediction.Probability < t.LikelyFrom) {
		s.Answer = "poc"
	}
	return s
}

// impact takes the newest score that there is.
func (t Tree) impact(v hotstick.Vulnerability) Step {
	if len(v.Scores) == 0 {
		return Step{Ask: Impact, Answer: "high", Because: "no score", Assumed: true}
	}
	score := v.Scores[0]
	s := Step{Ask: Impact, Answer: "high", Because: "CVSS " + score.Version + " " + strconv.FormatFloat(score.Base, 'f', 1, 64)}
	switch {
	case score.Base < t.MediumFrom:
		s.Answer = "low"
	case score.Base < t.HighFrom:
		s.Answer = "medium"
	}
	return s
}

func byLabel(q Question, label string, labels map[string]string) Step {
	value, there := labels[label]
	s := Step{Ask: q, Answer: strings.ToLower(value), Because: label + "=" + value}
	if !slices.Contains(q.Answers(), s.Answer) {
		s.Answer, s.Assumed = q.Answers()[0], true
		if s.Because = "label " + label + " is no answer"; !there {
			s.Because = "no label " + label
		}
	}
	return s
}
