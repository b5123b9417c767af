package loader_test

import (
	"context"
	"io/fs"
	"slices"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver"
	"github.com/hotstick/hotstick/internal/driver/fake"
	"github.com/hotstick/hotstick/internal/kernel/kmod"
	"github.com/hotstick/hotstick/internal/loader/ledger"
	"github.com/hotstick/hotstick/internal/loader/operate"
)

// neighbour is kpatch on the host of a world.
type neighbour struct {
	enabled bool
	// files are what it keeps, by module, and running the source versions of what the
	// kernel runs.
	files   map[string][]byte
	running map[string]string
}

// Masters implements loader.Others.
func (n *neighbour) Masters([]hotstick.LoadedPatch) []hotstick.Master {
	m := hotstick.Master{System: "kpatch", Unit: "kpatch.service", Active: n.enabled}
	for module := range n.files {
		m.Modules = append(m.Modules, module)
	}
	slices.Sort(m.Modules)
	return []hotstick.Master{m}
}

// Module implements loader.Others.
func (n *neighbour) Module(module string) ([]byte, error) {
	if data, ok := n.files[module]; ok {
		return data, nil
	}
	return nil, fs.ErrNotExist
}

// Loaded implements loader.Others.
func (n *neighbour) Loaded(module string) (srcVersion, buildID string) {
	return n.running[module], ""
}

// file makes a module file whose source version tells which it is.
func file(module, code string) []byte {
	plain := kmod.Info{Name: module, License: "GPL", Livepatch: true, Arch: build.Arch, SrcVersion: code,
		Vermagic: build.Release + " SMP preempt mod_unload modversions "}
	return kmod.Compose(plain)
}

// neighboured is a world on which kpatch has loaded a level that the catalog lists.
func neighboured(t *testing.T) (*world, *neighbour, hotstick.Patch) {
	t.Helper()
	w := newWorld(t)
	p := w.publish("fix@1", fake.Behaviour{})
	n := &neighbour{enabled: true, files: map[string][]byte{}, running: map[string]string{"fix_1": "ABCDEF"}}
	w.others = n
	data := file("fix_1", "ABCDEF")
	artifact := &p.Artifacts[0]
	artifact.Digest, artifact.SizeBytes = hotstick.NewDigest(data), int64(len(data))
	w.view.Patches[0].Artifacts = p.Artifacts
	w.staged = map[hotstick.Digest][]byte{}
	n.files["fix_1"] = data
	w.start()
	w.kpatch(data)
	w.pass(time.Minute)
	return w, n, p
}

// kpatch loads a module past the loader, as another system does.
func (w *world) kpatch(data []byte) {
	w.t.Helper()
	if err := w.machine.Load(context.Background(), driver.Load{Module: "fix_1", File: mustFile(w.t, data), Build: build}); err != nil {
		w.t.Fatal(err)
	}
}

// unit is what adopt is told.
var unit = operate.Unit{Name: "kpatch.service", Enabled: true, Active: true}

func TestNothingStartsBesideAnotherMaster(t *testing.T) {
	w := newWorld(t)
	w.others = &neighbour{enabled: true}
	w.start()
	p := w.publish("fix@1", fake.Behaviour{})
	id := w.offer(p, 1)
	w.mustRefuse(hotstick.ReasonOtherMaster)
	if r := w.refusals[len(w.refusals)-1]; r.Subject != "kpatch" {
		t.Errorf("the refusal names %q", r.Subject)
	}
	w.pass(time.Minute)
	w.mustRunWord("")
	w.others.(*neighbour).enabled = false
	w.exchange(w.grant(id, 1, nil))
	w.pass(15 * time.Second)
	w.mustRun(p.Ref)
}

