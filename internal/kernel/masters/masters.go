// Package masters finds other systems that load live patches on a host, from what they
// leave on its disk. It only reads.
package masters

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/kernel/kmod"
)

// Names of systems, as [hotstick.Master] has them.
const (
	Kpatch     = "kpatch"
	Amazon     = "amazon"
	Canonical  = "canonical"
	KernelCare = "kernelcare"
	Ksplice    = "ksplice"
	SUSE       = "suse"
	// Hand stands for a person, who has no unit and loads nothing by himself.
	Hand = "hand"
)

// system is one that this package knows.
type system struct {
	name string
	// units start it; the first that is there is named.
	units []string
	// programs are files that show that it is installed.
	programs []string
	// dirs hold its modules, one directory of each release below them, and tail below
	// that. A system with dirs loads nothing where there is no module.
	dirs []string
	tail string
	// prefix begins the names of its modules.
	prefix string
	// schedules start it besides its unit, and off is a file that keeps it from loading.
	schedules []string
	off       string
}

// systems is the closed table, in the order of names. A distribution that is known by its
// package only (kpatch-patch of Red Hat) loads by kpatch; that of Amazon has a name of its
// own, because another driver drives it.
var systems = []system{
	{name: Canonical, units: []string{"snap.canonical-livepatch.canonical-livepatchd.service"}, programs: []string{"snap/bin/canonical-livepatch"}, prefix: "lkp_Ubuntu_"},
	{name: KernelCare, units: []string{"kcare.service"}, programs: []string{"usr/bin/kcarectl"}, schedules: []string{"etc/cron.d/kcare-cron"}},
	{name: Kpatch, units: []string{"kpatch.service"}, programs: []string{"usr/sbin/kpatch", "usr/local/sbin/kpatch"}, dirs: []string{"var/lib/kpatch", "usr/lib/kpatch"}, prefix: "kpatch_"},
	{name: Ksplice, units: []string{"uptrack.service", "ksplice.service"}, programs: []string{"usr/sbin/uptrack-upgrade", "usr/bin/ksplice"}, schedules: []string{"etc/cron.d/uptrack"}, prefix: "ksplice_", off: "etc/uptrack/disable"},
	{name: SUSE, dirs: []string{"lib/modules", "usr/lib/modules"}, tail: "livepatch"},
}

// Find lists the systems that are on a host, in the order of their names. The patches are
// those that are loaded.
func Find(fsys fs.FS, patches []hotstick.LoadedPatch) []hotstick.Master {
	var found []hotstick.Master
	units := enabledUnits(fsys)
	for _, s := range systems {
		m := hotstick.Master{System: s.name}
		if s.name == Kpatch && ofAmazon(fsys) {
			m.System = Amazon
		}
		files := s.modules(fsys)
		scheduled := exists(fsys, s.schedules...) != ""
		for _, u := range s.units {
			if units[u] || m.Unit == "" && unitThere(fsys, u) {
				m.Unit = u
			}
			scheduled = scheduled || units[u]
		}
		for _, p := range patches {
			if s.prefix != "" && strings.HasPrefix(p.Module, s.prefix) || slices.Contains(files, p.Module) {
				m.Modules = append(m.Modules, p.Module)
			}
		}
		installed := exists(fsys, s.programs...) != ""
		switch {
		case len(s.dirs) > 0 && len(s.units) == 0:
			m.Active = len(files) > 0 // whatever boots the host loads them
		case len(s.dirs) > 0:
			m.Active = scheduled && len(files) > 0
		default:
			m.Active = scheduled && (s.off == "" || exists(fsys, s.off) == "")
		}
		for _, f := range files {
			if !slices.Contains(m.Modules, f) {
				m.Modules = append(m.Modules, f)
			}
		}
		slices.Sort(m.Modules)
		m.Modules = m.Modules[:min(len(m.Modules), maxModules)]
		if installed || m.Unit != "" || len(m.Modules) > 0 {
			found = append(found, m)
		}
	}
	slices.SortFunc(found, func(a, b hotstick.Master) int { return strings.Compare(a.System, b.System) })
	return found
}

// maxRelease bounds what is read of os-release, in bytes.
const maxRelease = 16 << 10

