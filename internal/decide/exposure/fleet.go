package exposure

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/hotstick/hotstick"
)

// Host is one host of a fleet.
type Host struct {
	ID    hotstick.HostID
	Class Class
}

// Fleet is where every host stands with every CVE. It is a value: [Fleet.Change] makes
// another, and shares with it what is the same.
type Fleet struct {
	index   *Index
	classes []Class
	at      map[Class]int
	// rows are by class, then by CVE; the classes of none are left until the next [Full].
	rows []row
	// hosts are sorted by their IDs.
	hosts []member
}

type member struct {
	id    hotstick.HostID
	class int
}

// row is the verdicts of one class. It is in pieces so that one verdict can be changed
// without copying the others.
type row []*piece

const pieceLen = 256

type piece [pieceLen]cell

func (r row) cell(cve int) cell { return r[cve/pieceLen][cve%pieceLen] }

// Full judges a whole fleet. A host that is there twice counts with its last class.
func Full(x *Index, hosts []Host) *Fleet {
	f := &Fleet{index: x, at: map[Class]int{}, hosts: make([]member, 0, len(hosts))}
	for _, h := range hosts {
		i, there := f.at[h.Class]
		if !there {
			i = len(f.classes)
			f.at[h.Class], f.classes = i, append(f.classes, h.Class)
		}
		f.hosts = append(f.hosts, member{h.ID, i})
	}
	f.judge()
	slices.SortStableFunc(f.hosts, byID)
	last := f.hosts[:0]
	for i, m := range f.hosts {
		if i+1 == len(f.hosts) || f.hosts[i+1].id != m.id {
			last = append(last, m)
		}
	}
	f.hosts = last
	return f
}

// judge judges every class, those of one product together: what is said of a product is much
// to read.
func (f *Fleet) judge() {
	order := make([]int, len(f.classes))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int {
		p, q := f.classes[a].Kernel.Product, f.classes[b].Kernel.Product
		return cmp.Or(strings.Compare(p.Distribution, q.Distribution), strings.Compare(p.Package, q.Package))
	})
	f.rows = make([]row, len(f.classes))
	unpatched := map[Class]row{}
	for _, i := range order {
		f.rows[i] = f.index.over(f.classes[i], unpatched)
	}
}

func byID(a, b member) int { return strings.Compare(string(a.id), string(b.id)) }

// class returns where a class stands, judging it if it is new.
func (f *Fleet) class(c Class, unpatched map[Class]row) int {
	if i, there := f.at[c]; there {
		return i
	}
	i := len(f.classes)
	f.at[c], f.classes, f.rows = i, append(f.classes, c), append(f.rows, f.index.over(c, unpatched))
	return i
}

// over judges a class. Few CVEs are closed by live patches, or are in a module that is named,
// so the kernel is judged once for all classes that differ in those only: unpatched keeps it.
func (x *Index) over(c Class, unpatched map[Class]row) row {
	bare := c
	bare.Patches, bare.Sealed, bare.Present = "", false, ""
	r, there := unpatched[bare]
	if !there {
		r = x.row(bare)
		unpatched[bare] = r
	}
	return x.patch(r, c)
}

// row judges a class against every CVE.
func (x *Index) row(c Class) row {
	booted, memory := x.places(c.Kernel.Product, c.Kernel.Version), x.memory(c)
	r := make(row, (len(x.cves)+pieceLen-1)/pieceLen)
	for i := range r {
		r[i] = new(piece)
	}
	for cve := range x.cves {
		r[cve/pieceLen][cve%pieceLen] = x.judge(c, booted, memory, cve)
	}
	return r
}

// patch judges a class whose kernel was judged without its live patches and modules.
func (x *Index) patch(bare row, c Class) row {
	if c.Patches == "" && !c.Sealed {
		return bare
	}
	booted, memory := x.places(c.Kernel.Product, c.Kernel.Version), x.memory(c)
	r := slices.Clone(bare)
	for _, name := range x.patches.mayClose(c.Patches) {
		if cve, there := x.at[name]; there {
			r.set(cve, x.judge(c, booted, memory, cve), nil)
		}
	}
	if c.Sealed {
		for cve, named := range x.modular {
			if named {
				r.set(cve, x.judge(c, booted, memory, cve), nil)
			}
		}
	}
	return r
}

func (x *Index) memory(c Class) []place {
	if c.Memory == "" {
		return nil
	}
	return x.places(c.Kernel.Product, c.Memory)
}

// Change is what has become different since a fleet was judged.
type Change struct {
	// Hosts are new, or of another class; Gone are not in the fleet any more, whatever Hosts
	// says.
	Hosts []Host
	Gone  []hotstick.HostID
	// Withdrawn are not there any more; then Advisories are new, or take the place of those
	// with the same key.
	Advisories []hotstick.Advisory
	Withdrawn  []Key
}

