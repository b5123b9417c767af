package hotstick

import (
	"slices"
	"time"
)

// Master is another system that loads live patches by itself, such as kpatch.service
// or a vendor's daemon. While one is active nothing starts beside it: two masters of one
// kernel undo each other's work. See [Rival].
type Master struct {
	// System is its name: kpatch, canonical, kernelcare, ksplice, suse, amazon. The driver
	// that drives it bears the same.
	System string `json:"system"`
	// Unit is the systemd unit that starts it; empty if it has none.
	Unit string `json:"unit,omitempty"`
	// Active: it will load patches by itself, now or at the next boot. A system that is on
	// hold may still be, for its unit and its jobs stay.
	Active bool `json:"active"`
	// Adopted: Hotstick has put its own scheduling on hold and gives it back on release.
	Adopted bool `json:"adopted,omitempty"`
	// Driver is the one for which it is adopted: the system's own, or one that has taken its
	// level over, such as klp; empty of one that is not adopted.
	Driver string `json:"driver,omitempty"`
	// Lifted is set if it was adopted and is not on hold any more.
	Lifted *Lift `json:"lifted,omitempty"`
	// Modules are those that it has, or will have, loaded.
	Modules []string `json:"modules,omitempty"`
}

// Lift says that somebody lets an adopted system schedule itself again.
type Lift struct {
	// At is when the host's loader saw it first, and Before when it was still on hold, by
	// the host's clock; Before is zero if nobody knows.
	At     time.Time `json:"at"`
	Before time.Time `json:"before,omitzero"`
	// Detail says what is not on hold, such as the line of a file; opaque.
	Detail string `json:"detail,omitempty"`
}

// Rival says which live-patch system of a host keeps a driver from starting anything there,
// or nil. It is the one rule of that for planner, server and loader.
//
// A system keeps every driver but its own away while it is active, adopted or not: its
// modules and another's exclude each other. Its own driver it keeps away while it schedules
// itself: it is not on hold, or somebody has lifted the hold. A system that loads no more
// than what is installed, such as SUSE's at boot, is no rival of its own driver.
//
// A reboot has no rival: the kernel that comes has no live patch in it.
func Rival(driver string, masters []Master, drivers []Capabilities) *Reason {
	if Reboots(driver) {
		return nil
	}
	for _, m := range masters {
		if m.Lifted != nil {
			return &Reason{Code: ReasonHoldLifted, Subject: m.System, Detail: m.Lifted.Detail}
		}
	}
	for _, m := range masters {
		if m.Active && m.System != driver {
			return &Reason{Code: ReasonOtherMaster, Subject: m.System}
		}
	}
	i := slices.IndexFunc(drivers, func(c Capabilities) bool { return c.Driver == driver })
	if i < 0 || !drivers[i].Available || !drivers[i].Schedules || drivers[i].Held {
		return nil
	}
	// The newest word on what is held comes with the driver, the adoption's own a little later.
	if slices.ContainsFunc(masters, func(m Master) bool { return m.Adopted && m.System == driver && m.Driver == driver }) {
		return &Reason{Code: ReasonHoldLifted, Subject: driver}
	}
	return &Reason{Code: ReasonOtherMaster, Subject: driver, Detail: "it starts patches by itself and is not adopted"}
}

// Ruled says what keeps every live-patch driver of a host from starting anything there, or
// nil: of a host nobody manages, or one whose own system is on hold, nothing does.
func Ruled(masters []Master, drivers []Capabilities) *Reason {
	var first *Reason
	for _, c := range drivers {
		if !c.Available || Reboots(c.Driver) {
			continue
		}
		why := Rival(c.Driver, masters, drivers)
		if why == nil {
			return nil
		}
		// What is to be done about the host's own system says more than that it is there.
		if first == nil || first.Detail == "" && why.Detail != "" {
			first = why
		}
	}
	if first == nil {
		first = Rival("", masters, nil)
	}
	return first
}

// Takeover says for which driver a system was taken over.
type Takeover struct {
	System, Driver string
	// Lifted is set while the hold on it is not there any more.
	Lifted *Lift
}

// Mark returns the masters with what was taken over. A system that left nothing by which it
// is found is added, if its own driver has it on hold.
func (t Takeover) Mark(masters []Master) []Master {
	i := slices.IndexFunc(masters, func(m Master) bool { return m.System == t.System })
	masters = slices.Clone(masters)
	switch {
	case i < 0 && t.System != t.Driver:
		return masters
	case i < 0:
		i = len(masters)
		masters = append(masters, Master{System: t.System})
	}
	masters[i].Adopted, masters[i].Driver, masters[i].Lifted = true, t.Driver, t.Lifted
	return masters
}
