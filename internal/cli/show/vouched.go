package show

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hotstick/hotstick"
)

// What a signature under a plan vouches for, beside which hosts and when: who loads what,
// which commands run, and which hosts are rebooted.

// Rebooted counts the hosts that the plan reboots.
func (r Review) Rebooted() int {
	n := 0
	for driver, hosts := range r.drivers() {
		if hotstick.Reboots(driver) {
			n += hosts
		}
	}
	return n
}

// Question asks a person for the signature, with what a reader must not miss.
func (r Review) Question(what string, person hotstick.Person) string {
	question := fmt.Sprintf("%s this plan as %s?", what, Clean(string(person)))
	if r.Rebooted() > 0 {
		question = r.reboots() + ". " + question
	}
	return question
}

func (r Review) reboots() string {
	switch n := r.Rebooted(); n {
	case 0:
		return "no host is rebooted"
	case 1:
		return fmt.Sprintf("1 host of %d is rebooted", len(r.Hosts))
	default:
		return fmt.Sprintf("%d hosts of %d are rebooted", n, len(r.Hosts))
	}
}

// drivers counts the plan's hosts by the driver of their lane.
func (r Review) drivers() map[string]int {
	hosts := map[string]int{}
	for _, h := range r.Hosts {
		if lane, ok := r.Plan.LaneOf(h); ok {
			hosts[lane.Driver]++
		}
	}
	return hosts
}

// classes counts the plan's hosts by trust class, the one that holds most first.
func (r Review) classes() string {
	hosts := map[hotstick.TrustClass]int{}
	for driver, n := range r.drivers() {
		hosts[hotstick.ClassOf(driver)] += n
	}
	var out []string
	for _, class := range []hotstick.TrustClass{hotstick.TrustBytes, hotstick.TrustPin, hotstick.TrustStep, ""} {
		if hosts[class] > 0 {
			out = append(out, fmt.Sprintf("%s on %s", orNone(string(class)), plural(hosts[class], "host", "hosts")))
		}
	}
	return strings.Join(out, ", ")
}

// runs prints what vendors' systems are told to do, which whoever signs vouches for: on
// the way in, and on the way back.
func (r Review) runs(p *page, st Style) {
	t := Table{Header: []string{"KERNEL", "DRIVER", "WHEN", "LISTED AS", "WHAT RUNS"}}
	add := func(l hotstick.Lane, when string, artifact hotstick.Digest) {
		if recipe, ok := r.Recipes[artifact]; ok {
			t.Rows = append(t.Rows, []Cell{text(l.Build.Release), text(l.Driver), text(when), text(recipe.Module), text(recipeText(recipe))})
		}
	}
	for _, l := range r.Plan.Lanes {
		add(l, "applied", l.Artifact)
		for _, back := range l.RevertTo {
			add(l, "going back", back.Artifact)
		}
	}
	if len(t.Rows) > 0 {
		p.table(st, "What runs on the hosts (read from the recipes that the catalog's publishers signed)", t)
	}
}

// claims says what a signature under the plan promises of each driver, and on how many
// hosts.
func (r Review) claims(p *page, st Style) {
	hosts := r.drivers()
	t := Table{Header: []string{"DRIVER", "HOSTS", "CLASS", "WHAT HOLDS"}}
	for _, driver := range slices.Sorted(maps.Keys(hosts)) {
		class := hotstick.ClassOf(driver)
		t.Rows = append(t.Rows, []Cell{text(driver), number(hosts[driver]), text(orNone(string(class))), {Text: class.Claim()}})
	}
	p.table(st, "What holds of what is loaded", t)
}
