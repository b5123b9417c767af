package signoff

import (
	"crypto/ed25519"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/api"
	"github.com/hotstick/hotstick/catalog"
	"github.com/hotstick/hotstick/internal/statement"
)

var (
	build  = hotstick.KernelBuild{Release: "6.1.0-47-amd64", Arch: "x86_64", BuildID: strings.Repeat("ab", 20)}
	other  = hotstick.KernelBuild{Release: "6.1.0-47-amd64", Arch: "x86_64", BuildID: strings.Repeat("cd", 20)}
	first  = hotstick.PatchRef{Name: "unix-ioctl", Level: 1}
	second = hotstick.PatchRef{Name: "unix-ioctl", Level: 2}
)

func level(ref hotstick.PatchRef) hotstick.Patch {
	p := hotstick.Patch{Ref: ref, Driver: "klp", Reversibility: hotstick.ReversibleLive, Replace: true}
	for _, b := range []hotstick.KernelBuild{build, other} {
		p.Artifacts = append(p.Artifacts, artifact(ref, b))
	}
	return p
}

func artifact(ref hotstick.PatchRef, b hotstick.KernelBuild) hotstick.Artifact {
	return hotstick.Artifact{Build: b, Digest: hotstick.NewDigest([]byte(ref.String() + b.BuildID)), SizeBytes: 9, Module: fmt.Sprintf("hs_unix_ioctl_%d", ref.Level)}
}

func view() catalog.View {
	return catalog.NewView(3, time.Now(), hotstick.Trust{Epoch: 4, Approvals: 1}, []hotstick.Patch{level(first), level(second)})
}

// plan is a good plan for the second level with its three hosts.
func plan(t *testing.T) (hotstick.Plan, []hotstick.PlanHost) {
	t.Helper()
	var hosts []hotstick.PlanHost
	for i, wave := range []int{0, 1, 1} {
		key := ed25519.NewKeyFromSeed([]byte(strings.Repeat(string(rune('a'+i)), 32))).Public().(ed25519.PublicKey)
		hosts = append(hosts, hotstick.PlanHost{Host: hotstick.NewHostID(key), Name: fmt.Sprintf("db-%d", i),
			Identity: hotstick.NewFingerprint(key), Build: build, Wave: wave})
	}
	root, err := statement.HostsRoot(hosts)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	old := artifact(first, build)
	new := artifact(second, build)
	return hotstick.Plan{Schema: hotstick.PlanSchema, Name: "x", Patch: second, Author: "ada", Epoch: 4, CreatedAt: now, NotAfter: now.Add(time.Hour),
		Lanes: []hotstick.Lane{{Build: build, Driver: "klp", Artifact: new.Digest, Module: new.Module,
			RevertTo: []hotstick.RevertTarget{{Patch: first, Artifact: old.Digest, Module: old.Module}, {}}}},
		Waves: []hotstick.Wave{{Name: "canary", Hosts: 1, BakeSeconds: 60}, {Name: "rest", Hosts: 2}}, HostsRoot: root, HostCount: 3,
		Budgets: []hotstick.Budget{{Domain: "fleet", Max: 2}}, ProbationSeconds: 60, TransitionSeconds: 30}, hosts
}

func TestAnHonestPlanIsAccepted(t *testing.T) {
	p, hosts := plan(t)
	if err := Check(p, hosts, view()); err != nil {
		t.Error(err)
	}
}

func TestAStolenServerCannotHaveAPlanSigned(t *testing.T) {
	for _, c := range []struct {
		attack string
		do     func(*hotstick.Plan, []hotstick.PlanHost)
		want   string
	}{
		{"other bytes", func(p *hotstick.Plan, _ []hotstick.PlanHost) { p.Lanes[0].Artifact = hotstick.NewDigest(nil) }, "not what the signed catalog has"},
		{"another build's bytes", func(p *hotstick.Plan, _ []hotstick.PlanHost) { p.Lanes[0].Artifact = artifact(second, other).Digest }, "not what the signed catalog has"},
		{"another module name", func(p *hotstick.Plan, _ []hotstick.PlanHost) { p.Lanes[0].Module = "evil" }, "not what the signed catalog has"},
		{"another driver", func(p *hotstick.Plan, _ []hotstick.PlanHost) { p.Lanes[0].Driver = "step" }, "not what the signed catalog has"},
		{"a level that nobody published", func(p *hotstick.Plan, _ []hotstick.PlanHost) { p.Patch.Level = 9 }, "does not have it"},
		{"a way back to other bytes", func(p *hotstick.Plan, _ []hotstick.PlanHost) {
			p.Lanes[0].RevertTo[0].Artifact = hotstick.NewDigest(nil)
		}, "goes back to other bytes"},
		{"a way back to nowhere", func(p *hotstick.Plan, _ []hotstick.PlanHost) { p.Lanes[0].RevertTo[0].Patch.Level = 7 }, "which the signed catalog does not have"},
		{"a host that is not shown", func(_ *hotstick.Plan, h []hotstick.PlanHost) { h[2] = h[1] }, "cannot"},
		{"a host in an earlier wave than shown", func(_ *hotstick.Plan, h []hotstick.PlanHost) { h[1].Wave = 0 }, "cannot"},
		{"another machine under the same name", func(_ *hotstick.Plan, h []hotstick.PlanHost) { h[0].Identity = hotstick.NewDigest(nil) }, "cannot"},
		{"another epoch", func(p *hotstick.Plan, _ []hotstick.PlanHost) { p.Epoch = 5 }, "epoch 5"},
	} {
		p, hosts := plan(t)
		c.do(&p, hosts)
		if err := Check(p, hosts, view()); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error is %v, want it to say %q", c.attack, err, c.want)
		}
	}
}

