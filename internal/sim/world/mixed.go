package world

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/controller"
	"github.com/hotstick/hotstick/internal/decide/compat"
	"github.com/hotstick/hotstick/internal/decide/planner"
	"github.com/hotstick/hotstick/internal/decide/policy"
	"github.com/hotstick/hotstick/internal/inventory"
	"github.com/hotstick/hotstick/internal/sim"
	"github.com/hotstick/hotstick/internal/statement"
	"github.com/hotstick/hotstick/internal/store"
)

// A mixed fleet has hosts of several systems, and a catalog with patches of each. Its people
// mostly roll out what closes a CVE, on every host by its own system, as the real planner
// drafts it.

// cveOf is what a level of any system closes, besides what the levels below it close.
func cveOf(level int) string { return fmt.Sprintf("CVE-2026-%d", 999+level) }

// mix makes the vendors' levels, as recipes for their own modules.
func (w *World) mix(r *rand.Rand, builds []hotstick.KernelBuild) {
	scratch, err := os.MkdirTemp("", "hotstick-sim-")
	if err != nil {
		w.fail("cannot make a directory for steps: %v", err)
		return
	}
	w.scratch = scratch
	for i := range w.levels {
		w.levels[i].Patch.CVEs = nil
		for below := range w.levels[i].Patch.Ref.Level {
			w.levels[i].Patch.CVEs = append(w.levels[i].Patch.CVEs, cveOf(below+1))
		}
	}
	for _, s := range systems() {
		covered := builds[:1+r.IntN(len(builds))] // no vendor has patches for all kernels
		for i := range levelCount {
			l := level{Level: w.vendorLevel(s, i+1, covered)}
			if chance(r, w.badLevels()) {
				l.bad, l.share = illnesses[r.IntN(len(illnesses))], []int{100, 50, 10}[r.IntN(3)]
			}
			w.addLevel(l)
		}
	}
}

// vendorLevel is one level of a vendor's patch.
func (w *World) vendorLevel(s system, number int, builds []hotstick.KernelBuild) sim.Level {
	ref := hotstick.PatchRef{Name: patchName + "-" + s.name, Level: number}
	l := sim.Level{Modules: map[hotstick.Digest][]byte{}, Patch: hotstick.Patch{Ref: ref, Summary: "made up", Driver: s.name, Vendor: s.name,
		Reversibility: s.ways[0], Replace: true, Functions: []string{"vmlinux:unix_ioctl"}}}
	for i := range number {
		l.Patch.CVEs = append(l.Patch.CVEs, cveOf(i+1))
	}
	module := fmt.Sprintf("%s_%d", s.name, number)
	w.driverOf[module] = s.name
	for _, b := range builds {
		recipe := hotstick.Recipe{Schema: hotstick.RecipeSchema, Driver: s.name, Build: b, Module: module}
		switch s.name {
		case "canonical":
			recipe.Version, recipe.CutOff = fmt.Sprintf("%d.1", number), began.Add(time.Duration(number)*time.Hour)
		case "kernelcare":
			recipe.Version, recipe.PatchSet = fmt.Sprint(number), fmt.Sprintf("K2026_%02d", number)
		default:
			recipe.Packages = []hotstick.Package{{Name: "livepatch-" + s.name, Version: fmt.Sprintf("%d-1", number)}}
		}
		data, err := recipe.Encode()
		if err != nil {
			w.fail("cannot make a recipe: %v", err)
			return l
		}
		digest := hotstick.NewDigest(data)
		l.Modules[digest] = data
		l.Patch.Artifacts = append(l.Patch.Artifacts, hotstick.Artifact{Build: b, Digest: digest, SizeBytes: int64(len(data)), Module: module})
	}
	return l
}

// mixedHost gives every second machine of a mixed fleet the system of a vendor.
func (w *World) mixedHost(n *node, i int) {
	r := stream(w.seed, "system", i)
	if !w.opt.Mixed || chance(r, 45) {
		return
	}
	n.vendor = &vendor{system: systems()[r.IntN(len(systems()))], n: n, dir: w.newDir(n.name())}
}

