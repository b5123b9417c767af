package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/bench/powercut/writelog"
	"github.com/hotstick/hotstick/internal/demo/host"
	"github.com/hotstick/hotstick/internal/loader/ledger"
)

// longest is how long after the beginning of a stage of the work the power goes at the
// latest: about as long as a probation, with what comes before and after it.
const longest = 12 * time.Second

// stage is a part of the work.
type stage string

// The stages, in the order of the work.
const (
	publishing stage = "publish" // a level is signed into the catalog
	launching  stage = "launch"  // a plan is proposed, approved and started
	following  stage = "follow"  // the host takes the level
)

// stages are where the cuts take turns: mostly while the host takes a level.
var stages = []stage{following, launching, following, publishing, following}

// remains are a machine's disk after a cut, and all that had ever been acknowledged.
type remains struct {
	disk  []byte
	facts []fact
	cut
}

// after makes the disk that a machine leaves whose power went: all that was flushed, and
// nothing that was not, for the kernel logs a write with the flush behind it. It adds what
// the log knows to what was known before.
func (m *machine) after(before []byte, known []fact) (remains, error) {
	entries, err := m.entries(true)
	if err != nil {
		return remains{}, err
	}
	more, err := factsIn(entries)
	if err != nil {
		return remains{}, err
	}
	r := remains{facts: append(append([]fact(nil), known...), more...)}
	r.Facts = len(r.facts)
	r.disk, err = writelog.NewDisk(before, entries).Cut(len(entries), writelog.LoseAll, nil)
	return r, err
}

// cutsOff kills a machine while it works, boots it from what its disk then holds, looks
// at what came of that, and does it again.
func (g *rig) cutsOff(ctx context.Context, m *machine, left remains) error {
	for i := range g.cuts {
		if err := m.bootFrom(ctx, left.disk); err != nil {
			return err
		}
		if err := m.goesOn(ctx, i, &left); err != nil {
			return errors.Join(err, m.kill())
		}
		wait := time.Duration(g.seeded(uint64(firstCut + i)).Int64N(int64(longest)))
		if err := m.killedAtWork(ctx, g.levels[lifeLevels+i], stages[i%len(stages)], wait); err != nil {
			return err
		}
		next, err := m.after(left.disk, left.facts)
		if err != nil {
			return err
		}
		left = next
		left.Stage, left.After = string(stages[i%len(stages)]), wait.Seconds()
		g.say("cut %d: %.1f s after %s, with %d facts known", i+1, left.After, left.Stage, left.Facts)
	}
	if err := m.bootFrom(ctx, left.disk); err != nil {
		return err
	}
	return errors.Join(m.goesOn(ctx, g.cuts, &left), m.kill())
}

// firstCut is the part of the random numbers that the first cut has; those before are of
// the points.
const firstCut = 2

// bootFrom boots the machine with a disk.
func (m *machine) bootFrom(ctx context.Context, disk []byte) error {
	err := os.MkdirAll(m.dir, 0o700)
	if err == nil {
		err = os.WriteFile(m.disk(), disk, 0o600)
	}
	if err == nil {
		err = m.boot(ctx)
	}
	if err != nil {
		return errors.Join(err, m.kill())
	}
	return nil
}

// kill ends the machine's guest, if there is one.
func (m *machine) kill() error {
	if m.guest == nil {
		return nil
	}
	return m.guest.Kill()
}

// killedAtWork lets the machine work, and kills it so long after a stage began.
func (m *machine) killedAtWork(ctx context.Context, l level, at stage, wait time.Duration) error {
	work, stop := context.WithCancel(ctx)
	defer stop()
	reached, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		ended <- m.work(work, l, func(s stage) {
			if s == at {
				close(reached)
			}
		})
	}()
	select {
	case <-reached:
	case err := <-ended:
		return errors.Join(err, errors.New("the work ended before its power could go"), m.kill())
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
	err := m.kill()
	stop()
	<-ended // what the work says now comes of the cut
	return err
}

