package world

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/controller"
	"github.com/hotstick/hotstick/internal/decide/policy"
	"github.com/hotstick/hotstick/internal/driver/fake"
	"github.com/hotstick/hotstick/internal/statement"
	"github.com/hotstick/hotstick/internal/trace"
)

// people are those who sign and steer, and what they made.
type people struct {
	keys  keyring
	plans []*made
	// handed are all that were ever handed in, those that a server refused, too.
	handed []*made
	thief  *thief
	// racing is a command that waits for the right moment.
	racing func(p *made, c *controller.Controller)
	// calmed is when people cleared up after the last fault.
	calmed time.Duration
}

type keyring struct {
	online, author, second, third *statement.Key
	// other is another key of the second person; only an evil run knows it.
	other *statement.Key
}

// made is a plan that somebody made.
type made struct {
	id       hotstick.PlanID
	body     hotstick.Plan
	hosts    []hotstick.PlanHost
	envelope []byte
	patch    hotstick.PatchRef
}

func (w *World) makeKeys() {
	w.keys = keyring{w.seedKey("online", 0), w.seedKey("author", 0), w.seedKey("second", 0), w.seedKey("third", 0), w.seedKey("other", 0)}
}

// trust is what the catalog's root says.
func (w *World) trust(epoch uint64) hotstick.Trust {
	person := func(name hotstick.Person, k *statement.Key) hotstick.TrustedPerson {
		return hotstick.TrustedPerson{Person: name, Keys: []hotstick.TrustedKey{hotstick.TrustedKey(k.Public())}}
	}
	t := hotstick.Trust{Approvals: 1, Epoch: epoch,
		Persons:    []hotstick.TrustedPerson{person("ann", w.keys.author), person("bob", w.keys.second), person("cyd", w.keys.third)},
		ServerKeys: []hotstick.TrustedKey{hotstick.TrustedKey(w.keys.online.Public())}}
	if w.opt.Evil != "" {
		t.Approvals = w.approvals()
		t.Persons[1].Keys = append(t.Persons[1].Keys, hotstick.TrustedKey(w.keys.other.Public()))
	}
	return t
}

// approvals is how many persons besides the author must sign a plan.
func (w *World) approvals() int {
	if w.opt.Evil != "" {
		return 1 + int(w.seed%2)
	}
	return 1
}

// control returns a server that a person's command reaches.
func (w *World) control(r *rand.Rand) *controller.Controller {
	up := slices.DeleteFunc(slices.Clone(w.servers), func(s *server) bool { return !s.up })
	if len(up) == 0 {
		return nil
	}
	return up[r.IntN(len(up))].control
}

// propose makes a plan, signs it and hands it in. With mistake the person does
// one of the things that people do.
func (w *World) propose(r *rand.Rand, mistake string) {
	c := w.control(r)
	if c == nil || len(w.plans) >= w.opt.Plans+2 {
		return
	}
	hosts, matches := w.choose(r, mistake)
	if len(hosts) == 0 {
		return
	}
	ref := w.catalog.Patches[r.IntN(len(w.catalog.Patches))].Ref
	plan, hosts, ok := w.drafted(r, ref, hosts, mistake)
	if !ok {
		return
	}
	if mistake == "retarget" {
		if plan.Continues = w.older(ref); plan.Continues == "" {
			return
		}
	}
	signers, approvers := w.signers(mistake)
	raw, err := statement.Sign(statement.KindPlan, plan, signers...)
	if err != nil {
		w.fail("cannot sign a plan: %v", err)
		return
	}
	if mistake == "edit" {
		w.edited(c, raw, plan, hosts)
		return
	}
	w.submit(c, raw, hosts, approvers, fmt.Sprintf("matches %d lists %d", matches, len(hosts)))
}

// drafted makes a plan: mostly for a CVE where the fleet is mixed, and otherwise for a patch,
// with the hosts of its system.
func (w *World) drafted(r *rand.Rand, ref hotstick.PatchRef, hosts []hotstick.PlanHost, mistake string) (hotstick.Plan, []hotstick.PlanHost, bool) {
	if w.opt.Mixed {
		if mistake != "retarget" && chance(r, 75) {
			return w.proposeCVE(r, hosts)
		}
		patch, _ := w.catalog.Patch(ref)
		hosts = slices.DeleteFunc(hosts, func(h hotstick.PlanHost) bool {
			_, has := patch.Artifact(h.Build)
			return !has || w.byID[h.Host].system() != patch.Driver
		})
		if len(hosts) == 0 {
			return hotstick.Plan{}, nil, false
		}
	}
	plan, ok := w.draft(r, ref, hosts)
	return plan, hosts, ok
}

