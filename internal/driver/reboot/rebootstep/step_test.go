package rebootstep

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver"
	"github.com/hotstick/hotstick/internal/driver/reboot"
)

func (h *host) mustApply() {
	h.t.Helper()
	if err := h.step.Apply(h.t.Context(), recipe); err != nil {
		h.t.Fatal(err)
	}
}

func TestAHostIsRebootedOnceAndKeepsTheNewKernelOnlyIfItIsTold(t *testing.T) {
	h := newHost(t)
	h.hook("before", "10-cordon", "")
	h.hook("before", "20-drain", "")
	h.hook("after", "10-uncordon", "")
	h.mustApply()
	if got := h.lists() + "; " + h.chooses() + "; " + strings.Join(h.restarts, " "); got != "transition_in; new, then old; firmware" {
		t.Fatalf("after Apply: %s", got)
	}
	h.restart("2")
	if got := h.lists() + "; " + h.chooses(); got != "in_effect; old" {
		t.Fatalf("in the new kernel: %s", got)
	}
	h.mustApply() // it is there
	for range 2 {
		if err := h.step.Settle(t.Context(), recipe, true); err != nil {
			t.Fatal(err)
		}
	}
	if got := h.lists() + "; " + h.chooses() + "; " + strings.Join(h.restarts, " "); got != "in_effect; new; firmware" {
		t.Fatalf("after Settle: %s", got)
	}
	if got, want := h.read("hooks"), "10-cordon before\n20-drain before\n10-uncordon settled\n"; got != want {
		t.Errorf("the hooks did\n%s, want\n%s", got, want)
	}
	h.restart("3")
	if got := h.lists(); got != "in_effect" {
		t.Errorf("in a later boot: %s", got)
	}
	if boot, _, err := h.step.Ordered(); boot != "" || err != nil {
		t.Errorf("in a later boot a reboot is ordered: %s, %v", boot, err)
	}
}

