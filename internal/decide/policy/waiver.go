package policy

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hotstick/hotstick"
)

// Waiver is a signed exception, as far as judging goes by it. Whoever hands it in has
// verified the signatures; waivers never stand in a policy's own text.
type Waiver struct {
	Name string
	// Policy is the policy that it excepts from; Text is the digest of the text that the
	// policy must stand in, empty for any.
	Policy string
	Text   hotstick.Digest
	// Rules need not be kept by the hosts that it means, or LeaveOut keeps them out.
	Rules    []string
	LeaveOut bool
	// Hosts is a selector (see [CompileSelector]).
	Hosts string
	Why   string
	// By are the persons who signed it.
	By    []hotstick.Person
	Until time.Time
}

// signers names who signed, as people read it.
func (w Waiver) signers() string {
	names := make([]string, len(w.By))
	for i, p := range w.By {
		names[i] = string(p)
	}
	return strings.Join(names, ", ")
}

// waived is a waiver with its compiled selector.
type waived struct {
	Waiver
	when condition
	// end counts from 1 the waivers that end within the plan's life, by their ends; 0
	// for one that outlives it. A host that needs it starts before that end or never.
	end int
}

// takeWaivers keeps the waivers of the policy that hold at the beginning of its life.
func (p *Policy) takeWaivers(all []Waiver) error {
	for _, w := range all {
		if w.Policy != p.Name() || w.Text != "" && w.Text != p.digest || !w.Until.After(p.life.From) {
			continue
		}
		when, wrong := p.language.compile(expression(w.Hosts))
		if wrong != nil {
			return Problems{{Message: fmt.Sprintf("cannot judge by the waiver %s: %s", w.Name, wrong.message), Hint: "sign another one"}}.OrNil(ofPolicy)
		}
		for _, name := range w.Rules {
			if !p.rule.hasRule(name) {
				p.notes = append(p.notes, Problem{Warning: true, Message: fmt.Sprintf("the waiver %s excepts from the rule %q, which the policy does not have", w.Name, name)})
			}
		}
		p.waivers = append(p.waivers, &waived{Waiver: w, when: when})
	}
	// The one that holds longest is asked first.
	slices.SortFunc(p.waivers, func(a, b *waived) int { return cmp.Or(b.Until.Compare(a.Until), cmp.Compare(a.Name, b.Name)) })
	for i := len(p.waivers) - 1; i >= 0; i-- {
		if w := p.waivers[i]; !w.LeaveOut && w.Until.Before(p.life.Until) {
			p.ends = append(p.ends, w)
			w.end = len(p.ends)
		}
	}
	return nil
}

// before cuts a calendar off at the end of a waiver; end 0 leaves it as it is.
func (p *Policy) before(l lot, end int) lot {
	if end == 0 {
		return l
	}
	w := p.ends[end-1]
	return lot{name: l.name + " until " + w.Name + " ends", opens: clip(l.opens, hotstick.Interval{From: p.life.From, Until: w.Until})}
}

// leftOut finds the waiver that keeps the host out; nil if there is none.
func (j *Judge) leftOut() (*waived, outcome) {
	for i, w := range j.waivers {
		if !w.LeaveOut {
			continue
		}
		if o := j.excepted[i].judge(&j.world); o.held || o.err != nil {
			return w, o
		}
	}
	return nil, outcome{}
}

// keptOut is the verdict of a waiver that keeps the host out.
func (w *waived) keptOut() Verdict {
	until := w.Until
	return Verdict{Reason: &hotstick.Reason{Code: hotstick.ReasonWaived, Subject: w.Name, Detail: w.Why + " (signed by " + w.signers() + ")", Until: &until}}
}

// waiverFor finds the waiver that excepts the host from a rule, and of several the one
// that holds longest; nil if none does.
func (j *Judge) waiverFor(rule label) *waived {
	for i, w := range j.waivers {
		if slices.Contains(w.Rules, string(rule)) && j.excepted[i].judge(&j.world).held {
			return w
		}
	}
	return nil
}
