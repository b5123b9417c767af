package inventory

import (
	"errors"
	"reflect"
	"slices"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/failpoint"
	"github.com/hotstick/hotstick/internal/identity"
	"github.com/hotstick/hotstick/internal/store"
	"github.com/hotstick/hotstick/internal/wire"
)

// ErrRevoked: the host's identity was ended; it is told nothing any more.
var ErrRevoked = errors.New("cannot serve this host: its identity was revoked")

// Taken is what became of a check-in.
type Taken struct {
	Host store.Host
	// Counted: the check-in was newer than what was stored.
	Counted bool
	// WantFacts: the host must send its facts.
	WantFacts bool
	// Cloned: a boot checked in that another boot has followed.
	Cloned bool
	// Doubtful: two machines may use the identity; soon more will be known.
	Doubtful bool
	// Unsettled: what the next check-in says is judged together with this one.
	Unsettled bool
}

// Take stores one check-in. The caller has run [Check] on it and knows from the
// connection that it comes from this host. SilentAfter is how long a host may be
// silent before its return is worth an event.
func Take(tx store.Tx, req wire.SyncRequest, silentAfter time.Duration) (Taken, error) {
	return TakeJudged(tx, req, silentAfter, Judges{Together: func(store.PlanHost, time.Time) *hotstick.Reason { return nil }})
}

// Judges are what a caller knows beside a host's own words.
type Judges struct {
	Together Together
	// Modules tells which live patches are ours. Nil: nobody knows, and no drift is seen.
	Modules Modules
}

// Together says of a host that went down, and was last heard of at a time, with which
// others of its failure domain it went down that the patch cannot have taken down, as
// the reason power_cut; nil if it went down alone.
type Together func(line store.PlanHost, heard time.Time) *hotstick.Reason

// TakeJudged is [Take] for a caller who knows what went down together: a crash
// without a trace is judged an interruption then.
func TakeJudged(tx store.Tx, req wire.SyncRequest, silentAfter time.Duration, by Judges) (Taken, error) {
	h, err := tx.Hosts().Get(req.Host)
	if err != nil {
		return Taken{}, err
	}
	if h.Revoked {
		return Taken{}, ErrRevoked
	}
	if err := expand(&req, h); err != nil {
		return Taken{}, err
	}
	if req.Facts != nil {
		if err := identity.InGroup(h.Group, req.Facts.Labels); err != nil {
			return Taken{}, err
		}
	}
	t := taking{tx: tx, req: req, old: h, host: h, together: by.Together, modules: by.Modules}
	if counts, err := t.boot(); err != nil || !counts {
		return Taken{Host: h, WantFacts: t.wantFacts, Cloned: t.cloned, Doubtful: t.doubtful()}, err
	}
	if err := t.facts(); err != nil {
		return Taken{}, err
	}
	if err := t.loader(); err != nil {
		return Taken{}, err
	}
	t.host.Patches, t.host.Readings = req.Patches, req.Readings
	if err := t.health(); err != nil {
		return Taken{}, err
	}
	if err := t.transition(); err != nil {
		return Taken{}, err
	}
	if err := t.drift(); err != nil {
		return Taken{}, err
	}
	if err := t.returned(silentAfter); err != nil {
		return Taken{}, err
	}
	t.host.Seq, t.host.LastSeen = req.Seq, tx.Now()
	if err := t.reports(); err != nil {
		return Taken{}, err
	}
	if len(req.Reports) > 0 {
		failpoint.Here(failpoint.ServerReportsTaken)
	}
	return Taken{Host: t.host, Counted: true, WantFacts: t.wantFacts, Doubtful: t.doubtful(), Unsettled: t.unsettled()}, tx.Hosts().Put(t.host)
}

// expand makes whole facts of what has changed, if the server has those that it changes.
// Otherwise there are none, and the host is asked for them. So it is where the result is
// not what the host has, which another version of it may well say.
func expand(req *wire.SyncRequest, old store.Host) error {
	delta := req.Delta
	if delta == nil || req.Facts != nil || old.Facts == nil || old.FactsDigest != delta.Base {
		return nil
	}
	facts := delta.Apply(*old.Facts)
	if digest, err := facts.Digest(); err != nil || digest != req.FactsDigest {
		return err
	}
	req.Facts = &facts
	return checkFacts(*req)
}

// taking is one check-in on its way into the store.
type taking struct {
	tx        store.Tx
	req       wire.SyncRequest
	old, host store.Host
	wantFacts bool
	cloned    bool // not counted, and of a boot that was followed
	together  Together
	modules   Modules
	restored  bool // the machine was put back to an earlier moment
}

func (t *taking) event(e store.Event) error {
	e.Host, e.HostName = t.host.ID, t.host.Name
	_, err := t.tx.Events().Append(e)
	return err
}

// facts takes the facts if they came, and asks for them if they are missing.
func (t *taking) facts() error {
	if t.req.Facts == nil {
		t.wantFacts = t.old.Facts == nil || t.old.FactsDigest != t.req.FactsDigest
		return nil
	}
	// Facts of one digest can differ: an older protocol leaves out what it does not know.
	if t.old.Facts != nil && t.old.FactsDigest == t.req.FactsDigest && reflect.DeepEqual(store.CloneFacts(t.old.Facts), store.CloneFacts(t.req.Facts)) {
		return nil
	}
	t.host.Facts, t.host.FactsDigest = t.req.Facts, t.req.FactsDigest
	if name := t.req.Facts.Host.Hostname; name != "" {
		t.host.Name = name
	}
	return t.event(store.Event{Kind: HostFacts, State: t.req.Facts.Kernel.Build.String()})
}

