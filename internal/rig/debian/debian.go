// Package debian is a rig: it stands in for apt, dpkg and GRUB in a guest that is to be
// rebooted into another kernel. README.md says what it does and what it leaves out.
package debian

import (
	"context"
	"embed"
	"fmt"
	"os"
	"path/filepath"

	"github.com/hotstick/hotstick/internal/guest"
	"github.com/hotstick/hotstick/internal/guest/kernelpkg"
	"github.com/hotstick/hotstick/internal/rig"
)

//go:embed root
var root embed.FS

//go:embed program/kexec.c
var kexec []byte

// Scripts are the rig's programs, for a guest.
func Scripts() []guest.File { return rig.Tree(root) }

// Package is the name of the package that brings a kernel.
func Package(k kernelpkg.Kernel) string { return "linux-image-" + k.Release }

// Booted is a service that runs in the kernel that was chosen, and not in that of the
// firmware.
func Booted(s guest.Service) guest.Service {
	s.Argv = append([]string{"/bin/sh", "-c", `while ! [ -e /run/chosen ]; do usleep 100000; done; exec "$@"`, "sh"}, s.Argv...)
	return s
}

// Equip makes a guest one that apt can bring a fixed kernel to and that GRUB can reboot
// into it. The guest needs a disk, and 768 MB: the other kernel comes with everything that
// is in the guest.
func Equip(ctx context.Context, c guest.Config, fixed kernelpkg.Kernel) (guest.Config, error) {
	dir := filepath.Join(c.Dir, "rig")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return c, fmt.Errorf("cannot make a rig of Debian: %w", err)
	}
	source := filepath.Join(dir, "kexec.c")
	if err := os.WriteFile(source, kexec, 0o644); err != nil {
		return c, fmt.Errorf("cannot make a rig of Debian: %w", err)
	}
	program, err := kernelpkg.BuildProgram(ctx, source, dir)
	if err != nil {
		return c, err
	}
	c.MemoryMB = max(c.MemoryMB, 768)
	c.Services = append([]guest.Service{{Name: "chooser", Argv: []string{"/usr/bin/chooser"}, Env: []string{"PATH=/usr/bin:/bin:/sbin"}}}, c.Services...)
	c.Files = append(append(c.Files, Scripts()...),
		guest.File{Path: "/usr/lib/rig/kexec", Source: program, Mode: 0o755},
		guest.File{Path: "/rig/firmware", Data: []byte(c.Kernel.Release + "\n")},
		guest.File{Path: "/rig/version", Data: []byte(fixed.Version + "\n")})
	second := c
	second.Kernel = fixed
	image, err := guest.Initramfs(ctx, second)
	if err != nil {
		return c, err
	}
	initrd := filepath.Join(dir, "initrd")
	if err := os.WriteFile(initrd, image, 0o644); err != nil {
		return c, fmt.Errorf("cannot make a rig of Debian: %w", err)
	}
	c.Files = append(c.Files,
		guest.File{Path: "/rig/vmlinuz-" + c.Kernel.Release, Source: c.Kernel.Image},
		guest.File{Path: "/rig/vmlinuz-" + fixed.Release, Source: fixed.Image},
		guest.File{Path: "/rig/initrd.img-" + fixed.Release, Source: initrd})
	return c, nil
}
