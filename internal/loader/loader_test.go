package loader_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/catalog"
	"github.com/hotstick/hotstick/internal/driver/fake"
	"github.com/hotstick/hotstick/internal/statement"
)

func TestAGoodPatchIsConfirmedAndComesBackAfterAReboot(t *testing.T) {
	w := newWorld(t)
	good := w.publish("fix@1", fake.Behaviour{})
	w.mustConfirm(good)
	if got, want := w.states(), "armed applying probation confirmed"; got != want {
		t.Errorf("reported %q, want %q", got, want)
	}
	if r := w.reports[3]; r.Timing.TransitionMillis < 300 || r.InEffect != good.Ref {
		t.Errorf("the last report is %+v; want the transition's time and the level in effect", r)
	}
	w.reboot(true)
	w.pass(2 * time.Second)
	w.mustRun(hotstick.PatchRef{}) // still settling
	w.pass(30 * time.Second)
	w.mustEnd(hotstick.Confirmed, "")
	w.mustRun(good.Ref)
	if want := " (armed) (applying) (probation) (confirmed)"; !strings.HasSuffix(w.states(), want) {
		t.Errorf("reported %q; want it to end with%s", w.states(), want)
	}
}

func TestABadPatchGoesBackToTheLevelBefore(t *testing.T) {
	for _, c := range []struct {
		what string
		does fake.Behaviour
		code hotstick.ReasonCode
		act  func(*world)
	}{
		{what: "a probe fails", does: fake.Behaviour{Ill: "503"}, code: hotstick.ReasonProbeFailed},
		{what: "the kernel warns", does: fake.Behaviour{Warns: "unix_ioctl"}, code: hotstick.ReasonKernelLog},
		{what: "the transition stalls", does: fake.Behaviour{Stall: true}, code: hotstick.ReasonTransitionStalled},
		{what: "the agent falls silent", code: hotstick.ReasonAgentSilent, act: func(w *world) { w.mute = true }},
		{what: "the disk fills up before the end of probation", code: hotstick.ReasonLedgerUnwritable,
			act: func(w *world) { w.disk.broken = true }},
	} {
		t.Run(c.what, func(t *testing.T) {
			w := newWorld(t)
			good := w.publish("fix@1", fake.Behaviour{})
			w.mustConfirm(good)
			bad := w.publish("fix@2", c.does)
			raw, id := w.plan(bad, func(p *hotstick.Plan) { p.ProbationSeconds = 60 })
			w.exchange(raw)
			w.exchange(w.grant(id, 1, nil))
			w.pass(time.Second)
			if c.act != nil {
				c.act(w)
			}
			w.pass(2 * time.Minute)
			w.mustRun(good.Ref)
			w.mute, w.disk.broken = false, false
			w.pass(time.Second)
			w.mustEnd(hotstick.Reverted, c.code)
			if r := w.reports[len(w.reports)-1]; r.InEffect != good.Ref {
				t.Errorf("reported %v in effect, want %v", r.InEffect, good.Ref)
			}
			if c.code == hotstick.ReasonKernelLog && len(w.reports[len(w.reports)-1].Evidence) == 0 {
				t.Error("the kernel's words are missing from the report")
			}
		})
	}
}

func TestAWayBackThatNobodyCanSeeFails(t *testing.T) {
	for _, c := range []struct {
		what  string
		blind func(*world)
	}{
		{"the truth source does not answer", func(w *world) { w.blind = true }},
		{"it does not say what the level does", func(w *world) { w.machine.Behave("fix_2", fake.Behaviour{Unreadable: true}) }},
		{"it did not answer when the loader was restarted either", func(w *world) { w.blind = true; w.start() }},
	} {
		t.Run(c.what, func(t *testing.T) {
			w := newWorld(t)
			good := w.publish("fix@1", fake.Behaviour{})
			w.mustConfirm(good)
			w.offer(w.publish("fix@2", fake.Behaviour{}), 1)
			w.pass(2 * time.Second)
			c.blind(w)
			w.pass(30 * time.Second)
			w.mustEnd(hotstick.Reverting, hotstick.ReasonVerificationFailed)
			if !w.last.Busy {
				t.Fatal("it gave up at once")
			}
			w.pass(time.Minute + 5*time.Second)
			w.mustEnd(hotstick.Failed, hotstick.ReasonRevertFailed)
			if r := w.reports[len(w.reports)-1]; r.Reason.Cause != hotstick.ReasonVerificationFailed || w.last.Busy {
				t.Errorf("ended for %+v, busy %v", r.Reason, w.last.Busy)
			}
			w.blind = false
			w.machine.Behave("fix_2", fake.Behaviour{})
			n := len(w.reports)
			w.pass(time.Minute)
			if len(w.reports) > n {
				t.Errorf("reported %q: nobody took the level before out", w.states())
			}
			w.reboot(true)
			w.pass(30 * time.Second)
			w.mustRun(good.Ref)
		})
	}
}

