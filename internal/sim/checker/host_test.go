package checker

import (
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/trace"
)

func kernelTales() []tale {
	return []tale{
		{"S8", "applied is shown in the middle of a transition", nil, func(s *story, bad bool) {
			s.kernel("h1", pick(bad, hotstick.TransitionIn, hotstick.InEffect))
			s.shows("h1", "applied", 0)
		}},
		{"S8", "applied is shown of an old check-in", nil, func(s *story, bad bool) {
			s.kernel("h1", hotstick.InEffect)
			s.wait(time.Minute)
			s.shows("h1", "applied", pick(bad, 31*time.Second, 20*time.Second))
		}},
		{"S8", "a screen goes back to an older check-in", nil, func(s *story, bad bool) {
			s.kernel("h1", hotstick.InEffect)
			s.wait(time.Minute)
			s.shows("h1", "applied", 0)
			s.shows("h1", "applied", pick(bad, 10*time.Second, 0))
		}},
		{"S10", "armed again after a crash", nil, func(s *story, bad bool) {
			s.admitted("h1")
			s.arm("h1")
			s.down("h1", pick(bad, "panic", DownRack))
			s.up("h1")
			s.phase("h1", hotstick.Interrupted)
			s.arm("h1", func(e *trace.Event) { e.Attempt++ })
		}},
		{"S10", "one boot strikes twice", nil, func(s *story, bad bool) {
			s.host("disk", trace.KindStrike, "h1")
			s.host("disk", trace.KindStrike, "h1", func(e *trace.Event) { e.Boot = pick(bad, "b1", "b2") })
		}},
		{"S11", "a load without an intent", nil, func(s *story, bad bool) {
			s.admitted("h1")
			if !bad {
				s.arm("h1")
			}
			s.load("h1")
		}},
		{"S11", "a load before the boot has settled", nil, func(s *story, bad bool) {
			s.admitted("h1")
			s.down("h1", DownClean)
			s.up("h1")
			s.wait(pick(bad, -5*time.Second, 0))
			s.arm("h1")
			s.load("h1")
		}},
		{"S11", "a level comes back after two unclean boots", nil, func(s *story, bad bool) {
			s.patched("h1")
			s.down("h1", "panic")
			s.up("h1")
			s.down("h1", pick(bad, "panic", DownClean))
			s.up("h1")
			s.armAgain("h1")
		}},
		{"S12", "a probation that never ends", nil, func(s *story, bad bool) {
			s.probation("h1")
			s.wait(pick(bad, time.Minute, 20*time.Second))
			s.fault("look", "h1")
		}},
		{"S12a", "a probation goes on without an agent", nil, func(s *story, bad bool) {
			s.probation("h1")
			s.fault(FaultAgentDown, "h1")
			s.wait(pick(bad, 20*time.Second, 10*time.Second))
			s.fault("look", "h1")
		}},
		{"S12p", "a probation while the kernel is in transition", nil, func(s *story, bad bool) {
			s.admitted("h1")
			s.arm("h1")
			s.load("h1")
			s.kernel("h1", pick(bad, hotstick.TransitionIn, hotstick.InEffect))
			s.phase("h1", hotstick.Probation)
		}},
		{"S13", "unloaded while in effect", nil, func(s *story, bad bool) {
			s.kernel("h1", pick(bad, hotstick.InEffect, hotstick.Disabled))
			s.host("kernel", trace.KindUnload, "h1")
		}},
		{"S13", "forced", nil, func(s *story, bad bool) {
			s.kernel("h1", hotstick.Disabled)
			s.host("kernel", pick(bad, trace.KindForce, trace.KindUnload), "h1")
		}},
		{"S13", "a load while a transition runs", nil, func(s *story, bad bool) {
			s.admitted("h1")
			s.arm("h1")
			s.kernel("h1", pick(bad, hotstick.TransitionIn, hotstick.InEffect), of(older))
			s.load("h1")
		}},
		{"S13", "a patch that is not ours is disabled", nil, func(s *story, bad bool) {
			s.host("kernel", trace.KindDisable, "h1", func(e *trace.Event) { e.Artifact = pick(bad, "", newer.artifact) })
		}},
	}
}

// climbed is a host that confirmed the older level and sets out for the newer one.
func climbed(s *story, h hotstick.HostID) {
	s.propose(older)
	s.patched(h)
	s.attempts[h] = 0
	s.propose(newer)
	s.admitted(h)
}

