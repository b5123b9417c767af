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
	seen    map[hotstick.KernelProduct]*vista
	places  map[Kernel][]place
}

// vista is what a change means for the kernels of one product.
type vista struct {
	// lines speak of the product, the closest first, with few bounds.
	lines []*line
	// speaks: of a CVE that is touched, too. If none does, every version stands at nowhere.
	speaks  bool
	nowhere []place
}

func (g *gaze) of(product hotstick.KernelProduct) *vista {
	v, there := g.seen[product]
	if there {
		return v
	}
	v = &vista{}
	g.seen[product] = v
	if !known(product) {
		return v
	}
	for _, p := range spoken(product) {
		if l := g.x.lines[p]; l != nil {
			l = l.only(g.touched)
			v.lines, v.nowhere = append(v.lines, l), append(v.nowhere, place{line: l})
			v.speaks = v.speaks || l.speaks(g.touched)
		}
	}
	return v
}

// look is [Index.places], good for the CVEs that are touched.
func (g *gaze) look(view *vista, k Kernel) []place {
	if !view.speaks {
		return view.nowhere
	}
	found, there := g.places[k]
	if there {
		return found
	}
	v, err := parseVersion(k.Product.Scheme, k.Version)
	for _, l := range view.lines {
		at := int32(0)
		if err == nil {
			at = l.position(v)
		}
		found = append(found, place{l, at, err == nil})
	}
	g.places[k] = found
	return found
}

func (g *gaze) memory(view *vista, c *Class) []place {
	if c.Memory == "" {
		return nil
	}
	return g.look(view, Kernel{c.Kernel.Product, c.Memory})
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
