package cli

import (
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/catalog"
	"github.com/hotstick/hotstick/internal/cli/folder"
	"github.com/hotstick/hotstick/internal/cli/found"
	"github.com/hotstick/hotstick/internal/statement"
)

// rooting are the flags of catalog root.
type rooting struct {
	drafting
	addPersons, removePersons, addKeys, removeKeys []string
	addEvidence, removeEvidence                    []string
	owners, publishers, online                     keyFlags
	approvals                                      int
	single                                         bool
	epoch                                          uint64
}

// keyFlags change the keys of one role.
type keyFlags struct {
	add, remove []string
	threshold   int
}

func (k *keyFlags) flags(cmd *cobra.Command, one, many, what string) {
	cmd.Flags().StringArrayVar(&k.add, "add-"+one, nil, "FILE.pub: a new key of "+what+"; may be repeated")
	cmd.Flags().StringArrayVar(&k.remove, "remove-"+one, nil, "FILE.pub or key ID: no longer a key of "+what+"; may be repeated")
	if many != "" {
		cmd.Flags().IntVar(&k.threshold, many, 0, "how many of "+what+" must sign together")
	}
}

func (k keyFlags) change() (folder.KeyChange, error) {
	add, err := loadKeys(k.add)
	if err != nil {
		return folder.KeyChange{}, err
	}
	remove, err := keyIDs(k.remove)
	return folder.KeyChange{Add: add, Remove: remove, Threshold: k.threshold}, err
}

func (a *app) catalogRoot() *cobra.Command {
	var r rooting
	cmd := &cobra.Command{
		Use:   "root DIR --key FILE",
		Short: "Make the next root: other persons, keys, thresholds or epoch",
		Long: `Makes the root that follows the current one, shows in words what it changes, and
signs it. Enough owners of the root so far, and enough of the next, must sign:

  hotstick catalog root DIR --add-person grace=grace.pub --key owner1.pem
  hotstick catalog sign DIR --key owner2.pem

An online key is the server's; the server must have its new one before the root is
pushed. A higher epoch fences every server that signs with an older one. Where the
publishers change, renew the targets metadata with one of the new keys too.`,
		Args: exactly("DIR"),
		RunE: func(cmd *cobra.Command, args []string) error {
			change, err := r.change(cmd)
			if err != nil {
				return err
			}
			return a.inFolder(args[0], func(f *folder.Folder) error {
				err := a.propose(f, folder.Root, r.drafting, func(expires time.Time) ([]byte, error) {
					change.Expires = expires
					return nextRoot(f, change)
				})
				if err == nil && !f.Holds(f.NextRoot()) {
					a.note("The publishers change: a new one must sign the targets metadata too: hotstick catalog renew DIR targets --key FILE")
				}
				return err
			})
		},
	}
	r.flags(cmd)
	return cmd
}

func (r *rooting) flags(cmd *cobra.Command) {
	r.drafting.flags(cmd, found.RootLife)
	flags := cmd.Flags()
	flags.StringArrayVar(&r.addPersons, "add-person", nil, "NAME=FILE.pub: a person with a first key; may be repeated")
	flags.StringArrayVar(&r.removePersons, "remove-person", nil, "NAME; may be repeated")
	flags.StringArrayVar(&r.addKeys, "add-key", nil, "NAME=FILE.pub: a further key of a person; may be repeated")
	flags.StringArrayVar(&r.removeKeys, "remove-key", nil, "FILE.pub or key ID of a person; may be repeated")
	flags.StringArrayVar(&r.addEvidence, "add-evidence", nil, "NAME=FILE.pub: a key of a laboratory or builder; may be repeated")
	flags.StringArrayVar(&r.removeEvidence, "remove-evidence", nil, "NAME of a laboratory or builder; may be repeated")
	r.owners.flags(cmd, "owner", "owners", "the root's owners")
	r.publishers.flags(cmd, "publisher", "publishers", "the publishers")
	r.online.flags(cmd, "online", "", "the server")
	flags.IntVar(&r.approvals, "approvals", 0, "how many persons besides the author must sign a plan")
	flags.BoolVar(&r.single, "author-may-approve", false, "one person alone may author and approve: single control")
	flags.Uint64Var(&r.epoch, "epoch", 0, "the next epoch, which fences servers of older ones")
}

func (r rooting) change(cmd *cobra.Command) (folder.RootChange, error) {
	out := folder.RootChange{Approvals: r.approvals, Epoch: r.epoch}
	var err error
	if out.AddPersons, err = personKeys("add-person", r.addPersons); err != nil {
		return out, err
	}
	if out.AddKeys, err = personKeys("add-key", r.addKeys); err != nil {
		return out, err
	}
	if out.AddEvidence, err = personKeys("add-evidence", r.addEvidence); err != nil {
		return out, err
	}
	out.RemoveEvidence = r.removeEvidence
	for _, p := range r.removePersons {
		out.RemovePersons = append(out.RemovePersons, hotstick.Person(p))
	}
	if out.RemoveKeys, err = keyIDs(r.removeKeys); err != nil {
		return out, err
	}
	if cmd.Flags().Changed("author-may-approve") {
		out.AuthorMayApprove = &r.single
	}
	for _, k := range []struct {
		flags keyFlags
		into  *folder.KeyChange
	}{{r.owners, &out.Owners}, {r.publishers, &out.Publishers}, {r.online, &out.Online}} {
		if *k.into, err = k.flags.change(); err != nil {
			return out, err
		}
	}
	return out, nil
}

// personKeys reads NAME=FILE.pub.
func personKeys(flag string, values []string) ([]folder.PersonKey, error) {
	var out []folder.PersonKey
	for _, v := range values {
		name, file, ok := strings.Cut(v, "=")
		if !ok || name == "" || file == "" {
			return nil, usage("want NAME=FILE.pub", "cannot use %q for --%s", v, flag)
		}
		key, err := statement.LoadAnyPublic(file)
		if err != nil {
			return nil, err
		}
		out = append(out, folder.PersonKey{Person: hotstick.Person(name), Key: key})
	}
	return out, nil
}

// nextRoot makes the next root, which nobody has signed yet.
func nextRoot(f *folder.Folder, change folder.RootChange) ([]byte, error) {
	last, _ := f.Current(folder.Root)
	spec, err := change.Apply(*last.Root)
	if err != nil {
		return nil, err
	}
	return catalog.NextRoot(f.RootFile, spec)
}
