package show

import (
	"fmt"
	"strings"

	"github.com/hotstick/hotstick"
)

// maxNamed bounds what is named of one list; the rest is counted.
const maxNamed = 8

// surroundings says what the host tells beyond its kernel and its drivers.
func surroundings(p *page, f hotstick.Facts) {
	m, s := f.Machine, f.Services
	var on []string
	if m.Virtualisation != "" {
		on = append(on, "a guest of "+Clean(m.Virtualisation))
	}
	if w := m.Firmware; w != (hotstick.FirmwareFacts{}) {
		on = append(on, Clean(strings.Join(strings.Fields(strings.Join([]string{w.Kind, w.Vendor, w.Version, w.Date}, " ")), " ")))
	}
	if m.NUMANodes > 1 {
		on = append(on, plural(m.NUMANodes, "NUMA node", "NUMA nodes"))
	}
	if len(on) > 0 {
		p.field("Machine", "%s", strings.Join(on, ", "))
	}
	var drivers []string
	for _, d := range m.Drivers {
		drivers = append(drivers, fmt.Sprintf("%s (%s, %d)", d.Driver, d.Class, d.Devices))
	}
	named(p, "Devices", drivers, len(drivers))
	named(p, "Runs", s.Running, len(s.Running))
	if s.KubernetesNode != "" {
		p.field("Node", "%s", Clean(s.KubernetesNode))
	}
	if c := s.Cluster; c.Name != "" || len(c.Nodes) > 0 {
		p.field("Cluster", "%s, %s, here %s", Clean(orNone(c.Name)), plural(len(c.Nodes), "node", "nodes"), Clean(orNone(c.Node)))
	}
	if s.RebootRequired {
		p.field("Reboot", "the distribution asks for one: %s", Clean(orNone(strings.Join(s.RebootFor, ", "))))
	}
	traced(p, f.Tracing)
	named(p, "Kept back", f.Withheld, len(f.Withheld))
}

// traced says who is in the kernel's functions beside live patches, and what becomes of a
// live patch there, or of them.
func traced(p *page, t hotstick.TracingFacts) {
	var barred, shared, silent []string
	for _, f := range t.Functions {
		who := f.Function
		if len(f.Handlers) > 0 {
			who += " by " + strings.Join(f.Handlers, ", ")
		}
		if f.Modifies {
			barred = append(barred, who)
		} else {
			shared = append(shared, who)
		}
	}
	for _, k := range t.Kprobes {
		if k.Offset > 0 && !k.ByFtrace && !k.Disabled {
			silent = append(silent, fmt.Sprintf("%s+0x%x", k.Function, k.Offset))
		}
	}
	var tracers []string
	for _, by := range t.Tracers {
		tracers = append(tracers, fmt.Sprintf("%s (%s, %s)", by.Process, by.Kind, plural(by.Programs, "program", "programs")))
	}
	named(p, "Redirected", barred, len(barred)) // a live patch can be among them
	named(p, "Traced", shared, len(shared)+t.MoreFunctions)
	if len(silent) > 0 {
		named(p, "Probes in", silent, len(silent)+t.MoreKprobes)
		p.field("", "they meet nothing once a live patch replaces their function")
	}
	named(p, "Tracers", tracers, len(tracers))
}

// named writes the first of a list, and how many there are beyond them; nothing of none.
func named(p *page, name string, list []string, all int) {
	if len(list) == 0 {
		return
	}
	shown := list[:min(len(list), maxNamed)]
	var words []string
	for _, w := range shown {
		words = append(words, Clean(w))
	}
	text := strings.Join(words, ", ")
	if all > len(shown) {
		text += fmt.Sprintf(" and %d more", all-len(shown))
	}
	p.field(name, "%s", text)
}
