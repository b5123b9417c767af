package rollout_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/decide/rollout"
)

var (
	ours   = hotstick.PatchRef{Name: "ours", Level: 1}
	theirs = hotstick.PatchRef{Name: "theirs", Level: 1}
)

// mixed is a fleet in a plan for a CVE: hosts whose names begin with v are a vendor's, on
// the same kernel build as the others.
func mixed(line string) rollout.View {
	v := fleet(line)
	v.Plan.Patch, v.Plan.CVE = hotstick.PatchRef{}, "CVE-2026-52928"
	for i := range v.Hosts {
		l := &v.Hosts[i].Listed
		l.Driver, l.Patch = "klp", ours
		if l.Name[0] == 'v' {
			l.Driver, l.Patch = "suse", theirs
		}
		lane := hotstick.Lane{Build: l.Build, Driver: l.Driver, Patch: l.Patch}
		if !slices.ContainsFunc(v.Plan.Lanes, func(o hotstick.Lane) bool { return o.Driver == lane.Driver && o.Build == lane.Build }) {
			v.Plan.Lanes = append(v.Plan.Lanes, lane)
		}
	}
	return v
}

// settle takes decisions until there is nothing to do, and lists them.
func settle(r *rollout.Rollout, now time.Time) (said []string, all []rollout.Decision) {
	for range 20 {
		d := r.Next(now)
		if d.Empty() {
			return said, all
		}
		said, all = append(said, say(d)), append(all, d)
	}
	return append(said, "and so on"), all
}

func TestAFailedGateStopsOnlyTheSystemThatFailed(t *testing.T) {
	v := mixed("a/x/0:confirmed v1/x/1:quarantined=crash_named_patch b/x/2:waiting v2/x/2:waiting")
	later := t0.Add(2 * time.Minute)
	for i := range v.Hosts {
		v.Hosts[i].LastSeen = later
	}
	r := rollout.Open(v)
	said, all := settle(r, later)
	stop := all[0].Stops
	if len(stop) != 1 || stop[0].Patch != theirs || !stop[0].Ban || !slices.Equal(stop[0].Hosts, []hotstick.HostID{"v2"}) {
		t.Fatalf("it decides %+v", stop)
	}
	if f := r.Frame(); f.Status != hotstick.Running || f.Reverting || f.Banned {
		t.Errorf("the plan is %+v", f)
	}
	if !slices.Contains(said, "start b, v2->skipped") {
		t.Errorf("it decides %q", said)
	}
	// Where no other system is left, the plan is halted as ever.
	v = mixed("v0/x/0:confirmed v1/x/1:quarantined=crash_named_patch v2/x/2:waiting")
	for i := range v.Hosts {
		v.Hosts[i].LastSeen = later
	}
	if d := rollout.Next(v, later); d.Status != hotstick.Halted || !d.Revert || d.Ban == nil || len(d.Stops) > 0 {
		t.Errorf("with one system it decides %s", say(d))
	}
}

func TestARecallOfOneSystemsPatchSendsItsHostsBackAndNoOthers(t *testing.T) {
	v := mixed("a/x/0:confirmed v1/x/1:confirmed b/x/2:waiting v2/x/2:probation v3/x/2:waiting")
	later := t0.Add(2 * time.Minute)
	for i := range v.Hosts {
		v.Hosts[i].LastSeen = later
	}
	v.Stopped = []rollout.Stopped{{Patch: theirs, Back: true, Reason: hotstick.Reason{Code: hotstick.ReasonRecalled, Subject: theirs.String()}}}
	r := rollout.Open(v)
	_, all := settle(r, later)
	if len(all[0].Stops) != 1 || all[0].Stops[0].Ban || !slices.Equal(all[0].Stops[0].Hosts, []hotstick.HostID{"v2", "v1", "v3"}) {
		t.Fatalf("it decides %+v", all[0].Stops)
	}
	states := map[hotstick.HostID]hotstick.HostState{}
	for _, id := range []hotstick.HostID{"a", "b", "v1", "v2", "v3"} {
		h, _ := r.Host(id)
		states[id] = h.State
	}
	if states["a"] != hotstick.Confirmed || states["v2"] != hotstick.Reverting || states["v3"] != hotstick.Skipped || states["b"] != hotstick.Admitted {
		t.Errorf("the hosts are %v", states)
	}
	// The budget of reverts lets one go at a time.
	v2, _ := r.Host("v2")
	v2.State, v2.Busy = hotstick.Reverted, false
	r.SetHost(v2)
	settle(r, later)
	if v1, _ := r.Host("v1"); v1.State != hotstick.Reverting || v1.Recall == nil {
		t.Errorf("v1 is %s", v1.State)
	}
}

