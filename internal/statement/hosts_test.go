package statement_test

import (
	"fmt"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"
	"pgregory.net/rapid"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/statement"
)

func TestEveryListedHostCanBeProved(t *testing.T) {
	w := newWorld(t)
	for _, n := range []int{2, 3, 4, 7, 8, 9, 33} {
		list := hosts(n)
		plan := w.plan(list)
		id := hotstick.NewDigest([]byte("plan"))
		if err := statement.CheckHosts(plan, list); err != nil && n > 2 {
			t.Errorf("%d hosts: %v", n, err)
		}
		for i := range list {
			if err := statement.CheckHost(plan, id, w.grant(id, list, i)); err != nil {
				t.Errorf("host %d of %d: %v", i, n, err)
			}
		}
	}
}

// The tree must be RFC 6962's, as the tlog package stores it.
func TestTheHostTreeIsTheLogsTree(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		list := hosts(rapid.IntRange(1, 70).Draw(t, "hosts"))
		for i := range list {
			list[i].Calendar = rapid.SampledFrom([]string{"", "night"}).Draw(t, "calendar")
		}
		tree, err := statement.NewHostTree(list)
		if err != nil {
			t.Fatal(err)
		}
		var stored []tlog.Hash
		reader := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
			var out []tlog.Hash
			for _, x := range indexes {
				out = append(out, stored[x])
			}
			return out, nil
		})
		for i, h := range list {
			record := fmt.Sprintf("hotstick/plan-host/v1\n%s\n%s\n%s\n%s\n%s\n%d\n", h.Identity, h.Build.Release, h.Build.Arch, h.Build.BuildID, h.Calendar, h.Wave)
			more, err := tlog.StoredHashes(int64(i), []byte(record), reader)
			if err != nil {
				t.Fatal(err)
			}
			stored = append(stored, more...)
		}
		root, err := tlog.TreeHash(int64(len(list)), reader)
		if err != nil {
			t.Fatal(err)
		}
		if want := fmt.Sprintf("sha256:%x", root[:]); tree.Root() != want {
			t.Errorf("the root of %d hosts is %s, want %s", len(list), tree.Root(), want)
		}
	})
}

func TestGrantForAHostThatIsNotListedIsRefused(t *testing.T) {
	w := newWorld(t)
	list := hosts(6)
	plan := w.plan(list)
	id := hotstick.NewDigest([]byte("plan"))
	tests := []struct {
		name string
		edit func(*statement.Grant)
		code hotstick.ReasonCode
	}{
		{"another machine in a host's place", func(g *statement.Grant) { g.Identity = identity(99); g.Host = hotstick.NewHostID(identityKey(99)) }, hotstick.ReasonNotInPlan},
		{"an earlier wave", func(g *statement.Grant) { g.Wave = 0 }, hotstick.ReasonNotInPlan},
		{"a wave the plan lacks", func(g *statement.Grant) { g.Wave = 2 }, hotstick.ReasonNotInPlan},
		{"a negative wave", func(g *statement.Grant) { g.Wave = -1 }, hotstick.ReasonNotInPlan},
		{"another build of the plan", func(g *statement.Grant) { g.Build = other }, hotstick.ReasonNotInPlan},
		{"a build without a lane", func(g *statement.Grant) { g.Build.BuildID = "ffffffffffffffff" }, hotstick.ReasonWrongBuild},
		{"another plan", func(g *statement.Grant) { g.Plan = hotstick.NewDigest([]byte("other plan")) }, hotstick.ReasonNotInPlan},
		{"another calendar", func(g *statement.Grant) { g.Calendar = "night" }, hotstick.ReasonNotInPlan},
		{"another index", func(g *statement.Grant) { g.Index = 4 }, hotstick.ReasonNotInPlan},
		{"an index beyond the list", func(g *statement.Grant) { g.Index = 6 }, hotstick.ReasonNotInPlan},
		{"a negative index", func(g *statement.Grant) { g.Index = -1 }, hotstick.ReasonNotInPlan},
		{"no proof", func(g *statement.Grant) { g.Proof = nil }, hotstick.ReasonNotInPlan},
		{"half a proof", func(g *statement.Grant) { g.Proof = g.Proof[:1] }, hotstick.ReasonNotInPlan},
		{"a longer proof", func(g *statement.Grant) { g.Proof = append(g.Proof, g.Proof[0]) }, hotstick.ReasonNotInPlan},
		{"a proof of nonsense", func(g *statement.Grant) { g.Proof = []string{"sha256:x"} }, hotstick.ReasonNotInPlan},
		{"an endless proof", func(g *statement.Grant) { g.Proof = make([]string, 1000) }, hotstick.ReasonNotInPlan},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t)
			g := w.grant(id, list, 3)
			test.edit(&g)
			w.mustRefuse(statement.CheckHost(plan, id, g), test.code)
		})
	}
}

