package view

import (
	"slices"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/api"
	"github.com/hotstick/hotstick/internal/decide/why"
	"github.com/hotstick/hotstick/internal/inventory"
	"github.com/hotstick/hotstick/internal/store"
)

// What a list of hosts can be narrowed to beside their states.
const (
	OnlyDrifting = "drifting"
	OnlyStalled  = "stalled"
	OnlyHeld     = "held"
)

// CrashStops makes the levels that are stopped on a kind of machine readable.
func CrashStops(stops []store.CrashStop) []api.CrashStop {
	out := make([]api.CrashStop, len(stops))
	for i, s := range stops {
		at := why.Place{Host: s.HostName, Patch: s.Print.Patch}
		out[i] = api.CrashStop{CrashPrint: s.Print, Host: s.Host, Name: s.HostName, Reason: Reason(&s.Reason, at), At: s.At}
	}
	return out
}

// survives fills in what the host itself says beside the level: how it drifts, what
// stalls, and what holds it back. Of a host that is silent nobody knows what stalls.
func (m Moment) survives(h store.Host, out *api.Host) {
	out.Drift, out.Hold, out.Off = h.Drift.Shown(), h.Loader.Hold, h.Loader.Off
	if h.Facts != nil {
		out.Masters = h.Facts.Masters
	}
	out.Barred = Reason(inventory.Barred(h, ""), why.Place{Host: h.Name})
	if !out.Silent {
		out.Stall = h.Loader.Stall
	}
}

// Listed is a host in a list: without the tasks that keep its transition and the modules
// of its other masters, of which one host may tell megabytes.
func Listed(h api.Host) api.Host {
	if h.Stall != nil {
		stall := *h.Stall
		stall.Blockers, h.Stall = nil, &stall
	}
	h.Masters = slices.Clone(h.Masters)
	for i := range h.Masters {
		h.Masters[i].Modules = nil
	}
	return h
}

// drifts counts a host's drift and stall.
func (c *Census) drifts(m Moment, h store.Host) {
	if d := h.Drift.Shown(); d != nil {
		if c.Drifting == nil {
			c.Drifting = map[hotstick.DriftKind]int{}
		}
		c.Drifting[d.Kind]++
	}
	if h.Loader.Stall != nil && !m.Silent(h) {
		c.Stalled++
	}
}

// drifting counts all hosts that drift.
func (c Census) drifting() (n int) {
	for _, hosts := range c.Drifting {
		n += hosts
	}
	return n
}
