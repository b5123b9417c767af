package hotstick

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/hotstick/hotstick/internal/shape"
)

// Touch is one thing beside the kernel's code that a patch level needs, such as a
// sysctl, and that is put back when the level goes. It is part of what the catalog
// signs. What it means, and in which order, says package internal/loader/touch.
type Touch struct {
	Kind TouchKind `json:"kind" yaml:"kind"`
	// When says on which side of the load it is done. On the way back it is undone on
	// the same side.
	When TouchWhen `json:"when" yaml:"when"`
	// Name is what is touched: a sysctl as sysctl(8) writes it, a parameter as
	// MODULE.PARAMETER, a module, a systemd unit, or, for a command, a word for people.
	Name string `json:"name" yaml:"name"`
	// Value is what a sysctl or parameter is set to; empty for every other kind.
	Value string `json:"value,omitempty" yaml:"value"`
	// Do and Undo are what a command runs: an absolute path and arguments, with no
	// shell. Both may be run more than once and must then give the same end. A command
	// without Undo cannot be taken back.
	Do   []string `json:"do,omitempty" yaml:"do"`
	Undo []string `json:"undo,omitempty" yaml:"undo"`
}

// TouchKind is what a touch does. The set is closed.
type TouchKind string

// The kinds.
const (
	// TouchSysctl sets a file below /proc/sys.
	TouchSysctl TouchKind = "sysctl"
	// TouchParameter sets a parameter of the kernel or of a loaded module, below
	// /sys/module.
	TouchParameter TouchKind = "parameter"
	// TouchModuleLoad loads a module with modprobe, TouchModuleUnload unloads one.
	TouchModuleLoad   TouchKind = "module_load"
	TouchModuleUnload TouchKind = "module_unload"
	// TouchServiceRestart and TouchServiceReload make a systemd unit start over, or
	// read its configuration again, if it runs. One that does not run is left alone.
	TouchServiceRestart TouchKind = "service_restart"
	TouchServiceReload  TouchKind = "service_reload"
	// TouchCommand runs a program.
	TouchCommand TouchKind = "command"
)

// TouchWhen is a side of the load. The set is closed.
type TouchWhen string

// The sides.
const (
	// TouchBefore is before the kernel is asked for the level, and after it is gone.
	TouchBefore TouchWhen = "before"
	// TouchAfter is after the transition to the level, and before the one back.
	TouchAfter TouchWhen = "after"
)

// Bounds of what one level touches.
const (
	// MaxTouches bounds the touches of one level.
	MaxTouches = 16
	// MaxTouchArguments and MaxTouchArgumentBytes bound a command.
	MaxTouchArguments     = 16
	MaxTouchArgumentBytes = 256
	// MaxTouchValueBytes bounds a value.
	MaxTouchValueBytes = 256
)

var (
	sysctlPattern   = regexp.MustCompile(`^[a-z0-9_-]+([./][a-z0-9_-]+)+$`)
	parameterModule = shape.All("a-zA-Z0-9_", 1, 55)
	parameterName   = shape.All("a-zA-Z0-9_.-", 1, 64)
	touchModule     = shape.Of("a-zA-Z0-9", "a-zA-Z0-9_-", 1, 55)
	serviceName     = shape.Of("a-zA-Z0-9", "a-zA-Z0-9:_.@-", 1, 121)
	commandName     = shape.Of("a-z0-9", "a-z0-9-", 1, 63)
)

// maxSysctlBytes bounds the name of a sysctl.
const maxSysctlBytes = 128

// refusedSysctls would end what Hotstick itself needs, or let somebody else's program
// run as the kernel's.
var refusedSysctls = []string{"kernel/modules_disabled", "kernel/modprobe", "kernel/core_pattern", "kernel/hotplug", "kernel/tainted", "kernel/ftrace_enabled"}

