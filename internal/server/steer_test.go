package server

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/api"
	"github.com/hotstick/hotstick/client"
	"github.com/hotstick/hotstick/internal/identity"
	"github.com/hotstick/hotstick/internal/statement"
	"github.com/hotstick/hotstick/internal/store/memory"
)

func TestAFreezeHoldsStartsBackUntilItIsTakenBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.fleetOfFour()
	f, err := w.admin.Freeze(t.Context(), api.FreezeRequest{Until: time.Now().Add(time.Hour), Reason: "year end"})
	w.must(err)
	if !f.Active || f.By != alice || f.ID == "" {
		t.Errorf("the freeze is %+v", f)
	}
	r := w.running(w.publish(1), quick)
	r = w.until(r.Plan, "the freeze is said", func(r api.Rollout) bool { return r.Stuck != nil && r.Stuck.Code == hotstick.ReasonFreeze })
	if len(r.Freezes) != 1 || r.States[hotstick.Waiting] != 4 || r.Stuck.Changes == "" {
		t.Errorf("freezes %+v, states %v, stuck %+v", r.Freezes, r.States, r.Stuck)
	}
	why, err := w.admin.WhyRollout(t.Context(), string(r.Plan))
	w.must(err)
	if why.Rollout.Moving || why.Rollout.Reason.Code != hotstick.ReasonFreeze || len(why.Waves) != len(r.Waves) || len(why.Lanes) != 2 {
		t.Errorf("why: %+v", why)
	}
	left, err := w.admin.Unfreeze(t.Context(), f.ID, api.ActionRequest{Reason: "over"})
	w.must(err)
	if len(left.Freezes) != 0 {
		t.Errorf("left %+v", left.Freezes)
	}
	w.until(r.Plan, "it is completed", is(hotstick.Completed))
}

func TestAnExcludedHostIsPassedOverAndCaughtUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	hosts := w.fleetOfFour()
	kept := hosts[3]
	d, err := w.admin.Exclude(t.Context(), kept.name, api.ExcludeRequest{Until: time.Now().Add(time.Minute), Reason: "disk swap"})
	w.must(err)
	if d.Excluded == nil || d.Excluded.Reason != "disk swap" || d.Excluded.By != alice {
		t.Errorf("excluded: %+v", d.Excluded)
	}
	list, err := w.admin.Exclusions(t.Context())
	w.must(err)
	if len(list.Exclusions) != 1 || list.Exclusions[0].Name != kept.name {
		t.Errorf("exclusions: %+v", list)
	}
	r := w.running(w.publish(1), quick)
	r = w.until(r.Plan, "the others are done", func(r api.Rollout) bool { return r.States[hotstick.Confirmed] == 3 })
	if len(r.Excluded) != 1 || kept.granted(r.Plan) != 0 {
		t.Errorf("excluded %+v; %d grants", r.Excluded, kept.granted(r.Plan))
	}
	_, err = w.admin.Include(t.Context(), kept.name, api.ActionRequest{Reason: "done early"})
	w.must(err)
	w.until(r.Plan, "it is caught up", func(r api.Rollout) bool { return r.States[hotstick.Confirmed] == 4 })
}

func TestAHostThatIsWrittenOffFreesItsSlots(t *testing.T) {
	t.Parallel()
	w := newWorld(t, memory.Open(time.Now))
	hosts := w.fleetOfFour()
	for _, h := range hosts {
		h.mu.Lock()
		h.fates[1] = silence
		h.mu.Unlock()
	}
	r := w.running(w.publish(1), quick)
	r = w.until(r.Plan, "a canary holds a slot", func(r api.Rollout) bool {
		return slices.ContainsFunc(r.Budgets, func(b api.BudgetUse) bool { return b.Domain == "fleet" && b.Used == 1 })
	})
	canary := r.Waves[0].Hosts[0]
	d, err := w.admin.Host(t.Context(), string(canary.Host))
	w.must(err)
	if len(d.Slots) == 0 || d.Slots[0].Plan != r.Plan {
		t.Errorf("it holds %+v", d.Slots)
	}
	result, err := w.admin.WriteOff(t.Context(), canary.Name, api.ActionRequest{Reason: "burnt down"})
	w.must(err)
	if result.Host != canary.Host || !slices.Equal(result.Freed, d.Slots) {
		t.Errorf("freed %+v; want %+v", result.Freed, d.Slots)
	}
	_, err = w.admin.Host(t.Context(), canary.Name)
	w.refused(err, 404, "not_found")
	r = w.until(r.Plan, "its slots are free", func(r api.Rollout) bool { return r.States[hotstick.Skipped] == 1 })
	if i := slices.IndexFunc(r.Budgets, func(b api.BudgetUse) bool { return b.Used > 1 }); i >= 0 {
		t.Errorf("budgets: %+v", r.Budgets)
	}
}

