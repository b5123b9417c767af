package demo

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/api"
	"github.com/hotstick/hotstick/internal/agent"
	"github.com/hotstick/hotstick/internal/demo/host"
	"github.com/hotstick/hotstick/internal/demo/house"
	"github.com/hotstick/hotstick/internal/driver/reboot"
	"github.com/hotstick/hotstick/internal/guest"
	"github.com/hotstick/hotstick/internal/guest/kernelpkg"
	"github.com/hotstick/hotstick/internal/rig/debian"
)

// rebootHouse is a server and two hosts that it reboots into another kernel build. apt and
// GRUB are a rig in them; agent, loader and the loader's steps are the real programs. One
// of the two is up at a time, as their machines' power is in the test's hands.
type rebootHouse struct {
	*demo
	t          *testing.T
	ctx        context.Context
	old, fixed kernelpkg.Kernel
	busybox    string
	dir        string
	config     map[string]guest.Config
	hosts      map[string]*machine
}

// slowest is for whatever a guest does on a busy machine.
const slowest = 20 * time.Minute

// TestAHostThatDoesNotReturn: what a server makes of a host that is not heard of again after
// it was told to reboot, until somebody switches it on.
func TestAHostThatDoesNotReturn(t *testing.T) {
	if os.Getenv("HOTSTICK_GUESTS") == "" || os.Getenv("HOTSTICK_REBOOTS") == "" {
		t.Skip("boots real kernels in QEMU, many times, and waits for minutes; set HOTSTICK_GUESTS=1 and HOTSTICK_REBOOTS=1 after make build")
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	h := mustRebootHouse(t, ctx)
	for _, name := range []string{"node-1", "node-2"} {
		h.off()
		h.on(name)
		h.must(h.enrol(ctx, h.hosts[name]))
		h.must(host.Until(ctx, 5*time.Minute, "the facts of "+name, func(ctx context.Context) (bool, error) {
			host, err := h.Client.Host(ctx, name)
			return err == nil && host.Facts != nil, nil
		}))
	}
	if !t.Run("it holds its slot, nobody follows it, and what it tells at last counts", func(t *testing.T) { h.t = t; neverReturns(h) }) {
		h.t = t
		h.explain()
	}
}

func mustRebootHouse(t *testing.T, ctx context.Context) *rebootHouse {
	t.Helper()
	var course bytes.Buffer
	d, _, err := prepare(house.Options{Dir: t.TempDir(), Programs: "../../bin", Patches: "../../patches", Listen: "127.0.0.1:0", Out: &course})
	if err != nil {
		t.Fatal(err)
	}
	h := &rebootHouse{demo: d, t: t, ctx: ctx, dir: t.TempDir(), config: map[string]guest.Config{}, hosts: map[string]*machine{}}
	t.Cleanup(func() {
		h.off()
		d.close()
		if t.Failed() {
			t.Logf("\n%s", course.String())
		}
	})
	h.must(d.stepInitialise(ctx))
	h.old, err = kernelpkg.Fetch(ctx, "", kernelpkg.Want{Line: "6.1", Which: kernelpkg.Oldest}, nil)
	h.must(err)
	h.fixed, err = kernelpkg.Fetch(ctx, "", kernelpkg.Want{Line: "6.1", Which: kernelpkg.Newest}, nil)
	h.must(err)
	if h.old.BuildID == h.fixed.BuildID {
		t.Skip("the archive offers one build of 6.1 only, so there is nothing to reboot into")
	}
	h.busybox, err = kernelpkg.Busybox(ctx, "", nil)
	h.must(err)
	for _, name := range []string{"node-1", "node-2"} {
		h.install(name)
	}
	return h
}

func (h *rebootHouse) must(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

// install makes a machine that has a boot loader, a package manager and two hooks.
func (h *rebootHouse) install(name string) {
	h.t.Helper()
	files, err := host.Files(name, h.GuestURL(), h.HostPrograms(), agent.ProbeFile{Name: "always", Command: []string{"/bin/true"}})
	h.must(err)
	const hooks = "../loader/loadercmd/testdata/reboothooks/"
	files = append(files,
		guest.File{Path: "/etc/hotstick/reboot.d/before/drain", Source: hooks + "drain", Mode: 0o755},
		guest.File{Path: "/etc/hotstick/reboot.d/after/uncordon", Source: hooks + "uncordon", Mode: 0o755})
	root, err := h.Root()
	h.must(err)
	c := guest.Config{Name: name, Dir: filepath.Join(h.dir, name), Kernel: h.old, Busybox: h.busybox, Files: files,
		Disk: filepath.Join(h.dir, name+".disk"), Network: true}
	for _, s := range host.Services(root) {
		s.Env = []string{"PATH=/usr/bin:/bin:/sbin:/usr/sbin", "HOTSTICK_LOADER_AGENT_SILENCE=3m"}
		c.Services = append(c.Services, debian.Booted(s))
	}
	if out, err := exec.CommandContext(h.ctx, "mkfs.ext4", "-q", "-F", c.Disk, "192M").CombinedOutput(); err != nil {
		h.t.Fatalf("%v: %s", err, out)
	}
	c, err = debian.Equip(h.ctx, c, h.fixed)
	h.must(err)
	h.config[name] = c
	h.hosts[name] = &machine{name: name, kernel: h.old}
}

// on powers a machine on, if it is not.
func (h *rebootHouse) on(name string) {
	h.t.Helper()
	m := h.hosts[name]
	if m.Guest != nil {
		return
	}
	var err error
	m.Guest, err = guest.Start(h.ctx, h.config[name])
	h.must(err)
	m.bootID, err = m.WaitBoot(h.ctx)
	h.must(err)
	h.run(name, "for i in $(seq 600); do test -e /run/chosen && exit 0; usleep 100000; done; exit 1")
}

// off takes the power from whichever machine has it.
func (h *rebootHouse) off() {
	for _, m := range h.hosts {
		if m.Guest != nil {
			m.Kill()
			m.Guest = nil
		}
	}
}

func (h *rebootHouse) run(name, command string) string {
	h.t.Helper()
	out, err := h.hosts[name].mustSerial(h.ctx, command)
	h.must(err)
	return out
}

// explain says how things are once something has failed.
func (h *rebootHouse) explain() {
	for name, m := range h.hosts {
		if m.Guest == nil {
			continue
		}
		out, _, _ := m.serial(h.ctx, "uname -r; cat /var/lib/hotstick/hooks /boot/grub/grubenv /var/lib/hotstick/reboot/state.json; ls -la /boot; tail -n 30 /var/lib/hotstick/log/*.log")
		console, _ := m.ConsoleLog()
		h.t.Logf("%s says\n%s\nand its console ends with\n%s", name, out, console[max(0, len(console)-3000):])
	}
	h.t.FailNow()
}

// plan publishes a level that leads to the fixed kernel, plans it for both hosts, and has it
// approved. It returns the plan's canary and the other host.
func (h *rebootHouse) plan(name string, level int) (canary, other string) {
	h.t.Helper()
	h.must(publishKernel(h.ctx, h.demo, filepath.Join(h.dir, name), level, h.old, h.fixed))
	r, err := h.Propose(h.ctx, name, fmt.Sprintf("debian-kernel@%d", level), "--policy", "testdata/reboots.yaml", "--probation", "3s", "--bake", "2s", "--transition", "6m", "--budget", "fleet=1")
	h.must(err)
	if r.Code != 0 {
		h.t.Fatalf("cannot plan: %s", r.Say())
	}
	for _, person := range house.Approvers() {
		_, err := h.Must(h.ctx, "rollout", "approve", name, "--key", h.Key(person), "--yes")
		h.must(err)
	}
	rollout, err := h.Client.Rollout(h.ctx, name)
	h.must(err)
	if len(rollout.Waves) != 2 || len(rollout.Waves[0].Hosts) != 1 || len(rollout.Waves[1].Hosts) != 1 {
		h.t.Fatalf("the plan has the waves %+v", rollout.Waves)
	}
	return rollout.Waves[0].Hosts[0].Name, rollout.Waves[1].Hosts[0].Name
}

// start starts a plan whose canary is up.
func (h *rebootHouse) start(name string, level int, canary string) {
	h.t.Helper()
	if h.hosts[canary].Guest == nil {
		h.off()
		h.on(canary)
	}
	h.run(canary, alreadyThere(level))
	_, err := h.Must(h.ctx, "rollout", "start", name)
	h.must(err)
}

// awaits waits until a plan is as it should be.
func (h *rebootHouse) awaits(name string, limit time.Duration, is func(api.Rollout) bool) api.Rollout {
	h.t.Helper()
	r, err := h.follow(h.ctx, name, limit, is)
	h.must(err)
	return r
}

// failedOnTheOldKernel checks what is known of a canary that came back on the old kernel,
// and that the other host is left alone.
// Whoever fails alone holds its lane: the plan goes nowhere until a person has looked.
func (h *rebootHouse) failedOnTheOldKernel(r api.Rollout, canary, other string) {
	h.t.Helper()
	c := house.Cells(r)[canary]
	if c.State != hotstick.Failed || c.Reason == nil || c.Reason.Code != hotstick.ReasonOldKernel {
		h.t.Errorf("%s is %s: %s", canary, c.State, textOf(c.Reason))
	}
	if o := house.Cells(r)[other]; o.Attempt != 0 || r.Status != hotstick.Running {
		h.t.Errorf("%s is %s, attempt %d; the plan is %s", other, o.State, o.Attempt, r.Status)
	}
	list, err := h.Client.Events(h.ctx, eventsOf(r.Plan))
	h.must(err)
	told := ""
	for _, e := range list.Events {
		if e.State == string(hotstick.Failed) && e.HostName == canary {
			told += fmt.Sprint(e.Evidence)
		}
	}
	if !strings.Contains(told, "was told to boot "+h.fixed.Release) {
		h.t.Errorf("the audit log has the evidence %q", told)
	}
	h.t.Logf("%s: %s; %s is %s; the plan is %s: %s\n%s", canary, textOf(c.Reason), other, house.Cells(r)[other].State, r.Status, textOf(r.Reason), told)
}

func neverReturns(h *rebootHouse) {
	canary, other := h.plan("silent", 1)
	h.start("silent", 1, canary)
	// The power goes while the new kernel boots, and does not come back for long.
	m := h.hosts[canary]
	before := m.count("Linux version " + h.fixed.Release)
	h.must(host.Until(h.ctx, slowest, "the new kernel", func(context.Context) (bool, error) {
		return m.count("Linux version "+h.fixed.Release) > before, nil
	}))
	h.off()
	gone := time.Now()
	h.on(other) // it is there, and well, and next in turn
	boot := h.hosts[other].bootID
	r := h.awaits("silent", slowest, func(r api.Rollout) bool { return house.Cells(r)[canary].State == hotstick.Lost })
	if c := house.Cells(r)[canary]; c.Reason == nil || c.Reason.Code != hotstick.ReasonNotBack {
		h.t.Errorf("%s is lost: %s", canary, textOf(c.Reason))
	}
	h.t.Logf("%s is lost after %.0f s: %s; the plan is %s: %s", canary, elapsed(gone), textOf(house.Cells(r)[canary].Reason), r.Status, textOf(r.Reason))
	// Nothing comes of waiting.
	quiet := time.Now()
	r = h.awaits("silent", 2*time.Minute, func(api.Rollout) bool { return time.Since(quiet) > 30*time.Second })
	if o := house.Cells(r)[other]; r.Status.Over() || o.State != hotstick.Waiting || o.Attempt != 0 || o.Silent || house.Cells(r)[canary].State != hotstick.Lost {
		h.t.Errorf("later the plan is %s, %s is %s, and %s is %s, attempt %d, silent %v", r.Status, canary, house.Cells(r)[canary].State, other, o.State, o.Attempt, o.Silent)
	}
	if got := h.run(other, "cat /proc/sys/kernel/random/boot_id; grep -c '\"attempt\"' "+ledgerFile+" || true"); !strings.HasPrefix(got, boot) {
		h.t.Errorf("%s was rebooted: %s, not %s", other, got, boot)
	}
	// At last somebody switches it on again. The choice for one boot is used up.
	h.off()
	h.on(canary)
	r = h.awaits("silent", slowest, func(r api.Rollout) bool { return house.Cells(r)[canary].State == hotstick.Failed })
	h.failedOnTheOldKernel(r, canary, other)
	h.halt("silent")
}

// halt ends a plan that a person has looked at.
func (h *rebootHouse) halt(name string) {
	h.t.Helper()
	_, err := h.Must(h.ctx, "rollout", "halt", name, "--reason", "looked at", "--yes")
	h.must(err)
}

// publishKernel publishes a level that leads from one kernel to another. No two levels may
// be the same, so each names a package more, which alreadyThere says is installed.
func publishKernel(ctx context.Context, d *demo, folder string, level int, old, fixed kernelpkg.Kernel) error {
	to := hotstick.KernelBuild{Release: fixed.Release, Arch: "x86_64", BuildID: fixed.BuildID}
	recipe := filepath.Join(folder, "recipe.yaml")
	if err := os.Mkdir(folder, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(folder, "manifest.yaml"), fmt.Appendf(nil, "apiVersion: hotstick/v1\nkind: Patch\nname: debian-kernel\nlevel: %d\n"+
		"summary: the fixed kernel\nclass: security\nseverity: medium\ncves: [CVE-2026-52928]\ndriver: reboot\nreversibility: reboot\nreplace: true\nlicense: GPL-2.0\n", level), 0o644); err != nil {
		return err
	}
	if err := os.WriteFile(recipe, fmt.Appendf(nil, "apiVersion: hotstick/v1\nkind: Recipe\ndriver: reboot\nbuild: {release: %s, arch: x86_64, build_id: %s}\nmodule: %s\n"+
		"packages: [{name: %s, version: %s}, {name: base-files, version: 12.%d}]\ntarget: {release: %s, arch: x86_64, build_id: %s}\n",
		old.Release, old.BuildID, reboot.Module(to), debian.Package(fixed), fixed.Version, level, to.Release, to.BuildID), 0o644); err != nil {
		return err
	}
	return d.Publish(ctx, folder, []kernelpkg.Kernel{old}, []string{recipe})
}

// alreadyThere has the rig of dpkg say that the other package of a level is installed.
func alreadyThere(level int) string {
	return fmt.Sprintf("mkdir -p /var/lib/hotstick/dpkg && echo 12.%d >/var/lib/hotstick/dpkg/base-files && sync", level)
}
