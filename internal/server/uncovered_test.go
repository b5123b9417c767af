package server

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/api"
	"github.com/hotstick/hotstick/internal/decide/policy"
	"github.com/hotstick/hotstick/internal/store"
	"github.com/hotstick/hotstick/internal/store/memory"
)

func TestAPlanForACVESaysWhereItStaysOpen(t *testing.T) {
	onEachStore(t, func(w *world) {
		other := hotstick.KernelBuild{Release: "5.10.0-1-amd64", Arch: "x86_64", BuildID: strings.Repeat("cd", 20)}
		w.known(w.join("listed", buildA), w.join("left", buildA), w.join("old", other))
		ref := w.publish(1)
		d, err := w.admin.Draft(t.Context(), api.DraftRequest{Name: "close", CVE: "CVE-2026-52928", Selector: `host.name == "listed"`, Author: alice, Settings: quick})
		w.must(err)
		r, err := w.admin.Submit(t.Context(), api.SubmitRequest{Envelope: w.sign(d, alice), Hosts: d.Hosts})
		w.must(err)
		open, err := w.admin.Uncovered(t.Context(), string(r.Plan))
		w.must(err)
		if open.CVE != "CVE-2026-52928" || open.Hosts != 2 || len(open.Gaps) != 2 {
			t.Fatalf("it stays open on %+v", open)
		}
		for _, g := range open.Gaps {
			want := map[string]hotstick.ReasonCode{"left": hotstick.ReasonNotInPlan, "old": hotstick.ReasonNotCovered}[g.Some[0].Name]
			if g.Hosts != 1 || g.Reason.Code != want || g.Reason.Text == "" {
				t.Errorf("%s: %s (%s), want %s", g.Some[0].Name, g.Reason.Code, g.Reason.Text, want)
			}
		}
		plain := w.approved(ref, quick)
		if open, err := w.admin.Uncovered(t.Context(), string(plain.Plan)); err != nil || open.Hosts != 0 || open.CVE != "" {
			t.Errorf("of a plan for one patch it says %+v, %v", open, err)
		}
	})
}

// TestGapsAreJudgedByThePlansOwnPolicy: the plan keeps the digest of its policy's text, and
// another policy would say something else of the hosts.
func TestGapsAreJudgedByThePlansOwnPolicy(t *testing.T) {
	clusters, err := policy.DefaultText("quorum-cluster")
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		name string
		ref  hotstick.PolicyRef
		want hotstick.ReasonCode
	}{
		{"one that picks no host", hotstick.PolicyRef{Name: "quorum-cluster", Digest: hotstick.NewDigest(clusters)}, hotstick.ReasonNotEligible},
		{"another text by that name", hotstick.PolicyRef{Name: "standard", Digest: hotstick.NewDigest([]byte("older"))}, hotstick.ReasonPolicyUnknown},
		{"none", hotstick.PolicyRef{}, hotstick.ReasonNotInPlan},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := newWorld(t, memory.Open(time.Now))
			other := hotstick.KernelBuild{Release: "5.10.0-1-amd64", Arch: "x86_64", BuildID: strings.Repeat("cd", 20)}
			w.known(w.join("listed", buildA), w.join("left", buildA), w.join("old", other))
			w.publish(1)
			d, err := w.admin.Draft(t.Context(), api.DraftRequest{Name: "close", CVE: "CVE-2026-52928", Selector: `host.name == "listed"`, Author: alice, Settings: quick})
			w.must(err)
			var plan hotstick.Plan
			w.must(jsonInto(d.Payload, &plan))
			plan.Policy = row.ref
			d.Payload, err = json.Marshal(plan)
			w.must(err)
			r, err := w.admin.Submit(t.Context(), api.SubmitRequest{Envelope: w.sign(d, alice), Hosts: d.Hosts})
			w.must(err)
			open, err := w.admin.Uncovered(t.Context(), string(r.Plan))
			w.must(err)
			if unknown := open.PolicyUnknown; open.Policy != row.ref.Name || (unknown != nil) != (row.want == hotstick.ReasonPolicyUnknown) || unknown != nil && unknown.Text == "" {
				t.Errorf("it judges by %q, %+v", open.Policy, unknown)
			}
			got := map[string]hotstick.ReasonCode{}
			for _, g := range open.Gaps {
				for _, h := range g.Some {
					got[h.Name] = g.Reason.Code
				}
			}
			// That no patch is for its kernel build needs no policy.
			if want := map[string]hotstick.ReasonCode{"left": row.want, "old": hotstick.ReasonNotCovered}; open.Hosts != 2 || !maps.Equal(got, want) {
				t.Errorf("it stays open on %v, want %v", got, want)
			}
		})
	}
}

