package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"

	"github.com/hotstick/hotstick/bench/powercut/writelog"
	"github.com/hotstick/hotstick/internal/demo/host"
	"github.com/hotstick/hotstick/internal/guest"
)

// point is one place in a log where the power goes, and what is lost there.
type point struct {
	// after is how many entries came before.
	after int
	loss  writelog.Loss
	// seed is that of what is lost.
	seed uint64
}

// choose draws n points of a log, in the log's order. A third stands right behind marks,
// where the newest fact has had no time to reach the disk by itself; a third right before
// flushes, where most is unsure; a third anywhere.
func choose(entries []writelog.Entry, n int, random *rand.Rand) []point {
	var marks, flushes []int
	for i, e := range entries {
		switch {
		case e.Is(writelog.Mark):
			marks = append(marks, i+1)
		case e.Is(writelog.Flush) && i > 0 && !entries[i-1].Is(writelog.Flush):
			flushes = append(flushes, i)
		}
	}
	points := make([]point, n)
	for i := range points {
		from := [][]int{marks, flushes, nil}[i%3]
		p := point{after: random.IntN(len(entries) + 1), loss: writelog.Losses()[i/3%len(writelog.Losses())], seed: random.Uint64()}
		if len(from) > 0 {
			p.after = from[random.IntN(len(from))]
		}
		points[i] = p
	}
	slices.SortStableFunc(points, func(a, b point) int { return a.after - b.after })
	return points
}

// atPoints lets a machine live, looks at what its disk held at points of its log, kills
// it, and returns what remains.
func (g *rig) atPoints(ctx context.Context, m *machine) (remains, error) {
	before, err := os.ReadFile(m.disk())
	if err == nil {
		err = os.WriteFile(m.before(), before, 0o600)
	}
	if err != nil {
		return remains{}, err
	}
	if err := m.boot(ctx); err != nil {
		return remains{}, errors.Join(err, m.kill())
	}
	defer m.kill()
	g.say("the guest has booted")
	if err := m.life(ctx, g.levels); err != nil {
		return remains{}, err
	}
	// Who works no more leaves the processor to what comes.
	if _, err := host.MustRun(ctx, m.guest, "for f in server agent loader; do kill -STOP $(cat /run/service/$f.pid); done"); err != nil {
		return remains{}, err
	}
	entries, err := m.entries(false)
	if err != nil {
		return remains{}, err
	}
	if err := g.lookAt(ctx, m, append([]byte(nil), before...), entries); err != nil {
		return remains{}, err
	}
	if err := m.kill(); err != nil {
		return remains{}, err
	}
	return m.after(before, nil)
}

// again looks at the points of a run that was kept, in a guest in which nothing else runs.
func (g *rig) again(ctx context.Context) error {
	if err := g.fetch(ctx); err != nil {
		return err
	}
	m := &machine{rig: g, dir: filepath.Join(g.replay, lifeDir)}
	before, err := os.ReadFile(m.before())
	if err != nil {
		return err
	}
	entries, err := m.entries(false)
	if err != nil {
		return err
	}
	err = m.start(ctx, guest.Config{})
	if err == nil {
		err = g.lookAt(ctx, m, before, entries)
	}
	return errors.Join(err, m.kill())
}

// lookAt looks at points of a log.
func (g *rig) lookAt(ctx context.Context, m *machine, before []byte, entries []writelog.Entry) error {
	g.report.measure(entries)
	g.say("%d writes, %d flushes, %d facts", g.report.Writes, g.report.Flushes, g.report.Facts)
	replay := writelog.NewDisk(before, entries)
	for i, p := range choose(entries, g.points, g.seeded(1)) {
		disk, err := replay.Cut(p.after, p.loss, rand.New(rand.NewPCG(p.seed, 0)))
		if err != nil {
			return err
		}
		if g.only != 0 && g.only != i+1 {
			continue
		}
		facts, err := factsIn(entries[:p.after])
		if err != nil {
			return err
		}
		_, faults, err := m.recovered(ctx, disk, facts)
		if err != nil {
			return err
		}
		where := fmt.Sprintf("point %d, after %d entries, losing %s of %d writes", i+1, p.after, p.loss, replay.Unsure())
		g.report.Points++
		g.report.fault(where, faults...)
		for _, fault := range faults {
			g.say("%s: %v", where, fault)
		}
	}
	g.say("%d points looked at", g.report.Points)
	return nil
}
