package policy_test

import (
	"os"
	"strings"
	"testing"
)

// The worked example of the reference page is a policy that holds, by its own tests.
func TestTheWorkedExampleHolds(t *testing.T) {
	page, err := os.ReadFile("../../../docs/reference/policy.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(page), "```yaml\n")
	text, _, ok := strings.Cut(rest, "```")
	if !ok {
		t.Fatal("the page has no example")
	}
	results, err := mustParse(t, text).Test(nil)
	if err != nil || len(results) == 0 {
		t.Fatalf("%d tests, %v", len(results), err)
	}
	for _, r := range results {
		if !r.Passed {
			t.Errorf("%s: %v", r.Name, r.Differences)
		}
	}
}
