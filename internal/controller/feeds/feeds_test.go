package feeds

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/decide/exposure"
	"github.com/hotstick/hotstick/internal/integrate/advisories"
	"github.com/hotstick/hotstick/internal/integrate/advisories/document"
	"github.com/hotstick/hotstick/internal/store"
	"github.com/hotstick/hotstick/internal/store/memory"
	"github.com/hotstick/hotstick/internal/store/sqlite"
)

const documents = "../../integrate/advisories/testdata/docs"

// world is a store with one feed, a clock that stands, and a loop.
type world struct {
	*testing.T
	store store.Store
	clock time.Time
	loop  *Loop
}

func newWorld(t *testing.T, s store.Store, i Importer) *world {
	w := &world{T: t, store: s, clock: time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)}
	w.restart(i)
	return w
}

// restart makes a new loop on the same store, as a server does that comes up.
func (w *world) restart(i Importer) {
	w.loop = New(Options{Store: w.store, Importer: i, Now: func() time.Time { return w.clock }, Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
}

// onBoth runs a test on each kind of store, with the importer of the product.
func onBoth(t *testing.T, run func(*world)) {
	for name, open := range map[string]func(*testing.T) store.Store{
		"memory": func(*testing.T) store.Store { return memory.Open(time.Now) },
		"sqlite": func(t *testing.T) store.Store {
			s, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "hotstick.db"), time.Now)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { s.Close() })
			return s
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, open(t), nil)
			w.restart(advisories.Importer{Now: func() time.Time { return w.clock }, Order: exposure.Compare, Limits: advisories.DefaultLimits(), Spool: t.TempDir()})
			run(w)
		})
	}
}

func (w *world) mustUpdate(fn func(store.Tx) error) {
	w.Helper()
	if err := w.store.Update(w.Context(), fn); err != nil {
		w.Fatal(err)
	}
}

func (w *world) mustView(fn func(store.Tx) error) {
	w.Helper()
	if err := w.store.View(w.Context(), fn); err != nil {
		w.Fatal(err)
	}
}

func (w *world) put(f store.Feed) {
	w.Helper()
	w.mustUpdate(func(tx store.Tx) error { return tx.Feeds().Put(f) })
}

func (w *world) mustRound() {
	w.Helper()
	if err := w.loop.Round(w.Context()); err != nil {
		w.Fatal(err)
	}
}

func (w *world) pass(d time.Duration) { w.clock = w.clock.Add(d) }

func (w *world) state(name string) (s store.FeedState) {
	w.Helper()
	w.mustView(func(tx store.Tx) error {
		f, err := tx.Feeds().Get(name)
		s = f.State
		return err
	})
	return s
}

// said lists what is said, one line for each advisory.
func (w *world) said() (lines []string) {
	w.Helper()
	w.mustView(func(tx store.Tx) error {
		all, err := tx.Advisories().Since(0, 0)
		for _, d := range all {
			for _, a := range d.Advisories {
				lines = append(lines, fmt.Sprintf("%s %s %s %s", d.Document.ID, a.CVE, a.Product.Distribution, a.Product.Package))
			}
		}
		return err
	})
	slices.Sort(lines)
	return lines
}

func (w *world) refusals(name string) (all []store.Refusal) {
	w.Helper()
	w.mustView(func(tx store.Tx) (err error) { all, err = tx.Feeds().Refusals(name); return err })
	return all
}

