package cli

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/catalog"
	"github.com/hotstick/hotstick/internal/cli/folder"
	"github.com/hotstick/hotstick/internal/cli/found"
	"github.com/hotstick/hotstick/internal/cli/show"
)

func (a *app) catalogRenew() *cobra.Command {
	var d drafting
	cmd := &cobra.Command{
		Use:   "renew DIR ROLE --key FILE",
		Short: "Give root, targets or a delegation a later end; nothing else changes",
		Long: `Makes the next metadata of ROLE (root, targets or the name of a delegation), which
says the same with a later end, and signs it. For root the default of --life is
` + days(found.RootLife) + `.`,
		Args: exactly("DIR", "ROLE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			role := args[1]
			if role == folder.Root && !cmd.Flags().Changed("life") {
				d.life = days(found.RootLife)
			}
			return a.inFolder(args[0], func(f *folder.Folder) error {
				return a.propose(f, role, d, func(expires time.Time) ([]byte, error) {
					if role == folder.Root {
						return nextRoot(f, folder.RootChange{Expires: expires})
					}
					return revise(f, role, catalog.Revision{Expires: expires})
				})
			})
		},
	}
	d.flags(cmd, found.TargetsLife)
	return cmd
}

// revise makes the next targets metadata of the publishers or of a delegate, which
// nobody has signed yet.
func revise(f *folder.Folder, role string, r catalog.Revision) ([]byte, error) {
	r.Root, r.Targets = f.RootFile, f.TargetsFile
	if role != folder.Targets {
		r.Delegation, r.Own = role, f.CurrentFile(role)
	}
	return catalog.Revise(r)
}

func (a *app) catalogRecall() *cobra.Command {
	var d drafting
	var reason, as string
	var revert bool
	cmd := &cobra.Command{
		Use:   "recall DIR PATCH@LEVEL --reason TEXT --key FILE",
		Short: "Take a patch level back on every kernel build, signed offline",
		Long: `Makes the next targets metadata with a recall in it, and signs it. From then on no
host arms the level any more; with --revert those that have it go back to the level
before. A recall is never taken out again; a signed clear lifts it.`,
		Args:              exactly("DIR", "PATCH@LEVEL"),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(_ *cobra.Command, args []string) error {
			ref, err := patchRef(args[1])
			if err != nil {
				return err
			}
			if reason == "" {
				return usage("--reason TEXT is what operators read", "cannot recall %s without a reason", ref)
			}
			recall := hotstick.Recall{Patch: ref, Action: hotstick.RecallBlock, Reason: reason, Issued: a.env.Now().UTC().Truncate(time.Second)}
			if revert {
				recall.Action = hotstick.RecallRevert
			}
			if err := recall.Validate(); err != nil {
				return usage("", "%v", err)
			}
			return a.inFolder(args[0], func(f *folder.Folder) error { return a.recall(f, as, recall, d) })
		},
	}
	d.flags(cmd, found.TargetsLife)
	cmd.Flags().StringVar(&reason, "reason", "", "why, for operators")
	cmd.Flags().BoolVar(&revert, "revert", false, "hosts that have it go back to the level before")
	cmd.Flags().StringVar(&as, "as", folder.Targets, "sign as the delegate of this name instead of as a publisher")
	return cmd
}

func (a *app) recall(f *folder.Folder, role string, recall hotstick.Recall, d drafting) error {
	if _, known := f.View.Patch(recall.Patch); !known {
		return fail(exitNotFound, "hotstick catalog show DIR lists the patches", "cannot recall %s: the catalog has no such patch level", recall.Patch)
	}
	return a.propose(f, role, d, func(expires time.Time) ([]byte, error) {
		return revise(f, role, catalog.Revision{Recalls: []hotstick.Recall{recall}, Expires: expires})
	})
}

func (a *app) catalogSign() *cobra.Command {
	var s signing
	cmd := &cobra.Command{
		Use:   "sign DIR --key FILE",
		Short: "Add your signature to everything pending that asks for it",
		Args:  exactly("DIR"),
		RunE: func(_ *cobra.Command, args []string) error {
			if s.key == "" {
				return usage("--key FILE is the signer's private key", "cannot sign without a key")
			}
			return a.inFolder(args[0], func(f *folder.Folder) error { return a.signPending(f, s) })
		},
	}
	s.flags(cmd)
	return cmd
}

func (a *app) signPending(f *folder.Folder, s signing) error {
	all, err := f.Standings()
	if err != nil {
		return explainFolder(err)
	}
	if len(all) == 0 {
		return fail(exitNotFound, "hotstick catalog renew, recall, root and delegate make something", "cannot sign: nothing is pending")
	}
	signer, err := a.openKey(s.key)
	if err != nil {
		return err
	}
	var mine []folder.Standing
	asked := false
	for _, one := range all {
		if one.Asks(signer.Public()) && one.Overtaken {
			return explainFolder(fmt.Errorf("cannot sign %s metadata of version %d: %w", one.Role, one.Version, folder.ErrOvertaken))
		}
		asked = asked || one.Asks(signer.Public())
		if one.Asks(signer.Public()) && !one.SignedBy(signer.Public()) {
			mine = append(mine, one)
		}
	}
	if len(mine) == 0 {
		reason := folder.ErrNotAsked
		if asked {
			reason = folder.ErrSigned
		}
		return explainFolder(fmt.Errorf("cannot sign with key %s: %w", show.Key(signer.Public(), f.View.Trust), reason))
	}
	if err := a.signStandings(f, s.yes, signer, mine...); err != nil {
		return err
	}
	roles := make([]string, len(mine))
	for i, one := range mine {
		roles[i] = one.Role
	}
	return a.printPending(f, roles...)
}

