package exposure_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/decide/exposure"
	"github.com/hotstick/hotstick/internal/strictyaml"
)

func TestTheDefaultTreeSaysHowSoonAndWhy(t *testing.T) {
	tree := mustDefault(t)
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

func mustDefault(t *testing.T) *exposure.Tree {
	t.Helper()
	tree, err := exposure.DefaultTree()
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

func TestATreeThatCannotDecideEveryCaseIsRefused(t *testing.T) {
	const (
		head = "apiVersion: hotstick/priority/v1\nkind: Priority\nname: p\n"
		from = "labels: {exposure: e, criticality: c}\nlikely_from: 0.5\nimpact_from: {high: 7, medium: 4}\n"
		all  = head + from
	)
	for _, test := range []struct{ what, text, at, says string }{
		{"nothing", "", "0:0", "no document"},
		{"two documents", all + "tree: act\n---\n" + all + "tree: act\n", "0:0", "the limit is 1"},
		{"a policy", "apiVersion: hotstick/policy/v1\n", "1:13", "hotstick/priority/v1"},
		{"no tree", all, "1:1", "without tree"},
		{"an empty tree", all + "tree: {}\n", "7:7", "without a question"},
		{"an unknown key", all + "tree: {ask: impact, than: {high: act}}\n", "7:21", "did you mean then?"},
		{"no labels", head + "likely_from: 0.5\nimpact_from: {high: 7, medium: 4}\ntree: act\n", "1:1", "without labels.exposure"},
		{"no likelihood", head + "labels: {exposure: e, criticality: c}\nimpact_from: {high: 7, medium: 4}\ntree: act\n", "1:1", "without likely_from"},
		{"one score", head + "labels: {exposure: e, criticality: c}\nlikely_from: 0.5\nimpact_from: {high: 7}\ntree: act\n", "6:14", "without impact_from.medium"},
		{"a likelihood of zero", head + strings.Replace(from, "0.5", "0", 1) + "tree: act\n", "5:14", "more than 0"},
		{"more than certain", head + strings.Replace(from, "0.5", "1.5", 1) + "tree: act\n", "5:14", "at most 1"},
		{"a likelihood that is none", head + strings.Replace(from, "0.5", "1e-1", 1) + "tree: act\n", "5:14", "such as 0.1"},
		{"scores upside down", head + strings.Replace(from, "high: 7", "high: 3", 1) + "tree: act\n", "6:14", "medium < high"},
		{"a score too high", head + strings.Replace(from, "high: 7", "high: 10.1", 1) + "tree: act\n", "6:14", "high ≤ 10"},
		{"an unknown decision", all + "tree: atend\n", "7:7", "did you mean attend?"},
		{"an unknown question", all + "tree: {ask: impct, then: {high: act}}\n", "7:13", "did you mean impact?"},
		{"no answers", all + "tree: {ask: impact}\n", "7:7", "without answers"},
		{"an answer is missing", all + "tree: {ask: impact, then: {high: act, low: track}}\n", "7:27", "without the answer medium (add medium:)"},
		{"an answer too many", all + "tree: {ask: impact, then: {high: act, medium: act, low: track, none: track}}\n", "7:70", "cannot use \"none\" as an answer to impact"},
		{"a question twice", all + "tree: {ask: impact, then: {high: act, medium: act, low: {ask: impact, then: {high: act, medium: act, low: act}}}}\n", "7:63", "twice on one way"},
		{"a decision with a way", all + "tree: {ask: impact, then: {high: act, medium: act, low: {then: {high: act}}}}\n", "7:57", "without a question"},
		{"a list", all + "tree: [act]\n", "7:7", "want a single value"},
	} {
		_, err := exposure.ParseTree([]byte(test.text))
		var problems strictyaml.Problems
		if !errors.As(err, &problems) || !strings.HasPrefix(err.Error(), "cannot use the priorities: ") {
			t.Errorf("%s was not refused: %v", test.what, err)
			continue
		}
		p := problems[0]
		if at := fmt.Sprintf("%d:%d", p.Line, p.Column); at != test.at || !strings.Contains(p.Message+" ("+p.Hint+")", test.says) {
			t.Errorf("%s: at %s: %s (%s); want %s at %s", test.what, at, p.Message, p.Hint, test.says, test.at)
		}
	}
}

func TestATreeOfOnesOwnHolds(t *testing.T) {
	text := strings.NewReplacer("name: standard", "name: ours", "exposure: exposure", "exposure: zone", "likely_from: 0.1", "likely_from: 0.6", "high: 7", "high: 9", "medium: track\n", "medium: attend\n").
		Replace(string(exposure.DefaultTreeText()))
	own, err := exposure.ParseTree([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	standard := mustDefault(t)
	if own.Name() != "ours" || standard.Name() != "standard" || own.Digest() == standard.Digest() || own.Digest() != hotstick.NewDigest([]byte(text)) {
		t.Errorf("it is %s, %s", own.Name(), own.Digest())
	}
	v := hotstick.Vulnerability{Prediction: &hotstick.Prediction{Probability: 0.5}, Scores: []hotstick.Score{{Version: "3.1", Base: 7.8}}}
	labels := map[string]string{"exposure": "open", "zone": "small", "criticality": "low"}
	if got := own.Decide(v, labels).Decision; got != exposure.Attend {
		t.Errorf("by one's own tree: %s", got)
	}
	if got := standard.Decide(v, labels).Decision; got != exposure.Attend {
		t.Errorf("by the standard one: %s", got)
	}
	if got := standard.Decide(v, map[string]string{"exposure": "small", "criticality": "low"}).Decision; got != exposure.TrackClosely {
		t.Errorf("by the standard one, where nobody reaches it: %s", got)
	}
	if one, err := exposure.ParseTree([]byte("apiVersion: hotstick/priority/v1\nkind: Priority\nname: p\nlabels: {exposure: e, criticality: c}\nlikely_from: 1\nimpact_from: {high: 10, medium: 0.1}\ntree: track*\n")); err != nil || one.Decide(v, nil).Decision != exposure.TrackClosely {
		t.Errorf("a tree of one decision: %v", err)
	}
}

// FuzzParseTree: what is read decides, whatever the case.
func FuzzParseTree(f *testing.F) {
	f.Add(string(exposure.DefaultTreeText()))
	f.Add("apiVersion: hotstick/priority/v1\nkind: Priority\nname: p\nlabels: {exposure: e, criticality: c}\nlikely_from: 1\nimpact_from: {high: 10, medium: 0.1}\ntree: {ask: impact, then: {high: act, medium: act, low: track}}\n")
	f.Fuzz(func(t *testing.T, text string) {
		tree, err := exposure.ParseTree([]byte(text))
		if err != nil {
			return
		}
		for _, v := range []hotstick.Vulnerability{{}, {Exploited: &hotstick.Exploited{}}, {Prediction: &hotstick.Prediction{}, Scores: []hotstick.Score{{Base: 5}}}} {
			if p := tree.Decide(v, nil); !slices.Contains(exposure.Decisions(), p.Decision) {
				t.Errorf("%q decides %q by %v", text, p.Decision, p.Path)
			}
		}
	})
}

// TestWorseIsNeverLessUrgent draws two cases of which one is worse in every answer.
func TestWorseIsNeverLessUrgent(t *testing.T) {
	tree := mustDefault(t)
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
