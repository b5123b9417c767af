package kpatch_test

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver/kpatch"
)

func file(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }

// machine is a host of a distribution on which these modules are live patches in effect, and
// "left_over" is one that was replaced.
func machine(id string, modules ...string) fstest.MapFS {
	m := fstest.MapFS{
		"proc/sys/kernel/osrelease": file("5.14.0-284.11.1.el9_2.x86_64\n"), "etc/os-release": file("ID=" + id + "\n"),
		"sys/kernel/livepatch/.keep": file(""), "usr/sbin/kpatch": file("#!/bin/bash\nVERSION=0.9.9\n"),
		"proc/sys/kernel/modules_disabled": file("0\n"),
	}
	lines := "left_over 16384 0 - Live 0x0 (OEK)\nkpatch_5_14_0_284_11_1_1_0 16384 0 - Live 0x0 (OEK)\n"
	for _, name := range modules {
		m["sys/kernel/livepatch/"+name+"/enabled"], m["sys/kernel/livepatch/"+name+"/transition"] = file("1\n"), file("0\n")
		lines += name + " 16384 1 - Live 0x0 (OEK)\n"
	}
	m["proc/modules"] = file(lines)
	return m
}

func TestOnlyTheSystemsOwnPatchesAreListed(t *testing.T) {
	for _, row := range []struct {
		name string
		host fstest.MapFS
		want string
	}{
		{"a package of Red Hat", machine("rhel", "kpatch_5_14_0_284_11_1_1_2"), "kpatch_5_14_0_284_11_1_1_2"},
		{"somebody else's", machine("rhel", "lkp_Ubuntu_1", "livepatch_6_150400_2_2", "kpatch_", "kpatched_1"), ""},
		{"on Amazon Linux", machine("amzn", "kpatch_5_14_0_284_11_1_1_2"), ""},
	} {
		var got []string
		patches, err := kpatch.NewObserver(row.host).Observe(t.Context())
		for _, p := range patches {
			got = append(got, p.Module)
			if p.Driver != kpatch.Name || p.State != hotstick.InEffect {
				t.Errorf("%s: %+v", row.name, p)
			}
		}
		if err != nil || strings.Join(got, " ") != row.want {
			t.Errorf("%s: listed %v (%v), want %q", row.name, got, err, row.want)
		}
	}
	own := machine("fedora", "livepatch_fix", "livepatch_later")
	own["var/lib/kpatch/5.14.0-284.11.1.el9_2.x86_64/livepatch-fix.ko"], own["var/lib/kpatch/6.0.0/livepatch-later.ko"] = file("x"), file("x")
	patches, err := kpatch.NewObserver(own).Observe(t.Context())
	if err != nil || len(patches) != 1 || patches[0].Module != "livepatch_fix" {
		t.Errorf("of two modules one is for this release: %+v (%v)", patches, err)
	}
}

func TestAHostSaysWhatItsSystemCan(t *testing.T) {
	automatic := file("[main]\nautoupdate = True\n")
	for _, row := range []struct {
		name      string
		change    func(fstest.MapFS)
		available bool
		code      hotstick.ReasonCode
		undo      hotstick.Undo
		schedules bool
		held      bool
	}{
		{"RHEL", func(fstest.MapFS) {}, true, "", hotstick.UndoReboot, true, true},
		{"RHEL that is automatic", func(m fstest.MapFS) { m[kpatch.Config] = automatic }, true, "", hotstick.UndoReboot, true, false},
		{"a setting that nobody understands", func(m fstest.MapFS) { m[kpatch.Config] = file("[main]\nautoupdate=maybe\n") }, true, "", hotstick.UndoReboot, true, false},
		{"modules of one's own", func(m fstest.MapFS) { m["etc/os-release"] = file("ID=debian\n") }, true, "", hotstick.UndoDisable, false, false},
		{"no tool", func(m fstest.MapFS) { delete(m, "usr/sbin/kpatch") }, false, hotstick.ReasonUnsupported, hotstick.UndoReboot, true, true},
		{"Amazon Linux", func(m fstest.MapFS) { m["etc/os-release"] = file("ID=amzn\n") }, false, hotstick.ReasonUnsupported, hotstick.UndoDisable, false, false},
		{"no live patching", func(m fstest.MapFS) { delete(m, "sys/kernel/livepatch/.keep") }, false, hotstick.ReasonUnsupported, hotstick.UndoReboot, true, true},
		{"no modules any more", func(m fstest.MapFS) { m["proc/sys/kernel/modules_disabled"] = file("1\n") }, false, hotstick.ReasonModulesDisabled, hotstick.UndoReboot, true, true},
	} {
		host := machine("rhel")
		row.change(host)
		c := kpatch.NewObserver(host).Capabilities(t.Context())
		var code hotstick.ReasonCode
		if c.Reason != nil {
			code = c.Reason.Code
		}
		if c.Available != row.available || code != row.code || c.Undo != row.undo || c.Schedules != row.schedules || c.Held != row.held || c.TrustClass != hotstick.TrustStep {
			t.Errorf("%s: %+v", row.name, c)
		}
	}
}

