package controller

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/inventory"
	"github.com/hotstick/hotstick/internal/statement"
	"github.com/hotstick/hotstick/internal/store"
)

func TestEveryActionNeedsAPersonAndAReason(t *testing.T) {
	inBubble(t, 1, func(w *world) {
		c, plan, host := w.control, string(w.plan), w.hosts[0].Host
		for name, act := range map[string]func(hotstick.Person, string) error{
			"next wave": func(who hotstick.Person, why string) error {
				_, err := c.NextWave(w.Context(), plan, who, why)
				return err
			},
			"retry": func(who hotstick.Person, why string) error {
				_, err := c.Retry(w.Context(), plan, who, why, nil)
				return err
			},
			"dismiss": func(who hotstick.Person, why string) error {
				_, err := c.Dismiss(w.Context(), plan, host, who, why)
				return err
			},
			"revert wave": func(who hotstick.Person, why string) error {
				_, err := c.RevertWave(w.Context(), plan, who, why, 0)
				return err
			},
			"exclude": func(who hotstick.Person, why string) error {
				return c.Exclude(w.Context(), host, time.Now().Add(time.Hour), who, why)
			},
			"include": func(who hotstick.Person, why string) error { return c.Include(w.Context(), host, who, why) },
			"freeze": func(who hotstick.Person, why string) error {
				_, err := c.Freeze(w.Context(), time.Now(), time.Now().Add(time.Hour), who, why)
				return err
			},
			"unfreeze":  func(who hotstick.Person, why string) error { return c.Unfreeze(w.Context(), 1, who, why) },
			"write off": func(who hotstick.Person, why string) error { return c.WriteOff(w.Context(), host, who, why) },
		} {
			before := w.kindsLogged()
			for _, err := range []error{act("", "because"), act("alice", ""), act("alice", " \n")} {
				if r, ok := err.(*Refusal); !ok || r.Code != CodeInvalid || r.Hint == "" {
					t.Errorf("%s: got %v; want a refusal with a hint", name, err)
				}
			}
			if after := w.kindsLogged(); fmt.Sprint(after) != fmt.Sprint(before) {
				t.Errorf("%s: the log has %v after %v", name, after, before)
			}
		}
	})
}

// TestOnlyFailedAndInterruptedAttemptsAreMadeAnew asks for one host by name, and
// for all.
func TestOnlyFailedAndInterruptedAttemptsAreMadeAnew(t *testing.T) {
	for _, c := range []struct {
		what  string
		state hotstick.HostState
		why   *hotstick.Reason
		host  func(*store.Host)
		named string // the code of the refusal when named; empty if it is retried
		again bool
	}{
		{"it was passed over after too many", hotstick.Skipped, &hotstick.Reason{Code: hotstick.ReasonVerificationFailed}, nil, "", true},
		{"it was dismissed", hotstick.Skipped, &hotstick.Reason{Code: hotstick.ReasonDismissed}, nil, CodeConflict, false},
		{"it is silent", hotstick.Skipped, &hotstick.Reason{Code: hotstick.ReasonHostSilent}, nil, CodeConflict, false},
		{"it failed", hotstick.Failed, &hotstick.Reason{Code: hotstick.ReasonKernelRefused}, nil, "", true},
		{"it was interrupted", hotstick.Interrupted, &hotstick.Reason{Code: hotstick.ReasonCleanShutdown}, nil, "", true},
		{"it waits already", hotstick.Waiting, nil, nil, "", false},
		{"its way back failed", hotstick.Failed, &hotstick.Reason{Code: hotstick.ReasonRevertFailed}, nil, CodeRefused, false},
		{"it was reverted", hotstick.Reverted, nil, nil, CodeRefused, false},
		{"it is quarantined", hotstick.Quarantined, nil, nil, CodeRefused, false},
		{"it is confirmed", hotstick.Confirmed, nil, nil, CodeConflict, false},
		{"its loader holds a strike", hotstick.Failed, nil, func(h *store.Host) { h.Loader.Strikes = []hotstick.PatchRef{patch} }, CodeRefused, false},
		{"it took the level out before", hotstick.Failed, nil, func(h *store.Host) { h.Reverted = []hotstick.PatchRef{patch} }, CodeRefused, false},
		{"it was written off", hotstick.Failed, nil, func(h *store.Host) { h.Revoked = true }, CodeConflict, false},
	} {
		for _, named := range []bool{true, false} {
			inBubble(t, 1, func(w *world) {
				w.event(func(tx store.Tx) error {
					h, err := tx.Hosts().Get(w.hosts[0].Host)
					if err != nil {
						return err
					}
					if c.host != nil {
						c.host(&h)
					}
					line, err := tx.Plans().Host(w.plan, h.ID)
					if err != nil {
						return err
					}
					line.State, line.Reason, line.Attempt = c.state, c.why, 4
					if err := tx.Hosts().Put(h); err != nil {
						return err
					}
					return tx.Plans().PutHost(line)
				})
				var hosts []hotstick.HostID
				if named {
					hosts = []hotstick.HostID{w.hosts[0].Host}
				}
				for range 2 {
					_, err := w.control.Retry(w.Context(), string(w.plan), "alice", "fixed the disk", hosts)
					if named && c.named != "" {
						refusedAs(t, err, c.named)
					} else {
						w.must(err)
					}
				}
				line := w.line(0)
				if again := line.State == hotstick.Waiting && c.state != hotstick.Waiting; again != c.again || line.Attempt != 4 {
					t.Errorf("%s, named %v: it is %s at attempt %d", c.what, named, line.State, line.Attempt)
				}
				if n := w.kindsLogged()[inventory.PlanRetried]; n != map[bool]int{true: 1}[c.again] {
					t.Errorf("%s, named %v: %d retries are logged", c.what, named, n)
				}
			})
		}
	}
}

