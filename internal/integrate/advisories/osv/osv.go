// Package osv reads advisories in the OSV format, as Debian, Ubuntu, AlmaLinux, Rocky
// Linux, SUSE, Red Hat and kernel.org are published in it.
//
// A record is about the CVEs of its own id, aliases and upstream; only where these name
// none, about those of related, where some sources put them. Ranges of type ECOSYSTEM are
// read (and SEMVER for kernel.org): their events must alternate, introduced before fixed
// or last_affected. Ranges of commits (GIT) are passed over. The versions of the list that
// are in no range are ranges of their own, as the format wants it. Nothing is sorted.
//
// What a product is said to be in several entries is a union. What of it cannot be read is
// said, and makes the advisory one that closes nothing by what it does not name (Unreadable).
package osv

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/integrate/advisories/document"
	"github.com/hotstick/hotstick/internal/integrate/advisories/kernels"
	"github.com/hotstick/hotstick/internal/strictjson"
)

type record struct {
	ID        string     `json:"id"`
	Modified  time.Time  `json:"modified"`
	Published time.Time  `json:"published"`
	Withdrawn time.Time  `json:"withdrawn"`
	Aliases   []string   `json:"aliases"`
	Upstream  []string   `json:"upstream"`
	Related   []string   `json:"related"`
	Summary   string     `json:"summary"`
	Severity  []severity `json:"severity"`
	Affected  []affected `json:"affected"`
}

type severity struct {
	Type  string `json:"type"`
	Score string `json:"score"`
}

type affected struct {
	Package struct {
		Ecosystem string `json:"ecosystem"`
		Name      string `json:"name"`
	} `json:"package"`
	Ranges   []events   `json:"ranges"`
	Versions []string   `json:"versions"`
	Severity []severity `json:"severity"`
}

type events struct {
	Type   string  `json:"type"`
	Events []event `json:"events"`
}

type event struct {
	Introduced   string `json:"introduced"`
	Fixed        string `json:"fixed"`
	LastAffected string `json:"last_affected"`
	Limit        string `json:"limit"`
}

const (
	maxCVEs = 3_000
	// maxLooks is how often a listed version may be looked for in a range, in one record.
	maxLooks = 500_000
)

// Read reads one record. order may be nil; then every listed version is a range.
func Read(data []byte, order document.Order) (document.Document, error) {
	var r record
	if err := strictjson.UnmarshalForeign(data, document.MaxMemory, &r); err != nil {
		return document.Document{}, fmt.Errorf("cannot read an OSV record: %w", err)
	}
	if r.ID == "" || len(r.ID) > 200 || r.Modified.IsZero() {
		return document.Document{}, errors.New("cannot read an OSV record without its id or the time of its change")
	}
	d := document.Document{ID: r.ID, Modified: r.Modified, Withdrawn: !r.Withdrawn.IsZero()}
	if d.Withdrawn {
		return d, nil
	}
	products, vectors, err := r.products(&d, order)
	if err != nil || len(products) == 0 {
		return d, err
	}
	cves := r.cves()
	switch {
	case len(cves) == 0:
		d.LeaveOut("", products[0].key(), "the record %.80s names no CVE", r.ID)
		return d, nil
	case len(cves) > maxCVEs:
		return d, fmt.Errorf("cannot read an OSV record of %d CVEs: want at most %d", len(cves), maxCVEs)
	}
	return d, r.fill(&d, cves, products, vectors)
}

// fill adds every product for every CVE.
func (r *record) fill(d *document.Document, cves []string, products []*product, vectors []string) error {
	scores := d.Scores(r.ID, vectors)
	if len(cves) > 1 {
		scores = nil // the score of a record of many CVEs is the highest of theirs
	}
	var known []hotstick.Vulnerability
	for _, cve := range cves {
		for _, p := range products {
			a := hotstick.Advisory{CVE: cve, Product: p.KernelProduct, Status: hotstick.AdvisoryAffected, Ranges: p.ranges, Unreadable: p.unread}
			if err := d.Add(a); err != nil {
				return err
			}
		}
		v := hotstick.Vulnerability{CVE: cve, Published: r.Published, Scores: scores}
		if len(cves) == 1 {
			v.Summary = document.Summary(r.Summary)
		}
		known = append(known, v)
	}
	d.Vulnerabilities = slices.Values(known)
	return nil
}

// cves returns what the record is about, sorted.
func (r *record) cves() []string {
	pick := func(lists ...[]string) []string {
		var cves []string
		for _, id := range slices.Concat(lists...) {
			if hotstick.ValidateCVE(id) == nil {
				cves = append(cves, id)
			}
		}
		slices.Sort(cves)
		return slices.Compact(cves)
	}
	if cves := pick([]string{r.ID}, r.Aliases, r.Upstream); len(cves) > 0 {
		return cves
	}
	return pick(r.Related)
}

type product struct {
	hotstick.KernelProduct
	ranges []hotstick.VersionRange
	unread bool // some of what is affected cannot be told
}

func (p *product) key() string { return p.Distribution + " " + p.Package }