func TestALaneWhoseCanaryCrashedGoesOnOnceTheHostIsDismissed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	hosts := w.fleetOfFour()
	for _, h := range hosts {
		h.mu.Lock()
		h.fates[1] = crashes
		h.mu.Unlock()
	}
	r := w.running(w.publish(1), quick)
	held := func(l api.Lane) bool { return l.Held != nil && l.Held.Code == hotstick.ReasonCanaryLost }
	r = w.until(r.Plan, "the lane is held", func(r api.Rollout) bool { return slices.ContainsFunc(r.Lanes, held) })
	canary := r.Waves[0].Hosts[slices.IndexFunc(r.Waves[0].Hosts, func(c api.Cell) bool { return c.State == hotstick.Quarantined })]
	lane := r.Lanes[slices.IndexFunc(r.Lanes, held)]
	if want := "hotstick rollout dismiss " + r.Plan.Short() + " " + canary.Name + " --reason TEXT"; !strings.HasSuffix(lane.Held.Changes, want) {
		t.Errorf("what would change it: %q; want %q at the end", lane.Held.Changes, want)
	}
	for _, h := range hosts {
		h.mu.Lock()
		h.fates[1] = good
		h.mu.Unlock()
	}
	_, err := w.admin.Dismiss(t.Context(), string(r.Plan), api.DismissRequest{Host: canary.Host})
	w.refused(err, 422, "invalid")
	_, err = w.client(identity.Viewer).Dismiss(t.Context(), string(r.Plan), api.DismissRequest{Host: canary.Host, Reason: "x"})
	w.refused(err, 403, "forbidden")
	r, err = w.admin.Dismiss(t.Context(), string(r.Plan), api.DismissRequest{Host: canary.Host, Reason: "bad memory"})
	w.must(err)
	if r.States[hotstick.Skipped] != 1 {
		t.Errorf("after the dismissal the states are %v", r.States)
	}
	r = w.until(r.Plan, "it is completed", is(hotstick.Completed))
	if r.States[hotstick.Confirmed] != 3 || len(r.StandIns) != 1 || r.StandIns[0].For != canary.Host {
		t.Errorf("states %v, stand-ins %+v", r.States, r.StandIns)
	}
	why, err := w.admin.Why(t.Context(), canary.Name)
	w.must(err)
	if text := strings.Join(why.Lines, " "); !strings.Contains(text, "An operator dismissed the host") || len(why.Host.Strikes) != 1 {
		t.Errorf("why it is as it is: %q, strikes %v", text, why.Host.Strikes)
	}
	events, err := w.admin.Events(t.Context(), client.EventQuery{Host: canary.Host})
	w.must(err)
	if !slices.ContainsFunc(events.Events, func(e api.Event) bool {
		return e.Actor == string(alice) && e.State == "skipped" && strings.Contains(e.Text, "bad memory")
	}) {
		t.Errorf("the log does not say who dismissed it: %+v", events.Events)
	}
}

func TestWhatSteeringRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t, memory.Open(time.Now))
	w.fleetOfFour()
	r := w.approved(w.publish(1), quick)
	ctx, plan := t.Context(), string(r.Plan)
	zero, far := 0, 99
	tests := []struct {
		name   string
		err    error
		status int
		code   string
	}{
		{"a wave before the start", result(w.admin.NextWave(ctx, plan, api.ActionRequest{Reason: "x"})), 409, "conflict"},
		{"a wave without a reason", result(w.admin.NextWave(ctx, plan, api.ActionRequest{})), 422, "invalid"},
		{"a retry of nobody", result(w.admin.Retry(ctx, plan, api.RetryRequest{Reason: "x"})), 422, "invalid"},
		{"a retry of some and all", result(w.admin.Retry(ctx, plan, api.RetryRequest{Reason: "x", Failed: true, Hosts: []hotstick.HostID{r.Waves[0].Hosts[0].Host}})), 422, "invalid"},
		{"a dismissal of a host that waits", result(w.admin.Dismiss(ctx, plan, api.DismissRequest{Host: r.Waves[0].Hosts[0].Host, Reason: "x"})), 409, "conflict"},
		{"a dismissal of nobody", result(w.admin.Dismiss(ctx, plan, api.DismissRequest{Host: "h-nobody", Reason: "x"})), 404, "not_found"},
		{"a revert of a wave and of hosts", result(w.admin.Revert(ctx, plan, api.RevertRequest{Reason: "x", Wave: &zero, Hosts: []hotstick.HostID{r.Waves[0].Hosts[0].Host}})), 422, "invalid"},
		{"a revert of no wave", result(w.admin.Revert(ctx, plan, api.RevertRequest{Reason: "x", Wave: &far})), 404, "not_found"},
		{"an exclusion of the past", result(w.admin.Exclude(ctx, "host-1", api.ExcludeRequest{Until: time.Now().Add(-time.Hour), Reason: "x"})), 422, "invalid"},
		{"an exclusion for no reason", result(w.admin.Exclude(ctx, "host-1", api.ExcludeRequest{Until: time.Now().Add(time.Hour)})), 422, "invalid"},
		{"a freeze that ends before it begins", result(w.admin.Freeze(ctx, api.FreezeRequest{From: time.Now().Add(2 * time.Hour), Until: time.Now().Add(time.Hour), Reason: "x"})), 422, "invalid"},
		{"a freeze that is not there", result(w.admin.Unfreeze(ctx, "x", api.ActionRequest{Reason: "x"})), 404, "not_found"},
		{"a clear that is none", result(w.admin.Clear(ctx, api.ClearRequest{Envelope: []byte("{}")})), 422, "signature"},
		{"a write-off of nobody", result(w.admin.WriteOff(ctx, "nobody", api.ActionRequest{Reason: "x"})), 404, "not_found"},
		{"hosts in a state that is none", result(w.admin.RolloutHosts(ctx, plan, client.CellQuery{State: "done"})), 422, "invalid"},
		{"a page that is none", result(w.admin.RolloutHosts(ctx, plan, client.CellQuery{Page: "x"})), 422, "invalid"},
		{"a policy that is none", result(w.admin.Policy(ctx, "nothing")), 404, "not_found"},
		{"a rehearsal of a scenario that is none", result(w.admin.Rehearse(ctx, plan, api.RehearsalRequest{Scenarios: []string{"flood"}})), 422, "invalid"},
		{"a rehearsal without end", result(w.admin.Rehearse(ctx, plan, api.RehearsalRequest{Runs: 100_000})), 422, "invalid"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { w.refused(tt.err, tt.status, tt.code) })
	}
}

// result drops a call's answer.
func result[T any](_ T, err error) error { return err }

func TestDraftsFollowTheirPolicy(t *testing.T) {
	t.Parallel()
	w := newWorld(t, memory.Open(time.Now))
	w.fleetOfFour()
	ref := w.publish(1)
	draft := func(change func(*api.DraftRequest)) (hotstick.Plan, error) {
		req := api.DraftRequest{Patch: ref.String(), Selector: "true", Author: alice}
		change(&req)
		d, err := w.admin.Draft(t.Context(), req)
		var plan hotstick.Plan
		if err == nil {
			w.must(jsonInto(d.Payload, &plan))
		}
		return plan, err
	}
	standard, err := draft(func(*api.DraftRequest) {})
	w.must(err)
	if standard.Policy.Name != "standard" || standard.ProbationSeconds != 600 {
		t.Errorf("where nobody names a policy it is %+v", standard.Policy)
	}
	urgent, err := draft(func(r *api.DraftRequest) { r.Policy = "urgent" })
	w.must(err)
	if urgent.Policy.Name != "urgent" || urgent.Waves[0].BakeSeconds >= standard.Waves[0].BakeSeconds {
		t.Errorf("urgent: %+v bakes %d s", urgent.Policy, urgent.Waves[0].BakeSeconds)
	}
	document := "apiVersion: hotstick/policy/v1\nkind: Policy\nname: ours\nattempt: {probation: 3m}\nbudgets: [{domain: rack, max: 3, quorum: true}]\n"
	ours, err := draft(func(r *api.DraftRequest) {
		r.PolicyDocument = document
		r.Settings = api.PlanSettings{ProbationSeconds: 7, Budgets: map[string]int{"rack": 1}}
	})
	w.must(err)
	rack := hotstick.Budget{Domain: "rack", Max: 1, Quorum: true}
	if ours.ProbationSeconds != 7 || !slices.Contains(ours.Budgets, rack) || ours.Policy.Digest != hotstick.NewDigest([]byte(document)) {
		t.Errorf("settings over a document: probation %d, budgets %+v, %+v", ours.ProbationSeconds, ours.Budgets, ours.Policy)
	}
	_, err = draft(func(r *api.DraftRequest) { r.PolicyDocument = "kind: Policy\n" })
	w.refused(err, 422, "policy")
	_, err = draft(func(r *api.DraftRequest) { r.Policy, r.PolicyDocument = "urgent", document })
	w.refused(err, 422, "invalid")
	_, err = draft(func(r *api.DraftRequest) {
		r.PolicyDocument = "apiVersion: hotstick/policy/v1\nkind: Policy\nname: none\neligible: [{name: nobody, when: host.name == \"x\"}]\n"
	})
	w.refused(err, 422, "refused")
}

