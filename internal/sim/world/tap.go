package world

import (
	"context"
	"encoding/hex"
	"errors"
	"strconv"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/inventory"
	"github.com/hotstick/hotstick/internal/sim/checker"
	"github.com/hotstick/hotstick/internal/statement"
	"github.com/hotstick/hotstick/internal/store"
	"github.com/hotstick/hotstick/internal/trace"
)

var errStore = errors.New("cannot commit: no space left on device")

// tap is the servers' store, with a tap on what is truly committed.
type tap struct {
	store.Store
	w       *World
	failing bool
	// answering is the host whose check-in a server answers at the moment.
	answering hotstick.HostID
}

// View implements [store.Store]. After a server has looked what an answer is to
// hold, and before it records the grants in it, others commit, too.
func (t *tap) View(ctx context.Context, fn func(store.Tx) error) error {
	err := t.Store.View(ctx, fn)
	if t.answering != "" {
		t.w.meanwhile(t.answering)
	}
	return err
}

// Update implements [store.Store].
func (t *tap) Update(ctx context.Context, fn func(store.Tx) error) error {
	var x *tapTx
	var size int64
	var root [32]byte
	err := t.Store.Update(ctx, func(tx store.Tx) error {
		x = &tapTx{Tx: tx, w: t.w}
		if err := fn(x); err != nil {
			return err
		}
		if t.failing {
			return errStore
		}
		if len(x.leaves) == 0 {
			return nil
		}
		var err error
		size, root, err = tx.Events().Head()
		return err
	})
	if err != nil {
		if errors.Is(err, errStore) {
			t.w.some("commit failed")
		}
		return err
	}
	for _, e := range x.events {
		e.Node = "server"
		t.w.emit(e)
	}
	for i, host := range x.leaves {
		e := trace.Event{Node: "server", Kind: trace.KindLeaf, Host: host, Generation: uint64(size) - uint64(len(x.leaves)-1-i)}
		if i == len(x.leaves)-1 {
			e.Detail = hex.EncodeToString(root[:])
		}
		t.w.emit(e)
	}
	return nil
}

// tapTx notes what a transaction writes.
type tapTx struct {
	store.Tx
	w      *World
	events []trace.Event
	// leaves are the hosts of the audit leaves appended.
	leaves []hotstick.HostID
}

// Hosts implements [store.Tx].
func (t *tapTx) Hosts() store.HostTable { return tapHosts{t.Tx.Hosts(), t} }

// Plans implements [store.Tx].
func (t *tapTx) Plans() store.PlanTable { return tapPlans{t.Tx.Plans(), t} }

// Slots implements [store.Tx].
func (t *tapTx) Slots() store.SlotTable { return tapSlots{t.Tx.Slots(), t} }

// Bans implements [store.Tx].
func (t *tapTx) Bans() store.BanTable { return tapBans{t.Tx.Bans(), t} }

// Events implements [store.Tx].
func (t *tapTx) Events() store.EventTable { return tapEvents{t.Tx.Events(), t} }

func (t *tapTx) note(e trace.Event) { t.events = append(t.events, e) }

type tapHosts struct {
	store.HostTable
	t *tapTx
}

// Delete implements [store.HostTable].
func (h tapHosts) Delete(id hotstick.HostID) error {
	err := h.HostTable.Delete(id)
	if err == nil {
		h.t.note(trace.Event{Kind: trace.KindWriteOff, Host: id})
	}
	return err
}

type tapPlans struct {
	store.PlanTable
	t *tapTx
}

// Create implements [store.PlanTable].
func (p tapPlans) Create(plan store.Plan, hosts []store.PlanHost) error {
	err := p.PlanTable.Create(plan, hosts)
	if err == nil {
		p.t.note(trace.Event{Kind: trace.KindPlanStatus, Plan: plan.ID, Patch: plan.Patch, To: string(plan.Status)})
	}
	return err
}

// Advance implements [store.PlanTable].
func (p tapPlans) Advance(plan store.Plan) error {
	old, err := p.Get(plan.ID)
	if err != nil {
		return err
	}
	if err := p.PlanTable.Advance(plan); err != nil {
		return err
	}
	if plan.Promoted > old.Promoted {
		p.t.note(trace.Event{Kind: trace.KindGate, Plan: plan.ID, Patch: plan.Patch, To: checker.Promoted, Wave: plan.Promoted})
	}
	if old.Status != plan.Status {
		e := trace.Event{Kind: trace.KindPlanStatus, Plan: plan.ID, Patch: plan.Patch, From: string(old.Status), To: string(plan.Status),
			Generation: plan.Generation + 1}
		if plan.Reason != nil {
			e.Cause = string(plan.Reason.Code)
		}
		p.t.note(e)
	}
	return nil
}

