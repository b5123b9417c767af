package checker

import (
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/trace"
)

// orderTales break S5: who is admitted before its wave is open.
func orderTales() []tale {
	one, long := hotstick.Wave{}, hotstick.Wave{BakeSeconds: 60}
	return []tale{
		{"S5", "nobody of the first wave has come to its end", nil, func(s *story, bad bool) {
			s.admitted(pick[hotstick.HostID](bad, "h2", "h1"))
		}},
		{"S5", "the bake is not over", nil, func(s *story, bad bool) {
			s.patched("h1")
			s.wait(pick(bad, 10*time.Second, 20*time.Second))
			s.admitted("h2")
		}},
		{"S5", "a host of the wave before is still under way", roomy, func(s *story, bad bool) {
			s.baked()
			s.patched("h2")
			s.probation("h3")
			if !bad {
				s.phase("h3", hotstick.Confirmed)
				s.row("h3", hotstick.Confirmed)
			}
			s.admitted("h4")
		}},
		{"S5", "every host of the wave before was passed over", waves("0123", one, one, one, one), func(s *story, bad bool) {
			s.row("h1", hotstick.Skipped, reason(pick(bad, hotstick.ReasonExcluded, hotstick.ReasonAlreadyInEffect)))
			s.admitted("h2")
		}},
		{"S5", "the wave before was mostly passed over for what its hosts are", waves("0001", one, one), func(s *story, bad bool) {
			s.patched("h1")
			why := reason(pick(bad, hotstick.ReasonHeldOnHost, hotstick.ReasonAlreadyInEffect))
			s.row("h2", hotstick.Skipped, why)
			s.row("h3", hotstick.Skipped, why)
			s.admitted("h4")
		}},
		{"S5", "two transitions of the wave before stalled beside one that did not", func(b *trace.PlanBody) {
			waves("0001", one, one)(b)
			roomy(b)
		}, func(s *story, bad bool) {
			s.patched("h1")
			for _, h := range []hotstick.HostID{"h2", "h3"} {
				s.probation(h)
				s.returns(h)
				s.phase(h, hotstick.Reverted)
				s.row(h, hotstick.Reverted, reason(pick(bad, hotstick.ReasonTransitionStalled, hotstick.ReasonRevertOrdered)))
			}
			s.admitted("h4")
		}},
		{"S5", "a host of the wave before was lost", nil, func(s *story, bad bool) {
			s.baked()
			s.patched("h2")
			s.patched("h3")
			s.row("h3", pick(bad, hotstick.Lost, hotstick.Confirmed), reason(hotstick.ReasonSilentAfter))
			s.wait(10 * time.Second)
			s.admitted("h4")
		}},
		{"S5", "a host of the wave before refused the level", nil, func(s *story, bad bool) {
			s.baked()
			s.patched("h2")
			s.row("h3", hotstick.Failed, reason(pick(bad, hotstick.ReasonKernelRefused, hotstick.ReasonForeignPatch)))
			s.admitted("h4")
		}},
		{"S5", "a host of the wave before took the level back out", roomy, func(s *story, bad bool) {
			s.baked()
			s.patched("h2")
			s.probation("h3")
			s.returns("h3")
			s.phase("h3", hotstick.Reverted)
			s.row("h3", hotstick.Reverted, reason(pick(bad, hotstick.ReasonProbeFailed, hotstick.ReasonRevertOrdered)))
			s.admitted("h4")
		}},
		{"S5", "harm in a wave that had passed holds the lane", waves("0011", one, one), func(s *story, bad bool) {
			s.patched("h1")
			s.patched("h2")
			s.patched("h3")
			s.row("h1", pick(bad, hotstick.Lost, hotstick.Confirmed), reason(hotstick.ReasonSilentAfter))
			s.admitted("h4")
		}},
		{"S5", "who comes back to a wave that had not passed is waited for", roomy, func(s *story, bad bool) {
			s.baked()
			s.patched("h2")
			s.row("h3", hotstick.Skipped, reason(hotstick.ReasonProbeFailed))
			s.row("h3", pick(bad, hotstick.Waiting, hotstick.Skipped), reason(hotstick.ReasonProbeFailed))
			s.admitted("h4")
		}},
		{"S5", "most of a wave are absent", waves("0001", one, one), func(s *story, bad bool) {
			s.patched("h1")
			s.row("h2", hotstick.Skipped, reason(hotstick.ReasonHostSilent))
			s.row("h3", hotstick.Skipped, reason(pick(bad, hotstick.ReasonHostSilent, hotstick.ReasonExcluded)))
			s.admitted("h4")
		}},
		{"S5", "the wave before was last heard of long ago", nil, func(s *story, bad bool) {
			s.baked()
			s.wait(16 * time.Minute)
			if !bad {
				s.shows("h1", "applied", 0)
			}
			s.admitted("h2")
		}},
		{"S5", "the plan asks for more readings", func(b *trace.PlanBody) { b.Plan.Gate.FreshSeconds = 60 }, func(s *story, bad bool) {
			s.baked()
			s.wait(pick(bad, time.Minute, 0))
			s.admitted("h2")
		}},
		{"S5", "a manual wave opens by itself", waves("0111", one, hotstick.Wave{Manual: true}), func(s *story, bad bool) {
			s.patched("h1")
			s.server(trace.Event{Kind: trace.KindGate, Plan: s.of.plan, To: Promoted, Wave: pick(bad, 1, 2)})
			s.admitted("h2")
		}},
		{"S5", "a stand-in goes while its canary can start", standsIn, func(s *story, bad bool) {
			s.row("h1", pick(bad, hotstick.Waiting, hotstick.Skipped), reason(hotstick.ReasonHostSilent))
			s.admitted("h2")
		}},
		{"S5", "nobody waits for the stand-in", standsIn, func(s *story, bad bool) {
			s.row("h1", hotstick.Skipped, reason(hotstick.ReasonHostSilent))
			if bad {
				s.probation("h2")
			} else {
				s.patched("h2")
				s.wait(20 * time.Second)
			}
			s.admitted("h3")
		}},
		{"S5", "a proven wave opens before the canary has passed", proven, func(s *story, bad bool) {
			if bad {
				s.probation("h1")
			} else {
				s.baked()
			}
			s.admitted("h2")
		}},
		{"S5", "a wave opens while the proven one before it is under way", both(proven, roomy), func(s *story, bad bool) {
			s.baked()
			s.patched("h2")
			if bad {
				s.probation("h3")
			} else {
				s.patched("h3")
			}
			s.admitted("h4")
		}},
		{"S5", "another lane's first hosts are still baking", both(lanes, waves("0012", one, long, one)), func(s *story, bad bool) {
			s.patched("h1")
			s.patched("h2")
			s.patched("h3")
			s.wait(pick(bad, 20*time.Second, 70*time.Second))
			s.admitted("h4")
		}},
		{"S5", "a late host goes before the last wave", lateRole("web"), func(s *story, bad bool) {
			s.baked()
			s.patched("h2")
			if !bad {
				s.patched("h3")
			}
			s.admitted("h9")
		}},
		{"S5", "a grant for a host that was not admitted", nil, func(s *story, bad bool) {
			if !bad {
				s.admit("h1")
			}
			s.grant("h1")
		}},
	}
}

func both(a, b edit) edit { return func(body *trace.PlanBody) { a(body); b(body) } }

// standsIn lets h2 stand in for the canary, whose wave h3 waits for.
func standsIn(b *trace.PlanBody) {
	roomy(b)
	b.Hosts[1].StandIn = &hotstick.StandIn{For: "h1", Wave: 0}
}

// proven: the plan before has proven the second wave.
func proven(b *trace.PlanBody) { b.Plan.Waves[1].Proven = true }

// lanes puts h3 on another kernel build.
func lanes(b *trace.PlanBody) {
	b.Plan.Lanes = append(b.Plan.Lanes, hotstick.Lane{Build: buildB, Artifact: newer.artifact})
	b.Hosts[2].Build = buildB
}
