package server

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/hotstick/hotstick/api"
	"github.com/hotstick/hotstick/internal/controller"
	"github.com/hotstick/hotstick/internal/decide/planner"
	"github.com/hotstick/hotstick/internal/decide/policy"
	"github.com/hotstick/hotstick/internal/decide/why"
	"github.com/hotstick/hotstick/internal/identity"
	"github.com/hotstick/hotstick/internal/inventory"
	"github.com/hotstick/hotstick/internal/store"
	"github.com/hotstick/hotstick/internal/store/sqlite"
)

const problemType = "application/problem+json"

// Codes of problems that the server itself makes; those of refusals are in
// package controller.
const (
	codeUnauthenticated = "unauthenticated"
	codeForbidden       = "forbidden"
	codeCrossSite       = "cross_site"
	codeRateLimited     = "rate_limited"
	codeNoRoute         = "no_such_route"
	codeMethod          = "method_not_allowed"
	codeTooLarge        = "too_large"
	codeInternal        = "internal"
	codeUnavailable     = "unavailable"
)

// problem is an error that knows how it is answered.
type problem struct {
	api.Problem
	// retry is when to try again, for whoever asks too often; 0 otherwise.
	retry time.Duration
}

// Error implements error.
func (p *problem) Error() string { return p.Detail }

// GetStatus implements huma's StatusError.
func (p *problem) GetStatus() int { return p.Status }

// ContentType implements huma's ContentTypeFilter.
func (p *problem) ContentType(string) string { return problemType }

// GetHeaders implements huma's HeadersError.
func (p *problem) GetHeaders() http.Header {
	header := http.Header{}
	if p.Status == http.StatusUnauthorized {
		header.Set("WWW-Authenticate", `Bearer realm="hotstick"`)
	}
	if p.retry > 0 {
		header.Set("Retry-After", strconv.FormatInt(int64((p.retry+time.Second-1)/time.Second), 10))
	}
	return header
}

func newProblem(status int, code, detail, hint string) *problem {
	return &problem{Problem: api.Problem{Title: http.StatusText(status), Status: status, Code: code, Detail: detail, Hint: hint}}
}

// writeProblem answers with a problem outside of huma.
func writeProblem(w http.ResponseWriter, p *problem) {
	maps.Copy(w.Header(), p.GetHeaders())
	w.Header().Set("Content-Type", problemType)
	w.WriteHeader(p.Status)
	// The client may be gone; there is nobody left to tell.
	_ = json.NewEncoder(w).Encode(p.Problem)
}

// statuses says how refusals are answered.
var statuses = map[string]int{
	controller.CodeNotFound:  http.StatusNotFound,
	controller.CodeAmbiguous: http.StatusConflict,
	controller.CodeInvalid:   http.StatusUnprocessableEntity,
	controller.CodeConflict:  http.StatusConflict,
}

// asProblem turns any error into an answer. What it does not know is logged and
// told as nothing more than a fault.
func asProblem(err error, log *slog.Logger) *problem {
	if p, ok := errors.AsType[*problem](err); ok {
		return p
	}
	if r, ok := errors.AsType[*controller.Refusal](err); ok {
		status, known := statuses[r.Code]
		if !known {
			// A rule forbids it: refused, and repeating it does not help.
			status = http.StatusUnprocessableEntity
		}
		return newProblem(status, r.Code, r.Text, r.Hint)
	}
	if e, ok := errors.AsType[*policy.SelectorError](err); ok {
		return newProblem(http.StatusUnprocessableEntity, "selector", e.Error(), `write a CEL expression over host, such as host.labels.role == "db", or true for every host`)
	}
	if r, ok := errors.AsType[*planner.Refusal](err); ok {
		return newProblem(http.StatusUnprocessableEntity, "refused", "cannot make a plan: "+why.Text(r.Reason), why.Remedy(r.Reason, why.Place{}))
	}
	if p, ok := errors.AsType[policy.Problems](err); ok {
		return newProblem(http.StatusUnprocessableEntity, "policy", p.Error(), firstHint(p))
	}
	if fault, ok := errors.AsType[*sqlite.Error](err); ok {
		log.Error("cannot use the database", "error", err)
		return newProblem(http.StatusServiceUnavailable, codeUnavailable, "cannot answer: the database cannot be used", fault.Hint())
	}
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		// The caller is gone, or the server is about to be.
		return newProblem(http.StatusServiceUnavailable, codeUnavailable, "cannot answer: the server is shutting down", "try again")
	case errors.Is(err, store.ErrNotFound):
		return newProblem(http.StatusNotFound, controller.CodeNotFound, "cannot find it", "")
	case errors.Is(err, identity.ErrBusy):
		return tooSoon(firstWait)
	case errors.Is(err, store.ErrConflict):
		return newProblem(http.StatusConflict, controller.CodeConflict, "cannot commit: it was changed meanwhile", "try again")
	case isIdentityError(err):
		return newProblem(http.StatusForbidden, "identity", err.Error(), "")
	}
	log.Error("fault while answering", "error", err)
	return newProblem(http.StatusInternalServerError, codeInternal, "cannot answer: the server has a fault", "the server's log says more")
}

// firstHint is what to do about the first problem of a policy.
func firstHint(p policy.Problems) string {
	if len(p) > 0 && p[0].Hint != "" {
		return p[0].Hint
	}
	return "check it with hotstick policy check FILE"
}

func isIdentityError(err error) bool {
	for _, known := range []error{identity.ErrToken, identity.ErrTokenExpired, identity.ErrTokenUsed, identity.ErrTokenRevoked, identity.ErrDisabled, identity.ErrSessionOver, identity.ErrPassword, identity.ErrBeyond, identity.ErrGroup, identity.ErrProof,
		identity.ErrRequest, identity.ErrTaken, identity.ErrRevoked, inventory.ErrRevoked} {
		if errors.Is(err, known) {
			return true
		}
	}
	return false
}

// maxTold bounds how much of a validation error is told.
const maxTold = 400

// tellHuma turns the errors that huma itself makes into problems: which field is
// wrong and how, without repeating what was sent.
func tellHuma(_ huma.Context, _ string, v any) (any, error) {
	e, ok := v.(*huma.ErrorModel)
	if !ok {
		if p, ok := v.(*problem); ok {
			return p.Problem, nil
		}
		return v, nil
	}
	var parts []string
	for _, d := range e.Errors {
		if d == nil {
			continue
		}
		text := d.Message
		if d.Location != "" {
			text = d.Location + ": " + text
		}
		parts = append(parts, text)
	}
	detail := "cannot use the request"
	if len(parts) > 0 {
		detail += ": " + strings.Join(parts, "; ")
	} else if e.Detail != "" {
		detail += ": " + e.Detail
	}
	if len(detail) > maxTold {
		detail = strings.ToValidUTF8(detail[:maxTold], "") + " …"
	}
	code := controller.CodeInvalid
	switch e.Status {
	case http.StatusRequestEntityTooLarge:
		code = codeTooLarge
	case http.StatusInternalServerError:
		code, detail = codeInternal, "cannot answer: the server has a fault"
	}
	return newProblem(e.Status, code, detail, "see /openapi.json for what this route takes").Problem, nil
}
