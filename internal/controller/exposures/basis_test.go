package exposures

import (
	"testing"
	"time"

	"github.com/hotstick/hotstick"
)

// TestAHostThatCallsFirstDoesNotMakeTheOthersSilent has a server that is away for two hours,
// and a host that calls while the loop has not looked at any yet: reading all documents goes
// before that.
func TestAHostThatCallsFirstDoesNotMakeTheOthersSilent(t *testing.T) {
	onBoth(t, func(w *world) {
		w.say("D-1", "6.1.15-1", cve1)
		for _, id := range []hotstick.HostID{"h-1", "h-2", "h-3"} {
			w.checkIn(id, "6.1.20-1")
		}
		w.mustRound()
		w.pass(2 * time.Hour)
		w.restart()
		w.pass(time.Minute)
		w.checkIn("h-1", "6.1.20-1")
		w.mustRound()
		w.want("h-1")
		w.want("h-2")
		w.want("h-3")
		// A host that does not call in time is silent all the same.
		w.pass(DefaultSilentAfter - 30*time.Second)
		w.checkIn("h-1", "6.1.20-1")
		w.checkIn("h-2", "6.1.20-1")
		w.mustRound()
		w.want("h-2")
		w.want("h-3", cve1+" host_silent by D-1 from 180")
	})
}
