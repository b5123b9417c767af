package loadercmd

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hotstick/hotstick/internal/guest"
	"github.com/hotstick/hotstick/internal/guest/kernelpkg"
	"github.com/hotstick/hotstick/internal/loader/ledger"
)

// machine is a real kernel with the real loader on it.
type machine struct {
	t   *testing.T
	ctx context.Context
	g   *guest.Guest
}

// mustMachine boots a guest with busybox, or a Debian with systemd and the loader's unit.
func mustMachine(t *testing.T, systemd bool) *machine {
	t.Helper()
	if os.Getenv("HOTSTICK_GUESTS") != "1" {
		t.Skip("boots a real kernel in QEMU and downloads it once; set HOTSTICK_GUESTS=1, as `make test` does")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 6*time.Minute)
	t.Cleanup(cancel)
	say := func(step string) { t.Log(step) }
	kernel, err := kernelpkg.Fetch(ctx, "", kernelpkg.Want{Line: "6.1", Which: kernelpkg.Oldest}, say)
	if err != nil {
		t.Fatal(err)
	}
	busybox, err := kernelpkg.Busybox(ctx, "", say)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	program := filepath.Join(dir, "hotstick-loader")
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", program, "github.com/hotstick/hotstick/cmd/hotstick-loader")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	config := guest.Config{Name: "loader", Dir: filepath.Join(dir, "guest"), Kernel: kernel, Busybox: busybox,
		Files: []guest.File{{Path: "/usr/sbin/hotstick-loader", Mode: 0o755, Source: program}}}
	if systemd {
		if config.Debian, err = kernelpkg.Debian(ctx, "", say); err != nil {
			t.Fatal(err)
		}
		config.Files = append(config.Files, guest.File{Path: "/etc/hotstick/loader.env", Data: []byte("HOTSTICK_LOADER_ROOT=" + rootDigest + "\n")})
		units, err := filepath.Glob("../../../deploy/systemd/hotstick-loader*")
		if err != nil {
			t.Fatal(err)
		}
		for _, unit := range units {
			config.Files = append(config.Files, guest.File{Path: "/usr/lib/systemd/system/" + filepath.Base(unit), Source: unit})
		}
	} else {
		config.Disk = filepath.Join(dir, "disk")
		config.Services = []guest.Service{{Name: "loader", Argv: []string{"/usr/sbin/hotstick-loader", "--root", rootDigest}}}
	}
	g, err := guest.Start(ctx, config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { g.Kill() })
	m := &machine{t: t, ctx: ctx, g: g}
	if _, err := g.WaitBoot(ctx); err != nil {
		t.Fatal(err)
	}
	return m
}

// run runs a command over the serial line.
func (m *machine) run(command string) string {
	m.t.Helper()
	out, code, err := m.g.Run(m.ctx, command)
	if err != nil || code != 0 {
		m.t.Fatalf("%s: code %d, %v: %s", command, code, err, out)
	}
	return strings.TrimSpace(out)
}

// ready waits until the loader's ledger is of this boot, and returns it.
func (m *machine) ready() ledger.Ledger {
	m.t.Helper()
	boot := m.g.BootID()
	m.t.Logf("in boot %s", boot)
	m.run("for i in $(seq 300); do grep -qs '\"id\":\"" + boot + "\"' /var/lib/hotstick/loader/ledger.json && " +
		"test -S /run/hotstick/loader.sock && exit 0; usleep 100000; done; cat /var/lib/hotstick/log/loader.log; exit 1")
	led, err := ledger.Decode([]byte(m.run("cat /var/lib/hotstick/loader/ledger.json")))
	if err != nil {
		m.t.Fatal(err)
	}
	return led
}

// end ends the boot with a command that gets no answer, and waits for the next.
func (m *machine) end(command string) {
	m.t.Helper()
	boot := m.g.BootID()
	_, _, _ = m.g.Run(m.ctx, command) // the boot ends under it
	if _, err := m.g.WaitReboot(m.ctx, boot); err != nil {
		m.t.Fatal(err)
	}
}

func TestARealHostTellsACleanEndFromACrash(t *testing.T) {
	m := mustMachine(t, false)
	first := m.ready()
	if len(first.Boot.UncleanMillis) != 0 {
		t.Fatalf("a new host has unclean boots: %+v", first.Boot)
	}

	m.end("reboot")
	if led := m.ready(); len(led.Boot.UncleanMillis) != 0 || led.Boot.ID == first.Boot.ID {
		t.Fatalf("after a clean reboot the ledger says %+v", led.Boot)
	}

	// Killed and started again in the same boot, the loader goes on.
	before := m.run("cat /run/service/loader.pid")
	m.run("kill -9 " + before)
	m.run("for i in $(seq 100); do test \"$(cat /run/service/loader.pid)\" != " + before + " && exit 0; usleep 100000; done; exit 1")
	if led := m.ready(); len(led.Boot.UncleanMillis) != 0 || led.Boot.Clean {
		t.Fatalf("after its own death the loader says %+v", led.Boot)
	}

	// Stopped by hand and started again, it takes the mark back; then the crash is
	// one.
	m.run("kill -TERM $(cat /run/service/loader.pid)")
	m.run("for i in $(seq 100); do grep -q '\"clean\":false' /var/lib/hotstick/loader/ledger.json && " +
		"test \"$(grep -c 'loader is ready' /var/lib/hotstick/log/loader.log)\" = 4 && exit 0; usleep 100000; done; exit 1")
	m.end("echo 1 > /proc/sys/kernel/sysrq; sync; echo c > /proc/sysrq-trigger")
	led := m.ready()
	if len(led.Boot.UncleanMillis) != 1 || len(led.Crashes) != 1 {
		t.Fatalf("after a crash the ledger says %+v with %d crash records", led.Boot, len(led.Crashes))
	}
	if led.Boot.BaseMillis <= 0 {
		t.Errorf("the ledger's clock began anew: %+v", led.Boot)
	}
}

// On a host with systemd /sys/fs/pstore is empty before any service starts.
func TestCrashRecordsThatSystemdHasMovedAreRead(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("the Debian for guests is made by root")
	}
	m := mustMachine(t, true)
	m.run("systemctl enable --quiet --now hotstick-loader")
	m.ready()
	m.end("echo 1 > /proc/sys/kernel/sysrq; sync; echo c > /proc/sysrq-trigger; sleep 60")
	led := m.ready()
	if left := m.run("ls /sys/fs/pstore"); strings.Contains(left, "dmesg-") {
		t.Errorf("systemd moved nothing: %s", left)
	}
	if len(led.Boot.UncleanMillis) != 1 || len(led.Crashes) != 1 {
		t.Errorf("after a crash the ledger says %+v with %d crash records; moved were %s", led.Boot, len(led.Crashes), m.run("find /var/lib/systemd/pstore -type f"))
	}
}
