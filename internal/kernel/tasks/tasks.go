package tasks

import (
	"cmp"
	"errors"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"github.com/hotstick/hotstick"
)

// Transition is what the tasks of a kernel are asked to follow.
type Transition struct {
	// Module is the patch in transition, and State the way it goes.
	Module string
	State  hotstick.Effect
	// Functions are what the patch changes, written OBJECT:FUNCTION,POSITION.
	Functions []string
	// Patches are the modules of all live patches in memory: a task that sleeps in
	// their code cannot leave it for other code.
	Patches []string
}

// Moving returns the transition that runs, if one does. There is never more than one.
func Moving(patches []hotstick.LoadedPatch) (Transition, bool) {
	var t Transition
	for _, p := range patches {
		t.Patches = append(t.Patches, p.Module)
		if p.State == hotstick.TransitionIn || p.State == hotstick.TransitionOut {
			t.Module, t.State, t.Functions = p.Module, p.State, p.Functions
		}
	}
	return t, t.Module != ""
}

// target is the patch_state that ends the transition.
func (t Transition) target() string {
	if t.State == hotstick.TransitionIn {
		return "1"
	}
	return "0"
}

// inside returns the function of the stack that keeps a task where it is; empty if
// none does. Lines look like
//
//	hotstick_busy_wait+0x8d/0xe0 [hotstick_busy_target]
func (t Transition) inside(stack []string) string {
	for _, frame := range stack {
		symbol, rest, _ := strings.Cut(frame, "+0x")
		object := "vmlinux"
		if _, module, ok := strings.Cut(rest, " ["); ok {
			object, _, _ = strings.Cut(strings.TrimSuffix(module, "]"), " ") // a build ID may follow
		}
		if slices.Contains(t.Patches, object) {
			return symbol
		}
		for _, f := range t.Functions {
			if name, _, _ := strings.Cut(f, ","); name == object+":"+symbol {
				return symbol
			}
		}
	}
	return ""
}

// thread is one task.
type thread struct{ pid, tid int }

func (t thread) file(name string) string {
	return "proc/" + strconv.Itoa(t.pid) + "/task/" + strconv.Itoa(t.tid) + "/" + name
}

const (
	// maxKnown bounds the blockers that are counted.
	maxKnown = 4096
	// maxDescribed bounds those that are described, of which the most telling are kept.
	maxDescribed = 64
)

// Watch looks at one transition after the other. It must not be used concurrently.
type Watch struct {
	fsys fs.FS
	// of and way are the transition that known belongs to.
	of    string
	way   hotstick.Effect
	known []thread
	// next is the process from which the next look goes on; 0 is the first one.
	next int
	// denied: the state of some thread may not be read.
	denied bool
}

// NewWatch returns a watch of the machine whose root is fsys.
func NewWatch(fsys fs.FS) *Watch { return &Watch{fsys: fsys} }

// Look tells which tasks have not followed the transition. Over is asked between two
// processes and ends the look early, which the answer then says. How long the transition
// has run is for the caller to fill in.
func (w *Watch) Look(t Transition, over func() bool) hotstick.Stall {
	if w.of != t.Module || w.way != t.State {
		*w = Watch{fsys: w.fsys, of: t.Module, way: t.State}
	}
	w.denied = false
	w.known = slices.DeleteFunc(w.known, func(k thread) bool { return !w.blocks(k, t.target()) })
	whole := w.search(t.target(), over)
	slices.SortFunc(w.known, func(a, b thread) int { return cmp.Or(a.pid-b.pid, a.tid-b.tid) })
	return hotstick.Stall{
		Module: t.Module, State: t.State, Tasks: len(w.known), Partial: !whole || w.denied || len(w.known) >= maxKnown,
		Blockers: w.describe(t),
	}
}

// blocks reports whether a thread has not switched yet.
func (w *Watch) blocks(k thread, target string) bool {
	raw, err := fs.ReadFile(w.fsys, k.file("patch_state"))
	if err != nil {
		w.denied = w.denied || errors.Is(err, fs.ErrPermission)
		return false // it has ended, more likely than not
	}
	state := strings.TrimSpace(string(raw))
	return (state == "0" || state == "1") && state != target
}

// search looks at every process once, from where the last search ended, and reports
// whether it came round.
func (w *Watch) search(target string, over func() bool) bool {
	pids := numbers(w.fsys, "proc")
	from, _ := slices.BinarySearch(pids, w.next)
	for i := range pids {
		pid := pids[(from+i)%len(pids)]
		if over() || len(w.known) >= maxKnown {
			w.next = pid
			return false
		}
		for _, tid := range numbers(w.fsys, "proc/"+strconv.Itoa(pid)+"/task") {
			k := thread{pid, tid}
			if len(w.known) < maxKnown && w.blocks(k, target) && !slices.Contains(w.known, k) {
				w.known = append(w.known, k)
			}
		}
	}
	w.next = 0
	return true
}

// numbers lists the entries of a directory that are numbers, in their order.
func numbers(fsys fs.FS, dir string) []int {
	entries, _ := fs.ReadDir(fsys, dir) // gone: it has no threads any more
	var found []int
	for _, e := range entries {
		if n, err := strconv.Atoi(e.Name()); err == nil && n > 0 {
			found = append(found, n)
		}
	}
	slices.Sort(found)
	return found
}
