package gate_test

import (
	"fmt"
	"math"
	"strconv"
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
		hosts string // STATE or STATE=REASON/SUBJECT, with ! at its end if dismissed
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
		{"a stalled transition is no reading", "reverted=transition_stalled/", time.Hour, gate.Hold, hotstick.ReasonNoReadings},
		{"nor any harm beside a confirmed host", "confirmed reverted=transition_stalled/", time.Hour, gate.Pass, hotstick.ReasonBake},
		{"one that still goes back is waited for", "confirmed reverting=transition_stalled/", time.Hour, gate.Hold, hotstick.ReasonNoReadings},
		{"two stalled transitions among few hold, and do not fail", "confirmed reverted=transition_stalled/ reverted=transition_stalled/", time.Hour, gate.Hold, hotstick.ReasonLaneHeld},
		{"stalls alone never fail", "reverted=transition_stalled/ reverted=transition_stalled/ reverted=transition_stalled/", time.Hour, gate.Hold, hotstick.ReasonLaneHeld},
		{"a level that somebody took away on probation is no reading", "reverted=removed_outside/", time.Hour, gate.Hold, hotstick.ReasonNoReadings},
		{"and no harm beside a confirmed host", "confirmed reverted=removed_outside/", time.Hour, gate.Pass, hotstick.ReasonBake},
		{"one that goes back after it is waited for", "confirmed reverting=removed_outside/", time.Hour, gate.Hold, hotstick.ReasonNoReadings},
		{"several that somebody took away hold, and do not fail", "confirmed failed=removed_outside/ failed=removed_outside/ reverted=removed_outside/ reverting=removed_outside/", time.Hour, gate.Hold, hotstick.ReasonLaneHeld},
		{"one that somebody took away once it was confirmed is missed", "failed=removed_outside/", time.Hour, gate.Hold, hotstick.ReasonNoReadings},
		{"one that was dismissed holds nothing", "confirmed failed=removed_outside/! failed=removed_outside/", time.Hour, gate.Pass, hotstick.ReasonBake},
		{"an ordered revert is no failure, and no evidence", "reverted=revert_ordered/", time.Hour, gate.Hold, hotstick.ReasonNoReadings},
		{"a lost host that was dismissed is no confirmed canary", "quarantined=crash/rcu!", time.Hour, gate.Hold, hotstick.ReasonNoReadings},
		{"nor is one beside a host that was skipped", "quarantined=crash/rcu! skipped=operator/", time.Hour, gate.Hold, hotstick.ReasonNoReadings},
		{"beside a confirmed host it holds nothing", "confirmed quarantined=crash/rcu!", time.Hour, gate.Pass, hotstick.ReasonBake},
		{"the next crash of its kind fails all the same", "confirmed quarantined=crash/rcu! quarantined=crash/rcu", 0, gate.Fail, hotstick.ReasonGateFailed},
		{"and so do two of one kind that were dismissed", "confirmed quarantined=crash/rcu! quarantined=crash/rcu!", time.Hour, gate.Fail, hotstick.ReasonGateFailed},
		{"the next crash of another kind holds", "confirmed quarantined=crash/rcu! quarantined=crash/ext4", time.Hour, gate.Hold, hotstick.ReasonCanaryLost},
		{"no word lets go what proves the patch bad", "confirmed quarantined=crash_named_patch/unix_ioctl!", time.Hour, gate.Fail, hotstick.ReasonGateFailed},
		{"a stalled transition that was dismissed holds nothing", "confirmed reverted=transition_stalled/!", time.Hour, gate.Pass, hotstick.ReasonBake},
		{"one beside one that was dismissed counts alone", "confirmed reverted=transition_stalled/! reverted=transition_stalled/", time.Hour, gate.Pass, hotstick.ReasonBake},
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
	word, dismissed := strings.CutSuffix(word, "!")
	state, cause, _ := strings.Cut(word, "=")
	code, subject, _ := strings.Cut(cause, "/")
	r := gate.Reading{State: hotstick.HostState(state), Dismissed: dismissed, At: t0, Seen: t0.Add(time.Hour), Fingerprint: cause}
	if code != "" {
		r.Reason = &hotstick.Reason{Code: hotstick.ReasonCode(code), Subject: subject}
	}
	return r
}

