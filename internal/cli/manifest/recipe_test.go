package manifest

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
)

const goodRecipe = `apiVersion: hotstick/v1
kind: Recipe
driver: suse
build: {release: 5.14.21-150400.24.100-default, arch: x86_64, build_id: abababababababababababababababababababab}
module: livepatch_150400_24_100_6_2_2
packages:
  - {name: kernel-livepatch-5_14_21-150400_24_100-default, version: 6-150400.2.2}
`

var suseBuild = hotstick.KernelBuild{Release: "5.14.21-150400.24.100-default", Arch: "x86_64", BuildID: strings.Repeat("ab", 20)}

func TestARecipeIsCompiledToTheBytesThatTheCatalogSigns(t *testing.T) {
	want := hotstick.Recipe{Schema: hotstick.RecipeSchema, Driver: "suse", Build: suseBuild, Module: "livepatch_150400_24_100_6_2_2",
		Packages: []hotstick.Package{{Name: "kernel-livepatch-5_14_21-150400_24_100-default", Version: "6-150400.2.2"}}}
	got, err := ParseRecipe([]byte(goodRecipe), hotstick.KernelBuild{})
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("recipe = %+v, %v\nwant %+v", got, err, want)
	}
	// What was compiled is read as well, and a build that somebody names may be left out.
	data, err := got.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if again, err := ParseRecipe(data, suseBuild); err != nil || !reflect.DeepEqual(again, want) {
		t.Errorf("compiled: %+v, %v", again, err)
	}
	short := strings.Join(append(strings.Split(goodRecipe, "\n")[:3], strings.Split(goodRecipe, "\n")[4:]...), "\n")
	if got, err := ParseRecipe([]byte(short), suseBuild); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("without a build: %+v, %v", got, err)
	}
	if _, err := ParseRecipe([]byte(short), hotstick.KernelBuild{}); err == nil {
		t.Error("a recipe for no kernel build was accepted")
	}
}

func TestEverySystemsRecipeCanBeWritten(t *testing.T) {
	head := "apiVersion: hotstick/v1\nkind: Recipe\nbuild: {release: 6.1.0-47-amd64, arch: x86_64, build_id: abababababababababababababababababababab}\n"
	for driver, rest := range map[string]string{
		"canonical":  "module: lkp_Ubuntu_1\nversion: '121.4'\ncut_off: 2026-06-01T02:00:00+02:00\n",
		"kernelcare": "module: kernelcare_level_40\nversion: '40'\npatch_set: K20230908_02\n",
		"ksplice":    "updates: [lpcnopz2, v8acp72r]\n",
		"windows":    "module: kb5058497\nversion: 26100.4061\nupdates: [KB5058497]\n",
		"reboot": "module: kernel_6_1_0_56_amd64\npackages: [{name: linux-image-6.1.0-56-amd64, version: 6.1.192-1}]\n" +
			"target: {release: 6.1.0-56-amd64, arch: x86_64, build_id: cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd}\n",
	} {
		r, err := ParseRecipe([]byte(head+"driver: "+driver+"\n"+rest), hotstick.KernelBuild{})
		if err != nil {
			t.Errorf("%s: %v", driver, err)
			continue
		}
		if _, err := r.Encode(); err != nil {
			t.Errorf("%s: %v", driver, err)
		}
		if driver == "canonical" && !r.CutOff.Equal(time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)) {
			t.Errorf("the cut-off is %s", r.CutOff)
		}
		if driver == "ksplice" && r.Module != hotstick.UpdateSet([]string{"v8acp72r", "lpcnopz2"}) {
			t.Errorf("the set is called %s", r.Module)
		}
	}
}

func TestABadRecipeIsRefusedWithItsPlace(t *testing.T) {
	replace := func(old, new string) string { return strings.Replace(goodRecipe, old, new, 1) }
	for _, c := range []struct {
		what, doc string
		build     hotstick.KernelBuild
		want      string
	}{
		{"unknown key", replace("module:", "modul:"), hotstick.KernelBuild{}, `unknown field "modul"`},
		{"another kind", replace("kind: Recipe", "kind: Patch"), hotstick.KernelBuild{}, `kind "Patch"`},
		{"another version", replace("hotstick/v1", "hotstick/v9"), hotstick.KernelBuild{}, `apiVersion "hotstick/v9"`},
		{"another build than was said", goodRecipe, hotstick.KernelBuild{Release: "x", Arch: "x86_64", BuildID: suseBuild.BuildID}, "it says that it is for"},
		{"a driver that loads bytes", replace("driver: suse", "driver: klp"), hotstick.KernelBuild{}, "no such driver, or it needs none"},
		{"a field of another driver", goodRecipe + "version: '1'\n", hotstick.KernelBuild{}, "has no version"},
		{"an option for a package", replace("name: kernel-", "name: --force-kernel-"), hotstick.KernelBuild{}, "cannot use the package"},
		{"a day for a cut-off", replace("driver: suse", "driver: suse\ncut_off: yesterday"), hotstick.KernelBuild{}, "cannot read the cut-off"},
		{"bytes that are not canonical", `{"schema": "hotstick/recipe/v1"}`, hotstick.KernelBuild{}, "cannot"},
	} {
		if _, err := ParseRecipe([]byte(c.doc), c.build); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.what, err, c.want)
		}
	}
}