// loader takes what the loader says of itself.
func (t *taking) loader() error {
	was, is := t.old.Loader, t.req.Loader
	t.host.Loader = store.HostLoader{InEffect: is.InEffect, Busy: is.Busy, Plans: is.Plans,
		CatalogVersion: is.CatalogVersion, Strikes: is.Strikes, Bans: is.Bans, Recalls: is.Recalls, Root: is.Root,
		Expected: is.Expected, Stall: is.Stall, Hold: is.Hold, Off: is.Off}
	if !is.Heard() { // the agent did not reach a loader that can answer
		t.host.Loader.Busy = was.Busy
	}
	if err := t.held(); err != nil {
		return err
	}
	if was.InEffect != is.InEffect {
		if err := t.event(store.Event{Kind: HostEffect, Patch: is.InEffect}); err != nil {
			return err
		}
	}
	if is.Root != "" && was.Root != is.Root {
		if err := t.event(store.Event{Kind: HostRepinned, Evidence: []hotstick.Evidence{{Kind: "root", Text: string(is.Root)}}}); err != nil {
			return err
		}
	}
	if is.Root == "" { // an agent that did not reach its loader knows nothing of it
		t.host.Loader.Root = was.Root
	}
	for _, plan := range is.Plans {
		if !slices.Contains(was.Plans, plan) {
			if err := t.event(store.Event{Kind: HostAnnounced, Plan: plan}); err != nil {
				return err
			}
		}
	}
	for _, patch := range is.Strikes {
		if !slices.Contains(was.Strikes, patch) {
			if err := t.struck(patch); err != nil {
				return err
			}
		}
	}
	for _, patch := range was.Strikes {
		if !slices.Contains(is.Strikes, patch) {
			if err := t.event(store.Event{Kind: HostUnstruck, Patch: patch}); err != nil {
				return err
			}
		}
	}
	return t.refusals(is.Refusals)
}

// health notes when a probe of the host begins to fail or a transition to stall, and
// when neither is so any more.
func (t *taking) health() error {
	i := slices.IndexFunc(t.req.Readings, func(r hotstick.Reading) bool { return !r.Healthy })
	stall := t.req.Loader.Stall
	switch {
	case i < 0 && stall != nil && t.old.IllSince == nil:
		now := t.tx.Now()
		t.host.IllSince = &now
		return t.event(store.Event{Kind: HostIll, Reason: &hotstick.Reason{Code: hotstick.ReasonTransitionStalled, Subject: stall.Module}})
	case i >= 0 && t.old.IllSince == nil:
		now, failing := t.tx.Now(), t.req.Readings[i]
		t.host.IllSince = &now
		return t.event(store.Event{Kind: HostIll, Reason: &hotstick.Reason{Code: hotstick.ReasonProbeFailed, Subject: failing.Probe},
			Evidence: []hotstick.Evidence{{Kind: "probe", Text: failing.Detail}}})
	case i < 0 && stall == nil && t.old.IllSince != nil:
		t.host.IllSince = nil
		return t.event(store.Event{Kind: HostWell})
	}
	return nil
}

// struck records a new strike and tells people of it: a host went down.
func (t *taking) struck(patch hotstick.PatchRef) error {
	e := store.Event{Kind: HostStruck, Patch: patch, Host: t.host.ID, HostName: t.host.Name,
		Reason: &hotstick.Reason{Code: hotstick.ReasonStruck, Subject: patch.String()}}
	for _, r := range t.req.Reports {
		if r.State == hotstick.Quarantined && r.Patch == patch {
			e.Reason, e.Evidence, e.Plan = r.Reason, r.Evidence, r.Plan
		}
	}
	e, err := t.tx.Events().Append(e)
	if err != nil {
		return err
	}
	return Notify(t.tx, NotifyStrike, e)
}

// refusals records documents that the loader refused. A document that is sent
// and refused again and again makes one event as long as nothing else happened.
func (t *taking) refusals(refusals []wire.DocumentRefusal) error {
	if len(refusals) == 0 {
		return nil
	}
	events, err := t.tx.Events().List(store.EventFilter{Host: t.host.ID, Limit: 64})
	if err != nil {
		return err
	}
	for _, r := range refusals {
		e := store.Event{Kind: HostRefused, State: string(r.Document), Reason: &r.Reason}
		known := slices.ContainsFunc(events, func(old store.Event) bool {
			return old.Kind == HostRefused && old.Reason != nil && *old.Reason == r.Reason && old.State == e.State
		})
		if known {
			continue
		}
		if err := t.event(e); err != nil {
			return err
		}
	}
	return nil
}

func (t *taking) returned(silentAfter time.Duration) error {
	if t.old.LastSeen.IsZero() || t.tx.Now().Sub(t.old.LastSeen) <= silentAfter {
		return nil
	}
	return t.event(store.Event{Kind: HostReturned})
}
