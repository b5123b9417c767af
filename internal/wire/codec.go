package wire

import (
	"errors"
	"fmt"
	"io"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/strictjson"
)

// Message is a message that can say what is malformed in it.
type Message interface {
	// Validate reports the first thing that is malformed.
	Validate() error
}

// Decode reads one message of at most limit bytes from r and validates it.
// Unknown fields, bytes after the message and malformed values are refused; the
// error says which; it wraps strictjson.ErrTooLarge for a message that is too long.
func Decode(r io.Reader, limit int64, into Message) error {
	if err := strictjson.Decode(r, limit, into); err != nil {
		return fmt.Errorf("cannot read the message: %w", err)
	}
	return into.Validate()
}

// Encode returns the message's bytes. It refuses what the other side would refuse, so
// that a fault shows where it is made.
func Encode(m Message, limit int64) ([]byte, error) { return EncodeAs(m, Protocol, limit) }

// EncodeAs is [Encode] in an older protocol, without what is newer.
func EncodeAs(m Message, protocol int, limit int64) ([]byte, error) {
	if err := m.Validate(); err != nil {
		return nil, err
	}
	if req, ok := m.(*SyncRequest); ok {
		m = req.asOf(protocol)
	}
	data, err := strictjson.MarshalAsOf(m, protocol)
	if err != nil {
		return nil, fmt.Errorf("cannot encode the message: %w", err)
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("cannot send a message of %d bytes: the limit is %d", len(data), limit)
	}
	return data, nil
}

// Limits of what one message may carry, beside its size in bytes.
const (
	// MaxName bounds hostnames and other names that a host gives, in bytes.
	MaxName = 255
	// MaxDocuments bounds the documents of one answer.
	MaxDocuments = 256
	// MaxReadings bounds the readings of one check-in.
	MaxReadings = 256
	// MaxLoaded bounds the live patches of one check-in.
	MaxLoaded = 1024
	// MaxToken bounds a join token.
	MaxToken = 512
	// MaxLabels bounds the labels of one enrolment.
	MaxLabels = 64
	// MaxHoldSeconds bounds how long a check-in may be held.
	MaxHoldSeconds = 60
)

func checkProtocol(p int) error {
	if p < Oldest || p > Protocol {
		return fmt.Errorf("cannot speak protocol %d: this version speaks %d to %d", p, Oldest, Protocol)
	}
	return nil
}

// Validate implements [Message].
func (m *EnrollRequest) Validate() error {
	if err := checkProtocol(m.Protocol); err != nil {
		return err
	}
	switch {
	case m.Token == "" || len(m.Token) > MaxToken:
		return fmt.Errorf("cannot use a join token of %d characters: want 1 to %d", len(m.Token), MaxToken)
	case len(m.Identity) != 32:
		return fmt.Errorf("cannot use an identity key of %d bytes: want 32", len(m.Identity))
	case len(m.Proof) != 64:
		return fmt.Errorf("cannot use a proof of %d bytes: want 64", len(m.Proof))
	case len(m.Request) == 0:
		return errors.New("cannot enrol without a certificate request")
	case len(m.Hostname) > MaxName:
		return fmt.Errorf("cannot use a hostname of %d bytes: the limit is %d", len(m.Hostname), MaxName)
	case len(m.Labels) > MaxLabels:
		return fmt.Errorf("cannot use %d labels: the limit is %d", len(m.Labels), MaxLabels)
	}
	for k, v := range m.Labels {
		if k == "" || len(k) > MaxName || len(v) > MaxName {
			return fmt.Errorf("cannot use a label of %d bytes with a value of %d: the limit is %d", len(k), len(v), MaxName)
		}
	}
	return nil
}

// Validate implements [Message].
func (m *EnrollResponse) Validate() error {
	if err := m.Host.Validate(); err != nil {
		return err
	}
	if len(m.Certificate) == 0 || len(m.Authority) == 0 || len(m.Root) == 0 {
		return errors.New("cannot use an enrolment without certificate, authority and catalog root")
	}
	return nil
}

