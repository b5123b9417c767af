package rollout_test

import (
	"strings"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/decide/rollout"
)

// rule is one line of a table: a fleet, what is different about it, and the
// decision.
type rule struct {
	name   string
	fleet  string
	change func(*rollout.View)
	after  time.Duration
	want   string
}

func holds(t *testing.T, rules []rule) {
	t.Helper()
	for _, test := range rules {
		t.Run(test.name, func(t *testing.T) {
			v := fleet(test.fleet)
			for i := range v.Hosts {
				if v.Hosts[i].State != hotstick.Lost {
					v.Hosts[i].LastSeen = t0.Add(test.after)
				}
			}
			if test.change != nil {
				test.change(&v)
			}
			if got := say(rollout.Next(v, t0.Add(test.after))); got != test.want {
				t.Errorf("decided %q, want %q", got, test.want)
			}
		})
	}
}

// on changes the named hosts.
func on(names string, f func(*rollout.Host)) func(*rollout.View) {
	return func(v *rollout.View) {
		for i := range v.Hosts {
			if strings.Contains(" "+names+" ", " "+v.Hosts[i].Listed.Name+" ") {
				f(&v.Hosts[i])
			}
		}
	}
}

func all(fs ...func(*rollout.View)) func(*rollout.View) {
	return func(v *rollout.View) {
		for _, f := range fs {
			f(v)
		}
	}
}

func silent(h *rollout.Host)   { h.LastSeen = t0.Add(-time.Hour) }
func standing(h *rollout.Host) { h.Standing = true }

func standsInFor(canary string, wave int) func(*rollout.Host) {
	return func(h *rollout.Host) {
		h.Listed.StandIn = &hotstick.StandIn{For: hotstick.HostID(canary), Wave: wave}
	}
}

func labelled(kind, value string) func(*rollout.Host) {
	return func(h *rollout.Host) {
		if h.Listed.Domains == nil {
			h.Listed.Domains = map[string]string{}
		}
		h.Listed.Domains[kind] = value
	}
}

func excludedFor(d time.Duration) func(*rollout.Host) {
	return func(h *rollout.Host) {
		until := t0.Add(d)
		h.Excluded = &hotstick.Reason{Code: hotstick.ReasonExcluded, Subject: "alice", Until: &until}
	}
}

func budgets(bs ...hotstick.Budget) func(*rollout.View) {
	return func(v *rollout.View) { v.Plan.Budgets = bs }
}