func TestARetryIsANewAttempt(t *testing.T) {
	inBubble(t, 3, func(w *world) {
		w.rounds()
		w.report(0, hotstick.Failed, &hotstick.Reason{Code: hotstick.ReasonForeignPatch})
		w.rounds()
		if line := w.line(0); line.State != hotstick.Failed {
			t.Fatalf("it is %s", line.State)
		}
		_, err := w.control.Retry(w.Context(), string(w.plan), "alice", "the foreign patch is gone", nil)
		w.must(err)
		w.rounds()
		if line := w.line(0); line.State != hotstick.Admitted || line.Attempt != 2 {
			t.Errorf("it is %s at attempt %d, want admitted at 2", line.State, line.Attempt)
		}
	}, canary)
}

// TestAnOperatorsWordNeverReplacesAGate: a wave that waits for an operator is not
// opened before the gate behind it has passed.
func TestAnOperatorsWordNeverReplacesAGate(t *testing.T) {
	manual := func(w *world, p *hotstick.Plan) {
		canary(w, p)
		p.Waves[1].Manual = true
	}
	inBubble(t, 3, func(w *world) {
		next := func() error {
			_, err := w.control.NextWave(w.Context(), string(w.plan), "alice", "looks good")
			return err
		}
		w.rounds()
		refusedAs(t, next(), CodeConflict)
		for _, s := range []hotstick.HostState{hotstick.Armed, hotstick.Probation} {
			w.report(0, s, nil)
			refusedAs(t, next(), CodeConflict)
		}
		w.report(0, hotstick.Confirmed, nil)
		w.rounds()
		if got := w.admitted(); len(got) != 0 {
			t.Errorf("hosts %v were admitted without an operator's word", got)
		}
		w.must(next())
		w.rounds()
		if got := w.admitted(); !slices.Equal(got, []int{1, 2}) {
			t.Errorf("hosts %v were admitted, want both of the wave", got)
		}
		refusedAs(t, next(), CodeConflict)
		if n := w.kindsLogged()[inventory.PlanPromoted]; n != 1 {
			t.Errorf("%d promotions are logged, want 1", n)
		}
	}, manual)
}

func TestAWaveGoesBackAndTheRolloutGoesOn(t *testing.T) {
	inBubble(t, 3, func(w *world) {
		w.rounds()
		w.report(0, hotstick.Confirmed, nil)
		w.rounds()
		_, err := w.control.RevertWave(w.Context(), string(w.plan), "alice", "no", 2)
		refusedAs(t, err, CodeNotFound)
		for range 2 {
			_, err = w.control.RevertWave(w.Context(), string(w.plan), "alice", "the canary is slow", 0)
			w.must(err)
			w.rounds()
		}
		if got := w.line(0); got.State != hotstick.Reverting || got.Reason.Code != hotstick.ReasonRevertOrdered {
			t.Errorf("the canary is %s, %+v", got.State, got.Reason)
		}
		if p := w.status(); p.Status != hotstick.Running || p.Reverting {
			t.Errorf("the rollout is %s, reverting %v", p.Status, p.Reverting)
		}
		w.must(w.store.View(w.Context(), func(tx store.Tx) error {
			_, err := tx.Bans().Get(patch)
			if err == nil {
				t.Error("the level is banned")
			}
			h, err := tx.Hosts().Get(w.hosts[0].Host)
			if !slices.Contains(h.Reverted, patch) {
				t.Error("the canary is not marked")
			}
			return err
		}))
		if n := w.kindsLogged()[inventory.WaveReverting]; n != 1 {
			t.Errorf("%d wave reverts are logged, want 1", n)
		}
	}, canary)
}

