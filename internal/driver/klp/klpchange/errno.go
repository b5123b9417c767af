package klpchange

import (
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver"
)

// why is an error of the kernel and what is known around it.
type why struct {
	errno      unix.Errno
	security   hotstick.SecurityFacts
	transition bool
	// said are the lines of the kernel log that explain the error; empty if none do.
	said string
}

// refuse writes the kernel's word and what it means here.
func (w why) refuse(code hotstick.ReasonCode, verb, module, meaning string) *driver.Refusal {
	if w.said != "" {
		meaning += "; the kernel says: " + w.said
	}
	return driver.Refuse(code, "%s %s: %s: %s", verb, module, unix.ErrnoName(w.errno), meaning)
}

// Limits of what is quoted of the kernel log.
const (
	maxQuoted      = 2
	maxQuotedBytes = 160
)

// explanation picks the lines that tell why a module was refused: the newest that are of
// live patching or name the module, but not those that tell how far it came.
func explanation(lines []string, module string) string {
	var quoted []string
	for _, line := range lines {
		about := strings.HasPrefix(line, "livepatch: ") || strings.HasPrefix(line, "Lockdown: ") || strings.HasPrefix(line, "Loading of ") || strings.Contains(line, module)
		progress := strings.Contains(line, "enabling patch") || strings.Contains(line, "transition") || strings.Contains(line, "taint")
		if about && !progress {
			quoted = append(quoted, line[:min(len(line), maxQuotedBytes)])
		}
	}
	return strings.ToValidUTF8(strings.Join(quoted[max(0, len(quoted)-maxQuoted):], " / "), "?")
}

func (w why) retry(code hotstick.ReasonCode, verb, module, meaning string) *driver.Refusal {
	r := w.refuse(code, verb, module, meaning)
	r.Retry = true
	return r
}

// load translates an error of finit_module(2) (kernel/module, kernel/livepatch).
// An error after which nobody can say that nothing changed is no refusal.
func (w why) load(module string) error {
	const verb = "load"
	switch w.errno {
	case unix.EBUSY:
		if w.transition {
			return w.retry(hotstick.ReasonTransitionBusy, verb, module, "another transition has begun")
		}
		return w.refuse(hotstick.ReasonKernelRefused, verb, module, "ftrace is off, or something else redirects the same function (see the flag I in /sys/kernel/tracing/enabled_functions)")
	case unix.EEXIST:
		return w.retry(hotstick.ReasonKernelRefused, verb, module, "a module of that name has just been loaded")
	case unix.ENOMEM:
		return w.retry(hotstick.ReasonKernelRefused, verb, module, "the kernel has no memory for it now")
	case unix.ETXTBSY:
		return w.retry(hotstick.ReasonKernelRefused, verb, module, "the file is open for writing")
	case unix.EKEYREJECTED, unix.ENOKEY, unix.EBADMSG, unix.ENOPKG, unix.EKEYEXPIRED, unix.EKEYREVOKED:
		return w.refuse(hotstick.ReasonSignature, verb, module, "the kernel wants a module signature from a key that it knows (see /proc/keys), and this is none")
	case unix.EPERM:
		return w.denied(verb, module)
	case unix.ENOEXEC:
		return w.refuse(hotstick.ReasonKernelRefused, verb, module, "the vermagic does not fit this kernel's, or the kernel was built without live patching")
	case unix.EINVAL:
		return w.refuse(hotstick.ReasonKernelRefused, verb, module, "a function it patches is missing or ambiguous, a symbol's version differs, or its states do not go with what is installed (the kernel log says which)")
	case unix.ENOENT:
		return w.refuse(hotstick.ReasonKernelRefused, verb, module, "a symbol it needs is missing (the kernel log says which)")
	case unix.EACCES:
		return w.refuse(hotstick.ReasonKernelRefused, verb, module, "a security module of the kernel, such as SELinux, forbids it")
	case unix.E2BIG, unix.EFBIG, unix.ENOSPC:
		return w.refuse(hotstick.ReasonKernelRefused, verb, module, "it is larger than the kernel takes")
	case unix.ENODEV:
		return w.refuse(hotstick.ReasonKernelRefused, verb, module, "a callback of the patch said that this host is not what it is made for")
	case unix.ENOSYS:
		return w.refuse(hotstick.ReasonUnsupported, verb, module, "this kernel loads no modules")
	case unix.EINTR, unix.EIO, unix.EFAULT, unix.ETIMEDOUT:
		return fmt.Errorf("cannot load %s: %w", module, w.errno)
	}
	return w.refuse(hotstick.ReasonKernelRefused, verb, module, "the module's own start-up, or a callback of the patch, said no")
}

// denied tells apart the reasons for EPERM.
func (w why) denied(verb, module string) *driver.Refusal {
	if off := w.security.ModulesDisabled; off != nil && *off {
		return w.refuse(hotstick.ReasonModulesDisabled, verb, module, "kernel.modules_disabled is 1 until the next boot")
	}
	if verb == "load" && w.security.Lockdown != "" && w.security.Lockdown != "none" {
		return w.refuse(hotstick.ReasonSignature, verb, module, "the kernel is locked down ("+w.security.Lockdown+") and takes only modules signed with a key that it knows")
	}
	return w.refuse(hotstick.ReasonKernelRefused, verb, module, "this process lacks CAP_SYS_MODULE")
}

// disable translates an error of writing to "enabled".
func (w why) disable(module string) error {
	const verb = "disable"
	switch w.errno {
	case unix.EBUSY:
		return w.retry(hotstick.ReasonTransitionBusy, verb, module, "another transition has begun")
	case unix.EINVAL:
		// The patch changed between the look and the write; the next look tells.
		return w.retry(hotstick.ReasonKernelRefused, verb, module, "it is not enabled any more")
	case unix.EACCES, unix.EPERM, unix.EROFS:
		return w.refuse(hotstick.ReasonKernelRefused, verb, module, "this process may not write to /sys/kernel/livepatch")
	case unix.ENOMEM, unix.EINTR:
		return w.retry(hotstick.ReasonKernelRefused, verb, module, "the kernel could not do it now")
	}
	return fmt.Errorf("cannot disable %s: %w", module, w.errno)
}

// unload translates an error of delete_module(2).
func (w why) unload(module string) error {
	const verb = "unload"
	switch w.errno {
	case unix.EWOULDBLOCK:
		return w.retry(hotstick.ReasonKernelRefused, verb, module, "the kernel still holds it; a patch that was forced is held until the next boot")
	case unix.EBUSY:
		return w.retry(hotstick.ReasonKernelRefused, verb, module, "it is on its way in or out, or has no exit function and stays until the next boot")
	case unix.EACCES:
		return w.refuse(hotstick.ReasonKernelRefused, verb, module, "a security module of the kernel, such as SELinux, forbids it")
	case unix.EPERM:
		return w.denied(verb, module)
	}
	return fmt.Errorf("cannot unload %s: %w", module, w.errno)
}
