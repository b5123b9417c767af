// Package host makes hosts out of guests: it puts agent and loader into them, lets them
// join, and looks at them past both. The demo and the proof against a stolen server
// use it.
package host

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/goccy/go-yaml"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/agent"
	"github.com/hotstick/hotstick/internal/agent/probe"
	"github.com/hotstick/hotstick/internal/guest"
)

// Places in a guest.
const (
	// LedgerFile is the loader's ledger, and TraceFile where the loader writes what it
	// does.
	LedgerFile = guest.StateDir + "/loader/ledger.json"
	TraceFile  = guest.StateDir + "/loader-trace.jsonl"

	agentDir = guest.StateDir + "/agent"
)

// Programs are the files of agent and loader on this machine.
type Programs struct {
	Agent, Loader string
	// Unjudged: the built-in probes are off. How fast a guest is says something of the machine
	// that many share, and would be taken for harm that a patch did.
	Unjudged bool
}

// Files are the host's programs and its configuration. Server is the server's URL as
// guests see it. Each guest is its own rack: r and the last letter of its name.
func Files(name, server string, p Programs, probes ...agent.ProbeFile) ([]guest.File, error) {
	file := agent.File{
		Server: server,
		Labels: map[string]string{"rack": "r" + name[len(name)-1:], "role": "demo"},
		Probes: probes,
	}
	if p.Unjudged {
		_, file.Health.Off = probe.Names()
	}
	config, err := yaml.Marshal(file)
	if err != nil {
		return nil, fmt.Errorf("cannot write the agent's configuration: %v", err)
	}
	return []guest.File{
		{Path: "/usr/sbin/hotstick-agent", Mode: 0o755, Source: p.Agent},
		{Path: "/usr/sbin/hotstick-loader", Mode: 0o755, Source: p.Loader},
		{Path: "/etc/hotstick/agent.yaml", Data: config},
	}, nil
}

// Services are the loader, as root and told by its owner which catalog to trust, and
// the agent, as an ordinary user. Root is the catalog's first one.
func Services(root []byte) []guest.Service {
	return []guest.Service{
		{Name: "loader", Argv: []string{"/usr/sbin/hotstick-loader", "--root", string(hotstick.NewDigest(root)), "--settle", "2s", "--trace", TraceFile}},
		{Name: "agent", Argv: []string{"/usr/sbin/hotstick-agent", "run"}, UID: guest.UserID},
	}
}

// Join runs the line that a server gives for a new host, as the agent's user.
func Join(ctx context.Context, g *guest.Guest, line string) error {
	_, err := MustRun(ctx, g, fmt.Sprintf("mkdir -p %s && chown %s %s && su -s /bin/sh %s -c '/usr/sbin/%s --once'",
		agentDir, guest.UserName, agentDir, guest.UserName, line))
	return err
}

// MustRun runs a command on the guest's serial line and returns what it wrote, without
// the space around it. One that ends with another exit code than 0 is an error.
func MustRun(ctx context.Context, g *guest.Guest, command string) (string, error) {
	out, code, err := g.Run(ctx, command)
	out = strings.TrimSpace(out)
	if err == nil && code != 0 {
		err = fmt.Errorf("%s: %q ended with %d: %s", g.Name(), command, code, out)
	}
	return out, err
}

// KeepLog writes what a command in the guest prints into host.log of a directory.
func KeepLog(ctx context.Context, g *guest.Guest, dir, command string) error {
	out, _, err := g.Run(ctx, command)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "host.log"), []byte(out), 0o600)
}
