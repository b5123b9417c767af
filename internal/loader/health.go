package loader

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/kernel/klog"
	"github.com/hotstick/hotstick/internal/loader/ledger"
)

// expectedTaint are the bits that loading an out-of-tree, unsigned live patch
// sets: O (12), E (13) and K (15). Any other new bit is a sign of ill health.
const expectedTaint = 1<<12 | 1<<13 | 1<<15

// taintBits say what the kernel's taint bits mean, by their number and as the kernel's
// own letters (source: Documentation/admin-guide/tainted-kernels.rst).
var taintBits = [...]string{
	"P: a proprietary module was loaded", "F: a module was loaded by force", "S: the hardware is out of specification",
	"R: a module was unloaded by force", "M: the processor reported a machine check", "B: a page was in a bad state",
	"U: a program asked for it", "D: the kernel died once (oops or BUG)", "A: an ACPI table was replaced",
	"W: the kernel warned", "C: a staging driver was loaded", "I: a firmware bug is worked around",
	"O: an out-of-tree module was loaded", "E: an unsigned module was loaded", "L: a processor locked up (soft lockup)",
	"K: the kernel is live patched", "X: the distribution's own bit", "T: the kernel was built with structure randomisation",
	"N: an in-kernel test was run", "J: user space used a mutating debug operation",
}

// taintWords names bits of a taint mask, the lowest first.
func taintWords(bits uint64) string {
	var words []string
	for i := range 64 {
		switch {
		case bits&(1<<i) == 0:
		case i < len(taintBits):
			words = append(words, taintBits[i])
		default:
			words = append(words, fmt.Sprintf("bit %d", i))
		}
	}
	return strings.Join(words, "; ")
}

// health is what is known of the host's health in this process.
type health struct {
	// since is the uptime at which this process started: an agent gets its full
	// time again after the loader was restarted.
	since time.Duration
	// heard is the uptime of the agent's last call, 0 if there was none.
	heard time.Duration
	// told: the agent has been answered that the open attempt is under way, so it
	// knows that it has to call often.
	told bool
	// probes are the newest readings by probe.
	probes map[string]probeReading
	// green are the probes that were healthy since this process started.
	green map[string]bool
}

type probeReading struct {
	reading hotstick.Reading
	// at is the uptime of which the reading speaks at the earliest.
	at time.Duration
}

// maxProbes bounds how many different probes an agent may name.
const maxProbes = 64

// listen takes the readings of one call of the agent.
func (h *health) listen(readings []hotstick.Reading, uptime time.Duration) {
	h.heard = uptime
	if h.probes == nil {
		h.probes, h.green = map[string]probeReading{}, map[string]bool{}
	}
	for _, r := range readings {
		if _, known := h.probes[r.Probe]; !known && len(h.probes) >= maxProbes {
			continue
		}
		h.probes[r.Probe] = probeReading{reading: r, at: spokenOf(r, uptime)}
		if r.Healthy {
			h.green[r.Probe] = true
		}
	}
}

// spokenOf is the uptime of which a reading that came now speaks: that at which the probe
// was asked. What was asked before a level was in effect is no evidence for it, however late
// the answer comes. An agent that is older than this rule does not say it.
func spokenOf(r hotstick.Reading, uptime time.Duration) time.Duration {
	if asked := millis(r.AskedMillis); asked > 0 && asked < uptime {
		return asked
	}
	return uptime
}

// silence returns how long the agent has said nothing since the attempt's load.
// A level that comes back from its permit must not depend on the agent being
// there at all, so there it counts from the first call that the agent made; and so it
// does after a reboot that a level came with, in which the agent is started last.
func (h *health) silence(a ledger.Attempt, uptime time.Duration) time.Duration {
	if !h.told && (a.Plan == "" || a.Level.Reboots() && h.heard == 0) {
		return 0
	}
	from := max(h.heard, millis(a.LoadMillis), h.since)
	return max(0, uptime-from)
}

