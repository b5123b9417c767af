package amazon_test

import (
	"testing"
	"testing/fstest"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver/amazon"
)

func file(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }

func machine(id, version string) fstest.MapFS {
	return fstest.MapFS{
		"etc/os-release": file("ID=\"" + id + "\"\nVERSION_ID=\"" + version + "\"\n"), "usr/sbin/kpatch": file("#!/bin/bash\nVERSION=0.9.9\n"),
		"proc/sys/kernel/modules_disabled": file("0\n"), "sys/kernel/livepatch/livepatch_CVE_1/enabled": file("1\n"), "sys/kernel/livepatch/livepatch_CVE_1/transition": file("1\n"),
		"sys/kernel/livepatch/other/enabled": file("1\n"), "sys/kernel/livepatch/other/transition": file("0\n"), "proc/modules": file("livepatch_old 1 0 - Live 0x0 (OEK)\n"),
	}
}

func TestAHostOfAmazonSaysWhatItCan(t *testing.T) {
	for _, row := range []struct {
		name, id, version string
		available         bool
		code              hotstick.ReasonCode
		schedules, held   bool
		listed            int
		change            func(fstest.MapFS)
	}{
		{"2023", "amzn", "2023", true, "", true, true, 1, nil},
		{"2023 that is automatic", "amzn", "2023", true, "", true, false, 1, func(m fstest.MapFS) { m["etc/dnf/plugins/kpatch.conf"] = file("[main]\nautoupdate=1\n") }},
		{"the plugin's own file counts first", "amzn", "2023", true, "", true, true, 1, func(m fstest.MapFS) {
			m["etc/dnf/plugins/kpatch.conf"], m["etc/dnf/plugins/kernel-livepatch.conf"] = file("[main]\nautoupdate=1\n"), file("[main]\nautoupdate=0\n")
		}},
		{"2", "amzn", "2", true, "", false, false, 1, nil},
		{"not enabled", "amzn", "2023", false, hotstick.ReasonNotEntitled, true, true, 1, func(m fstest.MapFS) { delete(m, "usr/sbin/kpatch") }},
		{"the first Amazon Linux", "amzn", "2018.03", false, hotstick.ReasonUnsupported, false, false, 0, nil},
		{"SUSE, whose modules have such names", "sles", "15.4", false, hotstick.ReasonUnsupported, false, false, 0, nil},
	} {
		host := machine(row.id, row.version)
		if row.change != nil {
			row.change(host)
		}
		o := amazon.NewObserver(host)
		c := o.Capabilities(t.Context())
		var code hotstick.ReasonCode
		if c.Reason != nil {
			code = c.Reason.Code
		}
		if c.Available != row.available || code != row.code || c.Schedules != row.schedules || c.Held != row.held || c.Undo != hotstick.UndoReboot {
			t.Errorf("%s: %+v", row.name, c)
		}
		patches, err := o.Observe(t.Context())
		if err != nil || len(patches) != row.listed || row.listed == 1 && (patches[0].Module != "livepatch_CVE_1" || patches[0].State != hotstick.TransitionIn || patches[0].Driver != amazon.Name) {
			t.Errorf("%s lists %+v (%v)", row.name, patches, err)
		}
	}
}

// The names are in Amazon's user guides.
func TestNamesOfPackages(t *testing.T) {
	for _, row := range []struct {
		p         hotstick.Package
		is, empty bool
	}{
		{hotstick.Package{Name: "kernel-livepatch-6.1.134-150.224", Version: "1.0-0.amzn2023"}, true, true},
		{hotstick.Package{Name: "kernel-livepatch-6.1.134-150.224", Version: "1.0-4.amzn2023"}, true, false},
		{hotstick.Package{Name: "kernel-livepatch-6.1.134-150.22", Version: "1.0-4.amzn2023"}, false, false},
		{hotstick.Package{Name: "kernel-livepatch-repo-s3", Version: "2023.7.20250428-0.amzn2023"}, false, false},
		{hotstick.Package{Name: "kernel", Version: "1.0-40.amzn2023"}, false, false},
	} {
		if is, empty := amazon.ForRelease(row.p, "6.1.134-150.224.amzn2023.x86_64"), amazon.Empty(row.p); is != row.is || empty != row.empty {
			t.Errorf("%s is for the release: %t, and empty: %t", row.p, is, empty)
		}
	}
}
