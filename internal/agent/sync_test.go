package agent_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/catalog"
	"github.com/hotstick/hotstick/internal/agent"
	"github.com/hotstick/hotstick/internal/agent/probe"
	"github.com/hotstick/hotstick/internal/loader/link"
	"github.com/hotstick/hotstick/internal/wire"
)

func TestFactsAreSentWhenTheyAreNewOrAskedFor(t *testing.T) {
	run(t, nil, func(w *world) {
		w.pass(time.Second)
		if r := w.last(); r.Facts == nil || r.Facts.Host.Hostname != "n1" || r.Boot != "boot" || r.Loader.Nonce != "nonce" {
			t.Fatalf("the first check-in is %+v", r)
		}
		w.pass(40 * time.Second)
		if r := w.last(); r.Facts != nil {
			t.Error("facts that have not changed were sent again")
		}
		w.edit(func() { w.facts.Host.Hostname = "n2" })
		w.pass(70 * time.Second)
		if !w.sent(func(r wire.SyncRequest) bool {
			return r.Facts == nil && r.Delta != nil && r.Delta.Host != nil && r.Delta.Host.Hostname == "n2" && r.Delta.Kernel == nil
		}) {
			t.Error("what has changed in the facts was not sent")
		}
		w.pass(40 * time.Second) // with jitter it may have been the last one
		if r := w.last(); r.Facts != nil || r.Delta != nil {
			t.Error("it is sent again")
		}
		n := w.withFacts()
		w.edit(func() {
			w.reply = func(r *wire.SyncRequest) wire.SyncResponse {
				return wire.SyncResponse{NextMillis: 30_000, WantFacts: r.Facts == nil}
			}
		})
		w.pass(70 * time.Second)
		if w.withFacts() == n {
			t.Error("facts that were asked for were not sent")
		}
	})
}

func TestCheckInsKeepTheServersPaceAndRise(t *testing.T) {
	run(t, nil, func(w *world) {
		w.pass(10 * time.Minute)
		w.mu.Lock()
		defer w.mu.Unlock()
		for i := 1; i < len(w.requests); i++ {
			if w.requests[i].Seq <= w.requests[i-1].Seq {
				t.Fatalf("check-in %d has number %d after %d", i, w.requests[i].Seq, w.requests[i-1].Seq)
			}
			if pause := w.arrived[i].Sub(w.arrived[i-1]); i > 1 && (pause < 27*time.Second || pause > 33*time.Second) {
				t.Errorf("check-in %d came after %s, want 30s and a tenth of jitter", i, pause)
			}
		}
		if n := len(w.requests); n < 18 || n > 25 {
			t.Errorf("%d check-ins in ten minutes", n)
		}
	})
}

func TestAnIdleAgentLeavesTheLoaderAlone(t *testing.T) {
	run(t, nil, func(w *world) {
		w.pass(2 * time.Minute)
		before, ins := w.callCount(), w.checkIns()
		w.pass(10 * time.Minute)
		if calls, now := w.callCount()-before, w.checkIns()-ins; calls > now+1 {
			t.Errorf("%d calls of the loader for %d check-ins", calls, now)
		}
	})
}

func TestABusyLoaderIsCalledTwiceASecond(t *testing.T) {
	run(t, nil, func(w *world) {
		w.pass(2 * time.Minute)
		w.edit(func() {
			w.state.Busy = true
			w.down = true // the server being away changes nothing
		})
		w.pass(time.Minute)
		before := w.callCount()
		w.pass(10 * time.Second)
		if n := w.callCount() - before; n < 18 || n > 30 {
			t.Errorf("%d calls in ten seconds", n)
		}
	})
}

func TestDocumentsReachTheLoaderAndItsRefusalsTheServer(t *testing.T) {
	run(t, nil, func(w *world) {
		w.pass(time.Second)
		document := json.RawMessage(`{"payload":"x"}`)
		w.edit(func() {
			w.reply = func(*wire.SyncRequest) wire.SyncResponse {
				return wire.SyncResponse{NextMillis: 1000, Documents: []json.RawMessage{document}}
			}
			w.state.Refusals = append(w.state.Refusals, refusalOf(document))
		})
		w.pass(40 * time.Second)
		w.edit(func() { w.state.Refusals = nil })
		w.pass(5 * time.Second)
		w.mu.Lock()
		found := false
		for _, c := range w.calls {
			for _, d := range c.Documents {
				found = found || string(d) == string(document)
			}
		}
		w.mu.Unlock()
		if !found {
			t.Error("the document did not reach the loader")
		}
		if !w.sent(func(r wire.SyncRequest) bool {
			return len(r.Loader.Refusals) == 1 && r.Loader.Refusals[0].Reason.Code == hotstick.ReasonSignature
		}) {
			t.Error("the refusal did not reach the server")
		}
		if r := w.last(); len(r.Loader.Refusals) != 0 {
			t.Errorf("refusals are repeated: %+v", r.Loader.Refusals)
		}
	})
}

