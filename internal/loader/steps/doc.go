// Package steps is how a loader has its host changed by a vendor's own tools, which need
// what the loader has not: package managers, the network, a daemon's socket. The loader
// asks for a step and goes on watching; the step runs in a process of its own
// (hotstick-loader step NAME, as hotstick-step@NAME.service where systemd is), verifies
// again that it is justified (see [Justify]), does it with the driver's [driver.Stepper],
// and says how it went. To the loader a vendor's system looks like any other: see [Changer].
// On Windows, where agent, loader and steps are one service, the same step runs within the
// loader's process: see [Within].
//
// # The desk
//
// Loader and step meet in a directory that only root may open, in memory, so that it is
// empty after a boot. Each file is written as a whole.
//
//	driver-request.json  what is asked for; the step renames it to
//	driver-taken.json    what is being done; removed once there is an answer
//	driver-answer.json   how the newest step ended
//	lock                 locked by the step for as long as it runs
//
// The lock is the kernel's word for whether a step runs: it goes with the process, however
// that ends. There is one desk and one lock, so there is one step at a time, of whatever
// driver, and none beside a touch. What follows from the files, whoever reads them and
// after whatever crash:
//
//	request              the step is about to begin; after [startTime] it never will
//	taken, locked        it runs
//	taken, an answer     it has ended as the answer says
//	taken, neither       it was ended before it could say how it went
//	an answer            it has ended as the answer says
//
// A loader that was restarted reads the same, so it never asks for what is under way.
//
// # Time
//
// A request carries its limit, after which the step makes what it has started end (see
// package hostcmd). Before that the loader may tell it that nothing more is wanted, because
// the host is ill, say: then it begins nothing more, and a package manager that runs may
// still finish. Only [driver.StepGrace] after its limit is a step killed.
//
// What is refused for a cause that may pass, such as the lock of a package manager, the step
// itself tries again, for half of its time. A step that was killed before it could answer is
// refused like that too, so the loader asks for another, a few times.
//
// # What vendors' programs say
//
// Some drivers have to run a program of the vendor to tell what they can do here, or what is
// in effect. The loader's unit forbids most of what such programs do, and each run costs. So
// the loader runs none: it asks for `hotstick-loader step observe`, which keeps what the
// programs said in said-NAME.json, and each step of such a driver does so too before it
// ends. Answers are asked anew after five minutes, twenty seconds during an attempt of the
// driver, or once the kernel has other modules of strangers loaded, and count for twenty
// minutes at most; see [Programs]. What the kernel itself shows is read at once, always.
package steps
