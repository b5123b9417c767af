package hotstick

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hotstick/hotstick/internal/shape"
)

// RecipeSchema is the only recipe format this version reads or writes.
const RecipeSchema = "hotstick/recipe/v1"

// Recipe is the artifact of a driver that does not load bytes of ours (trust classes
// [TrustPin] and [TrustStep]): it says exactly which level of the vendor's own a host
// comes to have, and how anybody can tell from the kernel that it has. The catalog
// signs its bytes like those of a module, so digests, lanes and ways back mean the
// same for every driver.
//
// Which fields a driver's recipe has, says [Recipe.Validate]; the others are empty. The
// bytes are canonical: [ReadRecipe] takes nothing but what [Recipe.Encode] writes.
type Recipe struct {
	Schema string `json:"schema"`
	Driver string `json:"driver"`
	// Build is the kernel build that the host runs when the recipe is followed.
	Build KernelBuild `json:"build"`
	// Module is the name under which the driver lists the level once it is in effect:
	// the vendor's module in sysfs where there is one. The artifact has the same.
	Module string `json:"module"`
	// Packages are exactly these, as the host's package manager writes them (kpatch,
	// suse, amazon, reboot).
	Packages []Package `json:"packages,omitempty"`
	// File is the digest of a module's file that is on the host already, where the
	// vendor's tool looks for it (kpatch).
	File Digest `json:"file,omitempty"`
	// Version is the vendor's own number of the level: 121.4 of Canonical, 40 of
	// KernelCare, the build and revision 26100.4061 of Windows.
	Version string `json:"version,omitempty"`
	// CutOff is the latest publication that the host takes (canonical), in whole seconds.
	CutOff time.Time `json:"cut_off,omitzero"`
	// PatchSet is the set that the host sticks to, such as K20230908_02 (kernelcare).
	PatchSet string `json:"patch_set,omitempty"`
	// Updates are the vendor's names of the single updates that make the level, in the
	// order in which they are applied (ksplice, and one KB number of windows).
	Updates []string `json:"updates,omitempty"`
	// Target is the kernel build that runs afterwards (reboot).
	Target KernelBuild `json:"target,omitzero"`
}

// Package is one package at one version.
type Package struct {
	Name string `json:"name"`
	// Version is as the package manager writes it, such as 6-150400.2.2 or 6.1.192-1.
	Version string `json:"version"`
}

// String is as zypper and apt write it on their command lines.
func (p Package) String() string { return p.Name + "=" + p.Version }

// Bounds of a recipe.
const (
	MaxRecipeBytes    = 64 << 10
	MaxRecipePackages = 16
	MaxRecipeUpdates  = 256
)

var (
	packagePattern  = shape.Of("a-zA-Z0-9", "a-zA-Z0-9+._-", 2, 128)
	versionPattern  = shape.Of("a-zA-Z0-9", "a-zA-Z0-9+._:~^-", 1, 128)
	patchSetPattern = shape.Of("A-Z0-9", "A-Z0-9_", 1, 32)
	updatePattern   = shape.Of("a-zA-Z0-9", "a-zA-Z0-9_.-", 1, 64)
)

// recipeFields says for each driver which fields its recipes have; of those that are
// joined by "|" there is exactly one.
var recipeFields = map[string][]string{
	"kpatch":     {"packages|file"},
	"suse":       {"packages"},
	"amazon":     {"packages"},
	"canonical":  {"version", "cut_off"},
	"kernelcare": {"version", "patch_set"},
	"ksplice":    {"updates"},
	"windows":    {"version", "updates"},
	"reboot":     {"packages", "target"},
}

// RecipeFields returns the fields that a recipe of a driver has beside schema, driver,
// build and module; "a|b" is exactly one of the two. A driver that loads bytes has none.
func RecipeFields(driver string) []string { return slices.Clone(recipeFields[driver]) }

// ClassOf returns the trust class of a driver; empty if there is no such driver.
func ClassOf(driver string) TrustClass {
	switch driver {
	case "klp":
		return TrustBytes
	case "canonical", "kernelcare":
		return TrustPin
	case "kpatch", "suse", "amazon", "ksplice", "windows", "reboot":
		return TrustStep
	}
	return ""
}

// Reboots reports whether levels of a driver come into effect by a reboot of the host, into
// another kernel build than the one that its plan lists.
func Reboots(driver string) bool { return driver == "reboot" }

