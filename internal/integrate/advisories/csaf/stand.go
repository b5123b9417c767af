package csaf

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/integrate/advisories/document"
)

// word is which of the statuses that exclude each other a product ID has.
type word string

const (
	saidAffected      word = "affected"
	saidFixed         word = "fixed"
	saidNotAffected   word = "not affected"
	saidInvestigating word = "under investigation"
)

// stand is what a document says of one CVE in one kernel product, over all the product IDs
// that mean it.
type stand struct {
	hotstick.KernelProduct
	spans         []hotstick.VersionRange
	exact         []string // known_affected, with one version
	all           bool     // known_affected, without
	firstAffected []string
	lastAffected  []string
	fixed         [3][]string // first_fixed, fixed, recommended
	notAffected   bool
	investigating bool
	justified     []hotstick.Justification
	wrong         string // why a version of it cannot be used
}

func (s *stand) key() string { return s.Distribution + " " + s.Package }

// stands are those of one CVE.
type stands struct {
	r    *reader
	cve  string
	at   map[hotstick.KernelProduct]*stand
	list []*stand
	// said is by product ID, for kernels only.
	said map[string]word
}

func (s *stands) collect(v *vulnerability) error {
	why, err := s.justifications(v.Flags)
	if err != nil {
		return err
	}
	for _, part := range []struct {
		ids  []string
		said word
		take func(*stand, target, string)
	}{
		{v.Status.FirstAffected, saidAffected, func(s *stand, t target, _ string) { s.firstAffected = t.add(s.firstAffected) }},
		{v.Status.LastAffected, saidAffected, func(s *stand, t target, _ string) { s.lastAffected = t.add(s.lastAffected) }},
		{v.Status.Affected, saidAffected, (*stand).affected},
		{v.Status.FirstFixed, saidFixed, func(s *stand, t target, _ string) { s.fixed[0] = t.add(s.fixed[0]) }},
		{v.Status.Fixed, saidFixed, func(s *stand, t target, _ string) { s.fixed[1] = t.add(s.fixed[1]) }},
		{v.Status.Recommended, "", func(s *stand, t target, _ string) { s.fixed[2] = t.add(s.fixed[2]) }},
		{v.Status.NotAffected, saidNotAffected, func(st *stand, t target, id string) {
			if t.one != "" || t.span != nil {
				s.r.d.LeaveOut(s.cve, st.key(), "it is not affected in one version, which says nothing of the others")
				return
			}
			st.notAffected = true
			st.justified = append(st.justified, why[id])
		}},
		{v.Status.Investigating, saidInvestigating, func(s *stand, _ target, _ string) { s.investigating = true }},
	} {
		for _, id := range part.ids {
			if err := s.take(id, part.said, part.take); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *stands) take(id string, said word, take func(*stand, target, string)) error {
	t, is := s.r.tree.kernel(s.r.d, s.cve, id)
	if !is {
		return nil
	}
	if before := s.said[id]; said != "" {
		if before != "" && before != said {
			return fmt.Errorf("it says of %.80q that it is %s and %s in %.20s", id, before, said, s.cve)
		}
		s.said[id] = said
	}
	st := s.at[t.KernelProduct]
	if st == nil {
		st = &stand{KernelProduct: t.KernelProduct}
		s.at[t.KernelProduct] = st
		s.list = append(s.list, st)
	}
	if t.wrong != "" {
		st.wrong = t.wrong
		return nil
	}
	take(st, t, id)
	return nil
}

// add adds the version of a target that names one. Fixed ranges name none: what is fixed
// from a version on is said by the range before it.
func (t target) add(list []string) []string {
	if t.one == "" || len(list) > document.MaxRanges || slices.Contains(list, t.one) {
		return list // one too many is refused later
	}
	return append(list, t.one)
}

func (s *stand) affected(t target, _ string) {
	switch {
	case t.span != nil:
		if len(s.spans) <= document.MaxRanges && !slices.Contains(s.spans, *t.span) {
			s.spans = append(s.spans, *t.span)
		}
	case t.one != "":
		s.exact = t.add(s.exact)
	default:
		s.all = true
	}
}

// justifications returns the label of each product ID that has one.
func (s *stands) justifications(flags []flag) (map[string]hotstick.Justification, error) {
	why := map[string]hotstick.Justification{}
	for _, f := range flags {
		j := hotstick.Justification(f.Label)
		if !slices.Contains(hotstick.Justifications(), j) {
			s.r.d.LeaveOut(s.cve, "", "%.60q is no justification", f.Label)
			continue
		}
		ids := f.Products
		for _, g := range f.Groups {
			ids = append(ids[:len(ids):len(ids)], s.r.groups[g]...)
			if len(ids) > maxProducts {
				return nil, fmt.Errorf("the flags of %.20s name more than %d products", s.cve, maxProducts)
			}
		}
		for _, id := range ids {
			why[id] = j
		}
	}
	return why, nil
}

// advisories adds one for each product.
func (s *stands) advisories() error {
	slices.SortFunc(s.list, func(a, b *stand) int { return strings.Compare(a.key(), b.key()) })
	for _, st := range s.list {
		a := hotstick.Advisory{CVE: s.cve, Product: st.KernelProduct}
		ranges, err := st.ranges(s.r.order)
		switch {
		case err != nil:
			s.r.d.LeaveOut(s.cve, st.key(), "%v", err)
			continue
		case len(ranges) > 0:
			a.Status, a.Ranges = hotstick.AdvisoryAffected, ranges
			if st.notAffected {
				s.r.d.LeaveOut(s.cve, st.key(), "it is affected in one place and not affected in another: affected is taken")
			}
		case st.investigating:
			a.Status = hotstick.AdvisoryInvestigating
		case st.notAffected:
			a.Status = hotstick.AdvisoryNotAffected
			if j := slices.Compact(st.justified); len(j) == 1 {
				a.Justification = j[0]
			}
		default:
			continue // what it says of single versions was left out above
		}
		if err := s.r.d.Add(a); err != nil {
			return err
		}
	}
	return nil
}

// ranges are the affected versions, by the rules of the package comment.
func (s *stand) ranges(order document.Order) ([]hotstick.VersionRange, error) {
	if s.wrong != "" {
		return nil, errors.New(s.wrong)
	}
	if n := max(len(s.spans), len(s.exact)); n > document.MaxRanges {
		return nil, fmt.Errorf("it is affected in %d ranges of versions: want at most %d", n, document.MaxRanges)
	}
	if len(s.spans) > 0 {
		return s.spans, nil
	}
	first, err := oldest(s.Scheme, s.firstAffected, order)
	if err != nil {
		return nil, err
	}
	for _, fixed := range s.fixed {
		if len(fixed) > 0 {
			fix, err := oldest(s.Scheme, fixed, order)
			if err != nil {
				return nil, err
			}
			return []hotstick.VersionRange{{Introduced: first, Fixed: fix}}, nil
		}
	}
	switch {
	case len(s.lastAffected) == 1:
		return []hotstick.VersionRange{{Introduced: first, LastAffected: s.lastAffected[0]}}, nil
	case len(s.lastAffected) > 1:
		return nil, fmt.Errorf("it was affected last in %d versions", len(s.lastAffected))
	case len(s.exact) > 0 && !s.all:
		ranges := make([]hotstick.VersionRange, 0, len(s.exact))
		for _, v := range s.exact {
			ranges = append(ranges, hotstick.VersionRange{Introduced: v, LastAffected: v})
		}
		return ranges, nil
	case s.all || first != "":
		return []hotstick.VersionRange{{Introduced: first}}, nil
	}
	return nil, nil
}

// oldest returns the oldest of some versions.
func oldest(scheme hotstick.VersionScheme, list []string, order document.Order) (string, error) {
	switch {
	case len(list) == 0:
		return "", nil
	case len(list) > document.MaxRanges:
		return "", fmt.Errorf("it names more than %d versions where one counts", document.MaxRanges)
	}
	old := list[0]
	for _, v := range list[1:] {
		if order == nil {
			return "", fmt.Errorf("it names %d versions where one counts, and nobody says which is older", len(list))
		}
		c, err := order(scheme, v, old)
		if err != nil {
			return "", fmt.Errorf("it names %d versions where one counts: %w", len(list), err)
		}
		if c < 0 {
			old = v
		}
	}
	return old, nil
}

// vectors returns those of scores that are given for one of the kernels.
func (s *stands) vectors(scores []score) []string {
	var vectors []string
	for _, sc := range scores {
		if sc.V3 == nil {
			continue
		}
		if slices.ContainsFunc(sc.Products, func(id string) bool {
			n, err := s.r.tree.resolve(id, 0)
			return err == nil && n.part != "" && n.distribution != ""
		}) {
			vectors = append(vectors, sc.V3.Vector)
		}
	}
	return vectors
}
