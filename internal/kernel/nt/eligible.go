package nt

import (
	"fmt"
	"strings"

	"github.com/hotstick/hotstick"
)

// The first builds that take hotpatches.
var (
	// firstAzure is Windows Server 2022 Azure Edition.
	firstAzure = Level{20348, 0}
	// firstServer is Windows Server 2025 with Azure Arc.
	firstServer = Level{26100, 1742}
	// firstClient and firstArm are Windows 11 24H2 on x64 and on Arm64.
	firstClient, firstArm = Level{26100, 2033}, Level{26100, 4929}
)

// updates reads what decides about hotpatches.
func updates(reg Registry, m Machine, level Level) hotstick.WindowsFacts {
	w := hotstick.WindowsFacts{
		Level: level.String(), Booted: m.Boot.Booted.String(), Edition: text(reg, KeyVersion, "EditionID"),
		Installation: text(reg, KeyVersion, "InstallationType"), VBS: vbs(reg, m.VBSRunning), PendingReboot: pending(reg),
	}
	w.HotPatchTable, _ = reg.Number(keyMemory, "HotPatchTableSize")
	if rebootless, ok := reg.Number(keyPolicy, "AllowRebootlessUpdates"); ok {
		w.RebootlessAllowed = new(rebootless == 1)
	}
	short := map[string]string{"x86_64": "amd64", "aarch64": "arm64"}[arch(reg)]
	w.Enrolment = text(reg, keyTargeting+short, "Name")
	if version := text(reg, keyTargeting+short, "Version"); w.Enrolment != "" && version != "" {
		w.Enrolment += " " + version
	}
	restrictions, _ := reg.Number(keyMemory, "HotPatchRestrictions")
	w.Against = against(w, level, short, restrictions == 1)
	w.Eligible = len(w.Against) == 0
	return w
}

func vbs(reg Registry, running *bool) string {
	configured, _ := reg.Number(keyGuard, "EnableVirtualizationBasedSecurity")
	switch {
	case running != nil && *running:
		return hotstick.VBSRunning
	case running != nil && configured == 1:
		return hotstick.VBSNotRunning
	case configured == 1:
		return hotstick.VBSConfigured
	}
	return hotstick.VBSOff
}

// pending says who waits for a reboot.
func pending(reg Registry) []string {
	var who []string
	if _, ok := reg.Values(keyServicing); ok {
		who = append(who, "component_servicing")
	}
	if _, ok := reg.Values(keyRequired); ok {
		who = append(who, "windows_update")
	}
	return who
}

// against says, one by one, why a machine takes no hotpatch.
func against(w hotstick.WindowsFacts, level Level, arch string, emulationOff bool) []string {
	var why []string
	first := firstClient
	server := strings.HasPrefix(w.Installation, "Server")
	switch {
	case server && level.Build < firstServer.Build && strings.Contains(w.Edition, "AzureEdition"):
		first = firstAzure
	case server:
		first = firstServer
	case arch == "arm64":
		first = firstArm
	}
	if level.Compare(first) < 0 {
		why = append(why, fmt.Sprintf("build %s is older than %s, the first of its kind that takes hotpatches", level, first))
	}
	if w.VBS != hotstick.VBSRunning && w.VBS != hotstick.VBSConfigured {
		why = append(why, "virtualisation-based security is "+w.VBS)
	}
	if w.HotPatchTable == 0 {
		why = append(why, "the kernel keeps no hotpatch table (HotPatchTableSize)")
	}
	if arch == "arm64" && !emulationOff {
		why = append(why, "compiled hybrid emulation is on (HotPatchRestrictions)")
	}
	if !strings.HasPrefix(w.Enrolment, "Hotpatch Enrollment Package") {
		why = append(why, "the machine is not enrolled: there is no hotpatch enrolment package")
	}
	if !server && (w.RebootlessAllowed == nil || !*w.RebootlessAllowed) {
		why = append(why, "the policy AllowRebootlessUpdates is not set")
	}
	return why
}

// Updating reports whether the service of Windows Update is installed.
func Updating(reg Registry) bool {
	_, ok := reg.Values(keyService)
	return ok
}