// unhealthy returns the first probe, in the order of names, whose newest reading
// is bad, of those that count for the attempt.
func (h *health) unhealthy(which heed, a ledger.Attempt) *hotstick.Reason {
	var worst *hotstick.Reason
	for name, p := range h.probes {
		if p.reading.Healthy || worst != nil && worst.Subject < name || !h.counts(which, name, a) {
			continue
		}
		worst = &hotstick.Reason{Code: hotstick.ReasonProbeFailed, Subject: name, Detail: clip(p.reading.Detail)}
	}
	return worst
}

// answered reports whether every known probe was asked and answered since the attempt's
// phase began:
// those that this process heard of, and those that an earlier one wrote down. What that
// one was told of the host is lost, so its successor waits for the agent at least.
func (h *health) answered(a ledger.Attempt) bool {
	if a.Plan != "" && h.heard == 0 {
		return false
	}
	for _, name := range append(h.names(), a.Probes...) {
		if p, known := h.probes[name]; !known || p.at < millis(a.SinceMillis) {
			return false
		}
	}
	return true
}

// names are those of the known probes, sorted.
func (h *health) names() []string { return slices.Sorted(maps.Keys(h.probes)) }

// unwritten reports whether a probe is known that the attempt does not name, or was
// healthy since the boot where that will be asked for.
func (h *health) unwritten(a ledger.Attempt) bool {
	return slices.ContainsFunc(h.names(), func(name string) bool { return !slices.Contains(a.Probes, name) }) ||
		slices.ContainsFunc(h.healthySince(a), func(name string) bool { return !slices.Contains(a.Green, name) })
}

// healthySince are the probes that were healthy since the boot with which the attempt's
// level came; none before that, nor where it came without.
func (h *health) healthySince(a ledger.Attempt) []string {
	if !a.Level.Reboots() || a.Phase != hotstick.Probation {
		return nil
	}
	return slices.Sorted(maps.Keys(h.green))
}

// kernelAlarm judges the kernel log and the taint since the attempt began. A fault whose
// trace names the patch speaks first: its module, or a function that it replaces.
func kernelAlarm(a ledger.Attempt, faults []Fault, taint uint64) (*hotstick.Reason, []hotstick.Evidence) {
	reason, evidence := (*hotstick.Reason)(nil), make([]hotstick.Evidence, 0, len(faults))
	named := ""
	for _, f := range faults {
		if others(f, a.Level.Module) {
			continue
		}
		evidence = append(evidence, hotstick.Evidence{Kind: "kernel_log", Text: f.Text})
		line, _, _ := strings.Cut(f.Text, "\n")
		name, ok := accuses(f, a.Level)
		switch {
		case ok && named == "":
			named = name
			reason = &hotstick.Reason{Code: hotstick.ReasonKernelLog, Subject: f.Kind, Detail: clip("names " + name + ": " + line)}
		case reason == nil:
			reason = &hotstick.Reason{Code: hotstick.ReasonKernelLog, Subject: f.Kind, Detail: clip(line)}
		}
	}
	if reason != nil {
		return reason, boundEvidence(evidence)
	}
	if fresh := taint &^ a.TaintBefore &^ expectedTaint; fresh != 0 {
		return &hotstick.Reason{Code: hotstick.ReasonTaint, Detail: taintWords(fresh)}, nil
	}
	return nil, nil
}

// accuses reports by which name a fault accuses a level.
func accuses(f Fault, level ledger.Level) (string, bool) {
	if patch, module, ok := f.refuser(); ok {
		return patch + ", which keeps " + module + " out", true
	}
	return klog.Names(f.Text, level.Module, level.Functions)
}

// others reports whether a fault is the doing of another live patch: one that keeps a
// module from being loaded says so.
func others(f Fault, module string) bool {
	patch, _, ok := f.refuser()
	return ok && patch != module
}

// refuser returns which live patch kept a module out, if that is the fault.
func (f Fault) refuser() (patch, module string, ok bool) {
	return klog.Fault{Kind: klog.Kind(f.Kind), Text: f.Text}.Refuser()
}

// clip bounds text that came from outside before it becomes part of a reason.
func clip(s string) string {
	const limit = 300
	if len(s) > limit {
		s = s[:limit]
	}
	return strings.ToValidUTF8(s, "?")
}