// ofAmazon tells whether the host's distribution is Amazon's.
func ofAmazon(fsys fs.FS) bool {
	f, err := fsys.Open("etc/os-release")
	if err != nil {
		return false
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxRelease))
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(data)) {
		if id, ok := strings.CutPrefix(strings.TrimSpace(line), "ID="); ok {
			return strings.Trim(id, `"'`) == "amzn"
		}
	}
	return false
}

// maxModules bounds the modules that are named of one system.
const maxModules = 16

// modules lists the modules in a system's directories, of any release.
func (s system) modules(fsys fs.FS) []string {
	var names []string
	for _, dir := range s.dirs {
		releases, err := fs.ReadDir(fsys, dir)
		if err != nil {
			continue
		}
		for _, r := range releases {
			for name := range s.in(fsys, path.Join(dir, r.Name())) {
				if !slices.Contains(names, name) {
					names = append(names, name)
				}
			}
		}
	}
	slices.Sort(names)
	return names
}

// in lists the module files for one release: module name to path.
func (s system) in(fsys fs.FS, release string) map[string]string {
	dir := path.Join(release, s.tail)
	entries, err := fs.ReadDir(fsys, dir)
	if err != nil {
		return nil
	}
	found := map[string]string{}
	for _, e := range entries {
		name, _, isModule := strings.Cut(e.Name(), ".ko")
		if isModule && !e.IsDir() && len(found) < 4*maxModules {
			found[strings.ReplaceAll(name, "-", "_")] = path.Join(dir, e.Name())
		}
	}
	return found
}

// File returns the file of a module for a kernel release, where a system keeps it, and
// its path; fs.ErrNotExist if none has it.
func File(fsys fs.FS, release, module string) ([]byte, string, error) {
	for _, s := range systems {
		for _, dir := range s.dirs {
			at, ok := s.in(fsys, path.Join(dir, release))[module]
			if !ok {
				continue
			}
			if !strings.HasSuffix(at, ".ko") {
				return nil, at, fmt.Errorf("cannot read /%s: it is compressed", at)
			}
			data, err := read(fsys, at)
			return data, at, err
		}
	}
	return nil, "", fs.ErrNotExist
}

func read(fsys fs.FS, name string) ([]byte, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, errors.Join(err, fmt.Errorf("cannot read /%s: it is not a regular file", name))
	}
	data, err := io.ReadAll(io.LimitReader(f, kmod.MaxBytes+1))
	if err == nil && len(data) > kmod.MaxBytes {
		err = fmt.Errorf("cannot read /%s: it is longer than %d bytes", name, kmod.MaxBytes)
	}
	return data, err
}

// unitDirs are where systemd looks for units, the strongest first.
var unitDirs = []string{"etc/systemd/system", "run/systemd/system", "usr/local/lib/systemd/system", "usr/lib/systemd/system", "lib/systemd/system"}

// enabledUnits are those that something wants at boot and that nobody has masked.
func enabledUnits(fsys fs.FS) map[string]bool {
	enabled := map[string]bool{}
	for _, dir := range unitDirs {
		targets, err := fs.ReadDir(fsys, dir)
		if err != nil {
			continue
		}
		for _, t := range targets {
			if !strings.HasSuffix(t.Name(), ".wants") && !strings.HasSuffix(t.Name(), ".requires") {
				continue
			}
			wanted, err := fs.ReadDir(fsys, path.Join(dir, t.Name()))
			if err != nil {
				continue
			}
			for _, u := range wanted {
				enabled[u.Name()] = true
			}
		}
	}
	for _, dir := range unitDirs[:2] {
		for _, s := range systems {
			for _, u := range s.units {
				if to, err := fs.ReadLink(fsys, path.Join(dir, u)); err == nil && path.Base(to) == "null" {
					delete(enabled, u)
				}
			}
		}
	}
	return enabled
}

func unitThere(fsys fs.FS, unit string) bool {
	for _, dir := range unitDirs {
		if _, err := fs.Lstat(fsys, path.Join(dir, unit)); err == nil {
			return true
		}
	}
	return false
}

// exists returns the first of the names that is there; empty if none is.
func exists(fsys fs.FS, names ...string) string {
	for _, name := range names {
		if _, err := fs.Stat(fsys, name); err == nil {
			return name
		}
	}
	return ""
}
