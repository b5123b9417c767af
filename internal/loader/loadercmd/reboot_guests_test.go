package loadercmd

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver/reboot"
	"github.com/hotstick/hotstick/internal/guest"
	"github.com/hotstick/hotstick/internal/guest/kernelpkg"
	"github.com/hotstick/hotstick/internal/rig/debian"
)

// rebooting is a guest whose loader reboots it between two builds of one kernel line, by
// the driver's real programs. apt and GRUB are a rig.
type rebooting struct {
	*machine
	old, fixed kernelpkg.Kernel
}

// TestARealHostIsRebooted reboots a real kernel into another one, with the cases that go
// wrong. Each part rests on what the one before it left.
func TestARealHostIsRebooted(t *testing.T) {
	h := mustRebooting(t)
	for _, part := range []struct {
		name string
		run  func(*rebooting)
	}{
		{"a drain that never ends: nothing is rebooted, and what was begun is undone", drainHangs},
		{"a new kernel that panics: the old one comes back, and it is not tried again", newKernelPanics},
		{"it goes well: the new kernel is kept", goesWell},
		{"it is taken back: the old kernel is what every boot starts", wayBack},
		{"by kexec: the running kernel starts the new one, and no firmware does", byKexec},
	} {
		began := time.Now()
		if !t.Run(part.name, func(t *testing.T) { h.t = t; part.run(h) }) {
			console, _ := h.g.ConsoleLog()
			out, _, _ := h.g.Run(h.ctx, "uname -r; cat "+reportFile+" /var/lib/hotstick/hooks; ls /boot; cat /boot/grub/grubenv; tail -30 /var/lib/hotstick/log/*.log")
			h.t = t
			t.Fatalf("the guest says\n%s\nand its console ends with\n%s", out, console[max(0, len(console)-5000):])
		}
		t.Logf("%s: %.1f s", part.name, time.Since(began).Seconds())
	}
}

