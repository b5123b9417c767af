package main

import (
	"slices"
	"strings"
	"testing"
	"time"
)

const sec = time.Second

// kernels is a host that is looked at twice a second for a minute and runs what at
// says.
func kernel(at func(time.Duration) []patch) *truth {
	t := &truth{}
	for now := time.Duration(0); now < 60*sec; now += sec / 2 {
		t.looks = append(t.looks, look{from: now, to: now + sec/10, boot: "b", patches: at(now)})
	}
	return t
}

func on(module string, order int) patch { return patch{module: module, enabled: true, order: order} }

func TestAScreenMayLagTwoHeartbeatsAndNoMore(t *testing.T) {
	none := func(time.Duration) []patch { return nil }
	one := func(time.Duration) []patch { return []patch{on("fix_1", 1)} }
	// until returns what runs one before 30 s and another afterwards.
	until := func(before, after func(time.Duration) []patch) func(time.Duration) []patch {
		return func(now time.Duration) []patch {
			if now < 30*sec {
				return before(now)
			}
			return after(now)
		}
	}
	foreign := func(time.Duration) []patch { return []patch{on("fix_1", 1), on("theirs", 2)} }
	below := func(time.Duration) []patch { return []patch{on("theirs", 1), on("fix_1", 2)} }
	untold := func(time.Duration) []patch { return []patch{on("theirs", 0), on("fix_1", 0)} }
	moving := func(time.Duration) []patch {
		return []patch{{module: "fix_1", enabled: true, transition: true, order: 1}}
	}
	off := func(time.Duration) []patch { return []patch{{module: "fix_1", order: 1}} }
	down := func(k *truth, from, until time.Duration) *truth {
		var kept []look
		for _, l := range k.looks {
			if l.from < from || until != 0 && l.from >= until {
				kept = append(kept, l)
			}
		}
		return &truth{looks: kept, mutes: []mute{{from: from, until: until}}}
	}
	unseen := func(k *truth, from, until time.Duration) *truth {
		d := down(k, from, until)
		d.mutes = nil
		return d
	}
	for _, tt := range []struct {
		name  string
		host  *truth
		state string
		level string
		at    time.Duration
		want  outcome
	}{
		{"applied, and it is", kernel(one), wordApplied, "fix@1", 20 * sec, matches},
		{"applied, and nothing is", kernel(none), wordApplied, "fix@1", 20 * sec, mismatch},
		{"applied, and another level is", kernel(one), wordApplied, "fix@2", 20 * sec, mismatch},
		{"applied, and it is disabled", kernel(off), wordApplied, "fix@1", 20 * sec, mismatch},
		{"applied, and it is in transition", kernel(moving), wordApplied, "fix@1", 20 * sec, mismatch},
		{"applied, and a foreign patch is above", kernel(foreign), wordApplied, "fix@1", 20 * sec, mismatch},
		{"applied, and a foreign patch is below", kernel(below), wordApplied, "fix@1", 20 * sec, matches},
		{"applied, and the kernel does not tell the order", kernel(untold), wordApplied, "fix@1", 20 * sec, mismatch},
		{"unknown, and a foreign patch is above", kernel(foreign), wordUnknown, "fix@1", 20 * sec, matches},
		{"unpatched, and it is", kernel(none), wordUnpatched, "", 20 * sec, matches},
		{"unpatched, and it is not", kernel(one), wordUnpatched, "", 20 * sec, mismatch},
		{"unpatched, and it is in transition", kernel(moving), wordUnpatched, "", 20 * sec, mismatch},
		{"applied two heartbeats after it was", kernel(until(one, none)), wordApplied, "fix@1", 36 * sec, matches},
		{"applied three heartbeats after it was", kernel(until(one, none)), wordApplied, "fix@1", 39 * sec, mismatch},
		{"unpatched two heartbeats after it was", kernel(until(none, one)), wordUnpatched, "", 36 * sec, matches},
		{"unpatched three heartbeats after it was", kernel(until(none, one)), wordUnpatched, "", 39 * sec, mismatch},
		{"applied before it is", kernel(until(none, one)), wordApplied, "fix@1", 28 * sec, mismatch},
		{"on probation with its level", kernel(one), "probation", "fix@1", 20 * sec, matches},
		{"on probation with a level that is not", kernel(none), "probation", "fix@1", 20 * sec, mismatch},
		{"reverted, and no level named", kernel(none), "reverted", "", 20 * sec, matches},
		{"transitioning with a level that is not", kernel(none), wordTransitioning, "fix@1", 20 * sec, mismatch},
		{"applied of a host that just went down", down(kernel(one), 30*sec, 0), wordApplied, "fix@1", 45 * sec, matches},
		{"applied of a host that has long been down", down(kernel(one), 20*sec, 0), wordApplied, "fix@1", 55 * sec, mismatch},
		{"unpatched of a host that has long been down", down(kernel(none), 20*sec, 0), wordUnpatched, "", 55 * sec, mismatch},
		{"stale of a host that has long been down", down(kernel(one), 20*sec, 0), wordStale, "fix@1", 55 * sec, matches},
		{"applied of a host that came back without it", down(kernel(until(one, none)), 30*sec, 40*sec), wordApplied, "fix@1", 45 * sec, matches},
		{"applied long after it came back without it", down(kernel(until(one, none)), 30*sec, 40*sec), wordApplied, "fix@1", 48 * sec, mismatch},
		{"applied of a kernel that changed while nobody looked", unseen(kernel(until(none, moving)), 29*sec, 31*sec), wordApplied, "fix@1", 33 * sec, unjudged},
		{"applied long after a change that nobody saw", unseen(kernel(until(none, moving)), 29*sec, 31*sec), wordApplied, "fix@1", 38 * sec, mismatch},
		{"applied of a kernel that changed between two near looks", kernel(until(none, moving)), wordApplied, "fix@1", 33 * sec, mismatch},
		{"applied of a kernel that nobody looked at", unseen(kernel(none), 20*sec, 40*sec), wordApplied, "fix@1", 35 * sec, unjudged},
	} {
		j := judge{rules: rules{heartbeat: 3 * sec, stale: 24 * sec, gap: 3 * sec, blink: sec}, levels: map[string]string{"fix_1": "fix@1", "fix_2": "fix@2"}, hosts: map[string]*truth{"h": tt.host}}
		c := claim{from: tt.at, to: tt.at + sec/10, face: "api", host: "h", state: tt.state, level: tt.level, saysLevel: true}
		if got, text := j.check(c); got != tt.want || (got == mismatch) == (text == "") {
			t.Errorf("%s: got %d %q, want %d", tt.name, got, text, tt.want)
		}
	}
}

