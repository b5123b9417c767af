package rollout_test

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/decide/rollout"
	"pgregory.net/rapid"
)

// pharmacy plays a plan for a CVE whose hosts get several patches, of which one may be
// bad, and checks every start by counting what is true.
type pharmacy struct {
	t *rapid.T
	r *rand.Rand
	mirror
	kept *rollout.Rollout
	// bad is the patch that harms; how is what becomes of who takes it.
	bad    hotstick.PatchRef
	how    hotstick.ReasonCode
	harmed int
}

// anyPharmacy draws a plan over hosts of some systems and kernel builds, in waves that
// mix them however they like.
func anyPharmacy(t *rapid.T) *pharmacy {
	w := &pharmacy{t: t, r: rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 2))}
	w.ID, w.now = "sha256:plan", t0
	w.Frame = rollout.Frame{Status: hotstick.Running, Limits: rollout.DefaultLimits, Started: &t0}
	w.Plan = hotstick.Plan{CVE: "CVE-2026-52928", NotAfter: t0.Add(1000 * time.Hour),
		Gate:    hotstick.GateSettings{MinReadings: 1 + w.r.IntN(30)},
		Budgets: []hotstick.Budget{{Domain: hotstick.FleetDomain, Max: 3 + w.r.IntN(20)}, {Domain: "pair", Max: 1, Quorum: true}}}
	drivers := []string{"klp", "suse", "canonical", "reboot"}[:2+w.r.IntN(3)]
	waves := 1 + w.r.IntN(6)
	for i := range waves {
		w.Plan.Waves = append(w.Plan.Waves, hotstick.Wave{Name: fmt.Sprint("w", i), BakeSeconds: 60 * w.r.IntN(3)})
	}
	for i := range 2 + w.r.IntN(24) {
		driver, build := drivers[w.r.IntN(len(drivers))], string(rune('x'+w.r.IntN(3)))
		h := rollout.Host{State: hotstick.Waiting, Updated: t0, Posture: rollout.Posture{LastSeen: t0, Announced: true}}
		h.Listed = hotstick.PlanHost{Host: hotstick.HostID(fmt.Sprintf("h%02d", i)), Name: fmt.Sprintf("h%02d", i), Driver: driver,
			Patch: hotstick.PatchRef{Name: "by-" + driver, Level: 1}, Build: hotstick.KernelBuild{Release: build, BuildID: build}, Wave: w.r.IntN(waves)}
		if w.r.IntN(4) == 0 {
			h.Listed.Domains = map[string]string{"pair": fmt.Sprint(i / 4)}
		}
		w.Hosts = append(w.Hosts, h)
	}
	w.Hosts[0].Listed.Wave = 0
	slices.SortStableFunc(w.Hosts, func(a, b rollout.Host) int { return a.Listed.Wave - b.Listed.Wave })
	for _, h := range w.Hosts {
		lane := hotstick.Lane{Build: h.Listed.Build, Driver: h.Listed.Driver, Patch: h.Listed.Patch}
		if _, ok := w.Plan.LaneOf(h.Listed); !ok {
			w.Plan.Lanes = append(w.Plan.Lanes, lane)
		}
	}
	w.kept = rollout.Open(copied(w.View))
	return w
}

// tally counts hosts of a patch, or of all that are not stopped where it is zero.
func (w *pharmacy) tally(patch hotstick.PatchRef, in func(hotstick.HostState) bool) (n int) {
	for _, h := range w.Hosts {
		stopped := slices.ContainsFunc(w.Stopped, func(s rollout.Stopped) bool { return s.Patch == h.Listed.Patch })
		if in(h.State) && (h.Listed.Patch == patch || patch.IsZero() && !stopped) {
			n++
		}
	}
	return n
}

func atRisk(s hotstick.HostState) bool {
	return s == hotstick.Admitted || s == hotstick.Armed || s == hotstick.Applying || s == hotstick.Probation
}

func proves(s hotstick.HostState) bool { return s == hotstick.Confirmed }

