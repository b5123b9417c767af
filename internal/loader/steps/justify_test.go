package steps_test

import (
	"strings"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/catalog"
	"github.com/hotstick/hotstick/internal/loader/ledger"
	"github.com/hotstick/hotstick/internal/loader/steps"
)

var build = hotstick.KernelBuild{Release: "5.14.0-427.el9.x86_64", Arch: "x86_64", BuildID: strings.Repeat("ab", 20)}

const plan = hotstick.PlanID("sha256:1111111111111111111111111111111111111111111111111111111111111111")

func recipe(module, version string) hotstick.Recipe {
	return hotstick.Recipe{Schema: hotstick.RecipeSchema, Driver: "kpatch", Build: build, Module: module,
		Packages: []hotstick.Package{{Name: "kpatch-patch-5_14_0", Version: version}}}
}

func encoded(t *testing.T, r hotstick.Recipe) []byte {
	t.Helper()
	data, err := r.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func levelOf(n int, module string, data []byte) ledger.Level {
	return ledger.Level{Patch: hotstick.PatchRef{Name: "fix", Level: n}, Driver: "kpatch", Module: module,
		Artifact: hotstick.NewDigest(data), Build: build, TransitionSeconds: 60}
}

// ground is everything as it should be for the second level of a fix, and the request for it.
func ground(t *testing.T) (steps.Ground, steps.Request) {
	t.Helper()
	data := encoded(t, recipe("kpatch_fix_2", "1-2.el9"))
	level := levelOf(2, "kpatch_fix_2", data)
	before := levelOf(1, "kpatch_fix_1", encoded(t, recipe("kpatch_fix_1", "1-1.el9")))
	led := ledger.New("boot")
	led.Plans = []ledger.Plan{{ID: plan}}
	led.Attempt = &ledger.Attempt{Plan: plan, Number: 1, Phase: hotstick.Armed, Level: level, Before: &before}
	patch := hotstick.Patch{Ref: level.Patch, Driver: "kpatch", Reversibility: hotstick.ReversibleReboot,
		Artifacts: []hotstick.Artifact{{Build: build, Digest: level.Artifact, SizeBytes: int64(len(data)), Module: level.Module}}}
	g := steps.Ground{Ledger: led, Boot: "boot", Build: build, Kept: data, Viewed: true,
		View: catalog.NewView(1, time.Now().Add(time.Hour), hotstick.Trust{}, []hotstick.Patch{patch})}
	return g, steps.Request{Driver: "kpatch", Act: steps.Apply, Module: level.Module, Artifact: level.Artifact}
}

func TestWhatTheLedgerAndTheCatalogSayIsDone(t *testing.T) {
	g, r := ground(t)
	for _, phase := range []hotstick.HostState{hotstick.Armed, hotstick.Applying} {
		g.Ledger.Attempt.Phase = phase
		if got, err := steps.Justify(g, r); err != nil || got.Module != r.Module {
			t.Errorf("%s: %v, %+v", phase, err, got)
		}
	}
	g.Viewed = false // the way back needs no document
	g.Ledger.Attempt.Phase, r.Act = hotstick.Reverting, steps.Remove
	if _, err := steps.Justify(g, r); err != nil {
		t.Errorf("removing on the way back: %v", err)
	}
	before := *g.Ledger.Attempt.Before
	g.Kept = encoded(t, recipe("kpatch_fix_1", "1-1.el9"))
	r = steps.Request{Driver: "kpatch", Act: steps.Apply, Module: before.Module, Artifact: before.Artifact}
	if _, err := steps.Justify(g, r); err != nil {
		t.Errorf("putting back the level before: %v", err)
	}
}

func TestAttacksOnAStep(t *testing.T) {
	other := []byte(nil)
	for _, attack := range []struct {
		name string
		edit func(t *testing.T, g *steps.Ground, r *steps.Request)
		want string
	}{
		{"a request without an attempt", func(_ *testing.T, g *steps.Ground, _ *steps.Request) { g.Ledger.Attempt = nil }, "has no attempt"},
		{"the ledger of another boot", func(_ *testing.T, g *steps.Ground, _ *steps.Request) { g.Boot = "later" }, "another boot"},
		{"another driver's unit", func(_ *testing.T, _ *steps.Ground, r *steps.Request) { r.Driver = "suse" }, "is for fix@2 by kpatch"},
		{"another level's artifact", func(t *testing.T, _ *steps.Ground, r *steps.Request) {
			r.Artifact = hotstick.NewDigest(encoded(t, recipe("kpatch_fix_2", "6-6.el9")))
		}, "is for fix@2"},
		{"another level's module", func(_ *testing.T, _ *steps.Ground, r *steps.Request) { r.Module = "kpatch_fix_9" }, "is for fix@2"},
		{"an act that is none", func(_ *testing.T, _ *steps.Ground, r *steps.Request) { r.Act = "run" }, "cannot do"},
		{"applied again on probation", func(_ *testing.T, g *steps.Ground, _ *steps.Request) { g.Ledger.Attempt.Phase = hotstick.Probation }, "past that"},
		{"applied again on the way back", func(_ *testing.T, g *steps.Ground, _ *steps.Request) { g.Ledger.Attempt.Phase = hotstick.Reverting }, "past that"},
		{"a kernel that was swapped", func(_ *testing.T, g *steps.Ground, _ *steps.Request) { g.Build.BuildID = strings.Repeat("cd", 20) }, "another kernel build"},
		{"kept bytes that were swapped", func(t *testing.T, g *steps.Ground, _ *steps.Request) {
			g.Kept = encoded(t, recipe("kpatch_fix_2", "6-6.el9"))
		}, "not those that were signed"},
		{"kept bytes that are gone", func(_ *testing.T, g *steps.Ground, _ *steps.Request) { g.Kept = other }, "not those that were signed"},
		{"a catalog that does not list it", func(_ *testing.T, g *steps.Ground, _ *steps.Request) {
			g.View = catalog.NewView(2, time.Now().Add(time.Hour), hotstick.Trust{}, nil)
		}, "does not have it"},
		{"a catalog that lists other bytes", func(_ *testing.T, g *steps.Ground, _ *steps.Request) {
			p := g.View.Patches[0]
			p.Artifacts = []hotstick.Artifact{{Build: build, Digest: plan2digest, SizeBytes: 1, Module: "kpatch_fix_2"}}
			g.View = catalog.NewView(2, time.Now().Add(time.Hour), hotstick.Trust{}, []hotstick.Patch{p})
		}, "lists something else"},
		{"a catalog that lists it for another driver", func(_ *testing.T, g *steps.Ground, _ *steps.Request) {
			p := g.View.Patches[0]
			p.Driver = "amazon"
			g.View = catalog.NewView(2, time.Now().Add(time.Hour), hotstick.Trust{}, []hotstick.Patch{p})
		}, "lists something else"},
		{"no catalog at all", func(_ *testing.T, g *steps.Ground, _ *steps.Request) { g.Viewed = false }, "no signed catalog"},
		{"a plan that was halted", func(_ *testing.T, g *steps.Ground, _ *steps.Request) { g.Ledger.Halts = []hotstick.PlanID{plan} }, "halted"},
		{"a level that is struck", func(_ *testing.T, g *steps.Ground, _ *steps.Request) {
			g.Ledger.Strikes = []ledger.Strike{{Patch: g.Ledger.Attempt.Level.Patch}}
		}, "struck or banned"},
		{"a level that is banned", func(_ *testing.T, g *steps.Ground, _ *steps.Request) {
			g.Ledger.Bans = []ledger.Ban{{Patch: g.Ledger.Attempt.Level.Patch}}
		}, "struck or banned"},
		{"a permit that there is not", func(_ *testing.T, g *steps.Ground, _ *steps.Request) { g.Ledger.Attempt.Plan = "" }, "no permit"},
		{"a recipe that leads elsewhere", func(t *testing.T, g *steps.Ground, r *steps.Request) {
			sign(t, g, r, encoded(t, recipe("kpatch_evil", "1-2.el9")))
		}, "it leads to kpatch_evil"},
		{"a recipe for another build", func(t *testing.T, g *steps.Ground, r *steps.Request) {
			evil := recipe("kpatch_fix_2", "1-2.el9")
			evil.Build.BuildID = strings.Repeat("ef", 20)
			sign(t, g, r, encoded(t, evil))
		}, "it is for"},
		{"a recipe with more in it", func(t *testing.T, g *steps.Ground, r *steps.Request) {
			sign(t, g, r, append(encoded(t, recipe("kpatch_fix_2", "1-2.el9")), '\n'))
		}, "cannot"},
		{"a module as a recipe", func(t *testing.T, g *steps.Ground, r *steps.Request) { sign(t, g, r, []byte("\x7fELF")) }, "cannot"},
		{"settled while an attempt is open", func(_ *testing.T, _ *steps.Ground, r *steps.Request) { r.Act = steps.Settle }, "cannot do"},
	} {
		g, r := ground(t)
		attack.edit(t, &g, &r)
		if _, err := steps.Justify(g, r); err == nil || !strings.Contains(err.Error(), attack.want) {
			t.Errorf("%s: %v, want %q", attack.name, err, attack.want)
		}
	}
}

const plan2digest = hotstick.Digest("sha256:2222222222222222222222222222222222222222222222222222222222222222")

// sign lets ledger, catalog and disk all agree on other bytes: what a publisher could sign.
func sign(t *testing.T, g *steps.Ground, r *steps.Request, data []byte) {
	t.Helper()
	digest := hotstick.NewDigest(data)
	g.Kept, r.Artifact, g.Ledger.Attempt.Level.Artifact = data, digest, digest
	p := g.View.Patches[0]
	p.Artifacts = []hotstick.Artifact{{Build: build, Digest: digest, SizeBytes: int64(len(data)), Module: "kpatch_fix_2"}}
	g.View = catalog.NewView(2, time.Now().Add(time.Hour), hotstick.Trust{}, []hotstick.Patch{p})
}

func TestASystemIsHeldAndGivenBackAsTheLedgerSays(t *testing.T) {
	for _, c := range []struct {
		stage  ledger.AdoptionStage
		act    steps.Act
		driver string
		ok     bool
	}{
		{ledger.Taking, steps.Hold, "canonical", true}, {ledger.Taken, steps.Hold, "canonical", true}, {ledger.Releasing, steps.Hold, "canonical", false},
		{ledger.Releasing, steps.Release, "canonical", true}, {ledger.Taken, steps.Release, "canonical", false}, {ledger.Taken, steps.Hold, "kernelcare", false},
		{"", steps.Hold, "canonical", false},
	} {
		g := steps.Ground{Ledger: ledger.New("boot"), Boot: "boot"}
		if c.stage != "" {
			g.Ledger.Adopted = &ledger.Adoption{Driver: "canonical", Settings: []byte("as it was"), Stage: c.stage}
		}
		settings, err := steps.JustifySchedule(g, steps.Request{Driver: c.driver, Act: c.act})
		if (err == nil) != c.ok || c.ok && string(settings) != "as it was" {
			t.Errorf("%s of %s while %q: %q, %v", c.act, c.driver, c.stage, settings, err)
		}
	}
}
