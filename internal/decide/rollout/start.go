package rollout

import (
	"fmt"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/decide/gate"
)

// start admits every waiting host whose wave is open and whose domains have
// room, in the order of the plan's host list.
func (s *step) start() {
	for i := range s.v.Hosts {
		h := s.v.Hosts[i]
		if h.State == hotstick.Interrupted {
			s.retry(i)
			h = s.v.Hosts[i]
		}
		if h.State == hotstick.Admitted {
			continue
		}
		if h.State != hotstick.Waiting {
			continue
		}
		if why, skip := leaveOut(h, s.v.Plan); skip {
			s.change(i, hotstick.Skipped, why)
			continue
		}
		if s.waits(h) != nil {
			continue
		}
		s.admit(i)
	}
}

// retry makes a new attempt of one that was cut short for a cause that is not
// the patch.
func (s *step) retry(i int) {
	why := hotstick.Reason{Code: hotstick.ReasonCleanShutdown}
	if r := s.v.Hosts[i].Reason; r != nil {
		why = *r
	}
	s.change(i, hotstick.Waiting, why)
}

// leaveOut says which hosts a plan passes over for good.
func leaveOut(h Host, p hotstick.Plan) (hotstick.Reason, bool) {
	switch {
	case h.Struck:
		return hotstick.Reason{Code: hotstick.ReasonStruck, Subject: p.Patch.String()}, true
	case h.InEffect.Name == p.Patch.Name && h.InEffect.Level >= p.Patch.Level:
		return hotstick.Reason{Code: hotstick.ReasonAlreadyInEffect, Subject: h.InEffect.String()}, true
	}
	return hotstick.Reason{}, false
}

// waits says what a waiting host waits for, or nil if it may start.
func (s *step) waits(h Host) *hotstick.Reason {
	if why := s.closed(h.Listed.Wave, h.Listed.Build); why != nil {
		return why
	}
	if why := s.delayed(h); why != nil {
		return why
	}
	if h.LastSeen.IsZero() || s.now.Sub(h.LastSeen) > s.v.Limits.SilentAfter {
		return &hotstick.Reason{Code: hotstick.ReasonHostSilent, Subject: h.Listed.Name}
	}
	if h.Elsewhere {
		return &hotstick.Reason{Code: hotstick.ReasonOtherPlan}
	}
	if _, why := s.slots(h); why != nil {
		return why
	}
	return nil
}

// closed says why a wave is not open for a lane, or nil.
func (s *step) closed(wave int, lane hotstick.KernelBuild) *hotstick.Reason {
	key := waveLane{wave, lane}
	if why, known := s.shut[key]; known {
		return why
	}
	var why *hotstick.Reason
	for j := 0; j < wave && why == nil; j++ {
		why = s.unpassed(j, lane)
	}
	s.shut[key] = why
	return why
}

// unpassed says why wave j keeps later waves of a lane closed, or nil.
func (s *step) unpassed(j int, lane hotstick.KernelBuild) *hotstick.Reason {
	name := s.v.Plan.Waves[j].Name
	own, listed := s.gates[j][lane]
	if listed && !own.Opens() {
		return s.gateReason(name, own)
	}
	// One host of the whole fleet goes first, whatever its lane.
	if all := s.gates[j][whole]; j == 0 && !all.Opens() {
		return s.gateReason(name, all)
	}
	// Canaries of other lanes are staged: each stage comes to rest and bakes
	// before the next, but one that holds only its own lane does not stop others.
	if !s.canary[j] {
		return nil
	}
	if !s.settled[j] {
		return &hotstick.Reason{Code: hotstick.ReasonWaveNotOpen, Subject: name}
	}
	if end := s.bakeEnds[j]; s.now.Before(end) {
		s.check(end)
		return &hotstick.Reason{Code: hotstick.ReasonBake, Subject: name, Until: &end}
	}
	return nil
}

// bakeEnd is when a confirmed host has been healthy for its wave's bake; the
// zero time for any other host.
func (s *step) bakeEnd(h Host) time.Time {
	if h.State != hotstick.Confirmed {
		return time.Time{}
	}
	return h.Updated.Add(time.Duration(s.v.Plan.Waves[h.Listed.Wave].BakeSeconds) * time.Second)
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

func (s *step) gateReason(wave string, v gate.Verdict) *hotstick.Reason {
	why := v.Reason
	if v.EarliestAt != nil {
		s.check(*v.EarliestAt)
	}
	if why.Code == hotstick.ReasonNoReadings || why.Code == hotstick.ReasonUnderWay {
		why = hotstick.Reason{Code: hotstick.ReasonWaveNotOpen, Subject: wave}
	}
	if why.Subject == "" {
		why.Subject = wave
	}
	return &why
}

// delayed holds a host until the plan's signed delay has passed since the start.
// Loaders measure the same delay on their own clocks; this check only spares
// them grants that they would refuse.
func (s *step) delayed(h Host) *hotstick.Reason {
	delay := time.Duration(s.v.Plan.Waves[h.Listed.Wave].DelaySeconds) * time.Second
	if delay == 0 || s.v.Started == nil {
		return nil
	}
	if !h.Announced {
		return &hotstick.Reason{Code: hotstick.ReasonDelay, Detail: "the host has not seen the plan yet"}
	}
	end := s.v.Started.Add(delay)
	if s.now.Before(end) {
		s.check(end)
		return &hotstick.Reason{Code: hotstick.ReasonDelay, Until: &end}
	}
	return nil
}

func (s *step) admit(i int) {
	h := &s.v.Hosts[i]
	slots, _ := s.slots(*h)
	for _, slot := range slots {
		s.used[slotKey{slot.Domain, slot.Value, slot.Index}] = true
	}
	h.Attempt++
	h.State, h.Granted, h.Updated = hotstick.Admitted, nil, s.now
	s.d.Starts = append(s.d.Starts, Start{Host: h.Listed.Host, Attempt: h.Attempt, Slots: slots})
	s.v.Slots = append(s.v.Slots, slots...)
}

// slots finds a free slot in every domain the host is in, or says which is full.
func (s *step) slots(h Host) ([]Slot, *hotstick.Reason) {
	var slots []Slot
	for _, b := range s.v.Plan.Budgets {
		value := domainValue(h.Listed, b.Domain)
		index := 0
		for index < b.Max && s.used[slotKey{b.Domain, value, index}] {
			index++
		}
		if index == b.Max {
			return nil, &hotstick.Reason{Code: hotstick.ReasonBudget,
				Subject: b.Domain + "=" + value, Detail: fmt.Sprintf("%d of %d in use", b.Max, b.Max)}
		}
		slots = append(slots, Slot{Domain: b.Domain, Value: value, Index: index, Plan: s.v.ID, Host: h.Listed.Host})
	}
	return slots, nil
}

// domainValue says which domain of a kind a host is in. Hosts without the label
// share one domain: what is unknown is not taken for apart.
func domainValue(h hotstick.PlanHost, kind string) string {
	if kind == hotstick.FleetDomain {
		return "all"
	}
	return h.Domains[kind]
}