func TestAnApproverSeesThroughAFalseHostList(t *testing.T) {
	w := newWorld(t)
	tests := []struct {
		name string
		edit func([]hotstick.PlanHost, *hotstick.Plan) []hotstick.PlanHost
	}{
		{"one host less", func(l []hotstick.PlanHost, _ *hotstick.Plan) []hotstick.PlanHost { return l[:5] }},
		{"one host more", func(_ []hotstick.PlanHost, _ *hotstick.Plan) []hotstick.PlanHost { return hosts(7) }},
		{"another host", func(l []hotstick.PlanHost, _ *hotstick.Plan) []hotstick.PlanHost {
			l[3].Identity, l[3].Host = identity(50), hotstick.NewHostID(identityKey(50))
			return l
		}},
		{"another name for a host's identity", func(l []hotstick.PlanHost, _ *hotstick.Plan) []hotstick.PlanHost {
			l[3].Host = l[4].Host
			return l
		}},
		{"another order", func(l []hotstick.PlanHost, _ *hotstick.Plan) []hotstick.PlanHost {
			l[3], l[4] = l[4], l[3]
			return l
		}},
		{"another wave, with the same counts", func(l []hotstick.PlanHost, _ *hotstick.Plan) []hotstick.PlanHost {
			l[0].Wave, l[1].Wave = 1, 0
			return l
		}},
		{"another calendar", func(l []hotstick.PlanHost, p *hotstick.Plan) []hotstick.PlanHost {
			p.Calendars = []hotstick.Calendar{{Name: "night", Opens: []hotstick.Interval{{From: now, Until: now.Add(time.Hour)}}}}
			l[3].Calendar = "night"
			return l
		}},
		{"a calendar with a line of its own", func(l []hotstick.PlanHost, _ *hotstick.Plan) []hotstick.PlanHost { l[3].Calendar = "\n0"; return l }},
		{"other counts", func(l []hotstick.PlanHost, p *hotstick.Plan) []hotstick.PlanHost {
			p.Waves[0].Hosts, p.Waves[1].Hosts = 2, 4
			return l
		}},
		{"a wave that the plan lacks", func(l []hotstick.PlanHost, _ *hotstick.Plan) []hotstick.PlanHost { l[3].Wave = 9; return l }},
		{"a negative wave", func(l []hotstick.PlanHost, _ *hotstick.Plan) []hotstick.PlanHost { l[3].Wave = -1; return l }},
		{"a host twice", func(l []hotstick.PlanHost, _ *hotstick.Plan) []hotstick.PlanHost { l[4] = l[3]; return l }},
		{"a build without a lane", func(l []hotstick.PlanHost, p *hotstick.Plan) []hotstick.PlanHost {
			p.Lanes = p.Lanes[:1]
			return l
		}},
	}
	for _, test := range tests {
		plan := w.plan(hosts(6))
		list := test.edit(hosts(6), &plan)
		if err := statement.CheckHosts(plan, list); err == nil {
			t.Errorf("%s: taken", test.name)
		}
	}
	// A list whose root is right and which is wrong all the same.
	twice := hosts(6)
	twice[4] = twice[3]
	if err := statement.CheckHosts(w.plan(twice), twice); err == nil {
		t.Error("a plan that lists a host twice was taken")
	}
}

func TestAHostTreeOfNothingIsRefused(t *testing.T) {
	bad := hosts(3)
	bad[1].Build.Release = "6.1\n"
	unnamed := hosts(3)
	unnamed[2].Identity = ""
	for _, list := range [][]hotstick.PlanHost{nil, {}, bad, unnamed} {
		if _, err := statement.HostsRoot(list); err == nil {
			t.Errorf("%v has a root", list)
		}
	}
	tree, err := statement.NewHostTree(hosts(3))
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range []int64{-1, 3, 1 << 40} {
		if _, err := tree.Prove(i); err == nil {
			t.Errorf("host %d of 3 was proved", i)
		}
	}
}

