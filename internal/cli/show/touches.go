package show

import (
	"fmt"
	"strings"

	"github.com/hotstick/hotstick"
)

// touches shows what a level changes beside the kernel's code, in its order, and what
// of it cannot be put back.
func touches(p *page, st Style, patch hotstick.Patch) {
	if len(patch.Touches) == 0 {
		return
	}
	t := Table{Header: []string{"WHEN", "WHAT", "PUT BACK"}}
	for _, touch := range patch.Touches {
		t.Rows = append(t.Rows, []Cell{text(string(touch.When)), text(touch.String()), text(putBack(touch))})
	}
	p.table(st, "Touches beside the kernel", t)
	if n := len(patch.Irreversible()); n > 0 {
		p.line("%s", st.Bold(fmt.Sprintf("%s of these cannot be put back: a way back leaves it as it is until a reboot, or for good.", plural(n, "thing", "things"))))
	}
}

// putBack says in a word or two how a touch is put back.
func putBack(t hotstick.Touch) string {
	switch {
	case !t.Reversible():
		return "no"
	case t.Kind == hotstick.TouchCommand:
		return "run " + strings.Join(t.Undo, " ")
	case t.Kind == hotstick.TouchServiceRestart, t.Kind == hotstick.TouchServiceReload:
		return "once more, last"
	}
	return "the value before"
}

// Touches lists the touches of a level in lines, those that cannot be put back marked.
func Touches(patch hotstick.Patch) string {
	var out strings.Builder
	for _, t := range patch.Touches {
		mark := ""
		if !t.Reversible() {
			mark = " (cannot be put back)"
		}
		fmt.Fprintf(&out, "  %s: %s%s\n", Clean(string(t.When)), Escape(t.String()), mark)
	}
	return out.String()
}

// touches tells what a level changes beside the kernel's code.
func (d *difference) touches(p hotstick.Patch) {
	for _, t := range p.Touches {
		d.add("patch %s touches, %s the load: %s; put back: %s", Clean(p.Ref.String()), Clean(string(t.When)), Escape(t.String()), Escape(putBack(t)))
	}
}
