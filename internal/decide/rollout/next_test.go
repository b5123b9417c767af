package rollout_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/decide/rollout"
)

var t0 = time.Date(2026, 11, 21, 3, 0, 0, 0, time.UTC)

// fleet builds a view from a line of words, one a host: NAME/BUILD/WAVE:STATE,
// with an optional =REASON. Builds are single letters. Times: every state was
// reached at t0 and every host checked in at t0.
func fleet(line string) rollout.View {
	v := rollout.View{
		ID:    "sha256:plan",
		Frame: rollout.Frame{Status: hotstick.Running, Limits: rollout.DefaultLimits, Started: &t0},
		Plan: hotstick.Plan{
			Patch: hotstick.PatchRef{Name: "fix", Level: 2}, NotAfter: t0.Add(24 * time.Hour),
			Budgets: []hotstick.Budget{{Domain: hotstick.FleetDomain, Max: 3}},
		},
	}
	for _, word := range strings.Fields(line) {
		place, state, _ := strings.Cut(word, ":")
		state, reason, _ := strings.Cut(state, "=")
		part := strings.Split(place, "/")
		var wave int
		fmt.Sscan(part[2], &wave)
		for len(v.Plan.Waves) <= wave {
			v.Plan.Waves = append(v.Plan.Waves, hotstick.Wave{Name: fmt.Sprint("w", len(v.Plan.Waves)), BakeSeconds: 60})
		}
		h := rollout.Host{
			Listed: hotstick.PlanHost{Host: hotstick.HostID(part[0]), Name: part[0], Wave: wave,
				Build: hotstick.KernelBuild{Release: part[1], BuildID: part[1]}},
			State: hotstick.HostState(state), Updated: t0,
			Posture: rollout.Posture{LastSeen: t0, Announced: true},
		}
		if state != "waiting" {
			h.Attempt = 1
		}
		if reason != "" {
			h.Reason = &hotstick.Reason{Code: hotstick.ReasonCode(reason)}
		}
		if h.State.HoldsSlot() {
			h.Busy = h.State != hotstick.Lost && h.State != hotstick.Admitted
			v.Slots = append(v.Slots, rollout.Slot{Domain: hotstick.FleetDomain, Value: "all",
				Index: len(v.Slots), Plan: v.ID, Host: h.Listed.Host})
		}
		v.Hosts = append(v.Hosts, h)
	}
	return v
}

// say writes a decision in one line.
func say(d rollout.Decision) string {
	var out []string
	for _, s := range d.Starts {
		out = append(out, "start "+string(s.Host))
	}
	for _, c := range d.Changes {
		out = append(out, fmt.Sprintf("%s->%s", c.Host, c.State))
	}
	for _, h := range d.StandIns {
		out = append(out, string(h)+" stands in")
	}
	if d.Status != "" {
		out = append(out, string(d.Status))
	}
	if d.Revert {
		out = append(out, "revert")
	}
	if d.Ban != nil {
		out = append(out, "ban")
	}
	for _, h := range d.Release {
		out = append(out, "free "+string(h))
	}
	return strings.Join(out, ", ")
}

