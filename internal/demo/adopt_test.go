package demo

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/hotstick/hotstick/internal/demo/host"
	"github.com/hotstick/hotstick/internal/loader/ledger"
)

// kpatchProgram does what kpatch load --all does: it loads what is kept for the release.
const kpatchProgram = `#!/bin/sh
for module in /var/lib/kpatch/$(uname -r)/*.ko; do
	test -e "$module" && insmod "$module"
done
exit 0
`

// kpatchUnit is kpatch's own.
const kpatchUnit = `[Unit]
Description=Apply kpatch kernel patches
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/sbin/kpatch load --all
[Install]
WantedBy=multi-user.target
`

// vendorManifest is how a publisher lists the vendor's file.
const vendorManifest = `apiVersion: hotstick/v1
kind: Patch
name: vendor
level: 1
summary: what the vendor has loaded
class: security
severity: medium
cves: []
driver: klp
reversibility: live
functions:
  - {object: vmlinux, name: cmdline_proc_show}
replace: false
license: GPL-2.0
`

// The vendor's module, and what shows that the kernel runs it.
const (
	vendorModule = "hotstick_foreign"
	vendorRuns   = "cat /sys/kernel/livepatch/" + vendorModule + "/enabled /sys/kernel/livepatch/" + vendorModule + "/transition /proc/cmdline | tr '\\n' ' '"
)

// patchedByKpatch gives the host a live patch of somebody else, before Hotstick knows it.
func (h *debianHost) patchedByKpatch() {
	h.t.Helper()
	h.must0(h.m.Push(h.ctx, "/usr/sbin/kpatch", []byte(kpatchProgram), 0o755))
	h.put("/etc/systemd/system/kpatch.service", kpatchUnit)
	h.on("d=/var/lib/kpatch/$(uname -r) && mkdir -p $d && cp /demo/" + vendorModule + ".ko $d/ && systemctl daemon-reload && systemctl enable --quiet --now kpatch")
	h.vendorRuns()
}

// vendorRuns checks that the vendor's patch is in effect, and was loaded once.
func (h *debianHost) vendorRuns() {
	h.t.Helper()
	h.eventually("test $(cat /sys/kernel/livepatch/" + vendorModule + "/transition) = 0")
	if got := h.on(vendorRuns); got != "1 0 foreign" {
		h.t.Errorf("of the vendor's patch the kernel says %q", got)
	}
	if n := h.m.count("livepatch: enabling patch '" + vendorModule + "'"); n != 1 {
		h.t.Errorf("the vendor's patch was loaded %d times", n)
	}
}

// agentSays runs hotstick-agent as root does, and checks how it ends and what it says.
func (h *debianHost) agentSays(args string, code int, want ...string) {
	h.t.Helper()
	out, got, err := h.m.serial(h.ctx, "hotstick-agent "+args)
	h.must0(err)
	if got != code {
		h.t.Errorf("hotstick-agent %s ends with %d, want %d: %s", args, got, code, out)
	}
	for _, w := range want {
		if !strings.Contains(strings.Join(strings.Fields(out), " "), w) {
			h.t.Errorf("hotstick-agent %s says nothing of %q:\n%s", args, w, out)
		}
	}
}

// isKpatch checks what systemd says of kpatch's unit.
func (h *debianHost) isKpatch(want string) {
	h.t.Helper()
	if got := h.on("systemctl is-enabled kpatch; systemctl is-active kpatch; true"); strings.Join(strings.Fields(got), " ") != want {
		h.t.Errorf("kpatch.service is %q, want %q", got, want)
	}
}

