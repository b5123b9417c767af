package exposure

import (
	"slices"
	"strings"

	"github.com/hotstick/hotstick"
)

// distributions is a set of those that any source is complete for, by their bits. There is
// room for 64: what is beyond is in no set, and nothing is concluded for it.
type distributions uint64

// bits are the distributions that any source is complete for.
type bits map[string]distributions

func (b bits) of(distribution string) distributions { return b[distribution] }

func (b bits) add(names []string) {
	for _, name := range names {
		if _, there := b[name]; !there && len(b) < 64 {
			b[name] = 1 << len(b)
		}
	}
}

func (b bits) set(names []string) (all distributions) {
	for _, name := range names {
		all |= b[name]
	}
	return all
}

// complete reports whether an advisory's source names every CVE of its own product's
// distribution.
func (c *claim) complete() bool {
	return slices.Contains(c.said.Source.Complete, c.said.Product.Distribution)
}

// absent says where a kernel stands with a CVE that nobody names in its product. Absence is
// no word, but of a source that is complete for the distribution, and that is known to name
// this very product for other CVEs: that one has left it out. Whether it knows the CVE at
// all is told by its document, which names other kernels; a CVE that is new may not have
// come to it yet.
func (x *Index) absent(product hotstick.KernelProduct, places []place, cve int) cell {
	if !known(product) {
		return unknownProduct
	}
	for _, p := range places {
		switch {
		case p.line.complete == 0:
		case x.spoke[cve] != 0 && x.spoke[cve]&familyOf(product) == 0:
			return neverOtherSystem
		case x.covered[cve]&x.bits.of(p.line.product.Distribution) != 0:
			return neverListed
		}
	}
	return unknownNoSource
}

// completes reports whether any source that names a product is complete for it.
func (x *Index) completes(product hotstick.KernelProduct) bool {
	l := x.lines[product]
	return l != nil && l.complete > 0
}

// survey notes of which systems' kernels sources speak in a CVE, and for which distributions
// one that speaks of it is complete, and whether a module is named.
func (x *Index) survey(cve int) {
	x.spoke[cve], x.covered[cve], x.modular[cve] = 0, 0, false
	for _, l := range x.lines {
		x.surveyLine(l, cve)
	}
}

func (x *Index) surveyLine(l *line, cve int) {
	if cve >= len(l.claims) || len(l.claims[cve]) == 0 {
		return
	}
	x.spoke[cve] |= familyOf(l.product)
	for i := range l.claims[cve] {
		said := l.claims[cve][i].said
		x.covered[cve] |= x.bits.set(said.Source.Complete)
		x.modular[cve] = x.modular[cve] || said.Module != ""
	}
}

// silence lists the sources from whose silence on a product a verdict follows.
func (x *Index) silence(product hotstick.KernelProduct, verdict cell, cve int) (says []Saying) {
	note := func(c claim, document string) {
		s := Saying{Source: c.said.Source, Product: product, Reason: verdict.reason(), Justification: verdict.reason().Justification(), Vendor: c.vendor, Decides: true}
		if s.Source.Document = document; document == "" {
			s.Source = hotstick.AdvisorySource{Feed: s.Source.Feed, Complete: s.Source.Complete}
		}
		if !slices.ContainsFunc(says, func(o Saying) bool { return o.Source.Feed == s.Source.Feed && o.Source.Document == document }) {
			says = append(says, s)
		}
	}
	switch verdict {
	case neverListed:
		for _, l := range x.lines {
			if cve < len(l.claims) {
				for _, c := range l.claims[cve] {
					if coversAny(c.said.Source.Complete, product) {
						note(c, c.said.Source.Document)
					}
				}
			}
		}
	case neverOtherSystem:
		for _, p := range spoken(product) {
			if l := x.lines[p]; l != nil {
				for _, c := range slices.Concat(l.claims...) {
					if c.complete() {
						note(c, "")
					}
				}
			}
		}
	}
	slices.SortFunc(says, func(a, b Saying) int {
		return strings.Compare(a.Source.Feed+" "+a.Source.Document, b.Source.Feed+" "+b.Source.Document)
	})
	return says
}

func coversAny(complete []string, product hotstick.KernelProduct) bool {
	return slices.ContainsFunc(spoken(product), func(p hotstick.KernelProduct) bool { return slices.Contains(complete, p.Distribution) })
}
