package demo

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/guest"
	"github.com/hotstick/hotstick/internal/loader/ledger"
	"github.com/hotstick/hotstick/internal/turn"
)

// previousFiles is what a host had by hand before there were packages.
var previousFiles = map[string]string{
	"hotstick-loader.service": "/usr/lib/systemd/system/hotstick-loader.service",
	"hotstick-agent.service":  "/usr/lib/systemd/system/hotstick-agent.service",
	"hotstick.sysusers":       "/usr/lib/sysusers.d/hotstick.conf",
	"hotstick.tmpfiles":       "/usr/lib/tmpfiles.d/hotstick.conf",
}

// installPath is where the commands of an administrator are: the guest's own come before
// them, and one of those is another dpkg.
const installPath = "export PATH=/usr/sbin:/usr/bin:/sbin:/bin; "

// Versions of the packages that are installed one after the other.
const (
	firstVersion  = "1.0.0"
	secondVersion = "1.0.1"
)

// TestThePackagesOnADebianWithSystemd follows one host through its life: set up by hand
// with the version before this one, patched, brought to the packages and to the next
// version of them, rebooted without server and agent, switched off, and rid of Hotstick.
func TestThePackagesOnADebianWithSystemd(t *testing.T) {
	if os.Getenv("HOTSTICK_GUESTS") == "" {
		t.Skip("boots a real kernel: run make test-guests, or set HOTSTICK_GUESTS=1 after make build")
	}
	turn.Take(t, "packages", takeTurnsOnDebian()...)
	if os.Geteuid() != 0 {
		t.Skip("the Debian for guests is made by root")
	}
	old, packages := previous(t), debs(t)
	ctx, cancel := context.WithTimeout(t.Context(), 12*time.Minute)
	defer cancel()
	h := mustDebianHost(t, ctx)
	h.boot(installed{agent: filepath.Join(old, "bin", "hotstick-agent"), loader: filepath.Join(old, "bin", "hotstick-loader"),
		units: filepath.Join(old, "deploy", "systemd"), where: previousFiles, more: packages},
		guest.Config{Disk: filepath.Join(h.Dir, "debian.img")})
	t.Cleanup(func() { h.m.Kill() })
	h.join("systemd-tmpfiles --create hotstick.conf")
	h.steps([]debianStep{
		{"a package waits for a transition, and then refuses", refusedInTransition},
		{"the packages take over from the version before during probation", takenOverByPackages},
		{"the next version replaces the first", nextVersion},
		{"a loader without work ends, and a call starts it", endsForWantOfWork},
		{"hotstick=off: nothing is loaded, and the shutdown before was clean", offByCommandLine},
		{"after a reboot the patch comes back without server and agent", comesBackAlone},
		{"the page on turning it all off", switchedOff},
		{"a loader that hangs delays no boot", hangingLoader},
		{"what is removed leaves the patch loaded, and says so", removed},
	})
}

// debs makes the packages in two versions.
func debs(t *testing.T) []guest.File {
	t.Helper()
	var files []guest.File
	for _, version := range []string{firstVersion, secondVersion} {
		for name, deb := range mustPackage(t, "bin", version, "deb") {
			files = append(files, guest.File{Path: "/demo/" + version + "/" + name + ".deb", Source: deb})
		}
	}
	return files
}