func TestAbsentHosts(t *testing.T) {
	holds(t, []rule{
		{"a silent host is passed over once its wave is open", "a/x/0:confirmed b/x/1:waiting c/x/1:waiting d/x/2:waiting",
			on("b d", silent), time.Minute, "start c, b->skipped"},
		{"and the waves go on without it", "a/x/0:confirmed b/x/1:skipped=host_silent c/x/1:confirmed d/x/2:waiting",
			on("b", silent), time.Minute, "start d"},
		{"it is caught up when it is back", "a/x/0:confirmed b/x/1:skipped=host_silent c/x/1:confirmed d/x/2:confirmed",
			nil, time.Minute, "start b, b->waiting"},
		{"and closes no wave that was passed", "a/x/0:confirmed b/x/1:admitted c/x/1:confirmed d/x/2:confirmed e/x/2:waiting",
			nil, time.Minute, "start e"},
		{"an excluded host is passed over", "a/x/0:confirmed b/x/1:waiting", on("b", excludedFor(time.Hour)), time.Minute, "b->skipped"},
		{"until its exclusion is over", "a/x/0:confirmed b/x/1:skipped=excluded", on("b", excludedFor(time.Minute)), time.Minute, "start b, b->waiting"},
		{"a plan waits for who can come back", "a/x/0:confirmed b/x/1:skipped=host_silent", on("b", silent), time.Minute, ""},
		{"but not for who is excluded beyond its end", "a/x/0:confirmed b/x/1:skipped=excluded", on("b", excludedFor(99*time.Hour)), time.Minute, "completed"},
		{"at its end what is skipped is a gap", "a/x/0:confirmed b/x/1:skipped=host_silent", on("b", silent), 24 * time.Hour, "completed"},
		{"and a plan with work left expires", "a/x/0:confirmed b/x/1:failed c/x/2:waiting", nil, 24 * time.Hour, "expired"},
		{"a wave of silent hosts passes on no data never", "a/x/0:skipped=host_silent b/x/1:waiting", on("a", silent), time.Hour, ""},
		{"nor one whose hosts an operator skipped", "a/x/0:skipped=operator b/x/1:waiting", nil, time.Hour, ""},
		{"unless another host of the lane is confirmed", "a/x/0:confirmed b/x/1:skipped=host_silent c/x/2:waiting", on("b", silent), time.Hour, "start c"},
		{"a confirmed host of another lane says nothing", "a/x/0:confirmed b/y/1:skipped=host_silent c/y/2:waiting d/x/2:waiting", on("b", silent), time.Hour, "start d"},
		{"an ill host is passed over, for its probation would blame the patch", "a/x/0:confirmed b/x/1:waiting c/x/1:waiting",
			on("b", func(h *rollout.Host) { h.IllSince = t0 }), time.Minute, "start c, b->skipped"},
		{"until it is well", "a/x/0:confirmed b/x/1:skipped=probe_failed", nil, time.Minute, "start b, b->waiting"},
		{"an admitted host that fell silent gives its slot back", "a/x/0:admitted", on("a", silent), 0, "a->waiting, a->skipped, free a"},
		{"a host whose patch was reverted is never offered it again", "a/x/0:waiting b/x/1:waiting",
			on("a", func(h *rollout.Host) { h.RevertedBefore = true }), 0, "a->skipped"},
		{"until a signed clear", "a/x/0:skipped=reverted_before b/x/1:waiting", nil, 0, "start a, a->waiting"},
		{"a struck host comes back with a clear", "a/x/0:skipped=struck b/x/1:waiting", nil, 0, "start a, a->waiting"},
	})
}

func TestPassedOverHostsAreNoEvidence(t *testing.T) {
	held := func(h *rollout.Host) { h.Barred = &hotstick.Reason{Code: hotstick.ReasonHeldOnHost, Subject: "eve"} }
	holds(t, []rule{
		{"a wave that is mostly held does not pass on the evidence of one",
			"a/x/0:confirmed b/x/1:confirmed c/x/1:skipped=held_on_host d/x/1:skipped=held_on_host e/x/2:waiting", on("c d", held), time.Hour, ""},
		{"nor does one that is held as a whole pass on less than it would have had to show",
			"a/x/0:confirmed b/x/1:skipped=held_on_host c/x/1:skipped=held_on_host d/x/1:skipped=held_on_host e/x/2:waiting", on("b c d", held), time.Hour, ""},
		{"as many elsewhere in the lane will do",
			"a/x/0:confirmed f/x/0:confirmed b/x/1:skipped=held_on_host c/x/1:skipped=held_on_host d/x/1:skipped=held_on_host e/x/2:waiting",
			on("b c d", held), time.Hour, "start e"},
		{"half of a wave is enough", "a/x/0:confirmed b/x/1:confirmed c/x/1:skipped=held_on_host e/x/2:waiting", on("c", held), time.Hour, "start e"},
		{"who is excluded by an operator is not missed, held or not",
			"a/x/0:confirmed b/x/1:confirmed c/x/1:skipped=held_on_host d/x/1:skipped=held_on_host e/x/2:waiting",
			all(on("c d", held), on("c d", excludedFor(99*time.Hour))), time.Hour, "start e"},
		{"a stand-in takes the place of a canary that is held", "a/x/0:waiting b/x/1:waiting c/x/2:waiting",
			all(on("a", held), on("b", standsInFor("a", 0))), 0, "start b, a->skipped, b stands in"},
	})
}

