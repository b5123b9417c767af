package main

import (
	"context"
	"fmt"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/api"
	"github.com/hotstick/hotstick/internal/demo/host"
	"github.com/hotstick/hotstick/internal/demo/house"
	"github.com/hotstick/hotstick/internal/guest/kernelpkg"
)

// Steps of the work, each acknowledged.

// join lets the host join.
func (m *machine) join(ctx context.Context) error {
	line, err := m.house.JoinLine(ctx)
	if err != nil {
		return err
	}
	if err := host.Join(ctx, m.guest, line); err != nil {
		return err
	}
	err = m.until(ctx, "the host's facts", func(ctx context.Context) (bool, error) {
		h, err := m.house.Client.Host(ctx, hostName)
		if err != nil || h.Facts == nil {
			return false, nil
		}
		m.id = h.Host.ID
		return true, nil
	})
	if err != nil {
		return err
	}
	return m.know(ctx, fact{Kind: factJoined, Host: m.id})
}

func (m *machine) publish(ctx context.Context, l level) error {
	return m.acked(ctx, fact{Kind: factPublished, Patch: l.ref}, func(ctx context.Context) error {
		return m.house.Publish(ctx, l.folder, []kernelpkg.Kernel{m.kernel}, []string{l.file})
	})
}

// launch has a rollout of a level proposed, approved and started.
func (m *machine) launch(ctx context.Context, l level) (hotstick.PlanID, error) {
	name := fmt.Sprintf("level-%d", l.ref.Level)
	r, err := m.house.Propose(ctx, name, l.ref.String(), "--probation", "8s", "--transition", "20s", "--bake", "1s", "--budget", "fleet=1")
	if err == nil && r.Code != 0 {
		err = fmt.Errorf("cannot plan %s: %s", name, r.Say())
	}
	if err != nil {
		return "", err
	}
	proposed, err := m.house.Client.Rollout(ctx, name)
	if err != nil {
		return "", err
	}
	known := func(status hotstick.PlanStatus) fact {
		return fact{Kind: factPlan, Plan: proposed.Plan, Status: status}
	}
	if err := m.know(ctx, known(hotstick.Proposed)); err != nil {
		return "", err
	}
	for i, person := range house.Approvers() {
		if _, err := m.house.Must(ctx, "rollout", "approve", name, "--key", m.house.Key(person), "--yes"); err != nil {
			return "", err
		}
		if i == len(house.Approvers())-1 {
			if err := m.know(ctx, known(hotstick.Approved)); err != nil {
				return "", err
			}
		}
	}
	if _, err := m.house.Must(ctx, "rollout", "start", name); err != nil {
		return "", err
	}
	if err := m.know(ctx, known(hotstick.Running)); err != nil {
		return "", err
	}
	return proposed.Plan, m.knowHead(ctx)
}

// follow knows every state of the host in a plan that the server shows, until the host
// has come to one of those that are waited for.
func (m *machine) follow(ctx context.Context, plan hotstick.PlanID, wanted ...hotstick.HostState) error {
	var last api.HostRollout
	return m.until(ctx, fmt.Sprintf("the host to be %v", wanted), func(ctx context.Context) (bool, error) {
		h, err := m.house.Client.Host(ctx, hostName)
		if err != nil {
			return false, nil
		}
		for _, line := range h.Rollouts {
			if line.Plan != plan || line.Attempt == 0 {
				continue
			}
			if line.State != last.State && started(line.State) {
				f := fact{Kind: factState, Host: m.id, Plan: plan, Attempt: line.Attempt, State: line.State}
				if err := m.know(ctx, f); err != nil {
					return false, err
				}
				if err := m.knowHead(ctx); err != nil {
					return false, err
				}
			}
			last = line
			for _, state := range wanted {
				if line.State == state {
					return true, nil
				}
			}
			if line.State.Terminal() {
				return false, fmt.Errorf("the host is %s", line.State)
			}
		}
		return false, nil
	})
}

