// Package reboot sees what the driver reboot does: the fixed kernel itself, for hosts
// whose kernel no live patch covers. Package rebootstep changes hosts.
//
// A level is the kernel build that a recipe names as its target. It is in effect if that
// build runs and Hotstick has booted it: the kernel's own build ID decides, and neither
// what is installed nor what the boot loader would start next. A kernel that somebody
// else has booted is no level and is not listed.
//
// # The state
//
// The driver remembers what it is in the middle of in one file, [StateFile], which it
// replaces as a whole and syncs, and which anybody may read:
//
//	preparing   the host is being emptied, packages are installed, the boot is armed
//	ordered     the machine was told to boot the target
//	settled     the target is what every next boot starts
//	returning   the machine was told to boot the kernel before again
//
// Boot in it is the boot in which that was written. So a restart of the machine is told
// from one that the driver ordered, and a half-way state of an earlier boot from one of
// this boot.
//
// A reboot that begins while an earlier one is settled does not forget that one: what it
// led from is kept under earlier, and counts again once the newer one has come to nothing.
// Nor does it forget what an unfinished one owes: hooks that have emptied the host, and a
// kernel that is chosen for the next boot.
package reboot