// backTales are of the way back.
func backTales() []tale {
	return []tale{
		{"S12r", "a revert forgets the level before", nil, func(s *story, bad bool) {
			climbed(s, "h1")
			s.arm("h1")
			s.replaces("h1")
			s.phase("h1", hotstick.Reverting)
			s.kernel("h1", hotstick.Disabled)
			if !bad {
				s.load("h1", of(older))
				s.kernel("h1", hotstick.InEffect, of(older))
			}
			s.phase("h1", hotstick.Reverted)
		}},
		{"S12r", "an ordered way back forgets the level before", nil, func(s *story, bad bool) {
			climbed(s, "h1")
			s.arm("h1")
			s.replaces("h1")
			s.phase("h1", hotstick.Confirmed)
			s.phase("h1", hotstick.Reverting)
			s.kernel("h1", hotstick.Disabled)
			if bad {
				s.phase("h1", hotstick.Reverted)
				return
			}
			s.learn("h1", learnedBan, of(older)) // nobody wants it back
			s.phase("h1", hotstick.Reverted)
		}},
		{"S12r", "the level is in effect after its way back", nil, func(s *story, bad bool) {
			s.probation("h1")
			s.phase("h1", hotstick.Reverting)
			s.kernel("h1", pick(bad, hotstick.InEffect, hotstick.Disabled))
			s.phase("h1", hotstick.Reverted)
		}},
		{"S33", "a level comes back that was taken back", nil, func(s *story, bad bool) {
			s.patched("h1")
			if bad {
				s.returns("h1")
				s.phase("h1", hotstick.Reverted)
			}
			s.down("h1", DownClean)
			s.up("h1")
			s.armAgain("h1")
		}},
		{"S33", "the former level comes back instead of a good one", nil, func(s *story, bad bool) {
			climbed(s, "h1")
			s.arm("h1")
			s.replaces("h1")
			s.phase("h1", hotstick.Confirmed)
			s.down("h1", DownClean)
			s.up("h1")
			s.learn("h1", pick(bad, "nothing", learnedBan))
			s.armAgain("h1", of(older))
		}},
		{"S33", "a host sets out from a level that was never confirmed", nil, func(s *story, bad bool) {
			s.propose(older)
			s.probation("h1")
			s.phase("h1", pick(bad, hotstick.Failed, hotstick.Confirmed))
			s.attempts["h1"] = 0
			s.propose(newer)
			s.admitted("h1")
			s.arm("h1")
		}},
		{"S33", "the signatures do not list the level to go back to", nil, func(s *story, bad bool) {
			climbed(s, "h1")
			s.propose(newer, func(b *trace.PlanBody) { b.Plan.Lanes[0].RevertTo = b.Plan.Lanes[0].RevertTo[:pick(bad, 1, 2)] })
			s.arm("h1")
		}},
	}
}

