package show

import (
	"strings"

	"github.com/hotstick/hotstick/api"
)

// Accounts is the table of who may sign in.
func Accounts(list []api.Account, st Style) Table {
	t := Table{Header: []string{"PERSON", "ROLES", "SIGNS IN WITH", "STATE", "AGE"}, Empty: "There is no account."}
	for _, a := range list {
		with, state := "tokens", "enabled"
		if a.Password {
			with = "password, tokens"
		}
		if a.Disabled {
			state = "disabled"
		}
		t.Rows = append(t.Rows, []Cell{text(string(a.Person)), text(strings.Join(a.Roles, " ")), {Text: with}, {Text: state}, {Text: Age(st.Now.Sub(a.Made))}})
	}
	return t
}

// AccountNames are the arguments by which other commands find the accounts.
func AccountNames(list []api.Account) []string {
	var names []string
	for _, a := range list {
		names = append(names, string(a.Person))
	}
	return names
}

// Tokens is the table of API tokens that may be used.
func Tokens(list []api.TokenState, st Style) Table {
	t := Table{Header: []string{"ID", "PERSON", "ROLES", "ONLY", "ENDS"}, Empty: "No token may be used."}
	for _, k := range list {
		ends := "never"
		if k.Expires != nil {
			ends = "in " + Age(k.Expires.Sub(st.Now))
		}
		t.Rows = append(t.Rows, []Cell{text(k.ID), text(string(k.Person)), text(strings.Join(k.Roles, " ")), text(strings.Join(k.Only, " ")), {Text: ends}})
	}
	return t
}

// TokenNames are the arguments by which other commands find the tokens.
func TokenNames(list []api.TokenState) []string {
	var names []string
	for _, k := range list {
		names = append(names, k.ID)
	}
	return names
}