// signers are who signs a plan, and who of them approves it in truth.
func (w *World) signers(mistake string) ([]statement.Signer, []hotstick.Person) {
	signers, approvers := []statement.Signer{w.keys.author, w.keys.second}, []hotstick.Person{"bob"}
	switch {
	case mistake == "author only":
		return signers[:1], nil
	case mistake == "one approver twice":
		return append(signers, w.keys.other), approvers
	case w.approvals() > 1:
		return append(signers, w.keys.third), append(approvers, "cyd")
	}
	return signers, approvers
}

// life is how long a plan lives.
func (w *World) life(r *rand.Rand) time.Duration {
	life := time.Duration(10+r.IntN(50)) * time.Minute
	if w.opt.Evil != "" {
		return (life / 12).Truncate(time.Second) // so that it ends within the run
	}
	return life
}

// submit hands a signed plan in, and writes down what is true of it first: who
// really signed these bytes.
func (w *World) submit(c *controller.Controller, raw []byte, hosts []hotstick.PlanHost, approvers []hotstick.Person, detail string) {
	read, err := statement.ParsePlan(raw)
	if err != nil {
		w.some("plan refused")
		return
	}
	body, err := json.Marshal(trace.PlanBody{Plan: read.Plan, Hosts: hosts, Approvers: approvers})
	if err != nil {
		w.fail("cannot write a plan: %v", err)
		return
	}
	ctx := context.Background()
	if detail != "" {
		w.emit(trace.Event{Node: "people", Kind: trace.KindPlan, Plan: read.ID, Patch: read.Plan.Patch, Epoch: read.Plan.Epoch, Body: body})
	}
	p := &made{id: read.ID, body: read.Plan, hosts: hosts, envelope: raw, patch: read.Plan.Patch}
	if all := read.Plan.Patches(); read.Plan.CVE != "" && len(all) > 0 {
		p.patch = all[len(w.handed)%len(all)] // what people ban, recall and clear of it
	}
	w.handed = append(w.handed, p)
	id, err := c.Submit(ctx, raw, hosts, "ann")
	if err != nil {
		w.some("plan refused")
		return
	}
	w.some("plan proposed")
	if detail != "" {
		w.emit(trace.Event{Node: "people", Kind: trace.KindPlan, Plan: id, Patch: read.Plan.Patch, Epoch: read.Plan.Epoch, Body: body, Detail: detail})
	}
	w.plans = append(w.plans, p)
	w.after(500*time.Millisecond, func() { w.start(id) })
}

// signed writes down that a person really signed the plan.
func (w *World) signed(p *made, who hotstick.Person) {
	body, err := json.Marshal(trace.PlanBody{Plan: p.body, Hosts: p.hosts, Approvers: []hotstick.Person{who}})
	if err != nil {
		w.fail("cannot write a plan: %v", err)
	}
	w.emit(trace.Event{Node: "people", Kind: trace.KindPlan, Plan: p.id, Patch: p.body.Patch, Epoch: p.body.Epoch, Body: body})
}

// start starts a plan; it is tried again while the servers are away.
func (w *World) start(id hotstick.PlanID) {
	c := w.control(stream(w.seed, "start", len(w.plans)))
	if c == nil {
		w.after(3*time.Second, func() { w.start(id) })
		return
	}
	if _, err := c.Start(context.Background(), string(id), "ann", ""); err != nil {
		w.some("start refused")
		return
	}
	w.some("plan started")
	w.servers[0].wake()
	w.after(15*time.Second, func() { w.promote(id, 400) })
}

// promote opens waves that wait for a person, every now and then.
func (w *World) promote(id hotstick.PlanID, times int) {
	c := w.control(stream(w.seed, "promote", times))
	if c != nil {
		if _, err := c.NextWave(context.Background(), string(id), "cyd", "go on"); err == nil {
			w.some("wave opened by hand")
			w.servers[0].wake()
		}
	}
	if times > 0 {
		w.after(15*time.Second, func() { w.promote(id, times-1) })
	}
}

