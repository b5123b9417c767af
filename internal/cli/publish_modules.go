package cli

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/client"
	"github.com/hotstick/hotstick/internal/cli/manifest"
	"github.com/hotstick/hotstick/internal/kernel/kmod"
)

// module is one built module that is to be published.
type module struct {
	file     string
	data     []byte
	artifact hotstick.Artifact
	// signature is the vendor's, in a file of its own; nil if there is none.
	signature []byte
}

type modules []module

func (m modules) artifacts() []hotstick.Artifact {
	var list []hotstick.Artifact
	for _, mod := range m {
		list = append(list, mod.artifact)
	}
	return list
}

func (m modules) read(a hotstick.Artifact) ([]byte, error) {
	for _, mod := range m {
		switch a.Digest {
		case mod.artifact.Digest:
			return mod.data, nil
		case mod.artifact.VendorSignature.Digest:
			return mod.signature, nil
		}
	}
	return nil, fmt.Errorf("cannot find the bytes of %s for %s", a.Module, a.Build)
}

// readArtifacts reads what the manifest's driver has for artifacts.
func readArtifacts(m manifest.Manifest, args []string, builds func() ([]hotstick.KernelBuild, error)) (modules, error) {
	if m.ByRecipe() {
		return readRecipes(m.Driver, args)
	}
	return readModules(args, builds)
}

// readRecipes reads every recipe and compiles it.
func readRecipes(driver string, args []string) (modules, error) {
	var list modules
	for _, arg := range args {
		file, spec, said := strings.Cut(arg, "=")
		raw, err := readArtifact(file)
		if err != nil {
			return nil, err
		}
		var build hotstick.KernelBuild
		if said {
			if build, err = parseBuild(spec); err != nil {
				return nil, err
			}
		}
		recipe, err := manifest.ParseRecipe(raw, build)
		if err == nil && recipe.Driver != driver {
			err = fmt.Errorf("cannot use a recipe for %s: the manifest says driver: %s", recipe.Driver, driver)
		}
		if err != nil {
			return nil, usage("hotstick patch publish --help shows the format", "cannot publish %s: %v", file, err)
		}
		data, err := recipe.Encode()
		if err != nil {
			return nil, usage("", "cannot publish %s: %v", file, err)
		}
		list = append(list, module{file: file, data: data, artifact: hotstick.Artifact{Build: recipe.Build,
			Digest: hotstick.NewDigest(data), SizeBytes: int64(len(data)), Module: recipe.Module}})
	}
	return list, nil
}

// readModules reads every artifact and finds out which kernel build it is for.
// builds asks the fleet, once, and only if a file does not come with its build.
func readModules(args []string, builds func() ([]hotstick.KernelBuild, error)) (modules, error) {
	var list modules
	var known []hotstick.KernelBuild
	for _, arg := range args {
		file, spec, said := strings.Cut(arg, "=")
		data, err := readArtifact(file)
		if err != nil {
			return nil, err
		}
		info, err := kmod.Read(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			return nil, fail(exitRefused, "build it for the kernel it is meant for, as a live patch", "cannot publish %s: %v", file, err)
		}
		var build hotstick.KernelBuild
		if said {
			build, err = parseBuild(spec)
		} else {
			if known == nil {
				if known, err = builds(); err != nil {
					return nil, err
				}
			}
			build, err = detectBuild(file, info, known)
		}
		if err != nil {
			return nil, err
		}
		artifact := hotstick.Artifact{Build: build, Digest: hotstick.NewDigest(data), SizeBytes: int64(len(data)), Module: info.Name, SignedBy: info.SignedBy, SignedHash: info.SignedHash}
		if err := checkInfo(file, info, artifact); err != nil {
			return nil, err
		}
		list = append(list, module{file: file, data: data, artifact: artifact})
	}
	return list, nil
}