func TestAStalledTransitionIsNoHarm(t *testing.T) {
	holds(t, []rule{
		{"a canary whose transition stalled has shown nothing", "a/x/0:reverted=transition_stalled b/x/1:waiting", nil, time.Hour, ""},
		{"one of a wave stops nobody", "a/x/0:confirmed b/x/1:reverted=transition_stalled c/x/1:confirmed d/x/2:waiting", nil, time.Hour, "start d"},
		{"two among few hold the lane, and send nobody back",
			"a/x/0:confirmed b/x/1:reverted=transition_stalled c/x/1:reverted=transition_stalled d/x/1:confirmed e/x/2:waiting", nil, time.Hour, ""},
		{"other lanes go on", "a/x/0:confirmed b/y/1:reverted=transition_stalled c/z/1:reverted=transition_stalled d/x/2:waiting", nil, time.Hour, "start d"},
	})
}

func TestStandIns(t *testing.T) {
	both := all(on("b", standsInFor("a", 0)), on("c", standsInFor("a", 0)))
	window := func(opens time.Duration) func(*rollout.View) {
		return func(v *rollout.View) {
			from := t0.Add(opens)
			v.Plan.NotAfter = t0.Add(200 * time.Hour)
			v.Plan.Calendars = []hotstick.Calendar{{Name: "night", Opens: []hotstick.Interval{{From: from, Until: from.Add(time.Hour)}}}}
			v.Hosts[0].Listed.Calendar = "night"
		}
	}
	holds(t, []rule{
		{"a silent canary is replaced by its first stand-in", "a/x/0:waiting b/x/1:waiting c/x/1:waiting", all(both, on("a", silent)), 0,
			"start b, a->skipped, b stands in"},
		{"by the next where the first cannot start either", "a/x/0:waiting b/x/1:waiting c/x/1:waiting", all(both, on("a b", silent)), 0,
			"start c, a->skipped, c stands in"},
		{"in turn, each at most once", "a/x/0:skipped=host_silent b/x/1:skipped=host_silent c/x/1:waiting",
			all(both, on("a b", silent), on("b", standing)), 0, "start c, c stands in"},
		{"and nobody else", "a/x/0:skipped=host_silent b/x/1:skipped=struck c/x/1:skipped=struck d/x/1:waiting",
			all(both, on("a", silent), on("b c", func(h *rollout.Host) { h.Standing, h.Struck = true, true })), 0, ""},
		{"one that failed for its own cause is replaced", "a/x/0:failed=foreign_patch b/x/1:waiting c/x/1:waiting", both, 0, "start b, b stands in"},
		{"one that the patch made fail is not", "a/x/0:failed=kernel_refused b/x/1:waiting c/x/1:waiting", both, 0, ""},
		{"nor one that crashed", "a/x/0:quarantined=crash b/x/1:waiting c/x/1:waiting", both, 0, ""},
		{"one whose window is far away is replaced", "a/x/0:waiting b/x/1:waiting c/x/1:waiting", all(both, window(25*time.Hour)), 0, "start b, b stands in"},
		{"one whose window is near is waited for", "a/x/0:waiting b/x/1:waiting c/x/1:waiting", all(both, window(23*time.Hour)), 0, ""},
		{"the stand-in's readings count for the canary's wave", "a/x/0:skipped=host_silent b/x/1:confirmed c/x/1:waiting",
			all(both, on("a", silent), on("b", standing)), time.Minute, "start c"},
		{"a canary that is back waits for its stand-in", "a/x/0:skipped=host_silent b/x/1:probation c/x/1:waiting",
			all(both, on("b", standing)), time.Minute, "a->waiting"},
		{"and then starts", "a/x/0:waiting=caught_up b/x/1:confirmed c/x/1:waiting", all(both, on("b", standing)), time.Minute, "start a, start c"},
		{"nobody stands in before the canary's wave is open", "a/x/0:probation b/y/1:skipped=operator c/y/2:waiting",
			all(on("b", func(h *rollout.Host) { h.Attempt = 0 }), on("c", standsInFor("b", 1))), 0, ""},
		{"a stand-in of another lane proves nothing", "a/x/0:skipped=host_silent b/y/1:waiting", all(on("b", standsInFor("a", 0)), on("a", silent)), 0, ""},
	})
}

