package controller

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/decide/rollout"
	"github.com/hotstick/hotstick/internal/failpoint"
	"github.com/hotstick/hotstick/internal/inventory"
	"github.com/hotstick/hotstick/internal/planted"
	"github.com/hotstick/hotstick/internal/statement"
	"github.com/hotstick/hotstick/internal/store"
	"github.com/hotstick/hotstick/internal/wire"
)

// Outgoing is what a check-in's answer carries.
type Outgoing struct {
	// Documents are envelopes for the host's loader, plans first and grants last.
	Documents []json.RawMessage
	// Active: the host is in a rollout that may need it at any moment.
	Active bool
	// later: there is something to send, but not yet.
	later bool
}

// Documents decides what the answer to a host's newest check-in carries, and
// holds it for at most hold while the host is in a rollout and there is nothing
// to send. A grant in it was recorded before this returns.
func (c *Controller) Documents(ctx context.Context, req wire.SyncRequest, hold time.Duration) (Outgoing, error) {
	if hold <= 0 {
		return c.collect(ctx, req)
	}
	w := c.hub.join(req.Host)
	defer c.hub.leave(w)
	timer := time.NewTimer(hold)
	defer timer.Stop()
	for {
		// Asked after joining, so that a change in between is not missed.
		out, err := c.collect(ctx, req)
		if err != nil || len(out.Documents) > 0 || !out.Active {
			return out, err
		}
		var due <-chan time.Time
		if out.later {
			// Nothing wakes it for what was sent before and is lost.
			due = time.After(resendAfter)
		}
		select {
		case <-ctx.Done():
			return out, ctx.Err()
		case <-timer.C:
			return out, nil
		case <-w.C:
		case <-due:
		}
	}
}

// collect gathers the documents as of now.
func (c *Controller) collect(ctx context.Context, req wire.SyncRequest) (Outgoing, error) {
	if h, empty := c.quiet.answer(&req); empty {
		c.feed.add(h)
		return Outgoing{}, nil
	}
	if _, err := c.save(ctx, req.Host); err != nil {
		return Outgoing{}, err
	}
	out, err := c.gather(ctx, req)
	c.quiet.answered(&req, err == nil && len(out.Documents) == 0 && !out.Active && !out.later)
	return out, err
}

// gather is collect for a host of which the store knows the newest check-in.
func (c *Controller) gather(ctx context.Context, req wire.SyncRequest) (Outgoing, error) {
	var p parcel
	err := c.store.View(ctx, func(tx store.Tx) error {
		p = parcel{c: c, tx: tx, req: req}
		return p.pack()
	})
	if err != nil {
		return Outgoing{}, err
	}
	for _, plan := range p.admitted {
		grant, err := c.grant(ctx, plan.id, req)
		if err != nil {
			return Outgoing{}, err
		}
		if grant != nil {
			p.out.Documents = append(append(p.out.Documents, plan.downgrades...), grant)
		}
	}
	return p.out, nil
}

// parcel is one answer's documents in the making.
type parcel struct {
	c   *Controller
	tx  store.Tx
	req wire.SyncRequest
	out Outgoing
	// admitted are the plans of which the host waits for a grant.
	admitted []admitted
}

// admitted is a plan of which a host waits for a grant, with the downgrades that must
// come with that one: loaders do not keep them.
type admitted struct {
	id         hotstick.PlanID
	downgrades []json.RawMessage
}

// add puts a document into the parcel unless it is on its way already.
func (p *parcel) add(key string, sign func() ([]byte, error)) error {
	if !p.c.sent.due(p.req.Host, key, p.tx.Now()) {
		p.out.later = true
		return nil
	}
	document, err := sign()
	if err != nil {
		return err
	}
	p.out.Documents = append(p.out.Documents, document)
	return nil
}

func (p *parcel) pack() error {
	host, err := p.tx.Hosts().Get(p.req.Host)
	switch {
	case err != nil:
		return err
	case host.Revoked:
		return inventory.ErrRevoked
	case host.Boot != p.req.Boot || host.Seq != p.req.Seq:
		// A newer check-in took this one's place; the host does not read this answer.
		p.out.later = true
		return nil
	}
	p.c.feed.add(p.c.heard(host))
	active, err := p.tx.Plans().List(true)
	if err != nil {
		return err
	}
	lines, err := p.tx.Plans().OfHost(p.req.Host)
	if err != nil {
		return err
	}
	for _, line := range lines {
		i := slices.IndexFunc(active, func(plan store.Plan) bool { return plan.ID == line.Plan })
		switch {
		case i >= 0 && active[i].Status.Active():
			err = p.line(active[i], line)
		case line.State == hotstick.Reverting:
			err = p.order(line)
		default:
			// What a plan that is over has begun still comes to its end.
			p.out.Active = p.out.Active || line.State.HoldsSlot() && line.State != hotstick.Lost
		}
		if err != nil {
			return err
		}
	}
	if err := p.halts(active); err != nil {
		return err
	}
	if err := p.clears(); err != nil {
		return err
	}
	return p.bans()
}

