package world

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/catalog"
	"github.com/hotstick/hotstick/internal/evil"
	"github.com/hotstick/hotstick/internal/sim/checker"
	"github.com/hotstick/hotstick/internal/statement"
	"github.com/hotstick/hotstick/internal/wire"
)

// Theft is what a thief did in a run, and what became of it.
type Theft struct {
	Strategy string `json:"strategy"`
	// Answers and Files are those that were not honest, and Documents what was in the
	// answers beside honest ones.
	Answers   int `json:"answers"`
	Files     int `json:"files"`
	Documents int `json:"documents"`
	// Refused counts documents by the reason for which loaders refused them.
	Refused map[hotstick.ReasonCode]int `json:"refused"`
	// Starts are attempts that the thief's documents started. They are within what was
	// signed, or a rule is broken.
	Starts int `json:"starts"`
	// Honest are attempts that the server's own grants started meanwhile.
	Honest int `json:"honest"`
}

// thief owns the servers from a moment on. Until then it only reads what they send:
// that is in their database when they are stolen.
type thief struct {
	*Theft
	strategy evil.Strategy
	loot     evil.Loot
	random   *rand.Rand
	at       bool // it has begun
	sent     map[hotstick.Digest]bool
	// files are the honest artifacts by name, and history the catalogs that there were.
	files   map[string][]byte
	history []catalog.View
}

// kept bounds the documents of one host that a server remembers.
const kept = 128

// Modelled returns the strategies that a simulated fleet can judge, by name. The
// others forge metadata, which only a real client of the catalog judges.
func Modelled() []evil.Strategy {
	return slices.DeleteFunc(evil.Strategies(), func(s evil.Strategy) bool { return s.Forges })
}

// lurk makes the thief of a run.
func (w *World) lurk() {
	w.thief = &thief{Theft: &Theft{Refused: map[hotstick.ReasonCode]int{}}, random: stream(w.seed, "thief", 0), sent: map[hotstick.Digest]bool{},
		files: map[string][]byte{}, history: []catalog.View{w.catalog},
		loot: evil.Loot{Online: w.keys.online, Own: w.seedKey("thief", 0), Seen: map[hotstick.HostID][]json.RawMessage{}}}
	for d, data := range w.modules {
		w.thief.files[catalog.ArtifactFile(d)] = data
	}
	if w.opt.Evil != "" {
		w.thief.plans(w.opt.Evil)
	}
}

// plans makes up the thief's mind.
func (t *thief) plans(name string) {
	for _, s := range slices.Concat(evil.Strategies(), evil.Allowed()) {
		if s.Name == name {
			t.strategy, t.Strategy = s, s.Name
		}
	}
}

// steal: a thief owns the servers and their online key from now on.
func (w *World) steal(r *rand.Rand) {
	if w.thief.Strategy == "" {
		all := Modelled()
		w.thief.plans(all[r.IntN(len(all))].Name)
	}
	w.thief.at = true
	w.fault(checker.FaultOwned, nil)
}

// stealLater: before the theft, people ban or halt something, which is to hold.
func (w *World) stealLater(r *rand.Rand) {
	if chance(r, 50) {
		w.ban(r)
	} else {
		w.halt(r)
	}
	w.after(15*time.Second, func() { w.steal(r) })
}

// answers gives the documents that a host gets in the place of the honest ones.
func (w *World) answers(n *node, req wire.SyncRequest, honest []json.RawMessage) []json.RawMessage {
	t := w.thief
	seen := t.loot.Seen[n.id]
	for _, raw := range honest {
		if kind, err := statement.KindOf(raw); err == nil && kind != statement.KindPlan {
			seen = append(seen, raw)
		}
	}
	t.loot.Seen[n.id] = seen[max(0, len(seen)-kept):]
	if !t.at || t.strategy.Answer == nil || w.quiet || t.random.IntN(3) == 0 {
		return honest
	}
	t.loot.Trust, t.loot.Plans = w.catalog.Trust, w.loot()
	out := t.strategy.Answer(&t.loot, evil.Turn{Request: req, Identity: hotstick.NewFingerprint(n.key.Public()), Build: n.m.Member.Build,
		Honest: honest, Now: w.time(), Random: t.random})
	t.count(honest, out)
	return out
}

// loot is every plan that was ever handed in.
func (w *World) loot() []evil.Plan {
	all := make([]evil.Plan, len(w.handed))
	for i, p := range w.handed {
		all[i] = evil.Plan{ID: p.id, Body: p.body, Hosts: p.hosts, Envelope: p.envelope}
	}
	return all
}

// count compares an answer with the honest one.
func (t *thief) count(honest, out []json.RawMessage) {
	own := map[hotstick.Digest]bool{}
	for _, raw := range honest {
		own[hotstick.NewDigest(raw)] = true
	}
	forged := 0
	for _, raw := range out {
		if id := hotstick.NewDigest(raw); !own[id] {
			t.sent[id] = true
			forged++
		}
	}
	t.Documents += forged
	if forged > 0 || len(out) != len(honest) {
		t.Answers++
	}
}

// refused counts what a loader did not take.
func (t *thief) refused(document hotstick.Digest, code hotstick.ReasonCode) {
	if t.at && t.sent[document] {
		t.Refused[code]++
	}
}

// started counts an attempt by who signed what started it.
func (t *thief) started(grant hotstick.Digest) {
	switch {
	case !t.at || grant == "":
	case t.sent[grant]:
		t.Starts++
	default:
		t.Honest++
	}
}

// serves gives a file of the catalog in the place of the honest one.
func (w *World) serves(n *node, name string, honest []byte, old [][]byte) []byte {
	t := w.thief
	if !t.at || t.strategy.Serve == nil || w.quiet {
		return honest
	}
	t.loot.Trust, t.loot.Plans = w.catalog.Trust, w.loot()
	data := t.strategy.Serve(&t.loot, evil.File{Host: n.id, Name: name, Honest: honest, Old: old, Now: w.time(), Random: t.random,
		Read: func(name string) []byte { return t.files[name] }})
	if !bytes.Equal(data, honest) {
		t.Files++
	}
	return data
}

// catalogFor is the catalog that a host is served. Its metadata is a model: one file
// stands for all of one version, and what is none of those has no valid signature.
func (w *World) catalogFor(n *node) (catalog.View, bool) {
	history := w.thief.history
	var files [][]byte
	for _, v := range history {
		files = append(files, fmt.Appendf(nil, "{\"version\":%d}", v.Version))
	}
	last := len(files) - 1
	data := w.serves(n, "timestamp.json", files[last], files[:last])
	for i := last; i >= 0; i-- {
		if bytes.Equal(data, files[i]) {
			return history[i], true
		}
	}
	return catalog.View{}, false
}

// nonceIn reads the nonce that a document quotes, which nobody has verified; empty if
// it is no grant.
func nonceIn(raw []byte) string {
	var envelope struct {
		Payload []byte `json:"payload"`
	}
	var grant statement.Grant
	if json.Unmarshal(raw, &envelope) != nil || json.Unmarshal(envelope.Payload, &grant) != nil {
		return ""
	}
	return grant.Nonce
}