func TestABanOfOneSystemsPatchStartsNoneOfItsHosts(t *testing.T) {
	v := mixed("a/x/0:confirmed v1/x/1:confirmed b/x/2:waiting v2/x/2:waiting")
	later := t0.Add(2 * time.Minute)
	for i := range v.Hosts {
		v.Hosts[i].LastSeen = later
	}
	v.Stopped = []rollout.Stopped{{Patch: theirs, Reason: hotstick.Reason{Code: hotstick.ReasonBanned, Subject: theirs.String()}}}
	r := rollout.Open(v)
	said, _ := settle(r, later)
	if !slices.Equal(said, []string{"start b, v2->skipped"}) {
		t.Errorf("it decides %q", said)
	}
	// A clear that lifts the ban lets them take part again.
	f := r.Frame()
	f.Stopped = nil
	r.SetFrame(f)
	if said, _ := settle(r, later); len(said) == 0 || said[0] != "start v2, v2->waiting" {
		t.Errorf("after the clear it decides %q", said)
	}
}

// crowd is a plan of whose hosts n wait for a vendor's patch that two have; b has another.
func crowd(n int, first string) *mirror {
	line := "a/x/0:confirmed b/x/0:confirmed " + first + " v1/x/1:confirmed v2/x/1:confirmed"
	for i := range n {
		line += fmt.Sprintf(" v%d/x/2:waiting", i+3)
	}
	m := &mirror{View: mixed(line), now: t0.Add(2 * time.Minute)}
	m.Plan.Budgets[0].Max = 1000
	for i := range m.Hosts {
		m.Hosts[i].LastSeen = m.now
	}
	return m
}

// next decides anew, as a server that has just started, and takes the decision for done.
func (m *mirror) next() rollout.Decision {
	d := rollout.Next(copied(m.View), m.now)
	m.take(d)
	return d
}

func TestHostsGoBackBeforeThoseThatWaitAreNamed(t *testing.T) {
	m := crowd(350, "v0/x/1:quarantined=crash_named_patch")
	m.next()
	d := m.next()
	if say(d) != "v1->reverting, v2->reverting" {
		t.Errorf("with 250 hosts still to name it decides %q", say(d))
	}
	named := 0
	for range 10 {
		for _, s := range m.next().Stops {
			named += len(s.Hosts)
		}
	}
	if named != 152 { // of 352, two batches were named before
		t.Errorf("%d hosts are named after that, want all that are left", named)
	}
}

func TestAGateDoesNotWaitForHostsToBeNamed(t *testing.T) {
	m := crowd(350, "v0/x/1:confirmed")
	m.Stopped = []rollout.Stopped{{Patch: theirs, Back: true, Reason: hotstick.Reason{Code: hotstick.ReasonRecalled, Subject: theirs.String()}}}
	m.next()
	b := m.host("b")
	b.State, b.Reason = hotstick.Quarantined, &hotstick.Reason{Code: hotstick.ReasonCrashNamed}
	if d := m.next(); d.Status != hotstick.Halted || !d.Revert || d.Ban == nil {
		t.Errorf("with 250 hosts still to name it decides %s", say(d))
	}
}

