package hotstick

import "time"

// Facts are what an agent observed on its host, by group. They are observed
// truth, never wishes; a field that a kernel does not offer is absent, not zero.
// Strings in facts come from the host and are opaque: never a template, never a
// command, escaped wherever they are shown.
type Facts struct {
	Host      HostFacts      `json:"host"`
	Kernel    KernelFacts    `json:"kernel"`
	Security  SecurityFacts  `json:"security"`
	Livepatch LivepatchFacts `json:"livepatch"`
	// Tracing says who else has hooked into the kernel's functions; zero if nobody told.
	Tracing TracingFacts `json:"tracing,omitzero" since:"2"`
	// Machine is what the kernel runs on, and Services what runs on the host.
	Machine  MachineFacts `json:"machine,omitzero" since:"2"`
	Services ServiceFacts `json:"services,omitzero" since:"2"`
	// Sysctls are values of a fixed list, by name; one that the kernel lacks is absent.
	Sysctls map[string]string `json:"sysctls,omitempty" since:"2"`
	// Withheld are the groups (see [OptionalGroups]) that the host's configuration keeps
	// back, so that their absence is not taken for anything else.
	Withheld []string       `json:"withheld,omitempty" since:"2"`
	Modules  []ModuleFacts  `json:"modules,omitempty"`
	Drivers  []Capabilities `json:"drivers,omitempty"`
	// Masters are other systems that load live patches on this host.
	Masters []Master `json:"masters,omitempty" since:"2"`
	// Labels were set on the host itself (its configuration file), such as
	// rack=a3 or role=db. Failure domains are read from them.
	Labels map[string]string `json:"labels,omitempty"`
	// Windows is what only a machine with Windows has; nil on others.
	Windows *WindowsFacts `json:"windows,omitempty" since:"2"`
}

// HostFacts say which machine this is and which boot it is in.
type HostFacts struct {
	Hostname  string `json:"hostname"`
	MachineID string `json:"machine_id,omitempty"`
	// Hardware names the machine's network cards and product, word by word, such as
	// mac:52:54:00:12:34:56 (source: /sys/class/net, /sys/class/dmi). A copy of the
	// disk does not copy it.
	Hardware string `json:"hardware,omitempty"`
	// Model is the machine's maker and product (source: /sys/class/dmi/id).
	Model string `json:"model,omitempty" since:"2"`
	// BootID is new at every boot (source: /proc/sys/kernel/random/boot_id).
	BootID string `json:"boot_id"`
	// BootedAt is the wall-clock time of the boot, whole seconds.
	BootedAt time.Time `json:"booted_at"`
	// Distribution is PRETTY_NAME of /etc/os-release.
	Distribution string `json:"distribution,omitempty"`
	// DistributionID and DistributionVersion are ID and VERSION_ID of the same file, such
	// as debian and 12.
	DistributionID      string `json:"distribution_id,omitempty" since:"2"`
	DistributionVersion string `json:"distribution_version,omitempty" since:"2"`

	CPUs int `json:"cpus,omitempty"`
	// MemoryBytes is MemTotal of /proc/meminfo.
	MemoryBytes int64 `json:"memory_bytes,omitempty"`
}

// KernelFacts describe the running kernel.
type KernelFacts struct {
	Build KernelBuild `json:"build"`
	// Version is what uname -v prints.
	Version     string `json:"version,omitempty"`
	CommandLine string `json:"command_line,omitempty"`
	// Tainted is the bit mask of /proc/sys/kernel/tainted.
	Tainted uint64 `json:"tainted"`
	// LivepatchSupported tells whether /sys/kernel/livepatch exists.
	LivepatchSupported bool `json:"livepatch_supported"`
	// Package is the package that the running kernel was booted from, whatever is
	// installed by now; zero if the kernel does not tell.
	Package KernelPackage `json:"package,omitzero" since:"2"`
	// Installed are the releases of the other kernels whose modules are on the disk.
	Installed []string `json:"installed,omitempty" since:"2"`
	// BuiltIn are the modules that are part of the kernel itself. They are read only where
	// no module can be loaded any more: elsewhere nothing follows from their absence.
	BuiltIn []string `json:"built_in,omitempty" since:"2"`
}

