// Package guest boots a real kernel in QEMU and lets a test, the lab or the demo
// work in it.
//
// # What a guest is
//
// A guest runs one kernel build out of package kernelpkg, unchanged, with an
// initramfs that is written here: busybox as PID 1, the modules the guest needs,
// the caller's files, and its services. An ext4 disk is mounted at
// /var/lib/hotstick and keeps its content through a panic, because the kernel
// reboots (panic=1) inside the same QEMU process.
//
// With [Config.Debian] the guest is a small Debian instead, with systemd as PID 1, for
// units and what depends on how a distribution boots. The guest's own part of it, the
// commands on the second serial line, lives in /run and not on the disk; the disk is a
// copy that ends with QEMU and outlives a reboot.
//
// With [Config.Firmware] it is booted by UEFI with Secure Boot, so the kernel is locked
// down and takes modules only that are signed with a key it knows.
//
// # Two serial lines
//
// The first serial line is the kernel's console; QEMU appends it to a file
// ([Guest.ConsoleLog]). The second carries commands ([Guest.Run]) and is what
// makes evidence independent: it goes through no agent and no network. Its
// protocol is line based and described at the type link. Each boot announces
// itself there with the kernel's boot ID, and a command is bound to one boot, so
// a command can neither be answered by the wrong boot nor hang because its boot
// died.
//
// # Crash evidence
//
// A part of the guest's memory is kept out of the kernel's hands (memmap=) and
// given to ramoops. QEMU's firmware does not clear memory on a reset, so after a
// panic the next boot finds the end of the kernel log, with the trace, in
// /sys/fs/pstore/dmesg-ramoops-0.
//
// # Emulation
//
// The default is QEMU's software emulation, single threaded and without cx16:
// with QEMU 7.2 both multi-threading and cx16 were seen to produce a false oops.
// /dev/kvm may exist and not work, so KVM is used only on request, and with
// [AccelAuto] only after a guest has really booted under it.
package guest