func TestNext(t *testing.T) {
	tests := []struct {
		name  string
		fleet string
		after time.Duration
		want  string
	}{
		{"one host of the fleet goes first", "a/x/0:waiting b/y/1:waiting c/x/2:waiting", 0, "start a"},
		{"nothing moves while the first host is on probation", "a/x/0:probation b/y/1:waiting c/x/2:waiting", 0, ""},
		{"the next stage waits for the bake", "a/x/0:confirmed b/y/1:waiting c/x/2:waiting", 59 * time.Second, ""},
		{"after the bake the next kernel build gets its canary", "a/x/0:confirmed b/y/1:waiting c/x/2:waiting", 60 * time.Second, "start b"},
		{"waves widen when every canary has baked", "a/x/0:confirmed b/y/1:confirmed c/x/2:waiting d/y/2:waiting", 60 * time.Second, "start c, start d"},
		{"the budget bounds a wide wave", "a/x/0:confirmed b/x/1:waiting c/x/1:waiting d/x/1:waiting e/x/1:waiting", time.Minute, "start b, start c, start d"},
		{"a lost host keeps its slot", "a/x/0:confirmed b/x/1:lost c/x/1:waiting d/x/1:waiting e/x/1:waiting", time.Minute, "start c, start d"},
		{"a confirmed host frees its slot", "a/x/0:confirmed", 0, "completed"},
		{"a failed probe halts, bans and sends the others back",
			"a/x/0:confirmed b/x/1:reverted=probe_failed c/x/1:confirmed d/x/2:waiting", time.Minute, "a->reverting, halted, revert, ban"},
		{"a crash that names the patch fails at once", "a/x/0:quarantined=crash_named_patch b/y/1:waiting", 0, "halted, revert, ban"},
		{"one unexplained crash holds but does not fail", "a/x/0:quarantined=crash b/y/1:waiting", time.Hour, ""},
		{"a canary lost in one lane does not stop the other lane",
			"a/x/0:confirmed b/y/1:quarantined=crash c/x/2:waiting d/y/2:waiting", time.Hour, "start c"},
		{"two losses alike fail", "a/x/0:confirmed b/y/1:quarantined=crash c/z/1:quarantined=crash d/x/2:waiting", time.Hour,
			"a->reverting, halted, revert, ban"},
		{"an ordered revert is no verdict on the patch", "a/x/0:reverted=revert_ordered", 0, "completed"},
		{"one refused load holds its lane", "a/x/0:failed=kernel_refused b/x/1:waiting", time.Hour, ""},
		{"an interrupted host is tried again", "a/x/0:interrupted=clean_shutdown b/x/1:waiting", 0, "start a, a->waiting"},
		{"everything terminal completes the plan", "a/x/0:confirmed b/x/1:skipped=operator", time.Hour, "completed"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			v := fleet(test.fleet)
			for i := range v.Hosts { // checked in just now, whatever time it is
				if v.Hosts[i].State != hotstick.Lost {
					v.Hosts[i].LastSeen = t0.Add(test.after)
				}
			}
			if got := say(rollout.Next(v, t0.Add(test.after))); got != test.want {
				t.Errorf("decided %q, want %q", got, test.want)
			}
		})
	}
}

// TestAHostOfALaterWaveSaysWhatKeepsItOut: a wave that is not open is not why.
func TestAHostOfALaterWaveSaysWhatKeepsItOut(t *testing.T) {
	for want, change := range map[hotstick.ReasonCode]func(*rollout.View){
		hotstick.ReasonWaveNotOpen: func(*rollout.View) {},
		hotstick.ReasonHeldOnHost: func(v *rollout.View) {
			v.Hosts[1].Barred = &hotstick.Reason{Code: hotstick.ReasonHeldOnHost}
		},
		hotstick.ReasonCrashedElsewhere: func(v *rollout.View) {
			v.Crashes = []rollout.Crash{{Print: hotstick.CrashPrint{Patch: v.Plan.Patch, Build: v.Hosts[1].Listed.Build}, Host: "z"}}
		},
	} {
		v := fleet("a/x/0:waiting b/x/1:waiting")
		change(&v)
		if why := rollout.Open(v).Why("b", t0); why == nil || why.Code != want {
			t.Errorf("it waits for %+v, want %s", why, want)
		}
	}
}

