package demo

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// contents is what a package brings.
type contents struct {
	// files has mode, owner and digest of each file, by its path.
	files map[string]string
	// scripts are by their names in a deb.
	scripts map[string]string
	// config are the files that the package system itself keeps for a person.
	config  []string
	version string
	arch    string
	needs   []string
}

// TestTheRPMsBringWhatTheDebsBring reads both with the tools of their distributions. The
// debs are installed, upgraded and removed on a real host by another test.
func TestTheRPMsBringWhatTheDebsBring(t *testing.T) {
	if testing.Short() {
		t.Skip("builds and packs whole programs; run without -short")
	}
	for _, tool := range []string{"rpm", "dpkg-deb"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is not installed: scripts/setup test", tool)
		}
	}
	t.Parallel()
	programs := built(t)
	debs, rpms := mustPackage(t, programs, firstVersion, "deb"), mustPackage(t, programs, firstVersion, "rpm")
	var all []string
	for name, file := range rpms {
		deb, rpm := mustReadDeb(t, debs[name]), mustReadRPM(t, file)
		same(t, name+": file", rpm.files, deb.files)
		same(t, name+": script", rpm.scripts, deb.scripts)
		if len(rpm.scripts) < 3 {
			t.Errorf("%s has %d scripts", name, len(rpm.scripts))
		}
		if !slices.Equal(rpm.needs, deb.needs) {
			t.Errorf("%s needs %v, the deb %v", name, rpm.needs, deb.needs)
		}
		if got := []string{rpm.version, rpm.arch, deb.version, deb.arch}; !slices.Equal(got, []string{firstVersion, "x86_64", firstVersion, "amd64"}) {
			t.Errorf("%s and the deb are %v", name, got)
		}
		for file, what := range rpm.files {
			all = append(all, file)
			mode := "644"
			if dir := path.Dir(file); dir == "/usr/sbin" || dir == "/usr/bin" {
				mode = "755"
			}
			if !strings.HasPrefix(what, mode+" root:root ") {
				t.Errorf("%s brings %s as %s, want %s of root", name, file, what, mode)
			}
			// What a person has written is in no package, so no upgrade can replace it.
			if strings.HasPrefix(file, "/etc/") && !strings.HasSuffix(file, ".example") {
				t.Errorf("%s brings %s, which is a person's", name, file)
			}
		}
		if len(rpm.config) > 0 || len(deb.config) > 0 {
			t.Errorf("%s has the configuration files %v, the deb %v", name, rpm.config, deb.config)
		}
	}
	units, err := filepath.Glob("../../deploy/systemd/*")
	if err != nil || len(units) == 0 {
		t.Fatal("there are no units", err)
	}
	for _, unit := range units {
		base := filepath.Base(unit)
		name, kind := strings.TrimSuffix(base, filepath.Ext(base)), filepath.Ext(base)
		want := "/usr/lib/systemd/system/" + base
		if kind == ".sysusers" || kind == ".tmpfiles" {
			want = "/usr/lib/" + kind[1:] + ".d/" + name + ".conf"
		}
		if n := len(slices.DeleteFunc(slices.Clone(all), func(file string) bool { return file != want })); n != 1 {
			t.Errorf("%s is in %d packages as %s", base, n, want)
		}
	}
}

// same reports what differs between an rpm and a deb.
func same(t *testing.T, what string, rpm, deb map[string]string) {
	t.Helper()
	names := slices.Sorted(maps.Keys(rpm))
	for name := range deb {
		if _, both := rpm[name]; !both {
			names = append(names, name)
		}
	}
	for _, name := range names {
		if rpm[name] != deb[name] {
			t.Errorf("%s %s is in the rpm\n%q\nand in the deb\n%q", what, name, rpm[name], deb[name])
		}
	}
}

// mustReadDeb reads a package with Debian's tool.
func mustReadDeb(t *testing.T, deb string) contents {
	t.Helper()
	c := contents{files: map[string]string{}, scripts: map[string]string{}}
	c.version = strings.TrimSpace(mustRun(t, ".", "dpkg-deb", "-f", deb, "Version"))
	c.arch = strings.TrimSpace(mustRun(t, ".", "dpkg-deb", "-f", deb, "Architecture"))
	for need := range strings.SplitSeq(mustRun(t, ".", "dpkg-deb", "-f", deb, "Depends"), ",") {
		if need = strings.TrimSpace(need); need != "" {
			c.needs = append(c.needs, need)
		}
	}
	control := t.TempDir()
	mustRun(t, ".", "dpkg-deb", "-e", deb, control)
	for _, script := range []string{"preinst", "postinst", "prerm", "postrm"} {
		text, err := os.ReadFile(filepath.Join(control, script))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		c.scripts[script] = strings.TrimSpace(string(text))
	}
	if text, err := os.ReadFile(filepath.Join(control, "conffiles")); err == nil {
		c.config = strings.Fields(string(text))
	}
	archive, err := exec.CommandContext(t.Context(), "dpkg-deb", "--fsys-tarfile", deb).Output()
	if err != nil {
		t.Fatal(err)
	}
	for r := tar.NewReader(bytes.NewReader(archive)); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return c
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Typeflag == tar.TypeDir {
			continue // rpm makes the directories that its files need
		}
		digest := sha256.New()
		if _, err := io.Copy(digest, r); err != nil {
			t.Fatal(err)
		}
		c.files[path.Join("/", h.Name)] = fmt.Sprintf("%o %s:%s %s", h.Mode, h.Uname, h.Gname, hex.EncodeToString(digest.Sum(nil)))
	}
}

// mustReadRPM reads a package with rpm.
func mustReadRPM(t *testing.T, rpm string) contents {
	t.Helper()
	c := contents{files: map[string]string{}, scripts: map[string]string{}}
	ask := func(format string) string {
		out, err := exec.CommandContext(t.Context(), "rpm", "-qp", "--qf", format, rpm).Output()
		if err != nil {
			t.Fatalf("rpm cannot read %s: %v", rpm, err)
		}
		return strings.TrimSpace(string(out))
	}
	c.version, c.arch = ask("%{VERSION}"), ask("%{ARCH}")
	for need := range strings.Lines(ask(`[%{REQUIRENAME}\n]`)) {
		// What scripts and rpm itself need is no package of ours.
		if need = strings.TrimSpace(need); !strings.HasPrefix(need, "rpmlib(") && need != "/bin/sh" {
			c.needs = append(c.needs, need)
		}
	}
	for tag, script := range map[string]string{"PREIN": "preinst", "POSTIN": "postinst", "PREUN": "prerm", "POSTUN": "postrm"} {
		if text := ask("%{" + tag + "}"); text != "(none)" {
			c.scripts[script] = text
			if program := ask("%{" + tag + "PROG}"); program != "/bin/sh" {
				t.Errorf("%s runs its %s with %q", filepath.Base(rpm), script, program)
			}
		}
	}
	for line := range strings.Lines(ask(`[%{FILENAMES} %{FILEMODES:octal} %{FILEUSERNAME}:%{FILEGROUPNAME} %{FILEDIGESTS} %{FILEFLAGS:fflags}\n]`)) {
		field := strings.Fields(line)
		if len(field) < 4 || !strings.HasPrefix(field[1], "100") {
			t.Fatalf("%s has %q, want a regular file", filepath.Base(rpm), line)
		}
		c.files[field[0]] = field[1][len("100"):] + " " + field[2] + " " + field[3]
		if len(field) > 4 && strings.ContainsAny(field[4], "cn") {
			c.config = append(c.config, field[0])
		}
	}
	return c
}
