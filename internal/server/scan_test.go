package server

import (
	"fmt"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/client"
	"github.com/hotstick/hotstick/internal/store"
	"github.com/hotstick/hotstick/internal/store/memory"
)

func TestTheAuditLogIsSearched(t *testing.T) {
	t.Parallel()
	start := time.Now().UTC().Truncate(time.Second)
	clock := start.Add(-24 * time.Hour)
	kept := memory.Open(func() time.Time { return clock })
	for i := range 3000 {
		clock = clock.Add(time.Second)
		e := store.Event{Kind: "host.facts", Host: hotstick.HostID(fmt.Sprint("h-", i))}
		if i%1000 == 7 {
			e = store.Event{Kind: "patch.banned", Actor: "mallory", Patch: hotstick.PatchRef{Name: "fix", Level: i}}
		}
		if err := kept.Update(t.Context(), func(tx store.Tx) error { _, err := tx.Events().Append(e); return err }); err != nil {
			t.Fatal(err)
		}
	}
	end := clock
	clock = start
	w := newWorld(t, kept)
	for _, c := range []struct {
		name string
		q    client.EventQuery
		want int
	}{
		{"an actor", client.EventQuery{Actor: "mallory"}, 3},
		{"an actor who did nothing", client.EventQuery{Actor: "nobody"}, 0},
		{"an actor whose name is a pattern", client.EventQuery{Actor: "mallor%"}, 0},
		{"a kind", client.EventQuery{Kind: "patch.banned"}, 3},
		{"what it is about", client.EventQuery{Kind: "patch"}, 3},
		{"a patch", client.EventQuery{Patch: hotstick.PatchRef{Name: "fix", Level: 1007}}, 1},
		{"an actor from a time on", client.EventQuery{Actor: "mallory", Since: end.Add(-1500 * time.Second)}, 1},
		{"an actor until a time", client.EventQuery{Actor: "mallory", Until: end.Add(-1500 * time.Second)}, 2},
		{"a time alone", client.EventQuery{Since: end.Add(-9 * time.Second), Until: end.Add(time.Second)}, 10},
		{"some of many", client.EventQuery{Kind: "host", Limit: 5}, 5},
	} {
		q, found := c.q, 0
		for pages := 0; ; pages++ {
			page, err := w.admin.Events(t.Context(), q)
			w.must(err)
			found += len(page.Events)
			if q.Page = page.Next; q.Page == "" || c.q.Limit > 0 {
				break
			}
			if pages > 100 {
				t.Fatalf("%s: pages without an end", c.name)
			}
		}
		if found != c.want {
			t.Errorf("%s: %d events, want %d", c.name, found, c.want)
		}
	}
	for _, path := range []string{"?since=yesterday", "?kind=%00", "?actr=x"} {
		a := w.ask("GET", "/api/v1/events"+path, "", "Authorization", w.bearer("viewer"))
		if a.status >= 500 {
			t.Errorf("%s: %d", path, a.status)
		}
	}
}