func TestNothingStartsWhen(t *testing.T) {
	tests := []struct {
		name   string
		change func(*rollout.View)
		reason hotstick.ReasonCode
	}{
		{"the plan is held", func(v *rollout.View) { v.Status = hotstick.Held }, hotstick.ReasonPlanHeld},
		{"the plan is halted", func(v *rollout.View) { v.Status = hotstick.Halted }, hotstick.ReasonPlanHalted},
		{"the plan is proposed", func(v *rollout.View) { v.Status = hotstick.Proposed }, hotstick.ReasonNotApproved},
		{"the plan is approved but not started", func(v *rollout.View) { v.Status = hotstick.Approved }, hotstick.ReasonNotStarted},
		{"its life is over", func(v *rollout.View) { v.Plan.NotAfter = t0 }, hotstick.ReasonPlanExpired},
		{"everything was stopped", func(v *rollout.View) { v.StopAll = true }, hotstick.ReasonStopAll},
		{"the epoch has changed", func(v *rollout.View) { v.Outdated = true }, hotstick.ReasonStaleEpoch},
		{"the patch is banned", func(v *rollout.View) { v.Banned = true }, hotstick.ReasonBanned},
		{"the patch is recalled", func(v *rollout.View) { v.Recalled = recall(hotstick.RecallBlock) }, hotstick.ReasonRecalled},
		{"another plan holds the host", func(v *rollout.View) { v.Hosts[0].Elsewhere = true }, hotstick.ReasonOtherPlan},
		{"the host never checked in", func(v *rollout.View) { v.Hosts[0].LastSeen = time.Time{} }, hotstick.ReasonHostSilent},
		{"the host is silent", func(v *rollout.View) { v.Hosts[0].LastSeen = t0.Add(-time.Hour) }, hotstick.ReasonHostSilent},
		{"the wave's delay has not passed", func(v *rollout.View) { v.Plan.Waves[0].DelaySeconds = 10 }, hotstick.ReasonDelay},
		{"another plan has used the budget up", func(v *rollout.View) {
			for i := range 3 {
				v.Slots = append(v.Slots, rollout.Slot{Domain: "fleet", Value: "all", Index: i, Plan: "other", Host: "z"})
			}
		}, hotstick.ReasonBudget},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			v := fleet("a/x/0:waiting")
			test.change(&v)
			if d := rollout.Next(v, t0); len(d.Starts) != 0 {
				t.Fatalf("started %v", d.Starts)
			}
			if why := rollout.Open(v).Why("a", t0); why == nil || why.Code != test.reason {
				t.Errorf("waits for %v, want %q", why, test.reason)
			}
		})
	}
}

func TestAStruckHostIsLeftOut(t *testing.T) {
	v := fleet("a/x/0:waiting")
	v.Hosts[0].Struck = true
	if got := say(rollout.Next(v, t0)); got != "a->skipped, completed" {
		t.Errorf("decided %q", got)
	}
}

func TestAfterAHaltAnAdmittedHostKeepsItsSlotWhileItsGrantMayLive(t *testing.T) {
	v := fleet("a/x/0:admitted")
	v.Status = hotstick.Halted
	v.Hosts[0].Granted = &t0
	d := rollout.Next(v, t0.Add(30*time.Second))
	if say(d) != "" || !d.Check.Equal(t0.Add(v.Limits.GrantLife)) {
		t.Errorf("decided %q, looks again at %v", say(d), d.Check)
	}
	late := t0.Add(v.Limits.GrantLife)
	if got := say(rollout.Next(v, late)); got != "" {
		t.Errorf("of a host that was not heard of since, and may have started, decided %q", got)
	}
	v.Hosts[0].LastSeen = late
	if got := say(rollout.Next(v, late)); got != "a->waiting, free a" {
		t.Errorf("after the grant's life decided %q", got)
	}
}

func TestAHostThatStartedAndFellSilentIsLost(t *testing.T) {
	for _, state := range []string{"armed", "applying", "probation", "reverting"} {
		v := fleet("a/x/0:" + state + "=revert_ordered")
		if got := say(rollout.Next(v, t0.Add(v.Limits.SilentAfter))); got != "a->lost" {
			t.Errorf("%s: decided %q", state, got)
		}
	}
}

func TestRevertsKeepTheirOwnBudget(t *testing.T) {
	var words []string
	for i := range 8 {
		words = append(words, fmt.Sprintf("h%d/x/0:confirmed", i))
	}
	v := fleet(strings.Join(words, " "))
	v.Status, v.Reverting = hotstick.Halted, true
	if got := say(rollout.Next(v, t0)); got != "h0->reverting, h1->reverting" {
		t.Errorf("decided %q, want a quarter of eight", got)
	}
}
