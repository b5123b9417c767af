package gate_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/decide/gate"
)

// What the groups of hosts do on their own, in the logarithm of the value: noise
// of 4 % a minute that carries over by half to the next, and bursts of 15 %, about
// five minutes long, every two hours. Bursts of the same length that both groups
// share double the value.
const (
	noise = 0.04
	carry = 0.5
	alone = 0.15
	both  = 0.7
	// history is how many minutes the metric was watched before the patch.
	history = 720
)

// metric makes one metric of two groups of hosts: a daily wave and bursts that
// both share, and for each group its own level, autocorrelated noise and bursts.
type metric struct {
	r               *rand.Rand
	own             [2]float64
	burst           [3]int
	level           [2]float64
	minute, missing int
}

func newMetric(r *rand.Rand) *metric {
	return &metric{r: r, level: [2]float64{r.NormFloat64() * 0.2, r.NormFloat64() * 0.2}}
}

// next returns the values of the next minute; 5 % are missing, some in runs.
func (m *metric) next() (canary, control float64) {
	m.minute++
	shared := 0.4 * math.Sin(2*math.Pi*float64(m.minute)/1440)
	for i := range m.burst {
		switch {
		case m.burst[i] > 0:
			m.burst[i]--
		case m.r.IntN(120) == 0:
			m.burst[i] = 1 + m.r.IntN(8)
		}
	}
	if m.burst[2] > 0 {
		shared += both
	}
	var v [2]float64
	for i := range m.own {
		m.own[i] = carry*m.own[i] + math.Sqrt(1-carry*carry)*noise*m.r.NormFloat64()
		x := m.level[i] + shared + m.own[i]
		if m.burst[i] > 0 {
			x += alone
		}
		v[i] = 100 * math.Exp(x)
	}
	if m.missing > 0 {
		m.missing--
	} else if m.r.IntN(40) == 0 {
		m.missing = m.r.IntN(4)
	}
	if m.missing > 0 || m.r.IntN(100) == 0 {
		v[m.r.IntN(2)] = math.NaN()
	}
	return v[0], v[1]
}

// watch looks at a metric once a minute and returns after how many minutes with
// the patch it failed, or 0. The patch multiplies the canaries' values.
func watch(r *rand.Rand, metrics, looks int, factor float64) int {
	m := newMetric(r)
	m.minute = r.IntN(1440)
	s := gate.NewSeries("latency", metrics, 0, hotstick.GateSettings{})
	now := t0
	for i := range history + looks {
		canary, control := m.next()
		patched := i >= history
		if patched {
			canary *= factor
		}
		now = now.Add(time.Minute)
		s = s.Add(gate.Point{At: now, Canary: canary, Control: control, Patched: patched})
		if patched && s.Judge(now).Outcome == gate.Fail {
			return i - history + 1
		}
	}
	return 0
}

// probation is how long the hosts of these rollouts are on probation.
const probation = 10 * time.Minute

// roll plays losses host by host, on probation and after it, looking after each, and
// returns at which host the rates failed, or 0.
func roll(r *rand.Rand, hosts int, rate, after float64) int {
	test := gate.NewRateTest(hotstick.GateSettings{}, probation)
	for n := 1; n <= hosts; n++ {
		reading := gate.Reading{State: hotstick.Confirmed, At: t0}
		switch {
		case r.Float64() < rate:
			reading.State = hotstick.Quarantined
		case after > 0 && r.Float64() < after:
			reading.Crashed = t0.Add(time.Minute)
		}
		test = test.Observe(reading)
		if test.Judge() != nil {
			return n
		}
	}
	return 0
}

// falseHalt plays a rollout of a good patch to 10,000 hosts with 10 metrics, each
// looked at 200 times, and says whether anything halts it.
func falseHalt(seed uint64) bool {
	r := rand.New(rand.NewPCG(seed, 9))
	background := gate.DefaultBackgroundPPM / 1e6
	halted := roll(r, 10_000, background, background*float64(gate.Watched/probation)) > 0
	for range 10 {
		halted = halted || watch(r, 10, 200, 1) > 0
	}
	return halted
}

func share(n int, f func(seed uint64) bool) float64 {
	hits := 0
	for seed := range n {
		if f(uint64(seed)) {
			hits++
		}
	}
	return float64(hits) / float64(n)
}

func BenchmarkAA(b *testing.B) {
	for b.Loop() {
		b.ReportMetric(100*share(2000, falseHalt), "false-halts/%")
	}
}

func BenchmarkPower(b *testing.B) {
	for _, k := range []struct {
		rate  float64
		hosts int
	}{{0.1, 100}, {0.01, 1000}} {
		b.Run(fmt.Sprintf("killer=%g%%", 100*k.rate), func(b *testing.B) {
			for b.Loop() {
				b.ReportMetric(100*share(10_000, detects(k.rate, k.hosts)), "detected/%")
			}
		})
	}
	b.Run("latency=20%", func(b *testing.B) {
		for b.Loop() {
			b.ReportMetric(100*share(2000, shifts), "detected/%")
		}
	})
}

func detects(rate float64, hosts int) func(uint64) bool {
	return func(seed uint64) bool { return roll(rand.New(rand.NewPCG(seed, 10)), hosts, rate, 0) > 0 }
}

// lingers is detects for a patch that kills after the hosts were confirmed.
func lingers(rate float64, hosts int) func(uint64) bool {
	return func(seed uint64) bool { return roll(rand.New(rand.NewPCG(seed, 12)), hosts, 0, rate) > 0 }
}

