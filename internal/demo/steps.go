package demo

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/api"
	"github.com/hotstick/hotstick/internal/demo/host"
	"github.com/hotstick/hotstick/internal/demo/house"
)

func (d *demo) stepBoot(ctx context.Context) error {
	if err := d.bootAll(ctx); err != nil {
		return err
	}
	for _, m := range d.guests {
		d.rec.Note("%s is up: %s, boot %.8s", m.name, m.kernel.Release, m.bootID)
	}
	for _, m := range d.guests {
		if err := d.enrol(ctx, m); err != nil {
			return err
		}
	}
	if err := host.Until(ctx, time.Minute, "four hosts with facts", d.allHaveFacts); err != nil {
		return err
	}
	for _, m := range d.guests {
		if err := d.checkFacts(ctx, m); err != nil {
			return err
		}
	}
	return d.checkDoor(ctx)
}

func (d *demo) allHaveFacts(ctx context.Context) (bool, error) {
	for _, m := range d.guests {
		h, err := d.Client.Host(ctx, m.name)
		if err != nil || h.Facts == nil {
			return false, nil
		}
	}
	return true, nil
}

// checkFacts holds the inventory against what the kernel says on the serial line.
func (d *demo) checkFacts(ctx context.Context, m *machine) error {
	detail, err := d.Client.Host(ctx, m.name)
	if err != nil {
		return err
	}
	truth, err := m.mustSerial(ctx, "uname -r; cat /proc/sys/kernel/random/boot_id /proc/sys/kernel/tainted; wc -l </proc/modules")
	if err != nil {
		return err
	}
	f := detail.Facts
	seen := fmt.Sprintf("%s %s %d %d", f.Kernel.Build.Release, f.Host.BootID, f.Kernel.Tainted, len(f.Modules))
	ok := seen == strings.Join(strings.Fields(truth), " ") && f.Kernel.Build.BuildID == m.kernel.BuildID && f.Kernel.LivepatchSupported
	d.rec.Check("4 inventory shows the facts of "+m.name, ok,
		"%s, build ID %.8s, lockdown %q, taint %d, %d modules; serial says the same", f.Kernel.Build.Release,
		f.Kernel.Build.BuildID, f.Security.Lockdown, f.Kernel.Tainted, len(f.Modules))
	return nil
}

// checkDoor shows that agents are let in with a certificate only.
func (d *demo) checkDoor(ctx context.Context) error {
	status, err := d.knock(ctx, "/agent/v1/sync")
	if err != nil {
		return err
	}
	d.rec.Check("4 agents speak mutual TLS only", status == http.StatusUnauthorized || status == http.StatusForbidden,
		"a check-in without a client certificate is answered with %d", status)
	return nil
}

func (d *demo) stepGood(ctx context.Context) error {
	good := d.levels[goodLevel]
	for _, m := range d.guests {
		closed, line, err := m.fault(ctx)
		if err != nil {
			return err
		}
		d.rec.Check("5 the hole is open on "+m.name+" before", !closed, "%s", line)
	}
	if err := d.checkApproval(ctx, good); err != nil {
		return err
	}
	began := time.Now()
	if _, err := d.Must(ctx, "rollout", "start", "good"); err != nil {
		return err
	}
	r, err := d.follow(ctx, "good", 3*time.Minute, over)
	if err != nil {
		return err
	}
	d.report.RolloutSeconds = elapsed(began)
	for _, m := range d.guests {
		if err := d.checkPatched(ctx, "5", m, good, "applied"); err != nil {
			return err
		}
	}
	return d.checkOrder(ctx, r)
}

// checkApproval shows that the author cannot approve, and that others can.
func (d *demo) checkApproval(ctx context.Context, l *level) error {
	if err := d.publish(ctx, l); err != nil {
		return err
	}
	if r, err := d.Propose(ctx, "good", l.ref(), wishes(bake)...); err != nil || r.Code != 0 {
		return fmt.Errorf("cannot plan: %s (%v)", r.Say(), err)
	}
	own, err := d.Hotstick(ctx, "rollout", "approve", "good", "--key", d.Key(house.Author), "--yes")
	if err != nil {
		return err
	}
	d.rec.Check("5 the author cannot approve", own.Code == exitRefused, "exit code %d: %s", own.Code, own.Say())
	early, err := d.Hotstick(ctx, "rollout", "start", "good")
	if err != nil {
		return err
	}
	d.rec.Check("5 nothing starts unapproved", early.Code == exitRefused, "exit code %d: %s", early.Code, early.Say())
	for _, person := range house.Approvers() {
		if _, err := d.Must(ctx, "rollout", "approve", "good", "--key", d.Key(person), "--yes"); err != nil {
			return err
		}
	}
	return nil
}

