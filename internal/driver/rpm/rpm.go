// Package rpm reads what hosts with RPM packages keep on their disk, for the drivers whose
// live patches come as packages. It only reads. Package rpmrun runs the programs.
package rpm

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
)

// Limits of what is read: a configuration file, and a shell script.
const (
	maxConfig = 64 << 10
	maxScript = 256 << 10
)

// Read reads a small file of the host; false if it is not there, no file or too long.
func Read(fsys fs.FS, name string) ([]byte, bool) { return read(fsys, name, maxConfig) }

func read(fsys fs.FS, name string, limit int64) ([]byte, bool) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, false
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || info.IsDir() {
		return nil, false
	}
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	return data, err == nil && int64(len(data)) <= limit
}

// System is who made the host's distribution, as its os-release says.
type System struct{ ID, Version string }

// SystemOf reads os-release; the zero value if there is none.
func SystemOf(fsys fs.FS) System {
	for _, name := range []string{"etc/os-release", "usr/lib/os-release"} {
		data, ok := Read(fsys, name)
		if !ok {
			continue
		}
		var s System
		for line := range strings.Lines(string(data)) {
			key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
			value = strings.Trim(value, `"'`)
			switch key {
			case "ID":
				s.ID = value
			case "VERSION_ID":
				s.Version = value
			}
		}
		return s
	}
	return System{}
}

// Option returns an option of an INI file as Python's configparser reads it, which is what
// dnf and its plugins use; false if it is not there.
func Option(data []byte, section, name string) (string, bool) {
	in, value, found := "", "", false
	for line := range strings.Lines(string(data)) {
		trimmed := strings.TrimSpace(line)
		if trimmed == "" || trimmed[0] == '#' || trimmed[0] == ';' || line[0] == ' ' || line[0] == '\t' {
			continue // a line that is indented goes on with the option before
		}
		if trimmed[0] == '[' && trimmed[len(trimmed)-1] == ']' {
			in = trimmed[1 : len(trimmed)-1]
			continue
		}
		i := strings.IndexAny(trimmed, "=:")
		if i < 0 || in != section || !strings.EqualFold(strings.TrimSpace(trimmed[:i]), name) {
			continue
		}
		value, found = strings.TrimSpace(trimmed[i+1:]), true
	}
	return value, found
}

// ErrNotBoolean: an option is neither on nor off.
var ErrNotBoolean = errors.New("cannot read a switch")

// Switch reads an option that is on or off; an option that is not there is off.
func Switch(data []byte, section, name string) (bool, error) {
	value, found := Option(data, section, name)
	switch strings.ToLower(value) {
	case "1", "yes", "true", "on":
		return true, nil
	case "0", "no", "false", "off":
		return false, nil
	}
	if !found {
		return false, nil
	}
	return false, fmt.Errorf("%w: %s is %.40q", ErrNotBoolean, name, value)
}

// automatic are the timers and units that install updates without being asked, and where
// they are configured.
var automatic = []struct {
	wanted, config, section, option string
}{
	{"etc/systemd/system/timers.target.wants/dnf-automatic-install.timer", "etc/dnf/automatic.conf", "", ""},
	{"etc/systemd/system/timers.target.wants/dnf-automatic.timer", "etc/dnf/automatic.conf", "commands", "apply_updates"},
	{"etc/systemd/system/timers.target.wants/dnf5-automatic.timer", "etc/dnf/automatic.conf", "commands", "apply_updates"},
	{"etc/systemd/system/multi-user.target.wants/yum-cron.service", "etc/yum/yum-cron.conf", "commands", "apply_updates"},
}

// Automatic returns what would install a package of these by itself, and how it is kept
// from that; empty if nothing would. It does not tell of cron jobs that somebody wrote.
func Automatic(fsys fs.FS, packages string) string {
	for _, a := range automatic {
		if _, err := fs.Lstat(fsys, a.wanted); err != nil {
			continue
		}
		config, _ := Read(fsys, a.config)
		if a.option != "" {
			if on, err := Switch(config, a.section, a.option); err == nil && !on {
				continue
			}
		}
		var excluded []string
		for _, name := range []string{"excludepkgs", "exclude"} {
			value, _ := Option(config, "base", name)
			excluded = append(excluded, strings.FieldsFunc(value, func(r rune) bool { return r == ',' || r == ' ' })...)
		}
		if !slices.Contains(excluded, packages) {
			return fmt.Sprintf("%s installs updates by itself: write excludepkgs = %s into [base] of /%s", a.wanted[strings.LastIndex(a.wanted, "/")+1:], packages, a.config)
		}
	}
	return ""
}

// Tool returns the kpatch tool of the host with its version, from the script itself; empty
// if it is not there.
func Tool(fsys fs.FS) string {
	for _, name := range []string{"usr/sbin/kpatch", "usr/local/sbin/kpatch", "sbin/kpatch"} {
		data, ok := read(fsys, name, maxScript)
		if !ok {
			continue
		}
		for line := range strings.Lines(string(data)) {
			if version, ok := strings.CutPrefix(line, "VERSION="); ok {
				version = strings.Trim(strings.TrimSpace(version), `"'`)
				return "kpatch " + version[:min(len(version), 32)]
			}
		}
		return "kpatch"
	}
	return ""
}

// moduleDirs are where the kpatch tool looks for modules, by release below.
var moduleDirs = []string{Kept, "var/lib/kpatch", "usr/lib/kpatch"}

// Kept is where modules lie that the kpatch tool is to load for Hotstick and for nobody
// else, in a directory for each release.
const Kept = "var/lib/hotstick/kpatch"

// maxModules bounds the files that are looked at in one of these.
const maxModules = 256

// Modules lists the module files that the kpatch tool has for a release: module name to
// path. The kernel writes a dash in a name as an underscore.
func Modules(fsys fs.FS, release string) map[string]string {
	found := map[string]string{}
	if release == "" || strings.ContainsAny(release, "/\x00") {
		return found
	}
	for _, dir := range moduleDirs {
		entries, err := fs.ReadDir(fsys, dir+"/"+release)
		if err != nil {
			continue
		}
		for _, e := range entries[:min(len(entries), maxModules)] {
			name, isModule := strings.CutSuffix(e.Name(), ".ko")
			name = strings.ReplaceAll(name, "-", "_")
			if _, twice := found[name]; isModule && !twice && e.Type().IsRegular() {
				found[name] = dir + "/" + release + "/" + e.Name()
			}
		}
	}
	return found
}
