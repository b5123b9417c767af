package masters_test

import (
	"errors"
	"io/fs"
	"reflect"
	"testing"
	"testing/fstest"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/kernel/masters"
)

func link(to string) *fstest.MapFile { return &fstest.MapFile{Mode: fs.ModeSymlink, Data: []byte(to)} }

func file() *fstest.MapFile { return &fstest.MapFile{Data: []byte("x")} }

// kpatchUnit is what its package installs.
const kpatchUnit = "usr/lib/systemd/system/kpatch.service"

func TestOtherMastersAreFoundByWhatTheyLeaveOnTheDisk(t *testing.T) {
	wants := "etc/systemd/system/multi-user.target.wants/"
	for _, row := range []struct {
		name   string
		files  fstest.MapFS
		loaded []string
		want   []hotstick.Master
	}{
		{"nobody", fstest.MapFS{"etc/os-release": file()}, nil, nil},
		{"a patch of nobody's", fstest.MapFS{}, []string{"hotstick_fix_1"}, nil},
		{"kpatch that is enabled", fstest.MapFS{kpatchUnit: file(), wants + "kpatch.service": link("/" + kpatchUnit), "var/lib/kpatch/6.1.0/kpatch-fix.ko": file()},
			nil, []hotstick.Master{{System: "kpatch", Unit: "kpatch.service", Active: true, Modules: []string{"kpatch_fix"}}}},
		{"kpatch that is enabled and has nothing to load", fstest.MapFS{kpatchUnit: file(), wants + "kpatch.service": link("/" + kpatchUnit)},
			nil, []hotstick.Master{{System: "kpatch", Unit: "kpatch.service"}}},
		{"kpatch that is disabled", fstest.MapFS{kpatchUnit: file(), "usr/lib/kpatch/6.1.0/kpatch_fix.ko": file()},
			[]string{"kpatch_fix"}, []hotstick.Master{{System: "kpatch", Unit: "kpatch.service", Modules: []string{"kpatch_fix"}}}},
		{"kpatch that is enabled and masked", fstest.MapFS{"etc/systemd/system/kpatch.service": link("/dev/null"), wants + "kpatch.service": link("/" + kpatchUnit), "var/lib/kpatch/6.1.0/fix.ko": file()},
			nil, []hotstick.Master{{System: "kpatch", Unit: "kpatch.service", Modules: []string{"fix"}}}},
		{"a patch that kpatch loaded by hand", fstest.MapFS{}, []string{"kpatch_5_14_0"}, []hotstick.Master{{System: "kpatch", Modules: []string{"kpatch_5_14_0"}}}},
		{"kpatch of Amazon Linux", fstest.MapFS{"etc/os-release": {Data: []byte("NAME=x\nID=\"amzn\"\n")}, kpatchUnit: file(), wants + "kpatch.service": link("/" + kpatchUnit), "var/lib/kpatch/6.1.0/livepatch_CVE_1.ko": file()},
			[]string{"livepatch_CVE_1"}, []hotstick.Master{{System: "amazon", Unit: "kpatch.service", Active: true, Modules: []string{"livepatch_CVE_1"}}}},
		{"Canonical", fstest.MapFS{"snap/bin/canonical-livepatch": file(), wants + "snap.canonical-livepatch.canonical-livepatchd.service": link("x")},
			[]string{"lkp_Ubuntu_6_8_0_1"}, []hotstick.Master{{System: "canonical", Unit: "snap.canonical-livepatch.canonical-livepatchd.service", Active: true, Modules: []string{"lkp_Ubuntu_6_8_0_1"}}}},
		{"KernelCare by its cron job", fstest.MapFS{"usr/bin/kcarectl": file(), "etc/cron.d/kcare-cron": file()}, nil, []hotstick.Master{{System: "kernelcare", Active: true}}},
		{"Uptrack", fstest.MapFS{"usr/sbin/uptrack-upgrade": file(), "etc/cron.d/uptrack": file()}, nil, []hotstick.Master{{System: "ksplice", Active: true}}},
		{"Uptrack that is switched off", fstest.MapFS{"usr/sbin/uptrack-upgrade": file(), "etc/cron.d/uptrack": file(), "etc/uptrack/disable": file()}, nil, []hotstick.Master{{System: "ksplice"}}},
		{"SUSE", fstest.MapFS{"lib/modules/6.4.0/livepatch/livepatch-6.ko.zst": file()}, []string{"livepatch_6"}, []hotstick.Master{{System: "suse", Active: true, Modules: []string{"livepatch_6"}}}},
	} {
		var patches []hotstick.LoadedPatch
		for _, m := range row.loaded {
			patches = append(patches, hotstick.LoadedPatch{Module: m, State: hotstick.InEffect})
		}
		if got := masters.Find(row.files, patches); !reflect.DeepEqual(got, row.want) {
			t.Errorf("%s: found %+v, want %+v", row.name, got, row.want)
		}
	}
}

func TestAModulesFileIsFoundForItsReleaseOnly(t *testing.T) {
	disk := fstest.MapFS{"var/lib/kpatch/6.1.0/kpatch-fix.ko": {Data: []byte("six one")}, "usr/lib/kpatch/6.12.0/kpatch_fix.ko": {Data: []byte("six twelve")},
		"lib/modules/6.4.0/livepatch/livepatch-6.ko.zst": file()}
	for release, want := range map[string]string{"6.1.0": "six one", "6.12.0": "six twelve"} {
		if got, _, err := masters.File(disk, release, "kpatch_fix"); err != nil || string(got) != want {
			t.Errorf("for %s the file is %q (%v), want %q", release, got, err, want)
		}
	}
	for _, row := range []struct{ release, module string }{{"6.1.0", "other"}, {"5.10.0", "kpatch_fix"}, {"6.1.0", "../../../etc/passwd"}} {
		if _, _, err := masters.File(disk, row.release, row.module); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s for %s: %v", row.module, row.release, err)
		}
	}
	if _, at, err := masters.File(disk, "6.4.0", "livepatch_6"); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a compressed file at %q is read (%v)", at, err)
	}
}