func readArtifact(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read the artifact: %w", err)
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, hotstick.MaxArtifactBytes+1))
	if err != nil {
		return nil, fmt.Errorf("cannot read the artifact: %w", err)
	}
	if len(data) > hotstick.MaxArtifactBytes {
		return nil, fail(exitRefused, "is this a kernel module?", "cannot publish %s: it is longer than %d bytes", path, hotstick.MaxArtifactBytes)
	}
	return data, nil
}

// parseBuild reads RELEASE,ARCH,BUILDID.
func parseBuild(spec string) (hotstick.KernelBuild, error) {
	parts := strings.Split(spec, ",")
	if len(parts) != 3 {
		return hotstick.KernelBuild{}, usage("write FILE=RELEASE,ARCH,BUILDID, as hotstick host list -o wide shows them", "cannot read %q as a kernel build", spec)
	}
	b := hotstick.KernelBuild{Release: parts[0], Arch: parts[1], BuildID: parts[2]}
	if err := b.Validate(); err != nil {
		return b, usage("write FILE=RELEASE,ARCH,BUILDID, as hotstick host list -o wide shows them", "%v", err)
	}
	return b, nil
}

// detectBuild finds the one kernel build of the fleet that the module's own
// version magic names. A release may have been built twice, and then only the
// publisher can tell.
func detectBuild(file string, info kmod.Info, known []hotstick.KernelBuild) (hotstick.KernelBuild, error) {
	var fit []hotstick.KernelBuild
	for _, b := range known {
		if b.Release == info.Release() && (info.Arch == "" || b.Arch == info.Arch) {
			fit = append(fit, b)
		}
	}
	hint := fmt.Sprintf("say which: --artifact %s=%s,ARCH,BUILDID", file, info.Release())
	switch len(fit) {
	case 1:
		return fit[0], nil
	case 0:
		return hotstick.KernelBuild{}, fail(exitRefused, hint, "cannot tell the kernel build of %s: it was built for %s, which no host of the fleet runs", file, info.Release())
	}
	return hotstick.KernelBuild{}, fail(exitRefused, hint, "cannot tell the kernel build of %s: the fleet runs %d builds of %s", file, len(fit), info.Release())
}

// knownBuilds lists the kernel builds of the fleet.
func knownBuilds(ctx context.Context, c *client.Client) ([]hotstick.KernelBuild, error) {
	overview, err := c.Overview(ctx)
	if err != nil {
		return nil, err
	}
	builds := []hotstick.KernelBuild{}
	for _, b := range overview.Coverage {
		builds = append(builds, b.Build)
	}
	return builds, nil
}

// checkModule looks into an artifact once more, right before it is signed.
func checkModule(patch hotstick.Patch, artifact hotstick.Artifact, data []byte) error {
	info, err := kmod.Read(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return err
	}
	if info.Marks.Contradicts(patch.Reversibility) {
		return fmt.Errorf("cannot publish %s as %s: the module shows %s; write reversibility: %s into its manifest", artifact.Module, patch.Reversibility, info.Marks, info.Marks.Reversibility())
	}
	return checkInfo(artifact.Module, info, artifact)
}

func checkInfo(file string, info kmod.Info, a hotstick.Artifact) error {
	switch {
	case !info.Livepatch:
		return fail(exitRefused, `mark it in its source: MODULE_INFO(livepatch, "Y")`, "cannot publish %s: it is no live patch, for it does not say livepatch=Y", file)
	case info.Release() != a.Build.Release || info.Arch != "" && info.Arch != a.Build.Arch:
		return fail(exitRefused, "build it against that kernel's headers", "cannot publish %s for %s: it was built for %s (%s)", file, a.Build, info.Release(), info.Arch)
	case info.SignedBy != a.SignedBy:
		return fail(exitRefused, "", "cannot publish %s: %s signed it and not %s", file, info.SignedBy, a.SignedBy)
	case info.SignedHash != a.SignedHash:
		return fail(exitRefused, "", "cannot publish %s: its signature is over %q and not %q", file, info.SignedHash, a.SignedHash)
	case info.Name != a.Module:
		return fail(exitRefused, "", "cannot publish %s: it is named %s and not %s", file, info.Name, a.Module)
	}
	return nil
}
