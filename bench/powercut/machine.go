package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/bench/powercut/writelog"
	"github.com/hotstick/hotstick/internal/agent"
	"github.com/hotstick/hotstick/internal/audit"
	"github.com/hotstick/hotstick/internal/demo/host"
	"github.com/hotstick/hotstick/internal/demo/house"
	"github.com/hotstick/hotstick/internal/guest"
)

const (
	hostName = "node-1"
	// illFile makes the host's own probe fail while it is there.
	illFile = "/run/ill"
	// diskBytes is the size of the disk that loses what was not synced, and logBytes that
	// of the log of its writes, which is sparse.
	diskBytes = 96 << 20
	logBytes  = 4 << 30
	// patience bounds every wait. A guest on a busy machine may be five times as slow as
	// on an idle one.
	patience = 4 * time.Minute
)

// machine is a guest in which server, agent and loader run on one disk, and the house
// that the server is of.
type machine struct {
	*rig
	house *house.House
	guest *guest.Guest
	dir   string
	// marks is where the log of writes is marked.
	marks string
	// id is the host's, once it has joined.
	id hotstick.HostID
}

// disk, log and check are the files of the machine's drives.
func (m *machine) disk() string  { return filepath.Join(m.dir, "disk.img") }
func (m *machine) log() string   { return filepath.Join(m.dir, "log.img") }
func (m *machine) check() string { return filepath.Join(m.dir, "check.img") }

// before is the file of what was on the disk at the log's beginning.
func (m *machine) before() string { return filepath.Join(m.dir, "before.img") }

// boot starts a guest on what the disk holds, with an empty log of writes, and waits for
// its server.
func (m *machine) boot(ctx context.Context) error {
	if err := sparse(m.log(), logBytes); err != nil {
		return err
	}
	marks, err := freePort()
	if err != nil {
		return err
	}
	m.marks = fmt.Sprintf("http://127.0.0.1:%d/", marks)
	_, text, err := net.SplitHostPort(m.house.Listen)
	if err != nil {
		return err
	}
	port, err := strconv.Atoi(text)
	if err != nil {
		return err
	}
	files, err := m.files()
	if err != nil {
		return err
	}
	services, err := m.services(port, marks)
	if err != nil {
		return err
	}
	err = m.start(ctx, guest.Config{MemoryMB: 1024, Network: true, Ports: []int{port, marks}, Modules: []string{"dm_mod", "dm_log_writes"}, Files: files, Services: services})
	if err != nil {
		return err
	}
	if err := m.setClock(ctx); err != nil {
		return err
	}
	return m.until(ctx, "the server to be ready", func(ctx context.Context) (bool, error) { return m.house.Client.Ready(ctx) == nil, nil })
}

// start starts a guest with the machine's drives.
func (m *machine) start(ctx context.Context, c guest.Config) error {
	if err := sparse(m.check(), diskBytes); err != nil {
		return err
	}
	own := filepath.Join(m.dir, "guest")
	if err := os.MkdirAll(own, 0o700); err != nil {
		return err
	}
	c.Name, c.Dir, c.Kernel, c.Busybox = hostName, own, m.kernel, m.busybox
	c.Disk, c.Drives = filepath.Join(own, "own.img"), []string{m.disk(), m.log(), m.check()}
	var err error
	if m.guest, err = guest.Start(ctx, c); err != nil {
		return err
	}
	_, err = m.guest.WaitBoot(ctx)
	return err
}

// files are the programs, this one among them, and the agent's configuration.
func (m *machine) files() ([]guest.File, error) {
	files, err := host.Files(hostName, m.house.GuestURL(), m.house.HostPrograms(),
		agent.ProbeFile{Name: "well", Command: []string{"/bin/sh", "-c", "! [ -e " + illFile + " ]"}, TimeoutSeconds: 3})
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	return append(files, guest.File{Path: "/usr/sbin/hotstick", Mode: 0o755, Source: m.house.Programs.CLI}, guest.File{Path: "/usr/sbin/powercut", Mode: 0o755, Source: self}), err
}