func TestAStandInIsHeldToItsCanarysWave(t *testing.T) {
	w := newWorld(t)
	list := hosts(6)
	list[3].StandIn = &hotstick.StandIn{For: list[0].Host, Wave: 0}
	plan := w.plan(list)
	id := hotstick.NewDigest([]byte("plan"))
	if err := statement.CheckHosts(plan, list); err != nil {
		t.Fatal(err)
	}
	g := w.grant(id, list, 3)
	if g.Wave != 0 {
		t.Fatalf("the grant is for wave %d", g.Wave)
	}
	if err := statement.CheckHost(plan, id, g); err != nil {
		t.Error(err)
	}
	g.Wave = 1
	w.mustRefuse(statement.CheckHost(plan, id, g), hotstick.ReasonNotInPlan)
	// What nobody signed as a stand-in does not start early.
	g = w.grant(id, list, 4)
	g.Wave = 0
	w.mustRefuse(statement.CheckHost(plan, id, g), hotstick.ReasonNotInPlan)
}

func TestAnApproverSeesThroughFalseStandIns(t *testing.T) {
	standIn := func(l []hotstick.PlanHost, i, canary, wave int) {
		l[i].StandIn = &hotstick.StandIn{For: l[canary].Host, Wave: wave}
	}
	for _, test := range []struct {
		name string
		edit func(w *world, l []hotstick.PlanHost, p *hotstick.Plan)
		ok   bool
	}{
		{"three of one canary", func(_ *world, l []hotstick.PlanHost, _ *hotstick.Plan) {
			standIn(l, 1, 0, 0)
			standIn(l, 3, 0, 0)
			standIn(l, 4, 0, 0)
		}, true},
		{"four of one canary", func(_ *world, l []hotstick.PlanHost, _ *hotstick.Plan) {
			standIn(l, 1, 0, 0)
			standIn(l, 3, 0, 0)
			standIn(l, 4, 0, 0)
			standIn(l, 6, 0, 0)
		}, false},
		{"for a host that is not listed", func(_ *world, l []hotstick.PlanHost, _ *hotstick.Plan) {
			l[3].StandIn = &hotstick.StandIn{For: hotstick.NewHostID(identityKey(77))}
		}, false},
		{"for nobody", func(_ *world, l []hotstick.PlanHost, _ *hotstick.Plan) { l[3].StandIn = &hotstick.StandIn{} }, false},
		{"for itself", func(_ *world, l []hotstick.PlanHost, _ *hotstick.Plan) { standIn(l, 3, 3, 0) }, false},
		{"for another build", func(_ *world, l []hotstick.PlanHost, _ *hotstick.Plan) { standIn(l, 2, 0, 0) }, false},
		{"for a host of the same wave", func(_ *world, l []hotstick.PlanHost, _ *hotstick.Plan) { standIn(l, 3, 4, 1) }, false},
		{"for a host of a later wave", func(_ *world, l []hotstick.PlanHost, _ *hotstick.Plan) { standIn(l, 0, 3, 1) }, false},
		{"in another wave than the canary's", func(_ *world, l []hotstick.PlanHost, _ *hotstick.Plan) { standIn(l, 3, 4, 0) }, false},
		{"in a wave before all", func(_ *world, l []hotstick.PlanHost, _ *hotstick.Plan) { standIn(l, 3, 0, -1) }, false},
		{"for a stand-in", func(_ *world, l []hotstick.PlanHost, p *hotstick.Plan) {
			p.Waves = append(p.Waves, hotstick.Wave{Name: "last", Hosts: 1, DelaySeconds: 60})
			p.Waves[1].Hosts--
			l[6].Wave = 2
			standIn(l, 3, 0, 0)
			standIn(l, 6, 3, 1)
		}, false},
		{"and a calendar of the plan", func(_ *world, l []hotstick.PlanHost, p *hotstick.Plan) {
			p.Calendars = []hotstick.Calendar{{Name: "nights", Opens: []hotstick.Interval{{From: now, Until: now.Add(time.Hour)}}}}
			l[3].Calendar = "nights"
		}, true},
		{"and a calendar that the plan lacks", func(_ *world, l []hotstick.PlanHost, _ *hotstick.Plan) { l[3].Calendar = "nights" }, false},
	} {
		w := newWorld(t)
		list := hosts(7)
		plan := w.plan(list)
		test.edit(w, list, &plan)
		if root, err := statement.HostsRoot(list); err == nil {
			plan.HostsRoot = root
		}
		if err := statement.CheckHosts(plan, list); (err == nil) != test.ok {
			t.Errorf("%s: %v", test.name, err)
		}
	}
}

