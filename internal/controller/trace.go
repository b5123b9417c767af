package controller

import (
	"context"
	"encoding/json"
	"strconv"
	"sync"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/audit"
	"github.com/hotstick/hotstick/internal/decide/gate"
	"github.com/hotstick/hotstick/internal/inventory"
	"github.com/hotstick/hotstick/internal/statement"
	"github.com/hotstick/hotstick/internal/store"
	"github.com/hotstick/hotstick/internal/trace"
)

// tracer writes what this server committed into a trace. It works from the audit
// log, which has an event for every change.
type tracer struct {
	sink trace.Sink
	node string
	// order is held from the commit until its events are emitted, so that the trace has
	// them in the order of the audit log. It is taken only where somebody reads the
	// trace.
	order sync.Mutex
	// gates are the verdicts of the decision that is committed, one a wave, of which
	// the first told were emitted. Who decides has them alone.
	gates []gate.Verdict
	told  int
}

// on reports whether anybody reads the trace.
func (t *tracer) on() bool { return t.sink != trace.Discard }

// trace emits the events of one commit.
func (c *Controller) trace(ctx context.Context, from, until int64) error {
	if from == until {
		return nil
	}
	return c.store.View(ctx, func(tx store.Tx) error { return c.emitAll(tx, from, until) })
}

// traceMissing emits what an earlier server of the same trace committed and could not
// tell any more, because it was killed.
func (c *Controller) traceMissing(tx store.Tx, next int64) error {
	kept, ok := c.tracer.sink.(interface{ Leaves() uint64 })
	if !ok || kept.Leaves() == 0 || int64(kept.Leaves()) >= next {
		return nil
	}
	return c.emitAll(tx, int64(kept.Leaves()), next)
}

func (c *Controller) emitAll(tx store.Tx, from, until int64) error {
	events, err := tx.Events().List(store.EventFilter{From: from, Before: until})
	if err != nil {
		return err
	}
	for i := len(events) - 1; i >= 0; i-- {
		if err := c.emit(tx, events[i]); err != nil {
			return err
		}
	}
	return nil
}

func (c *Controller) emit(tx store.Tx, e store.Event) error {
	out := trace.Event{T: e.At.UnixNano(), Node: c.tracer.node, Host: e.Host, Plan: e.Plan, Patch: e.Patch, Generation: e.Generation, To: e.State}
	if e.Reason != nil {
		out.Cause = string(e.Reason.Code)
	}
	var err error
	switch e.Kind {
	case inventory.PlanProposed:
		err = c.emitPlan(tx, out)
	case inventory.PlanStatus:
		if out.Kind = trace.KindPlanStatus; e.Plan != "" {
			out.From, err = stateBefore(tx, e)
		}
	case inventory.HostState:
		out.Kind = trace.KindHostState
		err = c.emitState(tx, e, out)
	case inventory.SlotsReleased:
		err = c.emitFreed(tx, out)
	case inventory.GrantIssued:
		err = c.emitGrant(tx, e, out)
	case inventory.PatchBanned:
		out.Kind = trace.KindBan
	case inventory.PatchStopped:
		out.Kind = trace.KindCrashStop
		err = c.fillCrash(tx, e, &out)
	case inventory.PatchCleared, inventory.HostCleared:
		out.Kind, out.To = trace.KindClear, ""
	case inventory.FleetStopped:
		out.Kind, out.To = trace.KindStopAll, "on"
	case inventory.FleetLifted:
		out.Kind, out.To = trace.KindStopAll, "off"
	case inventory.HostRevoked:
		out.Kind, out.To = trace.KindWriteOff, ""
	}
	if err != nil {
		return err
	}
	if out.Kind != "" && out.Kind != trace.KindHostState && out.Kind != trace.KindGrant {
		c.tracer.sink.Emit(out)
	}
	head, err := audit.NewHead(e.Seq+1, tx.Events())
	if err != nil {
		return err
	}
	c.tracer.sink.Emit(trace.Event{T: out.T, Node: c.tracer.node, Kind: trace.KindLeaf, Host: e.Host, Generation: uint64(head.Size), Detail: audit.Hash(head.Root).String()})
	return nil
}

// emitPlan tells all of a plan that became known.
func (c *Controller) emitPlan(tx store.Tx, out trace.Event) error {
	plan, err := tx.Plans().Get(out.Plan)
	if err != nil {
		return err
	}
	read, err := statement.InspectPlan(plan.Envelope, c.catalog.View().Trust)
	if err != nil {
		return err
	}
	lines, err := tx.Plans().Hosts(plan.ID)
	if err != nil {
		return err
	}
	body := trace.PlanBody{Plan: read.Plan, Approvers: read.Approvers}
	for _, line := range lines {
		body.Hosts = append(body.Hosts, line.Listed)
	}
	out.Kind, out.Epoch = trace.KindPlan, read.Plan.Epoch
	out.Body, err = json.Marshal(body)
	c.tracer.sink.Emit(out)
	return err
}

