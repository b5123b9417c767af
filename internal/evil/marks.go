package evil

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/statement"
)

// marks are attacks on what a loader has learned: halts, bans, recalls and strikes;
// and with orders to go back.
func marks() []Strategy {
	return append(lifted(), []Strategy{
		{Name: "halted-plan-again", Claims: []Claim{Halted},
			Does:   "starts plans that were halted, and tells nobody of the halt",
			Answer: hushed(by(halted, start))},
		{Name: "halted-plan-in-another-envelope", Claims: []Claim{Halted},
			Does:   "sends a halted plan with one signature more, so that its envelope is another one",
			Answer: hushed(by(halted, approvedBy(func(l *Loot) statement.Signer { return l.Own })))},
		{Name: "halted-plan-under-another-name", Claims: []Claim{Halted, Edited},
			Does: "gives a halted plan another name, so that it is another plan",
			Answer: hushed(by(halted, func(l *Loot, t Turn, p Plan, _ int) []json.RawMessage {
				forged, ok := p.with(func(body *hotstick.Plan, hosts []hotstick.PlanHost) []hotstick.PlanHost {
					body.Name += " again"
					return hosts
				})
				if !ok {
					return nil
				}
				return append([]json.RawMessage{forged.Envelope}, start(l, t, forged, forged.seat(t))...)
			}))},
		{Name: "silence-the-halt", Claims: []Claim{Halted, TooEarly},
			Does:   "keeps halts and bans from all hosts and goes on with every plan",
			Answer: hushed(by(listed, start))},
		{Name: "banned-level-again", Claims: []Claim{Recalled},
			Does: "starts plans for levels whose ban the host has seen",
			Answer: hushed(by(func(_ *Loot, t Turn, p Plan) bool {
				return p.seat(t) >= 0 && slices.Contains(t.Request.Loader.Bans, p.Body.Patch)
			}, start))},
		{Name: "recalled-level-again", Claims: []Claim{Recalled},
			Does:   "starts plans for levels whose recall the host has seen, and serves the catalog from before it",
			Answer: by(recalled, start), Serve: oldest},
		{Name: "hide-the-recall", Claims: []Claim{Recalled, Stale},
			Does:   "serves the catalog from before a recall to everybody and goes on with every plan",
			Answer: by(listed, start), Serve: oldest},
		{Name: "order-by-an-older-plan", Claims: []Claim{Older},
			Does:   "orders a host back by a plan that another one has followed since",
			Answer: by(lower, ordered(func(*Loot, Turn, *statement.Order) {}))},
		{Name: "revert-order-for-a-host-of-no-plan", Claims: []Claim{Older},
			Does:   "orders hosts back that took no part in the plan",
			Answer: by(unlisted, ordered(func(*Loot, Turn, *statement.Order) {}))},
		{Name: "order-for-another-host", Claims: []Claim{Older},
			Does: "gives a host the order that sends another one back",
			Answer: by(listed, ordered(func(l *Loot, t Turn, o *statement.Order) {
				for _, p := range l.Plans {
					if other, ok := p.earlier(t); ok {
						o.Host = p.Hosts[other].Host
					}
				}
			}))},
		{Name: "order-to-revert-to-nothing", Claims: []Claim{Older},
			Does:   "orders a host back and says where to, which no order may",
			Answer: by(listed, toNothing)},
		{Name: "authority-of-the-thief", Claims: []Claim{Unapproved},
			Does:   "names itself as the authority that hosts are to follow, in an answer to a loader",
			Answer: authority},
	}...)
}

// lifted are attacks that lift what holds a patch back.
func lifted() []Strategy {
	return []Strategy{
		{Name: "clear-by-the-server", Claims: []Claim{Recalled},
			Does:   "lifts bans, recalls and strikes with the online key's signature",
			Answer: by(marked, cleared(byServer))},
		{Name: "clear-under-false-names", Claims: []Claim{Recalled},
			Does:   "lifts bans, recalls and strikes with signatures of its own beside the keys of the persons",
			Answer: by(marked, cleared(falsely))},
		{Name: "clear-for-another-patch", Claims: []Claim{Recalled},
			Does:   "puts another patch into a clear that was signed",
			Answer: by(marked, recut)},
		{Name: "clear-of-yesterday", Claims: []Claim{Recalled},
			Does: "gives every clear again that was ever signed, after newer bans",
			Answer: func(l *Loot, t Turn) []json.RawMessage {
				return append(slices.Clone(t.Honest), append(l.everywhere(statement.KindClear), one(l, t, marked, start)...)...)
			}},
	}
}