func TestAnIntentOfWhichNobodyCanSeeTheLoadGoesTheWayBack(t *testing.T) {
	w := newWorld(t)
	p := w.publish("fix@1", fake.Behaviour{})
	raw, id := w.plan(p, nil)
	w.exchange(raw)
	w.exchange(w.grant(id, 1, nil))
	w.blind = true
	w.start() // the process that wrote the intent is gone
	w.pass(15 * time.Second)
	w.mustEnd(hotstick.Armed, "")
	w.pass(10 * time.Second)
	w.mustEnd(hotstick.Reverting, hotstick.ReasonVerificationFailed)
	w.blind = false
	w.pass(5 * time.Second)
	w.mustEnd(hotstick.Reverted, hotstick.ReasonVerificationFailed)
	w.mustRun(hotstick.PatchRef{})
}

func TestABadFirstPatchLeavesTheKernelAsItBooted(t *testing.T) {
	w := newWorld(t)
	bad := w.publish("fix@1", fake.Behaviour{Ill: "503"})
	w.offer(bad, 1)
	w.pass(20 * time.Second)
	w.mustEnd(hotstick.Reverted, hotstick.ReasonProbeFailed)
	w.mustRun(hotstick.PatchRef{})
	if n := len(w.machine.State().Log); n == 0 {
		t.Error("the kernel logged nothing; was anything loaded at all?")
	}
}

func TestAKillerStrikesOnceAndIsNeverArmedAgain(t *testing.T) {
	w := newWorld(t)
	good := w.publish("fix@1", fake.Behaviour{})
	w.mustConfirm(good)
	killer := w.publish("fix@2", fake.Behaviour{Crash: true, CrashAfter: 3 * time.Second})
	w.offer(killer, 1)
	w.pass(10 * time.Second)
	if !w.machine.State().Down {
		t.Fatal("the killer did not kill")
	}
	w.reboot(false)
	w.mustEnd(hotstick.Quarantined, hotstick.ReasonCrashNamed)
	if e := w.reports[len(w.reports)-1].Evidence; len(e) == 0 || !strings.Contains(e[0].Text, "fix_2_kill") {
		t.Errorf("the evidence is %+v; want the crash trace", e)
	}
	w.pass(30 * time.Second)
	w.mustEnd(hotstick.Confirmed, "")
	w.mustRun(good.Ref)

	// A new plan for the same level, and then a second restart of the loader.
	_, id := w.plan(killer, func(p *hotstick.Plan) { p.Name = "once more" })
	raw, _ := w.plan(killer, func(p *hotstick.Plan) { p.Name = "once more" })
	w.exchange(raw)
	w.exchange(w.grant(id, 1, nil))
	w.pass(time.Second)
	w.mustEnd(hotstick.Failed, hotstick.ReasonStruck)
	w.start()
	w.pass(time.Second)
	w.mustRun(good.Ref)
	if n := strings.Count(w.states(), "quarantined"); n != 1 {
		t.Errorf("the strike was reported %d times: %s", n, w.states())
	}
}

func TestACrashWithoutATraceIsAStrikeToo(t *testing.T) {
	w := newWorld(t)
	p := w.publish("fix@1", fake.Behaviour{})
	w.offer(p, 1)
	w.pass(2 * time.Second)
	w.machine.Crash("")
	w.reboot(false)
	w.mustEnd(hotstick.Quarantined, hotstick.ReasonCrash)
}

func TestACleanShutdownInterrupts(t *testing.T) {
	w := newWorld(t)
	p := w.publish("fix@1", fake.Behaviour{})
	id := w.offer(p, 1)
	w.pass(2 * time.Second)
	w.reboot(true)
	w.mustEnd(hotstick.Interrupted, hotstick.ReasonCleanShutdown)
	w.pass(30 * time.Second)
	w.mustRun(hotstick.PatchRef{}) // only a new attempt brings it back
	w.exchange(w.grant(id, 2, nil))
	w.pass(30 * time.Second)
	w.mustEnd(hotstick.Confirmed, "")
}

