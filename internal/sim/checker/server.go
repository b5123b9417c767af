package checker

import (
	"encoding/json"
	"maps"
	"strings"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/trace"
)

// server takes an event of a server.
func (f *fleet) server(e *trace.Event) {
	switch e.Kind {
	case trace.KindLeaf:
		f.leaves, f.unlogged = e.Generation, 0
		if e.Host != "" {
			h := f.host(e.Host)
			h.leafTimes = append(h.leafTimes, e.T)
		}
		return
	case trace.KindShown:
		h := f.host(e.Host)
		h.heardOf(e.Boot)
		var rests Shown
		if json.Unmarshal(e.Body, &rests) == nil {
			h.heard = max(h.heard, ms(rests.HeardMillis))
			h.shownSent = max(h.shownSent, rests.SentMillis)
		}
		return
	case trace.KindGate:
		if e.To == Promoted {
			f.plan(e.Plan).promoted = e.Wave
		}
		return
	}
	if e.Kind == trace.KindPlan {
		f.proposed(e)
		return
	}
	f.unlogged++
	switch e.Kind {
	case trace.KindPlanStatus:
		f.status(e)
	case trace.KindHostState:
		p := f.plan(e.Plan)
		if e.To == string(hotstick.Admitted) {
			p.admits(f, e)
		}
		p.moved(e)
	case trace.KindGrant:
		f.grants[e.Grant] = e.T
		if e.Boot != "" {
			f.host(e.Host).heardOf(e.Boot)
		}
		if e.Uptime != 0 {
			f.wall = ms(e.Uptime) - e.T
		}
	case trace.KindSlot:
		f.slot(e)
	case trace.KindBan:
		f.banned[e.Patch] = true
	case trace.KindCrashStop:
		f.stopped[hotstick.CrashPrint{Patch: e.Patch, Build: hotstick.KernelBuild{BuildID: e.To}, Model: e.Detail}] = true
	case trace.KindClear:
		switch e.To {
		case "recall":
			delete(f.recalled, e.Patch)
			return
		case "crashes":
		default:
			delete(f.banned, e.Patch)
		}
		maps.DeleteFunc(f.stopped, func(p hotstick.CrashPrint, _ bool) bool { return e.Host == "" && p.Patch == e.Patch })
	case trace.KindStopAll:
		f.stopAll = e.To == "on"
	case trace.KindWriteOff:
		f.host(e.Host).writtenOff = true
	}
}

func (f *fleet) proposed(e *trace.Event) {
	p := f.plan(e.Plan)
	var body trace.PlanBody
	if json.Unmarshal(e.Body, &body) != nil {
		return
	}
	p.body = body
	for _, h := range body.Hosts {
		p.listed[h.Host] = h
	}
	p.stage()
}

func (f *fleet) status(e *trace.Event) {
	p := f.plan(e.Plan)
	p.status = hotstick.PlanStatus(e.To)
	if p.status == hotstick.Halted && p.halted == 0 {
		p.halted = e.T
	}
	switch {
	case p.halted == 0 && p.status == hotstick.Running:
		p.again = p.again || p.ended != 0
		p.ended = 0 // it was completed, and puts its level back
	case p.status.Over() && p.ended == 0:
		p.ended = e.T
	}
}

func (p *plan) moved(e *trace.Event) {
	l := p.line(e.Host)
	// Who dismisses a host takes its harm out of nobody's sight.
	l.harmed = l.harmed && e.Cause == string(hotstick.ReasonDismissed)
	l.state, l.cause = hotstick.HostState(e.To), e.Cause
	// A real server reads the row when it traces; a later step of the same commit may
	// have counted on. Only an admission says which attempt begins.
	if l.state == hotstick.Admitted || l.attempt == 0 {
		l.attempt = e.Attempt
	}
	if l.state == hotstick.Waiting && l.cause == string(hotstick.ReasonDrifted) {
		l.putBack++
	}
	l.since = e.T
	l.harmed = l.harmed || l.proves()
	l.gone = l.gone || l.passedOver()
}

// slot takes or frees one slot; its event's detail is the slot's index. One that is
// freed without an index is all that the host held of the domain.
func (f *fleet) slot(e *trace.Event) {
	slots := f.plan(e.Plan).line(e.Host).slots
	for kind, value := range e.Domains {
		if e.To == "taken" {
			slots[slotKey(kind, value, e.Detail)] = true
			continue
		}
		for key := range slots {
			if key == slotKey(kind, value, e.Detail) || e.Detail == "" && strings.HasPrefix(key, slotKey(kind, value, "")) {
				delete(slots, key)
			}
		}
	}
}

// heardOf notes the newest boot that a server has heard of.
func (s *shown) heardOf(boot string) {
	if boot != s.shownBoot {
		s.shownBoot = boot
		s.shown[boot]++
	}
}

func slotKey(kind, value, index string) string { return kind + "=" + value + "#" + index }

// caused reports whether the host is disturbed by an attempt of a plan. A level
// that comes back from its permit after a reboot, and the way back of a confirmed
// one, have rules of their own.
func (h *host) caused() bool {
	return h.open != nil && h.open.plan != "" && !h.open.voluntary && !h.writtenOff
}
