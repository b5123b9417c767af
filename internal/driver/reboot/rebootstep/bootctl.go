package rebootstep

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf16"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver"
)

// bootctl is systemd-boot.
type bootctl struct{ s *Step }

// loaderVariables is the vendor of systemd-boot's EFI variables (the Boot Loader
// Interface).
const loaderVariables = "4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"

func (b bootctl) name() string { return "systemd-boot" }

func (b bootctl) ready(context.Context) error {
	if !b.started() {
		return driver.Refuse(hotstick.ReasonUnsupported, "systemd-boot is installed and did not start this boot")
	}
	return nil
}

// started reports whether systemd-boot has started this boot. GRUB may tell of itself in
// the same variable.
func (b bootctl) started() bool { return strings.HasPrefix(b.variable("LoaderInfo"), "systemd-boot") }

func (b bootctl) entry(_ context.Context, release string) (string, error) {
	for _, dir := range []string{"boot/loader/entries", "efi/loader/entries", "boot/efi/loader/entries"} {
		if id := specEntry(filepath.Join(b.s.root, dir), release); id != "" {
			return id, nil
		}
	}
	return "", driver.Refuse(hotstick.ReasonVerificationFailed, "systemd-boot has no entry that starts %s", release)
}

// specEntry finds the file of a boot loader entry that starts a release (the Boot Loader
// Specification), without the count of tries in its name.
func specEntry(dir, release string) string {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return ""
	}
	for _, e := range entries {
		name := e.Name()
		if !strings.HasSuffix(name, ".conf") || strings.Contains(name, "rescue") {
			continue
		}
		text, err := readBounded(filepath.Join(dir, name))
		if err != nil {
			continue
		}
		for line := range strings.Lines(text) {
			f := strings.Fields(line)
			if len(f) > 1 && (f[0] == "version" && f[1] == release || f[0] == "linux" && starts(f[1], release)) {
				if at := strings.LastIndex(name, "+"); at > 0 {
					name = name[:at] + ".conf"
				}
				return name
			}
		}
	}
	return ""
}

func (b bootctl) setDefault(ctx context.Context, entry string) error {
	return b.set(ctx, "set-default", "LoaderEntryDefault", entry)
}

func (b bootctl) setOnce(ctx context.Context, entry string) error {
	return b.set(ctx, "set-oneshot", "LoaderEntryOneShot", entry)
}

func (b bootctl) set(ctx context.Context, verb, variable, entry string) error {
	ran, err := b.s.commands.Run(ctx, "bootctl", verb, entry)
	if err != nil {
		return ended(err)
	}
	if ran.Code != 0 {
		return driver.Refuse(hotstick.ReasonToolFailed, "bootctl %s: %s", verb, last(ran))
	}
	if got := b.variable(variable); got != entry {
		return driver.Refuse(hotstick.ReasonToolFailed, "bootctl %s is done, and %s is %.120q instead of %.120q", verb, variable, got, entry)
	}
	return nil
}

// variable reads one of the variables that the firmware keeps; empty if it is not there.
func (b bootctl) variable(name string) string {
	data, err := os.ReadFile(filepath.Join(b.s.root, "sys/firmware/efi/efivars", name+"-"+loaderVariables))
	if err != nil || len(data) < 4 || len(data) > 4<<10 {
		return ""
	}
	var units []uint16
	for i := 4; i+1 < len(data); i += 2 { // after the attributes
		units = append(units, uint16(data[i])|uint16(data[i+1])<<8)
	}
	if i := slices.Index(units, 0); i >= 0 {
		units = units[:i]
	}
	return string(utf16.Decode(units))
}
