package gate_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/decide/gate"
)

var t0 = time.Date(2026, 11, 21, 3, 0, 0, 0, time.UTC)

func TestJudge(t *testing.T) {
	const bake = time.Minute
	tests := []struct {
		name  string
		hosts string // STATE or STATE=REASON/SUBJECT
		after time.Duration
		want  gate.Outcome
		code  hotstick.ReasonCode
	}{
		{"no data is hold, never pass", "waiting", time.Hour, gate.Hold, hotstick.ReasonNoReadings},
		{"one host still on probation holds", "confirmed probation", time.Hour, gate.Hold, hotstick.ReasonUnderWay},
		{"one host that has not started holds", "confirmed waiting", time.Hour, gate.Hold, hotstick.ReasonNoReadings},
		{"all confirmed must bake", "confirmed confirmed", 59 * time.Second, gate.Hold, hotstick.ReasonBake},
		{"and then pass", "confirmed confirmed", time.Minute, gate.Pass, hotstick.ReasonBake},
		{"a failed probe fails", "confirmed reverted=probe_failed/health", time.Hour, gate.Fail, hotstick.ReasonGateFailed},
		{"a failing host fails while it still reverts", "reverting=kernel_log/oops", 0, gate.Fail, hotstick.ReasonGateFailed},
		{"a crash that names the patch fails", "quarantined=crash_named_patch/unix_ioctl", 0, gate.Fail, hotstick.ReasonGateFailed},
		{"one other crash holds", "quarantined=crash/rcu", time.Hour, gate.Hold, hotstick.ReasonCanaryLost},
		{"two crashes of different kinds hold", "quarantined=crash/rcu quarantined=crash/ext4", time.Hour, gate.Hold, hotstick.ReasonCanaryLost},
		{"two crashes of one kind fail", "quarantined=crash/rcu quarantined=crash/rcu", 0, gate.Fail, hotstick.ReasonGateFailed},
		{"a host lost in silence holds", "confirmed lost=silent_after_start/", time.Hour, gate.Hold, hotstick.ReasonCanaryLost},
		{"a stalled transition holds", "reverted=transition_stalled/", time.Hour, gate.Hold, hotstick.ReasonLaneHeld},
		{"two stalled transitions fail", "reverted=transition_stalled/ reverted=transition_stalled/", 0, gate.Fail, hotstick.ReasonGateFailed},
		{"an ordered revert is no failure, and no evidence", "reverted=revert_ordered/", time.Hour, gate.Hold, hotstick.ReasonNoReadings},
		{"hosts that were all skipped do not stand in the way", "skipped=operator/", 0, gate.Pass, hotstick.ReasonOperator},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			words := strings.Fields(test.hosts)
			acc := gate.New(len(words), hotstick.GateSettings{})
			for _, w := range words {
				acc = gate.Observe(acc, reading(w))
			}
			v := gate.Judge(acc, bake, t0.Add(test.after))
			if v.Outcome != test.want || v.Reason.Code != test.code {
				t.Errorf("judged %s because of %s, want %s because of %s", v.Outcome, v.Reason.Code, test.want, test.code)
			}
		})
	}
}

func reading(word string) gate.Reading {
	state, cause, _ := strings.Cut(word, "=")
	code, subject, _ := strings.Cut(cause, "/")
	r := gate.Reading{State: hotstick.HostState(state), At: t0, Seen: t0.Add(time.Hour), Fingerprint: cause}
	if code != "" {
		r.Reason = &hotstick.Reason{Code: hotstick.ReasonCode(code), Subject: subject}
	}
	return r
}

func TestObserveLeavesOlderStatesAlone(t *testing.T) {
	before := gate.Observe(gate.New(3, hotstick.GateSettings{}), reading("quarantined=crash/rcu"))
	gate.Observe(before, reading("quarantined=crash/rcu"))
	if v := gate.Judge(before, 0, t0); v.Outcome != gate.Hold {
		t.Errorf("a later reading changed an older accumulator: %s", v.Outcome)
	}
}

func TestBoundIsTheRuleOfThree(t *testing.T) {
	for n, want := range map[int]float64{0: 1, 10: 0.259, 47: 0.062, 100: 0.030, 1000: 0.003} {
		if got := gate.Bound(n); math.Abs(got-want) > 0.001 {
			t.Errorf("Bound(%d) = %.4f, want %.3f", n, got, want)
		}
	}
}
