package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/controller"
	"github.com/hotstick/hotstick/internal/failpoint"
	"github.com/hotstick/hotstick/internal/identity"
	"github.com/hotstick/hotstick/internal/inventory"
	"github.com/hotstick/hotstick/internal/store"
	"github.com/hotstick/hotstick/internal/strictjson"
	"github.com/hotstick/hotstick/internal/wire"
)

// Paces that answers to check-ins set.
const (
	// paceActive is for hosts in an active rollout.
	paceActive = 500 * time.Millisecond
	// paceNow is for hosts that are to check in again at once.
	paceNow = 50 * time.Millisecond
	// maxHold bounds how long a check-in is held.
	maxHold = 25 * time.Second
	// maxBacklog of reports in one check-in means that there may be more.
	maxBacklog = 200
)

// receive reads one message of an agent strictly.
func receive(w http.ResponseWriter, r *http.Request, limit int64, into wire.Message) *problem {
	if r.ContentLength > limit {
		return tooLarge(limit)
	}
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	if err != nil {
		if _, large := errors.AsType[*http.MaxBytesError](err); large {
			return tooLarge(limit)
		}
		return newProblem(http.StatusBadRequest, controller.CodeInvalid, "cannot read the message", "")
	}
	if err := wire.Decode(bytes.NewReader(data), limit, into); err != nil {
		// Decoding refuses more than malformed JSON; which of the two it was is asked only now.
		if malformed := strictjson.Check(data); malformed != nil {
			return newProblem(http.StatusBadRequest, controller.CodeInvalid, clipped("cannot read the message: "+malformed.Error()), "")
		}
		return newProblem(http.StatusBadRequest, controller.CodeInvalid, clipped(err.Error()), "agent and server may be of different versions")
	}
	return nil
}

func tooLarge(limit int64) *problem {
	return newProblem(http.StatusRequestEntityTooLarge, codeTooLarge, fmt.Sprintf("cannot read a message of more than %d bytes", limit), "")
}

func clipped(text string) string {
	if len(text) > maxTold {
		return text[:maxTold] + " …"
	}
	return text
}

// send writes one answer to an agent.
func (s *Server) send(w http.ResponseWriter, m wire.Message) { s.sendAs(w, m, wire.Protocol) }

// sendAs writes one answer to an agent in its protocol.
func (s *Server) sendAs(w http.ResponseWriter, m wire.Message, protocol int) {
	data, err := wire.EncodeAs(m, protocol, wire.MaxResponseBytes)
	if err != nil {
		writeProblem(w, asProblem(err, s.log))
		return
	}
	w.Header().Set("Content-Type", "application/json")
	// The agent may be gone; it asks again.
	_, _ = w.Write(data)
}

func (s *Server) enroll() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var req wire.EnrollRequest
		if p := receive(w, r, wire.MaxEnrollBytes, &req); p != nil {
			writeProblem(w, p)
			return
		}
		var made identity.Enrolled
		err := s.controller.Update(r.Context(), func(tx store.Tx) error {
			var err error
			made, err = s.authority.Enroll(tx, req)
			failpoint.Here(failpoint.ServerEnrolWritten)
			return err
		})
		if err != nil {
			writeProblem(w, s.guessed(r.Context(), err, enrolProblem(err, s)))
			return
		}
		failpoint.Here(failpoint.ServerEnrolAfter)
		s.send(w, &wire.EnrollResponse{Host: made.Host, Certificate: made.Certificate,
			Authority: s.authority.Certificate(), Root: s.catalog.Root()})
	})
}

// guessed counts a token or a proof that was none, and says to wait where there
// were too many from one address. One that is right is never kept waiting: tokens
// are too long to be guessed, and a whole fleet may stand behind one address.
func (s *Server) guessed(ctx context.Context, err error, told *problem) *problem {
	if !isIdentityError(err) {
		return told
	}
	if wait := s.guesses.wrong(siteOf(ctx), s.now()); wait > 0 {
		return tooSoon(wait)
	}
	return told
}

// enrolProblem says which of a join token's conditions failed: whoever holds the
// token may know, and a person at a new host needs to.
func enrolProblem(err error, s *Server) *problem {
	again := "make a new one: hotstick host add"
	switch {
	case errors.Is(err, identity.ErrTokenExpired):
		return newProblem(http.StatusForbidden, "token_expired", identity.ErrTokenExpired.Error(), again)
	case errors.Is(err, identity.ErrTokenUsed):
		return newProblem(http.StatusForbidden, "token_used", identity.ErrTokenUsed.Error(), again)
	case errors.Is(err, identity.ErrTokenRevoked):
		return newProblem(http.StatusForbidden, "token_revoked", identity.ErrTokenRevoked.Error(), again)
	case errors.Is(err, identity.ErrGroup):
		return newProblem(http.StatusForbidden, "group", err.Error(), "give the host these labels, in its configuration file or with --label; or "+again)
	case errors.Is(err, identity.ErrToken):
		return newProblem(http.StatusForbidden, "token_unknown", identity.ErrToken.Error(), again)
	}
	return asProblem(err, s.log)
}