func TestAMereRestartOfTheLoaderIsNoCleanShutdown(t *testing.T) {
	w := newWorld(t)
	p := w.publish("fix@1", fake.Behaviour{})
	w.offer(p, 1)
	w.pass(2 * time.Second)
	if err := w.loader.Stop(); err != nil {
		t.Fatal(err)
	}
	w.start() // in the same boot
	w.machine.Crash("")
	w.reboot(false)
	w.mustEnd(hotstick.Quarantined, hotstick.ReasonCrash)
}

func TestAStopByHandDoesNotHideACrash(t *testing.T) {
	w := newWorld(t)
	p := w.publish("fix@1", fake.Behaviour{Crash: true, CrashAfter: 3 * time.Second})
	w.offer(p, 1)
	w.pass(time.Second)
	if err := w.loader.Stop(); err != nil {
		t.Fatal(err)
	}
	w.now = w.now.Add(time.Minute)
	w.machine.Settle()
	w.reboot(false)
	w.mustEnd(hotstick.Quarantined, hotstick.ReasonCrashNamed)
}

func TestACrashFromBeforeTheLoaderWasInstalledIsNoNews(t *testing.T) {
	w := newWorld(t)
	w.machine.Crash("[  100.000000] BUG: kernel NULL pointer dereference, address: 0000000000000000\n" +
		"[  100.000001] RIP: 0010:unix_ioctl+0x41/0x130 [fix_1]\n")
	w.machine.Boot()
	w.disk = &disk{} // the loader starts for the first time
	w.start()
	w.pass(10 * time.Second)
	p := w.publish("fix@1", fake.Behaviour{})
	w.mustConfirm(p)
	w.reboot(true)
	w.pass(20 * time.Second)
	w.mustRun(p.Ref)
	if data, err := w.disk.Load(); err != nil || strings.Contains(string(data), "unclean_millis") {
		t.Errorf("the clean reboot counts as an unclean one: %s, %v", data, err)
	}
}

func TestAHostThatKeepsGoingDownIsLeftAlone(t *testing.T) {
	w := newWorld(t)
	w.mustConfirm(w.publish("fix@1", fake.Behaviour{}))
	for range 2 {
		w.machine.Crash("")
		w.reboot(false)
	}
	w.pass(time.Minute)
	w.mustRun(hotstick.PatchRef{})
	w.pass(31 * time.Minute)
	w.mustRun(hotstick.PatchRef{Name: "fix", Level: 1})
}

func TestAConfirmedPatchIsStruckIfItsNameIsInACrash(t *testing.T) {
	w := newWorld(t)
	p := w.publish("fix@1", fake.Behaviour{})
	w.mustConfirm(p)
	w.machine.Crash("[  100.000000] BUG: kernel NULL pointer dereference, address: 0000000000000000\n" +
		"[  100.000001] RIP: 0010:unix_ioctl+0x41/0x130 [fix_1]\n")
	w.reboot(false)
	w.mustEnd(hotstick.Quarantined, hotstick.ReasonCrashNamed)
	w.pass(time.Minute)
	w.mustRun(hotstick.PatchRef{})
}

func TestACrashAfterConfirmationIsToldAndStrikesNothing(t *testing.T) {
	w := newWorld(t)
	p := w.publish("fix@1", fake.Behaviour{})
	w.mustConfirm(p)
	w.machine.Crash("")
	w.reboot(false)
	w.mustEnd(hotstick.Confirmed, hotstick.ReasonCrash)
	n := len(w.reports)
	w.machine.Crash("") // before the level came back
	w.reboot(false)
	w.reboot(true)
	if len(w.reports) != n {
		t.Fatalf("reported %q: the patch was not loaded in that boot", w.states())
	}
	w.pass(32 * time.Minute)
	w.mustRun(p.Ref)
	w.machine.Crash("")
	w.reboot(false)
	w.mustEnd(hotstick.Confirmed, hotstick.ReasonCrash)
	if len(w.last.Strikes) != 0 {
		t.Errorf("it holds strikes: %v", w.last.Strikes)
	}
}

