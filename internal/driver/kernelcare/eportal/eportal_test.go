package eportal_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"testing"

	"github.com/hotstick/hotstick/internal/driver/kernelcare/eportal"
)

// portal is a rig: it stands in for ePortal, written from the vendor's documentation of its
// API, with servers, feeds and patch sets that change as that says.
type portal struct {
	servers int
	sets    []string
	// enabled says for each feed which sets it offers.
	enabled map[string]map[string]bool
	odd     string // what it says in place of a status
}

const key = "0123456789abcdef"

func newPortal(t *testing.T) (*portal, *eportal.Client) {
	t.Helper()
	p := &portal{servers: 1203, sets: []string{"K20260101_01", "K20260301_01", "K20260501_02"}, enabled: map[string]map[string]bool{"main": {}}}
	s := httptest.NewServer(p)
	t.Cleanup(s.Close)
	c, err := eportal.New(s.URL, key, s.Client())
	if err != nil {
		t.Fatal(err)
	}
	return p, c
}

func (p *portal) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("X-Api-Key") != key {
		http.Error(w, `{"error": "unauthorized"}`, http.StatusUnauthorized)
		return
	}
	q := r.URL.Query()
	answer := func(result any) { _ = json.NewEncoder(w).Encode(map[string]any{"result": result}) }
	switch r.Method + " " + r.URL.Path {
	case "GET /admin/api/servers":
		p.list(w, q.Get("limit"), q.Get("offset"))
	case "GET /admin/api/patchsets/":
		var sets []map[string]string
		for _, s := range p.sets {
			status := "disabled"
			if p.enabled[q.Get("feed")][s] {
				status = "enabled"
			}
			if p.odd != "" {
				status = p.odd
			}
			sets = append(sets, map[string]string{"patchset": s, "status": status})
		}
		answer(sets)
	case "POST /admin/api/patchsets/manage":
		feed := p.enabled[q.Get("feed")]
		if feed == nil || !slices.Contains(p.sets, q.Get("patchset")) {
			http.Error(w, `{"error": "no such feed or patchset"}`, http.StatusBadRequest)
			return
		}
		for _, s := range p.sets {
			switch {
			case q.Get("action") == "enable-upto" && s <= q.Get("patchset"):
				feed[s] = true
			case q.Get("action") == "undeploy-downto" && s > q.Get("patchset"):
				feed[s] = false
			}
		}
		answer("ok")
	case "POST /admin/api/feeds/":
		if p.enabled[q.Get("name")] == nil {
			p.enabled[q.Get("name")] = map[string]bool{}
		}
		answer(map[string]any{"name": q.Get("name"), "auto": q.Get("auto") == "true", "deploy_after": 0})
	default:
		http.NotFound(w, r)
	}
}

func (p *portal) list(w http.ResponseWriter, limit, offset string) {
	n, _ := strconv.Atoi(limit)
	from, _ := strconv.Atoi(offset)
	page := []map[string]any{}
	for i := from; i < min(from+n, p.servers); i++ {
		page = append(page, map[string]any{
			"id": fmt.Sprint("s", i), "hostname": fmt.Sprint("host-", i), "feed": "main", "checkin": "2021-07-12 17:35:56.065077", "updated": nil,
			"euname": "3.10.0-1160.25.1.el7", "release": "3.10.0-957.5.1.el7.x86_64", "patch_level": 49, "kcare_version": "2.44-2", "tags": nil,
		})
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"count": p.servers, "limit": n, "offset": from, "result": page})
}

func TestEveryServerIsListedOnce(t *testing.T) {
	p, c := newPortal(t)
	servers, err := c.Servers(t.Context(), "main")
	if err != nil || len(servers) != p.servers || servers[1202].ID != "s1202" || servers[0].Level != 49 || servers[0].CheckedIn.Format("2006-01-02 15:04") != "2021-07-12 17:35" {
		t.Fatalf("%d servers (%v)", len(servers), err)
	}
	p.servers = 2_000_000
	if _, err := c.Servers(t.Context(), ""); err == nil {
		t.Error("it believes any count")
	}
}

func TestAFeedIsARing(t *testing.T) {
	p, c := newPortal(t)
	if err := c.MakeFeed(t.Context(), "ring-1"); err != nil {
		t.Fatal(err)
	}
	for _, set := range []string{p.sets[2], p.sets[0], p.sets[1]} {
		if err := c.Offer(t.Context(), "ring-1", set); err != nil {
			t.Fatal(err)
		}
		sets, err := c.PatchSets(t.Context(), "ring-1")
		if err != nil || eportal.Newest(sets) != set {
			t.Errorf("it offers %q (%v), want %s", eportal.Newest(sets), err, set)
		}
		if main, err := c.PatchSets(t.Context(), "main"); err != nil || eportal.Newest(main) != "" {
			t.Errorf("the other feed offers %q (%v)", eportal.Newest(main), err)
		}
	}
}

func TestWhatIsNotUnderstoodIsRefused(t *testing.T) {
	p, c := newPortal(t)
	if err := c.Offer(t.Context(), "main", "K20990101_01"); !errors.Is(err, eportal.ErrAnswer) {
		t.Errorf("a set that it does not have: %v", err)
	}
	for _, row := range [][2]string{{"main", "../x"}, {"a b", p.sets[0]}, {"", p.sets[0]}} {
		if err := c.Offer(t.Context(), row[0], row[1]); err == nil || errors.Is(err, eportal.ErrAnswer) {
			t.Errorf("%q: %v", row, err)
		}
	}
	if err := c.MakeFeed(t.Context(), "main"); err == nil {
		t.Error("the main feed was changed")
	}
	p.odd = "half"
	if _, err := c.PatchSets(t.Context(), "main"); err == nil {
		t.Error("any status is taken")
	}
}

func TestAKeyGoesNowhereElse(t *testing.T) {
	for _, base := range []string{"http://eportal.example.com", "ftp://127.0.0.1", "https://", "https://user:pass@eportal.example.com", "https://e.example.com?x=1"} {
		if _, err := eportal.New(base, key, http.DefaultClient); err == nil {
			t.Errorf("%s is taken", base)
		}
	}
	if _, err := eportal.New("https://eportal.example.com", "", http.DefaultClient); err == nil {
		t.Error("no key is taken")
	}
	thief := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t.Errorf("the thief was asked, with the key %q", r.Header.Get("X-Api-Key"))
	}))
	defer thief.Close()
	leads := httptest.NewServer(http.RedirectHandler(thief.URL, http.StatusFound))
	defer leads.Close()
	c, err := eportal.New(leads.URL, key, leads.Client())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.PatchSets(t.Context(), "main"); err == nil {
		t.Error("it was led elsewhere")
	}
}
