package kernelpkg

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// mirror plays Debian's tools over an archive that offers two builds. It works
// on real files, so what Fetch leaves behind can be looked at.
type mirror struct {
	t       *testing.T
	offline bool
	cutAt   string // unpacking a package whose name starts so fails half way
	ran     []string
}

const (
	oldRelease = "6.1.0-47-cloud-amd64"
	newRelease = "6.1.0-56-cloud-amd64"
)

func (m *mirror) run(ctx context.Context, dir, program string, args ...string) (string, error) {
	m.ran = append(m.ran, program+" "+strings.Join(args, " "))
	if m.offline {
		return "", fmt.Errorf("cannot run %s: no network here", program)
	}
	switch {
	case program == "apt-cache" && args[0] == "pkgnames":
		return args[1] + "0-47-cloud-amd64\n" + args[1] + "0-56-cloud-amd64\n", nil
	case program == "apt-cache" && args[0] == "madison":
		var b strings.Builder
		for _, name := range args[1:] {
			version := "6.1.192-2"
			if strings.Contains(name, "-47-") {
				version = "6.1.170-3"
			}
			fmt.Fprintf(&b, "%s | %s | http://deb.example/debian bookworm/main amd64 Packages\n", name, version)
		}
		return b.String(), nil
	case program == "apt-cache" && args[0] == "show":
		release, version, _ := strings.Cut(strings.TrimPrefix(args[1], "linux-headers-"), "=")
		common := strings.TrimSuffix(release, "-cloud-amd64") + "-common"
		return "Package: x\nDepends: linux-headers-" + common + " (= " + version + "), linux-kbuild-6.1 (>= " + version + ")\n", nil
	case program == "apt-get":
		for _, spec := range args[slices.Index(args, "download")+1:] {
			name, _, _ := strings.Cut(spec, "=")
			m.write(filepath.Join(dir, name+".deb"), name)
		}
		return "", nil
	case program == "dpkg":
		return "", m.unpack(filepath.Base(args[1]), args[2])
	}
	return "", fmt.Errorf("unexpected: %s %v", program, args)
}

func (m *mirror) write(name, text string) {
	m.t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		m.t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		m.t.Fatal(err)
	}
}

func (m *mirror) unpack(deb, dir string) error {
	name := strings.TrimSuffix(deb, ".deb")
	if release, ok := strings.CutPrefix(name, "linux-image-"); ok {
		kernel := vmlinux(kernelNotes())
		m.write(filepath.Join(dir, "boot/vmlinuz-"+release), string(bzImage(gzipped(kernel), len(kernel))))
		if m.cutAt != "" && strings.HasPrefix(name, m.cutAt) {
			return errors.New("killed")
		}
		m.write(filepath.Join(dir, "lib/modules", release, "modules.builtin"), "")
	}
	if release, ok := strings.CutPrefix(name, "linux-headers-"); ok && !strings.HasSuffix(name, "-common") {
		m.write(filepath.Join(dir, "usr/src", name, "Makefile"), "include /usr/src/linux-headers-"+strings.TrimSuffix(release, "-cloud-amd64")+"-common/Makefile\n")
		m.write(filepath.Join(dir, "usr/src", name, "vmlinux"), "types")
	}
	return nil
}

func (m *mirror) mustFetch(cache string, which Which) Kernel {
	m.t.Helper()
	k, err := fetch(context.Background(), m.run, cache, Want{Line: "6.1", Which: which}, nil)
	if err != nil {
		m.t.Fatal(err)
	}
	return k
}

func TestFetchFindsOldestAndNewest(t *testing.T) {
	cache, m := t.TempDir(), &mirror{t: t}
	for which, release := range map[Which]string{Oldest: oldRelease, Newest: newRelease} {
		k := m.mustFetch(cache, which)
		if k.Release != release || k.BuildID != someID {
			t.Errorf("%s: got %s with build ID %s", which, k.Release, k.BuildID)
		}
		for _, p := range []string{k.Image, k.Modules, k.Headers} {
			if _, err := os.Stat(p); err != nil || !filepath.IsAbs(p) {
				t.Errorf("%s: path %q: %v", which, p, err)
			}
		}
	}
}

