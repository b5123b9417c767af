package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/guest/kernelpkg"
)

// patchName is the patch whose levels are rolled out, and modelLevel the one that all are
// copies of.
const (
	patchName  = "unix-ioctl"
	modelLevel = 4
)

// level is one of its levels, built.
type level struct {
	ref            hotstick.PatchRef
	folder, module string
	// file is the module's.
	file string
}

// makeLevels makes the folders of levels 1 to n and builds them. A host that a level
// crashed never takes it again, so each cut needs one of its own.
func makeLevels(ctx context.Context, patches, dir string, k kernelpkg.Kernel, n int) ([]level, error) {
	from := filepath.Join(patches, fmt.Sprintf("%s-%d", patchName, modelLevel))
	if err := os.CopyFS(filepath.Join(dir, "common"), os.DirFS(filepath.Join(patches, "common"))); err != nil {
		return nil, fmt.Errorf("cannot copy a patch: %w", err)
	}
	var levels []level
	for i := range n {
		l := level{ref: hotstick.PatchRef{Name: patchName, Level: i + 1}, module: moduleOf(i + 1)}
		l.folder = filepath.Join(dir, fmt.Sprintf("%s-%d", patchName, i+1))
		if err := copyLevel(from, l.folder, i+1); err != nil {
			return nil, err
		}
		var err error
		if l.file, err = k.BuildModule(ctx, l.folder, filepath.Join(dir, "modules")); err != nil {
			return nil, err
		}
		levels = append(levels, l)
	}
	return levels, nil
}

func moduleOf(level int) string { return fmt.Sprintf("hotstick_unix_ioctl_%d", level) }

// copyLevel copies a patch's folder and gives it another level.
func copyLevel(from, to string, number int) error {
	entries, err := os.ReadDir(from)
	if err == nil {
		err = os.MkdirAll(to, 0o755)
	}
	rename := strings.NewReplacer(moduleOf(modelLevel), moduleOf(number), fmt.Sprintf("level: %d\n", modelLevel), fmt.Sprintf("level: %d\n", number))
	for _, e := range entries {
		if err != nil {
			break
		}
		var text []byte
		if text, err = os.ReadFile(filepath.Join(from, e.Name())); err == nil {
			err = os.WriteFile(filepath.Join(to, rename.Replace(e.Name())), []byte(rename.Replace(string(text))), 0o644)
		}
	}
	if err != nil {
		return fmt.Errorf("cannot copy a patch: %w", err)
	}
	return nil
}
