package demo

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/api"
	"github.com/hotstick/hotstick/internal/demo/host"
)

// Speeds of the demo's plans: short, so that a person can watch. The defaults are
// minutes, not seconds. The probation must outlast the killer's delay of three
// seconds, as a real one must outlast the time in which faults show.
const (
	probation = "8s"
	bake      = "2s"
)

// plans lists the demo's rollouts in their order.
func (d *demo) plans() []string { return []string{"good", "bad", "killer", "again"} }

// publish signs a level into the catalog with the publisher's key.
func (d *demo) publish(ctx context.Context, l *level) error {
	var artifacts []string
	for _, k := range d.kernels {
		artifacts = append(artifacts, l.artifacts[k.Release])
	}
	return d.Publish(ctx, l.folder, d.kernels, artifacts)
}

// wishes are the demo's for all its plans.
func wishes(bake string) []string {
	return []string{"--probation", probation, "--bake", bake, "--budget", "fleet=2"}
}

// launch publishes, plans, has the plan approved by two other persons, and starts.
func (d *demo) launch(ctx context.Context, name string, l *level, bake string) error {
	if err := d.publish(ctx, l); err != nil {
		return err
	}
	return d.Launch(ctx, name, l.ref(), wishes(bake)...)
}

// follow prints each host's steps until the rollout satisfies done.
func (d *demo) follow(ctx context.Context, name string, limit time.Duration, done func(api.Rollout) bool) (api.Rollout, error) {
	var last api.Rollout
	seen := map[string]string{}
	err := host.Until(ctx, limit, fmt.Sprintf("rollout %q", name), func(ctx context.Context) (bool, error) {
		r, err := d.Client.Rollout(ctx, name)
		if err != nil {
			return false, nil // the server may just have been killed; the limit bounds the wait
		}
		d.tell(r, seen)
		last = r
		return done(r), nil
	})
	return last, err
}

// tell prints what changed in a rollout since the last look.
func (d *demo) tell(r api.Rollout, seen map[string]string) {
	for _, w := range r.Waves {
		for _, c := range w.Hosts {
			now := fmt.Sprint(c.State, c.Attempt)
			if seen[c.Name] == now || (seen[c.Name] == "" && c.State == hotstick.Waiting) {
				continue
			}
			seen[c.Name] = now
			text := ""
			if c.Reason != nil && c.State != hotstick.Confirmed {
				text = "  " + c.Reason.Text
			}
			d.rec.note("%-12s %-8s %s%s", w.Name, c.Name, c.State, text)
		}
	}
	if status := string(r.Status); seen["\x00"] != status {
		seen["\x00"] = status
		text := ""
		if r.Reason != nil {
			text = ": " + r.Reason.Text
		}
		d.rec.note("%s is %s%s", r.Name, status, text)
	}
}

func over(r api.Rollout) bool { return r.Status.Over() }

// cells lists a rollout's hosts with their states, by name.
func cells(r api.Rollout) map[string]api.Cell {
	found := map[string]api.Cell{}
	for _, w := range r.Waves {
		for _, c := range w.Hosts {
			found[c.Name] = c
		}
	}
	return found
}

// machineOf finds the first host of a rollout in a state.
func (d *demo) machineOf(r api.Rollout, states ...hotstick.HostState) *machine {
	for _, w := range r.Waves {
		for _, c := range w.Hosts {
			for _, s := range states {
				if c.State == s {
					return d.machine(c.Name)
				}
			}
		}
	}
	return nil
}

func (d *demo) machine(name string) *machine {
	for _, m := range d.guests {
		if m.name == name {
			return m
		}
	}
	return nil
}

// others are all guests but one.
func (d *demo) others(m *machine) []*machine {
	var rest []*machine
	for _, o := range d.guests {
		if o != m {
			rest = append(rest, o)
		}
	}
	return rest
}

// order lists, from the audit log, when each host of a plan was first armed.
func (d *demo) order(ctx context.Context, r api.Rollout) (string, error) {
	list, err := d.Client.Events(ctx, eventsOf(r.Plan))
	if err != nil {
		return "", err
	}
	var names []string
	for i := len(list.Events) - 1; i >= 0; i-- {
		if e := list.Events[i]; e.State == string(hotstick.Admitted) {
			names = append(names, e.HostName)
		}
	}
	return strings.Join(names, ", "), nil
}
