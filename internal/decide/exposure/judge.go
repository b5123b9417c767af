package exposure

import (
	"github.com/hotstick/hotstick"
)

// cell is a verdict in one byte: the place of its reason, and whether sources disagreed.
type cell uint8

const disputed cell = 0x80

// reasons are by the number that a cell has, which is their rank too: the lower, the worse.
var reasons = hotstick.ExposureReasons()

// Ranks of the reasons, in the order of hotstick.ExposureReasons.
const (
	exposedNoFix cell = iota
	exposedInRange
	unknownUnreadable
	unknownVersion
	unknownInvestigating
	unknownProduct
	unknownNoSource
	unknownSilent
	mitigatedModule
	closedByPatch
	closedByLevel
	closedByBoot
	neverIntroduced
	neverByVendor
	neverListed
	neverOtherSystem
)

func (c cell) reason() hotstick.ExposureReason { return reasons[c&^disputed] }

// open reports whether it counts as open: the open ones are the lowest.
func (c cell) open() bool { return c&^disputed < mitigatedModule }

// place is where a version of a kernel stands on the lines of its product.
type place struct {
	line *line
	at   int32
	// known is false where the version is none.
	known bool
}

// places looks up the lines that speak of a product, the closest first.
func (x *Index) places(product hotstick.KernelProduct, text string) (places []place) {
	if !known(product) {
		return nil
	}
	v, err := parseVersion(product.Scheme, text)
	for _, p := range spoken(product) {
		if l := x.lines[p]; l != nil {
			at := int32(0)
			if err == nil {
				at = l.position(v)
			}
			places = append(places, place{l, at, err == nil})
		}
	}
	return places
}

// claims are those of the closest product that any source speaks of the CVE in.
func claims(places []place, cve int) ([]claim, place) {
	for _, p := range places {
		if cve < len(p.line.claims) && len(p.line.claims[cve]) > 0 {
			return p.line.claims[cve], p
		}
	}
	return nil, place{}
}

// judge says where a class stands with a CVE.
func (x *Index) judge(c Class, booted, memory []place, cve int) cell {
	verdict := x.kernel(c, booted, cve)
	if c.Memory != "" && verdict.open() {
		if now := x.kernel(c, memory, cve); now&^disputed == closedByBoot {
			verdict = closedByLevel | now&disputed
		}
	}
	return x.overlay(c, verdict, booted, cve)
}

// kernel judges a kernel by its version alone.
func (x *Index) kernel(c Class, places []place, cve int) cell {
	said, p := claims(places, cve)
	if len(said) == 0 {
		return x.absent(c.Kernel.Product, places, cve)
	}
	worst, worstVendor, vendor, someOpen, someShut := cell(0), cell(0), false, false, false
	for i := range said {
		v := said[i].judge(p)
		if v.open() {
			someOpen = true
		} else {
			someShut = true
		}
		if i == 0 || v < worst {
			worst = v
		}
		if said[i].vendor && (!vendor || v < worstVendor) {
			worstVendor, vendor = v, true
		}
	}
	if vendor {
		worst = worstVendor
	}
	if someOpen && someShut {
		worst |= disputed
	}
	return worst
}

// judge says where one source puts a version.
func (c *claim) judge(p place) cell {
	switch {
	case !c.ranged:
		return c.always
	case !p.known:
		return unknownVersion
	}
	verdict := neverIntroduced
	for _, r := range c.ranges {
		switch {
		case !r.begun(p):
		case r.to == open:
			return exposedNoFix
		case !r.over(p):
			verdict = min(verdict, exposedInRange)
		default:
			verdict = min(verdict, closedByBoot)
		}
	}
	if c.unusable && !verdict.open() {
		return unknownUnreadable
	}
	return verdict
}

// overlay puts over what the kernel is what the host has done about it.
func (x *Index) overlay(c Class, verdict cell, places []place, cve int) cell {
	flag, bare := verdict&disputed, verdict&^disputed
	if verdict.open() {
		if _, closed := x.patches.closed(c.Patches, x.cves[cve]); closed {
			bare = closedByPatch
		} else if c.Sealed && verdict.exposed() && keptOut(c, places, cve) {
			bare = mitigatedModule
		}
	}
	if c.Silent && bare >= mitigatedModule && bare < neverOtherSystem {
		bare = unknownSilent
	}
	return bare | flag
}

func (c cell) exposed() bool { return c&^disputed <= exposedInRange }

// keptOut reports whether each source that calls the version affected names a module that
// the host keeps out.
func keptOut(c Class, places []place, cve int) bool {
	said, p := claims(places, cve)
	for i := range said {
		if said[i].judge(p).open() && !c.keepsOut(said[i].said.Module) {
			return false
		}
	}
	return true
}