// mustPackage makes the three packages in one format, of the programs in a directory, as
// make packages does. They are by their names.
func mustPackage(t *testing.T, programs, version, format string) map[string]string {
	t.Helper()
	makefile, err := os.ReadFile(filepath.Join("..", "..", "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	nfpm := regexp.MustCompile(`(?m)^NFPM +:= (\S+)$`).FindSubmatch(makefile)
	if nfpm == nil {
		t.Fatal("the Makefile names no version of nfpm")
	}
	to := t.TempDir()
	mustRun(t, filepath.Join("..", ".."), "scripts/packages", programs, to, version, "amd64", string(nfpm[1]), format)
	made, _ := filepath.Glob(filepath.Join(to, "*."+format))
	byName := map[string]string{}
	for _, file := range made {
		name, _, _ := strings.Cut(filepath.Base(file), version)
		byName[strings.TrimRight(name, "-_")] = file
	}
	if len(byName) != 3 {
		t.Fatalf("made %v, want three", made)
	}
	return byName
}

// refusedInTransition lets the version before start a patch that a sleeping task stalls.
func refusedInTransition(h *debianHost) {
	h.stalledRollout("25s")
	before := h.on("sha256sum /usr/sbin/hotstick-*; systemctl show -P MainPID hotstick-loader hotstick-agent")
	for _, name := range []string{"hotstick-loader", "hotstick-agent"} {
		out, code, err := h.m.serial(h.ctx, installPath+"HOTSTICK_PACKAGE_WAIT=1 dpkg --force-depends -i /demo/"+firstVersion+"/"+name+".deb")
		h.must0(err)
		if code == 0 || !strings.Contains(out, "cannot do this now: the kernel is in transition ("+busyModule+")") {
			h.t.Errorf("in a transition dpkg ended with %d: %s", code, out)
		}
	}
	if after := h.on("sha256sum /usr/sbin/hotstick-*; systemctl show -P MainPID hotstick-loader hotstick-agent"); after != before {
		h.t.Errorf("before it was\n%s\nafter it\n%s", before, after)
	}
	h.on("systemctl stop reader")
	h.waitState(hotstick.Probation)
}

func takenOverByPackages(h *debianHost) {
	h.t.Log(h.on(installPath + "cd /demo/" + firstVersion + " && dpkg -i hotstick-loader.deb hotstick-agent.deb hotstick.deb"))
	if got := h.on("systemctl is-active hotstick-loader.socket hotstick-loader.path hotstick-loader-boot hotstick-loader hotstick-agent"); got != strings.TrimSpace(strings.Repeat("active\n", 5)) {
		h.t.Errorf("systemd says %q", got)
	}
	h.waitState(hotstick.Confirmed)
	if !h.m.enabled(h.ctx, h.levels[1]) || h.m.loads(h.levels[1]) != 1 {
		h.t.Errorf("the level is not in effect, or was loaded %d times", h.m.loads(h.levels[1]))
	}
	h.runsInstalled()
}

// runsInstalled checks that what runs are the programs that are installed.
func (h *debianHost) runsInstalled() {
	h.t.Helper()
	for _, unit := range []string{loaderUnit, agentUnit} {
		if exe := h.on("readlink /proc/" + h.pid(unit) + "/exe"); exe != "/usr/sbin/"+unit {
			h.t.Errorf("%s runs %s", unit, exe)
		}
	}
}

func nextVersion(h *debianHost) {
	before := h.pid(loaderUnit) + h.pid(agentUnit)
	h.on(installPath + "cd /demo/" + secondVersion + " && dpkg -i hotstick-loader.deb hotstick-agent.deb hotstick.deb")
	if got := h.on(installPath + "dpkg-query -W -f '${Package} ${Version} ${Status}\n' 'hotstick*'"); strings.Count(got, secondVersion+" install ok installed") != 3 {
		h.t.Errorf("dpkg says %s", got)
	}
	if after := h.pid(loaderUnit) + h.pid(agentUnit); after == before {
		h.t.Error("nothing was restarted")
	}
	h.runsInstalled()
	if !h.m.enabled(h.ctx, h.levels[1]) || h.m.loads(h.levels[1]) != 1 {
		h.t.Errorf("the level is not in effect, or was loaded %d times", h.m.loads(h.levels[1]))
	}
	if got := h.on("hotstick completion bash | head -1; ls /usr/share/bash-completion/completions/hotstick /etc/hotstick/*.example"); !strings.Contains(got, "loader.env.example") {
		h.t.Errorf("installed is %s", got)
	}
}

// endsForWantOfWork takes agent and server away for good.
func endsForWantOfWork(h *debianHost) {
	h.on("systemctl mask --now hotstick-agent")
	h.KillServer()
	h.on("echo HOTSTICK_LOADER_IDLE_EXIT=3s >>/etc/hotstick/loader.env && systemctl restart hotstick-loader")
	h.eventually("test $(systemctl is-active hotstick-loader) = inactive")
	if got := h.on("systemctl show -P Result -P ExecMainStatus -P NRestarts hotstick-loader; systemctl is-active hotstick-loader.socket"); strings.Join(strings.Fields(got), " ") != "success 0 100 active" {
		h.t.Errorf("of the loader that ended systemd says %q", got)
	}
	if led := h.ledger(); led.Boot.Clean || led.Permit == nil {
		h.t.Errorf("it left %+v", led.Boot)
	}
	// What somebody drops starts it; so does the end of an off-switch.
	before := h.on("systemctl show -P InvocationID hotstick-loader")
	h.on("echo '{}' >/var/lib/hotstick/loader/recalls/targets.json")
	h.eventually("test $(systemctl show -P InvocationID hotstick-loader) != " + before)
	h.eventually("test $(systemctl is-active hotstick-loader) = inactive")
}

// rebootWith powers the guest off and boots it with other words for its kernel.
func (h *debianHost) rebootWith(words ...string) {
	h.t.Helper()
	h.must0(h.m.Shutdown(h.ctx))
	h.config.Cmdline = words
	h.startGuest()
	h.on("systemctl is-system-running --wait || true")
}

// cleanBoots checks that no shutdown so far was taken for a crash.
func (h *debianHost) cleanBoots() ledger.Ledger {
	h.t.Helper()
	led := h.ledger()
	if len(led.Boot.UncleanMillis) != 0 || led.Boot.ID != h.m.bootID {
		h.t.Errorf("after a clean shutdown the ledger says %+v in the boot %s", led.Boot, h.m.bootID)
	}
	return led
}

func offByCommandLine(h *debianHost) {
	h.rebootWith("hotstick=off")
	h.eventually("grep -q '\"id\":\"'$(cat /proc/sys/kernel/random/boot_id) " + ledgerFile)
	h.eventually("test $(systemctl is-active hotstick-loader) = inactive")
	if led := h.cleanBoots(); led.Attempt != nil || led.Permit == nil || led.Permit.AppliedBoot == h.m.bootID {
		h.t.Errorf("switched off, the loader wrote %+v and %+v", led.Attempt, led.Permit)
	}
	if n := h.m.loads(h.levels[1]); n != 1 {
		h.t.Errorf("the level was loaded %d times", n)
	}
}

func comesBackAlone(h *debianHost) {
	h.rebootWith()
	h.eventually("test \"$(cat /sys/kernel/livepatch/" + busyModule + "/enabled " + transitionFile + " | tr -d '\\n')\" = 10")
	h.eventually("grep -q '\"applied_boot\":\"'$(cat /proc/sys/kernel/random/boot_id) " + ledgerFile)
	h.cleanBoots()
	if n := h.m.loads(h.levels[1]); n != 2 {
		h.t.Errorf("the level was loaded %d times", n)
	}
	h.notInTheWay()
}

// notInTheWay checks that no target waits for Hotstick at boot.
func (h *debianHost) notInTheWay() {
	h.t.Helper()
	for _, target := range []string{"multi-user.target", "sysinit.target", "basic.target"} {
		if got := h.on("systemctl show -P After " + target); strings.Contains(got, "hotstick") {
			h.t.Errorf("%s waits for %s", target, got)
		}
	}
	chain := h.on("systemd-analyze critical-chain --no-pager")
	h.t.Logf("%s\n%s", h.on("systemd-analyze time --no-pager"), chain)
	if strings.Contains(chain, "hotstick") {
		h.t.Errorf("Hotstick is what the boot waited for:\n%s", chain)
	}
}

func switchedOff(h *debianHost) {
	for _, page := range []string{"turn-it-all-off.md", "a-host-rebooted-after-a-patch.md"} {
		for _, in := range readPage(h.t, page) {
			if in.where != "the host" {
				continue
			}
			h.t.Logf("%s:%d: %s\n%s", page, in.line, in.text, h.on(installPath+in.text))
		}
	}
}

// hangingLoader boots with a loader that never does anything.
func hangingLoader(h *debianHost) {
	h.on("mkdir -p /etc/systemd/system/hotstick-loader.service.d")
	h.put("/etc/systemd/system/hotstick-loader.service.d/hangs.conf", "[Service]\nExecStart=\nExecStart=/bin/sleep 300\n")
	h.rebootWith()
	if got := h.on("systemctl is-active multi-user.target hotstick-loader; systemctl list-jobs --no-legend"); got != "active\nactive" {
		h.t.Errorf("with a loader that hangs systemd says %q", got)
	}
	h.notInTheWay()
	h.on("rm -r /etc/systemd/system/hotstick-loader.service.d && systemctl daemon-reload && systemctl restart hotstick-loader")
	h.eventually("grep -q '\"applied_boot\":\"'$(cat /proc/sys/kernel/random/boot_id) " + ledgerFile)
}

func removed(h *debianHost) {
	h.on("systemctl unmask hotstick-agent")
	out := h.on(installPath + "dpkg -r hotstick-agent hotstick-loader hotstick")
	if !strings.Contains(out, "stay in effect") || !strings.Contains(out, "echo 0 > /sys/kernel/livepatch/"+busyModule+"/enabled") {
		h.t.Errorf("dpkg says %s", out)
	}
	if !h.m.enabled(h.ctx, h.levels[1]) {
		h.t.Error("the level went with the package")
	}
	if got := h.on("ls /usr/sbin/ | grep -c hotstick; test -e " + ledgerFile + " && echo kept; systemctl list-units --no-legend --all 'hotstick-[al]*' | grep -v not-found; true"); got != "0\nkept" {
		h.t.Errorf("after the removal there is %q", got)
	}
	out = h.on(installPath + "dpkg --purge hotstick-agent hotstick-loader hotstick")
	if !strings.Contains(out, "This host forgets") || !strings.Contains(out, "identity is deleted") {
		h.t.Errorf("dpkg says %s", out)
	}
	if got := h.on("ls -d /var/lib/hotstick/agent /var/lib/hotstick/loader /etc/hotstick 2>/dev/null; true"); got != "" {
		h.t.Errorf("after the purge there is %q", got)
	}
	if !h.m.enabled(h.ctx, h.levels[1]) {
		h.t.Error("the level went with the state")
	}
}