func TestFetchedHeadersNameNoInstalledPath(t *testing.T) {
	k := (&mirror{t: t}).mustFetch(t.TempDir(), Oldest)
	makefile, err := os.ReadFile(filepath.Join(k.Headers, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	if text := string(makefile); strings.Contains(text, "/usr/src/") || !strings.Contains(text, "../linux-headers-6.1.0-47-common/Makefile") {
		t.Errorf("the headers' Makefile says %q", text)
	}
	if _, err := os.Stat(filepath.Join(k.Headers, "vmlinux")); err == nil {
		t.Error("the headers still have a vmlinux, so a build would ask for pahole")
	}
}

func TestTheOldestBuildInTheCacheNeedsNoArchive(t *testing.T) {
	cache, m := t.TempDir(), &mirror{t: t}
	want := m.mustFetch(cache, Oldest)
	m.offline, m.ran = true, nil
	if got := m.mustFetch(cache, Oldest); got != want || len(m.ran) != 0 {
		t.Errorf("got %+v after running %q", got, m.ran)
	}
}

func TestTheNewestBuildInTheCacheServesWhenTheArchiveIsAway(t *testing.T) {
	cache, m := t.TempDir(), &mirror{t: t}
	want := m.mustFetch(cache, Newest)
	m.offline = true
	if got := m.mustFetch(cache, Newest); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestAKilledFetchLeavesNothingThatLooksValid(t *testing.T) {
	cache, m := t.TempDir(), &mirror{t: t, cutAt: "linux-image-"}
	if _, err := fetch(context.Background(), m.run, cache, Want{Line: "6.1"}, nil); err == nil {
		t.Fatal("a fetch that was cut off succeeded")
	}
	entries, err := os.ReadDir(filepath.Join(cache, "kernels"))
	if err != nil || len(entries) != 0 {
		t.Errorf("the cache holds %v, %v", entries, err)
	}
	// What a process that was killed outright leaves behind is removed by the next.
	abandoned := filepath.Join(cache, "kernels", temporaryPrefix+"1")
	m.write(filepath.Join(abandoned, "half.deb"), "half")
	m.cutAt = ""
	m.mustFetch(cache, Oldest)
	if _, err := os.Stat(abandoned); err == nil {
		t.Error("an abandoned directory is still there")
	}
}

func TestADamagedCacheEntryIsFetchedAgain(t *testing.T) {
	for _, damage := range []string{"kernel.json", "boot"} {
		cache, m := t.TempDir(), &mirror{t: t}
		want := m.mustFetch(cache, Oldest)
		entry := filepath.Dir(filepath.Dir(want.Image))
		if err := os.RemoveAll(filepath.Join(entry, damage)); err != nil {
			t.Fatal(err)
		}
		if got := m.mustFetch(cache, Oldest); got != want {
			t.Errorf("without %s: got %+v, want %+v", damage, got, want)
		}
		if _, err := os.Stat(want.Image); err != nil {
			t.Error(err)
		}
	}
}

func TestFetchSaysWhatToDo(t *testing.T) {
	nothing := func(_ context.Context, _, program string, _ ...string) (string, error) { return "", nil }
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, cache string
		run         runner
		says, hint  string
	}{
		{"nothing is offered", t.TempDir(), nothing, "cannot find a 6.1 kernel", "apt-get update"},
		{"the cache is a file", file, nothing, "cannot use cache directory", "XDG_CACHE_HOME"},
		{"the cache has a space", filepath.Join(t.TempDir(), "a b"), nothing, "cannot build below a path with spaces", "XDG_CACHE_HOME"},
	} {
		_, err := fetch(context.Background(), tt.run, tt.cache, Want{Line: "6.1"}, nil)
		var p *Problem
		if !errors.As(err, &p) || !strings.Contains(p.Text, tt.says) || !strings.Contains(p.Hint(), tt.hint) {
			t.Errorf("%s: got %v", tt.name, err)
		}
	}
	_, err := command(context.Background(), "", "apt-get-of-another-world")
	var p *Problem
	if !errors.As(err, &p) || !strings.Contains(p.Text, "not installed") {
		t.Errorf("a missing program: got %v", err)
	}
}

func TestAWantThatIsMisspeltIsRefused(t *testing.T) {
	for _, w := range []Want{{}, {Line: "six"}, {Line: "6.1", Which: "latest"}, {Line: "6.1", Flavour: "../x"}, {Line: "6.1/.."}} {
		if _, err := fetch(context.Background(), (&mirror{t: t}).run, t.TempDir(), w, nil); err == nil {
			t.Errorf("accepted %+v", w)
		}
	}
}

func TestOnlyOneProcessWorksOnTheCache(t *testing.T) {
	cache := t.TempDir()
	_, unlock, err := openCache(context.Background(), cache)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, _, err := openCache(ctx, cache); !errors.Is(err, context.Canceled) {
		t.Errorf("a second one got in: %v", err)
	}
	unlock()
	_, unlock, err = openCache(context.Background(), cache)
	if err != nil {
		t.Fatal(err)
	}
	unlock()
}
