package inventory

import (
	"fmt"
	"slices"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/wire"
)

// Limits of what one host may say of itself. They are far above what real hosts
// send; their purpose is that no host can fill the server's memory or disk.
const (
	maxText        = 1 << 10
	maxCommandLine = 16 << 10
	maxModules     = 4096
	maxPatches     = wire.MaxLoaded
	maxFunctions   = 8192
	maxDrivers     = 32
	maxKeys        = 64
	maxLabels      = 64
	maxLabelKey    = 63
	maxLabelValue  = 255
	maxReadings    = wire.MaxReadings
	maxListed      = 4096
	maxMasters     = 32
	maxModel       = 256
	maxUnits       = 64
)

// Check reports the first thing in a check-in that is malformed or beyond a
// limit. It is pure and names the field, never its content.
func Check(req wire.SyncRequest) error {
	if req.Boot == "" || len(req.Boot) > 64 {
		return fmt.Errorf("cannot use the check-in: boot must have 1 to 64 bytes")
	}
	if len(req.Loader.Nonce) > 256 || len(req.Loader.Plans) > maxListed ||
		len(req.Loader.Strikes) > maxListed || len(req.Loader.Bans) > maxListed || len(req.Loader.Recalls) > maxListed {
		return fmt.Errorf("cannot use the check-in: the loader's state is beyond its limits")
	}
	if err := checkLoader(req.Loader); err != nil {
		return err
	}
	if req.Facts != nil {
		if err := checkFacts(req); err != nil {
			return err
		}
	}
	if d := req.Delta; d != nil && (len(d.Gone) > maxModules || len(d.Come) > maxModules) {
		return fmt.Errorf("cannot use the check-in: more than %d modules changed", maxModules)
	}
	if err := checkPatches(req.Patches); err != nil {
		return err
	}
	if len(req.Readings) > maxReadings {
		return fmt.Errorf("cannot use the check-in: %d readings are above the limit of %d", len(req.Readings), maxReadings)
	}
	for _, r := range req.Readings {
		if tooLong(maxText, r.Probe) || tooLong(hotstick.MaxEvidenceBytes, r.Detail) {
			return fmt.Errorf("cannot use the check-in: a reading is too long")
		}
		if err := r.Measure.Validate(); err != nil {
			return fmt.Errorf("cannot use the check-in: %w", err)
		}
	}
	return checkReports(req.Reports)
}

// checkLoader looks at what the loader says beside its lists.
func checkLoader(l wire.LoaderState) error {
	for _, err := range []error{l.Stall.Validate(), l.Hold.Validate()} {
		if err != nil {
			return fmt.Errorf("cannot use the check-in: %v", err)
		}
	}
	if l.Off != "" && l.Off != hotstick.OffByFile && l.Off != hotstick.OffByCommandLine {
		return fmt.Errorf("cannot use the check-in: nobody knows what switches this host off")
	}
	return nil
}

func checkMasters(masters []hotstick.Master) error {
	if len(masters) > maxMasters {
		return fmt.Errorf("cannot use the facts: more than %d other masters", maxMasters)
	}
	for _, m := range masters {
		if tooLong(maxText, m.System, m.Unit, m.Driver) || m.Lifted != nil && tooLong(maxText, m.Lifted.Detail) || len(m.Modules) > maxPatches || tooLong(maxText, m.Modules...) {
			return fmt.Errorf("cannot use the facts: another master is beyond its limits")
		}
	}
	return nil
}

func checkTracing(t hotstick.TracingFacts) error {
	if len(t.Functions) > hotstick.MaxTraced || len(t.Kprobes) > hotstick.MaxTraced || t.MoreFunctions < 0 || t.MoreKprobes < 0 {
		return fmt.Errorf("cannot use the facts: more than %d traced functions or probes", hotstick.MaxTraced)
	}
	for _, f := range t.Functions {
		if tooLong(maxText, f.Function) || len(f.Handlers) > hotstick.MaxHandlers || tooLong(maxText, f.Handlers...) {
			return fmt.Errorf("cannot use the facts: a traced function is beyond its limits")
		}
	}
	if len(t.Tracers) > hotstick.MaxTracers {
		return fmt.Errorf("cannot use the facts: more than %d tracers", hotstick.MaxTracers)
	}
	for _, by := range t.Tracers {
		if tooLong(maxText, by.Process, by.Kind) || len(by.Functions) > hotstick.MaxTracerFunctions || tooLong(maxText, by.Functions...) {
			return fmt.Errorf("cannot use the facts: a tracer is beyond its limits")
		}
	}
	for _, p := range t.Kprobes {
		if tooLong(maxText, p.Function) {
			return fmt.Errorf("cannot use the facts: a probe's text is too long")
		}
	}
	return nil
}