func stateTales() []tale {
	return []tale{
		{"S7", "a plan of an older epoch starts", nil, func(s *story, bad bool) {
			s.learn("h1", learnedEpoch, func(e *trace.Event) { e.Epoch = pick[uint64](bad, 2, 1) })
			s.admitted("h1")
			s.arm("h1")
		}},
		{"S7", "one slot is held twice", nil, func(s *story, bad bool) {
			s.slot("h1", "taken", "0")
			s.slot("h3", "taken", pick(bad, "0", "1"))
		}},
		{"S18", "an older boot is shown again", nil, func(s *story, bad bool) {
			s.shows("h1", "stale", 0)
			s.shows("h1", "stale", 0, func(e *trace.Event) { e.Boot = "b2" })
			s.shows("h1", "stale", 0, func(e *trace.Event) { e.Boot = pick(bad, "b1", "b2") })
		}},
		{"S18", "a clone of an older boot gets a grant", nil, func(s *story, bad bool) {
			s.shows("h1", "stale", 0)
			s.shows("h1", "stale", 0, func(e *trace.Event) { e.Boot = "b2" })
			s.admit("h1")
			s.grant("h1", func(e *trace.Event) { e.Boot = pick(bad, "b1", "b2") })
		}},
		{"S19", "the server says what never happened", nil, func(s *story, bad bool) {
			s.probation("h1")
			if !bad {
				s.phase("h1", hotstick.Confirmed)
			}
			s.row("h1", hotstick.Confirmed)
		}},
		{"S23", "a row changes without a leaf", nil, func(s *story, bad bool) {
			s.admit("h1")
			if bad {
				s.drop()
			}
			s.learn("h1", "nothing")
		}},
		{"S23", "the log shrinks", nil, func(s *story, bad bool) {
			s.admit("h1")
			s.add(trace.Event{Node: "server", Kind: trace.KindLeaf, Generation: pick[uint64](bad, 1, 1000)})
		}},
		{"S27", "a host takes an older epoch", nil, func(s *story, bad bool) {
			s.learn("h1", learnedEpoch, func(e *trace.Event) { e.Epoch = 2 })
			s.learn("h1", learnedEpoch, func(e *trace.Event) { e.Epoch = pick[uint64](bad, 1, 3) })
		}},
		{"S27", "a host takes an older catalog", nil, func(s *story, bad bool) {
			s.learn("h1", learnedCatalog, func(e *trace.Event) { e.Generation = 2 })
			s.learn("h1", learnedCatalog, func(e *trace.Event) { e.Generation = pick[uint64](bad, 1, 2) })
		}},
		{"S27", "the clock of a ledger runs backwards", nil, func(s *story, bad bool) {
			s.learn("h1", "nothing")
			if bad {
				s.forget("h1", "clock")
			}
		}},
		{"S28", "a wall clock that jumped shortens a delay", nil, func(s *story, bad bool) {
			s.fault(FaultClock, "h2")
			s.baked()
			s.admitted("h2")
			s.arm("h2", func(e *trace.Event) { e.Uptime -= pick(bad, int64(60_000), 0) })
		}},
		{"S29", "a host fills the log", nil, func(s *story, bad bool) {
			s.add(trace.Event{Node: "server", Kind: trace.KindLeaf, Generation: 1000})
			for i := range 301 {
				s.now -= pick(bad, 900*time.Millisecond, 0)
				s.add(trace.Event{Node: "server", Kind: trace.KindLeaf, Host: "h1", Generation: uint64(1001 + i)})
			}
		}},
		{"S30", "a grant that is too old", nil, func(s *story, bad bool) {
			s.admitted("h1")
			s.wait(pick(bad, 61*time.Second, 50*time.Second))
			s.arm("h1")
		}},
		{"S30", "a grant that was never committed", nil, func(s *story, bad bool) {
			s.admitted("h1")
			s.arm("h1", func(e *trace.Event) { e.Grant = pick(bad, other, e.Grant) })
		}},
		{"S30", "a grant while the store fails", nil, func(s *story, bad bool) {
			s.fault(pick(bad, FaultStore, FaultStoreOver), "")
			s.admitted("h1")
		}},
	}
}

func liveTales() []tale {
	return []tale{
		{"L1", "a plan never comes to its end", nil, func(s *story, bad bool) {
			s.baked()
			s.status(pick(bad, "running", "completed"))
			s.ends()
		}},
		{"L2", "a transition runs at the end", nil, func(s *story, bad bool) {
			s.status("halted")
			s.kernel("h1", pick(bad, hotstick.TransitionIn, hotstick.InEffect))
			s.ends()
		}},
		{"L3", "a crash in the patch halts nothing", nil, func(s *story, bad bool) {
			s.probation("h1")
			s.down("h1", "panic")
			s.up("h1")
			s.phase("h1", hotstick.Quarantined)
			s.row("h1", hotstick.Quarantined, reason(hotstick.ReasonCrashNamed))
			s.status(pick(bad, "held", "halted"))
			s.ends()
		}},
		{"L4", "the server does not know what became of a host", nil, func(s *story, bad bool) {
			s.probation("h1")
			s.row("h1", hotstick.Probation)
			s.phase("h1", hotstick.Confirmed)
			if !bad {
				s.row("h1", hotstick.Confirmed)
			}
			s.status("completed")
			s.ends()
		}},
		{"L5", "an attempt is open at the end", nil, func(s *story, bad bool) {
			s.status("halted")
			s.admitted("h1")
			s.drop() // the grant, which nobody may give after a halt
			s.drop()
			s.arm("h1", func(e *trace.Event) { e.Grant = "" })
			if !bad {
				s.phase("h1", hotstick.Failed)
				s.row("h1", hotstick.Failed)
			}
			s.ends()
		}},
		{"L6", "a slot is held for nobody", nil, func(s *story, bad bool) {
			s.slot("h1", "taken", "0")
			s.baked()
			s.slot("h1", pick(bad, "taken", "free"), "0")
			s.status("completed")
			s.ends()
		}},
	}
}
