package probe_test

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/hotstick/hotstick/internal/agent/probe"
)

// taught is a judge that has seen a value so often at rest, once a minute.
func taught(l probe.Limits, times int, value float64) *probe.Judge {
	j := probe.NewJudge(l)
	for i := range times {
		j.Rest(time.Duration(i)*time.Minute, value)
	}
	return j
}

// watch gives a judge the same value again and again, and returns after how many times
// it says that this is not healthy, 0 if it never does.
func watch(j *probe.Judge, times int, value float64) int {
	for i := range times {
		if !j.Watch(10*time.Hour+time.Duration(i)*time.Second, value).Healthy {
			return i + 1
		}
	}
	return 0
}

func TestWhatAJudgeTakesForHealthy(t *testing.T) {
	l := probe.Limits{Floor: 0.02, Times: 4, Ceiling: 2, Window: 60}
	for _, c := range []struct {
		what  string
		judge *probe.Judge
		value float64
		after int // 0: healthy for ever
	}{
		{"what is usual", taught(l, 30, 0.01), 0.01, 0},
		{"unusual, but below the floor", taught(l, 30, 0.001), 0.02, 0},
		{"four times the usual", taught(l, 30, 0.01), 0.04, 0},
		{"ten times the usual", taught(l, 30, 0.01), 0.1, 31},
		{"ten times, and too little is known", taught(l, probe.Enough-1, 0.01), 0.1, 0},
		{"above the ceiling, and too little is known", taught(l, 0, 0), 2.1, 31},
		{"above the ceiling, although four times the usual is higher", taught(l, 30, 1), 2.1, 31},
		{"above the ceiling, as ever", taught(l, 30, 3), 3, 0},
		{"above the owner's limit, though usual", taught(probe.Limits{Only: 0.5, Window: 60}, 30, 0.6), 0.6, 31},
		{"below the owner's limit, though unusual", taught(probe.Limits{Only: 0.5, Floor: 0.1, Window: 60}, 30, 0.01), 0.5, 0},
		{"without any limit", taught(probe.Limits{Floor: 1, Window: 60}, 5, 0.1), 1e9, 0},
	} {
		if got := watch(c.judge, 1000, c.value); got != c.after {
			t.Errorf("%s: not healthy after %d, want %d", c.what, got, c.after)
		}
	}
}

func TestASpikeRevertsNothing(t *testing.T) {
	j := taught(probe.Limits{Floor: 0.02, Times: 4, Window: 60}, 30, 0.01)
	for i := range 3600 {
		value := 0.01
		if i%60 < 30 {
			value = 100
		}
		if v := j.Watch(10*time.Hour, value); !v.Healthy {
			t.Fatalf("not healthy after %d s, although half of each minute is well", i)
		}
	}
}

func TestNothingIsLearntDuringAnAttempt(t *testing.T) {
	j := taught(probe.Limits{Floor: 0.02, Times: 4, Window: 10}, 30, 0.01)
	for i := range 500 {
		v := j.Watch(10*time.Hour, 1)
		if *v.Usual != 0.01 || *v.Limit != 0.04 || v.Healthy != (i < 5) {
			t.Fatalf("after %d s: usual %g, limit %g, healthy %t", i, *v.Usual, *v.Limit, v.Healthy)
		}
	}
	if v := j.Rest(11*time.Hour, 0.01); !v.Healthy || *v.Usual != 0.01 {
		t.Errorf("after the attempt: %+v", v)
	}
}

func TestWhatHappensEveryNightIsNoAlarm(t *testing.T) {
	j := probe.NewJudge(probe.Limits{Floor: 0.6, Rise: 0.3, Window: 120})
	backup := func(at time.Duration) float64 {
		if at%(24*time.Hour) >= 23*time.Hour && at%(24*time.Hour) < 23*time.Hour+20*time.Minute {
			return 0.95
		}
		return 0.05
	}
	at := time.Duration(0)
	for ; at < 47*time.Hour; at += time.Minute {
		j.Rest(at, backup(at))
	}
	for ; at < 48*time.Hour; at += time.Second {
		if v := j.Watch(at, backup(at)); !v.Healthy {
			t.Fatalf("the nightly backup is taken for the patch's fault at %s", at)
		}
	}
}

