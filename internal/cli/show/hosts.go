package show

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/api"
)

// Hosts is the host list.
func Hosts(hosts []api.Host, st Style) Table {
	t := Table{
		Header: []string{"NAME", "STATE", "IN EFFECT", "KERNEL", "SEEN"},
		Empty:  "No host matches.",
	}
	if st.Wide {
		t.Header = append(t.Header, "ID", "BUILD ID", "STRIKES", "LABELS")
	}
	t.Header = append(t.Header, "REASON")
	for _, h := range hosts {
		row := []Cell{text(h.Name), hostState(h), hostLevel(h), text(h.Build.Release), seen(h, st.Now)}
		if st.Wide {
			row = append(row, text(string(h.ID)), text(h.Build.BuildID), text(refs(h.Strikes)), text(labels(h.Labels)))
		}
		t.Rows = append(t.Rows, append(row, reasonCell(h.Reason)))
	}
	return t
}

// level is the level in effect; the zero level is the kernel as it booted.
func level(ref hotstick.PatchRef) Cell {
	if ref.IsZero() {
		return Cell{Text: "as booted"}
	}
	return text(ref.String())
}

// hostLevel is the level in effect, unless nobody can know it now.
func hostLevel(h api.Host) Cell {
	if h.State == "stale" || h.State == "unknown" {
		return Cell{Text: "unknown"}
	}
	return level(h.InEffect)
}

func seen(h api.Host, now time.Time) Cell {
	age := since(h.LastSeen, now)
	if h.Silent {
		age += " silent"
	}
	return Cell{Text: age}
}

func reasonCell(r *api.Reason) Cell {
	if r == nil {
		return Cell{Text: "-"}
	}
	return Cell{Text: Escape(reasonText(*r))}
}

// reasonText is what the server wrote; a server that wrote nothing still gave
// a code, whose meaning this build may know.
func reasonText(r api.Reason) string {
	if r.Text != "" {
		return r.Text
	}
	if meaning, ok := r.Code.Meaning(); ok {
		return meaning
	}
	return string(r.Code)
}

func refs(list []hotstick.PatchRef) string {
	var out []string
	for _, r := range list {
		out = append(out, r.String())
	}
	return strings.Join(out, ",")
}

func labels(m map[string]string) string {
	var out []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		out = append(out, k+"="+m[k])
	}
	return strings.Join(out, ",")
}

// Host is everything known of one host, on one screen.
func Host(d api.HostDetail, st Style) string {
	var p page
	h := d.Host
	p.line("%s", st.Bold(Clean(h.Name)))
	p.field("State", "%s", st.paint(hostState(h).State, hostState(h).shaped(st)))
	if h.Reason != nil {
		p.field("Reason", "%s", Escape(reasonText(*h.Reason)))
	}
	p.field("In effect", "%s", hostLevel(h).Text)
	p.field("Kernel", "%s %s, build ID %s", Clean(h.Build.Release), Clean(h.Build.Arch), Clean(h.Build.BuildID))
	p.field("Host ID", "%s", Clean(string(h.ID)))
	p.field("Identity", "%s", Clean(string(d.Identity)))
	p.field("Labels", "%s", Escape(orNone(labels(h.Labels))))
	p.field("Strikes", "%s", Escape(orNone(refs(h.Strikes))))
	p.field("Last seen", "%s", seen(h, st.Now).Text)
	p.field("Enrolled", "%s, %s seen", d.Enrolled.UTC().Format(time.RFC3339), plural(h.Boots, "boot", "boots"))
	survives(&p, h)
	if e := d.Excluded; e != nil {
		p.field("Excluded", "until %s by %s: %s", e.Until.UTC().Format(time.RFC3339), Clean(string(e.By)), Escape(e.Reason))
	}
	for _, s := range d.Slots {
		p.field("Holds", "a slot of %s %s for %s", Clean(s.Domain), Clean(s.Value), Clean(s.Name))
	}
	if d.Facts != nil {
		facts(&p, *d.Facts)
	}
	p.section(st, "Why")
	for _, l := range d.Why {
		p.line("  %s", Escape(l))
	}
	p.table(st, "In the kernel", loaded(d.Patches))
	p.table(st, "Probes", readings(d.Readings, st.Now))
	p.table(st, "Rollouts", hostRollouts(d.Rollouts, st.Now))
	p.table(st, "Timeline", latest(d.Timeline, st))
	return p.String()
}

