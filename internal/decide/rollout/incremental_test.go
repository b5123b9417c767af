package rollout_test

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/decide/rollout"
	"pgregory.net/rapid"
)

// mirror is a view kept beside a Rollout: what the store would say.
type mirror struct {
	rollout.View
	now time.Time
}

// take commits a decision to the mirror, as the controller does to the store.
func (m *mirror) take(d rollout.Decision) {
	for _, id := range d.StandIns {
		m.host(id).Standing = true
	}
	for _, c := range d.Changes {
		h := m.host(c.Host)
		why := c.Reason
		h.State, h.Reason, h.Updated = c.State, &why, m.now
		if c.State == hotstick.Waiting {
			h.Granted = nil
		}
		if c.Reapply {
			h.Reapplied++
		}
		m.Slots = append(m.Slots, c.Slots...)
	}
	for _, id := range d.Release {
		m.free(m.ID, id)
	}
	for _, s := range d.Starts {
		h := m.host(s.Host)
		h.State, h.Attempt, h.Updated, h.Granted = hotstick.Admitted, s.Attempt, m.now, nil
		h.Reason, h.Evidence, h.Timing = &hotstick.Reason{Code: hotstick.ReasonAwaitingGrant}, nil, hotstick.Timing{}
		m.Slots = append(m.Slots, s.Slots...)
	}
	if d.Status != "" {
		m.Reopened = m.Reopened || m.Status == hotstick.Completed && d.Status == hotstick.Running
		m.Status, m.Reason = d.Status, d.Reason
	}
	m.Reverting = m.Reverting || d.Revert
	m.Banned = m.Banned || d.Ban != nil
	for _, s := range d.Stops {
		for _, id := range s.Hosts {
			m.host(id).Recall = &s.Reason
		}
		if s.Ban {
			m.Stopped = append(slices.Clone(m.Stopped), rollout.Stopped{Patch: s.Patch, Reason: hotstick.Reason{Code: hotstick.ReasonBanned, Subject: s.Patch.String()}})
			slices.SortFunc(m.Stopped, func(a, b rollout.Stopped) int { return strings.Compare(a.Patch.String(), b.Patch.String()) })
		}
	}
}

func (m *mirror) host(id hotstick.HostID) *rollout.Host {
	i := slices.IndexFunc(m.Hosts, func(h rollout.Host) bool { return h.Listed.Host == id })
	return &m.Hosts[i]
}

func (m *mirror) free(plan hotstick.PlanID, host hotstick.HostID) {
	m.Slots = slices.DeleteFunc(m.Slots, func(s rollout.Slot) bool { return s.Plan == plan && s.Host == host })
}

// anyPlan draws a plan with everything that plans may have, and its hosts.
func anyPlan(r *rand.Rand) *mirror {
	m := &mirror{now: t0}
	m.ID = "sha256:plan"
	m.Frame = rollout.Frame{Status: hotstick.Running, Limits: rollout.DefaultLimits, Started: &t0}
	m.Plan = hotstick.Plan{Patch: hotstick.PatchRef{Name: "fix", Level: 2}, NotAfter: t0.Add(48 * time.Hour), Reapply: r.IntN(3),
		Gate: hotstick.GateSettings{MinReadings: 1 + r.IntN(3)}, Late: &hotstick.LateRule{Labels: map[string]string{"a": "b"}}}
	for i := range 1 + r.IntN(6) {
		m.Plan.Waves = append(m.Plan.Waves, hotstick.Wave{Name: fmt.Sprint("w", i), BakeSeconds: 60 * r.IntN(3),
			DelaySeconds: i * 60 * r.IntN(2), Manual: r.IntN(12) == 0, Proven: i > 0 && r.IntN(5) == 0})
	}
	m.Plan.Budgets = []hotstick.Budget{{Domain: hotstick.FleetDomain, Max: 1 + r.IntN(5)}}
	if r.IntN(2) == 0 {
		m.Plan.Budgets[0] = hotstick.Budget{Domain: hotstick.FleetDomain, Percent: 40}
	}
	if r.IntN(2) == 0 {
		m.Plan.Budgets = append(m.Plan.Budgets, hotstick.Budget{Domain: "rack", Max: 1 + r.IntN(2)})
	}
	if r.IntN(2) == 0 {
		m.Plan.Budgets = append(m.Plan.Budgets, hotstick.Budget{Domain: "pair", Max: 1, Quorum: true, Open: r.IntN(3), MixedSeconds: 600 * r.IntN(2)})
	}
	for c := range 2 {
		calendar := hotstick.Calendar{Name: fmt.Sprint("c", c)}
		for at := t0.Add(time.Duration(r.IntN(60)) * time.Minute); len(calendar.Opens) < 6; at = at.Add(time.Duration(4+r.IntN(30*c+1)) * time.Hour) {
			calendar.Opens = append(calendar.Opens, hotstick.Interval{From: at, Until: at.Add(time.Duration(10+r.IntN(60)) * time.Minute)})
		}
		m.Plan.Calendars = append(m.Plan.Calendars, calendar)
	}
	for i := range 2 + r.IntN(20) {
		m.Hosts = append(m.Hosts, anyHost(r, m, i))
	}
	return m
}