func seenAtFirstSight(h *debianHost) {
	h.agentSays("status", 1, "kernel says hotstick_foreign in_effect", "live-patch system kpatch (kpatch.service) is active: nothing of another system starts beside it")
	shown, err := h.Must(h.ctx, "host", "show", h.m.name)
	h.must0(err)
	if !strings.Contains(shown.Out, "kpatch") || !strings.Contains(shown.Out, vendorModule) {
		h.t.Errorf("the server does not show whose patch the host has:\n%s", shown.Out)
	}
	h.must0(h.publish(h.ctx, h.levels[1]))
	beside, err := h.Propose(h.ctx, "beside", "busy@1", "--budget", "fleet=1")
	h.must0(err)
	if beside.Code == 0 || !strings.Contains(beside.Say(), "Another live-patch system") {
		h.t.Errorf("a plan beside another master ends with %d: %s", beside.Code, beside.Say())
	}
	// Of bytes that nobody has signed nothing is taken over.
	h.agentSays("adopt --yes", 3, "not everything that is loaded is known", vendorModule+": the catalog lists no such bytes")
	h.isKpatch("enabled active")
	h.vendorRuns()
}

func adopted(h *debianHost) {
	vendor := *h.levels[3]
	vendor.folder = h.t.TempDir()
	h.must0(os.WriteFile(filepath.Join(vendor.folder, "manifest.yaml"), []byte(vendorManifest), 0o644))
	h.must0(h.publish(h.ctx, &vendor))
	h.eventually("hotstick-agent adopt --yes")
	h.isKpatch("disabled active")
	h.vendorRuns()
	led := h.ledger()
	if led.Permit == nil || led.Permit.Level.Module != vendorModule || led.Adopted == nil || led.Adopted.Stage != ledger.Taken || !led.Adopted.UnitEnabled {
		h.t.Errorf("the ledger has the permit %+v and the adoption %+v", led.Permit, led.Adopted)
	}
	h.agentSays("adopt --yes", 0, "vendor@1 is adopted")
	h.agentSays("status", 0, "loader says vendor@1 in effect", "after a reboot vendor@1 comes back by its permit", "live-patch system kpatch (kpatch.service) is adopted")
	h.serverSays("vendor@1", true)
}

// serverSays waits until the server shows a text of the host, or no longer does.
func (h *debianHost) serverSays(text string, is bool) {
	h.t.Helper()
	h.must0(host.Until(h.ctx, 2*time.Minute, "what the server says of "+text, func(ctx context.Context) (bool, error) {
		shown, err := h.Must(ctx, "host", "show", h.m.name)
		return strings.Contains(shown.Out, text) == is, err
	}))
}

func givenBack(h *debianHost) {
	h.agentSays("release --yes", 0, "vendor@1 is given back")
	h.isKpatch("enabled active")
	h.vendorRuns()
	if led := h.ledger(); led.Permit != nil || led.Adopted != nil {
		h.t.Errorf("the ledger has the permit %+v and the adoption %+v", led.Permit, led.Adopted)
	}
	h.agentSays("status", 1, "loader says the kernel as it booted in effect", "kpatch (kpatch.service) is active: nothing of another system starts beside it")
	h.agentSays("release --yes", 3, "nothing was adopted")
}

// secondMaster takes the patch out by hand. The unit would load it at the next boot.
func secondMaster(h *debianHost) {
	dir := "/sys/kernel/livepatch/" + vendorModule
	h.on("echo 0 > " + dir + "/enabled")
	h.eventually("test ! -e " + dir)
	h.on("rmmod " + vendorModule)
	// That it was given back the server hears with the next check-in.
	h.must0(host.Until(h.ctx, 2*time.Minute, "the server to know whose the kernel is", func(ctx context.Context) (bool, error) {
		r, err := h.Propose(ctx, "alone", "busy@1", "--budget", "fleet=1", "--dry-run")
		return strings.Contains(r.Say(), "Another live-patch system"), err
	}))
	beside, err := h.Propose(h.ctx, "alone", "busy@1", "--budget", "fleet=1")
	h.must0(err)
	if beside.Code == 0 || !strings.Contains(beside.Say(), "Another live-patch system") {
		h.t.Errorf("a plan beside another master ends with %d: %s", beside.Code, beside.Say())
	}
	if h.m.loads(h.levels[1]) != 0 {
		h.t.Error("a patch was loaded beside another master")
	}
	h.on("systemctl disable --quiet --now kpatch && rm -r /var/lib/kpatch /usr/sbin/kpatch /etc/systemd/system/kpatch.service && systemctl daemon-reload")
	h.serverSays("kpatch.service", false)
}
