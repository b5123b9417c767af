// Package kernel reads what Linux tells about itself: the host, the running
// build, the locks on module loading, the modules, and the live patches.
//
// Everything is read through an [fs.FS] whose root is the machine's: os.DirFS("/")
// in production, a recorded tree in tests, a simulated kernel elsewhere. Nothing
// here changes anything.
//
// # Absent is unknown
//
// A file that is missing, unreadable, too large or malformed leaves its field
// empty or nil; it is never taken for zero, no or none. The few facts without
// which nothing can be decided are errors instead: the boot ID, the build and the
// taint mask.
//
// # Sources
//
//	boot ID          /proc/sys/kernel/random/boot_id
//	boot time        btime of /proc/stat
//	host name        /proc/sys/kernel/hostname
//	machine ID       /etc/machine-id
//	distribution     PRETTY_NAME of /etc/os-release or /usr/lib/os-release
//	CPUs             /sys/devices/system/cpu/online
//	memory           MemTotal of /proc/meminfo
//	release, version /proc/sys/kernel/osrelease, version
//	architecture     /proc/sys/kernel/arch (since 6.1), else the caller's word
//	build ID         the GNU note of type 3 in /sys/kernel/notes
//	taint            /proc/sys/kernel/tainted
//	lockdown         /sys/kernel/security/lockdown
//	signatures       /sys/module/module/parameters/sig_enforce
//	no more modules  /proc/sys/kernel/modules_disabled
//	secure boot      the EFI variable SecureBoot
//	modules          /proc/modules, /sys/module/NAME/srcversion
//	live patches     /sys/kernel/livepatch, and modules with taint K
//
// The groups that a host may keep back, with all sources and caps: docs/reference/facts.md.
package kernel
