package cli

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/catalog"
	"github.com/hotstick/hotstick/internal/cli/folder"
	"github.com/hotstick/hotstick/internal/cli/found"
	"github.com/hotstick/hotstick/internal/cli/show"
	"github.com/hotstick/hotstick/internal/server"
)

// founding are the flags of catalog refound.
type founding struct {
	drafting
	epoch uint64
}

// rootMade is the answer of catalog refound and of server adopt-root.
type rootMade struct {
	File    string          `json:"file"`
	Digest  hotstick.Digest `json:"digest"`
	Version int64           `json:"version"`
	Epoch   uint64          `json:"epoch"`
}

func (a *app) catalogRefound() *cobra.Command {
	var f founding
	cmd := &cobra.Command{
		Use:   "refound DIR FILE --key FILE",
		Short: "Make a root that no earlier one vouches for, because too many keys are lost",
		Long: `Writes into FILE a root for the exported catalog DIR that is owned by the signing key
alone and says otherwise what the newest root says: the same publishers, persons and
server, in the next epoch. Add the other owners with hotstick catalog root.

Nobody who pinned an earlier root follows it. The server takes it with hotstick
server adopt-root, and on every host a person pins it with hotstick-loader
--new-root: see docs/how-to/root-key-was-lost.md. While enough keys of the newest
root are there, hotstick catalog root is the way.`,
		Args: exactly("DIR", "FILE"),
		RunE: func(_ *cobra.Command, args []string) error {
			return a.inFolder(args[0], func(in *folder.Folder) error { return a.refound(in, args[1], f) })
		},
	}
	f.drafting.flags(cmd, found.RootLife)
	cmd.Flags().Uint64Var(&f.epoch, "epoch", 0, "the root's epoch (default: one more than the newest root's)")
	return cmd
}

func (a *app) refound(in *folder.Folder, file string, f founding) error {
	if f.key == "" {
		return usage("--key FILE is the new owner's private key", "cannot sign without a key")
	}
	expires, err := f.expires(a.env.Now())
	if err != nil {
		return err
	}
	signer, err := a.openKey(f.key)
	if err != nil {
		return err
	}
	last, _ := in.Current(folder.Root)
	spec := *last.Root
	spec.RootKeys, spec.RootThreshold, spec.Expires = []hotstick.TrustedKey{[]byte(signer.Public())}, 1, expires
	if spec.Trust.Epoch++; f.epoch != 0 {
		spec.Trust.Epoch = f.epoch
	}
	text := fmt.Sprintf("root, version %d, which version %d does not vouch for:", last.Version+1, last.Version)
	for _, line := range show.RootDifference(*last.Root, spec) {
		text += "\n  " + line
	}
	a.note(text)
	if err := a.consent(f.yes, fmt.Sprintf("Sign this with key %s?", show.Key(signer.Public(), spec.Trust))); err != nil {
		return err
	}
	root, err := catalog.NextRoot(in.RootFile, spec, signer)
	if err != nil {
		return fail(exitRefused, "", "%v", err)
	}
	if err := found.NewFile(file, root, 0o644); err != nil {
		return err
	}
	return a.printRoot(file, root)
}

// printRoot says what somebody who pins a root compares.
func (a *app) printRoot(file string, root []byte) error {
	spec, version, err := catalog.ReadRoot(root)
	if err != nil {
		return err
	}
	out := rootMade{File: file, Digest: hotstick.NewDigest(root), Version: version, Epoch: spec.Trust.Epoch}
	return a.print(view{value: out, names: []string{string(out.Digest)}, text: func(show.Style) string {
		return fmt.Sprintf("%s: root %d, epoch %d, digest %s\n", file, version, out.Epoch, out.Digest)
	}})
}

func (a *app) serverAdoptRoot() *cobra.Command {
	var data string
	cmd := &cobra.Command{
		Use:   "adopt-root FILE",
		Short: "Give the catalog a root that no earlier one vouches for; the server does not run",
		Long: `FILE is a root that hotstick catalog refound made of this catalog's newest. Its
earlier roots are removed. Hosts that pinned one of them refuse the catalog until a
person pins the new root on each: hotstick-loader --new-root. Hand FILE to everybody
who signs, in the place of the root.json that they have.`,
		Args: exactly("FILE"),
		RunE: func(_ *cobra.Command, args []string) error {
			dir, err := a.dataDir(data)
			if err != nil {
				return err
			}
			root, err := os.ReadFile(args[0])
			if err != nil {
				return fmt.Errorf("cannot read the root: %w", err)
			}
			if err := server.AdoptRoot(dir, root); err != nil {
				return fail(exitRefused, "make it with hotstick catalog refound, of a catalog that was exported now", "%v", err)
			}
			return a.printRoot(filepath.Clean(args[0]), root)
		},
	}
	cmd.Flags().StringVar(&data, "data", "", "the server's data directory (default /var/lib/hotstick for root, else under XDG_DATA_HOME)")
	return cmd
}
