package catalog_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/catalog"
)

// recipe is what a host of a vendor's system comes to have.
func recipe(edit func(*hotstick.Recipe)) hotstick.Recipe {
	r := hotstick.Recipe{Schema: hotstick.RecipeSchema, Driver: "suse", Build: build61, Module: "livepatch_6_1_47_1",
		Packages: []hotstick.Package{{Name: "kernel-livepatch-6_1_47-default", Version: "2-150400.1.1"}}}
	if edit != nil {
		edit(&r)
	}
	return r
}

// byRecipe is a level of the vendor's system, with these bytes as its only artifact.
func (w *world) byRecipe(data []byte) hotstick.Patch {
	p := w.patch(1, build61)
	p.Ref, p.Driver, p.Functions, p.Replace = hotstick.PatchRef{Name: "suse-6-1", Level: 1}, "suse", nil, false
	p.Artifacts[0].Digest, p.Artifacts[0].SizeBytes, p.Artifacts[0].Module = hotstick.NewDigest(data), int64(len(data)), "livepatch_6_1_47_1"
	w.data[p.Artifacts[0].Digest] = data
	return p
}

func TestARecipeIsPublishedAndServedAsItsCanonicalBytes(t *testing.T) {
	w := newWorld(t)
	data := w.must(recipe(nil).Encode())
	p := w.byRecipe(data)
	w.mustPublish(p)
	view := w.mustRefresh(w.mustClient(w.source()))
	got, ok := view.Patch(p.Ref)
	if !ok || got.Artifacts[0] != p.Artifacts[0] {
		t.Errorf("the client sees %+v", got)
	}
	file, err := w.repo.Open(catalog.ArtifactFile(p.Artifacts[0].Digest))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var served bytes.Buffer
	if _, err := served.ReadFrom(file); err != nil || !bytes.Equal(served.Bytes(), data) {
		t.Errorf("it serves %q, %v", served.Bytes(), err)
	}
}

// Whoever gets a publisher to sign something that is not the recipe of exactly this
// driver, kernel build and module, would have a step unit follow it as if it were.
func TestWhatIsNotTheRecipeOfThisLevelIsNotSigned(t *testing.T) {
	w := newWorld(t)
	encode := func(edit func(*hotstick.Recipe)) []byte { return w.must(recipe(edit).Encode()) }
	for _, attack := range []struct {
		name string
		data []byte
		edit func(*hotstick.Patch)
		want string
	}{
		{"a recipe of another driver", encode(func(r *hotstick.Recipe) { r.Driver = "amazon" }), nil, "for the driver amazon"},
		{"a recipe for another kernel build", encode(func(r *hotstick.Recipe) { r.Build = build612 }), nil, build612.Release},
		{"a recipe for another module", encode(func(r *hotstick.Recipe) { r.Module = "livepatch_6_1_47_2" }), nil, "livepatch_6_1_47_1"},
		{"other white space", append([]byte(" "), encode(nil)...), nil, "not canonical"},
		{"a field that nobody knows", bytes.Replace(encode(nil), []byte(`"driver"`), []byte("\"command\": \"sh\",\n  \"driver\""), 1), nil, "unknown field"},
		{"a second recipe behind the first", append(encode(nil), encode(nil)...), nil, "not canonical"},
		{"a module", []byte("module of level 1"), nil, "cannot read the recipe"},
		{"a kernel key's word for a recipe", encode(nil), func(p *hotstick.Patch) { p.Artifacts[0].SignedBy = hotstick.KernelKey{Name: "x"} }, "kernel's key"},
		{"a recipe for klp", encode(nil), func(p *hotstick.Patch) { p.Driver = "klp" }, "loads the bytes themselves"},
	} {
		p := w.byRecipe(attack.data)
		if attack.edit != nil {
			attack.edit(&p)
		}
		_, err := catalog.Publish(w.publication(p), key("publisher"))
		if err == nil || errors.Is(err, catalog.ErrPublished) || !strings.Contains(err.Error(), attack.want) {
			t.Errorf("%s: %v, want %q", attack.name, err, attack.want)
		}
	}
}
