package main

import (
	"context"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hotstick/hotstick/internal/demo/host"
	"github.com/hotstick/hotstick/internal/guest/kernelpkg"
)

// built are the modules of live patches, by folder and kernel.
type built struct {
	sources string
	modules map[string]string
}

func (b built) folder(patch string) string { return filepath.Join(b.sources, patch) }

func (b built) module(patch string, k kernelpkg.Kernel) string {
	return b.modules[patch+" "+k.Release]
}

// moduleOf is the name of a folder's module.
func moduleOf(patch string) string { return "hotstick_" + strings.ReplaceAll(patch, "-", "_") }

// refOf is what the catalog calls a folder's patch: NAME@LEVEL.
func refOf(patch string) string {
	i := strings.LastIndex(patch, "-")
	return patch[:i] + "@" + patch[i+1:]
}

// build builds what scenarios need for each kernel.
func build(ctx context.Context, sources, dir string, list []scenario, kernels []kernelpkg.Kernel) (built, error) {
	b := built{sources: sources, modules: map[string]string{}}
	patches := []string{"busy-target"}
	for _, s := range list {
		patches = append(patches, s.patch)
	}
	slices.Sort(patches)
	patches = slices.Compact(patches)
	files := make([]string, len(patches)*len(kernels))
	err := host.InParallel(2, len(files), func(i int) error {
		k := kernels[i%len(kernels)]
		var err error
		files[i], err = k.BuildModule(ctx, b.folder(patches[i/len(kernels)]), filepath.Join(dir, k.Release))
		return err
	})
	for i, file := range files {
		b.modules[patches[i/len(kernels)]+" "+kernels[i%len(kernels)].Release] = file
	}
	return b, err
}
