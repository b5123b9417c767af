package klog

import (
	"regexp"
	"strings"
)

// frame matches a place in the code as the kernel prints it: a symbol, offset and
// length, and the module in brackets, which may carry its build ID. A "?" before
// it marks a frame that the unwinder does not vouch for.
var frame = regexp.MustCompile(`(\? )?([A-Za-z_.$][\w.$]*)\+0x[0-9a-f]+/0x[0-9a-f]+(?: \[([A-Za-z0-9_]+)[^\]]*\])?`)

// Names reports by which name a trace accuses a patch: its module, or one of the
// functions, which are written OBJECT:FUNCTION as in a patch's manifest, with
// vmlinux for the kernel itself. A symbol that the compiler split off a function,
// such as unix_ioctl.cold, counts as the function.
func Names(trace, module string, functions []string) (string, bool) {
	for l := range strings.Lines(trace) {
		for _, m := range frame.FindAllStringSubmatch(l, -1) {
			unreliable, symbol, in := m[1] != "", m[2], m[3]
			if unreliable {
				continue
			}
			if module != "" && in == module {
				return module, true
			}
			if in == "" {
				in = "vmlinux"
			}
			if f, ok := findFunction(functions, in, symbol); ok {
				return f, true
			}
		}
	}
	return "", false
}

func findFunction(functions []string, object, symbol string) (string, bool) {
	root, _, _ := strings.Cut(symbol, ".")
	for _, f := range functions {
		o, name, ok := strings.Cut(f, ":")
		if !ok {
			continue
		}
		name, _, _ = strings.Cut(name, ",") // the position, as sysfs writes it
		if o == object && (name == symbol || name == root) {
			return f, true
		}
	}
	return "", false
}
