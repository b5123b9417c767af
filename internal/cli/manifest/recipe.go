package manifest

import (
	"bytes"
	"fmt"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/cli/strict"
)

const recipeKind = "Recipe"

// recipe is a [hotstick.Recipe] as a person writes it.
type recipe struct {
	APIVersion string      `yaml:"apiVersion"`
	Kind       string      `yaml:"kind"`
	Driver     string      `yaml:"driver"`
	Build      kernelBuild `yaml:"build"`
	Module     string      `yaml:"module"`
	Packages   []pack      `yaml:"packages"`
	File       string      `yaml:"file"`
	Version    string      `yaml:"version"`
	// CutOff is RFC 3339, such as 2026-06-01T00:00:00Z.
	CutOff   string      `yaml:"cut_off"`
	PatchSet string      `yaml:"patch_set"`
	Updates  []string    `yaml:"updates"`
	Target   kernelBuild `yaml:"target"`
}

type kernelBuild struct {
	Release string `yaml:"release"`
	Arch    string `yaml:"arch"`
	BuildID string `yaml:"build_id"`
}

type pack struct {
	Name    string `yaml:"name"`
	Version string `yaml:"version"`
}

// ParseRecipe reads the file of a recipe: YAML as people write it, or the canonical bytes
// themselves. build is the kernel build that the file is said to be for; the zero value
// where nobody said. For ksplice the module may be left out: the updates make it.
//
//	apiVersion: hotstick/v1
//	kind: Recipe
//	driver: suse
//	build: {release: 5.14.21-150400.24.100-default, arch: x86_64, build_id: 8d0c…}
//	module: livepatch_150400_24_100_6_2_2
//	packages:
//	  - {name: kernel-livepatch-5_14_21-150400_24_100-default, version: 6-150400.2.2}
func ParseRecipe(raw []byte, build hotstick.KernelBuild) (hotstick.Recipe, error) {
	r, err := readRecipe(raw)
	if err != nil {
		return r, err
	}
	switch {
	case build == hotstick.KernelBuild{}:
	case r.Build == hotstick.KernelBuild{}:
		r.Build = build
	case r.Build != build:
		return r, fmt.Errorf("cannot use the recipe of %s for %s: it says that it is for %s", r.Module, build, r.Build)
	}
	if r.Driver == "ksplice" && r.Module == "" {
		r.Module = hotstick.UpdateSet(r.Updates)
	}
	return r, r.Validate()
}

func readRecipe(raw []byte) (hotstick.Recipe, error) {
	if bytes.HasPrefix(raw, []byte("{")) {
		return hotstick.ReadRecipe(raw)
	}
	var y recipe
	if err := strict.Decode(raw, MaxBytes, &y); err != nil {
		return hotstick.Recipe{}, err
	}
	switch {
	case y.APIVersion != apiVersion:
		return hotstick.Recipe{}, fmt.Errorf("cannot read apiVersion %q: this version knows %s", y.APIVersion, apiVersion)
	case y.Kind != recipeKind:
		return hotstick.Recipe{}, fmt.Errorf("cannot read kind %q: want %s", y.Kind, recipeKind)
	}
	r := hotstick.Recipe{Schema: hotstick.RecipeSchema, Driver: y.Driver, Build: hotstick.KernelBuild(y.Build), Module: y.Module,
		File: hotstick.Digest(y.File), Version: y.Version, PatchSet: y.PatchSet, Updates: y.Updates, Target: hotstick.KernelBuild(y.Target)}
	for _, p := range y.Packages {
		r.Packages = append(r.Packages, hotstick.Package(p))
	}
	if y.CutOff != "" {
		at, err := time.Parse(time.RFC3339, y.CutOff)
		if err != nil {
			return r, fmt.Errorf("cannot read the cut-off %.40q: write it as 2026-06-01T00:00:00Z", y.CutOff)
		}
		r.CutOff = at.UTC()
	}
	return r, nil
}