// services are server, loader and agent, on the disk, and who marks the log of its writes.
func (m *machine) services(port, marks int) ([]guest.Service, error) {
	root, err := m.house.Root()
	if err != nil {
		return nil, err
	}
	list := []guest.Service{{Name: "powercut", Argv: []string{"/usr/sbin/powercut", insideArg, fmt.Sprintf("0.0.0.0:%d", marks)}},
		onDisk(guest.Service{Name: "server", Argv: []string{"/usr/sbin/hotstick", "server", "--data", guest.StateDir + "/" + serverDir, "--listen", fmt.Sprintf("0.0.0.0:%d", port)},
			Env: []string{"HOTSTICK_POLL_SECONDS=1"}})}
	for _, s := range host.Services(root) {
		if m.bug != "" {
			s.Env = append(s.Env, "HOTSTICK_PLANTED="+m.bug)
		}
		list = append(list, onDisk(s))
	}
	return list, nil
}

// setClock gives the guest the time of this machine, which signs.
func (m *machine) setClock(ctx context.Context) error {
	_, err := host.MustRun(ctx, m.guest, fmt.Sprintf("date -u -s @%d", time.Now().Unix()))
	return err
}

// onDisk lets a service wait for the disk.
func onDisk(s guest.Service) guest.Service {
	s.Argv = append([]string{"/bin/sh", "-c", "until [ -e " + readyFile + " ]; do usleep 50000; done; exec \"$@\"", "sh"}, s.Argv...)
	return s
}

// sparse makes an empty file of a size.
func sparse(file string, size int64) error {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	return errors.Join(f.Truncate(size), f.Close())
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	return l.Addr().(*net.TCPAddr).Port, l.Close()
}

// know writes a fact into the log of writes, from where on it has to be so.
func (m *machine) know(ctx context.Context, f fact) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, m.marks, strings.NewReader(f.text()))
	if err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("cannot mark the log: %w", err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(answer.Body, 1<<10)) // it is an error anyway
		return fmt.Errorf("cannot mark the log: %s: %s", answer.Status, text)
	}
	return nil
}

// knowHead does it for the head that the server signs now.
func (m *machine) knowHead(ctx context.Context) error {
	got, err := m.house.Client.AuditCheckpoint(ctx)
	if err != nil {
		return err
	}
	c, err := audit.ParseCheckpoint([]byte(got.Checkpoint))
	if err != nil {
		return err
	}
	return m.know(ctx, fact{Kind: factAudit, Head: c.Head})
}

// acked does something and knows it once that was acknowledged, with the audit log's head.
func (m *machine) acked(ctx context.Context, f fact, do func(context.Context) error) error {
	before := f
	before.Begins = true
	if err := m.know(ctx, before); err != nil {
		return err
	}
	if err := do(ctx); err != nil {
		return err
	}
	if err := m.know(ctx, f); err != nil {
		return err
	}
	return m.knowHead(ctx)
}

func (m *machine) until(ctx context.Context, what string, cond func(context.Context) (bool, error)) error {
	err := host.Until(ctx, patience, what, cond)
	if err != nil && m.guest != nil && ctx.Err() == nil {
		out, _, failed := m.guest.Run(ctx, "tail -n 8 "+guest.LogDir+"/*.log; mount; dmesg | tail -n 20")
		if failed != nil {
			out = failed.Error()
		}
		err = fmt.Errorf("%w\n%s", err, out)
	}
	return err
}

// entries reads the log of writes as it is now. Of a machine that was cut off, what was
// on its way to the log with the last words of the kernel is left out: the log is written
// without waiting, so its end may have holes.
func (m *machine) entries(cut bool) ([]writelog.Entry, error) {
	f, err := os.Open(m.log())
	if err != nil {
		return nil, err
	}
	defer f.Close()
	entries, err := writelog.Read(f, diskBytes, cut)
	for waited := 0; cut && len(entries) > 0 && waited < 3; entries = entries[:len(entries)-1] {
		if last := entries[len(entries)-1]; last.Is(writelog.FUA) || last.Is(writelog.Mark) {
			waited++ // the kernel waits for the super block that it writes with these
		}
	}
	return entries, err
}
