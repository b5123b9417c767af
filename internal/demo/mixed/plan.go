package mixed

import (
	"context"
	_ "embed" // for the policy
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/api"
	"github.com/hotstick/hotstick/client"
	"github.com/hotstick/hotstick/internal/demo/house"
)

// planName is the one plan's.
const planName = "close-98022"

// what is planned for in place of a patch.
const what = "--fixes=" + CVE

// policy lets in what the policies that come with Hotstick do not: systems that run
// commands, and levels that only a reboot takes back.
//
//go:embed policy.yaml
var policy []byte

func (d *demo) policyFile() string { return filepath.Join(d.Dir, "mixed-fleet.yaml") }

// wishes are short, so that a person can watch; a reboot and vendors' tools have their
// minutes within the transition.
func (d *demo) wishes() []string {
	return []string{"--policy", d.policyFile(), "--probation", "8s", "--bake", "2s", "--transition", "4m", "--budget", "fleet=4"}
}

func (d *demo) stepPlan(ctx context.Context) error {
	if err := os.WriteFile(d.policyFile(), policy, 0o644); err != nil {
		return fmt.Errorf("cannot write the policy: %v", err)
	}
	if _, err := d.Must(ctx, "policy", "check", d.policyFile()); err != nil {
		return err
	}
	if err := d.checkStandard(ctx); err != nil {
		return err
	}
	args := append([]string{"rollout", "plan", what, "--name", planName, "--select", "true", "--author", house.Author, "--dry-run"}, d.wishes()...)
	r, err := d.Hotstick(ctx, args...)
	if err != nil {
		return err
	}
	for line := range strings.Lines(r.Out) {
		d.rec.Note("%s", strings.TrimRight(line, "\n"))
	}
	draft, err := d.draft(ctx, args)
	if err != nil {
		return err
	}
	planned := map[string]hotstick.PlanHost{}
	for _, h := range draft.Hosts {
		planned[h.Name] = h
	}
	for _, m := range d.hosts {
		h, is := planned[m.name]
		evidence := fmt.Sprintf("%s by %s (trust class %s)", h.Patch, h.Driver, hotstick.ClassOf(h.Driver))
		if !is {
			evidence = "left out: " + reasonOf(draft, m.name)
		}
		d.rec.Check("5 "+m.name+": the plan closes it by "+m.driver, is && h.Driver == m.driver && h.Patch.String() == m.ref(), "%s", evidence)
	}
	_, is := planned[windows]
	why := reasonOf(draft, windows)
	d.rec.Check("5 "+windows+": what no system covers is named, with its reason", !is && why != "" && strings.Contains(why, CVE), "%s", why)
	return nil
}

// checkStandard shows that nobody gets by accident what the demo's policy lets in.
func (d *demo) checkStandard(ctx context.Context) error {
	draft, err := d.draft(ctx, []string{"rollout", "plan", what, "--select", "true", "--author", house.Author, "--policy", "standard", "--dry-run"})
	if err != nil {
		return err
	}
	var steps []string
	for _, h := range draft.Hosts {
		if hotstick.ClassOf(h.Driver) == hotstick.TrustStep {
			steps = append(steps, h.Name)
		}
	}
	why := reasonOf(draft, "sles-3")
	d.rec.Check("5 the standard policy lets in no system that runs commands", len(steps) == 0 && strings.Contains(why, "loads-or-pins"),
		"it plans %d hosts, of class step %v; sles-3: %s", len(draft.Hosts), steps, why)
	return nil
}

// draft runs a dry run, which signs nothing, and reads it.
func (d *demo) draft(ctx context.Context, args []string) (api.Draft, error) {
	var draft api.Draft
	r, err := d.Hotstick(ctx, append(args, "-o", "json")...)
	if err != nil {
		return draft, err
	}
	if err := json.Unmarshal([]byte(r.Out), &draft); err != nil {
		return draft, fmt.Errorf("cannot read the dry run (exit code %d): %s", r.Code, r.Say())
	}
	return draft, nil
}

// reasonOf is why a draft leaves a host out; empty if it does not.
func reasonOf(draft api.Draft, name string) string {
	for _, l := range draft.LeftOut {
		if l.Name == name {
			return l.Reason.Text
		}
	}
	return ""
}

func (d *demo) stepRollOut(ctx context.Context) error {
	began := time.Now()
	if err := d.Launch(ctx, planName, what, d.wishes()...); err != nil {
		return err
	}
	r, err := d.Follow(ctx, planName, 8*time.Minute, d.rec.Note, func(r api.Rollout) bool { return r.Status.Over() })
	d.report.RolloutSeconds = time.Since(began).Seconds()
	if err != nil {
		return err
	}
	for _, m := range d.hosts {
		if err := d.checkClosed(ctx, m, r); err != nil {
			return err
		}
	}
	if err := d.checkWindows(ctx); err != nil {
		return err
	}
	return d.checkOrder(ctx, r)
}

