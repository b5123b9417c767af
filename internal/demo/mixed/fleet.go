package mixed

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver/canonical"
	"github.com/hotstick/hotstick/internal/driver/kernelcare"
	"github.com/hotstick/hotstick/internal/driver/ksplice"
	"github.com/hotstick/hotstick/internal/driver/reboot"
	"github.com/hotstick/hotstick/internal/driver/suse"
	"github.com/hotstick/hotstick/internal/guest"
	"github.com/hotstick/hotstick/internal/guest/kernelpkg"
	"github.com/hotstick/hotstick/internal/rig"
	canonicalrig "github.com/hotstick/hotstick/internal/rig/canonical"
	debianrig "github.com/hotstick/hotstick/internal/rig/debian"
	kernelcarerig "github.com/hotstick/hotstick/internal/rig/kernelcare"
	kpatchrig "github.com/hotstick/hotstick/internal/rig/kpatch"
	ksplicerig "github.com/hotstick/hotstick/internal/rig/ksplice"
	suserig "github.com/hotstick/hotstick/internal/rig/suse"
)

// CVE is what the demo closes. It is open in the oldest 6.1 and in 6.12 of Debian's
// archive, and closed in the newest 6.1.
const CVE = "CVE-2026-98022"

// system is one live-patch system as the demo has it: what it is called, what is put into
// a guest that plays its vendor's, and how the kernel itself shows that the fix is there.
type system struct {
	// driver is Hotstick's name of it, and plays what a guest with it stands for.
	driver, plays string
	// patch is the name under which its fix is in the catalog; empty for the driver klp,
	// whose patch has a folder of its own.
	patch         string
	reversibility hotstick.Reversibility
	// files of the rig, for the kernel of the guest.
	files func(kernelpkg.Kernel) []guest.File
	// build builds the vendor's modules for a kernel into a directory.
	build func(ctx context.Context, k kernelpkg.Kernel, patches, dir string) error
	// recipe says what the catalog signs for a kernel; nil for the driver klp.
	recipe func(old, fixed kernelpkg.Kernel) hotstick.Recipe
	// world is run once the guest is up: what the vendor offers, and how it is set up.
	world func(kernelpkg.Kernel) string
	// offer is run once Hotstick has the host: what would come by itself, came there no
	// hold.
	offer string
	// schedules: the vendor's system would load the fix by itself.
	schedules bool
	// truth is a shell condition of the kernel's: the fix is in effect.
	truth func(old, fixed kernelpkg.Kernel) string
	// undo is what the system can take out of the running kernel, and undone whether that
	// is enough to go back from this level to none.
	undo   hotstick.Undo
	undone bool
}

func buildOf(k kernelpkg.Kernel) hotstick.KernelBuild {
	return hotstick.KernelBuild{Release: k.Release, Arch: "x86_64", BuildID: k.BuildID}
}

// klpShows is the truth of all that use the kernel's own live patching.
func klpShows(module string) string {
	dir := "/sys/kernel/livepatch/" + module
	return fmt.Sprintf(`[ "$(cat %s/enabled %s/transition | tr '\n' ' ')" = "1 0 " ]`, dir, dir)
}

// release writes os-release of a guest that plays a distribution.
func release(id, name string) guest.File {
	return guest.File{Path: "/etc/os-release", Data: []byte("# Rig: stands in for " + name + ".\nID=\"" + id + "\"\nPRETTY_NAME=\"" + name + " (a rig)\"\n")}
}

// one builds a single live patch that closes the hole, under a vendor's name.
func one(name func(release string) string) func(context.Context, kernelpkg.Kernel, string, string) error {
	return func(ctx context.Context, k kernelpkg.Kernel, patches, dir string) error {
		_, err := rig.Build(ctx, k, patches, rig.Module{Name: name(k.Release)}, dir)
		return err
	}
}

var notNameable = regexp.MustCompile(`[^A-Za-z0-9]`)

func flat(release string) string { return notNameable.ReplaceAllString(release, "_") }

// klpModule is that of patches/unix-ioctl-1.
const klpModule = "hotstick_unix_ioctl_1"

// Debian with live patches of our own: the loader loads the catalog's bytes.
var klp = system{
	driver: "klp", plays: "Debian, upstream live patches",
	files:  func(kernelpkg.Kernel) []guest.File { return nil },
	truth:  func(kernelpkg.Kernel, kernelpkg.Kernel) string { return klpShows(klpModule) },
	undo:   hotstick.UndoDisable,
	undone: true,
}

