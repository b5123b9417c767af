package cli

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"syscall"

	"github.com/hotstick/hotstick/client"
	"github.com/hotstick/hotstick/internal/cli/settings"
	"github.com/hotstick/hotstick/internal/cli/show"
)

// Exit codes, as users of this ecosystem expect them.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitPending     = 3
	exitForbidden   = 4
	exitNotFound    = 5
	exitRefused     = 6
	exitTimeout     = 7
	exitUnreachable = 8
	exitInterrupted = 130
)

// failure is a command's end that is not success: an exit code, what is wrong
// and what to do about it. Without text nothing is printed, for the output
// itself has said it.
type failure struct {
	code int
	text string
	hint string
}

// Error implements error.
func (f *failure) Error() string { return f.text }

func fail(code int, hint, format string, args ...any) *failure {
	return &failure{code: code, text: fmt.Sprintf(format, args...), hint: hint}
}

func usage(hint, format string, args ...any) *failure {
	return fail(exitUsage, hint, format, args...)
}

// print writes the two lines. The text may carry what a server or a file says,
// so it is made safe like everything else.
func (f *failure) print(w io.Writer) {
	if f.text != "" {
		fmt.Fprintf(w, "error: %s\n", show.EscapeLines(cannot(f.text)))
	}
	if f.hint != "" {
		fmt.Fprintf(w, "hint: %s\n", show.EscapeLines(f.hint))
	}
}

// cannot begins every message alike, also one that another program wrote.
func cannot(text string) string {
	text = strings.TrimSpace(text)
	if strings.HasPrefix(text, "cannot ") {
		return text
	}
	return "cannot do this: " + text
}

// explain turns any error into exit code, message and hint.
func explain(err error) *failure {
	var f *failure
	var hinted interface{ Hint() string }
	var problem *client.Error
	var unreachable *client.Unreachable
	switch {
	case errors.As(err, &f):
		return f
	case errors.As(err, &problem):
		return explainProblem(problem)
	case errors.As(err, &unreachable):
		return explainUnreachable(unreachable)
	case errors.Is(err, context.DeadlineExceeded):
		return fail(exitTimeout, "give it longer with --timeout", "cannot wait longer: the time is up")
	case errors.Is(err, context.Canceled):
		return fail(exitInterrupted, "", "cannot go on: interrupted")
	case errors.Is(err, settings.ErrNoServer):
		return usage("run hotstick init, or set HOTSTICK_SERVER, HOTSTICK_TOKEN and HOTSTICK_CA", "%v", err)
	case errors.Is(err, settings.ErrNoContext):
		return usage("the contexts are in your configuration file: hotstick context list", "%v", err)
	case errors.Is(err, syscall.EADDRINUSE):
		return fail(exitFailed, "another server may be running; choose another address with --listen", "%v", err)
	case errors.Is(err, syscall.EROFS), errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EPERM):
		return fail(exitFailed, "check the owner and the mount of the directory, or choose another one", "%v", err)
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fail(exitFailed, "free some space on that file system", "%v", err)
	}
	if errors.As(err, &hinted) {
		return fail(exitFailed, hinted.Hint(), "%v", err)
	}
	return fail(exitFailed, "", "%v", err)
}

// exitCodes say how the server's refusals end the command, by their code. What is
// missing here ends by its HTTP status.
var exitCodes = map[string]int{
	"invalid":            exitUsage,
	"selector":           exitUsage,
	"ambiguous":          exitUsage,
	"unknown_person":     exitForbidden,
	"refused":            exitRefused,
	"signature":          exitRefused,
	"approver_is_author": exitRefused,
	"plan_edited":        exitRefused,
	"plan_expired":       exitRefused,
	"catalog_expired":    exitRefused,
	"banned":             exitRefused,
	"stopped":            exitRefused,
	"unreconciled":       exitRefused,
	"internal":           exitFailed,
	"not_hotstick":       exitFailed,
}

func explainProblem(e *client.Error) *failure {
	text := e.Detail
	if text == "" {
		text = e.Title
	}
	f := &failure{code: exitFailed, text: text, hint: e.Hint}
	if code, known := exitCodes[e.Code]; known {
		f.code = code
		return f
	}
	switch e.Status {
	case http.StatusUnauthorized, http.StatusForbidden:
		f.code = exitForbidden
	case http.StatusNotFound:
		f.code = exitNotFound
	case http.StatusBadRequest, http.StatusUnprocessableEntity, http.StatusRequestEntityTooLarge:
		f.code = exitUsage
	case http.StatusConflict:
		f.code = exitRefused
	case http.StatusRequestTimeout, http.StatusGatewayTimeout:
		f.code = exitTimeout
	case http.StatusBadGateway, http.StatusServiceUnavailable:
		f.code = exitUnreachable
	}
	return f
}

func explainUnreachable(e *client.Unreachable) *failure {
	hint := "is the server running? start it with hotstick server; HOTSTICK_SERVER or --context choose another"
	var authority x509.UnknownAuthorityError
	var name x509.HostnameError
	if errors.As(e, &authority) || errors.As(e, &name) {
		hint = "the server's certificate is not the expected one; HOTSTICK_CA or the context's ca names the authority to trust"
	}
	return fail(exitUnreachable, hint, "%v", e)
}
