//go:build planted

package world

import (
	"slices"
	"strings"
	"testing"

	"github.com/hotstick/hotstick/internal/planted"
	"github.com/hotstick/hotstick/internal/sim/checker"
)

// missing says which check a strategy attacks, as the planted bug that leaves it out,
// and which rule breaks then. Where there is no such check, why says so.
var missing = []struct{ strategy, bug, rule, why string }{
	{"announce-and-start-at-once", "delay-ignored", "S5a", ""},
	{"authority-of-the-thief", "", "", "a loader follows no authority: there is no code that would"},
	{"banned-level-again", "banned-patch-starts", "S14", ""},
	{"bytes-of-another-build", "bytes-unchecked", "S1", ""},
	{"bytes-of-the-thief", "bytes-unchecked", "S1", ""},
	{"bytes-with-more-behind-them", "bytes-unchecked", "S1", ""},
	{"bytes-with-one-bit-flipped", "bytes-unchecked", "S1", ""},
	{"clear-by-the-server", "server-counts-as-everybody", "S14c", ""},
	{"clear-for-another-patch", "edit-keeps-approvals", "S14c", ""},
	{"clear-of-yesterday", "", "", "two checks hold it, and a loader's own tests each of them"},
	{"clear-under-false-names", "edit-keeps-approvals", "S14c", ""},
	{"documents-for-everybody", "grant-taken-twice", "S24g", ""},
	{"downgrade-by-the-server", "server-counts-as-everybody", "S21", ""},
	{"downgrade-under-false-names", "edit-keeps-approvals", "S21", ""},
	{"emergency-template-by-the-server", "edit-keeps-approvals", "S24", ""},
	{"everything-at-once", "edit-keeps-approvals", "S24", ""},
	{"expired-plan", "plan-never-expires", "S22l", ""},
	{"grant-before-the-delay", "delay-ignored", "S5a", ""},
	{"grant-for-an-earlier-wave", "proof-unchecked", "S5a", ""},
	{"grant-for-another-host", "grant-of-another-host", "S5a", ""},
	{"grant-of-an-older-epoch", "old-epoch-taken", "S7", ""},
	{"grant-of-an-unlisted-host", "proof-unchecked", "S16", ""},
	{"grant-of-an-unlisted-host-as-late", "late-unchecked", "S16", ""},
	{"grant-of-yesterday", "grant-taken-twice", "S24g", ""},
	{"grant-outside-the-window", "window-unchecked", "S5l", ""},
	{"grant-twice", "grant-taken-twice", "S24g", ""},
	{"grant-with-a-guessed-nonce", "grant-never-expires", "S24g", ""},
	{"grant-with-a-proof-of-another-plan", "proof-unchecked", "S5a", ""},
	{"grant-with-another-hosts-proof", "proof-unchecked", "S5a", ""},
	{"grant-with-long-life", "long-life-taken", "S24g", ""},
	{"grant-without-its-calendar", "proof-unchecked", "S5l", ""},
	{"halted-plan-again", "halted-plan-starts", "S6h", ""},
	{"halted-plan-in-another-envelope", "halted-plan-starts", "S6h", ""},
	{"halted-plan-under-another-name", "edit-keeps-approvals", "S24", ""},
	{"hide-the-recall", "expired-catalog-starts", "S22", ""},
	{"metadata-of-last-year", "expired-catalog-starts", "S22", ""},
	{"older-level-by-an-old-plan", "older-level-starts", "S21", ""},
	{"order-by-an-older-plan", "", "", "an order only ever ends the attempt that its own plan made"},
	{"order-for-another-host", "", "", "whoever may sign one for another host may sign one for this host"},
	{"order-to-revert-to-nothing", "", "", "no order has a field for it"},
	{"plan-approved-by-the-server", "server-counts-as-everybody", "S2", ""},
	{"plan-approved-by-the-thief", "signatures-count", "S2", ""},
	{"plan-of-an-older-epoch", "old-epoch-taken", "S7", ""},
	{"plan-of-next-year", "edit-keeps-approvals", "S24", ""},
	{"plan-signed-by-its-author-alone", "author-approves", "S2", ""},
	{"plan-signed-by-the-server", "server-counts-as-everybody", "S24", ""},
	{"plan-signed-by-the-thief", "", "", "the same plan under the persons' names is plan-signed-under-false-names"},
	{"plan-signed-under-false-names", "edit-keeps-approvals", "S24", ""},
	{"plan-that-asks-for-nothing", "edit-keeps-approvals", "S24", ""},
	{"plan-with-a-longer-life", "edit-keeps-approvals", "S24", ""},
	{"plan-with-a-shorter-delay", "edit-keeps-approvals", "S24", ""},
	{"plan-with-another-level", "edit-keeps-approvals", "S24", ""},
	{"plan-with-hosts-moved-forward", "edit-keeps-approvals", "S24", ""},
	{"plan-with-more-hosts", "edit-keeps-approvals", "S24", ""},
	{"plan-with-one-approver-twice", "signatures-count", "S2", ""},
	{"recalled-level-again", "banned-patch-starts", "S14", ""},
	{"retarget-that-skips-the-canaries", "edit-keeps-approvals", "S24", ""},
	{"revert-order-for-a-host-of-no-plan", "", "", "there is nothing that such a host could go back to"},
	{"silence-the-halt", "delay-ignored", "S5a", ""},
}