const kpatchVersion = "1-1"

func kpatchModule(release string) string {
	return "kpatch_" + flat(release) + "_" + strings.ReplaceAll(kpatchVersion, "-", "_")
}

func kpatchPackage(release string) hotstick.Package {
	return hotstick.Package{Name: "kpatch-patch-" + flat(release), Version: kpatchVersion + ".el9_2"}
}

// RHEL, whose kpatch-patch packages dnf installs.
var rhel = system{
	driver: "kpatch", plays: "RHEL with kpatch (a rig)", patch: "rhel-kpatch", reversibility: hotstick.ReversibleReboot, schedules: true,
	files: func(kernelpkg.Kernel) []guest.File {
		return append(kpatchrig.Files(), release("rhel", "Red Hat Enterprise Linux 9.2"),
			guest.File{Path: "/etc/dnf/plugins/kpatch.conf", Data: []byte("# Rig: as the host's owner left it.\n[main]\nautoupdate = True\nautofilter = False\n")})
	},
	build: one(kpatchModule),
	recipe: func(old, _ kernelpkg.Kernel) hotstick.Recipe {
		return hotstick.Recipe{Module: kpatchModule(old.Release), Packages: []hotstick.Package{kpatchPackage(old.Release)}}
	},
	world: func(k kernelpkg.Kernel) string {
		p := kpatchPackage(k.Release)
		return fmt.Sprintf("mkdir -p /run/rig/rpm && echo '%s %s x86_64 %s' >/run/rig/rpm/offered", p.Name, p.Version, kpatchModule(k.Release))
	},
	truth: func(old, _ kernelpkg.Kernel) string { return klpShows(kpatchModule(old.Release)) },
	undo:  hotstick.UndoReboot,
}

const (
	suseVersion = "2-150400.1.1"
	suseModule  = "livepatch_2_150400_1_1"
)

// SLES, whose kernel-livepatch packages zypper installs.
var sles = system{
	driver: suse.Name, plays: "SLES with Live Patching (a rig)", patch: "sles-livepatch", reversibility: hotstick.ReversibleDowngrade,
	files: func(kernelpkg.Kernel) []guest.File { return suserig.Files() },
	build: one(func(string) string { return suseModule }),
	recipe: func(old, _ kernelpkg.Kernel) hotstick.Recipe {
		return hotstick.Recipe{Module: suseModule, Packages: []hotstick.Package{{Name: suse.PackageNames(old.Release)[0], Version: suseVersion}}}
	},
	world: func(k kernelpkg.Kernel) string {
		return "mkdir -p /usr/share/lifecycle/data && echo '" + suse.PackageNames(k.Release)[0] + ", *, 2099-01-01' >/usr/share/lifecycle/data/sle-module-live-patching.lifecycle"
	},
	truth: func(kernelpkg.Kernel, kernelpkg.Kernel) string { return klpShows(suseModule) },
	undo:  hotstick.UndoPrevious,
}

const canonicalVersion = "120.1"

func canonicalModule(release string) string { return "lkp_Ubuntu_" + flat(release) + "_120" }

// Ubuntu, whose Livepatch client takes what its server publishes.
var ubuntu = system{
	driver: canonical.Name, plays: "Ubuntu with Livepatch (a rig)", patch: "ubuntu-livepatch", reversibility: hotstick.ReversibleReboot, schedules: true,
	files: func(kernelpkg.Kernel) []guest.File { return canonicalrig.Files() },
	build: one(canonicalModule),
	recipe: func(old, _ kernelpkg.Kernel) hotstick.Recipe {
		return hotstick.Recipe{Module: canonicalModule(old.Release), Version: canonicalVersion, CutOff: time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC)}
	},
	world: func(kernelpkg.Kernel) string {
		// A minute of this client is two seconds, so that an interval passes in the demo.
		return "mkdir -p /run/rig/canonical && touch /run/rig/canonical/enabled && echo 2 >/run/rig/canonical/minute && snap start canonical-livepatch"
	},
	offer: "echo '120.1 2026-01-15T00:00:00Z' >/run/rig/canonical/server",
	truth: func(old, _ kernelpkg.Kernel) string { return klpShows(canonicalModule(old.Release)) },
	undo:  hotstick.UndoReboot,
}

// kernelcareLevel is the rig's second patch set.
const (
	kernelcareLevel = 2
	kernelcareSet   = "K20260301_01"
)

