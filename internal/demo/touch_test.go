package demo

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/loader/ledger"
)

// touchNote is the command that the patch of these steps runs. It writes down on the disk
// how things are at its turn, and takes as long as somebody wants it to.
const touchNote = `#!/bin/sh
patch=$(cat /sys/kernel/livepatch/hotstick_unix_ioctl_*/enabled || echo absent)
swappiness=$(cat /proc/sys/vm/swappiness)
rmem=$(cut -f 2 /proc/sys/net/ipv4/tcp_rmem)
module=absent
test -e /sys/module/hotstick_busy_target && module=loaded
echo "$1 $2: swappiness $swappiness, tcp_rmem $rmem, module $module, patch $patch" >> /var/lib/demo-order
case $2 in
do) echo done > /var/lib/demo-flag-$1;;
undo) rm -f /var/lib/demo-flag-$1;;
esac
sync
while test -e /run/demo-slow-$1-$2; do sleep 0.2; done
`

// touchedService is a service that reads a sysctl when it starts.
const touchedService = `[Service]
ExecStart=/bin/sh -c 'cat /proc/sys/vm/swappiness > /run/demo-web; exec sleep 100000'
[Install]
WantedBy=multi-user.target
`

// touches has one thing of every kind on each side of the load.
const touches = `touches:
  - {kind: sysctl, when: before, name: vm.swappiness, value: "7"}
  - {kind: command, when: before, name: early, do: [/demo/note, early, do], undo: [/demo/note, early, undo]}
  - {kind: sysctl, when: before, name: net.ipv4.tcp_rmem, value: "4096 65536 1048576"}
  - {kind: parameter, when: before, name: printk.time, value: "0"}
  - {kind: module_load, when: before, name: hotstick-busy-target}
  - {kind: command, when: after, name: late, do: [/demo/note, late, do], undo: [/demo/note, late, undo]}
  - {kind: service_restart, when: after, name: demo-web.service}
  - {kind: service_restart, when: after, name: demo-idle.service}
`

// Levels that touch things. What a host was made to give up it does not take again, so the
// power goes with the next one.
const (
	touchingLevel = 2
	cutLevel      = 4
)

// touchState shows everything that the patch touches.
const touchState = "cat /proc/sys/vm/swappiness /proc/sys/net/ipv4/tcp_rmem /sys/module/printk/parameters/time; " +
	"ls -d /sys/module/hotstick_busy_target 2>/dev/null; ls /var/lib/ | grep demo-flag; systemctl is-active demo-web demo-idle; cat /run/demo-web; true"

// What touchState shows without and with the patch.
const (
	untouched = "60\n4096\t131072\t6291456\nY\nactive\ninactive\n60"
	touched   = "7\n4096\t65536\t1048576\nN\n/sys/module/hotstick_busy_target\ndemo-flag-early\ndemo-flag-late\nactive\ninactive\n7"
)

// What the commands see at their turn.
const (
	earlyDo   = "early do: swappiness 7, tcp_rmem 131072, module absent, patch absent"
	lateDo    = "late do: swappiness 7, tcp_rmem 65536, module loaded, patch 1"
	lateUndo  = "late undo: swappiness 7, tcp_rmem 65536, module loaded, patch 1"
	earlyUndo = "early undo: swappiness 7, tcp_rmem 131072, module absent, patch absent"
)

// nothingTouched takes the level of the steps before back, which touches nothing.
func nothingTouched(h *debianHost) {
	_, err := h.Must(h.ctx, "rollout", "revert", "units", "--reason", "the end of a test", "--yes")
	h.must0(err)
	h.waitState(hotstick.Reverted)
	if led := h.ledger(); len(led.Touched) != 0 {
		h.t.Errorf("the journal has %+v", led.Touched)
	}
	h.on("rmmod hotstick_busy_target")
}

// prepareTouches installs what the patch touches, and publishes it.
func (h *debianHost) prepareTouches() {
	h.t.Helper()
	h.must0(h.m.Push(h.ctx, "/demo/note", []byte(touchNote), 0o755))
	h.put("/etc/systemd/system/demo-web.service", touchedService)
	h.put("/etc/systemd/system/demo-idle.service", touchedService)
	h.on(installPath + "d=/lib/modules/$(uname -r)/extra && mkdir -p $d && cp /demo/hotstick_busy_target.ko $d/ && depmod -a && " +
		"systemctl daemon-reload && systemctl enable --quiet --now demo-web")
	// On a busy machine an agent may be slow to speak.
	h.on("echo HOTSTICK_LOADER_AGENT_SILENCE=2m >>/etc/hotstick/loader.env && systemctl restart hotstick-loader")
	h.eventually("test -e /run/demo-web")
	for _, level := range []int{touchingLevel, cutLevel} {
		l := *h.levels[level]
		text, err := os.ReadFile(filepath.Join(l.folder, "manifest.yaml"))
		h.must0(err)
		l.folder = h.t.TempDir()
		h.must0(os.WriteFile(filepath.Join(l.folder, "manifest.yaml"), append(text, touches...), 0o644))
		h.must0(h.publish(h.ctx, &l))
	}
}

