package controller

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/statement"
	"github.com/hotstick/hotstick/internal/strictjson"
)

// envelope is the outer form of a statement, for counting and merging its
// signatures. What they are worth only the statement package says.
type envelope struct {
	PayloadType string      `json:"payloadType"`
	Payload     string      `json:"payload"`
	Signatures  []signature `json:"signatures"`
}

type signature struct {
	KeyID string `json:"keyid"`
	Sig   string `json:"sig"`
}

// Signer is a signature on a plan and whose it is; Person is empty for a key
// that the catalog's trust does not list.
type Signer struct {
	KeyID  string
	Person hotstick.Person
}

// Signers lists the signatures of a stored plan's envelope, in their order. They
// were all verified before it was stored.
func Signers(raw []byte, trust hotstick.Trust) ([]Signer, error) {
	var e envelope
	if err := strictjson.Unmarshal(raw, &e); err != nil {
		return nil, err
	}
	owners := map[string]hotstick.Person{}
	for _, p := range trust.Persons {
		for _, k := range p.Keys {
			owners[statement.KeyID([]byte(k))] = p.Person
		}
	}
	signers := make([]Signer, len(e.Signatures))
	for i, s := range e.Signatures {
		signers[i] = Signer{KeyID: s.KeyID, Person: owners[s.KeyID]}
	}
	return signers, nil
}

// merge returns the stored envelope with the signatures of the other that it
// lacks, so that two approvers who signed at the same time both count.
func merge(stored, other []byte) ([]byte, error) {
	var a, b envelope
	if err := strictjson.Unmarshal(stored, &a); err != nil {
		return nil, err
	}
	if err := strictjson.Unmarshal(other, &b); err != nil {
		return nil, err
	}
	for _, s := range b.Signatures {
		known := func(have signature) bool { return have.KeyID == s.KeyID }
		if !slices.ContainsFunc(a.Signatures, known) {
			a.Signatures = append(a.Signatures, s)
		}
	}
	return json.Marshal(a)
}

// maxStatementReason bounds subject and detail of a reason in what the server
// signs. Details come from hosts; a long one must never keep a ban, a halt or an
// order from being signed.
const maxStatementReason = 500

// clip cuts a reason's opaque texts to what a statement may hold.
func clip(r hotstick.Reason) hotstick.Reason {
	r.Subject, r.Detail = clipText(r.Subject), clipText(r.Detail)
	if r.Until != nil {
		// A time that ends the wait is of no use to a loader.
		r.Until = nil
	}
	return r
}

func clipText(s string) string {
	if len(s) > maxStatementReason {
		s = s[:maxStatementReason]
	}
	return strings.ToValidUTF8(s, "")
}
