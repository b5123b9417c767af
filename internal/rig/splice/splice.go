// Package splice builds modules for rigs of vendors whose mechanism is not the kernel's own
// live patching: they replace a function of the running kernel while they are loaded, and
// nothing of them is in /sys/kernel/livepatch.
package splice

import (
	"context"
	"embed"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/hotstick/hotstick/internal/guest/kernelpkg"
)

//go:embed module
var sources embed.FS

// Functions are what a module replaces. The kernel lets two modules replace one function
// no more than two live patches of different systems.
type Functions int

// What can be replaced, alone or together.
const (
	// UnixIoctl closes CVE-2026-52928, as patches/unix-ioctl-1 does.
	UnixIoctl Functions = 1 << iota
	// TxQueueLen closes CVE-2026-98022.
	TxQueueLen
)

// Module is one module to build.
type Module struct {
	// Name is the kernel's, and File the file's without .ko; Name if empty.
	Name, File string
	// Replaces may be 0: then it changes nothing.
	Replaces Functions
	// Stage: it shows in sysfs how far it is, as Ksplice's updates do.
	Stage bool
	// Level is the parameter "level" where insmod gives none.
	Level int
}

// Build builds modules for a kernel build into dir. patches is the repository's folder of
// that name.
func Build(ctx context.Context, k kernelpkg.Kernel, patches, dir string, modules ...Module) error {
	for _, m := range modules {
		if err := build(ctx, k, patches, dir, m); err != nil {
			return err
		}
	}
	return nil
}

func build(ctx context.Context, k kernelpkg.Kernel, patches, dir string, m Module) error {
	work, err := os.MkdirTemp("", "hotstick-splice-")
	if err != nil {
		return fmt.Errorf("cannot build %s: %w", m.Name, err)
	}
	defer os.RemoveAll(work)
	if err := os.CopyFS(filepath.Join(work, "common"), os.DirFS(filepath.Join(patches, "common"))); err != nil {
		return fmt.Errorf("cannot build %s: %w", m.Name, err)
	}
	flags := fmt.Sprintf("-DSPLICE_FUNCTIONS=%d", m.Replaces)
	if m.Stage {
		flags += " -DSPLICE_STAGE"
	}
	source, err := sources.ReadFile("module/splice.c")
	if err != nil {
		return fmt.Errorf("cannot build %s: %w", m.Name, err)
	}
	text := strings.Replace(string(source), "static int level;", fmt.Sprintf("static int level = %d;", m.Level), 1)
	folder := filepath.Join(work, m.Name)
	if err := os.Mkdir(folder, 0o755); err != nil {
		return fmt.Errorf("cannot build %s: %w", m.Name, err)
	}
	for name, data := range map[string]string{m.Name + ".c": text, "Kbuild": "obj-m := " + m.Name + ".o\nccflags-y := " + flags + "\n"} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(data), 0o644); err != nil {
			return fmt.Errorf("cannot build %s: %w", m.Name, err)
		}
	}
	built, err := k.BuildModule(ctx, folder, filepath.Join(work, "built"))
	if err != nil {
		return err
	}
	file := m.File
	if file == "" {
		file = m.Name
	}
	data, err := os.ReadFile(built)
	if err != nil {
		return fmt.Errorf("cannot build %s: %w", m.Name, err)
	}
	return os.WriteFile(filepath.Join(dir, file+".ko"), data, 0o644)
}