func TestARevertOfAWholeRolloutBansItsLevel(t *testing.T) {
	inBubble(t, 1, func(w *world) {
		for range 2 {
			_, err := w.control.Revert(w.Context(), string(w.plan), "alice", "no", nil)
			w.must(err)
		}
		w.must(w.store.View(w.Context(), func(tx store.Tx) error {
			b, err := tx.Bans().Get(patch)
			if b.By != "alice" {
				t.Errorf("it was banned by %q", b.By)
			}
			return err
		}))
		if n := w.kindsLogged()[inventory.PatchBanned]; n != 1 {
			t.Errorf("%d bans are logged, want 1", n)
		}
	})
}

func TestAnExcludedHostIsLeftAloneUntilItsDay(t *testing.T) {
	inBubble(t, 2, func(w *world) {
		until := time.Now().Add(10 * time.Minute)
		for _, bad := range []time.Time{time.Now(), time.Now().Add(-time.Hour), time.Now().AddDate(3, 0, 0)} {
			refusedAs(t, w.control.Exclude(w.Context(), w.hosts[0].Host, bad, "alice", "no"), CodeInvalid)
		}
		refusedAs(t, w.control.Exclude(w.Context(), "h-aaaaaaaaaaaaaaaa", until, "alice", "no"), CodeNotFound)
		for range 2 {
			w.must(w.control.Exclude(w.Context(), w.hosts[0].Host, until, "alice", "a test runs there"))
		}
		w.rounds()
		if got := w.admitted(); !slices.Equal(got, []int{1}) {
			t.Errorf("hosts %v were admitted, want the other one only", got)
		}
		pass(10*time.Minute + time.Second)
		w.report(1, hotstick.Armed, nil)
		w.checkIn(0, 40, nil)
		_, err := w.control.Documents(w.Context(), w.request(0, 40, nil), 0)
		w.must(err)
		w.rounds()
		if got := w.admitted(); !slices.Equal(got, []int{0}) {
			t.Errorf("hosts %v were admitted once its day had come, want the first", got)
		}
		if n := w.kindsLogged()[inventory.HostExcluded]; n != 1 {
			t.Errorf("%d exclusions are logged, want 1", n)
		}
	})
}

func TestAHostThatIsIncludedAgainMayStart(t *testing.T) {
	inBubble(t, 1, func(w *world) {
		w.must(w.control.Exclude(w.Context(), w.hosts[0].Host, time.Now().Add(time.Hour), "alice", "no"))
		w.rounds()
		if got := w.admitted(); len(got) != 0 {
			t.Fatal("it was admitted")
		}
		for range 2 {
			w.must(w.control.Include(w.Context(), w.hosts[0].Host, "bob", "the test is over"))
		}
		w.rounds()
		if got := w.admitted(); len(got) != 1 {
			t.Error("it was not admitted")
		}
		if n := w.kindsLogged()[inventory.HostIncluded]; n != 1 {
			t.Errorf("%d inclusions are logged, want 1", n)
		}
	})
}

func TestNothingStartsInAFreeze(t *testing.T) {
	inBubble(t, 2, func(w *world) {
		from, until := time.Now().Add(-time.Minute), time.Now().Add(time.Hour)
		first, err := w.control.Freeze(w.Context(), from, until, "alice", "the audit")
		w.must(err)
		again, err := w.control.Freeze(w.Context(), from, until, "bob", "the audit")
		w.must(err)
		if first != again {
			t.Errorf("the same freeze is %d and %d", first, again)
		}
		_, err = w.control.Freeze(w.Context(), until, until, "alice", "empty")
		refusedAs(t, err, CodeInvalid)
		_, err = w.control.Freeze(w.Context(), from, time.Now(), "alice", "over")
		refusedAs(t, err, CodeInvalid)
		w.rounds()
		if got := w.admitted(); len(got) != 0 {
			t.Errorf("hosts %v were admitted in a freeze", got)
		}
		w.must(w.control.Unfreeze(w.Context(), first, "alice", "it is done"))
		refusedAs(t, w.control.Unfreeze(w.Context(), first, "alice", "it is done"), CodeNotFound)
		w.rounds()
		if got := w.admitted(); len(got) != 2 {
			t.Errorf("hosts %v were admitted after it, want both", got)
		}
	})
}

