package kernelpkg

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Which says which build of a line is wanted.
type Which string

// The builds that can be asked for.
const (
	Oldest Which = "oldest" // the oldest the archive still offers: real CVEs are open in it
	Newest Which = "newest" // the newest the archive offers
)

// DefaultFlavour is Debian's kernel for virtual machines. It has all that a
// guest needs (live patching, virtio, ext4, ramoops) at a third of the size of
// the plain "amd64" flavour.
const DefaultFlavour = "cloud-amd64"

// Want names a kernel build by what it should be instead of by version.
type Want struct {
	Line    string // upstream line, for example "6.1" or "6.12"
	Which   Which  // Oldest if empty
	Flavour string // DefaultFlavour if empty; "amd64" for the plain one
}

// Kernel is an unpacked kernel build. All paths are absolute.
type Kernel struct {
	Release string `json:"release"`  // what `uname -r` prints
	Version string `json:"version"`  // Debian package version, for example "6.1.170-3"
	BuildID string `json:"build_id"` // GNU build-id note in lower-case hex, as in /sys/kernel/notes
	Image   string `json:"image"`    // bootable bzImage
	Modules string `json:"modules"`  // what is /lib/modules/RELEASE on an installed system
	Headers string `json:"headers"`  // build directory for out-of-tree modules
}

// Progress is told, in words, what is being done. It may be nil.
type Progress func(step string)

func (p Progress) say(format string, args ...any) {
	if p != nil {
		p(fmt.Sprintf(format, args...))
	}
}

// Fetch returns the wanted kernel build, from the cache if it is there and from
// Debian's archive otherwise. An empty cache name means [DefaultCache]. It is
// safe to call from several processes; they wait for each other.
func Fetch(ctx context.Context, cache string, want Want, progress Progress) (Kernel, error) {
	return fetch(ctx, command, cache, want, progress)
}

func fetch(ctx context.Context, run runner, cache string, want Want, progress Progress) (Kernel, error) {
	want, err := want.complete()
	if err != nil {
		return Kernel{}, err
	}
	root, unlock, err := openCache(ctx, cache)
	if err != nil {
		return Kernel{}, err
	}
	defer unlock()

	cached, cachedErr := readResolved(root, want)
	if cachedErr == nil && want.Which == Oldest {
		return cached, nil
	}
	o, err := resolve(ctx, run, want, progress)
	if err != nil {
		if cachedErr == nil {
			progress.say("the archive cannot be asked (%v); using %s from the cache", err, cached.Release)
			return cached, nil
		}
		return Kernel{}, err
	}
	entry := o.entry()
	k, err := readEntry(filepath.Join(root, "kernels", entry))
	if err != nil {
		if k, err = install(ctx, run, root, o, progress); err != nil {
			return Kernel{}, err
		}
	}
	return k, writeResolved(root, want, entry)
}

func (w Want) complete() (Want, error) {
	if w.Which == "" {
		w.Which = Oldest
	}
	if w.Flavour == "" {
		w.Flavour = DefaultFlavour
	}
	if w.Which != Oldest && w.Which != Newest {
		return w, fmt.Errorf("cannot fetch kernel: which build is %q; it must be oldest or newest", w.Which)
	}
	if w.Line == "" || strings.Trim(w.Line, "0123456789.") != "" {
		return w, fmt.Errorf("cannot fetch kernel: line is %q; it must look like 6.1", w.Line)
	}
	if strings.ContainsAny(w.Flavour, "/ \t\n") {
		return w, fmt.Errorf("cannot fetch kernel: %q is no flavour", w.Flavour)
	}
	return w, nil
}

// entry names the cache entry of an offer. The version belongs into it because a
// release can be rebuilt, with another build ID, under the same name.
func (o offer) entry() string {
	return strings.NewReplacer("~", "-", ":", "-").Replace(o.Release + "_" + o.Version)
}

func resolve(ctx context.Context, run runner, want Want, progress Progress) (offer, error) {
	offers, err := lookUp(ctx, run, want.Line, want.Flavour)
	if err != nil {
		return offer{}, err
	}
	if len(offers) == 0 && os.Geteuid() == 0 {
		progress.say("bringing apt's package lists up to date")
		if _, err := run(ctx, "", "apt-get", "-q", "update"); err != nil {
			return offer{}, &Problem{Text: err.Error(), Fix: "check the network and apt's sources", Cause: err}
		}
		if offers, err = lookUp(ctx, run, want.Line, want.Flavour); err != nil {
			return offer{}, err
		}
	}
	if len(offers) == 0 {
		return offer{}, &Problem{
			Text: fmt.Sprintf("cannot find a %s kernel of flavour %s with headers in the archive", want.Line, want.Flavour),
			Fix:  "run: sudo apt-get update, and check that apt's sources list this Debian's security archive",
		}
	}
	if want.Which == Newest {
		return offers[len(offers)-1], nil
	}
	return offers[0], nil
}

