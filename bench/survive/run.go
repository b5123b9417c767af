package main

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"path/filepath"
	"regexp"
	"sync"
	"time"

	"github.com/hotstick/hotstick/internal/demo/host"
	"github.com/hotstick/hotstick/internal/demo/house"
	"github.com/hotstick/hotstick/internal/guest/kernelpkg"
)

// options say how to run the proof.
type options struct {
	// dir holds everything that the run makes.
	dir string
	// programs is the folder of the three binaries, patches that of the live patches'
	// sources.
	programs, patches string
	// only says which scenarios run, by their names; commit chooses three of those if it
	// is not empty.
	only   *regexp.Regexp
	commit string
	// repeats of each scenario, and width trials at once.
	repeats, width int
	// course takes what happens while it runs.
	course io.Writer
}

// drawn are so many scenarios that one commit tries.
const drawn = 3

// draw chooses scenarios by a commit's hash, of those that do not run by hand only.
func draw(all []scenario, commit string) []scenario {
	h := fnv.New64a()
	h.Write([]byte(commit))
	var able, out []scenario
	for _, s := range all {
		if !s.byHand {
			able = append(able, s)
		}
	}
	order := rand.New(rand.NewPCG(h.Sum64(), 0)).Perm(len(able))
	for _, i := range order[:min(drawn, len(able))] {
		out = append(out, able[i])
	}
	return out
}

// chosen are the scenarios of a run.
func (o options) chosen() ([]scenario, error) {
	var list []scenario
	for _, s := range scenarios() {
		if o.only.MatchString(s.name) {
			list = append(list, s)
		}
	}
	if len(list) == 0 {
		return nil, errors.New("cannot find a scenario of that name")
	}
	if o.commit != "" {
		return draw(list, o.commit), nil
	}
	return list, nil
}

// prove runs the chosen scenarios.
func prove(ctx context.Context, o options) (report, error) {
	began := time.Now()
	list, err := o.chosen()
	if err != nil {
		return report{}, err
	}
	programs, err := house.FindPrograms(o.programs)
	if err != nil {
		return report{}, err
	}
	var kernels []kernelpkg.Kernel
	for _, line := range []string{"6.1", "6.12"} {
		k, err := kernelpkg.Fetch(ctx, "", kernelpkg.Want{Line: line, Which: kernelpkg.Oldest}, nil)
		if err != nil {
			return report{}, err
		}
		kernels = append(kernels, k)
	}
	busybox, err := kernelpkg.Busybox(ctx, "", nil)
	if err != nil {
		return report{}, err
	}
	files, err := build(ctx, o.patches, filepath.Join(o.dir, "modules"), list, kernels)
	if err != nil {
		return report{}, err
	}
	rows := make([]row, len(list)*o.repeats)
	var telling sync.Mutex
	err = host.InParallel(o.width, len(rows), func(i int) error {
		s, repeat := list[i%len(list)], i/len(list)
		k := kernels[(i%len(list)+repeat)%len(kernels)]
		t := &trial{scenario: s, dir: filepath.Join(o.dir, fmt.Sprintf("%s-%d", s.name, repeat+1)), kernel: k, busybox: busybox, files: files,
			house: &house.House{Programs: programs}}
		rows[i] = t.row(ctx)
		telling.Lock()
		defer telling.Unlock()
		fmt.Fprintf(o.course, "%6.1fs %s\n", time.Since(began).Seconds(), rows[i].line())
		return ctx.Err()
	})
	return summary(rows, time.Since(began)), err
}

// row runs a trial and makes its row of the table.
func (t *trial) row(ctx context.Context) row {
	began := time.Now()
	v, err := t.run(ctx)
	r := row{Scenario: t.name, Does: t.does, Kernel: t.kernel.Release, verdict: v, Seconds: time.Since(began).Seconds()}
	if err != nil {
		r.Faults = append(r.Faults, err.Error())
	}
	r.OK = len(r.Faults) == 0
	return r
}