func TestAHostThatFellBackLetsItsWorkReturn(t *testing.T) {
	h := newHost(t)
	h.hook("before", "drain", "")
	h.hook("after", "uncordon", "")
	h.mustApply()
	first, to, err := h.step.Ordered()
	if err != nil || first != "11111111-1111-1111-1111-111111111111" || to != newBuild {
		t.Errorf("ordered in %s to %v, %v", first, to, err)
	}
	h.restart("2") // the new kernel, which dies
	h.restart("3")
	if got := h.lists() + "; " + h.chooses(); got != "; old" {
		t.Fatalf("after the fall: %s", got)
	}
	for range 2 {
		if err := h.step.Settle(t.Context(), recipe, false); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := h.read("hooks"), "drain before\nuncordon fallback\n"; got != want {
		t.Errorf("the hooks did\n%s, want\n%s", got, want)
	}
	if h.read(reboot.StateFile) != "" {
		t.Error("it is remembered still")
	}
}

func TestTheWayBackIsAnotherReboot(t *testing.T) {
	for _, settled := range []bool{false, true} {
		h := newHost(t)
		h.hook("before", "drain", "")
		h.mustApply()
		h.restart("2")
		want := "drain before\n"
		if settled {
			if err := h.step.Settle(t.Context(), recipe, true); err != nil {
				t.Fatal(err)
			}
			want += want // work has come back, so it is moved away again
		}
		for range 2 {
			if err := h.step.Remove(t.Context(), recipe); err != nil {
				t.Fatal(err)
			}
		}
		if got := h.lists() + "; " + h.chooses(); got != "transition_out; old" || h.read("hooks") != want {
			t.Fatalf("settled %v: after Remove: %s; hooks\n%s", settled, got, h.read("hooks"))
		}
		h.restart("3")
		if got := h.lists(); got != "" {
			t.Errorf("settled %v: in the old kernel: %s", settled, got)
		}
		if err := h.step.Settle(t.Context(), recipe, false); err != nil || h.read(reboot.StateFile) != "" {
			t.Errorf("settled %v: %v", settled, err)
		}
	}
}

func TestWhatForbidsAReboot(t *testing.T) {
	for _, c := range []struct {
		name string
		edit func(*host)
		want string
	}{
		{"somebody is logged in", func(h *host) { h.sessions = []string{"manager/root", "user/ann"} }, "users_logged_in, later"},
		{"and the host says that this does not matter", func(h *host) { h.sessions = []string{"user/ann"}; h.write(reboot.SettingsFile, "users = ignore\n") }, ""},
		{"only a login screen and a service", func(h *host) { h.sessions = []string{"greeter/gdm", "manager/root"} }, ""},
		{"something forbids a shutdown", func(h *host) { h.inhibitors = `[[["shutdown:sleep","backup","a snapshot","block",0,77]]]` }, "inhibited, later"},
		{"something wants to be told of a shutdown", func(h *host) {
			h.inhibitors = `[[["shutdown","agent","a moment","delay",0,77],["sleep","x","y","block",0,78]]]`
		}, ""},
		{"and the host says that this does not matter either", func(h *host) {
			h.inhibitors = `[[["shutdown","backup","a snapshot","block",0,77]]]`
			h.write(reboot.SettingsFile, "# a lab\ninhibitors = ignore\n")
		}, ""},
		{"the kernel is held back", func(h *host) { h.held = []string{"linux-image-6.1.0-56-amd64"} }, "inhibited"},
		{"the newest kernel is held back", func(h *host) { h.held = []string{"linux-image-amd64"} }, "inhibited"},
		{"the kernel that runs is held", func(h *host) { h.held = []string{"linux-image-6.1.0-47-amd64"} }, ""},
		{"what is held back cannot be told", func(h *host) { h.broken = []string{"apt-mark"} }, "tool_failed"},
		{"another package is held back", func(h *host) { h.held = []string{"nginx"} }, ""},
		{"the kernel would stand still after a panic", func(h *host) { h.write("proc/cmdline", "root=/dev/vda1 ro panic=0\n") }, "unsupported"},
		{"and a watchdog is there", func(h *host) {
			h.write("proc/cmdline", "root=/dev/vda1 ro\n")
			h.write(reboot.SettingsFile, "fallback = watchdog\n")
		}, ""},
		{"a setting that nobody knows", func(h *host) { h.write(reboot.SettingsFile, "user = ignore\n") }, "unsupported"},
		{"GRUB starts the newest kernel", func(h *host) {
			h.write("boot/grub/grub.cfg", strings.ReplaceAll(menu(oldBuild.Release), "${saved_entry}", "0"))
		}, "unsupported"},
		{"GRUB cannot write", func(h *host) { h.write("proc/self/mounts", "/dev/mapper/vg-root / ext4 rw 0 0\n") }, "unsupported"},
		{"GRUB can write to another disk", func(h *host) {
			h.write("proc/self/mounts", "/dev/mapper/vg-root / ext4 rw 0 0\n/dev/vda1 /boot ext4 rw 0 0\n")
		}, ""},
		{"GRUB does not do what it says", func(h *host) { h.broken = []string{"grub-set-default"} }, "tool_failed"},
		{"nor for one boot", func(h *host) { h.broken = []string{"grub-reboot"} }, "tool_failed"},
		{"apt-get is at work", func(h *host) { h.busy = true }, "tool_failed, later"},
		{"apt-get does nothing", func(h *host) { h.broken = []string{"apt-get"} }, "tool_failed"},
		{"the package brings another kernel", func(h *host) { h.wrongKernel = true }, "wrong_build"},
		{"the running kernel's file is gone", func(h *host) { os.Remove(filepath.Join(h.root, "boot/vmlinuz-"+oldBuild.Release)) }, "verification_failed"},
		{"another kernel runs", func(h *host) {
			h.boots(hotstick.KernelBuild{Release: "6.1.0-50-amd64", Arch: "x86_64", BuildID: strings.Repeat("ee", 20)}, strings.Repeat("4", 36))
		}, "wrong_build"},
		{"no boot loader", func(h *host) { os.Remove(filepath.Join(h.root, "boot/grub/grub.cfg")) }, "unsupported"},
		{"no package manager", func(h *host) { os.Remove(filepath.Join(h.root, "usr/bin/apt-get")) }, "unsupported"},
		{"the drain fails", func(h *host) { h.hook("before", "drain", "echo no room >&2; exit 1") }, "drain_failed"},
		{"the drain never ends", func(h *host) {
			h.write(reboot.SettingsFile, "hook_limit = 1s\n")
			h.hook("before", "drain", "sleep 1000")
		}, "drain_failed"},
		{"anybody may write to a hook", func(h *host) {
			h.hook("before", "drain", "")
			os.Chmod(filepath.Join(h.root, "etc/hotstick/reboot.d/before/drain"), 0o777)
		}, "drain_failed"},
		{"the machine cannot be restarted", func(h *host) { h.noRestart = true }, "tool_failed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHost(t)
			h.hook("before", "a-cordon", "")
			h.hook("after", "uncordon", "")
			c.edit(h)
			err := h.step.Apply(t.Context(), recipe)
			if got := verdict(err); got != c.want {
				t.Fatalf("%s (%v), want %s", got, err, c.want)
			}
			if c.want == "" {
				return
			}
			if len(h.restarts) != 0 || h.lists() != "" || h.env["next_entry"] != "" || h.read(reboot.StateFile) != "" {
				t.Errorf("half of it is done: restarts %v, listed %q, GRUB chooses %s, state %s", h.restarts, h.lists(), h.chooses(), h.read(reboot.StateFile))
			}
			if hooks := h.read("hooks"); strings.Contains(hooks, "before") != strings.Contains(hooks, "uncordon not-rebooted") {
				t.Errorf("the hooks did\n%s: what they have done is not undone", hooks)
			}
		})
	}
}

