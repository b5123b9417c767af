package guest

import (
	"bytes"
	"compress/gzip"
	"context"
	"debug/elf"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// module is a kernel module as it goes into an initramfs: uncompressed.
type module struct {
	Name string // with underscores, as /sys/module has it
	Path string // below /lib/modules/RELEASE, ending in .ko
	Data []byte
}

// moduleInfo is what a module says about its own needs.
type moduleInfo struct {
	Depends []string // modules that must be loaded before
	Wishes  []string // modules that should be loaded before, if they exist ("softdep: pre")
}

// moduleTree gives access to the modules of one kernel build.
type moduleTree struct {
	dir     string            // what is /lib/modules/RELEASE when installed
	paths   map[string]string // name → path below dir
	builtin map[string]bool
	// unxz decompresses a .ko.xz
	unxz func([]byte) ([]byte, error)
}

// openModules lists the modules in dir. Debian's packages carry no modules.dep
// (it is made when they are installed), so needs are read from the modules.
func openModules(dir string, unxz func([]byte) ([]byte, error)) (*moduleTree, error) {
	t := &moduleTree{dir: dir, paths: map[string]string{}, builtin: map[string]bool{}, unxz: unxz}
	err := filepath.WalkDir(filepath.Join(dir, "kernel"), func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if name, ok := moduleName(d.Name()); ok && d.Type().IsRegular() {
			rel, err := filepath.Rel(dir, path)
			if err != nil {
				return err
			}
			t.paths[name] = rel
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("cannot list kernel modules: %w", err)
	}
	builtin, err := os.ReadFile(filepath.Join(dir, "modules.builtin"))
	if err != nil {
		return nil, fmt.Errorf("cannot list built-in modules: %w", err)
	}
	for line := range strings.Lines(string(builtin)) {
		if name, ok := moduleName(filepath.Base(strings.TrimSpace(line))); ok {
			t.builtin[name] = true
		}
	}
	return t, nil
}

// moduleName turns a file name into the module's name.
func moduleName(file string) (name string, ok bool) {
	for _, ending := range []string{".ko", ".ko.xz", ".ko.gz", ".ko.zst"} {
		if n, found := strings.CutSuffix(file, ending); found {
			return canonical(n), true
		}
	}
	return "", false
}

func canonical(name string) string { return strings.ReplaceAll(name, "-", "_") }

// load reads one module.
func (t *moduleTree) load(name string) (module, moduleInfo, error) {
	rel := t.paths[name]
	data, err := os.ReadFile(filepath.Join(t.dir, rel))
	if err != nil {
		return module{}, moduleInfo{}, fmt.Errorf("cannot read module: %w", err)
	}
	switch ending := filepath.Ext(rel); ending {
	case ".xz":
		data, err = t.unxz(data)
	case ".gz":
		data, err = gunzip(data)
	case ".zst":
		err = fmt.Errorf("zstd is not supported")
	}
	if err != nil {
		return module{}, moduleInfo{}, fmt.Errorf("cannot unpack module %s: %w", rel, err)
	}
	info, err := readModuleInfo(data)
	if err != nil {
		return module{}, moduleInfo{}, fmt.Errorf("cannot read module %s: %w", rel, err)
	}
	base, _, _ := strings.Cut(filepath.Base(rel), ".ko")
	return module{Name: name, Path: filepath.Join(filepath.Dir(rel), base+".ko"), Data: data}, info, nil
}

// withDependencies returns the named modules and all they need, each once and
// after what it needs. What is built in is left out. A name that the kernel
// build does not know is an error.
func (t *moduleTree) withDependencies(names []string) ([]module, error) {
	var out []module
	done := map[string]bool{}
	var visit func(name, neededBy string, optional bool) error
	visit = func(name, neededBy string, optional bool) error {
		name = canonical(name)
		if done[name] || t.builtin[name] {
			return nil
		}
		if t.paths[name] == "" {
			if optional {
				return nil
			}
			return fmt.Errorf("cannot find kernel module %s%s in %s", name, neededBy, t.dir)
		}
		done[name] = true
		m, info, err := t.load(name)
		if err != nil {
			return err
		}
		for _, need := range info.Wishes {
			// Crypto is wished for by algorithm ("crypto-crc32c"), which is the alias of
			// several modules; the one that every machine can use is called so.
			if algorithm, ok := strings.CutPrefix(need, "crypto_"); ok {
				need = algorithm + "_generic"
			}
			if err := visit(need, " (wished by "+name+")", true); err != nil {
				return err
			}
		}
		for _, need := range info.Depends {
			if err := visit(need, " (needed by "+name+")", false); err != nil {
				return err
			}
		}
		out = append(out, m)
		return nil
	}
	for _, name := range names {
		if err := visit(name, "", false); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// readModuleInfo reads the needs out of a module's .modinfo section.
func readModuleInfo(ko []byte) (moduleInfo, error) {
	f, err := elf.NewFile(bytes.NewReader(ko))
	if err != nil {
		return moduleInfo{}, err
	}
	defer f.Close()
	section := f.Section(".modinfo")
	if section == nil {
		return moduleInfo{}, fmt.Errorf("it has no .modinfo section")
	}
	data, err := section.Data()
	if err != nil {
		return moduleInfo{}, err
	}
	return parseModuleInfo(data), nil
}

// parseModuleInfo reads NUL-terminated key=value strings.
func parseModuleInfo(data []byte) moduleInfo {
	var info moduleInfo
	for entry := range strings.SplitSeq(string(data), "\x00") {
		key, value, _ := strings.Cut(entry, "=")
		switch key {
		case "depends":
			for name := range strings.SplitSeq(value, ",") {
				if name != "" {
					info.Depends = append(info.Depends, canonical(name))
				}
			}
		case "softdep":
			if wishes, ok := strings.CutPrefix(value, "pre: "); ok {
				wishes, _, _ = strings.Cut(wishes, "post:")
				for _, name := range strings.Fields(wishes) {
					info.Wishes = append(info.Wishes, canonical(name))
				}
			}
		}
	}
	return info
}

func gunzip(data []byte) ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

// unxzWith decompresses with busybox, which every guest needs anyway.
func unxzWith(ctx context.Context, busybox string) func([]byte) ([]byte, error) {
	return func(data []byte) ([]byte, error) {
		cmd := exec.CommandContext(ctx, busybox, "xzcat")
		cmd.Stdin = bytes.NewReader(data)
		return cmd.Output()
	}
}

// busyboxApplets lists the commands that a busybox has.
func busyboxApplets(ctx context.Context, busybox string) ([]string, error) {
	out, err := exec.CommandContext(ctx, busybox, "--list").Output()
	if err != nil {
		return nil, fmt.Errorf("cannot ask busybox for its commands: %w", err)
	}
	return slices.DeleteFunc(strings.Fields(string(out)), func(name string) bool { return name == "busybox" }), nil
}
