package evil

import (
	"encoding/json"
	"slices"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/statement"
)

// grants are attacks with the permission to start: for another host, another moment
// or another place than the signed plan gives.
func grants() []Strategy {
	return []Strategy{
		{Name: "grant-for-another-host", Claims: []Claim{OutOfWave, TooEarly},
			Does:   "gives a host the grant of one that the plan lists for an earlier wave, with that one's proof",
			Answer: by(listed, forAnother)},
		{Name: "grant-with-another-hosts-proof", Claims: []Claim{OutOfWave},
			Does:   "names the host's own identity and brings the proof of another one's place",
			Answer: by(listed, changed(othersProof))},
		{Name: "grant-with-a-proof-of-another-plan", Claims: []Claim{OutOfWave},
			Does:   "proves the host's place in another plan than the one that is to start",
			Answer: by(listed, changed(otherPlansProof))},
		{Name: "grant-for-an-earlier-wave", Claims: []Claim{OutOfWave, TooEarly},
			Does:   "puts the host into the first wave, whose delay is the shortest",
			Answer: by(later, changed(func(_ *Loot, _ Turn, _ Plan, g *statement.Grant) { g.Wave = 0 }))},
		{Name: "grant-of-an-unlisted-host", Claims: []Claim{OutOfWave},
			Does:   "starts a host that the plan does not list, with the proof of one that it does",
			Answer: by(unlisted, changed(firstProof))},
		{Name: "grant-of-an-unlisted-host-as-late", Claims: []Claim{OutOfWave},
			Does: "calls a host late that the plan's rule for late hosts does not let in",
			Answer: by(unlisted, changed(func(_ *Loot, _ Turn, p Plan, g *statement.Grant) {
				g.Late, g.Proof, g.Wave = true, nil, len(p.Body.Waves)-1
			}))},
		{Name: "grant-before-the-delay", Claims: []Claim{TooEarly},
			Does:   "starts a host in its own wave, as soon as it knows the plan",
			Answer: by(listed, start)},
		{Name: "grant-outside-the-window", Claims: []Claim{TooEarly},
			Does:   "starts a host while the windows that were signed for it are closed",
			Answer: by(closed, start)},
		{Name: "grant-without-its-calendar", Claims: []Claim{TooEarly},
			Does:   "starts a host as one that keeps to no windows",
			Answer: by(closed, changed(func(_ *Loot, _ Turn, _ Plan, g *statement.Grant) { g.Calendar = "" }))},
		{Name: "announce-and-start-at-once", Claims: []Claim{TooEarly},
			Does:   "announces every plan that it found and starts all of them in the same answer",
			Answer: atOnce},
		{Name: "grant-twice", Claims: []Claim{Replayed},
			Does:   "gives every grant again, in the same answer and in those that follow",
			Answer: twice},
		{Name: "grant-of-yesterday", Claims: []Claim{Replayed},
			Does:   "keeps honest grants back and gives them when their minute is over",
			Answer: yesterday},
		{Name: "grant-with-a-guessed-nonce", Claims: []Claim{Replayed},
			Does: "does not wait for the loader's nonce",
			Answer: by(listed, changed(func(_ *Loot, t Turn, _ Plan, g *statement.Grant) {
				g.Nonce = hotstick.NewDigest([]byte{byte(t.Random.Uint32())}).Hex()[:32]
			}))},
		{Name: "grant-with-long-life", Claims: []Claim{Replayed},
			Does:   "gives grants that live for a day, on nonces that are long over",
			Answer: by(listed, changed(longLife))},
		{Name: "grant-of-an-older-epoch", Claims: []Claim{Replayed, Unapproved},
			Does:   "goes on in the epoch that it knew when the owners have begun another",
			Answer: by(outdated, changed(func(_ *Loot, _ Turn, p Plan, g *statement.Grant) { g.Epoch = p.Body.Epoch }))},
	}
}

// later fits plans that list the host for another wave than the first.
func later(_ *Loot, t Turn, p Plan) bool {
	seat := p.seat(t)
	return seat >= 0 && p.Hosts[seat].EarliestWave() > 0
}

// closed fits plans whose windows for the host are closed.
func closed(_ *Loot, t Turn, p Plan) bool {
	seat := p.seat(t)
	return seat >= 0 && !p.Body.Open(p.Hosts[seat].Calendar, t.Now)
}

// outdated fits plans of an older epoch.
func outdated(l *Loot, t Turn, p Plan) bool { return p.seat(t) >= 0 && p.Body.Epoch < l.Trust.Epoch }

