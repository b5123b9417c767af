package view

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/api"
	"github.com/hotstick/hotstick/internal/decide/why"
	"github.com/hotstick/hotstick/internal/store"
)

// listed bounds each list of a driver: tools and reasons are what hosts wrote.
const listed = 20

// ability is a [api.DriverAbility] as a map's key.
type ability struct {
	undo                   hotstick.Undo
	rollback, truth        string
	pinnable, asynchronous bool
}

// driverCount is a driver while its hosts are counted.
type driverCount struct {
	driver    api.Driver
	abilities map[ability]int
	tools     map[string]int
	reasons   map[hotstick.Reason]int
}

// Drivers counts what hosts say of each driver.
func Drivers(hosts []store.Host) []api.Driver {
	counts := map[string]*driverCount{}
	for _, h := range hosts {
		if h.Facts == nil {
			continue
		}
		for _, c := range h.Facts.Drivers {
			d := counts[c.Driver]
			if d == nil {
				d = &driverCount{abilities: map[ability]int{}, tools: map[string]int{}, reasons: map[hotstick.Reason]int{}}
				class := hotstick.ClassOf(c.Driver)
				d.driver = api.Driver{Driver: c.Driver, Class: class, Reboots: hotstick.Reboots(c.Driver)}
				if class != "" {
					d.driver.Claim = class.Claim()
				}
				counts[c.Driver] = d
			}
			d.add(h, c)
		}
	}
	out := []api.Driver{}
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		out = append(out, counts[name].done())
	}
	return out
}

func (d *driverCount) add(h store.Host, c hotstick.Capabilities) {
	d.driver.Hosts++
	if !c.CoverUntil.IsZero() {
		if d.driver.Cover == nil {
			d.driver.Cover = map[string]int{}
		}
		d.driver.Cover[c.CoverUntil.UTC().Format("2006-01")]++
	}
	if !c.Available {
		reason := hotstick.Reason{Code: hotstick.ReasonUnsupported}
		if c.Reason != nil {
			reason = hotstick.Reason{Code: c.Reason.Code, Detail: c.Reason.Detail}
		}
		d.reasons[reason]++
		return
	}
	d.driver.Available++
	var back []string
	for _, r := range c.Rollback {
		back = append(back, string(r))
	}
	d.abilities[ability{undo: c.Undo, rollback: strings.Join(back, ","), truth: c.Truth, pinnable: c.Pinnable, asynchronous: c.Asynchronous}]++
	if c.Tool != "" {
		d.tools[c.Tool]++
	}
	switch {
	case !c.Schedules:
	case c.Held:
		d.driver.Scheduling++
		d.driver.Held++
	default:
		d.driver.Scheduling++
		if len(d.driver.Unheld) < listed {
			d.driver.Unheld = append(d.driver.Unheld, api.HostRef{Host: h.ID, Name: h.Name})
		}
	}
}

func (d *driverCount) done() api.Driver {
	out := d.driver
	for _, a := range most(d.abilities, func(a ability) string { return string(a.undo) + a.rollback + a.truth }) {
		can := api.DriverAbility{Undo: a.undo, Rollback: []hotstick.Reversibility{}, Pinnable: a.pinnable, Asynchronous: a.asynchronous, Truth: a.truth, Hosts: d.abilities[a]}
		for r := range strings.SplitSeq(a.rollback, ",") {
			if r != "" {
				can.Rollback = append(can.Rollback, hotstick.Reversibility(r))
			}
		}
		out.Abilities = append(out.Abilities, can)
	}
	for _, tool := range most(d.tools, func(s string) string { return s }) {
		out.Tools = append(out.Tools, api.DriverTool{Tool: tool, Hosts: d.tools[tool]})
	}
	for _, r := range most(d.reasons, func(r hotstick.Reason) string { return string(r.Code) + r.Detail }) {
		out.Reasons = append(out.Reasons, api.DriverReason{Reason: *Reason(&r, why.Place{}), Hosts: d.reasons[r]})
	}
	return out
}

// most are the keys with the most hosts, as many as are listed.
func most[K comparable](counts map[K]int, name func(K) string) []K {
	keys := slices.SortedFunc(maps.Keys(counts), func(a, b K) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(name(a), name(b)))
	})
	return keys[:min(len(keys), listed)]
}
