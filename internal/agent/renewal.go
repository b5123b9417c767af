package agent

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/hotstick/hotstick"
)

// Pauses between tries to renew a certificate: the first, doubled after each
// failure, up to the longest.
const (
	renewPause        = time.Minute
	longestRenewPause = 16 * time.Minute
)

// renewDue is when a host renews a certificate: when two thirds of its life are
// over and up to a twelfth more. How much more follows from the host's ID, so a
// fleet that joined in one minute, or came back in one, does not renew in one.
func renewDue(host hotstick.HostID, notBefore, notAfter time.Time) time.Time {
	life := notAfter.Sub(notBefore)
	return notBefore.Add(life*2/3 + spread(host, 0, life/12))
}

// renewAgain is how long a host waits after so many renewals that failed in a row:
// a pause and up to a half more, by the host's ID. A host whose certificate is of
// no use any more can do nothing else, so its pauses stay short.
func renewAgain(host hotstick.HostID, failures int, useless bool) time.Duration {
	pause := renewPause
	if !useless {
		pause = min(renewPause<<min(failures, 10), longestRenewPause)
	}
	return pause + spread(host, failures, pause/2)
}

// spread is a share of d, evenly over all hosts and the same for a host each time.
func spread(host hotstick.HostID, try int, d time.Duration) time.Duration {
	sum := sha256.Sum256(fmt.Appendf(nil, "hotstick renewal %s %d", host, try))
	share := binary.BigEndian.Uint32(sum[:])
	return time.Duration(float64(d) * float64(share) / (1 << 32))
}