func verdict(err error) string {
	var refusal *driver.Refusal
	switch {
	case err == nil:
		return ""
	case !errors.As(err, &refusal):
		return err.Error()
	case refusal.Retry:
		return string(refusal.Reason.Code) + ", later"
	}
	return string(refusal.Reason.Code)
}

// A step that is told to stop undoes what it has begun.
func TestAStepThatIsStoppedInADrainUndoesIt(t *testing.T) {
	h := newHost(t)
	h.hook("after", "uncordon", "")
	ctx, cancel := context.WithCancel(t.Context())
	h.hook("before", "drain", "mkfifo "+filepath.Join(h.root, "pipe")+"; echo >"+filepath.Join(h.root, "pipe")+"; sleep 1000")
	go func() {
		for {
			if f, err := os.Open(filepath.Join(h.root, "pipe")); err == nil {
				f.Close()
				cancel()
				return
			}
		}
	}()
	if err := h.step.Apply(ctx, recipe); err == nil {
		t.Fatal("it was rebooted")
	}
	if got := h.read("hooks"); got != "drain before\nuncordon not-rebooted\n" || h.lists() != "" {
		t.Errorf("the hooks did\n%s, and %q is listed", got, h.lists())
	}
}

// A step that was killed leaves its state; the way back undoes it.
func TestAHalfWayStateIsUndoneByRemove(t *testing.T) {
	h := newHost(t)
	h.hook("before", "drain", "")
	h.hook("after", "uncordon", "")
	h.mustApply()
	if err := h.step.Remove(t.Context(), recipe); err != nil {
		t.Fatal(err)
	}
	if got := h.lists() + "; " + h.chooses(); got != "; old" || !strings.HasSuffix(h.read("hooks"), "uncordon not-rebooted\n") {
		t.Errorf("after Remove: %s; hooks\n%s", got, h.read("hooks"))
	}
}

// TestUndoingThatFailedIsTriedAgain: a host must not seem to be about to restart, which
// keeps every other change out, for as long as it runs.
func TestUndoingThatFailedIsTriedAgain(t *testing.T) {
	h := newHost(t)
	h.hook("before", "a-drain", "")
	h.hook("before", "b-check", "exit 1")
	h.hook("after", "uncordon", "exit 1")
	if err := h.step.Apply(t.Context(), recipe); err == nil {
		t.Fatal("a reboot went on after a hook that failed")
	}
	if err := h.step.Settle(t.Context(), recipe, false); err == nil {
		t.Error("it is settled although its work cannot return")
	}
	h.hook("after", "uncordon", "")
	if err := h.step.Settle(t.Context(), recipe, false); err != nil {
		t.Fatal(err)
	}
	if got := h.lists() + "; " + h.chooses(); got != "; old" || h.read(reboot.StateFile) != "" {
		t.Errorf("after it was settled: %s, remembered %q", got, h.read(reboot.StateFile))
	}
}

