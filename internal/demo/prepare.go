package demo

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/hotstick/hotstick/client"
	"github.com/hotstick/hotstick/internal/demo/host"
	"github.com/hotstick/hotstick/internal/guest"
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
	defer func() { d.rec.report.PreparationSeconds = elapsed(began) }()
	for _, line := range []string{"6.1", "6.12"} {
		k, err := kernelpkg.Fetch(ctx, d.cache, kernelpkg.Want{Line: line, Which: kernelpkg.Oldest}, d.rec.progress)
		if err != nil {
			return err
		}
		d.rec.note("kernel %s (package %s, build ID %.8s)", k.Release, k.Version, k.BuildID)
		d.kernels = append(d.kernels, k)
	}
	if err := d.buildLevels(ctx); err != nil {
		return err
	}
	return d.buildPrograms(ctx)
}

func (r *recorder) progress(text string) { r.note("%s", text) }

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
		files[i], err = jobs[i].kernel.BuildModule(ctx, jobs[i].level.folder, filepath.Join(d.dir, "build", jobs[i].kernel.Release))
		return err
	})
	if err != nil {
		return err
	}
	for i, j := range jobs {
		j.level.artifacts[j.kernel.Release] = files[i]
	}
	d.rec.note("built %d levels of %s for %d kernel builds", len(d.levels), patchName, len(d.kernels))
	return nil
}

// buildPrograms builds what runs inside the guests to tell whether the hole is
// open and whether sockets are healthy.
func (d *demo) buildPrograms(ctx context.Context) error {
	for _, source := range []string{"check.c", "probe.c"} {
		if _, err := kernelpkg.BuildProgram(ctx, filepath.Join(d.levels[goodLevel].folder, source), filepath.Join(d.dir, "build")); err != nil {
			return err
		}
	}
	return nil
}

// persons of the demo: one author and two approvers, who are other persons.
const author = "ada"

var approvers = []string{"grace", "edsger"}

func (d *demo) stepInitialise(ctx context.Context) error {
	args := []string{"init", "--data", d.dataDir(), "--keys", filepath.Join(d.dir, "keys"), "--listen", d.listen, "--url", d.guestURL(), "--approvals", "2"}
	for _, p := range append([]string{author}, approvers...) {
		args = append(args, "--person", p)
	}
	if _, err := d.must(ctx, args...); err != nil {
		return err
	}
	if err := d.connect(); err != nil {
		return err
	}
	if err := d.startServer(ctx); err != nil {
		return err
	}
	d.rec.note("console on https://%s/ (sign in with the token %s)", d.listen, d.token)
	return nil
}

// guestURL is the server as the guests see it.
func (d *demo) guestURL() string {
	_, port, _ := net.SplitHostPort(d.listen)
	return "https://" + net.JoinHostPort(guest.HostAddress, port)
}

// authority is the certificate that init made.
func (d *demo) authority() ([]byte, error) {
	pem, err := os.ReadFile(filepath.Join(d.dataDir(), "ca", "ca.pem"))
	if err != nil {
		return nil, fmt.Errorf("cannot read the server's CA: %v", err)
	}
	return pem, nil
}

// connect reads the context that init wrote, as any client would.
func (d *demo) connect() error {
	token, err := os.ReadFile(filepath.Join(d.dataDir(), "admin.token"))
	if err != nil {
		return fmt.Errorf("cannot read the admin token: %v", err)
	}
	d.token = string(token)
	authority, err := d.authority()
	if err != nil {
		return err
	}
	d.client, err = client.New(client.Options{Server: "https://" + d.listen, Token: d.token, Authority: authority})
	return err
}