// directory is a copy of some of the test documents.
func directory(t *testing.T, names ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range names {
		data, err := os.ReadFile(filepath.Join(documents, name))
		if err != nil {
			t.Fatal(err)
		}
		write(t, dir, name, string(data))
	}
	return dir
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func path(name, dir string) store.Feed {
	return store.Feed{Name: name, Kind: store.FeedPath, Location: dir, Enabled: true, Period: time.Hour}
}

func TestADirectoryIsReadIntoTheStore(t *testing.T) {
	onBoth(t, func(w *world) {
		dir := directory(w.T, "osv-debian-cve.json", "osv-debian-dsa.json", "csaf-redhat-vex.json", "kev.json", "epss.csv")
		write(w.T, dir, "broken.json", `{"id": "X", "modified": 7}`)
		f := path("all", dir)
		f.Complete = []string{"debian:12"}
		w.put(f)
		off := path("off", dir)
		off.Enabled = false
		w.put(off)
		w.mustRound()
		s := w.state("all")
		if !s.Good.Equal(w.clock) || s.Reading || s.Failed != "" || s.Counts.Documents != 5 || s.Counts.Fresh != 5 || s.Counts.Refused != 1 || s.Counts.Advisories == 0 {
			w.Errorf("the state is %+v", s)
		}
		if r := w.refusals("all"); len(r) != 1 || r[0].Path != "broken.json" || r[0].Reason == "" {
			w.Errorf("refused are %+v", r)
		}
		if s := w.state("off"); s != (store.FeedState{}) {
			w.Errorf("a feed that is off was read: %+v", s)
		}
		w.mustView(func(tx store.Tx) error {
			all, err := tx.Advisories().OfCVE("CVE-2026-98022")
			complete := slices.ContainsFunc(all, func(a hotstick.Advisory) bool {
				return a.Source.Document == "DEBIAN-CVE-2026-98022" && slices.Equal(a.Source.Complete, f.Complete) && a.Source.Feed == "all" && a.Source.Fetched.Equal(w.clock)
			})
			if !complete {
				w.Errorf("said of the CVE is %+v", all)
			}
			for _, a := range all {
				if err := a.Validate(); err != nil {
					w.Error(err)
				}
			}
			v, err2 := tx.Vulnerabilities().Get("CVE-2026-98022")
			if len(v.Scores) == 0 || v.Exploited == nil || v.Prediction == nil {
				w.Errorf("known of it is %+v", v)
			}
			return errors.Join(err, err2)
		})
		before := w.said()
		w.pass(time.Minute)
		w.mustRound()
		if again := w.state("all"); again != s {
			w.Errorf("it was read before it was due: %+v", again)
		}
		w.pass(time.Hour)
		w.mustRound()
		if again := w.state("all"); !again.Good.Equal(w.clock) || again.Counts.Fresh != 0 || again.Counts.Documents != 5 || !slices.Equal(w.said(), before) {
			w.Errorf("the second reading: %+v", again)
		}
	})
}

func TestABrokenFeedKeepsWhatItSaid(t *testing.T) {
	onBoth(t, func(w *world) {
		dir := directory(w.T, "osv-debian-cve.json")
		w.put(path("a", dir))
		w.mustRound()
		good, before := w.clock, w.said()
		if len(before) == 0 {
			w.Fatal("nothing was read")
		}
		if err := os.Rename(dir, dir+"-gone"); err != nil {
			w.Fatal(err)
		}
		for _, wait := range []time.Duration{time.Hour, time.Minute, 2 * time.Minute, 4 * time.Minute} {
			w.pass(wait - time.Second)
			tried := w.state("a").Tried
			w.mustRound()
			if !w.state("a").Tried.Equal(tried) {
				w.Errorf("it was tried before %s were over", wait)
			}
			w.pass(time.Second)
			w.mustRound()
			s := w.state("a")
			if !s.Tried.Equal(w.clock) || !s.Good.Equal(good) || !strings.Contains(s.Failed, "no such file") || !slices.Equal(w.said(), before) {
				w.Errorf("the state is %+v", s)
			}
		}
		// Empty is not all.
		if err := os.Mkdir(dir, 0o700); err != nil {
			w.Fatal(err)
		}
		w.pass(time.Hour)
		w.mustRound()
		if s := w.state("a"); s.Failures != 5 || !slices.Equal(w.said(), before) {
			w.Errorf("an empty feed: %+v", s)
		}
		if err := errors.Join(os.Remove(dir), os.Rename(dir+"-gone", dir)); err != nil {
			w.Fatal(err)
		}
		w.pass(time.Hour)
		w.mustRound()
		if s := w.state("a"); s.Failures != 0 || s.Failed != "" || !s.Good.Equal(w.clock) {
			w.Errorf("a feed that is whole again: %+v", s)
		}
	})
}

// osv writes a record that says that Debian 12 is open to some CVEs before a version.
func osv(id, modified, fixed string, cves ...string) string {
	return fmt.Sprintf(`{"id": %q, "modified": %q, "upstream": [%s], "affected": [{"package": {"ecosystem": "Debian:12", "name": "linux"},
		"ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": %q}]}]}]}`, id, modified, `"`+strings.Join(cves, `", "`)+`"`, fixed)
}

const day1, day2, day3 = "2026-11-01T00:00:00Z", "2026-11-02T00:00:00Z", "2026-11-03T00:00:00Z"

func TestADocumentTakesThePlaceOfItself(t *testing.T) {
	onBoth(t, func(w *world) {
		dir := w.TempDir()
		w.put(path("a", dir))
		write(w.T, dir, "other.json", osv("DSA-2", day1, "6.1.2-1", "CVE-2026-0009"))
		for _, step := range []struct {
			name, text string
			refused    int
			fresh      int
			want       []string
		}{
			{"the first", osv("DSA-1", day2, "6.1.2-1", "CVE-2026-0001", "CVE-2026-0002"), 0, 2, []string{"DSA-1 CVE-2026-0001", "DSA-1 CVE-2026-0002"}},
			{"one that cannot be read", `{"id": "DSA-1", "modified": 7}`, 1, 0, []string{"DSA-1 CVE-2026-0001", "DSA-1 CVE-2026-0002"}},
			{"an older one", osv("DSA-1", day1, "6.1.1-1", "CVE-2026-0007"), 0, 0, []string{"DSA-1 CVE-2026-0001", "DSA-1 CVE-2026-0002"}},
			{"a newer one", osv("DSA-1", day3, "6.1.3-1", "CVE-2026-0002", "CVE-2026-0003"), 0, 1, []string{"DSA-1 CVE-2026-0002", "DSA-1 CVE-2026-0003"}},
			{"a withdrawn one", `{"id": "DSA-1", "modified": "2026-11-04T00:00:00Z", "withdrawn": "2026-11-04T00:00:00Z"}`, 0, 1, nil},
			{"it comes back", osv("DSA-1", "2026-11-05T00:00:00Z", "6.1.3-1", "CVE-2026-0002"), 0, 1, []string{"DSA-1 CVE-2026-0002"}},
		} {
			write(w.T, dir, "one.json", step.text)
			w.pass(time.Hour)
			w.mustRound()
			want := []string{}
			for _, line := range append(step.want, "DSA-2 CVE-2026-0009") {
				want = append(want, line+" debian:12 linux")
			}
			s := w.state("a")
			if got := w.said(); !slices.Equal(got, want) || len(w.refusals("a")) != step.refused || s.Counts.Fresh != step.fresh {
				w.Errorf("%s: said are %v, %d refused, %+v", step.name, got, len(w.refusals("a")), s)
			}
		}
	})
}

func TestARemovedFeedTakesBackAllThatItSaid(t *testing.T) {
	onBoth(t, func(w *world) {
		dir := directory(w.T, "osv-debian-cve.json", "kev.json", "epss.csv")
		w.put(path("a", dir))
		w.put(path("b", directory(w.T, "osv-ubuntu.json")))
		w.mustRound()
		removed := path("a", dir)
		removed.Removed = true
		w.put(removed)
		w.pass(time.Second)
		w.mustRound()
		for _, line := range w.said() {
			if !strings.Contains(line, "ubuntu") {
				w.Errorf("still said is %s", line)
			}
		}
		w.mustView(func(tx store.Tx) error {
			feeds, err := tx.Feeds().List()
			if len(feeds) != 1 || feeds[0].Name != "b" {
				w.Errorf("left are %+v", feeds)
			}
			known, err2 := tx.Vulnerabilities().List("", 0)
			for _, v := range known {
				if v.Exploited != nil || v.Prediction != nil {
					w.Errorf("still known is %+v", v)
				}
			}
			return errors.Join(err, err2)
		})
		// Somebody adds it anew.
		w.put(path("a", dir))
		w.mustRound()
		if s := w.state("a"); s.Counts.Fresh != 3 {
			w.Errorf("the state is %+v", s)
		}
	})
}

// scripted is an importer that a test plays.
type scripted struct {
	documents []advisories.Document
	mark      advisories.Mark
	unchanged bool
	err       error
	got       []advisories.Feed
	fetched   func() time.Time
}

func (s *scripted) Import(_ context.Context, f advisories.Feed, sink advisories.Sink) (advisories.Result, error) {
	s.got = append(s.got, f)
	result := advisories.Result{Unchanged: s.unchanged, Mark: s.mark}
	for _, d := range s.documents {
		d.Source = hotstick.AdvisorySource{Feed: f.Name, Document: d.ID, Digest: hotstick.NewDigest([]byte(d.Name)), Fetched: s.fetched()}
		if d.Vulnerabilities == nil {
			d.Vulnerabilities = slices.Values[[]hotstick.Vulnerability](nil)
		}
		if err := sink.Document(d); err != nil {
			return result, err
		}
		result.Documents++
	}
	return result, s.err
}

func numbered(n, advisoriesEach int) (all []advisories.Document) {
	for i := range n {
		d := advisories.Document{Document: document.Document{ID: fmt.Sprintf("D-%03d", i)}, Name: fmt.Sprint(i)}
		for j := range advisoriesEach {
			d.Advisories = append(d.Advisories, hotstick.Advisory{CVE: fmt.Sprintf("CVE-2026-%04d", j+1), Status: hotstick.AdvisoryAffected,
				Product: hotstick.KernelProduct{Distribution: "debian:12", Package: "linux", Scheme: hotstick.DebVersions}, Ranges: []hotstick.VersionRange{{Fixed: "6.1.1-1"}}})
		}
		all = append(all, d)
	}
	return all
}

func scriptedWorld(t *testing.T) (*world, *scripted) {
	w := newWorld(t, memory.Open(time.Now), nil)
	s := &scripted{fetched: func() time.Time { return w.clock }}
	w.restart(s)
	w.put(store.Feed{Name: "a", Kind: store.FeedWeb, Location: "https://one.test/", Enabled: true, Period: time.Hour})
	return w, s
}

func TestOnlyWhatChangedIsFetched(t *testing.T) {
	w, s := scriptedWorld(t)
	s.documents, s.mark = numbered(1, 1), advisories.Mark{ETag: "one", Times: map[string]time.Time{"D-000": w.clock}}
	w.mustRound()
	counts := w.state("a").Counts
	w.pass(time.Hour)
	s.documents, s.unchanged = nil, true
	w.mustRound()
	if got := s.got[1].Mark; got.ETag != "one" || !maps.Equal(got.Times, s.mark.Times) {
		t.Errorf("the mark is %+v", got)
	}
	if got := w.state("a"); got.Counts != counts || !got.Good.Equal(w.clock) {
		t.Errorf("a feed that did not change: %+v", got)
	}
	// A reading that breaks leaves the mark; another address is another feed.
	s.err, s.mark = errors.New("no route"), advisories.Mark{ETag: "half"}
	s.unchanged, s.documents = false, numbered(2, 1)
	w.pass(time.Hour)
	w.mustRound()
	w.pass(time.Minute)
	w.mustRound()
	if got := s.got[3].Mark; got.ETag != "one" {
		t.Errorf("after a reading that broke the mark is %+v", got)
	}
	if len(w.said()) != 2 {
		t.Errorf("what came before it broke is lost: %v", w.said())
	}
	s.err = nil
	w.put(store.Feed{Name: "a", Location: "https://two.test/", Enabled: true, Period: time.Hour})
	w.mustRound()
	if got := s.got[4]; got.Location != "https://two.test/" || got.Mark.ETag != "" {
		t.Errorf("another address is read from %+v", got)
	}
}

func TestALongListIsStoredInPieces(t *testing.T) {
	w, s := scriptedWorld(t)
	issue := func(id string, n int) advisories.Document {
		var all []hotstick.Vulnerability
		for i := range n {
			all = append(all, hotstick.Vulnerability{CVE: fmt.Sprintf("CVE-2026-%05d", i), Prediction: &hotstick.Prediction{Probability: float64(n)}})
		}
		modified, _ := time.Parse(time.DateOnly, id)
		return advisories.Document{Document: document.Document{ID: "EPSS " + id, Series: "EPSS", Modified: modified, Vulnerabilities: slices.Values(all)}, Name: id}
	}
	for _, step := range []struct {
		id         string
		n, want    int
		prediction float64
	}{{"2026-11-01", 3500, 3500, 3500}, {"2026-11-03", 2100, 2100, 2100}, {"2026-11-02", 3000, 2100, 2100}, {"2026-11-04", 7, 7, 7}} {
		s.documents = []advisories.Document{issue(step.id, step.n)}
		w.mustRound()
		w.mustView(func(tx store.Tx) error {
			all, err := tx.Vulnerabilities().List("", 0)
			if len(all) != step.want || all[0].Prediction.Probability != step.prediction {
				t.Errorf("after %s there are %d, the first %+v", step.id, len(all), all[0].Prediction)
			}
			return err
		})
		w.pass(time.Hour)
	}
}

// dying is a store that ends at a write, as under kill -9: nothing comes after it.
type dying struct {
	store.Store
	left int
}

var errKilled = errors.New("killed")

func (d *dying) Update(ctx context.Context, fn func(store.Tx) error) error {
	if d.left--; d.left < 0 {
		return errKilled
	}
	return d.Store.Update(ctx, fn)
}

// TestNothingIsLostWhenTheServerIsKilled kills a reading before each of its writes.
func TestNothingIsLostWhenTheServerIsKilled(t *testing.T) {
	for kill := 0; ; kill++ {
		w, s := scriptedWorld(t)
		s.documents, s.mark = numbered(150, 3), advisories.Mark{ETag: "whole"}
		whole := w.store
		w.store = &dying{Store: whole, left: kill}
		w.restart(s)
		err := w.loop.Round(t.Context())
		w.store = whole
		lines := w.said()
		if len(lines)%3 != 0 {
			t.Fatalf("killed before write %d: half a document is there", kill)
		}
		w.mustView(func(tx store.Tx) error {
			mark, err := tx.Feeds().Mark("a")
			if len(mark) > 0 && len(lines) != 450 {
				t.Errorf("killed before write %d: the mark is there, and %d lines", kill, len(lines))
			}
			return err
		})
		w.pass(2 * firstRetry)
		w.restart(s)
		w.mustRound()
		if state := w.state("a"); len(w.said()) != 450 || state.Reading || state.Failures != 0 {
			t.Errorf("killed before write %d: then %d lines, %+v", kill, len(w.said()), state)
		}
		if err == nil {
			if kill < 4 {
				t.Errorf("a reading has %d writes", kill)
			}
			return
		}
	}
}

func TestWhenAFeedIsDue(t *testing.T) {
	tried := time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name string
		edit func(*store.Feed)
		want time.Duration
	}{
		{"all is well", func(*store.Feed) {}, time.Hour},
		{"a period of nothing", func(f *store.Feed) { f.Period = 0 }, minPeriod},
		{"it broke once", func(f *store.Feed) { f.State.Failures = 1 }, time.Minute},
		{"it broke twice", func(f *store.Feed) { f.State.Failures = 2 }, 2 * time.Minute},
		{"it breaks for days", func(f *store.Feed) { f.State.Failures, f.Period = 1000, 24*time.Hour }, maxRetry},
		{"it breaks, and is read often", func(f *store.Feed) { f.State.Failures = 1000 }, time.Hour},
		{"the server went down", func(f *store.Feed) { f.State.Reading = true }, time.Minute},
		{"the server goes down by it", func(f *store.Feed) { f.State.Reading, f.State.Failures = true, 1 }, 2 * time.Minute},
	} {
		f := store.Feed{Name: "a", Location: "/a", Period: time.Hour, State: store.FeedState{Tried: tried}}
		f.State.Basis = basis(f)
		c.edit(&f)
		if got := Due(f); !got.Equal(tried.Add(c.want)) {
			t.Errorf("%s: due after %s, want %s", c.name, got.Sub(tried), c.want)
		}
		if f.Complete = []string{"debian:12"}; !Due(f).IsZero() {
			t.Errorf("%s: settings that are new wait", c.name)
		}
	}
}

func TestTheLoopReadsUntilItsContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scripted{documents: numbered(2, 1), fetched: time.Now}
		st := memory.Open(time.Now)
		l := New(Options{Store: st, Importer: s, Now: time.Now, Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- l.Run(ctx) }()
		synctest.Wait()
		if len(s.got) > 0 {
			t.Error("a feed that nobody named was read")
		}
		f := store.Feed{Name: "a", Location: "/a", Enabled: true, Period: time.Hour}
		if err := st.Update(ctx, func(tx store.Tx) error { return tx.Feeds().Put(f) }); err != nil {
			t.Fatal(err)
		}
		<-time.After(2*time.Hour + look + time.Second)
		synctest.Wait()
		if len(s.got) != 3 {
			t.Errorf("it was read %d times in two hours", len(s.got))
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}
