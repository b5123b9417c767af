package ledger

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/durable"
	"github.com/hotstick/hotstick/internal/strictjson"
)

// Encode returns the ledger's document.
func Encode(l Ledger) ([]byte, error) {
	data, err := json.Marshal(l)
	if err != nil {
		return nil, fmt.Errorf("cannot encode the ledger: %w", err)
	}
	if len(data) > MaxBytes {
		return nil, fmt.Errorf("cannot write a ledger of %d bytes: the limit is %d", len(data), MaxBytes)
	}
	return durable.Seal(data), nil
}

// Decode reads a ledger's document strictly. An error means that nothing in it
// may be relied on.
func Decode(data []byte) (Ledger, error) {
	data, err := durable.Unseal(data)
	if err != nil {
		return Ledger{}, fmt.Errorf("cannot read the ledger: %w", err)
	}
	if len(data) > MaxBytes+1 {
		return Ledger{}, fmt.Errorf("cannot read a ledger of %d bytes: the limit is %d", len(data), MaxBytes)
	}
	// The schema is looked at first, so that a newer ledger is named as such and
	// not refused for its unknown fields.
	var head struct {
		Schema string `json:"schema"`
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return Ledger{}, fmt.Errorf("cannot read the ledger: %v", err)
	}
	if head.Schema != Schema {
		return Ledger{}, fmt.Errorf("cannot read ledger schema %q: this version knows %s", head.Schema, Schema)
	}
	var l Ledger
	if err := strictjson.Unmarshal(data, &l); err != nil {
		return Ledger{}, fmt.Errorf("cannot read the ledger: %v", err)
	}
	if l.Confirmed == nil {
		l.Confirmed = map[string]int{}
	}
	return l, l.validate()
}

func (l *Ledger) validate() error {
	if l.Boot.ID == "" || l.Boot.BaseMillis < 0 || l.Boot.ClockMillis < l.Boot.BaseMillis {
		return errors.New("cannot read the ledger: its boot record is malformed")
	}
	if l.Attempt != nil {
		if err := l.Attempt.validate(); err != nil {
			return err
		}
	}
	for _, p := range []*Permit{l.Permit, l.Former} {
		if p == nil {
			continue
		}
		if err := p.Level.validate(); err != nil {
			return err
		}
	}
	if err := l.Hold.Validate(); err != nil {
		return fmt.Errorf("cannot read the ledger: %v", err)
	}
	if l.Adopted != nil {
		if err := l.Adopted.validate(); err != nil {
			return err
		}
	}
	if l.Forgotten != nil {
		if err := l.Forgotten.validate(); err != nil {
			return err
		}
	}
	if l.Unsettled != nil {
		if err := l.Unsettled.validate(); err != nil {
			return err
		}
	}
	for _, p := range l.Plans {
		if err := p.ID.Validate(); err != nil {
			return fmt.Errorf("cannot read the ledger: %v", err)
		}
		for _, level := range []*Level{p.Level, p.Before} {
			if level == nil {
				continue
			}
			if err := level.validate(); err != nil {
				return err
			}
		}
	}
	if len(l.Touched) > MaxTouched {
		return fmt.Errorf("cannot read the ledger: it touches %d things, the limit is %d", len(l.Touched), MaxTouched)
	}
	for _, t := range l.Touched {
		if err := t.Touch.Validate(); err != nil {
			return fmt.Errorf("cannot read the ledger: %v", err)
		}
		if t.Boot == "" || t.Tries < 0 {
			return errors.New("cannot read the ledger: what it touched is malformed")
		}
	}
	for i, r := range l.Reports {
		if r.Seq > l.Seq || i > 0 && r.Seq <= l.Reports[i-1].Seq {
			return errors.New("cannot read the ledger: its reports are out of order")
		}
	}
	return nil
}

func (a *Attempt) validate() error {
	switch a.Phase {
	case hotstick.Armed, hotstick.Applying, hotstick.Probation, hotstick.Reverting:
	default:
		return fmt.Errorf("cannot read the ledger: an attempt cannot be %q", a.Phase)
	}
	if a.Boot == "" || a.Number < 0 {
		return errors.New("cannot read the ledger: its attempt is malformed")
	}
	if a.Before != nil {
		if err := a.Before.validate(); err != nil {
			return err
		}
	}
	return a.Level.validate()
}

func (v *Level) validate() error {
	if err := v.Patch.Validate(); err != nil {
		return fmt.Errorf("cannot read the ledger: %v", err)
	}
	for _, t := range v.Touches {
		if err := t.Validate(); err != nil {
			return fmt.Errorf("cannot read the ledger: %v", err)
		}
	}
	if v.Reboots() {
		if err := v.Target.Validate(); err != nil {
			return fmt.Errorf("cannot read the ledger: %v", err)
		}
	}
	artifact := hotstick.Artifact{Build: v.Build, Digest: v.Artifact, SizeBytes: 1, Module: v.Module}
	if err := artifact.Validate(); err != nil {
		return fmt.Errorf("cannot read the ledger: %v", err)
	}
	return nil
}
