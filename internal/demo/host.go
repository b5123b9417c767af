package demo

import (
	"context"
	"path/filepath"

	"github.com/hotstick/hotstick/internal/agent"
	"github.com/hotstick/hotstick/internal/demo/host"
	"github.com/hotstick/hotstick/internal/guest"
)

// Places in a guest.
const (
	ledgerFile = host.LedgerFile
)

// guestFiles are the host's programs, its configuration and the demo's checks.
func (d *demo) guestFiles(m *machine) ([]guest.File, error) {
	files, err := host.Files(m.name, d.GuestURL(), d.HostPrograms(),
		agent.ProbeFile{Name: "unix-sockets", Command: []string{"/demo/probe"}, TimeoutSeconds: 5})
	return append(files,
		guest.File{Path: "/demo/check", Mode: 0o755, Source: filepath.Join(d.Dir, "build", "check")},
		guest.File{Path: "/demo/probe", Mode: 0o755, Source: filepath.Join(d.Dir, "build", "probe")}), err
}

// guestServices are loader and agent.
func (d *demo) guestServices() ([]guest.Service, error) {
	root, err := d.Root()
	if err != nil {
		return nil, err
	}
	return host.Services(root), nil
}

// enrol gets a join line and runs it in the guest.
func (d *demo) enrol(ctx context.Context, m *machine) error {
	line, err := d.JoinLine(ctx)
	if err != nil {
		return err
	}
	d.rec.Note("on %s: %.60s…", m.name, line)
	return host.Join(ctx, m.Guest, line)
}