// checkStart: one host of the plan before all others, one of each patch before others
// that get it, and never more at once than have shown it good, and one.
func (w *pharmacy) checkStart(id hotstick.HostID) {
	h := w.host(id)
	if len(w.Plan.Patches()) < 2 {
		return // its waves alone say who goes first
	}
	first := len(w.Plan.Waves)
	for _, o := range w.Hosts {
		if o.Listed.Patch == h.Listed.Patch {
			first = min(first, o.Listed.Wave)
		}
	}
	risked, shown := w.tally(h.Listed.Patch, atRisk), w.tally(h.Listed.Patch, proves)
	all := 0
	for _, o := range w.Hosts {
		if atRisk(o.State) {
			all++
		}
	}
	switch {
	case slices.ContainsFunc(w.Stopped, func(s rollout.Stopped) bool { return s.Patch == h.Listed.Patch }):
		w.t.Fatalf("%s starts with %s, which is stopped", id, h.Listed.Patch)
	case w.tally(hotstick.PatchRef{}, proves) == 0 && all > 0:
		w.t.Fatalf("%s starts while %d are under way and nobody has shown anything", id, all)
	case shown == 0 && risked > 0 || risked > shown:
		w.t.Fatalf("%s starts with %s while %d hosts try it and %d have shown it good", id, h.Listed.Patch, risked, shown)
	case h.Listed.Wave > first && shown == 0:
		w.t.Fatalf("%s of wave %d starts with %s, which nobody has shown good", id, h.Listed.Wave, h.Listed.Patch)
	}
}

// decide takes decisions until there are none, held to those made from scratch.
func (w *pharmacy) decide() {
	for range 200 {
		d := w.kept.Next(w.now)
		if anew := rollout.Next(copied(w.View), w.now); !reflect.DeepEqual(d, early(anew, d)) {
			w.t.Fatalf("kept %+v\nanew %+v", d, anew)
		}
		if d.Empty() {
			return
		}
		if d.Ban != nil {
			w.t.Fatalf("all patches are banned: %+v", d)
		}
		for _, s := range d.Stops {
			if s.Ban && s.Patch != w.bad {
				w.t.Fatalf("%s is banned for %+v, and %s is bad", s.Patch, s.Reason, w.bad)
			}
		}
		w.take(rollout.Decision{Changes: d.Changes, StandIns: d.StandIns, Release: d.Release})
		for _, s := range d.Starts {
			w.checkStart(s.Host)
			w.take(rollout.Decision{Starts: []rollout.Start{s}})
		}
		w.take(rollout.Decision{Status: d.Status, Reason: d.Reason, Revert: d.Revert, Stops: d.Stops})
	}
	w.t.Fatal("it decides for ever")
}

// live lets every host check in and take a step. Who takes the bad patch is harmed.
func (w *pharmacy) live() {
	for i := range w.Hosts {
		h := &w.Hosts[i]
		h.LastSeen = w.now
		next := steps[h.State]
		switch {
		case len(next) == 0 || w.r.IntN(3) == 0:
		case h.State == hotstick.Probation && h.Listed.Patch == w.bad:
			w.harmed++
			h.State, h.Reason, h.Updated = hotstick.Reverted, &hotstick.Reason{Code: w.how}, w.now
			if w.how == hotstick.ReasonCrash || w.how == hotstick.ReasonCrashNamed {
				h.State = hotstick.Quarantined
			}
		case h.State == hotstick.Reverting:
			h.State, h.Reason, h.Updated = hotstick.Reverted, &hotstick.Reason{Code: hotstick.ReasonRevertOrdered}, w.now
		case h.State == hotstick.Armed && w.r.IntN(40) == 0 && h.Attempt < 3:
			h.State, h.Reason, h.Updated = hotstick.Interrupted, &hotstick.Reason{Code: hotstick.ReasonCleanShutdown}, w.now
		default:
			h.State, h.Reason, h.Updated = next[0], nil, w.now
		}
		h.Busy = busy(h.State)
		w.kept.SetHost(*h)
	}
}

func (w *pharmacy) standing() (out string) {
	for _, h := range w.Hosts {
		out += fmt.Sprintf("%s/%s/%s/%d:%s %+v why %+v\n", h.Listed.Name, h.Listed.Build.Release, h.Listed.Patch, h.Listed.Wave, h.State, h.Reason, w.kept.Why(h.Listed.Host, w.now))
	}
	return out
}

func (w *pharmacy) play(turns int) {
	for range turns {
		w.now = w.now.Add(time.Duration(20+w.r.IntN(60)) * time.Second)
		w.live()
		w.decide()
		if w.Status.Over() {
			return
		}
	}
}

// However the hosts of several patches are mixed in waves: each patch goes to one host
// first and then to no more at once than have shown it good; what one of them does to its
// host is no evidence for another, nor against it.
func TestEachPatchOfAPlanStandsOnItsOwnEvidence(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := anyPharmacy(t)
		w.play(1500)
		if w.Status != hotstick.Completed {
			t.Fatalf("a plan of good patches is %s\n%s", w.Status, w.standing())
		}
	})
}

