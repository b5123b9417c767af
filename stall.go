package hotstick

import "fmt"

// Stall is a transition that does not end: which tasks keep it, and why as far as can
// be told. It is what a host sees now, not a step of an attempt.
type Stall struct {
	// Module is the patch in transition, ours or not.
	Module string `json:"module"`
	// State is transition_in or transition_out.
	State Effect `json:"state"`
	// ForMillis is how long the transition has run.
	ForMillis int64 `json:"for_millis"`
	// Tasks counts all tasks that have not switched yet; Blockers describes the first
	// of them, at most MaxBlockers.
	Tasks    int       `json:"tasks"`
	Blockers []Blocker `json:"blockers,omitempty"`
	// Partial: not every task was looked at, for lack of time or of rights, so there
	// may be more.
	Partial bool `json:"partial,omitempty"`
}

// Blocker is one thread that has not switched to the other code yet (source:
// /proc/PID/task/TID).
type Blocker struct {
	PID int `json:"pid"`
	TID int `json:"tid"`
	// Command is the thread's name as the kernel knows it; opaque.
	Command string `json:"command"`
	// Kernel: the thread has no user space, so no signal moves it.
	Kernel bool `json:"kernel,omitempty"`
	// State is the letter of /proc/PID/stat: R, S, D, T …
	State string `json:"state,omitempty"`
	// Unit is the systemd unit of the process; empty if it has none.
	Unit  string     `json:"unit,omitempty"`
	Cause BlockCause `json:"cause"`
	// Function is the function of the patch that the stack names; empty if none.
	Function string `json:"function,omitempty"`
	// Stack is the kernel's, innermost first, at most MaxStack lines; empty where it
	// cannot be read.
	Stack []string `json:"stack,omitempty"`
}

// Limits of what a host says of a stall.
const (
	MaxBlockers   = 16
	MaxStack      = 32
	maxStackLine  = 256
	maxTaskString = 256
)

// BlockCause is the likely cause for which a task does not switch. The set is closed.
type BlockCause string

// The causes.
const (
	// BlockInside: it sleeps in a function that the patch changes.
	BlockInside BlockCause = "inside_function"
	// BlockRunning: it runs all the time, so its stack cannot be read.
	BlockRunning BlockCause = "running"
	// BlockUninterruptible: it waits for a device or a file server and cannot be woken.
	BlockUninterruptible BlockCause = "uninterruptible"
	// BlockStopped: somebody stopped it, by a signal or a debugger.
	BlockStopped BlockCause = "stopped"
	// BlockAsleep: it sleeps elsewhere and was not looked at yet; the next retry or
	// signal of the kernel moves it.
	BlockAsleep BlockCause = "asleep"
	// BlockStack: its stack is too deep or cannot be walked reliably.
	BlockStack BlockCause = "unreliable_stack"
	// BlockUnknown: the kernel tells nothing of it.
	BlockUnknown BlockCause = "unknown"
)

// blockGlossary is also the closed set.
var blockGlossary = map[BlockCause]string{
	BlockInside:          "It sleeps inside a function that the patch changes.",
	BlockRunning:         "It runs without a pause, so its stack cannot be checked.",
	BlockUninterruptible: "It waits for a device or a file server and cannot be woken.",
	BlockStopped:         "It was stopped by a signal or a debugger.",
	BlockAsleep:          "It sleeps and has not passed a point at which it can switch.",
	BlockStack:           "Its stack cannot be walked reliably.",
	BlockUnknown:         "The kernel does not say what it does.",
}

// BlockCauses returns the closed set.
func BlockCauses() []BlockCause {
	return []BlockCause{BlockInside, BlockRunning, BlockUninterruptible, BlockStopped, BlockAsleep, BlockStack, BlockUnknown}
}

// Meaning returns one sentence that explains the cause, and whether it exists.
func (c BlockCause) Meaning() (string, bool) {
	s, ok := blockGlossary[c]
	return s, ok
}

// Validate reports the first thing that is malformed.
func (s *Stall) Validate() error {
	switch {
	case s == nil:
		return nil
	case s.State != TransitionIn && s.State != TransitionOut:
		return fmt.Errorf("cannot use a stall in the state %.40q", string(s.State))
	case s.ForMillis < 0 || s.Tasks < 0 || len(s.Module) > maxTaskString:
		return fmt.Errorf("cannot use a malformed stall")
	case len(s.Blockers) > MaxBlockers:
		return fmt.Errorf("cannot use %d blockers of a transition: the limit is %d", len(s.Blockers), MaxBlockers)
	}
	for _, b := range s.Blockers {
		if err := b.validate(); err != nil {
			return err
		}
	}
	return nil
}

func (b Blocker) validate() error {
	if _, ok := blockGlossary[b.Cause]; !ok {
		return fmt.Errorf("cannot use %.40q as the cause of a stall", string(b.Cause))
	}
	if len(b.Stack) > MaxStack || len(b.Command) > maxTaskString || len(b.Unit) > maxTaskString || len(b.Function) > maxTaskString || len(b.State) > 8 {
		return fmt.Errorf("cannot use a blocker whose texts are too long")
	}
	for _, line := range b.Stack {
		if len(line) > maxStackLine {
			return fmt.Errorf("cannot use a line of a stack of %d bytes: the limit is %d", len(line), maxStackLine)
		}
	}
	return nil
}
