package gate

import (
	"fmt"
	"math"

	"github.com/hotstick/hotstick"
)

// RateTest counts losses over a whole plan, all lanes and waves together. It is a
// value, like [Accumulator].
type RateTest struct {
	// Started counts the hosts that were ever armed, and Lost those of them that
	// went down or fell silent.
	Started, Lost int
	settings      settings
}

// NewRateTest returns the test of a plan that has not started.
func NewRateTest(s hotstick.GateSettings) RateTest { return RateTest{settings: settings(s)} }

// Observe counts one host; each host is given once.
func (t RateTest) Observe(r Reading) RateTest { return t.fold(r, 1) }

// Forget takes back what Observe of the same reading added.
func (t RateTest) Forget(r Reading) RateTest { return t.fold(r, -1) }

func (t RateTest) fold(r Reading, n int) RateTest {
	if started(r.State) {
		t.Started += n
	}
	if r.State == hotstick.Quarantined || r.State == hotstick.Lost {
		t.Lost += n
	}
	return t
}

// Evidence is how many times better a killer explains the losses than the
// background does: the value that must not reach the inverse of the chance of a
// false alarm.
func (t RateTest) Evidence() float64 {
	return evalue(t.Lost, t.Started, t.settings.background())
}

// Judge fails the plan, or returns nil. A fail is final: whoever gets one halts
// the plan, so that later readings cannot take it back.
func (t RateTest) Judge() *hotstick.Reason {
	if t.Lost < 2 || t.Evidence() < 1/t.settings.alarm() {
		return nil
	}
	return &hotstick.Reason{Code: hotstick.ReasonGateFailed, Cause: hotstick.ReasonRate,
		Detail: fmt.Sprintf("%d of %d hosts that started", t.Lost, t.Started)}
}

// killers are the shares of hosts that a bad patch is thought to kill, each as
// likely as the other.
var killers = [...]float64{0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002}

// evalue is the likelihood of k losses among n hosts under the mixture of killers
// over that under the background. Each killer takes at least four times as many
// hosts as the background, so the value shrinks while nothing is lost, and its
// expectation stays at most 1 for every rate up to the background.
func evalue(k, n int, background float64) float64 {
	sum, members := 0.0, 0
	for _, p := range killers {
		if p < 4*background {
			break
		}
		members++
		sum += math.Exp(float64(k)*math.Log(p/background) + float64(n-k)*math.Log((1-p)/(1-background)))
	}
	if members == 0 {
		return 0 // no killer can be told from such a background
	}
	return sum / float64(members)
}
