package klpchange_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/hotstick/hotstick/internal/guest/kernelpkg"
	"github.com/hotstick/hotstick/internal/rig/rigtest"
)

const patchesDir = "../../../../patches"

// suite is what this package's tests need in guests. Two CPUs, because one that idles is
// one that does not make the change. Each guest also gets a patch for the other line, to
// refuse. Six tests, one of which has a case for each of the driver's promises.
var suite = rigtest.Suite{Name: "klp", CPUs: 2, AtLeast: 24, Build: buildModules, Others: true, Limit: 15 * time.Minute}

// TestRealKernels builds this package's tests as a static program and runs those
// of them that change a kernel inside guests.
func TestRealKernels(t *testing.T) { suite.Run(t) }

// buildModules builds the patches' modules in a directory.
func buildModules(ctx context.Context, k kernelpkg.Kernel, dir string) error {
	sources := []string{"testdata/stacked"}
	for _, name := range []string{"unix-ioctl-1", "unix-ioctl-2", "busy-1", "busy-target"} {
		sources = append(sources, filepath.Join(patchesDir, name))
	}
	for _, source := range sources {
		if _, err := k.BuildModule(ctx, source, dir); err != nil {
			return err
		}
	}
	return signAsStranger(ctx, k, dir)
}

// signAsStranger signs one of the modules with a key that no kernel knows.
func signAsStranger(ctx context.Context, k kernelpkg.Kernel, dir string) error {
	tools, err := filepath.Glob(filepath.Join(k.Headers, "..", "..", "lib", "linux-kbuild-*", "scripts", "sign-file"))
	if err != nil || len(tools) != 1 {
		return fmt.Errorf("cannot find sign-file beside %s: %v, %v", k.Headers, tools, err)
	}
	keys, err := os.MkdirTemp("", "hotstick-keys-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(keys)
	key, certificate := filepath.Join(keys, "key.pem"), filepath.Join(keys, "certificate.pem")
	for _, c := range [][]string{
		{"openssl", "req", "-new", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=" + stranger, "-keyout", key, "-out", certificate},
		{tools[0], "sha512", key, certificate, filepath.Join(dir, "hotstick_unix_ioctl_1.ko"), filepath.Join(dir, "stranger.ko")},
	} {
		if out, err := exec.CommandContext(ctx, c[0], c[1:]...).CombinedOutput(); err != nil {
			return fmt.Errorf("%v: %w\n%s", c, err, out)
		}
	}
	return nil
}

// stranger is the name of that key.
const stranger = "A Stranger"
