// Package tasks finds the tasks that keep a live patch's transition from ending, and
// says as far as can be told why.
//
// # What is read
//
//	/proc/PID/task/TID/patch_state  0: old code, 1: new code, -1: no transition
//	/proc/PID/task/TID/stack        where it sleeps, innermost first
//	/proc/PID/task/TID/stat         R, S, D, T …, and whether the kernel made it
//	/proc/PID/task/TID/comm         its name
//	/proc/PID/cgroup                the systemd unit of its process
//
// A thread blocks if its patch_state is not the one that the transition leads to. The
// rule is the kernel's own, and that of the kpatch tool. What the CPUs run while they
// idle has no directory in /proc: a transition without any blocker in sight waits for
// an idle CPU.
//
// # What it costs
//
// A look reads one small file for each thread of the host and five for each thread that
// it describes. It ends when its caller says so, and the next look goes on from there,
// after it has looked again at the blockers that are known. So a host with a hundred
// thousand threads is seen whole over some looks, and no look is long.
//
// # The likely cause
//
// The kernel says why a task does not switch only to its own debug log, so the cause is
// concluded from what the task does, in this order: a stack that names a function of the
// patch, or of a patch that is loaded; stopped; waiting uninterruptibly; running; a stack
// deeper than the kernel shows; asleep elsewhere.
package tasks
