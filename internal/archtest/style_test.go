package archtest

import (
	"path"
	"slices"
	"strings"
	"testing"
)

func TestEveryPackageExplainsItself(t *testing.T) {
	for _, p := range tree(t) {
		if p.doc == "" && len(p.imports) > 0 {
			t.Errorf("package %s has no package comment", p.path)
		}
	}
}

func TestNoPackageIsNamedForNothing(t *testing.T) {
	banned := []string{"util", "utils", "common", "helper", "helpers", "misc", "base", "types", "models", "shared", "lib"}
	for _, p := range tree(t) {
		if slices.Contains(banned, path.Base(p.path)) {
			t.Errorf("package %s: name it for what it is", p.path)
		}
	}
}

// budgets are the soft and hard limits; what passes the soft one is printed with
// go test -v, what passes the hard one fails.
var budgets = map[string]struct{ soft, hard int }{
	"file":      {400, 800},
	"test":      {800, 1500},
	"function":  {45, 100},
	"interface": {5, 8},
	"struct":    {15, 25},
}

func TestNothingOutgrowsItsBudget(t *testing.T) {
	for _, p := range tree(t) {
		for _, s := range p.sizes {
			b := budgets[s.kind]
			switch {
			case s.n > b.hard:
				t.Errorf("%s %s has %d; the limit is %d", s.kind, s.name, s.n, b.hard)
			case s.n > b.soft:
				t.Logf("%s %s has %d; aim for %d", s.kind, s.name, s.n, b.soft)
			}
		}
	}
}

func TestTestsDoNotSleep(t *testing.T) {
	for _, p := range tree(t) {
		for _, c := range p.testCalls {
			if c.name == "time.Sleep" {
				t.Errorf("%s sleeps: wait for the thing itself, or use testing/synctest", c.at)
			}
		}
	}
}

func TestNothingSkipsForGood(t *testing.T) {
	for _, p := range tree(t) {
		for _, c := range p.testCalls {
			if c.name == "t.SkipNow" {
				t.Errorf("%s skips without saying why", c.at)
			}
		}
	}
}

func TestNobodyWritesForce(t *testing.T) {
	for _, p := range tree(t) {
		for _, c := range p.calls {
			if strings.HasSuffix(c.name, ".Force") {
				t.Errorf("%s forces something: gentle hands", c.at)
			}
		}
	}
}
