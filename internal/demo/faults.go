package demo

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/api"
	"github.com/hotstick/hotstick/internal/demo/host"
	"github.com/hotstick/hotstick/internal/demo/house"
)

func (d *demo) stepKiller(ctx context.Context) error {
	good, killer := d.levels[goodLevel], d.levels[killerLevel]
	if err := d.launch(ctx, "killer", killer, bake); err != nil {
		return err
	}
	r, err := d.follow(ctx, "killer", 2*time.Minute, over)
	if err != nil {
		return err
	}
	victim := d.machineOf(r, hotstick.Quarantined)
	if victim == nil {
		return fmt.Errorf("no host was struck by the killer: the rollout is %s", r.Status)
	}
	if err := d.checkStrike(ctx, r, victim, killer); err != nil {
		return err
	}
	if err := host.Until(ctx, time.Minute, "the good level to be back on "+victim.name, func(ctx context.Context) (bool, error) {
		h, err := d.Client.Host(ctx, victim.name)
		return err == nil && h.Host.InEffect.String() == good.ref() && victim.enabled(ctx, good), nil
	}); err != nil {
		return err
	}
	if err := d.checkPatched(ctx, "7 re-applied from its permit:", victim, good, "quarantined"); err != nil {
		return err
	}
	if err := d.checkStopped(ctx, "7", r, victim, killer); err != nil {
		return err
	}
	return d.checkTold(ctx)
}

// checkTold shows that a person was told of halt, revert and strike, with
// signatures that hold.
func (d *demo) checkTold(ctx context.Context) error {
	kinds := []string{"rollout.halted", "rollout.reverting", "host.struck"}
	var said string
	ok := true
	for _, kind := range kinds {
		err := host.Until(ctx, shortly, kind, func(context.Context) (bool, error) {
			n, _ := d.pager.told(kind)
			return n > 0, nil
		})
		n, forged := d.pager.told(kind)
		ok = ok && err == nil && forged == 0
		said += fmt.Sprintf("%s %d, ", kind, n)
	}
	d.rec.Check("7 somebody was told, by signed webhook", ok, "%severy signature valid", said)
	return nil
}

// checkStrike shows the crash, its evidence and the one strike.
func (d *demo) checkStrike(ctx context.Context, r api.Rollout, victim *machine, killer *level) error {
	boot, err := victim.boot(ctx)
	if err != nil {
		return err
	}
	d.rec.Check("7 the canary panicked and rebooted once", victim.count("Kernel panic - not syncing") == 1 && boot != victim.bootID,
		"%s went from boot %.8s to %.8s", victim.name, victim.bootID, boot)
	victim.bootID = boot
	events, err := d.Client.Events(ctx, eventsOf(r.Plan))
	if err != nil {
		return err
	}
	var strikes []api.Event
	for _, e := range events.Events {
		if e.State == string(hotstick.Quarantined) && e.HostName == victim.name {
			strikes = append(strikes, e)
		}
	}
	trace := ""
	for _, s := range strikes {
		for _, e := range s.Evidence {
			if e.Kind == "crash_trace" {
				trace = e.Text
			}
		}
	}
	d.rec.Check("7 one strike, with its crash evidence", len(strikes) == 1 && strings.Contains(trace, killer.module),
		"%d strike; the trace kept over the reboot names %s: %s", len(strikes), killer.module, lineWith(trace, killer.module))
	ledger, err := victim.mustSerial(ctx, "grep -c '"+fmt.Sprintf(`"level": *%d`, killer.number)+"' "+ledgerFile)
	if err != nil {
		return err
	}
	d.rec.Check("7 the strike is in the host's own ledger", ledger != "0", "%s names level %d on %s lines", ledgerFile, killer.number, ledger)
	return nil
}

// lineWith returns the first line of a text that contains a word.
func lineWith(text, word string) string {
	for line := range strings.Lines(text) {
		if strings.Contains(line, word) {
			return strings.TrimSpace(line)
		}
	}
	return "(none)"
}