func TestALateHostJoinsTheLastWaveOfAPlanThatAdmitsIt(t *testing.T) {
	id := hotstick.NewDigest([]byte("plan"))
	for _, test := range []struct {
		name string
		edit func(*hotstick.Plan, *statement.Grant)
		code hotstick.ReasonCode
	}{
		{"as the rule says", func(*hotstick.Plan, *statement.Grant) {}, ""},
		{"a plan without the rule", func(p *hotstick.Plan, _ *statement.Grant) { p.Late = nil }, hotstick.ReasonNotInPlan},
		{"a calendar that the rule does not name", func(_ *hotstick.Plan, g *statement.Grant) { g.Calendar = "night" }, hotstick.ReasonNotInPlan},
		{"any time where the rule names a calendar", func(p *hotstick.Plan, _ *statement.Grant) { p.Late.Calendar = "night" }, hotstick.ReasonNotInPlan},
		{"an earlier wave", func(_ *hotstick.Plan, g *statement.Grant) { g.Wave = 0 }, hotstick.ReasonNotInPlan},
		{"a wave the plan lacks", func(_ *hotstick.Plan, g *statement.Grant) { g.Wave = 2 }, hotstick.ReasonNotInPlan},
		{"a build without a lane", func(_ *hotstick.Plan, g *statement.Grant) { g.Build.BuildID = "ffffffffffffffff" }, hotstick.ReasonWrongBuild},
		{"another plan", func(_ *hotstick.Plan, g *statement.Grant) { g.Plan = hotstick.NewDigest([]byte("other")) }, hotstick.ReasonNotInPlan},
		{"without saying that it is late", func(_ *hotstick.Plan, g *statement.Grant) { g.Late = false }, hotstick.ReasonNotInPlan},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t)
			plan, g := w.plan(hosts(6)), lateGrant(id, 50)
			plan.Late = &hotstick.LateRule{Labels: map[string]string{"role": "web"}}
			test.edit(&plan, &g)
			err := statement.CheckHost(plan, id, g)
			if test.code == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			w.mustRefuse(err, test.code)
		})
	}
	proved := lateGrant(id, 50)
	proved.Proof = []string{string(hotstick.NewDigest(nil))}
	if _, err := statement.Sign(statement.KindGrant, proved, key("server")); err == nil {
		t.Error("a grant for a late host that also brings a proof was signed")
	}
}

// BenchmarkRoot is the Merkle root over a plan's hosts.
func BenchmarkRoot(b *testing.B) {
	for _, n := range []int{100_000, 1_000_000} {
		b.Run(fmt.Sprintf("hosts=%d", n), func(b *testing.B) {
			list := make([]hotstick.PlanHost, n)
			for i := range list {
				list[i] = hotstick.PlanHost{Identity: hotstick.NewDigest([]byte{byte(i), byte(i >> 8), byte(i >> 16)}), Build: build, Wave: 1}
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := statement.HostsRoot(list); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/host")
		})
	}
}

func BenchmarkOpenGrant(b *testing.B) {
	w := &world{}
	*w = *newWorld(nil)
	list := hosts(64)
	tree, err := statement.NewHostTree(list)
	if err != nil {
		b.Fatal(err)
	}
	proof, err := tree.Prove(3)
	if err != nil {
		b.Fatal(err)
	}
	h := list[3]
	raw, err := statement.Sign(statement.KindGrant, statement.Grant{Plan: hotstick.NewDigest(nil), Host: h.Host, Identity: h.Identity, Build: h.Build,
		Wave: h.Wave, Attempt: 1, Index: 3, Proof: proof, Nonce: "n", Epoch: 3, TTLSeconds: 60}, key("server"))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := statement.OpenGrant(raw, w.trust); err != nil {
			b.Fatal(err)
		}
	}
}
