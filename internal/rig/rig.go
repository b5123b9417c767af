// Package rig has what every rig needs. A rig stands in for one vendor's live-patch
// system in a guest: shell scripts under the names of the vendor's programs, written from
// the vendor's documentation and never from our driver, that say and do what it says they
// do and that load and remove real live patches in a real kernel. A rig is not the
// vendor's system, and nothing that was shown on a rig was shown on that.
//
// README.md says how to write one. Package rigtest runs a driver's tests beside a rig.
package rig

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/hotstick/hotstick/internal/guest"
	"github.com/hotstick/hotstick/internal/guest/kernelpkg"
)

// Places in a guest that has a rig.
const (
	// StateDir holds what rigs remember and what tests tell them.
	StateDir = "/run/rig"
	// ModulesDir holds the modules that stand for what vendors' packages contain.
	ModulesDir = "/usr/lib/rig/modules"
)

//go:embed root
var root embed.FS

// Files are what all rigs share: the shell functions that their scripts begin with.
func Files() []guest.File { return Tree(root) }

// Tree returns the files below root/ of an embedded folder as the same files below / of a
// guest. What begins as a script does can be run.
func Tree(files embed.FS) []guest.File {
	var all []guest.File
	err := fs.WalkDir(files, "root", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := files.ReadFile(name)
		if err != nil {
			return err
		}
		mode := fs.FileMode(0o644)
		if strings.HasPrefix(string(data), "#!") {
			mode = 0o755
		}
		all = append(all, guest.File{Path: strings.TrimPrefix(name, "root"), Mode: mode, Data: data})
		return nil
	})
	if err != nil {
		panic(err) // what is embedded can be read
	}
	return all
}

// Module is a live patch to build under a vendor's name.
type Module struct {
	// Name is the name under which the kernel lists it.
	Name string
	// Source is the folder of patches/ it is built from; unix-ioctl-1 if empty. Whatever
	// its name, a module of one folder does what all of that folder do.
	Source string
	// Stacks: it replaces no other.
	Stacks bool
}

// DefaultSource is what modules are built from.
const DefaultSource = "unix-ioctl-1"

var moduleName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]{0,54}$`)

// Build builds a module for a kernel build and returns the path of NAME.ko in outDir.
// patches is the repository's folder of that name.
func Build(ctx context.Context, k kernelpkg.Kernel, patches string, m Module, outDir string) (string, error) {
	if !moduleName.MatchString(m.Name) {
		return "", fmt.Errorf("cannot build a module with the name %.80q", m.Name)
	}
	if m.Source == "" {
		m.Source = DefaultSource
	}
	work, err := os.MkdirTemp("", "hotstick-rig-")
	if err != nil {
		return "", fmt.Errorf("cannot build %s: %w", m.Name, err)
	}
	defer os.RemoveAll(work)
	if err := os.CopyFS(filepath.Join(work, "common"), os.DirFS(filepath.Join(patches, "common"))); err != nil {
		return "", fmt.Errorf("cannot build %s: %w", m.Name, err)
	}
	folder := filepath.Join(patches, m.Source)
	sources, err := filepath.Glob(filepath.Join(folder, "hotstick_*.c"))
	if err != nil || len(sources) != 1 {
		return "", fmt.Errorf("cannot build %s: %s has %d sources of a module", m.Name, folder, len(sources))
	}
	source, err := os.ReadFile(sources[0])
	if err != nil {
		return "", fmt.Errorf("cannot build %s: %w", m.Name, err)
	}
	kbuild := "obj-m := " + m.Name + ".o\n"
	if m.Stacks {
		kbuild += "ccflags-y := -DHOTSTICK_PATCHED_REPLACE=false\n"
	}
	out := filepath.Join(work, m.Name)
	for name, data := range map[string][]byte{m.Name + ".c": source, "Kbuild": []byte(kbuild)} {
		if err := write(filepath.Join(out, name), data); err != nil {
			return "", fmt.Errorf("cannot build %s: %w", m.Name, err)
		}
	}
	return k.BuildModule(ctx, out, outDir)
}

func write(name string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	return os.WriteFile(name, data, 0o644)
}

// Directory says that all files of a directory of this machine go into one of the guest.
func Directory(dir, target string) ([]guest.File, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("cannot put %s into a guest: %w", dir, err)
	}
	var files []guest.File
	for _, e := range entries {
		if e.Type().IsRegular() {
			files = append(files, guest.File{Path: path.Join(target, e.Name()), Source: filepath.Join(dir, e.Name())})
		}
	}
	return files, nil
}