// emitState tells of a host's new state, and of the slots that it took for it.
func (c *Controller) emitState(tx store.Tx, e store.Event, out trace.Event) error {
	line, err := tx.Plans().Host(e.Plan, e.Host)
	if err != nil {
		return err
	}
	out.Attempt = line.Attempt
	if out.From, err = stateBefore(tx, e); err != nil {
		return err
	}
	back := e.State == string(hotstick.Reverting) && out.From == string(hotstick.Confirmed)
	if e.State == string(hotstick.Admitted) {
		c.emitGates(e, waveOf(line))
	}
	if back || e.State == string(hotstick.Admitted) {
		held, err := tx.Slots().Held(e.Plan, e.Host)
		if err != nil {
			return err
		}
		for _, s := range held {
			c.tracer.sink.Emit(trace.Event{T: out.T, Node: c.tracer.node, Kind: trace.KindSlot, To: "taken", Plan: s.Plan, Host: s.Host,
				Domains: map[string]string{s.Domain: s.Value}, Detail: strconv.Itoa(s.Index)})
		}
	}
	c.tracer.sink.Emit(out)
	return nil
}

// emitGates tells what the gates before a wave said when a host of it was admitted.
func (c *Controller) emitGates(e store.Event, wave int) {
	t := &c.tracer
	for ; t.told < min(wave, len(t.gates)); t.told++ {
		v := t.gates[t.told]
		out := trace.Event{T: e.At.UnixNano(), Node: t.node, Kind: trace.KindGate, Plan: e.Plan, Patch: e.Patch, Wave: t.told,
			Generation: e.Generation, To: string(v.Outcome)}
		if v.Outcome != gate.Pass {
			out.Cause = string(v.Reason.Code)
		}
		t.sink.Emit(out)
	}
}

// emitFreed tells of each domain in which the host held a slot.
func (c *Controller) emitFreed(tx store.Tx, out trace.Event) error {
	plan, err := tx.Plans().Get(out.Plan)
	if err != nil {
		return err
	}
	body, err := c.plans.plan(plan)
	if err != nil {
		return err
	}
	line, err := tx.Plans().Host(out.Plan, out.Host)
	if err != nil {
		return err
	}
	for _, b := range body.Budgets {
		value := line.Listed.Domains[b.Domain]
		if b.Domain == hotstick.FleetDomain {
			value = "all"
		}
		c.tracer.sink.Emit(trace.Event{T: out.T, Node: c.tracer.node, Kind: trace.KindSlot, To: "free", Plan: out.Plan, Host: out.Host,
			Domains: map[string]string{b.Domain: value}})
	}
	return nil
}

func (c *Controller) emitGrant(tx store.Tx, e store.Event, out trace.Event) error {
	line, err := tx.Plans().Host(e.Plan, e.Host)
	if err != nil {
		return err
	}
	h, err := tx.Hosts().Get(e.Host)
	if err != nil {
		return err
	}
	c.tracer.sink.Emit(trace.Event{T: out.T, Node: c.tracer.node, Kind: trace.KindGrant, Plan: e.Plan, Host: e.Host, Patch: e.Patch,
		Boot: h.Boot, Epoch: c.catalog.View().Trust.Epoch, Generation: e.Generation, Attempt: line.Attempt,
		Wave: waveOf(line), Grant: hotstick.Digest(e.State), Detail: inventory.Model(h)})
	return nil
}

// fillCrash names the kind of machine on which a level is stopped.
func (c *Controller) fillCrash(tx store.Tx, e store.Event, out *trace.Event) error {
	line, err := tx.Plans().Host(e.Plan, e.Host)
	out.To = line.Listed.Build.BuildID
	for _, v := range e.Evidence {
		if v.Kind == "model" {
			out.Detail = v.Text
		}
	}
	return err
}

// stateBefore is the state that the same thing had before an event: of a host in a
// plan, or of a plan.
func stateBefore(tx store.Tx, e store.Event) (string, error) {
	for before := e.Seq; before > 0; {
		page, err := tx.Events().List(store.EventFilter{Plan: e.Plan, Host: e.Host, Before: before, Limit: 64})
		if err != nil {
			return "", err
		}
		for _, old := range page {
			if old.Kind == e.Kind && old.Plan == e.Plan && old.Host == e.Host {
				return old.State, nil
			}
			before = old.Seq
		}
		if len(page) < 64 {
			break
		}
	}
	if e.Host != "" {
		return string(hotstick.Waiting), nil
	}
	return string(hotstick.Proposed), nil
}
