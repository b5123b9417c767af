package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// moment is what all faces said when they were read at once. Seen of one host it is one
// sample, if all four answered and all that they said could be judged.
type moment []said

// pace is the pause between two moments.
const pace = 50 * time.Millisecond

// sample reads kernels and faces while events happen.
func (r *run) sample(ctx context.Context) error {
	metrics, err := metricsFace(r.house)
	if err != nil {
		return err
	}
	faces := []face{apiFace(r.house.Client), cliFace(r.house), r.browser.face(), metrics}
	reading, stop := context.WithCancel(ctx)
	var all sync.WaitGroup
	for _, w := range r.watchers {
		all.Go(func() { w.run(reading) })
	}
	all.Go(func() {
		for r.pause(reading, pace) == nil {
			r.read(reading, faces)
		}
	})
	err = r.happen(ctx)
	stop()
	all.Wait()
	return err
}

// read reads all faces at once.
func (r *run) read(ctx context.Context, faces []face) {
	var all sync.WaitGroup
	lists := make([]moment, len(faces))
	for i, f := range faces {
		all.Go(func() {
			from := r.clock()
			list, err := f.read(ctx)
			to := r.clock()
			if err != nil && ctx.Err() == nil {
				r.unanswered(f, to, err)
			}
			for _, s := range list {
				s.face, s.from, s.to = f.name, from, to
				lists[i] = append(lists[i], s)
			}
		})
	}
	all.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.moments = append(r.moments, slices.Concat(lists...))
}

func (r *run) unanswered(f face, at time.Duration, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failed[f.name]++
	fmt.Fprintf(r.course, "%6.1fs %s did not answer: %v\n", at.Seconds(), f.name, err)
}

// judged judges all that was said so far. Only after the run the kernels' whole course is
// known.
func (r *run) judged() report {
	r.mu.Lock()
	defer r.mu.Unlock()
	j := judge{rules: r.rules, levels: levels(), hosts: map[string]*truth{}}
	out := report{Events: slices.Clone(r.events), Seconds: r.clock().Seconds(), Failed: r.failed}
	for _, w := range r.watchers {
		t := w.known()
		j.hosts[w.guest.Name()] = &t
		out.Looks += len(t.looks)
		beats, late := t.counted()
		out.Beats, out.LateBeats = out.Beats+beats, out.LateBeats+late
	}
	for _, m := range r.moments {
		out.take(m, j)
	}
	out.finish()
	return out
}

// errHollow: nothing was proved.
var errHollow = errors.New("cannot prove anything")