// KernelPackage is a version of a distribution's kernel.
type KernelPackage struct {
	// Source is the source package, such as linux, linux-aws, kernel.
	Source string        `json:"source"`
	Scheme VersionScheme `json:"scheme"`
	// Version is as the vendor's advisories write it, such as 6.1.170-3; that of SUSE
	// lacks the last number, which counts rebuilds and which no running kernel knows.
	Version string `json:"version"`
}

// SecurityFacts tell whether the kernel itself would refuse an unsigned module.
// A nil pointer means that the kernel does not say.
type SecurityFacts struct {
	// Lockdown is none, integrity or confidentiality; empty if unknown.
	Lockdown string `json:"lockdown,omitempty"`
	// SignatureEnforced is module.sig_enforce.
	SignatureEnforced *bool `json:"signature_enforced,omitempty"`
	// ModulesDisabled is the sysctl kernel.modules_disabled.
	ModulesDisabled *bool `json:"modules_disabled,omitempty"`
	SecureBoot      *bool `json:"secure_boot,omitempty"`
	// Keys are those that the kernel takes module signatures from (source:
	// /proc/keys, which shows them to root only); empty if unknown, for a kernel that
	// checks signatures has at least the key it was built with.
	Keys []KernelKey `json:"keys,omitempty"`
}

// DemandsSignatures reports whether the kernel loads signed modules only.
func (f SecurityFacts) DemandsSignatures() bool {
	return f.Lockdown == "integrity" || f.Lockdown == "confidentiality" || f.SignatureEnforced != nil && *f.SignatureEnforced
}

// Trusts reports whether a signature by the key would be taken, as far as can be
// told: a name or an ID that only one side gives decides nothing.
func (f SecurityFacts) Trusts(key KernelKey) bool {
	same := func(a, b string) bool { return a == b || a == "" || b == "" }
	for _, k := range f.Keys {
		if same(k.Name, key.Name) && same(k.ID, key.ID) {
			return true
		}
	}
	return len(f.Keys) == 0
}

// KernelKey is a key that kernel modules are signed with.
type KernelKey struct {
	// Name is the subject of its certificate as the kernel writes it, such as
	// "Debian Secure Boot CA"; empty where only the ID is known.
	Name string `json:"name,omitempty"`
	// ID is the certificate's subject key identifier in hexadecimal; empty where only
	// the name is known.
	ID string `json:"id,omitempty"`
}

// String shows the key to people.
func (k KernelKey) String() string {
	switch {
	case k.ID == "":
		return k.Name
	case k.Name == "":
		return k.ID
	}
	return k.Name + " (" + k.ID[:min(8, len(k.ID))] + ")"
}

// LivepatchFacts list every live patch that the kernel knows, ours or not.
type LivepatchFacts struct {
	Patches []LoadedPatch `json:"patches,omitempty"`
}

// LoadedPatch is one live patch as the driver's truth source shows it.
type LoadedPatch struct {
	// Module is the kernel module's name, dashes as underscores.
	Module string `json:"module"`
	Driver string `json:"driver"`
	State  Effect `json:"state"`
	// Replace is the kernel's replace attribute; nil where the kernel lacks it.
	Replace *bool `json:"replace,omitempty"`
	// StackOrder is 1-based, the biggest wins; 0 where the kernel lacks it.
	StackOrder int `json:"stack_order,omitempty"`
	// Functions are written OBJECT:FUNCTION,POSITION.
	Functions []string `json:"functions,omitempty"`
	// Waiting are the modules that the patch changes and that are not patched now, because
	// they are not loaded; they are patched when they are. Kernels before 6.1 do not tell.
	Waiting []string `json:"waiting,omitempty" since:"2"`
}

// Effect is what a driver's truth source says of one loaded patch.
type Effect string

const (
	// InEffect: every task runs the new code (klp: enabled=1, transition=0).
	InEffect Effect = "in_effect"
	// TransitionIn: tasks are moving to the new code.
	TransitionIn Effect = "transition_in"
	// TransitionOut: tasks are moving back to the old code.
	TransitionOut Effect = "transition_out"
	// Disabled: the code is in memory but no task runs it.
	Disabled Effect = "disabled"
	// EffectUnknown: the truth source could not be read. It is never taken for
	// any of the others.
	EffectUnknown Effect = "unknown"
)

// Effects returns the closed set, in the order of a patch's life.
func Effects() []Effect {
	return []Effect{TransitionIn, InEffect, TransitionOut, Disabled, EffectUnknown}
}

