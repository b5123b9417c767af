package planner_test

import (
	"fmt"
	"reflect"
	"slices"
	"testing"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/decide/planner"
	"pgregory.net/rapid"
)

// After any sequence of changes, the plan is the one that planning from scratch
// gives.
func TestChangingHostsEqualsPlanningFromScratch(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := anyRequest(t)
		if rapid.Bool().Draw(t, "no clusters") { // which the fast path leaves alone
			r.Shape.Budgets = slices.DeleteFunc(r.Shape.Budgets, func(b hotstick.Budget) bool { return b.Quorum })
		}
		p, err := planner.Pack(r)
		if err != nil {
			return
		}
		hosts := slices.Clone(r.Hosts)
		for range rapid.IntRange(1, 8).Draw(t, "changes") {
			n := rapid.IntRange(0, 75).Draw(t, "which")
			h := anyHost(t, n, r.Shape)
			hosts = slices.DeleteFunc(hosts, func(x planner.Host) bool { return x.ID == h.ID })
			if rapid.IntRange(0, 4).Draw(t, "drop") == 0 {
				err = p.Drop(h.ID)
			} else {
				hosts = append(hosts, h)
				err = p.Change(h)
			}
			mustEqualScratch(t, p, err, r, hosts)
		}
	})
}

func mustEqualScratch(t rapid.TB, p *planner.Planner, changed error, r planner.Request, hosts []planner.Host) {
	t.Helper()
	r.Hosts = hosts
	want, wantErr := planner.Build(r)
	got, err := p.Draft()
	if fmt.Sprint(changed) != fmt.Sprint(wantErr) || fmt.Sprint(err) != fmt.Sprint(wantErr) {
		t.Fatalf("changed with %v, drafted with %v; from scratch %v", changed, err, wantErr)
	}
	if !reflect.DeepEqual(got, want) {
		for i := range want.Hosts {
			if i < len(got.Hosts) && !reflect.DeepEqual(got.Hosts[i], want.Hosts[i]) {
				t.Logf("line %d: %+v\n want %+v", i, got.Hosts[i], want.Hosts[i])
			}
		}
		t.Fatalf("the changed plan differs from one made from scratch:\n%+v\n%+v", got.Plan, want.Plan)
	}
	for _, l := range want.Hosts {
		if w, ok := p.Wave(l.Host); !ok || w != l.Wave {
			t.Fatalf("%s is said to be in wave %d, want %d", l.Host, w, l.Wave)
		}
	}
}

// Thousands of hosts under caps that bind: changes cascade through racks, zones,
// services and windows.
func TestChangesInACrowdEqualPlanningFromScratch(t *testing.T) {
	r := crowd(3000)
	p := mustPack(t, r)
	hosts := slices.Clone(r.Hosts)
	for i := range 120 {
		n := i * 7919 % len(hosts)
		h := hosts[n]
		switch i % 4 {
		case 0:
			h.Labels = hosts[(n*31+7)%len(hosts)].Labels
		case 1:
			h.Compat = hosts[(n*17+3)%len(hosts)].Compat
		case 2:
			h.Verdict.Reason = &hotstick.Reason{Code: hotstick.ReasonExcluded}
		case 3:
			h.Verdict.Last = true
		}
		hosts[n] = h
		err := p.Change(h)
		if i%10 == 9 {
			mustEqualScratch(t, p, err, r, hosts)
		}
	}
}