func TestWhatWouldBeLoadedAtTheNextBoot(t *testing.T) {
	const installed, wanted = "var/lib/kpatch/5.14.0-284.11.1.el9_2.x86_64/livepatch-fix.ko", "etc/systemd/system/multi-user.target.wants/kpatch.service"
	for _, row := range []struct {
		name  string
		files map[string]string
		unit  string
	}{
		{"nothing is installed", map[string]string{wanted: ""}, ""},
		{"nobody loads it", map[string]string{installed: "x"}, ""},
		{"for another release", map[string]string{wanted: "", "var/lib/kpatch/6.0.0/livepatch-fix.ko": "x"}, ""},
		{"kept for Hotstick", map[string]string{wanted: "", "var/lib/hotstick/kpatch/5.14.0-284.11.1.el9_2.x86_64/livepatch-fix.ko": "x"}, ""},
		{"switched off on the command line", map[string]string{wanted: "", installed: "x", "proc/cmdline": "quiet kpatch.enable=0\n"}, ""},
		{"the unit loads it", map[string]string{wanted: "", installed: "x", "proc/cmdline": "quiet\n"}, "kpatch.service"},
	} {
		host := machine("fedora")
		for name, text := range row.files {
			host[name] = file(text)
		}
		if unit := kpatch.AtBoot(host); unit != row.unit {
			t.Errorf("%s: by %q", row.name, unit)
		}
	}
}

func TestNamesOfPackagesAndModules(t *testing.T) {
	for _, row := range []struct {
		p      hotstick.Package
		module string
		is     bool
	}{
		{hotstick.Package{Name: "kpatch-patch-5_14_0-284_11_1", Version: "1-2.el9_2"}, "kpatch_5_14_0_284_11_1_1_2", true},
		{hotstick.Package{Name: "kpatch-patch-5_14_0-284_11_1", Version: "0-0.el9_2"}, "", true},
		{hotstick.Package{Name: "kpatch-patch-5_14_0-284_11", Version: "1-2.el9_2"}, "kpatch_5_14_0_284_11_1_2", true},
		{hotstick.Package{Name: "kpatch-patch-5_14_0-284_1", Version: "1-2.el9_2"}, "kpatch_5_14_0_284_1_1_2", false},
		{hotstick.Package{Name: "kpatch-patch-", Version: "1-2.el9_2"}, "", false},
		{hotstick.Package{Name: "kernel", Version: "5.14.0"}, "", false},
	} {
		if module, ok := kpatch.ModuleOf(row.p); module != row.module || ok != (row.module != "") {
			t.Errorf("%s has the module %q, want %q", row.p, module, row.module)
		}
		if is := kpatch.ForRelease(row.p, "5.14.0-284.11.1.el9_2.x86_64"); is != row.is {
			t.Errorf("%s is for the release: %t", row.p, is)
		}
	}
}

func FuzzModuleOf(f *testing.F) {
	f.Add("kpatch-patch-5_14_0-284_11_1", "1-2.el9_2", "5.14.0-284.11.1.el9_2.x86_64")
	f.Fuzz(func(t *testing.T, name, version, release string) {
		p := hotstick.Package{Name: name, Version: version}
		module, ok := kpatch.ModuleOf(p)
		if ok && (!strings.HasPrefix(module, "kpatch_") || strings.ContainsAny(module, "-. /")) {
			t.Errorf("%s has the module %q", p, module)
		}
		if kpatch.ForRelease(p, release) && !strings.HasPrefix(name, "kpatch-patch-") {
			t.Errorf("%s is for %q", p, release)
		}
	})
}
