package agent

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/version"
)

// DefaultTextfile is where node_exporter of Debian looks for metrics of others.
const DefaultTextfile = "/var/lib/prometheus/node-exporter/hotstick.prom"

// TextfileOff switches the file of metrics off, as a path.
const TextfileOff = "off"

// TextfileAt returns where metrics go: what was configured, or else the default if its
// directory is there and may be written; empty for nowhere.
func TextfileAt(configured string) string {
	switch {
	case configured == TextfileOff:
		return ""
	case configured != "":
		return configured
	case writable(filepath.Dir(DefaultTextfile)):
		return DefaultTextfile
	}
	return ""
}

// SaveTextfile writes what an agent knows as metrics for node_exporter. The file is
// replaced as a whole, so that no half of it is ever scraped.
func SaveTextfile(path string, t Told) error { return replaceLoosely(path, Metrics(t)) }

// Metrics are what an agent knows, in the text format of Prometheus. Every metric is
// listed in docs/reference/host-metrics.md.
func Metrics(t Told) []byte {
	var out bytes.Buffer
	gauge := func(name, help string, value float64, labels ...string) {
		fmt.Fprintf(&out, "# HELP hotstick_agent_%s %s\n# TYPE hotstick_agent_%s gauge\nhotstick_agent_%s", name, help, name, name)
		for i := 0; i+1 < len(labels); i += 2 {
			fmt.Fprintf(&out, "%c%s=\"%s\"", "{,"[min(i, 1)], labels[i], escape(labels[i+1]))
		}
		if len(labels) > 0 {
			out.WriteByte('}')
		}
		fmt.Fprintf(&out, " %g\n", value)
	}
	l := t.Loader
	gauge("info", "The agent that runs.", 1, "version", version.Version)
	gauge("check_in_timestamp_seconds", "When the server last answered; 0 if it never did.", stamp(t.Contact.Answered))
	gauge("check_in_failures", "Check-ins that failed since.", float64(t.Contact.Failures))
	gauge("clock_skew_seconds", "How far the host's clock was ahead of the server's.", float64(t.Contact.SkewMillis)/1000)
	gauge("loader_up", "Whether the loader answers.", one(t.Reached))
	if !t.Reached {
		return out.Bytes() // what it said before is not what is
	}
	if !l.InEffect.IsZero() {
		gauge("level_in_effect", "The level that the loader sees in effect.", float64(l.InEffect.Level), "patch", string(l.InEffect.Name))
	}
	gauge("attempt_under_way", "Whether the kernel is being changed, or a level is on probation.", one(l.Busy))
	gauge("transition_stalled_tasks", "Tasks that keep a transition from ending.", stalled(l.Stall))
	gauge("held", "Whether a person on the host holds it.", one(l.Hold != nil))
	gauge("switched_off", "Whether Hotstick is switched off on the host.", one(l.Off != ""))
	gauge("strikes", "Levels that this host went down with.", float64(len(l.Strikes)))
	gauge("bans", "Levels that are banned.", float64(len(l.Bans)))
	gauge("recalls", "Levels that are recalled.", float64(len(l.Recalls)))
	gauge("adopted", "Systems from which a level was taken over.", float64(len(l.Adopted)))
	gauge("hold_lifted", "Whether such a system is not on hold any more.", one(l.Lifted != nil))
	gauge("catalog_version", "The catalog that the loader has verified.", float64(l.CatalogVersion))
	gauge("reports_waiting", "Reports that the server has not stored yet.", float64(len(l.Reports)))
	return out.Bytes()
}

func one(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}

func stamp(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.Unix())
}

func stalled(s *hotstick.Stall) float64 {
	if s == nil {
		return 0
	}
	return float64(s.Tasks)
}

// escape makes a text fit for the value of a label.
func escape(s string) string {
	return strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(s)
}
