package main

import (
	"context"
	"time"

	"github.com/hotstick/hotstick"
)

// scenario is one way in which a patch, or the world around it, goes wrong.
type scenario struct {
	name, does string
	// patch is the folder of the live patch.
	patch                 string
	probation, transition time.Duration
	// cmdline are kernel parameters.
	cmdline []string
	// skipIdle: the guest's clock leaps while it idles.
	skipIdle bool
	// byHand: no commit draws it, for how long it takes depends much on the machine.
	byHand bool
	// target are the commands that prepare the guest before the plan starts.
	target string
	// happen is what the world does once the plan has started. It returns when the
	// attempt is over.
	happen func(context.Context, *trial) error
	want   wanted
}

// Usual times of the plans.
const (
	usualProbation  = 12 * time.Second
	usualTransition = 15 * time.Second
	// longTransition leaves a host time to say who keeps it: a transition has stalled
	// after 15 s.
	longTransition = 30 * time.Second
)

const insertTarget = "insmod /survive/hotstick_busy_target.ko"

// scenarios are all, in the order of the issue that asks for them.
func scenarios() []scenario {
	crash := wanted{reboots: 1, end: hotstick.Quarantined, because: []hotstick.ReasonCode{hotstick.ReasonCrashNamed, hotstick.ReasonCrash}}
	back := func(because ...hotstick.ReasonCode) wanted { return wanted{end: hotstick.Reverted, because: because} }
	return []scenario{
		{name: "panic-at-once", does: "the kernel panics while the patch is loaded", patch: "killer-1", happen: comesDown, want: crash},
		{name: "panic-after-30s", does: "the kernel panics 30 s after the load", patch: "killer-2", probation: 45 * time.Second, happen: comesDown, want: crash},
		{name: "panic-after-10min", does: "the kernel panics 10 min after the load", patch: "killer-3", probation: 12 * time.Minute, skipIdle: true, byHand: true, happen: comesDownLate, want: crash},
		{name: "soft-lockup", does: "a CPU never comes back; the watchdog panics", patch: "killer-4", probation: 40 * time.Second,
			cmdline: []string{"softlockup_panic=1", "sysctl.kernel.watchdog_thresh=5"}, happen: comesDown, want: crash},
		{name: "kthread-asleep", does: "a kernel thread sleeps in the patched function", patch: "busy-1", transition: longTransition, target: insertTarget + " thread=1",
			happen: goesBack, want: wanted{end: hotstick.Reverted, because: []hotstick.ReasonCode{hotstick.ReasonTransitionStalled}, keeper: "hotstick_busy"}},
		{name: "network-dead", does: "the network card goes down after the load", patch: "unix-ioctl-1", happen: loseNetwork, want: back(hotstick.ReasonProbeFailed)},
		{name: "oops-only", does: "a thread oopses and the kernel goes on", patch: "killer-5", happen: goesBack, want: back(hotstick.ReasonKernelLog)},
		{name: "bad-revert", does: "a probe fails, and a task asleep in the new code keeps the way back", patch: "busy-2", target: insertTarget,
			happen: revertBadly, want: wanted{end: hotstick.Reverted, because: []hotstick.ReasonCode{hotstick.ReasonProbeFailed}, keeper: "cat"}},
		{name: "disk-full", does: "the disk of the ledger is full when the level is to be confirmed", patch: "unix-ioctl-1", target: ballast,
			probation: 40 * time.Second, happen: fillDisk, want: back(hotstick.ReasonLedgerUnwritable)},
		{name: "clock-jumps", does: "the wall clock leaps ten years ahead and back while on probation", patch: "unix-ioctl-1", happen: leapClock, want: wanted{end: hotstick.Confirmed, inEffect: true}},
		{name: "server-gone", does: "the server is killed once the attempt runs", patch: "unix-ioctl-1", happen: loseServer, want: wanted{end: hotstick.Confirmed, inEffect: true}},
		{name: "agent-killed", does: "the agent is killed and cannot start again", patch: "unix-ioctl-1", probation: 30 * time.Second, happen: loseAgent, want: back(hotstick.ReasonAgentSilent)},
	}
}

// module is the name of the patch's module.
func (s scenario) module() string { return moduleOf(s.patch) }