// Larger waves are written as NUMBERxWORD.
func TestJudgeWideWaves(t *testing.T) {
	tests := []struct {
		name  string
		hosts string
		want  gate.Outcome
		code  hotstick.ReasonCode
	}{
		{"one loss among few hosts holds, though they are enough", "40xconfirmed 1xquarantined=crash/rcu", gate.Hold, hotstick.ReasonCanaryLost},
		{"one loss among many is the background's", "200xconfirmed 1xquarantined=crash/rcu", gate.Pass, hotstick.ReasonBake},
		{"two losses alike fail among however many", "400xconfirmed 2xquarantined=crash/rcu", gate.Fail, hotstick.ReasonGateFailed},
		{"two crashes without a trace are not alike", "2000xconfirmed 2xquarantined", gate.Pass, hotstick.ReasonBake},
		{"two hosts silent at once are not alike", "2000xconfirmed 2xlost=silent_after_start/", gate.Pass, hotstick.ReasonBake},
		{"many silent hosts hold", "400xconfirmed 8xlost=silent_after_start/", gate.Hold, hotstick.ReasonCanaryLost},
		{"one stall among few is the host's", "9xconfirmed 1xreverted=transition_stalled/", gate.Pass, hotstick.ReasonBake},
		{"a tenth of stalls is to be expected", "270xconfirmed 30xreverted=transition_stalled/", gate.Pass, hotstick.ReasonBake},
		{"more hold for a person", "269xconfirmed 30xreverted=transition_stalled/", gate.Hold, hotstick.ReasonLaneHeld},
		{"hands count among them", "269xconfirmed 10xreverted=transition_stalled/ 10xreverted=removed_outside/ 10xfailed=removed_outside/", gate.Hold, hotstick.ReasonLaneHeld},
		{"many hands never fail", "29xfailed=removed_outside/ 1xconfirmed", gate.Hold, hotstick.ReasonLaneHeld},
		{"stalls do not make up for a loss", "40xconfirmed 1xreverted=transition_stalled/ 1xquarantined=crash/rcu", gate.Hold, hotstick.ReasonCanaryLost},
		{"two different refusals among few hold", "failed=kernel_refused/ failed=digest_mismatch/", gate.Hold, hotstick.ReasonLaneHeld},
		{"a wave that mostly went missing has too few", "5xconfirmed 95xskipped=host_silent/", gate.Hold, hotstick.ReasonTooFewReadings},
		{"a few absent hosts do not stop a wave", "5xconfirmed 3xskipped=host_silent/", gate.Pass, hotstick.ReasonBake},
		{"nor one that was mostly held", "1xconfirmed 29xskipped=held_on_host/", gate.Hold, hotstick.ReasonTooFewReadings},
		{"nor switched off", "1xconfirmed 29xskipped=switched_off/", gate.Hold, hotstick.ReasonTooFewReadings},
		{"nor under another master", "1xconfirmed 29xskipped=other_master/", gate.Hold, hotstick.ReasonTooFewReadings},
		{"nor kept from what crashed elsewhere", "1xconfirmed 29xskipped=crashed_elsewhere/", gate.Hold, hotstick.ReasonTooFewReadings},
		{"nor ill, struck or with a foreign patch", "1xconfirmed 9xskipped=probe_failed/ 10xskipped=struck/ 10xskipped=foreign_patch/", gate.Hold, hotstick.ReasonTooFewReadings},
		{"half of a wave is enough", "15xconfirmed 15xskipped=held_on_host/", gate.Pass, hotstick.ReasonBake},
		{"and less is not", "14xconfirmed 16xskipped=held_on_host/", gate.Hold, hotstick.ReasonTooFewReadings},
		{"hosts left out by decision are not missed", "5xconfirmed 95xskipped=already_in_effect/", gate.Pass, hotstick.ReasonBake},
		{"nor those that an operator excluded", "5xconfirmed 95xskipped=excluded/", gate.Pass, hotstick.ReasonBake},
		{"hosts ordered back are not missed", "5xconfirmed 95xreverted=revert_ordered/", gate.Pass, hotstick.ReasonBake},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			v := gate.Judge(observe(wave(test.hosts, 0), hotstick.GateSettings{}), 0, t0)
			if v.Outcome != test.want || v.Reason.Code != test.code {
				t.Errorf("judged %s because of %s, want %s because of %s", v.Outcome, v.Reason.Code, test.want, test.code)
			}
		})
	}
}

