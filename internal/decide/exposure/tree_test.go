package exposure_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/decide/exposure"
)

func TestTheDefaultTreeSaysHowSoonAndWhy(t *testing.T) {
	tree := exposure.DefaultTree()
	if err := tree.Validate(); err != nil {
		t.Fatal(err)
	}
	exploited := hotstick.Vulnerability{Exploited: &hotstick.Exploited{Added: time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC)}}
	known := func(probability, score float64) hotstick.Vulnerability {
		return hotstick.Vulnerability{Prediction: &hotstick.Prediction{Probability: probability}, Scores: []hotstick.Score{{Version: "3.1", Base: score}, {Version: "3.0", Base: 1}}}
	}
	labels := func(reach, criticality string) map[string]string {
		return map[string]string{"exposure": reach, "criticality": criticality}
	}
	tests := []struct {
		name   string
		v      hotstick.Vulnerability
		labels map[string]string
		want   exposure.Decision
		path   string
	}{
		{"exploited, reachable", exploited, labels("open", "low"), exposure.Act, "exploitation=active (listed as exploited 2026-10-01), exposure=open (exposure=open)"},
		{"exploited, nobody reaches it", exploited, labels("small", "low"), exposure.Attend, "exploitation=active (listed as exploited 2026-10-01), exposure=small (exposure=small), criticality=low (criticality=low)"},
		{"likely and severe", known(0.5, 7.8), labels("open", "high"), exposure.Act, "exploitation=poc (predicted with probability 0.5), impact=high (CVSS 3.1 7.8), exposure=open (exposure=open), criticality=high (criticality=high)"},
		{"unlikely and mild", known(0.001, 5.5), labels("open", "high"), exposure.Track, "exploitation=none (predicted with probability 0.001), impact=medium (CVSS 3.1 5.5)"},
		{"nothing is known", hotstick.Vulnerability{}, nil, exposure.Act, "exploitation=poc! (no prediction), impact=high! (no score), exposure=open! (no label exposure), criticality=high! (no label criticality)"},
		{"a label that is no answer", known(0.001, 9.8), labels("<b>", "Low"), exposure.TrackClosely, "exploitation=none (predicted with probability 0.001), impact=high (CVSS 3.1 9.8), exposure=open! (label exposure is no answer), criticality=low (criticality=Low)"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p := tree.Decide(test.v, test.labels)
			var path []string
			for _, s := range p.Path {
				assumed := ""
				if s.Assumed {
					assumed = "!"
				}
				path = append(path, string(s.Ask)+"="+s.Answer+assumed+" ("+s.Because+")")
			}
			if have := strings.Join(path, ", "); p.Decision != test.want || have != test.path {
				t.Errorf("%s by %s", p.Decision, have)
			}
		})
	}
}

func TestATreeThatCannotDecideEveryCaseIsRefused(t *testing.T) {
	for name, spoil := range map[string]func(*exposure.Tree){
		"an answer is missing": func(t *exposure.Tree) { delete(t.Root.Then, "none") },
		"an answer too many":   func(t *exposure.Tree) { t.Root.Then["maybe"] = exposure.Node{Decide: exposure.Act} },
		"another answer": func(t *exposure.Tree) {
			delete(t.Root.Then, "none")
			t.Root.Then["maybe"] = exposure.Node{Decide: exposure.Act}
		},
		"no decision":           func(t *exposure.Tree) { t.Root.Then["none"] = exposure.Node{} },
		"an unknown decision":   func(t *exposure.Tree) { t.Root.Then["none"] = exposure.Node{Decide: "panic"} },
		"an unknown question":   func(t *exposure.Tree) { t.Root.Ask = "weather" },
		"a question twice":      func(t *exposure.Tree) { t.Root.Then["none"] = t.Root },
		"asks and decides":      func(t *exposure.Tree) { t.Root.Decide = exposure.Act },
		"no label":              func(t *exposure.Tree) { t.ReachLabel = "" },
		"scores upside down":    func(t *exposure.Tree) { t.HighFrom = 3 },
		"a likelihood of zero":  func(t *exposure.Tree) { t.LikelyFrom = 0 },
		"a decision with a way": func(t *exposure.Tree) { t.Root.Ask = ""; t.Root.Decide = exposure.Act },
	} {
		tree := exposure.DefaultTree()
		spoil(&tree)
		if err := tree.Validate(); err == nil || !strings.HasPrefix(err.Error(), "cannot ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestWorseIsNeverLessUrgent draws two cases of which one is worse in every answer.
func TestWorseIsNeverLessUrgent(t *testing.T) {
	tree := exposure.DefaultTree()
	vulnerability := func(exploitation, impact string) (v hotstick.Vulnerability) {
		if exploitation == "active" {
			v.Exploited = &hotstick.Exploited{}
		}
		v.Prediction = &hotstick.Prediction{Probability: map[string]float64{"active": 0.9, "poc": 0.5, "none": 0}[exploitation]}
		v.Scores = []hotstick.Score{{Version: "3.1", Base: map[string]float64{"high": 9, "medium": 5, "low": 1}[impact]}}
		return v
	}
	rapid.Check(t, func(t *rapid.T) {
		answers := map[exposure.Question][2]string{}
		for _, q := range exposure.Questions() {
			worse := rapid.IntRange(0, 2).Draw(t, string(q))
			better := rapid.IntRange(worse, 2).Draw(t, string(q)+", better")
			answers[q] = [2]string{q.Answers()[worse], q.Answers()[better]}
		}
		var ranks [2]int
		for i := range 2 {
			p := tree.Decide(vulnerability(answers[exposure.Exploitation][i], answers[exposure.Impact][i]), map[string]string{"exposure": answers[exposure.Reach][i], "criticality": answers[exposure.Criticality][i]})
			ranks[i] = slices.Index(exposure.Decisions(), p.Decision)
		}
		if ranks[0] < 0 || ranks[1] < 0 || ranks[0] > ranks[1] {
			t.Fatalf("%v: %v", answers, ranks)
		}
	})
}
