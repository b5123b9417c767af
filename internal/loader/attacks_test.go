package loader_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/catalog"
	"github.com/hotstick/hotstick/internal/driver"
	"github.com/hotstick/hotstick/internal/driver/fake"
	"github.com/hotstick/hotstick/internal/kernel/kmod"
	"github.com/hotstick/hotstick/internal/statement"
)

// attack is one way to make a loader load what it must not. It returns what is
// handed to the loader after an honest plan was announced.
type attack struct {
	what string
	code hotstick.ReasonCode
	// reported: the refusal is an answer about the host and ends the attempt.
	reported bool
	// plan edits the plan before it is signed; do does the rest.
	plan func(*world, *hotstick.Plan)
	do   func(w *world, p hotstick.Patch, id hotstick.PlanID) json.RawMessage
}

func granted(edit func(*world, *statement.Grant)) func(*world, hotstick.Patch, hotstick.PlanID) json.RawMessage {
	return func(w *world, _ hotstick.Patch, id hotstick.PlanID) json.RawMessage {
		return w.grant(id, 1, func(g *statement.Grant) {
			if edit != nil {
				edit(w, g)
			}
		})
	}
}

var attacks = []attack{
	{what: "a grant signed by a thief", code: hotstick.ReasonSignature,
		do: func(w *world, _ hotstick.Patch, id hotstick.PlanID) json.RawMessage {
			return w.sign(statement.KindGrant, w.bareGrant(id), thief)
		}},
	{what: "a grant signed by an approver", code: hotstick.ReasonSignature,
		do: func(w *world, _ hotstick.Patch, id hotstick.PlanID) json.RawMessage {
			return w.sign(statement.KindGrant, w.bareGrant(id), approver)
		}},
	{what: "an expired grant", code: hotstick.ReasonGrantExpired,
		do: func(w *world, _ hotstick.Patch, id hotstick.PlanID) json.RawMessage {
			raw := w.grant(id, 1, nil)
			w.now = w.now.Add(61 * time.Second)
			return raw
		}},
	{what: "a grant that outlived its own short life", code: hotstick.ReasonGrantExpired,
		do: func(w *world, _ hotstick.Patch, id hotstick.PlanID) json.RawMessage {
			raw := w.grant(id, 1, func(g *statement.Grant) { g.TTLSeconds = 5 })
			w.now = w.now.Add(6 * time.Second)
			return raw
		}},
	{what: "a grant from before the loader was restarted", code: hotstick.ReasonGrantExpired,
		do: func(w *world, _ hotstick.Patch, id hotstick.PlanID) json.RawMessage {
			raw := w.grant(id, 1, nil)
			w.start()
			return raw
		}},
	{what: "a grant with an invented nonce", code: hotstick.ReasonGrantExpired,
		do: granted(func(_ *world, g *statement.Grant) { g.Nonce = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" })},
	{what: "a grant for another host", code: hotstick.ReasonNotInPlan,
		do: granted(func(_ *world, g *statement.Grant) {
			g.Host, g.Identity = hotstick.NewHostID(thief.Public()), hotstick.NewFingerprint(thief.Public())
		})},
	{what: "another host's place in the plan", code: hotstick.ReasonNotInPlan,
		do: granted(func(w *world, g *statement.Grant) {
			g.Index = 0
			g.Proof, _ = statement.ProveHost(w.plans[g.Plan], 0)
		})},
	{what: "a proof from another list", code: hotstick.ReasonNotInPlan,
		do: granted(func(w *world, g *statement.Grant) {
			hosts := append([]hotstick.PlanHost(nil), w.plans[g.Plan]...)
			hosts[0].Name, hosts[0].Identity = "n3", hotstick.NewFingerprint(author.Public())
			hosts[0].Host = hotstick.NewHostID(author.Public())
			g.Proof, _ = statement.ProveHost(hosts, 1)
		})},
	{what: "a grant of an older epoch", code: hotstick.ReasonStaleEpoch,
		do: granted(func(_ *world, g *statement.Grant) { g.Epoch = 2 })},
	{what: "a grant for a plan nobody announced", code: hotstick.ReasonNotInPlan,
		do: func(w *world, p hotstick.Patch, _ hotstick.PlanID) json.RawMessage {
			_, id := w.plan(p, func(plan *hotstick.Plan) { plan.Name = "another" })
			return w.grant(id, 1, nil)
		}},
	{what: "a halted plan", code: hotstick.ReasonPlanHalted,
		do: func(w *world, _ hotstick.Patch, id hotstick.PlanID) json.RawMessage {
			w.exchange(w.halt(id))
			return w.grant(id, 1, nil)
		}},
	{what: "a halted plan announced again after a reboot", code: hotstick.ReasonPlanHalted,
		do: func(w *world, p hotstick.Patch, id hotstick.PlanID) json.RawMessage {
			w.exchange(w.halt(id))
			w.reboot(true)
			raw, _ := w.plan(p, nil)
			w.exchange(raw)
			return w.grant(id, 1, nil)
		}},
	{what: "a plan whose life is over", code: hotstick.ReasonPlanExpired,
		do: func(w *world, _ hotstick.Patch, id hotstick.PlanID) json.RawMessage {
			w.now = w.now.Add(25 * time.Hour)
			w.exchange()
			return w.grant(id, 1, nil)
		}},
	{what: "a plan whose approver was struck off", code: hotstick.ReasonNotApproved,
		do: func(w *world, _ hotstick.Patch, id hotstick.PlanID) json.RawMessage {
			without := trust()
			without.Persons[1].Keys = []hotstick.TrustedKey{hotstick.TrustedKey(thief.Public())}
			w.view = catalog.NewView(w.view.Version+1, w.view.Expires, without, w.view.Patches)
			w.exchange()
			return w.grant(id, 1, nil)
		}},
	{what: "a wave whose delay runs", code: hotstick.ReasonDelay,
		plan: func(_ *world, p *hotstick.Plan) { p.Waves[0].DelaySeconds = 3600 },
		do:   granted(nil)},
	{what: "a wall clock set forward past the delay", code: hotstick.ReasonDelay,
		plan: func(_ *world, p *hotstick.Plan) { p.Waves[0].DelaySeconds = 3600 },
		do: func(w *world, _ hotstick.Patch, id hotstick.PlanID) json.RawMessage {
			w.reboot(true)
			w.now = w.now.Add(time.Minute)
			w.exchange()
			return w.grant(id, 1, nil)
		}},
	{what: "a wrong kernel build", code: hotstick.ReasonWrongBuild, reported: true,
		plan: func(w *world, p *hotstick.Plan) {
			p.Lanes[0].Build = otherBuild
		},
		do: granted(func(_ *world, g *statement.Grant) { g.Build = otherBuild })},
	{what: "other bytes than the catalog's", code: hotstick.ReasonDigestMismatch, reported: true,
		plan: func(_ *world, p *hotstick.Plan) { p.Lanes[0].Artifact = hotstick.NewDigest([]byte("evil")) },
		do:   granted(nil)},
	{what: "a patch that the catalog does not list", code: hotstick.ReasonNoArtifact,
		do: func(w *world, _ hotstick.Patch, id hotstick.PlanID) json.RawMessage {
			w.view = catalog.NewView(w.view.Version+1, w.view.Expires, w.view.Trust, nil)
			w.exchange()
			return w.grant(id, 1, nil)
		}},
	{what: "an expired catalog", code: hotstick.ReasonCatalogExpired,
		do: func(w *world, _ hotstick.Patch, id hotstick.PlanID) json.RawMessage {
			w.view = catalog.NewView(w.view.Version+1, w.now.Add(-time.Second), w.view.Trust, w.view.Patches)
			w.exchange()
			return w.grant(id, 1, nil)
		}},
	{what: "a banned patch", code: hotstick.ReasonBanned, reported: true,
		do: func(w *world, p hotstick.Patch, id hotstick.PlanID) json.RawMessage {
			w.exchange(w.ban(p))
			return w.grant(id, 1, nil)
		}},
	{what: "a plan without the level to go back to", code: hotstick.ReasonRevertUnlisted, reported: true,
		plan: func(_ *world, p *hotstick.Plan) {
			p.Lanes[0].RevertTo = []hotstick.RevertTarget{{Patch: hotstick.PatchRef{Name: "older", Level: 1},
				Artifact: hotstick.NewDigest([]byte("older")), Module: "older_1"}}
		},
		do: granted(nil)},
	{what: "a live patch that is not ours", code: hotstick.ReasonForeignPatch, reported: true,
		do: func(w *world, _ hotstick.Patch, id hotstick.PlanID) json.RawMessage {
			w.foreign("kpatch_other")
			return w.grant(id, 1, nil)
		}},
	{what: "a running transition that is not ours", code: hotstick.ReasonTransitionBusy,
		do: func(w *world, _ hotstick.Patch, id hotstick.PlanID) json.RawMessage {
			w.machine.Behave("kpatch_slow", fake.Behaviour{Stall: true})
			w.foreign("kpatch_slow")
			return w.grant(id, 1, nil)
		}},
	{what: "a host that is ill already", code: hotstick.ReasonProbeFailed,
		do: func(w *world, _ hotstick.Patch, id hotstick.PlanID) json.RawMessage {
			w.probe = "503"
			w.exchange()
			return w.grant(id, 1, nil)
		}},
	{what: "a boot that is too young", code: hotstick.ReasonSettling,
		do: func(w *world, _ hotstick.Patch, id hotstick.PlanID) json.RawMessage {
			w.reboot(true)
			return w.grant(id, 1, nil)
		}},
	{what: "an artifact that was not fetched", code: hotstick.ReasonNoArtifact,
		do: func(w *world, p hotstick.Patch, id hotstick.PlanID) json.RawMessage {
			delete(w.staged, p.Artifacts[0].Digest)
			if err := w.disk.Sweep(map[hotstick.Digest]bool{}); err != nil {
				w.t.Fatal(err)
			}
			w.start()
			w.plansAgain(id)
			return w.grant(id, 1, nil)
		}},
	{what: "staged bytes that were swapped", code: hotstick.ReasonNoArtifact,
		do: func(w *world, p hotstick.Patch, id hotstick.PlanID) json.RawMessage {
			w.staged[p.Artifacts[0].Digest] = []byte("evil")
			if err := w.disk.Sweep(map[hotstick.Digest]bool{}); err != nil {
				w.t.Fatal(err)
			}
			w.start()
			w.plansAgain(id)
			return w.grant(id, 1, nil)
		}},
	{what: "an order in a grant's clothes", code: hotstick.ReasonSignature,
		do: func(w *world, _ hotstick.Patch, id hotstick.PlanID) json.RawMessage {
			raw := w.grant(id, 1, nil)
			var envelope map[string]any
			if err := json.Unmarshal(raw, &envelope); err != nil {
				w.t.Fatal(err)
			}
			var other map[string]any
			if err := json.Unmarshal(w.order(id, nil), &other); err != nil {
				w.t.Fatal(err)
			}
			envelope["payload"] = other["payload"]
			forged, err := json.Marshal(envelope)
			if err != nil {
				w.t.Fatal(err)
			}
			return forged
		}},
}

func TestNothingIsLoadedBy(t *testing.T) {
	for _, a := range attacks {
		t.Run(a.what, func(t *testing.T) {
			w := newWorld(t)
			p := w.publish("fix@1", fake.Behaviour{})
			raw, id := w.plan(p, func(plan *hotstick.Plan) {
				if a.plan != nil {
					a.plan(w, plan)
				}
			})
			w.exchange(raw)
			document := a.do(w, p, id)
			w.exchange(document)
			w.mustRefuse(a.code)
			w.pass(3 * time.Second)
			if got := w.running(); !got.IsZero() {
				t.Fatalf("the kernel runs %v", got)
			}
			switch {
			case a.reported:
				w.mustEnd(hotstick.Failed, a.code)
			case len(w.reports) > 0:
				t.Errorf("reported %s: a refused document is no word about the host", w.states())
			}
		})
	}
}

func TestAGrantWorksOnce(t *testing.T) {
	w := newWorld(t)
	p := w.publish("fix@1", fake.Behaviour{Ill: "503"})
	raw, id := w.plan(p, nil)
	w.exchange(raw)
	grant := w.grant(id, 1, nil)
	w.exchange(grant)
	w.pass(10 * time.Second)
	w.mustEnd(hotstick.Reverted, hotstick.ReasonProbeFailed)
	n := len(w.reports)
	w.exchange(grant)
	w.mustRefuse(hotstick.ReasonGrantReplayed)
	w.exchange(w.grant(id, 1, nil)) // the same attempt with a fresh nonce
	w.mustRefuse(hotstick.ReasonGrantReplayed)
	w.pass(5 * time.Second)
	if len(w.reports) != n {
		t.Errorf("a replayed grant did something: %s", w.states())
	}
}

func TestAnEditedPlanIsRefused(t *testing.T) {
	w := newWorld(t)
	p := w.publish("fix@1", fake.Behaviour{})
	raw, id := w.plan(p, nil)
	var envelope map[string]any
	if err := json.Unmarshal(raw, &envelope); err != nil {
		t.Fatal(err)
	}
	slow, _ := w.plan(p, func(plan *hotstick.Plan) { plan.ProbationSeconds = 1 })
	var other map[string]any
	if err := json.Unmarshal(slow, &other); err != nil {
		t.Fatal(err)
	}
	envelope["payload"] = other["payload"]
	forged, err := json.Marshal(envelope)
	if err != nil {
		t.Fatal(err)
	}
	w.exchange(forged)
	w.mustRefuse(hotstick.ReasonSignature)
	w.exchange(w.grant(id, 1, nil))
	w.mustRefuse(hotstick.ReasonNotInPlan)
}

func TestAPlanThatOnlyItsAuthorSignedIsRefused(t *testing.T) {
	w := newWorld(t)
	p := w.publish("fix@1", fake.Behaviour{})
	raw, _ := w.plan(p, nil)
	unverified, err := statement.ParsePlan(raw)
	if err != nil {
		t.Fatal(err)
	}
	w.exchange(w.sign(statement.KindPlan, unverified.Plan, author))
	w.mustRefuse(hotstick.ReasonNotApproved)
	if plans := w.last.Plans; len(plans) != 0 {
		t.Errorf("the loader announces %v", plans)
	}
}

func TestAnOlderLevelThanAConfirmedOneIsRefused(t *testing.T) {
	w := newWorld(t)
	older := w.publish("fix@1", fake.Behaviour{})
	newer := w.publish("fix@2", fake.Behaviour{})
	w.mustConfirm(newer)
	raw, id := w.plan(older, func(p *hotstick.Plan) {
		p.Lanes[0].RevertTo = []hotstick.RevertTarget{{Patch: newer.Ref, Artifact: newer.Artifacts[0].Digest, Module: "fix_2"}}
	})
	w.exchange(raw)
	w.exchange(w.grant(id, 1, nil))
	w.pass(time.Second)
	w.mustEnd(hotstick.Failed, hotstick.ReasonDowngrade)
	w.mustRun(newer.Ref)
}

func TestAnOrderIsRefused(t *testing.T) {
	for _, c := range []struct {
		what string
		code hotstick.ReasonCode
		edit func(*statement.Order)
		wait time.Duration
	}{
		{what: "for another host", code: hotstick.ReasonNotInPlan, edit: func(o *statement.Order) { o.Host = hotstick.NewHostID(thief.Public()) }},
		{what: "with an old nonce", code: hotstick.ReasonGrantExpired, wait: 61 * time.Second},
		{what: "for a plan that this host took no part in", code: hotstick.ReasonNotInPlan, edit: func(o *statement.Order) { o.Plan = hotstick.NewDigest([]byte("x")) }},
		{what: "of an older epoch", code: hotstick.ReasonStaleEpoch, edit: func(o *statement.Order) { o.Epoch = 2 }},
	} {
		t.Run(c.what, func(t *testing.T) {
			w := newWorld(t)
			p := w.publish("fix@1", fake.Behaviour{})
			id := w.mustConfirm(p)
			w.exchange()
			raw := w.order(id, c.edit)
			w.now = w.now.Add(c.wait)
			w.exchange(raw)
			w.mustRefuse(c.code)
			w.pass(5 * time.Second)
			w.mustRun(p.Ref)
		})
	}
}

func TestAClearLiftsAStrikeOnceAndOnlyForListedHosts(t *testing.T) {
	w := newWorld(t)
	p := w.publish("fix@1", fake.Behaviour{})
	w.offer(p, 1)
	w.pass(2 * time.Second)
	w.machine.Crash("")
	w.reboot(false)
	w.pass(20 * time.Second)
	clearFor := func(host hotstick.HostID) json.RawMessage {
		return w.sign(statement.KindClear, statement.Clear{Patch: p.Ref, Hosts: []hotstick.HostID{host},
			IssuedAt: w.now.Truncate(time.Second), NotAfter: w.now.Add(time.Hour).Truncate(time.Second)}, author, approver)
	}
	w.exchange(clearFor(hotstick.NewHostID(thief.Public())))
	if len(w.last.Strikes) != 1 {
		t.Fatal("a clear for another host lifted this one's strike")
	}
	mine := clearFor(hotstick.NewHostID(identity.Public()))
	w.exchange(mine)
	if len(w.last.Strikes) != 0 {
		t.Fatalf("the strike stands; refusals %v", w.refusals)
	}
	raw, id := w.plan(p, func(plan *hotstick.Plan) { plan.Name = "again" })
	w.exchange(raw)
	w.exchange(w.grant(id, 1, nil))
	w.pass(2 * time.Second)
	w.machine.Crash("")
	w.reboot(false)
	w.exchange(mine)
	if len(w.last.Strikes) != 1 {
		t.Error("one clear lifted two strikes")
	}
	// The same words with one signature more are still the same clear.
	again, err := statement.AddSignature(mine, thief)
	if err != nil {
		t.Fatal(err)
	}
	if w.exchange(again); len(w.last.Strikes) != 1 {
		t.Error("a used clear lifted another strike in a new envelope")
	}
}

func TestABanOlderThanItsClearStaysLifted(t *testing.T) {
	w := newWorld(t)
	p := w.publish("fix@1", fake.Behaviour{})
	ban := w.ban(p)
	w.exchange(ban)
	w.now = w.now.Add(time.Minute)
	w.exchange(w.sign(statement.KindClear, statement.Clear{Patch: p.Ref, Hosts: []hotstick.HostID{}, Ban: true,
		IssuedAt: w.now.Truncate(time.Second), NotAfter: w.now.Add(time.Hour).Truncate(time.Second)}, author, approver))
	if w.exchange(ban); len(w.last.Bans) != 0 {
		t.Error("the old ban came back")
	}
	w.now = w.now.Add(time.Minute)
	if w.exchange(w.ban(p)); len(w.last.Bans) != 1 {
		t.Error("a newer ban was not taken")
	}
}

// bareGrant is an unsigned good grant.
func (w *world) bareGrant(id hotstick.PlanID) statement.Grant {
	w.t.Helper()
	var g statement.Grant
	w.grant(id, 1, func(good *statement.Grant) { g = *good })
	return g
}

// plansAgain announces a plan again after the loader lost its kept bytes.
func (w *world) plansAgain(id hotstick.PlanID) {
	w.t.Helper()
	w.exchange(w.envelopes[id])
}

// foreign loads a live patch behind the loader's back.
func (w *world) foreign(module string, over ...string) {
	w.t.Helper()
	file := mustFile(w.t, kmod.Compose(kmod.Info{Name: module, License: "GPL", Livepatch: true, Arch: build.Arch, Vermagic: build.Release + " SMP "}))
	if err := w.machine.Load(w.t.Context(), driver.Load{Module: module, File: file, Build: build, Replaces: over}); err != nil {
		w.t.Fatal(err)
	}
	w.now = w.now.Add(time.Second)
	w.exchange()
}
