package tasks_test

import (
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
	"unicode/utf8"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/kernel/tasks"
)

func never() bool { return false }

// host is a tree of /proc.
type host struct{ fstest.MapFS }

func (h host) put(pid, tid int, files map[string]string) {
	for name, text := range files {
		h.MapFS[fmt.Sprintf("proc/%d/task/%d/%s", pid, tid, name)] = &fstest.MapFile{Data: []byte(text)}
	}
}

// task adds a thread as a kernel shows it.
func (h host) task(pid, tid int, patchState, letter string, flags int, stack ...string) {
	text := ""
	for _, frame := range stack {
		text += "[<0>] " + frame + "\n"
	}
	h.put(pid, tid, map[string]string{"patch_state": patchState + "\n", "comm": fmt.Sprintf("t%d\n", tid), "stack": text,
		"stat": fmt.Sprintf("%d (a) b)) %s 1 1 1 0 -1 %d 0 0 0\n", tid, letter, flags)})
}

var into = tasks.Transition{Module: "fix_2", State: hotstick.TransitionIn, Functions: []string{"vmlinux:unix_ioctl,1", "nfs:nfs_read,1"}, Patches: []string{"fix_1", "fix_2"}}

func look(h host, t tasks.Transition) hotstick.Stall { return tasks.NewWatch(h).Look(t, never) }

