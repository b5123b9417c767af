package suse

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/hotstick/hotstick"
)

const (
	livepatchDir = "sys/kernel/livepatch"
	// kgraftDir is where kernels of SLE 12 before they had the upstream live patching
	// tell of their own.
	kgraftDir = "sys/kernel/kgraft"
)

// maxFile bounds what is read of one file on the host.
const maxFile = 1 << 20

func has(fsys fs.FS, name string) bool {
	_, err := fs.Stat(fsys, name)
	return err == nil
}

// read reads a file; nil if it is not there or longer than it may be.
func read(fsys fs.FS, name string) []byte {
	f, err := fsys.Open(name)
	if err != nil {
		return nil
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil || len(data) > maxFile {
		return nil
	}
	return data
}

// isSUSE tells whether the host runs a product for which SUSE makes live patches.
func isSUSE(fsys fs.FS) bool { return strings.HasPrefix(product(fsys), "sl") }

// isMicro tells whether its root can only be read while it runs.
func isMicro(fsys fs.FS) bool { return strings.Contains(product(fsys), "micro") }

// product is the ID of os-release where that is one of SUSE's: sles, sles_sap, sle_hpc,
// sled, sle-micro and sl-micro are known. Otherwise it is empty.
func product(fsys fs.FS) string {
	data := read(fsys, "etc/os-release")
	if data == nil {
		data = read(fsys, "usr/lib/os-release")
	}
	for line := range bytes.Lines(data) {
		key, value, _ := strings.Cut(strings.TrimSpace(string(line)), "=")
		if key != "ID" {
			continue
		}
		id := strings.Trim(value, `"'`)
		for _, prefix := range []string{"sle", "sl-micro", "sl_micro"} {
			if strings.HasPrefix(id, prefix) {
				return id
			}
		}
		return ""
	}
	return ""
}

// lifecycleDirs hold what `zypper lifecycle` reads: one line for each package whose
// support ends at another time than its product's.
var lifecycleDirs = []string{"usr/share/lifecycle/data", "var/lib/lifecycle/data"}

// CoverEnded tells whether SUSE has stopped to make live patches for the running
// kernel, and when. Of a host without the lifecycle data, nothing is known.
func (o *Observer) CoverEnded() (bool, time.Time) {
	names := PackageNames(strings.TrimSpace(string(read(o.fsys, "proc/sys/kernel/osrelease"))))
	for _, dir := range lifecycleDirs {
		files, err := fs.ReadDir(o.fsys, dir)
		if err != nil {
			continue
		}
		for _, f := range files {
			if !strings.HasSuffix(f.Name(), ".lifecycle") {
				continue
			}
			until, found := ParseLifecycle(read(o.fsys, path.Join(dir, f.Name())), names)
			if found {
				// The day itself is still covered.
				return o.now().After(until.AddDate(0, 0, 1)), until
			}
		}
	}
	return false, time.Time{}
}

// ParseLifecycle returns the last day on which the first of the packages that is listed
// is supported. A line is NAME, VERSION, DATE, where the version may be an asterisk; of
// several lines the latest date counts.
func ParseLifecycle(data []byte, names []string) (until time.Time, found bool) {
	scan := bufio.NewScanner(bytes.NewReader(data))
	for scan.Scan() {
		fields := strings.Split(scan.Text(), ",")
		if len(fields) != 3 || !slices.Contains(names, strings.TrimSpace(fields[0])) {
			continue
		}
		day, err := time.Parse(time.DateOnly, strings.TrimSpace(fields[2]))
		if err != nil {
			continue
		}
		if !found || day.After(until) {
			until, found = day, true
		}
	}
	return until, found
}

// kgraft lists the patches of a kernel with kGraft. It says of the whole kernel whether
// a transition runs, and a module that is in effect is in use; there is no telling which
// of several is on its way in.
func kgraft(fsys fs.FS) ([]hotstick.LoadedPatch, error) {
	modules, err := fs.ReadDir(fsys, "sys/module")
	if err != nil {
		return nil, fmt.Errorf("cannot read live patches: %w", err)
	}
	progress := strings.TrimSpace(string(read(fsys, kgraftDir+"/in_progress")))
	var found []hotstick.LoadedPatch
	for _, m := range modules {
		if !IsModule(m.Name()) {
			continue
		}
		switch used := strings.TrimSpace(string(read(fsys, "sys/module/"+m.Name()+"/refcnt"))); {
		case used == "0":
		case used == "" || progress != "0" && progress != "1":
			found = append(found, hotstick.LoadedPatch{Module: m.Name(), Driver: Name, State: hotstick.EffectUnknown})
		case progress == "0":
			found = append(found, hotstick.LoadedPatch{Module: m.Name(), Driver: Name, State: hotstick.InEffect})
		default:
			found = append(found, hotstick.LoadedPatch{Module: m.Name(), Driver: Name, State: hotstick.TransitionIn})
		}
	}
	if progress == "1" && len(found) > 1 {
		for i := range found {
			found[i].State = hotstick.EffectUnknown
		}
	}
	return found, nil
}