func TestAHostAtRestIsIllAfterThreeInARow(t *testing.T) {
	j := taught(probe.Limits{Ceiling: 0.98, Window: 60}, 30, 0.5)
	var said []bool
	for i, value := range []float64{0.99, 0.99, 0.5, 0.99, 0.99, 0.99, 0.5} {
		said = append(said, j.Rest(time.Hour+time.Duration(i)*time.Minute, value).Healthy)
	}
	want := []bool{true, true, true, true, true, false, true}
	for i := range want {
		if said[i] != want[i] {
			t.Fatalf("it says %v, want %v", said, want)
		}
	}
}

func TestAJudgeNeverAlarmsBelowItsLimit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := probe.Limits{Floor: rapid.Float64Range(0, 10).Draw(t, "floor"), Times: rapid.Float64Range(0, 10).Draw(t, "times"),
			Rise: rapid.Float64Range(0, 10).Draw(t, "rise"), Ceiling: rapid.Float64Range(0, 20).Draw(t, "ceiling"),
			Window: rapid.IntRange(0, 300).Draw(t, "window")}
		j := probe.NewJudge(l)
		at := time.Duration(0)
		above := 0 // in a row, at one pace and one limit
		watched := false
		for _, step := range rapid.SliceOfN(rapid.Custom(func(t *rapid.T) float64 { return rapid.Float64Range(0, 30).Draw(t, "v") }), 1, 400).Draw(t, "values") {
			if next := step < 15 && at > time.Hour; next != watched && rapid.IntRange(0, 9).Draw(t, "turn") == 0 {
				watched, above = next, 0
			}
			at += time.Minute
			judge := j.Rest
			if watched {
				judge = j.Watch
			}
			v := judge(at, step)
			if v.Limit != nil && step > *v.Limit {
				above++
			}
			if !v.Healthy && above < 3 && (l.Window == 0 || l.Window > 5) {
				t.Fatalf("not healthy after %d values above the limit", above)
			}
			if v.Limit != nil && math.IsNaN(*v.Limit) {
				t.Fatal("a limit that is no number")
			}
		}
	})
}

// noise is a made-up host's measure: a daily wave, log-normal scatter that carries over
// from second to second, and bursts that come at random.
type noise struct {
	r *rand.Rand
	// usual is the middle value, and scatter the standard deviation of its logarithm.
	usual, scatter float64
	// bursts an hour come on average; each multiplies by height, for length on average.
	bursts, height float64
	length         time.Duration

	phase, drift float64
	at, until    time.Duration
}

// next returns the value after a while.
func (n *noise) next(after time.Duration) float64 {
	n.at += after
	carry := math.Exp(-after.Seconds() / 10)
	n.drift = carry*n.drift + math.Sqrt(1-carry*carry)*n.scatter*n.r.NormFloat64()
	wave := 1 + 0.3*math.Sin(2*math.Pi*(n.at.Hours()/24+n.phase))
	v := n.usual * wave * math.Exp(n.drift)
	if n.at >= n.until && n.r.Float64() < 1-math.Exp(-n.bursts*after.Hours()) {
		// It began at some moment of the time that passed, and may be over.
		begun := n.at - time.Duration(n.r.Float64()*float64(after))
		n.until = begun + time.Duration(n.r.ExpFloat64()*float64(n.length))
	}
	if n.at < n.until {
		v *= n.height
	}
	return v
}

// life lets a host learn for so long, then watches an attempt of ten minutes in which the
// value becomes worse. It returns after how many seconds that alarms, 0 if it does not.
func life(n *noise, l probe.Limits, pace, learns time.Duration, worse func(v float64) float64) int {
	j := probe.NewJudge(l)
	for n.at < learns {
		j.Rest(n.at, n.next(time.Minute))
	}
	for begun := n.at; n.at < begun+10*time.Minute; {
		if v := n.next(pace); !j.Watch(n.at, worse(v)).Healthy {
			return int((n.at - begun) / time.Second)
		}
	}
	return 0
}