// earlier returns the line of another host of the same kernel build that may start
// first.
func (p Plan) earlier(t Turn) (int, bool) {
	best := -1
	for i, h := range p.Hosts {
		if h.Identity != t.Identity && h.Build == t.Build && (best < 0 || h.EarliestWave() < p.Hosts[best].EarliestWave()) {
			best = i
		}
	}
	return best, best >= 0
}

func forAnother(l *Loot, t Turn, p Plan, _ int) []json.RawMessage {
	other, ok := p.earlier(t)
	if !ok {
		return nil
	}
	g := l.grant(t, p, other)
	g.Host, g.Identity = p.Hosts[other].Host, p.Hosts[other].Identity
	return l.signed(g)
}

func othersProof(l *Loot, t Turn, p Plan, g *statement.Grant) {
	if other, ok := p.earlier(t); ok {
		theirs := l.grant(t, p, other)
		g.Index, g.Proof, g.Wave = theirs.Index, theirs.Proof, theirs.Wave
	}
}

func firstProof(_ *Loot, _ Turn, p Plan, g *statement.Grant) {
	g.Proof, _ = statement.ProveHost(p.Hosts, 0) // without one it is refused as well
}

func otherPlansProof(l *Loot, t Turn, p Plan, g *statement.Grant) {
	for _, other := range l.Plans {
		if seat := other.seat(t); seat >= 0 && other.ID != p.ID {
			theirs := l.grant(t, other, seat)
			g.Index, g.Proof, g.Wave = theirs.Index, theirs.Proof, min(theirs.Wave, len(p.Body.Waves)-1)
			return
		}
	}
	g.Wave, g.Proof = 0, nil
}

// atOnce sends everything that could start the host.
func atOnce(l *Loot, t Turn) []json.RawMessage {
	out := slices.Clone(t.Honest)
	for _, p := range l.Plans {
		if seat := p.seat(t); seat >= 0 && t.Request.Loader.Nonce != "" {
			out = append(append(out, p.Envelope), start(l, t, p, seat)...)
		}
	}
	return out
}

// recorded bounds how many documents of a host are given again at once.
const recorded = 8

func twice(l *Loot, t Turn) []json.RawMessage {
	out := append(slices.Clone(t.Honest), only(t.Honest, statement.KindGrant)...)
	seen := only(l.Seen[t.Request.Host], statement.KindGrant)
	return append(out, seen[max(0, len(seen)-recorded):]...)
}

const (
	// keepSeconds is how long yesterday keeps grants back, longer than they live, and
	// giveSeconds for how long it then gives them, the oldest first.
	keepSeconds = 70
	giveSeconds = 20
)

// yesterday leaves every second seat of each plan in peace: a server that is never
// obeyed stops. By their seats somebody is attacked in every plan of two hosts or more.
func yesterday(l *Loot, t Turn) []json.RawMessage {
	out := slices.DeleteFunc(slices.Clone(t.Honest), func(raw json.RawMessage) bool {
		g, ok := readGrant(raw)
		return ok && l.second(t, g.Plan)
	})
	if t.Now.Unix()%(keepSeconds+giveSeconds) < keepSeconds {
		return out
	}
	for _, raw := range only(l.Seen[t.Request.Host], statement.KindGrant) {
		if g, ok := readGrant(raw); ok && l.second(t, g.Plan) && g.Nonce != t.Request.Loader.Nonce {
			out = append(out, raw)
		}
	}
	return out[:min(len(out), recorded)]
}

// second reports whether the host has the second, the fourth, … seat of a plan.
func (l *Loot) second(t Turn, plan hotstick.PlanID) bool {
	i := slices.IndexFunc(l.Plans, func(p Plan) bool { return p.ID == plan })
	return i >= 0 && l.Plans[i].seat(t)%2 == 1
}

// readGrant reads a document that is a grant.
func readGrant(raw json.RawMessage) (g statement.Grant, ok bool) {
	if !is(raw, statement.KindGrant) {
		return g, false
	}
	p, ok := readPaper(raw)
	return g, ok && p.body(&g)
}

// longLife takes an older nonce of the host, if the thief has seen one.
func longLife(l *Loot, t Turn, _ Plan, g *statement.Grant) {
	g.TTLSeconds = 24 * 3600
	seen := only(l.Seen[t.Request.Host], statement.KindGrant)
	for i := len(seen) - 1; i >= 0; i-- {
		if old, ok := readGrant(seen[i]); ok && old.Nonce != g.Nonce {
			g.Nonce = old.Nonce
			return
		}
	}
}
