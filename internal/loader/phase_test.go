package loader

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/hotstick/hotstick"
)

var update = flag.Bool("update", false, "draw the phases anew")

func TestTheDrawnPhasesAreTheTable(t *testing.T) {
	const file = "../../docs/reference/loader-phases.md"
	if *update {
		if err := os.WriteFile(file, []byte(drawPhases()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(have) != drawPhases() {
		t.Errorf("%s is not what the table says: run go test ./internal/loader -run Drawn -update", file)
	}
}

func TestTheLoaderSaysNoWordThatTheServerDoesNotKnow(t *testing.T) {
	for from, next := range phases {
		for _, to := range next {
			if !from.CanBecome(to) {
				t.Errorf("the loader goes from %s to %s, the table of host states does not", from, to)
			}
		}
	}
}

func drawPhases() string {
	var b strings.Builder
	b.WriteString("# Phases of an attempt in the loader\n\nDrawn from the table in `internal/loader/phase.go`; the package's comment says what each means.\n\n")
	b.WriteString("```mermaid\nstateDiagram-v2\n    [*] --> armed\n")
	for _, from := range hotstick.HostStates() {
		for _, to := range phases[from] {
			fmt.Fprintf(&b, "    %s --> %s\n", from, to)
		}
	}
	for _, s := range []hotstick.HostState{hotstick.Confirmed, hotstick.Reverted, hotstick.Failed, hotstick.Interrupted, hotstick.Quarantined} {
		fmt.Fprintf(&b, "    %s --> [*]\n", s)
	}
	b.WriteString("```\n")
	b.WriteString(unreadableText)
	b.WriteString(touchText)
	b.WriteString(recallText)
	return b.String()
}

// unreadableText stands behind the drawing: how a phase ends that can see nothing.
const unreadableText = `
## When the truth source does not answer

What the kernel does not tell is unknown, and unknown is never taken for health. No
phase waits for ever for an answer:

| phase | what happens | after |
|---|---|---|
| armed, by the process that may load | failed: nothing was loaded | 10 s |
| armed, after a restart of the loader | reverting: the level may be loaded | the plan's limit of a transition |
| applying | reverting | the plan's limit of a transition |
| probation | reverting | the end of probation |
| reverting | failed, with revert_failed because of verification_failed | three times the limit of a transition |

Until then the loader looks again every second and touches nothing. The host's line in
the plan shows reverting and then failed, with these reasons. A gate counts the way back
as proof against the patch, so the plan is halted by then; a quorum domain counts the host
as down. Nothing is struck, for nothing went down.

After that the loader leaves the kernel alone: in this boot neither the level nor the
one before it is loaded again. Only a reboot brings the level before back; whoever runs
the plan then lets the host wait for a new attempt, dismisses it, or writes it off.

A transition that does not end is another case, for there the kernel answers: the way back
waits for it and goes on when it ends. The check-ins show the transition; whoever moves the
task that keeps it, or reboots the host, ends the wait.
`

// touchText says when what belongs to a patch beside the kernel is changed.
const touchText = `
## What else a patch touches

Sysctls, modules, services and commands of a patch's manifest are changed in the phases armed (before the load) and
applying (after the transition), and put back in reverting. An attempt that ends without a load puts them back while it is
armed. [Touches](touches.md) has the order and what happens when one fails.
`

// recallText says what a recall does in each phase.
const recallText = `
## When a level is recalled

| the recall says | armed | applying, probation | confirmed |
|---|---|---|---|
| block | failed, recalled | goes on | stays; not applied again after a reboot |
| block-and-revert | failed, recalled | reverting at once | reverting when the server orders it, or by itself after 5 minutes |

A host needs nobody's word for this: it has the recall from its own copy of the catalog,
or from a file that somebody put into /var/lib/hotstick/loader/recalls. Of confirmed hosts the
server sends back only as many of each failure domain at a time as the budget of reverts
lets it; the five minutes are for that. A server that orders nobody back thus gains five
minutes and no more. After a reboot the level before comes back instead, as after a ban.
`