func TestReportsGoOutUntilTheyAreStored(t *testing.T) {
	run(t, nil, func(w *world) {
		w.pass(time.Second)
		report := hotstick.Report{Seq: 7, Boot: "boot", Patch: hotstick.PatchRef{Name: "fix", Level: 1}, State: hotstick.Armed}
		w.edit(func() { w.state.Reports, w.down = []hotstick.Report{report}, true })
		w.pass(2 * time.Minute)
		w.edit(func() { w.down = false })
		w.pass(2 * time.Minute) // the server takes them in and forgets to say so
		n := w.count(func(r wire.SyncRequest) bool { return len(r.Reports) == 1 && r.Reports[0].Seq == 7 })
		if n < 2 {
			t.Fatalf("the report was sent %d times without being acknowledged", n)
		}
		w.edit(func() {
			w.reply = func(*wire.SyncRequest) wire.SyncResponse {
				return wire.SyncResponse{NextMillis: 30_000, Acknowledged: 7}
			}
		})
		w.pass(2 * time.Minute)
		if r := w.last(); len(r.Reports) != 0 {
			t.Errorf("an acknowledged report was sent again: %+v", r.Reports)
		}
	})
}

func TestNewsDoNotWaitForTheServersPace(t *testing.T) {
	run(t, nil, func(w *world) {
		w.edit(func() {
			w.hold = true
			w.reply = func(*wire.SyncRequest) wire.SyncResponse { return wire.SyncResponse{NextMillis: 100, Active: true} }
			w.state.Busy = true
		})
		w.pass(5 * time.Second)
		if w.read(&w.held) == 0 {
			t.Fatal("no check-in is held")
		}
		before := w.checkIns()
		w.edit(func() {
			w.state.Reports = []hotstick.Report{{Seq: 1, Boot: "boot", Patch: hotstick.PatchRef{Name: "fix", Level: 1}, State: hotstick.Armed}}
		})
		w.pass(time.Second)
		if w.checkIns() != before+1 || len(w.last().Reports) != 1 || w.read(&w.dropped) == 0 {
			t.Errorf("%d check-ins more, %d recalled; want the news to go out within a second", w.checkIns()-before, w.read(&w.dropped))
		}
	})
}

func TestAHeldCheckInIsFollowedByTheNext(t *testing.T) {
	run(t, nil, func(w *world) {
		w.edit(func() {
			w.hold = true
			w.reply = func(*wire.SyncRequest) wire.SyncResponse { return wire.SyncResponse{NextMillis: 0, Active: true} }
		})
		w.pass(2 * time.Minute)
		before := w.checkIns()
		w.pass(time.Minute)
		if n := w.checkIns() - before; n < 2 || n > 4 {
			t.Errorf("%d check-ins a minute, want about three that are held for 20 s", n)
		}
		w.edit(func() {
			w.reply = func(*wire.SyncRequest) wire.SyncResponse { return wire.SyncResponse{NextMillis: 30_000} }
		})
		w.pass(time.Minute)
		if w.last().HoldSeconds != 0 {
			t.Error("a check-in may be held although no rollout is active")
		}
	})
}

func TestAServerThatIsAwayIsAskedLessAndLess(t *testing.T) {
	run(t, nil, func(w *world) {
		w.edit(func() { w.down = true })
		w.pass(10 * time.Minute)
		before := w.callCount()
		w.pass(10 * time.Minute)
		if n := w.callCount() - before; n > 25 {
			t.Errorf("%d tries in ten minutes", n)
		}
		w.edit(func() { w.down = false })
		w.pass(time.Minute + time.Second)
		if w.checkIns() == 0 {
			t.Error("the server is back and nobody checks in")
		}
	})
}

func TestTheCatalogAndWantedArtifactsAreFetchedForTheLoader(t *testing.T) {
	run(t, nil, func(w *world) {
		artifact := hotstick.NewDigest([]byte("module"))
		w.edit(func() {
			w.state.WantArtifacts = []hotstick.Digest{artifact}
			w.keepErr = errors.New("cannot fetch yet")
			w.reply = func(*wire.SyncRequest) wire.SyncResponse {
				return wire.SyncResponse{NextMillis: 2000, CatalogVersion: 1}
			}
		})
		w.pass(10 * time.Second)
		if got := w.last().Loader.CatalogVersion; got != 1 {
			t.Errorf("the loader has catalog %d", got)
		}
		w.edit(func() { w.keepErr = nil })
		w.pass(10 * time.Second)
		w.mu.Lock()
		defer w.mu.Unlock()
		if !slices.Contains(w.kept, artifact) || len(w.state.WantArtifacts) != 0 {
			t.Errorf("kept %v, the loader still wants %v", w.kept, w.state.WantArtifacts)
		}
	})
}

// settled is a catalog whose version stays what it is.
type settled struct {
	*shelf
	looks int
}

func (s *settled) Refresh(context.Context, time.Time) (catalog.View, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.looks++
	s.version = 1
	return s.view(), nil
}