// TestCoverageIsToldWhetherOrNotAPlanCouldBeMade: of a CVE that nothing closes any more no
// plan can be made, and what stays open is every host.
func TestCoverageIsToldWhetherOrNotAPlanCouldBeMade(t *testing.T) {
	onEachStore(t, func(w *world) {
		w.known(w.join("b", buildA), w.join("a", buildA))
		w.publish(1)
		for cve, want := range map[string]hotstick.ReasonCode{"CVE-2026-52928": hotstick.ReasonNotInPlan, "CVE-2026-99999": hotstick.ReasonNotCovered} {
			w.must(w.server.store.View(t.Context(), func(tx store.Tx) error {
				hosts, err := w.server.covered(tx, cve, planPolicy{name: "standard"})
				if len(hosts) != 2 || hosts[0].Name != "a" || hosts[1].Name != "b" || hosts[0].Reason.Code != want || hosts[1].Reason.Code != want {
					t.Errorf("%s: it says %+v, want %s of a and b", cve, hosts, want)
				}
				return err
			}))
		}
		if _, err := w.admin.Draft(t.Context(), api.DraftRequest{Name: "close", CVE: "CVE-2026-99999", Selector: "true", Author: alice}); err == nil {
			t.Error("a plan for it was made")
		}
	})
}

func TestCausesOfGapsHaveOneOrder(t *testing.T) {
	for range 50 {
		g := gaps{}
		for _, subject := range []string{"c", "a", "b", "d"} {
			g.add("h", "host", hotstick.Reason{Code: hotstick.ReasonBanned, Subject: subject})
		}
		g.add("h", "host", hotstick.Reason{Code: hotstick.ReasonStruck})
		g.add("h", "host", hotstick.Reason{Code: hotstick.ReasonStruck})
		_, list := g.list()
		var got []string
		for _, gap := range list {
			got = append(got, string(gap.Reason.Code)+gap.Reason.Subject)
		}
		if want := []string{"struck", "banneda", "bannedb", "bannedc", "bannedd"}; !slices.Equal(got, want) {
			t.Fatalf("they are in the order %v, want %v", got, want)
		}
	}
}

// TestEachPlansGapsAreCountedForAllWhoAsk: of a large fleet the count stands for a while.
func TestEachPlansGapsAreCountedForAllWhoAsk(t *testing.T) {
	all, now, n := newCoverages(), time.Unix(0, 0), 0
	ask := func(plan hotstick.PlanID) int {
		u, err := all.of(plan).get(func() time.Time { return now }, func() (api.Uncovered, error) {
			now = now.Add(time.Second)
			n++
			return api.Uncovered{Hosts: n}, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return u.Hosts
	}
	if a, again, b := ask("a"), ask("a"), ask("b"); a != 1 || again != 1 || b != 2 {
		t.Errorf("plan a is counted as %d and %d, plan b as %d", a, again, b)
	}
	for i := range maxCoverages {
		ask(hotstick.PlanID(fmt.Sprint(i)))
	}
	if len(all.rows) != maxCoverages {
		t.Errorf("%d plans' counts are kept", len(all.rows))
	}
}