// within is how many seeds may pass before a strategy succeeds.
const within = 150

// first is the seed that is tried first where the lower ones are known to show nothing.
// It only saves time.
var first = map[string]uint64{"documents-for-everybody": 33, "expired-plan": 9, "grant-of-an-older-epoch": 9,
	"grant-with-long-life": 24, "hide-the-recall": 28, "plan-of-an-older-epoch": 15}

// TestEveryStrategySucceedsWithoutTheCheckThatItAttacks: what is refused is refused
// for what it is, and not for its form.
func TestEveryStrategySucceedsWithoutTheCheckThatItAttacks(t *testing.T) {
	var listed []string
	for _, m := range missing {
		listed = append(listed, m.strategy)
		if m.bug == "" {
			continue
		}
		t.Run(m.strategy, func(t *testing.T) {
			defer planted.Plant("")
			for i := range uint64(within) {
				seed := first[m.strategy] + i
				c := Case{Seed: seed, Options: Options{Events: 2000, Evil: m.strategy}}
				planted.Plant(m.bug)
				if !breaks(c, m.rule) || breaks(honest(c), m.rule) {
					continue // nothing breaks, or somebody else than the thief breaks it
				}
				planted.Plant("")
				if own := broke(Run(c)); own != "" {
					t.Fatalf("seed %d breaks %s without any bug", seed, own)
				}
				t.Logf("without the check %q seed %d breaks %s", m.bug, seed, m.rule)
				return
			}
			t.Errorf("without the check %q nothing breaks %s in %d seeds", m.bug, m.rule, within)
		})
	}
	for _, bug := range planted.Owned() {
		if !slices.ContainsFunc(missing, func(m struct{ strategy, bug, rule, why string }) bool { return m.bug == bug.Name }) {
			t.Errorf("no strategy attacks the check that %q leaves out", bug.Name)
		}
	}
	for _, s := range Modelled() {
		if !slices.Contains(listed, s.Name) {
			t.Errorf("nothing says what would happen if the check that %s attacks were missing", s.Name)
		}
	}
}

func breaks(c Case, rule string) bool {
	return slices.ContainsFunc(Run(c).Report.Violations, func(v checker.Violation) bool { return strings.HasPrefix(v.Rule, rule+" ") })
}

// honest is the case in which nobody steals the servers.
func honest(c Case) Case {
	c.Steps = slices.DeleteFunc(c.steps(c.Options.filled(c.Seed)), func(s Step) bool { return s.Do == stealNow })
	return c
}
