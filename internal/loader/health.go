package loader

import (
	"fmt"
	"strings"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/loader/ledger"
)

// expectedTaint are the bits that loading an out-of-tree, unsigned live patch
// sets: O (12), E (13) and K (15). Any other new bit is a sign of ill health.
const expectedTaint = 1<<12 | 1<<13 | 1<<15

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
	// probes are the newest readings by probe, with the uptime they came at.
	probes map[string]probeReading
}

type probeReading struct {
	reading hotstick.Reading
	at      time.Duration
}

// maxProbes bounds how many different probes an agent may name.
const maxProbes = 64

// listen takes the readings of one call of the agent.
func (h *health) listen(readings []hotstick.Reading, uptime time.Duration) {
	h.heard = uptime
	if h.probes == nil {
		h.probes = map[string]probeReading{}
	}
	for _, r := range readings {
		if _, known := h.probes[r.Probe]; !known && len(h.probes) >= maxProbes {
			continue
		}
		h.probes[r.Probe] = probeReading{reading: r, at: uptime}
	}
}

// silence returns how long the agent has said nothing since the attempt's load.
// A level that comes back from its permit must not depend on the agent being
// there at all, so there it counts from the first call that the agent made.
func (h *health) silence(a ledger.Attempt, uptime time.Duration) time.Duration {
	if !h.told && a.Plan == "" {
		return 0
	}
	from := max(h.heard, millis(a.LoadMillis), h.since)
	return max(0, uptime-from)
}

// unhealthy returns the first probe, in the order of names, whose newest reading
// is bad.
func (h *health) unhealthy() *hotstick.Reason {
	var worst *hotstick.Reason
	for name, p := range h.probes {
		if p.reading.Healthy || worst != nil && worst.Subject < name {
			continue
		}
		worst = &hotstick.Reason{Code: hotstick.ReasonProbeFailed, Subject: name, Detail: clip(p.reading.Detail)}
	}
	return worst
}

// answered reports whether every known probe answered since the uptime.
func (h *health) answered(since time.Duration) bool {
	for _, p := range h.probes {
		if p.at < since {
			return false
		}
	}
	return true
}

// kernelAlarm judges the kernel log and the taint since the attempt began.
func kernelAlarm(a ledger.Attempt, faults []Fault, taint uint64) (*hotstick.Reason, []hotstick.Evidence) {
	if len(faults) > 0 {
		evidence := make([]hotstick.Evidence, 0, len(faults))
		for _, f := range faults {
			evidence = append(evidence, hotstick.Evidence{Kind: "kernel_log", Text: f.Text})
		}
		line, _, _ := strings.Cut(faults[0].Text, "\n")
		return &hotstick.Reason{Code: hotstick.ReasonKernelLog, Subject: faults[0].Kind, Detail: clip(line)}, boundEvidence(evidence)
	}
	if fresh := taint &^ a.TaintBefore &^ expectedTaint; fresh != 0 {
		return &hotstick.Reason{Code: hotstick.ReasonTaint, Detail: fmt.Sprintf("bits %#x are new", fresh)}, nil
	}
	return nil, nil
}

// clip bounds text that came from outside before it becomes part of a reason.
func clip(s string) string {
	const limit = 300
	if len(s) > limit {
		s = s[:limit]
	}
	return strings.ToValidUTF8(s, "?")
}
