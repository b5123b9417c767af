package policy

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/strictyaml"
)

// always is the built-in calendar that never closes.
const always = "always"

// Names lists the policies of the text, in order.
func (s *Set) Names() []string {
	var names []string
	for _, p := range s.policies {
		names = append(names, string(p.Name))
	}
	return names
}

// Summary is a policy's line for people; empty if it has none or is not there.
func (s *Set) Summary(name string) string {
	p, ok := s.find(name)
	if !ok {
		return ""
	}
	return string(p.Summary)
}

// Digest is that of the text.
func (s *Set) Digest() hotstick.Digest { return s.digest }

// Choose returns the name of the most urgent policy that applies to a patch at a
// time; of equals the first. ok is false if none applies. A policy without
// "applies" applies to every patch, with urgency 0.
func (s *Set) Choose(patch Patch, now time.Time) (name string, ok bool) {
	aged := patch.at(now)
	w := &world{host: &Host{}, patch: &aged, now: now}
	best := -1
	for _, p := range s.policies {
		urgency := 0
		if p.Applies != nil {
			if !p.applies.judge(w).held {
				continue
			}
			urgency = p.Applies.Urgency
		}
		if urgency > best {
			name, ok, best = string(p.Name), true, urgency
		}
	}
	return name, ok
}

// Policy is one policy of a set, with its windows and freezes turned into instants
// for a plan that is made now. It never changes, and many may judge with it at once.
type Policy struct {
	rule     *policyRule
	language language
	digest   hotstick.Digest
	life     hotstick.Interval
	// waivers hold now; ends are those of them that end within the plan's life, by their
	// ends.
	waivers []*waived
	ends    []*waived
	// freezes touch the plan's life; those with a selector come first, and a host's
	// are the set bits of its mask.
	freezes []*freezeRule
	chosen  int
	// bases are the calendars of the windows, in their order; the last is "always".
	bases []string
	// full holds the calendars before any freeze, in the order of bases.
	full [][]hotstick.Interval
	// lots holds, for each base, mask and end of a waiver, what is left of the calendar.
	lots  [][]lot
	notes Problems
}

// lot is a calendar without the freezes of one mask.
type lot struct {
	name  string
	opens []hotstick.Interval
	// untouched: the calendar is "always" and no freeze is in it, so no calendar is
	// needed.
	untouched bool
}

// Compile turns one policy of the set into what plans made now are shaped by, with the
// waivers that are for it. An empty name means the only policy. Its error is [Problems].
func (s *Set) Compile(name string, now time.Time, waivers ...Waiver) (*Policy, error) {
	if name == "" && len(s.policies) == 1 {
		name = string(s.policies[0].Name)
	}
	r, ok := s.find(name)
	if !ok {
		hint := "the text has none"
		if names := s.Names(); len(names) > 0 {
			hint = "the text has " + strings.Join(names, ", ")
		}
		return nil, Problems{{Message: fmt.Sprintf("cannot find the policy %q", name), Hint: hint}}.OrNil(ofPolicy)
	}
	now = now.UTC().Truncate(time.Second)
	p := &Policy{rule: r, language: s.language, digest: s.digest, life: hotstick.Interval{From: now, Until: now.Add(r.life())}}
	if err := p.takeWaivers(waivers); err != nil {
		return nil, err
	}
	if err := p.takeFreezes(s.freezes); err != nil {
		return nil, err
	}
	return p, p.cutCalendars(s.calendars)
}

func (p *Policy) note(b *strictyaml.Binder, path, hint, format string, args ...any) {
	n := b.Text.Problem(b.Place(path), b.Document, hint, format, args...)
	n.Warning = true
	p.notes = append(p.notes, n)
}

// takeFreezes keeps the freezes that touch the plan's life.
func (p *Policy) takeFreezes(all []*freezeRule) error {
	for _, f := range all {
		if i := f.interval(); i.Until.After(p.life.From) && i.From.Before(p.life.Until) {
			p.freezes = append(p.freezes, f)
		}
	}
	slices.SortStableFunc(p.freezes, func(a, b *freezeRule) int {
		return cmp.Compare(whole(a), whole(b))
	})
	for _, f := range p.freezes {
		if f.When != "" {
			p.chosen++
		}
	}
	if p.chosen > maxCuts {
		f := p.freezes[maxCuts]
		return Problems{f.Text.Problem(f.Place(""), f.Document, "join some of them, or leave out their when",
			"%d freezes with a selector fall into one plan's life: the limit is %d", p.chosen, maxCuts)}.OrNil(ofPolicy)
	}
	return nil
}

// whole is 1 for a freeze of every host.
func whole(f *freezeRule) int {
	if f.When == "" {
		return 1
	}
	return 0
}

// cutCalendars resolves the calendars of the policy's windows and takes the freezes
// out of them.
func (p *Policy) cutCalendars(calendars []*calendarRule) error {
	for i, w := range p.rule.Windows {
		if slices.Contains(p.bases, string(w.Calendar)) || string(w.Calendar) == always {
			continue
		}
		at := slices.IndexFunc(calendars, func(c *calendarRule) bool { return c.Name == w.Calendar })
		c := calendars[at]
		opens := c.opens(p.life)
		if len(opens) == 0 {
			p.note(p.rule.Binder, fmt.Sprintf("windows[%d].calendar", i), "", "the calendar %s never opens within the plan's life of %s", c.Name, span(p.rule.life()))
		}
		if len(opens) > hotstick.MaxIntervals {
			return Problems{c.Text.Problem(c.Place("windows"), c.Document, "", "the calendar opens more than %d times within the plan's life", hotstick.MaxIntervals)}.OrNil(ofPolicy)
		}
		p.cut(string(c.Name), opens)
	}
	p.cut(always, []hotstick.Interval{p.life})
	if n := len(p.calendars(1)); n > hotstick.MaxCalendars {
		return Problems{p.rule.Text.Problem(p.rule.Place("windows"), p.rule.Document, "fewer calendars, or fewer freezes with a selector",
			"the calendars and their freezes make %d: the limit is %d", n, hotstick.MaxCalendars)}.OrNil(ofPolicy)
	}
	return nil
}