func TestInterruptedHosts(t *testing.T) {
	attempts := func(n int) func(*rollout.View) {
		return on("a", func(h *rollout.Host) { h.Attempt = n })
	}
	holds(t, []rule{
		{"an interrupted host is tried again at once", "a/x/0:interrupted=clean_shutdown", attempts(1), 0, "start a, a->waiting"},
		{"a second time after a minute", "a/x/0:interrupted=clean_shutdown", attempts(2), 59 * time.Second, ""},
		{"which is then", "a/x/0:interrupted=clean_shutdown", attempts(2), time.Minute, "start a, a->waiting"},
		{"a third time after five", "a/x/0:interrupted=clean_shutdown", attempts(3), 4 * time.Minute, ""},
		{"and not for ever", "a/x/0:interrupted=clean_shutdown", attempts(4), 0, "a->skipped, completed"},
		{"one that stays away is passed over", "a/x/0:confirmed b/x/1:interrupted=clean_shutdown c/x/1:confirmed", on("b", silent), 0, "b->skipped"},
		{"a failed one waits for an operator", "a/x/0:confirmed b/x/1:failed=kernel_refused c/x/1:waiting d/x/2:waiting", nil, time.Hour, "start c"},
	})
}

func TestBudgets(t *testing.T) {
	fleetOf := func(b hotstick.Budget) func(*rollout.View) { b.Domain = hotstick.FleetDomain; return budgets(b) }
	rack := all(budgets(hotstick.Budget{Domain: "rack", Max: 1}), on("b c", labelled("rack", "r1")))
	ten := "a/x/0:confirmed b/x/1:waiting c/x/1:waiting d/x/1:waiting e/x/1:waiting f/x/1:waiting g/x/1:waiting h/x/1:waiting i/x/1:waiting j/x/1:waiting"
	outside := func(since time.Duration, kind string) func(*rollout.View) {
		return func(v *rollout.View) {
			v.Outsiders = []rollout.Outsider{{Host: "z", Domains: map[string]string{kind: "r1"}, Since: t0.Add(since)}}
		}
	}
	holds(t, []rule{
		{"a percentage is of the listed hosts", ten, fleetOf(hotstick.Budget{Percent: 20}), time.Minute, "start b, start c"},
		{"rounded down", ten, fleetOf(hotstick.Budget{Percent: 29}), time.Minute, "start b, start c"},
		{"never below one", ten, fleetOf(hotstick.Budget{Percent: 1}), time.Minute, "start b"},
		{"of two budgets of a kind the stricter holds", ten, budgets(hotstick.Budget{Domain: "fleet", Max: 3}, hotstick.Budget{Domain: "fleet", Percent: 10}), time.Minute, "start b"},
		{"a rack's budget bounds the rack", "a/x/0:confirmed b/x/1:waiting c/x/1:waiting d/x/1:waiting", rack, time.Minute, "start b, start d"},
		{"hosts without the label are in no domain", "a/x/0:confirmed b/x/1:waiting c/x/1:waiting d/x/1:waiting e/x/1:waiting", rack, time.Minute, "start b, start d, start e"},
		{"a member that fell ill takes room", "a/x/0:confirmed b/x/1:confirmed c/x/1:waiting d/x/1:waiting",
			all(rack, on("b", func(h *rollout.Host) { h.IllSince = t0 })), time.Minute, "start d"},
		{"one that was ill before the plan's start does not", "a/x/0:confirmed b/x/1:confirmed c/x/1:waiting d/x/1:waiting",
			all(rack, on("b", func(h *rollout.Host) { h.IllSince = t0.Add(-time.Second) })), time.Minute, "start c, start d"},
		{"one that fell silent takes room", "a/x/0:confirmed b/x/1:confirmed c/x/1:waiting d/x/1:waiting",
			all(rack, on("b", func(h *rollout.Host) { h.LastSeen = t0 })), 5 * time.Minute, "start d"},
		{"one that was silent all along is a gap", "a/x/0:confirmed b/x/1:confirmed c/x/1:waiting d/x/1:waiting",
			all(rack, on("b", silent)), time.Minute, "start c, start d"},
		{"as is one after a day", "a/x/0:confirmed b/x/1:confirmed c/x/1:waiting d/x/1:waiting",
			all(rack, on("b", func(h *rollout.Host) { h.LastSeen = t0 }), func(v *rollout.View) { v.Plan.NotAfter = t0.Add(99 * time.Hour) }),
			rollout.GapAfter + 5*time.Minute, "start c, start d"},
		{"one that was written off is no member any more", "a/x/0:confirmed b/x/1:skipped=written_off c/x/1:waiting",
			all(rack, on("b", func(h *rollout.Host) { h.LastSeen = t0 })), 5 * time.Minute, "start c"},
		{"a host outside the plan that went down takes room", "a/x/0:confirmed b/x/1:waiting c/x/1:waiting d/x/1:waiting", all(rack, outside(0, "rack")), time.Minute, "start d"},
		{"not if it was down before", "a/x/0:confirmed b/x/1:waiting c/x/1:waiting d/x/1:waiting", all(rack, outside(-1, "rack")), time.Minute, "start b, start d"},
		{"another plan's slots count, whatever their index", "a/x/0:confirmed b/x/1:waiting c/x/1:waiting d/x/1:waiting",
			func(v *rollout.View) {
				v.Slots = []rollout.Slot{{Domain: "fleet", Value: "all", Index: 7, Plan: "other", Host: "z"}, {Domain: "fleet", Value: "all", Index: 1, Plan: "other", Host: "y"}}
			}, time.Minute, "start b"},
		{"a slow gate halves every limit", "a/x/0:confirmed b/x/1:waiting c/x/1:waiting d/x/1:waiting",
			on("a", func(h *rollout.Host) { h.Timing.TransitionMillis = 60_000 }), time.Minute, "start b"},
	})
}