func TestACountOfHostsIsHeldAgainstAllOfThem(t *testing.T) {
	j := judge{rules: rules{heartbeat: 3 * sec, stale: 24 * sec, gap: 3 * sec, blink: sec}, levels: map[string]string{"fix_1": "fix@1"}, hosts: map[string]*truth{
		"a": kernel(func(time.Duration) []patch { return []patch{on("fix_1", 1)} }),
		"b": kernel(func(time.Duration) []patch { return nil }),
	}}
	c := claim{from: 20 * sec, to: 20 * sec, face: "metrics", state: wordApplied}
	for n, want := range []outcome{matches, matches, mismatch} {
		if got, text := j.count(c, n); got != want {
			t.Errorf("%d hosts applied: got %d %q, want %d", n, got, text, want)
		}
	}
	if got, text := j.check(claim{face: "api", host: "c", state: wordApplied}); got != mismatch || !strings.Contains(text, "there is not") {
		t.Errorf("a host that there is not: %d %q", got, text)
	}
}

func TestALookIsReadStrictly(t *testing.T) {
	l, err := readLook("boot 1111\npatch fix_1 1 0 2\npatch theirs 0 1 0\n")
	if err != nil || l.boot != "1111" || len(l.patches) != 2 || l.patches[0] != on("fix_1", 2) || l.patches[1] != (patch{module: "theirs", transition: true}) {
		t.Errorf("got %+v, %v", l, err)
	}
	for _, bad := range []string{"", "patch fix_1 1 0 2\n", "boot 1\npatch fix_1 1 0 x\n", "boot 1\npatch fix_1 yes 0 1\n"} {
		if _, err := readLook(bad); err == nil {
			t.Errorf("took %q", bad)
		}
	}
}

func TestAHostIsMuteFromItsLastLookToTheFirstOfItsNextKernel(t *testing.T) {
	w := &watcher{clock: func() time.Duration { return 50 * sec }}
	see := func(boot string, at time.Duration) { w.saw(look{boot: boot, from: at, to: at + sec}) }
	see("a", 1*sec)
	see("a", 3*sec)
	w.down()
	w.down()
	see("b", 20*sec)
	see("c", 30*sec) // it rebooted between two looks
	w.stop(true)
	see("c", 60*sec)
	w.stop(false)
	want := []mute{{4 * sec, 21 * sec, "b"}, {21 * sec, 31 * sec, "c"}, {50 * sec, 50 * sec, ""}}
	if len(w.truth.mutes) != len(want) {
		t.Fatalf("got %v", w.truth.mutes)
	}
	for i, m := range w.truth.mutes {
		if m != want[i] {
			t.Errorf("mute %d: got %v, want %v", i, m, want[i])
		}
	}
}

func TestAFacesWordsAreRead(t *testing.T) {
	list, err := readMetrics("# HELP\nhotstick_hosts{state=\"applied\"} 2\nhotstick_hosts{state=\"stale\"} 0\nhotstick_hosts{state=\"unpatched\"} 1\n")
	if err != nil || len(list) != 2 || list[0].number != 2 || list[1].state != wordUnpatched {
		t.Errorf("got %+v, %v", list, err)
	}
	if _, err := readMetrics("nothing"); err == nil {
		t.Error("took metrics without hosts")
	}
	if _, err := readList("{}"); err == nil {
		t.Error("took an answer without hosts")
	}
	if shownLevel("as booted") != "" || shownLevel("was fix@1") != "fix@1" || shownLevel("fix@2") != "fix@2" {
		t.Error("the level of a row is misread")
	}
}