// cut adds a calendar, as it is for each mask of freezes.
func (p *Policy) cut(name string, opens []hotstick.Interval) {
	masks := 1 << p.chosen
	lots := make([]lot, masks*(1+len(p.ends)))
	for mask := range masks {
		l := lot{name: name, opens: opens, untouched: name == always && len(p.freezes) == p.chosen && mask == 0}
		for i, f := range p.freezes {
			if i < p.chosen && mask&(1<<i) == 0 {
				continue
			}
			l.opens = subtract(l.opens, f.interval())
			if i < p.chosen {
				l.name += " without " + string(f.Name)
			}
		}
		for end := range 1 + len(p.ends) {
			lots[mask+end<<p.chosen] = p.before(l, end)
		}
	}
	p.bases, p.full, p.lots = append(p.bases, name), append(p.full, opens), append(p.lots, lots)
}

// Name is the policy's name.
func (p *Policy) Name() string { return string(p.rule.Name) }

// Rings names the rings, in the order of [Waves.RingDelay]; none means one ring.
func (p *Policy) Rings() []string {
	var names []string
	for _, r := range p.rule.Rings {
		names = append(names, string(r.Name))
	}
	return names
}

// Notes are what the author should know though the policy can be used: waivers of rules
// that it does not have, calendars that never open while a plan lives.
func (p *Policy) Notes() Problems { return p.notes }

// Shape is what the policy says of every plan made now.
func (p *Policy) Shape() Shape {
	r := p.rule
	s := Shape{
		Policy:    hotstick.PolicyRef{Name: string(r.Name), Digest: p.digest},
		Probation: time.Duration(r.Attempt.Probation), Transition: time.Duration(r.Attempt.Transition),
		Life: r.life(), Waves: r.Waves.shape(), Gate: r.Gate.shape(), Approvals: r.Plan.Approvals, Reapply: r.reapply(),
	}
	for driver, limit := range r.Attempt.TransitionBy {
		if s.TransitionBy == nil {
			s.TransitionBy = map[string]time.Duration{}
		}
		s.TransitionBy[driver] = time.Duration(limit)
	}
	for _, ring := range r.Rings {
		s.Waves.RingDelay = append(s.Waves.RingDelay, time.Duration(ring.After))
	}
	for _, b := range r.Budgets {
		s.Budgets = append(s.Budgets, b.shape())
	}
	s.Calendars = p.calendars(1 + len(p.ends))
	if r.Plan.Late != nil {
		s.Late = &hotstick.LateRule{Labels: maps.Clone(r.Plan.Late.Labels)}
	}
	return s
}

// calendars lists those that hosts may start in, for so many ends of waivers.
func (p *Policy) calendars(ends int) []hotstick.Calendar {
	var out []hotstick.Calendar
	for i, lots := range p.lots {
		for _, l := range lots[:ends<<p.chosen] {
			if len(l.opens) > 0 && !l.untouched && p.uses(p.bases[i]) {
				out = append(out, hotstick.Calendar{Name: l.name, Opens: slices.Clone(l.opens)})
			}
		}
	}
	return out
}

// uses tells whether some window names the calendar; without windows every host may
// start always.
func (p *Policy) uses(calendar string) bool {
	return len(p.rule.Windows) == 0 || slices.ContainsFunc(p.rule.Windows, func(w window) bool { return string(w.Calendar) == calendar })
}

func (w waves) shape() Waves {
	out := Waves{
		StandIns:  w.StandIns,
		FirstBake: time.Duration(w.Bake.First), CanaryBake: time.Duration(w.Bake.Canaries), Bake: time.Duration(w.Bake.Widening),
		Widen: slices.Clone(w.Widen), Spread: maps.Clone(w.Spread), Delay: time.Duration(w.Delay), Manual: w.Manual,
	}
	for _, key := range w.Representative {
		out.Representative = append(out.Representative, string(key))
	}
	return out
}

func (b budget) shape() hotstick.Budget {
	out := hotstick.Budget{Domain: string(b.Domain), Quorum: b.Quorum, MixedSeconds: int(time.Duration(b.Mixed) / time.Second)}
	if b.Max != nil {
		out.Max = *b.Max
	}
	if b.Percent != nil {
		out.Percent = *b.Percent
	}
	if b.Open != nil {
		out.Open = *b.Open
	}
	return out
}

func (g gate) shape() hotstick.GateSettings {
	return hotstick.GateSettings{
		MinReadings: g.MinReadings, FreshSeconds: int(time.Duration(g.Fresh) / time.Second),
		BackgroundPPM: g.BackgroundPPM, FalseAlarmPPM: g.FalseAlarmPPM,
		SlowTransitionMillis: int(time.Duration(g.SlowTransition) / time.Millisecond),
		StopAll:              g.StopAll,
	}
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
