package rpm_test

import (
	"errors"
	"io/fs"
	"maps"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/hotstick/hotstick/internal/driver/rpm"
)

func file(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }

// The rows are of rpm's own tests of versions (rpmvercmp.at), as its documentation has them.
func TestVersionsAreComparedAsRPMDoes(t *testing.T) {
	for _, row := range []struct {
		a, b string
		want int
	}{
		{"1.0", "1.0", 0}, {"1.0", "2.0", -1}, {"2.0.1", "2.0", 1}, {"2.0.1a", "2.0.1", 1}, {"5.5p1", "5.5p2", -1}, {"5.5p10", "5.5p1", 1},
		{"10xyz", "10.1xyz", -1}, {"xyz10", "xyz10.1", -1}, {"xyz.4", "8", -1}, {"5.5p2", "5.6p1", -1}, {"6.0.rc1", "6.0", 1}, {"10b2", "10a1", 1},
		{"7.4.05", "7.4.5", 0}, {"1.0~rc1", "1.0", -1}, {"1.0~rc1", "1.0~rc2", -1}, {"1.0^", "1.0", 1}, {"1.0^git1", "1.0.1", -1}, {"1.0^git1~pre", "1.0^git1", -1},
		{"a+", "a_", 0}, {"1-1.el9_2", "1-2.el9_2", -1}, {"1-10.el9_2", "1-9.el9_2", 1}, {"1:1-1", "2-1", 1}, {"0-0", "1-1.el9", -1}, {"1.0-0.amzn2023", "1.0-4.amzn2023", -1},
	} {
		if got := rpm.Compare(row.a, row.b); got != row.want {
			t.Errorf("%s against %s is %d, want %d", row.a, row.b, got, row.want)
		}
		if got := rpm.Compare(row.b, row.a); got != -row.want {
			t.Errorf("%s against %s is %d, want %d", row.b, row.a, got, -row.want)
		}
	}
}

func FuzzCompare(f *testing.F) {
	f.Add("1.0~rc1-1", "1.0-1.el9")
	f.Add("^1", "~")
	f.Fuzz(func(t *testing.T, a, b string) {
		if rpm.Compare(a, b) != -rpm.Compare(b, a) || rpm.Compare(a, a) != 0 {
			t.Errorf("%q against %q is %d, and the other way round %d", a, b, rpm.Compare(a, b), rpm.Compare(b, a))
		}
	})
}

func TestSwitchesAreReadAsThePluginsReadThem(t *testing.T) {
	for text, want := range map[string]bool{
		"[main]\nautoupdate=True\n": true, "[main]\nautoupdate = false\n": false, "[main]\nAutoUpdate: yes\n": true, "# autoupdate=1\n[main]\n": false,
		"[other]\nautoupdate=1\n": false, "": false, "[main]\nautoupdate=1\nautoupdate=0\n": false, "[main]\nx=\n  autoupdate=1\n": false,
	} {
		if got, err := rpm.Switch([]byte(text), "main", "autoupdate"); err != nil || got != want {
			t.Errorf("%q is %t (%v), want %t", text, got, err, want)
		}
	}
	if _, err := rpm.Switch([]byte("[main]\nautoupdate=perhaps\n"), "main", "autoupdate"); !errors.Is(err, rpm.ErrNotBoolean) {
		t.Errorf("perhaps is %v", err)
	}
}

func FuzzOption(f *testing.F) {
	f.Add("[main]\na=b\n", "main", "a")
	f.Fuzz(func(t *testing.T, text, section, name string) {
		if value, ok := rpm.Option([]byte(text), section, name); !strings.Contains(text, value) || !ok && value != "" {
			t.Errorf("%q has %q=%q (%t)", text, name, value, ok)
		}
	})
}

func TestWhatInstallsUpdatesByItselfIsNamed(t *testing.T) {
	timer, config := "etc/systemd/system/timers.target.wants/dnf-automatic.timer", "etc/dnf/automatic.conf"
	for _, row := range []struct {
		name  string
		files fstest.MapFS
		want  string
	}{
		{"nothing", fstest.MapFS{config: file("[commands]\napply_updates = yes\n")}, ""},
		{"a timer that only downloads", fstest.MapFS{timer: file(""), config: file("[commands]\napply_updates = no\n")}, ""},
		{"a timer that installs", fstest.MapFS{timer: file(""), config: file("[commands]\napply_updates = yes\n")}, "dnf-automatic.timer"},
		{"one that cannot be read", fstest.MapFS{timer: file(""), config: file("[commands]\napply_updates = perhaps\n")}, "dnf-automatic.timer"},
		{"one that leaves live patches out", fstest.MapFS{timer: file(""), config: file("[commands]\napply_updates = yes\n[base]\nexcludepkgs = foo, kpatch-patch*\n")}, ""},
		{"one that always installs", fstest.MapFS{"etc/systemd/system/timers.target.wants/dnf-automatic-install.timer": {Mode: fs.ModeSymlink, Data: []byte("x")}}, "dnf-automatic-install.timer"},
		{"yum-cron", fstest.MapFS{"etc/systemd/system/multi-user.target.wants/yum-cron.service": file(""), "etc/yum/yum-cron.conf": file("[commands]\napply_updates = yes\n")}, "yum-cron.service"},
	} {
		if got := rpm.Automatic(row.files, "kpatch-patch*"); (got == "") != (row.want == "") || !strings.HasPrefix(got, row.want) {
			t.Errorf("%s: %q, want %q", row.name, got, row.want)
		}
	}
}

func TestTheToolAndItsModulesAreFound(t *testing.T) {
	host := fstest.MapFS{
		"etc/os-release": file("NAME=x\nID=\"rhel\"\nVERSION_ID=\"9.4\"\n"), "usr/sbin/kpatch": file("#!/bin/bash\nINSTALLDIR=/var/lib/kpatch\nVERSION=0.9.9\n"),
		"var/lib/kpatch/6.1.0/kpatch-fix-1.ko": file("x"), "usr/lib/kpatch/6.1.0/other.ko": file("x"), "var/lib/kpatch/6.1.0/readme": file("x"), "var/lib/kpatch/6.2.0/later.ko": file("x"),
	}
	if s := rpm.SystemOf(host); s != (rpm.System{ID: "rhel", Version: "9.4"}) {
		t.Errorf("the system is %+v", s)
	}
	if tool := rpm.Tool(host); tool != "kpatch 0.9.9" {
		t.Errorf("the tool is %q", tool)
	}
	want := map[string]string{"kpatch_fix_1": "var/lib/kpatch/6.1.0/kpatch-fix-1.ko", "other": "usr/lib/kpatch/6.1.0/other.ko"}
	if got := rpm.Modules(host, "6.1.0"); !maps.Equal(got, want) {
		t.Errorf("the modules are %v", got)
	}
	if got := rpm.Modules(host, "../kpatch/6.1.0"); len(got) != 0 || rpm.Tool(fstest.MapFS{}) != "" {
		t.Errorf("the modules are %v", got)
	}
}