func anyHost(r *rand.Rand, m *mirror, i int) rollout.Host {
	wave, build := r.IntN(len(m.Plan.Waves)), string(rune('x'+r.IntN(3)))
	if i == 0 {
		wave = 0
	}
	h := rollout.Host{State: hotstick.Waiting, Updated: t0, Posture: rollout.Posture{LastSeen: m.now, Announced: true}}
	h.Listed = hotstick.PlanHost{Host: hotstick.HostID(fmt.Sprintf("h%02d", i)), Name: fmt.Sprintf("h%02d", i), Wave: wave,
		Build: hotstick.KernelBuild{Release: build, BuildID: build}, Domains: map[string]string{}}
	if r.IntN(6) > 0 {
		h.Listed.Domains["rack"] = fmt.Sprint(r.IntN(4))
	}
	if r.IntN(3) > 0 {
		h.Listed.Domains["pair"] = fmt.Sprint(i / 2)
	}
	if r.IntN(4) == 0 {
		h.Listed.Calendar = fmt.Sprint("c", r.IntN(2))
	}
	if n := len(m.Hosts); n > 0 && r.IntN(4) == 0 {
		canary := m.Hosts[r.IntN(n)].Listed
		h.Listed.Build, h.Listed.StandIn = canary.Build, &hotstick.StandIn{For: canary.Host, Wave: canary.Wave}
		h.Listed.Wave = max(h.Listed.Wave, canary.Wave)
	}
	return h
}

var anyReasons = []hotstick.ReasonCode{hotstick.ReasonHostSilent, hotstick.ReasonExcluded, hotstick.ReasonOperator,
	hotstick.ReasonCleanShutdown, hotstick.ReasonKernelRefused, hotstick.ReasonForeignPatch, hotstick.ReasonRevertOrdered,
	hotstick.ReasonAlreadyInEffect, hotstick.ReasonWrittenOff, hotstick.ReasonTransitionStalled, hotstick.ReasonRemovedOutside}

// stir changes one thing at random, in the mirror and in the Rollout.
func (m *mirror) stir(r *rand.Rand, open *rollout.Rollout) {
	switch r.IntN(12) {
	case 0:
		f := &m.Frame
		switch r.IntN(8) {
		case 5:
			f.Recalled = recall([]hotstick.RecallAction{hotstick.RecallBlock, hotstick.RecallRevert}[r.IntN(2)])
		case 0:
			f.Promoted = r.IntN(7)
		case 1:
			f.StopAll = !f.StopAll
		case 2:
			f.Status = hotstick.Held
		case 3:
			f.Reverting = r.IntN(3) == 0
		case 4:
			f.Freezes = []rollout.Freeze{{Reason: "x", Interval: hotstick.Interval{From: m.now, Until: m.now.Add(time.Hour)}}}
		default:
			f.Status, f.StopAll, f.Banned, f.Recalled, f.Reverting, f.Freezes = hotstick.Running, false, false, nil, false, nil
		}
		open.SetFrame(m.Frame)
	case 1:
		o := rollout.Outsider{Host: hotstick.HostID(fmt.Sprint("o", r.IntN(3))), Since: m.now.Add(time.Duration(r.IntN(60)-30) * time.Hour),
			Domains: map[string]string{"rack": fmt.Sprint(r.IntN(4)), "pair": fmt.Sprint(r.IntN(10))}}
		m.Outsiders = slices.DeleteFunc(m.Outsiders, func(x rollout.Outsider) bool { return x.Host == o.Host })
		down := r.IntN(2) == 0
		if down {
			m.Outsiders = append(m.Outsiders, o)
		}
		open.SetOutsider(o, down)
	case 2:
		s := rollout.Slot{Domain: []string{"rack", "pair", "fleet"}[r.IntN(3)], Plan: "sha256:other", Index: 100 + len(m.Slots),
			Host: []hotstick.HostID{"o1", "z", m.Hosts[r.IntN(len(m.Hosts))].Listed.Host}[r.IntN(3)], Value: fmt.Sprint(r.IntN(4))}
		if s.Domain == "fleet" {
			s.Value = "all"
		}
		if r.IntN(2) == 0 {
			m.Slots = append(m.Slots, s)
			open.TakeSlot(s)
		} else {
			m.free(s.Plan, s.Host)
			open.FreeSlots(s.Plan, s.Host)
		}
	case 3:
		if r.IntN(6) == 0 {
			h := anyHost(r, m, len(m.Hosts))
			h.Late, h.Listed.StandIn, h.Listed.Wave = true, nil, len(m.Plan.Waves)-1
			h.Listed.Host = hotstick.HostID(fmt.Sprint("late", r.IntN(100), len(m.Hosts)))
			m.Hosts = append(m.Hosts, h)
			open.SetHost(h)
		}
	default:
		h := &m.Hosts[r.IntN(len(m.Hosts))]
		m.stirHost(r, h)
		open.SetHost(*h)
	}
}