// ModuleFacts describe one loaded kernel module (source: /proc/modules and
// /sys/module).
type ModuleFacts struct {
	Name       string `json:"name"`
	SizeBytes  int64  `json:"size_bytes"`
	SrcVersion string `json:"srcversion,omitempty"`
	Taints     string `json:"taints,omitempty"`
}

// Capabilities are what one driver can do on one host, as data, so that the
// server plans without knowing any vendor.
type Capabilities struct {
	Driver     string     `json:"driver"`
	TrustClass TrustClass `json:"trust_class"`
	// Rollback lists the ways back, best first.
	Rollback []Reversibility `json:"rollback"`
	// Asynchronous: a load returns before every task runs the new code.
	Asynchronous bool `json:"asynchronous"`
	// Truth names the source that decides what is in effect.
	Truth string `json:"truth"`
	// Available is false with a Reason where the host cannot use the driver.
	Available bool    `json:"available"`
	Reason    *Reason `json:"reason,omitempty"`
	// Undo is how much of what it has applied the system itself can take out of a running
	// kernel; empty of an agent that did not say.
	Undo Undo `json:"undo,omitempty" since:"2"`
	// Schedules: the system starts patches by itself unless it is put on hold, and Held:
	// it is on hold.
	Schedules bool `json:"schedules,omitempty" since:"2"`
	Held      bool `json:"held,omitempty" since:"2"`
	// Pinnable: a host can be kept at a level that is not the newest.
	Pinnable bool `json:"pinnable,omitempty" since:"2"`
	// Tool is the vendor's tool with its version, such as "kcarectl 2.90-1"; opaque.
	Tool string `json:"tool,omitempty" since:"2"`
	// CoverUntil is the day, in UTC, until which the vendor makes patches for the running
	// kernel; zero where the host cannot tell.
	CoverUntil time.Time `json:"cover_until,omitzero" since:"2"`
}

// Undo says how a live-patch system can take patches out of a running kernel. The set is
// closed. [Reversibility] is what follows for one patch on one host.
type Undo string

const (
	// UndoDisable: any patch is taken out (klp, kpatch).
	UndoDisable Undo = "disable"
	// UndoPrevious: the level before is put in its place; there is no way to none (suse).
	UndoPrevious Undo = "previous_level"
	// UndoUpdate: single updates are taken out, with those that rest on them (ksplice).
	UndoUpdate Undo = "per_update"
	// UndoAll: everything is taken out at once; an older level is pinned and applied
	// after that (kernelcare).
	UndoAll Undo = "unload_all"
	// UndoReboot: only a reboot (canonical, amazon, windows, vendor packages of kpatch).
	UndoReboot Undo = "reboot_only"
)

// Undos returns the closed set, the finest first.
func Undos() []Undo {
	return []Undo{UndoUpdate, UndoDisable, UndoPrevious, UndoAll, UndoReboot}
}

// TrustClass says what Hotstick can promise about the bytes a driver loads.
type TrustClass string

const (
	// TrustBytes: we load exactly the bytes that the catalog lists.
	TrustBytes TrustClass = "bytes"
	// TrustPin: a vendor's daemon loads; we pin its level.
	TrustPin TrustClass = "pin"
	// TrustStep: a signed command runs.
	TrustStep TrustClass = "step"
)

// Reversibility says how a patch leaves a host again.
type Reversibility string

const (
	// ReversibleLive: disable and unload.
	ReversibleLive Reversibility = "live"
	// ReversibleDowngrade: load an older level.
	ReversibleDowngrade Reversibility = "downgrade"
	// ReversibleReboot: only by rebooting; such hosts go forward, not back.
	ReversibleReboot Reversibility = "reboot"
)

// AtLeast reports whether this way back is as good as another or better. One that
// nobody said is worse than any.
func (r Reversibility) AtLeast(other Reversibility) bool { return r.rank() >= other.rank() }

func (r Reversibility) rank() int {
	switch r {
	case ReversibleLive:
		return 3
	case ReversibleDowngrade:
		return 2
	case ReversibleReboot:
		return 1
	}
	return 0
}

// WayBack is the best way back that the driver has on the host; empty if it says
// nothing of one.
func (c Capabilities) WayBack() Reversibility {
	var best Reversibility
	for _, r := range c.Rollback {
		if !best.AtLeast(r) {
			best = r
		}
	}
	return best
}
