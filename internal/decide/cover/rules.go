package cover

import (
	_ "embed"
	"fmt"
	"path"
	"slices"
	"strconv"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/kernel/nt/calendar"
	"github.com/hotstick/hotstick/internal/series"
	"github.com/hotstick/hotstick/internal/strictyaml"
)

// APIVersion is the only format that this version reads.
const APIVersion = "hotstick/cover/v1"

// Limits of one file.
const (
	MaxBytes  = 256 << 10
	maxMonths = 240
	minYear   = 2000
	maxYear   = 2200
)

//go:embed vendors.yaml
var vendors []byte

// Rules say how long there are live patches for which kernels.
type Rules struct {
	digest  hotstick.Digest
	rules   []rule
	kernels []published
}

// document is what a file has.
type document struct {
	APIVersion string          `yaml:"apiVersion"`
	Kind       string          `yaml:"kind"`
	Name       strictyaml.Name `yaml:"name"`
	Summary    strictyaml.Line `yaml:"summary"`
	Rules      []rule          `yaml:"rules"`
	Kernels    []published     `yaml:"kernels"`
}

// rule is one rule; one of Months, Until and End is set.
type rule struct {
	Name          strictyaml.Name   `yaml:"name"`
	Driver        strictyaml.Line   `yaml:"driver"`
	Distributions []strictyaml.Line `yaml:"distributions"`
	Packages      []pattern         `yaml:"packages"`
	Series        []number          `yaml:"series"`
	Releases      []pattern         `yaml:"releases"`
	Months        int               `yaml:"months"`
	Until         day               `yaml:"until"`
	End           end               `yaml:"end"`
	Unplanned     []month           `yaml:"unplanned"`
	Chosen        bool              `yaml:"chosen"`
	Source        strictyaml.Line   `yaml:"source"`
}

// published is when a kernel was published.
type published struct {
	Release   strictyaml.Line `yaml:"release"`
	Published day             `yaml:"published"`
}

// Default returns the rules that come with Hotstick.
func Default() (*Rules, error) { return Parse(vendors) }

// Parse reads a file of one document and checks it. Its error is [strictyaml.Problems]:
// everything that is wrong, with places.
func Parse(raw []byte) (*Rules, error) {
	const ofFile = "the rules of cover"
	bodies, problems := strictyaml.Split(raw, MaxBytes, 1)
	if len(problems) == 0 && len(bodies) != 1 {
		problems = strictyaml.Problems{{Message: "there is no document", Hint: "it begins with apiVersion: " + APIVersion}}
	}
	if err := problems.OrNil(ofFile); err != nil {
		return nil, err
	}
	var d document
	b := strictyaml.NewBinder(strictyaml.NewText(raw))
	if _, ok := b.Head(bodies[0], APIVersion, []string{"Cover"}); ok {
		b.Bind(bodies[0], &d)
		d.check(b)
	}
	if err := b.Problems.OrNil(ofFile); err != nil {
		return nil, err
	}
	return &Rules{digest: hotstick.NewDigest(raw), rules: d.Rules, kernels: d.Kernels}, nil
}

// Digest is of the bytes that were read; of the operator's where there are two files.
func (r *Rules) Digest() hotstick.Digest { return r.digest }

// Over returns rules of which these are asked first, and then the others.
func (r *Rules) Over(others *Rules) *Rules {
	return &Rules{digest: r.digest, rules: slices.Concat(r.rules, others.rules), kernels: slices.Concat(r.kernels, others.kernels)}
}

func (d *document) check(b *strictyaml.Binder) {
	if len(d.Rules) == 0 && len(d.Kernels) == 0 {
		b.Wrong("", "add rules: or kernels:", "cannot use a document without rules and kernels")
	}
	names := map[strictyaml.Name]bool{}
	for i, r := range d.Rules {
		at := fmt.Sprintf("rules[%d]", i)
		switch {
		case r.Name == "":
			b.Wrong(at, "add name:", "cannot use a rule without a name")
		case names[r.Name]:
			b.Wrong(at+".name", "", "cannot use the name %q twice", r.Name)
		}
		names[r.Name] = true
		r.check(b, at)
		if j := slices.IndexFunc(d.Rules[:i], func(before rule) bool { return before.wholly(r) }); j >= 0 {
			b.Wrong(at, "the first that fits holds; put the one for all the rest last", "cannot come to this rule: %s, before it, is for every such kernel", d.Rules[j].Name)
		}
	}
	for i, k := range d.Kernels {
		at := fmt.Sprintf("kernels[%d]", i)
		switch {
		case k.Release == "" || k.Published.IsZero():
			b.Wrong(at, "add release: and published:", "cannot use a kernel without its release and the day on which it was published")
		case slices.ContainsFunc(d.Kernels[:i], func(before published) bool { return before.Release == k.Release }):
			b.Wrong(at+".release", "", "cannot use the kernel %q twice", k.Release)
		}
	}
}

