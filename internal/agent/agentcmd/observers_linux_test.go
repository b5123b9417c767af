package agentcmd

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/hotstick/hotstick/internal/agent"
)

// host is a machine of a distribution on which some live patches are in effect.
func host(osRelease string, patches []string, files map[string]string) fstest.MapFS {
	fsys := fstest.MapFS{"sys/kernel/livepatch": {Mode: 0o755 | 1<<31}}
	put := func(name, text string) { fsys[name] = &fstest.MapFile{Data: []byte(text)} }
	put("etc/os-release", osRelease)
	put("proc/sys/kernel/random/boot_id", "115d7128-2911-4fb8-ab22-b08c6015dd04\n")
	put("proc/sys/kernel/osrelease", "6.1.0-47-amd64\n")
	put("proc/sys/kernel/arch", "x86_64\n")
	put("sys/kernel/notes", "\x04\x00\x00\x00\x14\x00\x00\x00\x03\x00\x00\x00GNU\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10\x11\x12\x13\x14")
	modules := ""
	for _, name := range patches {
		modules += name + " 16384 1 - Live 0x0000000000000000 (OEK)\n"
		put("sys/kernel/livepatch/"+name+"/enabled", "1\n")
		put("sys/kernel/livepatch/"+name+"/transition", "0\n")
	}
	put("proc/modules", modules)
	for name, text := range files {
		put(name, text)
	}
	return fsys
}

// What an agent sees by itself, without a privilege and without running anything: which
// systems the host has, and whose each live patch is.
func TestEachVendorsSystemIsInTheFacts(t *testing.T) {
	for _, c := range []struct {
		name    string
		machine fstest.MapFS
		drivers string
		patches string
	}{
		{"Debian", host("ID=debian\n", []string{"hotstick_fix_1"}, nil),
			"klp", "hotstick_fix_1=klp"},
		{"Debian that loads no modules any more", host("ID=debian\n", []string{"hotstick_fix_1"}, map[string]string{"proc/sys/kernel/modules_disabled": "1\n"}),
			"klp!modules_disabled", "hotstick_fix_1=klp"},
		{"SLES", host("ID=\"sles\"\n", []string{"livepatch_6_150400_2_2"}, map[string]string{"usr/sbin/klp": ""}),
			"klp suse", "livepatch_6_150400_2_2=suse"},
		{"SLES whose tool is not installed", host("ID=\"sles\"\n", []string{"livepatch_6_150400_2_2"}, nil),
			"klp", "livepatch_6_150400_2_2=suse"},
		{"RHEL", host("ID=rhel\n", []string{"kpatch_5_14_0_284_11_1_1_2", "hotstick_fix_1"}, map[string]string{"usr/sbin/kpatch": "VERSION=0.9.9\n"}),
			"klp kpatch", "hotstick_fix_1=klp kpatch_5_14_0_284_11_1_1_2=kpatch"},
		{"modules of one's own", host("ID=debian\n", []string{"livepatch_fix"}, map[string]string{"usr/sbin/kpatch": "VERSION=0.9.9\n", "var/lib/kpatch/6.1.0-47-amd64/livepatch-fix.ko": "x"}),
			"klp kpatch", "livepatch_fix=kpatch"},
		{"Amazon Linux 2023", host("ID=amzn\nVERSION_ID=2023\n", []string{"livepatch_1_0_3"}, map[string]string{"usr/sbin/kpatch": "VERSION=0.9.9\n"}),
			"klp amazon", "livepatch_1_0_3=amazon"},
		{"Amazon Linux 2 without live patching", host("ID=amzn\nVERSION_ID=2\n", nil, nil),
			"klp amazon!not_entitled", ""},
		{"Ubuntu", host("ID=ubuntu\n", []string{"lkp_Ubuntu_6_8_0_1047_50_aws_121"}, map[string]string{"snap/bin/canonical-livepatch": ""}),
			"klp", "lkp_Ubuntu_6_8_0_1047_50_aws_121=canonical"},
	} {
		m := &agent.Machine{Root: c.machine, Drivers: observers(c.machine)}
		facts, err := m.Facts(t.Context())
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		var drivers, patches []string
		for _, d := range facts.Drivers {
			name := d.Driver
			if !d.Available {
				name = fmt.Sprintf("%s!%s", name, d.Reason.Code)
			}
			drivers = append(drivers, name)
		}
		for _, p := range facts.Livepatch.Patches {
			patches = append(patches, p.Module+"="+p.Driver)
		}
		slices.Sort(patches)
		if is := strings.Join(drivers, " "); is != c.drivers {
			t.Errorf("%s: the drivers are %s, want %s", c.name, is, c.drivers)
		}
		if is := strings.Join(patches, " "); is != c.patches {
			t.Errorf("%s: the patches are %s, want %s", c.name, is, c.patches)
		}
	}
}
