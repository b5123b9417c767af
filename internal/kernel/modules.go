package kernel

import (
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/shape"
)

// moduleLine is one line of /proc/modules.
type moduleLine struct {
	name   string
	size   int64
	state  string // Live, Loading or Unloading
	taints string // letters of /sys/module/NAME/taint
}

// modulePattern keeps a name from being a path.
var modulePattern = shape.All("A-Za-z0-9_", 1, 55)

// readModules reads /proc/modules, whose lines look like
//
//	hotstick_unix_ioctl_1 16384 1 - Live 0x0000000000000000 (OEK)
func readModules(fsys fs.FS) ([]moduleLine, error) {
	data, err := readFile(fsys, "proc/modules", largeFile)
	if err != nil {
		return nil, err
	}
	var modules []moduleLine
	for l := range strings.Lines(string(data)) {
		fields := strings.Fields(l)
		if len(fields) < 5 || !modulePattern.MatchString(fields[0]) {
			return nil, fmt.Errorf("cannot read /proc/modules: line %d is malformed", len(modules)+1)
		}
		size, err := strconv.ParseInt(fields[1], 10, 64)
		if err != nil {
			return nil, fmt.Errorf("cannot read /proc/modules: line %d is malformed", len(modules)+1)
		}
		m := moduleLine{name: fields[0], size: size, state: fields[4]}
		if last := fields[len(fields)-1]; strings.HasPrefix(last, "(") {
			// While a module loads or unloads a sign stands among the letters.
			m.taints = strings.Trim(last, "()+-")
		}
		modules = append(modules, m)
	}
	return modules, nil
}

// isLivepatch: the kernel sets taint K on a module that is marked as a live patch.
func (m moduleLine) isLivepatch() bool { return strings.Contains(m.taints, "K") }

// Module returns what is known of one loaded module, and whether it is loaded.
// Code that is built into the kernel is not.
func Module(fsys fs.FS, name string) (hotstick.ModuleFacts, bool, error) {
	modules, err := readModules(fsys)
	if err != nil {
		return hotstick.ModuleFacts{}, false, err
	}
	for _, m := range modules {
		if m.name == name {
			return m.facts(fsys), true, nil
		}
	}
	return hotstick.ModuleFacts{}, false, nil
}

func (m moduleLine) facts(fsys fs.FS) hotstick.ModuleFacts {
	return hotstick.ModuleFacts{
		Name: m.name, SizeBytes: m.size, Taints: m.taints,
		SrcVersion: line(fsys, "sys/module/"+m.name+"/srcversion"),
	}
}

// ModuleBuildID returns the build ID that a loaded module was linked with, in
// hexadecimal; empty if it has none, or if the caller may not know.
func ModuleBuildID(fsys fs.FS, name string) string {
	if !modulePattern.MatchString(name) {
		return ""
	}
	notes, err := readFile(fsys, "sys/module/"+name+"/notes/.note.gnu.build-id", smallFile)
	if err != nil {
		return ""
	}
	id, err := BuildID(notes)
	if err != nil {
		return ""
	}
	return id
}
