package server

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/api"
	"github.com/hotstick/hotstick/internal/decide/exposure"
	"github.com/hotstick/hotstick/internal/store"
)

// maxSays bounds how much of what sources say of one CVE is in an answer.
const maxSays = 500

type cvesInput struct {
	Search   string `query:"search" doc:"Words that all are in a CVE's name, its title or the name of a patch that closes it"`
	Priority string `query:"priority" doc:"The most urgent priority that it has on any host: act, attend, track* or track"`
	State    string `query:"state" doc:"Where at least one host stands with it, such as exposed; or open"`
	Limit    int    `query:"limit" minimum:"0" maximum:"1000" doc:"CVEs on a page; 100 if not given"`
	Page     string `query:"page" doc:"Token of the page"`
}

func (in *cvesInput) check() error {
	return errors.Join(checkState(in.State), checkPriority(in.Priority))
}

// place is where a page ended: the order may have changed since, and the CVE may be gone.
type place struct {
	CVE       string  `json:"c"`
	Priority  string  `json:"p,omitempty"`
	Exploited bool    `json:"k,omitempty"`
	EPSS      float64 `json:"e,omitempty"`
	Open      int     `json:"n,omitempty"`
}

func placeOf(l exposure.Line) place {
	p := place{CVE: l.Vulnerability.CVE, Priority: string(l.Worst()), Exploited: l.Vulnerability.Exploited != nil, Open: l.Count.Open()}
	if e := l.Vulnerability.Prediction; e != nil {
		p.EPSS = e.Probability
	}
	return p
}

// line is a line that stands where the page ended.
func (p place) line() exposure.Line {
	l := exposure.Line{Vulnerability: hotstick.Vulnerability{CVE: p.CVE, Prediction: &hotstick.Prediction{Probability: p.EPSS}},
		Count: exposure.Count{hotstick.ExposedInRange: p.Open}, Open: map[exposure.Decision]int{exposure.Decision(p.Priority): p.Open}}
	if p.Exploited {
		l.Vulnerability.Exploited = &hotstick.Exploited{}
	}
	return l
}

func encodePlace(p place) (string, error) {
	text, err := json.Marshal(p)
	return encodePage(string(text)), err
}

// decodePlace returns nil for the first page.
func decodePlace(page string) (*place, error) {
	text, err := decodePage(page)
	if err != nil || page == "" {
		return nil, err
	}
	var p place
	if json.Unmarshal([]byte(text), &p) != nil {
		return nil, badPage()
	}
	return &p, nil
}

func (s *Server) cves(ctx context.Context, in *cvesInput) (*body[api.CVEList], error) {
	after, err := decodePlace(in.Page)
	if err := errors.Join(err, in.check()); err != nil {
		return nil, err
	}
	out := api.CVEList{CVEs: []api.CVE{}}
	err = s.judged(ctx, func(tx store.Tx, r ranked) error {
		limit := pageSize(in.Limit)
		var last exposure.Line
		for _, l := range r.board.Lines {
			if !s.wanted(in, l) {
				continue
			}
			out.Total++
			if after != nil && l.Compare(after.line()) <= 0 {
				continue
			}
			if len(out.CVEs) == limit {
				if out.Next == "" {
					if out.Next, err = encodePlace(placeOf(last)); err != nil {
						return err
					}
				}
				continue
			}
			line, err := s.viewCVE(tx, l)
			if err != nil {
				return err
			}
			out.CVEs, last = append(out.CVEs, line), l
		}
		out.Basis, err = r.basis(tx)
		return err
	})
	return answerWith(out), err
}

func (s *Server) wanted(in *cvesInput, l exposure.Line) bool {
	if in.Priority != "" && string(l.Worst()) != in.Priority {
		return false
	}
	if in.State != "" {
		some := false
		for reason, n := range l.Count {
			some = some || n > 0 && stands(reason, in.State)
		}
		if !some {
			return false
		}
	}
	if in.Search == "" {
		return true
	}
	texts := []string{l.Vulnerability.CVE, l.Vulnerability.Summary}
	for _, ref := range s.closers(l.Vulnerability.CVE) {
		texts = append(texts, ref.String())
	}
	return spelled(in.Search, texts...)
}

// CVEPath is the CVE in a route's path.
type CVEPath struct {
	CVE string `path:"cve" doc:"A CVE, such as CVE-2026-12345"`
}

func (s *Server) cve(ctx context.Context, in *CVEPath) (*body[api.CVEDetail], error) {
	var out api.CVEDetail
	err := s.judged(ctx, func(tx store.Tx, r ranked) error {
		l, err := r.line(tx, in.CVE)
		if err != nil {
			return err
		}
		out = api.CVEDetail{Scores: l.Vulnerability.Scores, Priorities: map[string]int{}, Kernels: []api.KernelExposure{}}
		if out.Scores == nil {
			out.Scores = []hotstick.Score{}
		}
		if out.CVE, err = s.viewCVE(tx, l); err != nil {
			return err
		}
		for d, n := range l.Open {
			out.Priorities[string(d)] = n
		}
		for _, k := range r.Fleet.Kernels(l.Vulnerability.CVE) {
			out.Kernels = append(out.Kernels, api.KernelExposure{Product: k.Kernel.Product, Version: k.Kernel.Version, Arch: k.Arch, Hosts: viewHosts(k.Count), Disputed: k.Disputed})
		}
		says, err := tx.Advisories().OfCVE(l.Vulnerability.CVE)
		out.Says = append([]hotstick.Advisory{}, says[:min(len(says), maxSays)]...)
		out.More = len(says) - len(out.Says)
		return err
	})
	return answerWith(out), err
}

type cveHostsInput struct {
	CVEPath
	State string `query:"state" doc:"Where a host stands, such as exposed; or open"`
	Limit int    `query:"limit" minimum:"0" maximum:"1000" doc:"Hosts on a page; 100 if not given"`
	Page  string `query:"page" doc:"Token of the page"`
}

func (s *Server) cveHosts(ctx context.Context, in *cveHostsInput) (*body[api.CVEHostList], error) {
	after, err := decodePage(in.Page)
	if err := errors.Join(err, checkState(in.State)); err != nil {
		return nil, err
	}
	out := api.CVEHostList{Hosts: []api.HostExposure{}}
	err = s.judged(ctx, func(tx store.Tx, r ranked) error {
		l, err := r.line(tx, in.CVE)
		if err != nil {
			return err
		}
		out.CVE = l.Vulnerability.CVE
		var found []api.HostExposure
		for id, reason := range r.Fleet.Stands(out.CVE) {
			if !stands(reason, in.State) {
				continue
			}
			out.Total++
			if string(id) > after && len(found) <= pageSize(in.Limit) {
				found = append(found, api.HostExposure{Host: api.HostRef{Host: id}, CVE: out.CVE, State: reason.State(), Reason: reason})
			}
		}
		if n := pageSize(in.Limit); len(found) > n {
			found = found[:n]
			out.Next = encodePage(string(found[n-1].Host.Host))
		}
		for _, e := range found {
			h, err := tx.Hosts().Get(e.Host.Host)
			if errors.Is(err, store.ErrNotFound) {
				continue
			}
			if err == nil {
				err = s.fillExposure(tx, &e, h, l.Vulnerability)
			}
			if err != nil {
				return err
			}
			out.Hosts = append(out.Hosts, e)
		}
		return nil
	})
	return answerWith(out), err
}
