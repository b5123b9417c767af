package controller

import "fmt"

// Codes of refusals, for programs.
const (
	// CodeNotFound: no such plan, host or patch.
	CodeNotFound = "not_found"
	// CodeAmbiguous: a prefix or a name that several things share.
	CodeAmbiguous = "ambiguous"
	// CodeInvalid: the request itself is malformed.
	CodeInvalid = "invalid"
	// CodeConflict: the thing is not in a state in which this can be done.
	CodeConflict = "conflict"
	// CodeRefused: a rule forbids it.
	CodeRefused = "refused"
	// CodeSignature: a signature is missing, wrong or by somebody unknown.
	CodeSignature = "signature"
	// CodeApproverIsAuthor: the author cannot approve the own plan.
	CodeApproverIsAuthor = "approver_is_author"
	// CodePlanEdited: the envelope holds another plan than the one approved.
	CodePlanEdited = "plan_edited"
	// CodeUnknownPerson: a key that the catalog's trust does not list.
	CodeUnknownPerson = "unknown_person"
	// CodePlanExpired: the plan's signed life is over.
	CodePlanExpired = "plan_expired"
	// CodeBanned: the patch is banned.
	CodeBanned = "banned"
	// CodeRecalled: the patch was recalled.
	CodeRecalled = "recalled"
	// CodeStopped: everything was stopped.
	CodeStopped = "stopped"
	// CodeUnreconciled: the server was restored, or its audit log is disputed.
	CodeUnreconciled = "unreconciled"
)

// Refusal is why a person's request was not fulfilled.
type Refusal struct {
	Code string
	// Text is one sentence that begins with "cannot".
	Text string
	// Hint says what to do about it; may be empty.
	Hint string
}

// Error implements error.
func (r *Refusal) Error() string { return r.Text }

func refuse(code, hint, format string, args ...any) *Refusal {
	return &Refusal{Code: code, Hint: hint, Text: fmt.Sprintf(format, args...)}
}
