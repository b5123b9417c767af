package demo

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/hotstick/hotstick/internal/demo/host"
	"github.com/hotstick/hotstick/internal/guest"
	"github.com/hotstick/hotstick/internal/guest/kernelpkg"
)

// machine is one guest of the demo.
type machine struct {
	*guest.Guest
	name   string
	kernel kernelpkg.Kernel
	// bootID is that of the guest's first boot.
	bootID string
}

// serial runs a command on the guest's serial line, through no agent.
func (m *machine) serial(ctx context.Context, command string) (string, int, error) {
	out, code, err := m.Run(ctx, command)
	return strings.TrimSpace(out), code, err
}

// mustSerial is serial for commands that have to succeed.
func (m *machine) mustSerial(ctx context.Context, command string) (string, error) {
	return host.MustRun(ctx, m.Guest, command)
}

// count says how often the kernel's console shows a text, over all boots.
func (m *machine) count(text string) int {
	log, err := m.ConsoleLog()
	if err != nil {
		return 0
	}
	return strings.Count(log, text)
}

// loads says how often the kernel enabled a module, over all boots.
func (m *machine) loads(l *level) int {
	return m.count("livepatch: enabling patch '" + l.module + "'")
}

// enabled reports whether the kernel itself says that a level is in effect.
func (m *machine) enabled(ctx context.Context, l *level) bool {
	dir := "/sys/kernel/livepatch/" + l.module
	out, code, err := m.serial(ctx, "cat "+dir+"/enabled "+dir+"/transition")
	return err == nil && code == 0 && strings.Join(strings.Fields(out), " ") == "1 0"
}

// fault runs the patch's own check: closed is false while the hole is open.
func (m *machine) fault(ctx context.Context) (closed bool, line string, err error) {
	out, code, err := m.serial(ctx, "/demo/check")
	if err != nil {
		return false, "", err
	}
	if code > 1 {
		return false, out, fmt.Errorf("%s: the check cannot tell: %s", m.name, out)
	}
	return code == 0, out, nil
}

func (m *machine) boot(ctx context.Context) (string, error) {
	return m.mustSerial(ctx, "cat /proc/sys/kernel/random/boot_id")
}

// bootAll starts four guests, two per kernel build, side by side.
func (d *demo) bootAll(ctx context.Context) error {
	busybox, err := kernelpkg.Busybox(ctx, d.cache, d.rec.Progress)
	if err != nil {
		return err
	}
	for i := range 2 * len(d.kernels) {
		d.guests = append(d.guests, &machine{name: fmt.Sprintf("node-%d", i+1), kernel: d.kernels[i/2]})
	}
	return host.InParallel(len(d.guests), len(d.guests), func(i int) error {
		return d.bootOne(ctx, d.guests[i], busybox)
	})
}

func (d *demo) bootOne(ctx context.Context, m *machine, busybox string) error {
	files, err := d.guestFiles(m)
	if err != nil {
		return err
	}
	services, err := d.guestServices()
	if err != nil {
		return err
	}
	g, err := guest.Start(ctx, guest.Config{
		Name: m.name, Dir: filepath.Join(d.Dir, m.name), Kernel: m.kernel, Busybox: busybox,
		Disk: filepath.Join(d.Dir, m.name, "disk.img"), Network: true,
		Files: files, Services: services,
	})
	if err != nil {
		return err
	}
	m.Guest = g
	m.bootID, err = g.WaitBoot(ctx)
	return err
}

// shortly bounds a look at a guest.
const shortly = 20 * time.Second
