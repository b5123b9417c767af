package exposure

import (
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

// Tree is a decision tree with what its questions are answered from. It decides every case;
// [ParseTree] and [DefaultTree] make one.
type Tree struct {
	digest hotstick.Digest
	doc    treeDoc
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

// Name is the document's.
func (t *Tree) Name() string { return string(t.doc.Name) }

// Digest is of the bytes that were read.
func (t *Tree) Digest() hotstick.Digest { return t.digest }

// Decide says how soon somebody has to act on a CVE that is open on a host with such labels.
func (t *Tree) Decide(v hotstick.Vulnerability, labels map[string]string) Priority {
	var p Priority
	n := t.doc.Tree
	for n.Ask != "" {
		step := t.answer(n.Ask, v, labels)
		p.Path = append(p.Path, step)
		n = n.Then[step.Answer]
	}
	p.Decision = n.decide
	return p
}

func (t *Tree) answer(q Question, v hotstick.Vulnerability, labels map[string]string) Step {
	switch q {
	case Exploitation:
		return t.exploitation(v)
	case Impact:
		return t.impact(v)
	case Reach:
		return byLabel(q, string(t.doc.Labels.Exposure), labels)
	}
	return byLabel(q, string(t.doc.Labels.Criticality), labels)
}

func (t *Tree) exploitation(v hotstick.Vulnerability) Step {
	switch {
	case v.Exploited != nil:
		return Step{Ask: Exploitation, Answer: "active", Because: "listed as exploited " + v.Exploited.Added.UTC().Format("2006-01-02")}
	case v.Prediction == nil:
		// It is not listed as exploited, so the worst that is left is a published exploit.
		return Step{Ask: Exploitation, Answer: "poc", Because: "no prediction", Assumed: true}
	}
	s := Step{Ask: Exploitation, Answer: "none", Because: "predicted with probability " + strconv.FormatFloat(v.Prediction.Probability, 'g', 4, 64)}
	if !(v.Prediction.Probability < float64(t.doc.LikelyFrom)) {
		s.Answer = "poc"
	}
	return s
}

// impact takes the newest score that there is.
func (t *Tree) impact(v hotstick.Vulnerability) Step {
	if len(v.Scores) == 0 {
		return Step{Ask: Impact, Answer: "high", Because: "no score", Assumed: true}
	}
	score := v.Scores[0]
	s := Step{Ask: Impact, Answer: "high", Because: "CVSS " + score.Version + " " + strconv.FormatFloat(score.Base, 'f', 1, 64)}
	switch {
	case score.Base < float64(t.doc.ImpactFrom.Medium):
		s.Answer = "low"
	case score.Base < float64(t.doc.ImpactFrom.High):
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
