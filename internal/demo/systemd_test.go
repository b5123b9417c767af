package demo

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/api"
	"github.com/hotstick/hotstick/internal/demo/host"
	"github.com/hotstick/hotstick/internal/demo/house"
	"github.com/hotstick/hotstick/internal/guest"
	"github.com/hotstick/hotstick/internal/guest/kernelpkg"
	"github.com/hotstick/hotstick/internal/loader/ledger"
	"github.com/hotstick/hotstick/internal/turn"
)

// takenOver is what an agent tries that somebody has taken over.
//
//go:embed testdata/taken-over.sh
var takenOver []byte

// unitFiles is what a package installs besides the programs.
var unitFiles = map[string]string{
	"hotstick-loader.service":         "/usr/lib/systemd/system/hotstick-loader.service",
	"hotstick-loader.socket":          "/usr/lib/systemd/system/hotstick-loader.socket",
	"hotstick-loader-operator.socket": "/usr/lib/systemd/system/hotstick-loader-operator.socket",
	"hotstick-loader.path":            "/usr/lib/systemd/system/hotstick-loader.path",
	"hotstick-loader-boot.service":    "/usr/lib/systemd/system/hotstick-loader-boot.service",
	"hotstick-agent.service":          "/usr/lib/systemd/system/hotstick-agent.service",
	"hotstick-step@.service":          "/usr/lib/systemd/system/hotstick-step@.service",
	"hotstick-step@touch.service":     "/usr/lib/systemd/system/hotstick-step@touch.service",
	"hotstick-agent.sysusers":         "/usr/lib/sysusers.d/hotstick-agent.conf",
	"hotstick-loader.tmpfiles":        "/usr/lib/tmpfiles.d/hotstick-loader.conf",
	"hotstick-agent.tmpfiles":         "/usr/lib/tmpfiles.d/hotstick-agent.conf",
}

const (
	loaderUnit = "hotstick-loader"
	agentUnit  = "hotstick-agent"
	busyModule = "hotstick_busy_1"
)

// debianHost is a Debian with systemd and the shipped units, joined to a real server.
type debianHost struct {
	*demo
	t   *testing.T
	ctx context.Context
	m   *machine
	// config is what the guest is booted with.
	config guest.Config
	// unjudged: its built-in probes that measure time are off. How fast a guest is says
	// something of the machine that it shares, and nothing of patches.
	unjudged bool
}

// installed is what is on a host before it has joined.
type installed struct {
	agent, loader string
	// units is the directory of the units, and where says what becomes of each file.
	units string
	where map[string]string
	// more are other files, and packages what its Debian has besides.
	more     []guest.File
	packages []string
}

// TestTheUnitsOnADebianWithSystemd installs the units as a package does, on a host that
// somebody else has patched, and lets them do their work on a real kernel, under all
// their restrictions.
func TestTheUnitsOnADebianWithSystemd(t *testing.T) {
	if os.Getenv("HOTSTICK_GUESTS") == "" {
		t.Skip("boots a real kernel: run make test-guests, or set HOTSTICK_GUESTS=1 after make build")
	}
	turn.Take(t, "units", takeTurnsOnDebian()...)
	if os.Geteuid() != 0 {
		t.Skip("the Debian for guests is made by root")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 14*time.Minute)
	defer cancel()
	h := mustDebianHost(t, ctx)
	h.boot(installed{agent: h.Programs.Agent, loader: h.Programs.Loader, units: "../../deploy/systemd", where: unitFiles}, guest.Config{})
	h.patchedByKpatch()
	h.join("systemd-tmpfiles --create hotstick-loader.conf hotstick-agent.conf")
	h.steps([]debianStep{
		{"both units run, and nothing has failed", bothRun},
		{"each process has the rights that it needs and no more", fewRights},
		{"files and socket belong to whom they should", owners},
		{"what kpatch has loaded is shown with its master, and nothing is planned beside it", seenAtFirstSight},
		{"the host is adopted, and the level stays in effect", adopted},
		{"it is given back as it was", givenBack},
		{"nothing starts while another master would load patches", secondMaster},
		{"a loader that is stopped in a transition ends by itself, and the next one goes on", stoppedInTransition},
		{"both units are restarted during probation, and it ends well", restartedInProbation},
		{"an agent that was taken over gets nothing", agentTakenOver},
		{"what systemd itself says of the units", exposure},
		{"the level before has nothing to put back", nothingTouched},
		{"what a patch touches is changed, in order, by a loader that is killed half-way", touchedHalfWay},
		{"all of it is put back, newest first, by a loader that is killed half-way", putBackHalfWay},
		{"the power goes half-way: what outlives a reboot is put back after it", powerGoesHalfWay},
	})
}

