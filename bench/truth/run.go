package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
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
	kexec    string // the program that does it in a guest

	// images is the address that serves what a guest's kernel is started from.
	images string

	mu      sync.Mutex
	moments []moment
	// failed counts readings that a face did not answer.
	failed map[string]int
}

func (r *run) clock() time.Duration { return time.Since(r.began) }

// prove runs everything and judges it.
func prove(ctx context.Context, o options) (report, error) {
	r := &run{options: o, rules: rules{heartbeat: poll, stale: staleAfter, gap: poll, blink: time.Second}, began: time.Now(),
		house:  &house.House{Dir: filepath.Join(o.dir, "house"), ServerEnv: []string{fmt.Sprintf("HOTSTICK_POLL_SECONDS=%d", int(poll.Seconds()))}},
		failed: map[string]int{}, modules: map[string][]string{}}
	defer r.close()
	for _, step := range []func(context.Context) error{r.prepare, r.serveImages, r.boot, r.open} {
		if err := step(ctx); err != nil {
			return report{}, err
		}
	}
	err := r.sample(ctx)
	return r.judged(), err
}

func (r *run) close() {
	if r.browser != nil {
		r.browser.close()
	}
	for _, w := range r.watchers {
		if w.guest != nil {
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
		r.kernels, r.watchers = append(r.kernels, k), append(r.watchers, &watcher{clock: r.clock})
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
	if r.kexec, err = kernelpkg.BuildProgram(ctx, filepath.Join(filepath.Dir(r.own), "guest", "kexec.c"), filepath.Join(r.dir, "modules")); err != nil {
		return err
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

// serveImages serves kernels and what they are booted with to the guests, for as long as
// the context lasts.
func (r *run) serveImages(ctx context.Context) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("cannot serve kernels to the guests: %w", err)
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	r.images = net.JoinHostPort(guest.HostAddress, port)
	paths := http.NewServeMux()
	for i, k := range r.kernels {
		serve := func(name, file string) {
			paths.HandleFunc("GET /"+nodeName(i)+"/"+name, func(w http.ResponseWriter, req *http.Request) { http.ServeFile(w, req, file) })
		}
		serve("image", k.Image)
		serve("initramfs", filepath.Join(r.dir, nodeName(i), guest.InitramfsName))
		paths.HandleFunc("GET /"+nodeName(i)+"/beat/{boot}", r.takeBeat(i))
	}
	server := &http.Server{Handler: paths, ReadHeaderTimeout: time.Minute}
	context.AfterFunc(ctx, func() { server.Close() })
	go server.Serve(l)
	return nil
}

// nodeName is the name of a guest, by its number from 0.
func nodeName(i int) string { return fmt.Sprintf("node-%d", i+1) }

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
	err = host.InParallel(len(r.kernels), len(r.kernels), func(i int) error {
		name := nodeName(i)
		files, err := host.Files(name, r.house.GuestURL(), r.house.HostPrograms())
		if err != nil {
			return err
		}
		files = append(files, guest.File{Path: "/truth/kexec", Mode: 0o755, Source: r.kexec})
		for _, folder := range folders {
			files = append(files, guest.File{Path: "/truth/" + filepath.Base(r.modules[folder][i]), Source: r.modules[folder][i]})
		}
		dir := filepath.Join(r.dir, name)
		g, err := guest.Start(ctx, guest.Config{Name: name, Dir: dir, Kernel: r.kernels[i], Busybox: busybox,
			Disk: filepath.Join(dir, "disk.img"), Network: true, Files: files, Services: append(host.Services(root), r.beats(name))})
		if err != nil {
			return err
		}
		r.watchers[i].guest = g
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
