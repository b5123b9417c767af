package nt

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/kernel/nt/calendar"
)

// Keys of the registry.
const (
	KeyVersion    = `SOFTWARE\Microsoft\Windows NT\CurrentVersion`
	KeyUpdate     = `SOFTWARE\Policies\Microsoft\Windows\WindowsUpdate`
	KeyAutoUpdate = KeyUpdate + `\AU`

	keyGuard      = `SYSTEM\CurrentControlSet\Control\DeviceGuard`
	keySession    = `SYSTEM\CurrentControlSet\Control\Session Manager`
	keyMemory     = keySession + `\Memory Management`
	keyTargeting  = KeyVersion + `\Update\TargetingInfo\DynamicInstalled\Hotpatch.`
	keyPolicy     = `SOFTWARE\Microsoft\PolicyManager\current\device\Update`
	keyServicing  = `SOFTWARE\Microsoft\Windows\CurrentVersion\Component Based Servicing\RebootPending`
	keyRequired   = `SOFTWARE\Microsoft\Windows\CurrentVersion\WindowsUpdate\Auto Update\RebootRequired`
	keyService    = `SYSTEM\CurrentControlSet\Services\wuauserv`
	keyFirmware   = `HARDWARE\DESCRIPTION\System\BIOS`
	keyGUID       = `SOFTWARE\Microsoft\Cryptography`
	keySecureBoot = `SYSTEM\CurrentControlSet\Control\SecureBoot\State`
	keyProcessor  = keySession + `\Environment`
)

// Level is a build of Windows with its revision, such as 26100.4061.
type Level struct{ Build, Revision uint32 }

// String is such as 26100.4061.
func (l Level) String() string { return fmt.Sprintf("%d.%d", l.Build, l.Revision) }

// Release is such as 10.0.26100.4061.
func (l Level) Release() string { return "10.0." + l.String() }

// Compare orders levels.
func (l Level) Compare(other Level) int {
	return cmp.Or(cmp.Compare(l.Build, other.Build), cmp.Compare(l.Revision, other.Revision))
}

// ParseLevel reads what [Level.String] writes.
func ParseLevel(text string) (Level, error) {
	build, revision, ok := strings.Cut(text, ".")
	b, err := strconv.ParseUint(build, 10, 32)
	r, err2 := strconv.ParseUint(revision, 10, 32)
	l := Level{uint32(b), uint32(r)}
	if !ok || err != nil || err2 != nil || l.String() != text {
		return Level{}, fmt.Errorf("cannot use %.40q as a build of Windows: want BUILD.REVISION, such as 26100.4061", text)
	}
	return l, nil
}

// Now is the level that the registry shows: that of the newest update which is in effect.
func Now(reg Registry) (Level, error) {
	text, _ := reg.Text(KeyVersion, "CurrentBuildNumber")
	build, err := strconv.ParseUint(text, 10, 32)
	revision, ok := reg.Number(KeyVersion, "UBR")
	if err != nil || !ok || revision > 1<<32-1 {
		return Level{}, fmt.Errorf("cannot read the build of Windows: CurrentBuildNumber is %.40q, and UBR is there: %v", text, ok)
	}
	return Level{uint32(build), uint32(revision)}, nil
}

// Build is the kernel build of a machine that was booted with a level.
func Build(reg Registry, booted Level) (hotstick.KernelBuild, error) {
	lab := text(reg, KeyVersion, "BuildLabEx")
	build := hotstick.KernelBuild{Release: booted.Release(), Arch: arch(reg)}
	sum := sha256.Sum256([]byte("hotstick/nt-build/v1\n" + lab + "\n" + build.Release + "\n" + build.Arch + "\n"))
	build.BuildID = hex.EncodeToString(sum[:20])
	return build, build.Validate()
}