func TestKexecWhereTheHostAsksForIt(t *testing.T) {
	h := newHost(t)
	h.write(reboot.SettingsFile, "method = kexec\n")
	h.mustApply()
	if want := "/boot/vmlinuz-6.1.0-56-amd64 /boot/initrd.img-6.1.0-56-amd64 root=/dev/vda1 ro panic=10"; h.loaded != want || h.chooses() != "old" || h.restarts[0] != "kexec" {
		t.Errorf("loaded %q, GRUB chooses %s, %v", h.loaded, h.chooses(), h.restarts)
	}
	h = newHost(t)
	h.write(reboot.SettingsFile, "method = kexec\n")
	h.write("proc/sys/kernel/kexec_load_disabled", "1\n")
	if got := verdict(h.step.Apply(t.Context(), recipe)); got != "unsupported" || h.chooses() != "old" {
		t.Errorf("where kexec is switched off: %s", got)
	}
}

func TestSystemdBootWhereItStartedTheMachine(t *testing.T) {
	newUEFI := func(by string) *host {
		h := newHost(t)
		h.entryFile(oldBuild.Release)
		h.efi("LoaderInfo", by)
		return h
	}
	chosen := func(h *host) string {
		b := bootctl{h.step}
		return b.variable("LoaderEntryOneShot") + ", then " + b.variable("LoaderEntryDefault")
	}
	h := newUEFI("systemd-boot 252.39-1~deb12u1")
	h.mustApply()
	if got, want := chosen(h), "1234-6.1.0-56-amd64.conf, then 1234-6.1.0-47-amd64.conf"; got != want || h.chooses() != "whatever" {
		t.Errorf("it starts %s, want %s; GRUB, which is left over, %s", got, want, h.chooses())
	}
	h.efi("LoaderEntryOneShot", "") // the firmware takes it
	h.boots(newBuild, "22222222-1111-1111-1111-111111111111")
	if err := h.step.Settle(t.Context(), recipe, true); err != nil || chosen(h) != ", then 1234-6.1.0-56-amd64.conf" {
		t.Errorf("settled, it starts %s (%v)", chosen(h), err)
	}
	h = newUEFI("systemd-boot 252.39-1~deb12u1")
	h.broken = []string{"set-oneshot"}
	if got := verdict(h.step.Apply(t.Context(), recipe)); got != "tool_failed" || len(h.restarts) != 0 {
		t.Errorf("where bootctl does nothing: %s, restarted %v", got, h.restarts)
	}
	// GRUB tells of itself in the same variable, and is what is asked then.
	h = newUEFI("GRUB 2.12-1")
	h.mustApply()
	if got := h.chooses(); got != "new, then old" || chosen(h) != ", then " {
		t.Errorf("under GRUB it starts %s; systemd-boot, which did not start it, %s", got, chosen(h))
	}
	h = newUEFI("")
	os.Remove(filepath.Join(h.root, "boot/grub/grub.cfg"))
	if got := verdict(h.step.Apply(t.Context(), recipe)); got != "unsupported" {
		t.Errorf("where systemd-boot is installed and has not started the machine: %s", got)
	}
}

func TestBootLoaderEntriesAreFound(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"abc-6.1.0-47-amd64.conf":      "title Debian\nversion 6.1.0-47-amd64\nlinux /abc/6.1.0-47-amd64/linux\n",
		"abc-6.1.0-56-amd64+3.conf":    "title Debian\nlinux /abc/6.1.0-56-amd64/linux\n",
		"abc-0-rescue.conf":            "version 0-rescue\nlinux /vmlinuz-0-rescue\n",
		"abc-6.1.0-56-amd64.conf.save": "version 6.1.0-56-amd64\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for release, want := range map[string]string{"6.1.0-47-amd64": "abc-6.1.0-47-amd64.conf", "6.1.0-56-amd64": "abc-6.1.0-56-amd64.conf", "6.1.0-5-amd64": ""} {
		if got := specEntry(dir, release); got != want {
			t.Errorf("the entry of %s is %q, want %q", release, got, want)
		}
	}
	both := menu(newBuild.Release, oldBuild.Release)
	for _, b := range []hotstick.KernelBuild{oldBuild, newBuild} {
		if got := menuEntry(both, b.Release); got != entry(b) {
			t.Errorf("GRUB's entry of %s is %q", b.Release, got)
		}
	}
}
