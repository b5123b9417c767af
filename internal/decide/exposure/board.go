package exposure

import (
	"cmp"
	"slices"
	"strings"

	"github.com/hotstick/hotstick"
)

// Site is what the labels of a host answer to a tree. It is comparable, and there are few of
// them: what is no answer is empty.
type Site struct{ Reach, Criticality string }

// Site makes the site of a host's labels.
func (t *Tree) Site(labels map[string]string) Site {
	answer := func(q Question, label string) string {
		if s := byLabel(q, label, labels); !s.Assumed {
			return s.Answer
		}
		return ""
	}
	return Site{Reach: answer(Reach, string(t.doc.Labels.Exposure)), Criticality: answer(Criticality, string(t.doc.Labels.Criticality))}
}

// at says how soon somebody has to act on a CVE on a host of a site.
func (t *Tree) at(v hotstick.Vulnerability, s Site) Decision {
	labels := map[string]string{}
	for label, answer := range map[string]string{string(t.doc.Labels.Exposure): s.Reach, string(t.doc.Labels.Criticality): s.Criticality} {
		if answer != "" {
			labels[label] = answer
		}
	}
	return t.Decide(v, labels).Decision
}

// Board is where a fleet stands with every CVE, the most urgent first.
type Board struct {
	Lines []Line
	// Open counts exposures by their priority, Hosts those hosts that have at least one of it.
	Open, Hosts map[Decision]int
	at          map[string]int
}

// Line is where a fleet stands with one CVE.
type Line struct {
	Vulnerability hotstick.Vulnerability
	Count         Count
	// Open counts the hosts on which it is open by the priority that it has there.
	Open map[Decision]int
}

// Worst is the most urgent priority that the CVE has on any host; empty if it is open on none.
func (l Line) Worst() Decision {
	for _, d := range Decisions() {
		if l.Open[d] > 0 {
			return d
		}
	}
	return ""
}

// Compare orders lines: by priority, then what is exploited, then by EPSS, then by the hosts
// on which it is open.
func (l Line) Compare(o Line) int {
	return cmp.Or(l.Worst().Compare(o.Worst()), Urgent(l.Vulnerability, o.Vulnerability), cmp.Compare(o.Count.Open(), l.Count.Open()),
		strings.Compare(l.Vulnerability.CVE, o.Vulnerability.CVE))
}

// Urgent orders CVEs of one priority: what is exploited first, then by EPSS.
func Urgent(a, b hotstick.Vulnerability) int {
	probability := func(v hotstick.Vulnerability) float64 {
		if v.Prediction == nil {
			return 0
		}
		return v.Prediction.Probability
	}
	return cmp.Or(first(a.Exploited != nil, b.Exploited != nil), cmp.Compare(probability(b), probability(a)))
}

// Compare puts the more urgent first, and none last.
func (d Decision) Compare(o Decision) int { return cmp.Compare(d.rank(), o.rank()) }

func (d Decision) rank() int {
	if i := slices.Index(Decisions(), d); i >= 0 {
		return i
	}
	return len(Decisions())
}

// Line returns the line of a CVE; false if no source speaks of it.
func (b *Board) Line(cve string) (Line, bool) {
	i, there := b.at[cve]
	if !there {
		return Line{}, false
	}
	return b.Lines[i], true
}

// Rank puts the CVEs of a fleet in order. sites are those of the hosts whose labels answer
// anything; known says what is known of a CVE whatever the product.
func (f *Fleet) Rank(t *Tree, sites map[hotstick.HostID]Site, known func(cve string) hotstick.Vulnerability) *Board {
	r := ranking{tree: t, places: f.crowds(sites)}
	sums := make([]sum, len(f.index.cves))
	said := make([]hotstick.Vulnerability, len(f.index.cves))
	for cve, name := range f.index.cves {
		if f.index.spoke[cve] != 0 {
			said[cve] = known(name)
			said[cve].CVE = name
			sums[cve].decided = r.decide(said[cve])
		}
	}
	b := &Board{Open: map[Decision]int{}, Hosts: map[Decision]int{}, at: map[string]int{}}
	for class, crowd := range r.places.of {
		f.count(class, crowd, sums, b)
	}
	for cve := range f.index.cves {
		if f.index.spoke[cve] == 0 {
			continue
		}
		line := sums[cve].line(said[cve])
		for d, n := range line.Open {
			b.Open[d] += n
		}
		b.Lines = append(b.Lines, line)
	}
	slices.SortFunc(b.Lines, Line.Compare)
	for i, l := range b.Lines {
		b.at[l.Vulnerability.CVE] = i
	}
	return b
}

type ranking struct {
	tree   *Tree
	places crowds
}

// decide is the decision for each site, as a rank.
func (r ranking) decide(v hotstick.Vulnerability) []uint8 {
	decided := make([]uint8, len(r.places.sites))
	for i, s := range r.places.sites {
		decided[i] = uint8(r.tree.at(v, s).rank())
	}
	return decided
}

// crowds are the hosts of each class, by their sites.
type crowds struct {
	sites []Site
	of    map[int][]crowd
}

type crowd struct{ site, hosts int }

func (f *Fleet) crowds(sites map[hotstick.HostID]Site) crowds {
	c, at, hosts := crowds{of: map[int][]crowd{}}, map[Site]int{}, map[[2]int]int{}
	for _, m := range f.hosts {
		site := sites[m.id]
		i, there := at[site]
		if !there {
			i = len(c.sites)
			at[site], c.sites = i, append(c.sites, site)
		}
		hosts[[2]int{m.class, i}]++
	}
	for key, n := range hosts {
		c.of[key[0]] = append(c.of[key[0]], crowd{key[1], n})
	}
	return c
}

// sum is what is counted of one CVE.
type sum struct {
	// decided is the decision by site.
	decided []uint8
	reasons [neverOtherSystem + 1]int
	open    [8]int
}

// count adds the hosts of one class to the sums, and to the hosts by priority.
func (f *Fleet) count(class int, all []crowd, sums []sum, b *Board) {
	// has are the priorities that something has for each of the crowds, by their bits.
	has := make([]uint8, len(all))
	for cve := range sums {
		s := &sums[cve]
		if s.decided == nil {
			continue
		}
		cell := f.rows[class].cell(cve)
		for i, c := range all {
			s.reasons[cell&^disputed] += c.hosts
			if cell.open() {
				s.open[s.decided[c.site]] += c.hosts
				has[i] |= 1 << s.decided[c.site]
			}
		}
	}
	for i, c := range all {
		for rank, d := range Decisions() {
			if has[i]&(1<<rank) != 0 {
				b.Hosts[d] += c.hosts
			}
		}
	}
}

func (s *sum) line(v hotstick.Vulnerability) Line {
	l := Line{Vulnerability: v, Count: Count{}, Open: map[Decision]int{}}
	for rank, n := range s.reasons {
		if n > 0 {
			l.Count[reasons[rank]] = n
		}
	}
	for rank, d := range Decisions() {
		if s.open[rank] > 0 {
			l.Open[d] = s.open[rank]
		}
	}
	return l
}
