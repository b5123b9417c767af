package agent

import (
	"slices"
	"time"

	"github.com/hotstick/hotstick"
)

// longestRest is how long a loader that says by its bell that nothing is new is left
// alone. Then it is called all the same, so that one that cannot be started any more is
// not found out only when it is needed.
const longestRest = 15 * time.Minute

// rests reports whether a check-in may leave the loader alone: it has ended for want of
// work, and a call would start it. The agent sees by itself what the kernel lists as
// loaded; that the loader's state is the one that it told last, its bell says. A host in
// a rollout needs a nonce, and so does one of a server that does not know what resting is.
// Of a system of steps that was taken over only the loader sees whether it is still on hold,
// by what a step asks its tool. Where the loader itself loads the level that was taken over,
// the system is held by its unit alone, which is looked at again when the rest is over.
func (c *Core) rests(patches []hotstick.LoadedPatch) bool {
	h := &c.host
	return c.cfg.Bell != nil && h.reached && h.said != "" && !h.loader.Busy && c.watchless() && !c.server.active &&
		c.speak() >= protocolRest && c.cfg.Uptime()-h.called < longestRest && sameEffects(patches, h.patches) && c.cfg.Bell() == h.said
}

// protocolRest is the first protocol in which a check-in can say that the loader rests.
const protocolRest = 2

// sameEffects reports whether two lists say the same of what is in effect.
func sameEffects(a, b []hotstick.LoadedPatch) bool {
	return slices.EqualFunc(a, b, func(x, y hotstick.LoadedPatch) bool { return x.Module == y.Module && x.State == y.State })
}

// watchless reports whether nothing was taken over, or only a level of a driver that loads by
// itself.
func (c *Core) watchless() bool {
	l := &c.host.loader
	return len(l.Adopted) == 0 || hotstick.ClassOf(l.AdoptedFor) == hotstick.TrustBytes
}
