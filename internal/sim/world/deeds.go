package world

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/catalog"
	"github.com/hotstick/hotstick/internal/controller"
	"github.com/hotstick/hotstick/internal/sim/checker"
	"github.com/hotstick/hotstick/internal/statement"
	"github.com/hotstick/hotstick/internal/store"
	"github.com/hotstick/hotstick/internal/trace"
)

func (s Step) stream() *rand.Rand { return rand.New(rand.NewPCG(s.N, 2)) }

// one picks a plan and a server that a person's command reaches.
func (w *World) one(r *rand.Rand) (*made, *controller.Controller) {
	c := w.control(r)
	if c == nil || len(w.plans) == 0 {
		return nil, nil
	}
	return w.plans[r.IntN(len(w.plans))], c
}

// done counts a command as taken or refused.
func (w *World) done(what string, err error) {
	if err != nil {
		w.some(what + " refused")
		return
	}
	w.some(what + " taken")
	w.servers[0].wake()
}

// race does a command at once, or while a server answers a host of the plan: after
// it was looked what the host is to get, and before its grant is recorded.
func (w *World) race(r *rand.Rand, do func(p *made, c *controller.Controller)) {
	if w.racing = nil; chance(r, 50) {
		w.racing = do
		return
	}
	if p, c := w.one(r); p != nil {
		do(p, c)
	}
}

// meanwhile does the command that waits for this moment, if the host is about to
// get a grant.
func (w *World) meanwhile(id hotstick.HostID) {
	c := w.control(stream(w.seed, "meanwhile", len(w.plans)))
	if w.racing == nil || c == nil {
		return
	}
	p := w.admittedIn(id)
	if p == nil {
		return
	}
	do := w.racing
	w.racing = nil
	w.some("command in the middle of an answer")
	do(p, c)
}

// admittedIn is the running plan in which a host waits for a grant.
func (w *World) admittedIn(id hotstick.HostID) *made {
	var found *made
	err := w.memory.View(context.Background(), func(tx store.Tx) error {
		for _, p := range w.plans {
			plan, err := tx.Plans().Get(p.id)
			if err != nil {
				return err
			}
			line, err := tx.Plans().Host(p.id, id)
			if err == nil && plan.Status == hotstick.Running && line.State == hotstick.Admitted && line.Granted == nil {
				found = p
			}
		}
		return nil
	})
	if err != nil {
		w.fail("cannot read the plans: %v", err)
	}
	return found
}

func (w *World) hold(r *rand.Rand, d time.Duration) {
	w.race(r, func(p *made, c *controller.Controller) {
		_, err := c.Hold(context.Background(), string(p.id), "cyd", "wait")
		w.done("hold", err)
		w.after(d, func() { w.resume(p) })
	})
}

func (w *World) resume(p *made) {
	if c := w.control(stream(w.seed, "resume", 0)); c != nil {
		_, err := c.Resume(context.Background(), string(p.id), "cyd", "go on")
		w.done("resume", err)
	}
}

func (w *World) halt(r *rand.Rand) {
	w.race(r, func(p *made, c *controller.Controller) {
		_, err := c.Halt(context.Background(), string(p.id), "cyd", "enough")
		w.done("halt", err)
	})
}

func (w *World) revert(r *rand.Rand) {
	if p, c := w.one(r); p != nil {
		_, err := c.Revert(context.Background(), string(p.id), "cyd", "back", nil)
		w.done("revert", err)
	}
}

func (w *World) revertHosts(r *rand.Rand) {
	p, c := w.one(r)
	if p == nil {
		return
	}
	h := p.hosts[r.IntN(len(p.hosts))].Host
	for _, n := range w.nodes { // rather one that took the level, or is about to
		if w.admittedIn(n.id) == p || n.truth.ledger.Plan(p.id) != nil && n.truth.ledger.Plan(p.id).Attempt > 0 && chance(r, 30) {
			h = n.id
		}
	}
	_, err := c.Revert(context.Background(), string(p.id), "cyd", "back", []hotstick.HostID{h})
	w.done("revert of a host", err)
}

