package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/hotstick/hotstick/internal/demo/host"
	"github.com/hotstick/hotstick/internal/demo/house"
	"github.com/hotstick/hotstick/internal/guest"
	"github.com/hotstick/hotstick/internal/guest/kernelpkg"
)

// options say how to run the proof.
type options struct {
	dir                         string
	programs, patches, web, own string
	samples                     int
	course                      io.Writer
}

// Times of the run. staleAfter is what a server with that poll takes for stale.
const (
	poll       = 3 * time.Second
	staleAfter = 3*poll + 15*time.Second
)

// line is the patch line of the catalog; levels are those published.
const line = "unix-ioctl"

// run is one run of the proof.
type run struct {
	options
	rules
	began    time.Time
	house    *house.House
	kernels  []kernelpkg.Kernel
	modules  map[string][]string // by folder, in the order of kernels
	watchers []*watcher
	browser  *browser
	events   []string

	mu   sync.Mutex
	said []said
	// failed counts readings that a face did not answer.
	failed map[string]int
}

func (r *run) clock() time.Duration { return time.Since(r.began) }

func (r *run) sampled() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.said)
}

// prove runs everything and judges it.
func prove(ctx context.Context, o options) (report, error) {
	r := &run{options: o, rules: rules{heartbeat: poll, stale: staleAfter, gap: poll}, began: time.Now(),
		house:  &house.House{Dir: filepath.Join(o.dir, "house"), ServerEnv: []string{fmt.Sprintf("HOTSTICK_POLL_SECONDS=%d", int(poll.Seconds()))}},
		failed: map[string]int{}, modules: map[string][]string{}}
	defer r.close()
	for _, step := range []func(context.Context) error{r.prepare, r.boot, r.open} {
		if err := step(ctx); err != nil {
			return report{}, err
		}
	}
	err := r.sample(ctx)
	return r.report(), err
}

func (r *run) close() {
	if r.browser != nil {
		r.browser.close()
	}
	for _, w := range r.watchers {
		if w != nil {
			w.guest.Kill()
		}
	}
	r.house.KillServer()
}

// prepare builds modules and makes a server with two levels in its catalog.
func (r *run) prepare(ctx context.Context) error {
	var err error
	if r.house.Programs, err = house.FindPrograms(r.programs); err != nil {
		return err
	}
	if r.house.Listen, err = house.PickAddress("127.0.0.1:0"); err != nil {
		return err
	}
	if err := os.MkdirAll(r.house.Dir, 0o700); err != nil {
		return fmt.Errorf("cannot make the server's directory: %w", err)
	}
	for _, of := range []string{"6.1", "6.12"} {
		k, err := kernelpkg.Fetch(ctx, "", kernelpkg.Want{Line: of, Which: kernelpkg.Oldest}, nil)
		if err != nil {
			return err
		}
		r.kernels = append(r.kernels, k)
	}
	for _, folder := range folders {
		files := make([]string, len(r.kernels))
		err := host.InParallel(len(files), len(files), func(i int) error {
			var err error
			files[i], err = r.kernels[i].BuildModule(ctx, filepath.Join(r.patches, folder), filepath.Join(r.dir, "modules", r.kernels[i].Release))
			return err
		})
		if err != nil {
			return err
		}
		r.modules[folder] = files
	}
	if err := r.house.Init(ctx); err != nil {
		return err
	}
	if err := r.house.StartServer(ctx); err != nil {
		return err
	}
	for _, folder := range folders[:published] {
		if err := r.house.Publish(ctx, filepath.Join(r.patches, folder), r.kernels, r.modules[folder]); err != nil {
			return err
		}
	}
	return nil
}

// folders are the modules that hosts get; the first ones are published.
var folders = []string{line + "-1", line + "-4", "foreign", "busy-1", "busy-target"}

const published = 2

// levels names the modules of the catalog.
func levels() map[string]string {
	return map[string]string{"hotstick_unix_ioctl_1": line + "@1", "hotstick_unix_ioctl_4": line + "@4"}
}

