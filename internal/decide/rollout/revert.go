package rollout

import "github.com/hotstick/hotstick"

// revertShare is the part of a plan's hosts that may be sent back at once; one
// host always may.
const revertShare = 4

// sendBack orders hosts that took the patch back to the level before. Hosts that
// hold a slot already may always go; confirmed ones go within the reverts' own
// budget.
func (s *step) sendBack() {
	room := max(1, len(s.v.Hosts)/revertShare)
	for _, h := range s.v.Hosts {
		if h.State == hotstick.Reverting {
			room--
		}
	}
	why := hotstick.Reason{Code: hotstick.ReasonRevertOrdered, Cause: causeOf(s.v.Reason)}
	for i, h := range s.v.Hosts {
		switch h.State {
		case hotstick.Armed, hotstick.Applying, hotstick.Probation:
			s.change(i, hotstick.Reverting, why)
			room--
		case hotstick.Confirmed:
			if room > 0 {
				s.change(i, hotstick.Reverting, why)
				room--
			}
		}
	}
}
