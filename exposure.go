package hotstick

// ExposureState is where a host stands with one CVE.
type ExposureState string

const (
	// Exposed: the booted kernel has the hole, and nothing in memory closes it.
	Exposed ExposureState = "exposed"
	// FixedByBoot: the booted kernel does not have the hole any more.
	FixedByBoot ExposureState = "fixed_by_boot"
	// FixedByLivePatch: a patch in effect closes it; it is back after a boot without.
	FixedByLivePatch ExposureState = "fixed_by_live_patch"
	// Mitigated: something that is no fix keeps it from being used.
	Mitigated ExposureState = "mitigated"
	// NotAffected: the host never had it, for the reason given.
	NotAffected ExposureState = "not_affected"
	// ExposureUnknown: no source says, or the facts do not tell. It counts as open.
	ExposureUnknown ExposureState = "unknown"
)

// ExposureStates returns the closed set, the open ones first.
func ExposureStates() []ExposureState {
	return []ExposureState{Exposed, ExposureUnknown, Mitigated, FixedByLivePatch, FixedByBoot, NotAffected}
}

// Open reports whether the hole must be counted as open.
func (s ExposureState) Open() bool { return s == Exposed || s == ExposureUnknown }

// ExposureReason is why a host stands where it stands with one CVE. Each belongs to one
// state.
type ExposureReason string

// Reasons for which it is open.
const (
	// ExposedInRange: the booted version is affected, and a later one is fixed.
	ExposedInRange ExposureReason = "affected"
	// ExposedNoFix: the booted version is affected, and no version is fixed yet.
	ExposedNoFix ExposureReason = "affected_no_fix"
	// UnknownNoSource: no source speaks of the CVE in the kernel's product.
	UnknownNoSource ExposureReason = "no_source"
	// UnknownProduct: the facts do not tell which product the booted kernel is of.
	UnknownProduct ExposureReason = "product_unknown"
	// UnknownVersion: the facts do not tell the booted version, or it is malformed.
	UnknownVersion ExposureReason = "version_unknown"
	// UnknownUnreadable: a source's version range cannot be used.
	UnknownUnreadable ExposureReason = "range_unusable"
	// UnknownInvestigating: the source does not know yet.
	UnknownInvestigating ExposureReason = "under_investigation"
	// UnknownSilent: it was closed by the host's last report, which is too old to count.
	UnknownSilent ExposureReason = "host_silent"
)

// Reasons for which it is not.
const (
	// MitigatedModule: the only module that has the hole is not in the running kernel, and
	// no module can be loaded any more before the next boot.
	MitigatedModule ExposureReason = "module_kept_out"
	// ClosedByPatch: a live patch that closes it is in effect and settled.
	ClosedByPatch ExposureReason = "patch_in_effect"
	// ClosedByLevel: the level in memory is a fixed one, and the booted one is not.
	ClosedByLevel ExposureReason = "level_in_effect"
	// ClosedByBoot: the booted version is a fixed one.
	ClosedByBoot ExposureReason = "fixed_version_booted"
	// NeverIntroduced: the booted version is older than the hole.
	NeverIntroduced ExposureReason = "before_introduced"
	// NeverByVendor: the source says that the product is not affected.
	NeverByVendor ExposureReason = "product_not_affected"
	// NeverListed: a source that is complete for the distribution speaks of the CVE, and
	// leaves the product out (see AdvisorySource.Complete).
	NeverListed ExposureReason = "not_listed"
	// NeverOtherSystem: sources speak of the CVE in another system's kernel only, and one
	// that is complete for the distribution does not speak of it.
	NeverOtherSystem ExposureReason = "other_system"
)

// ExposureReasons returns the closed set, the worst first.
func ExposureReasons() []ExposureReason {
	return []ExposureReason{ExposedNoFix, ExposedInRange,
		UnknownUnreadable, UnknownVersion, UnknownInvestigating, UnknownProduct, UnknownNoSource, UnknownSilent,
		MitigatedModule, ClosedByPatch, ClosedByLevel, ClosedByBoot, NeverIntroduced, NeverByVendor, NeverListed, NeverOtherSystem}
}

// Justification is why it is not affected, in VEX's words, where that follows from the
// reason; what a source says beside its own word is with its word.
func (r ExposureReason) Justification() Justification {
	switch r {
	case NeverIntroduced, NeverListed:
		return VulnerableCodeNotPresent
	case NeverOtherSystem:
		return ComponentNotPresent
	}
	return ""
}

// State is where a host stands for this reason; unknown for one that is not of the set.
func (r ExposureReason) State() ExposureState {
	switch r {
	case ExposedInRange, ExposedNoFix:
		return Exposed
	case MitigatedModule:
		return Mitigated
	case ClosedByPatch, ClosedByLevel:
		return FixedByLivePatch
	case ClosedByBoot:
		return FixedByBoot
	case NeverIntroduced, NeverByVendor, NeverListed, NeverOtherSystem:
		return NotAffected
	}
	return ExposureUnknown
}