// dismiss lets go of a host that ended badly in some plan, or of one that did not.
func (w *World) dismiss(r *rand.Rand) {
	p, c := w.one(r)
	if p == nil {
		return
	}
	plan, host := p.id, p.hosts[r.IntN(len(p.hosts))].Host
	err := w.memory.View(context.Background(), func(tx store.Tx) error {
		for _, p := range w.plans {
			lines, err := tx.Plans().Hosts(p.id)
			if err != nil {
				return err
			}
			for _, l := range lines {
				if l.State == hotstick.Quarantined || l.State == hotstick.Reverted || l.State == hotstick.Failed {
					plan, host = p.id, l.Listed.Host
				}
			}
		}
		return nil
	})
	if err == nil {
		_, err = c.Dismiss(context.Background(), string(plan), host, "cyd", "a loose cable")
	}
	w.done("dismissal", err)
}

func (w *World) revertWave(r *rand.Rand) {
	if p, c := w.one(r); p != nil {
		_, err := c.RevertWave(context.Background(), string(p.id), "cyd", "back", r.IntN(min(2, len(p.body.Waves))))
		w.done("revert of a wave", err)
	}
}

// freeze lets nothing start for a while, from a moment on.
func (w *World) freeze(r *rand.Rand, d time.Duration) {
	c := w.control(r)
	if c == nil {
		return
	}
	from := w.now + time.Duration(r.IntN(5000))*time.Millisecond
	id, err := c.Freeze(context.Background(), began.Add(from), began.Add(from+d), "cyd", "a fair")
	if w.done("freeze", err); err == nil {
		w.ordered(r, from, d, nil, func(c *controller.Controller) error {
			return c.Unfreeze(context.Background(), id, "cyd", "it rains")
		})
	}
}

// exclude keeps the hosts of a rack out for a while.
func (w *World) exclude(r *rand.Rand, n *node, d time.Duration) {
	c := w.control(r)
	for _, other := range w.nodes {
		if c != nil && other.m.Member.Labels["rack"] == n.m.Member.Labels["rack"] {
			w.excludeHost(r, c, other, d)
		}
	}
}

func (w *World) excludeHost(r *rand.Rand, c *controller.Controller, n *node, d time.Duration) {
	if n.keptOut {
		return // one exclusion takes the place of another; what then holds nobody could tell
	}
	err := c.Exclude(context.Background(), n.id, began.Add(w.now+d), "cyd", "an audit")
	if w.done("exclusion", err); err == nil {
		n.keptOut = true
		w.ordered(r, w.now, d, n, func(c *controller.Controller) error {
			return c.Include(context.Background(), n.id, "cyd", "it is over")
		})
	}
}

// ordered writes down for how long a freeze, or the exclusion of a host, truly
// holds: people may think better of it before its end.
func (w *World) ordered(r *rand.Rand, from, d time.Duration, n *node, undo func(*controller.Controller) error) {
	on, off := checker.OrderFreeze, checker.OrderThaw
	if n != nil {
		on, off = checker.OrderExclude, checker.OrderInclude
	}
	end := func() {
		w.fault(off, n)
		if n != nil {
			n.keptOut = false
		}
	}
	// Just inside, for at the very moment either may come first.
	w.at(from+time.Millisecond, func() { w.fault(on, n) })
	if chance(r, 50) {
		w.at(from+d-time.Millisecond, end)
		return
	}
	w.at(from+d/2+2*time.Millisecond, func() {
		end()
		if c := w.control(r); c != nil {
			w.done("taking back of a freeze or an exclusion", undo(c))
		}
	})
}

func (w *World) retry(r *rand.Rand) {
	if p, c := w.one(r); p != nil {
		_, err := c.Retry(context.Background(), string(p.id), "cyd", "once more", nil)
		w.done("retry", err)
	}
}