func TestADraftMustBeWhatWasAskedFor(t *testing.T) {
	for _, c := range []struct {
		what  string
		asked api.DraftRequest
		want  string
	}{
		{"the same", api.DraftRequest{Settings: api.PlanSettings{ProbationSeconds: 60, TransitionSeconds: 30, BakeSeconds: 60, LifeSeconds: 3600, Budgets: map[string]int{"fleet": 2}}}, ""},
		{"nothing said of speeds", api.DraftRequest{}, ""},
		{"another patch", api.DraftRequest{Patch: "unix-ioctl@1"}, "you asked for unix-ioctl@1"},
		{"another author", api.DraftRequest{Author: "eve"}, "not \"eve\""},
		{"another name", api.DraftRequest{Name: "y"}, "named"},
		{"a shorter probation", api.DraftRequest{Settings: api.PlanSettings{ProbationSeconds: 600}}, "probation of 600 s"},
		{"another transition limit", api.DraftRequest{Settings: api.PlanSettings{TransitionSeconds: 10}}, "transition limit"},
		{"a shorter bake", api.DraftRequest{Settings: api.PlanSettings{BakeSeconds: 600}}, "bake of wave 1"},
		{"a longer life", api.DraftRequest{Settings: api.PlanSettings{LifeSeconds: 60}}, "lives longer"},
		{"a bigger budget", api.DraftRequest{Settings: api.PlanSettings{Budgets: map[string]int{"fleet": 1}}}, "at most 1 hosts of a fleet"},
		{"a budget left out", api.DraftRequest{Settings: api.PlanSettings{Budgets: map[string]int{"rack": 1}}}, "the plan says 0"},
	} {
		p, _ := plan(t)
		if c.asked.Patch == "" {
			c.asked.Patch = "unix-ioctl@2"
		}
		if c.asked.Author == "" {
			c.asked.Author = "ada"
		}
		err := CheckAsked(p, c.asked)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error is %v, want %q", c.what, err, c.want)
		}
	}
}

func TestADraftMustFollowTheRulesThatWereAskedFor(t *testing.T) {
	older, another := hotstick.NewDigest([]byte("older")), hotstick.NewDigest([]byte("another"))
	document := "name: ours\n"
	ours := hotstick.PolicyRef{Name: "ours", Digest: hotstick.NewDigest([]byte(document))}
	for _, c := range []struct {
		what  string
		asked api.DraftRequest
		got   func(*hotstick.Plan)
		want  string
	}{
		{"the policy of that name", api.DraftRequest{Policy: "urgent"}, func(p *hotstick.Plan) { p.Policy.Name = "urgent" }, ""},
		{"another policy", api.DraftRequest{Policy: "urgent"}, func(p *hotstick.Plan) { p.Policy.Name = "standard" }, "you asked for the policy urgent"},
		{"the policy that was sent", api.DraftRequest{PolicyDocument: document}, func(p *hotstick.Plan) { p.Policy = ours }, ""},
		{"an edited policy", api.DraftRequest{PolicyDocument: document + "#"}, func(p *hotstick.Plan) { p.Policy = ours }, "another policy"},
		{"the plan to continue", api.DraftRequest{Continues: string(older)}, func(p *hotstick.Plan) { p.Continues = older }, ""},
		{"another plan to continue", api.DraftRequest{Continues: string(older)}, func(p *hotstick.Plan) { p.Continues = another }, "you asked for a retarget of"},
		{"no plan to continue", api.DraftRequest{Continues: string(older)}, func(*hotstick.Plan) {}, "you asked for a retarget of"},
		{"credit that nobody asked for", api.DraftRequest{}, func(p *hotstick.Plan) { p.Continues = older }, "did not ask for"},
		{"the template, written otherwise", api.DraftRequest{Emergency: []byte(`{"a": 1}`)}, func(p *hotstick.Plan) { p.Emergency = []byte(`{"a":1}`) }, ""},
		{"another template", api.DraftRequest{Emergency: []byte(`{"a":1}`)}, func(p *hotstick.Plan) { p.Emergency = []byte(`{"a":2}`) }, "another emergency template"},
		{"a template that was left out", api.DraftRequest{Emergency: []byte(`{"a":1}`)}, func(*hotstick.Plan) {}, "another emergency template"},
		{"haste that nobody asked for", api.DraftRequest{}, func(p *hotstick.Plan) { p.Emergency = []byte(`{"a":1}`) }, "did not ask for"},
	} {
		p, _ := plan(t)
		c.got(&p)
		c.asked.Patch, c.asked.Author = "unix-ioctl@2", "ada"
		err := CheckAsked(p, c.asked)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error is %v, want %q", c.what, err, c.want)
		}
	}
}

