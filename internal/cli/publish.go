package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/api"
	"github.com/hotstick/hotstick/catalog"
	"github.com/hotstick/hotstick/client"
	"github.com/hotstick/hotstick/internal/cli/found"
	"github.com/hotstick/hotstick/internal/cli/manifest"
	"github.com/hotstick/hotstick/internal/cli/show"
	"github.com/hotstick/hotstick/internal/statement"
)

const publishHelp = `Reads manifest.yaml in FOLDER:

  apiVersion: hotstick/v1
  kind: Patch
  name: unix-ioctl                # lower-case letters, digits, dashes
  level: 1                        # higher levels replace lower ones
  summary: what it closes, in a line
  cves: [CVE-2026-52928]
  driver: klp
  reversibility: live             # live, downgrade or reboot
  replace: true                   # cumulative
  functions:
    - {object: vmlinux, name: unix_ioctl}
  touches:                        # optional: docs/reference/touches.md
    - {kind: sysctl, when: before, name: vm.swappiness, value: "7"}
  check: check.c                  # optional: shows the fault before, not after
  probe: /usr/lib/hotstick/probe  # optional: what agents ask on probation
  license: GPL-2.0

A patch of another system (driver: suse, kpatch, canonical, kernelcare, ksplice,
amazon, windows, reboot) has no functions, and one recipe for each kernel build as
its artifact, which says the level of the vendor's own that a host comes to have:

  apiVersion: hotstick/v1
  kind: Recipe
  driver: suse
  build: {release: 5.14.21-150400.24.100-default, arch: x86_64, build_id: 8d0c5f…}
  module: livepatch_150400_24_100_6_2_2      # what the kernel lists in effect
  packages:                                  # kpatch, suse, amazon, reboot
    - {name: kernel-livepatch-5_14_21-150400_24_100-default, version: 6-150400.2.2}

and of others version and cut_off (canonical), version and patch_set (kernelcare),
updates (ksplice), version and updates (windows), target (reboot); see
docs/reference/drivers.md. It is compiled, and its bytes are what the catalog signs.

Looks into every module (marked livepatch=Y, made
for the kernel build it is said to be for, whole), signs the catalog's next
targets metadata here with the publisher's key, and uploads both.

A module that says only its release is taken for the one kernel build of that
release in the fleet; where there is none or more than one, say which:
--artifact FILE=RELEASE,ARCH,BUILDID`

func (a *app) patchPublish() *cobra.Command {
	var key string
	var artifacts, vendor []string
	cmd := &cobra.Command{
		Use:   "publish FOLDER --key FILE --artifact FILE[=RELEASE,ARCH,BUILDID]",
		Short: "Sign a patch level and its built modules into the catalog",
		Long:  publishHelp,
		Args:  exactly("FOLDER"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if key == "" {
				return usage("--key FILE is the publisher's private key", "cannot publish without a key")
			}
			if len(artifacts) == 0 {
				return usage("--artifact FILE names a built module or a recipe; one for each kernel build", "cannot publish a patch without an artifact")
			}
			return a.with(cmd, func(ctx context.Context, c *client.Client) error {
				return a.publish(ctx, c, args[0], key, artifacts, vendor)
			})
		},
	}
	cmd.Flags().StringVar(&key, "key", "", "the publisher's "+keyUsage)
	cmd.Flags().StringArrayVar(&artifacts, "artifact", nil, "a built module or a recipe, and its kernel build if the fleet does not know it; may be repeated")
	cmd.Flags().StringArrayVar(&vendor, "vendor-signature", nil, vendorSignatureUsage)
	return cmd
}

func (a *app) publish(ctx context.Context, c *client.Client, folder, key string, artifacts, vendor []string) error {
	m, err := manifest.Read(folder)
	if err != nil {
		return usage("hotstick patch publish --help shows the format", "%v", err)
	}
	builds := func() ([]hotstick.KernelBuild, error) { return knownBuilds(ctx, c) }
	modules, err := readArtifacts(m, artifacts, builds)
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
	signer, err := a.openKey(key)
	if err != nil {
		return err
	}
	targets, err := a.signTargets(ctx, c, patch, modules, signer)
	if errors.Is(err, catalog.ErrPublished) {
		a.note(patch.Ref.String() + " is in the catalog already, byte for byte.")
		return a.printPublished(patch)
	}
	if err != nil {
		return err
	}
	files := modules.files()
	for _, digest := range slices.Sorted(maps.Keys(files)) {
		if err := c.UploadArtifact(ctx, digest, files[digest]); err != nil {
			return err
		}
	}
	if _, err := c.Publish(ctx, api.PublishRequest{Targets: targets}); err != nil {
		return err
	}
	a.note(fmt.Sprintf("Plan a rollout: hotstick rollout plan %s --select true --dry-run", patch.Ref))
	return a.printPublished(patch)
}

func (a *app) printPublished(patch hotstick.Patch) error {
	return a.print(view{value: patch, names: []string{patch.Ref.String()}, text: func(show.Style) string {
		text := "published " + patch.Ref.String() + "\n"
		for _, artifact := range patch.Artifacts {
			text += fmt.Sprintf("  %s  %s  %s\n", artifact.Build, artifact.Module, artifact.Digest.Short())
		}
		return text + show.Touches(patch)
	}})
}

// signTargets makes the catalog's next targets metadata from the newest that this
// machine has verified itself.
func (a *app) signTargets(ctx context.Context, c *client.Client, patch hotstick.Patch, modules modules, signer statement.Signer) ([]byte, error) {
	_, files, err := a.verified(ctx, c)
	if err != nil {
		return nil, err
	}
	root, targets, err := files.Metadata()
	if err != nil {
		return nil, err
	}
	signed, err := catalog.Publish(catalog.Publication{
		Root: root, Targets: targets, Patch: patch,
		Read:    modules.read,
		Check:   checkModule,
		Now:     a.env.Now(),
		Expires: found.End(a.env.Now(), found.TargetsLife),
	}, signer)
	if err != nil && !errors.Is(err, catalog.ErrPublished) {
		return nil, fail(exitRefused, "", "%v", err)
	}
	return signed, err
}