// rollOut starts a plan of a level that touches things.
func (h *debianHost) rollOut(name string, level int) {
	h.t.Helper()
	h.must0(h.Launch(h.ctx, name, h.levels[level].ref(), "--probation", "5s", "--transition", "5m", "--bake", "2s", "--budget", "fleet=1"))
}

// sees checks what the host has, which commands ran, and what the journal holds.
func (h *debianHost) sees(want string, journal int, order ...string) {
	h.t.Helper()
	h.eventually("test -e /run/demo-web")
	if got := h.on(touchState); got != want {
		h.t.Errorf("the guest has\n%s\nwant\n%s", got, want)
	}
	// Cut short, a command may run once more.
	got := slices.Compact(strings.Split(h.on("cat /var/lib/demo-order"), "\n"))
	if !slices.Equal(got, order) {
		h.t.Errorf("the commands ran as\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(order, "\n"))
	}
	if led := h.ledger(); len(led.Touched) != journal {
		h.t.Errorf("the journal has %d records, want %d: %+v", len(led.Touched), journal, led.Touched)
	}
	h.on("rm /var/lib/demo-order")
}

// killLoader kills the loader while a command runs, and waits for the next one.
func (h *debianHost) killLoader() {
	h.t.Helper()
	old := h.pid(loaderUnit)
	h.on("kill -9 " + old)
	h.eventually("systemctl is-active --quiet hotstick-loader && test $(systemctl show -P MainPID hotstick-loader) != " + old)
}

func touchedHalfWay(h *debianHost) {
	h.prepareTouches()
	if got := h.on(touchState); got != untouched {
		h.t.Fatalf("without the patch the guest has\n%s\nwant\n%s", got, untouched)
	}
	h.on("touch /run/demo-slow-late-do")
	h.rollOut("touches", touchingLevel)
	h.halfWay()
	h.killLoader()
	h.on("rm /run/demo-slow-late-do")
	h.waitStateOf("touches", hotstick.Confirmed)
	h.sees(touched, 8, earlyDo, lateDo)
	if got := h.on("systemctl show -P Before -P After -P WantedBy -P RequiredBy hotstick-step@touch"); strings.Contains(got, ".service") || strings.Contains(got, "multi-user") {
		h.t.Errorf("the step stands in somebody's way: %s", got)
	}
}

// halfWay waits until the late command runs, and looks what is durable then.
func (h *debianHost) halfWay() {
	h.t.Helper()
	h.eventually("test -e /var/lib/demo-flag-late")
	led := h.ledger()
	if led.Attempt == nil || led.Attempt.Phase != hotstick.Applying || len(led.Touched) != 6 ||
		led.Touched[5].Done || slices.ContainsFunc(led.Touched[:5], func(r ledger.Touched) bool { return !r.Done }) {
		h.t.Errorf("half-way the ledger has %+v and %+v", led.Attempt, led.Touched)
	}
}

func putBackHalfWay(h *debianHost) {
	h.on("touch /run/demo-slow-late-undo /run/demo-slow-early-undo")
	_, err := h.Must(h.ctx, "rollout", "revert", "touches", "--reason", "a test", "--yes")
	h.must0(err)
	for _, name := range []string{"late", "early"} { // one before the level goes, one after it
		h.eventually("test ! -e /var/lib/demo-flag-" + name)
		if led := h.ledger(); led.Attempt == nil || led.Attempt.Phase != hotstick.Reverting || len(led.Touched) == 0 {
			h.t.Errorf("half-way back the ledger has %+v and %+v", led.Attempt, led.Touched)
		}
		h.killLoader()
		h.on("rm /run/demo-slow-" + name + "-undo")
	}
	h.waitStateOf("touches", hotstick.Reverted)
	h.sees(untouched, 0, lateUndo, earlyUndo)
}

// powerGoesHalfWay resets the machine while a command runs. The kernel forgets by itself
// what was set; the commands' effects are on the disk.
func powerGoesHalfWay(h *debianHost) {
	h.on("touch /run/demo-slow-late-do")
	h.rollOut("cut", cutLevel)
	h.halfWay()
	boot := h.m.BootID()
	_, _, _ = h.m.Run(h.ctx, "echo 1 > /proc/sys/kernel/sysrq; echo b > /proc/sysrq-trigger") // the boot ends under it
	_, err := h.m.WaitReboot(h.ctx, boot)
	h.must0(err)
	h.waitStateOf("cut", hotstick.Quarantined)
	h.eventually("test -z \"$(ls /var/lib | grep demo-flag)\" && ! grep -q '\"touched\":\\[{' " + ledgerFile)
	h.sees(untouched, 0, earlyDo, lateDo,
		strings.NewReplacer("7,", "60,", "65536", "131072", "loaded", "absent", "patch 1", "patch absent").Replace(lateUndo),
		strings.Replace(earlyUndo, "7,", "60,", 1))
	if led := h.ledger(); led.Attempt != nil || len(led.Strikes) != 1 {
		h.t.Errorf("after the power cut the ledger has %+v and %+v", led.Attempt, led.Strikes)
	}
}
