// Package dev is the developers' start: server, console, catalog and a fleet of
// simulated hosts in one process, with a rollout already moving.
//
// Nothing in it is a shortcut but the machines: the hosts enrol with join tokens
// over mutual TLS, the plan is drafted, signed, approved by two other persons and
// started through the operator API, and every load goes through agent, loader and
// ledger (see internal/sim).
package dev

import (
	"log/slog"
	"net"
	"time"
)

// Options say what to run. Dir and Progress are required.
type Options struct {
	// Dir holds everything: the server's data, keys, the hosts' files.
	Dir string
	// Keep uses the database of Dir and goes on with what is there; otherwise the
	// server's state is in memory only.
	Keep bool
	// Listen is the address to serve on; empty takes 127.0.0.1:8443, or any free
	// port if that one is in use.
	Listen string
	Hosts  int
	// Seed makes names, builds and labels.
	Seed uint64
	// Bad rolls out a level whose health probe fails on one kernel build.
	Bad bool
	// Log is silent if nil.
	Log *slog.Logger
	// Progress is told what happens, a line each.
	Progress func(format string, args ...any)
}

// Ready is what a developer needs to look around.
type Ready struct {
	URL   string `json:"url"`
	Token string `json:"token"`
	// Config is a configuration file for hotstick commands.
	Config string `json:"config"`
	Keys   string `json:"keys"`
	// Plan is the short digest of the rollout that moves.
	Plan string `json:"plan"`
	// Host is one of its first hosts.
	Host string `json:"host"`
}

// Speeds of the made-up fleet: short, so that a person can watch. A real plan's
// defaults are minutes.
const (
	transition = 1500 * time.Millisecond
	probation  = 6
	bake       = 3
	// parallel enrolments: enough to keep two cores busy.
	parallel = 8
)

// listen opens the usual port, or any other if nobody asked for one.
func listen(address string) (net.Listener, error) {
	if address != "" {
		return net.Listen("tcp", address)
	}
	l, err := net.Listen("tcp", "127.0.0.1:8443")
	if err != nil {
		return net.Listen("tcp", "127.0.0.1:0")
	}
	return l, nil
}

// idleInterval is how often a host checks in: as often as two cores bear easily.
func (o Options) idleInterval() time.Duration {
	return max(2*time.Second, time.Duration(o.Hosts)*25*time.Millisecond)
}