// A sample is a host at a moment at which all four faces spoke of it.
func TestASampleNeedsAllFaces(t *testing.T) {
	one := func(time.Duration) []patch { return []patch{on("fix_1", 1)} }
	hosts := map[string]*truth{"a": kernel(one), "b": kernel(one)}
	j := judge{rules: rules{heartbeat: 3 * sec, stale: 24 * sec, gap: 3 * sec, blink: sec}, levels: map[string]string{"fix_1": "fix@1"}, hosts: hosts}
	of := func(face, host string, at time.Duration, level string) said {
		return said{claim: claim{from: at, to: at, face: face, host: host, state: wordApplied, level: level, saysLevel: true}}
	}
	count := func(word string, n int) said {
		return said{claim: claim{from: 20 * sec, to: 20 * sec, face: "metrics", state: word}, number: n, counts: true}
	}
	whole := moment{of("api", "a", 20*sec, "fix@1"), of("cli", "a", 20*sec, "fix@1"), of("console", "a", 20*sec, "fix@1"), of("api", "b", 20*sec, "fix@1"),
		of("cli", "b", 20*sec, "fix@1"), of("console", "b", 20*sec, "fix@1"), count(wordApplied, 2), count(wordUnpatched, 0)}
	late := slices.Clone(whole)
	late[2] = of("console", "a", 80*sec, "fix@1") // nobody looked at the kernel any more
	wrong := slices.Clone(whole)
	wrong[1] = of("cli", "a", 20*sec, "fix@2")
	for _, tt := range []struct {
		name                string
		moment              moment
		samples, mismatches int
	}{
		{"all faces", whole, 2, 0},
		{"a face without one of the hosts", slices.Delete(slices.Clone(whole), 1, 2), 1, 0},
		{"no metrics", whole[:6], 0, 0},
		{"a claim that cannot be judged", late, 1, 0},
		{"a wrong claim", wrong, 2, 1},
		{"nobody", nil, 0, 0},
	} {
		var r report
		if r.take(tt.moment, j); r.Samples != tt.samples || r.Mismatches != tt.mismatches {
			t.Errorf("%s: %d samples and %d mismatches, want %d and %d", tt.name, r.Samples, r.Mismatches, tt.samples, tt.mismatches)
		}
	}
}

func TestWhatSeemsWrongOfAStarvedGuestIsNoMismatch(t *testing.T) {
	host := kernel(func(time.Duration) []patch { return nil })
	for at := sec; at < 60*sec; at += sec {
		if at != 20*sec {
			host.beats = append(host.beats, beat{at, "b"})
		}
	}
	j := judge{rules: rules{heartbeat: 3 * sec, stale: 20 * sec, gap: 2 * sec, blink: sec}, levels: map[string]string{"fix_1": "fix@1"}, hosts: map[string]*truth{"h": host}}
	for _, tt := range []struct {
		at    time.Duration
		state string
		want  outcome
	}{{15 * sec, wordApplied, mismatch}, {22 * sec, wordApplied, starved}, {22 * sec, wordUnpatched, matches}, {30 * sec, wordApplied, mismatch}} {
		c := claim{from: tt.at, to: tt.at, face: "api", host: "h", state: tt.state, level: "fix@1", saysLevel: true}
		if got, text := j.judge(said{claim: c}); got != tt.want {
			t.Errorf("%q at %s: got %d %q, want %d", tt.state, tt.at, got, text, tt.want)
		}
		count := said{claim: claim{from: tt.at, to: tt.at, face: "metrics", state: tt.state}, number: 1, counts: true}
		if got, text := j.judge(count); got != tt.want {
			t.Errorf("one host counted as %q at %s: got %d %q, want %d", tt.state, tt.at, got, text, tt.want)
		}
	}
	r := report{}
	r.take(moment{{claim: claim{from: 22 * sec, to: 22 * sec, face: "api", host: "h", state: wordApplied, level: "fix@1", saysLevel: true}}}, j)
	if r.finish(); r.OK || r.Faces[0].Starved != 1 {
		t.Errorf("a run of starved claims holds: %+v", r)
	}
}

func TestAHostThatWasDownIsMuteUntilItBeats(t *testing.T) {
	got := truth{mutes: []mute{{from: 10 * sec, until: 20 * sec, boot: "c"}, {from: 30 * sec, until: 40 * sec}, {from: 50 * sec, until: 60 * sec, boot: "d"}},
		beats: []beat{{10 * sec, "b"}, {23 * sec, "c"}, {24 * sec, "c"}}}.untilItBeats()
	if want := []mute{{10 * sec, 23 * sec, "c"}, {30 * sec, 40 * sec, ""}, {50 * sec, 0, "d"}}; !slices.Equal(got.mutes, want) {
		t.Errorf("got %v, want %v", got.mutes, want)
	}
}