// work is what a machine does when the power goes; it tells of each stage as it begins.
func (m *machine) work(ctx context.Context, l level, begins func(stage)) error {
	begins(publishing)
	if err := m.publish(ctx, l); err != nil {
		return err
	}
	begins(launching)
	plan, err := m.launch(ctx, l)
	if err != nil {
		return err
	}
	begins(following)
	if err := m.follow(ctx, plan, hotstick.Confirmed); err != nil {
		return err
	}
	return m.exclude(ctx, 3)
}

// goesOn looks at a machine that booted from what the i-th cut left, 0 being the end of
// its first life: at the disk as it was, and at what the programs made of it.
func (m *machine) goesOn(ctx context.Context, i int, left *remains) error {
	where := fmt.Sprintf("cut %d", i)
	was, faults, err := m.recovered(ctx, left.disk, left.facts)
	if err != nil {
		return err
	}
	if was != nil && was.Attempt != nil {
		left.Attempt = string(was.Attempt.Phase)
	}
	now, err := m.settled(ctx)
	if err != nil {
		return err
	}
	if was != nil {
		faults = append(faults, m.struck(ctx, was, now, left)...)
	}
	inKernel, err := host.MustRun(ctx, m.guest, "ls /sys/kernel/livepatch")
	if err != nil {
		return err
	}
	for _, module := range strings.Fields(inKernel) {
		if now.Permit == nil || now.Permit.Level.Module != module || now.Struck(now.Permit.Level.Patch) {
			faults = append(faults, fmt.Errorf("%s is in the kernel, and the ledger does not permit it", module))
		}
	}
	if _, err := m.house.Must(ctx, "audit", "verify"); err != nil {
		faults = append(faults, err)
	}
	m.report.fault(where, faults...)
	for _, fault := range faults {
		m.say("%s: %v", where, fault)
	}
	if i > 0 {
		m.report.Cuts = append(m.report.Cuts, left.cut)
	}
	return nil
}

// settled waits until the loader has judged the boot and the server has heard all that
// the loader had to tell.
func (m *machine) settled(ctx context.Context) (ledger.Ledger, error) {
	var led ledger.Ledger
	err := m.until(ctx, "the loader to have settled", func(ctx context.Context) (bool, error) {
		text, err := host.MustRun(ctx, m.guest, "cat "+host.LedgerFile)
		if err != nil {
			return false, nil // the loader has not begun
		}
		if led, err = ledger.Decode([]byte(text)); err != nil {
			return false, err
		}
		return led.Boot.ID == m.guest.BootID() && led.Attempt == nil && len(led.Reports) == 0, nil
	})
	return led, err
}

// struck holds what became of an attempt that was cut off against what has to: one
// strike, the level out, and a server that knows.
func (m *machine) struck(ctx context.Context, was *ledger.Ledger, now ledger.Ledger, left *remains) []error {
	var faults []error
	for _, s := range was.Strikes {
		if !now.Struck(s.Patch) {
			faults = append(faults, fmt.Errorf("the strike of %s is forgotten", s.Patch))
		}
	}
	if was.Attempt == nil {
		return faults
	}
	ref := was.Attempt.Level.Patch
	strikes := 0
	for _, s := range now.Strikes {
		if s.Patch == ref {
			strikes++
		}
	}
	if strikes != 1 {
		faults = append(faults, fmt.Errorf("the attempt with %s was cut off, and it has %d strikes", ref, strikes))
	}
	record := now.Plan(was.Attempt.Plan)
	if record == nil {
		return faults // it came back from a permit
	}
	left.Ended = string(record.State)
	err := host.Until(ctx, patience, "the server to hear of the end", func(ctx context.Context) (bool, error) {
		h, err := m.house.Client.Host(ctx, hostName)
		if err != nil {
			return false, nil
		}
		for _, line := range h.Rollouts {
			if line.Plan == record.ID && line.State == record.State {
				return true, nil
			}
		}
		return false, nil
	})
	if err != nil {
		faults = append(faults, err)
	}
	return faults
}