// PutHost implements [store.PlanTable].
func (p tapPlans) PutHost(h store.PlanHost) error {
	old, err := p.Host(h.Plan, h.Listed.Host)
	if err != nil {
		return err
	}
	if err := p.PlanTable.PutHost(h); err != nil {
		return err
	}
	e := trace.Event{Plan: h.Plan, Host: h.Listed.Host, Attempt: h.Attempt, Wave: h.Listed.Wave}
	if old.State != h.State {
		e.Kind, e.From, e.To = trace.KindHostState, string(old.State), string(h.State)
		if h.Reason != nil {
			e.Cause = string(h.Reason.Code)
		}
		p.t.note(e)
	}
	if h.Granted != nil && (old.Granted == nil || !old.Granted.Equal(*h.Granted)) {
		host, err := p.t.Tx.Hosts().Get(h.Listed.Host)
		if err != nil {
			return err
		}
		e.Kind, e.From, e.To, e.Cause, e.Boot = trace.KindGrant, "", "", "", host.Boot
		e.Uptime = p.t.Now().UnixMilli()
		e.Detail = inventory.Model(host)
		p.t.note(e)
	}
	return nil
}

type tapSlots struct {
	store.SlotTable
	t *tapTx
}

// Take implements [store.SlotTable].
func (s tapSlots) Take(slot store.Slot) error {
	err := s.SlotTable.Take(slot)
	if err == nil {
		s.t.note(trace.Event{Kind: trace.KindSlot, To: "taken", Plan: slot.Plan, Host: slot.Host, Detail: strconv.Itoa(slot.Index),
			Domains: map[string]string{slot.Domain: slot.Value}})
	}
	return err
}

// Release implements [store.SlotTable].
func (s tapSlots) Release(plan hotstick.PlanID, host hotstick.HostID) error {
	held, err := s.Held(plan, host)
	if err != nil {
		return err
	}
	if err := s.SlotTable.Release(plan, host); err != nil {
		return err
	}
	for _, slot := range held {
		s.t.note(trace.Event{Kind: trace.KindSlot, To: "free", Plan: plan, Host: host, Detail: strconv.Itoa(slot.Index),
			Domains: map[string]string{slot.Domain: slot.Value}})
	}
	return nil
}

type tapBans struct {
	store.BanTable
	t *tapTx
}

// Put implements [store.BanTable].
func (b tapBans) Put(ban store.Ban) error {
	err := b.BanTable.Put(ban)
	if err == nil {
		b.t.note(trace.Event{Kind: trace.KindBan, Patch: ban.Patch, Cause: string(ban.Reason.Code)})
	}
	return err
}

// Delete implements [store.BanTable].
func (b tapBans) Delete(ref hotstick.PatchRef) error {
	err := b.BanTable.Delete(ref)
	if err == nil {
		b.t.note(trace.Event{Kind: trace.KindClear, Patch: ref})
	}
	return err
}

// PutStatement implements [store.BanTable].
func (b tapBans) PutStatement(s store.Statement) error {
	err := b.BanTable.PutStatement(s)
	if err == nil && s.Kind == string(statement.KindClear) {
		if read, bad := statement.ParseClear(s.Envelope); bad == nil && read.Clear.Recall {
			b.t.note(trace.Event{Kind: trace.KindClear, Patch: s.Patch, To: "recall"})
		}
	}
	return err
}

// StopPrint implements [store.BanTable].
func (b tapBans) StopPrint(s store.CrashStop) error {
	err := b.BanTable.StopPrint(s)
	if err == nil {
		b.t.note(trace.Event{Kind: trace.KindCrashStop, Patch: s.Print.Patch, Host: s.Host, To: s.Print.Build.BuildID, Detail: s.Print.Model})
	}
	return err
}

// LiftPrints implements [store.BanTable].
func (b tapBans) LiftPrints(ref hotstick.PatchRef) (int, error) {
	n, err := b.BanTable.LiftPrints(ref)
	if err == nil && n > 0 {
		b.t.note(trace.Event{Kind: trace.KindClear, Patch: ref, To: "crashes"})
	}
	return n, err
}

// SetStopAll implements [store.BanTable].
func (b tapBans) SetStopAll(on bool) error {
	err := b.BanTable.SetStopAll(on)
	if err == nil {
		to := "off"
		if on {
			to = "on"
		}
		b.t.note(trace.Event{Kind: trace.KindStopAll, To: to})
	}
	return err
}

type tapEvents struct {
	store.EventTable
	t *tapTx
}

// Append implements [store.EventTable].
func (t tapEvents) Append(e store.Event) (store.Event, error) {
	e, err := t.EventTable.Append(e)
	if err != nil {
		return e, err
	}
	t.t.leaves = append(t.t.leaves, e.Host)
	switch e.Kind {
	case inventory.HostJoined:
		t.t.w.some("late host joined")
	case inventory.HostStandsIn:
		t.t.w.some("stand-in")
	case inventory.GrantIssued:
		// The row tells that there is a grant, its leaf which one.
		for i := range t.t.events {
			if g := &t.t.events[i]; g.Kind == trace.KindGrant && g.Host == e.Host && g.Grant == "" {
				g.Grant = hotstick.Digest(e.State)
			}
		}
	}
	return e, nil
}
