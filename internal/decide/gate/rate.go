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

// Watched is for how long after its confirmation a host that goes down speaks
// against the patch.
const Watched = time.Hour

// RateTest counts losses over a whole plan, all lanes and waves together. It is a
// value, like [Accumulator].
type RateTest struct {
	// Started counts the hosts that were ever armed, and Lost those of them that
	// went down or fell silent before they were confirmed.
	Started, Lost int
	// Confirmed counts hosts that run the level, and Crashed those of them that went
	// down within [Watched].
	Confirmed, Crashed int
	lost, crashed      losses
	settings           settings
	probation          time.Duration
}

// losses counts hosts that went down. Single ones stand for themselves. The others
// have no fingerprint and may have one cause with others of their domain; they are
// in order.
type losses struct {
	single int
	joint  []joint
}

// joint is a loss that may have one cause with others of its domain.
type joint struct {
	domain string
	at     int64
}

func (a joint) compare(b joint) int {
	return cmp.Or(cmp.Compare(a.domain, b.domain), cmp.Compare(a.at, b.at))
}

// NewRateTest returns the test of a plan that has not started, and whose hosts are
// on probation for so long.
func NewRateTest(s hotstick.GateSettings, probation time.Duration) RateTest {
	return RateTest{settings: settings(s), probation: probation}
}

// Observe counts one host; each host is given once.
func (t RateTest) Observe(r Reading) RateTest { return t.fold(r, 1) }

// Forget takes back what Observe of the same reading added.
func (t RateTest) Forget(r Reading) RateTest { return t.fold(r, -1) }

func (t RateTest) fold(r Reading, n int) RateTest {
	if started(r.State) {
		t.Started += n
	}
	switch r.State {
	case hotstick.Quarantined, hotstick.Lost:
		t.Lost += n
		t.lost = t.lost.fold(r, r.At, n)
	case hotstick.Confirmed:
		t.Confirmed += n
		if after := r.Crashed.Sub(r.At); !r.Crashed.IsZero() && after <= Watched {
			t.Crashed += n
			t.crashed = t.crashed.fold(r, r.Crashed, n)
		}
	}
	return t
}

func (l losses) fold(r Reading, at time.Time, n int) losses {
	if r.Domain == "" || key(lost, r) != "" {
		l.single += n
		return l
	}
	j := joint{r.Domain, at.UnixNano()}
	i, known := slices.BinarySearchFunc(l.joint, j, joint.compare)
	switch {
	case n > 0:
		l.joint = slices.Insert(slices.Clone(l.joint), i, j)
	case known:
		l.joint = slices.Delete(slices.Clone(l.joint), i, i+1)
	}
	return l
}

// events counts the losses, those of one domain that came together as one.
func (l losses) events() int {
	events := l.single
	var first joint
	for i, j := range l.joint {
		if i == 0 || j.domain != first.domain || j.at-first.at > int64(together) {
			events++
			first = j
		}
	}
	return events
}

// Events counts the losses on probation and after it, those of one domain that came
// together as one.
func (t RateTest) Events() int { return t.lost.events() + t.crashed.events() }

// Evidence is how many times better a killer explains the losses than the
// background does: the value that must not reach the inverse of the chance of a
// false alarm. It is the mean of what the time on probation says and what the time
// after it says, so that its expectation is at most 1 as well, and neither drowns
// the other.
func (t RateTest) Evidence() float64 {
	background := t.settings.background()
	return (evalue(t.lost.events(), t.Started, background) +
		evalue(t.crashed.events(), t.Confirmed, background*t.longer())) / 2
}

// longer is how many times as long as its probation a host is watched after it.
func (t RateTest) longer() float64 {
	if t.probation <= 0 {
		return 1
	}
	return Watched.Seconds() / t.probation.Seconds()
}

// Judge fails the plan, or returns nil. A fail is final: whoever gets one halts
// the plan, so that later readings cannot take it back.
func (t RateTest) Judge() *hotstick.Reason {
	if t.Lost+t.Crashed < 2 || t.Events() < 2 || t.Evidence() < 1/t.settings.alarm() {
		return nil
	}
	detail := fmt.Sprintf("%d of %d hosts that started", t.Lost, t.Started)
	if t.Crashed > 0 {
		detail += fmt.Sprintf(", and %d of %d within %s after they were confirmed", t.Crashed, t.Confirmed, Watched)
	}
	return &hotstick.Reason{Code: hotstick.ReasonGateFailed, Cause: hotstick.ReasonRate, Detail: detail}
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
