package memory

import (
	"cmp"
	"slices"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/store"
)

// planRows holds plans and their lines.
type planRows struct {
	byID  map[hotstick.PlanID]store.Plan
	lines map[lineKey]store.PlanHost
	// listed are a plan's hosts by index; late ones are appended. ofHost are the
	// plans that list a host.
	listed map[hotstick.PlanID][]hotstick.HostID
	ofHost map[hotstick.HostID][]hotstick.PlanID
}

type lineKey struct {
	plan hotstick.PlanID
	host hotstick.HostID
}

func newPlanRows() planRows {
	return planRows{
		byID:   map[hotstick.PlanID]store.Plan{},
		lines:  map[lineKey]store.PlanHost{},
		listed: map[hotstick.PlanID][]hotstick.HostID{},
		ofHost: map[hotstick.HostID][]hotstick.PlanID{},
	}
}

// newestFirst orders plans for lists.
func newestFirst(a, b store.Plan) int {
	return cmp.Or(b.Created.Compare(a.Created), cmp.Compare(a.ID, b.ID))
}

type planTable struct{ *tx }

func (t planTable) Create(p store.Plan, hosts []store.PlanHost) error {
	if err := t.writable(); err != nil {
		return err
	}
	if _, ok := t.s.plans.byID[p.ID]; ok || store.ListedTwice(hosts) {
		return store.ErrTaken
	}
	hosts = slices.Clone(hosts)
	slices.SortFunc(hosts, func(a, b store.PlanHost) int { return cmp.Compare(a.Index, b.Index) })
	listed := make([]hotstick.HostID, len(hosts))
	rows := &t.s.plans
	for i, h := range hosts {
		h = h.Clone()
		h.Plan = p.ID
		id := h.Listed.Host
		listed[i] = id
		set(t.tx, rows.lines, lineKey{p.ID, id}, h)
		set(t.tx, rows.ofHost, id, append(slices.Clip(rows.ofHost[id]), p.ID))
	}
	set(t.tx, rows.listed, p.ID, listed)
	set(t.tx, rows.byID, p.ID, p.Clone())
	return nil
}

func (t planTable) Get(id hotstick.PlanID) (store.Plan, error) {
	return get(t.tx, t.s.plans.byID, id)
}

func (t planTable) List(active bool) ([]store.Plan, error) {
	if err := t.usable(); err != nil {
		return nil, err
	}
	var plans []store.Plan
	for _, p := range t.s.plans.byID {
		if !active || !p.Status.Over() {
			plans = append(plans, p.Clone())
		}
	}
	slices.SortFunc(plans, newestFirst)
	return plans, nil
}

func (t planTable) Unfinished() ([]store.Plan, error) {
	plans, err := t.List(false)
	return slices.DeleteFunc(plans, func(p store.Plan) bool { return p.Status.Over() && !t.unfinished(p) }), err
}

func (t planTable) unfinished(p store.Plan) bool {
	return slices.ContainsFunc(t.s.plans.listed[p.ID], func(host hotstick.HostID) bool {
		return t.s.plans.lines[lineKey{p.ID, host}].Unfinished(p)
	})
}

func (t planTable) Advance(p store.Plan) error {
	if err := t.writable(); err != nil {
		return err
	}
	old, ok := t.s.plans.byID[p.ID]
	switch {
	case !ok:
		return store.ErrNotFound
	case old.Generation != p.Generation:
		return store.ErrConflict
	}
	p = p.Clone()
	p.Generation++
	set(t.tx, t.s.plans.byID, p.ID, p)
	return nil
}

func (t planTable) Hosts(id hotstick.PlanID) ([]store.PlanHost, error) {
	if err := t.usable(); err != nil {
		return nil, err
	}
	if _, ok := t.s.plans.byID[id]; !ok {
		return nil, store.ErrNotFound
	}
	var hosts []store.PlanHost
	for _, host := range t.s.plans.listed[id] {
		hosts = append(hosts, t.s.plans.lines[lineKey{id, host}].Clone())
	}
	return hosts, nil
}

func (t planTable) Host(id hotstick.PlanID, host hotstick.HostID) (store.PlanHost, error) {
	return get(t.tx, t.s.plans.lines, lineKey{id, host})
}

func (t planTable) PutHost(h store.PlanHost) error {
	if err := t.writable(); err != nil {
		return err
	}
	key := lineKey{h.Plan, h.Listed.Host}
	old, ok := t.s.plans.lines[key]
	if !ok {
		return store.ErrNotFound
	}
	h = h.Clone()
	h.Index, h.Listed, h.Late = old.Index, old.Listed, old.Late
	set(t.tx, t.s.plans.lines, key, h)
	return nil
}

func (t planTable) AddLate(h store.PlanHost) (store.PlanHost, error) {
	if err := t.writable(); err != nil {
		return h, err
	}
	rows := &t.s.plans
	id, key := h.Listed.Host, lineKey{h.Plan, h.Listed.Host}
	if _, ok := rows.byID[h.Plan]; !ok {
		return h, store.ErrNotFound
	}
	if _, ok := rows.lines[key]; ok {
		return h, store.ErrTaken
	}
	h = h.Clone()
	h.Index, h.Late = 0, true
	if listed := rows.listed[h.Plan]; len(listed) > 0 {
		h.Index = rows.lines[lineKey{h.Plan, listed[len(listed)-1]}].Index + 1
	}
	set(t.tx, rows.lines, key, h)
	set(t.tx, rows.ofHost, id, append(slices.Clip(rows.ofHost[id]), h.Plan))
	set(t.tx, rows.listed, h.Plan, append(rows.listed[h.Plan], id))
	return h.Clone(), nil
}

func (t planTable) OfHost(host hotstick.HostID) ([]store.PlanHost, error) {
	if err := t.usable(); err != nil {
		return nil, err
	}
	plans := slices.Clone(t.s.plans.ofHost[host])
	slices.SortFunc(plans, func(a, b hotstick.PlanID) int {
		return newestFirst(t.s.plans.byID[a], t.s.plans.byID[b])
	})
	var lines []store.PlanHost
	for _, p := range plans {
		lines = append(lines, t.s.plans.lines[lineKey{p, host}].Clone())
	}
	return lines, nil
}
