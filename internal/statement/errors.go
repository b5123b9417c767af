package statement

import (
	"errors"
	"fmt"
	"strings"

	"github.com/hotstick/hotstick"
)

// Error says why a statement is refused. Reason is for machines and hosts; the
// text is for people.
type Error struct {
	Reason hotstick.Reason
	text   string
}

// Error implements error.
func (e *Error) Error() string { return e.text }

// maxDetail bounds what a refusal repeats of untrusted input, in bytes.
const maxDetail = 300

// refuse makes an error whose text is also the reason's detail.
func refuse(code hotstick.ReasonCode, format string, args ...any) *Error {
	text := fmt.Sprintf(format, args...)
	if len(text) > maxDetail {
		text = strings.ToValidUTF8(text[:maxDetail], "")
	}
	return &Error{Reason: hotstick.Reason{Code: code, Detail: text}, text: text}
}

// ReasonOf returns the reason of a refusal made by this package. For any other
// error it is signature, with the error's text as detail: what cannot be read has
// no valid signature.
func ReasonOf(err error) hotstick.Reason {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Reason
	}
	return refuse(hotstick.ReasonSignature, "%s", err.Error()).Reason
}
