package suse_test

import (
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver/suse"
)

const release = "5.14.21-150400.24.33-default"

// sles is a host with SLES 15 SP4 that runs the kernel above and no live patch.
func sles(more ...string) fstest.MapFS {
	fsys := fstest.MapFS{}
	put(fsys,
		"etc/os-release", "NAME=\"SLES\"\nVERSION=\"15-SP4\"\nID=\"sles\"\nID_LIKE=\"suse\"\n",
		"proc/sys/kernel/osrelease", release+"\n",
		"proc/modules", "ext4 811008 1 - Live 0x0000000000000000\n",
		"usr/sbin/klp", "#!/bin/bash\n")
	fsys["sys/kernel/livepatch"] = &fstest.MapFile{Mode: 0o755 | 1<<31}
	put(fsys, more...)
	return fsys
}

func put(fsys fstest.MapFS, files ...string) {
	for i := 0; i < len(files); i += 2 {
		fsys[files[i]] = &fstest.MapFile{Data: []byte(files[i+1])}
	}
}

// patch is what sysfs shows of a live patch.
func patch(fsys fstest.MapFS, name, enabled, transition string) {
	put(fsys, "sys/kernel/livepatch/"+name+"/enabled", enabled+"\n", "sys/kernel/livepatch/"+name+"/transition", transition+"\n")
}

func at(day string) func() time.Time {
	return func() time.Time {
		when, err := time.Parse(time.RFC3339, day+"T12:00:00Z")
		if err != nil {
			panic(err)
		}
		return when
	}
}

func TestAModuleIsNamedAfterItsPackage(t *testing.T) {
	for _, c := range []struct{ name, version, module string }{
		{"kernel-livepatch-5_14_21-150400_24_33-default", "6-150400.2.2", "livepatch_6_150400_2_2"},
		{"kernel-livepatch-5_3_18-24_34-default", "1-5.3.2", "livepatch_1_5_3_2"},
		{"kgraft-patch-3_12_62-60_64_8-default", "1-2.2", "kgraft_patch_1_2_2"},
		{"kernel-default", "5.14.21-150400.24.33.1", ""},
		{"kernel-livepatch-5_3_18-24_34-default", "1", ""},
	} {
		if have := suse.ModuleName(hotstick.Package{Name: c.name, Version: c.version}); have != c.module {
			t.Errorf("%s-%s brings %q, want %q", c.name, c.version, have, c.module)
		}
	}
}

func TestAPackageIsNamedAfterItsKernel(t *testing.T) {
	want := []string{"kernel-livepatch-5_14_21-150400_24_33-default", "kgraft-patch-5_14_21-150400_24_33-default"}
	if have := suse.PackageNames(release); !slices.Equal(have, want) {
		t.Errorf("have %v", have)
	}
}

func TestModulesOfOthersAreNotSUSEs(t *testing.T) {
	for _, name := range []string{"", "livepatch", "livepatch_", "livepatch_3", "livepatch_x_1", "livepatch_CVE_2022_36946", "kpatch_5_14_0_1", "lkp_Ubuntu_6_8_0_1047_50_aws_121", "hotstick_unix_ioctl_1", "livepatch_6_", "livepatch_6__2", "livepatch_6_150400_2/2", "livepatch_6_" + strings.Repeat("1", 64)} {
		if suse.IsModule(name) {
			t.Errorf("%q is taken for one of SUSE's", name)
		}
	}
}

func TestWhatIsInEffectIsReadFromTheKernel(t *testing.T) {
	fsys := sles("proc/modules", "livepatch_5_150400_2_2 16384 0 - Live 0x0 (EK)\nlivepatch_6_150400_2_2 16384 1 - Live 0x0 (EK)\n")
	patch(fsys, "livepatch_6_150400_2_2", "1", "0")
	patch(fsys, "hotstick_foreign", "1", "0")
	patch(fsys, "livepatch_7_150400_2_2", "1", "1")
	have, err := suse.NewObserver(fsys, time.Now).Observe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, p := range have {
		lines = append(lines, p.Driver+" "+p.Module+" "+string(p.State))
	}
	want := []string{"suse livepatch_6_150400_2_2 in_effect", "suse livepatch_7_150400_2_2 transition_in"}
	if !slices.Equal(lines, want) {
		t.Errorf("have %q\nwant %q", lines, want)
	}
}

func TestAModuleOfThatNameElsewhereIsNotSUSEs(t *testing.T) {
	fsys := sles("etc/os-release", "ID=vpsadminos\n")
	patch(fsys, "livepatch_6_150400_2_2", "1", "0")
	if have, err := suse.NewObserver(fsys, time.Now).Observe(t.Context()); err != nil || len(have) != 0 {
		t.Errorf("have %v, %v", have, err)
	}
}