// system is the driver of the host's own live-patch system.
func (n *node) system() string {
	if n.vendor != nil {
		return n.vendor.name
	}
	return n.m.Kernel.Name()
}

// proposeCVE makes a plan that closes a CVE, from what the servers know of the hosts.
func (w *World) proposeCVE(r *rand.Rand, hosts []hotstick.PlanHost) (hotstick.Plan, []hotstick.PlanHost, bool) {
	cve := cveOf(1 + r.IntN(levelCount))
	req := planner.Request{Name: fmt.Sprintf("plan-%d", len(w.plans)), CVE: cve, Author: "ann", Epoch: w.catalog.Trust.Epoch,
		Now: w.time().UTC().Truncate(time.Second), Catalog: w.catalog.Patches, Root: statement.HostsRoot, Shape: w.shapeCVE(r)}
	err := w.memory.View(context.Background(), func(tx store.Tx) error {
		for _, p := range w.catalog.Patches {
			for _, closes := range p.CVEs {
				if closes == cve {
					forbidden, err := controller.Forbidden(tx, w.catalog, p.Ref)
					if err != nil {
						return err
					}
					req.Candidates = append(req.Candidates, planner.Candidate{Patch: p, Forbidden: forbidden})
				}
			}
		}
		modules := inventory.NewModules(w.catalog.Patches)
		for _, listed := range hosts {
			h, err := tx.Hosts().Get(listed.Host)
			if err != nil {
				return err
			}
			level := inventory.Read(h, modules, tx.Now(), tx.Now().Sub(h.LastSeen)).Level
			host := planner.Host{ID: h.ID, Name: h.Name, Identity: listed.Identity,
				Compat: compat.Host{Facts: h.Facts, Patches: h.Patches, InEffect: level, Strikes: h.Loader.Strikes, Reverted: h.Reverted}}
			if h.Facts != nil {
				host.Labels = h.Facts.Labels
			}
			req.Hosts = append(req.Hosts, host)
		}
		return nil
	})
	if err != nil {
		w.fail("cannot read the fleet for a plan: %v", err)
		return hotstick.Plan{}, nil, false
	}
	draft, err := planner.Build(req)
	if err != nil {
		w.some("no plan for a CVE")
		return hotstick.Plan{}, nil, false
	}
	w.some("plan for a CVE drafted")
	if len(draft.Plan.Patches()) > 1 {
		w.some("plan for a CVE with patches of several systems")
	}
	return draft.Plan, draft.Hosts, true
}

// shapeCVE is what a policy would say of the plan.
func (w *World) shapeCVE(r *rand.Rand) policy.Shape {
	secs := func(from, n int) time.Duration { return time.Duration(from+r.IntN(n)) * time.Second }
	s := policy.Shape{Probation: secs(3, 10), Transition: secs(30, 50), Life: w.life(r) + 20*time.Minute, Reapply: r.IntN(3),
		Waves: policy.Waves{FirstBake: secs(1, 8), CanaryBake: secs(1, 5), Bake: secs(1, 5), StandIns: 1 + r.IntN(3), Delay: secs(0, 3)},
		Budgets: []hotstick.Budget{{Domain: hotstick.FleetDomain, Max: 3 + r.IntN(8)}, {Domain: "rack", Max: 1 + r.IntN(3)},
			{Domain: "pair", Max: 1, Quorum: true}}}
	s.Waves.Widen = [][]int{{100}, {30, 100}, {10, 40, 100}}[r.IntN(3)]
	s.Waves.Manual = chance(r, 30)
	s.TransitionBy = map[string]time.Duration{} // what the planner takes for steps would be long for a short run
	for _, driver := range hotstick.Drivers() {
		s.TransitionBy[driver] = secs(30, 50)
	}
	if chance(r, 50) {
		s.Gate.MinReadings = 1 + r.IntN(4)
	}
	return s
}
