package demo

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestTheVersionBeforeAndThisOneWorkInEveryMix runs server, agent and loader of this
// version and of the one before in all eight mixes, as real processes.
func TestTheVersionBeforeAndThisOneWorkInEveryMix(t *testing.T) {
	if testing.Short() {
		t.Skip("builds and runs whole processes; run without -short")
	}
	if os.Geteuid() != 0 {
		t.Skip("a loader runs as root")
	}
	t.Parallel()
	versions := map[string]string{"old": filepath.Join(previous(t), "bin"), "new": built(t)}
	for _, server := range []string{"old", "new"} {
		t.Run(server+" server", func(t *testing.T) {
			e := foundEstate(t, versions[server])
			for _, agent := range []string{"old", "new"} {
				for _, loader := range []string{"old", "new"} {
					host := agent + "-" + loader // short, for sockets are in its directory
					mix := *e
					mix.programs = e.path("programs", host)
					for program, from := range map[string]string{"hotstick": server, "hotstick-agent": agent, "hotstick-loader": loader} {
						e.must("", os.MkdirAll(mix.programs, 0o755))
						e.must("", os.Symlink(filepath.Join(versions[from], program), mix.program(program)))
					}
					mix.join(host)
					e.hosts = append(e.hosts, host)
				}
			}
			e.allCheckIn()
		})
	}
}

// allCheckIn waits until every host has sent its facts, its loader has taken the catalog
// from its agent, and the server has heard it again since.
func (e *estate) allCheckIn() {
	e.Helper()
	eventually(e.T, "every loader to take the catalog", func() bool {
		for _, h := range e.hosts {
			if _, err := os.Stat(e.path(h, "loader", "ledger.json")); err != nil || e.epoch(h) != 1 {
				return false
			}
		}
		return true
	})
	var first map[string]string
	eventually(e.T, "every host to check in", func() bool {
		first = e.seen(e.owner())
		return len(first) == len(e.hosts)
	})
	eventually(e.T, "every host to check in again", func() bool {
		again := e.seen(e.owner())
		for _, h := range e.hosts {
			if again[h] == first[h] {
				return false
			}
		}
		return true
	})
	for _, h := range e.hosts {
		out := e.must(e.owner().run("hotstick host show " + h + " -o json"))
		if !strings.Contains(out, `"build_id"`) || !strings.Contains(out, `"boot_id"`) {
			e.Errorf("%s has no facts: %s", h, out)
		}
		for _, program := range []string{"-agent", "-loader"} {
			if log := e.units.log(h + program); strings.Contains(log, `"level":"ERROR"`) || strings.Contains(log, "document refused") {
				e.Errorf("%s%s says\n%s", h, program, log)
			}
		}
	}
}
