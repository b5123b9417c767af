package demo

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/hotstick/hotstick/internal/agent"
	"github.com/hotstick/hotstick/internal/demo/host"
	"github.com/hotstick/hotstick/internal/guest"
)

// Places in a guest.
const (
	ledgerFile = host.LedgerFile
	guestTrace = host.TraceFile
)

// guestFiles are the host's programs, its configuration and the demo's checks.
func (d *demo) guestFiles(m *machine) ([]guest.File, error) {
	files, err := host.Files(m.name, d.guestURL(), host.Programs{Agent: d.programs.agent, Loader: d.programs.loader},
		agent.ProbeFile{Name: "unix-sockets", Command: []string{"/demo/probe"}, TimeoutSeconds: 5})
	return append(files,
		guest.File{Path: "/demo/check", Mode: 0o755, Source: filepath.Join(d.dir, "build", "check")},
		guest.File{Path: "/demo/probe", Mode: 0o755, Source: filepath.Join(d.dir, "build", "probe")}), err
}

// guestServices are loader and agent.
func (d *demo) guestServices() ([]guest.Service, error) {
	root, err := os.ReadFile(filepath.Join(d.dir, "keys", "root.json"))
	if err != nil {
		return nil, fmt.Errorf("cannot read the catalog's root: %v", err)
	}
	return host.Services(root), nil
}

// enrol gets a join line and runs it in the guest.
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
	return host.Join(ctx, m.Guest, line)
}
