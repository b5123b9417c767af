package main

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/hotstick/hotstick/internal/demo/house"
	"github.com/hotstick/hotstick/internal/guest/kernelpkg"
	"github.com/hotstick/hotstick/internal/loader/ledger"
)

// options say how to run the proof.
type options struct {
	// dir holds everything that the run makes.
	dir               string
	programs, patches string
	// points is how many places in the log are cut at, and cuts how often the power of
	// a running guest goes.
	points, cuts int
	// only, if it is not 0, is the one point to look at, by its number.
	only int
	seed string
	// replay is the directory of a run that was kept, whose points are looked at again.
	replay string
	// bug is planted in the loader.
	bug string
	// course takes what happens while it runs.
	course io.Writer
}

// rig is what all machines of a run share.
type rig struct {
	options
	kernel  kernelpkg.Kernel
	busybox string
	levels  []level
	began   time.Time
	// number is the seed's.
	number uint64
	report report
}

// lifeDir is the directory of the machine whose log has the points.
const lifeDir = "life"

// lifeLevels is how many levels a life takes; each cut takes one more.
const lifeLevels = 3

// prove cuts the power at places in a log, then that of running guests.
func prove(ctx context.Context, o options) (report, error) {
	h := fnv.New64a()
	h.Write([]byte(o.seed))
	g := &rig{options: o, began: time.Now(), number: h.Sum64(), report: report{Seed: o.seed, Wanted: o.points, WantedCuts: o.cuts}}
	var err error
	if o.replay != "" {
		err, g.report.WantedCuts = g.again(ctx), 0
	} else {
		err = g.live(ctx)
	}
	g.report.Seconds = time.Since(g.began).Seconds()
	if g.only != 0 {
		g.report.Wanted = 1
	}
	g.report.judge(g.bug != "")
	return g.report, err
}

// live is a life, looked at at points of its log, and what comes after it, cut off.
func (g *rig) live(ctx context.Context) error {
	m, err := g.prepare(ctx)
	if err != nil {
		return err
	}
	left, err := g.atPoints(ctx, m)
	if err != nil || g.cuts == 0 {
		return err
	}
	return g.cutsOff(ctx, &machine{rig: g, house: m.house, dir: filepath.Join(g.dir, "cuts"), id: m.id}, left)
}

// say tells of what happens.
func (g *rig) say(format string, args ...any) {
	fmt.Fprintf(g.course, "%6.1fs %s\n", time.Since(g.began).Seconds(), fmt.Sprintf(format, args...))
}

// prepare makes a house and a disk with it.
func (g *rig) prepare(ctx context.Context) (*machine, error) {
	programs, err := house.FindPrograms(g.programs)
	if err != nil {
		return nil, err
	}
	if err := g.fetch(ctx); err != nil {
		return nil, err
	}
	if g.levels, err = makeLevels(ctx, g.patches, filepath.Join(g.dir, "patches"), g.kernel, lifeLevels+g.cuts); err != nil {
		return nil, err
	}
	listen, err := house.PickAddress("127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	m := &machine{rig: g, house: &house.House{Dir: filepath.Join(g.dir, "house"), Listen: listen, Programs: programs}, dir: filepath.Join(g.dir, lifeDir)}
	for _, dir := range []string{m.house.Dir, m.dir} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, err
		}
	}
	if err := m.house.Init(ctx); err != nil {
		return nil, err
	}
	// The server's directory becomes a part of the disk as it is; its files are for it alone.
	tree := filepath.Join(g.dir, "tree")
	err = os.Mkdir(tree, 0o755)
	if err == nil {
		err = os.Rename(m.house.DataDir(), filepath.Join(tree, serverDir))
	}
	if err == nil {
		err = os.Symlink(filepath.Join(tree, serverDir), m.house.DataDir())
	}
	if err != nil {
		return nil, fmt.Errorf("cannot put the server's directory on a disk: %w", err)
	}
	return m, makeDisk(ctx, tree, m.disk())
}

// fetch gets what a guest needs to boot.
func (g *rig) fetch(ctx context.Context) error {
	var err error
	if g.kernel, err = kernelpkg.Fetch(ctx, "", kernelpkg.Want{Line: "6.1", Which: kernelpkg.Oldest}, nil); err != nil {
		return err
	}
	g.busybox, err = kernelpkg.Busybox(ctx, "", nil)
	return err
}

// makeDisk makes an ext4 image with a directory's files, as large ones are made.
func makeDisk(ctx context.Context, tree, file string) error {
	if err := sparse(file, diskBytes); err != nil {
		return err
	}
	_, err := tool(ctx, "mkfs.ext4", "-q", "-F", "-b", "4096", "-d", tree, file)
	return err
}

// tool runs one of e2fsprogs, which stand where only root looks.
func tool(ctx context.Context, name string, args ...string) (string, error) {
	program, err := exec.LookPath(name)
	if err != nil {
		program = "/sbin/" + name
	}
	out, err := exec.CommandContext(ctx, program, args...).CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%s: %w: %s", name, err, strings.TrimSpace(string(out)))
	}
	return string(out), err
}

// recovered lets the guest mount what a disk holds, so that the kernel mends its file
// system as after a power cut, and holds the files on it against the facts.
func (m *machine) recovered(ctx context.Context, disk []byte, facts []fact) (*ledger.Ledger, []error, error) {
	if err := overwrite(m.check(), disk); err != nil {
		return nil, nil, err
	}
	out, code, err := m.guest.Run(ctx, "mkdir -p /mnt && mount -t ext4 -o noatime "+checkDevice+" /mnt && umount /mnt")
	if err != nil {
		return nil, nil, err
	}
	if code != 0 {
		return nil, []error{fmt.Errorf("the kernel cannot mount the disk: %s", out)}, nil
	}
	if _, err := tool(ctx, "e2fsck", "-fn", m.check()); err != nil {
		return nil, []error{fmt.Errorf("the file system is not whole after the kernel's recovery: %w", err)}, nil
	}
	dir, err := os.MkdirTemp(m.dir, "found-")
	if err != nil {
		return nil, nil, err
	}
	defer os.RemoveAll(dir)
	if _, err := tool(ctx, "debugfs", "-R", "rdump / "+dir, m.check()); err != nil {
		return nil, nil, err
	}
	led, faults := examine(ctx, dir, facts)
	return led, faults, nil
}

// overwrite replaces the content of a drive that the guest has, in place.
func overwrite(file string, disk []byte) error {
	f, err := os.OpenFile(file, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(disk, 0)
	return errors.Join(err, f.Close())
}

// seeded gives the random numbers of one part of a run.
func (g *rig) seeded(part uint64) *rand.Rand { return rand.New(rand.NewPCG(g.number, part)) }
