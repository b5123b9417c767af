package fake

import (
	"os"
	"slices"
	"syscall"
	"time"

	"github.com/hotstick/hotstick/internal/kernel/kmod"
)

// Calls are the calls that touch a kernel, with the errors of the real one. They judge
// nothing; that is a driver's work.
type Calls struct{ k *Kernel }

// Calls returns the machine's own calls.
func (k *Kernel) Calls() Calls { return Calls{k} }

// Finit loads the module in the file.
func (c Calls) Finit(file *os.File) error {
	stat, err := file.Stat()
	if err != nil {
		return syscall.EIO
	}
	info, err := kmod.Read(file, stat.Size())
	if err != nil {
		return syscall.ENOEXEC
	}
	c.k.enter()
	defer c.k.leave()
	if c.k.down {
		return ErrDown
	}
	return c.k.finit(c.k.cfg.Clock(), info)
}

// Disable writes 0 to a patch's attribute "enabled".
func (c Calls) Disable(module string) error {
	c.k.enter()
	defer c.k.leave()
	if c.k.down {
		return ErrDown
	}
	return c.k.setEnabled(c.k.cfg.Clock(), module, false)
}

// Delete unloads a module.
func (c Calls) Delete(module string) error {
	c.k.enter()
	defer c.k.leave()
	if c.k.down {
		return ErrDown
	}
	return c.k.deleteModule(module)
}

// Help lets a transition end that waits for nothing but help.
func (c Calls) Help(module string) error {
	c.k.enter()
	defer c.k.leave()
	if c.k.down {
		return ErrDown
	}
	c.k.help(module)
	return nil
}

// Listen returns what gives the lines of the log that came since.
func (c Calls) Listen() (heard func() []string) {
	from := len(c.k.State().Log)
	return func() (lines []string) {
		for _, r := range c.k.State().Log[from:] {
			lines = append(lines, r.Text)
		}
		return lines
	}
}

// What follows expects the caller to hold the lock.

func (k *Kernel) find(name string) *module {
	i := slices.IndexFunc(k.modules, func(m *module) bool { return m.name == name })
	if i < 0 {
		return nil
	}
	return k.modules[i]
}

// finit loads a module and, if it is a live patch, starts its transition.
func (k *Kernel) finit(now time.Time, info kmod.Info) error {
	does := k.behaviours[info.Name]
	switch {
	case info.Release() != k.cfg.Build.Release || info.Arch != k.cfg.Build.Arch:
		return syscall.ENOEXEC
	case k.find(info.Name) != nil:
		return syscall.EEXIST
	case does.Errno != 0:
		if does.Says != "" {
			k.printk(now, "%s", does.Says)
		}
		return does.Errno
	case info.Livepatch && k.moving != nil:
		return syscall.EBUSY
	}
	m := &module{name: info.Name, srcver: info.SrcVersion, does: does, loadedAt: now, klp: info.Livepatch}
	k.modules = append(k.modules, m)
	k.taint |= taintOutOfTree
	if !info.Signed {
		k.taint |= taintUnsigned
	}
	if m.klp {
		k.taint |= taintLivepatch
		m.patched, m.enabled = true, true
		k.printk(now, "livepatch: enabling patch '%s'", m.name)
		k.startTransition(now, m)
	}
	k.catchUp(now)
	return nil
}

// setEnabled writes to the attribute of the same name.
func (k *Kernel) setEnabled(now time.Time, name string, value bool) error {
	m := k.find(name)
	switch {
	case m == nil || !m.patched:
		return syscall.ENOENT
	case m.enabled == value:
		return syscall.EINVAL
	case k.moving != nil && k.moving != m:
		return syscall.EBUSY
	}
	m.enabled = value
	k.startTransition(now, m)
	k.catchUp(now)
	return nil
}

// deleteModule unloads a module, as with O_NONBLOCK.
func (k *Kernel) deleteModule(name string) error {
	m := k.find(name)
	switch {
	case m == nil:
		return syscall.ENOENT
	case m.patched:
		return syscall.EWOULDBLOCK
	}
	k.modules = slices.DeleteFunc(k.modules, func(other *module) bool { return other == m })
	return nil
}

// help ends the transition of a module that only needed help.
func (k *Kernel) help(name string) {
	k.helped++
	if m := k.moving; m != nil && m.name == name && m.enabled && m.does.Sleepy {
		k.until = k.cfg.Clock()
		k.catchUp(k.until)
	}
}
