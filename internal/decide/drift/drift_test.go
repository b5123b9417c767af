package drift_test

import (
	"strings"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/decide/drift"
)

var t0 = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// says reads a check-in such as "boot=a want=2 has=1 foreign=kpatch_x"; want=- is an
// attempt under way, want=0 the kernel as it booted.
func says(text string) (h drift.Host, restored bool) {
	level := func(n string) hotstick.PatchRef {
		if n == "0" {
			return hotstick.PatchRef{}
		}
		return hotstick.PatchRef{Name: "fix", Level: int(n[0] - '0')}
	}
	h = drift.Host{Boot: "a", Build: hotstick.KernelBuild{BuildID: "1"}, Expected: &hotstick.PatchRef{}}
	for _, word := range strings.Fields(text) {
		key, value, _ := strings.Cut(word, "=")
		switch key {
		case "boot":
			h.Boot = value
		case "build":
			h.Build.BuildID = value
		case "want":
			if h.Expected = nil; value != "-" {
				ref := level(value)
				h.Expected = &ref
			}
		case "has":
			h.InEffect = level(value)
		case "foreign":
			h.Foreign = value
		case "disabled":
			h.Disabled = value
		case "unclear":
			h.Unclear = true
		case "lifted":
			h.Lifted, h.LiftedWhat.Detail = "kernelcare", value
		case "restored":
			restored = true
		default:
			panic(word)
		}
	}
	return h, restored
}

func TestAHostDrifts(t *testing.T) {
	const well = "want=1 has=1"
	for _, c := range []struct {
		name string
		// heard are check-ins, ten seconds apart.
		heard []string
		want  hotstick.DriftKind
	}{
		{"nothing happened", []string{well, well}, ""},
		{"nothing is loaded and nothing should be", []string{"", ""}, ""},
		{"one check-in is no proof", []string{well, "want=1 has=0"}, ""},
		{"somebody removed the level", []string{well, "want=1 has=0", "want=1 has=0"}, hotstick.DriftRemoved},
		{"somebody disabled it", []string{well, "want=1 has=0 disabled=m", "want=1 has=0 disabled=m"}, hotstick.DriftDisabled},
		{"and then removed it", []string{well, "want=1 has=0 disabled=m", "want=1 has=0 disabled=m", "want=1 has=0"}, hotstick.DriftRemoved},
		{"somebody put it back", []string{well, "want=1 has=0", "want=1 has=0", well}, ""},
		{"another level than expected", []string{well, "want=2 has=1", "want=2 has=1"}, hotstick.DriftRemoved},
		{"a vendor's patch", []string{well, "want=1 has=1 foreign=v unclear", "want=1 has=1 foreign=v unclear"}, hotstick.DriftForeign},
		{"a vendor's patch where none of ours is", []string{"", "foreign=v", "foreign=v"}, hotstick.DriftForeign},
		{"a level of ours of which the ledger knows nothing", []string{"", "has=1", "has=1"}, hotstick.DriftForeign},
		{"an attempt of ours", []string{well, "want=- has=0", "want=- has=0", "want=2 has=2"}, ""},
		{"what was known stays during an attempt", []string{well, "want=1 has=0", "want=1 has=0", "want=- has=0"}, hotstick.DriftRemoved},
		{"what was known stays while the kernel moves", []string{well, "want=1 has=0", "want=1 has=0", "want=1 unclear"}, hotstick.DriftRemoved},
		{"a boot has time to settle", []string{well, "boot=b want=1", "boot=b want=1", "boot=b want=1 has=1"}, ""},
		{"a boot has time to settle though its first check-in says nothing", []string{well, "boot=b want=-", "boot=b want=1", "boot=b want=1"}, ""},
		{"a boot has time to settle though its first check-in is unclear", []string{well, "boot=b want=1 unclear", "boot=b want=1", "boot=b want=1"}, ""},
		{"the level does not come back, and at first nobody could tell", []string{well, "boot=b want=-", "boot=b want=1", "boot=b want=1", "boot=b want=1", "boot=b want=1", "boot=b want=1", "boot=b want=1"}, hotstick.DriftRebooted},
		{"a boot after which nobody can tell", []string{well, "boot=b want=-", "boot=b want=-", "boot=b want=-", "boot=b want=-", "boot=b want=-", "boot=b want=-", "boot=b want=-", "boot=b want=-"}, ""},
		{"the level does not come back", []string{well, "boot=b want=1", "boot=b want=1", "boot=b want=1", "boot=b want=1", "boot=b want=1", "boot=b want=1", "boot=b want=1"}, hotstick.DriftRebooted},
		{"another kernel", []string{well, "boot=b build=2 want=0"}, hotstick.DriftKernel},
		{"another kernel stays", []string{well, "boot=b build=2 want=0", "boot=b build=2 want=0"}, hotstick.DriftKernel},
		{"a second boot of it is its choice", []string{well, "boot=b build=2 want=0", "boot=c build=2 want=0"}, ""},
		{"a level for the other kernel", []string{well, "boot=b build=2 want=0", "boot=b build=2 want=3 has=3"}, ""},
		{"a level that a ban keeps from coming back", []string{well, "boot=b want=0", "boot=b want=0"}, ""},
		{"a snapshot", []string{"want=2 has=2", "want=1 has=1 restored", well}, hotstick.DriftSnapshot},
		{"a snapshot that made no difference", []string{well, "want=1 has=1 restored", well}, ""},
		{"somebody lifted the hold of its system", []string{well, well + " lifted=a"}, hotstick.DriftLifted},
		{"and its system has brought a level", []string{well, well + " lifted=a", "want=1 has=0 foreign=v lifted=a", "want=1 has=0 foreign=v lifted=a"}, hotstick.DriftForeign},
		{"it was lifted together with that", []string{well, "want=1 has=0 foreign=v lifted=a", "want=1 has=0 foreign=v lifted=a"}, hotstick.DriftForeign},
		{"the level is back, and it is still lifted", []string{well, "want=1 has=0 lifted=a", "want=1 has=0 lifted=a", well + " lifted=a"}, hotstick.DriftLifted},
		{"a hold that was lifted during an attempt", []string{well, "want=- has=1 lifted=a"}, hotstick.DriftLifted},
		{"one check-in is no proof while a hold is lifted either", []string{well, well + " lifted=a", "want=1 has=0 lifted=a"}, hotstick.DriftLifted},
		{"but the second one is", []string{well, well + " lifted=a", "want=1 has=0 lifted=a", "want=1 has=0 lifted=a"}, hotstick.DriftRemoved},
		{"a boot has time to settle while a hold is lifted", []string{well, well + " lifted=a", "boot=b want=1 lifted=a", "boot=b want=1 lifted=a", "boot=b want=1 lifted=a"}, hotstick.DriftLifted},
		{"a boot has time to settle with which it was lifted", []string{well, "boot=b want=1 lifted=a", "boot=b want=1 lifted=a", "boot=b want=1 lifted=a"}, hotstick.DriftLifted},
		{"and after that the level went with the boot", []string{well, well + " lifted=a", "boot=b want=1 lifted=a", "boot=b want=1 lifted=a", "boot=b want=1 lifted=a", "boot=b want=1 lifted=a",
			"boot=b want=1 lifted=a", "boot=b want=1 lifted=a", "boot=b want=1 lifted=a"}, hotstick.DriftRebooted},
		{"a boot has time to settle while the hold is put back", []string{well, well + " lifted=a", "boot=b want=1 lifted=a", "boot=b want=1", "boot=b want=1"}, ""},
		{"a lifted hold stays so while nobody can tell", []string{well, well + " lifted=a", "want=- has=1"}, hotstick.DriftLifted},
		{"it is on hold again", []string{well, well + " lifted=a", well}, ""},
		{"a snapshot that we made good", []string{"want=2 has=2", "want=1 has=1 restored", "want=- has=1", "want=2 has=2"}, ""},
	} {
		var was *hotstick.Drift
		var before drift.Host
		for i, text := range c.heard {
			now, restored := says(text)
			at := t0.Add(time.Duration(i) * 10 * time.Second)
			if i == 0 {
				before = now
				continue
			}
			was = drift.Judge(drift.Situation{Was: was, Before: before, Now: now, Heard: at.Add(-10 * time.Second), At: at, Restored: restored})
			before = now
		}
		got := hotstick.DriftKind("")
		if d := was.Shown(); d != nil {
			got = d.Kind
		}
		if got != c.want {
			t.Errorf("%s: the host drifts %q, want %q", c.name, got, c.want)
		}
	}
}

