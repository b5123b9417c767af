package evil

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/statement"
)

// plans are attacks with the plan itself: signed by too few, by others, or edited
// after it was signed.
func plans() []Strategy {
	return append(edited(), []Strategy{
		{Name: "plan-signed-by-the-server", Claims: []Claim{Unapproved},
			Does:   "writes a plan without delays in the name of its author and signs it with the online key alone",
			Answer: by(listed, bySigner(func(l *Loot) statement.Signer { return l.Online }, false))},
		{Name: "plan-signed-by-the-thief", Claims: []Claim{Unapproved},
			Does:   "writes a plan without delays in the name of its author and signs it with a key of its own",
			Answer: by(listed, bySigner(func(l *Loot) statement.Signer { return l.Own }, false))},
		{Name: "plan-signed-under-false-names", Claims: []Claim{Unapproved},
			Does:   "names the keys of author and approvers beside signatures of its own",
			Answer: by(listed, bySigner(func(l *Loot) statement.Signer { return l.Own }, true))},
		{Name: "plan-signed-by-its-author-alone", Claims: []Claim{Unapproved},
			Does:   "starts a plan that waits for its approvers",
			Answer: by(waiting, start)},
		{Name: "plan-with-one-approver-twice", Claims: []Claim{Unapproved},
			Does:   "starts a plan that one person signed with two keys in the place of two persons",
			Answer: by(waitingTwice, start)},
		{Name: "plan-approved-by-the-server", Claims: []Claim{Unapproved},
			Does:   "adds the online key's signature to a plan that waits for its approvers",
			Answer: by(waiting, approvedBy(func(l *Loot) statement.Signer { return l.Online }))},
		{Name: "plan-approved-by-the-thief", Claims: []Claim{Unapproved},
			Does:   "adds a stranger's signature to a plan that waits for its approvers",
			Answer: by(waiting, approvedBy(func(l *Loot) statement.Signer { return l.Own }))},
		{Name: "emergency-template-by-the-server", Claims: []Claim{Unapproved, TooEarly},
			Does:   "calls it an emergency, under a template that the online key signed in the persons' names",
			Answer: by(listed, emergency)},
		{Name: "expired-plan", Claims: []Claim{Expired},
			Does:   "starts plans whose life is over",
			Answer: by(over, start)},
		{Name: "plan-of-an-older-epoch", Claims: []Claim{Expired},
			Does:   "starts plans of the epoch before by grants of the new one",
			Answer: by(outdated, start)},
		{Name: "older-level-by-an-old-plan", Claims: []Claim{Older},
			Does:   "starts an old plan again where a newer level has been confirmed since",
			Answer: by(lower, start)},
		{Name: "downgrade-by-the-server", Claims: []Claim{Older},
			Does:   "permits an older level, and plans it, with the online key's signature",
			Answer: by(current, downgraded(byServer))},
		{Name: "downgrade-under-false-names", Claims: []Claim{Older},
			Does:   "permits an older level, and plans it, with signatures of its own beside the keys of the persons",
			Answer: by(current, downgraded(falsely))},
		{Name: "retarget-that-skips-the-canaries", Claims: []Claim{TooEarly, Edited},
			Does: "lets a plan continue another one that it has nothing to do with, so that its delays count from there",
			Answer: edit(func(p *hotstick.Plan, hosts []hotstick.PlanHost, l *Loot) []hotstick.PlanHost {
				return continues(p, hosts, l)
			})},
	}...)
}

// edited are plans that somebody changed after they were signed.
func edited() []Strategy {
	keep := func(change func(p *hotstick.Plan)) func(*hotstick.Plan, []hotstick.PlanHost, *Loot) []hotstick.PlanHost {
		return func(p *hotstick.Plan, hosts []hotstick.PlanHost, _ *Loot) []hotstick.PlanHost {
			change(p)
			return hosts
		}
	}
	return []Strategy{
		{Name: "plan-with-a-shorter-delay", Claims: []Claim{Edited, TooEarly},
			Does: "takes the delays out of a signed plan", Answer: edit(keep(hasty))},
		{Name: "plan-with-hosts-moved-forward", Claims: []Claim{Edited, OutOfWave},
			Does: "lists all hosts of a signed plan for its first wave", Answer: edit(forward)},
		{Name: "plan-with-more-hosts", Claims: []Claim{Edited, OutOfWave},
			Does: "puts the hosts of all plans into one", Answer: edit(more)},
		{Name: "plan-with-another-level", Claims: []Claim{Edited, Older},
			Does: "lets a signed plan load the level that it may go back to", Answer: edit(keep(otherLevel))},
		{Name: "plan-with-a-longer-life", Claims: []Claim{Edited, Expired},
			Does:   "lets a signed plan live for another year",
			Answer: edit(keep(func(p *hotstick.Plan) { p.NotAfter = p.NotAfter.AddDate(1, 0, 0) }))},
		{Name: "plan-of-next-year", Claims: []Claim{Edited, TooEarly},
			Does: "dates a signed plan a year back, as if its delays were long over, and its end a year ahead",
			Answer: edit(keep(func(p *hotstick.Plan) {
				p.CreatedAt, p.NotAfter = p.CreatedAt.AddDate(-1, 0, 0), p.NotAfter.AddDate(1, 0, 0)
			}))},
		{Name: "plan-that-asks-for-nothing", Claims: []Claim{Edited},
			Does: "takes gates, bakes, budgets and the rule for late hosts out of a signed plan", Answer: edit(keep(careless))},
	}
}