func (s *Server) renew() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var req wire.RenewRequest
		if p := receive(w, r, wire.MaxEnrollBytes, &req); p != nil {
			writeProblem(w, p)
			return
		}
		var certificate []byte
		err := s.controller.Update(r.Context(), func(tx store.Tx) error {
			var err error
			certificate, err = s.authority.Renew(tx, callerOf(r.Context()).Host, req)
			return err
		})
		if err != nil {
			writeProblem(w, s.guessed(r.Context(), err, asProblem(err, s.log)))
			return
		}
		s.send(w, &wire.RenewResponse{Certificate: certificate})
	})
}

func (s *Server) sync() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var req wire.SyncRequest
		if p := receive(w, r, wire.MaxRequestBytes, &req); p != nil {
			writeProblem(w, p)
			return
		}
		resp, p := s.checkIn(r, req)
		if p != nil {
			writeProblem(w, p)
			return
		}
		s.sendAs(w, resp, req.Protocol)
	})
}

// checkIn takes one check-in and makes its answer.
func (s *Server) checkIn(r *http.Request, req wire.SyncRequest) (*wire.SyncResponse, *problem) {
	ctx := r.Context()
	if req.Host != callerOf(ctx).Host {
		return nil, newProblem(http.StatusForbidden, codeForbidden, "cannot take a check-in for another host", "")
	}
	if err := inventory.Check(req); err != nil {
		return nil, newProblem(http.StatusUnprocessableEntity, controller.CodeInvalid, err.Error(), "")
	}
	failpoint.Here(failpoint.ServerCheckInBefore)
	req.Key = hotstick.NewDigest(r.TLS.PeerCertificates[0].Raw)
	taken, err := s.controller.Take(ctx, req, s.options.Limits.StaleAfter)
	if err != nil {
		return nil, asProblem(err, s.log)
	}
	failpoint.Here(failpoint.ServerCheckInStored)
	resp := &wire.SyncResponse{WantFacts: taken.WantFacts, Acknowledged: taken.Host.Reported,
		CatalogVersion: s.catalog.View().Version, NextMillis: int(s.options.Limits.IdleInterval.Milliseconds())}
	if taken.Cloned {
		s.log.Warn("a boot that another followed checks in: is the host cloned, or put back to a snapshot?", "host", req.Host)
	}
	if taken.Counted {
		if err := s.controller.Refused(ctx, req); err != nil {
			return nil, asProblem(err, s.log)
		}
		held := holdFor(req, taken)
		out, err := s.controller.Documents(ctx, req, held)
		if err == nil && held > 0 { // it may have been revoked meanwhile
			err = s.alive(ctx, req.Host)
		}
		if err != nil {
			return nil, asProblem(err, s.log)
		}
		resp.Documents, resp.Active = out.Documents, out.Active
	}
	if err := s.attest(ctx, req, resp); err != nil {
		return nil, asProblem(err, s.log)
	}
	resp.NextMillis = s.pace(req, resp)
	if taken.Doubtful { // who is who is known soon
		resp.NextMillis = int(paceActive.Milliseconds())
	}
	resp.ServerTime = s.now().UTC()
	failpoint.Here(failpoint.ServerCheckInAnswered)
	return resp, nil
}

// holdFor is how long a check-in may be held: not at all where the host has
// something to do or to say, for its loader must be heard meanwhile.
func holdFor(req wire.SyncRequest, taken inventory.Taken) time.Duration {
	if taken.WantFacts || req.Loader.Busy || len(req.Reports) > 0 {
		return 0
	}
	return min(time.Duration(req.HoldSeconds)*time.Second, maxHold)
}

// pace says when to check in again. Idle hosts are spread by a tenth, so that
// they do not stay in step after a restart.
func (s *Server) pace(req wire.SyncRequest, resp *wire.SyncResponse) int {
	switch {
	case resp.WantFacts || len(req.Reports) >= maxBacklog:
		return int(paceNow.Milliseconds())
	case resp.Active || req.Loader.Busy:
		return int(paceActive.Milliseconds())
	}
	return resp.NextMillis + rand.IntN(resp.NextMillis/10+1)
}

func (s *Server) agentCatalog() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.serveFile(w, r.PathValue("file")) })
}

func (s *Server) agentArtifact() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.serveFile(w, "targets/"+r.PathValue("file")) })
}

// serveFile sends a file of the repository. What it is worth the host finds out.
func (s *Server) serveFile(w http.ResponseWriter, name string) {
	file, err := s.catalog.Open(name)
	if err != nil {
		writeProblem(w, asProblem(s.fileProblem(err), s.log))
		return
	}
	defer file.Close()
	w.Header().Set("Content-Type", "application/octet-stream")
	if info, err := file.Stat(); err == nil {
		w.Header().Set("Content-Length", fmt.Sprint(info.Size()))
	}
	_, _ = io.Copy(&steadily{ResponseWriter: w, control: http.NewResponseController(w), within: s.options.times.write}, file)
}
