package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/evil"
	"github.com/hotstick/hotstick/internal/statement"
	"github.com/hotstick/hotstick/internal/wire"
)

// victim is one host as the thief sees it. The thief's lock guards it.
type victim struct {
	id       hotstick.HostID
	name     string
	identity hotstick.Fingerprint
	build    hotstick.KernelBuild
	http     *http.Client
	// random is set with name, identity and build when the thief reads the database.
	random *rand.Rand
	// loader is the newest that the host said of its loader.
	loader   wire.LoaderState
	checkIns int
	// halts counts those that the host was sent and has answered for since.
	halts, halting int
	// visit is the attack under way; nil while the host is left alone.
	visit *visit
}

// hear notes a check-in and what it is answered with.
func (v *victim) hear(req wire.SyncRequest, answer []json.RawMessage) {
	v.loader = req.Loader
	v.checkIns++
	v.halts += v.halting
	v.halting = 0
	for _, raw := range answer {
		if kind, err := statement.KindOf(raw); err == nil && kind == statement.KindHalt {
			v.halting++
		}
	}
}

// How long one attack on one host lasts, in check-ins. Some take several turns: a plan
// is announced, a grant follows, the grant comes again.
const (
	fewestTurns = 3
	mostTurns   = 8
	// restTurns are those after the attack in which the host is left alone, so that
	// what it started shows.
	restTurns = 2
	// turnTime is how long a turn takes by the thief's own clock. Nobody hurries a
	// thief: some strategies wait for minutes between their turns.
	turnTime = 15 * time.Second
)

// visit is one attack on one host.
type visit struct {
	strategy evil.Strategy
	turns    int
	rest     int
	// busy: the loader said that an attempt is under way.
	busy bool
	// sent are the documents that are not the server's own.
	sent map[hotstick.Digest]bool
	// refused are the loader's reasons for what it did not take of them.
	refused map[string]int
	// served counts files that are not the server's own.
	served int
	over   chan struct{}
}

// begin begins an attack.
func (t *thief) begin(v *victim, s evil.Strategy) *visit {
	t.mu.Lock()
	defer t.mu.Unlock()
	v.visit = &visit{strategy: s, sent: map[hotstick.Digest]bool{}, refused: map[string]int{}, over: make(chan struct{})}
	return v.visit
}

// leave ends what begin began, and returns it for good.
func (t *thief) leave(v *victim) visit {
	t.mu.Lock()
	defer t.mu.Unlock()
	ended := *v.visit
	v.visit = nil
	return ended
}

// resting: the attack is over, and what it did is to show.
func (v *visit) resting() bool {
	return v.turns >= mostTurns || v.turns >= fewestTurns && (len(v.refused) > 0 || v.busy)
}

// take notes what the host says of the attack so far.
func (v *visit) take(req wire.SyncRequest) {
	for _, r := range req.Loader.Refusals {
		if v.sent[r.Document] {
			v.refused[said(r.Reason)]++
		}
	}
	v.busy = v.busy || req.Loader.Busy
	switch {
	case !v.resting() || v.rest == restTurns:
	case req.Loader.Busy:
		v.rest = 0
	default:
		if v.rest++; v.rest == restTurns {
			close(v.over)
		}
	}
}

// said is a reason with the loader's own words, if it has any.
func said(r hotstick.Reason) string {
	if r.Detail == "" {
		return string(r.Code)
	}
	return fmt.Sprintf("%s (%s)", r.Code, r.Detail)
}

// answer returns the documents for a check-in of the host.
func (v *victim) answer(l *evil.Loot, req wire.SyncRequest, honest []json.RawMessage) []json.RawMessage {
	if v.visit == nil {
		return nil
	}
	v.visit.take(req)
	if v.visit.resting() {
		return nil
	}
	v.visit.turns++
	if v.visit.strategy.Answer == nil {
		return honest
	}
	documents := v.visit.strategy.Answer(l, evil.Turn{Request: req, Identity: v.identity, Build: v.build, Honest: honest,
		Now: time.Now().Add(time.Duration(v.visit.turns) * turnTime), Random: v.random})
	for _, raw := range documents {
		if !slices.ContainsFunc(honest, func(h json.RawMessage) bool { return string(h) == string(raw) }) {
			v.visit.sent[hotstick.NewDigest(raw)] = true
		}
	}
	return documents[:min(len(documents), wire.MaxDocuments)]
}

// serve returns the bytes for a host's request for a file.
func (v *victim) serve(l *evil.Loot, f evil.File) []byte {
	if v.visit == nil || v.visit.strategy.Serve == nil {
		return f.Honest
	}
	f.Random = v.random
	data := v.visit.strategy.Serve(l, f)
	if string(data) != string(f.Honest) {
		v.visit.served++
	}
	return data
}
