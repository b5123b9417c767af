package show

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/api"
)

// CVEs is the list of CVEs, the most urgent first.
func CVEs(list api.CVEList, st Style) Table {
	t := Table{Header: []string{"CVE", "PRIORITY", "EXPOSED", "UNKNOWN", "CVSS", "EPSS", "EXPLOITED", "OPEN FOR", "PATCHES"}, Empty: noCVE(list.Basis)}
	if st.Wide {
		t.Header = append(t.Header, "MITIGATED", "LIVE PATCHED", "FIXED", "NOT AFFECTED", "PUBLISHED")
	}
	t.Header = append(t.Header, "TITLE")
	for _, c := range list.CVEs {
		row := []Cell{text(c.CVE), text(c.Priority), number(c.Hosts.Exposed), number(c.Hosts.Unknown), text(score(c.CVSS)), text(probability(c.EPSS)),
			text(exploited(c.KEV)), text(openFor(c.OpenSince, st.Now)), text(refs(c.Patches))}
		if st.Wide {
			h := c.Hosts
			row = append(row, number(h.Mitigated), number(h.FixedByLivePatch), number(h.FixedByBoot), number(h.NotAffected), text(date(c.Published)))
		}
		t.Rows = append(t.Rows, append(row, text(c.Title)))
	}
	return t
}

// noCVE says why a list is empty, and what to do about it.
func noCVE(b api.CVEBasis) string {
	switch {
	case b.Feeds == 0 && b.CVEs == 0:
		return "The server reads no advisories: name a feed with hotstick feed add."
	case b.CVEs == 0 && b.Read.IsZero():
		return "No feed was read to its end yet: see how that goes with hotstick feed list."
	case b.CVEs == 0:
		return "The feeds say nothing of any kernel: see what was read with hotstick feed list."
	case b.Hosts == 0:
		return "No host was judged yet: add one with hotstick host add."
	}
	return fmt.Sprintf("No CVE matches, of %d that the feeds speak of.", b.CVEs)
}

// CVENames are the arguments by which other commands find the CVEs.
func CVENames(list []api.CVE) []string {
	var names []string
	for _, c := range list {
		names = append(names, c.CVE)
	}
	return names
}

// CVE is one CVE with the kernels that are open to it, and what sources say.
func CVE(d api.CVEDetail, st Style) string {
	var p page
	c := d.CVE
	heading(&p, st, c.CVE, c.Title)
	p.field("Priority", "%s", Clean(priorities(d)))
	p.field("Hosts", "%s", hostCounts(c.Hosts))
	if !c.OpenSince.IsZero() {
		p.field("Open", "since %s (%s)", c.OpenSince.UTC().Format(time.RFC3339), openFor(c.OpenSince, st.Now))
	}
	known(&p, c.CVSS, c.KEV, c.EPSS)
	if !c.Published.IsZero() {
		p.field("Published", "%s", date(c.Published))
	}
	if len(c.Patches) > 0 {
		p.field("Patches", "%s", Clean(refs(c.Patches)))
	}
	kernels := Table{Header: []string{"PRODUCT", "VERSION", "ARCH", "EXPOSED", "UNKNOWN", "MITIGATED", "LIVE PATCHED", "FIXED", "NOT AFFECTED", "DISPUTED"}}
	for _, k := range d.Kernels {
		h := k.Hosts
		kernels.Rows = append(kernels.Rows, []Cell{text(product(k.Product)), text(k.Version), text(k.Arch), number(h.Exposed), number(h.Unknown), number(h.Mitigated),
			number(h.FixedByLivePatch), number(h.FixedByBoot), number(h.NotAffected), number(k.Disputed)})
	}
	if len(kernels.Rows) > 0 {
		p.table(st, "Kernels that hosts booted", kernels)
	}
	says := Table{Header: []string{"FEED", "DOCUMENT", "PRODUCT", "SAYS", "VERSIONS"}}
	for _, a := range d.Says {
		says.Rows = append(says.Rows, []Cell{text(a.Source.Feed), text(a.Source.Document), text(product(a.Product)), text(string(a.Status)), text(versions(a))})
	}
	if len(says.Rows) > 0 {
		p.table(st, "What sources say", says)
	}
	if d.More > 0 {
		p.line("  and %d more", d.More)
	}
	return p.String()
}

