package policy

import (
	"fmt"
	"slices"

	"github.com/hotstick/hotstick"
)

// hasRule tells whether the policy has a rule of that name, which a waiver may except
// from: one of eligible or of demand_reversibility.
func (p *policyRule) hasRule(name string) bool {
	return slices.ContainsFunc(p.Eligible, func(r rule) bool { return string(r.Name) == name }) ||
		slices.ContainsFunc(p.Demands, func(d demand) bool { return string(d.Name) == name })
}

// checkDemands wants names that no other rule has, for waivers name them.
func (p *policyRule) checkDemands(s *Set, names map[label]bool) {
	for i, d := range p.Demands {
		path := fmt.Sprintf("demand_reversibility[%d]", i)
		p.named(names, path, d.Name)
		if d.Class == "" {
			p.Wrong(path, "add class: live, downgrade or reboot", "cannot use a demand without a class")
		}
		p.demands = append(p.demands, s.compile(p.Binder, path+".when", d.When, true))
	}
	p.reachable("demand_reversibility", p.demands)
}

// unmet finds the demand on a host that the patch's way back there does not meet, with
// the verdict; nil if there is none. A demand whose expression fails is not met.
func (j *Judge) unmet(h *Host) (*demand, Verdict) {
	for i, c := range j.demands {
		d := &j.policy.rule.Demands[i]
		o := c.judge(&j.world)
		if o.err != nil {
			return d, failed(string(d.Name), o)
		}
		if !o.held {
			continue
		}
		there, because := j.wayBack(h)
		if there.AtLeast(hotstick.Reversibility(d.Class)) {
			return nil, Verdict{}
		}
		return d, Verdict{Reason: &hotstick.Reason{Code: hotstick.ReasonNotReversible, Subject: string(d.Name),
			Detail: fmt.Sprintf("it wants %s, and %s", d.Class, because)}}
	}
	return nil, Verdict{}
}

// wayBack is how the patch leaves a host again, and who says so: the worse of what the
// catalog says of the level and what the host says of the driver.
func (j *Judge) wayBack(h *Host) (hotstick.Reversibility, string) {
	level := hotstick.Reversibility(j.patch.Reversibility)
	driver, said := h.WayBack[j.patch.Driver]
	switch {
	case said && !hotstick.Reversibility(driver).AtLeast(level):
		return hotstick.Reversibility(driver), fmt.Sprintf("the best that driver %s has on the host is %s", j.patch.Driver, driver)
	case level == "":
		return level, "nobody says how the level goes back"
	}
	return level, fmt.Sprintf("the level's way back is %s", level)
}

// explainDemand adds the demands up to the first that holds, and whether it is met.
func (j *Judge) explainDemand(h *Host, t *Trace) {
	for _, d := range j.policy.rule.Demands {
		if s := t.add(j.step("demand_reversibility", string(d.Name), d.When)); !s.Held {
			continue
		}
		there, because := j.wayBack(h)
		met := Step{List: "way_back", Name: string(d.Name), When: string(d.Class), Because: because,
			Held: there.AtLeast(hotstick.Reversibility(d.Class))}
		if w := j.waiverFor(d.Name); !met.Held && w != nil {
			met.Waiver = w.shown()
		}
		t.add(met)
		return
	}
}
