package cli

import (
	"errors"
	"io/fs"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/cli/found"
	"github.com/hotstick/hotstick/internal/cli/show"
	"github.com/hotstick/hotstick/internal/statement"
)

func (a *app) key() *cobra.Command {
	return noun("key", "Signing keys of persons and publishers", a.keyGenerate(), a.keyShow(), a.keyList(), a.keyPublic())
}

// keyInfo is what may be known of a key by everybody.
type keyInfo struct {
	ID     string `json:"id"`
	Public string `json:"public_file"`
	File   string `json:"file,omitempty"`
}

func (a *app) keyGenerate() *cobra.Command {
	var encrypt bool
	cmd := &cobra.Command{
		Use:   "generate FILE",
		Short: "Make an Ed25519 key: FILE holds the secret, FILE.pub is to be handed out",
		Long: `Makes an Ed25519 key. The root's signers add FILE.pub to the persons or
publishers of the catalog; the secret never leaves this machine. With --encrypt
FILE is of OpenSSH's format and opens with a passphrase only; ssh-add takes it.`,
		Args: exactly("FILE"),
		RunE: func(_ *cobra.Command, args []string) error {
			key, err := a.makeKey(args[0], encrypt)
			if errors.Is(err, fs.ErrExist) {
				return fail(exitRefused, "choose another file: a key that is lost cannot be had back", "cannot make the key %s: there is a file of that name", args[0])
			}
			if err != nil {
				return err
			}
			return a.printKey(keyInfo{ID: statement.KeyID(key.Public()), Public: args[0] + ".pub", File: args[0]})
		},
	}
	cmd.Flags().BoolVar(&encrypt, "encrypt", false, "protect FILE with a passphrase, which is asked for")
	return cmd
}

func (a *app) makeKey(file string, encrypt bool) (*statement.Key, error) {
	if !encrypt {
		return found.MakeKey(file)
	}
	passphrase, err := a.newSecret("passphrase of " + file)
	if err != nil {
		return nil, err
	}
	defer clear(passphrase)
	return found.MakeEncryptedKey(file, passphrase)
}

func (a *app) keyShow() *cobra.Command {
	return &cobra.Command{
		Use:   "show FILE.pub|KEY",
		Short: "Show the ID of a public key, or of a private one wherever it is kept",
		Args:  exactly("FILE.pub|KEY"),
		RunE: func(_ *cobra.Command, args []string) error {
			public, err := a.publicKey(args[0])
			if err != nil {
				return err
			}
			return a.printKey(keyInfo{ID: statement.KeyID(public), Public: args[0]})
		},
	}
}

// publicKey reads a public key file, or the public half of a private key.
func (a *app) publicKey(name string) (hotstick.TrustedKey, error) {
	if strings.HasSuffix(name, ".pub") {
		return statement.LoadAnyPublic(name)
	}
	signer, err := a.openKey(name)
	if err != nil {
		return nil, err
	}
	return signer.Public(), nil
}

func (a *app) keyPublic() *cobra.Command {
	return &cobra.Command{
		Use:     "public KEY FILE.pub",
		Short:   "Write the public half of a key to a new file, to be handed out",
		Example: "  hotstick key public ssh-agent:ada@laptop ada.pub",
		Args:    exactly("KEY", "FILE.pub"),
		RunE: func(_ *cobra.Command, args []string) error {
			public, err := a.publicKey(args[0])
			if err != nil {
				return err
			}
			if err := statement.SavePublic(args[1], public); errors.Is(err, fs.ErrExist) {
				return fail(exitRefused, "choose another file", "cannot write %s: there is a file of that name", args[1])
			} else if err != nil {
				return err
			}
			return a.printKey(keyInfo{ID: statement.KeyID(public), Public: args[1]})
		},
	}
}

func (a *app) printKey(info keyInfo) error {
	return a.print(view{value: info, names: []string{info.ID}, text: func(show.Style) string {
		text := ""
		if info.File != "" {
			text = "secret  " + show.Escape(info.File) + "\n"
		}
		return text + "public  " + show.Escape(info.Public) + "\nkey ID  " + info.ID + "\n"
	}})
}
