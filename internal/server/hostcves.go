package server

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/api"
	"github.com/hotstick/hotstick/internal/controller"
	"github.com/hotstick/hotstick/internal/decide/exposure"
	"github.com/hotstick/hotstick/internal/decide/why"
	"github.com/hotstick/hotstick/internal/store"
)

// fillExposure adds what the store has of a host and its exposure to a CVE.
func (s *Server) fillExposure(tx store.Tx, e *api.HostExposure, h store.Host, v hotstick.Vulnerability) error {
	e.Host = api.HostRef{Host: h.ID, Name: h.Name}
	var labels map[string]string
	if h.Facts != nil {
		e.Release, labels = h.Facts.Kernel.Build.Release, h.Facts.Labels
	}
	if !e.State.Open() {
		return nil
	}
	e.Priority = string(s.knowledge.exposures.Tree().Decide(v, labels).Decision)
	open, err := tx.Exposures().Open(h.ID, v.CVE)
	if errors.Is(err, store.ErrNotFound) { // it is to be written in a moment
		return nil
	}
	e.OpenSince = open.Began
	return err
}

type hostCVEsInput struct {
	HostPath
	Search   string `query:"search" doc:"Words that all are in a CVE's name, its title or the name of a patch that closes it"`
	Priority string `query:"priority" doc:"The priority that it has on this host: act, attend, track* or track"`
	State    string `query:"state" doc:"Where the host stands with it, such as exposed; or open"`
	Limit    int    `query:"limit" minimum:"0" maximum:"1000" doc:"CVEs on a page; 100 if not given"`
	Page     string `query:"page" doc:"Token of the page"`
}

// onHost is a CVE as it stands on one host.
type onHost struct {
	line     exposure.Line
	reason   hotstick.ExposureReason
	decision exposure.Decision
}

// compare puts what is open first, then the most urgent.
func (c onHost) compare(o onHost) int {
	v, w := c.line.Vulnerability, o.line.Vulnerability
	return cmp.Or(c.decision.Compare(o.decision), exposure.Urgent(v, w), strings.Compare(v.CVE, w.CVE))
}

// place is where a page ends with it.
func (c onHost) place() place {
	p := placeOf(c.line)
	p.Priority, p.Open = string(c.decision), 0
	return p
}

// ofHost lists how a host stands with every CVE, in order.
func (s *Server) ofHost(r ranked, h store.Host) (all []onHost, counts exposure.Count) {
	var labels map[string]string
	if h.Facts != nil {
		labels = h.Facts.Labels
	}
	counts = exposure.Count{}
	for cve, reason := range r.Fleet.OfHost(h.ID) {
		counts[reason]++
		c := onHost{reason: reason}
		c.line, _ = r.board.Line(cve)
		if reason.State().Open() {
			c.decision = s.knowledge.exposures.Tree().Decide(c.line.Vulnerability, labels).Decision
		}
		all = append(all, c)
	}
	slices.SortFunc(all, onHost.compare)
	return all, counts
}

func (s *Server) hostCVEs(ctx context.Context, in *hostCVEsInput) (*body[api.HostCVEList], error) {
	after, err := decodePlace(in.Page)
	if err := errors.Join(err, checkState(in.State), checkPriority(in.Priority)); err != nil {
		return nil, err
	}
	out := api.HostCVEList{CVEs: []api.HostCVE{}}
	err = s.judged(ctx, func(tx store.Tx, r ranked) error {
		h, err := lookupHost(tx, in.ID)
		if err != nil {
			return err
		}
		all, counts := s.ofHost(r, h)
		out.Host, out.Counts = api.HostRef{Host: h.ID, Name: h.Name}, viewHosts(counts)
		all = slices.DeleteFunc(all, func(c onHost) bool {
			return !stands(c.reason, in.State) || in.Priority != "" && string(c.decision) != in.Priority || !s.wanted(&cvesInput{Search: in.Search}, c.line)
		})
		out.Total = len(all)
		if after != nil {
			end := onHost{line: after.line(), decision: exposure.Decision(after.Priority)}
			all = slices.DeleteFunc(all, func(c onHost) bool { return c.compare(end) <= 0 })
		}
		if n := pageSize(in.Limit); len(all) > n {
			all = all[:n]
			if out.Next, err = encodePlace(all[n-1].place()); err != nil {
				return err
			}
		}
		for _, c := range all {
			one, err := s.viewHostCVE(tx, h, c.reason, c.line.Vulnerability)
			if err != nil {
				return err
			}
			out.CVEs = append(out.CVEs, one)
		}
		out.Basis, err = r.basis(tx)
		return err
	})
	return answerWith(out), err
}

