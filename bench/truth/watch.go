package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hotstick/hotstick/internal/guest"
)

// lookPace is the pause between two looks at a kernel.
const lookPace = 250 * time.Millisecond

// sysfs prints what a look has. The shell's own words do it, for a guest without a
// processor of its own takes long to start a program.
const sysfs = `read -r boot </proc/sys/kernel/random/boot_id; echo "boot $boot"
for p in /sys/kernel/livepatch/*; do o=0
[ -e "$p/enabled" ] && read -r e <"$p/enabled" && read -r t <"$p/transition" || continue
[ -e "$p/stack_order" ] && read -r o <"$p/stack_order"
echo "patch ${p##*/} $e $t $o"; done 2>/dev/null`

// readLook reads what the kernel said.
func readLook(out string) (look, error) {
	var l look
	for text := range strings.Lines(out) {
		f := strings.Fields(text)
		switch {
		case len(f) == 2 && f[0] == "boot":
			l.boot = f[1]
		case len(f) == 5 && f[0] == "patch":
			order, err := strconv.Atoi(f[4])
			if err != nil || len(f[2]) != 1 || len(f[3]) != 1 {
				return l, fmt.Errorf("cannot read the kernel's state: it says %q", text)
			}
			l.patches = append(l.patches, patch{module: f[1], enabled: f[2] == "1", transition: f[3] == "1", order: order})
		}
	}
	if l.boot == "" {
		return l, fmt.Errorf("cannot read the kernel's state: it says %q", out)
	}
	return l, nil
}

// watcher looks at one kernel all the time.
type watcher struct {
	guest *guest.Guest
	clock func() time.Duration

	mu    sync.Mutex
	truth truth
	// stopped: the harness has stopped the agent, which is a mute of its own.
	stopped bool
}

// run looks until the context ends. A guest that goes down is mute from the last look
// that it answered until its next kernel answers and beats.
func (w *watcher) run(ctx context.Context) {
	for ctx.Err() == nil {
		from := w.clock()
		out, code, err := w.guest.Run(ctx, sysfs)
		l, unread := readLook(out)
		if err != nil || code != 0 || unread != nil {
			w.down()
		} else {
			l.from, l.to = from, w.clock()
			w.saw(l)
		}
		select {
		case <-ctx.Done():
		case <-time.After(lookPace):
		}
	}
}

// saw takes a look. A new boot tells that the host was down, whether or not a look
// failed meanwhile.
func (w *watcher) saw(l look) {
	w.mu.Lock()
	defer w.mu.Unlock()
	t := &w.truth
	last := len(t.looks) - 1
	if last >= 0 && t.looks[last].boot != l.boot && (len(t.mutes) == 0 || t.mutes[len(t.mutes)-1].until != 0) {
		t.mutes = append(t.mutes, mute{from: t.looks[last].to})
	}
	if n := len(t.mutes); n > 0 && t.mutes[n-1].until == 0 && !w.stopped {
		t.mutes[n-1].until, t.mutes[n-1].boot = l.to, l.boot
	}
	t.looks = append(t.looks, l)
}

// known is all that was seen so far.
func (w *watcher) known() truth {
	w.mu.Lock()
	defer w.mu.Unlock()
	return truth{slices.Clone(w.truth.looks), slices.Clone(w.truth.mutes), slices.Clone(w.truth.beats)}.untilItBeats()
}

// beat notes that a beat came of that boot.
func (w *watcher) beat(boot string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.truth.beats = append(w.truth.beats, beat{w.clock(), boot})
}

// down notes that a look failed.
func (w *watcher) down() {
	w.mu.Lock()
	defer w.mu.Unlock()
	t := &w.truth
	if n := len(t.mutes); len(t.looks) > 0 && (n == 0 || t.mutes[n-1].until != 0) {
		t.mutes = append(t.mutes, mute{from: t.looks[len(t.looks)-1].to})
	}
}

// stop tells that the agent was stopped, or goes on.
func (w *watcher) stop(stopped bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.clock()
	if w.stopped = stopped; stopped {
		w.truth.mutes = append(w.truth.mutes, mute{from: now})
	} else if n := len(w.truth.mutes); n > 0 {
		w.truth.mutes[n-1].until = now
	}
}
