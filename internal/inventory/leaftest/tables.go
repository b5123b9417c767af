package leaftest

import (
	"errors"
	"reflect"
	"slices"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/identity"
	"github.com/hotstick/hotstick/internal/inventory"
	"github.com/hotstick/hotstick/internal/statement"
	"github.com/hotstick/hotstick/internal/store"
)

type hosts struct {
	store.HostTable
	x *tx
}

// Put implements [store.HostTable].
func (t hosts) Put(h store.Host) error {
	old, err := t.Get(h.ID)
	fresh := errors.Is(err, store.ErrNotFound)
	if err != nil && !fresh {
		return err
	}
	if err := t.HostTable.Put(h); err != nil {
		return err
	}
	if fresh {
		t.x.note(change{what: "a new host", kinds: []string{identity.HostEnrolled}, host: h.ID})
		return nil
	}
	now, err := t.Get(h.ID) // as the store gives it back, to compare like with like
	for _, c := range hostChanges(old, now) {
		c.host = h.ID
		t.x.note(c)
	}
	return err
}

// hostChanges lists what differs between two rows of a host.
func hostChanges(old, now store.Host) []change {
	var out []change
	for _, f := range []struct {
		what     string
		old, now any
		kinds    []string
	}{
		{"a host's identity", old.Identity, now.Identity, []string{identity.HostEnrolled}},
		{"a host's group", old.Group, now.Group, []string{identity.HostEnrolled}},
		{"a host's revocation", old.Revoked, now.Revoked, []string{inventory.HostRevoked}},
		{"a host's clone", old.Lineage.Cloned, now.Lineage.Cloned, []string{inventory.HostCloned, inventory.HostUncloned}},
		{"a host's facts", old.Facts, now.Facts, []string{inventory.HostFacts}},
		{"a host's name", old.Name, now.Name, []string{inventory.HostFacts}},
		{"a host's boot", old.Boot, now.Boot, []string{inventory.HostBooted}},
		{"a host's boots", old.Boots, now.Boots, []string{inventory.HostBooted}},
		{"a host's level", old.Loader.InEffect, now.Loader.InEffect, []string{inventory.HostEffect}},
		{"a host's health", old.IllSince, now.IllSince, []string{inventory.HostIll, inventory.HostWell}},
		{"a host's drift", shape(old.Drift), shape(now.Drift), []string{inventory.HostDrifted, inventory.HostAligned}},
		{"a host's stall", stalling(old), stalling(now), []string{inventory.HostStalled, inventory.HostUnstalled}},
		{"a host's hold", old.Loader.Hold, now.Loader.Hold, []string{inventory.HostHeld, inventory.HostUnheld}},
		{"a host's off-switch", old.Loader.Off, now.Loader.Off, []string{inventory.HostHeld, inventory.HostUnheld}},
		{"a host's reports", old.Reported, now.Reported, []string{inventory.HostState, inventory.HostReport, inventory.HostPermit, inventory.HostCrashed}},
	} {
		if !reflect.DeepEqual(f.old, f.now) {
			out = append(out, change{what: f.what, kinds: f.kinds})
		}
	}
	out = append(out, members("a plan in a host's ledger", old.Loader.Plans, now.Loader.Plans, inventory.HostAnnounced, "")...)
	out = append(out, members("a host's strike", old.Loader.Strikes, now.Loader.Strikes, inventory.HostStruck, inventory.HostUnstruck)...)
	return append(out, members("a host's mark", old.Reverted, now.Reverted, inventory.HostMarked, inventory.HostCleared)...)
}

// shape is what of a drift is told of.
func shape(d *hotstick.Drift) string {
	if d = d.Shown(); d == nil {
		return ""
	}
	return string(d.Kind) + " " + d.Module
}

// stalling names the module whose transition stalls.
func stalling(h store.Host) string {
	if h.Loader.Stall == nil {
		return ""
	}
	return h.Loader.Stall.Module
}

