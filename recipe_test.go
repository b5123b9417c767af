package hotstick_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
)

var recipeBuild = hotstick.KernelBuild{Release: "5.14.21-150400.24.33-default", Arch: "x86_64", BuildID: "0123456789abcdef0123456789abcdef01234567"}

// recipe is a good one of the driver suse, with changes.
func recipe(change func(*hotstick.Recipe)) hotstick.Recipe {
	r := hotstick.Recipe{Schema: hotstick.RecipeSchema, Driver: "suse", Build: recipeBuild, Module: "livepatch_6_150400_2_2",
		Packages: []hotstick.Package{{Name: "kernel-livepatch-5_14_21-150400_24_33-default", Version: "6-150400.2.2"}}}
	if change != nil {
		change(&r)
	}
	return r
}

func TestARecipeComesBackAsItWas(t *testing.T) {
	data, err := recipe(nil).Encode()
	if err != nil {
		t.Fatal(err)
	}
	r, err := hotstick.ReadRecipe(data)
	if err != nil || r.Packages[0].String() != "kernel-livepatch-5_14_21-150400_24_33-default=6-150400.2.2" {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestRecipesThatAreRefused(t *testing.T) {
	good, err := recipe(nil).Encode()
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{
		"an unknown field":      bytes.Replace(good, []byte(`"driver"`), []byte(`"shell": "reboot", "driver"`), 1),
		"a field in capitals":   bytes.Replace(good, []byte(`"driver"`), []byte(`"Driver"`), 1),
		"a field twice":         bytes.Replace(good, []byte(`"driver": "suse"`), []byte(`"driver": "kpatch", "driver": "suse"`), 1),
		"something after it":    append(bytes.Clone(good), good...),
		"other spaces":          bytes.ReplaceAll(good, []byte("  "), nil),
		"more than there is to": bytes.Repeat([]byte(" "), hotstick.MaxRecipeBytes+1),
	} {
		if _, err := hotstick.ReadRecipe(data); err == nil {
			t.Errorf("a recipe with %s is read", name)
		}
	}
}

func TestWhatARecipeOfEachDriverHas(t *testing.T) {
	cutOff := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	target := recipeBuild
	target.BuildID = strings.Repeat("9", 40)
	for name, c := range map[string]struct {
		change func(*hotstick.Recipe)
		want   string
	}{
		"suse": {nil, ""},
		"canonical": {func(r *hotstick.Recipe) {
			r.Driver, r.Packages, r.Version, r.CutOff = "canonical", nil, "121.4", cutOff
		}, ""},
		"no cut-off": {func(r *hotstick.Recipe) { r.Driver, r.Packages, r.Version = "canonical", nil, "121.4" }, "has cut_off"},
		"a cut-off elsewhere": {func(r *hotstick.Recipe) {
			r.Driver, r.Packages, r.Version, r.CutOff = "canonical", nil, "121.4", cutOff.In(time.FixedZone("x", 3600))
		}, "whole seconds of UTC"},
		"kernelcare": {func(r *hotstick.Recipe) {
			r.Driver, r.Packages, r.Version, r.PatchSet = "kernelcare", nil, "40", "K20230908_02"
		}, ""},
		"kpatch with a file": {func(r *hotstick.Recipe) {
			r.Driver, r.Packages, r.File = "kpatch", nil, hotstick.NewDigest([]byte("x"))
		}, ""},
		"kpatch with both": {func(r *hotstick.Recipe) { r.Driver, r.File = "kpatch", hotstick.NewDigest([]byte("x")) }, "packages or file"},
		"ksplice": {func(r *hotstick.Recipe) {
			r.Driver, r.Packages, r.Updates = "ksplice", nil, []string{"b2", "a1"}
			r.Module = hotstick.UpdateSet([]string{"a1", "b2"})
		}, ""},
		"ksplice by another name": {func(r *hotstick.Recipe) { r.Driver, r.Packages, r.Updates = "ksplice", nil, []string{"a1"} }, "is called"},
		"windows": {func(r *hotstick.Recipe) {
			r.Driver, r.Packages, r.Version, r.Updates, r.Module = "windows", nil, "26100.4061", []string{"KB5058497"}, "kb5058497"
		}, ""},
		"windows with two": {func(r *hotstick.Recipe) {
			r.Driver, r.Packages, r.Version, r.Updates = "windows", nil, "26100.4061", []string{"KB1", "KB2"}
		}, "one update"},
		"reboot":                         {func(r *hotstick.Recipe) { r.Driver, r.Target = "reboot", target }, ""},
		"reboot to where it is":          {func(r *hotstick.Recipe) { r.Driver, r.Target = "reboot", recipeBuild }, "runs already"},
		"klp":                            {func(r *hotstick.Recipe) { r.Driver = "klp" }, "needs none"},
		"too much":                       {func(r *hotstick.Recipe) { r.PatchSet = "K1" }, "has no patch_set"},
		"a package with a shell's words": {func(r *hotstick.Recipe) { r.Packages[0].Name = "x; reboot" }, "cannot use the package"},
		"a package that is an option":    {func(r *hotstick.Recipe) { r.Packages[0].Name = "--nogpgcheck" }, "cannot use the package"},
	} {
		err := recipe(c.change).Validate()
		if (c.want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, d := range hotstick.Drivers() {
		if hotstick.ClassOf(d) == "" {
			t.Errorf("the driver %s has no trust class", d)
		}
	}
}
