package demo

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/goccy/go-yaml"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/agent"
	"github.com/hotstick/hotstick/internal/guest"
)

// Places in a guest.
const (
	agentDir   = guest.StateDir + "/agent"
	ledgerFile = guest.StateDir + "/loader/ledger.json"
)

// guestFiles are the host's programs, its configuration and the demo's checks.
func (d *demo) guestFiles(m *machine) ([]guest.File, error) {
	config, err := yaml.Marshal(agent.File{
		Server: d.guestURL(),
		Labels: map[string]string{"rack": "r" + m.name[len(m.name)-1:], "role": "demo"},
		Probes: []agent.ProbeFile{{Name: "unix-sockets", Command: []string{"/demo/probe"}, TimeoutSeconds: 5}},
	})
	if err != nil {
		return nil, fmt.Errorf("cannot write the agent's configuration: %v", err)
	}
	return []guest.File{
		{Path: "/usr/sbin/hotstick-agent", Mode: 0o755, Source: d.programs.agent},
		{Path: "/usr/sbin/hotstick-loader", Mode: 0o755, Source: d.programs.loader},
		{Path: "/demo/check", Mode: 0o755, Source: filepath.Join(d.dir, "build", "check")},
		{Path: "/demo/probe", Mode: 0o755, Source: filepath.Join(d.dir, "build", "probe")},
		{Path: "/etc/hotstick/agent.yaml", Data: config},
	}, nil
}

// guestServices are the loader, as root and told by its owner which catalog to
// trust, and the agent, as an ordinary user.
func (d *demo) guestServices() ([]guest.Service, error) {
	root, err := os.ReadFile(filepath.Join(d.dir, "keys", "root.json"))
	if err != nil {
		return nil, fmt.Errorf("cannot read the catalog's root: %v", err)
	}
	return []guest.Service{
		{Name: "loader", Argv: []string{"/usr/sbin/hotstick-loader", "--root", string(hotstick.NewDigest(root)), "--settle", "2s", "--trace", guestTrace}},
		{Name: "agent", Argv: []string{"/usr/sbin/hotstick-agent", "run"}, UID: guest.UserID},
	}, nil
}

// enrol gets a join line and runs it in the guest, as the agent's user.
func (d *demo) enrol(ctx context.Context, m *machine) error {
	r, err := d.must(ctx, "host", "add", "-o", "json")
	if err != nil {
		return err
	}
	line, err := joinLine(r.out)
	if err != nil {
		return err
	}
	d.rec.note("on %s: %.60s…", m.name, line)
	_, err = m.mustSerial(ctx, fmt.Sprintf("mkdir -p %s && chown %s %s && su -s /bin/sh %s -c '/usr/sbin/%s --once'",
		agentDir, guest.UserName, agentDir, guest.UserName, line))
	return err
}
