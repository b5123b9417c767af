package rollout

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/decide/gate"
)

// Why says what keeps one host from moving; nil if nothing does.
func (r *Rollout) Why(id hotstick.HostID, now time.Time) *hotstick.Reason {
	i, ok := r.index[id]
	if !ok {
		return nil
	}
	r.advance(now)
	r.refresh()
	switch h := &r.hosts[i]; h.State {
	case hotstick.Waiting, hotstick.Interrupted:
		if why := r.blocked(); why != nil {
			return why
		}
		return r.waits(i)
	case hotstick.Admitted, hotstick.Lost:
		why := r.cause(i)
		return &why
	case hotstick.Confirmed:
		if r.wanted(i) {
			return r.waitsToGoBack(i)
		}
	case hotstick.Skipped, hotstick.Failed, hotstick.Quarantined:
		return r.withCompany(i)
	}
	return nil
}

// withCompany is why a host is where it is. Where a power cut struck it, it names all
// whom the cut struck, for one clear can lift all their strikes.
func (r *Rollout) withCompany(i int32) *hotstick.Reason {
	why := r.hosts[i].Reason
	if !cutShort(&r.hosts[i]) {
		return why
	}
	var names []string
	for _, d := range r.at[i].domains {
		if d == nil || !strings.HasPrefix(why.Detail, d.String()+",") {
			continue
		}
		for _, m := range d.members {
			if h := &r.hosts[m]; cutShort(h) && strings.HasPrefix(h.Reason.Detail, d.String()+",") {
				names = append(names, h.Listed.Name)
			}
		}
	}
	slices.Sort(names)
	full := *why
	full.Detail += "; it struck " + strings.Join(names, ", ")
	return &full
}

// cutShort reports whether a host is left out for a strike that a power cut brought.
func cutShort(h *Host) bool {
	return skippedFor(h, hotstick.ReasonStruck) && h.Reason.Cause == hotstick.ReasonPowerCut
}

// waits says what a waiting host waits for, or nil if it may start.
func (r *Rollout) waits(i int32) *hotstick.Reason {
	h, s := &r.hosts[i], &r.at[i]
	why := r.cause(i)
	if s.phase == leaving || s.phase == absent && keptOut(h, why.Code) {
		return &why
	}
	if closed := r.shut(s.cell.wave.index, r.lanes[s.lane]); closed != nil {
		return r.standsBy(i, closed)
	}
	switch {
	case s.phase == absent || s.phase == stayed:
		return &why
	case h.State == hotstick.Interrupted:
		if s.phase == resting && s.until != 0 {
			until := h.Updated.Add(retryPauses[max(h.Attempt, 1)-1])
			why.Until = &until
		}
		return &why
	case s.replaced && !s.cell.past:
		return &hotstick.Reason{Code: hotstick.ReasonWaveNotOpen, Subject: s.cell.wave.Name,
			Detail: "a stand-in has its place"}
	}
	if end := r.delayEnd(s.cell.wave); r.now.Before(end) {
		return &hotstick.Reason{Code: hotstick.ReasonDelay, Until: &end}
	}
	if why := r.calendarOf(h).closed(); why != nil {
		return why
	}
	if d := r.blockedBy(i); d != nil {
		return r.fullReason(d)
	}
	return r.overRisk(r.cureOf(i))
}

// keptOut reports whether a host is absent for a reason that stands until somebody acts,
// whether or not its wave is open.
func keptOut(h *Host, why hotstick.ReasonCode) bool {
	return why == hotstick.ReasonCrashedElsewhere || h.Excluded != nil && why == h.Excluded.Code || h.Barred != nil && why == h.Barred.Code
}

// standsBy tells a stand-in that its canary is at work.
func (r *Rollout) standsBy(i int32, closed *hotstick.Reason) *hotstick.Reason {
	p := r.at[i].post
	if p == nil || r.hosts[i].Standing {
		return closed
	}
	if c := &r.hosts[p.canary]; r.at[p.canary].cell.open && !c.State.Terminal() {
		return &hotstick.Reason{Code: hotstick.ReasonStandingBy, Subject: c.Listed.Name}
	}
	return closed
}

// waitsToGoBack says what keeps a confirmed host from going back, or nil.
func (r *Rollout) waitsToGoBack(i int32) *hotstick.Reason {
	if r.silent(&r.hosts[i]) {
		return &hotstick.Reason{Code: hotstick.ReasonHostSilent, Subject: r.hosts[i].Listed.Name}
	}
	d := r.sendBlockedBy(i)
	if d == nil {
		return nil
	}
	why := &hotstick.Reason{Code: hotstick.ReasonBudget, Subject: d.String(),
		Detail: fmt.Sprintf("%d on their way back, %d down, of at most %d", d.back, d.down, d.sendLimit)}
	if d.back == 0 {
		until := r.downSince(d).Add(RevertPatience)
		why.Code, why.Until = hotstick.ReasonDomainIll, &until
	}
	return why
}

