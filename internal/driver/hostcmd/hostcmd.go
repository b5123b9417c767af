// Package hostcmd runs the programs of the host that it runs on, for drivers.
package hostcmd

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"strings"

	"github.com/hotstick/hotstick/internal/driver"
)

// maxOutput bounds what is kept of each of a program's two outputs, in bytes.
const maxOutput = 256 << 10

// environment is all that a program gets: what it says must not depend on who is logged in,
// and nobody is there to be asked.
var environment = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/snap/bin", "LC_ALL=C", "HOME=/root", "TERM=dumb", "DEBIAN_FRONTEND=noninteractive"}

// Host runs programs of this host.
type Host struct{}

var _ driver.Commands = Host{}

// Run implements [driver.Commands]. A context that ends does not cut a program in half: see
// [program.await]. What the program has started and left behind by then is ended too.
func (Host) Run(ctx context.Context, argv ...string) (driver.Ran, error) {
	path, err := find(argv[0])
	if err != nil {
		return driver.Ran{}, err
	}
	if err := ctx.Err(); err != nil {
		return driver.Ran{}, fmt.Errorf("cannot run %s any more: %w", strings.Join(argv, " "), err)
	}
	p, err := start(path, argv[1:])
	if err != nil {
		return driver.Ran{}, fmt.Errorf("cannot run %s: %w", strings.Join(argv, " "), err)
	}
	ended := p.await(ctx, graceOf(path))
	ran, err := p.close(ended)
	if ended {
		return ran, fmt.Errorf("cannot wait for %s any longer: %w", strings.Join(argv, " "), ctx.Err())
	}
	if err != nil {
		return ran, fmt.Errorf("cannot run %s: %w", strings.Join(argv, " "), err)
	}
	return ran, nil
}

// Installed reports whether a program is on the host.
func Installed(program string) bool {
	_, err := find(program)
	return err == nil
}

// find looks a program up in the path that programs get.
func find(name string) (string, error) {
	if strings.Contains(name, "/") {
		if _, err := exec.LookPath(name); err != nil {
			return "", fmt.Errorf("%w: %s", driver.ErrNoProgram, name)
		}
		return name, nil
	}
	for dir := range strings.SplitSeq(strings.TrimPrefix(environment[0], "PATH="), ":") {
		if path, err := exec.LookPath(dir + "/" + name); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("%w: %s", driver.ErrNoProgram, name)
}

// capped keeps the first bytes of what is written to it and takes the rest as well.
type capped struct{ kept bytes.Buffer }

func (c *capped) Write(p []byte) (int, error) {
	if room := maxOutput - c.kept.Len(); room > 0 {
		c.kept.Write(p[:min(room, len(p))])
	}
	return len(p), nil
}
