package mixed

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/agent"
	"github.com/hotstick/hotstick/internal/demo/host"
	"github.com/hotstick/hotstick/internal/driver/reboot"
	"github.com/hotstick/hotstick/internal/guest"
	"github.com/hotstick/hotstick/internal/guest/kernelpkg"
	"github.com/hotstick/hotstick/internal/rig"
	debianrig "github.com/hotstick/hotstick/internal/rig/debian"
	"github.com/hotstick/hotstick/internal/rig/wine"
)

const (
	// windows is the name of the host under Wine.
	windows = "win-9"
	// atOnce is how many guests boot side by side.
	atOnce   = 4
	memoryMB = 384
)

func (d *demo) stepBoot(ctx context.Context) error {
	busybox, err := kernelpkg.Busybox(ctx, d.cache, d.rec.Progress)
	if err != nil {
		return err
	}
	if err := host.InParallel(atOnce, len(d.hosts), func(i int) error { return d.boot(ctx, d.hosts[i], busybox) }); err != nil {
		return err
	}
	if err := d.startWindows(ctx); err != nil {
		d.rec.Check("3 "+windows+": the Windows agent runs under Wine", false, "%v", err)
		d.endWindows()
	}
	if err := host.Until(ctx, 2*time.Minute, "all hosts with facts", d.allHaveFacts); err != nil {
		return err
	}
	return d.checkBefore(ctx)
}

// boot starts a guest, lets it become what it plays, and enrols it.
func (d *demo) boot(ctx context.Context, m *member, busybox string) error {
	config, err := d.config(m, busybox)
	if err == nil && m.driver == reboot.Name {
		config, err = debianrig.Equip(ctx, config, d.fixed)
	}
	if err != nil {
		return err
	}
	if m.Guest, err = guest.Start(ctx, config); err != nil {
		return err
	}
	if m.bootID, err = m.WaitBoot(ctx); err != nil {
		return err
	}
	if m.world != nil {
		if _, err := host.MustRun(ctx, m.Guest, m.world(m.kernel)); err != nil {
			return err
		}
	}
	d.rec.Note("%s is up and plays %s: %s, boot %.8s", m.name, m.plays, m.kernel.Release, m.bootID)
	line, err := d.JoinLine(ctx)
	if err != nil {
		return err
	}
	return host.Join(ctx, m.Guest, line)
}

func (d *demo) config(m *member, busybox string) (guest.Config, error) {
	files, err := host.Files(m.name, d.GuestURL(), d.HostPrograms(),
		agent.ProbeFile{Name: "unix-sockets", Command: []string{"/demo/probe"}, TimeoutSeconds: 5})
	if err != nil {
		return guest.Config{}, err
	}
	files = append(files, m.files(m.kernel)...)
	for _, program := range []string{"check", "probe"} {
		files = append(files, guest.File{Path: "/demo/" + program, Mode: 0o755, Source: filepath.Join(d.Dir, "build", program)})
	}
	if m.build != nil {
		modules, err := rig.Directory(m.modules, rig.ModulesDir)
		if err != nil {
			return guest.Config{}, err
		}
		files = append(files, modules...)
	}
	root, err := d.Root()
	if err != nil {
		return guest.Config{}, err
	}
	services := host.Services(root)
	if m.driver == reboot.Name {
		for i, s := range services {
			services[i] = debianrig.Booted(s)
		}
	}
	return guest.Config{Name: m.name, Dir: filepath.Join(d.Dir, m.name), Kernel: m.kernel, Busybox: busybox, MemoryMB: memoryMB,
		Disk: filepath.Join(d.Dir, m.name, "disk.img"), Network: true, Files: files, Services: services}, nil
}

// startWindows starts the Windows program under Wine as a host of the fleet.
func (d *demo) startWindows(ctx context.Context) error {
	var err error
	d.win, err = wine.Boot(ctx, wine.Options{Dir: filepath.Join(d.Dir, windows), Agent: d.windows, Say: d.rec.Progress})
	if err != nil {
		return err
	}
	line, err := d.JoinLine(ctx)
	if err == nil {
		err = d.win.Join(ctx, line, "https://"+d.Listen, "--hostname", windows)
	}
	if err == nil {
		err = d.win.Install(ctx)
	}
	if err == nil {
		// So that what it says is that nothing covers it, and not that Windows patches by itself.
		err = d.win.Hold(ctx)
	}
	if err == nil {
		err = d.win.Start(ctx)
	}
	if err != nil && ctx.Err() == nil && d.win.State(ctx) == "STOPPED" {
		// Wine's service manager gives a service half a minute, which beside eight booting
		// guests may be too little.
		err = d.win.Start(ctx)
	}
	if err != nil {
		return err
	}
	d.rec.Check("3 "+windows+": the Windows agent runs under Wine", true, "it is a service there and has joined; Wine is no Windows")
	return nil
}