// checkPatched holds what the screens say against the kernel: the level is in
// effect, the hole is closed, and the host has not rebooted. state is what the
// host's own line must say.
func (d *demo) checkPatched(ctx context.Context, step string, m *machine, l *level, state string) error {
	closed, line, err := m.fault(ctx)
	if err != nil {
		return err
	}
	boot, err := m.boot(ctx)
	if err != nil {
		return err
	}
	d.rec.Check(step+" the hole is closed on "+m.name, closed && m.enabled(ctx, l), "%s; sysfs: %s enabled=1 transition=0", line, l.module)
	d.rec.Check(step+" no reboot of "+m.name, boot == m.bootID, "boot ID %.8s before and after", boot)
	detail, err := d.Client.Host(ctx, m.name)
	if err != nil {
		return err
	}
	d.rec.Check(step+" the screen tells the truth of "+m.name, detail.Host.State == state && detail.Host.InEffect.String() == l.ref(),
		"it says %s, %s", detail.Host.State, detail.Host.InEffect)
	return nil
}

// checkOrder shows that one host went first, then one of the other build, then
// the rest.
func (d *demo) checkOrder(ctx context.Context, r api.Rollout) error {
	names, err := d.Order(ctx, r)
	if err != nil {
		return err
	}
	ok := r.Status == hotstick.Completed && len(names) == len(d.guests) && len(r.Waves) == 3 &&
		len(r.Waves[0].Hosts) == 1 && len(r.Waves[1].Hosts) == 1 &&
		d.machine(names[0]).kernel.Release != d.machine(names[1]).kernel.Release
	d.rec.Check("5 one host, then one of the other build, then the rest", ok, "admitted in the order %s", strings.Join(names, ", "))
	return nil
}

func (d *demo) stepBad(ctx context.Context) error {
	good, bad := d.levels[goodLevel], d.levels[badLevel]
	if err := d.launch(ctx, "bad", bad, bake); err != nil {
		return err
	}
	r, err := d.follow(ctx, "bad", 2*time.Minute, func(r api.Rollout) bool { return over(r) && allAtRest(r) })
	if err != nil {
		return err
	}
	canary := d.machineOf(r, hotstick.Reverted)
	if canary == nil {
		return fmt.Errorf("no host of the bad rollout reverted: it is %s", r.Status)
	}
	cell := house.Cells(r)[canary.name]
	d.rec.Check("6 the canary took the bad level", canary.loads(bad) == 1, "the kernel of %s logged: enabling patch '%s'", canary.name, bad.module)
	d.rec.Check("6 a health probe failed", cell.Reason != nil && cell.Reason.Code == hotstick.ReasonProbeFailed, "%s", textOf(cell.Reason))
	if err := d.checkPatched(ctx, "6 back at the good level:", canary, good, "reverted"); err != nil {
		return err
	}
	return d.checkStopped(ctx, "6", r, canary, bad)
}

// checkStopped shows that a failed rollout is halted, nobody else started, and
// the patch is banned.
func (d *demo) checkStopped(ctx context.Context, step string, r api.Rollout, hit *machine, l *level) error {
	d.rec.Check(step+" the rollout halted by itself", r.Status == hotstick.Halted, "%s", textOf(r.Reason))
	started := 0
	for _, m := range d.others(hit) {
		started += m.loads(l)
	}
	d.rec.Check(step+" nobody else started", started == 0, "%d of the other %d kernels ever enabled %s", started, len(d.guests)-1, l.module)
	patch, err := d.Client.Patch(ctx, hotstick.PatchRef{Name: patchName, Level: l.number})
	if err != nil {
		return err
	}
	d.rec.Check(step+" the patch is banned", patch.Ban != nil, "%s is banned by %s", l.ref(), bannedBy(patch))
	again, err := d.Propose(ctx, r.Name+"-again", l.ref(), wishes(bake)...)
	if err != nil {
		return err
	}
	d.rec.Check(step+" a new plan that asks for it is refused", again.Code == exitRefused, "exit code %d: %s", again.Code, again.Say())
	return nil
}

// exitRefused is the command line's exit code for what policy refuses.
const exitRefused = 6

func textOf(r *api.Reason) string {
	if r == nil {
		return "no reason given"
	}
	return r.Text
}

func bannedBy(p api.Patch) string {
	if p.Ban == nil {
		return "nobody"
	}
	return p.Ban.By
}

// allAtRest reports whether no host of a rollout is on its way any more.
func allAtRest(r api.Rollout) bool {
	for _, c := range house.Cells(r) {
		if c.State.HoldsSlot() {
			return false
		}
	}
	return true
}
