package exposure

import (
	"cmp"
	"iter"
	"slices"
	"strings"

	"github.com/hotstick/hotstick"
)

// Size is how many hosts there are.
func (f *Fleet) Size() int { return len(f.hosts) }

// Stands says of each host, by ID, where it stands with a CVE; nothing if no source speaks of
// it.
func (f *Fleet) Stands(cve string) iter.Seq2[hotstick.HostID, hotstick.ExposureReason] {
	return func(yield func(hotstick.HostID, hotstick.ExposureReason) bool) {
		i, spoken := f.index.column(cve)
		if !spoken {
			return
		}
		for _, m := range f.hosts {
			if !yield(m.id, f.rows[m.class].cell(i).reason()) {
				return
			}
		}
	}
}

// OfHost says where a host stands with each CVE that any source speaks of, in no order; nothing
// if nobody knows the host.
func (f *Fleet) OfHost(host hotstick.HostID) iter.Seq2[string, hotstick.ExposureReason] {
	return func(yield func(string, hotstick.ExposureReason) bool) {
		m, there := f.member(host)
		if !there {
			return
		}
		for i, cve := range f.index.cves {
			if f.index.spoke[i] != 0 && !yield(cve, f.rows[m.class].cell(i).reason()) {
				return
			}
		}
	}
}

// KernelCount is how many hosts that booted one kernel stand where with a CVE.
type KernelCount struct {
	Kernel Kernel
	Arch   string
	Count  Count
	// Disputed counts those of which sources disagree on whether it is open.
	Disputed int
}

// Kernels counts the hosts by the kernel that they booted, those with the most open ones
// first.
func (f *Fleet) Kernels(cve string) []KernelCount {
	i, spoken := f.index.column(cve)
	if !spoken {
		return nil
	}
	type booted struct {
		kernel Kernel
		arch   string
	}
	counts := map[booted]*KernelCount{}
	for _, m := range f.hosts {
		class, cell := &f.classes[m.class], f.rows[m.class].cell(i)
		key := booted{class.Kernel, class.Arch}
		k := counts[key]
		if k == nil {
			k = &KernelCount{Kernel: class.Kernel, Arch: class.Arch, Count: Count{}}
			counts[key] = k
		}
		k.Count[cell.reason()]++
		if cell&disputed != 0 {
			k.Disputed++
		}
	}
	all := make([]KernelCount, 0, len(counts))
	for _, k := range counts {
		all = append(all, *k)
	}
	slices.SortFunc(all, func(a, b KernelCount) int {
		p, q := a.Kernel.Product, b.Kernel.Product
		return cmp.Or(cmp.Compare(b.Count.Open(), a.Count.Open()), strings.Compare(p.Distribution, q.Distribution), strings.Compare(p.Package, q.Package),
			strings.Compare(string(p.Scheme), string(q.Scheme)), strings.Compare(a.Kernel.Version, b.Kernel.Version), strings.Compare(a.Arch, b.Arch))
	})
	return all
}

// In counts the hosts in a state.
func (c Count) In(state hotstick.ExposureState) int { return c.in(state) }
