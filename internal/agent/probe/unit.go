package probe

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"strings"
	"time"
)

// Unit is a probe of a systemd unit: active, or reloading while it runs on, is healthy.
// Where there is no system bus to ask by, as on small systems, a unit is healthy that has
// processes.
type Unit struct {
	// Systemctl is the program that asks systemd. It needs no privilege, only the system
	// bus.
	Systemctl string
	// Root is the host's root directory, with the units' control groups.
	Root fs.FS
	// Unit is the unit's full name, such as nginx.service.
	Unit string
}

// Systemctl is where systems with systemd have it.
const Systemctl = "/usr/bin/systemctl"

var (
	wellStates = []string{"active", "reloading", "refreshing"}
	illStates  = []string{"inactive", "failed", "activating", "deactivating", "maintenance", "unknown"}
)

// Ask implements [Asker].
func (u Unit) Ask(ctx context.Context, _ bool) Answer {
	begun := time.Now()
	out, err := run(ctx, []string{u.Systemctl, "is-active", "--", u.Unit})
	state, _, _ := strings.Cut(out, "\n")
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return Answer{Detail: noAnswer(begun)}
	case slices.Contains(wellStates, state):
		return Answer{Healthy: true, Detail: state}
	case slices.Contains(illStates, state):
		return Answer{Detail: "the unit is " + state}
	case u.populated():
		return Answer{Healthy: true, Detail: "it has processes; systemd cannot be asked"}
	case state == "" && err != nil:
		state = err.Error()
	}
	return Answer{Detail: "cannot ask systemd, and the unit has no processes: " + state}
}

// populated reports whether the unit's control group has processes.
func (u Unit) populated() bool {
	dir := "sys/fs/cgroup/system.slice/"
	if template, _, instance := strings.Cut(u.Unit, "@"); instance {
		dir += "system-" + strings.ReplaceAll(template, "-", `\x2d`) + ".slice/"
	}
	name := dir + u.Unit + "/cgroup.events"
	if !fs.ValidPath(name) {
		return false
	}
	events, err := fs.ReadFile(u.Root, name)
	return err == nil && slices.Contains(strings.Split(string(events), "\n"), "populated 1")
}
