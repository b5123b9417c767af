package kernelcare

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/hotstick/hotstick/internal/driver/conffile"
)

// Config is where the agent of KernelCare is configured, below the root.
const Config = "etc/sysconfig/kcare/kcare.conf"

// Keys of the configuration that say when and what the agent applies.
const (
	AutoUpdate         = "AUTO_UPDATE"
	StickyPatch        = "STICKY_PATCH"
	StickyPatchSet     = "STICKY_PATCHSET"
	AutoStickyPatchSet = "AUTO_STICKY_PATCHSET"
	UpdateDelay        = "UPDATE_DELAY"
	AutoUpdateDelay    = "AUTO_UPDATE_DELAY"
)

// Held reports whether the agent applies nothing by itself, and says what does where it
// is not so. AUTO_UPDATE=False covers the boot and the job every four hours, which stays
// installed and then does nothing. A job of somebody's own that runs an update is not
// covered.
func Held(fsys fs.FS) (bool, string, error) {
	f, err := conffile.ReadFS(fsys, Config)
	if err != nil {
		return false, "", err
	}
	value, there := f.Get("", AutoUpdate)
	switch {
	case !there:
		return false, "/" + Config + " has no " + AutoUpdate, nil
	case !off(value):
		return false, fmt.Sprintf("/%s says %s=%.40s", Config, AutoUpdate, value), nil
	}
	if job := ownJob(fsys); job != "" {
		return false, job, nil
	}
	return true, "", nil
}

// off reads a switch as the vendor's documentation writes it: True and False, or YES and NO.
// What is neither counts as on.
func off(value string) bool {
	return slices.Contains([]string{"false", "no", "0", "off", "n"}, strings.ToLower(strings.Trim(value, `"' `)))
}

// cronDirs and cronFiles are where jobs stand.
var (
	cronDirs  = []string{"etc/cron.d", "var/spool/cron", "var/spool/cron/crontabs", "etc/cron.hourly", "etc/cron.daily"}
	cronFiles = []string{"etc/crontab"}
)

// ownJob finds a job that updates whatever AUTO_UPDATE says, and names its file.
func ownJob(fsys fs.FS) string {
	files := slices.Clone(cronFiles)
	for _, dir := range cronDirs {
		entries, err := fs.ReadDir(fsys, dir)
		if err != nil {
			continue
		}
		for _, e := range entries[:min(len(entries), 256)] {
			if e.Type().IsRegular() {
				files = append(files, path.Join(dir, e.Name()))
			}
		}
	}
	for _, name := range files {
		f, err := conffile.ReadFS(fsys, name)
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(f.Bytes())) {
			if !strings.HasPrefix(strings.TrimSpace(line), "#") && updates(line) {
				return "/" + name + " runs an update of its own"
			}
		}
	}
	return ""
}

// updates reports whether a line runs kcarectl so that it updates. --auto-update asks
// AUTO_UPDATE first.
func updates(line string) bool {
	words := strings.FieldsFunc(line, func(r rune) bool { return strings.ContainsRune(" \t;&|\n", r) })
	runs := false
	for _, w := range words {
		runs = runs || path.Base(w) == Tool
		if runs && (w == "--update" || w == "-u" || w == "--smart-update") {
			return true
		}
	}
	return false
}
