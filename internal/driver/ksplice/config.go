package ksplice

import (
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/hotstick/hotstick/internal/driver/conffile"
)

// Files of the vendor's clients, below the root.
const (
	Config      = "etc/uptrack/uptrack.conf"
	DisableFile = "etc/uptrack/disable"
)

// Section is where the switches stand.
const Section = "Settings"

// Switch is one by which the clients apply updates by themselves.
type Switch struct {
	Key string
	// Held is its value when on hold, and Otherwise what counts where it is not set.
	Held, Otherwise bool
}

// Switches are all of them: the job of cron, the boot, the boot of another kernel, and the
// installation of a package with updates. What counts where one is not set is from the
// client's own source, for the last one from the manual.
func Switches() []Switch {
	return []Switch{
		{Key: "autoinstall", Held: false, Otherwise: false},
		{Key: "install_on_reboot", Held: false, Otherwise: true},
		{Key: "upgrade_on_reboot", Held: false, Otherwise: false},
		{Key: "skip_apply_after_pkg_install", Held: true, Otherwise: false},
	}
}

// Held reports whether the clients apply nothing by themselves, and says what does where it
// is not so. That they are switched off is no hold: see [Off].
func Held(fsys fs.FS) (bool, string, error) {
	f, err := conffile.ReadFS(fsys, Config)
	if err != nil {
		return false, "", err
	}
	for _, s := range Switches() {
		text, there := f.Get(Section, s.Key)
		value, known := boolean(text)
		switch {
		case !there && s.Otherwise != s.Held:
			return false, fmt.Sprintf("/%s has no %s", Config, s.Key), nil
		case there && (!known || value != s.Held):
			return false, fmt.Sprintf("/%s says %s = %.40s", Config, s.Key, text), nil
		}
	}
	return true, "", nil
}

// boolean reads a switch as the client's own reader does.
func boolean(text string) (value, known bool) {
	text = strings.ToLower(text)
	if slices.Contains([]string{"1", "yes", "true", "on"}, text) {
		return true, true
	}
	return false, slices.Contains([]string{"0", "no", "false", "off"}, text)
}
