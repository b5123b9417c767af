package cli

import (
	"errors"
	"io/fs"

	"github.com/spf13/cobra"

	"github.com/hotstick/hotstick/internal/cli/found"
	"github.com/hotstick/hotstick/internal/cli/show"
	"github.com/hotstick/hotstick/internal/statement"
)

func (a *app) key() *cobra.Command {
	return noun("key", "Signing keys of persons and publishers", a.keyGenerate(), a.keyShow())
}

// keyInfo is what may be known of a key by everybody.
type keyInfo struct {
	ID     string `json:"id"`
	Public string `json:"public_file"`
	File   string `json:"file,omitempty"`
}

func (a *app) keyGenerate() *cobra.Command {
	return &cobra.Command{
		Use:   "generate FILE",
		Short: "Make an Ed25519 key: FILE holds the secret, FILE.pub is to be handed out",
		Long: `Makes an Ed25519 key. The root's signers add FILE.pub to the persons or
publishers of the catalog; the secret never leaves this machine.`,
		Args: exactly("FILE"),
		RunE: func(_ *cobra.Command, args []string) error {
			key, err := found.MakeKey(args[0])
			if errors.Is(err, fs.ErrExist) {
				return fail(exitRefused, "choose another file: a key that is lost cannot be had back", "cannot make the key %s: there is a file of that name", args[0])
			}
			if err != nil {
				return err
			}
			return a.printKey(keyInfo{ID: statement.KeyID(key.Public()), Public: args[0] + ".pub", File: args[0]})
		},
	}
}

func (a *app) keyShow() *cobra.Command {
	return &cobra.Command{
		Use:   "show FILE.pub",
		Short: "Show the ID of a public key",
		Args:  exactly("FILE.pub"),
		RunE: func(_ *cobra.Command, args []string) error {
			public, err := statement.LoadPublic(args[0])
			if err != nil {
				return err
			}
			return a.printKey(keyInfo{ID: statement.KeyID(public), Public: args[0]})
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
