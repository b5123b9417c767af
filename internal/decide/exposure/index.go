package exposure

import (
	"cmp"
	"maps"
	"slices"

	"github.com/hotstick/hotstick"
)

// Index holds what sources say of CVEs, and what patches close, compiled. It is a value:
// nothing changes it.
type Index struct {
	// cves are the CVEs that any source speaks of; at says where each stands. A new one
	// comes last, so that what was judged stays in its place.
	cves []string
	at   map[string]int
	// spoke says by CVE of which systems' kernels sources speak.
	spoke []family
	// covered says by CVE for which distributions a source that speaks of it is complete, by
	// their bits.
	covered []distributions
	bits    bits
	// modular says by CVE whether any source names a module.
	modular []bool
	lines   map[hotstick.KernelProduct]*line
	// authorities says by feed of which distributions it is the vendor's own.
	authorities map[string][]string
	patches     patches
}

// line is what sources say of one product.
type line struct {
	product hotstick.KernelProduct
	// bounds are the versions at which ranges begin and end; ids says where each stands,
	// order sorts them, and rank is odd: even ranks are the versions between two bounds.
	bounds []version
	ids    map[string]int32
	order  []int
	rank   []int32
	// claims are by CVE.
	claims [][]claim
	// complete counts the claims of sources that are complete for the product's distribution.
	complete int
}

// claim is an advisory that was read.
type claim struct {
	said *hotstick.Advisory
	// ranged: it speaks of versions. One that does not has one verdict for always. What the
	// judge needs is kept here, beside the ranges: it is read for every class.
	ranged bool
	always cell
	// vendor: the source is the vendor's own.
	vendor bool
	// unusable: a bound is no version or was not read, or a range ends before it begins.
	unusable bool
	ranges   []span
}

// span is a range by its bounds, as positions in line.bounds; open if there is none. of is
// the range's place in the advisory.
type span struct {
	from, to, of int32
	// with: to is the last affected version, not the first one fixed.
	with bool
}

// begun reports whether a version is not older than a range, and over whether it is newer.
func (s span) begun(p place) bool { return s.from == open || p.at >= p.line.rank[s.from] }

func (s span) over(p place) bool {
	return s.to != open && (p.at > p.line.rank[s.to] || !s.with && p.at == p.line.rank[s.to])
}

const open int32 = -1

// Key names an advisory: a newer one with the same key takes its place.
type Key struct {
	Feed, Document, CVE string
	Product             hotstick.KernelProduct
}

// KeyOf is the key of an advisory.
func KeyOf(a hotstick.Advisory) Key {
	return Key{a.Source.Feed, a.Source.Document, a.CVE, a.Product}
}

// Compile makes an index of advisories and of the patches of a catalog. authorities says by
// feed of which distributions (IDs of os-release) it is the vendor's own word. Advisories
// were validated when they were read; of two with one key the later counts.
func Compile(advisories []hotstick.Advisory, catalog []hotstick.Patch, authorities map[string][]string) *Index {
	x := &Index{at: map[string]int{}, bits: bits{}, lines: map[hotstick.KernelProduct]*line{}, authorities: authorities, patches: compilePatches(catalog)}
	for i := range advisories {
		x.add(&advisories[i])
	}
	for _, l := range x.lines {
		l.sort()
		for cve := range l.claims {
			x.surveyLine(l, cve)
		}
	}
	return x
}

