package demo

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/api"
	"github.com/hotstick/hotstick/internal/demo/host"
	"github.com/hotstick/hotstick/internal/demo/house"
	"github.com/hotstick/hotstick/internal/guest"
	"github.com/hotstick/hotstick/internal/guest/kernelpkg"
	"github.com/hotstick/hotstick/internal/rig/debian"
)

// rebootingDebian is a Debian with systemd whose step unit reboots it. Its systemd, logind
// and inhibitors are real; apt and GRUB are a rig, and QEMU plays a firmware that knows the
// old kernel only.
type rebootingDebian struct {
	*debianHost
	fixed kernelpkg.Kernel
}

// TestAStepUnitRebootsADebianWithSystemd: everything between the loader's wish and the next
// boot is done by hotstick-step@reboot.service under systemd.
func TestAStepUnitRebootsADebianWithSystemd(t *testing.T) {
	if os.Getenv("HOTSTICK_GUESTS") == "" || os.Getenv("HOTSTICK_REBOOTS") == "" {
		t.Skip("boots a real kernel, several times; set HOTSTICK_GUESTS=1 and HOTSTICK_REBOOTS=1 after make build")
	}
	if os.Geteuid() != 0 {
		t.Skip("the Debian for guests is made by root")
	}
	h := &rebootingDebian{debianHost: mustDebianHost(t, t.Context())}
	h.install()
	h.steps([]debianStep{
		{"something inhibits a shutdown: it is not rebooted", h.inhibited},
		{"a drain that never ends: it is not rebooted, and work comes back", h.drainHangs},
		{"the firmware starts the old kernel again: that is a failed attempt, and work comes back", h.firmware},
		{"it is not tried again before approvers have cleared it", h.cleared},
		{"kexec by systemd: the new kernel is kept", h.kexec},
	})
}

func (h *rebootingDebian) install() {
	h.t.Helper()
	busybox, err := kernelpkg.Busybox(h.ctx, h.cache, nil)
	h.must0(err)
	packages := []string{"dbus", "libpam-systemd"}
	image, err := kernelpkg.Debian(h.ctx, h.cache, h.rec.Progress, packages...)
	h.must0(err)
	old, err := kernelpkg.Fetch(h.ctx, h.cache, kernelpkg.Want{Line: "6.1", Which: kernelpkg.Oldest}, nil)
	h.must0(err)
	h.fixed, err = kernelpkg.Fetch(h.ctx, h.cache, kernelpkg.Want{Line: "6.1", Which: kernelpkg.Newest}, nil)
	h.must0(err)
	if old.BuildID == h.fixed.BuildID {
		h.t.Skip("the archive offers one build of 6.1 only, so there is nothing to reboot into")
	}
	second, err := guest.Initramfs(h.ctx, guest.Config{Name: "debian", Dir: filepath.Join(h.Dir, "second"), Kernel: h.fixed, Busybox: busybox, Debian: image, Network: true})
	h.must0(err)
	const hooks = "../loader/loadercmd/testdata/reboothooks/"
	more := append(debian.Scripts(),
		guest.File{Path: "/etc/hotstick/reboot.d/before/drain", Source: hooks + "drain", Mode: 0o755},
		guest.File{Path: "/etc/hotstick/reboot.d/after/uncordon", Source: hooks + "uncordon", Mode: 0o755},
		guest.File{Path: "/etc/hotstick/reboot.conf", Data: []byte("hook_limit = 3s\n")},
		guest.File{Path: "/rig/version", Data: []byte(h.fixed.Version + "\n")},
		guest.File{Path: "/rig/vmlinuz-" + h.fixed.Release, Source: h.fixed.Image},
		guest.File{Path: "/rig/initrd.img-" + h.fixed.Release, Data: second},
		guest.File{Path: "/boot/vmlinuz-" + old.Release, Source: old.Image})
	h.boot(installed{agent: h.Programs.Agent, loader: h.Programs.Loader, units: "../../deploy/systemd", where: unitFiles, more: more, packages: packages}, guest.Config{})
	h.on("mkdir -p /boot/grub && update-grub")
	h.unjudged = true
	h.join("systemd-tmpfiles --create hotstick-loader.conf hotstick-agent.conf")
	h.must0(publishKernel(h.ctx, h.demo, filepath.Join(h.Dir, "kernel"), 1, old, h.fixed))
	h.on(alreadyThere(1))
	// On a busy machine an agent may be slow to speak.
	h.on("echo HOTSTICK_LOADER_AGENT_SILENCE=3m >>/etc/hotstick/loader.env && systemctl restart hotstick-loader")
}

