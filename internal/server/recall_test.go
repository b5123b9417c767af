package server

import (
	"strings"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/api"
	"github.com/hotstick/hotstick/catalog"
	"github.com/hotstick/hotstick/internal/identity"
	"github.com/hotstick/hotstick/internal/statement"
)

// recall publishes a recall, in targets metadata that live as long.
func (w *world) recall(ref hotstick.PatchRef, life time.Duration) {
	w.Helper()
	root, err := w.admin.CatalogFile(w.Context(), "root.json")
	w.must(err)
	targets, err := w.admin.CatalogFile(w.Context(), "targets.json")
	w.must(err)
	now := time.Now().UTC().Truncate(time.Second)
	next, err := catalog.Revise(catalog.Revision{Root: root, Targets: targets, Expires: now.Add(life), Recalls: []hotstick.Recall{{
		Patch: ref, Action: hotstick.RecallRevert, Reason: "it loses packets", Issued: now}}}, w.publisher)
	w.must(err)
	_, err = w.admin.Publish(w.Context(), api.PublishRequest{Targets: next})
	w.must(err)
}

func TestARecallIsOnTheScreensUntilItsClear(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	h := w.join("host-1", buildA)
	w.known(h)
	older, ref := w.publish(1), w.publish(2)
	w.recall(ref, 20*24*time.Hour)
	screens := func(recalls int, newest hotstick.PatchRef) {
		t.Helper()
		o, err := w.admin.Overview(t.Context())
		w.must(err)
		p, err := w.admin.Patch(t.Context(), ref)
		w.must(err)
		if len(o.Recalls) != recalls || (p.Recall != nil) != (recalls > 0) || o.Coverage[0].Newest != newest || len(o.Expiring) != 0 {
			t.Errorf("the overview has %v, the patch %v; the newest is %s, %v expire", o.Recalls, p.Recall, o.Coverage[0].Newest, o.Expiring)
		}
	}
	screens(1, older)
	_, err := w.admin.Draft(t.Context(), api.DraftRequest{Patch: ref.String(), Selector: "true", Author: alice, Name: "again", Settings: quick})
	if err == nil || !strings.Contains(err.Error(), "recalled") {
		t.Errorf("a recalled level was planned: %v", err)
	}
	now := time.Now().UTC().Truncate(time.Second)
	raw, err := statement.Sign(statement.KindClear, statement.Clear{Patch: ref, Hosts: []hotstick.HostID{}, Recall: true,
		IssuedAt: now, NotAfter: now.Add(time.Hour)}, w.persons[bob], w.persons[carol])
	w.must(err)
	cleared, err := w.admin.Clear(t.Context(), api.ClearRequest{Envelope: raw})
	if err != nil || !cleared.Recall || cleared.Ban {
		t.Errorf("the clear lifts %+v, %v", cleared, err)
	}
	screens(0, ref)
}

func TestWhatPeopleMustSignAgainIsSaidAWeekAhead(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.recall(w.publish(1), 6*24*time.Hour)
	o, err := w.admin.Overview(t.Context())
	w.must(err)
	if len(o.Expiring) != 1 || o.Expiring[0].Role != "targets" || !strings.Contains(o.Headline, "he catalog's targets must be signed again within") {
		t.Errorf("%v expire; the headline is %q", o.Expiring, o.Headline)
	}
	metrics := w.ask("GET", "/metrics", "", "Authorization", w.bearer(identity.Viewer)).body
	for _, want := range []string{"hotstick_catalog_expiring 1", "hotstick_recalls 1"} {
		if !strings.Contains(metrics, want) {
			t.Errorf("the metrics lack %s", want)
		}
	}
}
