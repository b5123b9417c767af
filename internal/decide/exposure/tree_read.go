package exposure

import (
	_ "embed"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/strictyaml"
)

// TreeVersion is the only format of trees that this version reads.
const TreeVersion = "hotstick/priority/v1"

// MaxTreeBytes bounds the text of a tree.
const MaxTreeBytes = 64 << 10

//go:embed tree.yaml
var standardTree []byte

// treeDoc is a document of kind Priority.
type treeDoc struct {
	APIVersion string          `yaml:"apiVersion"`
	Kind       string          `yaml:"kind"`
	Name       strictyaml.Name `yaml:"name"`
	Summary    strictyaml.Line `yaml:"summary"`
	Labels     treeLabels      `yaml:"labels"`
	// LikelyFrom is the probability by EPSS from which on a hole counts as one with a
	// published exploit, which no feed tells.
	LikelyFrom decimal    `yaml:"likely_from"`
	ImpactFrom impactFrom `yaml:"impact_from"`
	Tree       node       `yaml:"tree"`
}

// treeLabels are the labels of hosts that answer; a host without one, or with a value that
// is no answer, gets the worst answer.
type treeLabels struct {
	Exposure    strictyaml.Line `yaml:"exposure"`
	Criticality strictyaml.Line `yaml:"criticality"`
}

// impactFrom are the CVSS base scores from which on the impact is such.
type impactFrom struct {
	High   decimal `yaml:"high"`
	Medium decimal `yaml:"medium"`
}

// node asks a question, or decides: a decision is written as its word alone.
type node struct {
	Ask    Question        `yaml:"ask"`
	Then   map[string]node `yaml:"then"`
	decide Decision
}

// Read implements [strictyaml.Scalar].
func (n *node) Read(s string) error {
	n.decide = Decision(s)
	return nil
}

// decimal is a number as people write it.
type decimal float64

var decimalPattern = regexp.MustCompile(`^[0-9]{1,3}(\.[0-9]{1,6})?$`)

// Read implements [strictyaml.Scalar].
func (d *decimal) Read(s string) error {
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || !decimalPattern.MatchString(s) {
		return fmt.Errorf("cannot read %q as a number: want one such as 0.1", s)
	}
	*d = decimal(f)
	return nil
}

// DefaultTree is the tree that holds where nobody gives another one.
func DefaultTree() (*Tree, error) { return ParseTree(standardTree) }

// DefaultTreeText is its text, to begin one's own with.
func DefaultTreeText() []byte { return slices.Clone(standardTree) }

// ParseTree reads a text of one document and checks that it decides every case. Its error
// is [strictyaml.Problems]: everything that is wrong, with places.
func ParseTree(raw []byte) (*Tree, error) {
	const ofTree = "the priorities"
	bodies, problems := strictyaml.Split(raw, MaxTreeBytes, 1)
	if len(problems) == 0 && len(bodies) != 1 {
		problems = strictyaml.Problems{{Message: "there is no document", Hint: "it begins with apiVersion: " + TreeVersion}}
	}
	if err := problems.OrNil(ofTree); err != nil {
		return nil, err
	}
	t := &Tree{digest: hotstick.NewDigest(raw)}
	b := strictyaml.NewBinder(strictyaml.NewText(raw))
	if _, ok := b.Head(bodies[0], TreeVersion, []string{"Priority"}); ok {
		b.Bind(bodies[0], &t.doc)
		t.doc.check(b)
	}
	if err := b.Problems.OrNil(ofTree); err != nil {
		return nil, err
	}
	return t, nil
}

func (d *treeDoc) check(b *strictyaml.Binder) {
	for _, missing := range []struct {
		path string
		is   bool
	}{
		{"labels.exposure", d.Labels.Exposure == ""}, {"labels.criticality", d.Labels.Criticality == ""}, {"likely_from", !b.Written("likely_from")},
		{"impact_from.high", !b.Written("impact_from.high")}, {"impact_from.medium", !b.Written("impact_from.medium")}, {"tree", !b.Written("tree")},
	} {
		if missing.is {
			b.Wrong(missing.path, "copy it from the tree that comes with Hotstick", "cannot go on without %s", missing.path)
		}
	}
	if !(d.LikelyFrom > 0 && d.LikelyFrom <= 1) {
		b.Wrong("likely_from", "", "cannot use %v as the probability from which on an exploit is likely: want more than 0, at most 1", d.LikelyFrom)
	}
	if f := d.ImpactFrom; !(f.Medium > 0 && f.Medium < f.High && f.High <= 10) {
		b.Wrong("impact_from", "", "cannot use %v and %v as the scores of medium and high impact: want 0 < medium < high ≤ 10", f.Medium, f.High)
	}
	if !b.Bad("tree") {
		d.Tree.check(b, "tree", nil)
	}
}

// check also bounds the depth: no way asks a question twice.
func (n node) check(b *strictyaml.Binder, path string, asked []Question) {
	if n.Ask == "" {
		switch {
		case n.decide == "":
			b.Wrong(path, "write ask: and then:, or one of "+words(Decisions()), "cannot go on without a question")
		case !slices.Contains(Decisions(), n.decide):
			b.Wrong(path, strictyaml.Nearest(string(n.decide), asStrings(Decisions())), "cannot use %q as a decision", n.decide)
		}
		return
	}
	answers := n.Ask.Answers()
	switch {
	case answers == nil:
		b.Wrong(path+".ask", strictyaml.Nearest(string(n.Ask), asStrings(Questions())), "cannot ask %q", n.Ask)
		return
	case slices.Contains(asked, n.Ask):
		b.Wrong(path+".ask", "", "cannot ask for %s twice on one way", n.Ask)
		return
	case len(n.Then) == 0:
		b.Wrong(path, "add then: with "+words(answers), "cannot ask for %s without answers", n.Ask)
		return
	}
	for _, answer := range slices.Sorted(maps.Keys(n.Then)) {
		if !slices.Contains(answers, answer) {
			b.Wrong(path+".then."+answer, strictyaml.Nearest(answer, answers), "cannot use %q as an answer to %s", answer, n.Ask)
		}
	}
	for _, answer := range answers {
		next, there := n.Then[answer]
		if !there {
			b.Wrong(path+".then", "add "+answer+":", "cannot ask for %s without the answer %s", n.Ask, answer)
			continue
		}
		next.check(b, path+".then."+answer, append(slices.Clone(asked), n.Ask))
	}
}

func asStrings[T ~string](all []T) []string {
	out := make([]string, len(all))
	for i, w := range all {
		out[i] = string(w)
	}
	return out
}

func words[T ~string](all []T) string { return fmt.Sprint(asStrings(all)) }