func TestABannedPatchStaysUntilTheNextRebootAndDoesNotComeBack(t *testing.T) {
	w := newWorld(t)
	p := w.publish("fix@1", fake.Behaviour{})
	w.mustConfirm(p)
	w.exchange(w.ban(p))
	w.pass(time.Minute)
	w.mustRun(p.Ref)
	w.reboot(true)
	w.pass(time.Minute)
	w.mustRun(hotstick.PatchRef{})
}

func TestAnOrderPutsBackWhatWasThereBefore(t *testing.T) {
	w := newWorld(t)
	first := w.publish("fix@1", fake.Behaviour{})
	w.mustConfirm(first)
	second := w.publish("fix@2", fake.Behaviour{})
	id := w.mustConfirm(second)
	w.exchange(w.order(id, nil))
	w.pass(5 * time.Second)
	w.mustEnd(hotstick.Reverted, hotstick.ReasonRevertOrdered)
	w.mustRun(first.Ref)
	w.reboot(true)
	w.pass(time.Minute)
	w.mustRun(first.Ref) // the permit went back with it
	n := len(w.reports)
	w.exchange(w.order(id, nil))
	w.pass(time.Second)
	if len(w.reports) != n {
		t.Errorf("a repeated order was acted on: %s", w.states())
	}
}

func TestAnOrderEndsAnAttemptUnderWay(t *testing.T) {
	w := newWorld(t)
	p := w.publish("fix@1", fake.Behaviour{})
	id := w.offer(p, 1)
	w.pass(time.Second)
	w.exchange(w.order(id, nil))
	w.pass(5 * time.Second)
	w.mustEnd(hotstick.Reverted, hotstick.ReasonRevertOrdered)
	w.mustRun(hotstick.PatchRef{})
}

func TestALevelThatSomebodyRemovedIsReportedAndNotPutBack(t *testing.T) {
	w := newWorld(t)
	p := w.publish("fix@1", fake.Behaviour{})
	w.mustConfirm(p)
	if err := w.machine.Disable(t.Context(), "fix_1"); err != nil {
		t.Fatal(err)
	}
	w.pass(time.Minute)
	w.mustEnd(hotstick.Failed, hotstick.ReasonRemovedOutside)
	w.mustRun(hotstick.PatchRef{})
}

func TestAHaltBetweenGrantAndLoadStopsTheLoad(t *testing.T) {
	w := newWorld(t)
	p := w.publish("fix@1", fake.Behaviour{})
	raw, id := w.plan(p, nil)
	w.exchange(raw)
	w.exchange(w.grant(id, 1, nil)) // armed, not loaded
	w.exchange(w.halt(id))
	w.pass(5 * time.Second)
	w.mustEnd(hotstick.Failed, hotstick.ReasonPlanHalted)
	w.mustRun(hotstick.PatchRef{})
}

func TestOneCallWithHaltAndGrantStartsNothing(t *testing.T) {
	w := newWorld(t)
	p := w.publish("fix@1", fake.Behaviour{})
	raw, id := w.plan(p, nil)
	w.exchange()
	w.exchange(w.grant(id, 1, nil), raw, w.halt(id))
	w.pass(5 * time.Second)
	w.mustRun(hotstick.PatchRef{})
	if len(w.reports) != 0 {
		t.Errorf("reported %s", w.states())
	}
}

func TestACorruptLedgerStartsNothing(t *testing.T) {
	for _, c := range []struct{ what, content string }{
		{"not JSON", "{"},
		{"a newer schema", `{"schema":"hotstick/ledger/v2"}`},
		{"an unknown field", `{"schema":"hotstick/ledger/v1","boot":{"id":"x","base_millis":0,"clock_millis":0,"clean":false},"seq":0,"epoch":0,"extra":1}`},
		{"empty", ""},
	} {
		t.Run(c.what, func(t *testing.T) {
			w := newWorld(t)
			p := w.publish("fix@1", fake.Behaviour{})
			if err := w.disk.Memory.Save([]byte(c.content)); err != nil {
				t.Fatal(err)
			}
			w.start()
			raw, id := w.plan(p, nil)
			if resp := w.exchange(raw); resp.Nonce != "" {
				t.Error("a loader without a ledger hands out a nonce")
			}
			w.mustRefuse(hotstick.ReasonLedgerUnwritable)
			w.exchange(w.grant(id, 1, func(g *statement.Grant) { g.Nonce = "guessed" }))
			w.mustRefuse(hotstick.ReasonLedgerUnwritable)
			w.pass(time.Minute)
			w.mustRun(hotstick.PatchRef{})
			if data, _ := w.disk.Load(); string(data) != c.content {
				t.Error("the unreadable ledger was overwritten")
			}
		})
	}
}