func TestTooFewReadingsSayWhoIsMissing(t *testing.T) {
	rs := wave("1xconfirmed 4xskipped=switched_off/ 20xskipped=held_on_host/ 5xskipped=excluded/ 1xfailed=removed_outside/", 0)
	v := gate.Judge(observe(rs, hotstick.GateSettings{}), 0, t0)
	if want := "1 of 13; missing are 20 held_on_host, 1 removed_outside, 4 switched_off"; v.Reason.Detail != want {
		t.Errorf("said %q, want %q", v.Reason.Detail, want)
	}
	if v.Failures != 0 || v.Enough != 13 {
		t.Errorf("counted %d failures and asked for %d, want none and 13", v.Failures, v.Enough)
	}
}

func wave(line string, transition time.Duration) []gate.Reading {
	var out []gate.Reading
	for _, word := range strings.Fields(line) {
		n := 1
		if many, rest, wide := strings.Cut(word, "x"); wide {
			if times, err := strconv.Atoi(many); err == nil {
				n, word = times, rest
			}
		}
		for range n {
			r := reading(word)
			r.Host, r.Transition = hotstick.HostID(strconv.Itoa(len(out))), transition
			if r.Reason == nil || r.Reason.Subject == "" && r.State != hotstick.Reverted {
				r.Fingerprint = ""
			}
			out = append(out, r)
		}
	}
	return out
}

func TestLongTransitionsSlowTheRolloutDown(t *testing.T) {
	judge := func(quick, long int) gate.Verdict {
		rs := wave(fmt.Sprintf("%dxconfirmed", quick+long), 200*time.Millisecond)
		for i := range long {
			rs[i].Transition = 20 * time.Second
		}
		return gate.Judge(observe(rs, hotstick.GateSettings{}), 0, t0)
	}
	for _, test := range []struct {
		quick, long int
		want        gate.Outcome
	}{{10, 0, gate.Pass}, {0, 1, gate.Slow}, {2, 1, gate.Pass}, {17, 2, gate.Slow}, {18, 2, gate.Pass}, {90, 11, gate.Slow}} {
		v := judge(test.quick, test.long)
		if v.Outcome != test.want || v.Costly != (test.want == gate.Slow) || !v.Opens() {
			t.Errorf("%d quick and %d long transitions gave %s, want %s", test.quick, test.long, v.Outcome, test.want)
		}
	}
}

func TestOldReadingsHold(t *testing.T) {
	acc := gate.Observe(gate.New(1, hotstick.GateSettings{FreshSeconds: 60}), gate.Reading{State: hotstick.Confirmed, At: t0})
	if v := gate.Judge(acc, time.Minute, t0.Add(time.Minute)); v.Outcome != gate.Pass {
		t.Errorf("fresh readings gave %s because of %s", v.Outcome, v.Reason.Code)
	}
	if v := gate.Judge(acc, time.Minute, t0.Add(61*time.Second)); v.Reason.Code != hotstick.ReasonStaleReadings {
		t.Errorf("readings of 61 s ago gave %s because of %s", v.Outcome, v.Reason.Code)
	}
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

func TestFingerprintIsWhereTheKernelStopped(t *testing.T) {
	crash := func(text string) []hotstick.Evidence {
		return []hotstick.Evidence{{Kind: "kernel_log", Text: "RIP: 0010:other+0x1/0x2"}, {Kind: "crash_trace", Text: text}}
	}
	tests := []struct {
		name     string
		why      *hotstick.Reason
		evidence []hotstick.Evidence
		want     string
	}{
		{"nothing is known", nil, nil, ""},
		{"a crash without a trace", &hotstick.Reason{Code: hotstick.ReasonCrash, Subject: "fix_2"}, nil, ""},
		{"a crash with an empty trace", &hotstick.Reason{Code: hotstick.ReasonCrash, Subject: "fix_2"}, crash("Kernel panic"), ""},
		{"a crash on x86_64", &hotstick.Reason{Code: hotstick.ReasonCrash, Subject: "fix_2"},
			crash("BUG: unable\nRIP: 0010:ext4_write.cold+0x1a/0x90 [ext4]\n"), "crash ext4_write"},
		{"a crash on arm64", &hotstick.Reason{Code: hotstick.ReasonCrash}, crash("pc : rcu_sched+0x4/0x8\nlr : x+0x1/0x2"), "crash rcu_sched"},
		{"silence", &hotstick.Reason{Code: hotstick.ReasonSilentAfter, Subject: "x"}, nil, ""},
		{"a refusal", &hotstick.Reason{Code: hotstick.ReasonKernelRefused, Subject: "ENOEXEC"}, nil, "kernel_refused ENOEXEC"},
	}
	for _, test := range tests {
		if got := gate.Fingerprint(test.why, test.evidence); got != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}
