//go:build lab

// Package failpoint names the places at which a crash is worth trying; this is its lab
// build, in which they can be armed.
package failpoint

import (
	"fmt"
	"os"
	"sync"
	"syscall"
)

// Variable of the environment says which points are armed, and how.
const Variable = "HOTSTICK_FAILPOINTS"

// armed is read once; a lab build that was told nonsense does not run.
var armed = sync.OnceValue(func() *arms {
	set, err := parse(os.Getenv(Variable))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	return &arms{left: set}
})

type arms struct {
	mu   sync.Mutex
	left map[Name]int // how often the point is passed before it kills
}

// Here ends the process at once if the point is armed and its turn has come.
func Here(name Name) {
	a := armed()
	if len(a.left) == 0 {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	n, ok := a.left[name]
	if !ok {
		return
	}
	if a.left[name] = n - 1; n > 1 {
		return
	}
	fmt.Fprintf(os.Stderr, "failpoint %s: killed\n", name)
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL) // cannot fail on oneself
	select {}                                      // the signal is on its way
}