// oneWaySysctls cannot be set back before a reboot, or are orders and not values.
// An empty string stands for every value.
var oneWaySysctls = map[string]string{
	"kernel/kexec_load_disabled": "", "kernel/kexec_load_limit_panic": "", "kernel/kexec_load_limit_reboot": "",
	"kernel/unprivileged_bpf_disabled": "1", "kernel/yama/ptrace_scope": "3", "vm/memfd_noexec": "",
	"vm/drop_caches": "", "vm/compact_memory": "", "vm/stat_refresh": "",
	"net/ipv4/route/flush": "", "net/ipv6/route/flush": "",
}

// Path is where the kernel has a sysctl or a parameter, without the leading slash;
// empty for every other kind. As with sysctl(8), the separator that comes first in a
// sysctl's name is the separator, and the other one stands for itself swapped.
func (t Touch) Path() string {
	switch t.Kind {
	case TouchSysctl:
		name := t.Name
		if i := strings.IndexAny(name, "./"); i >= 0 && name[i] == '.' {
			name = strings.Map(func(r rune) rune {
				switch r {
				case '.':
					return '/'
				case '/':
					return '.'
				}
				return r
			}, name)
		}
		return "proc/sys/" + name
	case TouchParameter:
		module, parameter, _ := strings.Cut(t.Name, ".")
		return "sys/module/" + module + "/parameters/" + parameter
	}
	return ""
}

// Thing names what is touched, whatever is done to it: two touches of one thing have
// the same. It begins with sysctl, parameter, module, service or command. A command is
// what it runs, not what it is called.
func (t Touch) Thing() string {
	switch t.Kind {
	case TouchSysctl:
		return "sysctl " + strings.TrimPrefix(t.Path(), "proc/sys/")
	case TouchModuleLoad, TouchModuleUnload:
		return "module " + strings.ReplaceAll(t.Name, "-", "_")
	case TouchServiceRestart, TouchServiceReload:
		return "service " + t.Name
	case TouchCommand:
		thing := "command " + strings.Join(t.Do, " ")
		if len(t.Undo) > 0 {
			thing += ", undone by " + strings.Join(t.Undo, " ")
		}
		return thing
	}
	return string(t.Kind) + " " + t.Name
}

// Reversible reports whether what the touch does can be put back without a reboot.
func (t Touch) Reversible() bool {
	switch t.Kind {
	case TouchSysctl:
		value, oneWay := oneWaySysctls[strings.TrimPrefix(t.Path(), "proc/sys/")]
		return !oneWay || value != "" && value != strings.TrimSpace(t.Value)
	case TouchCommand:
		return len(t.Undo) > 0
	}
	return true
}

// String says in a line what is done, for people.
func (t Touch) String() string {
	switch t.Kind {
	case TouchSysctl:
		return "set " + t.Thing() + " to " + t.Value
	case TouchParameter:
		return "set parameter " + t.Name + " to " + t.Value
	case TouchModuleLoad:
		return "load module " + t.Name
	case TouchModuleUnload:
		return "unload module " + t.Name
	case TouchServiceRestart:
		return "restart " + t.Name
	case TouchServiceReload:
		return "reload " + t.Name
	}
	return "run " + strings.Join(t.Do, " ")
}

// Irreversible lists the touches of the patch that cannot be put back without a
// reboot. Whoever approves the patch is told before anything is applied.
func (p Patch) Irreversible() []Touch {
	var list []Touch
	for _, t := range p.Touches {
		if !t.Reversible() {
			list = append(list, t)
		}
	}
	return list
}

// WayBack is how the level leaves a host again, with all that it touches: its
// reversibility, or reboot if it touches what only a reboot puts back.
func (p Patch) WayBack() Reversibility {
	if len(p.Irreversible()) > 0 {
		return ReversibleReboot
	}
	return p.Reversibility
}

// Validate reports the first thing that is malformed.
func (t Touch) Validate() error {
	if t.When != TouchBefore && t.When != TouchAfter {
		return fmt.Errorf("cannot use when: %.40q of a touch: want before or after", string(t.When))
	}
	if t.Kind != TouchCommand && (len(t.Do) > 0 || len(t.Undo) > 0) {
		return fmt.Errorf("cannot use do or undo with a touch of kind %.40q", string(t.Kind))
	}
	valued := t.Kind == TouchSysctl || t.Kind == TouchParameter
	if !valued && t.Value != "" {
		return fmt.Errorf("cannot use a value with a touch of kind %.40q", string(t.Kind))
	}
	if valued {
		if err := checkTouchText("value", t.Value, MaxTouchValueBytes); err != nil {
			return err
		}
	}
	return t.validateName()
}