// started reports whether a state came from a report, so that the loader knew it before
// the server did.
func started(s hotstick.HostState) bool {
	return s == hotstick.Applying || s == hotstick.Probation || s == hotstick.Reverting || s.Terminal()
}

// ill makes the host's probe fail, or hold again.
func (m *machine) ill(ctx context.Context, so bool) error {
	command := "rm -f " + illFile
	if so {
		command = "touch " + illFile
	}
	_, err := host.MustRun(ctx, m.guest, command)
	return err
}

// hold lets a person on the host hold it, and give it free.
func (m *machine) hold(ctx context.Context) error {
	for _, command := range []string{"hold", "unhold"} {
		err := m.acked(ctx, fact{Kind: factHeld, On: command == "hold"}, func(ctx context.Context) error {
			_, err := host.MustRun(ctx, m.guest, "/usr/sbin/hotstick-agent "+command+" --reason proof")
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// exclude keeps the host out and lets it in again, some times.
func (m *machine) exclude(ctx context.Context, times int) error {
	for range times {
		err := m.acked(ctx, fact{Kind: factExcluded, Host: m.id, On: true}, func(ctx context.Context) error {
			_, err := m.house.Client.Exclude(ctx, hostName, api.ExcludeRequest{Until: time.Now().Add(time.Hour), Reason: "proof"})
			return err
		})
		if err != nil {
			return err
		}
		err = m.acked(ctx, fact{Kind: factExcluded, Host: m.id}, func(ctx context.Context) error {
			_, err := m.house.Client.Include(ctx, hostName, api.ActionRequest{Reason: "proof"})
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (m *machine) ban(ctx context.Context, l level) error {
	return m.acked(ctx, fact{Kind: factBanned, Patch: l.ref}, func(ctx context.Context) error {
		_, err := m.house.Client.Ban(ctx, l.ref, api.BanRequest{Reason: "proof"})
		return err
	})
}

// halt ends a plan, unless a gate did so before.
func (m *machine) halt(ctx context.Context, plan hotstick.PlanID) error {
	got, err := m.house.Client.Rollout(ctx, string(plan))
	if err == nil && !got.Status.Over() {
		got, err = m.house.Client.Halt(ctx, string(plan), api.ActionRequest{Reason: "proof"})
	}
	if err != nil {
		return err
	}
	if err := m.know(ctx, fact{Kind: factPlan, Plan: plan, Status: got.Status}); err != nil {
		return err
	}
	return m.knowHead(ctx)
}

// life is everything once: a host joins, takes a level, is held, kept out, takes a level
// that makes it ill and goes back, while levels are published and banned and plans halted.
func (m *machine) life(ctx context.Context, levels []level) error {
	if err := m.join(ctx); err != nil {
		return err
	}
	if err := m.publish(ctx, levels[0]); err != nil {
		return err
	}
	plan, err := m.launch(ctx, levels[0])
	if err != nil {
		return err
	}
	if err := m.follow(ctx, plan, hotstick.Confirmed); err != nil {
		return err
	}
	if err := m.hold(ctx); err != nil {
		return err
	}
	if err := m.exclude(ctx, 5); err != nil {
		return err
	}
	for _, l := range levels[1:3] {
		if err := m.publish(ctx, l); err != nil {
			return err
		}
	}
	if err := m.ban(ctx, levels[2]); err != nil {
		return err
	}
	if plan, err = m.launch(ctx, levels[1]); err != nil {
		return err
	}
	if err := m.follow(ctx, plan, hotstick.Probation); err != nil {
		return err
	}
	if err := m.ill(ctx, true); err != nil {
		return err
	}
	if err := m.follow(ctx, plan, hotstick.Reverted); err != nil {
		return err
	}
	if err := m.halt(ctx, plan); err != nil {
		return err
	}
	return m.ill(ctx, false)
}