// CVEs lists those that any source speaks of, sorted.
func (x *Index) CVEs() (names []string) {
	for i, name := range x.cves {
		if x.spoke[i] != 0 {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// column is where a CVE stands; false if no source speaks of it.
func (x *Index) column(cve string) (int, bool) {
	i, there := x.at[cve]
	return i, there && x.spoke[i] != 0
}

// with returns the index after some advisories have come and others gone, and the products
// of which other is said now. The index stays as it was.
func (x *Index) with(come []hotstick.Advisory, gone []Key) (*Index, map[hotstick.KernelProduct]bool) {
	next, changed := *x, map[hotstick.KernelProduct]bool{}
	next.cves, next.spoke, next.covered, next.modular = slices.Clip(x.cves), slices.Clone(x.spoke), slices.Clone(x.covered), slices.Clone(x.modular)
	next.at, next.lines, next.bits = maps.Clone(x.at), maps.Clone(x.lines), maps.Clone(x.bits)
	touched := map[int]bool{}
	own := func(p hotstick.KernelProduct) {
		if l := next.lines[p]; l != nil && !changed[p] {
			next.lines[p] = l.clone()
		}
		changed[p] = true
	}
	for _, key := range gone {
		i, there := next.at[key.CVE]
		if l := next.lines[key.Product]; !there || l == nil || i >= len(l.claims) {
			continue
		}
		own(key.Product)
		next.lines[key.Product].remove(i, key)
		touched[i] = true
	}
	for _, a := range come {
		own(a.Product)
		next.add(&a)
		touched[next.at[a.CVE]] = true
	}
	for cve := range touched {
		next.survey(cve)
	}
	for p := range changed {
		next.lines[p].sort()
	}
	return &next, changed
}

// add takes an advisory in; the ranks of its line are set by sort, and what is said of its
// CVE altogether by survey.
func (x *Index) add(a *hotstick.Advisory) {
	i, there := x.at[a.CVE]
	if !there {
		i = len(x.cves)
		x.at[a.CVE], x.cves = i, append(x.cves, a.CVE)
		x.spoke, x.covered, x.modular = append(x.spoke, 0), append(x.covered, 0), append(x.modular, false)
	}
	x.bits.add(a.Source.Complete)
	l := x.lines[a.Product]
	if l == nil {
		l = &line{product: a.Product, ids: map[string]int32{}}
		x.lines[a.Product] = l
	}
	for len(l.claims) <= i {
		l.claims = append(l.claims, nil)
	}
	l.remove(i, KeyOf(*a))
	c := l.read(a, x.authorities)
	l.claims[i] = append(slices.Clip(l.claims[i]), c)
	if c.complete() {
		l.complete++
	}
}

func (l *line) clone() *line {
	next := *l
	next.bounds, next.ids, next.claims = slices.Clip(l.bounds), maps.Clone(l.ids), slices.Clone(l.claims)
	return &next
}

// remove takes the claims of one key out; others may hold the old list still.
func (l *line) remove(cve int, key Key) {
	named := func(c claim) bool { return KeyOf(*c.said) == key }
	at := slices.IndexFunc(l.claims[cve], named)
	if at < 0 {
		return
	}
	if l.claims[cve][at].complete() {
		l.complete--
	}
	l.claims[cve] = slices.Delete(slices.Clone(l.claims[cve]), at, at+1)
}

func (l *line) read(a *hotstick.Advisory, authorities map[string][]string) claim {
	c := claim{said: a, vendor: isVendor(a, authorities), unusable: a.Unreadable}
	switch a.Status {
	case hotstick.AdvisoryNotAffected:
		c.always = neverByVendor
	case hotstick.AdvisoryInvestigating:
		c.always = unknownInvestigating
	default:
		c.ranged = true
	}
	c.ranges = make([]span, 0, len(a.Ranges))
	for i, r := range a.Ranges {
		from, ok1 := l.bound(r.Introduced)
		to, ok2 := l.bound(cmp.Or(r.Fixed, r.LastAffected))
		with := r.LastAffected != ""
		if !ok1 || !ok2 || from != open && to != open && l.empty(from, to, with) {
			c.unusable = true
			continue
		}
		c.ranges = append(c.ranges, span{from, to, int32(i), with})
	}
	return c
}

// empty reports whether no version is in a range.
func (l *line) empty(from, to int32, with bool) bool {
	order := l.bounds[from].compare(l.bounds[to])
	return order > 0 || order == 0 && !with
}

// bound is where a version stands among the bounds; false if it is none.
func (l *line) bound(text string) (int32, bool) {
	if text == "" {
		return open, true
	}
	text = inMemory(l.product, text)
	if id, there := l.ids[text]; there {
		return id, true
	}
	v, err := parseVersion(l.product.Scheme, text)
	if err != nil {
		return 0, false
	}
	id := int32(len(l.bounds))
	l.ids[text], l.bounds = id, append(l.bounds, v)
	return id, true
}

// sort ranks the bounds that have come since it was last called: few of them go into their
// places, many are sorted.
func (l *line) sort() {
	old := len(l.order)
	if old == len(l.bounds) {
		return
	}
	order := make([]int, old, len(l.bounds))
	copy(order, l.order)
	if len(l.bounds)-old > 8 {
		for id := old; id < len(l.bounds); id++ {
			order = append(order, id)
		}
		slices.SortStableFunc(order, func(a, b int) int { return l.bounds[a].compare(l.bounds[b]) })
	} else {
		for id := old; id < len(l.bounds); id++ {
			at, _ := slices.BinarySearchFunc(order, id, func(a, b int) int { return l.bounds[a].compare(l.bounds[b]) })
			order = slices.Insert(order, at, id)
		}
	}
	rank := make([]int32, len(order))
	for i, id := range order {
		switch {
		case i == 0:
			rank[id] = 1
		case l.bounds[order[i-1]].compare(l.bounds[id]) == 0:
			rank[id] = rank[order[i-1]]
		default:
			rank[id] = rank[order[i-1]] + 2
		}
	}
	l.order, l.rank = order, rank
}

// position is where a version stands among the ranks.
func (l *line) position(v version) int32 {
	i, equal := slices.BinarySearchFunc(l.order, v, func(id int, v version) int { return l.bounds[id].compare(v) })
	switch {
	case equal:
		return l.rank[l.order[i]]
	case i == 0:
		return 0
	}
	return l.rank[l.order[i-1]] + 1
}

func isVendor(a *hotstick.Advisory, authorities map[string][]string) bool {
	return slices.Contains(authorities[a.Source.Feed], distributionID(a.Product))
}