func (t Touch) validateName() error {
	ok := false
	switch t.Kind {
	case TouchSysctl:
		if len(t.Name) > maxSysctlBytes || !sysctlPattern.MatchString(t.Name) {
			return fmt.Errorf("cannot touch the sysctl %.140q: want a name such as net.core.bpf_jit_harden", t.Name)
		}
		if slices.Contains(refusedSysctls, strings.TrimPrefix(t.Path(), "proc/sys/")) {
			return fmt.Errorf("cannot touch the sysctl %s: no patch may", t.Name)
		}
		return nil
	case TouchParameter:
		module, name, _ := strings.Cut(t.Name, ".")
		ok = parameterModule.MatchString(module) && parameterName.MatchString(name)
	case TouchModuleLoad, TouchModuleUnload:
		ok = touchModule.MatchString(t.Name)
	case TouchServiceRestart, TouchServiceReload:
		if strings.HasPrefix(t.Name, "hotstick-") {
			return fmt.Errorf("cannot touch %.140q: no patch may steer Hotstick's own units", t.Name)
		}
		name, service := strings.CutSuffix(t.Name, ".service")
		ok = service && serviceName.MatchString(name)
	case TouchCommand:
		if err := checkTouchCommand(t.Do, true); err != nil {
			return err
		}
		if err := checkTouchCommand(t.Undo, false); err != nil {
			return err
		}
		ok = commandName.MatchString(t.Name)
	default:
		return fmt.Errorf("cannot use a touch of kind %.40q", string(t.Kind))
	}
	if !ok {
		return fmt.Errorf("cannot use %.140q as the name of a touch of kind %s", t.Name, t.Kind)
	}
	return nil
}

func checkTouchCommand(argv []string, must bool) error {
	if len(argv) == 0 {
		if must {
			return fmt.Errorf("cannot use a command that runs nothing: give do")
		}
		return nil
	}
	if len(argv) > MaxTouchArguments {
		return fmt.Errorf("cannot use a command of %d words: the limit is %d", len(argv), MaxTouchArguments)
	}
	if !path.IsAbs(argv[0]) || path.Clean(argv[0]) != argv[0] {
		return fmt.Errorf("cannot run %.140q: want the absolute path of a program", argv[0])
	}
	for _, word := range argv[1:] {
		if word == "" {
			continue
		}
		if err := checkTouchText("word", word, MaxTouchArgumentBytes); err != nil {
			return err
		}
	}
	return checkTouchText("word", argv[0], MaxTouchArgumentBytes)
}

func checkTouchText(what, text string, limit int) error {
	if text == "" || len(text) > limit || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' && r != '\t' || r > '~' }) {
		return fmt.Errorf("cannot use %.80q as a %s of a touch: want 1 to %d printable ASCII characters", text, what, limit)
	}
	return nil
}

// validateTouches reports the first touch that is malformed. No thing is touched
// twice: there is one value to set, and one to go back to.
func (p Patch) validateTouches() error {
	if len(p.Touches) > MaxTouches {
		return fmt.Errorf("cannot use %s: it touches %d things, the limit is %d", p.Ref, len(p.Touches), MaxTouches)
	}
	seen := map[string]bool{}
	for _, t := range p.Touches {
		if err := t.Validate(); err != nil {
			return fmt.Errorf("cannot use %s: %w", p.Ref, err)
		}
		if seen[t.Thing()] {
			return fmt.Errorf("cannot use %s: it touches the %s twice", p.Ref, t.Thing())
		}
		for _, a := range p.Artifacts {
			if t.Thing() == "module "+a.Module || strings.HasPrefix(t.Thing(), "parameter "+a.Module+".") {
				return fmt.Errorf("cannot use %s: it touches its own module %s", p.Ref, a.Module)
			}
		}
		seen[t.Thing()] = true
	}
	return nil
}
