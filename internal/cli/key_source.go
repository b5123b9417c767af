package cli

import (
	"bytes"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/hotstick/hotstick/internal/cli/show"
	"github.com/hotstick/hotstick/internal/statement"
	"github.com/hotstick/hotstick/internal/statement/keysource"
)

// keyUsage is what --key says everywhere, after whose key it is.
const keyUsage = "private key: a file, or ssh-agent:COMMENT"

// passphraseFile names the variable that holds the name of a file with the
// passphrase, for scripts; the passphrase itself in a variable would be seen by
// every program that is started.
const passphraseFile = "HOTSTICK_PASSPHRASE_FILE"

// openKey finds a person's private key, wherever it is kept.
func (a *app) openKey(name string) (statement.Signer, error) {
	signer, err := keysource.Open(name, keysource.Environment{Ask: a.secret, AgentSocket: a.env.Getenv("SSH_AUTH_SOCK")})
	switch {
	case errors.Is(err, keysource.ErrNoAgent):
		return nil, fail(exitFailed, "start one and add the key: eval $(ssh-agent) && ssh-add FILE", "%v", err)
	case errors.Is(err, keysource.ErrNoKey):
		return nil, usage("hotstick key list shows what the ssh-agent holds", "%v", err)
	case errors.Is(err, keysource.ErrSecurityKey):
		return nil, fail(exitRefused, "use a plain Ed25519 key: hotstick key generate FILE --encrypt", "%v", err)
	}
	return signer, err
}

// secret asks for a passphrase on the terminal, or reads it from the file that a
// script names.
func (a *app) secret(what string) ([]byte, error) {
	if file := a.env.Getenv(passphraseFile); file != "" {
		raw, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("cannot read the passphrase: %w", err)
		}
		return bytes.TrimRight(raw, "\r\n"), nil
	}
	if !a.env.Interactive || a.env.Secret == nil {
		return nil, usage("set "+passphraseFile+" to a file that holds it, or add the key to an ssh-agent", "cannot ask for the %s: there is no terminal", what)
	}
	fmt.Fprintf(a.env.Stderr, "%s: ", show.Escape(what))
	secret, err := a.env.Secret()
	fmt.Fprintln(a.env.Stderr)
	if err != nil {
		return nil, fmt.Errorf("cannot read the passphrase: %w", err)
	}
	return secret, nil
}

// newSecret asks for a passphrase that is being chosen, twice where a person types.
func (a *app) newSecret(what string) ([]byte, error) {
	first, err := a.secret("new " + what)
	if err != nil {
		return nil, err
	}
	if len(first) == 0 {
		return nil, usage("leave --encrypt out for a key without one", "cannot encrypt with an empty passphrase")
	}
	again, err := a.secret("the same again")
	if err != nil {
		return nil, err
	}
	defer clear(again)
	if !bytes.Equal(first, again) {
		clear(first)
		return nil, usage("", "cannot use the passphrase: you typed two different ones")
	}
	return first, nil
}

// agentKey is one key of the ssh-agent, for people and programs.
type agentKey struct {
	Comment string `json:"comment"`
	ID      string `json:"id,omitempty"`
	Problem string `json:"problem,omitempty"`
}

func (a *app) keyList() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the keys that the ssh-agent holds, and which of them can sign",
		Args:  exactly(),
		RunE: func(*cobra.Command, []string) error {
			keys, err := keysource.AgentKeys(a.env.Getenv("SSH_AUTH_SOCK"))
			if err != nil {
				return fail(exitFailed, "start one and add the key: eval $(ssh-agent) && ssh-add FILE", "%v", err)
			}
			return a.printAgentKeys(keys)
		},
	}
}

func (a *app) printAgentKeys(keys []keysource.AgentKey) error {
	list := make([]agentKey, len(keys))
	var names []string
	for i, k := range keys {
		list[i].Comment = k.Comment
		if k.Problem != nil {
			list[i].Problem = k.Problem.Error()
			continue
		}
		list[i].ID = statement.KeyID(k.Public)
		names = append(names, list[i].ID)
	}
	return a.print(view{value: list, names: names, table: func(show.Style) show.Table {
		t := show.Table{Header: []string{"NAME FOR --key", "KEY ID"}}
		for _, k := range list {
			t.Rows = append(t.Rows, []show.Cell{{Text: "ssh-agent:" + show.Clean(k.Comment)}, {Text: k.ID + k.Problem}})
		}
		return t
	}})
}
