package show

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/api"
)

// Review is a plan as somebody reads it before signing. The caller has checked
// that Hosts are the ones that the plan's root commits to.
type Review struct {
	ID    hotstick.PlanID
	Plan  hotstick.Plan
	Hosts []hotstick.PlanHost
	// LeftOut is known to the author only.
	LeftOut []api.LeftOut
	// Previous is the last plan for the same patch name, if there is one.
	Previous *hotstick.Plan
	// Approvers who have signed already, and how many must.
	Approvers     []hotstick.Person
	Needed        int
	SingleControl bool
	// Levels are the plan's patches as the verified catalog has them, and Recipes those of
	// its artifacts that are recipes, checked against the digests that the plan has.
	Levels  []hotstick.Patch
	Recipes map[hotstick.Digest]hotstick.Recipe
	// Template names the emergency template that the plan runs under.
	Template string
}

// maxListed bounds the lists of a review that is not wide.
const maxListed = 12

// Text shows counts per wave, lane and failure domain, what each lane goes back
// to, who is left out, and what differs from the last plan.
func (r Review) Text(st Style) string {
	var p page
	p.line("%s", st.Bold("Plan "+Clean(r.Plan.Name)))
	p.field("Digest", "%s", r.digest())
	if r.Plan.CVE != "" {
		p.field("Closes", "%s, on each host by its own system", Clean(r.Plan.CVE))
	} else {
		p.field("Patch", "%s", level(r.Plan.Patch).Text)
	}
	p.field("Author", "%s", Clean(string(r.Plan.Author)))
	p.field("Approvals", "%s", r.approvals())
	p.field("Hosts", "%s; root recomputed here: %s", plural(r.Plan.HostCount, "host", "hosts"), Clean(r.Plan.HostsRoot))
	p.field("Reboots", "%s", r.reboots())
	p.field("Classes", "%s", r.classes())
	p.field("Life", "until %s, epoch %d", r.Plan.NotAfter.UTC().Format(time.RFC3339), r.Plan.Epoch)
	p.field("Each host", "%s, probation %s", r.transitions(), seconds(r.Plan.ProbationSeconds))
	r.rules(&p)
	p.table(st, "Waves", r.waves())
	p.table(st, "Kernel builds", r.lanes())
	r.claims(&p, st)
	r.runs(&p, st)
	for _, l := range r.Levels {
		touches(&p, st, l)
	}
	p.table(st, "Failure domains (as the server told; the root binds identity, build and wave)", r.domains(st))
	r.leftOut(&p, st)
	r.difference(&p, st)
	return p.String()
}

func (r Review) digest() string {
	if r.ID == "" {
		return "none yet: nobody has signed it"
	}
	return string(r.ID)
}

func (r Review) approvals() string {
	var names []string
	for _, a := range r.Approvers {
		names = append(names, Clean(string(a)))
	}
	text := fmt.Sprintf("%d of %d", len(names), r.Needed)
	if len(names) > 0 {
		text += ": " + strings.Join(names, ", ")
	}
	if r.SingleControl {
		text += " (single control: the author alone may approve)"
	}
	return text
}

// transitions says how long a level may take to come into effect.
func (r Review) transitions() string {
	text := "transition at most " + seconds(r.Plan.TransitionSeconds)
	var by []string
	for _, l := range r.Plan.Lanes {
		if said := fmt.Sprintf("%s by %s", seconds(r.Plan.TransitionOf(l)), Clean(l.Driver)); l.TransitionSeconds != 0 && !slices.Contains(by, said) {
			by = append(by, said)
		}
	}
	slices.Sort(by)
	if len(by) > 0 {
		text += " (" + strings.Join(by, ", ") + ")"
	}
	return text
}

// seconds writes a length of time exactly, for what people sign.
func seconds(n int) string { return (time.Duration(n) * time.Second).String() }

// rules shows what the plan says beside its waves and budgets, where it says it.
func (r Review) rules(p *page) {
	plan := r.Plan
	if plan.Policy.Name != "" {
		p.field("Policy", "%s, digest %s", Clean(plan.Policy.Name), plan.Policy.Digest.Short())
	}
	if plan.Continues != "" {
		p.field("Continues", "%s: takes over its work and its proof; starting this halts it", plan.Continues.Short())
	}
	if len(plan.Emergency) > 0 {
		p.field("Emergency", "it runs under the emergency template %s", Clean(r.Template))
	}
	if plan.Gate != (hotstick.GateSettings{}) {
		p.field("Gates", "%s", gateSettings(plan.Gate))
	}
	if plan.Reapply > 0 {
		p.field("Drift", "what somebody else takes away is put back, up to %s on each host, also once the plan is completed", plural(plan.Reapply, "time", "times"))
	}
	for _, c := range plan.Calendars {
		n := 0
		for _, h := range r.Hosts {
			if h.Calendar == c.Name {
				n++
			}
		}
		p.field("Windows", "%s: %s, %s, the first from %s", Clean(c.Name), plural(n, "host", "hosts"), plural(len(c.Opens), "window", "windows"),
			c.Opens[0].From.UTC().Format(time.RFC3339))
	}
	if plan.Late != nil {
		when := ""
		if plan.Late.Calendar != "" {
			when = " in the windows of " + Clean(plan.Late.Calendar)
		}
		p.field("Late", "hosts labelled %s may join the last wave%s", Clean(labels(plan.Late.Labels)), when)
	}
}