// line packs what the host needs of one plan that is running or held.
func (p *parcel) line(plan store.Plan, line store.PlanHost) error {
	if line.State.Terminal() && line.State != hotstick.Confirmed {
		return nil
	}
	p.out.Active = true
	if !slices.Contains(p.req.Loader.Plans, plan.ID) {
		err := p.add("plan "+string(plan.ID), func() ([]byte, error) { return plan.Envelope, nil })
		if err != nil {
			return err
		}
	}
	switch {
	case line.State == hotstick.Reverting:
		return p.order(line)
	case line.State == hotstick.Admitted && plan.Status == hotstick.Running && p.req.Loader.Nonce != "" && !p.req.Loader.Busy:
		downgrades, err := p.downgrades(line.Listed.PatchIn(plan.Patch), line.Listed.Build)
		p.admitted = append(p.admitted, admitted{plan.ID, downgrades})
		return err
	}
	return nil
}

// order packs the order to revert, if it was the server that decided so. A host
// that reverts on its own readings needs none.
func (p *parcel) order(line store.PlanHost) error {
	p.out.Active = true
	if line.Reason == nil || line.Reason.Code != hotstick.ReasonRevertOrdered || p.req.Loader.Nonce == "" {
		return nil
	}
	return p.add("order "+string(line.Plan)+" "+p.req.Loader.Nonce, func() ([]byte, error) {
		document, err := statement.Sign(statement.KindOrder, statement.Order{
			Plan: line.Plan, Host: p.req.Host, Nonce: p.req.Loader.Nonce,
			Epoch: p.c.catalog.View().Trust.Epoch, TTLSeconds: statement.MaxGrantSeconds, Reason: clip(*line.Reason),
		}, p.c.online)
		p.c.sent.order(p.req.Host, order{document: hotstick.NewDigest(document), plan: line.Plan})
		return document, err
	})
}

