package storetest

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/store"
)

var hostTests = []test{
	{"a put replaces the whole host", aPutReplacesTheWholeHost},
	{"a check-in changes what it changed", aCheckInChangesWhatItChanged},
	{"an unknown host is not found", anUnknownHostIsNotFound},
	{"hosts are listed by name, then ID, byte by byte", hostsAreListedByName},
	{"pages meet without gap or repeat", pagesMeet},
	{"a page survives renamed and deleted hosts", aPageSurvivesChanges},
	{"a cursor that is none is refused", aCursorThatIsNone},
	{"searches are plain text", searchesArePlainText},
	{"a build narrows the list", aBuildNarrowsTheList},
	{"the list follows new facts", theListFollowsNewFacts},
	{"a deleted host leaves a tombstone", aDeletedHostLeavesATombstone},
	{"the largest numbers come back", theLargestNumbersComeBack},
}

func aPutReplacesTheWholeHost(w *world) {
	full := Full[store.Host]()
	full.Revoked = false
	w.putHost(full)
	for name, h := range map[string]store.Host{
		"nothing but an ID": {ID: full.ID},
		"without facts":     {ID: full.ID, Name: full.Name, Identity: full.Identity, Seq: 3},
		"everything":        full,
	} {
		w.putHost(h)
		w.same(w.host(full.ID), h.Clone())
		if w.Failed() {
			w.Fatal(name)
		}
	}
}

// aCheckInChangesWhatItChanged changes one part at a time, as check-ins do, so
// that a store that writes only what is new must notice each.
func aCheckInChangesWhatItChanged(w *world) {
	h := Full[store.Host]()
	h.Revoked = false
	w.putHost(h)
	changes := []struct {
		name   string
		change func(h *store.Host)
	}{
		{"nothing", func(*store.Host) {}},
		{"last seen", func(h *store.Host) { h.LastSeen = h.LastSeen.Add(time.Minute) }},
		{"seq", func(h *store.Host) { h.Seq++ }},
		{"readings", func(h *store.Host) { h.Readings[1].Healthy = false }},
		{"no readings", func(h *store.Host) { h.Readings = nil }},
		{"name", func(h *store.Host) { h.Name = "renamed" }},
		{"identity", func(h *store.Host) { h.Identity = []byte("other") }},
		{"boot", func(h *store.Host) { h.Boot = "next"; h.Boots++ }},
		{"patches", func(h *store.Host) { h.Patches[0].State = hotstick.TransitionOut }},
		{"loader", func(h *store.Host) { h.Loader.Busy = !h.Loader.Busy }},
		{"reported", func(h *store.Host) { h.Reported++ }},
		{"digest of the facts", func(h *store.Host) { h.FactsDigest = "other" }},
		{"facts under the same digest", func(h *store.Host) { h.Facts.Kernel.Tainted++ }},
		{"deep in the facts", func(h *store.Host) { *h.Facts.Security.SecureBoot = false }},
		{"a label", func(h *store.Host) { h.Facts.Labels["rack"] = "b7" }},
		{"no facts", func(h *store.Host) { h.Facts = nil }},
		{"facts again", func(h *store.Host) { h.Facts = Full[store.Host]().Facts }},
	}
	for _, c := range changes {
		// The host is read, changed and put in one transaction, as a check-in is.
		w.mustUpdate(func(tx store.Tx) error {
			h, err := tx.Hosts().Get(h.ID)
			if err != nil {
				return err
			}
			c.change(&h)
			return tx.Hosts().Put(h)
		})
		c.change(&h)
		w.same(w.host(h.ID), h.Clone())
		if w.Failed() {
			w.Fatalf("after a change of %s", c.name)
		}
	}
	w.reopen()
	w.same(w.host(h.ID), h.Clone())
}

func anUnknownHostIsNotFound(w *world) {
	w.wantErr(store.ErrNotFound, func(tx store.Tx) error { _, err := tx.Hosts().Get("h-none"); return err })
	w.wantErr(store.ErrNotFound, func(tx store.Tx) error { return tx.Hosts().Delete("h-none") })
}

