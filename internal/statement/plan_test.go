package statement_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/secure-systems-lab/go-securesystemslib/dsse"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/statement"
)

func TestAPlanSignedByItsAuthorAndTwoOthersOpens(t *testing.T) {
	w := newWorld(t)
	plan := w.plan(hosts(4))
	raw := w.mustSign(statement.KindPlan, plan, "ann")
	unverified, err := statement.ParsePlan(raw)
	if err != nil {
		t.Fatal(err)
	}
	raw = w.mustAdd(w.mustAdd(raw, "bob"), "cid")
	got, id, err := statement.OpenPlan(raw, w.trust, now)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, plan) {
		t.Errorf("signed %+v, opened %+v", plan, got)
	}
	if id != unverified.ID || id.Validate() != nil {
		t.Errorf("the plan's ID was %s before the approvals and is %s", unverified.ID, id)
	}
}

func TestAPlanWaitsForItsApprovers(t *testing.T) {
	w := newWorld(t)
	raw := w.mustSign(statement.KindPlan, w.plan(hosts(4)), "ann")
	steps := []struct {
		sign       string
		approvers  []hotstick.Person
		candidates []hotstick.Person
		missing    int
	}{
		{"", nil, []hotstick.Person{"bob", "cid", "dan"}, 2},
		{"dan", []hotstick.Person{"dan"}, []hotstick.Person{"bob", "cid"}, 1},
		{"bob", []hotstick.Person{"bob", "dan"}, []hotstick.Person{"cid"}, 0},
		{"cid", []hotstick.Person{"bob", "cid", "dan"}, nil, 0},
	}
	for _, s := range steps {
		if s.sign != "" {
			raw = w.mustAdd(raw, s.sign)
		}
		r, err := statement.InspectPlan(raw, w.trust)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(r.Approvers, s.approvers) || !slices.Equal(r.Candidates, s.candidates) || r.Missing() != s.missing || r.Approved() != (s.missing == 0) || r.SingleControl() {
			t.Errorf("after %q: %+v", s.sign, r)
		}
		_, _, err = statement.OpenPlan(raw, w.trust, now)
		if s.missing > 0 {
			w.mustRefuse(err, hotstick.ReasonNotApproved)
		} else if err != nil {
			t.Errorf("after %q: %v", s.sign, err)
		}
	}
}

func TestApprovalByTheAuthorDoesNotCount(t *testing.T) {
	w := newWorld(t)
	w.trust.Persons[0].Keys = append(w.trust.Persons[0].Keys, hotstick.TrustedKey(key("ann's other").Public()))
	_, _, err := statement.OpenPlan(w.mustSign(statement.KindPlan, w.plan(hosts(4)), "ann", "ann's other", "bob"), w.trust, now)
	w.mustRefuse(err, hotstick.ReasonNotApproved)
}

