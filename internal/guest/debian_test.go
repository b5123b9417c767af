package guest

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hotstick/hotstick/internal/guest/kernelpkg"
)

func TestADebianRunsSystemdAndPowersOff(t *testing.T) {
	needGuests(t)
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Minute)
	t.Cleanup(cancel)
	k, box := mustKernel(t, ctx, "6.1")
	began := time.Now()
	image, err := kernelpkg.Debian(ctx, "", func(step string) { t.Log(step) })
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("the image was there after %.1f s", time.Since(began).Seconds())
	began = time.Now()
	dir := t.TempDir()
	g, err := Start(ctx, Config{Name: "debian", Dir: filepath.Join(dir, "guest"), Kernel: k, Busybox: box, Debian: image,
		Files: []File{{Path: "/etc/one", Data: []byte("of the caller\n")}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { g.Kill() })
	w := &world{t: t, ctx: ctx, kernel: k, dir: dir, g: g}
	if w.boot, err = g.WaitBoot(ctx); err != nil {
		t.Fatal(err)
	}
	w.eventually("systemctl is-system-running | grep -qE 'running|degraded'")
	t.Logf("systemd has started everything after %.1f s", time.Since(began).Seconds())
	if got := w.must("cat /proc/1/comm /etc/hostname /etc/one; systemctl --failed --no-legend"); got != "systemd\ndebian\nof the caller" {
		t.Errorf("the guest says %q", got)
	}
	if err := g.Shutdown(ctx); err != nil {
		t.Fatal(err)
	}
	if log, err := g.ConsoleLog(); err != nil || !strings.Contains(log, "reboot: Power down") {
		t.Errorf("the guest did not power off cleanly (%v)", err)
	}
}
