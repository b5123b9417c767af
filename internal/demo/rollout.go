package demo

import (
	"context"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/api"
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
	return d.Follow(ctx, name, limit, d.rec.Note, done)
}

func over(r api.Rollout) bool { return r.Status.Over() }

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
