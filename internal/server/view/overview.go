package view

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/api"
	"github.com/hotstick/hotstick/catalog"
	"github.com/hotstick/hotstick/internal/decide/why"
	"github.com/hotstick/hotstick/internal/store"
)

// Fleet is what the overview rests on.
type Fleet struct {
	Census Census
	// Rollouts are the summaries of plans that are not over, or still reverting,
	// newest first.
	Rollouts []api.RolloutSummary
	Bans     []store.Ban
	Events   []store.Event
	StopAll  bool
	// Unreconciled: the database was put back, and nothing starts.
	Unreconciled bool
}

// Overview makes the first page.
func (m Moment) Overview(f Fleet) api.Overview {
	o := api.Overview{Hosts: f.Census.Hosts, Silent: f.Census.Silent, Struck: f.Census.Struck, Drifting: f.Census.drifting(), Stalled: f.Census.Stalled, Rollouts: []api.RolloutSummary{}, Awaiting: []api.RolloutSummary{},
		Bans: Bans(f.Bans), Recalls: m.Recalls, Expiring: m.expiring(), Events: Events(f.Events), StopAll: f.StopAll, Unreconciled: f.Unreconciled, At: m.Now}
	for _, r := range f.Rollouts {
		if r.Status == hotstick.Proposed {
			o.Awaiting = append(o.Awaiting, r)
			continue
		}
		o.Rollouts = append(o.Rollouts, r)
	}
	o.Coverage = m.coverage(f)
	o.Headline = overviewHeadline(o)
	return o
}

// Bans makes the list of bans.
func Bans(bans []store.Ban) []api.Ban {
	out := make([]api.Ban, len(bans))
	for i, b := range bans {
		out[i] = api.Ban{Patch: b.Patch, Reason: *Reason(&b.Reason, why.Place{Patch: b.Patch}), At: b.At, By: b.By}
	}
	return out
}

// coverage counts, per kernel build, what its hosts truthfully run.
func (m Moment) coverage(f Fleet) []api.BuildCoverage {
	out := []api.BuildCoverage{}
	for build, runs := range f.Census.Builds {
		newest := m.newest(build, f.Bans)
		c := api.BuildCoverage{Build: build, Hosts: runs.Hosts, Newest: newest.Ref, CVEs: newest.CVEs, Levels: []api.LevelCount{}}
		for level, count := range runs.Levels {
			c.Levels = append(c.Levels, api.LevelCount{Level: level, Hosts: count})
			if !newest.Ref.IsZero() && level.Name == newest.Ref.Name && level.Level >= newest.Ref.Level {
				c.Covered += count
			}
		}
		slices.SortFunc(c.Levels, func(a, b api.LevelCount) int {
			return cmp.Or(cmp.Compare(a.Level.Name, b.Level.Name), cmp.Compare(a.Level.Level, b.Level.Level))
		})
		out = append(out, c)
	}
	slices.SortFunc(out, func(a, b api.BuildCoverage) int {
		return cmp.Or(cmp.Compare(a.Build.Release, b.Build.Release), cmp.Compare(a.Build.BuildID, b.Build.BuildID), cmp.Compare(a.Build.Arch, b.Build.Arch))
	})
	return out
}

// expiring is what of the catalog people must sign again within a week.
func (m Moment) expiring() []api.Expiry {
	var soon []api.Expiry
	for _, e := range m.Trusted.ExpiresWithin(m.Now, catalog.ExpiryWarning) {
		soon = append(soon, api.Expiry{Role: e.Role, At: e.At})
	}
	return soon
}

// recall is the one of a level that no clear has lifted, or nil.
func (m Moment) recall(ref hotstick.PatchRef) *hotstick.Recall {
	i := slices.IndexFunc(m.Recalls, func(r hotstick.Recall) bool { return r.Patch == ref })
	if i < 0 {
		return nil
	}
	return &m.Recalls[i]
}

// newest is the patch level published last that fits the build and is neither
// banned nor recalled; the zero patch if there is none.
func (m Moment) newest(build hotstick.KernelBuild, bans []store.Ban) hotstick.Patch {
	for _, p := range slices.Backward(m.Trusted.Patches) {
		banned := slices.ContainsFunc(bans, func(b store.Ban) bool { return b.Patch == p.Ref })
		if _, fits := p.Artifact(build); fits && !banned && m.recall(p.Ref) == nil {
			return p
		}
	}
	return hotstick.Patch{}
}

// overviewHeadline says the state first: what needs a person, what moves, how far
// the fleet is covered.
func overviewHeadline(o api.Overview) string {
	var parts []string
	if o.StopAll {
		parts = append(parts, "Everything is stopped: new starts are blocked")
	}
	if o.Unreconciled {
		parts = append(parts, "The database is an older one: nothing starts before it is reconciled")
	}
	for _, r := range o.Rollouts {
		switch {
		case r.Reverting:
			parts = append(parts, fmt.Sprintf("taking %s back", r.Patch))
		case r.Status == hotstick.Held:
			parts = append(parts, fmt.Sprintf("the rollout of %s is on hold", r.Patch))
		case r.Status == hotstick.Running:
			parts = append(parts, fmt.Sprintf("rolling out %s", r.Patch))
		}
	}
	if n := len(o.Awaiting); n > 0 {
		parts = append(parts, fmt.Sprintf("%s for approval", count(n, "plan waits", "plans wait")))
	}
	for _, e := range o.Expiring {
		parts = append(parts, expiryText(e, o.At))
	}
	parts = append(parts, coverageText(o))
	if o.Silent > 0 {
		parts = append(parts, fmt.Sprintf("%s silent", count(o.Silent, "host is", "hosts are")))
	}
	text := strings.Join(parts, "; ") + "."
	return strings.ToUpper(text[:1]) + text[1:]
}

// expiryText says what of the catalog people must sign again.
func expiryText(e api.Expiry, now time.Time) string {
	if left := e.At.Sub(now); left > 0 {
		return fmt.Sprintf("the catalog's %s must be signed again within %s", e.Role, left.Round(time.Hour))
	}
	return fmt.Sprintf("the catalog's %s has expired", e.Role)
}

func coverageText(o api.Overview) string {
	fitting, covered := 0, 0
	for _, c := range o.Coverage {
		if !c.Newest.IsZero() {
			fitting += c.Hosts
			covered += c.Covered
		}
	}
	switch {
	case o.Hosts == 0:
		return "no host has joined yet"
	case fitting == 0:
		return fmt.Sprintf("the catalog has no patch for the %s", count(o.Hosts, "host", "hosts"))
	}
	return fmt.Sprintf("%d of %s newest fix", covered, count(fitting, "host runs the", "hosts run the"))
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
