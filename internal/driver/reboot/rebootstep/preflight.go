package rebootstep

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver"
	"github.com/hotstick/hotstick/internal/driver/reboot"
)

// preflight refuses a reboot that the host does not want now, or that it would not come
// back from. It changes nothing.
func (s *Step) preflight(ctx context.Context, set reboot.Settings) error {
	if why := reboot.NoFallback(s.fsys, set); why != "" {
		return driver.Refuse(hotstick.ReasonUnsupported, "%s", why)
	}
	if !set.IgnoreInhibitors {
		if err := s.inhibited(ctx); err != nil {
			return err
		}
	}
	if set.IgnoreUsers {
		return nil
	}
	return s.loggedIn(ctx)
}

// later marks a refusal whose cause may go away by itself.
func later(code hotstick.ReasonCode, format string, args ...any) error {
	r := driver.Refuse(code, format, args...)
	r.Retry = true
	return r
}

// inhibited refuses while something forbids the shutdown: what systemd-logind lists with
// the mode block. What is only to be told of it beforehand (delay) forbids nothing.
func (s *Step) inhibited(ctx context.Context) error {
	ran, err := s.commands.Run(ctx, "busctl", "--json=short", "call", "org.freedesktop.login1", "/org/freedesktop/login1",
		"org.freedesktop.login1.Manager", "ListInhibitors")
	switch {
	case errors.Is(err, driver.ErrNoProgram):
		return nil // no systemd, and so nobody who could forbid it
	case err != nil:
		return err
	case ran.Code != 0 && (strings.Contains(ran.Stderr, "org.freedesktop.login1") || strings.Contains(ran.Stderr, "not provided by any")):
		return nil // systemd without logind
	case ran.Code != 0:
		return driver.Refuse(hotstick.ReasonToolFailed, "busctl: %s", last(ran))
	}
	var answer struct {
		Data [][][6]any `json:"data"`
	}
	if err := json.Unmarshal([]byte(ran.Stdout), &answer); err != nil || len(answer.Data) != 1 {
		return driver.Refuse(hotstick.ReasonToolFailed, "busctl says what is no list of inhibitors: %.200s", ran.Stdout)
	}
	for _, i := range answer.Data[0] {
		what, mode := fmt.Sprint(i[0]), fmt.Sprint(i[3])
		if strings.HasPrefix(mode, "block") && strings.Contains(":"+what+":", ":shutdown:") {
			return later(hotstick.ReasonInhibited, "%.80s: %.200s", fmt.Sprint(i[1]), fmt.Sprint(i[2]))
		}
	}
	return nil
}

// loggedIn refuses while somebody is logged in.
func (s *Step) loggedIn(ctx context.Context) error {
	ran, err := s.commands.Run(ctx, "loginctl", "list-sessions", "--no-legend")
	if err != nil && !errors.Is(err, driver.ErrNoProgram) {
		return err
	}
	if err == nil && ran.Code == 0 {
		return s.sessions(ctx, ran.Stdout)
	}
	ran, err = s.commands.Run(ctx, "who")
	switch {
	case errors.Is(err, driver.ErrNoProgram):
		return driver.Refuse(hotstick.ReasonUnsupported, "nothing tells who is logged in: there is neither loginctl nor who")
	case err != nil:
		return err
	case ran.Code != 0:
		return driver.Refuse(hotstick.ReasonToolFailed, "who: %s", last(ran))
	}
	for line := range strings.Lines(ran.Stdout) {
		// busybox writes a heading.
		if f := strings.Fields(line); len(f) > 1 && f[0] != "USER" {
			return later(hotstick.ReasonUsersLoggedIn, "%.40s on %.40s", f[0], f[1])
		}
	}
	return nil
}

// sessions refuses for the first session that is a person's.
func (s *Step) sessions(ctx context.Context, list string) error {
	for line := range strings.Lines(list) {
		fields := strings.Fields(line)
		if len(fields) == 0 {
			continue
		}
		ran, err := s.commands.Run(ctx, "loginctl", "show-session", fields[0], "-p", "Class", "-p", "Name", "-p", "State")
		if err != nil {
			return err
		}
		if ran.Code != 0 {
			continue // it has ended meanwhile
		}
		is := map[string]string{}
		for line := range strings.Lines(ran.Stdout) {
			name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
			is[name] = value
		}
		if strings.HasPrefix(is["Class"], "user") && is["State"] != "closing" {
			return later(hotstick.ReasonUsersLoggedIn, "%.40s, session %.20s", is["Name"], fields[0])
		}
	}
	return nil
}

// last is the end of what a program said.
func last(ran driver.Ran) string {
	text := strings.TrimSpace(ran.Stderr)
	if text == "" {
		text = strings.TrimSpace(ran.Stdout)
	}
	lines := strings.Split(text, "\n")
	text = strings.Join(lines[max(0, len(lines)-3):], " / ")
	return fmt.Sprintf("code %d: %.250s", ran.Code, text)
}
