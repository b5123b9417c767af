package kmod

import (
	"fmt"
	"strings"

	"github.com/hotstick/hotstick"
)

// Info is what a module file says of itself. All strings come from the file and
// are opaque text.
type Info struct {
	// Name is the name under which the kernel lists the module.
	Name string
	// Vermagic names the kernel release and the options the module was built
	// with, such as "6.1.0-47-amd64 SMP preempt mod_unload modversions ".
	Vermagic string
	// Livepatch: the module is marked livepatch=Y. The kernel takes a module that
	// calls klp_enable_patch only with this mark.
	Livepatch bool
	// SrcVersion is the checksum of the module's sources; empty if the build did
	// not make one.
	SrcVersion string
	// BuildID is the GNU build ID that the linker has put in, in hexadecimal; empty if
	// there is none.
	BuildID string
	License string
	// Marks are what its symbols show of the way back.
	Marks Marks
	// Arch is the architecture as uname -m prints it; empty if it is one that
	// this package has no name for.
	Arch string
	// Signed: a signature is appended. It was not verified.
	Signed bool
	// SignedBy is the key that the signature names; zero if there is no telling.
	SignedBy hotstick.KernelKey
	// SignedHash is the hash that the signature is over, such as sha512; empty if there
	// is no telling.
	SignedHash string
}

// Release is the kernel release that the module was built for, the first word
// of its vermagic.
func (i Info) Release() string {
	release, _, _ := strings.Cut(i.Vermagic, " ")
	return release
}

// Problem is why a file was refused. The set is closed.
type Problem string

const (
	// TooLarge: the file, or a part of it, is over its limit.
	TooLarge Problem = "too_large"
	// Truncated: a part lies outside the file.
	Truncated Problem = "truncated"
	// NotModule: the file is not a 64-bit relocatable ELF file, or lacks a part
	// that every module has.
	NotModule Problem = "not_module"
	// Ambiguous: two readers could read two different things.
	Ambiguous Problem = "ambiguous"
	// Malformed: a part is there and cannot be read.
	Malformed Problem = "malformed"
)

// Error says why [Read] refused a file.
type Error struct {
	Problem Problem
	// Detail says which part, and what is wrong with it.
	Detail string
}

// Error implements error.
func (e *Error) Error() string {
	return "cannot read the kernel module: " + e.Detail
}

func refuse(p Problem, format string, args ...any) error {
	return &Error{Problem: p, Detail: fmt.Sprintf(format, args...)}
}