func hostsAreListedByName(w *world) {
	names := []string{"", "A", "a", "a", "a\x00", "a\x00b", "a b", "a%", "a/b", "aa", "b", "é", "\U0001F525"}
	for i, name := range names {
		w.putHost(store.Host{ID: hostID(i), Name: name})
	}
	want := make([]hotstick.HostID, len(names))
	for i := range names {
		want[i] = hostID(i)
	}
	if got, n := w.list(store.HostFilter{}); !slices.Equal(got, want) || n != len(names) {
		w.Errorf("got %v, %d", got, n)
	}
	w.walk(store.HostFilter{Limit: 1}, want)
}

// walk pages through a list and wants these hosts.
func (w *world) walk(f store.HostFilter, want []hotstick.HostID) {
	w.Helper()
	var got []hotstick.HostID
	for {
		var page []store.Host
		w.mustView(func(tx store.Tx) (err error) {
			var total int
			page, total, err = tx.Hosts().List(f)
			if total != len(want) {
				w.Errorf("after %q: %d in all, want %d", f.After, total, len(want))
			}
			return err
		})
		if len(page) == 0 {
			break
		}
		if len(page) > f.Limit || len(got) > len(want) {
			w.Fatalf("after %q: a page of %d", f.After, len(page))
		}
		for _, h := range page {
			got = append(got, h.ID)
		}
		f.After = page[len(page)-1].Cursor()
	}
	if !slices.Equal(got, want) {
		w.Errorf("pages give %v, want %v", got, want)
	}
}

// pagesMeet puts hosts in the wrong order, five to a name.
func pagesMeet(w *world) {
	var all, even []hotstick.HostID
	for i := range 23 {
		all = append(all, hostID(i))
		if i%2 == 0 {
			even = append(even, hostID(i))
		}
	}
	for i := len(all) - 1; i >= 0; i-- {
		h := store.Host{ID: all[i], Name: fmt.Sprint("host-", i/5), Facts: &hotstick.Facts{}}
		if i%2 == 0 {
			h.Facts.Kernel.Build.BuildID = "even"
		}
		w.putHost(h)
	}
	for _, limit := range []int{1, 2, 5, 22, 23, 100} {
		w.walk(store.HostFilter{Limit: limit}, all)
		w.walk(store.HostFilter{Limit: limit, Search: "HOST-1"}, all[5:10])
		w.walk(store.HostFilter{Limit: limit, Build: "even"}, even)
	}
}

func aPageSurvivesChanges(w *world) {
	for i := range 4 {
		w.putHost(store.Host{ID: hostID(i), Name: fmt.Sprint("host-", i)})
	}
	cursor := w.host(hostID(1)).Cursor()
	w.mustUpdate(func(tx store.Tx) error { return tx.Hosts().Delete(hostID(1)) })
	w.putHost(store.Host{ID: hostID(0), Name: "zzz"})
	if got, _ := w.list(store.HostFilter{After: cursor}); !slices.Equal(got, []hotstick.HostID{hostID(2), hostID(3), hostID(0)}) {
		w.Errorf("got %v", got)
	}
}

func aCursorThatIsNone(w *world) {
	w.mustView(func(tx store.Tx) error {
		if _, _, err := tx.Hosts().List(store.HostFilter{After: "no cursor"}); err == nil {
			w.Error("paged after nothing")
		}
		return nil
	})
}