// members lists what a list gained and lost; losing is no change if no kind of
// event tells of it.
func members[T comparable](what string, old, now []T, gained, lost string) []change {
	var out []change
	for _, v := range now {
		if !slices.Contains(old, v) {
			out = append(out, change{what: what, kinds: []string{gained}})
		}
	}
	for _, v := range old {
		if lost != "" && !slices.Contains(now, v) {
			out = append(out, change{what: what + " that went", kinds: []string{lost}})
		}
	}
	return out
}

// Delete implements [store.HostTable].
func (t hosts) Delete(id hotstick.HostID) error {
	err := t.HostTable.Delete(id)
	if err == nil {
		t.x.note(change{what: "a host's revocation", kinds: []string{inventory.HostRevoked}, host: id})
	}
	return err
}

// Exclude implements [store.HostTable].
func (t hosts) Exclude(e store.Exclusion) error {
	err := t.HostTable.Exclude(e)
	if err == nil {
		t.x.note(change{what: "an exclusion", kinds: []string{inventory.HostExcluded}, host: e.Host})
	}
	return err
}

// Include implements [store.HostTable].
func (t hosts) Include(host hotstick.HostID) error {
	err := t.HostTable.Include(host)
	if err == nil {
		t.x.note(change{what: "the end of an exclusion", kinds: []string{inventory.HostIncluded}, host: host})
	}
	return err
}

type plans struct {
	store.PlanTable
	x *tx
}

// Create implements [store.PlanTable].
func (t plans) Create(p store.Plan, lines []store.PlanHost) error {
	err := t.PlanTable.Create(p, lines)
	if err == nil {
		t.x.note(change{what: "a plan", kinds: []string{inventory.PlanProposed}, plan: p.ID})
	}
	return err
}

// Advance implements [store.PlanTable].
func (t plans) Advance(p store.Plan) error {
	old, err := t.Get(p.ID)
	if err != nil {
		return err
	}
	if err := t.PlanTable.Advance(p); err != nil {
		return err
	}
	for _, f := range []struct {
		what  string
		moved bool
		c     change
	}{
		{"a plan's status", old.Status != p.Status, change{kinds: []string{inventory.PlanStatus}, state: string(p.Status)}},
		{"a plan's signatures", string(old.Envelope) != string(p.Envelope), change{kinds: []string{inventory.PlanSigned}}},
		{"a plan's revert", old.Reverting != p.Reverting, change{kinds: []string{inventory.PlanReverting}}},
		{"a plan's open waves", old.Promoted != p.Promoted, change{kinds: []string{inventory.PlanPromoted}}},
		{"a plan's generation", true, change{}},
	} {
		if f.moved {
			f.c.what, f.c.plan = f.what, p.ID
			t.x.note(f.c)
		}
	}
	return nil
}

// PutHost implements [store.PlanTable].
func (t plans) PutHost(h store.PlanHost) error {
	old, err := t.Host(h.Plan, h.Listed.Host)
	if err != nil {
		return err
	}
	if err := t.PlanTable.PutHost(h); err != nil {
		return err
	}
	for _, f := range []struct {
		what  string
		moved bool
		c     change
	}{
		{"a host's state", old.State != h.State || old.Attempt != h.Attempt, change{kinds: []string{inventory.HostState}, state: string(h.State)}},
		{"a grant", h.Granted != nil && (old.Granted == nil || !old.Granted.Equal(*h.Granted)), change{kinds: []string{inventory.GrantIssued}}},
		{"a stand-in", old.Standing != h.Standing, change{kinds: []string{inventory.HostStandsIn}}},
		{"a recall", h.Recall != nil && old.Recall == nil, change{kinds: []string{inventory.HostRecalled}}},
		{"a crash after confirmation", old.State == h.State && h.State == hotstick.Confirmed && old.Reason == nil && h.Reason != nil,
			change{kinds: []string{inventory.HostCrashed}, state: string(h.State)}},
		{"a host's timing", old.Timing != h.Timing, change{kinds: []string{inventory.HostState, inventory.HostReport}}},
	} {
		if f.moved {
			f.c.what, f.c.plan, f.c.host = f.what, h.Plan, h.Listed.Host
			t.x.note(f.c)
		}
	}
	return nil
}

