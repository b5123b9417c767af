package kernelpkg

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/hotstick/hotstick"
)

// The Debian that guests with systemd run.
const (
	debianSuite    = "bookworm"
	debianPackages = "systemd,systemd-sysv,kmod"
	// debianSize is the size of the file system; the file is sparse.
	debianSize = 512 << 20
	// debianMirror is asked where apt does not say where the suite comes from.
	debianMirror = "http://deb.debian.org/debian"
)

// debianLeaves is what the packages bring and no guest reads.
var debianLeaves = []string{"/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*"}

// Debian returns the path of an ext4 image with a small Debian whose PID 1 is
// systemd, from the cache or made from Debian's archive, which takes mmdebstrap, root
// and about half a minute. Nothing in it is Hotstick's. Its file is never written to
// again. More are packages that it has besides.
func Debian(ctx context.Context, cache string, progress Progress, more ...string) (string, error) {
	return debian(ctx, command, cache, progress, more...)
}

func debian(ctx context.Context, run runner, cache string, progress Progress, more ...string) (string, error) {
	root, unlock, err := openCache(ctx, cache)
	if err != nil {
		return "", err
	}
	defer unlock()
	// The name is a digest of the recipe, so a new recipe makes a new image.
	name := debianSuite + "-" + hotstick.NewDigest([]byte(strings.Join(debianRecipe("", "", more...), "\n"))).Short()
	image := filepath.Join(root, "roots", name, "root.img")
	if _, err := os.Stat(image); err == nil {
		return image, nil
	}
	if os.Geteuid() != 0 {
		return "", &Problem{Text: "cannot make a Debian for guests: its files belong to root", Fix: "run this once as root"}
	}
	_, err = prepare(filepath.Join(root, "roots"), name, func(dir string) error {
		progress.say("making a Debian with systemd")
		tree := filepath.Join(dir, "tree")
		if _, err := run(ctx, dir, "mmdebstrap", debianRecipe(tree, source(ctx, run), more...)...); err != nil {
			return err
		}
		if err := fillImage(ctx, run, dir, tree); err != nil {
			return err
		}
		return os.RemoveAll(tree)
	})
	return image, err
}

// debianRecipe is how mmdebstrap makes the tree.
func debianRecipe(tree, from string, more ...string) []string {
	args := []string{"--quiet", "--variant=essential", "--include=" + strings.Join(append([]string{debianPackages}, more...), ",")}
	for _, leaf := range debianLeaves {
		args = append(args, "--dpkgopt=path-exclude="+leaf)
	}
	return append(args, debianSuite, tree, from)
}

// source is where this machine's apt takes the suite from.
func source(ctx context.Context, run runner) string {
	out, err := run(ctx, ".", "apt-get", "indextargets", "--format", "$(ORIGIN) $(CODENAME) $(COMPONENT) $(SITE)", "Created-By: Packages")
	if err != nil {
		return debianMirror
	}
	for line := range strings.Lines(out) {
		if site, ok := strings.CutPrefix(strings.TrimSpace(line), "Debian "+debianSuite+" main "); ok && site != "" {
			return site
		}
	}
	return debianMirror
}

// fillImage makes dir/root.img with what is in the tree.
func fillImage(ctx context.Context, run runner, dir, tree string) error {
	image := filepath.Join(dir, "root.img")
	if err := os.WriteFile(image, nil, 0o644); err != nil {
		return fmt.Errorf("cannot make a Debian for guests: %w", err)
	}
	if err := os.Truncate(image, debianSize); err != nil {
		return fmt.Errorf("cannot make a Debian for guests: %w", err)
	}
	_, err := run(ctx, dir, "mkfs.ext4", "-q", "-F", "-m", "0", "-d", tree, image)
	return err
}