func TestADiskThatIsFullStartsNothing(t *testing.T) {
	w := newWorld(t)
	p := w.publish("fix@1", fake.Behaviour{})
	raw, id := w.plan(p, nil)
	w.exchange(raw)
	w.disk.broken = true
	w.exchange(w.grant(id, 1, nil))
	w.mustRefuse(hotstick.ReasonLedgerUnwritable)
	w.pass(5 * time.Second)
	w.mustRun(hotstick.PatchRef{})
	w.disk.broken = false
	w.exchange(w.grant(id, 1, nil)) // the attempt was not used up
	w.pass(20 * time.Second)
	w.mustEnd(hotstick.Confirmed, "")
}

func TestReportsStayUntilTheyAreAcknowledged(t *testing.T) {
	w := newWorld(t)
	p := w.publish("fix@1", fake.Behaviour{})
	w.deaf = true
	raw, id := w.plan(p, nil)
	w.exchange(raw)
	w.exchange(w.grant(id, 1, nil))
	for range 3 {
		w.pass(500 * time.Millisecond)
		w.start()
	}
	resp := w.exchange()
	if len(resp.Reports) != 3 || resp.Reports[0].State != hotstick.Armed || resp.Reports[2].State != hotstick.Probation {
		t.Fatalf("the loader still has %+v; want armed, applying and probation", resp.Reports)
	}
	w.acked = 2
	if resp := w.exchange(); len(resp.Reports) != 1 || resp.Reports[0].Seq != 3 {
		t.Errorf("after acknowledging 2 there are %+v", resp.Reports)
	}
}

func TestARestoredLedgerNumbersItsReportsOnFromTheServers(t *testing.T) {
	w := newWorld(t)
	p := w.publish("fix@1", fake.Behaviour{})
	w.deaf = true
	raw, id := w.plan(p, nil)
	w.exchange(raw)
	w.exchange(w.grant(id, 1, nil))
	w.pass(500 * time.Millisecond)
	w.acked = 40 // reports of the ledger that an older one took the place of
	resp := w.exchange()
	if len(resp.Reports) == 0 || resp.Reports[0].Seq != 41 || resp.Reports[0].State != hotstick.Armed {
		t.Fatalf("the loader has %+v; want armed as number 41", resp.Reports)
	}
	w.acked = 1 << 60 // no server stored as many: an agent lies
	if after := w.exchange(); len(after.Reports) != 0 && after.Reports[0].Seq > 1000 {
		t.Errorf("an agent made the loader number its reports %+v", after.Reports)
	}
}

func TestDocumentsInAnyOrderWork(t *testing.T) {
	w := newWorld(t)
	p := w.publish("fix@1", fake.Behaviour{})
	w.exchange()
	raw, id := w.plan(p, nil)
	w.exchange(json.RawMessage(`{}`), w.grant(id, 1, nil), json.RawMessage(`"x"`), raw)
	w.pass(20 * time.Second)
	w.mustEnd(hotstick.Confirmed, "")
}

func TestALevelThatFallsIllAfterARebootIsNotTriedTwiceInOneBoot(t *testing.T) {
	w := newWorld(t)
	p := w.publish("fix@1", fake.Behaviour{})
	w.mustConfirm(p)
	w.machine.Behave("fix_1", fake.Behaviour{Ill: "503"})
	w.reboot(true)
	w.pass(5 * time.Minute)
	w.mustEnd(hotstick.Reverted, hotstick.ReasonProbeFailed)
	w.mustRun(hotstick.PatchRef{})
	if n := strings.Count(w.states(), "(armed)"); n != 1 {
		t.Errorf("tried %d times in one boot: %s", n, w.states())
	}
	w.machine.Behave("fix_1", fake.Behaviour{})
	w.reboot(true)
	w.pass(time.Minute)
	w.mustRun(p.Ref)
}

