package evil_test

import (
	"regexp"
	"slices"
	"testing"

	"github.com/hotstick/hotstick/internal/evil"
)

func TestEveryClaimIsAttackedInSeveralWays(t *testing.T) {
	attacks := map[evil.Claim]int{}
	for _, s := range evil.Strategies() {
		for _, c := range s.Claims {
			attacks[c]++
		}
	}
	for _, c := range []evil.Claim{evil.Unsigned, evil.Unapproved, evil.Edited, evil.Expired, evil.Halted, evil.Replayed, evil.Recalled,
		evil.Stale, evil.Older, evil.OutOfWave, evil.TooEarly} {
		if attacks[c] < 3 {
			t.Errorf("%d strategies attack %q", attacks[c], c)
		}
		delete(attacks, c)
	}
	for c := range attacks {
		t.Errorf("%q is no claim", c)
	}
}

func TestEveryStrategyIsNamedAfterItsAttack(t *testing.T) {
	var names []string
	for _, s := range slices.Concat(evil.Strategies(), evil.Allowed()) {
		if !regexp.MustCompile(`^[a-z]+(-[a-z]+)+$`).MatchString(s.Name) || s.Does == "" || s.Answer == nil && s.Serve == nil {
			t.Errorf("strategy %q is told badly", s.Name)
		}
		if slices.Contains(names, s.Name) {
			t.Errorf("two strategies are called %s", s.Name)
		}
		names = append(names, s.Name)
	}
	for _, s := range evil.Allowed() {
		if len(s.Claims) > 0 {
			t.Errorf("%s is allowed and attacks %v", s.Name, s.Claims)
		}
	}
	if !slices.IsSortedFunc(evil.Strategies(), func(a, b evil.Strategy) int { return slices.Compare([]byte(a.Name), []byte(b.Name)) }) {
		t.Error("the strategies are not in order")
	}
}
