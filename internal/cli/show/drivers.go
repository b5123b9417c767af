package show

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/api"
)

// Drivers is the fleet by live-patch system.
func Drivers(list api.DriverList, st Style) Table {
	t := Table{Header: []string{"DRIVER", "CLASS", "HOSTS", "ON HOLD", "NOT ON HOLD", "GOES BACK BY", "TOOL", "NOT USABLE"}, Empty: "No host has told of a driver yet."}
	if st.Wide {
		t.Header = append(t.Header, "UNDO", "PINNED", "TRUTH", "WHAT HOLDS")
	}
	for _, d := range list.Drivers {
		row := []Cell{text(d.Driver), text(string(d.Class)), number(d.Available), onHold(d, d.Held), onHold(d, d.Scheduling-d.Held),
			each(d.Abilities, func(a api.DriverAbility) string { return ways(a.Rollback) }),
			each(d.Tools, func(tool api.DriverTool) string { return tool.Tool }), number(d.Hosts - d.Available)}
		if st.Wide {
			row = append(row, each(d.Abilities, func(a api.DriverAbility) string { return string(a.Undo) }),
				each(d.Abilities, func(a api.DriverAbility) string { return yesNo(a.Pinnable) }),
				each(d.Abilities, func(a api.DriverAbility) string { return a.Truth }), Cell{Text: Escape(orNone(d.Claim))})
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

// onHold is a count of hosts whose system starts patches by itself; where none does, there
// is nothing to hold.
func onHold(d api.Driver, n int) Cell {
	if d.Scheduling == 0 {
		return Cell{Text: "-"}
	}
	return number(n)
}

// each lists what differs between a driver's hosts, the most hosts first.
func each[T any](list []T, say func(T) string) Cell {
	var said []string
	for _, one := range list {
		if s := say(one); s != "" && !slices.Contains(said, s) {
			said = append(said, s)
		}
	}
	const few = 2
	if len(said) > few {
		said = append(said[:few], fmt.Sprintf("%d more", len(said)-few))
	}
	return text(strings.Join(said, "; "))
}

func ways(rollback []hotstick.Reversibility) string {
	var out []string
	for _, r := range rollback {
		out = append(out, Clean(string(r)))
	}
	return strings.Join(out, ", ")
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// Driver is what the fleet says of one driver, on one screen.
func Driver(d api.Driver, st Style) string {
	var p page
	p.line("%s", st.Bold(Clean(d.Driver)))
	p.field("Class", "%s", Clean(orNone(string(d.Class))))
	p.field("Claim", "%s", Escape(orNone(d.Claim)))
	p.field("Hosts", "usable on %d of %d that tell of it", d.Available, d.Hosts)
	if d.Reboots {
		p.field("Reboots", "its levels come into effect by a reboot of the host")
	}
	switch {
	case d.Scheduling == 0:
		p.field("Hold", "it starts nothing by itself")
	case d.Held == d.Scheduling:
		p.field("Hold", "it starts patches by itself on %s, and is on hold on each", plural(d.Scheduling, "host", "hosts"))
	default:
		p.field("Hold", "it starts patches by itself on %s, and is not on hold on %d: nothing is staged beside it there", plural(d.Scheduling, "host", "hosts"), d.Scheduling-d.Held)
	}
	can := Table{Header: []string{"HOSTS", "UNDO", "GOES BACK BY", "PINNED", "ASYNCHRONOUS", "TRUTH"}, Empty: "  No host can use it."}
	for _, a := range d.Abilities {
		can.Rows = append(can.Rows, []Cell{number(a.Hosts), text(string(a.Undo)), text(ways(a.Rollback)), text(yesNo(a.Pinnable)), text(yesNo(a.Asynchronous)), text(a.Truth)})
	}
	p.table(st, "What it can do", can)
	tools := Table{Header: []string{"HOSTS", "TOOL"}}
	for _, tool := range d.Tools {
		tools.Rows = append(tools.Rows, []Cell{number(tool.Hosts), text(tool.Tool)})
	}
	section(&p, st, "Versions", tools)
	cover := Table{Header: []string{"UNTIL", "HOSTS"}}
	for _, month := range slices.Sorted(maps.Keys(d.Cover)) {
		cover.Rows = append(cover.Rows, []Cell{text(month), number(d.Cover[month])})
	}
	section(&p, st, "Until when its vendor makes patches for the hosts' kernels", cover)
	unheld := Table{Header: []string{"HOST", "ID"}}
	for _, h := range d.Unheld {
		unheld.Rows = append(unheld.Rows, []Cell{text(h.Name), text(string(h.Host))})
	}
	section(&p, st, "Not on hold: adopt them", unheld)
	reasons := Table{Header: []string{"HOSTS", "REASON"}}
	for _, r := range d.Reasons {
		reasons.Rows = append(reasons.Rows, []Cell{number(r.Hosts), reasonCell(&r.Reason)})
	}
	section(&p, st, "Why hosts cannot use it", reasons)
	return p.String()
}

// section prints a table that has rows.
func section(p *page, st Style, title string, t Table) {
	if len(t.Rows) > 0 {
		p.table(st, title, t)
	}
}

// DriverNames are the drivers' names.
func DriverNames(list api.DriverList) []string {
	var names []string
	for _, d := range list.Drivers {
		names = append(names, d.Driver)
	}
	return names
}