func facts(p *page, f hotstick.Facts) {
	p.field("System", "%s, %s, %d MiB", Clean(orNone(f.Host.Distribution)), plural(f.Host.CPUs, "CPU", "CPUs"), f.Host.MemoryBytes>>20)
	if f.Windows != nil {
		windows(p, *f.Windows)
	}
	p.field("Taint", "%d", f.Kernel.Tainted)
	p.field("Lockdown", "%s", Clean(orNone(f.Security.Lockdown)))
	p.field("Modules", "%s", modulePosture(f.Security))
	surroundings(p, f)
	for _, c := range f.Drivers {
		state := "available"
		if !c.Available {
			state = "not available"
			if c.Reason != nil {
				state += ": " + Clean(reasonText(api.Reason{Reason: *c.Reason}))
			}
		}
		p.field("Driver", "%s, %s (truth: %s)", Clean(c.Driver), state, Clean(c.Truth))
		p.field("", "class %s: %s", Clean(orNone(string(c.TrustClass))), c.TrustClass.Claim())
		for _, line := range abilities(c) {
			p.field("", "%s", line)
		}
	}
}

// windows says what only a host with Windows has.
func windows(p *page, w hotstick.WindowsFacts) {
	p.field("Windows", "%s in effect, booted with %s", Clean(w.Level), Clean(w.Booted))
	if w.Eligible {
		p.field("", "takes hotpatches: %s, virtualisation-based security %s", Clean(orNone(w.Enrolment)), Clean(w.VBS))
	} else {
		p.field("", "takes no hotpatches: %s", Clean(strings.Join(w.Against, "; ")))
	}
	if len(w.PendingReboot) > 0 {
		p.field("", "waits for a reboot: %s", Clean(strings.Join(w.PendingReboot, ", ")))
	}
	if w.NextBaseline != "" {
		p.field("", "restarts for the update of %s, by Microsoft's calendar", Clean(w.NextBaseline))
	}
}

// abilities says what a driver can do beyond what every driver can.
func abilities(c hotstick.Capabilities) []string {
	var out []string
	var back []string
	for _, r := range c.Rollback {
		back = append(back, Clean(string(r)))
	}
	if len(back) > 0 {
		out = append(out, "goes back by: "+strings.Join(back, ", ")+undo(c.Undo))
	}
	switch {
	case c.Schedules && c.Held:
		out = append(out, "it starts patches by itself, and is on hold")
	case c.Schedules:
		out = append(out, "it starts patches by itself, and is not on hold: nothing is staged beside it")
	}
	if !c.CoverUntil.IsZero() {
		out = append(out, "its vendor makes patches for this kernel until "+c.CoverUntil.UTC().Format(time.DateOnly))
	}
	if c.Tool != "" {
		out = append(out, "tool: "+Clean(c.Tool))
	}
	return out
}

// undo says how the system takes a level out, where it was told.
func undo(u hotstick.Undo) string {
	if u == "" {
		return ""
	}
	return " (undo: " + Clean(string(u)) + ")"
}

// modulePosture says what the kernel asks of a module before it takes it.
func modulePosture(f hotstick.SecurityFacts) string {
	text := "the kernel takes unsigned ones"
	switch {
	case f.ModulesDisabled != nil && *f.ModulesDisabled:
		return "the kernel takes none any more"
	case f.DemandsSignatures():
		text = "the kernel takes signed ones only"
	}
	var names []string
	for _, k := range f.Keys {
		names = append(names, Clean(k.String()))
	}
	if len(names) > 0 {
		text += "; it trusts " + strings.Join(names, ", ")
	}
	return text
}

