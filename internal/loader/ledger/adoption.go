package ledger

import (
	"errors"
	"time"
)

// Adoption is a level that another live-patch system, or a person, had loaded before,
// and that was taken over. Its permit is the ledger's Permit, or Former.
//
// Between its stages somebody with more rights than the loader changes the other
// system's unit, so each stage is written before that, and both ways may be repeated.
type Adoption struct {
	// System is the other system's name, as in hotstick.Master; empty where a person
	// had loaded the level by hand.
	System string `json:"system,omitempty"`
	// Unit is the systemd unit that loaded it; empty if none did. UnitEnabled and
	// UnitActive are what it was before.
	Unit        string `json:"unit,omitempty"`
	UnitEnabled bool   `json:"unit_enabled,omitempty"`
	UnitActive  bool   `json:"unit_active,omitempty"`
	Level       Level  `json:"level"`
	// Driver is the driver whose system was put on hold, and Settings are how that
	// scheduled itself before; empty where there is nothing to hold.
	Driver   string `json:"driver,omitempty"`
	Settings []byte `json:"settings,omitempty"`
	// By is the account of the person who did it.
	By    string        `json:"by"`
	At    time.Time     `json:"at"`
	Stage AdoptionStage `json:"stage"`
}

// AdoptionStage is how far an adoption has come. The set is closed.
type AdoptionStage string

// The stages.
const (
	// Taking: the level is ours, and its unit is about to be put on hold.
	Taking AdoptionStage = "taking"
	// Taken: the unit is on hold.
	Taken AdoptionStage = "taken"
	// Releasing: the level is not ours any more, and its unit is about to be as before.
	Releasing AdoptionStage = "releasing"
)

func (a *Adoption) validate() error {
	switch a.Stage {
	case Taking, Taken, Releasing:
	default:
		return errors.New("cannot read the ledger: its adoption has no known stage")
	}
	if a.By == "" || (a.UnitEnabled || a.UnitActive) && a.Unit == "" {
		return errors.New("cannot read the ledger: its adoption is malformed")
	}
	return a.Level.validate()
}