// shifts says whether a latency 20 % above what it was is found in 30 minutes,
// beside nine other metrics.
func shifts(seed uint64) bool {
	return watch(rand.New(rand.NewPCG(seed, 11)), 10, 30, 1.2) > 0
}

func TestGoodRolloutsAreSeldomHalted(t *testing.T) {
	if got := share(60, falseHalt); got > 0.04 {
		t.Errorf("%.1f %% of good rollouts were halted, want at most 1 %%", 100*got)
	}
}

func TestKillersAreFound(t *testing.T) {
	if got := share(1000, detects(0.1, 100)); got < 0.99 {
		t.Errorf("found %.1f %% of 10 %%-killers within 100 hosts, want 99 %%", 100*got)
	}
	if got := share(300, detects(0.01, 1000)); got < 0.95 {
		t.Errorf("found %.1f %% of 1 %%-killers within 1,000 hosts, want 95 %%", 100*got)
	}
	if got := share(1000, lingers(0.1, 100)); got < 0.99 {
		t.Errorf("found %.1f %% of patches that kill every tenth host after its confirmation within 100 hosts, want 99 %%", 100*got)
	}
	if got := share(100, shifts); got < 0.9 {
		t.Errorf("found %.1f %% of 20 %% shifts within 30 minutes, want 95 %%", 100*got)
	}
}

// A plan that starts 2,500 hosts at once sees a crash long before it sees 2,499
// confirmations: hosts that are under way must count.
func TestRatesAreNotBiasedByWhatHappensFirst(t *testing.T) {
	test := gate.NewRateTest(hotstick.GateSettings{}, probation)
	for range 2500 {
		test = test.Observe(gate.Reading{State: hotstick.Probation})
	}
	for range 2 {
		test = test.Observe(gate.Reading{State: hotstick.Quarantined})
	}
	if why := test.Judge(); why != nil {
		t.Errorf("two losses among 2,502 hosts that started failed the plan: %+v", why)
	}
}

// A host that goes down days after it was confirmed says nothing of the patch, and one
// host never fails a plan.
func TestRatesLookAtTheTimeAfterConfirmation(t *testing.T) {
	for _, test := range []struct {
		what  string
		after []time.Duration
		fails bool
	}{
		{"one that goes down within the hour", []time.Duration{time.Minute}, false},
		{"two that do", []time.Duration{time.Minute, time.Hour}, true},
		{"two that do later", []time.Duration{time.Hour + 1, 48 * time.Hour}, false},
	} {
		rates := gate.NewRateTest(hotstick.GateSettings{}, probation)
		for i := range 10 {
			r := gate.Reading{State: hotstick.Confirmed, At: t0}
			if i < len(test.after) {
				r.Crashed = t0.Add(test.after[i])
			}
			rates = rates.Observe(r)
		}
		if why := rates.Judge(); (why != nil) != test.fails {
			t.Errorf("%s of ten: judged %+v", test.what, why)
		}
	}
}

// A zone that is cut off takes many hosts at once and is one event; hosts lost in
// every zone are not.
func TestAnOutageIsOneEvent(t *testing.T) {
	lose := func(zones int) gate.RateTest {
		test := gate.NewRateTest(hotstick.GateSettings{}, probation)
		for i := range 200 {
			r := gate.Reading{State: hotstick.Probation, Domain: fmt.Sprint(i % zones)}
			if i < 50 {
				r.State, r.At = hotstick.Lost, t0.Add(time.Duration(i)*time.Second)
			}
			test = test.Observe(r)
		}
		return test
	}
	if test := lose(1); test.Judge() != nil || test.Events() != 1 {
		t.Errorf("50 hosts of one zone are %d events", test.Events())
	}
	if test := lose(3); test.Judge() == nil || test.Events() != 3 {
		t.Errorf("50 hosts of three zones are %d events and do not fail", test.Events())
	}
}

func TestSeriesHoldsWithoutData(t *testing.T) {
	row := func(before, after int, at time.Time) gate.Verdict {
		s := gate.NewSeries("latency", 1, 0, hotstick.GateSettings{})
		r := rand.New(rand.NewPCG(1, 12))
		for i := range before + after {
			s = s.Add(gate.Point{At: t0, Canary: 1 + 0.01*r.Float64(), Control: 1, Patched: i >= before})
		}
		return s.Judge(at)
	}
	tests := []struct {
		name          string
		before, after int
		age           time.Duration
		want          gate.Outcome
		code          hotstick.ReasonCode
	}{
		{"no points hold", 0, 0, 0, gate.Hold, hotstick.ReasonTooFewReadings},
		{"no baseline holds", 0, 100, 0, gate.Hold, hotstick.ReasonTooFewReadings},
		{"a short baseline holds", gate.MinBaseline - 1, 100, 0, gate.Hold, hotstick.ReasonTooFewReadings},
		{"too few points since hold", 200, gate.MinPatched - 1, 0, gate.Hold, hotstick.ReasonTooFewReadings},
		{"enough points pass", 200, gate.MinPatched, 0, gate.Pass, hotstick.ReasonBake},
		{"old points hold", 200, gate.MinPatched, time.Hour, gate.Hold, hotstick.ReasonStaleReadings},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if v := row(test.before, test.after, t0.Add(test.age)); v.Outcome != test.want || v.Reason.Code != test.code {
				t.Errorf("judged %s because of %s, want %s because of %s", v.Outcome, v.Reason.Code, test.want, test.code)
			}
		})
	}
}