func (a *app) catalogDrop() *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use:   "drop DIR ROLE",
		Short: "Take back what is pending for root, targets or a delegation",
		Args:  exactly("DIR", "ROLE"),
		RunE: func(_ *cobra.Command, args []string) error {
			return a.inFolder(args[0], func(f *folder.Folder) error {
				if s, err := f.Standing(args[1]); errors.Is(err, folder.ErrNotPending) {
					return explainFolder(err)
				} else if err == nil { // what is refused can be dropped unread
					a.note(changesText(f, s))
				}
				if err := a.confirm(yes, "Drop it, with its signatures?"); err != nil {
					return err
				}
				if err := f.Drop(args[1]); err != nil {
					return explainFolder(err)
				}
				a.note("dropped " + show.Clean(args[1]))
				return f.Tidy()
			})
		},
	}
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "drop it without asking")
	return cmd
}

// delegating are the flags of catalog delegate.
type delegating struct {
	drafting
	keys, patches, vendors, drivers, builds []string
	threshold                               int
	end                                     bool
}

func (a *app) catalogDelegate() *cobra.Command {
	var d delegating
	cmd := &cobra.Command{
		Use:   "delegate DIR NAME --delegate-key FILE.pub --patch NAME --vendor NAME --driver NAME --build RELEASE,ARCH[,BUILDID] --key FILE",
		Short: "Let a vendor or a team publish by itself, within bounds",
		Long: `Makes the next targets metadata with a delegation to NAME, or another one in place
of what NAME has, and signs it as a publisher. A patch must fit in every respect: its
name (which may end in *), its vendor, its driver and the kernel build of each
artifact (* in a release stands for any characters). --end ends it for good: the name
cannot be used again.`,
		Args: exactly("DIR", "NAME"),
		RunE: func(_ *cobra.Command, args []string) error {
			return a.inFolder(args[0], func(f *folder.Folder) error {
				list, err := d.list(f.View.Delegations, args[1])
				if err != nil {
					return err
				}
				return a.propose(f, folder.Targets, d.drafting, func(expires time.Time) ([]byte, error) {
					return revise(f, folder.Targets, catalog.Revision{Delegations: list, Expires: expires})
				})
			})
		},
	}
	d.flags(cmd, found.TargetsLife)
	flags := cmd.Flags()
	flags.StringArrayVar(&d.keys, "delegate-key", nil, "a public key file of the delegate; may be repeated")
	flags.IntVar(&d.threshold, "threshold", 1, "how many of the delegate's keys must sign")
	flags.StringSliceVar(&d.patches, "patch", nil, "a patch name, or its beginning with * after it; may be repeated")
	flags.StringSliceVar(&d.vendors, "vendor", nil, "a vendor; may be repeated")
	flags.StringSliceVar(&d.drivers, "driver", nil, "a driver; may be repeated")
	flags.StringArrayVar(&d.builds, "build", nil, "RELEASE,ARCH or RELEASE,ARCH,BUILDID; may be repeated")
	flags.BoolVar(&d.end, "end", false, "end the delegation for good")
	return cmd
}

// list returns the delegations with the one that was asked for.
func (d delegating) list(have []catalog.Delegation, name string) ([]catalog.Delegation, error) {
	list := append([]catalog.Delegation{}, have...)
	at := slices.IndexFunc(list, func(one catalog.Delegation) bool { return one.Name == name })
	if d.end {
		if at < 0 {
			return nil, fail(exitNotFound, "hotstick catalog show DIR lists the delegations", "cannot end the delegation to %q: there is none", name)
		}
		return slices.Delete(list, at, at+1), nil
	}
	keys, err := loadKeys(d.keys)
	if err != nil {
		return nil, err
	}
	one := catalog.Delegation{Name: name, Keys: keys, Threshold: d.threshold,
		Scope: catalog.Scope{Patches: d.patches, Vendors: d.vendors, Drivers: d.drivers}}
	for _, b := range d.builds {
		parts := strings.Split(b, ",")
		if len(parts) < 2 || len(parts) > 3 {
			return nil, usage("want RELEASE,ARCH or RELEASE,ARCH,BUILDID", "cannot use %q for --build", b)
		}
		scope := catalog.BuildScope{Release: parts[0], Arch: parts[1]}
		if len(parts) == 3 {
			scope.BuildID = parts[2]
		}
		one.Scope.Builds = append(one.Scope.Builds, scope)
	}
	if at >= 0 {
		list[at] = one
		return list, nil
	}
	return append(list, one), nil
}
