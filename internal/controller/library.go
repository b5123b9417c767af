package controller

import (
	"fmt"
	"sync"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/statement"
	"github.com/hotstick/hotstick/internal/store"
)

// maxShelved bounds the plans that a library remembers.
const maxShelved = 64

// library remembers read plans and the trees over their hosts. A plan's ID is
// the digest of its bytes, so what is remembered can never be out of date.
type library struct {
	mu    sync.Mutex
	plans map[hotstick.PlanID]hotstick.Plan
	trees map[hotstick.PlanID]*statement.HostTree
}

func newLibrary() *library {
	return &library{plans: map[hotstick.PlanID]hotstick.Plan{}, trees: map[hotstick.PlanID]*statement.HostTree{}}
}

// plan reads a stored plan. Its signatures were verified before it was stored,
// and are again before it is started and by every loader.
func (l *library) plan(p store.Plan) (hotstick.Plan, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if plan, ok := l.plans[p.ID]; ok {
		return plan, nil
	}
	read, err := statement.ParsePlan(p.Envelope)
	if err != nil {
		return hotstick.Plan{}, err
	}
	if read.ID != p.ID {
		return hotstick.Plan{}, fmt.Errorf("cannot read plan %s: the store holds another one under its name", p.ID.Short())
	}
	if len(l.plans) >= maxShelved {
		clear(l.plans)
	}
	l.plans[p.ID] = read.Plan
	return read.Plan, nil
}

// prove returns the proof that the host at index is listed in the plan.
func (l *library) prove(tx store.Tx, id hotstick.PlanID, index int) ([]string, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	tree, ok := l.trees[id]
	if !ok {
		lines, err := tx.Plans().Hosts(id)
		if err != nil {
			return nil, err
		}
		var hosts []hotstick.PlanHost
		for _, line := range lines {
			if !line.Late { // late hosts are in no tree
				hosts = append(hosts, line.Listed)
			}
		}
		if tree, err = statement.NewHostTree(hosts); err != nil {
			return nil, err
		}
		if len(l.trees) >= maxShelved {
			clear(l.trees)
		}
		l.trees[id] = tree
	}
	return tree.Prove(int64(index))
}

// Plan reads the signed body of a stored plan.
func (c *Controller) Plan(p store.Plan) (hotstick.Plan, error) { return c.plans.plan(p) }