// tries has the server reboot the host, and returns how that ended.
func (h *rebootingDebian) tries(name, transition string, end hotstick.HostState) *hotstick.Reason {
	h.t.Helper()
	h.on("rm -f /var/lib/hotstick/hooks")
	h.must0(h.Launch(h.ctx, name, "debian-kernel@1", "--policy", "testdata/reboots.yaml", "--probation", "5s", "--bake", "2s", "--transition", transition, "--budget", "fleet=1"))
	r, err := h.Follow(h.ctx, name, slowest, h.rec.Note, func(r api.Rollout) bool { return house.Cells(r)[h.m.name].State.Terminal() })
	h.must0(err)
	c := house.Cells(r)[h.m.name]
	if c.State != end {
		h.t.Fatalf("it ended as %s: %s", c.State, textOf(c.Reason))
	}
	h.t.Logf("%s: %s", c.State, textOf(c.Reason))
	h.must0(host.Until(h.ctx, slowest, "the end of the plan", func(ctx context.Context) (bool, error) {
		r, err := h.Client.Rollout(ctx, name)
		if err != nil || r.Status.Over() {
			return err == nil, err
		}
		_, _ = h.Client.Halt(ctx, name, api.ActionRequest{Reason: "looked at"}) // it may have ended by itself
		return false, nil
	}))
	if end == hotstick.Confirmed {
		return nil
	}
	return &c.Reason.Reason
}

// refusedFor checks a reboot that was refused before it was ordered.
func (h *rebootingDebian) refusedFor(name, transition string, code hotstick.ReasonCode, hooks string) {
	h.t.Helper()
	boot := h.on("cat /proc/sys/kernel/random/boot_id")
	if why := h.tries(name, transition, hotstick.Failed); why.Code != code {
		h.t.Errorf("it failed for %+v, want %s", why, code)
	}
	got := h.on("cat /proc/sys/kernel/random/boot_id; cat /var/lib/hotstick/hooks 2>/dev/null; cat /boot/grub/grubenv 2>/dev/null; ls /var/lib/hotstick/reboot 2>/dev/null; true")
	if !strings.HasPrefix(got, boot) || strings.Contains(got, "next_entry") || strings.Contains(got, "state.json") || !strings.Contains(got, hooks) {
		h.t.Errorf("in boot %s it has\n%s", boot, got)
	}
}

func (h *rebootingDebian) inhibited(*debianHost) {
	h.on("systemd-run --quiet --unit=backup systemd-inhibit --what=shutdown --mode=block --who=backup --why=snapshot sleep 100000")
	h.eventually("systemd-inhibit --list | grep -q backup")
	h.refusedFor("inhibited", "60s", hotstick.ReasonInhibited, "")
	h.on("systemctl stop backup")
}

func (h *rebootingDebian) drainHangs(*debianHost) {
	h.on("touch /var/lib/hotstick/drain-hangs")
	h.refusedFor("drain", "10m", hotstick.ReasonDrainFailed, "drain before\nuncordon not-rebooted")
	h.on("rm /var/lib/hotstick/drain-hangs")
}

func (h *rebootingDebian) firmware(*debianHost) {
	boot := h.on("cat /proc/sys/kernel/random/boot_id")
	if why := h.tries("firmware", "20m", hotstick.Failed); why.Code != hotstick.ReasonOldKernel {
		h.t.Errorf("it failed for %+v", why)
	}
	_, err := h.m.WaitReboot(h.ctx, boot)
	h.must0(err)
	h.eventually("grep -q fallback /var/lib/hotstick/hooks")
	if got := h.on("cat /proc/sys/kernel/random/boot_id /var/lib/hotstick/hooks"); strings.HasPrefix(got, boot) || !strings.HasSuffix(got, "drain before\nuncordon fallback") {
		h.t.Errorf("after boot %s it has\n%s", boot, got)
	}
}

// cleared: the loader cannot tell a firmware that chose otherwise from a kernel that went
// down at once, so the level has its strike, which two persons lift.
func (h *rebootingDebian) cleared(*debianHost) {
	again, err := h.Propose(h.ctx, "again", "debian-kernel@1", "--policy", "testdata/reboots.yaml")
	h.must0(err)
	if again.Code == 0 || !strings.Contains(again.Say(), "needs a signed clear") {
		h.t.Fatalf("a second plan: %s", again.Say())
	}
	file := filepath.Join(h.Dir, "clear.json")
	for _, args := range [][]string{
		{"make", "debian-kernel@1", "--host", h.m.name, "--key", h.Key("grace"), "--out", file, "--yes"},
		{"sign", file, "--key", h.Key("edsger"), "--yes"},
		{"apply", file},
	} {
		_, err := h.Must(h.ctx, append([]string{"clear"}, args...)...)
		h.must0(err)
	}
	h.must0(host.Until(h.ctx, slowest, "the strike to be lifted", func(ctx context.Context) (bool, error) {
		got, err := h.Client.Host(ctx, h.m.name)
		return err == nil && len(got.Host.Strikes) == 0, err
	}))
}

func (h *rebootingDebian) kexec(*debianHost) {
	h.on("echo method = kexec >>/etc/hotstick/reboot.conf")
	old, boot := h.m.count("Linux version "+h.m.kernel.Release), h.m.BootID()
	h.tries("kexec", "20m", hotstick.Confirmed)
	_, err := h.m.WaitReboot(h.ctx, boot)
	h.must0(err)
	h.eventually("grep -q settled /var/lib/hotstick/hooks")
	if got := h.on("uname -r; cat /var/lib/hotstick/hooks; systemctl is-active hotstick-loader.socket hotstick-agent"); got != h.fixed.Release+"\ndrain before\nuncordon settled\nactive\nactive" {
		h.t.Errorf("it has\n%s", got)
	}
	if again := h.m.count("Linux version " + h.m.kernel.Release); again != old {
		h.t.Errorf("the firmware has started the old kernel %d times meanwhile", again-old)
	}
}
