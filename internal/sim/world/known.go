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
	return []knownBug{}
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