// halts packs the end of every plan that the loader still holds for open.
func (p *parcel) halts(active []store.Plan) error {
	for _, id := range p.req.Loader.Plans {
		if slices.ContainsFunc(active, func(plan store.Plan) bool { return plan.ID == id }) {
			continue
		}
		plan, err := p.tx.Plans().Get(id)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		if plan.Status != hotstick.Halted || plan.Ended == nil {
			continue
		}
		why := hotstick.Reason{Code: hotstick.ReasonPlanHalted}
		if plan.Reason != nil {
			why = *plan.Reason
		}
		err = p.add("halt "+string(id), func() ([]byte, error) {
			return statement.Sign(statement.KindHalt, statement.Halt{Plan: id, Reason: clip(why),
				Epoch: p.c.catalog.View().Trust.Epoch, IssuedAt: plan.Ended.UTC().Truncate(time.Second)}, p.c.online)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (p *parcel) bans() error {
	bans, err := p.tx.Bans().List()
	if err != nil {
		return err
	}
	for _, b := range bans {
		if slices.Contains(p.req.Loader.Bans, b.Patch) || len(p.out.Documents) >= wire.MaxDocuments/2 {
			continue
		}
		if err := p.add("ban "+b.Patch.String(), func() ([]byte, error) { return b.Envelope, nil }); err != nil {
			return err
		}
	}
	return nil
}

// grant signs and records a grant for the host's current attempt, or returns nil
// if anything that it depends on does not hold any more.
func (c *Controller) grant(ctx context.Context, id hotstick.PlanID, req wire.SyncRequest) (json.RawMessage, error) {
	var made issued
	err := c.Update(ctx, func(tx store.Tx) error {
		made = issued{}
		plan, line, ok, err := c.grantable(tx, id, req)
		if err != nil || !ok {
			return err
		}
		made = issued{plan: id, attempt: line.Attempt, nonce: req.Loader.Nonce}
		if again, ok := c.sent.grant(req.Host, made); ok {
			made.document = again
			return nil
		}
		made.document, err = c.issue(tx, plan, line, req)
		failpoint.Here(failpoint.ControllerGrantSigned)
		return err
	})
	if err != nil || made.document == nil {
		return nil, err
	}
	failpoint.Here(failpoint.ControllerGrantAfter)
	// Only now, for what did not commit must never be sent.
	c.sent.granted(req.Host, made)
	return made.document, nil
}

// grantable checks, inside the transaction that will record the grant, every
// condition of one.
func (c *Controller) grantable(tx store.Tx, id hotstick.PlanID, req wire.SyncRequest) (store.Plan, store.PlanHost, bool, error) {
	none := func(err error) (store.Plan, store.PlanHost, bool, error) {
		return store.Plan{}, store.PlanHost{}, false, err
	}
	plan, err := tx.Plans().Get(id)
	if err != nil || plan.Status != hotstick.Running && !planted.Bug("halt-not-checked") {
		return none(err)
	}
	line, err := tx.Plans().Host(id, req.Host)
	if err != nil || line.State != hotstick.Admitted {
		return none(err)
	}
	host, err := tx.Hosts().Get(req.Host)
	// Only the newest check-in of the current boot may take a grant: its nonce is
	// the one that the loader holds.
	if err != nil || host.Revoked || host.Boot != req.Boot || host.Seq != req.Seq || host.Lineage.Cloned != nil {
		return none(err)
	}
	stopped, err := tx.Bans().StopAll()
	if err != nil || stopped {
		return none(err)
	}
	unreconciled, err := inventory.Unreconciled(tx)
	if err != nil || unreconciled {
		return none(err)
	}
	trusted := c.catalog.View()
	patch := line.Listed.PatchIn(plan.Patch)
	forbidden, err := Forbidden(tx, trusted, patch)
	if err != nil || forbidden != nil && !planted.Bug("ban-not-checked") {
		return none(err)
	}
	body, err := c.plans.plan(plan)
	if err != nil || !tx.Now().Before(body.NotAfter) || trusted.ExpiredFor(patch, tx.Now()) || c.outdated(body) {
		return none(err)
	}
	wanted, err := wanted(tx, body, line, host)
	return plan, line, wanted, err
}

// wanted reports whether an admitted host is still wanted to start now: nobody
// wants it back or keeps it out, its window is open, and changes are not frozen.
// The decider takes other admissions back, but only once no older grant lives; a
// new one must not prolong that.
func wanted(tx store.Tx, body hotstick.Plan, line store.PlanHost, host store.Host) (bool, error) {
	now := tx.Now()
	lane, _ := body.LaneOf(line.Listed)
	if inventory.Barred(host, lane.Driver) != nil || line.Recall != nil || !body.Open(line.Listed.Calendar, now) {
		return false, nil
	}
	patch := line.Listed.PatchIn(body.Patch)
	crashed, err := crashes(tx, patch)
	print := hotstick.CrashPrint{Patch: patch, Build: line.Listed.Build, Model: inventory.Model(host)}
	if err != nil || rollout.CrashedElsewhere(crashed, print) != nil {
		return false, err
	}
	out, err := tx.Hosts().Exclusion(line.Listed.Host)
	switch {
	case err == nil && now.Before(out.Until):
		return false, nil
	case err != nil && !errors.Is(err, store.ErrNotFound):
		return false, err
	}
	freezes, err := tx.Bans().Freezes()
	frozen := slices.ContainsFunc(freezes, func(f store.Freeze) bool { return !now.Before(f.From) && now.Before(f.Until) })
	return err == nil && !frozen, err
}

// issue signs the grant and records it: from this commit until the grant's life
// is over the host may start.
func (c *Controller) issue(tx store.Tx, plan store.Plan, line store.PlanHost, req wire.SyncRequest) (json.RawMessage, error) {
	grant := statement.Grant{
		Plan: plan.ID, Host: line.Listed.Host, Identity: line.Listed.Identity, Build: line.Listed.Build, Driver: line.Listed.Driver,
		Wave: line.Listed.EarliestWave(), Calendar: line.Listed.Calendar, Attempt: line.Attempt, Late: line.Late,
		Nonce: req.Loader.Nonce, Epoch: c.catalog.View().Trust.Epoch, Generation: plan.Generation,
		TTLSeconds: statement.MaxGrantSeconds,
	}
	if !line.Late {
		var err error
		if grant.Proof, err = c.plans.prove(tx, plan.ID, line.Index); err != nil {
			return nil, err
		}
		grant.Index = int64(line.Index)
	}
	document, err := statement.Sign(statement.KindGrant, grant, c.online)
	if err != nil {
		return nil, err
	}
	body, err := c.plans.plan(plan)
	if err != nil {
		return nil, err
	}
	var trust []hotstick.Evidence
	if lane, ok := body.LaneOf(line.Listed); ok && hotstick.ClassOf(lane.Driver) != "" {
		class := hotstick.ClassOf(lane.Driver)
		trust = []hotstick.Evidence{{Kind: inventory.EvidenceTrust, Text: string(class) + ": " + class.Claim()}}
	}
	now := tx.Now()
	line.Granted = &now
	if err := tx.Plans().PutHost(line); err != nil {
		return nil, err
	}
	_, err = tx.Events().Append(store.Event{Kind: inventory.GrantIssued, Actor: actor, Plan: plan.ID,
		Host: line.Listed.Host, HostName: line.Listed.Name, Patch: line.Listed.PatchIn(plan.Patch), Generation: plan.Generation,
		State: string(hotstick.NewDigest(document)), Evidence: trust})
	return document, err
}
