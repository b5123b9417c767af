package policy_test

import (
	"strings"
	"testing"

	"github.com/hotstick/hotstick/internal/decide/policy"
)

// A selector that compiles answers for a host, or refuses; one that says nothing
// never compiles.
func FuzzSelector(f *testing.F) {
	for _, seed := range []string{`host.labels.role == "db"`, `true`, ` `, `host.name.matches("(a+)+$")`,
		`[1,2,3].all(x, [1,2,3].all(y, x < y))`, `host.labels["a"] in ["b"]`, `1/0 == 1`, "\x00"} {
		f.Add(seed)
	}
	host, err := policy.ParseHost([]byte("name: db-1\nlabels: {role: db}\n"))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, expression string) {
		s, err := policy.CompileSelector(expression)
		if err != nil {
			return
		}
		if strings.TrimSpace(expression) == "" {
			t.Errorf("%q selects", expression)
		}
		_, _ = s.Matches(host)
	})
}