// install downloads an offer and makes its cache entry.
func install(ctx context.Context, run runner, root string, o offer, progress Progress) (Kernel, error) {
	names, err := packages(ctx, run, o)
	if err != nil {
		return Kernel{}, err
	}
	final, err := prepare(filepath.Join(root, "kernels"), o.entry(), func(dir string) error {
		progress.say("downloading kernel %s (Debian %s) with headers", o.Release, o.Version)
		if err := download(ctx, run, dir, func(s string) { progress.say("%s", s) }, names...); err != nil {
			return err
		}
		progress.say("unpacking kernel %s", o.Release)
		if err := unpack(ctx, run, dir); err != nil {
			return err
		}
		return finish(dir, o, unpacker(ctx, run, root, progress))
	})
	if err != nil {
		return Kernel{}, err
	}
	return readEntry(final)
}

// finish turns an unpacked tree into an entry: headers that build where they
// are, the build ID, and last the description that makes the entry valid.
func finish(dir string, o offer, unpack unpackFunc) error {
	k := Kernel{Release: o.Release, Version: o.Version}
	var err error
	if k.Image, err = find(dir, "boot/vmlinuz-"+o.Release); err != nil {
		return err
	}
	if k.Modules, err = find(dir, "lib/modules/"+o.Release, "usr/lib/modules/"+o.Release); err != nil {
		return err
	}
	if k.Headers, err = find(dir, "usr/src/linux-headers-"+o.Release); err != nil {
		return err
	}
	if err := relocateHeaders(filepath.Join(dir, k.Headers)); err != nil {
		return err
	}
	image, err := os.ReadFile(filepath.Join(dir, k.Image))
	if err != nil {
		return fmt.Errorf("cannot read kernel image: %w", err)
	}
	if k.BuildID, err = imageBuildID(image, unpack); err != nil {
		return fmt.Errorf("cannot read build ID of %s: %w", o.Release, err)
	}
	data, err := json.MarshalIndent(k, "", "\t")
	if err != nil {
		return fmt.Errorf("cannot describe cache entry: %w", err)
	}
	return os.WriteFile(filepath.Join(dir, "kernel.json"), data, 0o644)
}

func find(dir string, names ...string) (string, error) {
	for _, n := range names {
		if _, err := os.Stat(filepath.Join(dir, n)); err == nil {
			return n, nil
		}
	}
	return "", fmt.Errorf("cannot use kernel package: it holds no %s", strings.Join(names, " or "))
}

// relocateHeaders makes unpacked headers usable where they lie. Debian's per-flavour
// Makefile includes the common one by its installed, absolute path. A vmlinux that
// comes along (it holds types only) is removed: with it the build asks for pahole
// to write type data that a live patch does not need.
func relocateHeaders(headers string) error {
	name := filepath.Join(headers, "Makefile")
	old, err := os.ReadFile(name)
	if err != nil {
		return fmt.Errorf("cannot relocate headers: %w", err)
	}
	const here = "include $(dir $(realpath $(lastword $(MAKEFILE_LIST))))../"
	text := strings.ReplaceAll(string(old), "include /usr/src/", here)
	if text == string(old) {
		return fmt.Errorf("cannot relocate headers: %s names no headers below /usr/src", name)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		return fmt.Errorf("cannot relocate headers: %w", err)
	}
	if err := os.Remove(filepath.Join(headers, "vmlinux")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("cannot relocate headers: %w", err)
	}
	return nil
}

// readEntry reads an entry's description and checks that what it names is there.
func readEntry(dir string) (Kernel, error) {
	data, err := os.ReadFile(filepath.Join(dir, "kernel.json"))
	if err != nil {
		return Kernel{}, fmt.Errorf("cannot read cache entry: %w", err)
	}
	var k Kernel
	if err := json.Unmarshal(data, &k); err != nil {
		return Kernel{}, fmt.Errorf("cannot read cache entry %s: %w", dir, err)
	}
	for _, p := range []*string{&k.Image, &k.Modules, &k.Headers} {
		*p = filepath.Join(dir, *p)
		if _, err := os.Stat(*p); err != nil {
			return Kernel{}, fmt.Errorf("cannot use cache entry: %w", err)
		}
	}
	if k.Release == "" || k.BuildID == "" {
		return Kernel{}, fmt.Errorf("cannot use cache entry %s: it names no release or no build ID", dir)
	}
	return k, nil
}

func resolvedName(root string, w Want) string {
	return filepath.Join(root, "resolved", w.Line+"-"+w.Flavour+"-"+string(w.Which))
}

func readResolved(root string, w Want) (Kernel, error) {
	entry, err := os.ReadFile(resolvedName(root, w))
	if err != nil {
		return Kernel{}, err
	}
	return readEntry(filepath.Join(root, "kernels", filepath.Base(strings.TrimSpace(string(entry)))))
}

func writeResolved(root string, w Want, entry string) error {
	name := resolvedName(root, w)
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return fmt.Errorf("cannot note resolved kernel: %w", err)
	}
	tmp := name + ".new"
	if err := os.WriteFile(tmp, []byte(entry+"\n"), 0o644); err != nil {
		return fmt.Errorf("cannot note resolved kernel: %w", err)
	}
	return os.Rename(tmp, name)
}