func TestNoMoreHostsAreAtRiskThanHaveShownThePatchGood(t *testing.T) {
	judges := func(n int) func(*rollout.View) { return func(v *rollout.View) { v.Plan.Gate.MinReadings = n } }
	holds(t, []rule{
		{"as many start as a gate needs to judge by", "a/x/0:confirmed b/x/1:waiting c/x/1:waiting d/x/1:waiting", judges(2), time.Minute, "start b, start c"},
		{"those under way count", "a/x/0:confirmed b/x/1:probation c/x/1:waiting d/x/1:waiting", judges(2), time.Minute, "start c"},
		{"in whichever lane they are", "a/x/0:confirmed b/x/1:waiting c/y/1:waiting d/z/1:waiting", judges(2), time.Minute, "start b, start c"},
		{"as many start as run the level", "a/x/0:confirmed b/x/0:confirmed c/x/0:skipped=already_in_effect d/x/1:waiting e/x/1:waiting f/x/1:waiting", judges(2), time.Minute,
			"start d, start e, start f"},
		{"one that goes back on an order is at risk no more", "a/x/0:confirmed b/x/1:reverting=revert_ordered c/x/1:waiting d/x/1:waiting", judges(2), time.Minute, "start c, start d"},
	})
	v := fleet("a/x/0:confirmed b/x/1:probation c/x/1:waiting")
	judges(1)(&v)
	v.Hosts[0].LastSeen, v.Hosts[2].LastSeen = t0.Add(time.Minute), t0.Add(time.Minute)
	if why := rollout.Open(v).Why("c", t0.Add(time.Minute)); why == nil || why.Code != hotstick.ReasonUnderWay {
		t.Errorf("the next host waits for %+v", why)
	}
}

