package wire

import "errors"

// Limits of what is said of the audit log.
const (
	// MaxNote bounds a signed checkpoint.
	MaxNote = 4 << 10
	// maxProof bounds a proof; a log of 2^63 leaves needs no more.
	maxProof = 128
)

// AuditSeen says which of the server's checkpoints the agent remembers. The empty
// value asks for the first.
type AuditSeen struct {
	// Size and Root are those of the newest checkpoint that followed.
	Size int64  `json:"size"`
	Root []byte `json:"root,omitempty"`
	// Refused is set while the newest offer did not follow.
	Refused *AuditRefused `json:"refused,omitempty"`
}

// AuditRefused is the evidence of a log that does not continue itself: two notes
// that the server signed.
type AuditRefused struct {
	Kept    []byte `json:"kept"`
	Offered []byte `json:"offered"`
}

// AuditNews is a checkpoint that the agent does not have yet.
type AuditNews struct {
	// Checkpoint is the signed note; Proof shows that its log begins with the one that
	// the agent remembers. There is none if the log has no such proof.
	Checkpoint []byte   `json:"checkpoint"`
	Proof      [][]byte `json:"proof,omitempty"`
}

func (a *AuditSeen) validate() error {
	if a == nil {
		return nil
	}
	if a.Size < 0 || len(a.Root) != 0 && len(a.Root) != 32 || (a.Size > 0) != (len(a.Root) == 32) {
		return errors.New("cannot use what the agent remembers of the audit log: it is malformed")
	}
	if r := a.Refused; r != nil && (len(r.Kept) == 0 || len(r.Kept) > MaxNote || len(r.Offered) == 0 || len(r.Offered) > MaxNote) {
		return errors.New("cannot use the evidence against the audit log: it is malformed")
	}
	return nil
}

func (a *AuditNews) validate() error {
	if a == nil {
		return nil
	}
	if len(a.Checkpoint) == 0 || len(a.Checkpoint) > MaxNote || len(a.Proof) > maxProof {
		return errors.New("cannot use the checkpoint of the audit log: it is malformed")
	}
	for _, h := range a.Proof {
		if len(h) != 32 {
			return errors.New("cannot use the checkpoint of the audit log: its proof is malformed")
		}
	}
	return nil
}