// clear: two persons sign that a patch may come back, on the hosts that it struck.
func (w *World) clear(r *rand.Rand) {
	p, c := w.one(r)
	if p == nil {
		return
	}
	clearance := statement.Clear{Patch: p.patch, Ban: true, Recall: true, IssuedAt: w.time().UTC().Truncate(time.Second).Add(time.Second)}
	clearance.NotAfter = clearance.IssuedAt.Add(time.Hour)
	for _, n := range w.nodes {
		if n.truth.ledger.Struck(p.patch) {
			clearance.Hosts = append(clearance.Hosts, n.id)
		}
	}
	raw, err := statement.Sign(statement.KindClear, clearance, w.keys.author, w.keys.second)
	if err != nil {
		w.fail("cannot sign a clear: %v", err)
		return
	}
	id, err := statement.IDOf(raw)
	if err != nil {
		w.fail("cannot sign a clear: %v", err)
	}
	w.emit(trace.Event{Node: "people", Kind: trace.KindFault, Cause: checker.PeopleClear, Patch: p.patch, Grant: id})
	_, err = c.Clear(context.Background(), raw, "ann")
	w.done("clear", err)
}

// writeOff gives up a host that died for good.
func (w *World) writeOff(r *rand.Rand, n *node) {
	c := w.control(r)
	if c == nil || n.gone {
		return
	}
	n.m.Kernel.Crash("")
	n.gone = true
	w.after(30*time.Second, func() { w.giveUp(n, 5) })
}

// giveUp writes a dead host off; people try again while the servers are away.
func (w *World) giveUp(n *node, times int) {
	c := w.control(stream(w.seed, "give up", times))
	err := errRefused
	if c != nil {
		err = c.WriteOff(context.Background(), n.id, "cyd", "dead")
	}
	w.done("write-off", err)
	if err != nil && times > 0 {
		w.after(5*time.Second, func() { w.giveUp(n, times-1) })
	}
}

func (w *World) ban(r *rand.Rand) {
	w.race(r, func(p *made, c *controller.Controller) {
		ref := p.patch // people ban what they roll out
		if chance(r, 20) {
			ref = w.levels[r.IntN(len(w.levels))].Patch.Ref
		}
		w.done("ban", c.Ban(context.Background(), ref, "cyd", "bad"))
	})
	// Whoever bans a patch reboots some of the hosts that run it.
	for range 3 {
		n := w.nodes[r.IntN(len(w.nodes))]
		w.after(time.Duration(15+r.IntN(10))*time.Second, func() {
			if !w.quiet {
				n.shutDown()
			}
		})
	}
}

func (w *World) stopAll(r *rand.Rand, d time.Duration) {
	c := w.control(r)
	if c == nil {
		return
	}
	_, err := c.StopAll(context.Background(), "cyd", "stop")
	w.done("stop", err)
	w.after(d, w.lift)
}

func (w *World) lift() {
	if c := w.control(stream(w.seed, "lift", 0)); c != nil {
		w.done("lift", c.Lift(context.Background(), "cyd", "again"))
	}
}

// approveTwice: the same person, and the author, try to count again.
func (w *World) approveTwice(r *rand.Rand) {
	p, c := w.one(r)
	if p == nil {
		return
	}
	for _, k := range []*statement.Key{w.keys.second, w.keys.author} {
		raw, err := statement.AddSignature(p.envelope, k)
		if err != nil {
			w.some("approval twice refused")
			continue
		}
		if k == w.keys.second {
			w.signed(p, "bob") // whether it counts or not, from now on it is true
		}
		_, err = c.Approve(context.Background(), string(p.id), raw, "bob")
		w.done("approval twice", err)
	}
}

// edit changes an approved plan's bytes and keeps its signatures: on its way in, or
// once it runs; then it is handed in again, and to a loader directly.
func (w *World) edit(r *rand.Rand, n *node) {
	if chance(r, 50) {
		w.propose(r, "edit")
		return
	}
	p, _ := w.one(r)
	c := w.control(r)
	if p == nil || c == nil {
		return
	}
	raw := w.edited(c, p.envelope, p.body, p.hosts)
	if n.loader != nil && !n.m.down && !n.life.hung {
		n.hand([]json.RawMessage{raw})
	}
}

