package loadercmd

import (
	"io/fs"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/kernel/tasks"
)

// taskTime bounds one look at the tasks of the kernel. Every five seconds that is a
// twentieth of a CPU at most, and only while a transition has stalled.
const taskTime = 250 * time.Millisecond

// taskWatch is what the loader asks for the tasks behind a stalled transition.
type taskWatch struct {
	watch *tasks.Watch
	clock clock
}

func newTaskWatch(fsys fs.FS) *taskWatch { return &taskWatch{watch: tasks.NewWatch(fsys)} }

// Blocking implements loader.Tasks.
func (w *taskWatch) Blocking(patches []hotstick.LoadedPatch) hotstick.Stall {
	moving, ok := tasks.Moving(patches)
	if !ok {
		return hotstick.Stall{}
	}
	end := w.clock.Uptime() + taskTime
	return w.watch.Look(moving, func() bool { return w.clock.Uptime() > end })
}
