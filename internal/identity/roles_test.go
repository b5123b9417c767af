package identity

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/hotstick/hotstick/internal/store"
	"github.com/hotstick/hotstick/internal/store/memory"
)

func TestWhatRolesMay(t *testing.T) {
	for _, tt := range []struct{ role, want string }{
		{Viewer, "self read credentials"},
		{Operator, "self read credentials steer"},
		{Approver, "self read credentials sign"},
		{Publisher, "self read credentials publish"},
		{Auditor, "self read audit credentials"},
		{Admin, "self read audit credentials steer sign publish enrol administer"},
		{"root", ""}, {"", ""}, {"ADMIN", ""},
	} {
		if got := words(RightsOfAll([]string{tt.role})); got != tt.want {
			t.Errorf("%q may %q; want %q", tt.role, got, tt.want)
		}
	}
	if got := words(RightsOfAll([]string{Publisher, Approver})); got != "self read credentials sign publish" {
		t.Errorf("a publisher who approves may %q", got)
	}
	for _, roles := range [][]string{nil, {"root"}, {Viewer, Viewer}, {Admin, ""}} {
		if CheckRoles(roles) == nil {
			t.Errorf("the roles %q were taken", roles)
		}
	}
	if err := CheckRoles(Roles()); err != nil {
		t.Error(err)
	}
}

func words(rights []Right) string {
	var out []string
	for _, r := range rights {
		out = append(out, string(r))
	}
	return strings.Join(out, " ")
}

