package rebootstep

import (
	"context"
	"os"
	"path/filepath"
	"strings"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver"
)

// chooser is what decides which kernel a boot starts. What it is told outlives reboots.
type chooser interface {
	name() string
	// ready refuses a host on which a one-time choice would not be a one-time choice.
	ready(ctx context.Context) error
	// entry is its name for the kernel with this release.
	entry(ctx context.Context, release string) (string, error)
	// setDefault makes an entry what every boot starts, and setOnce what the next one
	// starts; empty takes a choice for once back. Both are read back.
	setDefault(ctx context.Context, entry string) error
	setOnce(ctx context.Context, entry string) error
}

// grub is GRUB 2, under the names of Debian and SUSE (grub-, grub2-) or Fedora (grub2-).
type grub struct {
	s *Step
	// prefix of its programs, and dir of its files below the root.
	prefix, dir string
}

func (g grub) name() string { return "grub" }

func (g grub) file(name string) string { return filepath.Join(g.s.root, g.dir, name) }

// unwritable are file systems that GRUB reads and does not write to: its one-time choice
// would hold for ever there.
var unwritable = map[string]bool{"btrfs": true, "zfs": true, "overlay": true}

func (g grub) ready(context.Context) error {
	menu, err := readBounded(g.file("grub.cfg"))
	if err != nil {
		return driver.Refuse(hotstick.ReasonUnsupported, "GRUB's menu cannot be read: %v", err)
	}
	if !strings.Contains(menu, "${saved_entry}") {
		return driver.Refuse(hotstick.ReasonUnsupported,
			"GRUB starts the newest kernel by itself, so there would be no falling back: set GRUB_DEFAULT=saved in /etc/default/grub and run update-grub")
	}
	if !strings.Contains(menu, "next_entry") {
		return driver.Refuse(hotstick.ReasonUnsupported, "GRUB's menu knows no choice for one boot")
	}
	if device, kind := g.s.mountOf(g.dir); unwritable[kind] || strings.HasPrefix(device, "/dev/mapper/") || strings.HasPrefix(device, "/dev/md") {
		return driver.Refuse(hotstick.ReasonUnsupported, "GRUB cannot write to %s (%s), so a choice for one boot would hold for ever", device, kind)
	}
	return nil
}

// mountOf is the device and the file system that a directory below the root is on.
func (s *Step) mountOf(dir string) (device, kind string) {
	table, err := readBounded(filepath.Join(s.root, "proc/self/mounts"))
	if err != nil {
		return "", ""
	}
	best := -1
	for line := range strings.Lines(table) {
		f := strings.Fields(line)
		if len(f) < 3 {
			continue
		}
		at := strings.Trim(f[1], "/")
		if (at == "" || dir == at || strings.HasPrefix(dir, at+"/")) && len(at) >= best {
			best, device, kind = len(at), f[0], f[2]
		}
	}
	return device, kind
}

func (g grub) entry(_ context.Context, release string) (string, error) {
	menu, err := readBounded(g.file("grub.cfg"))
	if err != nil {
		return "", driver.Refuse(hotstick.ReasonUnsupported, "GRUB's menu cannot be read: %v", err)
	}
	if strings.Contains(menu, "blscfg") {
		if id := specEntry(filepath.Join(g.s.root, "boot/loader/entries"), release); id != "" {
			return strings.TrimSuffix(id, ".conf"), nil
		}
	}
	if id := menuEntry(menu, release); id != "" {
		return id, nil
	}
	return "", driver.Refuse(hotstick.ReasonVerificationFailed, "GRUB's menu has no entry that starts %s", release)
}

// menuEntry finds the entry of GRUB's menu that starts a release, with the submenus it is
// in. One that names the release is preferred: the first entry of Debian's menu starts
// whatever is newest. Entries for recovery start no services.
func menuEntry(menu, release string) string {
	type block struct {
		id    string
		entry bool
	}
	var open []block
	found := ""
	for line := range strings.Lines(menu) {
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		switch {
		case words[0] == "menuentry" || words[0] == "submenu":
			open = append(open, block{id: entryID(line), entry: words[0] == "menuentry"})
		case strings.HasSuffix(strings.TrimSpace(line), "{"):
			open = append(open, block{})
		case words[0] == "}" && len(open) > 0:
			open = open[:len(open)-1]
		case (words[0] == "linux" || words[0] == "linuxefi" || words[0] == "linux16") && len(words) > 1 && len(open) > 0:
			var path []string
			for _, b := range open {
				if b.id != "" {
					path = append(path, b.id)
				}
			}
			id := strings.Join(path, ">")
			if !starts(words[1], release) || id == "" || strings.Contains(id, "recovery") {
				continue
			}
			if found == "" || !strings.Contains(found, release) && strings.Contains(id, release) {
				found = id
			}
		}
	}
	return found
}

// starts reports whether a kernel's file is that of a release.
func starts(file, release string) bool {
	base := file[strings.LastIndex(file, "/")+1:]
	return base == "vmlinuz-"+release || base == "linux-"+release || base == "linux" && strings.HasSuffix(strings.TrimSuffix(file, "/linux"), "/"+release)
}

// entryID is the ID of a line that begins an entry, and its title where it has none.
func entryID(line string) string {
	if _, rest, has := strings.Cut(line, "$menuentry_id_option"); has {
		if id := quoted(rest); id != "" {
			return id
		}
	}
	return quoted(line)
}

// quoted is the first quoted text of a line.
func quoted(line string) string {
	for _, q := range []string{"'", `"`} {
		if _, rest, has := strings.Cut(line, q); has {
			text, _, _ := strings.Cut(rest, q)
			return text
		}
	}
	return ""
}

func (g grub) setDefault(ctx context.Context, entry string) error {
	return g.set(ctx, "saved_entry", entry, g.prefix+"-set-default", entry)
}

func (g grub) setOnce(ctx context.Context, entry string) error {
	if entry == "" {
		return g.set(ctx, "next_entry", "", g.prefix+"-editenv", "-", "unset", "next_entry")
	}
	return g.set(ctx, "next_entry", entry, g.prefix+"-reboot", entry)
}

// set runs a program of GRUB's and reads back what it should have written.
func (g grub) set(ctx context.Context, name, value string, argv ...string) error {
	ran, err := g.s.commands.Run(ctx, argv...)
	if err != nil {
		return ended(err)
	}
	if ran.Code != 0 {
		return driver.Refuse(hotstick.ReasonToolFailed, "%s: %s", argv[0], last(ran))
	}
	ran, err = g.s.commands.Run(ctx, g.prefix+"-editenv", "-", "list")
	if err != nil {
		return ended(err)
	}
	got := ""
	for line := range strings.Lines(ran.Stdout) {
		if v, is := strings.CutPrefix(strings.TrimSpace(line), name+"="); is {
			got = v
		}
	}
	if got != value {
		return driver.Refuse(hotstick.ReasonToolFailed, "%s is done, and GRUB's %s is %.120q instead of %.120q", argv[0], name, got, value)
	}
	return nil
}

// readBounded reads a file of at most some megabytes.
func readBounded(name string) (string, error) {
	stat, err := os.Stat(name)
	if err != nil {
		return "", err
	}
	if stat.Size() > 4<<20 {
		return "", os.ErrInvalid
	}
	data, err := os.ReadFile(name)
	return string(data), err
}