// edit starts the host by an edited plan under the signatures of the real one.
func edit(change func(p *hotstick.Plan, hosts []hotstick.PlanHost, l *Loot) []hotstick.PlanHost) func(*Loot, Turn) []json.RawMessage {
	return func(l *Loot, t Turn) []json.RawMessage {
		return append(slices.Clone(t.Honest), one(l, t, hasLane, func(l *Loot, t Turn, p Plan, _ int) []json.RawMessage {
			forged, ok := p.with(func(body *hotstick.Plan, hosts []hotstick.PlanHost) []hotstick.PlanHost {
				return change(body, hosts, l)
			})
			seat := forged.seat(t)
			if !ok || seat < 0 || forged.ID == p.ID {
				return nil
			}
			return append([]json.RawMessage{forged.Envelope}, start(l, t, forged, seat)...)
		})...)
	}
}

func hasLane(_ *Loot, t Turn, p Plan) bool {
	_, lane := p.Body.Lane(t.Build, "")
	return lane
}

func hasty(p *hotstick.Plan) {
	for i := range p.Waves {
		p.Waves[i].DelaySeconds, p.Waves[i].BakeSeconds = 0, 0
	}
}

func careless(p *hotstick.Plan) {
	hasty(p)
	p.Gate, p.Late, p.Calendars = hotstick.GateSettings{}, &hotstick.LateRule{Labels: map[string]string{}}, nil
	for _, l := range p.Lanes {
		p.Late.Labels["kernel"] = l.Build.Release // labels are never none
	}
	p.Budgets = []hotstick.Budget{{Domain: hotstick.FleetDomain, Percent: 100}}
}

func forward(p *hotstick.Plan, hosts []hotstick.PlanHost, _ *Loot) []hotstick.PlanHost {
	for i := range hosts {
		hosts[i].Wave, hosts[i].StandIn = 0, nil
	}
	p.Waves = p.Waves[:1]
	return hosts
}

// more lists the hosts of all plans whose kernel build has a lane.
func more(p *hotstick.Plan, hosts []hotstick.PlanHost, l *Loot) []hotstick.PlanHost {
	known := map[hotstick.HostID]bool{}
	for _, h := range hosts {
		known[h.Host] = true
	}
	for _, other := range l.Plans {
		for _, h := range other.Hosts {
			if _, lane := p.LaneOf(h); lane && !known[h.Host] {
				known[h.Host], h.Wave, h.StandIn, h.Calendar = true, 0, nil, ""
				hosts = append(hosts, h)
			}
		}
	}
	return hosts
}

// otherLevel loads the first level that all lanes may go back to, and may go back to
// what it was to load.
func otherLevel(p *hotstick.Plan) {
	if len(p.Lanes) == 0 {
		return
	}
	for _, target := range p.Lanes[0].RevertTo {
		lanes, ok := lanesOf(p, target.Patch)
		if !target.Patch.IsZero() && ok {
			p.Patch, p.Lanes = target.Patch, lanes
			return
		}
	}
}

func lanesOf(p *hotstick.Plan, ref hotstick.PatchRef) ([]hotstick.Lane, bool) {
	lanes := slices.Clone(p.Lanes)
	for i, l := range lanes {
		at := slices.IndexFunc(l.RevertTo, func(r hotstick.RevertTarget) bool { return r.Patch == ref })
		if at < 0 {
			return nil, false
		}
		target := l.RevertTo[at]
		lanes[i].Artifact, lanes[i].Module = target.Artifact, target.Module
		lanes[i].RevertTo = append(slices.Delete(slices.Clone(l.RevertTo), at, at+1),
			hotstick.RevertTarget{Patch: p.Patch, Artifact: l.Artifact, Module: l.Module})
	}
	return lanes, true
}

// continues makes the plan take over the oldest other one.
func continues(p *hotstick.Plan, hosts []hotstick.PlanHost, l *Loot) []hotstick.PlanHost {
	for _, older := range l.Plans {
		if older.Body.Name != p.Name {
			p.Continues = older.ID
			for i := range p.Waves {
				p.Waves[i].Proven = true
			}
			return hosts
		}
	}
	return hosts
}

