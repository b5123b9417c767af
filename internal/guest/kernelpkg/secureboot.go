package kernelpkg

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
)

// Firmware is UEFI for guests, with Secure Boot on and one key in its db: the one of
// Debian's package ovmf that is made for tests and whose private half everybody knows.
// The kernel trusts it for modules too.
type Firmware struct {
	Code string // the firmware itself, read-only
	Vars string // its variables as they are at first: PK, KEK and db hold the certificate
	// Key and Certificate sign what such a guest boots and loads, in PEM.
	Key, Certificate string
	sign             string // sbsign
}

// snakeoil is the passphrase of the key, as the package's documentation says.
const snakeoil = "snakeoil"

// SecureBoot returns the firmware, from the cache or from Debian's packages ovmf and
// sbsigntool.
func SecureBoot(ctx context.Context, cache string, progress Progress) (Firmware, error) {
	root, unlock, err := openCache(ctx, cache)
	if err != nil {
		return Firmware{}, err
	}
	defer unlock()
	dir := filepath.Join(root, "tools", "ovmf")
	f := Firmware{
		Code: filepath.Join(dir, "usr/share/OVMF/OVMF_CODE_4M.secboot.fd"), Vars: filepath.Join(dir, "usr/share/OVMF/OVMF_VARS_4M.snakeoil.fd"),
		Key: filepath.Join(dir, "db.key"), Certificate: filepath.Join(dir, "usr/share/ovmf/PkKek-1-snakeoil.pem"),
		sign: filepath.Join(dir, "usr/bin/sbsign"),
	}
	if _, err := os.Stat(f.Key); err == nil {
		return f, nil
	}
	_, err = prepare(filepath.Dir(dir), "ovmf", func(dir string) error {
		progress.say("downloading firmware with Secure Boot")
		if err := download(ctx, command, dir, func(s string) { progress.say("%s", s) }, "ovmf", "sbsigntool"); err != nil {
			return err
		}
		if err := unpack(ctx, command, dir); err != nil {
			return err
		}
		_, err := command(ctx, dir, "openssl", "pkey", "-in", "usr/share/ovmf/PkKek-1-snakeoil.key", "-passin", "pass:"+snakeoil, "-out", "db.key")
		return err
	})
	return f, err
}

// SignKernel returns the kernel with an image of its own in dir that the firmware
// boots: Debian's signature stays, the key's is added.
func (f Firmware) SignKernel(ctx context.Context, k Kernel, dir string) (Kernel, error) {
	signed := filepath.Join(dir, "vmlinuz.signed")
	if _, err := command(ctx, dir, f.sign, "--key", f.Key, "--cert", f.Certificate, "--output", signed, k.Image); err != nil {
		return Kernel{}, err
	}
	k.Image = signed
	return k, nil
}

// SignModule signs a module in its place, as the kernel's build does.
func (f Firmware) SignModule(ctx context.Context, k Kernel, module string) error {
	tools, err := filepath.Glob(filepath.Join(k.Headers, "..", "..", "lib", "linux-kbuild-*", "scripts", "sign-file"))
	if err == nil && len(tools) == 0 {
		err = fmt.Errorf("the headers of %s have no sign-file", k.Release)
	}
	if err != nil {
		return fmt.Errorf("cannot sign %s: %w", module, err)
	}
	_, err = command(ctx, filepath.Dir(module), tools[0], "sha256", f.Key, f.Certificate, module)
	return err
}