// AlmaLinux with KernelCare, whose job looks for patches by itself.
var alma = system{
	driver: kernelcare.Name, plays: "AlmaLinux with KernelCare (a rig)", patch: "kernelcare", reversibility: hotstick.ReversibleLive, schedules: true,
	files: func(kernelpkg.Kernel) []guest.File {
		return append(kernelcarerig.Files(), release("almalinux", "AlmaLinux 9.2"))
	},
	build: kernelcarerig.Build,
	recipe: func(kernelpkg.Kernel, kernelpkg.Kernel) hotstick.Recipe {
		return hotstick.Recipe{Module: kernelcare.LevelModule(kernelcareLevel), Version: fmt.Sprint(kernelcareLevel), PatchSet: kernelcareSet}
	},
	world: func(kernelpkg.Kernel) string { return "true" },
	// The job runs every second in place of every four hours.
	offer: "setsid /usr/lib/rig/kernelcare/cron >/dev/null 2>&1 </dev/null &",
	truth: func(kernelpkg.Kernel, kernelpkg.Kernel) string {
		return fmt.Sprintf(`[ "$(cat /sys/module/kcare/parameters/level)" = %d ]`, kernelcareLevel)
	},
	undo: hotstick.UndoAll, undone: true,
}

// ksplice's updates that close the hole: the second does, and rests on the first.
var kspliceUpdates = []string{ksplicerig.UnixIoctl, ksplicerig.TxQueueLen}

// Oracle Linux with Ksplice, whose client installs single updates by itself.
var oracle = system{
	driver: ksplice.Name, plays: "Oracle Linux with Ksplice (a rig)", patch: "oracle-ksplice", reversibility: hotstick.ReversibleLive, schedules: true,
	files: func(kernelpkg.Kernel) []guest.File {
		return append(ksplicerig.Files(), release("ol", "Oracle Linux 9.2"))
	},
	build: ksplicerig.Build,
	recipe: func(kernelpkg.Kernel, kernelpkg.Kernel) hotstick.Recipe {
		return hotstick.Recipe{Module: hotstick.UpdateSet(kspliceUpdates), Updates: kspliceUpdates}
	},
	world: func(kernelpkg.Kernel) string { return "true" },
	offer: "setsid /usr/lib/rig/ksplice/cron >/dev/null 2>&1 </dev/null &",
	truth: func(kernelpkg.Kernel, kernelpkg.Kernel) string {
		var each []string
		for _, id := range kspliceUpdates {
			each = append(each, `[ "$(cat /sys/module/ksplice_`+id+`/ksplice/stage)" = applied ]`)
		}
		// No more than those: another set is another level.
		return strings.Join(append(each, fmt.Sprintf(`[ "$(ls -d /sys/module/ksplice_* | wc -l)" = %d ]`, len(kspliceUpdates))), " && ")
	},
	undo: hotstick.UndoUpdate, undone: true,
}

// Debian for whose kernel build nobody has a live patch: the fixed kernel and a reboot.
var rebooted = system{
	driver: reboot.Name, plays: "Debian without a live patch (apt and GRUB are a rig)", patch: "debian-kernel", reversibility: hotstick.ReversibleReboot,
	files: func(kernelpkg.Kernel) []guest.File { return nil }, // package debian of the rigs equips the guest
	recipe: func(old, fixed kernelpkg.Kernel) hotstick.Recipe {
		return hotstick.Recipe{Module: reboot.Module(buildOf(fixed)), Target: buildOf(fixed),
			Packages: []hotstick.Package{{Name: debianrig.Package(fixed), Version: fixed.Version}}}
	},
	truth: func(_, fixed kernelpkg.Kernel) string {
		return `hexdump -v -e '1/1 "%02x"' /sys/kernel/notes | grep -q ` + fixed.BuildID
	},
	undo: hotstick.UndoReboot, undone: true,
}

// seat is one guest of the fleet. Each is its own rack, by the last letter of its name.
type seat struct {
	name string
	system
	line string
}

// fleet is six guests that play six systems, one that has to reboot, and one more of the
// first, which waits for the evidence of its kernel build.
func fleet() []seat {
	return []seat{
		{"debian-1", klp, "6.12"},
		{"rhel-2", rhel, "6.1"},
		{"sles-3", sles, "6.1"},
		{"ubuntu-4", ubuntu, "6.12"},
		{"alma-5", alma, "6.1"},
		{"oracle-6", oracle, "6.12"},
		{"debian-7", rebooted, "6.1"},
		{"debian-8", klp, "6.12"},
	}
}
