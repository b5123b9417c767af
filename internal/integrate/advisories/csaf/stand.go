package csaf

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hotstick/hotstick"
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
	spans         pile[hotstick.VersionRange]
	exact         pile[string] // known_affected, with one version
	all           bool         // known_affected, without
	firstAffected pile[string]
	lastAffected  pile[string]
	fixed         [3]pile[string] // first_fixed, fixed, recommended
	notAffected   bool
	investigating bool
	justified     []hotstick.Justification
	vague         bool // it is fixed or affected in a version that is not named
	unread        bool // a version that bounds what is affected cannot be used
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
		{v.Status.FirstAffected, saidAffected, func(s *stand, t target, _ string) { s.bound(&s.firstAffected, t) }},
		{v.Status.LastAffected, saidAffected, func(s *stand, t target, _ string) { s.bound(&s.lastAffected, t) }},
		{v.Status.Affected, saidAffected, (*stand).affected},
		{v.Status.FirstFixed, saidFixed, func(s *stand, t target, _ string) { s.bound(&s.fixed[0], t) }},
		{v.Status.Fixed, saidFixed, func(s *stand, t target, _ string) { s.bound(&s.fixed[1], t) }},
		{v.Status.Recommended, "", func(s *stand, t target, _ string) { s.bound(&s.fixed[2], t) }},
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
		s.r.d.LeaveOut(s.cve, st.key(), "%s", t.wrong)
		st.unread = st.unread || said != saidNotAffected && said != saidInvestigating
		return nil
	}
	take(st, t, id)
	return nil
}

// bound adds the version of a target that names one. Fixed ranges name none: what is fixed
// from a version on is said by the range before it, if by anything.
func (s *stand) bound(p *pile[string], t target) {
	if t.one == "" {
		s.vague = true
		return
	}
	p.add(t.one)
}

func (s *stand) affected(t target, _ string) {
	switch {
	case t.span != nil:
		s.spans.add(*t.span)
	case t.one != "":
		s.exact.add(t.one)
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
		for _, id := range f.Products {
			why[id] = j
		}
		for _, g := range f.Groups {
			if s.r.grouped += len(s.r.groups[g]); s.r.grouped > maxGrouped {
				return nil, fmt.Errorf("its flags name more than %d products by their groups", maxGrouped)
			}
			for _, id := range s.r.groups[g] {
				why[id] = j
			}
		}
	}
	return why, nil
}

// advisories adds one for each product.
func (s *stands) advisories() error {
	slices.SortFunc(s.list, func(a, b *stand) int { return strings.Compare(a.key(), b.key()) })
	for _, st := range s.list {
		a := hotstick.Advisory{CVE: s.cve, Product: st.KernelProduct}
		ranges, faults := st.ranges(s.r.order)
		for _, err := range faults {
			s.r.d.LeaveOut(s.cve, st.key(), "%v", err)
		}
		a.Unreadable = st.unread || len(faults) > 0
		switch {
		case len(ranges) > 0 || a.Unreadable:
			a.Status, a.Ranges = hotstick.AdvisoryAffected, ranges
			if st.notAffected {
				s.r.d.LeaveOut(s.cve, st.key(), "it is affected in one place and not affected in another: affected is taken")
			}
		case st.investigating:
			a.Status = hotstick.AdvisoryInvestigating
		case st.vague:
			s.r.d.LeaveOut(s.cve, st.key(), "it does not name the version in which it is fixed or affected")
			a.Status, a.Unreadable = hotstick.AdvisoryAffected, true
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