func TestDriftIsSaidToHaveHappenedBetweenTwoCheckIns(t *testing.T) {
	well, _ := says("want=1 has=1")
	gone, _ := says("want=1 has=0")
	first := drift.Judge(drift.Situation{Before: well, Now: gone, Heard: t0, At: t0.Add(time.Second)})
	second := drift.Judge(drift.Situation{Was: first, Before: gone, Now: gone, Heard: t0.Add(time.Second), At: t0.Add(2 * time.Second)})
	if second.Pending || !second.Before.Equal(t0) || !second.Since.Equal(t0.Add(time.Second)) || second.Expected.Level != 1 {
		t.Errorf("got %+v", second)
	}
}

// TestEachBootGivesTheLevelItsTimeToComeBack: a host that boots again and again is not said
// to lack the level since the first boot.
func TestEachBootGivesTheLevelItsTimeToComeBack(t *testing.T) {
	for _, first := range []string{"boot=c want=1", "boot=c want=-"} {
		first, _ := says(first)
		b, _ := says("boot=b want=1")
		c, _ := says("boot=c want=1")
		was := &hotstick.Drift{Kind: hotstick.DriftRebooted, Expected: hotstick.PatchRef{Name: "fix", Level: 1}, Since: t0, Before: t0}
		again := t0.Add(time.Hour)
		was = drift.Judge(drift.Situation{Was: was, Before: b, Now: first, Heard: again.Add(-time.Minute), At: again})
		was = drift.Judge(drift.Situation{Was: was, Before: first, Now: c, Heard: again, At: again.Add(time.Minute)})
		if was.Shown() == nil || was.Kind != hotstick.DriftRebooted || !was.Since.Equal(again) || !was.Before.Equal(t0) {
			t.Errorf("got %+v", was)
		}
	}
}

// TestALiftedHoldSaysWhatIsNotHeldAndSinceWhen: the newest words, and the first moment.
func TestALiftedHoldSaysWhatIsNotHeldAndSinceWhen(t *testing.T) {
	well, _ := says("want=1 has=1")
	one, _ := says("want=1 has=1 lifted=one")
	two, _ := says("want=1 has=1 lifted=two")
	first := drift.Judge(drift.Situation{Before: well, Now: one, Heard: t0, At: t0.Add(time.Second)})
	second := drift.Judge(drift.Situation{Was: first, Before: one, Now: two, Heard: t0.Add(time.Second), At: t0.Add(2 * time.Second)})
	if first.Pending || second.Detail != "two" || second.Master != "kernelcare" || !second.Before.Equal(t0) || !second.Since.Equal(t0.Add(time.Second)) {
		t.Errorf("got %+v, then %+v", first, second)
	}
}