// A token never has more rights than its roles, its limit and its person's account
// allow, each by itself.
func TestWhatATokenMayIsWhatItsRolesItsLimitAndItsPersonAllow(t *testing.T) {
	for _, tt := range []struct {
		name                 string
		token, only, account []string
		roles, rights        string
	}{
		{"without an account", []string{Operator}, nil, nil, "operator", "self read credentials steer"},
		{"of a person with more", []string{Operator}, nil, []string{Admin}, "operator", "self read credentials steer"},
		{"of a person with less", []string{Admin}, nil, []string{Operator}, "operator", "self read credentials steer"},
		{"of a person who lost one role", []string{Operator, Publisher}, nil, []string{Publisher, Auditor}, "publisher", "self read credentials publish"},
		{"of a person with other roles", []string{Operator}, nil, []string{Approver}, "", "self read credentials"},
		{"limited to reading", []string{Admin}, []string{"read"}, nil, "admin", "read"},
		{"limited to what it has not", []string{Viewer}, []string{"steer"}, nil, "viewer", ""},
		{"limited, of a person with less", []string{Admin}, []string{"read", "steer"}, []string{Viewer}, "viewer", "read"},
	} {
		s := memory.Open(func() time.Time { return now })
		err := s.Update(t.Context(), func(tx store.Tx) error {
			if tt.account != nil {
				if err := tx.Tokens().PutAccount(store.Account{Person: "alice", Roles: tt.account}); err != nil {
					return err
				}
			}
			secret, _, err := AddToken(tx, store.Token{Kind: APIToken, Roles: tt.token, Only: tt.only, Person: "alice"}, 0, "bob")
			if err != nil {
				return err
			}
			c, err := Identify(tx, APIToken, secret, now)
			if got := strings.Join(c.Roles, " "); got != tt.roles || words(c.Rights) != tt.rights || c.Person != "alice" {
				t.Errorf("a token %s has roles %q and may %q", tt.name, got, words(c.Rights))
			}
			return err
		})
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

func TestNobodyGivesAwayMoreThanTheyHave(t *testing.T) {
	may := func(roles []string, only ...string) Caller {
		return Caller{Roles: roles, Rights: limited(RightsOfAll(roles), only)}
	}
	for _, tt := range []struct {
		name        string
		who         Caller
		roles, only []string
		ok          bool
	}{
		{"an admin gives anything", may([]string{Admin}), Roles(), nil, true},
		{"an operator gives the own role", may([]string{Operator}), []string{Operator}, nil, true},
		{"an operator gives less", may([]string{Operator}), []string{Viewer}, nil, true},
		{"an operator gives admin", may([]string{Operator}), []string{Admin}, nil, false},
		{"an operator gives one role too many", may([]string{Operator}), []string{Operator, Approver}, nil, false},
		{"an operator gives an admin who only steers", may([]string{Operator}), []string{Admin}, []string{"steer", "read"}, true},
		{"a limited token gives its role", may([]string{Admin}, "credentials", "read"), []string{Admin}, nil, false},
		{"a limited token gives its limit", may([]string{Admin}, "credentials", "read"), []string{Admin}, []string{"read"}, true},
		{"a role that does not exist", may([]string{Admin}), []string{"root"}, nil, false},
		{"a right that does not exist", may([]string{Admin}), []string{Viewer}, []string{"everything"}, false},
		{"no role at all", may([]string{Admin}), nil, nil, false},
	} {
		if err := tt.who.Grant(tt.roles, tt.only); (err == nil) != tt.ok {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

func TestWhatEndsASession(t *testing.T) {
	clock := now
	s := memory.Open(func() time.Time { return clock })
	put := func(a store.Account) func(store.Tx) error {
		a.Person, a.Roles = "alice", []string{Operator}
		return func(tx store.Tx) error { return tx.Tokens().PutAccount(a) }
	}
	var api, session store.Token
	for _, tt := range []struct {
		name string
		then func(store.Tx) error
		want error
	}{
		{"nothing", func(store.Tx) error { return nil }, nil},
		{"an account, made before", put(store.Account{Since: now.Add(-time.Second)}), nil},
		{"a new password", put(store.Account{Since: now.Add(time.Second)}), ErrSessionOver},
		{"a disabled account", put(store.Account{Disabled: true}), ErrDisabled},
		{"a token that was taken back", func(tx store.Tx) error {
			_, err := RevokeToken(tx, APIToken, api.Digest.Short(), "bob", "lost")
			return err
		}, ErrTokenRevoked},
		{"its own end", func(store.Tx) error { clock = clock.Add(time.Hour); return nil }, ErrTokenExpired},
	} {
		clock = now
		err := s.Update(t.Context(), func(tx store.Tx) error {
			var err1, err2 error
			_, api, err1 = AddToken(tx, store.Token{Kind: APIToken, Roles: []string{Operator}, Person: "alice"}, 0, "alice")
			_, session, err2 = AddToken(tx, store.Token{Kind: SessionToken, Roles: []string{Operator}, Person: "alice", Parent: api.Digest}, time.Hour, "alice")
			return errors.Join(err1, err2, put(store.Account{})(tx), tt.then(tx))
		})
		if err != nil {
			t.Fatal(err)
		}
		err = s.View(t.Context(), func(tx store.Tx) error {
			_, err := Again(tx, Caller{Token: session}, clock)
			return err
		})
		if !errors.Is(err, tt.want) {
			t.Errorf("%s: the session gives %v; want %v", tt.name, err, tt.want)
		}
	}
}

// Whatever roles somebody has, what two lists share is within both, and a limit
// never adds anything.
func TestRolesAndLimitsOnlyTakeAway(t *testing.T) {
	roles := rapid.SliceOf(rapid.SampledFrom(append(Roles(), "", "root", "ADMIN")))
	only := rapid.SliceOf(rapid.SampledFrom([]string{"read", "steer", "administer", "", "everything"}))
	rapid.Check(t, func(t *rapid.T) {
		a, b, limit := roles.Draw(t, "token"), roles.Draw(t, "account"), only.Draw(t, "only")
		for _, role := range sharedRoles(a, b) {
			if !Include(RightsOfAll(a), RightsOf(role)) || !Include(RightsOfAll(b), RightsOf(role)) {
				t.Errorf("%q and %q share %s", a, b, role)
			}
		}
		got := limited(RightsOfAll(a), limit)
		if !Include(RightsOfAll(a), got) || len(limit) > 0 && slices.ContainsFunc(got, func(r Right) bool { return !slices.Contains(limit, string(r)) }) {
			t.Errorf("%q limited to %q may %q", a, limit, got)
		}
	})
}
