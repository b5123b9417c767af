package hotstick_test

import (
	"crypto/ed25519"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
)

func TestParsePatchRef(t *testing.T) {
	tests := []struct {
		in string
		ok bool
	}{
		{"unix-ioctl@1", true}, {"a@1000000", true},
		{"unix-ioctl", false}, {"unix-ioctl@", false}, {"unix-ioctl@0", false}, {"unix-ioctl@01", false},
		{"unix-ioctl@-1", false}, {"Unix@1", false}, {"<b>@1", false}, {"a@1@2", false}, {"a@99999999999999999999", false},
	}
	for _, test := range tests {
		ref, err := hotstick.ParsePatchRef(test.in)
		if (err == nil) != test.ok {
			t.Errorf("%q: %v, %v", test.in, ref, err)
		}
		if err == nil && ref.String() != test.in {
			t.Errorf("%q reads back as %q", test.in, ref)
		}
	}
}

func TestHostIDComesFromTheIdentityKey(t *testing.T) {
	key := ed25519.NewKeyFromSeed(make([]byte, 32)).Public().(ed25519.PublicKey)
	id := hotstick.NewHostID(key)
	if err := id.Validate(); err != nil {
		t.Error(err)
	}
	if id != hotstick.NewHostID(key) {
		t.Error("one key gave two IDs")
	}
	for _, bad := range []hotstick.HostID{"", "h-", "h-UPPERUPPERUPPERU", "h-aaaaaaaaaaaaaaaa/..", "host"} {
		if bad.Validate() == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}

func validPlan() hotstick.Plan {
	now := time.Date(2026, 11, 21, 3, 0, 0, 0, time.UTC)
	build := hotstick.KernelBuild{Release: "6.1.0-47-amd64", Arch: "x86_64", BuildID: "0123456789abcdef"}
	return hotstick.Plan{
		Schema: hotstick.PlanSchema, Name: "n", Patch: hotstick.PatchRef{Name: "p", Level: 1}, Author: "ada",
		CreatedAt: now, NotAfter: now.Add(time.Hour), HostsRoot: "r", HostCount: 2,
		Lanes:   []hotstick.Lane{{Build: build, Driver: "klp", Artifact: hotstick.NewDigest(nil), Module: "m"}},
		Waves:   []hotstick.Wave{{Name: "a", Hosts: 1}, {Name: "b", Hosts: 1}},
		Budgets: []hotstick.Budget{{Domain: "fleet", Max: 1}}, ProbationSeconds: 1, TransitionSeconds: 1,
	}
}

func TestPlanRefuses(t *testing.T) {
	if err := validPlan().Validate(); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		edit func(*hotstick.Plan)
	}{
		{"an unknown schema", func(p *hotstick.Plan) { p.Schema = "hotstick/plan/v2" }},
		{"no host: empty is not all", func(p *hotstick.Plan) { p.HostCount = 0 }},
		{"waves that do not add up", func(p *hotstick.Plan) { p.HostCount = 3 }},
		{"an empty wave", func(p *hotstick.Plan) { p.Waves[0].Hosts = 0; p.Waves[1].Hosts = 2 }},
		{"delays that shrink", func(p *hotstick.Plan) { p.Waves[0].DelaySeconds = 5 }},
		{"a life that ends before it begins", func(p *hotstick.Plan) { p.NotAfter = p.CreatedAt }},
		{"no budget", func(p *hotstick.Plan) { p.Budgets = nil }},
		{"a budget of nothing", func(p *hotstick.Plan) { p.Budgets[0].Max = 0 }},
		{"two lanes for one kernel build", func(p *hotstick.Plan) { p.Lanes = append(p.Lanes, p.Lanes[0]) }},
		{"a module name that is a path", func(p *hotstick.Plan) { p.Lanes[0].Module = "../x" }},
		{"no probation", func(p *hotstick.Plan) { p.ProbationSeconds = 0 }},
		{"no author", func(p *hotstick.Plan) { p.Author = "" }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p := validPlan()
			test.edit(&p)
			if p.Validate() == nil {
				t.Error("was accepted")
			}
		})
	}
}
