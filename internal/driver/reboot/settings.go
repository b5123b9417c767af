package reboot

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strconv"
	"strings"
	"time"
)

// SettingsFile is what whoever administers the host says about reboots, below the root.
// It has lines of the form name = value; # begins a comment.
const SettingsFile = "etc/hotstick/reboot.conf"

// Settings are what it says.
type Settings struct {
	// IgnoreUsers: reboot although somebody is logged in (users = ignore).
	IgnoreUsers bool
	// IgnoreInhibitors: reboot although something forbids it (inhibitors = ignore).
	IgnoreInhibitors bool
	// Kexec: start the new kernel from the running one, without the firmware
	// (method = kexec). The fallback is still that of the boot loader.
	Kexec bool
	// Watchdog: something outside the kernel restarts a machine that stands still
	// (fallback = watchdog), so the kernel itself need not.
	Watchdog bool
	// HookLimit is how long one hook may take (hook_limit = 10m).
	HookLimit time.Duration
}

// DefaultHookLimit is how long a hook may take where nothing else is said.
const DefaultHookLimit = 10 * time.Minute

// ReadSettings reads the file; where it is missing the defaults hold. A word that is not
// known makes all of it unreadable, for it may forbid something.
func ReadSettings(fsys fs.FS) (Settings, error) {
	s := Settings{HookLimit: DefaultHookLimit}
	f, err := fsys.Open(SettingsFile)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return s, fmt.Errorf("cannot read the host's settings for reboots: %w", err)
	}
	defer f.Close()
	const limit = 16 << 10
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return s, fmt.Errorf("cannot read the host's settings for reboots: %w", err)
	}
	if len(data) > limit {
		return s, fmt.Errorf("cannot read the host's settings for reboots: /%s is longer than %d bytes", SettingsFile, limit)
	}
	for line := range strings.Lines(string(data)) {
		line, _, _ = strings.Cut(line, "#")
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		name, value, _ := strings.Cut(line, "=")
		if err := s.set(strings.TrimSpace(name), strings.TrimSpace(value)); err != nil {
			return s, err
		}
	}
	return s, nil
}

// set takes one line.
func (s *Settings) set(name, value string) error {
	words := map[string]struct {
		values [2]string // the default, and the other
		to     *bool
	}{
		"users":      {[2]string{"refuse", "ignore"}, &s.IgnoreUsers},
		"inhibitors": {[2]string{"refuse", "ignore"}, &s.IgnoreInhibitors},
		"method":     {[2]string{"firmware", "kexec"}, &s.Kexec},
		"fallback":   {[2]string{"panic", "watchdog"}, &s.Watchdog},
	}
	if w, known := words[name]; known {
		if value != w.values[0] && value != w.values[1] {
			return fmt.Errorf("cannot use %s = %.40q in /%s: want %s or %s", name, value, SettingsFile, w.values[0], w.values[1])
		}
		*w.to = value == w.values[1]
		return nil
	}
	limit, err := time.ParseDuration(value)
	if name != "hook_limit" || err != nil || limit < time.Second || limit > 6*time.Hour {
		return fmt.Errorf("cannot use %.40q = %.40q in /%s", name, value, SettingsFile)
	}
	s.HookLimit = limit
	return nil
}

// NoFallback says why the host would not come back by itself from a kernel that dies
// while it boots; empty if it would. Only a machine that restarts after a panic reaches
// the old kernel again. The new kernel gets the command line of the old one; a sysctl is
// set long after the time at which a kernel dies for want of its root.
func NoFallback(fsys fs.FS, s Settings) string {
	if s.Watchdog {
		return ""
	}
	line, err := fs.ReadFile(fsys, "proc/cmdline")
	if err != nil {
		return "the kernel's command line cannot be read"
	}
	for word := range strings.FieldsSeq(string(line)) {
		value, is := strings.CutPrefix(word, "panic=")
		if n, err := strconv.Atoi(value); is && err == nil && n != 0 {
			return ""
		}
	}
	return "the kernel's command line has no panic=N, so a new kernel that dies while it boots would stand still and the old one would never come back: set panic=10"
}