func TestAPermitNeedsNoAgent(t *testing.T) {
	w := newWorld(t)
	p := w.publish("fix@1", fake.Behaviour{})
	w.mustConfirm(p)
	if err := w.loader.Stop(); err != nil {
		t.Fatal(err)
	}
	w.machine.Boot()
	w.start()
	w.mute = true
	w.pass(2 * time.Minute)
	w.mustRun(p.Ref)
	w.exchange()
	w.mustEnd(hotstick.Confirmed, "")
}

func TestAnExpiredCatalogDoesNotTakeAConfirmedLevelAway(t *testing.T) {
	w := newWorld(t)
	p := w.publish("fix@1", fake.Behaviour{})
	w.mustConfirm(p)
	w.view = catalog.NewView(w.view.Version, w.now.Add(-time.Hour), w.view.Trust, w.view.Patches)
	w.reboot(true)
	w.pass(time.Minute)
	w.mustRun(p.Ref)
}

func TestAWithdrawnLevelDoesNotComeBack(t *testing.T) {
	w := newWorld(t)
	p := w.publish("fix@1", fake.Behaviour{})
	w.mustConfirm(p)
	patches := w.view.Patches
	w.view = catalog.NewView(w.view.Version+1, w.view.Expires, w.view.Trust, nil)
	w.reboot(true)
	w.pass(time.Minute)
	if n := w.loads["fix_1"]; n != 1 {
		t.Errorf("loaded %d times, want once: before it was withdrawn", n)
	}
	w.view = catalog.NewView(w.view.Version+1, w.view.Expires, w.view.Trust, patches)
	w.pass(time.Minute)
	w.mustRun(p.Ref)
}

func TestAPatchOnProbationComesOutAlsoIfTheLoaderRestartsOnAFullDisk(t *testing.T) {
	w := newWorld(t)
	good := w.publish("fix@1", fake.Behaviour{})
	w.mustConfirm(good)
	next := w.publish("fix@2", fake.Behaviour{})
	w.offer(next, 1)
	w.pass(2 * time.Second)
	w.disk.broken = true
	w.start()
	w.exchange()
	w.pass(time.Minute)
	w.mustRun(good.Ref)
	w.disk.broken = false
	w.pass(5 * time.Second)
	w.mustEnd(hotstick.Reverted, hotstick.ReasonLedgerUnwritable)
}

func TestAStrikeThatCouldNotBeWrittenIsReportedOnceItIs(t *testing.T) {
	w := newWorld(t)
	p := w.publish("fix@1", fake.Behaviour{})
	w.offer(p, 1)
	w.pass(2 * time.Second)
	w.machine.Crash("")
	w.disk.broken = true
	w.reboot(false)
	w.pass(time.Second)
	if strings.Contains(w.states(), "quarantined") {
		t.Fatal("a report went out that a crash would forget")
	}
	if !w.last.Busy {
		t.Fatal("it says that no attempt is open, while its end is not told")
	}
	w.reboot(false)
	w.disk.broken = false
	w.pass(time.Minute)
	w.mustEnd(hotstick.Quarantined, hotstick.ReasonCrash)
	if n := strings.Count(w.states(), "quarantined"); n != 1 {
		t.Errorf("the strike was reported %d times", n)
	}
}

func TestTwoCrashesADayApartAreNoBootLoop(t *testing.T) {
	w := newWorld(t)
	p := w.publish("fix@1", fake.Behaviour{})
	w.mustConfirm(p)
	for range 3 {
		w.machine.Crash("")
		w.reboot(false)
		w.pass(time.Minute)
		w.mustRun(p.Ref)
		for range 24 {
			w.now = w.now.Add(time.Hour)
			w.pass(time.Second)
		}
	}
}

func TestADelaySurvivesRebootsAndCountsUptimeOnly(t *testing.T) {
	w := newWorld(t)
	p := w.publish("fix@1", fake.Behaviour{})
	raw, id := w.plan(p, func(plan *hotstick.Plan) { plan.Waves[0].DelaySeconds = 600 })
	w.exchange(raw)
	w.pass(6 * time.Minute)
	w.now = w.now.Add(8 * time.Hour) // the machine is off
	w.reboot(false)
	w.pass(3 * time.Minute)
	w.exchange(w.grant(id, 1, nil))
	w.mustRefuse(hotstick.ReasonDelay)
	w.pass(3 * time.Minute)
	w.exchange(w.grant(id, 1, nil))
	w.pass(20 * time.Second)
	w.mustEnd(hotstick.Confirmed, "")
}