// products returns the kernels that the record affects, sorted, with their ranges, and the
// vectors of the record and of them.
func (r *record) products(d *document.Document, order document.Order) ([]*product, []string, error) {
	var products []*product
	vectors := vectorsOf(r.Severity)
	at := map[hotstick.KernelProduct]*product{}
	looks := 0
	for i := range r.Affected {
		a := &r.Affected[i]
		kernel, is := kernelOf(a)
		if !is {
			continue
		}
		if looks += a.looks(); looks > maxLooks {
			return nil, nil, fmt.Errorf("cannot read an OSV record in which more than %d times a listed version may be in a range", maxLooks)
		}
		p := at[kernel]
		if p == nil {
			p = &product{KernelProduct: kernel}
			at[kernel] = p
			products = append(products, p)
		}
		ranges, faults := a.ranges(kernel.Scheme, order)
		for _, err := range faults {
			d.LeaveOut("", p.key(), "%v", err)
		}
		p.unread = p.unread || len(faults) > 0
		if p.ranges = append(p.ranges, ranges...); len(p.ranges) > document.MaxRanges {
			return nil, nil, fmt.Errorf("cannot read an OSV record with more than %d ranges for %s", document.MaxRanges, p.key())
		}
		vectors = append(vectors, vectorsOf(a.Severity)...)
	}
	slices.SortFunc(products, func(a, b *product) int { return strings.Compare(a.key(), b.key()) })
	return products, vectors, nil
}

func kernelOf(a *affected) (hotstick.KernelProduct, bool) {
	distribution, is := kernels.FromEcosystem(a.Package.Ecosystem)
	if !is {
		return hotstick.KernelProduct{}, false
	}
	name := a.Package.Name
	if distribution == kernels.Upstream && name == "Kernel" {
		name = "linux"
	}
	return kernels.Product(distribution, name)
}

func vectorsOf(list []severity) []string {
	var vectors []string
	for _, s := range list {
		if s.Type == "CVSS_V3" || s.Type == "CVSS_V4" {
			vectors = append(vectors, s.Score)
		}
	}
	return vectors
}

// looks is how often a listed version must be looked for in a range, at most.
func (a *affected) looks() int {
	events := 0
	for _, r := range a.Ranges {
		events += len(r.Events)
	}
	return len(a.Versions) * events
}

// ranges returns what is affected of a kernel, and what of it cannot be told.
func (a *affected) ranges(scheme hotstick.VersionScheme, order document.Order) (ranges []hotstick.VersionRange, faults []error) {
	for _, r := range a.Ranges {
		switch {
		case r.Type == "GIT":
			continue
		case r.Type != "ECOSYSTEM" && (r.Type != "SEMVER" || scheme != hotstick.UpstreamVersions):
			faults = append(faults, fmt.Errorf("a range of type %.20q is of no kernel's versions", r.Type))
			continue
		}
		found, err := r.pairs(scheme)
		if err != nil {
			faults = append(faults, err)
			continue
		}
		ranges = append(ranges, found...)
	}
	if len(ranges)+len(faults)+len(a.Versions) == 0 {
		return nil, []error{errors.New("no range of versions of its distribution, and no list of them")}
	}
	listed, seen := ranges, map[string]bool{}
	for _, v := range a.Versions {
		if err := kernels.CheckVersion(v); err != nil {
			faults = append(faults, err)
			continue
		}
		v = written(scheme, v)
		if scheme == hotstick.UpstreamVersions {
			v = strings.TrimPrefix(v, "v") // kernel.org's are listed by their tags
		}
		if seen[v] || slices.ContainsFunc(ranges, func(r hotstick.VersionRange) bool { return holds(r, v, scheme, order) }) {
			continue
		}
		seen[v], listed = true, append(listed, hotstick.VersionRange{Introduced: v, LastAffected: v})
	}
	return listed, faults
}

// holds reports whether a version is known to be in a range.
func holds(r hotstick.VersionRange, v string, scheme hotstick.VersionScheme, order document.Order) bool {
	if order == nil {
		return false
	}
	for _, bound := range []struct {
		version string
		in      func(int) bool
	}{
		{r.Introduced, func(c int) bool { return c >= 0 }},
		{r.Fixed, func(c int) bool { return c < 0 }},
		{r.LastAffected, func(c int) bool { return c <= 0 }},
	} {
		if bound.version == "" {
			continue
		}
		if c, err := order(scheme, v, bound.version); err != nil || !bound.in(c) {
			return false
		}
	}
	return true
}

// pairs turns events into ranges.
func (r events) pairs(scheme hotstick.VersionScheme) ([]hotstick.VersionRange, error) {
	var ranges []hotstick.VersionRange
	open := false
	for _, e := range r.Events {
		kinds, version := 0, ""
		for _, v := range []string{e.Introduced, e.Fixed, e.LastAffected, e.Limit} {
			if v != "" {
				kinds, version = kinds+1, v
			}
		}
		if kinds != 1 {
			return nil, fmt.Errorf("an event says %d things: want one", kinds)
		}
		if err := kernels.CheckVersion(version); err != nil {
			return nil, err
		}
		switch {
		case e.Limit != "":
			return nil, errors.New("an event says limit, which is for commits")
		case (e.Introduced != "") == open:
			return nil, errors.New("the events do not alternate between introduced and fixed")
		case e.Introduced != "":
			if version == "0" {
				version = ""
			}
			ranges = append(ranges, hotstick.VersionRange{Introduced: written(scheme, version)})
			open = true
		default:
			last := &ranges[len(ranges)-1]
			last.Fixed, last.LastAffected = written(scheme, e.Fixed), written(scheme, e.LastAffected)
			open = false
		}
	}
	if len(ranges) == 0 {
		return nil, errors.New("a range has no events")
	}
	return ranges, nil
}

// written leaves out rpm's epoch 0, which some write and some do not.
func written(scheme hotstick.VersionScheme, version string) string {
	if scheme == hotstick.RPMVersions {
		return kernels.EVR("", version)
	}
	return version
}
