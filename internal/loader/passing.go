package loader

import (
	"fmt"
	"strings"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver"
)

// maxPassing is for how long a driver's tool that does not answer keeps a grant waiting.
// Who waits keeps the slots of the host's failure domains, so nobody waits for ever.
const maxPassing = 10 * time.Minute

// passing is for how long one cause that may pass (see [driver.Passing]) has kept an attempt
// from its start, by the boot's clock.
//
// Only this process knows it: a loader that was restarted counts anew. The ledger has no
// place for it, and a field that an older loader does not know would keep that one from
// reading the ledger at all. So a loader does not end by itself while it counts.
type passing struct {
	plan    hotstick.PlanID
	attempt int
	driver  string
	code    hotstick.ReasonCode
	// since is when the cause was first met, and met when it was last.
	since, met time.Duration
}

// meet notes that a grant was judged, with what its driver could do, and says for how long
// the same cause has kept the same attempt waiting. A tool that answered meanwhile, or has
// another cause, has time anew.
func (p *passing) meet(s grantSituation) time.Duration {
	if !driver.Passing(s.capabilities) {
		*p = passing{}
		return 0
	}
	now := passing{s.grant.Plan, s.grant.Attempt, s.capabilities.Driver, s.capabilities.Reason.Code, s.uptime, s.uptime}
	if p.plan == now.plan && p.attempt == now.attempt && p.driver == now.driver && p.code == now.code {
		now.since = p.since
	}
	*p = now
	return now.met - now.since
}

// counts reports whether a loader that ended now would forget what it counts.
func (p passing) counts(uptime time.Duration) bool {
	return p.plan != "" && uptime-p.met < maxPassing
}

// keptBack says what a driver's tool that does not answer means for a grant, and why: it may
// answer the next time, until it has not for too long.
func (s grantSituation) keptBack() (answer, *hotstick.Reason) {
	if s.kept < maxPassing {
		return notNow, s.capabilities.Reason
	}
	why := *s.capabilities.Reason
	why.Detail = clip(strings.TrimSuffix(fmt.Sprintf("for %s: %s", s.kept.Round(time.Second), why.Detail), ": "))
	return never, &why
}
