package gate

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/hotstick/hotstick"
)

// together is how soon after one another hosts of one domain must be lost to count
// as one event: the silence after which a host is lost, and the time it boots.
const together = 5 * time.Minute

// RateTest counts losses over a whole plan, all lanes and waves together. It is a
// value, like [Accumulator].
type RateTest struct {
	// Started counts the hosts that were ever armed, and Lost those of them that
	// went down or fell silent.
	Started, Lost int
	// single losses stand for themselves. The others have no fingerprint and may
	// have one cause with others of their domain; they are in order.
	single   int
	joint    []joint
	settings settings
}

// joint is a loss that may have one cause with others of its domain.
type joint struct {
	domain string
	at     int64
}

func (a joint) compare(b joint) int {
	return cmp.Or(cmp.Compare(a.domain, b.domain), cmp.Compare(a.at, b.at))
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
	if r.State != hotstick.Quarantined && r.State != hotstick.Lost {
		return t
	}
	t.Lost += n
	if r.Domain == "" || key(lost, r) != "" {
		t.single += n
		return t
	}
	j := joint{r.Domain, r.At.UnixNano()}
	i, known := slices.BinarySearchFunc(t.joint, j, joint.compare)
	switch {
	case n > 0:
		t.joint = slices.Insert(slices.Clone(t.joint), i, j)
	case known:
		t.joint = slices.Delete(slices.Clone(t.joint), i, i+1)
	}
	return t
}

// Events counts the losses, those of one domain that came together as one.
func (t RateTest) Events() int {
	events := t.single
	var first joint
	for i, j := range t.joint {
		if i == 0 || j.domain != first.domain || j.at-first.at > int64(together) {
			events++
			first = j
		}
	}
	return events
}

// Evidence is how many times better a killer explains the losses than the
// background does: the value that must not reach the inverse of the chance of a
// false alarm.
func (t RateTest) Evidence() float64 {
	return evalue(t.Events(), t.Started, t.settings.background())
}

// Judge fails the plan, or returns nil. A fail is final: whoever gets one halts
// the plan, so that later readings cannot take it back.
func (t RateTest) Judge() *hotstick.Reason {
	if t.Lost < 2 || t.Events() < 2 || t.Evidence() < 1/t.settings.alarm() {
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