func searchesArePlainText(w *world) {
	names := []string{"web-1", "WEB-2", "100%", "a_b", `it's "quoted"`, `back\slash`, "<script>", "nul\x00nul", "ünï", "\x1b[31mred", "?1", "日本"}
	for i, name := range names {
		w.putHost(store.Host{ID: hostID(i), Name: name,
			Facts: &hotstick.Facts{Kernel: hotstick.KernelFacts{Build: hotstick.KernelBuild{Release: fmt.Sprintf("6.%d.0-AMD64", i)}}}})
	}
	for _, c := range []struct {
		search string
		want   []int
	}{
		{"web", []int{0, 1}}, {"Web-2", []int{1}}, {"%", []int{2}}, {"_", []int{3}}, {"'", []int{4}}, {`"`, []int{4}},
		{`\`, []int{5}}, {"<SCRIPT>", []int{6}}, {"\x00", []int{7}}, {"l\x00n", []int{7}}, {"l\x00x", nil},
		{"ÜNÏ", []int{8}}, {"\x1b", []int{9}}, {"?1", []int{10}}, {"日", []int{11}}, {"%web%", nil}, {"*", nil}, {"' OR 1=1 --", nil},
		{string(hostID(10)), []int{10}}, {"H-0000000000000003", []int{3}}, {"6.11.0-amd", []int{11}}, {" ", []int{4}},
	} {
		want := make([]hotstick.HostID, 0, len(c.want))
		for _, i := range c.want {
			want = append(want, hostID(i))
		}
		got, n := w.list(store.HostFilter{Search: c.search})
		slices.Sort(got)
		if !slices.Equal(got, want) || n != len(want) {
			w.Errorf("%q finds %v (%d), want %v", c.search, got, n, want)
		}
	}
}

func aBuildNarrowsTheList(w *world) {
	for i, build := range []string{"aa11", "aa11", "bb22", ""} {
		w.putHost(store.Host{ID: hostID(i), Name: fmt.Sprint("host-", i),
			Facts: &hotstick.Facts{Kernel: hotstick.KernelFacts{Build: hotstick.KernelBuild{BuildID: build}}}})
	}
	w.putHost(store.Host{ID: hostID(4), Name: "host-4"})
	for _, c := range []struct {
		filter store.HostFilter
		want   int
	}{
		{store.HostFilter{Build: "aa11"}, 2},
		{store.HostFilter{Build: "bb22"}, 1},
		{store.HostFilter{Build: "aa11", Search: "host-1"}, 1},
		{store.HostFilter{Build: "aa"}, 0},
		{store.HostFilter{Build: "%"}, 0},
		{store.HostFilter{}, 5},
	} {
		if got, n := w.list(c.filter); n != c.want || len(got) != c.want {
			w.Errorf("%+v gives %v (%d), want %d", c.filter, got, n, c.want)
		}
	}
}

func theListFollowsNewFacts(w *world) {
	h := store.Host{ID: hostID(1), Facts: &hotstick.Facts{}}
	build := &h.Facts.Kernel.Build
	build.Release, build.BuildID = "6.1.0", "aa11"
	w.putHost(h)
	build.Release, build.BuildID = "6.12.0", "bb22"
	w.putHost(h)
	for f, want := range map[store.HostFilter]int{{Build: "aa11"}: 0, {Build: "bb22"}: 1, {Search: "6.1.0"}: 0, {Search: "6.12"}: 1} {
		if _, n := w.list(f); n != want {
			w.Errorf("%+v gives %d, want %d", f, n, want)
		}
	}
}

func aDeletedHostLeavesATombstone(w *world) {
	h := store.Host{ID: hostID(1), Name: "gone", Identity: []byte("key"), Boots: 3}
	w.putHost(h)
	w.mustUpdate(func(tx store.Tx) error {
		return errors.Join(tx.Hosts().Delete(h.ID), tx.Hosts().Delete(h.ID))
	})
	w.reopen()
	want := h
	want.Revoked = true
	w.same(w.host(h.ID), want)
	if ids, n := w.list(store.HostFilter{}); len(ids) != 0 || n != 0 {
		w.Errorf("the list still has %v, %d", ids, n)
	}
	w.wantErr(store.ErrTaken, func(tx store.Tx) error { return tx.Hosts().Put(h) })
	want.Name = "still gone"
	w.putHost(want)
	w.same(w.host(h.ID), want)
}

func theLargestNumbersComeBack(w *world) {
	h := store.Host{ID: hostID(1), Seq: math.MaxUint64, Reported: math.MaxUint64, Boots: math.MaxInt64}
	w.putHost(h)
	w.same(w.host(h.ID), h)
}