// gateSettings lists what a plan's gates ask for beside the defaults.
func gateSettings(g hotstick.GateSettings) string {
	var out []string
	add := func(n int, format string, value any) {
		if n != 0 {
			out = append(out, fmt.Sprintf(format, value))
		}
	}
	add(g.MinReadings, "at least %v confirmed", g.MinReadings)
	add(g.FreshSeconds, "readings not older than %v", seconds(g.FreshSeconds))
	add(g.BackgroundPPM, "background of %v per million", g.BackgroundPPM)
	add(g.FalseAlarmPPM, "false halts below %v per million", g.FalseAlarmPPM)
	add(g.SlowTransitionMillis, "slower above transitions of %v ms", g.SlowTransitionMillis)
	if g.StopAll {
		out = append(out, "all stop when one patch fails")
	}
	return strings.Join(out, ", ")
}

// Amount is how many hosts of a domain a budget lets be disturbed at once.
func Amount(b hotstick.Budget) string {
	text := fmt.Sprint(b.Max)
	if b.Percent > 0 {
		text = fmt.Sprintf("%d %%", b.Percent)
	}
	if !b.Quorum {
		return text
	}
	text += fmt.Sprintf(", quorum, %d begun", max(1, b.Open))
	if b.MixedSeconds > 0 {
		text += ", mixed for " + seconds(b.MixedSeconds)
	}
	return text
}

// waveRules says what a wave waits for beside its delay and the gates before it.
func waveRules(w hotstick.Wave) string {
	switch {
	case w.Manual && w.Proven:
		return "proven before, by hand"
	case w.Manual:
		return "by hand"
	case w.Proven:
		return "proven before"
	}
	return "-"
}