// bySigner writes the plan anew, without delays, under one key's signature; under
// false names it stands for all who have signed the real one.
func bySigner(who func(*Loot) statement.Signer, falseNames bool) attack {
	return func(l *Loot, t Turn, p Plan, _ int) []json.RawMessage {
		signed, _ := readPaper(p.Envelope)
		forged, ok := p.with(func(body *hotstick.Plan, hosts []hotstick.PlanHost) []hotstick.PlanHost {
			hasty(body)
			body.Name += ", now"
			return hosts
		})
		if !ok {
			return nil
		}
		signers, names := []statement.Signer{who(l)}, []string(nil)
		if falseNames {
			signers = nil
			for _, s := range signed.Signatures {
				signers, names = append(signers, who(l)), append(names, s.KeyID)
			}
		}
		forged.Envelope = forge(statement.KindPlan, forged.Body, names, signers...)
		read, err := statement.ParsePlan(forged.Envelope)
		if err != nil {
			return nil
		}
		forged.ID = read.ID
		return append([]json.RawMessage{forged.Envelope}, start(l, t, forged, forged.seat(t))...)
	}
}

// waiting fits plans that too few persons have signed; waitingTwice those of them that
// one signed twice.
func waiting(l *Loot, t Turn, p Plan) bool {
	few, _ := p.unapproved(l.Trust)
	return few && p.seat(t) >= 0
}

func waitingTwice(l *Loot, t Turn, p Plan) bool {
	few, twice := p.unapproved(l.Trust)
	return few && twice && p.seat(t) >= 0
}

func approvedBy(who func(*Loot) statement.Signer) attack {
	return func(l *Loot, t Turn, p Plan, seat int) []json.RawMessage {
		raw, err := statement.AddSignature(p.Envelope, who(l))
		if err != nil {
			return nil // it has that signature already
		}
		return append([]json.RawMessage{raw}, start(l, t, p, seat)...)
	}
}

// emergency lets a plan carry a template that permits it whatever it says.
func emergency(l *Loot, t Turn, p Plan, _ int) []json.RawMessage {
	signers, names := l.inTheNames(l.Online)
	forged, ok := p.with(func(body *hotstick.Plan, hosts []hotstick.PlanHost) []hotstick.PlanHost {
		body.Continues, body.Approvals = "", 0
		for i := range body.Waves {
			body.Waves[i].DelaySeconds, body.Waves[i].BakeSeconds, body.Waves[i].Proven = i, 1, false
		}
		body.ProbationSeconds = max(1, body.ProbationSeconds)
		issued := body.CreatedAt.Add(-time.Hour)
		template := statement.Template{Name: "now", Patches: []string{"*"}, FirstWaveHosts: len(hosts), ProbationSeconds: 1, BakeSeconds: 1,
			DelaySeconds: 1, Budgets: body.Budgets, Gate: body.Gate, LifeSeconds: int(body.NotAfter.Sub(body.CreatedAt)/time.Second) + 1,
			IssuedAt: issued, NotAfter: body.NotAfter.Add(time.Hour)}
		body.Emergency = forge(statement.KindTemplate, template, names, signers...)
		return hosts
	})
	seat := forged.seat(t)
	if !ok || seat < 0 {
		return nil
	}
	return append([]json.RawMessage{forged.Envelope}, start(l, t, forged, seat)...)
}

// over fits plans whose life is over.
func over(_ *Loot, t Turn, p Plan) bool { return p.seat(t) >= 0 && !t.Now.Before(p.Body.NotAfter) }

// lower fits plans for a lower level than the one in effect.
func lower(_ *Loot, t Turn, p Plan) bool {
	in := t.Request.Loader.InEffect
	return p.seat(t) >= 0 && p.Body.Patch.Name == in.Name && p.Body.Patch.Level < in.Level
}

// downgraded goes back from the level in effect to one before it, by a plan and by the
// permission for that.
func downgraded(sign func(l *Loot, kind statement.Kind, body any) json.RawMessage) attack {
	return func(l *Loot, t Turn, p Plan, _ int) []json.RawMessage {
		forged, ok := p.with(func(body *hotstick.Plan, hosts []hotstick.PlanHost) []hotstick.PlanHost {
			otherLevel(body)
			hasty(body)
			return hosts
		})
		seat := forged.seat(t)
		if !ok || seat < 0 || forged.Body.Patch == p.Body.Patch {
			return nil
		}
		now := t.Now.UTC().Truncate(time.Second)
		d := statement.Downgrade{Patch: forged.Body.Patch, From: p.Body.Patch.Level, Hosts: []hotstick.HostID{t.Request.Host},
			Builds: []hotstick.KernelBuild{}, Why: "because", IssuedAt: now, NotAfter: now.Add(time.Hour)}
		return append([]json.RawMessage{sign(l, statement.KindPlan, forged.Body), sign(l, statement.KindDowngrade, d)}, start(l, t, forged, seat)...)
	}
}

// byServer signs with the online key, and falsely with the thief's in the persons'
// names.
func byServer(l *Loot, kind statement.Kind, body any) json.RawMessage {
	return forge(kind, body, nil, l.Online)
}

func falsely(l *Loot, kind statement.Kind, body any) json.RawMessage {
	signers, names := l.inTheNames(l.Own)
	return forge(kind, body, names, signers...)
}

// current fits plans for the level in effect.
func current(_ *Loot, t Turn, p Plan) bool {
	return p.seat(t) >= 0 && p.Body.Patch == t.Request.Loader.InEffect
}
