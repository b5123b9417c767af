package server

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/api"
	"github.com/hotstick/hotstick/client"
	"github.com/hotstick/hotstick/internal/inventory"
	"github.com/hotstick/hotstick/internal/store"
	"github.com/hotstick/hotstick/internal/store/memory"
)

var linux12 = hotstick.KernelProduct{Distribution: "debian:12", Package: "linux", Scheme: hotstick.DebVersions}

// knowing is a world whose feed says something of a few CVEs, and four hosts.
type knowing struct{ *world }

func (w knowing) put(n int, name, version string, labels map[string]string) {
	w.Helper()
	facts := hotstick.Facts{Labels: labels, Host: hotstick.HostFacts{DistributionID: "debian", DistributionVersion: "12"}}
	facts.Kernel.Build = buildA
	facts.Kernel.Package = hotstick.KernelPackage{Source: "linux", Scheme: hotstick.DebVersions, Version: version}
	id := hotstick.HostID(fmt.Sprintf("h-000000000000000%d", n))
	w.must(w.kept.Update(w.Context(), func(tx store.Tx) error {
		if err := tx.Hosts().Put(store.Host{ID: id, Name: name, Facts: &facts, LastSeen: tx.Now()}); err != nil {
			return err
		}
		_, err := tx.Events().Append(store.Event{Kind: inventory.HostFacts, Host: id})
		return err
	}))
}

// await waits until the server has judged what was said.
func (w knowing) await(what string, holds func() bool) {
	w.Helper()
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for deadline := time.After(time.Minute); !holds(); {
		select {
		case <-again.C:
		case <-deadline:
			w.Fatalf("cannot wait any longer until %s", what)
		}
	}
}

func (w knowing) say(feed, cve string, status hotstick.AdvisoryStatus, ranges ...hotstick.VersionRange) {
	w.Helper()
	d := store.AdvisoryDocument{Feed: feed, ID: "D-" + cve, Digest: hotstick.NewDigest([]byte(cve)), Fetched: time.Now()}
	a := hotstick.Advisory{CVE: cve, Product: linux12, Status: status, Ranges: ranges}
	w.must(w.kept.Update(w.Context(), func(tx store.Tx) error { return tx.Advisories().Put(d, []hotstick.Advisory{a}) }))
}

// newKnowing: two hosts are open to CVE-…-0001, which is exploited, on one of them it matters
// little; one host is open to 0002; nobody is to 0003; of 0004 nobody knows yet.
func newKnowing(t *testing.T) knowing {
	w := knowing{newWorld(t, memory.Open(time.Now))}
	w.put(1, "db-1", "6.1.10-1", nil)
	w.put(2, "web-1", "6.1.15-1", map[string]string{"exposure": "small", "criticality": "low"})
	w.put(3, "web-2", "6.1.20-1", nil)
	w.must(w.kept.Update(t.Context(), func(tx store.Tx) error {
		for _, name := range []string{"debian", "osv"} {
			if err := tx.Feeds().Put(store.Feed{Name: name, Kind: store.FeedPath, Location: "/nowhere"}); err != nil {
				return err
			}
		}
		return tx.Vulnerabilities().Put("debian", "D", tx.Now(), []hotstick.Vulnerability{
			{CVE: "CVE-2026-0001", Summary: "use after free in nftables", Exploited: &hotstick.Exploited{Added: time.Unix(1e9, 0)}},
			{CVE: "CVE-2026-0002", Summary: "leak in SCTP", Scores: []hotstick.Score{{Version: "3.1", Base: 2}}, Prediction: &hotstick.Prediction{Probability: 0.02}},
		})
	}))
	fixed := func(v string) hotstick.VersionRange { return hotstick.VersionRange{Fixed: v} }
	w.say("debian", "CVE-2026-0001", hotstick.AdvisoryAffected, fixed("6.1.20-1"))
	w.say("debian", "CVE-2026-0002", hotstick.AdvisoryAffected, fixed("6.1.10-2"))
	w.say("osv", "CVE-2026-0002", hotstick.AdvisoryNotAffected)
	w.say("debian", "CVE-2026-0003", hotstick.AdvisoryAffected, fixed("6.1.5-1"))
	w.say("debian", "CVE-2026-0004", hotstick.AdvisoryInvestigating)
	w.await("everything is judged", func() bool {
		page, err := w.admin.CVEs(t.Context(), client.CVEQuery{})
		w.must(err)
		open := 0
		for _, c := range page.CVEs {
			if !c.OpenSince.IsZero() {
				open++
			}
		}
		return page.Basis.CVEs == 4 && page.Basis.Hosts == 3 && open == 3
	})
	return w
}

