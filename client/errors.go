package client

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/hotstick/hotstick/api"
)

// Error is the server's answer to a request that it did not fulfil.
type Error struct {
	api.Problem
}

// Error returns what is wrong and, where the server says so, what to do.
func (e *Error) Error() string {
	text := e.Detail
	if text == "" {
		text = e.Title
	}
	if e.Hint != "" {
		text += " (" + e.Hint + ")"
	}
	return text
}

// Unreachable is the error of a server that did not answer, or whose
// certificate the client does not trust.
type Unreachable struct {
	Server string
	Cause  error
}

// Error implements error.
func (e *Unreachable) Error() string {
	return fmt.Sprintf("cannot reach the server at %s: %v", e.Server, e.Cause)
}

// Unwrap returns the cause, such as a TLS or a network error.
func (e *Unreachable) Unwrap() error { return e.Cause }

// unreachable wraps a transport error; a context that ended is itself the cause.
func (c *Client) unreachable(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return &Unreachable{Server: c.base.String(), Cause: err}
}

// maxProblemBytes bounds an error answer; Hotstick's own are far smaller.
const maxProblemBytes = 64 << 10

// readProblem makes an Error of an answer, also if something between the client
// and Hotstick, such as a proxy, wrote it.
func readProblem(resp *http.Response) error {
	data, _ := io.ReadAll(io.LimitReader(resp.Body, maxProblemBytes))
	e := &Error{}
	isProblem := strings.HasPrefix(resp.Header.Get("Content-Type"), "application/problem+json")
	if !isProblem || json.Unmarshal(data, &e.Problem) != nil || e.Title == "" {
		e.Problem = api.Problem{
			Title: http.StatusText(resp.StatusCode),
			Code:  "not_hotstick",
			Hint:  "something other than Hotstick answered; check the server's address",
		}
	}
	e.Status = resp.StatusCode
	return e
}