func TestKGraftOfOldKernels(t *testing.T) {
	for _, c := range []struct {
		what     string
		files    []string
		want     string
		progress string
	}{
		{"in effect", []string{"kgraft_patch_1_2_2", "1"}, "kgraft_patch_1_2_2 in_effect", "0"},
		{"in transition", []string{"kgraft_patch_1_2_2", "1"}, "kgraft_patch_1_2_2 transition_in", "1"},
		{"replaced", []string{"kgraft_patch_1_2_2", "0", "kgraft_patch_2_3_1", "1"}, "kgraft_patch_2_3_1 in_effect", "0"},
		{"between two", []string{"kgraft_patch_1_2_2", "1", "kgraft_patch_2_3_1", "1"}, "kgraft_patch_1_2_2 unknown, kgraft_patch_2_3_1 unknown", "1"},
		{"it does not say", []string{"kgraft_patch_1_2_2", "1"}, "kgraft_patch_1_2_2 unknown", "?"},
	} {
		fsys := sles("sys/kernel/kgraft/in_progress", c.progress+"\n")
		delete(fsys, "sys/kernel/livepatch")
		for i := 0; i < len(c.files); i += 2 {
			put(fsys, "sys/module/"+c.files[i]+"/refcnt", c.files[i+1]+"\n")
		}
		patches, err := suse.NewObserver(fsys, time.Now).Observe(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var have []string
		for _, p := range patches {
			have = append(have, p.Module+" "+string(p.State))
		}
		if got := strings.Join(have, ", "); got != c.want {
			t.Errorf("%s: %q, want %q", c.what, got, c.want)
		}
	}
}

const lifecycle = `# SUSE's lifecycle data of the Live Patching module
kernel-livepatch-5_14_21-150400_22-default, *, 2023-05-09
kernel-livepatch-5_14_21-150400_24_33-default, *, 2023-11-15
kernel-livepatch-5_14_21-150400_24_33-default, 1-150400.2.1, 2023-10-01
`

func TestWhereTheSystemCanBeUsed(t *testing.T) {
	data := []string{"usr/share/lifecycle/data/sle-module-live-patching.lifecycle", lifecycle}
	for _, c := range []struct {
		what string
		fsys fstest.MapFS
		day  string
		want hotstick.ReasonCode
	}{
		{"SLES with its tools", sles(), "2023-01-01", ""},
		{"in the year of its kernel", sles(data...), "2023-11-15", ""},
		{"after that", sles(data...), "2023-11-17", hotstick.ReasonCoverEnded},
		{"a kernel of which the data says nothing", sles(append(data, "proc/sys/kernel/osrelease", "6.4.0-1-default\n")...), "2030-01-01", ""},
		{"another distribution", sles("etc/os-release", "ID=debian\n"), "2023-01-01", hotstick.ReasonUnsupported},
		{"SLE Micro", sles("etc/os-release", "ID=\"sle-micro\"\n"), "2023-01-01", hotstick.ReasonUnsupported},
		{"without klp", without(sles(), "usr/sbin/klp"), "2023-01-01", hotstick.ReasonUnsupported},
		{"a kernel without live patching", without(sles(), "sys/kernel/livepatch"), "2023-01-01", hotstick.ReasonUnsupported},
		{"SLES 12 with kgr", without(sles("usr/bin/kgr", "#!/bin/bash\n"), "usr/sbin/klp"), "2023-01-01", ""},
	} {
		can := suse.NewObserver(c.fsys, at(c.day)).Capabilities(t.Context())
		var have hotstick.ReasonCode
		if can.Reason != nil {
			have = can.Reason.Code
		}
		if have != c.want || can.Available != (c.want == "") {
			t.Errorf("%s: available %t, %q; want %q", c.what, can.Available, have, c.want)
		}
		if can.Undo != hotstick.UndoPrevious || can.TrustClass != hotstick.TrustStep || can.Schedules {
			t.Errorf("%s: %+v", c.what, can)
		}
	}
}

func TestTheEndOfTheCoverIsTold(t *testing.T) {
	data := []string{"usr/share/lifecycle/data/sle-module-live-patching.lifecycle", lifecycle}
	for day, fsys := range map[string]fstest.MapFS{
		"2023-11-15": sles(data...),
		"0001-01-01": sles(), // nothing is known
	} {
		if can := suse.NewObserver(fsys, at("2023-01-01")).Capabilities(t.Context()); can.CoverUntil.Format(time.DateOnly) != day {
			t.Errorf("covered until %s, want %s", can.CoverUntil, day)
		}
	}
}

func without(fsys fstest.MapFS, name string) fstest.MapFS {
	delete(fsys, name)
	return fsys
}

func TestAutomaticUpdatesAreSeen(t *testing.T) {
	fsys := sles("etc/systemd/system/timers.target.wants/os-update.timer", "", "etc/cron.daily/opensuse.org-online_update", "")
	can := suse.NewObserver(fsys, time.Now).Capabilities(t.Context())
	if want := "klp, beside automatic updates by os-update.timer and /etc/cron.daily/opensuse.org-online_update"; can.Tool != want {
		t.Errorf("it says %q", can.Tool)
	}
}

func FuzzLifecycle(f *testing.F) {
	f.Add([]byte(lifecycle))
	f.Add([]byte("a,,"))
	names := suse.PackageNames(release)
	f.Fuzz(func(t *testing.T, data []byte) {
		until, found := suse.ParseLifecycle(data, names)
		if found && !strings.Contains(string(data), until.Format(time.DateOnly)) {
			t.Errorf("%s is not in the data", until)
		}
		if !found && !until.IsZero() {
			t.Error("a day that was not found")
		}
	})
}

func FuzzModule(f *testing.F) {
	f.Add("livepatch_6_150400_2_2")
	f.Add("kgraft_patch_1_2_2")
	f.Fuzz(func(t *testing.T, name string) {
		if suse.IsModule(name) && (len(name) > 64 || strings.ContainsAny(name, "/. \n\x00")) {
			t.Errorf("%q is taken for a module", name)
		}
	})
}