// Change returns the fleet after a change: the same as [Full] would make, in time that grows
// with what has changed. After a change of the catalog's patches hosts are classified anew
// and the fleet is judged in full.
func (f *Fleet) Change(c Change) *Fleet {
	next := &Fleet{index: f.index, classes: slices.Clip(f.classes), at: f.at, rows: f.rows, hosts: f.hosts}
	if len(c.Advisories)+len(c.Withdrawn) > 0 {
		next.advise(c)
	}
	if len(c.Hosts)+len(c.Gone) > 0 {
		next.move(c)
	}
	return next
}

// advise judges the CVEs anew of which other is said now.
func (f *Fleet) advise(c Change) {
	old := f.index
	var products map[hotstick.KernelProduct]bool
	f.index, products = old.with(c.Advisories, c.Withdrawn)
	touched := map[int]bool{}
	everyone := map[int]bool{} // a CVE that is new, or new to a system's kernels, is judged for all
	note := func(name string) {
		if i, there := f.index.at[name]; there {
			touched[i] = true
			everyone[i] = i >= len(old.cves) || f.index.spoke[i] != old.spoke[i] || f.index.covered[i] != old.covered[i]
		}
	}
	for _, a := range c.Advisories {
		note(a.CVE)
	}
	for _, k := range c.Withdrawn {
		note(k.CVE)
	}
	f.rows = slices.Clone(f.rows)
	g, unpatched, made := gaze{x: f.index, touched: touched, seen: map[hotstick.KernelProduct]*vista{}, places: map[Kernel][]place{}}, map[Class]row{}, pieces{}
	flipped := map[hotstick.KernelProduct]bool{}
	for p := range products {
		flipped[p] = old.completes(p) != f.index.completes(p)
	}
	for i := range f.classes {
		class := &f.classes[i]
		view := g.of(class.Kernel.Product)
		if slices.ContainsFunc(view.lines, func(l *line) bool { return flipped[l.product] }) {
			f.rows[i] = f.index.over(*class, unpatched)
			continue
		}
		speaks := slices.ContainsFunc(view.lines, func(l *line) bool { return products[l.product] })
		var own row
		for cve := range touched {
			if !speaks && !everyone[cve] {
				continue
			}
			if own == nil {
				own = slices.Clone(f.rows[i])
			}
			own.set(cve, f.index.judge(*class, g.look(view, class.Kernel), g.memory(view, class), cve), made)
		}
		if own != nil {
			f.rows[i] = own
		}
	}
}

// pieces are those that one change has made, by what they were made of: classes that shared
// one before share it after.
type pieces map[made]*piece

type made struct {
	of   *piece
	at   int
	cell cell
}

// set changes one verdict of a row that is the caller's own, but not its pieces.
func (r *row) set(cve int, c cell, known pieces) {
	for len(*r) <= cve/pieceLen {
		*r = append(*r, nil)
	}
	old := (*r)[cve/pieceLen]
	if old != nil && old[cve%pieceLen] == c {
		return
	}
	key := made{old, cve, c}
	other, there := known[key]
	if !there {
		other = new(piece)
		if old != nil {
			*other = *old
		}
		if other[cve%pieceLen] = c; known != nil {
			known[key] = other
		}
	}
	(*r)[cve/pieceLen] = other
}

// move puts hosts into their classes.
func (f *Fleet) move(c Change) {
	if slices.ContainsFunc(c.Hosts, func(h Host) bool { _, there := f.at[h.Class]; return !there }) {
		f.at, f.rows = maps.Clone(f.at), slices.Clip(f.rows)
	}
	changed := make(map[hotstick.HostID]int, len(c.Hosts)+len(c.Gone))
	unpatched := map[Class]row{}
	for _, h := range c.Hosts {
		changed[h.ID] = f.class(h.Class, unpatched)
	}
	for _, id := range c.Gone {
		changed[id] = nowhere
	}
	come := make([]member, 0, len(changed))
	for id, class := range changed {
		come = append(come, member{id, class})
	}
	slices.SortFunc(come, byID)
	f.hosts = merge(f.hosts, come)
}

const nowhere = -1

// merge returns the sorted hosts with others in their places.
func merge(old, come []member) []member {
	merged := make([]member, 0, len(old)+len(come))
	for _, m := range come {
		i, there := slices.BinarySearchFunc(old, m, byID)
		merged = append(merged, old[:i]...)
		if old = old[i:]; there {
			old = old[1:]
		}
		if m.class != nowhere {
			merged = append(merged, m)
		}
	}
	return append(merged, old...)
}
