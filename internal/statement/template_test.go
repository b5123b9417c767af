package statement_test

import (
	"encoding/base64"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/statement"
)

func TestAnEmergencyNeedsOneMorePersonOnATemplateThatEnoughSigned(t *testing.T) {
	w := newWorld(t)
	raw := w.mustSign(statement.KindPlan, w.hasty(hosts(6)), "ann")
	_, _, err := statement.OpenPlan(raw, w.trust, now)
	w.mustRefuse(err, hotstick.ReasonNotApproved)
	raw = w.mustAdd(raw, "bob")
	if _, _, err := statement.OpenPlan(raw, w.trust, now); err != nil {
		t.Error(err)
	}
	r, err := statement.InspectPlan(raw, w.trust)
	if err != nil || r.Needed != 1 || r.Emergency == nil || r.Emergency.Name != "night watch" || r.SingleControl() {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestTheAuthorOfAnEmergencyCannotApproveIt(t *testing.T) {
	w := newWorld(t)
	w.trust.Persons[0].Keys = append(w.trust.Persons[0].Keys, hotstick.TrustedKey(key("ann's other").Public()))
	plan := w.hasty(hosts(6))
	plan.Emergency = w.mustSign(statement.KindTemplate, w.template(), "ann", "bob")
	_, _, err := statement.OpenPlan(w.mustSign(statement.KindPlan, plan, "ann", "ann's other"), w.trust, now)
	w.mustRefuse(err, hotstick.ReasonNotApproved)
}

func TestAnEmergencyThatAsksForMoreApproversGetsThem(t *testing.T) {
	w := newWorld(t)
	plan := w.hasty(hosts(6))
	plan.Approvals = 2
	_, _, err := statement.OpenPlan(w.mustSign(statement.KindPlan, plan, "ann", "bob"), w.trust, now)
	w.mustRefuse(err, hotstick.ReasonNotApproved)
}

func TestATemplateSignedByTooFewPermitsNothing(t *testing.T) {
	w := newWorld(t)
	for _, signers := range [][]string{{"cid"}, {"bob", "bob's other"}, {"cid", "mallory"}, {"server", "cid"}} {
		plan := w.hasty(hosts(6))
		plan.Emergency = w.mustSign(statement.KindTemplate, w.template(), signers...)
		raw := w.mustSign(statement.KindPlan, plan, "ann", "bob")
		_, _, err := statement.OpenPlan(raw, w.trust, now)
		w.mustRefuse(err, hotstick.ReasonNotApproved)
		_, err = statement.InspectPlan(raw, w.trust)
		w.mustRefuse(err, hotstick.ReasonNotApproved)
		_, err = statement.OpenTemplate(plan.Emergency, w.trust, now)
		w.mustRefuse(err, hotstick.ReasonNotApproved)
	}
}

func TestATemplateThatIsDatedAheadPermitsNothing(t *testing.T) {
	w := newWorld(t)
	template, plan := w.template(), w.hasty(hosts(6))
	template.IssuedAt = now.Add(statement.MaxAhead + time.Second)
	plan.Emergency = w.mustSign(statement.KindTemplate, template, "bob", "cid")
	raw := w.mustSign(statement.KindPlan, plan, "ann", "bob")
	_, _, err := statement.OpenPlan(raw, w.trust, now)
	w.mustRefuse(err, hotstick.ReasonPlanExpired)
	if _, _, err := statement.OpenPlan(raw, w.trust, now.Add(time.Second)); err != nil {
		t.Error(err)
	}
}

func TestATemplateOfSomebodyWhoLeftPermitsNothing(t *testing.T) {
	w := newWorld(t)
	raw := w.mustSign(statement.KindPlan, w.hasty(hosts(6)), "ann", "bob")
	w.trust.Persons = slices.DeleteFunc(w.trust.Persons, func(p hotstick.TrustedPerson) bool { return p.Person == "cid" })
	_, _, err := statement.OpenPlan(raw, w.trust, now)
	w.mustRefuse(err, hotstick.ReasonNotApproved)
}

func TestAnEditedTemplatePermitsNothing(t *testing.T) {
	w := newWorld(t)
	for name, edit := range map[string]func(*statement.Template){
		"a shorter bake":   func(tpl *statement.Template) { tpl.BakeSeconds = 1 },
		"a larger budget":  func(tpl *statement.Template) { tpl.Budgets[0].Percent = 100 },
		"every patch":      func(tpl *statement.Template) { tpl.Patches = []string{"*"} },
		"a longer life":    func(tpl *statement.Template) { tpl.NotAfter = tpl.NotAfter.Add(time.Hour) },
		"a larger canary":  func(tpl *statement.Template) { tpl.FirstWaveHosts = 1000 },
		"a shorter prison": func(tpl *statement.Template) { tpl.ProbationSeconds = 1 },
	} {
		edited := w.template()
		edit(&edited)
		env := envelope(t, w.mustSign(statement.KindTemplate, w.template(), "cid", "dan"))
		env.Payload = base64.StdEncoding.EncodeToString(mustMarshal(t, edited))
		plan := w.hasty(hosts(6))
		plan.Emergency = mustMarshal(t, env)
		_, _, err := statement.OpenPlan(w.mustSign(statement.KindPlan, plan, "ann", "bob"), w.trust, now)
		if err == nil {
			t.Errorf("%s: taken", name)
			continue
		}
		w.mustRefuse(err, hotstick.ReasonNotApproved)
	}
}

func TestAnExpiredTemplatePermitsNothing(t *testing.T) {
	w := newWorld(t)
	template := w.template()
	template.NotAfter = now.Add(12 * time.Hour)
	plan := w.hasty(hosts(6))
	plan.Emergency = w.mustSign(statement.KindTemplate, template, "cid", "dan")
	raw := w.mustSign(statement.KindPlan, plan, "ann", "bob")
	if _, _, err := statement.OpenPlan(raw, w.trust, template.NotAfter.Add(-time.Second)); err != nil {
		t.Error(err)
	}
	for _, at := range []time.Time{template.NotAfter, template.NotAfter.AddDate(10, 0, 0)} {
		_, _, err := statement.OpenPlan(raw, w.trust, at)
		w.mustRefuse(err, hotstick.ReasonPlanExpired)
		_, err = statement.OpenTemplate(plan.Emergency, w.trust, at)
		w.mustRefuse(err, hotstick.ReasonPlanExpired)
	}
}

// An author who dates a plan into the future does not make it live longer.
func TestAnEmergencyFromTheFutureIsRefused(t *testing.T) {
	w := newWorld(t)
	plan := w.hasty(hosts(6))
	plan.CreatedAt, plan.NotAfter = now.AddDate(0, 0, 20), now.AddDate(0, 0, 20).Add(time.Hour)
	_, _, err := statement.OpenPlan(w.mustSign(statement.KindPlan, plan, "ann", "bob"), w.trust, now)
	w.mustRefuse(err, hotstick.ReasonPlanExpired)
}

func TestAPlanFasterThanItsTemplateIsRefused(t *testing.T) {
	w := newWorld(t)
	if err := w.template().Permits(w.hasty(hosts(6))); err != nil {
		t.Fatal(err)
	}
	for name, edit := range map[string]func(*hotstick.Plan){
		"another patch":             func(p *hotstick.Plan) { p.Patch.Name = "af-alg" },
		"a patch of a similar name": func(p *hotstick.Plan) { p.Patch.Name = "unix" },
		"a short probation":         func(p *hotstick.Plan) { p.ProbationSeconds = 29 },
		"no bake":                   func(p *hotstick.Plan) { p.Waves[0].BakeSeconds = 0 },
		"a short bake":              func(p *hotstick.Plan) { p.Waves[0].BakeSeconds = 9 },
		"no delay":                  func(p *hotstick.Plan) { p.Waves[1].DelaySeconds = 0 },
		"a short delay":             func(p *hotstick.Plan) { p.Waves[1].DelaySeconds = 59 },
		"many canaries":             func(p *hotstick.Plan) { p.Waves[0].Hosts, p.Waves[1].Hosts = 2, 4 },
		"a larger budget":           func(p *hotstick.Plan) { p.Budgets[0].Percent = 51 },
		"a budget in hosts that nobody can compare": func(p *hotstick.Plan) { p.Budgets[0] = hotstick.Budget{Domain: hotstick.FleetDomain, Max: 2} },
		"another budget only":                       func(p *hotstick.Plan) { p.Budgets[0].Domain = "rack" },
		"gates that never close":                    func(p *hotstick.Plan) { p.Gate.BackgroundPPM = 1_000_000 },
		"a long life":                               func(p *hotstick.Plan) { p.NotAfter = p.CreatedAt.Add(24*time.Hour + time.Second) },
		"a life beyond the template's": func(p *hotstick.Plan) {
			p.CreatedAt, p.NotAfter = now.AddDate(0, 0, 60).Add(-time.Hour), now.AddDate(0, 0, 60).Add(time.Second)
		},
		"an older plan's delays": func(p *hotstick.Plan) { p.Continues = hotstick.NewDigest([]byte("older")) },
		"a downgrade": func(p *hotstick.Plan) {
			p.Lanes[0].RevertTo = append(p.Lanes[0].RevertTo, hotstick.RevertTarget{Patch: p.Patch, Artifact: hotstick.NewDigest([]byte("d")), Module: "m"})
		},
	} {
		plan := w.hasty(hosts(6))
		edit(&plan)
		err := w.template().Permits(plan)
		w.mustRefuse(err, hotstick.ReasonNotApproved)
		if err != nil && !strings.Contains(err.Error(), "night watch") {
			t.Errorf("%s: %v", name, err)
		}
		// Its author is told before signing, and its reader if the author lied.
		if _, err := statement.Sign(statement.KindPlan, plan, key("ann")); err == nil {
			t.Errorf("%s: signed", name)
		}
		raw, err := statement.SignPayload(statement.KindPlan, mustMarshal(t, plan), keys("ann", "bob")...)
		if err != nil {
			t.Fatal(err)
		}
		_, _, err = statement.OpenPlan(raw, w.trust, now)
		w.mustRefuse(err, hotstick.ReasonNotApproved)
	}
}

func TestWhichBudgetsKeepWithinATemplates(t *testing.T) {
	rack := func(b hotstick.Budget) hotstick.Budget { b.Domain = "rack"; return b }
	for _, test := range []struct {
		name        string
		limit, plan hotstick.Budget
		ok          bool
	}{
		{"the same", hotstick.Budget{Max: 3}, hotstick.Budget{Max: 3}, true},
		{"fewer hosts", hotstick.Budget{Max: 3}, hotstick.Budget{Max: 1}, true},
		{"more hosts", hotstick.Budget{Max: 3}, hotstick.Budget{Max: 4}, false},
		{"a share that no domain can exceed the hosts with", hotstick.Budget{Max: 3}, hotstick.Budget{Percent: 50}, true},
		{"a share that may be more", hotstick.Budget{Max: 2}, hotstick.Budget{Percent: 50}, false},
		{"one host under a share", hotstick.Budget{Percent: 1}, hotstick.Budget{Max: 1}, true},
		{"two hosts under a share", hotstick.Budget{Percent: 90}, hotstick.Budget{Max: 2}, false},
		{"a quorum domain taken for an ordinary one", hotstick.Budget{Max: 1, Quorum: true}, hotstick.Budget{Max: 1}, false},
		{"a quorum domain", hotstick.Budget{Max: 1, Quorum: true}, hotstick.Budget{Max: 1, Quorum: true, Open: 1}, true},
		{"two quorum domains at once", hotstick.Budget{Max: 1, Quorum: true}, hotstick.Budget{Max: 1, Quorum: true, Open: 2}, false},
		{"mixed for ever", hotstick.Budget{Max: 1, Quorum: true, MixedSeconds: 60}, hotstick.Budget{Max: 1, Quorum: true}, false},
		{"mixed for longer", hotstick.Budget{Max: 1, Quorum: true, MixedSeconds: 60}, hotstick.Budget{Max: 1, Quorum: true, MixedSeconds: 61}, false},
		{"mixed for less", hotstick.Budget{Max: 1, Quorum: true, MixedSeconds: 60}, hotstick.Budget{Max: 1, Quorum: true, MixedSeconds: 59}, true},
	} {
		w := newWorld(t)
		template, plan := w.template(), w.hasty(hosts(6))
		template.Budgets, plan.Budgets = []hotstick.Budget{rack(test.limit)}, []hotstick.Budget{rack(test.plan)}
		if err := template.Permits(plan); (err == nil) != test.ok {
			t.Errorf("%s: %v", test.name, err)
		}
	}
}

// Whatever size a domain has, a plan that its template permits disturbs no more hosts
// of it at once than the template says.
func TestABudgetWithinATemplatesIsNeverLarger(t *testing.T) {
	w := newWorld(t)
	budget := func(t *rapid.T, what string) hotstick.Budget {
		b := hotstick.Budget{Domain: "rack"}
		if rapid.Bool().Draw(t, what+" in percent") {
			b.Percent = rapid.IntRange(1, 100).Draw(t, what)
		} else {
			b.Max = rapid.IntRange(1, 12).Draw(t, what)
		}
		return b
	}
	template, plan := w.template(), w.hasty(hosts(6))
	permitted := 0
	rapid.Check(t, func(t *rapid.T) {
		limit, b := budget(t, "limit"), budget(t, "budget")
		template.Budgets, plan.Budgets = []hotstick.Budget{limit}, []hotstick.Budget{b}
		if template.Permits(plan) != nil {
			return
		}
		permitted++
		for n := 1; n <= plan.HostCount; n++ {
			if min(n, b.Limit(n)) > min(n, limit.Limit(n)) {
				t.Fatalf("%+v permits %d of %d hosts, %+v only %d", b, b.Limit(n), n, limit, limit.Limit(n))
			}
		}
	})
	if permitted == 0 {
		t.Error("nothing was ever permitted")
	}
}

func TestATemplateWithoutLimitsIsNone(t *testing.T) {
	w := newWorld(t)
	for name, edit := range map[string]func(*statement.Template){
		"no name":               func(t *statement.Template) { t.Name = "" },
		"no patch":              func(t *statement.Template) { t.Patches = nil },
		"an empty patch":        func(t *statement.Template) { t.Patches = []string{""} },
		"a star in the middle":  func(t *statement.Template) { t.Patches = []string{"a*b"} },
		"no bake":               func(t *statement.Template) { t.BakeSeconds = 0 },
		"no probation":          func(t *statement.Template) { t.ProbationSeconds = 0 },
		"no delay":              func(t *statement.Template) { t.DelaySeconds = 0 },
		"an endless bake":       func(t *statement.Template) { t.BakeSeconds = 1 << 40 },
		"no first wave":         func(t *statement.Template) { t.FirstWaveHosts = 0 },
		"no budget":             func(t *statement.Template) { t.Budgets = nil },
		"a budget of nothing":   func(t *statement.Template) { t.Budgets[0].Percent = 0 },
		"two budgets of a kind": func(t *statement.Template) { t.Budgets = append(t.Budgets, t.Budgets[0]) },
		"no end":                func(t *statement.Template) { t.NotAfter = t.IssuedAt },
		"an end too far":        func(t *statement.Template) { t.NotAfter = t.IssuedAt.AddDate(2, 0, 0) },
		"no life of plans":      func(t *statement.Template) { t.LifeSeconds = 0 },
		"local time":            func(t *statement.Template) { t.NotAfter = t.NotAfter.In(time.FixedZone("", 3600)) },
	} {
		template := w.template()
		edit(&template)
		if _, err := statement.Sign(statement.KindTemplate, template, keys("cid", "dan")...); err == nil {
			t.Errorf("%s: signed", name)
		}
	}
}