// boot starts two guests, one of each kernel line, and lets them join.
func (r *run) boot(ctx context.Context) error {
	busybox, err := kernelpkg.Busybox(ctx, "", nil)
	if err != nil {
		return err
	}
	root, err := r.house.Root()
	if err != nil {
		return err
	}
	r.watchers = make([]*watcher, len(r.kernels))
	err = host.InParallel(len(r.kernels), len(r.kernels), func(i int) error {
		name := fmt.Sprintf("node-%d", i+1)
		files, err := host.Files(name, r.house.GuestURL(), r.house.HostPrograms())
		if err != nil {
			return err
		}
		for _, folder := range folders {
			files = append(files, guest.File{Path: "/truth/" + filepath.Base(r.modules[folder][i]), Source: r.modules[folder][i]})
		}
		dir := filepath.Join(r.dir, name)
		g, err := guest.Start(ctx, guest.Config{Name: name, Dir: dir, Kernel: r.kernels[i], Busybox: busybox,
			Disk: filepath.Join(dir, "disk.img"), Network: true, Files: files, Services: host.Services(root)})
		if err != nil {
			return err
		}
		r.watchers[i] = &watcher{guest: g, clock: r.clock}
		if _, err := g.WaitBoot(ctx); err != nil {
			return err
		}
		if _, err := host.MustRun(ctx, g, fmt.Sprintf("date -s @%d", time.Now().Unix())); err != nil {
			return err
		}
		join, err := r.house.JoinLine(ctx)
		if err != nil {
			return err
		}
		return host.Join(ctx, g, join)
	})
	if err != nil {
		return err
	}
	return host.Until(ctx, 2*time.Minute, "two hosts with facts", func(ctx context.Context) (bool, error) {
		for _, w := range r.watchers {
			h, err := r.house.Client.Host(ctx, w.guest.Name())
			if err != nil || h.Facts == nil {
				return false, nil
			}
		}
		return true, nil
	})
}

// open opens the console.
func (r *run) open(ctx context.Context) error {
	var err error
	r.browser, err = openConsole(ctx, r.own, r.web, r.house)
	return err
}

// sample reads kernels and faces while events happen.
func (r *run) sample(ctx context.Context) error {
	metrics, err := metricsFace(r.house)
	if err != nil {
		return err
	}
	reading, stop := context.WithCancel(ctx)
	var all sync.WaitGroup
	for _, w := range r.watchers {
		all.Go(func() { w.run(reading) })
	}
	for _, f := range []face{apiFace(r.house.Client), cliFace(r.house), metrics, r.browser.face()} {
		all.Go(func() { r.listen(reading, f) })
	}
	err = r.happen(ctx)
	stop()
	all.Wait()
	return err
}

// listen reads a face until the context ends.
func (r *run) listen(ctx context.Context, f face) {
	for ctx.Err() == nil {
		from := r.clock()
		list, err := f.read(ctx)
		to := r.clock()
		r.mu.Lock()
		if err != nil && ctx.Err() == nil {
			r.failed[f.name]++
			fmt.Fprintf(r.course, "%6.1fs %s did not answer: %v\n", to.Seconds(), f.name, err)
		}
		for _, s := range list {
			s.face, s.from, s.to = f.name, from, to
			r.said = append(r.said, s)
		}
		r.mu.Unlock()
		if r.pause(ctx, f.pace) != nil {
			return
		}
	}
}

// report judges all that was said, now that the kernels' whole course is known.
func (r *run) report() report {
	j := judge{rules: r.rules, levels: levels(), hosts: map[string]*truth{}}
	looks := 0
	for _, w := range r.watchers {
		j.hosts[w.guest.Name()] = &w.truth
		looks += len(w.truth.looks)
	}
	out := report{Events: r.events, Looks: looks, Seconds: r.clock().Seconds(), Failed: r.failed}
	for _, s := range r.said {
		var o outcome
		var text string
		if s.counts {
			o, text = j.count(s.claim, s.number)
		} else {
			o, text = j.check(s.claim)
		}
		out.take(s, o, text)
	}
	slices.SortFunc(out.Faces, func(a, b tally) int { return slices.Index(faceNames, a.Face) - slices.Index(faceNames, b.Face) })
	out.finish()
	return out
}

var faceNames = []string{"api", "cli", "console", "metrics"}

// errHollow: nothing was proved.
var errHollow = errors.New("cannot prove anything")
