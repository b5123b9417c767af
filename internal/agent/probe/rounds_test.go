package probe_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/agent/probe"
	"github.com/hotstick/hotstick/internal/loader/link"
)

// asker is a probe that does what a test says.
type asker func(ctx context.Context, watched bool) probe.Answer

func (f asker) Ask(ctx context.Context, watched bool) probe.Answer { return f(ctx, watched) }

func healthy(context.Context, bool) probe.Answer { return probe.Answer{Healthy: true} }

// heard is what some rounds have told, in a bubble.
type heard struct {
	mu    sync.Mutex
	tells int
	all   []hotstick.Reading
}

func (h *heard) take(_ context.Context, readings []hotstick.Reading) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.tells++
	h.all = append(h.all, readings...)
}

// of returns the readings of one probe, oldest first, and forgets nothing.
func (h *heard) of(name string) []hotstick.Reading {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(h.all), func(r hotstick.Reading) bool { return r.Probe != name })
}

func inRounds(t *testing.T, probes []probe.Probe, test func(r *probe.Rounds, h *heard)) {
	synctest.Test(t, func(t *testing.T) {
		h := &heard{}
		began := time.Now()
		r := probe.NewRounds(probes, func() time.Duration { return time.Since(began) }, h.take)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { r.Run(ctx); close(ended) }()
		pass(0)
		test(r, h)
		cancel()
		<-ended
	})
}

// pass lets time pass.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func TestARoundIsToldAtOnce(t *testing.T) {
	probes := []probe.Probe{{Name: "a", Asker: asker(healthy)}, {Name: "b", Asker: asker(healthy)}, {Name: "c", Asker: asker(healthy)}}
	inRounds(t, probes, func(r *probe.Rounds, h *heard) {
		pass(10 * time.Minute)
		if n := len(h.all); h.tells < 8 || h.tells > 11 || n != 3*h.tells {
			t.Errorf("%d readings in %d pieces of news in ten minutes at rest", n, h.tells)
		}
		before := h.tells
		r.Watch(true)
		pass(10 * time.Second)
		if n := h.tells - before; n < 10 || n > 11 {
			t.Errorf("%d pieces of news in ten seconds of an attempt", n)
		}
		r.Watch(false)
		pass(time.Second)
		before = h.tells
		pass(time.Minute + 30*time.Second)
		if n := h.tells - before; n < 1 || n > 2 {
			t.Errorf("%d pieces of news in a minute and a half after the attempt", n)
		}
	})
}

func TestARoundGoesWithACheckIn(t *testing.T) {
	inRounds(t, []probe.Probe{{Name: "a", Asker: asker(healthy)}}, func(r *probe.Rounds, h *heard) {
		pass(20 * time.Second)
		r.Awake()
		pass(time.Second)
		if n := len(h.of("a")); n != 1 {
			t.Fatalf("asked %d times: a check-in after 20 s is too soon for a round", n)
		}
		pass(30 * time.Second)
		r.Awake()
		pass(time.Second)
		if n := len(h.of("a")); n != 2 {
			t.Errorf("asked %d times: a check-in after 51 s takes the round with it", n)
		}
	})
}

func TestWhatIsIllIsAskedAgainSoon(t *testing.T) {
	well := true
	asks := 0
	probes := []probe.Probe{{Name: "web", Asker: asker(func(context.Context, bool) probe.Answer {
		asks++
		return probe.Answer{Healthy: well}
	})}}
	inRounds(t, probes, func(r *probe.Rounds, h *heard) {
		r.Watch(true)
		pass(3 * time.Second)
		well = false
		pass(30 * time.Second)
		r.Watch(false)
		well = true
		pass(3 * time.Second)
		readings := h.of("web")
		if last := readings[len(readings)-1]; !last.Healthy {
			t.Errorf("three seconds after the attempt that made it ill it reads %+v", last)
		}
		well = false
		pass(2 * time.Minute)
		asks = 0
		pass(time.Hour)
		if asks < 40 || asks > 85 {
			t.Errorf("ill for long it was asked %d times in an hour", asks)
		}
		well = true
		pass(2 * time.Minute)
		if readings = h.of("web"); !readings[len(readings)-1].Healthy {
			t.Error("it is well and nobody knows")
		}
	})
}