// CVEHosts lists hosts by where they stand with a CVE.
func CVEHosts(list api.CVEHostList, st Style) Table {
	t := Table{Header: []string{"NAME", "STATE", "REASON", "PRIORITY", "OPEN FOR", "KERNEL"}, Empty: "No host stands so with " + Clean(list.CVE) + "."}
	if st.Wide {
		t.Header = append(t.Header, "ID")
	}
	for _, h := range list.Hosts {
		row := []Cell{text(h.Host.Name), text(string(h.State)), text(string(h.Reason)), text(h.Priority), text(openFor(h.OpenSince, st.Now)), text(h.Release)}
		if st.Wide {
			row = append(row, text(string(h.Host.Host)))
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

// CVEHostNames are the hosts of a list as other commands take them.
func CVEHostNames(list api.CVEHostList) []string {
	var names []string
	for _, h := range list.Hosts {
		names = append(names, string(h.Host.Host))
	}
	return names
}

// HostCVEs is how one host stands with CVEs.
func HostCVEs(list api.HostCVEList, st Style) Table {
	t := Table{Header: []string{"CVE", "STATE", "REASON", "PRIORITY", "CVSS", "EPSS", "EXPLOITED", "OPEN FOR", "TITLE"}, Empty: noCVE(list.Basis)}
	for _, c := range list.CVEs {
		t.Rows = append(t.Rows, []Cell{text(c.CVE), text(string(c.State)), text(string(c.Reason)), text(c.Priority), text(score(c.CVSS)), text(probability(c.EPSS)),
			text(exploited(c.KEV)), text(openFor(c.OpenSince, st.Now)), text(c.Title)})
	}
	return t
}

// Exposure says where a host stands with a CVE, why, and by whose word.
func Exposure(e api.Exposure, st Style) string {
	var p page
	heading(&p, st, e.CVE+" on "+e.Host.Name, e.Title)
	for _, l := range e.Lines {
		p.line("%s", Escape(l))
	}
	if e.Changes != "" {
		p.line("What would change it: %s", Escape(e.Changes))
	}
	p.field("State", "%s, for the reason %s", e.State, e.Reason)
	if !e.OpenSince.IsZero() {
		p.field("Open", "since %s (%s)", e.OpenSince.UTC().Format(time.RFC3339), openFor(e.OpenSince, st.Now))
	}
	if len(e.Offers) > 0 {
		p.field("Patches", "%s", Clean(refs(e.Offers)))
	}
	known(&p, e.CVSS, e.KEV, e.EPSS)
	if e.Priority != "" {
		p.field("Priority", "%s", Clean(e.Priority))
		way(&p, st, e.Path)
	}
	sayings(&p, st, e.Says)
	times(&p, st, e.Intervals)
	return p.String()
}

func heading(p *page, st Style, what, title string) {
	line := st.Bold(Clean(what))
	if title != "" {
		line += "  " + Clean(title)
	}
	p.line("%s", line)
}

// way is the way through the tree of priorities.
func way(p *page, st Style, path []api.PriorityStep) {
	t := Table{Header: []string{"QUESTION", "ANSWER", "BECAUSE"}}
	for _, s := range path {
		because := s.Because
		if s.Assumed {
			because += ", so the worst is assumed"
		}
		t.Rows = append(t.Rows, []Cell{text(s.Ask), text(s.Answer), text(because)})
	}
	p.table(st, "How the priority follows", t)
}

func sayings(p *page, st Style, says []api.Saying) {
	t := Table{Header: []string{"DECIDES", "FEED", "DOCUMENT", "READ", "SAYS", "INTRODUCED", "FIXED", "DIGEST"}}
	for _, s := range says {
		decides := "no"
		if s.Decides {
			decides = "yes"
		}
		if s.Vendor {
			decides += ", the vendor"
		}
		said := string(s.Reason)
		for _, more := range []string{string(s.Justification), s.Module} {
			if more != "" {
				said += ", " + more
			}
		}
		t.Rows = append(t.Rows, []Cell{text(decides), text(s.Source.Feed), text(s.Source.Document), {Text: since(s.Source.Fetched, st.Now)}, text(said),
			text(s.Introduced), text(s.Fixed), text(s.Source.Digest.Short())})
	}
	if len(t.Rows) > 0 {
		p.table(st, "What sources say of this kernel", t)
	}
}

func times(p *page, st Style, all []api.ExposureInterval) {
	t := Table{Header: []string{"FROM", "UNTIL", "REASON", "CLOSED BY"}}
	for _, i := range all {
		until := "now"
		if i.Ended != nil {
			until = i.Ended.UTC().Format(time.RFC3339)
		}
		t.Rows = append(t.Rows, []Cell{{Text: i.Began.UTC().Format(time.RFC3339)}, {Text: until}, text(string(i.Reason)), text(string(i.Closed))})
	}
	if len(t.Rows) > 0 {
		p.table(st, "When it was open", t)
	}
}

// known is what feeds say of a CVE whatever the product.
func known(p *page, cvss *hotstick.Score, kev *hotstick.Exploited, epss *hotstick.Prediction) {
	if cvss != nil {
		p.field("CVSS", "%s (%s, %s)", score(cvss), Clean(cvss.Version), Clean(cvss.Vector))
	}
	if kev != nil {
		p.field("Exploited", "listed %s", exploited(kev))
	}
	if epss != nil {
		p.field("EPSS", "%s within 30 days, as of %s", probability(epss), date(epss.Date))
	}
}

func priorities(d api.CVEDetail) string {
	if d.CVE.Priority == "" {
		return "none: it is open on no host"
	}
	var parts []string
	for _, p := range slices.Sorted(maps.Keys(d.Priorities)) {
		parts = append(parts, fmt.Sprintf("%s on %d", p, d.Priorities[p]))
	}
	return strings.Join(parts, ", ") + " hosts"
}

func hostCounts(h api.CVEHosts) string {
	return fmt.Sprintf("%d exposed, %d unknown, %d mitigated, %d fixed by live patch, %d fixed by boot, %d not affected",
		h.Exposed, h.Unknown, h.Mitigated, h.FixedByLivePatch, h.FixedByBoot, h.NotAffected)
}

func versions(a hotstick.Advisory) string {
	var parts []string
	for _, r := range a.Ranges {
		part := "before " + r.Fixed
		switch {
		case r.LastAffected != "":
			part = "up to " + r.LastAffected
		case r.Fixed == "":
			part = "all"
		}
		if r.Introduced != "" && r.Introduced != "0" {
			part = strings.Replace("from "+r.Introduced+" "+part, " all", " on", 1)
		}
		parts = append(parts, part)
	}
	if a.Unreadable {
		parts = append(parts, "others that could not be read")
	}
	for _, more := range []string{string(a.Justification), a.Module} {
		if more != "" {
			parts = append(parts, more)
		}
	}
	return strings.Join(parts, "; ")
}

func product(p hotstick.KernelProduct) string {
	return strings.TrimSpace(p.Distribution + " " + p.Package)
}

func score(s *hotstick.Score) string {
	if s == nil {
		return ""
	}
	return strconv.FormatFloat(s.Base, 'f', 1, 64)
}

func probability(p *hotstick.Prediction) string {
	if p == nil {
		return ""
	}
	return strconv.FormatFloat(100*p.Probability, 'f', 1, 64) + "%"
}

func exploited(e *hotstick.Exploited) string {
	if e == nil {
		return ""
	}
	return date(e.Added)
}

func date(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.DateOnly)
}

func openFor(since, now time.Time) string {
	if since.IsZero() {
		return ""
	}
	return Age(now.Sub(since))
}