func TestABadPatchHarmsOneHostAndNoOtherPatch(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := anyPharmacy(t)
		patches := w.Plan.Patches()
		if len(patches) < 2 {
			return
		}
		w.bad = patches[w.r.IntN(len(patches))]
		w.how = rapid.SampledFrom([]hotstick.ReasonCode{hotstick.ReasonProbeFailed, hotstick.ReasonCrashNamed}).Draw(t, "how")
		w.play(1500)
		if w.harmed > 1 {
			t.Fatalf("%d hosts were harmed\n%s", w.harmed, w.standing())
		}
		for _, h := range w.Hosts {
			if h.Listed.Patch != w.bad && h.State != hotstick.Confirmed {
				t.Fatalf("%s, whose patch is good, is %s\n%s", h.Listed.Name, h.State, w.standing())
			}
		}
		if w.Status != hotstick.Completed {
			t.Fatalf("the plan is %s\n%s", w.Status, w.standing())
		}
	})
}

// A host that goes down without a trace proves nothing. But it keeps its own patch's other
// hosts waiting for a person.
func TestAnUnexplainedCrashOfOnePatchsFirstHostHoldsThatPatch(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := anyPharmacy(t)
		patches := w.Plan.Patches()
		if len(patches) < 2 {
			return
		}
		w.bad, w.how = patches[w.r.IntN(len(patches))], hotstick.ReasonCrash
		w.play(80)
		if w.harmed > 1 {
			t.Fatalf("%d hosts were harmed\n%s", w.harmed, w.standing())
		}
	})
}

func TestAPolicyMayStopAllForOnePatch(t *testing.T) {
	v := mixed("a/x/0:confirmed v1/x/1:quarantined=crash_named_patch b/x/2:waiting v2/x/2:confirmed")
	v.Plan.Gate.StopAll = true
	later := t0.Add(2 * time.Minute)
	for i := range v.Hosts {
		v.Hosts[i].LastSeen = later
	}
	r := rollout.Open(v)
	_, all := settle(r, later)
	if len(all[0].Stops) != 1 || all[0].Stops[0].Patch != theirs || all[0].Status != hotstick.Halted || all[0].Ban != nil || all[0].Revert {
		t.Fatalf("it decides %+v", all[0])
	}
	for id, want := range map[hotstick.HostID]hotstick.HostState{"a": hotstick.Confirmed, "b": hotstick.Waiting, "v2": hotstick.Reverting} {
		if h, _ := r.Host(id); h.State != want {
			t.Errorf("%s is %s, want %s", id, h.State, want)
		}
	}
}

// Many hosts are not wanted back in one transaction, and a server that dies in between
// goes on where it was.
func TestAStoppedPatchIsTakenBackABatchAtATime(t *testing.T) {
	line := "a/x/0:confirmed v0/x/1:quarantined=crash_named_patch"
	for i := range 350 {
		state := []string{"confirmed", "waiting", "probation"}[i%3]
		line += fmt.Sprintf(" v%d/x/2:%s", i+1, state)
	}
	m := &mirror{View: mixed(line), now: t0.Add(2 * time.Minute)}
	m.Plan.Budgets[0].Max = 1000
	for i := range m.Hosts {
		m.Hosts[i].LastSeen = m.now
	}
	bans, named := 0, map[hotstick.HostID]int{}
	for range 100 {
		d := rollout.Next(copied(m.View), m.now) // a new server each time
		if d.Empty() {
			break
		}
		m.take(d)
		for _, s := range d.Stops {
			if s.Ban {
				bans++
			}
			if len(s.Hosts) > 100 || s.Again == s.Ban {
				t.Fatalf("it names %d hosts at once, again %v", len(s.Hosts), s.Again)
			}
			for _, id := range s.Hosts {
				named[id]++
			}
		}
		if bans == 1 && len(named) == 100 {
			for id := range named {
				if h := m.host(id); h.Listed.Host[0] != 'v' {
					t.Fatalf("%s is named", id)
				}
			}
		}
	}
	if bans != 1 || len(named) != 350 {
		t.Errorf("%d bans, %d hosts named", bans, len(named))
	}
	for id, n := range named {
		if n != 1 {
			t.Errorf("%s is named %d times", id, n)
		}
	}
}
