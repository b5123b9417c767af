package csaf

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/integrate/advisories/document"
)

// pile holds each thing once, in the order in which it came, and at most one more than an
// advisory may have of them: that is refused later.
type pile[T comparable] struct {
	list []T
	has  map[T]bool
}

func (p *pile[T]) add(one T) {
	if len(p.list) > document.MaxRanges || p.has[one] {
		return
	}
	if p.has == nil {
		p.has = map[T]bool{}
	}
	p.has[one], p.list = true, append(p.list, one)
}

// ranges are the affected versions, by the rules of the package comment, and what of them
// could not be told.
func (s *stand) ranges(order document.Order) (ranges []hotstick.VersionRange, faults []error) {
	ranges, faults = s.bounded(order)
	if s.all && len(s.exact.list) > 0 && len(ranges) == 1 && ranges[0] == (hotstick.VersionRange{}) {
		return ranges, faults // all versions are affected: these ones too
	}
	if len(ranges)+len(s.exact.list) > document.MaxRanges {
		return nil, append(faults, fmt.Errorf("it is affected in more than %d ranges of versions", document.MaxRanges))
	}
	for _, v := range s.exact.list {
		ranges = append(ranges, hotstick.VersionRange{Introduced: v, LastAffected: v})
	}
	return ranges, faults
}

// bounded are the affected versions that are not named one by one.
func (s *stand) bounded(order document.Order) ([]hotstick.VersionRange, []error) {
	if len(s.spans.list) > 0 {
		return slices.Clone(s.spans.list), nil
	}
	first, err := oldest(s.Scheme, s.firstAffected.list, order)
	var faults []error
	if err != nil {
		faults = append(faults, err)
	}
	if fixes := s.fixes(); len(fixes) > 0 {
		ranges, err := s.beforeFixes(first, fixes, order)
		if err != nil {
			faults = append(faults, err)
		}
		return ranges, faults
	}
	switch last := s.lastAffected.list; {
	case len(last) == 1:
		return []hotstick.VersionRange{{Introduced: first, LastAffected: last[0]}}, faults
	case len(last) > 1:
		return nil, append(faults, fmt.Errorf("it was affected last in %d versions", len(last)))
	case s.all || first != "":
		return []hotstick.VersionRange{{Introduced: first}}, faults
	}
	return nil, faults
}

// fixes are the fixed versions that count. Red Hat's minor releases may stand in different
// lists, and each bounds only its own.
func (s *stand) fixes() []string {
	var all pile[string]
	for _, fixed := range s.fixed {
		for _, v := range fixed.list {
			all.add(v)
		}
		if len(all.list) > 0 && !s.minors() {
			break
		}
	}
	return all.list
}

// minors reports whether one product has the kernels of several minor releases.
func (s *stand) minors() bool { return strings.HasPrefix(s.Distribution, "rhel:") }

// beforeFixes are the versions before the fixes of a product.
func (s *stand) beforeFixes(first string, fixes []string, order document.Order) ([]hotstick.VersionRange, error) {
	if s.minors() && len(fixes) > 1 {
		return beforeMinors(s.Scheme, first, fixes, order)
	}
	fix, err := oldest(s.Scheme, fixes, order)
	if err != nil {
		return nil, err
	}
	return []hotstick.VersionRange{{Introduced: first, Fixed: fix}}, nil
}

// stream is what the builds of one minor release share: of 5.14.0-427.99.1.el9_4, which is
// of 9.4, version 5.14.0 and build 427.
type stream struct {
	version string
	build   uint64
}

// after is the oldest version that is of a later minor release.
func (s stream) after() string { return s.version + "-" + strconv.FormatUint(s.build+1, 10) }

func streamOf(version string) (stream, error) {
	name, release, _ := strings.Cut(version, "-")
	build, _, _ := strings.Cut(release, ".")
	n, err := strconv.ParseUint(build, 10, 32)
	if err != nil {
		return stream{}, fmt.Errorf("it is fixed in %.60q among others, which is of no minor release", version)
	}
	return stream{name, n}, nil
}

// beforeMinors are the versions before the fix of each minor release. What is of a later
// minor release than one fix and older than the next is affected, though its number is higher
// than the former: that one was never built into it.
func beforeMinors(scheme hotstick.VersionScheme, first string, fixes []string, order document.Order) ([]hotstick.VersionRange, error) {
	of := map[stream][]string{}
	for _, f := range fixes {
		minor, err := streamOf(f)
		if err != nil {
			return nil, err
		}
		of[minor] = append(of[minor], f)
	}
	type bound struct {
		stream
		fix string
	}
	bounds := make([]bound, 0, len(of))
	for minor, fixes := range of {
		fix, err := oldest(scheme, fixes, order)
		if err != nil {
			return nil, err
		}
		bounds = append(bounds, bound{minor, fix})
	}
	var failed error
	slices.SortFunc(bounds, func(a, b bound) int {
		c, err := compare(scheme, a.fix, b.fix, order)
		if err != nil {
			failed = err
		}
		return c
	})
	if failed != nil {
		return nil, failed
	}
	ranges := make([]hotstick.VersionRange, 0, len(bounds))
	for i, b := range bounds {
		if i > 0 {
			first = bounds[i-1].after()
		}
		ranges = append(ranges, hotstick.VersionRange{Introduced: first, Fixed: b.fix})
	}
	return ranges, nil
}

// oldest returns the oldest of some versions.
func oldest(scheme hotstick.VersionScheme, list []string, order document.Order) (string, error) {
	switch {
	case len(list) == 0:
		return "", nil
	case len(list) > document.MaxRanges:
		return "", fmt.Errorf("it names more than %d versions where one counts", document.MaxRanges)
	}
	old := list[0]
	for _, v := range list[1:] {
		c, err := compare(scheme, v, old, order)
		if err != nil {
			return "", err
		}
		if c < 0 {
			old = v
		}
	}
	return old, nil
}

func compare(scheme hotstick.VersionScheme, a, b string, order document.Order) (int, error) {
	if order == nil {
		return 0, fmt.Errorf("it names %.60q and %.60q, and nobody says which is older", a, b)
	}
	c, err := order(scheme, a, b)
	if err != nil {
		return 0, fmt.Errorf("it names several versions: %w", err)
	}
	return c, nil
}