// checkClosed holds what the plan says of a host against its kernel: the fix is in effect,
// the hole is closed, and only the host that had to has rebooted.
func (d *demo) checkClosed(ctx context.Context, m *member, r api.Rollout) error {
	cell := house.Cells(r)[m.name]
	is, closed, line, err := d.look(ctx, m)
	if err != nil {
		return err
	}
	why := because(cell)
	d.rec.Check("6 "+m.name+": closed by "+m.driver, cell.State == hotstick.Confirmed && is && closed,
		"%s%s; the kernel shows %s: %v; %s", cell.State, why, m.ref(), is, line)
	boots := m.bootID
	if m.fixedByReboot() {
		d.rec.Check("6 "+m.name+": runs the fixed kernel", is && m.BootID() != boots, "build ID %.8s, was %.8s; boot %.8s, was %.8s",
			d.fixed.BuildID, m.kernel.BuildID, m.BootID(), boots)
	} else {
		d.rec.Check("6 "+m.name+": did not reboot", m.BootID() == boots, "boot %.8s before and after", boots)
	}
	detail, err := d.Client.Host(ctx, m.name)
	if err != nil {
		return err
	}
	d.rec.Check("6 "+m.name+": the screen tells the truth", (detail.Host.InEffect.String() == m.ref()) == is, "it says %s, %s", detail.Host.State, detail.Host.InEffect)
	d.report.Hosts = append(d.report.Hosts, HostRun{Name: m.name, Plays: m.plays, Driver: m.driver, Trust: string(hotstick.ClassOf(m.driver)),
		Kernel: m.kernel.Release, Level: m.ref(), State: string(cell.State)})
	return nil
}

// look asks a host's own kernel whether the fix is in effect and the hole closed; line is
// what trying the hole said.
func (d *demo) look(ctx context.Context, m *member) (is, closed bool, line string, err error) {
	if is, err = m.inEffect(ctx, d.fixed); err == nil {
		closed, line, err = m.hole(ctx)
	}
	return is, closed, line, err
}

// because is the reason of a host's state, to be written behind it.
func because(cell api.Cell) string {
	if cell.Reason == nil {
		return ""
	}
	return ": " + cell.Reason.Text
}

func (m *member) fixedByReboot() bool { return hotstick.Reboots(m.driver) }

// checkWindows shows that the host that nothing covers was let alone.
func (d *demo) checkWindows(ctx context.Context) error {
	if d.win == nil {
		return nil // a check has said so
	}
	detail, err := d.Client.Host(ctx, windows)
	if err != nil {
		return err
	}
	d.rec.Check("6 "+windows+": was let alone", len(detail.Rollouts) == 0 && len(detail.Patches) == 0, "in %d rollouts, %d patches in effect", len(detail.Rollouts), len(detail.Patches))
	d.report.Hosts = append(d.report.Hosts, HostRun{Name: windows, Plays: "Windows Server 2025, the agent under Wine", Kernel: detail.Facts.Kernel.Build.Release, State: "not covered"})
	return nil
}

// moments are when a host was first admitted and last confirmed, by the audit log.
type moments struct{ admitted, confirmed time.Time }

func (d *demo) moments(ctx context.Context, r api.Rollout) (map[string]moments, error) {
	list, err := d.Client.Events(ctx, client.EventQuery{Plan: r.Plan, Limit: 200})
	if err != nil {
		return nil, err
	}
	found := map[string]moments{}
	for _, e := range list.Events { // the newest first
		m := found[e.HostName]
		switch hotstick.HostState(e.State) {
		case hotstick.Admitted:
			m.admitted = e.At
		case hotstick.Confirmed:
			if m.confirmed.IsZero() {
				m.confirmed = e.At
			}
		}
		found[e.HostName] = m
	}
	return found, nil
}

// checkOrder shows from the audit log that one host went first, and that a second host of
// a kernel build and system started only after the first was confirmed.
func (d *demo) checkOrder(ctx context.Context, r api.Rollout) error {
	order, err := d.Order(ctx, r)
	if err != nil {
		return err
	}
	at, err := d.moments(ctx, r)
	if err != nil {
		return err
	}
	var waves []string
	for _, w := range r.Waves {
		var names []string
		for _, c := range w.Hosts {
			names = append(names, c.Name)
		}
		waves = append(waves, w.Name+": "+strings.Join(names, " "))
	}
	ok := r.Status == hotstick.Completed && len(r.Waves) > 1 && len(r.Waves[0].Hosts) == 1 && len(order) == len(d.hosts)
	for _, name := range order {
		first := at[r.Waves[0].Hosts[0].Name].confirmed
		ok = ok && (name == r.Waves[0].Hosts[0].Name || !first.IsZero() && at[name].admitted.After(first))
	}
	d.rec.Check("6 one host goes first, and its evidence comes before any other start", ok, "%s; admitted in the order %s", strings.Join(waves, "; "), strings.Join(order, ", "))
	twins := []string{"debian-1", "debian-8"}
	slices.SortFunc(twins, func(a, b string) int { return at[a].admitted.Compare(at[b].admitted) })
	one, two := at[twins[0]], at[twins[1]]
	d.rec.Check("6 the evidence of a kernel build and system comes first", !one.confirmed.IsZero() && two.admitted.After(one.confirmed),
		"%s was admitted %.1f s after %s, of the same build and system, was confirmed", twins[1], two.admitted.Sub(one.confirmed).Seconds(), twins[0])
	return nil
}
