package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/api"
	"github.com/hotstick/hotstick/internal/controller"
	"github.com/hotstick/hotstick/internal/controller/exposures"
	"github.com/hotstick/hotstick/internal/decide/exposure"
	"github.com/hotstick/hotstick/internal/store"
)

// ranked is a picture of the fleet with its CVEs in order. Both are of one moment, so that
// what an answer says of a host fits what it counts.
type ranked struct {
	*exposures.Picture
	board *exposure.Board
}

// ranked returns the newest picture in order. Ordering a large fleet costs a second or so, so
// it stands for a while as other counts do.
func (s *Server) ranked(tx store.Tx) (ranked, error) {
	return s.knowledge.board.get(time.Now, func() (ranked, error) {
		p := s.knowledge.exposures.Picture()
		if p == nil {
			p = &exposures.Picture{Fleet: exposure.Full(exposure.Compile(nil, nil, nil), nil)}
		}
		var failed error
		board := p.Fleet.Rank(s.knowledge.exposures.Tree(), p.Sites, func(cve string) hotstick.Vulnerability {
			v, err := tx.Vulnerabilities().Get(cve)
			if err != nil && !errors.Is(err, store.ErrNotFound) {
				failed = err
			}
			return v
		})
		return ranked{p, board}, failed
	})
}

// basis says what an answer about CVEs rests on.
func (r ranked) basis(tx store.Tx) (api.CVEBasis, error) {
	b := api.CVEBasis{CVEs: len(r.board.Lines), Hosts: r.Fleet.Size()}
	all, err := tx.Feeds().List()
	for _, f := range all {
		if !f.Enabled || f.Removed {
			continue
		}
		b.Feeds++
		if f.State.Good.After(b.Read) {
			b.Read = f.State.Good
		}
	}
	return b, err
}

// line finds a CVE, in small letters too; where no feed speaks of it the problem says what to
// do about that.
func (r ranked) line(tx store.Tx, name string) (exposure.Line, error) {
	name = strings.ToUpper(name)
	if err := hotstick.ValidateCVE(name); err != nil {
		return exposure.Line{}, newProblem(http.StatusUnprocessableEntity, controller.CodeInvalid, err.Error(), "write it as CVE-2026-12345")
	}
	if l, there := r.board.Line(name); there {
		return l, nil
	}
	b, err := r.basis(tx)
	if err != nil {
		return exposure.Line{}, err
	}
	hint := "is it a CVE of a kernel? The feeds were last read at " + b.Read.UTC().Format(time.RFC3339) + "; see hotstick feed list"
	switch {
	case b.Feeds == 0:
		hint = "the server reads no feed of advisories: name one with hotstick feed add NAME LOCATION"
	case b.Read.IsZero():
		hint = "no feed was read to its end yet; see how that goes with hotstick feed list"
	case b.CVEs == 0:
		hint = "the feeds were read, and nothing of them was judged yet: wait a moment, then look at hotstick feed list"
	}
	return exposure.Line{}, newProblem(http.StatusNotFound, controller.CodeNotFound, fmt.Sprintf("cannot find %s: no feed speaks of it", name), hint)
}

// viewCVE is one line in the words of the API.
func (s *Server) viewCVE(tx store.Tx, l exposure.Line) (api.CVE, error) {
	v := l.Vulnerability
	out := api.CVE{CVE: v.CVE, Title: v.Summary, Published: v.Published, KEV: v.Exploited, EPSS: v.Prediction, CVSS: newest(v),
		Priority: string(l.Worst()), Hosts: viewHosts(l.Count), Patches: s.closers(v.CVE)}
	if l.Count.Open() == 0 {
		return out, nil
	}
	since, err := tx.Exposures().Since(v.CVE)
	if errors.Is(err, store.ErrNotFound) { // it is to be written in a moment
		return out, nil
	}
	out.OpenSince = since
	return out, err
}

func newest(v hotstick.Vulnerability) *hotstick.Score {
	if len(v.Scores) == 0 {
		return nil
	}
	return &v.Scores[0]
}

func (s *Server) closers(cve string) []hotstick.PatchRef {
	refs := []hotstick.PatchRef{}
	for _, p := range closing(cve, s.catalog.View()) {
		refs = append(refs, p.Ref)
	}
	return refs
}

func viewHosts(c exposure.Count) api.CVEHosts {
	return api.CVEHosts{Exposed: c.Exposed(), Unknown: c.Unknown(), Mitigated: c.In(hotstick.Mitigated), FixedByLivePatch: c.In(hotstick.FixedByLivePatch),
		FixedByBoot: c.In(hotstick.FixedByBoot), NotAffected: c.In(hotstick.NotAffected)}
}

// openState is the state of a filter that means whatever counts as open.
const openState = "open"

// stands reports whether a reason is in a state of a filter.
func stands(r hotstick.ExposureReason, state string) bool {
	return state == "" || string(r.State()) == state || state == openState && r.State().Open()
}

func checkState(state string) error {
	if state == "" || state == openState || slices.Contains(hotstick.ExposureStates(), hotstick.ExposureState(state)) {
		return nil
	}
	return newProblem(http.StatusUnprocessableEntity, controller.CodeInvalid, "cannot filter by this state: there is none of that name",
		fmt.Sprintf("use open, or one of %v", hotstick.ExposureStates()))
}

func checkPriority(priority string) error {
	if priority == "" || slices.Contains(exposure.Decisions(), exposure.Decision(priority)) {
		return nil
	}
	return newProblem(http.StatusUnprocessableEntity, controller.CodeInvalid, "cannot filter by this priority: there is none of that name",
		fmt.Sprintf("use one of %v", exposure.Decisions()))
}

// spelled reports whether every word of a search is in one of the texts.
func spelled(search string, texts ...string) bool {
	for word := range strings.FieldsSeq(strings.ToLower(search)) {
		if !slices.ContainsFunc(texts, func(text string) bool { return strings.Contains(strings.ToLower(text), word) }) {
			return false
		}
	}
	return true
}

// judged gives fn the newest picture inside a transaction.
func (s *Server) judged(ctx context.Context, fn func(tx store.Tx, r ranked) error) error {
	return s.store.View(ctx, func(tx store.Tx) error {
		r, err := s.ranked(tx)
		if err != nil {
			return err
		}
		return fn(tx, r)
	})
}
