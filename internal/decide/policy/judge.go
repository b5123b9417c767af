package policy

import (
	"time"

	"github.com/hotstick/hotstick"
)

// Judge tells for one patch at one time which hosts a policy picks. It is for one
// goroutine.
type Judge struct {
	policy *Policy
	world  world
	patch  Patch
	now    time.Time

	waivers  []*waived
	excepted []condition // of the waivers
	eligible []condition
	demands  []condition
	rings    []condition
	windows  []condition
	last     condition
	freezes  []condition
}

// For prepares to judge hosts for a patch at a time: what does not look at the host
// is settled once.
func (p *Policy) For(patch Patch, now time.Time) *Judge {
	j := &Judge{policy: p, patch: patch.at(now), now: now}
	j.world = world{patch: &j.patch, now: now}
	for _, w := range p.waivers {
		if w.Until.After(now) {
			j.waivers = append(j.waivers, w)
			j.excepted = append(j.excepted, w.when.settle(&j.world))
		}
	}
	for _, f := range p.freezes[:p.chosen] {
		j.freezes = append(j.freezes, f.when.settle(&j.world))
	}
	j.eligible = j.settle(p.rule.eligible)
	j.demands = j.settle(p.rule.demands)
	j.rings = j.settle(p.rule.rings)
	j.windows = j.settle(p.rule.windows)
	j.last = p.rule.last.settle(&j.world)
	return j
}

func (j *Judge) settle(list []condition) []condition {
	out := make([]condition, len(list))
	for i, c := range list {
		out[i] = c.settle(&j.world)
	}
	return out
}

// Judge says whether the policy picks the host, and where it goes. An expression
// that fails leaves the host out.
func (j *Judge) Judge(h Host) Verdict {
	j.world.host = &h
	if w, o := j.leftOut(); w != nil {
		if o.err != nil {
			return failed(w.Name, o)
		}
		return w.keptOut()
	}
	end := 0 // of the waivers that the host needs, the first
	excepted := func(rule label) bool {
		w := j.waiverFor(rule)
		if w != nil && w.end > 0 && (end == 0 || w.end < end) {
			end = w.end
		}
		return w != nil
	}
	for i, c := range j.eligible {
		name := j.policy.rule.Eligible[i].Name
		if o := c.judge(&j.world); !o.held && !excepted(name) {
			return refused(string(name), o)
		}
	}
	if d, v := j.unmet(&h); d != nil && !excepted(d.Name) {
		return v
	}
	var v Verdict
	var o outcome
	if len(j.rings) > 0 {
		if v.Ring, o = first(j.rings, &j.world); v.Ring < 0 {
			return refused("rings", o)
		}
	}
	if len(j.last.parts) > 0 {
		o = j.last.judge(&j.world)
		if o.err != nil {
			return failed("last", o)
		}
		v.Last = o.held
	}
	return j.place(v, end)
}

// place finds the calendar of a host that is picked, which ends with the waiver that
// let the host in.
func (j *Judge) place(v Verdict, end int) Verdict {
	base := len(j.policy.bases) - 1
	if len(j.windows) > 0 {
		at, o := first(j.windows, &j.world)
		if at < 0 {
			return refused("windows", o)
		}
		base = j.policy.base(string(j.policy.rule.Windows[at].Calendar))
	}
	mask := 0
	for i, c := range j.freezes {
		o := c.judge(&j.world)
		if o.err != nil {
			return failed(string(j.policy.freezes[i].Name), o)
		}
		if o.held {
			mask |= 1 << i
		}
	}
	l := j.policy.lots[base][mask+end<<j.policy.chosen]
	if len(l.opens) == 0 {
		if whole := j.policy.lots[base][mask]; len(whole.opens) > 0 {
			w := j.policy.ends[end-1]
			until := w.Until
			return Verdict{Reason: &hotstick.Reason{Code: hotstick.ReasonWindowClosed, Subject: whole.name,
				Detail: "it does not open before the waiver " + w.Name + " ends", Until: &until}}
		}
		return Verdict{Reason: j.policy.closed(base, mask)}
	}
	if !l.untouched {
		v.Calendar = l.name
	}
	return v
}

// base is the index of a calendar.
func (p *Policy) base(name string) int {
	for i, b := range p.bases {
		if b == name {
			return i
		}
	}
	return len(p.bases) - 1
}

// closed says why nothing is left of a calendar: it never opened, or freezes took
// what there was.
func (p *Policy) closed(base, mask int) *hotstick.Reason {
	var taken *freezeRule
	for i, f := range p.freezes {
		in := i >= p.chosen || mask&(1<<i) != 0
		if in && len(clip(p.full[base], f.interval())) > 0 && (taken == nil || f.interval().Until.After(taken.interval().Until)) {
			taken = f
		}
	}
	if taken == nil {
		return &hotstick.Reason{Code: hotstick.ReasonWindowClosed, Subject: p.bases[base], Detail: "it never opens within the plan's life"}
	}
	until := taken.interval().Until
	return &hotstick.Reason{Code: hotstick.ReasonFreeze, Subject: string(taken.Name), Detail: string(taken.Reason), Until: &until}
}

// first is the index of the first condition that holds; -1 if none does or one fails
// before.
func first(list []condition, w *world) (int, outcome) {
	var o outcome
	for i, c := range list {
		o = c.judge(w)
		if o.held {
			return i, o
		}
		if o.err != nil {
			return -1, o
		}
	}
	return -1, outcome{}
}

// refused is the verdict of a rule that did not hold.
func refused(name string, o outcome) Verdict {
	if o.err != nil {
		return failed(name, o)
	}
	detail := o.decided
	if detail == "" {
		detail = "none of them holds"
	}
	return Verdict{Reason: &hotstick.Reason{Code: hotstick.ReasonNotEligible, Subject: name, Detail: detail}}
}

// failed is the verdict of an expression that could not be judged.
func failed(name string, o outcome) Verdict {
	return Verdict{Reason: &hotstick.Reason{Code: hotstick.ReasonNotEligible, Subject: name,
		Detail: "cannot judge " + o.decided + ": " + o.err.Error()}}
}