func TestTheLikelyCauseIsConcluded(t *testing.T) {
	deep := strings.Split(strings.Repeat("deeper+0x1/0x2 ", 64), " ")[:64]
	for _, c := range []struct {
		what, letter string
		stack        []string
		want         hotstick.BlockCause
		function     string
	}{
		{"asleep in a patched function", "S", []string{"schedule+0x1/0x2", "unix_ioctl+0x30/0x90"}, hotstick.BlockInside, "unix_ioctl"},
		{"waiting in a patched function of a module", "D", []string{"nfs_read+0x30/0x90 [nfs]"}, hotstick.BlockInside, "nfs_read"},
		{"the module's build ID is shown too", "D", []string{"nfs_read+0x30/0x90 [nfs 0123456789abcdef]"}, hotstick.BlockInside, "nfs_read"},
		{"asleep in the code of a patch", "S", []string{"fixed_ioctl+0x30/0x90 [fix_1]"}, hotstick.BlockInside, "fixed_ioctl"},
		{"a function of that name in another module", "D", []string{"nfs_read+0x30/0x90 [ksmbd]"}, hotstick.BlockUninterruptible, ""},
		{"a longer name", "S", []string{"unix_ioctl_more+0x30/0x90"}, hotstick.BlockAsleep, ""},
		{"stopped", "T", []string{"do_signal_stop+0x1/0x2"}, hotstick.BlockStopped, ""},
		{"traced", "t", nil, hotstick.BlockStopped, ""},
		{"waiting for a file server", "D", []string{"rpc_wait_bit_killable+0x1/0x2"}, hotstick.BlockUninterruptible, ""},
		{"running", "R", nil, hotstick.BlockRunning, ""},
		{"a deep stack", "S", deep, hotstick.BlockStack, ""},
		{"asleep elsewhere", "S", []string{"do_sys_poll+0x1/0x2"}, hotstick.BlockAsleep, ""},
		{"idle", "I", nil, hotstick.BlockAsleep, ""},
		{"something new", "Y", nil, hotstick.BlockUnknown, ""},
	} {
		t.Run(c.what, func(t *testing.T) {
			h := host{fstest.MapFS{}}
			h.task(7, 8, "0", c.letter, 0, c.stack...)
			s := look(h, into)
			if len(s.Blockers) != 1 || s.Blockers[0].Cause != c.want || s.Blockers[0].Function != c.function || s.Blockers[0].State != c.letter {
				t.Fatalf("found %+v", s.Blockers)
			}
			if err := s.Validate(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestOnlyThreadsThatHaveNotSwitchedBlock(t *testing.T) {
	h := host{fstest.MapFS{}}
	h.task(1, 1, "1", "S", 0)
	h.task(2, 2, "-1", "S", 0)
	h.task(3, 3, "1", "S", 0)
	h.task(3, 30, "0", "S", 0x00200000)
	h.put(4, 4, map[string]string{"comm": "gone\n"})
	h.MapFS["proc/uptime"] = &fstest.MapFile{}
	s := look(h, into)
	if s.Tasks != 1 || len(s.Blockers) != 1 || s.Blockers[0].PID != 3 || s.Blockers[0].TID != 30 || !s.Blockers[0].Kernel || s.Blockers[0].Command != "t30" || s.Partial {
		t.Errorf("on the way in: %+v", s)
	}
	back := into
	back.State = hotstick.TransitionOut
	if s := look(h, back); s.Tasks != 2 || s.Blockers[0].TID != 1 || s.Blockers[1].TID != 3 || s.State != hotstick.TransitionOut {
		t.Errorf("on the way out: %+v", s)
	}
}

func TestTheUnitIsTheOneThatCanBeRestarted(t *testing.T) {
	for cgroups, want := range map[string]string{
		"0::/system.slice/nfs-server.service\n":                            "nfs-server.service",
		"0::/system.slice/docker-1.scope/inner.service\n":                  "docker-1.scope",
		"0::/user.slice/user-7.slice/user@7.service/app.slice/x.service\n": "user@7.service",
		"0::/init.scope\n": "init.scope",
		"0::/\n":           "",
		"12:memory:/other.service\n1:name=systemd:/system.slice/old.service\n0::/\n": "old.service",
		"":          "",
		"malformed": "",
	} {
		h := host{fstest.MapFS{}}
		h.task(7, 7, "0", "S", 0)
		h.MapFS["proc/7/cgroup"] = &fstest.MapFile{Data: []byte(cgroups)}
		if s := look(h, into); s.Blockers[0].Unit != want {
			t.Errorf("%q gives %q", cgroups, s.Blockers[0].Unit)
		}
	}
}

func TestTheMostTellingBlockersAreDescribed(t *testing.T) {
	h := host{fstest.MapFS{}}
	for i := 1; i <= 60; i++ {
		h.task(i, i, "0", "S", 0)
	}
	h.task(40, 40, "0", "S", 0, "unix_ioctl+0x1/0x2")
	s := look(h, into)
	if s.Tasks != 60 || len(s.Blockers) != hotstick.MaxBlockers || s.Blockers[0].TID != 40 || s.Blockers[1].TID != 1 {
		t.Errorf("%d of %d, the first %+v", len(s.Blockers), s.Tasks, s.Blockers[0])
	}
}

// counted counts what is read.
type counted struct {
	fs.FS
	reads int
}

func (c *counted) Open(name string) (fs.File, error) {
	if strings.HasSuffix(name, "/patch_state") {
		c.reads++
	}
	return c.FS.Open(name)
}

func TestALookThatIsCutShortGoesOnInTheNext(t *testing.T) {
	h := host{fstest.MapFS{}}
	for i := 1; i <= 100; i++ {
		h.task(i, i, "1", "S", 0)
	}
	h.task(90, 90, "0", "D", 0)
	files := &counted{FS: h}
	w := tasks.NewWatch(files)
	var found []int
	for range 4 {
		n := 0
		s := w.Look(into, func() bool { n++; return n > 30 })
		found = append(found, s.Tasks)
		if !s.Partial {
			t.Error("a look at 30 of 100 processes is whole")
		}
	}
	if fmt.Sprint(found) != "[0 0 1 1]" || files.reads > 125 {
		t.Errorf("found %v with %d reads", found, files.reads)
	}
	h.task(90, 90, "1", "D", 0)
	if s := w.Look(into, never); s.Tasks != 0 || s.Partial {
		t.Errorf("it has switched: %+v", s)
	}
}

func TestManyBlockersAreCountedUpToALimit(t *testing.T) {
	h := host{fstest.MapFS{}}
	for tid := 1; tid <= 5000; tid++ {
		h.MapFS["proc/1/task/"+strconv.Itoa(tid)+"/patch_state"] = &fstest.MapFile{Data: []byte("0\n")}
	}
	h.task(2, 6000, "1", "S", 0)
	if s := look(h, into); s.Tasks != 4096 || !s.Partial {
		t.Errorf("%d tasks, partial %v", s.Tasks, s.Partial)
	}
}

// forbidden is a tree in which the states of tasks may not be read.
type forbidden struct{ fs.FS }

func (f forbidden) Open(name string) (fs.File, error) {
	if strings.HasSuffix(name, "/patch_state") {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrPermission}
	}
	return f.FS.Open(name)
}

func TestWhatMayNotBeReadIsAdmitted(t *testing.T) {
	h := host{fstest.MapFS{}}
	h.task(1, 1, "0", "S", 0)
	if s := tasks.NewWatch(forbidden{h}).Look(into, never); !s.Partial || s.Tasks != 0 {
		t.Errorf("%+v", s)
	}
}

func TestHostileNamesStayText(t *testing.T) {
	h := host{fstest.MapFS{}}
	h.task(7, 7, "0", "S", 0, strings.Repeat("x", 5000)+"+0x1/0x2")
	h.put(7, 7, map[string]string{"comm": "\x1b[2J\xff) R 1\n", "stat": "7 (\x1b) R 1 1) S 1 1 1 0 -1 0 0\n"})
	s := look(h, into)
	if b := s.Blockers[0]; s.Validate() != nil || strings.Contains(b.Command, "\x1b") || !utf8.ValidString(b.Command) || b.State != "S" {
		t.Errorf("%+v: %v", b, s.Validate())
	}
}

func TestOnlyOneTransitionMoves(t *testing.T) {
	patches := []hotstick.LoadedPatch{{Module: "fix_1", State: hotstick.InEffect}, {Module: "fix_2", State: hotstick.TransitionOut, Functions: []string{"vmlinux:f,1"}}}
	got, ok := tasks.Moving(patches)
	if !ok || got.Module != "fix_2" || got.State != hotstick.TransitionOut || len(got.Functions) != 1 || len(got.Patches) != 2 {
		t.Errorf("%+v, %v", got, ok)
	}
	if _, ok := tasks.Moving(patches[:1]); ok {
		t.Error("a transition where there is none")
	}
}
