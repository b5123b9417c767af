package rollout

import (
	"sort"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/planted"
)

// calendar is one of the plan's calendars as it stands now.
type calendar struct {
	name  string
	opens []hotstick.Interval
	// open: a window is open; edge is when that changes, zero if never again.
	open bool
	edge time.Time
	// left: a window is open or will be before the plan's end.
	left bool
	// hosts that keep to it, and where they wait.
	hosts []int32
	pens  []*pen
}

// buildCalendars reads the plan's calendars. The empty name stands for hosts that
// may start at any time; a name that the plan does not have never opens.
func (r *Rollout) buildCalendars() {
	r.calendars = map[string]*calendar{"": {open: true, left: true}}
	for _, c := range r.plan.Calendars {
		r.calendars[c.Name] = &calendar{name: c.Name, opens: c.Opens}
	}
	for i := range r.hosts {
		r.keepTo(int32(i))
	}
	for _, c := range r.calendars {
		r.turn(c)
	}
}

func (r *Rollout) keepTo(i int32) {
	c := r.calendarOf(&r.hosts[i])
	if c.name != "" {
		c.hosts = append(c.hosts, i)
	}
}

func (r *Rollout) calendarOf(h *Host) *calendar {
	c := r.calendars[h.Listed.Calendar]
	if c == nil {
		c = &calendar{name: h.Listed.Calendar}
		r.calendars[h.Listed.Calendar] = c
	}
	return c
}

// turn brings a calendar up to now.
func (r *Rollout) turn(c *calendar) {
	if c.name == "" {
		return
	}
	at := sort.Search(len(c.opens), func(i int) bool { return c.opens[i].Until.After(r.now) })
	c.open, c.edge, c.left = false, time.Time{}, false
	if at == len(c.opens) {
		return
	}
	next := c.opens[at]
	c.open = !r.now.Before(next.From)
	c.edge = next.From
	if c.open {
		c.edge = next.Until
	}
	c.left = next.From.Before(r.plan.NotAfter)
}

// turnCalendars brings all calendars up to now.
func (r *Rollout) turnCalendars() {
	for _, c := range r.calendars {
		if c.edge.IsZero() || r.now.Before(c.edge) {
			continue
		}
		left := c.left
		r.turn(c)
		for _, p := range c.pens {
			r.setPen(p)
		}
		if left != c.left {
			for _, i := range c.hosts {
				r.settle(i)
			}
		}
	}
}

// opening is when a calendar opens next; now where it is open, zero for never.
func (c *calendar) opening(now time.Time) time.Time {
	if c.open {
		return now
	}
	return c.edge
}

// far reports whether a calendar opens too late for a canary.
func (r *Rollout) far(c *calendar) bool {
	at := c.opening(r.now)
	return at.IsZero() || at.Sub(r.now) > FarWindow
}

// closed says why a calendar lets nothing start, or nil.
func (c *calendar) closed() *hotstick.Reason {
	if c.open {
		return nil
	}
	why := &hotstick.Reason{Code: hotstick.ReasonWindowClosed, Subject: c.name}
	if !c.edge.IsZero() {
		edge := c.edge
		why.Until = &edge
	}
	return why
}

// frozen says which freeze is on, the one that ends last, or nil.
func (r *Rollout) frozen() *hotstick.Reason {
	var on *Freeze
	for i := range r.frame.Freezes {
		f := &r.frame.Freezes[i]
		if r.now.Before(f.From) || !r.now.Before(f.Until) || planted.Bug("freeze-ignored") {
			continue
		}
		if on == nil || f.Until.After(on.Until) || f.Until.Equal(on.Until) && f.Reason < on.Reason {
			on = f
		}
	}
	if on == nil {
		return nil
	}
	until := on.Until
	return &hotstick.Reason{Code: hotstick.ReasonFreeze, Subject: on.Reason, Until: &until}
}

// pen is where hosts of one cell and one calendar wait until both are open.
type pen struct {
	queue
	cell     *cell
	calendar *calendar
	// behind: for canaries that a stand-in has replaced; they start once their wave
	// has passed.
	behind bool
	open   bool
}

// penOf is the pen of a host, made where there is none.
func (r *Rollout) penOf(i int32) *queue {
	s, c := &r.at[i], r.calendarOf(&r.hosts[i])
	for _, p := range s.cell.pens {
		if p.calendar == c && p.behind == s.replaced {
			return &p.queue
		}
	}
	p := &pen{queue: r.newQueue(), cell: s.cell, calendar: c, behind: s.replaced}
	p.queue.pen = p
	s.cell.pens = append(s.cell.pens, p)
	if c.name != "" {
		c.pens = append(c.pens, p)
	}
	r.setPen(p)
	return &p.queue
}

// setPen finds out whether a pen is open. Its hosts are then among the next to
// start, and partly done domains are counted anew.
func (r *Rollout) setPen(p *pen) {
	was := p.open
	delayed := r.delayEnd(p.cell.wave)
	p.open = p.cell.open && (!p.behind || p.cell.past) && (p.calendar.open || planted.Bug("window-ignored")) && (delayed.IsZero() || !r.now.Before(delayed))
	if p.open {
		r.heat(&p.queue)
	}
	if was == p.open {
		return
	}
	for k, kind := range r.kinds {
		if !kind.quorum {
			continue
		}
		for _, i := range p.cell.members {
			if d := r.at[i].domains[k]; d != nil {
				r.stir(d)
			}
		}
	}
}

// delayEnd is when the plan's signed delay of a wave has passed since the start;
// zero if there is none. Loaders measure the same delay on their own clocks; this
// only spares them grants that they would refuse.
func (r *Rollout) delayEnd(w *wave) time.Time {
	if w.DelaySeconds == 0 || r.frame.Started == nil {
		return time.Time{}
	}
	return r.frame.Started.Add(time.Duration(w.DelaySeconds) * time.Second)
}

// nextDelay is when the next wave's delay ends; zero if none is left.
func (r *Rollout) nextDelay() time.Time {
	var next time.Time
	for _, w := range r.waves {
		if end := r.delayEnd(w); end.After(r.now) && (next.IsZero() || end.Before(next)) {
			next = end
		}
	}
	return next
}
