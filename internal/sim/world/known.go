package world

import (
	"strings"

	"github.com/hotstick/hotstick/internal/sim/checker"
)

// knownBug is a fault of the product that is known and not repaired yet: the rule
// that it breaks, what its violation says, and the reason why it is listed.
type knownBug struct{ rule, text, why string }

// knownBugs must be empty when an issue is closed, or each be told there.
func knownBugs() []knownBug {
	return []knownBug{
		{"S5", "was passed over", "a wave of which every host is skipped, such as a struck canary alone, opens the next without any evidence"},
		{"L1", "is lost in another plan", "a host that fell silent with a grant that it never used stays lost when it is back, and keeps its slots and its place in every plan"},
		{"L4", " is lost in plan ", "a host that was ordered back while it was silent becomes lost and is not ordered back again when it returns"},
	}
}

// Known says whether a violation is of a bug that is listed, and why.
func Known(_ uint64, v checker.Violation) (string, bool) {
	for _, k := range knownBugs() {
		if strings.HasPrefix(v.Rule, k.rule+" ") && strings.Contains(v.Text, k.text) {
			return k.why, true
		}
	}
	return "", false
}