func (d *demo) endWindows() {
	if d.win != nil {
		_ = d.win.Close() // it may have ended by itself
		d.win = nil
	}
}

func (d *demo) guests() []*guest.Guest {
	var guests []*guest.Guest
	for _, m := range d.hosts {
		guests = append(guests, m.Guest)
	}
	return guests
}

// names are those of all hosts that are there.
func (d *demo) names() []string {
	var names []string
	for _, m := range d.hosts {
		names = append(names, m.name)
	}
	if d.win != nil {
		names = append(names, windows)
	}
	return names
}

func (d *demo) allHaveFacts(ctx context.Context) (bool, error) {
	for _, name := range d.names() {
		h, err := d.Client.Host(ctx, name)
		if err != nil || h.Facts == nil {
			return false, nil
		}
	}
	return true, nil
}

// checkBefore shows each host as it is: the hole is open, and the server knows the system
// that could close it.
func (d *demo) checkBefore(ctx context.Context) error {
	for _, m := range d.hosts {
		closed, line, err := m.hole(ctx)
		if err != nil {
			return err
		}
		d.rec.Check("3 "+m.name+": the hole is open", !closed, "%s", line)
		var c *hotstick.Capabilities
		// What only root can see, the loader tells the agent; that may take a check-in more.
		err = host.Until(ctx, time.Minute, m.name+" to show its system", func(ctx context.Context) (bool, error) {
			var err error
			c, err = d.capability(ctx, m.name, m.driver)
			return err == nil && c != nil && c.Available, nil
		})
		if err != nil {
			d.rec.Check("3 "+m.name+": the server knows its system", false, "%v: %s", err, saysOf(c))
			continue
		}
		d.rec.Check("3 "+m.name+": the server knows its system", c.TrustClass == hotstick.ClassOf(m.driver) && c.Undo == m.undo, "%s", saysOf(c))
	}
	return nil
}

// capability is what the server knows that a host can do by a driver.
func (d *demo) capability(ctx context.Context, name, driver string) (*hotstick.Capabilities, error) {
	detail, err := d.Client.Host(ctx, name)
	if err != nil || detail.Facts == nil {
		return nil, err
	}
	for _, c := range detail.Facts.Drivers {
		if c.Driver == driver {
			return &c, nil
		}
	}
	return nil, nil
}

func saysOf(c *hotstick.Capabilities) string {
	if c == nil {
		return "it is not among the host's drivers"
	}
	text := fmt.Sprintf("%s, trust class %s, tool %q, undo %s", c.Driver, c.TrustClass, c.Tool, c.Undo)
	if c.Schedules {
		text += fmt.Sprintf(", schedules itself (on hold: %v)", c.Held)
	}
	if c.Reason != nil {
		text += fmt.Sprintf(", not available: %s %s", c.Reason.Code, c.Reason.Detail)
	}
	return text
}

// hole tries the hole, past agent and loader.
func (m *member) hole(ctx context.Context) (closed bool, line string, err error) {
	out, code, err := m.Run(ctx, "/demo/check")
	out = strings.TrimSpace(out)
	switch {
	case err != nil:
		return false, out, err
	case strings.Contains(out, CVE+" closed"):
		return true, out, nil
	case strings.Contains(out, CVE+" open"):
		return false, out, nil
	}
	return false, out, fmt.Errorf("%s: the check cannot tell: %s (exit code %d)", m.name, out, code)
}

// inEffect asks the kernel itself whether the fix of the host's system is in effect.
func (m *member) inEffect(ctx context.Context, fixed kernelpkg.Kernel) (bool, error) {
	_, code, err := m.Run(ctx, "( "+m.truth(m.kernel, fixed)+" ) 2>/dev/null")
	return err == nil && code == 0, err
}
