package probe_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/agent/probe"
	"github.com/hotstick/hotstick/internal/guest"
	"github.com/hotstick/hotstick/internal/guest/kernelpkg"
)

// insideVariable is set where this program runs inside a guest, to the agent's directory.
const insideVariable = "HOTSTICK_PROBES_INSIDE"

// stateDir is the agent's directory in the guest.
const stateDir = guest.StateDir + "/agent"

// dropIn puts this program in the agent's place in its own unit, with all its
// restrictions.
const dropIn = `[Unit]
ConditionPathExists=
[Service]
ExecStart=
ExecStart=/usr/sbin/hotstick-probes -test.run ^TestInsideAGuest$
Environment=` + insideVariable + "=" + stateDir + `
Restart=no
`

// TestInsideAGuest asks the built-in probes of the machine that it runs on, and one of a
// unit, and writes what they say. It watches while there is a file watch.
func TestInsideAGuest(t *testing.T) {
	dir := os.Getenv(insideVariable)
	if dir == "" {
		t.Skip("TestTheProbesOnARealHost runs it inside a guest")
	}
	out, err := os.Create(filepath.Join(dir, "readings.new"))
	if err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	probes, lacking := probe.Health(probe.Machine{Root: os.DirFS("/"), Dir: dir, Uptime: func() time.Duration { return time.Since(begun) }},
		probe.Settings{Rest: time.Second})
	if len(lacking) > 0 {
		fmt.Fprintf(os.Stderr, "lacking %v\n", lacking)
	}
	probes = append(probes, probe.Probe{Name: "journal", Asker: probe.Unit{Systemctl: probe.Systemctl, Root: os.DirFS("/"), Unit: "systemd-journald.service"}, Rest: time.Second, Timeout: time.Minute})
	encoder := json.NewEncoder(out)
	rounds := probe.NewRounds(probes, func() time.Duration { return time.Since(begun) }, func(_ context.Context, readings []hotstick.Reading) {
		for _, r := range readings {
			if err := encoder.Encode(r); err != nil {
				panic(err)
			}
		}
	})
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Minute)
	defer cancel()
	go rounds.Run(ctx)
	watched := false
	for ticker := time.NewTicker(time.Second); ctx.Err() == nil; <-ticker.C {
		if _, err := os.Stat(filepath.Join(dir, "watch")); (err == nil) != watched {
			watched = !watched
			rounds.Watch(watched)
		}
	}
}

// probedGuest is a Debian with systemd whose agent's unit asks probes.
type probedGuest struct {
	t   *testing.T
	ctx context.Context
	g   *guest.Guest
}

func TestTheProbesOnARealHost(t *testing.T) {
	if os.Getenv("HOTSTICK_GUESTS") != "1" {
		t.Skip("boots a real kernel in QEMU and downloads it once; set HOTSTICK_GUESTS=1")
	}
	if os.Geteuid() != 0 {
		t.Skip("the Debian for guests is made by root")
	}
	h := mustProbed(t)
	_, all := probe.Names()
	want := append(slices.Clone(all), "journal")

	h.await("every probe to answer with a number that it has", func(all []hotstick.Reading) bool {
		measured := 0
		for _, name := range want {
			if r, ok := newest(all, name); ok && (r.Measure != nil || name == "modules" || name == "journal") {
				measured++
			}
		}
		return measured == len(want)
	})
	for _, name := range want {
		r, _ := newest(h.readings(), name)
		t.Logf("%s: %t %s %s", name, r.Healthy, number(r), r.Detail)
	}
	h.run("sleep 15")
	for _, r := range h.readings() {
		if !r.Healthy {
			t.Errorf("at rest %s is not healthy: %s", r.Probe, r.Detail)
		}
	}

	h.run("touch " + stateDir + "/watch; chmod 1777 /dev/shm; mount -o remount,size=90% /dev/shm; dd if=/dev/zero of=/dev/shm/eaten bs=1M count=300")
	h.ill("memory")
}

func mustProbed(t *testing.T) *probedGuest {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Minute)
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
	debian, err := kernelpkg.Debian(ctx, "", say)
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	const units = "../../../deploy/systemd/"
	g, err := guest.Start(ctx, guest.Config{Name: "probes", Dir: filepath.Join(t.TempDir(), "guest"), Kernel: kernel, Busybox: busybox, Debian: debian,
		Files: []guest.File{
			{Path: "/usr/sbin/hotstick-probes", Mode: 0o755, Source: program},
			{Path: "/usr/lib/systemd/system/hotstick-agent.service", Source: units + "hotstick-agent.service"},
			{Path: "/etc/systemd/system/hotstick-agent.service.d/probes.conf", Data: []byte(dropIn)},
			{Path: "/usr/lib/sysusers.d/hotstick-agent.conf", Source: units + "hotstick-agent.sysusers"},
			{Path: "/usr/lib/tmpfiles.d/hotstick-agent.conf", Source: units + "hotstick-agent.tmpfiles"},
		}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { g.Kill() })
	if _, err := g.WaitBoot(ctx); err != nil {
		t.Fatal(err)
	}
	h := &probedGuest{t: t, ctx: ctx, g: g}
	h.run("systemd-sysusers && systemd-tmpfiles --create && systemctl daemon-reload && systemctl start --no-block hotstick-agent.service")
	return h
}

// run runs a command over the serial line.
func (h *probedGuest) run(command string) string {
	h.t.Helper()
	out, code, err := h.g.Run(h.ctx, command)
	if err != nil || code != 0 {
		h.t.Fatalf("%s: code %d, %v: %s", command, code, err, out)
	}
	return strings.TrimSpace(out)
}

// readings returns the newest readings, oldest first.
func (h *probedGuest) readings() (list []hotstick.Reading) {
	h.t.Helper()
	lines := bufio.NewScanner(strings.NewReader(h.run("tail -n 60 " + stateDir + "/readings.new 2>/dev/null || true")))
	for lines.Scan() {
		var r hotstick.Reading
		if json.Unmarshal(lines.Bytes(), &r) == nil { // the first and the last may be cut
			list = append(list, r)
		}
	}
	return list
}

func newest(list []hotstick.Reading, name string) (hotstick.Reading, bool) {
	for _, r := range slices.Backward(list) {
		if r.Probe == name {
			return r, true
		}
	}
	return hotstick.Reading{}, false
}

func number(r hotstick.Reading) string {
	if r.Measure == nil {
		return "-"
	}
	return r.Measure.Text(r.Measure.Value)
}

// await looks until the newest readings are as wanted.
func (h *probedGuest) await(what string, wanted func([]hotstick.Reading) bool) {
	h.t.Helper()
	for range 120 {
		if wanted(h.readings()) {
			return
		}
		h.run("sleep 2")
	}
	h.t.Fatalf("waited in vain for %s: %+v\n%s", what, h.readings(), h.run("systemctl status --no-pager -l hotstick-agent; true"))
}

// ill waits until a probe is not healthy.
func (h *probedGuest) ill(name string) {
	h.t.Helper()
	begun := time.Now()
	h.await(name+" to fail", func(all []hotstick.Reading) bool {
		r, ok := newest(all, name)
		if ok && !r.Healthy {
			h.t.Logf("%s fails after %s: %s", name, time.Since(begun).Truncate(time.Second), r.Detail)
		}
		return ok && !r.Healthy
	})
}