func TestCVEsAreListedTheMostUrgentFirst(t *testing.T) {
	t.Parallel()
	w := newKnowing(t)
	list := func(q client.CVEQuery) (lines []string) {
		w.Helper()
		for {
			page, err := w.admin.CVEs(w.Context(), q)
			w.must(err)
			for _, c := range page.CVEs {
				lines = append(lines, fmt.Sprintf("%s %s %d/%d", c.CVE[9:], c.Priority, c.Hosts.Exposed, c.Hosts.Unknown))
			}
			if page.Basis.CVEs != 4 || page.Basis.Hosts != 3 {
				t.Errorf("the basis is %+v", page.Basis)
			}
			if q.Page = page.Next; q.Page == "" {
				if page.Total != len(lines) {
					t.Errorf("%d are counted, %d listed", page.Total, len(lines))
				}
				return lines
			}
		}
	}
	all := []string{"0001 act 2/0", "0004 act 0/3", "0002 track 1/0", "0003  0/0"}
	for name, c := range map[string]struct {
		query client.CVEQuery
		want  []string
	}{
		"all":         {client.CVEQuery{}, all},
		"by ones":     {client.CVEQuery{Limit: 1}, all},
		"by threes":   {client.CVEQuery{Limit: 3}, all},
		"open":        {client.CVEQuery{State: "open"}, all[:3]},
		"unknown":     {client.CVEQuery{State: "unknown"}, all[1:2]},
		"fixed":       {client.CVEQuery{State: "fixed_by_boot"}, []string{all[0], all[2], all[3]}},
		"by priority": {client.CVEQuery{Priority: "track"}, all[2:3]},
		"by words":    {client.CVEQuery{Search: "FREE nf"}, all[:1]},
		"by name":     {client.CVEQuery{Search: "cve-2026-0003"}, all[3:]},
		"by nothing":  {client.CVEQuery{Search: "nf sctp"}, nil},
	} {
		if got := list(c.query); !slices.Equal(got, c.want) {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
	page, err := w.admin.CVEs(w.Context(), client.CVEQuery{})
	w.must(err)
	first, third := page.CVEs[0], page.CVEs[2]
	if first.Title != "use after free in nftables" || first.KEV == nil || first.Hosts != (api.CVEHosts{Exposed: 2, FixedByBoot: 1}) || first.OpenSince.IsZero() || first.Patches == nil {
		t.Errorf("the first is %+v", first)
	}
	if third.CVSS == nil || third.CVSS.Base != 2 || third.EPSS == nil || page.CVEs[3].OpenSince != (time.Time{}) {
		t.Errorf("the third is %+v", third)
	}
}

func TestACVETellsItsKernelsAndItsSources(t *testing.T) {
	t.Parallel()
	w := newKnowing(t)
	d, err := w.admin.CVE(w.Context(), "cve-2026-0002")
	w.must(err)
	if d.CVE.CVE != "CVE-2026-0002" || len(d.Says) != 2 || d.Says[0].Source.Feed != "debian" || d.Says[1].Status != hotstick.AdvisoryNotAffected || d.Priorities["track"] != 1 {
		t.Errorf("got %+v", d)
	}
	if len(d.Kernels) != 3 || d.Kernels[0].Version != "6.1.10-1" || d.Kernels[0].Hosts.Exposed != 1 || d.Kernels[0].Disputed != 1 || d.Kernels[0].Product != linux12 {
		t.Errorf("by kernel it is %+v", d.Kernels)
	}
	hosts := func(cve string, q client.CVEQuery) (lines []string) {
		for {
			page, err := w.admin.CVEHosts(w.Context(), cve, q)
			w.must(err)
			for _, h := range page.Hosts {
				lines = append(lines, fmt.Sprintf("%s %s %s %s", h.Host.Name, h.State, h.Priority, h.Release))
				if h.State.Open() == h.OpenSince.IsZero() {
					t.Errorf("open since %v: %+v", h.OpenSince, h)
				}
			}
			if q.Page = page.Next; q.Page == "" {
				if page.Total != len(lines) {
					t.Errorf("%d are counted, %q listed", page.Total, lines)
				}
				return lines
			}
		}
	}
	release := " " + buildA.Release
	want := []string{"db-1 exposed act" + release, "web-1 exposed attend" + release, "web-2 fixed_by_boot " + release}
	if got := hosts("CVE-2026-0001", client.CVEQuery{Limit: 2}); !slices.Equal(got, want) {
		t.Errorf("hosts are %q, want %q", got, want)
	}
	if got := hosts("CVE-2026-0001", client.CVEQuery{State: "exposed", Limit: 1}); !slices.Equal(got, want[:2]) {
		t.Errorf("exposed are %q", got)
	}
}

func TestAHostTellsItsCVEsAndWhy(t *testing.T) {
	t.Parallel()
	w := newKnowing(t)
	list := func(q client.CVEQuery) (lines []string) {
		for {
			page, err := w.admin.HostCVEs(w.Context(), "db-1", q)
			w.must(err)
			for _, c := range page.CVEs {
				lines = append(lines, fmt.Sprintf("%s %s %s", c.CVE[9:], c.State, c.Priority))
			}
			if page.Counts != (api.CVEHosts{Exposed: 2, Unknown: 1, FixedByBoot: 1}) || page.Host.Name != "db-1" {
				t.Errorf("counted are %+v of %+v", page.Counts, page.Host)
			}
			if q.Page = page.Next; q.Page == "" {
				return lines
			}
		}
	}
	want := []string{"0001 exposed act", "0004 unknown act", "0002 exposed track", "0003 fixed_by_boot "}
	if got := list(client.CVEQuery{Limit: 1}); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := list(client.CVEQuery{State: "exposed"}); !slices.Equal(got, []string{want[0], want[2]}) {
		t.Errorf("exposed are %q", got)
	}
	if got := list(client.CVEQuery{Priority: "act"}); !slices.Equal(got, want[:2]) {
		t.Errorf("to act on are %q", got)
	}
	e, err := w.admin.Exposure(w.Context(), "db-1", "CVE-2026-0002")
	w.must(err)
	if e.State != hotstick.Exposed || e.Reason != hotstick.ExposedInRange || !e.Disputed || e.Kernel.Version != "6.1.10-1" || len(e.Says) != 2 {
		t.Errorf("got %+v", e)
	}
	if len(e.Lines) == 0 || !strings.Contains(e.Lines[0], "db-1 is exposed to CVE-2026-0002: ") || !strings.Contains(e.Changes, "6.1.10-2 or later") {
		t.Errorf("in sentences it is %q, %q", e.Lines, e.Changes)
	}
	if s := e.Says[0]; s.Source.Document != "D-CVE-2026-0002" || s.Source.Digest == "" || s.Source.Fetched.IsZero() || s.Fixed != "6.1.10-2" || !s.Decides {
		t.Errorf("the first says %+v", s)
	}
	if len(e.Path) == 0 || e.Path[0].Ask != "exploitation" || e.Path[0].Because == "" || len(e.Intervals) != 1 || !e.OpenSince.Equal(e.Intervals[0].Began) || e.Intervals[0].Document != "D-CVE-2026-0002" {
		t.Errorf("the way is %+v, open it was %+v", e.Path, e.Intervals)
	}
	w.put(1, "db-1", "6.1.20-1", nil)
	w.await("it is closed", func() bool {
		e, err = w.admin.Exposure(w.Context(), "db-1", "CVE-2026-0002")
		w.must(err)
		return len(e.Intervals) == 1 && e.Intervals[0].Ended != nil
	})
	if e.State != hotstick.FixedByBoot || e.Priority != "" || len(e.Path) > 0 || !e.OpenSince.IsZero() || e.Intervals[0].Closed != hotstick.ClosedByBoot {
		t.Errorf("closed it is %+v", e)
	}
}

func TestAPatchThatClosesItIsOffered(t *testing.T) {
	t.Parallel()
	w := newKnowing(t)
	ref := w.publish(1)
	w.say("debian", "CVE-2026-52928", hotstick.AdvisoryAffected, hotstick.VersionRange{Fixed: "6.1.12-1"})
	w.await("it is judged", func() bool { _, err := w.admin.CVE(w.Context(), "CVE-2026-52928"); return err == nil })
	d, err := w.admin.CVE(w.Context(), "CVE-2026-52928")
	w.must(err)
	e, err := w.admin.Exposure(w.Context(), "db-1", "CVE-2026-52928")
	w.must(err)
	if want := []hotstick.PatchRef{ref}; !slices.Equal(d.CVE.Patches, want) || !slices.Equal(e.Offers, want) {
		t.Errorf("patches are %v, offered are %v", d.CVE.Patches, e.Offers)
	}
	_, err = w.admin.Ban(w.Context(), ref, api.BanRequest{Reason: "x"})
	w.must(err)
	if e, err = w.admin.Exposure(w.Context(), "db-1", "CVE-2026-52928"); err != nil || len(e.Offers) > 0 {
		t.Errorf("offered are %v (%v) though it is banned", e.Offers, err)
	}
}

func TestACVEThatNobodyNamesSaysWhatToDo(t *testing.T) {
	t.Parallel()
	w := newWorld(t, memory.Open(time.Now))
	wants := func(status int, hint string, err error) {
		w.Helper()
		var p *client.Error
		if !errors.As(err, &p) || p.Status != status || !strings.Contains(p.Hint, hint) {
			t.Errorf("got %v with %+v, want %d with %q", err, p, status, hint)
		}
	}
	ask := func() error { _, err := w.admin.CVE(w.Context(), "CVE-2026-0001"); return err }
	wants(http.StatusNotFound, "hotstick feed add", ask())
	list, err := w.admin.CVEs(w.Context(), client.CVEQuery{})
	if err != nil || list.CVEs == nil || list.Basis != (api.CVEBasis{}) {
		t.Errorf("the list is %+v (%v)", list, err)
	}
	feed := store.Feed{Name: "debian", Enabled: true, Kind: store.FeedPath, Location: t.TempDir(), Period: time.Hour}
	tell := func(s store.FeedState) {
		w.must(w.kept.Update(t.Context(), func(tx store.Tx) error {
			return errors.Join(tx.Feeds().Put(feed), tx.Feeds().Tell("debian", s))
		}))
	}
	feed.Location = "/nowhere"
	tell(store.FeedState{Tried: time.Now(), Failed: "x", Failures: 1})
	wants(http.StatusNotFound, "no feed was read to its end yet", ask())
	_, err = w.admin.CVE(w.Context(), "heartbleed")
	wants(http.StatusUnprocessableEntity, "CVE-2026-12345", err)
	_, err = w.admin.CVEs(w.Context(), client.CVEQuery{State: "fine"})
	wants(http.StatusUnprocessableEntity, "exposed", err)
	_, err = w.admin.CVEs(w.Context(), client.CVEQuery{Priority: "now"})
	wants(http.StatusUnprocessableEntity, "attend", err)
	_, err = w.admin.CVEs(w.Context(), client.CVEQuery{Page: "!"})
	wants(http.StatusUnprocessableEntity, "", err)
	_, err = w.admin.HostCVEs(w.Context(), "nobody", client.CVEQuery{})
	wants(http.StatusNotFound, "hotstick host list", err)
}