// debianStep is one thing that is tried, on what the steps before it left.
type debianStep struct {
	name string
	run  func(*debianHost)
}

// steps runs them until one fails.
func (h *debianHost) steps(steps []debianStep) {
	t := h.t
	for _, step := range steps {
		began := time.Now()
		if !t.Run(step.name, func(t *testing.T) {
			h.t = t
			step.run(h)
		}) {
			h.t = t
			log, _, _ := h.m.serial(h.ctx, "systemctl status --no-pager -l hotstick-loader hotstick-agent; journalctl --no-pager -n 60; cat "+ledgerFile+"; find /var/lib/systemd/pstore /sys/fs/pstore")
			console, _ := h.m.ConsoleLog()
			t.Fatalf("the guest says\n%s\nand its console ends with\n%s", log, console[max(0, len(console)-3000):])
		}
		h.t = t
		t.Logf("%s: %.1f s", step.name, elapsed(began))
	}
}

// mustDebianHost starts a server.
func mustDebianHost(t *testing.T, ctx context.Context) *debianHost {
	t.Helper()
	var course bytes.Buffer
	d, _, err := prepare(house.Options{Dir: t.TempDir(), Programs: "../../bin", Patches: "../../patches", Listen: "127.0.0.1:0", Out: &course})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		d.close()
		if t.Failed() {
			t.Logf("\n%s", course.String())
		}
	})
	h := &debianHost{demo: d, t: t, ctx: ctx}
	h.must0(d.stepInitialise(ctx))
	return h
}