// older is the newest plan for a lower level.
func (w *World) older(ref hotstick.PatchRef) hotstick.PlanID {
	for i := len(w.plans) - 1; i >= 0; i-- {
		if w.plans[i].patch.Name == ref.Name && w.plans[i].patch.Level < ref.Level && w.plans[i].body.CVE == "" {
			return w.plans[i].id
		}
	}
	return ""
}

// choose selects hosts as a person would, by an expression. It returns how many
// the expression truly matches.
func (w *World) choose(r *rand.Rand, mistake string) ([]hotstick.PlanHost, int) {
	zone := string(rune('a' + r.IntN(3)))
	expression := "true"
	matches := func(n *node) bool { return true }
	switch {
	case mistake == "empty selector":
		expression, matches = " ", func(*node) bool { return false }
	case chance(r, 30), mistake == "one zone":
		expression, matches = fmt.Sprintf("host.labels.zone == %q", zone), func(n *node) bool { return n.m.Member.Labels["zone"] == zone }
	}
	truly := 0
	for _, n := range w.nodes {
		if matches(n) {
			truly++
		}
	}
	selector, err := policy.CompileSelector(expression)
	if err != nil {
		w.some("selector refused")
		return nil, 0
	}
	var hosts []hotstick.PlanHost
	for _, n := range w.nodes {
		ok, err := selector.Matches(policy.Host{Name: n.name(), Labels: n.m.Member.Labels})
		if err != nil || !ok {
			continue
		}
		hosts = append(hosts, hotstick.PlanHost{Host: n.id, Name: n.name(), Identity: hotstick.NewFingerprint(n.key.Public()),
			Build: n.m.Member.Build, Domains: n.m.Member.Labels})
	}
	return hosts, truly
}

// draft shapes a plan: one host first, then wider waves, with budgets.
func (w *World) draft(r *rand.Rand, ref hotstick.PatchRef, hosts []hotstick.PlanHost) (hotstick.Plan, bool) {
	patch, ok := w.catalog.Patch(ref)
	if !ok {
		return hotstick.Plan{}, false
	}
	now := w.time().UTC().Truncate(time.Second)
	plan := hotstick.Plan{Schema: hotstick.PlanSchema, Name: fmt.Sprintf("plan-%d", len(w.plans)), Patch: ref, Author: "ann",
		Epoch: w.catalog.Trust.Epoch, CreatedAt: now, NotAfter: now.Add(w.life(r)),
		ProbationSeconds: 3 + r.IntN(10) + 25*int(w.seed%6/5), TransitionSeconds: 3 + r.IntN(6), HostCount: len(hosts)}
	plan.Reapply = stream(w.seed, "reapply", len(w.plans)).IntN(3)
	if patch.Driver != fake.Name {
		plan.TransitionSeconds += 30 // for a tool
	}
	w.shape(r, &plan, hosts)
	builds := map[hotstick.KernelBuild]bool{}
	for _, h := range hosts {
		if !builds[h.Build] {
			builds[h.Build] = true
			lane, ok := w.lane(patch, h.Build)
			if !ok {
				return plan, false
			}
			plan.Lanes = append(plan.Lanes, lane)
		}
	}
	root, err := statement.HostsRoot(hosts)
	if err != nil {
		w.fail("cannot make the root of a plan's hosts: %v", err)
		return plan, false
	}
	plan.HostsRoot = root
	return plan, true
}

// lane is one kernel build of a plan, which may go back to every lower level.
func (w *World) lane(patch hotstick.Patch, build hotstick.KernelBuild) (hotstick.Lane, bool) {
	a, ok := patch.Artifact(build)
	lane := hotstick.Lane{Build: build, Driver: patch.Driver, Artifact: a.Digest, Module: a.Module, RevertTo: []hotstick.RevertTarget{{}}}
	for _, p := range w.catalog.Patches {
		if p.Ref.Name != patch.Ref.Name || p.Ref.Level >= patch.Ref.Level {
			continue
		}
		if older, ok := p.Artifact(build); ok {
			lane.RevertTo = append(lane.RevertTo, hotstick.RevertTarget{Patch: p.Ref, Artifact: older.Digest, Module: older.Module})
		}
	}
	return lane, ok
}