func TestAHostThatIsWrittenOffGivesItsSlotsBack(t *testing.T) {
	inBubble(t, 3, func(w *world) {
		w.rounds()
		w.report(0, hotstick.Armed, nil)
		pass(6 * time.Minute)
		for i := range 2 {
			w.checkIn(i+1, 20, nil)
		}
		w.rounds()
		if line := w.line(0); line.State != hotstick.Lost {
			t.Fatalf("it is %s", line.State)
		}
		for range 2 {
			w.must(w.control.WriteOff(w.Context(), w.hosts[0].Host, "alice", "its board burnt"))
		}
		if line := w.line(0); line.State != hotstick.Skipped || line.Reason.Code != hotstick.ReasonWrittenOff || line.Ended == nil {
			t.Errorf("it is %s, %+v", line.State, line.Reason)
		}
		w.must(w.store.View(w.Context(), func(tx store.Tx) error {
			held, err1 := tx.Slots().Held(w.plan, w.hosts[0].Host)
			h, err2 := tx.Hosts().Get(w.hosts[0].Host)
			if len(held) != 0 || !h.Revoked {
				t.Errorf("it holds %d slots, revoked %v", len(held), h.Revoked)
			}
			if err1 != nil {
				return err1
			}
			return err2
		}))
		if n := w.kindsLogged()[inventory.HostRevoked]; n != 1 {
			t.Errorf("%d write-offs are logged, want 1", n)
		}
		refusedAs(t, w.control.WriteOff(w.Context(), "h-aaaaaaaaaaaaaaaa", "alice", "no"), CodeNotFound)
		refusedAs(t, w.control.Exclude(w.Context(), w.hosts[0].Host, time.Now().Add(time.Hour), "alice", "no"), CodeConflict)
	})
}

// TestWritingOffEndsEveryLine tries every state that a host can be in.
func TestWritingOffEndsEveryLine(t *testing.T) {
	for _, state := range hotstick.HostStates() {
		inBubble(t, 1, func(w *world) {
			w.event(func(tx store.Tx) error {
				line, err := tx.Plans().Host(w.plan, w.hosts[0].Host)
				if err != nil {
					return err
				}
				line.State, line.Attempt = state, 1
				if state.HoldsSlot() {
					err = tx.Slots().Take(store.Slot{Domain: "fleet", Value: "all", Plan: w.plan, Host: line.Listed.Host})
				}
				if err != nil {
					return err
				}
				return tx.Plans().PutHost(line)
			})
			w.must(w.control.WriteOff(w.Context(), w.hosts[0].Host, "alice", "gone"))
			got := w.line(0).State
			want := hotstick.Skipped
			// What the patch did to a host is dismissed, not written off.
			if state == hotstick.Quarantined || state == hotstick.Reverted || !state.HoldsSlot() && !state.CanBecome(hotstick.Skipped) {
				want = state
			}
			if got != want {
				t.Errorf("from %s it became %s, want %s", state, got, want)
			}
			w.rounds()
		})
	}
}

// clears signs a clear for the patch.
func (w *world) clears(ban bool, hosts ...hotstick.HostID) []byte {
	w.Helper()
	now := time.Now().UTC().Truncate(time.Second)
	raw, err := statement.Sign(statement.KindClear, statement.Clear{Patch: patch, Hosts: hosts, Ban: ban,
		IssuedAt: now, NotAfter: now.Add(time.Hour)}, w.author)
	w.must(err)
	return raw
}

func TestWhatWasRevertedIsNotOfferedAgainWithoutAClear(t *testing.T) {
	inBubble(t, 1, func(w *world) {
		w.rounds()
		host := w.hosts[0].Host
		w.event(func(tx store.Tx) error {
			return inventory.Mark(tx, host, patch, hotstick.Reason{Code: hotstick.ReasonProbeFailed}, "test")
		})
		w.must(w.control.Ban(w.Context(), patch, "alice", "bad"))
		_, err := w.control.Submit(w.Context(), w.draft(hotstick.Artifact{}, func(w *world, p *hotstick.Plan) {
			a, _ := w.trusted.Patches[0].Artifact(build)
			p.Name, p.Lanes[0].Artifact, p.Lanes[0].Module = "again", a.Digest, a.Module
		}), w.hosts, "alice")
		refusedAs(t, err, CodeBanned)

		pass(2 * time.Second)
		forged, err := statement.Sign(statement.KindClear, statement.Clear{Patch: patch, Ban: true,
			IssuedAt: time.Now().UTC().Truncate(time.Second), NotAfter: time.Now().Add(time.Hour).UTC().Truncate(time.Second)}, w.online)
		w.must(err)
		_, err = w.control.Clear(w.Context(), forged, "alice")
		refusedAs(t, err, CodeSignature)

		raw := w.clears(true, host)
		for range 2 {
			_, err := w.control.Clear(w.Context(), raw, "alice")
			w.must(err)
		}
		w.must(w.store.View(w.Context(), func(tx store.Tx) error {
			bans, err1 := tx.Bans().List()
			h, err2 := tx.Hosts().Get(host)
			if len(bans) != 0 || len(h.Reverted) != 0 {
				t.Errorf("bans %v and marks %v are left", bans, h.Reverted)
			}
			if err1 != nil {
				return err1
			}
			return err2
		}))
		if got := w.kindsLogged(); got[inventory.PatchCleared] != 1 || got[inventory.HostCleared] != 1 {
			t.Errorf("the log has %v", got)
		}
	})
}

