package nt_test

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/kernel/nt"
)

// server is the recorded Windows Server 2025, with lines of its export replaced.
func server(t *testing.T, replace ...string) nt.Recorded {
	t.Helper()
	text, err := os.ReadFile("../../rig/wine/server-2025.reg")
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(replace); i += 2 {
		if !strings.Contains(string(text), replace[i]) {
			t.Fatalf("the recorded machine has no %q", replace[i])
		}
	}
	reg, err := nt.Record(strings.NewReplacer(replace...).Replace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	return reg
}

var baseline = nt.Level{Build: 26100, Revision: 3788}

func machine(vbs bool) nt.Machine {
	return nt.Machine{Hostname: "win-1", CPUs: 4, MemoryBytes: 8 << 30, VBSRunning: &vbs, Cards: []string{"52:54:00:12:34:56"},
		Boot: nt.Boot{ID: "0b2f6dd8-96be-4f5a-9a0e-8a9a3c3c2f10", Booted: baseline, BootedAt: time.Date(2025, 5, 1, 6, 0, 0, 0, time.UTC)}}
}

func TestTheFactsOfAServer(t *testing.T) {
	f, err := nt.Facts(server(t), machine(true))
	if err != nil {
		t.Fatal(err)
	}
	// printf 'hotstick/nt-build/v1\n26100.1.amd64fre.ge_release.240331-1435\n10.0.26100.3788\nx86_64\n' | sha256sum
	if want := (hotstick.KernelBuild{Release: "10.0.26100.3788", Arch: "x86_64", BuildID: "48e2caa26cc6e1aed1c09c6bb292ef45cf0aa00b"}); f.Kernel.Build != want {
		t.Errorf("the build is %+v", f.Kernel.Build)
	}
	if f.Host.Distribution != "Windows Server 2025 Datacenter 24H2" || f.Host.Model != "QEMU Standard PC" ||
		f.Host.MachineID != "6f9619ff8b86d011b42d00cf4fc964ff" || f.Host.Hardware != "mac:52:54:00:12:34:56" {
		t.Errorf("the host is %+v", f.Host)
	}
	if w := f.Windows; w == nil || !w.Eligible || w.VBS != hotstick.VBSRunning || w.Level != "26100.3788" || w.Enrolment != "Hotpatch Enrollment Package 10.0.26100.3775" {
		t.Errorf("of Windows: %+v", w)
	}
	if f.Security.SecureBoot == nil || !*f.Security.SecureBoot || !f.Kernel.LivepatchSupported {
		t.Errorf("security is %+v", f.Security)
	}
}

func TestTheNextBaselineIsToldByTheCalendar(t *testing.T) {
	m := machine(true)
	for now, want := range map[time.Time]string{
		{}: "",
		time.Date(2025, 5, 20, 0, 0, 0, 0, time.UTC): "2025-07",
		time.Date(2025, 7, 20, 0, 0, 0, 0, time.UTC): "2025-10",
	} {
		m.Now = now
		if f, err := nt.Facts(server(t), m); err != nil || f.Windows.NextBaseline != want {
			t.Errorf("at %s: %+v, %v, want %q", now, f.Windows, err, want)
		}
	}
}

func TestAnUpdateInTheSameBootLeavesTheBuildAsItWas(t *testing.T) {
	before, err := nt.Facts(server(t), machine(true))
	if err != nil {
		t.Fatal(err)
	}
	after, err := nt.Facts(server(t, `"UBR"=dword:00000ecc`, `"UBR"=dword:00000f8d`), machine(true))
	if err != nil {
		t.Fatal(err)
	}
	if after.Kernel.Build != before.Kernel.Build || after.Windows.Level != "26100.3981" || after.Windows.Booted != "26100.3788" {
		t.Errorf("after the update: %+v, %+v", after.Kernel.Build, after.Windows)
	}
	m := machine(true)
	m.Boot.Booted.Revision = 3981
	booted, err := nt.Facts(server(t, `"UBR"=dword:00000ecc`, `"UBR"=dword:00000f8d`), m)
	if err != nil || booted.Kernel.Build == before.Kernel.Build || booted.Kernel.Build.BuildID == before.Kernel.Build.BuildID {
		t.Errorf("after a boot with the update: %+v, %v", booted.Kernel.Build, err)
	}
}

func TestWhatKeepsHotpatchesAway(t *testing.T) {
	for _, c := range []struct {
		what    string
		replace []string
		vbs     bool
		want    []string
	}{
		{"nothing", nil, true, nil},
		{"no security by virtualisation", []string{`"EnableVirtualizationBasedSecurity"=dword:00000001`, `"EnableVirtualizationBasedSecurity"=dword:00000000`}, false, []string{"virtualisation-based security is off"}},
		{"it does not run", nil, false, []string{"virtualisation-based security is not running"}},
		{"no table", []string{`"HotPatchTableSize"=dword:00001000`, ``}, true, []string{"hotpatch table"}},
		{"not enrolled", []string{`"Name"="Hotpatch Enrollment Package"`, ``}, true, []string{"not enrolled"}},
		{"too old", []string{`"UBR"=dword:00000ecc`, `"UBR"=dword:00000001`}, true, []string{"26100.1 is older than 26100.1742"}},
		{"an older server", []string{`"26100"`, `"20348"`}, true, []string{"20348.3788 is older than 26100.1742"}},
		{"the same as Azure Edition", []string{`"26100"`, `"20348"`, `"ServerDatacenter"`, `"ServerDatacenterAzureEdition"`}, true, nil},
		{"a client without the policy", []string{`"Server"`, `"Client"`}, true, []string{"AllowRebootlessUpdates"}},
		{"Arm64 with emulation", []string{`"AMD64"`, `"ARM64"`, `Hotpatch.amd64`, `Hotpatch.arm64`}, true, []string{"compiled hybrid emulation"}},
	} {
		f, err := nt.Facts(server(t, c.replace...), machine(c.vbs))
		if err != nil {
			t.Errorf("%s: %v", c.what, err)
			continue
		}
		got := f.Windows.Against
		if len(got) != len(c.want) || f.Windows.Eligible != (len(c.want) == 0) || len(got) == 1 && !strings.Contains(got[0], c.want[0]) {
			t.Errorf("%s: %q, want %q", c.what, got, c.want)
		}
	}
}

func TestWhoWaitsForAReboot(t *testing.T) {
	reg := server(t)
	reg[strings.ToLower(`SOFTWARE\Microsoft\Windows\CurrentVersion\WindowsUpdate\Auto Update\RebootRequired`)] = map[string]any{}
	f, err := nt.Facts(reg, machine(true))
	if err != nil || !slices.Equal(f.Windows.PendingReboot, []string{"windows_update"}) {
		t.Errorf("%v, %v", f.Windows, err)
	}
}

func TestARegistryThatDoesNotTellTheBuildIsAnError(t *testing.T) {
	for _, line := range []string{`"CurrentBuildNumber"="26100"`, `"UBR"=dword:00000ecc`, `"PROCESSOR_ARCHITECTURE"="AMD64"`} {
		if f, err := nt.Facts(server(t, line, ""), machine(true)); err == nil {
			t.Errorf("without %s: %+v", line, f.Kernel.Build)
		}
	}
}

func TestALevelIsReadAsItIsWritten(t *testing.T) {
	for text, good := range map[string]bool{"26100.4061": true, "26100": false, "26100.04061": false, "26100.4061.1": false, "-1.2": false, "a.b": false, "": false} {
		if l, err := nt.ParseLevel(text); (err == nil) != good || good && l.String() != text {
			t.Errorf("%q: %v, %v", text, l, err)
		}
	}
}

func TestAnExportThatIsNoneIsAnError(t *testing.T) {
	for _, text := range []string{"\"a\"=\"b\"", "[HKEY_CURRENT_USER\\a]", "[HKEY_LOCAL_MACHINE\\a]\nnonsense", "[HKEY_LOCAL_MACHINE\\a]\n\"n\"=dword:xyz"} {
		if r, err := nt.Record(text); err == nil {
			t.Errorf("%q: %v", text, r)
		}
	}
}