func checkReports(reports []hotstick.Report) error {
	for _, r := range reports {
		if r.Plan != "" {
			if err := r.Plan.Validate(); err != nil {
				return fmt.Errorf("cannot use the check-in: a report's plan is malformed")
			}
		}
		if r.Reason != nil && tooLong(hotstick.MaxEvidenceBytes, r.Reason.Subject, r.Reason.Detail) {
			return fmt.Errorf("cannot use the check-in: a report's reason is too long")
		}
		if err := r.Crash.Validate(); err != nil {
			return fmt.Errorf("cannot use the check-in: a report's crash is malformed")
		}
		for _, e := range r.Evidence {
			if tooLong(maxText, e.Kind) || tooLong(hotstick.MaxEvidenceBytes, e.Text) {
				return fmt.Errorf("cannot use the check-in: a report's evidence is too long")
			}
		}
	}
	return nil
}

// checkFacts reports what is wrong with the facts of a check-in.
func checkFacts(req wire.SyncRequest) error {
	if err := CheckFacts(*req.Facts); err != nil {
		return err
	}
	if req.Facts.Host.BootID != req.Boot {
		return fmt.Errorf("cannot use the check-in: its facts are of another boot")
	}
	return nil
}

// CheckFacts reports the first fact that is malformed or beyond a limit.
func CheckFacts(f hotstick.Facts) error {
	if err := f.Kernel.Build.Validate(); err != nil {
		return fmt.Errorf("cannot use the facts: the kernel build is malformed")
	}
	if tooLong(maxModel, f.Host.Model) || tooLong(maxText, f.Host.Hostname, f.Host.MachineID, f.Host.Distribution, f.Kernel.Version, f.Security.Lockdown) ||
		tooLong(maxCommandLine, f.Kernel.CommandLine) {
		return fmt.Errorf("cannot use the facts: a text is too long")
	}
	if len(f.Security.Keys) > maxKeys || slices.ContainsFunc(f.Security.Keys, func(k hotstick.KernelKey) bool { return tooLong(maxText, k.Name, k.ID) }) {
		return fmt.Errorf("cannot use the facts: more than %d kernel keys, or one that is too long", maxKeys)
	}
	if len(f.Modules) > maxModules || len(f.Drivers) > maxDrivers || len(f.Labels) > maxLabels {
		return fmt.Errorf("cannot use the facts: more than %d modules, %d drivers or %d labels", maxModules, maxDrivers, maxLabels)
	}
	for _, m := range f.Modules {
		if tooLong(maxText, m.Name, m.SrcVersion, m.Taints) {
			return fmt.Errorf("cannot use the facts: a module's text is too long")
		}
	}
	for _, d := range f.Drivers {
		if tooLong(maxText, d.Driver, string(d.TrustClass), d.Truth, string(d.Undo), d.Tool) || len(d.Rollback) > 8 ||
			d.Reason != nil && tooLong(hotstick.MaxEvidenceBytes, d.Reason.Subject, d.Reason.Detail) {
			return fmt.Errorf("cannot use the facts: a driver's text is too long")
		}
	}
	if err := checkMasters(f.Masters); err != nil {
		return err
	}
	if err := checkTracing(f.Tracing); err != nil {
		return err
	}
	if err := checkSurroundings(f); err != nil {
		return err
	}
	for k, v := range f.Labels {
		if k == "" || len(k) > maxLabelKey || len(v) > maxLabelValue {
			return fmt.Errorf("cannot use the facts: a label must have a key of 1 to %d bytes and a value of at most %d", maxLabelKey, maxLabelValue)
		}
	}
	return checkPatches(f.Livepatch.Patches)
}

func checkPatches(patches []hotstick.LoadedPatch) error {
	if len(patches) > maxPatches {
		return fmt.Errorf("cannot use the check-in: %d live patches are above the limit of %d", len(patches), maxPatches)
	}
	for _, p := range patches {
		if tooLong(maxText, p.Module, p.Driver) || len(p.Functions) > maxFunctions || len(p.Waiting) > maxFunctions {
			return fmt.Errorf("cannot use the check-in: a live patch is beyond its limits")
		}
		if !knownEffect(p.State) {
			return fmt.Errorf("cannot use the check-in: a live patch is in a state that is not known here")
		}
		if tooLong(maxText, p.Functions...) || tooLong(maxText, p.Waiting...) {
			return fmt.Errorf("cannot use the check-in: a function's name, or a module's, is too long")
		}
	}
	return nil
}

func knownEffect(e hotstick.Effect) bool {
	for _, known := range hotstick.Effects() {
		if e == known {
			return true
		}
	}
	return false
}

func tooLong(limit int, texts ...string) bool {
	for _, t := range texts {
		if len(t) > limit {
			return true
		}
	}
	return false
}
