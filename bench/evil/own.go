package main

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/evil"
	"github.com/hotstick/hotstick/internal/statement"
)

// letter is a plan that the owners signed and never gave to the server. It lists all
// hosts and has no delay, so nothing speaks against it but what the thief does beside
// it: that is what makes the strategies with it sharp. The server's database and so
// the other strategies do not have it.
type letter struct{ written }

// start announces the letter and grants it to the host of the turn.
func (w letter) start(l *evil.Loot, t evil.Turn) []json.RawMessage {
	seat := slices.IndexFunc(w.hosts, func(h hotstick.PlanHost) bool { return h.Identity == t.Identity })
	if seat < 0 || t.Request.Loader.Nonce == "" {
		return nil
	}
	proof, err := statement.ProveHost(w.hosts, int64(seat))
	if err != nil {
		return nil
	}
	grant, err := statement.Sign(statement.KindGrant, statement.Grant{Plan: w.id, Host: t.Request.Host, Identity: t.Identity, Build: t.Build,
		Wave: w.hosts[seat].Wave, Attempt: 1, Index: int64(seat), Proof: proof, Nonce: t.Request.Loader.Nonce, Epoch: l.Trust.Epoch,
		TTLSeconds: statement.MaxGrantSeconds}, l.Online)
	if err != nil {
		return nil
	}
	return []json.RawMessage{w.raw, grant}
}

// tempted lets strategies that only serve files start the letter as well, so that the
// files are all that stands in the way.
func (w letter) tempted(s evil.Strategy) evil.Strategy {
	if s.Answer == nil && s.Serve != nil {
		s.Answer = w.start
	}
	return s
}

// artifacts are what the letter loads.
func (w letter) artifacts() map[hotstick.Digest]bool {
	digests := map[hotstick.Digest]bool{}
	for _, lane := range w.body.Lanes {
		digests[lane.Artifact] = true
	}
	return digests
}

// ownStrategies are those that need modules which a kernel would really load.
func (w letter) ownStrategies(m modules) []evil.Strategy {
	instead := func(name, does string, bytes func(build hotstick.KernelBuild) []byte) evil.Strategy {
		return evil.Strategy{Name: name, Does: does, Claims: []evil.Claim{evil.Unsigned}, Answer: w.start,
			Serve: func(_ *evil.Loot, f evil.File) []byte {
				for _, lane := range w.body.Lanes {
					if strings.HasSuffix(f.Name, "sha256-"+lane.Artifact.Hex()+".ko") {
						return bytes(lane.Build)
					}
				}
				return f.Honest
			}}
	}
	return []evil.Strategy{
		instead("module-that-nobody-signed", "serves a module that the kernel would load and no publisher signed",
			func(build hotstick.KernelBuild) []byte { return m[build][unknownLevel] }),
		instead("module-of-a-recalled-level", "serves the signed bytes of a recalled level under the name of a good one",
			func(build hotstick.KernelBuild) []byte { return m[build][recallLevel] }),
		instead("module-without-its-end", "ends the connection in the middle of a module",
			func(build hotstick.KernelBuild) []byte {
				data := m[build][postedLevel]
				return data[:len(data)/2]
			}),
		{Name: "catalog-frozen", Does: "lets the catalog grow old and goes on with a plan that is good in all else",
			Claims: []evil.Claim{evil.Stale}, Answer: w.start},
	}
}
