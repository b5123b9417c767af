package rollout

import (
	"slices"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/decide/gate"
)

// Stopped is a patch of a plan for a CVE that nobody may arm any more, while the plan's
// other patches go on.
type Stopped struct {
	Patch  hotstick.PatchRef
	Reason hotstick.Reason
	// Back: whoever runs it goes back.
	Back bool
}

// Stop is what a decision does to one patch of a plan for a CVE: the hosts that have it,
// or wait for it, are wanted back, and where a gate spoke against it, it is banned.
type Stop struct {
	Patch  hotstick.PatchRef
	Reason hotstick.Reason
	Ban    bool
	Hosts  []hotstick.HostID
}

// stopped says why what a host would get is stopped; nil if it is not.
func (r *Rollout) stopped(h *Host) *hotstick.Reason {
	if len(r.frame.Stopped) == 0 {
		return nil
	}
	patch := r.patchOf(h)
	for i := range r.frame.Stopped {
		if s := &r.frame.Stopped[i]; s.Patch == patch {
			return &s.Reason
		}
	}
	return nil
}

// going are the plan's patches that are not stopped.
func (r *Rollout) going() []hotstick.PatchRef {
	return slices.DeleteFunc(r.plan.Patches(), func(p hotstick.PatchRef) bool {
		return slices.ContainsFunc(r.frame.Stopped, func(s Stopped) bool { return s.Patch == p })
	})
}

// blamed are the patches of the hosts that speak against what they got, the gravest
// first: while some went down with theirs, those that only refuse are not asked.
func (r *Rollout) blamed() []hotstick.PatchRef {
	var bad []hotstick.PatchRef
	gravest := 1
	for i := range r.hosts {
		w, patch := gate.Weight(r.reading(int32(i))), r.patchOf(&r.hosts[i])
		if w > gravest {
			gravest, bad = w, nil
		}
		if w == gravest && !slices.Contains(bad, patch) {
			bad = append(bad, patch)
		}
	}
	slices.SortFunc(bad, comparePatches)
	return bad
}

// sparing stops only those patches of a plan for a CVE that its hosts speak against, and
// reports whether that leaves any that goes on: the plan is halted where it does not.
func (s *step) sparing(reason hotstick.Reason) bool {
	if s.r.plan.CVE == "" {
		return false
	}
	bad := s.r.blamed()
	if len(bad) == 0 || len(bad) >= len(s.r.going()) {
		return false
	}
	for _, patch := range bad {
		s.stop(patch, reason, true)
	}
	return true
}

// callBack wants back whoever has a patch that was recalled with all that runs it, and
// reports whether there was anybody.
func (s *step) callBack() bool {
	any := false
	for _, stopped := range slices.Clone(s.r.frame.Stopped) {
		if stopped.Back && len(s.r.holders(stopped.Patch)) > 0 {
			s.stop(stopped.Patch, stopped.Reason, false)
			any = true
		}
	}
	return any
}

// holders are the hosts that have a patch, or wait for it, and that nobody wants back yet.
func (r *Rollout) holders(patch hotstick.PatchRef) []hotstick.HostID {
	var out []hotstick.HostID
	for i := range r.hosts {
		h := &r.hosts[i]
		has := h.State.HoldsSlot() && h.State != hotstick.Reverting || h.State == hotstick.Confirmed || h.State == hotstick.Waiting
		if has && h.Recall == nil && r.patchOf(h) == patch {
			out = append(out, h.Listed.Host)
		}
	}
	return out
}

// stop records that a patch is stopped and takes it for done.
func (s *step) stop(patch hotstick.PatchRef, reason hotstick.Reason, ban bool) {
	r := s.r
	d := Stop{Patch: patch, Reason: reason, Ban: ban, Hosts: r.holders(patch)}
	s.d.Stops = append(s.d.Stops, d)
	for _, id := range d.Hosts {
		r.hosts[r.index[id]].Recall = &d.Reason
	}
	if ban {
		f := r.frame
		f.Stopped = append(slices.Clone(f.Stopped), Stopped{Patch: patch, Reason: hotstick.Reason{Code: hotstick.ReasonBanned, Subject: patch.String()}})
		slices.SortFunc(f.Stopped, func(a, b Stopped) int { return comparePatches(a.Patch, b.Patch) })
		r.frame = f
	}
	r.build(r.now) // what its hosts say counts no more
}

func comparePatches(a, b hotstick.PatchRef) int {
	if a.Name != b.Name {
		if a.Name < b.Name {
			return -1
		}
		return 1
	}
	return a.Level - b.Level
}