func (h *debianHost) must0(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

// boot boots a guest with the programs, the units and a patch to load.
func (h *debianHost) boot(on installed, c guest.Config) {
	h.t.Helper()
	began := time.Now()
	say := h.rec.Progress
	k, err := kernelpkg.Fetch(h.ctx, h.cache, kernelpkg.Want{Line: "6.1", Which: kernelpkg.Oldest}, say)
	h.must0(err)
	busybox, err := kernelpkg.Busybox(h.ctx, h.cache, say)
	h.must0(err)
	image, err := kernelpkg.Debian(h.ctx, h.cache, say, on.packages...)
	h.must0(err)
	h.kernels = []kernelpkg.Kernel{k}
	h.m = &machine{name: "debian", kernel: k}
	files := append([]guest.File{
		{Path: "/usr/sbin/hotstick-agent", Mode: 0o755, Source: on.agent},
		{Path: "/usr/sbin/hotstick-loader", Mode: 0o755, Source: on.loader},
		{Path: "/demo/taken-over", Mode: 0o755, Data: takenOver},
	}, on.more...)
	for name, path := range on.where {
		files = append(files, guest.File{Path: path, Source: filepath.Join(on.units, name)})
	}
	// Levels of the demo's table are these patches here; the last is a second level.
	number := map[string]int{"busy-target": 1, "busy-1": 1, "unix-ioctl-1": 1, "foreign": 1, "unix-ioctl-2": 2}
	for i, folder := range []string{"busy-target", "busy-1", "unix-ioctl-1", "foreign", "unix-ioctl-2"} {
		ko, err := k.BuildModule(h.ctx, filepath.Join(h.patches, folder), filepath.Join(h.Dir, "build"))
		h.must0(err)
		files = append(files, guest.File{Path: "/demo/" + filepath.Base(ko), Source: ko})
		h.levels[i] = &level{number: number[folder], folder: filepath.Join(h.patches, folder), module: strings.TrimSuffix(filepath.Base(ko), ".ko"), artifacts: map[string]string{k.Release: ko}}
	}
	c.Name, c.Dir, c.Kernel, c.Busybox, c.Debian = h.m.name, filepath.Join(h.Dir, h.m.name), k, busybox, image
	c.Network, c.Files, c.MemoryMB = true, files, 1024
	h.config = c
	h.startGuest()
	h.t.Logf("the guest is up after %.1f s", elapsed(began))
}

// startGuest starts the guest as it is configured.
func (h *debianHost) startGuest() {
	h.t.Helper()
	var err error
	h.m.Guest, err = guest.Start(h.ctx, h.config)
	h.must0(err)
	h.guests = []*machine{h.m}
	h.m.bootID, err = h.m.WaitBoot(h.ctx)
	h.must0(err)
}

// join does what an administrator does by hand, and what a package's installation does
// where there is none.
func (h *debianHost) join(directories string) {
	h.t.Helper()
	root, err := os.ReadFile(filepath.Join(h.Dir, "keys", "root.json"))
	h.must0(err)
	h.on("systemctl is-system-running --wait; systemd-sysusers && " + directories + " && systemctl daemon-reload && " +
		"systemctl enable --quiet hotstick-loader hotstick-agent")
	// On a busy machine a step may take longer than a loader waits for work.
	h.put("/etc/hotstick/loader.env", fmt.Sprintf("HOTSTICK_LOADER_ROOT=%s\nHOTSTICK_LOADER_SETTLE=2s\nHOTSTICK_LOADER_IDLE_EXIT=10m\n", hotstick.NewDigest(root)))
	health := ""
	if h.unjudged {
		health = "health:\n  off: [fsync, pressure_cpu, pressure_io, run_queue]\n"
	}
	h.put("/etc/hotstick/agent.yaml", fmt.Sprintf("server: %s\n%sprobes:\n  - name: always\n    command: [/bin/true]\n", h.GuestURL(), health))
	line, err := h.JoinLine(h.ctx)
	h.must0(err)
	h.on("/usr/sbin/runuser -u hotstick -- /usr/sbin/" + line + " --once && systemctl start hotstick-loader hotstick-agent")
	h.must0(host.Until(h.ctx, time.Minute, "the host's facts", h.allHaveFacts))
}

// on runs a command in the guest that must succeed.
func (h *debianHost) on(command string) string {
	h.t.Helper()
	out, err := h.m.mustSerial(h.ctx, command)
	h.must0(err)
	return out
}

// put writes a file as an administrator would.
func (h *debianHost) put(path, text string) {
	h.t.Helper()
	h.must0(h.m.Push(h.ctx, path, []byte(text), 0o644))
}

// eventually waits in the guest until a condition of its shell holds.
func (h *debianHost) eventually(condition string) {
	h.t.Helper()
	h.on("for i in $(seq 600); do " + condition + " && exit 0; usleep 100000; done; echo never: '" + strings.ReplaceAll(condition, "'", `"`) + "'; exit 1")
}

// ledger is the loader's own memory of now.
func (h *debianHost) ledger() ledger.Ledger {
	h.t.Helper()
	led, err := ledger.Decode([]byte(h.on("cat " + ledgerFile)))
	h.must0(err)
	return led
}

// pid is the main process of a unit.
func (h *debianHost) pid(unit string) string {
	h.t.Helper()
	return h.on("systemctl show -P MainPID " + unit)
}

func bothRun(h *debianHost) {
	if got := h.on("systemctl is-active hotstick-loader hotstick-agent; systemctl --failed --no-legend"); got != "active\nactive" {
		h.t.Errorf("systemd says %q", got)
	}
}

// Capabilities by their bits.
const (
	capDACReadSearch = 1 << 2
	capSysModule     = 1 << 16
	capSysPtrace     = 1 << 19 // with the next one: the stacks of tasks that block a transition
	capSysAdmin      = 1 << 21
	capSysNice       = 1 << 23 // a change to the kernel runs before anything ordinary
	capSyslog        = 1 << 34
)

func fewRights(h *debianHost) {
	for unit, caps := range map[string]uint64{loaderUnit: capDACReadSearch | capSysModule | capSysPtrace | capSysAdmin | capSysNice | capSyslog, agentUnit: 0} {
		status := h.on("cat /proc/" + h.pid(unit) + "/status")
		for field, want := range map[string]string{"CapBnd": fmt.Sprintf("%016x", caps), "CapEff": fmt.Sprintf("%016x", caps),
			"CapAmb": fmt.Sprintf("%016x", 0), "NoNewPrivs": "1", "Seccomp": "2"} {
			if got := statusField(status, field); got != want {
				h.t.Errorf("%s: %s is %s, want %s", unit, field, got, want)
			}
		}
	}
	if got := h.on("tail -n +3 /proc/" + h.pid(loaderUnit) + "/net/dev | cut -d: -f1"); got != "lo" {
		h.t.Errorf("the loader has the network interfaces %q", got)
	}
	if got := h.on("cat /proc/" + h.pid(loaderUnit) + "/net/tcp /proc/" + h.pid(loaderUnit) + "/net/udp | grep -v local | wc -l"); got != "0" {
		h.t.Errorf("the loader has %s sockets of a network", got)
	}
}

func statusField(status, name string) string {
	for line := range strings.Lines(status) {
		if value, ok := strings.CutPrefix(line, name+":"); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

func owners(h *debianHost) {
	for path, want := range map[string]string{
		"/run/hotstick":                        "755 root",
		"/run/hotstick/loader.sock":            "666 root",
		"/run/hotstick/operator.sock":          "600 root",
		"/var/lib/hotstick":                    "755 root",
		"/var/lib/hotstick/loader":             "700 root",
		"/var/lib/hotstick/loader/ledger.json": "600 root",
		"/var/lib/hotstick/agent":              "755 hotstick",
		"/var/lib/hotstick/agent/identity.key": "600 hotstick",
		"/etc/hotstick":                        "755 root",
		"/usr/sbin/hotstick-loader":            "755 root",
	} {
		if got := h.on("stat -c '%a %U' " + path); got != want {
			h.t.Errorf("%s is of %s, want %s", path, got, want)
		}
	}
}

// transitionFile says 1 as long as the kernel moves tasks to or from the patch.
const transitionFile = "/sys/kernel/livepatch/" + busyModule + "/transition"

// stalledRollout lets a task sleep in the function that is patched, and starts a rollout
// of the patch: its transition stalls until the unit reader ends.
func (h *debianHost) stalledRollout(probation string) {
	h.t.Helper()
	h.on("insmod /demo/hotstick_busy_target.ko && systemd-run --quiet --unit=reader cat /dev/hotstick_busy")
	h.must0(h.publish(h.ctx, h.levels[1]))
	h.must0(h.Launch(h.ctx, "units", "busy@1", "--probation", probation, "--bake", "2s", "--transition", "5m", "--budget", "fleet=1"))
	h.eventually("grep -qs 1 " + transitionFile)
}

// stoppedInTransition stops the loader's unit during a transition.
func stoppedInTransition(h *debianHost) {
	h.stalledRollout("60s") // two restarts and a kill take long on a busy machine
	began := time.Now()
	h.on("systemctl stop hotstick-loader.socket hotstick-loader-operator.socket hotstick-loader")
	if took := time.Since(began); took > 30*time.Second {
		h.t.Errorf("the loader took %s to end", took)
	}
	if got := h.on("systemctl show -P Result -P ExecMainStatus -P ExecMainCode hotstick-loader; cat " + transitionFile); strings.Join(strings.Fields(got), " ") != "success 1 0 1" &&
		strings.Join(strings.Fields(got), " ") != "success 0 1 1" {
		h.t.Errorf("after the stop systemd and the kernel say %q", got)
	}
	if led := h.ledger(); led.Attempt == nil || led.Attempt.Phase != hotstick.Applying || !led.Boot.Clean {
		h.t.Errorf("the stopped loader left the attempt %+v in %+v", led.Attempt, led.Boot)
	}
	h.on("systemctl start hotstick-loader && systemctl stop reader")
	h.waitState(hotstick.Probation)
	if n := h.m.loads(h.levels[1]); n != 1 {
		h.t.Errorf("the kernel was asked %d times for the level", n)
	}
}

// waitState waits until the server shows the host in a state of the rollout "units".
func (h *debianHost) waitState(want hotstick.HostState) {
	h.t.Helper()
	h.waitStateOf("units", want)
}

// waitStateOf waits until the server shows the host in a state of a rollout.
func (h *debianHost) waitStateOf(rollout string, want hotstick.HostState) {
	h.t.Helper()
	_, err := h.follow(h.ctx, rollout, 2*time.Minute, func(r api.Rollout) bool { return house.Cells(r)[h.m.name].State == want })
	h.must0(err)
}

func restartedInProbation(h *debianHost) {
	h.on("systemctl restart hotstick-loader && systemctl restart hotstick-agent")
	old := h.pid(loaderUnit)
	h.on("kill -9 " + old)
	h.eventually("systemctl is-active --quiet hotstick-loader && test $(systemctl show -P MainPID hotstick-loader) != " + old)
	if led := h.ledger(); led.Attempt == nil || led.Attempt.Phase != hotstick.Probation {
		h.t.Errorf("after the restarts the attempt is %+v", led.Attempt)
	}
	h.waitState(hotstick.Confirmed)
	if !h.m.enabled(h.ctx, h.levels[1]) || h.m.loads(h.levels[1]) != 1 {
		h.t.Errorf("the level is not in effect, or was loaded %d times", h.m.loads(h.levels[1]))
	}
}

// agentTakenOver runs something else in the place of the agent, in its own unit.
func agentTakenOver(h *debianHost) {
	before := h.on("systemctl show -P MainPID hotstick-loader; cat " + ledgerFile + " /etc/hotstick/agent.yaml | sha256sum")
	h.on("mkdir -p /run/systemd/system/hotstick-agent.service.d")
	h.put("/run/systemd/system/hotstick-agent.service.d/taken-over.conf", "[Service]\nType=oneshot\nRestart=no\nExecStart=\nExecStart=/demo/taken-over\n")
	h.on("systemctl stop hotstick-agent && systemctl daemon-reload && systemctl start hotstick-agent")
	log := h.on("cat /var/lib/hotstick/agent/taken-over.log")
	h.t.Logf("what it tried:\n%s", log)
	tries := 0
	for line := range strings.Lines(log) {
		name, rest, _ := strings.Cut(strings.TrimSpace(line), "|")
		code, text, _ := strings.Cut(rest, "|")
		tries++
		if own := strings.HasPrefix(name, "may "); own != (code == "0") {
			h.t.Errorf("%s: exit code %s: %s", name, code, text)
		}
		if name == "load a module" && !strings.Contains(text, "Operation not permitted") {
			h.t.Errorf("a module was refused for another reason: %s", text)
		}
	}
	if tries != bytes.Count(takenOver, []byte("\ntry ")) {
		h.t.Errorf("it came to %d tries", tries)
	}
	if after := h.on("systemctl show -P MainPID hotstick-loader; cat " + ledgerFile + " /etc/hotstick/agent.yaml | sha256sum"); after != before {
		h.t.Errorf("before it was %s, after it %s", before, after)
	}
	if !h.m.enabled(h.ctx, h.levels[1]) {
		h.t.Error("the level is not in effect any more")
	}
	h.on("rm -r /run/systemd/system/hotstick-agent.service.d && systemctl daemon-reload && systemctl start hotstick-agent && systemctl is-active hotstick-agent")
}

var exposureLine = regexp.MustCompile(`Overall exposure level for \S+: ([0-9.]+)`)

// exposure keeps the units from losing a restriction unseen: 0 is none at all to fear,
// 10 is a unit without any restriction.
func exposure(h *debianHost) {
	for unit, most := range map[string]float64{loaderUnit: 4, agentUnit: 2} {
		out := h.on("systemd-analyze security --no-pager " + unit + ".service")
		m := exposureLine.FindStringSubmatch(out)
		if m == nil {
			h.t.Fatalf("systemd-analyze says %q", out)
		}
		score, err := strconv.ParseFloat(m[1], 64)
		h.t.Logf("%s: %s", unit, m[0])
		if err != nil || score > most {
			h.t.Errorf("%s has %s, want at most %v:\n%s", unit, m[1], most, out)
		}
	}
}
