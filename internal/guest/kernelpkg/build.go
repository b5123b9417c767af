package kernelpkg

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// sharedSources is the folder beside a patch's own that holds sources shared by
// several patches. It is copied along, so `#include "../common/…"` works.
const sharedSources = "common"

// BuildModule builds the one kernel module in the folder srcDir against this
// kernel build and returns the path of the .ko in outDir. The sources are
// copied, so srcDir stays clean and may be read-only. Debug data is stripped:
// it is large and would carry the name of the temporary directory, and without
// it the same sources give the same bytes.
func (k Kernel) BuildModule(ctx context.Context, srcDir, outDir string) (string, error) {
	work, err := os.MkdirTemp("", "hotstick-build-")
	if err != nil {
		return "", fmt.Errorf("cannot build module: %w", err)
	}
	defer os.RemoveAll(work)
	src := filepath.Join(work, filepath.Base(srcDir))
	if err := copySources(srcDir, src); err != nil {
		return "", err
	}
	shared := filepath.Join(filepath.Dir(srcDir), sharedSources)
	if _, err := os.Stat(shared); err == nil {
		if err := copySources(shared, filepath.Join(work, sharedSources)); err != nil {
			return "", err
		}
	}
	args := append([]string{"-C", k.Headers, "M=" + src, "KBUILD_BUILD_TIMESTAMP=0", "KCFLAGS=-fdebug-prefix-map=" + work + "=. -fmacro-prefix-map=" + work + "=."}, compiler()...)
	if _, err := command(ctx, work, "make", append(args, "modules")...); err != nil {
		return "", fmt.Errorf("cannot build %s for kernel %s: %w", filepath.Base(srcDir), k.Release, err)
	}
	built, err := filepath.Glob(filepath.Join(src, "*.ko"))
	if err != nil || len(built) != 1 {
		return "", fmt.Errorf("cannot build %s: it made %d modules instead of one", filepath.Base(srcDir), len(built))
	}
	if _, err := command(ctx, work, "strip", "-g", built[0]); err != nil {
		return "", err
	}
	return store(built[0], outDir)
}

// BuildProgram compiles one C file into a static program for the guest and
// returns its path in outDir. The program is named after the file.
func BuildProgram(ctx context.Context, source, outDir string) (string, error) {
	if err := os.MkdirAll(outDir, 0o755); err != nil {
		return "", fmt.Errorf("cannot build program: %w", err)
	}
	out := filepath.Join(outDir, strings.TrimSuffix(filepath.Base(source), ".c"))
	_, err := command(ctx, "", "gcc", "-static", "-O2", "-Wall", "-Wextra", "-Werror", "-s", "-o", out, source)
	if err != nil {
		return "", fmt.Errorf("cannot build %s: %w", source, err)
	}
	return out, nil
}

// compiler overrides Debian's choice of compiler where only another one is there.
func compiler() []string {
	for _, name := range []string{"gcc-12", "x86_64-linux-gnu-gcc-12"} {
		if _, err := exec.LookPath(name); err != nil {
			return []string{"CC=gcc", "HOSTCC=gcc"}
		}
	}
	return nil
}

func copySources(from, to string) error {
	entries, err := os.ReadDir(from)
	if err != nil {
		return fmt.Errorf("cannot read sources: %w", err)
	}
	if err := os.MkdirAll(to, 0o755); err != nil {
		return fmt.Errorf("cannot copy sources: %w", err)
	}
	for _, e := range entries {
		if !e.Type().IsRegular() {
			continue
		}
		data, err := os.ReadFile(filepath.Join(from, e.Name()))
		if err != nil {
			return fmt.Errorf("cannot copy sources: %w", err)
		}
		if err := os.WriteFile(filepath.Join(to, e.Name()), data, 0o644); err != nil {
			return fmt.Errorf("cannot copy sources: %w", err)
		}
	}
	return nil
}

func store(file, outDir string) (string, error) {
	if err := os.MkdirAll(outDir, 0o755); err != nil {
		return "", fmt.Errorf("cannot store module: %w", err)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("cannot store module: %w", err)
	}
	final := filepath.Join(outDir, filepath.Base(file))
	if err := os.WriteFile(final, data, 0o644); err != nil {
		return "", fmt.Errorf("cannot store module: %w", err)
	}
	return final, nil
}
