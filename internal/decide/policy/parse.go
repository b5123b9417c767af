package policy

import (
	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/strictyaml"
)

// APIVersion is the only format that this version reads.
const APIVersion = "hotstick/policy/v1"

// ofPolicy is what errors call a text.
const ofPolicy = "the policy"

// Problem is one thing that is wrong with a text, and where.
type Problem = strictyaml.Problem

// Problems are all that is wrong with a text, in its order.
type Problems = strictyaml.Problems

// kinds are the kinds of documents.
var kinds = []string{"Policy", "Calendar", "Freeze"}

// Set is the documents of one text, read and checked.
type Set struct {
	digest    hotstick.Digest
	text      strictyaml.Text
	language  language
	policies  []*policyRule
	calendars []*calendarRule
	freezes   []*freezeRule
}

// A document with where its parts stand, and with its expressions compiled.
type (
	policyRule struct {
		policyDoc
		*strictyaml.Binder
		applies  condition
		eligible []condition
		demands  []condition
		rings    []condition
		windows  []condition
		last     condition
	}
	calendarRule struct {
		calendarDoc
		*strictyaml.Binder
	}
	freezeRule struct {
		freezeDoc
		*strictyaml.Binder
		when condition
	}
)

// Parse reads a text of one or more documents and checks them; one of them is a
// policy. Its error is [Problems]: everything that is wrong, with places.
func Parse(raw []byte) (*Set, error) {
	docs, problems := strictyaml.Split(raw, MaxBytes, MaxDocuments)
	if err := problems.OrNil(ofPolicy); err != nil {
		return nil, err
	}
	language, err := newLanguage()
	if err != nil {
		return nil, err
	}
	s := &Set{digest: hotstick.NewDigest(raw), text: strictyaml.NewText(raw), language: language}
	for _, d := range docs {
		problems = append(problems, s.add(d)...)
	}
	problems = append(problems, s.check()...)
	if len(problems) == 0 && len(s.policies) == 0 {
		problems = Problems{{Message: "there is no document of kind Policy", Hint: "calendars and freezes stand in the same text as the policy that uses them"}}
	}
	if err := problems.OrNil(ofPolicy); err != nil {
		return nil, err
	}
	return s, nil
}

// add reads one document into the set. It returns the problems of a document whose
// kind is not known; the others keep theirs until [Set.check].
func (s *Set) add(body strictyaml.Node) Problems {
	b := strictyaml.NewBinder(s.text)
	head, ok := b.Head(body, APIVersion, kinds)
	if !ok {
		return b.Problems
	}
	switch head.Kind {
	case "Policy":
		p := &policyRule{Binder: b}
		b.Bind(body, &p.policyDoc)
		s.policies = append(s.policies, p)
	case "Calendar":
		c := &calendarRule{Binder: b}
		b.Bind(body, &c.calendarDoc)
		s.calendars = append(s.calendars, c)
	case "Freeze":
		f := &freezeRule{Binder: b}
		b.Bind(body, &f.freezeDoc)
		s.freezes = append(s.freezes, f)
	}
	return nil
}