func (r Review) waves() Table {
	kinds := r.kinds()
	t := Table{Header: []string{"WAVE", "NAME", "HOSTS", "EARLIEST", "BAKE", "BUILDS"}}
	ruled := slices.ContainsFunc(r.Plan.Waves, func(w hotstick.Wave) bool { return w.Manual || w.Proven })
	if ruled {
		t.Header = append(t.Header, "OPENS")
	}
	for _, k := range kinds {
		t.Header = append(t.Header, strings.ToUpper(Clean(k)))
	}
	for i, w := range r.Plan.Waves {
		builds := map[hotstick.KernelBuild]bool{}
		values := map[string]map[string]int{}
		n := 0
		for _, h := range r.Hosts {
			if h.Wave != i {
				continue
			}
			n++
			builds[h.Build] = true
			for _, k := range kinds {
				if values[k] == nil {
					values[k] = map[string]int{}
				}
				if v := h.Domains[k]; v != "" {
					values[k][v]++
				}
			}
		}
		row := []Cell{number(i + 1), text(w.Name), number(n), {Text: seconds(w.DelaySeconds)}, {Text: seconds(w.BakeSeconds)}, number(len(builds))}
		if ruled {
			row = append(row, Cell{Text: waveRules(w)})
		}
		for _, k := range kinds {
			row = append(row, Cell{Text: spread(values[k])})
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

// spread says over how many domains a wave's hosts are spread, and how many of
// them the fullest one has.
func spread(count map[string]int) string {
	most := 0
	for _, n := range count {
		most = max(most, n)
	}
	switch len(count) {
	case 0:
		return "-"
	case 1:
		return fmt.Sprintf("1 with %d", most)
	}
	return fmt.Sprintf("%d with ≤%d", len(count), most)
}

// kinds are the domain kinds that the plan budgets, besides the fleet itself,
// and after them those that its hosts have.
func (r Review) kinds() []string {
	found := map[string]bool{}
	for _, h := range r.Hosts {
		for k := range h.Domains {
			found[k] = true
		}
	}
	var kinds []string
	for _, b := range r.Plan.Budgets {
		if b.Domain != hotstick.FleetDomain && found[b.Domain] {
			kinds = append(kinds, b.Domain)
		}
	}
	for _, k := range slices.Sorted(maps.Keys(found)) {
		if k != hotstick.FleetDomain && !slices.Contains(kinds, k) && len(kinds) < 4 {
			kinds = append(kinds, k)
		}
	}
	return kinds
}

func (r Review) lanes() Table {
	t := Table{Header: []string{"KERNEL", "BUILD ID", "HOSTS", "CANARY", "DRIVER", "MODULE", "ARTIFACT", "GOES BACK TO"}}
	if r.Plan.CVE != "" {
		t.Header = append(t.Header, "PATCH")
	}
	for _, l := range r.Plan.Lanes {
		n, canary := 0, -1
		for _, h := range r.Hosts {
			if lane, ok := r.Plan.LaneOf(h); !ok || lane.Build != l.Build || lane.Driver != l.Driver {
				continue
			}
			n++
			if canary < 0 || h.Wave < canary {
				canary = h.Wave
			}
		}
		t.Rows = append(t.Rows, []Cell{text(l.Build.Release), text(cut(l.Build.BuildID, 9)), number(n), {Text: fmt.Sprintf("wave %d", canary+1)},
			text(l.Driver), text(l.Module), {Text: l.Artifact.Short()}, {Text: targets(l.RevertTo)}})
		if r.Plan.CVE != "" {
			last := len(t.Rows) - 1
			t.Rows[last] = append(t.Rows[last], level(l.Patch))
		}
	}
	return t
}

func targets(list []hotstick.RevertTarget) string {
	var names []string
	for _, target := range list {
		names = append(names, level(target.Patch).Text)
	}
	if len(names) == 0 {
		return "nothing: forward only"
	}
	return strings.Join(names, ", ")
}

// domains counts the hosts of each failure domain beside its budget.
func (r Review) domains(st Style) Table {
	t := Table{Header: []string{"DOMAIN", "VALUE", "HOSTS", "AT ONCE", "BY WAVE"}}
	for _, b := range r.Plan.Budgets {
		if b.Domain == hotstick.FleetDomain {
			t.Rows = append(t.Rows, []Cell{text(b.Domain), {Text: "all"}, number(len(r.Hosts)), {Text: Amount(b)}, {Text: "-"}})
			continue
		}
		r.budgeted(&t, b, st)
	}
	return t
}

func (r Review) budgeted(t *Table, b hotstick.Budget, st Style) {
	total := map[string]int{}
	byWave := map[string]map[int]int{}
	for _, h := range r.Hosts {
		v := h.Domains[b.Domain]
		if v == "" {
			continue // it is in no domain of this kind
		}
		total[v]++
		if byWave[v] == nil {
			byWave[v] = map[int]int{}
		}
		byWave[v][h.Wave]++
	}
	values := slices.SortedFunc(maps.Keys(total), func(x, y string) int {
		if total[x] != total[y] {
			return total[y] - total[x]
		}
		return strings.Compare(x, y)
	})
	for i, v := range values {
		if i == maxListed && !st.Wide {
			t.Rows = append(t.Rows, []Cell{text(b.Domain), {Text: fmt.Sprintf("… %d more (-o wide)", len(values)-i)}, {}, {}, {}})
			return
		}
		t.Rows = append(t.Rows, []Cell{text(b.Domain), text(v), number(total[v]), {Text: Amount(b)}, {Text: counts(byWave[v])}})
	}
}

func counts(byWave map[int]int) string {
	var out []string
	for _, w := range slices.Sorted(maps.Keys(byWave)) {
		out = append(out, fmt.Sprintf("w%d:%d", w+1, byWave[w]))
	}
	return strings.Join(out, " ")
}

func (r Review) leftOut(p *page, st Style) {
	if len(r.LeftOut) == 0 {
		return
	}
	t := Table{Header: []string{"HOST", "REASON"}}
	for i, l := range r.LeftOut {
		if i == maxListed && !st.Wide {
			t.Rows = append(t.Rows, []Cell{{Text: fmt.Sprintf("… %d more (-o wide)", len(r.LeftOut)-i)}, {}})
			break
		}
		t.Rows = append(t.Rows, []Cell{text(l.Name), reasonCell(&l.Reason)})
	}
	title := fmt.Sprintf("Left out (%d)", len(r.LeftOut))
	gaps := 0
	for _, l := range r.LeftOut {
		if l.Reason.Code == hotstick.ReasonNotCovered {
			gaps++
		}
	}
	if gaps > 0 {
		title += fmt.Sprintf(", of which no system covers %d", gaps)
	}
	p.table(st, title, t)
	r.uncovered(p, st)
}

// uncovered counts the hosts that no system covers, by kernel build and systems, with what
// would close the gap.
func (r Review) uncovered(p *page, st Style) {
	count, changes := map[string]int{}, map[string]string{}
	for _, l := range r.LeftOut {
		if l.Reason.Code == hotstick.ReasonNotCovered {
			count[l.Reason.Detail]++
			changes[l.Reason.Detail] = l.Reason.Changes
		}
	}
	if len(count) == 0 {
		return
	}
	t := Table{Header: []string{"HOSTS", "KERNEL AND SYSTEMS", "WHAT WOULD CLOSE IT"}}
	for _, what := range slices.Sorted(maps.Keys(count)) {
		t.Rows = append(t.Rows, []Cell{number(count[what]), {Text: Clean(what)}, {Text: Clean(changes[what])}})
	}
	p.table(st, "What no system covers", t)
}

func (r Review) difference(p *page, st Style) {
	if r.Previous == nil {
		p.section(st, "No earlier plan for "+Clean(cmp.Or(r.Plan.CVE, r.Plan.Patch.Name))+" to compare with.")
		return
	}
	p.section(st, "Against the last plan, "+Clean(r.Previous.Name))
	lines := Difference(*r.Previous, r.Plan)
	if len(lines) == 0 {
		p.line("  The same in everything but its hosts and its time.")
	}
	for _, l := range lines {
		p.line("  %s", l)
	}
}
