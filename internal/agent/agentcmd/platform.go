package agentcmd

import (
	"io/fs"
	"log/slog"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/agent"
	"github.com/hotstick/hotstick/internal/loader/link"
)

// Platform is what an agent has of the system that it runs on.
type Platform struct {
	// Machine is the tree of the files in which a kernel shows itself to probes.
	Machine  fs.FS
	Observer agent.Observer
	Loader   link.Loader
	// Bell says without a call whether the loader has something new (see [agent.Config]).
	Bell   func() hotstick.Digest
	Uptime func() time.Duration
	// Rest is called when there is nothing to do.
	Rest func()
	// Close is called at the end.
	Close func()
}

// Place is where an agent finds what belongs to it, and what it was told about its host.
type Place struct {
	// State is the agent's directory, Socket the loader's, where there is one, and Config
	// the configuration file.
	State, Socket, Config string
	// Hostname replaces the system's own if it is not empty.
	Hostname string
	Labels   map[string]string
	// Withheld are the groups of facts that are kept back.
	Withheld []string
	Log      *slog.Logger
}

// Assemble puts a platform together, once the host has joined.
type Assemble func(Place) (Platform, error)
