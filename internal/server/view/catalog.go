package view

import (
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/api"
	"github.com/hotstick/hotstick/internal/inventory"
	"github.com/hotstick/hotstick/internal/store"
)

// warnAhead is how long before the catalog expires every screen says so.
const warnAhead = 7 * 24 * time.Hour

// Catalog makes the catalog's page. SignedBy names the keys of the targets metadata.
func (m Moment) Catalog(hosts []store.Host, bans []store.Ban, signedBy []string) api.Catalog {
	c := api.Catalog{Patches: []api.Patch{}, Version: m.Trusted.Version, Expires: m.Trusted.Expires, Trust: m.Trusted.Trust}
	for _, p := range m.Trusted.Patches {
		c.Patches = append(c.Patches, m.Patch(p, hosts, bans, signedBy))
	}
	switch left := m.Trusted.Expires.Sub(m.Now); {
	case left <= 0:
		c.Warning = "The catalog's signatures have expired: nothing can start until they are renewed."
	case left < warnAhead:
		c.Warning = "The catalog's signatures expire in " + left.Round(time.Minute).String() + "; renew them with the offline keys."
	}
	return c
}

// Patch makes one level's page.
func (m Moment) Patch(p hotstick.Patch, hosts []store.Host, bans []store.Ban, signedBy []string) api.Patch {
	out := api.Patch{Patch: p, SignedBy: signedBy}
	for _, b := range Bans(bans) {
		if b.Patch == p.Ref {
			out.Ban = &b
		}
	}
	for _, h := range hosts {
		if h.Facts == nil {
			continue
		}
		if _, fits := p.Artifact(h.Facts.Kernel.Build); fits {
			out.FittingHosts++
		}
		truth := inventory.Read(h, m.Modules, m.Now, m.StaleAfter)
		if truth.Knowledge == inventory.Known && truth.Level == p.Ref {
			out.InEffectHosts++
		}
	}
	return out
}
