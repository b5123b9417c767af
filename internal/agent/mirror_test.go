package agent_test

import (
	"errors"
	"testing"
	"time"

	"github.com/hotstick/hotstick/catalog"
	"github.com/hotstick/hotstick/internal/agent"
	"github.com/hotstick/hotstick/internal/wire"
)

// play lets a day of a mirrored host pass: each check-in and each look is answered at
// once, as the test says. It returns when each mirror was looked at, and how often the
// server was asked for its catalog.
func (s *stage) play(d time.Duration, sync func() (*wire.SyncResponse, error), look func(mirror int) (int64, catalog.MirrorReport), refresh func() (int64, error)) (looks map[int][]time.Duration, asked int) {
	s.t.Helper()
	looks = map[int][]time.Duration{}
	for end := s.now + d; s.now < end; s.now = max(s.now, s.core.Due()) {
		w := s.core.Wake(s.t.Context())
		if w.Mirror > 0 {
			looks[w.Mirror] = append(looks[w.Mirror], s.now)
			version, report := look(w.Mirror)
			w = s.core.Mirrored(s.t.Context(), version, report)
		}
		if w.Sync != nil {
			resp, err := sync()
			w = s.core.Arrive(s.t.Context(), resp, err)
		}
		if w.Catalog {
			asked++
			version, err := refresh()
			w = s.core.Refreshed(s.t.Context(), version, err)
		}
		if w.Artifacts != nil {
			s.core.Fetched(s.t.Context())
		}
	}
	return looks, asked
}

func down() (*wire.SyncResponse, error) { return nil, errDown }

func current(int) (int64, catalog.MirrorReport) {
	return 0, catalog.MirrorReport{State: catalog.MirrorCurrent}
}

func never() (int64, error) { return 0, errors.New("nobody should have asked") }

func TestMirrorsAreFollowedAlsoWhileTheServerIsAway(t *testing.T) {
	s := newMirrored(t, 1, 3)
	looks, _ := s.play(24*time.Hour, down, current, never)
	for mirror := 1; mirror <= 3; mirror++ {
		times := looks[mirror]
		if n := len(times); n < 88 || n > 106 {
			t.Errorf("mirror %d was followed %d times a day, want about 96", mirror, n)
		}
		if first := times[0] - time.Hour; first > 2*time.Minute {
			t.Errorf("mirror %d was followed first after %s", mirror, first)
		}
		for i := 1; i < len(times); i++ {
			if pause := times[i] - times[i-1]; pause < 13*time.Minute || pause > 17*time.Minute {
				t.Errorf("mirror %d: %s between two looks", mirror, pause)
			}
		}
	}
}

func TestAMirrorThatFailsIsAskedLessAndLess(t *testing.T) {
	for _, state := range []catalog.MirrorState{catalog.MirrorAway, catalog.MirrorExpired, catalog.MirrorLies} {
		s := newMirrored(t, 1, 2)
		looks, _ := s.play(24*time.Hour, down, func(mirror int) (int64, catalog.MirrorReport) {
			if mirror == 1 {
				return 0, catalog.MirrorReport{State: state, Err: errDown}
			}
			return current(mirror)
		}, never)
		if bad, good := len(looks[1]), len(looks[2]); bad < 24 || bad > 56 || good < 88 {
			t.Errorf("%s: followed %d times a day, and a good one %d times", state, bad, good)
		}
		if again := looks[1][1] - looks[1][0]; again > time.Minute {
			t.Errorf("%s: asked again after %s; the network may come late", state, again)
		}
	}
}

func TestOneMirrorIsFollowedAtATimeAndCheckInsGoOn(t *testing.T) {
	s := newMirrored(t, 1, 8)
	following, checkIns := 0, 0
	for end := s.now + time.Hour; s.now < end; s.now = max(s.now, s.core.Due()) {
		w := s.core.Wake(t.Context())
		if w.Mirror > 0 {
			following++ // and it never answers
			if w.Within <= 0 {
				t.Error("it is waited for without end")
			}
		}
		if w.Sync != nil {
			checkIns++
			s.core.Arrive(t.Context(), &wire.SyncResponse{NextMillis: 30_000}, nil)
		}
	}
	if following != 1 || checkIns < 100 {
		t.Errorf("%d mirrors are followed at once, beside %d check-ins", following, checkIns)
	}
}