// Drivers returns the name of each driver, sorted.
func Drivers() []string {
	names := []string{"klp"}
	for name := range recipeFields {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Encode returns the recipe's bytes, which the catalog lists by their digest.
func (r Recipe) Encode() ([]byte, error) {
	if err := r.Validate(); err != nil {
		return nil, err
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(r); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// ReadRecipe reads the bytes of a recipe.
func ReadRecipe(data []byte) (Recipe, error) {
	if len(data) > MaxRecipeBytes {
		return Recipe{}, fmt.Errorf("cannot read a recipe of %d bytes: the limit is %d", len(data), MaxRecipeBytes)
	}
	var r Recipe
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&r); err != nil {
		return Recipe{}, fmt.Errorf("cannot read the recipe: %w", err)
	}
	again, err := r.Encode()
	if err != nil {
		return Recipe{}, err
	}
	if !bytes.Equal(again, data) {
		return Recipe{}, fmt.Errorf("cannot read the recipe of %s for %s: its bytes are not canonical", r.Module, r.Driver)
	}
	return r, nil
}

// has lists the names of the fields that are set.
func (r Recipe) has() []string {
	var set []string
	for _, f := range []struct {
		name string
		is   bool
	}{
		{"packages", len(r.Packages) > 0}, {"file", r.File != ""}, {"version", r.Version != ""}, {"cut_off", !r.CutOff.IsZero()},
		{"patch_set", r.PatchSet != ""}, {"updates", len(r.Updates) > 0}, {"target", r.Target != KernelBuild{}},
	} {
		if f.is {
			set = append(set, f.name)
		}
	}
	return set
}

// Validate reports the first thing that is malformed.
func (r Recipe) Validate() error {
	want, known := recipeFields[r.Driver]
	switch {
	case r.Schema != RecipeSchema:
		return fmt.Errorf("cannot use a recipe of the schema %.40q: want %s", r.Schema, RecipeSchema)
	case !known:
		return fmt.Errorf("cannot use a recipe for the driver %.40q: there is no such driver, or it needs none", r.Driver)
	case !modulePattern.MatchString(r.Module):
		return fmt.Errorf("cannot use %.80q as what the driver lists", r.Module)
	}
	if err := r.Build.Validate(); err != nil {
		return err
	}
	if err := r.validateFields(want); err != nil {
		return err
	}
	return r.validateValues()
}

// validateFields compares the fields that are set with those that the driver's have.
func (r Recipe) validateFields(want []string) error {
	set := r.has()
	var may []string
	for _, w := range want {
		of := strings.Split(w, "|")
		may = append(may, of...)
		n := 0
		for _, name := range of {
			if slices.Contains(set, name) {
				n++
			}
		}
		if n != 1 {
			return fmt.Errorf("cannot use the recipe of %s: one for %s has %s", r.Module, r.Driver, strings.ReplaceAll(w, "|", " or "))
		}
	}
	for _, name := range set {
		if !slices.Contains(may, name) {
			return fmt.Errorf("cannot use the recipe of %s: one for %s has no %s", r.Module, r.Driver, name)
		}
	}
	return nil
}

func (r Recipe) validateValues() error {
	if len(r.Packages) > MaxRecipePackages || len(r.Updates) > MaxRecipeUpdates {
		return fmt.Errorf("cannot use the recipe of %s: it lists too much", r.Module)
	}
	for _, p := range r.Packages {
		if !packagePattern.MatchString(p.Name) || !versionPattern.MatchString(p.Version) {
			return fmt.Errorf("cannot use the package %.200q", p.String())
		}
	}
	for _, u := range r.Updates {
		if !updatePattern.MatchString(u) {
			return fmt.Errorf("cannot use the update %.80q", u)
		}
	}
	switch {
	case r.Version != "" && !versionPattern.MatchString(r.Version):
		return fmt.Errorf("cannot use the version %.80q", r.Version)
	case r.PatchSet != "" && !patchSetPattern.MatchString(r.PatchSet):
		return fmt.Errorf("cannot use the patch set %.80q", r.PatchSet)
	case !r.CutOff.Equal(r.CutOff.Truncate(time.Second)) || r.CutOff.Location() != time.UTC:
		return fmt.Errorf("cannot use the cut-off %s: want whole seconds of UTC", r.CutOff)
	case r.File != "" && r.File.Validate() != nil:
		return r.File.Validate()
	case r.Driver == "windows" && len(r.Updates) != 1:
		return fmt.Errorf("cannot use the recipe of %s: one for windows installs one update", r.Module)
	case r.Driver == "ksplice" && r.Module != UpdateSet(r.Updates):
		return fmt.Errorf("cannot use the recipe of %s: the set of its updates is called %s", r.Module, UpdateSet(r.Updates))
	case r.Target == KernelBuild{}:
		return nil
	case r.Target == r.Build:
		return fmt.Errorf("cannot use the recipe of %s: it leads to the kernel build that runs already", r.Module)
	}
	return r.Target.Validate()
}

// UpdateSet names a set of single updates, in whatever order they were applied: the
// level of a system that has no other word for what runs. Another set has another name,
// so an update too many or too few is never taken for the level.
func UpdateSet(updates []string) string {
	sorted := slices.Clone(updates)
	slices.Sort(sorted)
	digest := string(NewDigest([]byte(strings.Join(slices.Compact(sorted), "\n"))))
	return "ksplice_set_" + digest[len("sha256:"):][:12]
}