func TestALostHostThatIsBack(t *testing.T) {
	back := func(h *rollout.Host) { h.LastSeen = t0.Add(time.Minute) }
	patched := func(h *rollout.Host) { back(h); h.InEffect = hotstick.PatchRef{Name: "fix", Level: 2} }
	granted := func(after time.Duration) func(*rollout.Host) {
		return func(h *rollout.Host) { back(h); at := t0.Add(after); h.Granted = &at }
	}
	reverting := func(v *rollout.View) { v.Status, v.Reverting = hotstick.Halted, true }
	holds(t, []rule{
		{"is tried again", "a/x/0:lost", on("a", back), time.Minute, "start a, a->interrupted, a->waiting, free a"},
		{"not while its loader is at work", "a/x/0:lost", on("a", func(h *rollout.Host) { back(h); h.Busy = true }), time.Minute, ""},
		{"not while its grant may live", "a/x/0:lost", on("a", granted(0)), time.Minute, ""},
		{"is tried again once the grant is over", "a/x/0:lost", on("a", granted(-time.Minute)), time.Minute, "start a, a->interrupted, a->waiting, free a"},
		{"goes back where the plan does and it runs the level", "a/x/0:lost", all(reverting, on("a", patched)), time.Minute, "a->reverting"},
		{"is left alone where it never got the level", "a/x/0:lost", all(reverting, on("a", back)), time.Minute, "a->interrupted, free a"},
	})
}

func TestAHostWhoseLoaderForgotItsAttempt(t *testing.T) {
	idle := func(h *rollout.Host) { h.Busy = false }
	patched := func(h *rollout.Host) { idle(h); h.InEffect = hotstick.PatchRef{Name: "fix", Level: 2} }
	granted := func(h *rollout.Host) { idle(h); at := t0.Add(9 * time.Minute); h.Granted = &at }
	holds(t, []rule{
		{"is tried again", "a/x/0:probation", on("a", idle), 10 * time.Minute, "start a, a->interrupted, a->waiting, free a"},
		{"wherever it stood", "a/x/0:armed b/x/0:applying", on("a b", idle), 10 * time.Minute, "start a, start b, a->interrupted, b->interrupted, a->waiting, b->waiting, free a, free b"},
		{"is passed over where it runs the level", "a/x/0:probation", on("a", patched), 10 * time.Minute, "a->interrupted, a->skipped, completed, free a"},
		{"not while a report of its end may be on its way", "a/x/0:probation", on("a", idle), 10*time.Minute - 1, ""},
		{"not while its grant may live", "a/x/0:armed", on("a", granted), 10 * time.Minute, ""},
		{"not while its loader has an attempt open", "a/x/0:probation", on("a", func(h *rollout.Host) { idle(h); h.Busy = true }), time.Hour, ""},
		{"has failed to go back where it was on its way", "a/x/0:reverting=transition_stalled", on("a", idle), 10 * time.Minute, "a->failed, completed, free a"},
		{"is ordered back again where it was ordered", "a/x/0:reverting=revert_ordered", on("a", idle), time.Hour, ""},
		{"is lost if it is silent", "a/x/0:probation", on("a", func(h *rollout.Host) { h.Busy, h.LastSeen = false, t0 }), 10 * time.Minute, "a->lost"},
	})
}