func TestWhatAMirrorBringsReachesTheLoaderAtOnce(t *testing.T) {
	for _, test := range []struct {
		what    string
		version int64
		report  catalog.MirrorReport
		want    bool
	}{
		{"a newer catalog", 7, catalog.MirrorReport{State: catalog.MirrorCurrent}, true},
		{"the catalog that the host has", 6, catalog.MirrorReport{State: catalog.MirrorCurrent}, false},
		{"an older one", 0, catalog.MirrorReport{State: catalog.MirrorBehind}, false},
		{"recalls beside an older one", 0, catalog.MirrorReport{State: catalog.MirrorBehind, Recalls: 1}, true},
		{"recalls beside a frozen one", 0, catalog.MirrorReport{State: catalog.MirrorExpired, Recalls: 1}, true},
		{"nothing", 0, catalog.MirrorReport{State: catalog.MirrorAway}, false},
	} {
		for _, busy := range []bool{false, true} {
			s := newMirrored(t, 1, 1)
			s.play(10*time.Minute, func() (*wire.SyncResponse, error) {
				return &wire.SyncResponse{NextMillis: 60_000, CatalogVersion: 6}, nil
			}, current, func() (int64, error) { return 6, nil })
			for w := (agent.Work{}); w.Mirror == 0; s.now = max(s.now, s.core.Due()) {
				if w = s.core.Wake(t.Context()); w.Sync != nil {
					s.core.Arrive(t.Context(), &wire.SyncResponse{NextMillis: 60_000, CatalogVersion: 6}, nil)
				}
			}
			if busy {
				s.departs()
			}
			calls := len(s.calls)
			if w := s.core.Mirrored(t.Context(), test.version, test.report); w.Sync != nil || w.Catalog {
				t.Errorf("%s: %+v", test.what, w)
			}
			if called := len(s.calls) > calls && s.calls[len(s.calls)-1].Catalog; called != test.want {
				t.Errorf("%s, with a check-in under way %v: the loader was called: %v", test.what, busy, called)
			}
		}
	}
}

// A server that names an old catalog, honest or not, is not asked for it at every
// check-in; but it is asked, for whoever replaces stolen keys may count from 1.
func TestAServerBehindAMirrorIsNotAskedForEver(t *testing.T) {
	s := newMirrored(t, 1, 1)
	say := func(version int64) func() (*wire.SyncResponse, error) {
		return func() (*wire.SyncResponse, error) {
			return &wire.SyncResponse{NextMillis: 1000, CatalogVersion: version}, nil
		}
	}
	newer := false
	ahead := func(int) (int64, catalog.MirrorReport) {
		newer = true
		return 6, catalog.MirrorReport{State: catalog.MirrorCurrent}
	}
	refused := func() (int64, error) { return 0, catalog.ErrRefused }
	honest := func() (int64, error) {
		if newer {
			return refused()
		}
		return 5, nil
	}
	if _, asked := s.play(3*time.Minute, say(5), ahead, honest); asked != 2 {
		t.Errorf("the server was asked %d times in the first minutes", asked)
	}
	if _, asked := s.play(10*time.Hour, say(5), current, refused); asked < 30 || asked > 45 {
		t.Errorf("the server was asked %d times in ten hours, want about 40", asked)
	}
	// It follows a server that goes ahead at once, and one that may count anew.
	if _, asked := s.play(time.Minute, say(7), current, func() (int64, error) { return 7, nil }); asked != 1 {
		t.Errorf("asked %d times for a newer catalog", asked)
	}
	if _, asked := s.play(20*time.Minute, say(1), current, func() (int64, error) { return 1, nil }); asked != 1 {
		t.Errorf("asked %d times for a catalog that counts anew", asked)
	}
}
