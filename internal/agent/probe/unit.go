package probe

import (
	"context"
	"errors"
	"strings"
	"time"
)

// Unit is a probe of a systemd unit: active, or reloading while it runs on, is healthy.
type Unit struct {
	// Systemctl is the program that asks systemd. It needs no privilege, only the system
	// bus.
	Systemctl string
	// Unit is the unit's full name, such as nginx.service.
	Unit string
}

// Systemctl is where systems with systemd have it.
const Systemctl = "/usr/bin/systemctl"

// Ask implements [Asker].
func (u Unit) Ask(ctx context.Context, _ bool) Answer {
	begun := time.Now()
	out, err := run(ctx, []string{u.Systemctl, "is-active", "--", u.Unit})
	state, _, _ := strings.Cut(out, "\n")
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return Answer{Detail: noAnswer(begun)}
	case state == "active" || state == "reloading" || state == "refreshing":
		return Answer{Healthy: true, Detail: state}
	case state == "" && err != nil:
		return Answer{Detail: "cannot ask systemd: " + err.Error()}
	}
	return Answer{Detail: "the unit is " + state}
}
