package controller

import (
	"cmp"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/decide/rollout"
	"github.com/hotstick/hotstick/internal/inventory"
	"github.com/hotstick/hotstick/internal/planted"
	"github.com/hotstick/hotstick/internal/store"
)

// View gathers everything that a decision on the plan rests on, as the
// transaction sees it. It reads every host of the plan: [Controller.Ask] does not.
func (c *Controller) View(tx store.Tx, plan store.Plan) (rollout.View, error) {
	c.picture.mu.Lock()
	defer c.picture.mu.Unlock()
	if c.picture.next < 0 {
		if err := c.picture.prime(tx, c.limitsAt(tx.Now()).SilentAfter); err != nil {
			return rollout.View{}, err
		}
	}
	return c.view(tx, plan)
}

// view is View for whoever holds the lock of the picture.
func (c *Controller) view(tx store.Tx, plan store.Plan) (rollout.View, error) {
	body, err := c.plans.plan(plan)
	if err != nil {
		return rollout.View{}, err
	}
	v := rollout.View{Plan: body, ID: plan.ID}
	if v.Frame, err = c.frame(tx, plan, body); err != nil {
		return v, err
	}
	slots, err := tx.Slots().List()
	if err != nil {
		return v, err
	}
	for _, s := range slots {
		v.Slots = append(v.Slots, viewSlot(s))
	}
	lines, err := tx.Plans().Hosts(plan.ID)
	if err != nil {
		return v, err
	}
	exclusions, err := tx.Hosts().Exclusions()
	if err != nil {
		return v, err
	}
	v.Hosts = make([]rollout.Host, len(lines))
	lanes := body.IndexLanes()
	for i, line := range lines {
		h, err := tx.Hosts().Get(line.Listed.Host)
		if err != nil {
			return v, err
		}
		v.Hosts[i] = c.viewHost(body, lanes, line, h)
		v.Hosts[i].Elsewhere = c.picture.elsewhere(plan.ID, h.ID)
		if v.Hosts[i].Drift, err = driftOf(tx, plan.ID, body, h); err != nil {
			return v, err
		}
		e, ok := slices.BinarySearchFunc(exclusions, h.ID, func(e store.Exclusion, id hotstick.HostID) int { return cmp.Compare(e.Host, id) })
		if ok && v.Hosts[i].Excluded == nil {
			v.Hosts[i].Excluded = excluded(exclusions[e])
		}
	}
	v.Outsiders, err = c.outsiders(tx, v)
	return v, err
}

// frame gathers what holds for the whole plan.
func (c *Controller) frame(tx store.Tx, plan store.Plan, body hotstick.Plan) (rollout.Frame, error) {
	f := rollout.Frame{Status: plan.Status, Reason: plan.Reason, Reverting: plan.Reverting, Promoted: plan.Promoted, Reopened: plan.Reopened,
		Limits: c.limitsAt(tx.Now()), Outdated: c.outdated(body)}
	var err error
	if f.Started, err = c.started(tx, plan, body); err != nil {
		return f, err
	}
	if f.StopAll, err = tx.Bans().StopAll(); err != nil {
		return f, err
	}
	if f.Unreconciled, err = inventory.Unreconciled(tx); err != nil {
		return f, err
	}
	if err := c.forbidIn(tx, &f, body); err != nil {
		return f, err
	}
	freezes, err := tx.Bans().Freezes()
	for _, z := range freezes {
		if z.Until.After(tx.Now()) {
			f.Freezes = append(f.Freezes, rollout.Freeze{Interval: hotstick.Interval{From: z.From, Until: z.Until}, Reason: z.Reason})
		}
	}
	return f, err
}

// forbidIn says which of a plan's patches are banned, recalled, or stopped on some kinds
// of machines.
func (c *Controller) forbidIn(tx store.Tx, f *rollout.Frame, body hotstick.Plan) error {
	patches := body.Patches()
	for _, patch := range patches {
		ban, err := banned(tx, patch)
		if err != nil {
			return err
		}
		recall, err := Recalled(tx, c.catalog.View(), patch)
		if err != nil {
			return err
		}
		stopped, err := crashes(tx, patch)
		if err != nil {
			return err
		}
		f.Crashes = append(f.Crashes, stopped...)
		if len(patches) == 1 {
			f.Banned, f.Recalled = ban, recall
			return nil
		}
		switch {
		case recall != nil:
			f.Stopped = append(f.Stopped, rollout.Stopped{Patch: patch, Back: recall.Action == hotstick.RecallRevert,
				Reason: hotstick.Reason{Code: hotstick.ReasonRecalled, Subject: patch.String(), Detail: recall.Reason}})
			if f.Recalled == nil || recall.Action == hotstick.RecallBlock {
				f.Recalled = recall
			}
		case ban:
			f.Stopped = append(f.Stopped, rollout.Stopped{Patch: patch, Reason: hotstick.Reason{Code: hotstick.ReasonBanned, Subject: patch.String()}})
			f.Banned = true
		}
	}
	if len(f.Stopped) < len(patches) {
		f.Banned, f.Recalled = false, nil
	} else if f.Banned {
		f.Recalled = nil // a clear may lift the ban
	}
	return nil
}

// crashes are the kinds of machines on which a level is stopped.
func crashes(tx store.Tx, patch hotstick.PatchRef) ([]rollout.Crash, error) {
	stops, err := tx.Bans().CrashStops(patch)
	var out []rollout.Crash
	for _, s := range stops {
		out = append(out, rollout.Crash{Print: s.Print, Host: s.HostName})
	}
	return out, err
}