func TestQuorumDomains(t *testing.T) {
	pairs := func(b hotstick.Budget) func(*rollout.View) {
		b.Domain, b.Max, b.Quorum = "pair", 1, true
		return all(budgets(b), on("b c", labelled("pair", "p1")), on("d e", labelled("pair", "p2")), on("f g", labelled("pair", "p3")))
	}
	one := pairs(hotstick.Budget{})
	six := func(states ...string) string {
		line := "a/x/0:confirmed"
		for i, s := range states {
			line += " " + string(rune('b'+i)) + "/x/1:" + s
		}
		return line
	}
	holds(t, []rule{
		{"one member of one cluster at a time", six("waiting", "waiting", "waiting", "waiting"), one, time.Minute, "start b"},
		{"the other member goes before the next cluster", six("confirmed", "waiting", "waiting", "waiting"), one, time.Minute, "start c"},
		{"whatever the order of the list", six("waiting", "waiting", "confirmed", "waiting"), one, time.Minute, "start e"},
		{"then the next cluster begins", six("confirmed", "confirmed", "waiting", "waiting"), one, time.Minute, "start d"},
		{"more than one may be open", six("waiting", "waiting", "waiting", "waiting", "waiting", "waiting"), pairs(hotstick.Budget{Open: 2}), time.Minute, "start b, start d"},
		{"a silent member is down, whenever it fell silent", six("waiting", "skipped=host_silent", "waiting", "waiting"), all(one, on("c", silent)), time.Minute, "start d"},
		{"as is one whose way back failed", six("waiting", "failed=revert_failed", "waiting", "waiting"), one, time.Minute, "start d"},
		{"but not one that never started", six("waiting", "failed=wrong_build", "waiting", "waiting"), one, time.Minute, "start b"},
		{"as is one outside the plan", six("waiting", "waiting", "waiting", "waiting"), all(one, func(v *rollout.View) {
			v.Outsiders = []rollout.Outsider{{Host: "z", Domains: map[string]string{"pair": "p1"}, Since: t0.Add(-99 * time.Hour)}}
		}), time.Minute, "start d"},
		{"a cluster that cannot go on blocks nobody", six("confirmed", "waiting", "waiting", "waiting"), all(one, on("c", func(h *rollout.Host) { h.Elsewhere = true })), time.Minute, "start d"},
		{"nor one with a lost member", six("lost", "waiting", "waiting", "waiting"), one, time.Minute, "start d"},
		{"nor one whose other member's wave has not come", "a/x/0:confirmed b/x/1:confirmed c/x/2:waiting d/x/1:waiting e/x/2:waiting", one, time.Minute, "start d"},
		{"one that is mixed for too long keeps others from beginning", six("confirmed", "waiting", "waiting", "waiting"),
			all(pairs(hotstick.Budget{Open: 2, MixedSeconds: 60}), budgetsAlso(hotstick.Budget{Domain: "rack", Max: 1}), on("c", labelled("rack", "r")), func(v *rollout.View) {
				v.Slots = append(v.Slots, rollout.Slot{Domain: "rack", Value: "r", Plan: "other", Host: "z"})
			}), time.Minute, ""},
		{"one that is not, does not", six("confirmed", "waiting", "waiting", "waiting"),
			all(pairs(hotstick.Budget{Open: 2, MixedSeconds: 61}), budgetsAlso(hotstick.Budget{Domain: "rack", Max: 1}), on("c", labelled("rack", "r")), func(v *rollout.View) {
				v.Slots = append(v.Slots, rollout.Slot{Domain: "rack", Value: "r", Plan: "other", Host: "z"})
			}), time.Minute, "start d"},
	})
}

func budgetsAlso(b hotstick.Budget) func(*rollout.View) {
	return func(v *rollout.View) { v.Plan.Budgets = append(v.Plan.Budgets, b) }
}

func TestTime(t *testing.T) {
	night := func(v *rollout.View) {
		v.Plan.Calendars = []hotstick.Calendar{{Name: "night", Opens: []hotstick.Interval{
			{From: t0.Add(time.Hour), Until: t0.Add(2 * time.Hour)}, {From: t0.Add(23 * time.Hour), Until: t0.Add(25 * time.Hour)}}}}
		for i := range v.Hosts {
			v.Hosts[i].Listed.Calendar = "night"
		}
	}
	freeze := func(v *rollout.View) {
		v.Freezes = []rollout.Freeze{{Reason: "sale", Interval: hotstick.Interval{From: t0, Until: t0.Add(time.Hour)}}}
	}
	holds(t, []rule{
		{"nothing starts before the window", "a/x/0:waiting", night, 0, ""},
		{"it starts in the window", "a/x/0:waiting", night, time.Hour, "start a"},
		{"not after it", "a/x/0:waiting", night, 2 * time.Hour, ""},
		{"it goes on in the next one", "a/x/0:confirmed b/x/1:waiting", night, 23 * time.Hour, "start b"},
		{"what runs when a window closes may finish", "a/x/0:applying", night, 2 * time.Hour, ""},
		{"an admission that was not used is taken back", "a/x/0:admitted", night, 2 * time.Hour, "a->waiting, free a"},
		{"unless its grant may live", "a/x/0:admitted", all(night, on("a", func(h *rollout.Host) {
			granted := t0.Add(2*time.Hour - time.Second)
			h.Granted = &granted
		})), 2 * time.Hour, ""},
		{"a host that no window is left for is passed over", "a/x/0:confirmed b/x/1:waiting", all(night, func(v *rollout.View) { v.Plan.NotAfter = t0.Add(20 * time.Hour) }), 3 * time.Hour, "b->skipped, completed"},
		{"a calendar that the plan lacks never opens", "a/x/0:waiting", on("a", func(h *rollout.Host) { h.Listed.Calendar = "lost" }), 0, "a->skipped, completed"},
		{"nothing starts in a freeze", "a/x/0:waiting", freeze, 0, ""},
		{"it starts after it", "a/x/0:waiting", freeze, time.Hour, "start a"},
		{"reverts go on in a freeze", "a/x/0:confirmed", all(freeze, func(v *rollout.View) { v.Reverting = true }), 0, "a->reverting"},
	})
}

