package hotstick_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/hotstick/hotstick"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// The diagrams in docs/reference/statuses.md are drawn from the tables, so that
// page and code cannot drift apart.
func TestTheDrawnStatusesAreTheTables(t *testing.T) {
	const file = "docs/reference/statuses.md"
	if *update {
		if err := os.WriteFile(file, []byte(drawStatuses()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(have) != drawStatuses() {
		t.Errorf("%s is not what the tables say: run go test -run Drawn -update .", file)
	}
}

func drawStatuses() string {
	var b strings.Builder
	b.WriteString("# Statuses\n\nDrawn from the tables in `status.go`; the meaning of each is written there.\n")
	b.WriteString("\n## A host in a plan\n\n```mermaid\nstateDiagram-v2\n    [*] --> waiting\n")
	for _, s := range hotstick.HostStates() {
		for _, n := range s.NextStates() {
			fmt.Fprintf(&b, "    %s --> %s\n", s, n)
		}
		if len(s.NextStates()) == 0 {
			fmt.Fprintf(&b, "    %s --> [*]\n", s)
		}
	}
	b.WriteString("```\n\n## A plan\n\n```mermaid\nstateDiagram-v2\n    [*] --> proposed\n")
	for _, s := range hotstick.PlanStatuses() {
		for _, n := range s.NextStatuses() {
			fmt.Fprintf(&b, "    %s --> %s\n", s, n)
		}
		if len(s.NextStatuses()) == 0 {
			fmt.Fprintf(&b, "    %s --> [*]\n", s)
		}
	}
	b.WriteString("```\n")
	return b.String()
}

func TestEveryStateIsClosedAndReachable(t *testing.T) {
	reached := map[hotstick.HostState]bool{hotstick.Waiting: true}
	for _, s := range hotstick.HostStates() {
		if err := s.Validate(); err != nil {
			t.Error(err)
		}
		for _, n := range s.NextStates() {
			if n.Validate() != nil {
				t.Errorf("%s leads to the unknown state %q", s, n)
			}
			reached[n] = true
		}
		if s.Terminal() && s.HoldsSlot() {
			t.Errorf("%s is terminal and yet holds its slots", s)
		}
	}
	for _, s := range hotstick.HostStates() {
		if !reached[s] {
			t.Errorf("no step leads to %s", s)
		}
	}
	if hotstick.HostState("applied!").Validate() == nil {
		t.Error("an unknown state was accepted")
	}
}

func TestAHaltIsForEver(t *testing.T) {
	if next := hotstick.Halted.NextStatuses(); len(next) != 0 {
		t.Errorf("a halted plan may become %v", next)
	}
	for _, s := range hotstick.PlanStatuses() {
		if !s.Over() && !s.CanBecome(hotstick.Halted) {
			t.Errorf("a plan that is %s cannot be halted", s)
		}
	}
}

func TestEveryReasonHasAMeaning(t *testing.T) {
	for _, c := range hotstick.ReasonCodes() {
		text, ok := c.Meaning()
		if !ok || !strings.HasSuffix(text, ".") {
			t.Errorf("%s means %q", c, text)
		}
		if err := (hotstick.Reason{Code: c}).Validate(); err != nil {
			t.Error(err)
		}
	}
	if (hotstick.Reason{Code: "because"}).Validate() == nil {
		t.Error("an unknown reason was accepted")
	}
}