// outdated reports whether the epoch has changed since the plan was signed.
func (c *Controller) outdated(body hotstick.Plan) bool {
	return body.Epoch < c.catalog.View().Trust.Epoch && !planted.Bug("old-epoch-taken")
}

// maxChain bounds how many plans may continue one another before their delays
// count anew.
const maxChain = 64

// started is when the plan's delays began to count: loaders count them from the
// first plan of a chain of plans that continue one another.
func (c *Controller) started(tx store.Tx, plan store.Plan, body hotstick.Plan) (*time.Time, error) {
	at := plan.Started
	for range maxChain {
		if at == nil || body.Continues == "" {
			break
		}
		older, err := tx.Plans().Get(body.Continues)
		if errors.Is(err, store.ErrNotFound) {
			break
		}
		if err != nil {
			return nil, err
		}
		if body, err = c.plans.plan(older); err != nil {
			return nil, err
		}
		if older.Started != nil {
			at = older.Started
		}
	}
	return at, nil
}

func viewSlot(s store.Slot) rollout.Slot {
	return rollout.Slot{Domain: s.Domain, Value: s.Value, Index: s.Index, Plan: s.Plan, Host: s.Host}
}

// viewHost is what is known of a listed host, but for what other plans do and
// whether it is excluded.
func (c *Controller) viewHost(body hotstick.Plan, lanes hotstick.LaneIndex, line store.PlanHost, h store.Host) rollout.Host {
	patch := line.Listed.PatchIn(body.Patch)
	lane, _ := lanes.Of(line.Listed)
	v := rollout.Host{
		Listed: line.Listed, State: line.State, Attempt: line.Attempt, Reason: line.Reason,
		Evidence: line.Evidence, Updated: line.Updated, Granted: line.Granted,
		Timing: line.Timing, Began: line.Started != nil, Standing: line.Standing, Late: line.Late, Recall: line.Recall, Reapplied: line.Reapplied,
		Posture: rollout.Posture{
			LastSeen:       h.LastSeen,
			Announced:      slices.Contains(h.Loader.Plans, line.Plan),
			Busy:           h.Loader.Busy,
			Struck:         slices.Contains(h.Loader.Strikes, patch),
			RevertedBefore: slices.Contains(h.Reverted, patch),
			InEffect:       c.inEffect(h),
			Runs:           h.Loader.InEffect,
			Excluded:       cloned(h),
			Barred:         inventory.Barred(h, lane.Driver),
			Model:          inventory.Model(h),
			Build:          runs(h),
		},
	}
	if !line.State.HoldsSlot() {
		v.IllSince = illSince(h)
	}
	if line.State == hotstick.Confirmed && line.Reason != nil && line.Reason.Code == hotstick.ReasonCrash && line.Ended != nil {
		v.Crashed = *line.Ended
	}
	return v
}

// runs is the kernel build that a host runs, as far as it said.
func runs(h store.Host) hotstick.KernelBuild {
	if h.Facts == nil {
		return hotstick.KernelBuild{}
	}
	return h.Facts.Kernel.Build
}

// outsiders lists the hosts that the plan does not list and that are down in a
// domain of its hosts.
func (c *Controller) outsiders(tx store.Tx, v rollout.View) ([]rollout.Outsider, error) {
	in := domainsOf(v)
	if len(in) == 0 {
		return nil, nil
	}
	listed := make(map[hotstick.HostID]bool, len(v.Hosts))
	for _, h := range v.Hosts {
		listed[h.Listed.Host] = true
	}
	var found []rollout.Outsider
	for id, k := range c.picture.hosts {
		if !k.down || listed[id] {
			continue
		}
		h, err := tx.Hosts().Get(id)
		if err != nil {
			return nil, err
		}
		if o, down := c.outsider(v.Plan, in, h); down {
			found = append(found, o)
		}
	}
	slices.SortFunc(found, func(a, b rollout.Outsider) int { return cmp.Compare(a.Host, b.Host) })
	return found, nil
}

// domainsOf sorts a plan's hosts into their domains.
func domainsOf(v rollout.View) domains {
	in := domains{}
	for _, b := range v.Plan.Budgets {
		if b.Domain == hotstick.FleetDomain {
			continue
		}
		values := map[string][]hotstick.HostID{}
		for _, h := range v.Hosts {
			value := h.Listed.Domains[b.Domain]
			values[value] = append(values[value], h.Listed.Host)
		}
		in[b.Domain] = values
	}
	return in
}

// modules keeps the index over the catalog's modules until the catalog changes.
type modules struct {
	mu      sync.Mutex
	version int64
	index   inventory.Modules
}

// inEffect is the level in a host's kernel by its newest check-in, however old.
func (c *Controller) inEffect(h store.Host) hotstick.PatchRef {
	if len(h.Patches) == 0 {
		return hotstick.PatchRef{}
	}
	return inventory.Read(h, c.index(), h.LastSeen, 0).Level
}

// index tells which modules are the catalog's.
func (c *Controller) index() inventory.Modules {
	view := c.catalog.View()
	c.modules.mu.Lock()
	if c.modules.index == nil || c.modules.version != view.Version {
		c.modules.version, c.modules.index = view.Version, inventory.NewModules(view.Patches)
	}
	index := c.modules.index
	c.modules.mu.Unlock()
	return index
}

// limitsAt returns the limits for a decision at now: until the grace after a
// start is over, the time that the server was away does not count as silence.
func (c *Controller) limitsAt(now time.Time) rollout.Limits {
	c.mu.Lock()
	defer c.mu.Unlock()
	limits := c.limits
	if now.Before(c.graceEnd) {
		limits.SilentAfter += c.away
		limits.Away = c.away
	}
	return limits
}