func TestAClearDoesNotLiftABanThatCameAfterIt(t *testing.T) {
	inBubble(t, 1, func(w *world) {
		raw := w.clears(true)
		pass(2 * time.Second)
		w.must(w.control.Ban(w.Context(), patch, "alice", "bad"))
		_, err := w.control.Clear(w.Context(), raw, "alice")
		refusedAs(t, err, CodeConflict)
		w.must(w.store.View(w.Context(), func(tx store.Tx) error { _, err := tx.Bans().Get(patch); return err }))
		if n := w.kindsLogged()[inventory.PatchCleared]; n != 0 {
			t.Error("a refused clear is in the log")
		}
	})
}

func TestAClearReachesTheLoadersThatHoldAStrike(t *testing.T) {
	inBubble(t, 2, func(w *world) {
		_, err := w.control.Clear(w.Context(), w.clears(false, w.hosts[0].Host), "alice")
		w.must(err)
		for i, want := range []bool{true, false} { // the second host is not named in it
			req := w.checkIn(i, 5, nil)
			req.Loader.Strikes = []hotstick.PatchRef{patch}
			out, err := w.control.Documents(w.Context(), req, 0)
			w.must(err)
			if got := slices.Contains(w.kinds(out.Documents), statement.KindClear); got != want {
				t.Errorf("host %d was sent the clear: %v", i, got)
			}
		}
	})
}

// TestAClearIsNotSentForAStrikeThatCameAfterIt: the loader has taken it already, and
// would be sent it for ever.
func TestAClearIsNotSentForAStrikeThatCameAfterIt(t *testing.T) {
	inBubble(t, 1, func(w *world) {
		seq := uint64(10)
		sent := func(strikes ...hotstick.PatchRef) bool {
			pass(2 * resendAfter)
			seq++
			req := w.request(0, seq, nil)
			req.Loader.Strikes = strikes
			_, err := w.control.Take(w.Context(), req, time.Minute)
			w.must(err)
			out, err := w.control.Documents(w.Context(), req, 0)
			w.must(err)
			return slices.Contains(w.kinds(out.Documents), statement.KindClear)
		}
		clear := func() {
			_, err := w.control.Clear(w.Context(), w.clears(false, w.hosts[0].Host), "alice")
			w.must(err)
		}
		if sent(patch) {
			t.Error("a clear was sent that nobody handed in")
		}
		clear()
		for range 2 {
			if !sent(patch) {
				t.Error("the clear is not sent until the strike is gone")
			}
		}
		for i, strikes := range [][]hotstick.PatchRef{{}, {patch}, {patch}} {
			if sent(strikes...) {
				t.Errorf("the clear was sent again (%d), with the strikes %v", i, strikes)
			}
		}
		clear()
		if !sent(patch) {
			t.Error("a new clear is not sent for the new strike")
		}
	})
}

// TestAClearIsNotSentForABanThatCameAfterIt is the same for bans.
func TestAClearIsNotSentForABanThatCameAfterIt(t *testing.T) {
	inBubble(t, 1, func(w *world) {
		sent := func(seq uint64) bool {
			req := w.checkIn(0, seq, nil)
			req.Loader.Bans = []hotstick.PatchRef{patch}
			out, err := w.control.Documents(w.Context(), req, 0)
			w.must(err)
			return slices.Contains(w.kinds(out.Documents), statement.KindClear)
		}
		w.must(w.control.Ban(w.Context(), patch, "alice", "bad"))
		pass(2 * time.Second)
		_, err := w.control.Clear(w.Context(), w.clears(true), "alice")
		w.must(err)
		if !sent(10) {
			t.Error("the clear is not sent to a loader that holds the ban")
		}
		pass(2 * resendAfter)
		w.must(w.control.Ban(w.Context(), patch, "alice", "still bad"))
		if sent(11) {
			t.Error("the clear is sent for a ban that it does not lift")
		}
	})
}