func mustRebooting(t *testing.T) *rebooting {
	t.Helper()
	if os.Getenv("HOTSTICK_GUESTS") != "1" || os.Getenv("HOTSTICK_REBOOTS") != "1" {
		t.Skip("boots real kernels in QEMU, several times, and downloads them once; set HOTSTICK_GUESTS=1 and HOTSTICK_REBOOTS=1")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Minute)
	t.Cleanup(cancel)
	h := &rebooting{machine: &machine{t: t, ctx: ctx}}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	var err error
	h.old, err = kernelpkg.Fetch(ctx, "", kernelpkg.Want{Line: "6.1", Which: kernelpkg.Oldest}, nil)
	must(err)
	h.fixed, err = kernelpkg.Fetch(ctx, "", kernelpkg.Want{Line: "6.1", Which: kernelpkg.Newest}, nil)
	must(err)
	if h.old.BuildID == h.fixed.BuildID {
		t.Skip("the archive offers one build of 6.1 only, so there is nothing to reboot into")
	}
	busybox, err := kernelpkg.Busybox(ctx, "", nil)
	must(err)
	dir := t.TempDir()
	program := filepath.Join(dir, "inside.test")
	build := exec.CommandContext(ctx, "go", "test", "-c", "-ldflags=-s -w", "-o", program, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	of := func(k kernelpkg.Kernel) hotstick.KernelBuild {
		return hotstick.KernelBuild{Release: k.Release, Arch: "x86_64", BuildID: k.BuildID}
	}
	recipe, err := hotstick.Recipe{Schema: hotstick.RecipeSchema, Driver: "reboot", Build: of(h.old), Target: of(h.fixed), Module: reboot.Module(of(h.fixed)),
		Packages: []hotstick.Package{{Name: debian.Package(h.fixed), Version: h.fixed.Version}}}.Encode()
	must(err)
	files := []guest.File{
		{Path: "/t/inside.test", Source: program, Mode: 0o755},
		{Path: "/rig/recipe.json", Data: recipe},
		{Path: "/" + reboot.SettingsFile, Data: []byte("hook_limit = 3s\n")},
		{Path: "/etc/hotstick/reboot.d/before/drain", Source: "testdata/reboothooks/drain", Mode: 0o755},
		{Path: "/etc/hotstick/reboot.d/after/uncordon", Source: "testdata/reboothooks/uncordon", Mode: 0o755},
	}
	config, err := debian.Equip(ctx, guest.Config{Name: "reboots", Dir: filepath.Join(dir, "guest"), Kernel: h.old, Busybox: busybox, Files: files,
		Disk: filepath.Join(dir, "disk"), Services: []guest.Service{
			{Name: "host", Argv: []string{"/t/inside.test", "-test.run", "^TestInsideTheRebootingHost$", "-test.timeout", "0"},
				Env: []string{insideVariable + "=1", "PATH=/usr/bin:/bin:/sbin"}},
		}}, h.fixed)
	must(err)
	h.g, err = guest.Start(ctx, config)
	must(err)
	t.Cleanup(func() { h.g.Kill() })
	if _, err := h.g.WaitBoot(ctx); err != nil {
		t.Fatal(err)
	}
	return h
}

// until waits until a command of the guest's shell succeeds, over reboots, and returns
// what it said.
func (h *rebooting) until(what, command string) string {
	h.t.Helper()
	for h.ctx.Err() == nil {
		out, code, err := h.g.Run(h.ctx, "for i in $(seq 50); do "+command+" && exit 0; usleep 100000; done; exit 1")
		if err != nil && !errors.Is(err, guest.ErrRebooted) {
			h.t.Fatalf("%s: %v", what, err)
		}
		if err == nil && code == 0 {
			return strings.TrimSpace(out)
		}
	}
	h.t.Fatalf("waited in vain for %s", what)
	return ""
}

// wish has the server grant an attempt.
func (h *rebooting) wish(level, attempt string) {
	h.t.Helper()
	h.run("echo " + level + " " + attempt + " >" + wishFile)
}

// reported waits for a line among the reports.
func (h *rebooting) reported(line string) string {
	h.t.Helper()
	return h.until("the report "+line, "grep '^"+line+"' "+reportFile)
}

// runs is the release that runs, by the kernel's own word.
func (h *rebooting) runs(want kernelpkg.Kernel) {
	h.t.Helper()
	notes := h.run("cat /proc/sys/kernel/osrelease; hexdump -v -e '1/1 \"%02x\"' /sys/kernel/notes")
	if !strings.HasPrefix(notes, want.Release+"\n") || !strings.Contains(notes, want.BuildID) {
		h.t.Fatalf("the guest runs %.40q, want %s", notes, want.Release)
	}
}

func (h *rebooting) hooks(want string) {
	h.t.Helper()
	if got := h.until("the hooks "+want, "cat /var/lib/hotstick/hooks; grep -q . /var/lib/hotstick/hooks"); strings.Join(strings.Split(got, "\n"), ", ") != want {
		h.t.Errorf("the hooks did %q, want %q", got, want)
	}
}

func drainHangs(h *rebooting) {
	boot := h.g.BootID()
	h.run("touch /var/lib/hotstick/drain-hangs")
	h.wish("1", "1")
	h.reported("debian-kernel@1 #1 failed drain_failed")
	h.hooks("drain before, uncordon not-rebooted")
	h.runs(h.old)
	if got := h.run("cat /boot/grub/grubenv; cat /proc/sys/kernel/random/boot_id; ls /boot; ls /" + filepath.Dir(reboot.StateFile)); strings.Contains(got, "next_entry") ||
		!strings.Contains(got, boot) || !strings.Contains(got, "vmlinuz-"+h.fixed.Release) || strings.Contains(got, "state.json") {
		h.t.Errorf("after a drain that never ended, in boot %s, the guest has\n%s", boot, got)
	}
	h.run("rm /var/lib/hotstick/drain-hangs /var/lib/hotstick/hooks")
}

func newKernelPanics(h *rebooting) {
	h.run("echo rdinit=/nonexistent >/boot/grub/extra")
	h.wish("1", "2")
	line := h.reported("debian-kernel@1 #2 failed old_kernel")
	h.until("uncordon", "grep -q uncordon /var/lib/hotstick/hooks")
	h.hooks("drain before, uncordon fallback")
	h.runs(h.old)
	console, err := h.g.ConsoleLog()
	if err != nil {
		h.t.Fatal(err)
	}
	if !strings.Contains(console, "Linux version "+h.fixed.Release) || !strings.Contains(console, "Kernel panic") {
		h.t.Errorf("the new kernel did not panic at all")
	}
	evidence := h.run("grep '^evidence boots: ' " + reportFile)
	h.t.Logf("%s\n%s", line, evidence)
	boot := h.g.BootID()
	h.wish("1", "3")
	h.reported("debian-kernel@1 #3 failed struck")
	if h.g.BootID() != boot {
		h.t.Error("it was rebooted again")
	}
	h.run("rm /var/lib/hotstick/hooks /boot/grub/extra")
}

func goesWell(h *rebooting) {
	h.wish("2", "1")
	h.reported("debian-kernel@2 #1 probation")
	h.reported("debian-kernel@2 #1 confirmed")
	h.runs(h.fixed)
	h.until("uncordon", "grep -q uncordon /var/lib/hotstick/hooks")
	h.hooks("drain before, uncordon settled")
	if env := h.run("cat /boot/grub/grubenv"); env != "saved_entry=gnulinux-advanced-rig>gnulinux-"+h.fixed.Release+"-advanced-rig" {
		h.t.Errorf("GRUB's environment is %q", env)
	}
	// Whoever reboots it later gets the new kernel, and nothing is reported of that.
	before := h.run("cat " + reportFile)
	boot := h.g.BootID()
	_, _, _ = h.g.Run(h.ctx, "reboot; sleep 100")
	h.until("the new kernel", "test \"$(cat /proc/sys/kernel/random/boot_id)\" != "+boot+" && test -e /run/chosen && grep -q \"\\\"id\\\":\\\"$(cat /proc/sys/kernel/random/boot_id)\" /var/lib/hotstick/loader/ledger.json")
	h.runs(h.fixed)
	if after := h.run("cat " + reportFile); after != before {
		h.t.Errorf("after a reboot it reports\n%s", strings.TrimPrefix(after, before))
	}
}

func wayBack(h *rebooting) {
	h.run("rm /var/lib/hotstick/hooks; echo revert >" + wishFile)
	h.reported("debian-kernel@2 #1 reverting operator")
	h.reported("debian-kernel@2 #1 reverted operator")
	h.runs(h.old)
	h.until("uncordon", "grep -q uncordon /var/lib/hotstick/hooks")
	h.hooks("drain before, uncordon fallback")
	if env := h.run("cat /boot/grub/grubenv"); env != "saved_entry=gnulinux-advanced-rig>gnulinux-"+h.old.Release+"-advanced-rig" {
		h.t.Errorf("GRUB's environment is %q", env)
	}
	h.until("nothing is remembered", "test ! -e /"+reboot.StateFile)
}

func byKexec(h *rebooting) {
	booted := func(k kernelpkg.Kernel) int {
		console, err := h.g.ConsoleLog()
		if err != nil {
			h.t.Fatal(err)
		}
		return strings.Count(console, "Linux version "+k.Release)
	}
	old, fixed := booted(h.old), booted(h.fixed)
	h.run("rm /var/lib/hotstick/hooks; echo method = kexec >>/" + reboot.SettingsFile)
	h.wish("3", "1")
	h.reported("debian-kernel@3 #1 probation")
	h.reported("debian-kernel@3 #1 confirmed")
	h.runs(h.fixed)
	h.until("uncordon", "grep -q uncordon /var/lib/hotstick/hooks")
	h.hooks("drain before, uncordon settled")
	if got := booted(h.old) - old; got != 0 || booted(h.fixed) != fixed+1 {
		h.t.Errorf("the old kernel was booted %d times meanwhile, the new one %d times", got, booted(h.fixed)-fixed)
	}
	// The fallback is the boot loader's still, and is the new kernel once that is kept.
	if env := h.run("cat /boot/grub/grubenv"); env != "saved_entry=gnulinux-advanced-rig>gnulinux-"+h.fixed.Release+"-advanced-rig" {
		h.t.Errorf("GRUB's environment is %q", env)
	}
}
