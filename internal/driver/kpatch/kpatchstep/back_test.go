package kpatchstep_test

import (
	"context"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver"
	"github.com/hotstick/hotstick/internal/driver/kpatch/kpatchstep"
)

// told are programs that do nothing but remember that they were run.
type told []string

func (p *told) Run(_ context.Context, argv ...string) (driver.Ran, error) {
	*p = append(*p, strings.Join(argv, " "))
	return driver.Ran{}, nil
}

// A unit that loads at boot what is installed speaks against a new level. On the way back the
// host is ill now, so the level before is loaded whatever the next boot does.
func TestWhatTheNextBootLoadsKeepsNoHostFromGoingBack(t *testing.T) {
	module := []byte("the level before")
	for _, system := range []string{"fedora", "rhel"} {
		fsys := fstest.MapFS{
			"etc/os-release":                      {Data: []byte("ID=" + system + "\n")},
			"proc/sys/kernel/osrelease":           {Data: []byte("6.1\n")},
			"proc/modules":                        {Data: []byte("ext4 811008 1 - Live 0x0\n")},
			"sys/kernel/livepatch":                {Mode: fs.ModeDir | 0o755},
			"usr/sbin/kpatch":                     {Data: []byte("VERSION=0.9\n")},
			"var/lib/kpatch/6.1/livepatch-fix.ko": {Data: module},
			"etc/systemd/system/multi-user.target.wants/kpatch.service": {},
		}
		recipe := hotstick.Recipe{Schema: hotstick.RecipeSchema, Driver: "kpatch", Module: "livepatch_fix", File: hotstick.NewDigest(module)}
		var ran told
		stepper := kpatchstep.New(fsys, &ran).(driver.Particular).Only([]string{"livepatch_bad"})
		mustRefuse(t, stepper.Apply(t.Context(), recipe), hotstick.ReasonOtherMaster, false)
		if len(ran) > 0 {
			t.Errorf("%s: forth it ran %q", system, ran)
		}
		if err := stepper.(driver.Returning).Back().Apply(t.Context(), recipe); err != nil || len(ran) != 1 || !strings.HasPrefix(ran[0], "kpatch load ") {
			t.Errorf("%s: back it ran %q (%v)", system, ran, err)
		}
	}
}