func same(v float64) float64 { return v }

// scene is a kind of host.
type scene struct {
	name           string
	probe          string
	usual, scatter float64
	bursts, height float64
	length         time.Duration
	learns         time.Duration
	worse          func(v float64) float64
}

const leak = 1 << 20 // bytes a second

var scenes = []scene{
	{"fast disk, quiet", "fsync", 0.002, 0.3, 0, 1, 0, 12 * time.Hour, func(v float64) float64 { return 15 * v }},
	{"slow disk, bursts of 20 s", "fsync", 0.015, 0.3, 2, 5, 20 * time.Second, 12 * time.Hour, func(v float64) float64 { return 10 * v }},
	{"slow disk, learnt for 30 min", "fsync", 0.015, 0.3, 2, 5, 20 * time.Second, 30 * time.Minute, func(v float64) float64 { return 10 * v }},
	{"busy disk, bursts of 2 min", "fsync", 0.015, 0.5, 1, 8, 2 * time.Minute, 12 * time.Hour, func(v float64) float64 { return 30 * v }},
	{"slab, bursts of 30 s", "slab", 40 << 10, 0.8, 2, 20, 30 * time.Second, 12 * time.Hour, func(v float64) float64 { return v + leak }},
	{"slab, learnt for 30 min", "slab", 40 << 10, 0.8, 2, 20, 30 * time.Second, 30 * time.Minute, func(v float64) float64 { return v + leak }},
	{"run queue, bursts of 30 s", "run_queue", 0.0005, 0.5, 4, 30, 30 * time.Second, 12 * time.Hour, func(v float64) float64 { return 100 * v }},
	{"memory", "memory", 0.5, 0.05, 1, 1.2, 5 * time.Minute, 12 * time.Hour, func(float64) float64 { return 0.99 }},
	{"retransmits, bursts of 30 s", "tcp_retransmits", 0.002, 0.8, 4, 20, 30 * time.Second, 12 * time.Hour, func(v float64) float64 { return v + 0.35 }},
	{"pressure of memory", "pressure_memory", 0.02, 0.7, 4, 5, 30 * time.Second, 12 * time.Hour, func(v float64) float64 { return min(1, v+0.6) }},
}

func (s scene) host(seed uint64) *noise {
	r := rand.New(rand.NewPCG(seed, 7))
	return &noise{r: r, usual: s.usual, scatter: s.scatter, bursts: s.bursts, height: s.height, length: s.length, phase: r.Float64()}
}

func (s scene) life(seed uint64, worse func(float64) float64) int {
	l, pace := probe.LimitsOf(s.probe)
	return life(s.host(seed), l, pace, s.learns, worse)
}

// play lets so many hosts of a scene live twice, well and ill.
func (s scene) play(hosts int) (alarms, missed, slowest int) {
	for seed := range uint64(hosts) {
		if s.life(seed, same) > 0 {
			alarms++
		}
		after := s.life(seed, s.worse)
		if after == 0 {
			missed++
		}
		slowest = max(slowest, after)
	}
	return alarms, missed, slowest
}

func TestHealthyHostsAlarmSeldomAndRealChangesAlways(t *testing.T) {
	const hosts = 50
	for _, s := range scenes {
		if alarms, missed, slowest := s.play(hosts); alarms*50 > hosts || missed*20 > hosts {
			t.Errorf("%s: of %d hosts %d alarm though well, and %d do not though ill; the slowest after %d s", s.name, hosts, alarms, missed, slowest)
		}
	}
}

// BenchmarkAlarms gives the figures of docs/reference/probes.md:
//
//	go test ./internal/agent/probe -run '^$' -bench Alarms -benchtime 2000x
func BenchmarkAlarms(b *testing.B) {
	for _, s := range scenes {
		b.Run(s.name, func(b *testing.B) {
			alarms, missed, slowest := s.play(b.N)
			b.ReportMetric(100*float64(alarms)/float64(b.N), "%false")
			b.ReportMetric(100*float64(missed)/float64(b.N), "%missed")
			b.ReportMetric(float64(slowest), "s-slowest")
		})
	}
}
