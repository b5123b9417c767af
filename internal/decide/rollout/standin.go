package rollout

import (
	"slices"

	"github.com/hotstick/hotstick"
)

// post is a canary and those who may stand in for it, in the plan's order.
type post struct {
	canary int32
	ins    []int32
}

func (r *Rollout) buildPosts() {
	r.postOf = map[hotstick.HostID]*post{}
	for i := range r.hosts {
		in := r.hosts[i].Listed.StandIn
		if in == nil {
			continue
		}
		canary, ok := r.index[in.For]
		// A stand-in of another lane would be evidence for that one only.
		if !ok || r.at[canary].lane != r.at[i].lane {
			continue
		}
		p := r.postOf[in.For]
		if p == nil {
			p = &post{canary: canary}
			r.postOf[in.For] = p
			r.posts = append(r.posts, p)
		}
		p.ins = append(p.ins, int32(i))
		r.at[i].post = p
	}
	slices.SortFunc(r.posts, func(a, b *post) int { return int(a.canary - b.canary) })
	for _, p := range r.posts {
		r.at[p.canary].replaced = r.taken(p)
	}
}

// taken reports whether a stand-in that can be worked on has the canary's place.
func (r *Rollout) taken(p *post) bool {
	return slices.ContainsFunc(p.ins, func(i int32) bool { return r.hosts[i].Standing && !gone(&r.hosts[i]) })
}

// gone reports whether a canary or its stand-in gives no readings for a cause that
// is not the patch.
func gone(h *Host) bool {
	return h.State == hotstick.Skipped || h.State == hotstick.Failed && hostCause(h.Reason)
}

// staffed notes whether a canary's place is taken, after one of its hosts changed.
func (r *Rollout) staffed(p *post) {
	taken := r.taken(p)
	if r.at[p.canary].replaced == taken {
		return
	}
	r.lift(p.canary)
	r.at[p.canary].replaced = taken
	r.place(p.canary)
	r.stirDomains(&r.at[p.canary])
	r.stirLanes()
}

// staff puts a stand-in in the place of every canary that cannot start although
// its wave is open. Once a later wave of the lane has begun there is nothing to
// stand in for: there a host would bake for nobody.
func (s *step) staff() {
	r := s.r
	for _, p := range r.posts {
		c, h := &r.at[p.canary], &r.hosts[p.canary]
		begun := r.lanes[c.lane].reached > c.cell.wave.index
		if c.replaced || !c.cell.open || begun || !r.cannotStart(p.canary, h) {
			continue
		}
		for _, i := range p.ins {
			if in := &r.hosts[i]; !in.Standing && r.at[i].phase == ready && !r.far(r.calendarOf(in)) {
				s.d.StandIns = append(s.d.StandIns, in.Listed.Host)
				r.alter(i, func(h *Host) { h.Standing = true })
				break
			}
		}
	}
}

// cannotStart reports whether a canary gives no reading soon, for a cause that is
// not the patch.
func (r *Rollout) cannotStart(i int32, h *Host) bool {
	return gone(h) || h.State == hotstick.Waiting && r.at[i].phase == ready && r.far(r.calendarOf(h))
}
