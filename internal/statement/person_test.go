package statement_test

import (
	"strings"
	"testing"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/statement"
)

func TestAKeyLeadsToItsPerson(t *testing.T) {
	key, err := statement.NewKey([]byte(strings.Repeat("k", 32)))
	if err != nil {
		t.Fatal(err)
	}
	trust := hotstick.Trust{Persons: []hotstick.TrustedPerson{{Person: "ada", Keys: []hotstick.TrustedKey{[]byte("x"), hotstick.TrustedKey(key.Public())}}}}
	if p, ok := statement.PersonOf(trust, key.Public()); !ok || p != "ada" {
		t.Errorf("PersonOf = %s, %t", p, ok)
	}
	if _, ok := statement.PersonOf(hotstick.Trust{}, key.Public()); ok {
		t.Error("a key of nobody led to somebody")
	}
}