func TestAProbeThatHangsIsNotHealthyAndHoldsUpNobody(t *testing.T) {
	var stuck chan struct{}
	asks := 0
	probes := []probe.Probe{
		{Name: "disk", Asker: asker(func(context.Context, bool) probe.Answer {
			if asks++; asks == 1 {
				stuck = make(chan struct{})
			}
			<-stuck
			return probe.Answer{Healthy: true}
		})},
		{Name: "web", Asker: asker(healthy)},
	}
	inRounds(t, probes, func(r *probe.Rounds, h *heard) {
		r.Watch(true)
		pass(5 * time.Second)
		if n := len(h.of("web")); n < 5 {
			t.Errorf("the other probe said %d things in five seconds", n)
		}
		pass(5 * time.Second)
		readings := h.of("disk")
		if len(readings) < 3 || slices.ContainsFunc(readings, func(x hotstick.Reading) bool {
			return x.Healthy || !strings.HasPrefix(x.Detail, "no answer within ")
		}) {
			t.Errorf("the probe that hangs reads %+v", readings)
		}
		if asks != 1 {
			t.Errorf("it was asked %d times while it hung", asks)
		}
		close(stuck)
		pass(3 * time.Second)
		readings = h.of("disk")
		if last := readings[len(readings)-1]; !last.Healthy || asks < 2 {
			t.Errorf("it is back, was asked %d times and reads %+v", asks, last)
		}
	})
}

func TestAProbeThatPanicsIsNotHealthy(t *testing.T) {
	inRounds(t, []probe.Probe{{Name: "a", Asker: asker(func(context.Context, bool) probe.Answer { panic("no") })}}, func(_ *probe.Rounds, h *heard) {
		pass(time.Second)
		if r := h.of("a"); len(r) != 1 || r[0].Healthy || !strings.Contains(r[0].Detail, "panicked: no") {
			t.Errorf("it reads %+v", r)
		}
	})
}

func TestAProbeThatTalksOnAndOnIsCutShort(t *testing.T) {
	long := asker(func(context.Context, bool) probe.Answer {
		return probe.Answer{Detail: "x" + strings.Repeat("é", link.MaxDetailBytes)}
	})
	inRounds(t, []probe.Probe{{Name: "a", Asker: long}}, func(_ *probe.Rounds, h *heard) {
		pass(time.Second)
		r := h.of("a")
		if len(r) != 1 || len(r[0].Detail) > link.MaxDetailBytes || !utf8.ValidString(r[0].Detail) {
			t.Fatalf("%d readings, the first has %d bytes", len(r), len(r[0].Detail))
		}
		if err := (&link.Request{Readings: r}).Validate(); err != nil {
			t.Error(err)
		}
	})
}

func TestAProbeMayHaveItsOwnPace(t *testing.T) {
	inRounds(t, []probe.Probe{{Name: "a", Asker: asker(healthy), Rest: 10 * time.Second, Watch: 10 * time.Second}}, func(r *probe.Rounds, h *heard) {
		pass(100 * time.Second)
		if n := len(h.of("a")); n < 8 || n > 11 {
			t.Errorf("asked %d times in 100 s at rest", n)
		}
		before := len(h.of("a"))
		r.Watch(true)
		pass(time.Second)
		if n := len(h.of("a")) - before; n != 1 {
			t.Errorf("asked %d times when the attempt began", n)
		}
		pass(100 * time.Second)
		if n := len(h.of("a")) - before; n != 11 {
			t.Errorf("asked %d times in 100 s of an attempt", n)
		}
	})
}

func TestAProbeKnowsWhetherTheHostIsWatched(t *testing.T) {
	var said []bool
	probes := []probe.Probe{{Name: "a", Asker: asker(func(_ context.Context, watched bool) probe.Answer {
		said = append(said, watched)
		return probe.Answer{Healthy: true}
	})}}
	inRounds(t, probes, func(r *probe.Rounds, _ *heard) {
		r.Watch(true)
		pass(time.Second / 2)
		r.Watch(false)
		pass(2 * time.Minute)
		if len(said) < 3 || said[0] || !said[1] || said[2] {
			t.Errorf("it was told %v", said)
		}
	})
}