// Stuck says what keeps the rollout as a whole from moving; nil while it moves or
// where it has nothing left to do.
func (r *Rollout) Stuck(now time.Time) *hotstick.Reason {
	r.advance(now)
	r.refresh()
	if r.dueMoving.len() > 0 {
		return nil
	}
	if r.reverting() {
		return r.first(func(i int32) *hotstick.Reason {
			if r.hosts[i].State != hotstick.Confirmed || !r.wanted(i) {
				return nil
			}
			return r.waitsToGoBack(i)
		})
	}
	if r.frame.Status.Over() {
		return nil
	}
	if why := r.blocked(); why != nil {
		return why
	}
	if r.admitted.len() > 0 {
		return nil
	}
	return r.first(func(i int32) *hotstick.Reason {
		switch h := &r.hosts[i]; {
		case h.State == hotstick.Lost:
			why := r.cause(i)
			why.Subject = h.Listed.Name
			return &why
		case h.State == hotstick.Waiting || h.State == hotstick.Interrupted:
			if why := r.waits(i); why == nil || why.Code != hotstick.ReasonNeedsPromotion {
				return why
			}
			return r.closed(r.at[i].cell.wave)
		case r.unfinished == 0 && r.mayReturn(h) && r.takesBack(h):
			return h.Reason
		}
		return nil
	})
}

// first is what the first host says that says anything.
func (r *Rollout) first(say func(int32) *hotstick.Reason) *hotstick.Reason {
	for i := range r.hosts {
		if why := say(int32(i)); why != nil {
			return why
		}
	}
	return nil
}

// WaveStatus is where one wave stands.
type WaveStatus struct {
	Gate gate.Verdict
	// Closed is why no further host of it may start; nil if it is open or over.
	Closed *hotstick.Reason
	// Absent counts its hosts that are passed over for now, such as silent ones.
	Absent int
}

// Waves says where each wave stands.
func (r *Rollout) Waves(now time.Time) []WaveStatus {
	r.advance(now)
	r.refresh()
	out := make([]WaveStatus, len(r.waves))
	blocked := r.blocked()
	for i, w := range r.waves {
		out[i].Gate = r.judgeWave(w)
		waiting, open := false, false
		for _, l := range r.lanes {
			c := l.cells[i]
			if c == nil {
				continue
			}
			out[i].Absent += c.away
			waiting, open = waiting || c.waiting > 0, open || c.waiting > 0 && c.open
		}
		switch {
		case open:
			out[i].Closed = blocked
		case waiting:
			out[i].Closed = r.closed(w)
		}
	}
	return out
}

// closed is why no waiting host of a wave may start: what its first lane says. That the
// wave waits for a person is true once no lane waits for anything before it.
func (r *Rollout) closed(w *wave) *hotstick.Reason {
	var first *hotstick.Reason
	for _, l := range r.lanes {
		c := l.cells[w.index]
		if c == nil || c.waiting == 0 || c.open {
			continue
		}
		if why := r.shut(w.index, l); first == nil || first.Code == hotstick.ReasonNeedsPromotion {
			first = why
		}
	}
	return first
}

// LaneStatus is where one lane stands.
type LaneStatus struct {
	Build hotstick.KernelBuild
	// Lane is the plan's; zero where its list has none for the build.
	Lane   hotstick.Lane
	States map[hotstick.HostState]int
	// Wave is the furthest wave that is open for the lane.
	Wave int
	// Held is why the lane does not go on by itself; nil if it does.
	Held *hotstick.Reason
}

// Lanes says where each lane stands, in the order of the plan's lanes.
func (r *Rollout) Lanes(now time.Time) []LaneStatus {
	r.advance(now)
	r.refresh()
	out := make([]LaneStatus, len(r.lanes))
	for i, l := range r.lanes {
		out[i] = LaneStatus{Build: l.build, States: maps.Clone(l.states)}
		out[i].Lane, _ = r.plan.Lane(l.build, l.driver)
		maps.DeleteFunc(out[i].States, func(_ hotstick.HostState, n int) bool { return n == 0 })
		for w, c := range l.cells {
			if c == nil || len(c.members) == 0 {
				continue
			}
			if c.open {
				out[i].Wave = w
			} else if why := r.shut(w, l); c.waiting > 0 && out[i].Held == nil && why != nil && staysHeld(why.Code) {
				out[i].Held = why
			}
		}
	}
	return out
}

// staysHeld reports whether a wave that is closed for this reason needs somebody to
// do something.
func staysHeld(code hotstick.ReasonCode) bool {
	switch code {
	case hotstick.ReasonCanaryLost, hotstick.ReasonLaneHeld, hotstick.ReasonGateFailed,
		hotstick.ReasonTooFewReadings, hotstick.ReasonStaleReadings, hotstick.ReasonNeedsPromotion:
		return true
	}
	return false
}

// DomainStatus is one failure domain and its budget.
type DomainStatus struct {
	Domain, Value string
	// Used counts hosts that hold slots, for whichever plan, and Ill those that are
	// down for another cause, or going back, and count as well.
	Used, Ill, Limit int
	Quorum           bool
	// MixedSince is since when a quorum domain runs both levels; nil if it does not.
	MixedSince *time.Time
}

// Domains lists the domains of which anything is used or ill, and every quorum
// domain that is partly done.
func (r *Rollout) Domains(now time.Time) []DomainStatus {
	r.advance(now)
	r.refresh()
	var out []DomainStatus
	for _, k := range r.kinds {
		from := len(out)
		for _, d := range k.domains {
			s := DomainStatus{Domain: k.name, Value: d.value, Used: d.used, Ill: d.extra, Limit: r.limit(d), Quorum: k.quorum}
			if k.quorum {
				s.MixedSince = r.mixedSince(d)
			}
			if s.Used > 0 || s.Ill > 0 || s.MixedSince != nil || d.partlyAt >= 0 {
				out = append(out, s)
			}
		}
		slices.SortFunc(out[from:], func(a, b DomainStatus) int { return cmp.Compare(a.Value, b.Value) })
	}
	return out
}