func TestTwoKeysOfOnePersonCountOnce(t *testing.T) {
	w := newWorld(t)
	raw := w.mustSign(statement.KindPlan, w.plan(hosts(4)), "ann", "bob", "bob's other")
	_, _, err := statement.OpenPlan(raw, w.trust, now)
	w.mustRefuse(err, hotstick.ReasonNotApproved)
	r, err := statement.InspectPlan(raw, w.trust)
	if err != nil || !slices.Equal(r.Approvers, []hotstick.Person{"bob"}) || r.Ignored != 1 {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestOneKeyCannotSignTwice(t *testing.T) {
	w := newWorld(t)
	raw := w.mustSign(statement.KindPlan, w.plan(hosts(4)), "ann", "bob")
	if _, err := statement.AddSignature(raw, key("bob")); err == nil {
		t.Error("bob signed twice")
	}
	if _, err := statement.Sign(statement.KindPlan, w.plan(hosts(4)), keys("bob", "bob")...); err == nil {
		t.Error("bob signed twice at once")
	}
	var e dsse.Envelope
	mustUnmarshal(t, raw, &e)
	e.Signatures = append(e.Signatures, e.Signatures[1])
	_, _, err := statement.OpenPlan(mustMarshal(t, e), w.trust, now)
	w.mustRefuse(err, hotstick.ReasonSignature)
}

func TestAPlanWithoutItsAuthorsSignatureIsRefused(t *testing.T) {
	w := newWorld(t)
	raw := w.mustSign(statement.KindPlan, w.plan(hosts(4)), "bob", "cid", "dan")
	_, _, err := statement.OpenPlan(raw, w.trust, now)
	w.mustRefuse(err, hotstick.ReasonSignature)
	_, err = statement.InspectPlan(raw, w.trust)
	w.mustRefuse(err, hotstick.ReasonSignature)
}

func TestAPlanInSomebodyElsesNameIsRefused(t *testing.T) {
	w := newWorld(t)
	for _, author := range []hotstick.Person{"bob", "nobody"} {
		plan := w.plan(hosts(4))
		plan.Author = author
		_, _, err := statement.OpenPlan(w.mustSign(statement.KindPlan, plan, "ann", "cid", "dan"), w.trust, now)
		w.mustRefuse(err, hotstick.ReasonSignature)
	}
}

func TestSignaturesByStrangersDoNotCount(t *testing.T) {
	w := newWorld(t)
	raw := w.mustSign(statement.KindPlan, w.plan(hosts(4)), "ann", "mallory", "eve", "server")
	_, _, err := statement.OpenPlan(raw, w.trust, now)
	w.mustRefuse(err, hotstick.ReasonNotApproved)
	// Nor do they keep a good plan from opening.
	if _, _, err := statement.OpenPlan(w.mustAdd(w.mustAdd(raw, "bob"), "cid"), w.trust, now); err != nil {
		t.Error(err)
	}
}

func TestASignatureUnderSomebodyElsesKeyIDDoesNotCount(t *testing.T) {
	w := newWorld(t)
	var e dsse.Envelope
	mustUnmarshal(t, w.mustSign(statement.KindPlan, w.plan(hosts(4)), "ann", "bob", "mallory"), &e)
	e.Signatures[2].KeyID = statement.KeyID(key("cid").Public())
	_, _, err := statement.OpenPlan(mustMarshal(t, e), w.trust, now)
	w.mustRefuse(err, hotstick.ReasonNotApproved)
}

func TestApprovalOfAnEditedPlanIsRefused(t *testing.T) {
	w := newWorld(t)
	raw := w.mustSign(statement.KindPlan, w.plan(hosts(4)), "ann", "bob", "cid")
	edits := map[string]func(*hotstick.Plan){
		"a longer budget":  func(p *hotstick.Plan) { p.Budgets[0].Max = 100 },
		"a shorter delay":  func(p *hotstick.Plan) { p.Waves[1].DelaySeconds = 0 },
		"another artifact": func(p *hotstick.Plan) { p.Lanes[0].Artifact = hotstick.NewDigest([]byte("evil")) },
		"another list":     func(p *hotstick.Plan) { p.HostsRoot = string(hotstick.NewDigest([]byte("evil"))) },
		"a longer life":    func(p *hotstick.Plan) { p.NotAfter = p.NotAfter.Add(time.Hour) },
	}
	for name, edit := range edits {
		plan := w.plan(hosts(4))
		edit(&plan)
		var e dsse.Envelope
		mustUnmarshal(t, raw, &e)
		e.Payload = base64.StdEncoding.EncodeToString(mustMarshal(t, plan))
		_, _, err := statement.OpenPlan(mustMarshal(t, e), w.trust, now)
		if err == nil {
			t.Errorf("%s: taken", name)
			continue
		}
		w.mustRefuse(err, hotstick.ReasonSignature)
		// Signed anew by its author alone, the old approvals do not come along.
		e.Signatures[0] = envelope(t, w.mustSign(statement.KindPlan, plan, "ann")).Signatures[0]
		_, _, err = statement.OpenPlan(mustMarshal(t, e), w.trust, now)
		w.mustRefuse(err, hotstick.ReasonNotApproved)
	}
}

func TestAnExpiredPlanIsRefused(t *testing.T) {
	w := newWorld(t)
	plan := w.plan(hosts(4))
	raw := w.mustSign(statement.KindPlan, plan, "ann", "bob", "cid")
	if _, _, err := statement.OpenPlan(raw, w.trust, plan.NotAfter.Add(-time.Second)); err != nil {
		t.Error(err)
	}
	for _, at := range []time.Time{plan.NotAfter, plan.NotAfter.AddDate(10, 0, 0)} {
		_, _, err := statement.OpenPlan(raw, w.trust, at)
		w.mustRefuse(err, hotstick.ReasonPlanExpired)
	}
	if r, err := statement.InspectPlan(raw, w.trust); err != nil || !r.Approved() {
		t.Errorf("an expired plan cannot be looked at: %v", err)
	}
}

func TestAPlanOfAnotherEpochIsRefused(t *testing.T) {
	w := newWorld(t)
	raw := w.mustSign(statement.KindPlan, w.plan(hosts(4)), "ann", "bob", "cid")
	w.trust.Epoch = 4
	_, _, err := statement.OpenPlan(raw, w.trust, now)
	w.mustRefuse(err, hotstick.ReasonStaleEpoch)
	w.trust.Epoch = 2
	_, _, err = statement.OpenPlan(raw, w.trust, now)
	w.mustRefuse(err, hotstick.ReasonCatalogUnknown)
}

func TestAnApproverWhoLeftDoesNotCount(t *testing.T) {
	w := newWorld(t)
	raw := w.mustSign(statement.KindPlan, w.plan(hosts(4)), "ann", "bob", "cid")
	w.trust.Persons = slices.DeleteFunc(w.trust.Persons, func(p hotstick.TrustedPerson) bool { return p.Person == "cid" })
	_, _, err := statement.OpenPlan(raw, w.trust, now)
	w.mustRefuse(err, hotstick.ReasonNotApproved)
}

func TestSingleControlNeedsTheAuthorOnly(t *testing.T) {
	w := newWorld(t)
	w.trust.Approvals, w.trust.AuthorMayApprove = 1, true
	raw := w.mustSign(statement.KindPlan, w.plan(hosts(4)), "ann")
	if _, _, err := statement.OpenPlan(raw, w.trust, now); err != nil {
		t.Error(err)
	}
	r, err := statement.InspectPlan(raw, w.trust)
	if err != nil || !r.SingleControl() || !r.Approved() {
		t.Errorf("%+v, %v", r, err)
	}
	_, _, err = statement.OpenPlan(w.mustSign(statement.KindPlan, w.plan(hosts(4)), "bob"), w.trust, now)
	w.mustRefuse(err, hotstick.ReasonSignature)
}

func TestWithoutTrustNothingOpens(t *testing.T) {
	w := newWorld(t)
	raw := w.mustSign(statement.KindPlan, w.plan(hosts(4)), "ann", "bob", "cid")
	zero := hotstick.Trust{}
	noApprovals := w.trust
	noApprovals.Approvals = 0
	for _, trust := range []hotstick.Trust{zero, noApprovals} {
		_, _, err := statement.OpenPlan(raw, trust, now)
		w.mustRefuse(err, hotstick.ReasonCatalogUnknown)
		_, err = statement.OpenClear(w.mustSign(statement.KindClear, w.clear(), "ann"), trust, now)
		w.mustRefuse(err, hotstick.ReasonCatalogUnknown)
		_, err = statement.OpenBan(w.mustSign(statement.KindBan, w.ban(), "server"), trust)
		w.mustRefuse(err, hotstick.ReasonCatalogUnknown)
	}
}

func TestSignRefusesAPlanThatNobodyWouldTake(t *testing.T) {
	w := newWorld(t)
	tests := []struct {
		name string
		edit func(*hotstick.Plan)
	}{
		{"no hosts", func(p *hotstick.Plan) { p.HostCount = 0; p.Waves = nil }},
		{"no root", func(p *hotstick.Plan) { p.HostsRoot = "" }},
		{"a fraction of a second", func(p *hotstick.Plan) { p.CreatedAt = p.CreatedAt.Add(time.Millisecond) }},
		{"another time zone", func(p *hotstick.Plan) { p.NotAfter = p.NotAfter.In(time.FixedZone("", 3600)) }},
		{"no epoch", func(p *hotstick.Plan) { p.Epoch = 0 }},
		{"an endless probation", func(p *hotstick.Plan) { p.ProbationSeconds = 1 << 40 }},
		{"an endless delay", func(p *hotstick.Plan) { p.Waves[1].DelaySeconds = 1 << 62 }},
		{"an endless bake", func(p *hotstick.Plan) { p.Waves[1].BakeSeconds = 1 << 62 }},
		{"a level to go back to without bytes", func(p *hotstick.Plan) {
			p.Lanes[0].RevertTo = []hotstick.RevertTarget{{Patch: hotstick.PatchRef{Name: "x", Level: 1}}}
		}},
		{"going back to itself", func(p *hotstick.Plan) {
			p.Lanes[0].RevertTo = []hotstick.RevertTarget{{Patch: p.Patch, Artifact: p.Lanes[0].Artifact, Module: "m"}}
		}},
		{"two budgets of one domain", func(p *hotstick.Plan) { p.Budgets = append(p.Budgets, p.Budgets[0]) }},
		{"a proven wave of a plan that continues none", func(p *hotstick.Plan) { p.Waves[1].Proven = true }},
		{"a window in local time", func(p *hotstick.Plan) {
			from := now.In(time.FixedZone("", 3600))
			p.Calendars = []hotstick.Calendar{{Name: "nights", Opens: []hotstick.Interval{{From: from, Until: from.Add(time.Hour)}}}}
		}},
		{"an endless name of a calendar", func(p *hotstick.Plan) {
			p.Calendars = []hotstick.Calendar{{Name: strings.Repeat("x", 1000), Opens: []hotstick.Interval{{From: now, Until: now.Add(time.Hour)}}}}
		}},
		{"a rule for late hosts that any label fits", func(p *hotstick.Plan) { p.Late = &hotstick.LateRule{Labels: map[string]string{"role": ""}} }},
		{"an endless label of late hosts", func(p *hotstick.Plan) {
			p.Late = &hotstick.LateRule{Labels: map[string]string{"role": strings.Repeat("x", 1000)}}
		}},
		{"an emergency that is no template", func(p *hotstick.Plan) { p.Emergency = json.RawMessage("null") }},
		{"a long name of its author", func(p *hotstick.Plan) { p.Author = hotstick.Person(strings.Repeat("x", 1000)) }},
	}
	for _, test := range tests {
		plan := w.plan(hosts(4))
		test.edit(&plan)
		if _, err := statement.Sign(statement.KindPlan, plan, key("ann")); err == nil {
			t.Errorf("%s: signed", test.name)
		}
	}
}

func TestTheLargestPlanFits(t *testing.T) {
	w := newWorld(t)
	plan := w.plan(hosts(4))
	// More lanes than a plan may have today: the format must not be what limits it.
	const lanes, windows = 5000, 366
	plan.Lanes, plan.Waves, plan.HostCount = nil, nil, hotstick.MaxPlanWaves
	for i := range lanes {
		b := hotstick.KernelBuild{Release: "6.12.57+deb13-cloud-amd64-unsigned", Arch: "x86_64", BuildID: hotstick.NewDigest([]byte{byte(i), byte(i >> 8)}).Hex()[:40]}
		lane := hotstick.Lane{Build: b, Driver: "klp", Artifact: hotstick.NewDigest([]byte(b.BuildID)), Module: strings.Repeat("m", 55), RevertTo: []hotstick.RevertTarget{{}}}
		for level := range 2 {
			lane.RevertTo = append(lane.RevertTo, hotstick.RevertTarget{Patch: hotstick.PatchRef{Name: strings.Repeat("p", 63), Level: level + 1},
				Artifact: hotstick.NewDigest([]byte{byte(level)}), Module: strings.Repeat("m", 55)})
		}
		plan.Lanes = append(plan.Lanes, lane)
	}
	for range hotstick.MaxPlanWaves {
		plan.Waves = append(plan.Waves, hotstick.Wave{Name: strings.Repeat("w", 60), Hosts: 1})
	}
	for i := range hotstick.MaxCalendars {
		c := hotstick.Calendar{Name: fmt.Sprint("calendar ", i)}
		for day := range windows {
			open := now.AddDate(0, 0, day)
			c.Opens = append(c.Opens, hotstick.Interval{From: open, Until: open.Add(4 * time.Hour)})
		}
		plan.Calendars = append(plan.Calendars, c)
	}
	if encoded := base64.StdEncoding.EncodedLen(len(mustMarshal(t, plan))); encoded > statement.MaxPlanBytes-(64<<10) {
		t.Errorf("a plan of %d lanes and %d calendars has %d bytes", lanes, hotstick.MaxCalendars, encoded)
	}
	plan.Lanes = plan.Lanes[:min(lanes, hotstick.MaxPlanLanes)]
	if _, _, err := statement.OpenPlan(w.mustSign(statement.KindPlan, plan, "ann", "bob", "cid"), w.trust, now); err != nil {
		t.Error(err)
	}
}

func TestAPlanMayAskForMoreApprovers(t *testing.T) {
	for _, test := range []struct {
		name    string
		single  bool
		asks    int
		signers []string
		missing int
	}{
		{"no more than the trust asks", false, 1, []string{"ann", "bob", "cid"}, 0},
		{"no less than the trust asks", false, 1, []string{"ann", "bob"}, 1},
		{"one more", false, 3, []string{"ann", "bob", "cid"}, 1},
		{"one more, who is there", false, 3, []string{"ann", "bob", "cid", "dan"}, 0},
		{"under single control", true, 1, []string{"ann"}, 1},
		{"under single control, by the author again", true, 1, []string{"ann", "ann's other"}, 1},
		{"under single control, by another person", true, 1, []string{"ann", "bob"}, 0},
	} {
		w := newWorld(t)
		w.trust.Persons[0].Keys = append(w.trust.Persons[0].Keys, hotstick.TrustedKey(key("ann's other").Public()))
		if test.single {
			w.trust.Approvals, w.trust.AuthorMayApprove = 1, true
		}
		plan := w.plan(hosts(4))
		plan.Approvals = test.asks
		raw := w.mustSign(statement.KindPlan, plan, test.signers...)
		r, err := statement.InspectPlan(raw, w.trust)
		if err != nil || r.Missing() != test.missing || r.SingleControl() {
			t.Errorf("%s: %d are missing, %v", test.name, r.Missing(), err)
		}
		if _, _, err = statement.OpenPlan(raw, w.trust, now); test.missing > 0 {
			w.mustRefuse(err, hotstick.ReasonNotApproved)
		} else if err != nil {
			t.Errorf("%s: %v", test.name, err)
		}
	}
}

func mustMarshal(t testing.TB, v any) []byte {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func mustUnmarshal(t testing.TB, data []byte, v any) {
	t.Helper()
	if err := json.Unmarshal(data, v); err != nil {
		t.Fatal(err)
	}
}

func envelope(t testing.TB, raw []byte) dsse.Envelope {
	t.Helper()
	var e dsse.Envelope
	mustUnmarshal(t, raw, &e)
	return e
}
