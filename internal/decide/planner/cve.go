package planner

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/decide/compat"
	"github.com/hotstick/hotstick/internal/decide/policy"
)

// Candidate is a patch that closes the CVE of a request.
type Candidate struct {
	Patch hotstick.Patch
	// Forbidden says why nobody may arm it: it is banned or recalled; nil if one may.
	Forbidden *hotstick.Reason
}

// rebootDriver is the system of hosts for which no other has a patch.
const rebootDriver = "reboot"

// place is a kernel build under a driver: one lane.
type place struct {
	build  hotstick.KernelBuild
	driver string
}

// choice is what a host gets in a plan for a CVE.
type choice struct {
	// candidate is its index; -1 where the host is left out, for why.
	candidate int
	verdict   policy.Verdict
	why       *hotstick.Reason
}

// choose picks for each host the patch of its own system. A host that a vendor's system
// manages gets that system's patch; any other gets one that we load ourselves. Where the
// system has none, or cannot do what is asked of it, a fixed kernel and a reboot remain.
//
// One lane has one patch: the newest that any of its hosts can take. A host that cannot
// take that one is left out, with the reason.
func choose(r Request) ([]choice, error) {
	switch {
	case r.Continues != nil:
		return nil, fmt.Errorf("cannot continue a plan with one for %s: what that proved is of one patch", r.CVE)
	case len(r.Candidates) == 0:
		return nil, &Refusal{Reason: hotstick.Reason{Code: hotstick.ReasonNotCovered, Subject: r.CVE}}
	}
	return choices(r), nil
}

// Cover says of each host of a request for a CVE why nothing would close it there, or nil
// where a plan that was made now would take the host. It plans nothing, so that no plan's
// limit can keep it from telling; without candidates no host is covered.
func Cover(r Request) []*hotstick.Reason {
	chosen := choices(r)
	out := make([]*hotstick.Reason, len(chosen))
	for i, c := range chosen {
		out[i] = c.why
	}
	return out
}

func choices(r Request) []choice {
	c := chooser{r: r, rules: make([]compat.Rules, len(r.Candidates)), lanes: map[place][]int{}, takes: map[place]int{}, fixed: fixedBy(r.CVE, r.Catalog)}
	known := modules(r.Catalog)
	for i, candidate := range r.Candidates {
		c.rules[i] = compat.For(candidate.Patch, known)
		for _, a := range candidate.Patch.Artifacts {
			at := place{a.Build, candidate.Patch.Driver}
			c.lanes[at] = append(c.lanes[at], i)
		}
	}
	for _, in := range c.lanes {
		slices.SortFunc(in, func(a, b int) int { return newer(r.Candidates[a].Patch, r.Candidates[b].Patch) })
	}
	for i := range r.Hosts {
		c.offer(&r.Hosts[i])
	}
	out := make([]choice, len(r.Hosts))
	for i := range r.Hosts {
		out[i] = c.pick(&r.Hosts[i])
	}
	return out
}

// newer orders patches, the newest first: by level, and of two names by when they were
// published.
func newer(a, b hotstick.Patch) int {
	if a.Ref.Name == b.Ref.Name {
		return cmp.Compare(b.Ref.Level, a.Ref.Level)
	}
	return cmp.Or(b.Published.Compare(a.Published), cmp.Compare(a.Ref.Name, b.Ref.Name), cmp.Compare(b.Ref.Level, a.Ref.Level))
}

// fixedBy are the levels of the catalog that close a CVE.
func fixedBy(cve string, catalog []hotstick.Patch) map[hotstick.PatchRef]bool {
	out := map[hotstick.PatchRef]bool{}
	for _, p := range catalog {
		if slices.Contains(p.CVEs, cve) {
			out[p.Ref] = true
		}
	}
	return out
}

type chooser struct {
	r     Request
	rules []compat.Rules
	// lanes are the candidates of each place, the newest first.
	lanes map[place][]int
	// takes is the candidate of each lane: the newest that some host can take.
	takes map[place]int
	fixed map[hotstick.PatchRef]bool
}

// offer notes the newest candidate that a host can take, for its lanes.
func (c *chooser) offer(h *Host) {
	if h.Compat.Facts == nil {
		return
	}
	for _, driver := range systems(h.Compat.Facts) {
		at := place{build(*h), driver}
		for n, i := range c.lanes[at] {
			if have, ok := c.takes[at]; ok && slices.Index(c.lanes[at], have) <= n {
				break // it is as new
			}
			if _, why := c.judge(h, i); why == nil {
				c.takes[at] = i
				break
			}
		}
	}
}