func (r rule) check(b *strictyaml.Binder, at string) {
	if !slices.Contains(hotstick.Drivers(), string(r.Driver)) || hotstick.Reboots(string(r.Driver)) {
		known := slices.DeleteFunc(hotstick.Drivers(), hotstick.Reboots)
		b.Wrong(at+".driver", strictyaml.Nearest(string(r.Driver), known), "cannot use %q as the driver of a live-patch system", r.Driver)
	}
	said := 0
	for _, yes := range []bool{b.Written(at + ".months"), !r.Until.IsZero(), r.End != ""} {
		if yes {
			said++
		}
	}
	switch {
	case said != 1:
		b.Wrong(at, "write one of months:, until: and end:", "cannot use a rule with %d ways to end", said)
	case b.Written(at+".months") && (r.Months < 1 || r.Months > maxMonths):
		b.Wrong(at+".months", "", "cannot use %d months: want 1 to %d", r.Months, maxMonths)
	case len(r.Unplanned) > 0 && r.End != end(hotstick.CoverBaseline):
		b.Wrong(at+".unplanned", "", "cannot use unplanned baselines without end: %s", hotstick.CoverBaseline)
	case r.Source == "":
		b.Wrong(at, "add source:, where the rule is written", "cannot use a rule that nobody can look up")
	}
}

// wholly reports whether this rule fits wherever the other one does, as far as that can be
// told without trying: it asks for nothing but the driver.
func (r rule) wholly(other rule) bool {
	return r.Driver == other.Driver && len(r.Distributions)+len(r.Packages)+len(r.Series)+len(r.Releases) == 0
}

// day is a day in UTC.
type day struct{ time.Time }

// Read implements [strictyaml.Scalar].
func (d *day) Read(s string) error {
	t, err := time.Parse(time.DateOnly, s)
	if err != nil || t.Year() < minYear || t.Year() > maxYear {
		return fmt.Errorf("cannot read %q as a day: want YYYY-MM-DD, such as 2026-11-21", s)
	}
	*d = day{t}
	return nil
}

// month is a month of Windows' calendar.
type month calendar.Month

// Read implements [strictyaml.Scalar].
func (m *month) Read(s string) error {
	t, err := time.Parse("2006-01", s)
	if err != nil || t.Year() < minYear || t.Year() > maxYear {
		return fmt.Errorf("cannot read %q as a month: want YYYY-MM, such as 2026-08", s)
	}
	*m = month(calendar.Of(t))
	return nil
}

// pattern is one of path.Match.
type pattern string

// Read implements [strictyaml.Scalar].
func (p *pattern) Read(s string) error {
	if _, err := path.Match(s, ""); err != nil || s == "" {
		return fmt.Errorf("cannot use %q as a pattern: want one such as linux-aws-*", s)
	}
	*p = pattern(s)
	return nil
}

func (p pattern) fits(s string) bool {
	ok, err := path.Match(string(p), s)
	return ok && err == nil
}

// number is a kernel's series, such as 6.8.
type number string

// Read implements [strictyaml.Scalar].
func (n *number) Read(s string) error {
	if _, err := strconv.ParseFloat(s, 64); err != nil || series.Number(s) != s {
		return fmt.Errorf("cannot read %q as a series: want one such as '6.8'", s)
	}
	*n = number(s)
	return nil
}

// end is one of the ways to end that are words.
type end hotstick.CoverReason

// Read implements [strictyaml.Scalar].
func (e *end) Read(s string) error {
	words := []hotstick.CoverReason{hotstick.CoverBaseline, hotstick.CoverUnpublished, hotstick.CoverOwn, hotstick.CoverLeftOut}
	if !slices.Contains(words, hotstick.CoverReason(s)) {
		return fmt.Errorf("cannot use %q as an end: want one of %v", s, words)
	}
	*e = end(s)
	return nil
}
