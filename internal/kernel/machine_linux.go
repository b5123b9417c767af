package kernel

import "golang.org/x/sys/unix"

// Machine returns what uname -m prints, empty if the kernel does not say. It is
// for kernels before 6.1, which have no file that tells it.
func Machine() string {
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return ""
	}
	return unix.ByteSliceToString(name.Machine[:])
}
