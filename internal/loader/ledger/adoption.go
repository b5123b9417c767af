package ledger

import (
	"cmp"
	"errors"
	"time"

	"github.com/hotstick/hotstick"
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
	// Level is zero where the system had nothing in effect and was put on hold only.
	Level Level `json:"level,omitzero"`
	// Driver is the driver whose system is put on hold by a step, and Settings are how that
	// scheduled itself before; empty where there is nothing to hold, or the unit is all.
	Driver   string `json:"driver,omitempty"`
	Settings []byte `json:"settings,omitempty"`
	// Lifted is set while the system was on hold and is not any more.
	Lifted *hotstick.Lift `json:"lifted,omitempty"`
	// By is the account of the person who did it.
	By    string        `json:"by"`
	At    time.Time     `json:"at"`
	Stage AdoptionStage `json:"stage"`
}

// AdoptionStage is how far an adoption has come. The set is closed.
type AdoptionStage string

// The stages.
const (
	// Taking: the level is ours, and its system is about to be put on hold.
	Taking AdoptionStage = "taking"
	// Taken: the system is on hold, or was until somebody lifted that.
	Taken AdoptionStage = "taken"
	// Releasing: the level is not ours any more, and its system is about to be as before.
	Releasing AdoptionStage = "releasing"
)

func (a *Adoption) validate() error {
	switch a.Stage {
	case Taking, Taken, Releasing:
	default:
		return errors.New("cannot read the ledger: its adoption has no known stage")
	}
	switch {
	case a.By == "", (a.UnitEnabled || a.UnitActive) && a.Unit == "", a.Driver != "" && a.Unit != "",
		a.Driver == "" && (a.Settings != nil || a.Level.Patch.IsZero()), len(a.Settings) > maxSettings:
		return errors.New("cannot read the ledger: its adoption is malformed")
	case a.Level.Patch.IsZero():
		return nil
	}
	return a.Level.validate()
}

// Forgotten is an adoption that ended without its system's settings being given back, for
// nobody could: its driver or its tool is gone. It keeps them for whoever does it by hand.
type Forgotten struct {
	Adoption Adoption `json:"adoption"`
	// By is the account of the person who said so.
	By string    `json:"by"`
	At time.Time `json:"at"`
	// Why is what stood against giving them back; nil where nobody had tried yet.
	Why *hotstick.Reason `json:"why,omitempty"`
}

func (f *Forgotten) validate() error {
	if f.By == "" || f.Adoption.Stage != Releasing {
		return errors.New("cannot read the ledger: its forgotten adoption is malformed")
	}
	return f.Adoption.validate()
}

// maxSettings bounds what a driver returns of how its system schedules itself.
const maxSettings = 4 << 10

// For is the driver for which the system was taken over.
func (a *Adoption) For() string { return cmp.Or(a.Driver, a.Level.Driver) }
