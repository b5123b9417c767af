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
		t.Errorf("%s is not what the table says: run go test -run Drawn -update ./internal/loader", file)
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
	return b.String()
}
