package view

import (
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/api"
	"github.com/hotstick/hotstick/catalog"
	"github.com/hotstick/hotstick/internal/store"
)

// warnOnline is how long before its end the catalog's page warns of what the server
// renews by itself long before, if it can.
const warnOnline = time.Hour

// Signed is what the catalog's page rests on beside the view: who signed the
// targets metadata, and when the first signature of an offline key ends.
type Signed struct {
	By      []string
	Expires time.Time
}

// Catalog makes the catalog's page.
func (m Moment) Catalog(fleet Census, bans []store.Ban, signed Signed) api.Catalog {
	c := api.Catalog{Patches: []api.Patch{}, Version: m.Trusted.Version, Expires: signed.Expires, Trust: m.Trusted.Trust}
	for _, p := range m.Trusted.Patches {
		c.Patches = append(c.Patches, m.Patch(p, fleet, bans, signed.By))
	}
	offline, online := signed.Expires.Sub(m.Now), m.Trusted.Expires.Sub(m.Now)
	switch {
	case offline <= 0:
		c.Warning = "The catalog's signatures have expired: nothing can start until they are renewed with the offline keys."
	case online <= 0:
		c.Warning = "The server's own signatures on the catalog have expired: nothing can start until it renews them; its log says why it cannot."
	case offline < catalog.ExpiryWarning:
		c.Warning = "The catalog's signatures expire in " + offline.Round(time.Minute).String() + "; renew them with the offline keys."
	case online < warnOnline:
		c.Warning = "The server's own signatures on the catalog expire in " + online.Round(time.Minute).String() + "; its log says why it cannot renew them."
	}
	return c
}

// Patch makes one level's page.
func (m Moment) Patch(p hotstick.Patch, fleet Census, bans []store.Ban, signedBy []string) api.Patch {
	out := api.Patch{Patch: p, SignedBy: signedBy, Recall: m.recall(p.Ref)}
	for _, b := range Bans(bans) {
		if b.Patch == p.Ref {
			out.Ban = &b
		}
	}
	for build, runs := range fleet.Builds {
		if _, fits := p.Artifact(build); fits {
			out.FittingHosts += runs.Hosts
		}
		out.InEffectHosts += runs.Levels[p.Ref]
	}
	return out
}