// hushed leaves what holds back out of an answer.
func hushed(answer func(*Loot, Turn) []json.RawMessage) func(*Loot, Turn) []json.RawMessage {
	return func(l *Loot, t Turn) []json.RawMessage {
		t.Honest = without(t.Honest, statement.KindHalt, statement.KindBan)
		return answer(l, t)
	}
}

// everywhere returns the documents of a kind that the server ever had for any host,
// each once.
func (l *Loot) everywhere(kind statement.Kind) []json.RawMessage {
	var all []json.RawMessage
	have := map[hotstick.Digest]bool{}
	for _, host := range sortedHosts(l.Seen) {
		for _, raw := range only(l.Seen[host], kind) {
			if id := hotstick.NewDigest(raw); !have[id] {
				have[id] = true
				all = append(all, raw)
			}
		}
	}
	return all
}

func sortedHosts(m map[hotstick.HostID][]json.RawMessage) []hotstick.HostID {
	var hosts []hotstick.HostID
	for h := range m {
		hosts = append(hosts, h)
	}
	slices.Sort(hosts)
	return hosts
}

// halted fits plans of whose halt the host was told.
func halted(l *Loot, t Turn, p Plan) bool {
	return p.seat(t) >= 0 && slices.ContainsFunc(l.Seen[t.Request.Host], func(raw json.RawMessage) bool {
		var h statement.Halt
		if !is(raw, statement.KindHalt) {
			return false
		}
		signed, ok := readPaper(raw)
		return ok && signed.body(&h) && h.Plan == p.ID
	})
}

func recalled(_ *Loot, t Turn, p Plan) bool {
	return p.seat(t) >= 0 && slices.Contains(t.Request.Loader.Recalls, p.Body.Patch)
}

// marked fits plans whose patch is banned, recalled or struck on the host.
func marked(l *Loot, t Turn, p Plan) bool {
	s := t.Request.Loader
	return p.seat(t) >= 0 && slices.Contains(slices.Concat(s.Bans, s.Recalls, s.Strikes), p.Body.Patch)
}

// cleared lifts everything that holds a plan's patch back on the host, and starts it.
func cleared(sign func(*Loot, statement.Kind, any) json.RawMessage) attack {
	return func(l *Loot, t Turn, p Plan, seat int) []json.RawMessage {
		return append([]json.RawMessage{sign(l, statement.KindClear, clearOf(t, p))}, start(l, t, p, seat)...)
	}
}

func clearOf(t Turn, p Plan) statement.Clear {
	now := t.Now.UTC().Truncate(time.Second)
	return statement.Clear{Patch: p.Body.Patch, Hosts: []hotstick.HostID{t.Request.Host}, Ban: true, Recall: true,
		IssuedAt: now, NotAfter: now.Add(time.Hour)}
}

// recut edits a clear that persons signed.
func recut(l *Loot, t Turn, p Plan, seat int) []json.RawMessage {
	clears := l.everywhere(statement.KindClear)
	if len(clears) == 0 {
		return nil
	}
	signed, ok := readPaper(clears[t.Random.IntN(len(clears))])
	if !ok {
		return nil
	}
	return append([]json.RawMessage{signed.says(clearOf(t, p))}, start(l, t, p, seat)...)
}

func (l *Loot) order(t Turn, p Plan) statement.Order {
	return statement.Order{Plan: p.ID, Host: t.Request.Host, Nonce: t.Request.Loader.Nonce, Epoch: l.Trust.Epoch,
		TTLSeconds: statement.MaxGrantSeconds, Reason: hotstick.Reason{Code: hotstick.ReasonRevertOrdered}}
}

func ordered(edit func(*Loot, Turn, *statement.Order)) attack {
	return func(l *Loot, t Turn, p Plan, _ int) []json.RawMessage {
		o := l.order(t, p)
		edit(l, t, &o)
		return []json.RawMessage{forge(statement.KindOrder, o, nil, l.Online)}
	}
}

func toNothing(l *Loot, t Turn, p Plan, _ int) []json.RawMessage {
	return []json.RawMessage{forge(statement.KindOrder, struct {
		statement.Order
		To hotstick.RevertTarget `json:"revert_to"`
	}{Order: l.order(t, p)}, nil, l.Online)}
}

func authority(l *Loot, t Turn) []json.RawMessage {
	certificate := l.Own.Public() // whatever it is: no loader reads it
	a := statement.Authority{From: hotstick.NewDigest([]byte("the authority before")), Certificate: certificate, Last: true,
		Epoch: l.Trust.Epoch, IssuedAt: t.Now.UTC().Truncate(time.Second)}
	return append(slices.Clone(t.Honest), forge(statement.KindAuthority, a, nil, l.Online))
}