func TestARecallGoesOnInAPlanThatIsHaltedMeanwhile(t *testing.T) {
	for _, over := range []hotstick.PlanStatus{hotstick.Halted, hotstick.Expired} {
		m := crowd(350, "v0/x/1:confirmed")
		m.Stopped = []rollout.Stopped{{Patch: theirs, Back: true, Reason: hotstick.Reason{Code: hotstick.ReasonRecalled, Subject: theirs.String()}}}
		m.next()
		m.Status, m.Reason = over, &hotstick.Reason{Code: hotstick.ReasonOperator}
		r := rollout.Open(copied(m.View))
		if r.Next(m.now); r.AtRest() {
			t.Errorf("%s: it is at rest with hosts still to name", over)
		}
		for range 20 {
			m.next()
		}
		for _, h := range m.Hosts {
			if wanted := h.Recall != nil; wanted != (h.Listed.Patch == theirs) {
				t.Fatalf("%s: %s is wanted back: %v", over, h.Listed.Name, wanted)
			}
		}
		if d := m.next(); !d.Empty() {
			t.Errorf("%s: with all of them named it decides %s", over, say(d))
		}
	}
	// One that was over when the recall came is the controller's.
	m := crowd(3, "v0/x/1:confirmed")
	m.Status = hotstick.Halted
	m.Stopped = []rollout.Stopped{{Patch: theirs, Back: true, Reason: hotstick.Reason{Code: hotstick.ReasonRecalled, Subject: theirs.String()}}}
	if d := m.next(); len(d.Stops) > 0 {
		t.Errorf("of a plan that was over it decides %s", say(d))
	}
}

// TestARecallAsksNobodyBackWhoMovedOnSinceThePlanWasOver: a loader goes back only from the
// level that it runs, and who refuses would be shown as one whose way back failed.
func TestARecallAsksNobodyBackWhoMovedOnSinceThePlanWasOver(t *testing.T) {
	newer := hotstick.PatchRef{Name: "theirs", Level: 2}
	for name, gone := range map[string]hotstick.PatchRef{"a newer level": newer, "no level": {}} {
		line := "a/x/0:confirmed"
		for i := range 250 {
			line += fmt.Sprintf(" v%d/x/0:confirmed", i)
		}
		m := &mirror{View: mixed(line), now: t0.Add(2 * time.Minute)}
		for i := range m.Hosts {
			m.Hosts[i].LastSeen, m.Hosts[i].Runs = m.now, m.Hosts[i].Listed.Patch
		}
		m.Stopped = []rollout.Stopped{{Patch: theirs, Back: true, Reason: hotstick.Reason{Code: hotstick.ReasonRecalled, Subject: theirs.String()}}}
		m.next()
		m.Status, m.Reason = hotstick.Halted, &hotstick.Reason{Code: hotstick.ReasonOperator}
		r := rollout.Open(copied(m.View))
		moved := map[hotstick.HostID]bool{}
		for i := range m.Hosts {
			if h := &m.Hosts[i]; h.Recall == nil && h.Listed.Patch == theirs && i%2 == 0 {
				h.Runs, moved[h.Listed.Host] = gone, true
				r.SetHost(*h)
			}
		}
		if d := r.Next(m.now); len(moved) == 0 || len(d.Stops) != 1 || slices.ContainsFunc(d.Stops[0].Hosts, func(h hotstick.HostID) bool { return moved[h] }) {
			t.Errorf("%s: of %d hosts that moved on it names some: %s", name, len(moved), say(d))
		}
		for range 20 {
			m.next()
		}
		for _, h := range m.Hosts {
			if wanted := h.Recall != nil; wanted != (h.Listed.Patch == theirs && !moved[h.Listed.Host]) {
				t.Fatalf("%s: %s, which runs %s, is wanted back: %v", name, h.Listed.Name, h.Runs, wanted)
			}
		}
		if d := m.next(); len(d.Stops) > 0 {
			t.Errorf("%s: with all of them named it decides %s", name, say(d))
		}
	}
}