func (s *Server) viewHostCVE(tx store.Tx, h store.Host, reason hotstick.ExposureReason, v hotstick.Vulnerability) (api.HostCVE, error) {
	out := api.HostCVE{HostExposure: api.HostExposure{CVE: v.CVE, State: reason.State(), Reason: reason}, Title: v.Summary, CVSS: newest(v), KEV: v.Exploited, EPSS: v.Prediction}
	err := s.fillExposure(tx, &out.HostExposure, h, v)
	return out, err
}

// HostCVEPath is a host and a CVE in a route's path.
type HostCVEPath struct {
	HostPath
	CVEPath
}

func (s *Server) exposure(ctx context.Context, in *HostCVEPath) (*body[api.Exposure], error) {
	var out api.Exposure
	err := s.judged(ctx, func(tx store.Tx, r ranked) error {
		h, err := lookupHost(tx, in.ID)
		if err != nil {
			return err
		}
		l, err := r.line(tx, in.CVE)
		if err != nil {
			return err
		}
		a, judged := r.Fleet.Explain(h.ID, l.Vulnerability.CVE)
		if !judged {
			return newProblem(http.StatusNotFound, controller.CodeNotFound, "cannot say where this host stands: it was not judged", "it is judged a moment after its first facts, and until it is written off: see hotstick host show")
		}
		out, err = s.explained(tx, h, l.Vulnerability, a)
		return err
	})
	return answerWith(out), err
}

// explained is an answer with all that it rests on.
func (s *Server) explained(tx store.Tx, h store.Host, v hotstick.Vulnerability, a exposure.Answer) (out api.Exposure, err error) {
	if out.HostCVE, err = s.viewHostCVE(tx, h, a.Reason, v); err != nil {
		return out, err
	}
	out.Kernel, out.Memory = api.ExposedKernel{Product: a.Kernel.Product, Version: a.Kernel.Version}, a.Memory
	out.Patch, out.Disputed, out.Says = a.Patch, a.Disputed, []api.Saying{}
	for _, x := range a.Says {
		out.Says = append(out.Says, api.Saying{Source: x.Source, Product: x.Product, Reason: x.Reason, Introduced: x.Introduced, Fixed: x.Fixed,
			Justification: x.Justification, Module: x.Module, Vendor: x.Vendor, Decides: x.Decides})
	}
	if a.State.Open() && h.Facts != nil {
		for _, step := range s.knowledge.exposures.Tree().Decide(v, h.Facts.Labels).Path {
			out.Path = append(out.Path, api.PriorityStep{Ask: string(step.Ask), Answer: step.Answer, Because: step.Because, Assumed: step.Assumed})
		}
	}
	if out.Offers, err = s.offers(tx, h, v.CVE); err != nil {
		return out, err
	}
	out.Lines, out.Changes = why.ExplainExposure(sentences(h, a, out.Offers))
	out.Intervals, err = intervals(tx, h.ID, v.CVE)
	return out, err
}

// sentences is what the sentences about an answer are made of.
func sentences(h store.Host, a exposure.Answer, offers []hotstick.PatchRef) why.Exposure {
	e := why.Exposure{Host: cmp.Or(h.Name, string(h.ID)), CVE: a.CVE, Reason: a.Reason, Product: a.Kernel.Product, Version: a.Kernel.Version, Memory: a.Memory,
		Patch: a.Patch, Offers: offers, Disputed: a.Disputed}
	if len(a.Says) > 0 && a.Says[0].Decides {
		s := a.Says[0]
		e.Word = &why.Word{Source: s.Source, Introduced: s.Introduced, Fixed: s.Fixed, Justification: s.Justification, Module: s.Module}
	}
	return e
}

// offers are the levels of the catalog that may be put in and close a CVE on a host's kernel
// build, the highest first.
func (s *Server) offers(tx store.Tx, h store.Host, cve string) ([]hotstick.PatchRef, error) {
	refs := []hotstick.PatchRef{}
	if h.Facts == nil {
		return refs, nil
	}
	trusted := s.catalog.View()
	for _, p := range closing(cve, trusted) {
		fits := slices.ContainsFunc(p.Artifacts, func(a hotstick.Artifact) bool { return a.Build == h.Facts.Kernel.Build })
		if !fits {
			continue
		}
		forbidden, err := controller.Forbidden(tx, trusted, p.Ref)
		if err != nil {
			return nil, err
		}
		if forbidden == nil {
			refs = append(refs, p.Ref)
		}
	}
	slices.SortFunc(refs, func(a, b hotstick.PatchRef) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), cmp.Compare(b.Level, a.Level))
	})
	return refs, nil
}

func intervals(tx store.Tx, host hotstick.HostID, cve string) ([]api.ExposureInterval, error) {
	all, err := tx.Exposures().OfHost(host, false)
	out := []api.ExposureInterval{}
	for _, e := range all {
		if e.CVE == cve {
			out = append(out, api.ExposureInterval{Began: e.Began, Reason: e.Reason, Feed: e.Feed, Document: e.Document, Ended: e.Ended, Closed: e.Closed})
		}
	}
	return out, err
}
