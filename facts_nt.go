package hotstick

// WindowsFacts are what a machine with Windows tells about its updates. The kernel build
// has what was booted; a hotpatch that was installed since is in effect above it.
type WindowsFacts struct {
	// Level is the build and revision that is in effect, such as 26100.4066, and Booted
	// the one that was booted.
	Level  string `json:"level"`
	Booted string `json:"booted"`
	// Edition and Installation are such as ServerDatacenter, and Server Core.
	Edition      string `json:"edition,omitempty"`
	Installation string `json:"installation,omitempty"`
	// VBS is the state of virtualisation-based security, without which there are no
	// hotpatches; one of the constants.
	VBS string `json:"vbs"`
	// HotPatchTable is what the kernel keeps for hotpatches; 0 if nothing.
	HotPatchTable uint64 `json:"hotpatch_table,omitempty"`
	// Enrolment is the package that enrols the machine for hotpatches; empty if none does.
	Enrolment string `json:"enrolment,omitempty"`
	// RebootlessAllowed is the policy AllowRebootlessUpdates; nil where it is not set.
	RebootlessAllowed *bool `json:"rebootless_allowed,omitempty"`
	// PendingReboot says who waits for a reboot: component_servicing, windows_update.
	PendingReboot []string `json:"pending_reboot,omitempty"`
	// NextBaseline is the month, by Microsoft's calendar, for whose update the host restarts
	// next, such as 2026-01; earlier ones may be published that no calendar tells.
	NextBaseline string `json:"next_baseline,omitempty"`
	// Eligible: the machine takes hotpatches. Against says why it does not.
	Eligible bool     `json:"eligible"`
	Against  []string `json:"against,omitempty"`
}

// States of virtualisation-based security.
const (
	// VBSRunning: the kernel says so.
	VBSRunning = "running"
	// VBSConfigured: it is switched on, and the kernel did not say whether it runs.
	VBSConfigured = "configured"
	// VBSNotRunning: it is switched on and does not run.
	VBSNotRunning = "not running"
	// VBSOff: it is not switched on.
	VBSOff = "off"
)