func TestTheAuthorNeverApprovesAndNobodyTwice(t *testing.T) {
	p, _ := plan(t)
	review := statement.PlanReview{Plan: p, Approvers: []hotstick.Person{"grace"}}
	trust := hotstick.Trust{}
	for person, want := range map[hotstick.Person]string{"ada": "the author of a plan never approves it", "grace": "two keys of one person count once", "edsger": ""} {
		err := MayApprove(review, person, trust)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error is %v, want %q", person, err, want)
		}
	}
	trust.AuthorMayApprove = true
	if err := MayApprove(review, "ada", trust); err != nil {
		t.Errorf("under single control the author was refused: %v", err)
	}
}

// recipes returns a plan for a vendor's system, and the recipes of its level and of the one
// before, as an honest server tells them.
func recipes(t *testing.T) (hotstick.Plan, []hotstick.Recipe) {
	t.Helper()
	p, _ := plan(t)
	var told []hotstick.Recipe
	digest := func(generation int) (hotstick.Digest, string) {
		r := hotstick.Recipe{Schema: hotstick.RecipeSchema, Driver: "suse", Build: build, Module: fmt.Sprintf("livepatch_%d_1", generation),
			Packages: []hotstick.Package{{Name: "kernel-livepatch-default", Version: fmt.Sprintf("%d-1", generation)}}}
		data, err := r.Encode()
		if err != nil {
			t.Fatal(err)
		}
		told = append(told, r)
		return hotstick.NewDigest(data), r.Module
	}
	lane := &p.Lanes[0]
	lane.Driver = "suse"
	lane.RevertTo = []hotstick.RevertTarget{{Patch: first}}
	lane.Artifact, lane.Module = digest(2)
	lane.RevertTo[0].Artifact, lane.RevertTo[0].Module = digest(1)
	return p, told
}

func TestAStolenServerCannotHaveACommandSignedThatItDoesNotShow(t *testing.T) {
	p, told := recipes(t)
	if got := ByRecipe(p); fmt.Sprint(got) != fmt.Sprint([]hotstick.PatchRef{second, first}) {
		t.Errorf("levels by recipe: %v", got)
	}
	if found, err := Recipes(p, told); err != nil || len(found) != 2 || found[p.Lanes[0].Artifact].Packages[0].Version != "2-1" {
		t.Errorf("found %v, %v", found, err)
	}
	for _, c := range []struct {
		attack string
		do     func(*hotstick.Plan, *[]hotstick.Recipe)
	}{
		{"it shows another version than runs", func(_ *hotstick.Plan, r *[]hotstick.Recipe) { (*r)[0].Packages[0].Version = "3-1" }},
		{"it shows nothing", func(_ *hotstick.Plan, r *[]hotstick.Recipe) { *r = nil }},
		{"it hides the way back", func(_ *hotstick.Plan, r *[]hotstick.Recipe) { *r = (*r)[:1] }},
		{"the recipe is for another build", func(p *hotstick.Plan, _ *[]hotstick.Recipe) { p.Lanes[0].Build = other }},
		{"the recipe is another driver's", func(p *hotstick.Plan, _ *[]hotstick.Recipe) { p.Lanes[0].Driver = "amazon" }},
		{"the plan says another module", func(p *hotstick.Plan, _ *[]hotstick.Recipe) { p.Lanes[0].Module = "livepatch_9_1" }},
	} {
		p, told := recipes(t)
		c.do(&p, &told)
		if _, err := Recipes(p, told); err == nil || !strings.Contains(err.Error(), "cannot be shown") {
			t.Errorf("%s: error is %v", c.attack, err)
		}
	}
	bytes, _ := plan(t)
	if found, err := Recipes(bytes, nil); err != nil || len(found) != 0 || len(ByRecipe(bytes)) != 0 {
		t.Errorf("a plan that loads bytes has recipes: %v, %v", found, err)
	}
}
