package rollout

import (
	"slices"

	"github.com/hotstick/hotstick"
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
// or wait for it, are wanted back, and where a gate spoke against it, it is banned. No
// more than a batch of hosts is named at once: the next decisions name the others.
type Stop struct {
	Patch  hotstick.PatchRef
	Reason hotstick.Reason
	Ban    bool
	// Again: an earlier decision began with it.
	Again bool
	Hosts []hotstick.HostID
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

// sparing stops only those patches of a plan for a CVE that their own hosts spoke against,
// and reports whether that leaves any that goes on: the plan is halted where it does not.
// It is halted as well where its policy says so, but nobody goes back then for another
// patch's sake.
func (s *step) sparing(bad []blame) bool {
	if s.r.plan.CVE == "" || len(bad) >= len(s.r.going()) {
		return false
	}
	for _, b := range bad {
		s.stop(b.patch, b.reason, true)
	}
	if s.r.plan.Gate.StopAll {
		s.end(hotstick.Halted, &bad[0].reason)
	}
	return true
}

// callBack wants back whoever has a patch that was recalled with all that runs it, or that
// failed, where an earlier decision did not come to all of them. It reports whether there
// was anybody.
func (s *step) callBack() bool {
	any := false
	for _, stopped := range slices.Clone(s.r.frame.Stopped) {
		if why := s.r.calls(stopped); why != nil {
			s.stop(stopped.Patch, *why, false)
			any = true
		}
	}
	return any
}

// calls is why hosts that have a stopped patch are still to be named, nil if none are. A
// plan that was cut short goes on with the recall that it had begun: the controller sees to
// those that come later.
func (r *Rollout) calls(stopped Stopped) *hotstick.Reason {
	c, status := r.cureFor(stopped.Patch), r.frame.Status
	switch {
	case r.named(c) == 0:
	case stopped.Back && (!status.Over() || c.called > 0 && status != hotstick.Completed):
		return &stopped.Reason
	case c.blamed > 0:
		why := r.calledFor(c)
		return &why
	}
	return nil
}

// calledFor is why the hosts that have a patch are wanted back.
func (r *Rollout) calledFor(c *cure) hotstick.Reason {
	for i := range r.hosts {
		if h := &r.hosts[i]; wantedFor(h, hotstick.ReasonGateFailed) && r.cureOf(int32(i)) == c {
			return *h.Recall
		}
	}
	return hotstick.Reason{Code: hotstick.ReasonGateFailed}
}

// owes reports whether hosts are still to be named whose patch failed, or was recalled.
func (r *Rollout) owes() bool {
	return slices.ContainsFunc(r.frame.Stopped, func(s Stopped) bool { return r.calls(s) != nil })
}

// wantedFor reports whether a host is wanted back for this cause.
func wantedFor(h *Host, code hotstick.ReasonCode) bool {
	return h.Recall != nil && h.Recall.Code == code
}

// mayHold reports whether a host has its patch, or waits for it, and nobody wants it back
// yet.
func mayHold(h *Host) bool {
	has := h.State.HoldsSlot() && h.State != hotstick.Reverting || h.State == hotstick.Confirmed || h.State == hotstick.Waiting
	return has && h.Recall == nil
}

// movedOn reports whether a confirmed host runs something else by now, or nothing: the next
// plan's level, say. It is the loader's word that counts, for the loader goes back, or
// refuses to.
func movedOn(h *Host, patch hotstick.PatchRef) bool {
	return h.State == hotstick.Confirmed && h.Runs != patch
}

// namedOf reports whether a host is to be named where its patch is stopped. Once the plan is
// over that is nobody who moved on: its loader would refuse to go back from a level that it
// does not run any more, and the host would be taken for one whose way back failed. While
// the plan is open, a host that lost the level is the plan's own to see to.
func (r *Rollout) namedOf(h *Host) bool {
	return mayHold(h) && !(r.frame.Status.Over() && movedOn(h, r.patchOf(h)))
}

// named counts a patch's hosts that are to be named.
func (r *Rollout) named(c *cure) int {
	if r.frame.Status.Over() {
		return c.holding - c.gone
	}
	return c.holding
}

// holders are hosts that may hold a patch, those first that are under way, then those that
// run it: no more than a batch of them.
func (r *Rollout) holders(patch hotstick.PatchRef) []hotstick.HostID {
	var ranks [3][]hotstick.HostID
	for i := range r.hosts {
		h := &r.hosts[i]
		if !r.namedOf(h) || r.patchOf(h) != patch {
			continue
		}
		rank := 0
		switch h.State {
		case hotstick.Confirmed:
			rank = 1
		case hotstick.Waiting:
			rank = 2
		}
		if len(ranks[rank]) < batch {
			ranks[rank] = append(ranks[rank], h.Listed.Host)
		}
	}
	all := slices.Concat(ranks[0], ranks[1], ranks[2])
	return all[:min(len(all), batch)]
}

// stop records that a patch is stopped and takes it for done.
func (s *step) stop(patch hotstick.PatchRef, reason hotstick.Reason, ban bool) {
	r := s.r
	c := r.cureFor(patch)
	d := Stop{Patch: patch, Reason: reason, Ban: ban, Again: !ban && c.blamed+c.called > 0, Hosts: r.holders(patch)}
	s.d.Stops = append(s.d.Stops, d)
	for _, id := range d.Hosts {
		i := r.index[id]
		r.alter(i, func(h *Host) { h.Recall = &d.Reason })
	}
	if !ban {
		return
	}
	f := r.frame
	f.Stopped = append(slices.Clone(f.Stopped), Stopped{Patch: patch, Reason: hotstick.Reason{Code: hotstick.ReasonBanned, Subject: patch.String()}})
	slices.SortFunc(f.Stopped, func(a, b Stopped) int { return comparePatches(a.Patch, b.Patch) })
	r.frame = f
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