// Validate implements [Message].
func (m *RenewRequest) Validate() error {
	if len(m.Request) == 0 || len(m.Proof) != 64 {
		return errors.New("cannot renew without a certificate request and its proof")
	}
	return nil
}

// Validate implements [Message].
func (m *RenewResponse) Validate() error {
	if len(m.Certificate) == 0 {
		return errors.New("cannot use a renewal without a certificate")
	}
	return nil
}

// Validate implements [Message].
func (m *AuthorityResponse) Validate() error {
	if len(m.Authorities) > MaxDocuments {
		return fmt.Errorf("cannot use %d authorities: the limit is %d", len(m.Authorities), MaxDocuments)
	}
	return nil
}

// Validate implements [Message].
func (m *SyncRequest) Validate() error {
	if err := checkProtocol(m.Protocol); err != nil {
		return err
	}
	if err := m.Host.Validate(); err != nil {
		return err
	}
	if err := m.FactsDigest.Validate(); err != nil {
		return err
	}
	switch {
	case m.Boot == "" || len(m.Boot) > MaxName:
		return errors.New("cannot use a check-in without its boot")
	case m.HoldSeconds < 0 || m.HoldSeconds > MaxHoldSeconds:
		return fmt.Errorf("cannot hold a check-in for %d seconds: the limit is %d", m.HoldSeconds, MaxHoldSeconds)
	case len(m.Reports) > hotstick.MaxReports:
		return fmt.Errorf("cannot take %d reports at once: the limit is %d", len(m.Reports), hotstick.MaxReports)
	case len(m.Readings) > MaxReadings:
		return fmt.Errorf("cannot take %d readings at once: the limit is %d", len(m.Readings), MaxReadings)
	case len(m.Patches) > MaxLoaded:
		return fmt.Errorf("cannot take %d live patches at once: the limit is %d", len(m.Patches), MaxLoaded)
	case len(m.Loader.Refusals) > MaxDocuments:
		return fmt.Errorf("cannot take %d refusals at once: the limit is %d", len(m.Loader.Refusals), MaxDocuments)
	}
	if err := m.Audit.validate(); err != nil {
		return err
	}
	if err := m.Loader.validate(); err != nil {
		return err
	}
	return validateReports(m.Reports)
}

func (s *LoaderState) validate() error {
	if s.Expected != nil && *s.Expected != (hotstick.PatchRef{}) {
		if err := s.Expected.Validate(); err != nil {
			return err
		}
	}
	switch s.Off {
	case "", hotstick.OffByFile, hotstick.OffByCommandLine:
	default:
		return fmt.Errorf("cannot use %.40q as what switches a host off", s.Off)
	}
	if err := s.Hold.Validate(); err != nil {
		return err
	}
	return s.Stall.Validate()
}

func validateReports(reports []hotstick.Report) error {
	for i, r := range reports {
		if i > 0 && r.Seq <= reports[i-1].Seq {
			return errors.New("cannot take reports whose sequence numbers do not rise")
		}
		if err := r.State.Validate(); err != nil {
			return err
		}
		if err := r.Patch.Validate(); err != nil {
			return err
		}
		if r.Reason != nil {
			if err := r.Reason.Validate(); err != nil {
				return err
			}
		}
		if err := r.Crash.Validate(); err != nil {
			return err
		}
		if len(r.Evidence) > hotstick.MaxEvidence {
			return fmt.Errorf("cannot take %d pieces of evidence in one report: the limit is %d", len(r.Evidence), hotstick.MaxEvidence)
		}
		for _, e := range r.Evidence {
			if len(e.Text) > hotstick.MaxEvidenceBytes {
				return fmt.Errorf("cannot take evidence of %d bytes: the limit is %d", len(e.Text), hotstick.MaxEvidenceBytes)
			}
		}
	}
	return nil
}

// Validate implements [Message].
func (m *SyncResponse) Validate() error {
	switch {
	case m.NextMillis < 0:
		return errors.New("cannot use an answer whose next check-in lies in the past")
	case len(m.Documents) > MaxDocuments:
		return fmt.Errorf("cannot take %d documents at once: the limit is %d", len(m.Documents), MaxDocuments)
	}
	return m.Audit.validate()
}