func loaded(patches []api.LoadedPatch) Table {
	t := Table{Header: []string{"MODULE", "PATCH", "DRIVER", "EFFECT", "FUNCTIONS"}, Empty: "  No live patch is loaded."}
	for _, p := range patches {
		ref := Cell{Text: "foreign"}
		if !p.Foreign {
			ref = level(p.Ref)
		}
		t.Rows = append(t.Rows, []Cell{text(p.Module), ref, text(p.Driver),
			{Text: Clean(string(p.State)), State: string(p.State)}, text(strings.Join(p.Functions, " "))})
	}
	return t
}

func readings(list []hotstick.Reading, now time.Time) Table {
	t := Table{Header: []string{"PROBE", "HEALTH", "VALUE", "USUAL", "LIMIT", "AGE", "DETAIL"}, Empty: "  No probe has answered yet."}
	for _, r := range list {
		health := Cell{Text: "healthy", State: "confirmed"}
		if !r.Healthy {
			health = Cell{Text: "failing", State: "failed"}
		}
		value, usual, limit := measured(r.Measure)
		t.Rows = append(t.Rows, []Cell{text(r.Probe), health, value, usual, limit, {Text: since(r.At, now)}, text(r.Detail)})
	}
	return t
}

// measured writes a probe's numbers; what is not known is empty.
func measured(m *hotstick.Measure) (value, usual, limit Cell) {
	if m == nil {
		return value, usual, limit
	}
	number := func(x *float64) Cell {
		if x == nil {
			return Cell{}
		}
		return Cell{Text: Clean(m.Text(*x))}
	}
	return number(&m.Value), number(m.Usual), number(m.Limit)
}

func hostRollouts(list []api.HostRollout, now time.Time) Table {
	t := Table{Header: []string{"ROLLOUT", "NAME", "PATCH", "WAVE", "STATE", "ATTEMPT", "AGE", "REASON"}, Empty: "  In no rollout."}
	for _, r := range list {
		t.Rows = append(t.Rows, []Cell{{Text: r.Plan.Short()}, text(r.Name), level(r.Patch), number(r.Wave + 1),
			{Text: Clean(string(r.State)), State: string(r.State)}, number(r.Attempt), {Text: since(r.Updated, now)}, reasonCell(r.Reason)})
	}
	return t
}

// Why answers what a host is doing, why, and what would change it.
func Why(w api.Why, st Style) string {
	var p page
	state := hostState(w.Host)
	p.line("%s is %s, %s.", st.Bold(Clean(w.Host.Name)), st.paint(state.State, state.shaped(st)), effect(w.Host))
	for _, l := range w.Lines {
		p.line("  %s", Escape(l))
	}
	if w.Reason != nil {
		p.line("Because: %s (%s)", Escape(reasonText(*w.Reason)), Clean(string(w.Reason.Code)))
	}
	if w.Changes != "" {
		p.line("What would change it: %s", Escape(w.Changes))
	}
	return p.String()
}

func effect(h api.Host) string {
	switch {
	case h.State == "stale" || h.State == "unknown":
		return "and nobody can tell now what its kernel runs"
	case h.InEffect.IsZero():
		return "with the kernel as it booted"
	}
	return fmt.Sprintf("with %s in effect", Clean(h.InEffect.String()))
}

// HostNames are the arguments by which other commands find the hosts again: the
// name where it is unique and prints as itself, the ID elsewhere.
func HostNames(hosts []api.Host) []string {
	count := map[string]int{}
	for _, h := range hosts {
		count[h.Name]++
	}
	var names []string
	for _, h := range hosts {
		if count[h.Name] > 1 || h.Name == "" || Clean(h.Name) != h.Name {
			names = append(names, string(h.ID))
			continue
		}
		names = append(names, h.Name)
	}
	return names
}
