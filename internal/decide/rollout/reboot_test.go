package rollout_test

import (
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/decide/rollout"
)

// rebootsIn makes the plan one of the driver reboot, with a limit for a host to come back.
func rebootsIn(limit time.Duration) func(*rollout.View) {
	return func(v *rollout.View) {
		v.Plan.TransitionSeconds = int(limit / time.Second)
		v.Plan.Lanes = []hotstick.Lane{{Build: v.Hosts[0].Listed.Build, Driver: "reboot"}}
	}
}

// A host that another plan, or anybody, has booted into another kernel since it was listed
// says nothing of the patch.
func TestAHostThatWasRebootedIntoAnotherKernelIsNoReading(t *testing.T) {
	for _, test := range []struct {
		name, line string
		after      time.Duration
		want       string
	}{
		{"it is passed over", "a/x/0:confirmed b/x/1:waiting c/x/1:waiting", time.Minute, "start c, b->skipped"},
		{"also after its attempt was cut short", "a/x/0:confirmed b/x/1:interrupted=clean_shutdown c/x/1:waiting", time.Minute, "start c, b->skipped"},
		{"its loader refuses it, if it was admitted before", "a/x/0:confirmed b/x/1:failed=wrong_build c/x/1:confirmed d/x/2:waiting", time.Hour, "start d"},
		{"once it is passed over, nothing waits for it", "a/x/0:confirmed b/x/1:skipped=wrong_build c/x/1:confirmed d/x/2:waiting", time.Hour, "start d"},
	} {
		v := fleet(test.line)
		v.Hosts[1].Build = hotstick.KernelBuild{Release: "y", BuildID: "y"}
		now := t0.Add(test.after)
		for i := range v.Hosts {
			v.Hosts[i].LastSeen = now
		}
		if got := say(rollout.Next(v, now)); got != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
	v := fleet("a/x/0:confirmed b/x/1:skipped=wrong_build c/x/1:waiting")
	v.Hosts[1].Build, v.Hosts[1].LastSeen = v.Hosts[1].Listed.Build, t0.Add(time.Minute)
	if got := say(rollout.Next(v, t0.Add(time.Minute))); got != "start b, start c, b->waiting" {
		t.Errorf("back on the kernel that was listed: %q", got)
	}
}

func TestAHostThatReboots(t *testing.T) {
	for _, test := range []struct {
		name  string
		line  string
		limit time.Duration
		after time.Duration
		want  string
	}{
		{"may be silent for as long as its plan lets a reboot take", "a/x/0:applying b/x/1:waiting", 20 * time.Minute, 20*time.Minute - time.Second, ""},
		{"then it is lost", "a/x/0:applying b/x/1:waiting", 20 * time.Minute, 20 * time.Minute, "a->lost"},
		{"no sooner than any other host, however short the limit", "a/x/0:applying", time.Minute, rollout.DefaultLimits.SilentAfter - time.Second, ""},
		{"on its way back too, for which the plan is halted", "a/x/0:reverting", 20 * time.Minute, 20*time.Minute - time.Second, "halted, revert, ban"},
		{"on probation it is up, and silence is silence", "a/x/0:probation", 20 * time.Minute, rollout.DefaultLimits.SilentAfter, "a->lost"},
		{"once it is lost its slot stays, and no wave opens", "a/x/0:lost=not_back b/x/1:waiting", 20 * time.Minute, 12 * time.Hour, ""},
	} {
		v := fleet(test.line)
		rebootsIn(test.limit)(&v)
		for i := range v.Hosts[1:] {
			v.Hosts[i+1].LastSeen = t0.Add(test.after)
		}
		d := rollout.Next(v, t0.Add(test.after))
		if got := say(d); got != test.want {
			t.Errorf("%s: after %s %q, want %q", test.name, test.after, got, test.want)
		}
		for _, c := range d.Changes {
			if c.State == hotstick.Lost && (c.Reason.Code != hotstick.ReasonNotBack || c.Reason.Subject != "a") {
				t.Errorf("%s: lost for %+v, want not_back", test.name, c.Reason)
			}
		}
	}
}