// A patch that closes a CVE, and that no policy applies to, is left out: it does not keep
// the others from being planned.
func TestAPatchWithoutAPolicyDoesNotKeepACVEOpen(t *testing.T) {
	t.Parallel()
	w := newWorld(t, memory.Open(time.Now))
	w.fleetOfFour()
	w.publish(1)
	w.publish(2)
	head := "apiVersion: hotstick/policy/v1\nkind: Policy\nname: "
	draft := func(document string) (api.Draft, error) {
		return w.admin.Draft(t.Context(), api.DraftRequest{CVE: "CVE-2026-52928", Author: alice, Selector: "true", PolicyDocument: document})
	}
	old := head + "old\napplies: {when: 'patch.level == 1'}\n"
	d, err := draft(old)
	w.must(err)
	if len(d.Hosts) != 4 || d.Hosts[0].Patch.Level != 1 {
		t.Errorf("under a policy of the old level: %+v", d.Hosts)
	}
	// Each has a policy of its own: the plan is under that of the first, and says so where
	// it leaves a host out.
	d, err = draft(old + "---\n" + head + "new\napplies: {when: 'patch.level == 2'}\n")
	w.must(err)
	if len(d.Hosts) != 4 || d.Hosts[0].Patch.Level != 1 {
		t.Errorf("under two policies: %+v, left out %+v", d.Hosts, d.LeftOut)
	}
	_, err = draft(head + "none\napplies: {when: 'patch.level == 9'}\n")
	if e := w.refused(err, 422, "refused"); !strings.Contains(e.Detail, "no policy of the document applies") {
		t.Errorf("it says %q", e.Detail)
	}
}

func TestAnEmergencyTemplateIsNotOutrun(t *testing.T) {
	t.Parallel()
	w := newWorld(t, memory.Open(time.Now))
	w.fleetOfFour()
	ref := w.publish(1)
	now := time.Now().UTC().Truncate(time.Second)
	signed := func(life time.Duration, persons ...hotstick.Person) []byte {
		var signers []statement.Signer
		for _, p := range persons {
			signers = append(signers, w.persons[p])
		}
		raw, err := statement.Sign(statement.KindTemplate, statement.Template{Name: "remote root", Patches: []string{"*"}, FirstWaveHosts: 1,
			ProbationSeconds: 60, BakeSeconds: 120, DelaySeconds: 30, Budgets: []hotstick.Budget{{Domain: "fleet", Max: 2}},
			LifeSeconds: 3600, IssuedAt: now.Add(-time.Hour), NotAfter: now.Add(life)}, signers...)
		w.must(err)
		return raw
	}
	draft := func(template []byte, settings api.PlanSettings) (api.Draft, error) {
		return w.admin.Draft(t.Context(), api.DraftRequest{Patch: ref.String(), Selector: "true", Author: alice, Emergency: template, Settings: settings})
	}
	d, err := draft(signed(24*time.Hour, bob, carol), api.PlanSettings{})
	w.must(err)
	var plan hotstick.Plan
	w.must(jsonInto(d.Payload, &plan))
	if len(plan.Emergency) == 0 || plan.Waves[0].BakeSeconds != 120 || plan.ProbationSeconds != 60 {
		t.Errorf("the plan is not the template's: %+v", plan.Waves)
	}
	for _, tt := range []struct {
		name     string
		template []byte
		settings api.PlanSettings
		code     string
	}{
		{"a shorter probation", signed(24*time.Hour, bob, carol), api.PlanSettings{ProbationSeconds: 1}, "refused"},
		{"a wider budget", signed(24*time.Hour, bob, carol), api.PlanSettings{Budgets: map[string]int{"fleet": 3}}, "refused"},
		{"a template of one person", signed(24*time.Hour, bob), api.PlanSettings{}, "signature"},
		{"a template whose time is over", signed(-time.Minute, bob, carol), api.PlanSettings{}, "signature"},
	} {
		_, err := draft(tt.template, tt.settings)
		if err == nil {
			t.Errorf("%s was drafted", tt.name)
			continue
		}
		w.refused(err, 422, tt.code)
	}
}