// AddLate implements [store.PlanTable].
func (t plans) AddLate(h store.PlanHost) (store.PlanHost, error) {
	h, err := t.PlanTable.AddLate(h)
	if err == nil {
		t.x.note(change{what: "a late host", kinds: []string{inventory.HostJoined}, plan: h.Plan, host: h.Listed.Host})
	}
	return h, err
}

type slots struct {
	store.SlotTable
	x *tx
}

// Take implements [store.SlotTable].
func (t slots) Take(s store.Slot) error {
	err := t.SlotTable.Take(s)
	if err == nil {
		t.x.note(change{what: "a slot", kinds: []string{inventory.HostState}, plan: s.Plan, host: s.Host})
	}
	return err
}

// Release implements [store.SlotTable].
func (t slots) Release(plan hotstick.PlanID, host hotstick.HostID) error {
	held, err := t.Held(plan, host)
	if err != nil {
		return err
	}
	if err := t.SlotTable.Release(plan, host); err != nil {
		return err
	}
	if len(held) > 0 {
		t.x.note(change{what: "a slot's release", kinds: []string{inventory.SlotsReleased}, plan: plan, host: host})
	}
	return nil
}

type events struct {
	store.EventTable
	x *tx
}

// Append implements [store.EventTable].
func (t events) Append(e store.Event) (store.Event, error) {
	e, err := t.EventTable.Append(e)
	if err == nil {
		t.x.events = append(t.x.events, e)
	}
	return e, err
}

// SetMark implements [store.EventTable].
func (t events) SetMark(name, value string) error {
	old, err := t.Mark(name)
	if err != nil {
		return err
	}
	if err := t.EventTable.SetMark(name, value); err != nil {
		return err
	}
	if old != value {
		t.x.note(change{what: "the mark " + name})
	}
	return nil
}

type bans struct {
	store.BanTable
	x *tx
}

// Put implements [store.BanTable].
func (t bans) Put(b store.Ban) error {
	return t.after(t.BanTable.Put(b), change{what: "a ban", kinds: []string{inventory.PatchBanned}})
}

// Delete implements [store.BanTable].
func (t bans) Delete(ref hotstick.PatchRef) error {
	return t.after(t.BanTable.Delete(ref), change{what: "the end of a ban", kinds: []string{inventory.PatchCleared}})
}

// SetStopAll implements [store.BanTable].
func (t bans) SetStopAll(on bool) error {
	kind := inventory.FleetLifted
	if on {
		kind = inventory.FleetStopped
	}
	return t.after(t.BanTable.SetStopAll(on), change{what: "the fleet-wide stop", kinds: []string{kind}})
}

// Freeze implements [store.BanTable].
func (t bans) Freeze(f store.Freeze) (int64, error) {
	id, err := t.BanTable.Freeze(f)
	return id, t.after(err, change{what: "a freeze", kinds: []string{inventory.FleetFrozen}})
}

// Unfreeze implements [store.BanTable].
func (t bans) Unfreeze(id int64) error {
	return t.after(t.BanTable.Unfreeze(id), change{what: "the end of a freeze", kinds: []string{inventory.FleetThawed}})
}

// PutStatement implements [store.BanTable].
func (t bans) PutStatement(s store.Statement) error {
	kind := inventory.StatementTaken
	if s.Kind == string(statement.KindClear) {
		kind = inventory.PatchCleared
	}
	return t.after(t.BanTable.PutStatement(s), change{what: "a signed " + s.Kind, kinds: []string{kind}, state: string(s.Digest)})
}

