package cli

import (
	"bytes"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/cli/show"
	"github.com/hotstick/hotstick/internal/statement"
	"github.com/hotstick/hotstick/internal/statement/keysource"
)

// keyUsage is what --key says everywhere, after whose key it is.
const keyUsage = "private key: a file, ssh-agent:COMMENT or pkcs11:token=LABEL"

// tokenModule names the variable that holds the full path of the library of a
// person's token.
const tokenModule = "HOTSTICK_PKCS11_MODULE"

// passphraseFile names the variable that holds the name of a file with the
// passphrase, for scripts; the passphrase itself in a variable would be seen by
// every program that is started.
const passphraseFile = "HOTSTICK_PASSPHRASE_FILE"

// openKey finds a person's private key, wherever it is kept.
func (a *app) openKey(name string) (statement.Signer, error) {
	signer, err := keysource.Open(name, a.keyEnvironment())
	if err != nil {
		return nil, explainKey(err)
	}
	return explained{signer}, nil
}

func (a *app) keyEnvironment() keysource.Environment {
	return keysource.Environment{Ask: a.secret, AgentSocket: a.env.Getenv("SSH_AUTH_SOCK"), TokenModule: a.env.Getenv(tokenModule)}
}

// explained gives the hints for what fails only when it comes to signing.
type explained struct{ statement.Signer }

// Sign implements statement.Signer.
func (e explained) Sign(message []byte) ([]byte, error) {
	signature, err := e.Signer.Sign(message)
	return signature, explainKey(err)
}

// explainKey gives errors of keys their hints.
func explainKey(err error) error {
	for _, k := range []struct {
		cause error
		code  int
		hint  string
	}{
		{keysource.ErrNoAgent, exitFailed, "start one and add the key: eval $(ssh-agent) && ssh-add FILE"},
		{keysource.ErrNoKey, exitUsage, "hotstick key list shows what the ssh-agent holds"},
		{keysource.ErrSecurityKey, exitRefused, "use a plain key: hotstick key generate FILE --encrypt"},
		{keysource.ErrNoTool, exitFailed, "install OpenSC: apt install opensc"},
		{keysource.ErrNoModule, exitUsage, "set " + tokenModule + " to the full path of your token's library, or add ?module-path=… to the key's name"},
		{keysource.ErrNoToken, exitFailed, "is it plugged in? hotstick key list pkcs11: shows the tokens and their keys"},
		{keysource.ErrNoTokenKey, exitUsage, "hotstick key list pkcs11: shows the tokens and their keys"},
		{keysource.ErrTokenEd25519, exitRefused, "make an ECDSA key: pkcs11-tool --keypairgen --key-type EC:prime256v1"},
		{keysource.ErrPIN, exitFailed, "try again with care: a few wrong PINs lock the token"},
		{keysource.ErrPINLocked, exitFailed, "its owner unlocks it with the PUK or the security officer's PIN"},
	} {
		if errors.Is(err, k.cause) {
			return fail(k.code, k.hint, "%v", err)
		}
	}
	return err
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
	return a.typed(what, "set "+passphraseFile+" to a file that holds it, or add the key to an ssh-agent")
}

// typed asks for a secret on the terminal; hint is what to do where there is none.
func (a *app) typed(what, hint string) ([]byte, error) {
	if !a.env.Interactive || a.env.Secret == nil {
		return nil, usage(hint, "cannot ask for the %s: there is no terminal", what)
	}
	fmt.Fprintf(a.env.Stderr, "%s: ", show.Escape(what))
	secret, err := a.env.Secret()
	fmt.Fprintln(a.env.Stderr)
	if err != nil {
		return nil, fmt.Errorf("cannot read what was typed: %w", err)
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

// heldKey is one key of the ssh-agent or of a token, for people and programs.
type heldKey struct {
	// Name is what --key takes.
	Name      string                `json:"name"`
	Comment   string                `json:"comment"`
	ID        string                `json:"id,omitempty"`
	Algorithm hotstick.KeyAlgorithm `json:"algorithm,omitempty"`
	Problem   string                `json:"problem,omitempty"`
}

func newHeldKey(name, comment string, public hotstick.TrustedKey, problem error) heldKey {
	k := heldKey{Name: name, Comment: comment}
	if problem != nil {
		k.Problem = problem.Error()
		return k
	}
	k.ID, k.Algorithm = statement.KeyID(public), public.Algorithm()
	return k
}

func (a *app) keyList() *cobra.Command {
	return &cobra.Command{
		Use:   "list [pkcs11:…]",
		Short: "List the keys that the ssh-agent or your tokens hold, and which of them can sign",
		Long: `Lists the keys that the ssh-agent holds. Given pkcs11: it lists those of all tokens
that are plugged in, and given pkcs11:token=LABEL those of one.`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			return exactly("pkcs11:…")(cmd, args)
		},
		RunE: func(_ *cobra.Command, args []string) error {
			list, err := a.heldKeys(args)
			if err != nil {
				return explainKey(err)
			}
			return a.printHeldKeys(list)
		},
	}
}

// heldKeys asks the ssh-agent, or the tokens that the first argument means.
func (a *app) heldKeys(args []string) ([]heldKey, error) {
	list := []heldKey{}
	if len(args) == 0 {
		keys, err := keysource.AgentKeys(a.env.Getenv("SSH_AUTH_SOCK"))
		for _, k := range keys {
			list = append(list, newHeldKey("ssh-agent:"+k.Comment, k.Comment, k.Public, k.Problem))
		}
		return list, err
	}
	keys, err := keysource.TokenKeys(args[0], a.keyEnvironment())
	for _, k := range keys {
		list = append(list, newHeldKey(k.Name, k.Label, k.Public, k.Problem))
	}
	return list, err
}

func (a *app) printHeldKeys(list []heldKey) error {
	var names []string
	for _, k := range list {
		if k.Problem == "" {
			names = append(names, k.ID)
		}
	}
	return a.print(view{value: list, names: names, table: func(show.Style) show.Table {
		t := show.Table{Header: []string{"NAME FOR --key", "KEY ID"}}
		for _, k := range list {
			t.Rows = append(t.Rows, []show.Cell{{Text: show.Clean(k.Name)}, {Text: k.ID + k.Problem}})
		}
		return t
	}})
}