func TestARefusalForWantOfARootOrARenewalIsLookedIntoAndNoMoreThanOnceAMinute(t *testing.T) {
	for _, c := range []struct {
		code        hotstick.ReasonCode
		least, most int
	}{
		{hotstick.ReasonCatalogUnknown, 8, 13},
		{hotstick.ReasonCatalogExpired, 8, 13},
		{hotstick.ReasonSignature, 1, 1},
	} {
		var files *settled
		run(t, func(w *world, cfg *agent.Config) {
			files = &settled{shelf: (*shelf)(w)}
			cfg.Catalog = files
		}, func(w *world) {
			w.edit(func() {
				w.reply = func(*wire.SyncRequest) wire.SyncResponse {
					return wire.SyncResponse{NextMillis: 2000, CatalogVersion: 1, Documents: []json.RawMessage{json.RawMessage("{}")}}
				}
				refusal := refusalOf([]byte("{}"))
				refusal.Reason.Code = c.code
				w.state.Refusals = []link.Refusal{refusal}
			})
			w.pass(10 * time.Minute)
			if n := w.read(&files.looks); n < c.least || n > c.most {
				t.Errorf("%s: the catalog was looked at %d times in ten minutes, want %d to %d", c.code, n, c.least, c.most)
			}
			told := 0
			w.mu.Lock()
			for _, call := range w.calls {
				if call.Catalog && len(call.Documents) > 0 {
					told++
				}
			}
			w.mu.Unlock()
			if looks := w.read(&files.looks); told != looks {
				t.Errorf("%s: the loader was told to look %d times, the agent looked %d times", c.code, told, looks)
			}
			w.edit(func() { w.state.Refusals = nil })
			w.pass(2 * time.Minute)
			before := w.read(&files.looks)
			w.pass(10 * time.Minute)
			if n := w.read(&files.looks); n != before {
				t.Errorf("%s: it goes on looking when nothing is refused: %d times more", c.code, n-before)
			}
		})
	}
}

func TestALoaderThatIsAwayDoesNotKeepTheHostFromCheckingIn(t *testing.T) {
	run(t, nil, func(w *world) {
		w.edit(func() { w.loaderUp = false })
		w.pass(time.Minute)
		if r := w.last(); r.Loader.Nonce != "" {
			t.Errorf("the check-in has a nonce of a loader that is not there: %+v", r.Loader)
		}
		w.edit(func() { w.loaderUp = true })
		w.pass(time.Minute)
		if w.last().Loader.Nonce == "" {
			t.Error("the loader is back and the server does not know")
		}
	})
}

// fickle is a probe that a test can make ill.
type fickle struct{ w *world }

func (f fickle) Ask(context.Context, bool) probe.Answer {
	f.w.mu.Lock()
	defer f.w.mu.Unlock()
	f.w.asked++
	return probe.Answer{Healthy: f.w.ill == "", Detail: f.w.ill}
}

func TestProbesAreAskedOftenWhileTheLoaderWantsThem(t *testing.T) {
	withProbe := func(w *world, cfg *agent.Config) { cfg.Probes = []probe.Probe{{Name: "web", Asker: fickle{w}}} }
	run(t, withProbe, func(w *world) {
		w.pass(5 * time.Minute)
		if n := w.read(&w.asked); n > 7 {
			t.Errorf("asked %d times in five idle minutes", n)
		}
		w.edit(func() { w.state.Busy, w.state.ProbesWanted = true, true })
		w.pass(time.Minute)
		before := w.read(&w.asked)
		w.edit(func() { w.ill = "503" })
		w.pass(10 * time.Second)
		if n := w.read(&w.asked) - before; n < 9 || n > 12 {
			t.Errorf("asked %d times in ten busy seconds", n)
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		told := w.calls[len(w.calls)-3:]
		if !slices.ContainsFunc(told, func(c linkRequest) bool { return len(c.Readings) > 0 && !c.Readings[0].Healthy }) {
			t.Errorf("the loader was told %+v", told)
		}
	})
}

func TestReportsThatDoNotFitGoWithTheNextCheckIn(t *testing.T) {
	run(t, nil, func(w *world) {
		text := strings.Repeat("\u0001", hotstick.MaxEvidenceBytes) // six bytes each in JSON
		w.edit(func() {
			for seq := range uint64(100) {
				w.state.Reports = append(w.state.Reports, hotstick.Report{Seq: seq + 1, Boot: "boot", Patch: hotstick.PatchRef{Name: "fix", Level: 1},
					State: hotstick.Armed, Evidence: []hotstick.Evidence{{Kind: "kernel_log", Text: text}}})
			}
			w.reply = func(r *wire.SyncRequest) wire.SyncResponse {
				resp := wire.SyncResponse{NextMillis: 1000}
				if n := len(r.Reports); n > 0 {
					resp.Acknowledged = r.Reports[n-1].Seq
				}
				return resp
			}
		})
		w.pass(2 * time.Minute)
		w.mu.Lock()
		defer w.mu.Unlock()
		seen := uint64(0)
		for _, r := range w.requests {
			for _, report := range r.Reports {
				seen = max(seen, report.Seq)
			}
		}
		if seen != 100 {
			t.Errorf("the server has %d of 100 reports", seen)
		}
	})
}