// ReplaceStatement implements [store.BanTable].
func (t bans) ReplaceStatement(s store.Statement) error {
	return t.after(t.BanTable.ReplaceStatement(s), change{what: "a statement that is signed anew", kinds: []string{inventory.StatementTaken}, state: string(s.Digest)})
}

// StopPrint implements [store.BanTable].
func (t bans) StopPrint(s store.CrashStop) error {
	return t.after(t.BanTable.StopPrint(s), change{what: "a crash print's stop", kinds: []string{inventory.PatchStopped}, host: s.Host})
}

// LiftPrints implements [store.BanTable].
func (t bans) LiftPrints(ref hotstick.PatchRef) (int, error) {
	n, err := t.BanTable.LiftPrints(ref)
	if err != nil || n == 0 {
		return n, err
	}
	return n, t.after(nil, change{what: "the end of a crash print's stop", kinds: []string{inventory.PatchCleared}})
}

func (t bans) after(err error, c change) error {
	if err == nil {
		t.x.note(c)
	}
	return err
}

type tokens struct {
	store.TokenTable
	x *tx
}

// Put implements [store.TokenTable].
func (t tokens) Put(v store.Token) error {
	err := t.TokenTable.Put(v)
	if err == nil {
		kind := identity.TokenMade
		if v.Revoked != nil {
			kind = identity.TokenRevoked
		}
		t.x.note(change{what: "a token", kinds: []string{kind}, state: v.Kind})
	}
	return err
}

// Use implements [store.TokenTable].
func (t tokens) Use(d hotstick.Digest) error {
	err := t.TokenTable.Use(d)
	if err == nil {
		t.x.note(change{what: "a token's use", kinds: []string{identity.HostEnrolled, inventory.SessionClosed}})
	}
	return err
}

// Sweep implements [store.TokenTable]. Only a token that was worth something, which it
// must not delete, would need a leaf.
func (t tokens) Sweep(kind string) error {
	before, err := t.List(kind)
	if err != nil {
		return err
	}
	if err := t.TokenTable.Sweep(kind); err != nil {
		return err
	}
	after, err := t.List(kind)
	for _, old := range before {
		good := old.Revoked == nil && old.Used == nil && (old.Expires.IsZero() || t.x.Now().Before(old.Expires))
		left := slices.ContainsFunc(after, func(v store.Token) bool { return v.Digest == old.Digest })
		if good && !left {
			t.x.note(change{what: "a token that was swept", kinds: []string{identity.TokenRevoked}, state: kind})
		}
	}
	return err
}

// PutAccount implements [store.TokenTable].
func (t tokens) PutAccount(a store.Account) error {
	old, err := t.Account(a.Person)
	fresh := errors.Is(err, store.ErrNotFound)
	if err != nil && !fresh {
		return err
	}
	if err := t.TokenTable.PutAccount(a); err != nil {
		return err
	}
	if fresh {
		t.x.note(change{what: "a new account", kinds: []string{identity.AccountMade}})
		return nil
	}
	able := identity.AccountEnabled
	if a.Disabled {
		able = identity.AccountDisabled
	}
	for _, f := range []struct {
		what  string
		moved bool
		kinds []string
	}{
		{"an account's roles", !slices.Equal(old.Roles, a.Roles), []string{identity.AccountRoles}},
		{"an account's password", old.Password != a.Password, []string{identity.AccountPassword}},
		{"whether an account is disabled", old.Disabled != a.Disabled, []string{able}},
		{"since when sessions hold", !old.Since.Equal(a.Since), []string{identity.AccountPassword, identity.AccountEnabled}},
	} {
		if f.moved {
			t.x.note(change{what: f.what, kinds: f.kinds})
		}
	}
	return nil
}

// outbox passes everything: how far a message got is no change.
type outbox struct{ store.OutboxTable }

// Add implements [store.OutboxTable].
func (t outbox) Add(m store.Message) (int64, error) { return t.OutboxTable.Add(m) }

// Put implements [store.OutboxTable].
func (t outbox) Put(m store.Message) error { return t.OutboxTable.Put(m) }
