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
	ID        string                `json:"id"`
	Algorithm hotstick.KeyAlgorithm `json:"algorithm"`
	Public    string                `json:"public_file"`
	File      string                `json:"file,omitempty"`
}

// info tells of a key and where its public half is.
func info(key hotstick.TrustedKey, public string) keyInfo {
	return keyInfo{ID: statement.KeyID(key), Algorithm: key.Algorithm(), Public: public}
}

func (a *app) keyGenerate() *cobra.Command {
	var encrypt bool
	var algorithm string
	cmd := &cobra.Command{
		Use:   "generate FILE",
		Short: "Make a key: FILE holds the secret, FILE.pub is to be handed out",
		Long: `Makes a key. The root's signers add FILE.pub to the persons or publishers of the
catalog; the secret never leaves this machine. With --encrypt FILE is of OpenSSH's
format and opens with a passphrase only; ssh-add takes it. A key that a person signs
with may be for p256 as well; a server's is ed25519.`,
		Args: exactly("FILE"),
		RunE: func(_ *cobra.Command, args []string) error {
			chosen := hotstick.KeyAlgorithm(algorithm)
			if chosen != hotstick.KeyEd25519 && chosen != hotstick.KeyP256 {
				return usage("", "cannot make a key for %q: want %s or %s", algorithm, hotstick.KeyEd25519, hotstick.KeyP256)
			}
			key, err := a.makeKey(args[0], chosen, encrypt)
			if errors.Is(err, fs.ErrExist) {
				return fail(exitRefused, "choose another file: a key that is lost cannot be had back", "cannot make the key %s: there is a file of that name", args[0])
			}
			if err != nil {
				return err
			}
			made := info(key.Public(), args[0]+".pub")
			made.File = args[0]
			return a.printKey(made)
		},
	}
	cmd.Flags().StringVar(&algorithm, "algorithm", string(hotstick.KeyEd25519), "what the key signs with: ed25519, or p256 for ECDSA")
	cmd.Flags().BoolVar(&encrypt, "encrypt", false, "protect FILE with a passphrase, which is asked for")
	return cmd
}

func (a *app) makeKey(file string, algorithm hotstick.KeyAlgorithm, encrypt bool) (statement.Signer, error) {
	if !encrypt {
		return found.MakeKey(file, algorithm)
	}
	passphrase, err := a.newSecret("passphrase of " + file)
	if err != nil {
		return nil, err
	}
	defer clear(passphrase)
	return found.MakeEncryptedKey(file, algorithm, passphrase)
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
			return a.printKey(info(public, args[0]))
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
		Example: "  hotstick key public ssh-agent:ada@laptop ada.pub\n  hotstick key public 'pkcs11:token=ada;object=sign' ada.pub",
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
			return a.printKey(info(public, args[1]))
		},
	}
}

func (a *app) printKey(key keyInfo) error {
	return a.print(view{value: key, names: []string{key.ID}, text: func(show.Style) string {
		text := ""
		if key.File != "" {
			text = "secret  " + show.Escape(key.File) + "\n"
		}
		return text + "public  " + show.Escape(key.Public) + "\nkey ID  " + key.ID + "\ntype    " + string(key.Algorithm) + "\n"
	}})
}
