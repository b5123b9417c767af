package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/demo/host"
	"github.com/hotstick/hotstick/internal/trace"
)

// look gathers what the judge needs when all is over.
func (t *trial) look(ctx context.Context) (seen, error) {
	s := seen{module: t.module(), transition: t.transition, probation: t.probation, lifted: t.lifted, stallSeen: -1}
	text, err := t.guest.ConsoleLog()
	if err != nil {
		return s, err
	}
	s.console = readConsole(text)
	state, code, err := t.guest.Run(ctx, "cd /sys/kernel/livepatch/"+t.module()+" 2>/dev/null && cat enabled transition")
	if err != nil {
		return s, err
	}
	s.inEffect = code == 0 && strings.Join(strings.Fields(state), " ") == "1 0"
	if s.unusable, err = t.unusable(ctx); err != nil {
		return s, err
	}
	l, err := t.ledger(ctx)
	if err != nil {
		return s, fmt.Errorf("cannot read the ledger: %w", err)
	}
	s.ended = ended(l)
	for _, strike := range l.Strikes {
		s.struck = s.struck || moduleOf(fmt.Sprintf("%s-%d", strike.Patch.Name, strike.Patch.Level)) == s.module
	}
	if s.traced, s.tracedForce, err = t.traced(ctx); err != nil {
		return s, err
	}
	if s.shown, s.why, err = t.shown(ctx); err != nil {
		return s, err
	}
	if !t.told.IsZero() {
		s.stallSeen = t.told.Sub(t.stalled)
	}
	s.heard = t.heard(ctx)
	return s, nil
}

// unusable says what does not work on the host: its two programs run, a process can be
// started, a file synced, a module loaded and unloaded.
func (t *trial) unusable(ctx context.Context) (string, error) {
	var said string
	err := host.Until(ctx, time.Minute, "the host to work", func(ctx context.Context) (bool, error) {
		out, code, err := t.guest.Run(ctx, `pidof hotstick-loader >/dev/null || { echo "no loader runs"; exit 1; }
pidof hotstick-agent >/dev/null || { echo "no agent runs"; exit 1; }
echo x >/var/lib/hotstick/works && sync && rm /var/lib/hotstick/works || exit 1
rmmod hotstick_busy_target 2>/dev/null
insmod /survive/hotstick_busy_target.ko && rmmod hotstick_busy_target`)
		said = strings.TrimSpace(out)
		return err == nil && code == 0, err
	})
	if err != nil && ctx.Err() == nil && t.guest.BootID() != "" {
		return said + " (" + err.Error() + ")", nil
	}
	return "", err
}

// traced counts the loads of the patch that the loader traced, and its uses of force.
func (t *trial) traced(ctx context.Context) (loads, forced int, err error) {
	if t.traceCut {
		return -1, 0, nil
	}
	out, err := host.MustRun(ctx, t.guest, "cat "+host.TraceFile)
	if err != nil {
		return 0, 0, err
	}
	// A kernel that panics may leave the last line cut off; the loader begins a new one.
	events, err := trace.ReadAll(strings.NewReader(out + "\n"))
	for _, e := range events {
		switch {
		case e.Kind == trace.KindForce:
			forced++
		case e.Kind == trace.KindLoad && e.Detail == t.module():
			loads++
		}
	}
	return loads, forced, err
}

// shown is what the server says of the attempt, and why.
func (t *trial) shown(ctx context.Context) (hotstick.HostState, hotstick.ReasonCode, error) {
	r, err := t.house.Client.Rollout(ctx, planName)
	if err != nil {
		return "", "", err
	}
	for _, w := range r.Waves {
		for _, c := range w.Hosts {
			if c.Name != hostName {
				continue
			}
			if c.Reason != nil {
				return c.State, c.Reason.Code, nil
			}
			return c.State, "", nil
		}
	}
	return "", "", fmt.Errorf("cannot find %s in the rollout", hostName)
}

// heard reports whether the server hears of the host from now on.
func (t *trial) heard(ctx context.Context) bool {
	first, err := t.house.Client.Host(ctx, hostName)
	if err != nil {
		return false
	}
	return t.until(ctx, "a check-in", func(ctx context.Context) (bool, error) {
		h, err := t.house.Client.Host(ctx, hostName)
		return err == nil && h.Host.LastSeen.After(first.Host.LastSeen) && !h.Host.Silent, nil
	}) == nil
}

// watchStall notes when a transition began to run and when the server named the task that
// keeps it.
func (t *trial) watchStall(ctx context.Context) {
	if !t.told.IsZero() {
		return
	}
	if t.stalled.IsZero() {
		out, code, err := t.guest.Run(ctx, "cat /sys/kernel/livepatch/"+t.module()+"/transition")
		if err == nil && code == 0 && strings.TrimSpace(out) == "1" {
			t.stalled = time.Now()
		}
		return
	}
	h, err := t.house.Client.Host(ctx, hostName)
	if err == nil && keeps(h.Host.Stall, t.module(), t.want.keeper) {
		t.told = time.Now()
	}
}

// keeps reports whether a stall of a module names a command among the tasks that keep it.
func keeps(s *hotstick.Stall, module, command string) bool {
	return s != nil && s.Module == module && slices.ContainsFunc(s.Blockers, func(b hotstick.Blocker) bool { return b.Command == command })
}