// arch is the architecture as kernels of Linux name it.
func arch(reg Registry) string {
	switch text(reg, keyProcessor, "PROCESSOR_ARCHITECTURE") {
	case "ARM64":
		return "aarch64"
	case "AMD64":
		return "x86_64"
	}
	return ""
}

// text is a text of the registry that is only passed on.
func text(reg Registry, key, name string) string {
	s, _ := reg.Text(key, name)
	return strings.ToValidUTF8(s[:min(len(s), maxText)], "")
}

// Machine is what is read of a machine besides its registry.
type Machine struct {
	Hostname string
	Boot     Boot
	// Cards are the addresses of its network cards, such as 52:54:00:12:34:56.
	Cards       []string
	CPUs        int
	MemoryBytes int64
	// VBSRunning is what the kernel says of virtualisation-based security; nil if it did
	// not.
	VBSRunning *bool
	// Now is the time by which Microsoft's calendar is read; zero if nobody asks.
	Now time.Time
}

// Boot is the boot that a machine is in.
type Boot struct {
	ID string
	// Booted is the level that counts as booted.
	Booted   Level
	BootedAt time.Time
}

// Facts are those of a machine. What drivers and configuration know is left empty.
func Facts(reg Registry, m Machine) (hotstick.Facts, error) {
	level, err := Now(reg)
	if err != nil {
		return hotstick.Facts{}, err
	}
	build, err := Build(reg, m.Boot.Booted)
	if err != nil {
		return hotstick.Facts{}, err
	}
	w := updates(reg, m, level)
	if !m.Now.IsZero() {
		w.NextBaseline = calendar.NextReboot(m.Now).String()
	}
	var words []string
	for _, c := range m.Cards {
		words = append(words, "mac:"+c)
	}
	slices.Sort(words)
	facts := hotstick.Facts{
		Host: hotstick.HostFacts{
			Hostname: m.Hostname, MachineID: machineID(reg), Hardware: strings.Join(words, " "), BootID: m.Boot.ID, BootedAt: m.Boot.BootedAt,
			Model:        strings.TrimSpace(text(reg, keyFirmware, "SystemManufacturer") + " " + text(reg, keyFirmware, "SystemProductName")),
			Distribution: distribution(reg, level), CPUs: m.CPUs, MemoryBytes: m.MemoryBytes,
		},
		Kernel:  hotstick.KernelFacts{Build: build, Version: text(reg, KeyVersion, "BuildLabEx"), LivepatchSupported: w.Eligible},
		Windows: &w,
	}
	facts.Host.DistributionID, facts.Host.DistributionVersion = "windows", serverRelease(reg, level)
	if on, ok := reg.Number(keySecureBoot, "UEFISecureBootEnabled"); ok {
		facts.Security.SecureBoot = new(on != 0)
	}
	return facts, nil
}

// serverReleases are the builds of Windows Server by the year in their names.
var serverReleases = map[uint32]string{14393: "2016", 17763: "2019", 20348: "2022", 26100: "2025"}

// serverRelease is the year of a server's release; empty of others, whose advisories are
// not a server's.
func serverRelease(reg Registry, level Level) string {
	if text(reg, KeyVersion, "InstallationType") == "Client" {
		return ""
	}
	return serverReleases[level.Build]
}

func machineID(reg Registry) string {
	id := strings.ToLower(strings.ReplaceAll(text(reg, keyGUID, "MachineGuid"), "-", ""))
	if raw, err := hex.DecodeString(id); err != nil || len(raw) != 16 {
		return ""
	}
	return id
}

// firstEleven is the first build of Windows 11, whose registry calls itself Windows 10.
const firstEleven = 22000

func distribution(reg Registry, level Level) string {
	name := text(reg, KeyVersion, "ProductName")
	if level.Build >= firstEleven && text(reg, KeyVersion, "InstallationType") == "Client" {
		name = strings.Replace(name, "Windows 10", "Windows 11", 1)
	}
	return strings.TrimSpace(name + " " + text(reg, KeyVersion, "DisplayVersion"))
}
