package server

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"sync"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/api"
	"github.com/hotstick/hotstick/internal/controller"
	"github.com/hotstick/hotstick/internal/identity"
	"github.com/hotstick/hotstick/internal/statement"
	"github.com/hotstick/hotstick/internal/store"
	"github.com/hotstick/hotstick/internal/wire"
)

// markAuthorities is the mark of which authority followed which, oldest first. It is
// kept unsigned: what is sent is signed by the online key of the moment.
const markAuthorities = "authorities"

// maxAuthorities bounds how many are remembered: each change makes two.
const maxAuthorities = 32

func authoritiesOf(tx store.Tx) ([]statement.Authority, error) {
	text, err := tx.Events().Mark(markAuthorities)
	if err != nil || text == "" {
		return nil, err
	}
	var out []statement.Authority
	if err := json.Unmarshal([]byte(text), &out); err != nil {
		return nil, fmt.Errorf("cannot read the mark %s: %v", markAuthorities, err)
	}
	return out, nil
}

// tellAuthority remembers which authority follows which, with its event.
func tellAuthority(tx store.Tx, a statement.Authority, kind, who, why string) error {
	all, err := authoritiesOf(tx)
	if err != nil {
		return err
	}
	all = append(all, a)
	text, err := json.Marshal(all[max(0, len(all)-maxAuthorities):])
	if err != nil {
		return fmt.Errorf("cannot encode the authorities: %v", err)
	}
	_, err = tx.Events().Append(store.Event{Kind: kind, Actor: who, Evidence: []hotstick.Evidence{
		{Kind: "from", Text: string(a.From)}, {Kind: "to", Text: string(hotstick.NewDigest(a.Certificate))}, {Kind: "reason", Text: why}}})
	if err != nil {
		return err
	}
	return tx.Events().SetMark(markAuthorities, string(text))
}

type authorityInput struct{ Body api.AuthorityRequest }

// changeAuthority announces the next authority, or puts it in the old one's place.
func (s *Server) changeAuthority(ctx context.Context, in *authorityInput) (*body[api.Authority], error) {
	if strings.TrimSpace(in.Body.Reason) == "" || len(in.Body.Reason) > maxTold {
		return nil, newProblem(http.StatusUnprocessableEntity, controller.CodeInvalid, "cannot do this without a reason", "say why, for whoever reads the log")
	}
	who := string(callerOf(ctx).Person)
	var err error
	if in.Body.Finish {
		err = s.replaceAuthority(ctx, who, in.Body)
	} else {
		err = s.announceAuthority(ctx, who, in.Body.Reason)
	}
	if err != nil {
		return nil, err
	}
	out := api.Authority{Digest: s.authority.Digest(), Certificates: string(s.authority.PEM())}
	if next := s.authority.Next(); next != nil {
		out.Next = hotstick.NewDigest(next)
		err = s.store.View(ctx, func(tx store.Tx) error {
			all, err := authoritiesOf(tx)
			if err == nil && len(all) > 0 {
				out.Ready = all[len(all)-1].IssuedAt.Add(identity.CertificateLife)
			}
			return err
		})
	}
	return answerWith(out), err
}

func (s *Server) announceAuthority(ctx context.Context, who, why string) error {
	next, err := s.authority.Announce(s.now())
	if err != nil {
		return err
	}
	return s.controller.Update(ctx, func(tx store.Tx) error {
		all, err := authoritiesOf(tx)
		if err != nil {
			return err
		}
		if n := len(all); n > 0 && !all[n-1].Last {
			return newProblem(http.StatusConflict, controller.CodeConflict, "cannot announce another authority: one is announced already",
				"finish with hotstick server rotate-ca --finish")
		}
		return tellAuthority(tx, statement.Authority{From: s.authority.Digest(), Certificate: next,
			IssuedAt: tx.Now().Truncate(time.Second)}, identity.AuthorityAnnounced, who, why)
	})
}

func (s *Server) replaceAuthority(ctx context.Context, who string, req api.AuthorityRequest) error {
	err := s.controller.Update(ctx, func(tx store.Tx) error {
		all, err := authoritiesOf(tx)
		if err != nil {
			return err
		}
		n := len(all)
		if n == 0 || all[n-1].Last {
			return newProblem(http.StatusConflict, controller.CodeConflict, identity.ErrNoNext.Error(), "announce it with hotstick server rotate-ca")
		}
		a := all[n-1]
		if ready := a.IssuedAt.Add(identity.CertificateLife); !req.AtOnce && tx.Now().Before(ready) {
			return newProblem(http.StatusConflict, controller.CodeConflict, "cannot replace the authority before every host that is up has heard of the next, at "+ready.Format(time.RFC3339),
				"wait, or use --at-once: hosts then find the new one when the old one is gone")
		}
		a.Last, a.IssuedAt = true, tx.Now().Truncate(time.Second)
		return tellAuthority(tx, a, identity.AuthorityReplaced, who, req.Reason)
	})
	if err != nil {
		return err
	}
	return s.authority.Replace()
}

// settleAuthority ends a change of the authority that the server's end cut short
// between the audit log, which is right, and the files.
func (s *Server) settleAuthority(ctx context.Context) error {
	var all []statement.Authority
	err := s.store.View(ctx, func(tx store.Tx) (err error) { all, err = authoritiesOf(tx); return err })
	if err != nil || len(all) == 0 {
		return err
	}
	newest := all[len(all)-1]
	if newest.Last && string(newest.Certificate) == string(s.authority.Next()) {
		return s.authority.Replace()
	}
	return nil
}

// heirs keeps the signed statements about authorities until there are others: the
// route that sends them is open, and signing is not free.
type heirs struct {
	mu     sync.Mutex
	epoch  uint64
	newest statement.Authority
	signed []json.RawMessage
}

// sign returns the statements, signed by the key for an epoch.
func (h *heirs) sign(all []statement.Authority, epoch uint64, key statement.Signer) ([]json.RawMessage, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if n := len(all); n > 0 && n == len(h.signed) && h.epoch == epoch && reflect.DeepEqual(h.newest, all[n-1]) {
		return h.signed, nil
	}
	signed := []json.RawMessage{}
	for _, a := range all {
		h.newest = a
		a.Epoch = epoch
		raw, err := statement.Sign(statement.KindAuthority, a, key)
		if err != nil {
			return nil, err
		}
		signed = append(signed, raw)
	}
	h.epoch, h.signed = epoch, signed
	return signed, nil
}

// agentAuthority sends the statements that name the authorities. It is open: a host
// that slept through a change cannot tell this server from an impostor before it has
// read them.
func (s *Server) agentAuthority() http.Handler {
	known := &heirs{}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var all []statement.Authority
		err := s.store.View(r.Context(), func(tx store.Tx) (err error) { all, err = authoritiesOf(tx); return err })
		resp := &wire.AuthorityResponse{}
		if err == nil {
			resp.Authorities, err = known.sign(all, s.catalog.View().Trust.Epoch, s.checkpoints.key)
		}
		if err != nil {
			writeProblem(w, asProblem(err, s.log))
			return
		}
		s.send(w, resp)
	})
}
