package demo

import (
	"context"
	"fmt"
	"path/filepath"
	"runtime"
	"time"

	"github.com/hotstick/hotstick/internal/demo/host"
	"github.com/hotstick/hotstick/internal/guest/kernelpkg"
)

// patchName is the patch line of the demo; its levels are folders under patches/.
const patchName = "unix-ioctl"

// level is one level of the demo's patch, built for every kernel.
type level struct {
	number int
	folder string
	module string
	// artifacts by kernel release.
	artifacts map[string]string
}

// ref writes NAME@LEVEL.
func (l *level) ref() string { return fmt.Sprintf("%s@%d", patchName, l.number) }

// The demo's levels: a good one, one whose health probe fails, one that kills
// the kernel, and a good one after those two were withdrawn.
const (
	goodLevel   = 1
	badLevel    = 2
	killerLevel = 3
	againLevel  = 4
)

func (d *demo) stepPrepare(ctx context.Context) error {
	began := time.Now()
	defer func() { d.report.PreparationSeconds = elapsed(began) }()
	for _, line := range []string{"6.1", "6.12"} {
		k, err := kernelpkg.Fetch(ctx, d.cache, kernelpkg.Want{Line: line, Which: kernelpkg.Oldest}, d.rec.Progress)
		if err != nil {
			return err
		}
		d.rec.Note("kernel %s (package %s, build ID %.8s)", k.Release, k.Version, k.BuildID)
		d.kernels = append(d.kernels, k)
	}
	if err := d.buildLevels(ctx); err != nil {
		return err
	}
	return d.buildPrograms(ctx)
}

// buildLevels builds every level for every kernel, as many at once as there are
// processors.
func (d *demo) buildLevels(ctx context.Context) error {
	type job struct {
		level  *level
		kernel kernelpkg.Kernel
	}
	var jobs []job
	for n := goodLevel; n <= againLevel; n++ {
		d.levels[n] = &level{
			number: n, folder: filepath.Join(d.patches, fmt.Sprintf("%s-%d", patchName, n)),
			module: fmt.Sprintf("hotstick_unix_ioctl_%d", n), artifacts: map[string]string{},
		}
		for _, k := range d.kernels {
			jobs = append(jobs, job{d.levels[n], k})
		}
	}
	files := make([]string, len(jobs))
	err := host.InParallel(runtime.NumCPU(), len(jobs), func(i int) error {
		var err error
		files[i], err = jobs[i].kernel.BuildModule(ctx, jobs[i].level.folder, filepath.Join(d.Dir, "build", jobs[i].kernel.Release))
		return err
	})
	if err != nil {
		return err
	}
	for i, j := range jobs {
		j.level.artifacts[j.kernel.Release] = files[i]
	}
	d.rec.Note("built %d levels of %s for %d kernel builds", len(d.levels), patchName, len(d.kernels))
	return nil
}

// buildPrograms builds what runs inside the guests to tell whether the hole is
// open and whether sockets are healthy.
func (d *demo) buildPrograms(ctx context.Context) error {
	for _, source := range []string{"check.c", "probe.c"} {
		if _, err := kernelpkg.BuildProgram(ctx, filepath.Join(d.levels[goodLevel].folder, source), filepath.Join(d.Dir, "build")); err != nil {
			return err
		}
	}
	return nil
}

func (d *demo) stepInitialise(ctx context.Context) error {
	if err := d.Init(ctx); err != nil {
		return err
	}
	if err := d.StartServer(ctx); err != nil {
		return err
	}
	d.rec.Note("console on https://%s/ (sign in with the token %s)", d.Listen, d.Token)
	return nil
}