func TestARolloutsHostsArePaged(t *testing.T) {
	t.Parallel()
	w := newWorld(t, memory.Open(time.Now))
	w.fleetOfFour()
	r := w.approved(w.publish(1), quick)
	var names []string
	q := client.CellQuery{Limit: 3}
	for pages := 1; ; pages++ {
		page, err := w.admin.RolloutHosts(t.Context(), string(r.Plan), q)
		w.must(err)
		if page.Total != 4 || pages > 2 {
			t.Fatalf("page %d of %d hosts: %+v", pages, page.Total, page)
		}
		for _, c := range page.Hosts {
			names = append(names, c.Name)
			if c.Reason == nil || c.Reason.Code != hotstick.ReasonNotStarted {
				t.Errorf("%s waits for %+v", c.Name, c.Reason)
			}
		}
		if q.Page = page.Next; q.Page == "" {
			break
		}
	}
	if slices.Sort(names); len(slices.Compact(names)) != 4 {
		t.Errorf("the pages list %v", names)
	}
	first := 0
	for _, tt := range []struct {
		name string
		q    client.CellQuery
		want int
	}{
		{"the first wave", client.CellQuery{Wave: &first}, 1},
		{"a build", client.CellQuery{Build: buildA.BuildID}, 2},
		{"a name", client.CellQuery{Search: names[0]}, 1},
		{"a state", client.CellQuery{State: hotstick.Waiting}, 4},
		{"a state that nobody has", client.CellQuery{State: hotstick.Lost}, 0},
	} {
		page, err := w.admin.RolloutHosts(t.Context(), string(r.Plan), tt.q)
		w.must(err)
		if page.Total != tt.want || len(page.Hosts) != tt.want {
			t.Errorf("%s: %d hosts; want %d", tt.name, page.Total, tt.want)
		}
	}
}

func TestARehearsalStopsTheKiller(t *testing.T) {
	t.Parallel()
	w := newWorld(t, memory.Open(time.Now))
	w.fleetOfFour()
	r := w.approved(w.publish(1), api.PlanSettings{ProbationSeconds: 600, BakeSeconds: 600})
	got, err := w.admin.Rehearse(t.Context(), string(r.Plan), api.RehearsalRequest{Runs: 3, Scenarios: []string{"good", "killer"}})
	w.must(err)
	if got.Plan != r.Plan || got.Hosts != 4 || len(got.Scenarios) != 2 {
		t.Fatalf("the rehearsal is %+v", got)
	}
	if s := got.Scenarios[0]; s.Completed != 3 || s.Crashed.Max != 0 {
		t.Errorf("a good patch: %+v", s)
	}
	if s := got.Scenarios[1]; s.Completed != 0 || len(s.Stops) == 0 || s.Stops[0].Reason.Text == "" || s.Crashed.Mean > 1 {
		t.Errorf("a killer: %+v", s)
	}
	w.server.rehearsing.Lock()
	defer w.server.rehearsing.Unlock()
	_, err = w.admin.Rehearse(t.Context(), string(r.Plan), api.RehearsalRequest{})
	w.refused(err, 409, "conflict")
}

// TestTalliesFollowTheLog compares counts that followed the audit log with counts
// that are made anew.
func TestTalliesFollowTheLog(t *testing.T) {
	t.Parallel()
	w := newWorld(t, memory.Open(time.Now))
	w.fleetOfFour()
	r := w.running(w.publish(1), quick)
	w.until(r.Plan, "it is over", func(page api.Rollout) bool {
		total := map[hotstick.HostState]int{}
		for _, wave := range page.Waves {
			cells := map[hotstick.HostState]int{}
			for _, c := range wave.Hosts {
				cells[c.State]++
				total[c.State]++
			}
			if fmt.Sprint(cells) != fmt.Sprint(wave.States) || wave.Size != len(wave.Hosts) {
				t.Fatalf("wave %q counts %v of %d; its hosts are %v", wave.Name, wave.States, wave.Size, cells)
			}
		}
		if fmt.Sprint(total) != fmt.Sprint(page.States) {
			t.Fatalf("the page counts %v; its hosts are %v", page.States, total)
		}
		return page.Status.Over()
	})
}
