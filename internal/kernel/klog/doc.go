// Package klog reads the kernel's log and what a crash left of it, and says
// which lines speak of a fault and whom a trace names.
//
// # Sources
//
// Records come from /dev/kmsg ([Kmsg], [ParseRecord]), or from text as a console
// or pstore shows it ([ParseText], [ReadPstore]). Only records of the facility
// kern count: everything else in /dev/kmsg was written by a process, which could
// feign a fault.
//
// # Faults
//
// A fault begins with a line of a closed list of forms (see [Kind]) and takes in
// the lines that follow, until its end mark, the next fault, or its limits. The
// list follows the wording of Linux 6.1, 6.12 and 7.3.
//
// What says that the machine lacks something is no fault of the kernel: a failed
// allocation of pages, a task that is killed for want of memory, an error of a disk or
// of a file system. The probes of the host's health see these.
//
// # Who is named
//
// A trace names a module or function if one of its reliable frames lies there:
//
//	RIP: 0010:unix_ioctl+0x41/0x130 [hotstick_unix_ioctl_3]
//	 hotstick_kill+0x15/0x20 [hotstick_unix_ioctl_3]
//
// Frames marked "?" are leftovers on the stack and name nobody; neither does the
// list after "Modules linked in:", in which every loaded module stands.
package klog