// judge says why a host cannot take a candidate, or nil, with what the policy says.
func (c *chooser) judge(h *Host, i int) (policy.Verdict, *hotstick.Reason) {
	verdict := h.Verdict
	if len(h.Verdicts) > i {
		verdict = h.Verdicts[i]
	}
	switch why := c.rules[i].Check(h.Compat); {
	case c.r.Candidates[i].Forbidden != nil:
		return verdict, c.r.Candidates[i].Forbidden
	case why != nil:
		return verdict, why
	case h.Verdict.Reason != nil:
		return verdict, h.Verdict.Reason
	}
	return verdict, verdict.Reason
}

// pick picks what a host gets.
func (c *chooser) pick(h *Host) choice {
	f := h.Compat.Facts
	if f == nil {
		return choice{candidate: -1, why: &hotstick.Reason{Code: hotstick.ReasonHostSilent}}
	}
	if c.fixed[h.Compat.InEffect] {
		return choice{candidate: -1, why: &hotstick.Reason{Code: hotstick.ReasonAlreadyInEffect, Subject: h.Compat.InEffect.String()}}
	}
	var first *hotstick.Reason
	for _, driver := range systems(f) {
		at := place{build(*h), driver}
		all := c.lanes[at]
		if len(all) == 0 {
			continue
		}
		i, taken := c.takes[at]
		if !taken {
			i = all[0]
		}
		verdict, why := c.judge(h, i)
		if why == nil {
			return choice{candidate: i, verdict: verdict}
		}
		if first == nil {
			first = why
		}
		if !beyond(why.Code) {
			break
		}
	}
	if first == nil {
		first = hotstick.Ruled(f.Masters, f.Drivers)
	}
	if first == nil {
		first = c.uncovered(f)
	}
	return choice{candidate: -1, why: first}
}

// uncovered is why no system covers a host: which it has, and that none has a patch here.
func (c *chooser) uncovered(f *hotstick.Facts) *hotstick.Reason {
	has := systems(f)
	if len(has) == 0 {
		has = []string{"no live-patch system"}
	}
	return &hotstick.Reason{Code: hotstick.ReasonNotCovered, Subject: c.r.CVE,
		Detail: fmt.Sprintf("%s has %s", f.Kernel.Build, strings.Join(has, ", "))}
}

// beyond reports whether a system cannot do it at all, so that the next is asked. What is
// the host's, the patch's or a person's own reason is no cause to reboot instead.
func beyond(code hotstick.ReasonCode) bool {
	switch code {
	case hotstick.ReasonNoArtifact, hotstick.ReasonUnsupported, hotstick.ReasonNotEntitled, hotstick.ReasonCoverEnded,
		hotstick.ReasonNotReversible, hotstick.ReasonBanned, hotstick.ReasonRecalled:
		return true
	}
	return false
}

// systems are the drivers by which a host can be patched, the first choice first. While a
// vendor's system manages the kernel, or is set up on the host, nothing else does: two
// masters of one kernel undo each other's work.
func systems(f *hotstick.Facts) []string {
	var vendors []string
	klp, reboot, managed := false, false, false
	add := func(name string) {
		if !slices.Contains(vendors, name) {
			vendors = append(vendors, name)
		}
	}
	given := map[string]bool{} // systems whose level another driver has taken over
	for _, m := range f.Masters {
		switch given[m.System] = m.Adopted && m.Driver != m.System; {
		case m.Active, m.Adopted && m.Driver == m.System:
			managed = true
			add(m.System)
		}
	}
	for _, c := range f.Drivers {
		switch {
		case given[c.Driver]:
		case c.Driver == rebootDriver:
			reboot = c.Available
		case c.TrustClass == hotstick.TrustBytes:
			klp = klp || c.Available
		case c.Available || c.Reason != nil && c.Reason.Code != hotstick.ReasonUnsupported:
			add(c.Driver) // its subscription or its cover may have ended: it is there
		}
	}
	slices.Sort(vendors)
	if klp && !managed {
		for _, c := range f.Drivers {
			if c.TrustClass == hotstick.TrustBytes && c.Available {
				vendors = append(vendors, c.Driver)
			}
		}
	}
	if reboot {
		vendors = append(vendors, rebootDriver)
	}
	return vendors
}

// again chooses and plans from scratch: what one host can take may be what its whole lane
// gets.
func (p *Planner) again(hosts []Host) error {
	r := p.req
	r.Hosts = hosts
	next, err := Pack(r)
	if next != nil {
		*p = *next
	}
	p.req, p.failed = r, err
	return err
}

// patchOf is what the hosts of a lane get.
func (p *Planner) patchOf(l *lane) *hotstick.Patch {
	if p.req.CVE == "" {
		return &p.req.Patch
	}
	return &p.req.Candidates[l.candidate].Patch
}
