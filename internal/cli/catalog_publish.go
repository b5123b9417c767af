package cli

import (
	"maps"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/catalog"
	"github.com/hotstick/hotstick/internal/cli/folder"
	"github.com/hotstick/hotstick/internal/cli/found"
	"github.com/hotstick/hotstick/internal/cli/manifest"
)

func (a *app) catalogPublish() *cobra.Command {
	var d drafting
	var artifacts, vendor []string
	var as string
	cmd := &cobra.Command{
		Use:   "publish DIR FOLDER --artifact FILE=RELEASE,ARCH,BUILDID --key FILE",
		Short: "Sign a patch level and its built modules offline",
		Long: `Makes the next targets metadata with the patch of FOLDER/manifest.yaml in it, signs
it, and keeps the modules beside it; hotstick catalog push uploads both. The format of
the manifest, and what is looked into, are those of hotstick patch publish. There is no
fleet to ask here, so each module comes with its kernel build.`,
		Args: exactly("DIR", "FOLDER"),
		RunE: func(_ *cobra.Command, args []string) error {
			if len(artifacts) == 0 {
				return usage("--artifact FILE=RELEASE,ARCH,BUILDID names a built module; one for each kernel build", "cannot publish a patch without an artifact")
			}
			m, err := manifest.Read(args[1])
			if err != nil {
				return usage("hotstick patch publish --help shows the format", "%v", err)
			}
			modules, err := readArtifacts(m, artifacts, func() ([]hotstick.KernelBuild, error) { return []hotstick.KernelBuild{}, nil })
			if err == nil {
				err = modules.sign(vendor)
			}
			if err != nil {
				return err
			}
			patch, err := m.Patch(modules.artifacts())
			if err != nil {
				return usage("", "%v", err)
			}
			return a.inFolder(args[0], func(f *folder.Folder) error { return a.publishOffline(f, as, patch, modules, d) })
		},
	}
	d.flags(cmd, found.TargetsLife)
	cmd.Flags().StringArrayVar(&artifacts, "artifact", nil, "a built module and its kernel build; may be repeated")
	cmd.Flags().StringArrayVar(&vendor, "vendor-signature", nil, vendorSignatureUsage)
	cmd.Flags().StringVar(&as, "as", folder.Targets, "publish as the delegate of this name instead of as a publisher")
	return cmd
}

// publishOffline keeps the modules before the metadata that lists them.
func (a *app) publishOffline(f *folder.Folder, role string, patch hotstick.Patch, modules modules, d drafting) error {
	err := a.propose(f, role, d, func(expires time.Time) ([]byte, error) {
		p := catalog.Publication{Root: f.RootFile, Targets: f.TargetsFile, Patch: patch,
			Read: modules.read, Check: checkModule, Now: a.env.Now(), Expires: expires}
		if role != folder.Targets {
			p.Delegation, p.Own = role, f.CurrentFile(role)
		}
		data, err := catalog.Publish(p)
		if err != nil {
			return nil, err
		}
		files := modules.files()
		for _, digest := range slices.Sorted(maps.Keys(files)) {
			if err := f.KeepArtifact(digest, files[digest]); err != nil {
				return nil, err
			}
		}
		return data, nil
	})
	if tidied := f.Tidy(); err == nil {
		err = tidied
	}
	return err
}