// edited hands a plan in that was edited after its signatures, and returns it.
func (w *World) edited(c *controller.Controller, envelope []byte, plan hotstick.Plan, hosts []hotstick.PlanHost) []byte {
	var parts map[string]any
	if err := json.Unmarshal(envelope, &parts); err != nil {
		w.fail("cannot edit a plan: %v", err)
		return nil
	}
	plan.Name += "-edited"
	plan.Waves = append([]hotstick.Wave(nil), plan.Waves...)
	for i := range plan.Waves {
		plan.Waves[i].DelaySeconds, plan.Waves[i].BakeSeconds = 0, 0
	}
	payload, err := json.Marshal(plan)
	if err != nil {
		w.fail("cannot edit a plan: %v", err)
		return nil
	}
	parts["payload"] = base64.StdEncoding.EncodeToString(payload)
	raw, err := json.Marshal(parts)
	if err != nil {
		w.fail("cannot edit a plan: %v", err)
		return nil
	}
	w.some("approved plan edited")
	w.submit(c, raw, hosts, nil, "")
	return raw
}

// publish makes the last level, and whatever else changed, the catalog's newest
// version.
func (w *World) publish(epoch uint64) {
	var patches []hotstick.Patch
	for _, l := range w.levels {
		patches = append(patches, l.Patch)
	}
	w.stage(w.time().Add(24*time.Hour), w.trust(max(epoch, w.catalog.Trust.Epoch)), patches)
}

// stage makes the next version of the catalog. What was recalled stays recalled.
func (w *World) stage(expires time.Time, trust hotstick.Trust, patches []hotstick.Patch) {
	recalls := w.catalog.Recalls
	w.catalog = catalog.NewView(w.catalog.Version+1, expires, trust, patches)
	w.catalog.Recalls = recalls
	w.thief.history = append(w.thief.history, w.catalog)
}

// recall: the publishers take a level back.
func (w *World) recall(r *rand.Rand) {
	p, _ := w.one(r)
	if p == nil {
		return
	}
	action := hotstick.RecallBlock
	if chance(r, 60) {
		action = hotstick.RecallRevert
	}
	w.emit(trace.Event{Node: "people", Kind: trace.KindFault, Cause: checker.PeopleRecall, Patch: p.patch})
	w.catalog.Recalls = append(slices.Clone(w.catalog.Recalls), hotstick.Recall{Patch: p.patch, Action: action, Reason: "bad",
		Issued: w.time().UTC().Truncate(time.Second)})
	slices.SortStableFunc(w.catalog.Recalls, func(a, b hotstick.Recall) int {
		return cmp.Or(cmp.Compare(a.Patch.Name, b.Patch.Name), cmp.Compare(a.Patch.Level, b.Patch.Level))
	})
	w.stage(w.catalog.Expires, w.catalog.Trust, w.catalog.Patches)
	w.done("recall", nil)
}

// expireCatalog: nobody renews the signatures for a while.
func (w *World) expireCatalog(d time.Duration) {
	w.stage(w.time().Add(20*time.Second), w.catalog.Trust, w.catalog.Patches)
	w.after(20*time.Second+d, func() { w.publish(0) })
}

// calm ends all faults for good: everything is switched on again, and people clear
// up.
func (w *World) calm() {
	w.quiet, w.racing = true, nil
	for _, n := range w.nodes {
		n.cable, n.disk.fault, n.off = cable{}, diskFault{}, 0
		n.m.skew = 0
		if n.life.hung {
			n.m.Kernel.Crash("")
		}
		n.comeUp()
		n.unforeign()
		if n.vendor != nil {
			n.vendor.hold()
		}
		n.readable()
	}
	w.dieAfterTake = 0
	w.tap.failing = false
	w.publish(0)
	for i, n := range w.nodes {
		if n.gone {
			w.giveUp(n, 5+i)
		}
	}
	for _, s := range w.servers {
		if !s.up {
			s.start()
		}
	}
	w.lift()
	for _, p := range w.plans {
		w.resume(p)
	}
	w.fault(checker.FaultStoreOver, nil)
	w.fault(checker.FaultsEnd, nil)
	w.calmed = w.now
}

// unforeign takes patches that are not ours out again.
func (n *node) unforeign() {
	if n.m.seen["vendor_fix"] == hotstick.InEffect {
		// If a transition runs it stays; its host is then left alone.
		if err := n.m.Kernel.Calls().Disable("vendor_fix"); err != nil {
			n.w.some("foreign patch stays")
		}
	}
}

// readable lets the truth sources tell again what they know.
func (n *node) readable() {
	for name, does := range n.does {
		if does.Unreadable {
			does.Unreadable = false
			n.m.Kernel.Behave(name, does)
		}
	}
}
