package checker

import (
	"encoding/json"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/trace"
)

// stage is a wave of one host, or as many as the plan puts there.
var stage = hotstick.Wave{Name: "stage", Hosts: 1}

// vendors are a level of another system than the story's.
var vendors = release{plan: newer.plan, patch: hotstick.PatchRef{Name: "vendors", Level: 1}, artifact: hotstick.NewDigest([]byte("vendors")), module: "vendors_1"}

// twoSystems makes the plan one for a CVE: h2 and h4 get the level of a vendor by suse,
// the others ours.
func twoSystems(b *trace.PlanBody) {
	roomy(b)
	b.Plan.CVE, b.Plan.Patch = "CVE-2026-1001", hotstick.PatchRef{}
	ours := b.Plan.Lanes[0]
	ours.Driver, ours.Patch = "klp", newer.patch
	suse := hotstick.Lane{Build: buildA, Driver: "suse", Patch: vendors.patch, Artifact: vendors.artifact, RevertTo: []hotstick.RevertTarget{{}}}
	b.Plan.Lanes = []hotstick.Lane{ours, suse}
	for i := range b.Hosts {
		lane := b.Plan.Lanes[i%2]
		b.Hosts[i].Driver, b.Hosts[i].Patch = lane.Driver, lane.Patch
	}
}

// mixes tells the story of a fleet in which h2 and h4 have the system suse.
func (s *story) mixes() {
	var g Ground
	if err := json.Unmarshal(s.events[0].Body, &g); err != nil {
		s.t.Fatal(err)
	}
	for i := range g.Artifacts {
		g.Artifacts[i].Driver = "klp"
	}
	g.Artifacts = append(g.Artifacts, GroundArtifact{Digest: vendors.artifact, Build: buildA, Patch: vendors.patch, Module: vendors.module, Driver: "suse"})
	for i := range g.Hosts {
		g.Hosts[i].System = []string{"klp", "suse"}[i%2]
	}
	s.events[0].Body = s.encode(g)
}

// steps lets a vendor's tool begin on a host.
func (s *story) steps(h hotstick.HostID, driver string, changes ...change) {
	tool := func(e *trace.Event) { e.To, e.Detail = StepApply, driver }
	s.host("kernel", trace.KindStep, h, append([]change{tool}, changes...)...)
}

// tells tells of another level for a while.
func (s *story) tells(r release, what func()) {
	was := s.of
	s.of = r
	what()
	s.of = was
}

func mixedTales() []tale {
	return []tale{
		{"S3p", "more are under way than have shown the level", func(b *trace.PlanBody) {
			waves("0000", hotstick.Wave{Name: "all", Hosts: 4})(b)
			roomy(b)
			b.Plan.Gate.MinReadings = 2
		}, func(s *story, bad bool) {
			s.admitted("h1")
			s.admitted("h2")
			if !bad {
				s.arm("h1")
				s.takes("h1")
				s.phase("h1", hotstick.Confirmed)
				s.row("h1", hotstick.Confirmed)
			}
			s.admitted("h3")
		}},
		{"S3p", "what one patch has shown lets another's hosts start", func(b *trace.PlanBody) {
			twoSystems(b)
			waves("0000", hotstick.Wave{Name: "all", Hosts: 4})(b)
			b.Plan.Gate.MinReadings = 1
		}, func(s *story, bad bool) {
			s.mixes()
			s.patched("h1")
			s.patched("h3")
			s.tells(vendors, func() {
				s.admitted("h2")
				if !bad {
					s.arm("h2")
					s.takes("h2")
					s.phase("h2", hotstick.Confirmed)
					s.row("h2", hotstick.Confirmed)
				}
				s.admitted("h4")
			})
		}},
		{"S5p", "the first host of a patch came to harm", func(b *trace.PlanBody) {
			twoSystems(b)
			waves("0112", stage, stage, stage)(b)
		}, func(s *story, bad bool) {
			s.mixes()
			s.patched("h1")
			s.patched("h3")
			s.tells(vendors, func() {
				s.admitted("h2")
				s.arm("h2")
				s.takes("h2")
				s.phase("h2", hotstick.Confirmed)
				s.row("h2", pick(bad, hotstick.Lost, hotstick.Confirmed), reason(hotstick.ReasonSilentAfter))
				s.admitted("h4")
			})
		}},
		{"S3p", "another patch begins beside one whose recall was lifted", func(b *trace.PlanBody) {
			twoSystems(b)
			waves("0000", hotstick.Wave{Name: "all", Hosts: 4})(b)
			roomy(b)
			b.Plan.Gate.MinReadings = 2
		}, func(s *story, bad bool) {
			s.mixes()
			s.tells(vendors, func() { s.admitted("h2") })
			s.add(trace.Event{Node: "people", Kind: trace.KindFault, Cause: PeopleRecall, Patch: vendors.patch})
			s.server(trace.Event{Kind: trace.KindClear, Patch: vendors.patch, To: pick(bad, "recall", "crashes")})
			s.admitted("h1")
		}},
		{"S34", "a step of another driver than the plan's", twoSystems, func(s *story, bad bool) {
			s.mixes()
			s.baked()
			s.tells(vendors, func() {
				s.admitted("h2")
				s.arm("h2")
				s.steps("h2", pick(bad, "kpatch", "suse"))
			})
		}},
		{"S34", "a step without a grant", twoSystems, func(s *story, bad bool) {
			s.mixes()
			s.baked()
			s.tells(vendors, func() {
				s.admit("h2")
				if !bad {
					s.grant("h2")
				}
				s.arm("h2", func(e *trace.Event) { e.Detail = "" })
				s.steps("h2", "suse")
			})
		}},
		{"S34", "a step for other bytes than the attempt's", twoSystems, func(s *story, bad bool) {
			s.mixes()
			s.baked()
			s.tells(vendors, func() {
				s.admitted("h2")
				s.arm("h2")
				s.steps("h2", "suse", func(e *trace.Event) { e.Artifact = pick(bad, newer, vendors).artifact })
			})
		}},
		{"S35", "a plan for a CVE goes past the host's own system", twoSystems, func(s *story, bad bool) {
			s.mixes()
			h := pick[hotstick.HostID](bad, "h2", "h1")
			s.admitted("h1")
			s.arm(h)
			s.load(h)
		}},
		{"S35", "a level is loaded in place of another system's", nil, func(s *story, bad bool) {
			s.mixes()
			s.admitted("h1")
			s.arm("h1")
			s.kernel("h1", hotstick.InEffect, of(pick(bad, vendors, older)))
			s.load("h1")
		}},
		{"S36", "an attempt beside a system that starts patches by itself", nil, func(s *story, bad bool) {
			s.mixes()
			s.fault(FaultLifted, "h1")
			if !bad {
				s.fault(FaultHeld, "h1")
			}
			s.wait(time.Minute)
			s.admitted("h1")
			s.arm("h1")
		}},
	}
}