func TestAnAdoptedLevelIsOursUntilItIsReleased(t *testing.T) {
	w, n, p := neighboured(t)
	if ref := w.last.InEffect; !ref.IsZero() {
		t.Fatalf("before the adoption %s counts as ours", ref)
	}
	answer := w.mustDo(operate.Request{Action: operate.Adopt, Unit: &unit})
	if a := answer.Adoption; a == nil || a.Level.Patch != p.Ref || a.Stage != ledger.Taking || !a.UnitEnabled || !a.UnitActive || a.By != "alice" {
		t.Fatalf("the adoption is %+v", answer.Adoption)
	}
	n.enabled = false
	w.mustDo(operate.Request{Action: operate.Adopted})
	if resp := w.exchange(); resp.InEffect != p.Ref || !slices.Equal(resp.Adopted, []string{"kpatch"}) {
		t.Fatalf("the agent is told of %s, adopted from %v", resp.InEffect, resp.Adopted)
	}
	n.files = nil // our own copy is enough from here on
	w.reboot(true)
	w.mustRunWord("")
	w.pass(2 * time.Minute)
	w.mustRun(p.Ref)

	if a := w.mustDo(operate.Request{Action: operate.Release}).Adoption; a.Stage != ledger.Releasing || !a.UnitEnabled {
		t.Fatalf("what is given back is %+v", a)
	}
	w.mustRun(p.Ref)
	w.mustDo(operate.Request{Action: operate.Released})
	w.mustDo(operate.Request{Action: operate.Released}) // repeated
	if resp := w.exchange(); !resp.InEffect.IsZero() || resp.Adopted != nil || w.ledger().Adopted != nil {
		t.Errorf("after the release the agent is told of %s, adopted from %v", resp.InEffect, resp.Adopted)
	}
	w.reboot(true)
	w.pass(30 * time.Second)
	w.mustRunWord("")
}

func TestANewLevelReplacesAnAdoptedOneAndARevertBringsItBack(t *testing.T) {
	w, n, p := neighboured(t)
	w.mustDo(operate.Request{Action: operate.Adopt, Unit: &unit})
	n.enabled = false
	w.mustDo(operate.Request{Action: operate.Adopted})
	w.mustConfirm(w.publish("fix@2", fake.Behaviour{}))
	w.mustBeRefused(operate.Request{Action: operate.Release}, hotstick.ReasonOtherPlan)
	w.mustDo(operate.Request{Action: operate.Revert})
	w.pass(5 * time.Second)
	w.mustRun(p.Ref)
	w.mustDo(operate.Request{Action: operate.Release})
}

func TestAnAdoptionCutShortIsFinishedByRepeatingIt(t *testing.T) {
	w, n, p := neighboured(t)
	w.mustDo(operate.Request{Action: operate.Adopt, Unit: &unit})
	w.reboot(false) // before the unit was put on hold: kpatch loads first
	w.kpatch(n.files["fix_1"])
	w.pass(30 * time.Second)
	if got := w.loads["fix_1"]; got != 0 {
		t.Errorf("the loader loaded beside kpatch %d times", got)
	}
	disabled := operate.Unit{Name: unit.Name}
	a := w.mustDo(operate.Request{Action: operate.Adopt, Unit: &disabled}).Adoption
	if a == nil || a.Stage != ledger.Taking || !a.UnitEnabled {
		t.Fatalf("the repeated adoption is %+v: what the unit was before is lost", a)
	}
	w.mustDo(operate.Request{Action: operate.Adopted})
	w.mustRun(p.Ref)
}

func TestOnlyWhatTheCatalogSignedIsAdopted(t *testing.T) {
	for _, row := range []struct {
		name string
		edit func(w *world, n *neighbour)
		code hotstick.ReasonCode
	}{
		{"a file that was changed on the disk", func(_ *world, n *neighbour) { n.files["fix_1"] = file("fix_1", "ABCDE0") }, hotstick.ReasonForeignPatch},
		{"other code in the kernel than in the file", func(_ *world, n *neighbour) { n.running["fix_1"] = "012345" }, hotstick.ReasonForeignPatch},
		{"code that nothing identifies", func(_ *world, n *neighbour) { delete(n.running, "fix_1") }, hotstick.ReasonForeignPatch},
		{"no file anywhere", func(_ *world, n *neighbour) { delete(n.files, "fix_1") }, hotstick.ReasonForeignPatch},
		{"a file that is no module", func(_ *world, n *neighbour) { n.files["fix_1"] = []byte("x") }, hotstick.ReasonForeignPatch},
		{"a catalog without the bytes", func(w *world, _ *neighbour) { w.view.Patches = nil; w.exchange() }, hotstick.ReasonForeignPatch},
		{"a recalled level", func(w *world, _ *neighbour) {
			w.recall(w.view.Patches[0], hotstick.RecallBlock)
			w.exchange()
		}, hotstick.ReasonForeignPatch},
		{"nothing at all", func(w *world, _ *neighbour) { w.machine.Boot(); w.start() }, hotstick.ReasonForeignPatch},
	} {
		t.Run(row.name, func(t *testing.T) {
			w, n, _ := neighboured(t)
			row.edit(w, n)
			a := w.mustBeRefused(operate.Request{Action: operate.Adopt, Unit: &unit}, row.code)
			t.Log(a.Refused.Detail, a.Unknown)
			if led := w.ledger(); led.Permit != nil || led.Adopted != nil {
				t.Errorf("the ledger has %+v", led.Permit)
			}
		})
	}
}
