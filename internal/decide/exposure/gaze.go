package exposure

import (
	"slices"

	"github.com/hotstick/hotstick"
)

// gaze looks up kernels for the few CVEs that a change touches: a version is compared with
// their bounds only, which is what takes the time, and not with the thousands of its line.
type gaze struct {
	x       *Index
	touched map[int]bool
	lines   map[hotstick.KernelProduct][]*line
	places  map[Kernel][]place
}

// spoken are the lines that speak of a product, the closest first, with few bounds.
func (g *gaze) spoken(product hotstick.KernelProduct) []*line {
	lines, there := g.lines[product]
	if there || !known(product) {
		return lines
	}
	for _, p := range spoken(product) {
		if l := g.x.lines[p]; l != nil {
			lines = append(lines, l.only(g.touched))
		}
	}
	g.lines[product] = lines
	return lines
}

// look is [Index.places], good for the CVEs that are touched.
func (g *gaze) look(k Kernel) []place {
	found, there := g.places[k]
	if there {
		return found
	}
	lines := g.spoken(k.Product)
	var v version
	asked, ok := false, false
	for _, l := range lines {
		at := int32(0)
		if l.speaks(g.touched) {
			if !asked {
				var err error
				v, err = parseVersion(k.Product.Scheme, k.Version)
				asked, ok = true, err == nil
			}
			if ok {
				at = l.position(v)
			}
		}
		found = append(found, place{l, at, ok})
	}
	g.places[k] = found
	return found
}

func (g *gaze) memory(c *Class) []place {
	if c.Memory == "" {
		return nil
	}
	return g.look(Kernel{c.Kernel.Product, c.Memory})
}

// only is the line with no bounds but those of some CVEs. Their ranks stay what they are.
func (l *line) only(cves map[int]bool) *line {
	used := map[int]bool{}
	for cve := range cves {
		if cve < len(l.claims) {
			for _, c := range l.claims[cve] {
				for _, s := range c.ranges {
					used[int(s.from)], used[int(s.to)] = true, true
				}
			}
		}
	}
	few := *l
	few.order = slices.DeleteFunc(slices.Clone(l.order), func(id int) bool { return !used[id] })
	return &few
}

// speaks reports whether the line speaks of any of some CVEs.
func (l *line) speaks(cves map[int]bool) bool {
	for cve := range cves {
		if cve < len(l.claims) && len(l.claims[cve]) > 0 {
			return true
		}
	}
	return false
}