func (d *demo) stepKill(ctx context.Context) error {
	again := d.levels[againLevel]
	// A long bake, so that step 9 finds a rollout with waves to come.
	if err := d.launch(ctx, "again", again, "15s"); err != nil {
		return err
	}
	if err := d.killServer(ctx); err != nil {
		return err
	}
	if err := d.killHost(ctx, again); err != nil {
		return err
	}
	r, err := d.follow(ctx, "again", 90*time.Second, func(r api.Rollout) bool {
		return len(r.Waves) > 1 && confirmed(r.Waves[0]) && confirmed(r.Waves[1])
	})
	if err != nil {
		return err
	}
	for _, w := range r.Waves[:2] {
		for _, c := range w.Hosts {
			m := d.machine(c.Name)
			d.rec.Check("8 nothing was repeated on "+m.name, m.loads(again) == 1 && c.Attempt == 1,
				"attempt %d; its kernel logged %d load of %s", c.Attempt, m.loads(again), again.module)
			if err := d.checkPatched(ctx, "8", m, again, "applied"); err != nil {
				return err
			}
		}
	}
	return nil
}

// killServer kills the server while the first host is being changed.
func (d *demo) killServer(ctx context.Context) error {
	r, err := d.follow(ctx, "again", time.Minute, func(r api.Rollout) bool {
		return d.machineOf(r, hotstick.Armed, hotstick.Applying, hotstick.Probation) != nil
	})
	if err != nil {
		return err
	}
	before := house.Cells(r)[d.machineOf(r, hotstick.Armed, hotstick.Applying, hotstick.Probation).name]
	d.rec.Note("kill -9 of the server while %s is %s", before.Name, before.State)
	d.KillServer()
	if err := d.StartServer(ctx); err != nil {
		return err
	}
	r, err = d.follow(ctx, "again", time.Minute, func(r api.Rollout) bool { return confirmed(r.Waves[0]) })
	if err != nil {
		return err
	}
	d.rec.Check("8 the rollout went on after the server was killed", confirmed(r.Waves[0]), "%s was %s, and is %s",
		before.Name, before.State, house.Cells(r)[before.Name].State)
	return nil
}

// killHost kills agent and loader of the next host while its kernel is in
// transition.
func (d *demo) killHost(ctx context.Context, l *level) error {
	next := d.machine(d.mustNext(ctx))
	if next == nil {
		return fmt.Errorf("cannot find the second wave's host")
	}
	// The guest itself waits for the transition and kills at once, with nothing but
	// the shell's own words: a look from outside, or a fork, could come too late.
	script := "pids=\"$(pidof hotstick-loader) $(pidof hotstick-agent)\"; f=/sys/kernel/livepatch/" + l.module + "/transition; " +
		"n=0; seen=; while [ \"$seen\" != 1 ] && [ $n -lt 1000000 ]; do n=$((n+1)); [ -e $f ] && read seen <$f; done; " +
		"kill -9 $pids; echo transition=$seen"
	out, err := next.mustSerial(ctx, script)
	if err != nil {
		return err
	}
	d.rec.Check("8 agent and loader were killed in the transition", strings.HasSuffix(out, "transition=1"), "on %s, with %s", next.name, out)
	return nil
}

// mustNext is the host of the second wave.
func (d *demo) mustNext(ctx context.Context) string {
	r, err := d.Client.Rollout(ctx, "again")
	if err != nil || len(r.Waves) < 2 || len(r.Waves[1].Hosts) == 0 {
		return ""
	}
	return r.Waves[1].Hosts[0].Name
}

func confirmed(w api.Wave) bool {
	for _, c := range w.Hosts {
		if c.State != hotstick.Confirmed {
			return false
		}
	}
	return true
}

func (d *demo) stepStop(ctx context.Context) error {
	again := d.levels[againLevel]
	began := time.Now()
	if _, err := d.Must(ctx, "stop", "--all", "--reason", "the demo is over", "--yes"); err != nil {
		return err
	}
	took := time.Since(began)
	r, err := d.follow(ctx, "again", time.Minute, func(r api.Rollout) bool { return over(r) && allAtRest(r) })
	if err != nil {
		return err
	}
	waiting := 0
	for _, w := range r.Waves[2:] {
		for _, c := range w.Hosts {
			if c.State == hotstick.Waiting && d.machine(c.Name).loads(again) == 0 {
				waiting++
			}
		}
	}
	d.rec.Check("9 stop --all halted the running rollout", r.Status == hotstick.Halted, "in %s: %s", took.Round(time.Millisecond), textOf(r.Reason))
	d.rec.Check("9 the rest never started", waiting == len(d.guests)-2, "%d hosts wait for ever and keep %s", waiting, d.levels[goodLevel].ref())
	_, err = d.Must(ctx, "why", d.guests[0].name)
	return err
}