func (m *mirror) stirHost(r *rand.Rand, h *rollout.Host) {
	if r.IntN(10) > 0 {
		h.LastSeen = m.now
	}
	step := func(to hotstick.HostState) {
		h.State, h.Updated, h.Reason = to, m.now, nil
		if r.IntN(2) == 0 && to != hotstick.Confirmed {
			h.Reason = &hotstick.Reason{Code: anyReasons[r.IntN(len(anyReasons))]}
		}
		h.Timing.TransitionMillis = int64(r.IntN(20)) * 1000
	}
	switch r.IntN(16) {
	case 0:
		h.Elsewhere, h.Busy = !h.Elsewhere, r.IntN(2) == 0
	case 1:
		until := m.now.Add(time.Duration(r.IntN(60)) * time.Minute)
		h.Excluded = &hotstick.Reason{Code: hotstick.ReasonExcluded, Until: &until}
		if r.IntN(2) == 0 {
			h.Excluded = nil
		}
	case 2:
		if r.IntN(4) == 0 {
			h.Struck = !h.Struck
		}
	case 3:
		h.IllSince = time.Time{}
		if r.IntN(2) == 0 {
			h.IllSince = m.now
		}
	case 4:
		if r.IntN(4) == 0 {
			h.Recall = &hotstick.Reason{Code: hotstick.ReasonOperator}
		}
	case 5:
		h.Announced = !h.Announced
	case 6:
		at := m.now
		h.Granted = &at
	case 8:
		h.Drift = nil
		if r.IntN(4) > 0 {
			h.Drift = &hotstick.Drift{Kind: hotstick.DriftKinds()[r.IntN(6)], Expected: m.Plan.Patch, Since: m.now}
		}
	case 7: // any step of the table, even an odd one
		if next := h.State.NextStates(); len(next) > 0 {
			step(next[r.IntN(len(next))])
		}
	default:
		if next := steps[h.State]; len(next) > 0 {
			step(next[0])
		}
	}
}

// Whatever happens in whatever order: the Rollout that was kept decides, and says,
// exactly what one that is opened anew does.
func TestWhatIsKeptDecidesAsWhatIsOpenedAnew(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		m := anyPlan(r)
		kept := rollout.Open(copied(m.View))
		for range 200 {
			for range r.IntN(4) {
				m.stir(r, kept)
			}
			m.now = m.now.Add(time.Duration(r.IntN(90)) * time.Second)
			switch r.IntN(30) {
			case 0:
				m.now = m.now.Add(time.Duration(r.IntN(5)) * time.Hour)
			case 1:
				m.now = m.now.Add(-time.Minute)
			}
			if r.IntN(4) == 0 {
				compare(t, kept, m)
			}
			anew := copied(m.View)
			got, want := kept.Next(m.now), rollout.Next(anew, m.now)
			if !reflect.DeepEqual(got, early(want, got)) {
				t.Fatalf("kept  %+v\n%s\nopened %+v\n%s", got, say(got), want, say(want))
			}
			m.take(got)
			kept.SetFrame(m.Frame)
		}
	})
}

func compare(t *rapid.T, kept *rollout.Rollout, m *mirror) {
	anew := rollout.Open(copied(m.View))
	same := func(what string, got, want any) {
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("%s: kept says %+v, opened %+v", what, got, want)
		}
	}
	for _, h := range m.Hosts {
		id := h.Listed.Host
		same("why "+string(id), kept.Why(id, m.now), anew.Why(id, m.now))
	}
	same("stuck", kept.Stuck(m.now), anew.Stuck(m.now))
	same("waves", kept.Waves(m.now), anew.Waves(m.now))
	same("lanes", kept.Lanes(m.now), anew.Lanes(m.now))
	same("domains", kept.Domains(m.now), anew.Domains(m.now))
}

// copied is a view that shares nothing that changes.
func copied(v rollout.View) rollout.View {
	v.Hosts, v.Slots, v.Outsiders = slices.Clone(v.Hosts), slices.Clone(v.Slots), slices.Clone(v.Outsiders)
	return v
}