func TestManualProvenAndLateWaves(t *testing.T) {
	manual := func(promoted int, waves ...int) func(*rollout.View) {
		return func(v *rollout.View) {
			v.Promoted = promoted
			for _, w := range waves {
				v.Plan.Waves[w].Manual = true
			}
		}
	}
	proven := func(waves ...int) func(*rollout.View) {
		return func(v *rollout.View) {
			for _, w := range waves {
				v.Plan.Waves[w].Proven = true
			}
		}
	}
	late := on("z", func(h *rollout.Host) { h.Late = true })
	holds(t, []rule{
		{"a manual wave waits for an operator's word", "a/x/0:confirmed b/x/1:waiting", manual(0, 1), time.Hour, ""},
		{"and opens with it", "a/x/0:confirmed b/x/1:waiting", manual(2, 1), time.Hour, "start b"},
		{"the word replaces no bake", "a/x/0:confirmed b/x/1:waiting", manual(2, 1), time.Second, ""},
		{"nor a gate", "a/x/0:probation b/x/1:waiting", manual(2, 1), time.Hour, ""},
		{"it stops the waves behind it in every lane", "a/x/0:confirmed b/x/1:waiting c/y/2:waiting", manual(1, 1), time.Hour, ""},
		{"proven waves open together once the canaries have passed", "a/x/0:confirmed b/x/1:waiting c/x/2:waiting d/x/3:waiting", proven(1, 2), time.Minute, "start b, start c"},
		{"not before", "a/x/0:confirmed b/x/1:waiting c/x/2:waiting d/x/3:waiting", proven(1, 2), time.Second, ""},
		{"waves after them do not wait for their bake", "a/x/0:confirmed b/x/1:confirmed c/x/2:confirmed d/x/3:waiting",
			all(proven(1, 2), on("b c", func(h *rollout.Host) { h.Updated = t0.Add(time.Minute) })), time.Minute, "start d"},
		{"but for their hosts", "a/x/0:confirmed b/x/1:confirmed c/x/2:probation d/x/3:waiting", proven(1, 2), time.Minute, ""},
		{"a lost host of a proven wave holds the lane", "a/x/0:confirmed b/x/1:lost c/x/2:waiting d/x/3:waiting", proven(1, 2), time.Minute, ""},
		{"a wave with a lane's first host is never taken as proven", "a/x/0:confirmed b/y/1:confirmed c/y/2:waiting", all(proven(1, 2),
			on("b", func(h *rollout.Host) { h.Updated = t0.Add(time.Minute) })), time.Minute, ""},
		{"a late host waits for the last wave", "a/x/0:confirmed b/x/1:waiting z/x/0:waiting", late, time.Minute, "start b, start z"},
		{"which must be open", "a/x/0:probation b/x/1:waiting z/x/0:waiting", late, time.Minute, ""},
		{"a late host is no canary", "a/x/0:confirmed b/x/1:waiting z/y/1:waiting", late, time.Minute, "start b, start z"},
	})
}
