package kernel

import (
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"github.com/hotstick/hotstick"
)

// What the kernel tells of how it copes. A file that is not there gives an error for
// which errors.Is(err, fs.ErrNotExist) holds: older kernels and smaller ones have not
// all of them.

// Pressure returns the share of the last ten seconds in which some task waited for a
// resource: cpu, memory or io (source: /proc/pressure).
func Pressure(fsys fs.FS, resource string) (float64, error) {
	name := "proc/pressure/" + resource
	data, err := readFile(fsys, name, smallFile)
	if err != nil {
		return 0, err
	}
	for l := range strings.Lines(string(data)) {
		fields := strings.Fields(l)
		if len(fields) < 2 || fields[0] != "some" {
			continue
		}
		percent, err := strconv.ParseFloat(strings.TrimPrefix(fields[1], "avg10="), 64)
		if err != nil || !(percent >= 0 && percent <= 100.5) {
			break
		}
		return percent / 100, nil
	}
	return 0, fmt.Errorf("cannot read the pressure in /%s: it is malformed", name)
}

// Waits are sums over all processors since the boot.
type Waits struct {
	// Seconds is how long runnable tasks waited for a processor, Turns how often one got
	// it.
	Seconds, Turns float64
}

// RunQueue returns how long tasks waited for a processor (source: /proc/schedstat).
func RunQueue(fsys fs.FS) (Waits, error) {
	data, err := readFile(fsys, "proc/schedstat", largeFile)
	if err != nil {
		return Waits{}, err
	}
	var w Waits
	found := false
	for l := range strings.Lines(string(data)) {
		// cpu0 0 0 0 0 0 0 RUN-NANOSECONDS WAIT-NANOSECONDS TURNS
		if !strings.HasPrefix(l, "cpu") {
			continue
		}
		fields := strings.Fields(l)
		if len(fields) < 10 {
			return Waits{}, errors.New("cannot read /proc/schedstat: it is malformed")
		}
		wait, err1 := strconv.ParseUint(fields[8], 10, 64)
		turns, err2 := strconv.ParseUint(fields[9], 10, 64)
		if err1 != nil || err2 != nil {
			return Waits{}, errors.New("cannot read /proc/schedstat: it is malformed")
		}
		w.Seconds, w.Turns, found = w.Seconds+float64(wait)/1e9, w.Turns+float64(turns), true
	}
	if !found {
		return Waits{}, errors.New("cannot read /proc/schedstat: it names no processor")
	}
	return w, nil
}

// Segments counts TCP segments since the boot.
type Segments struct{ Sent, Again float64 }

// TCP returns how many segments were sent, and sent again (source: /proc/net/snmp).
func TCP(fsys fs.FS) (Segments, error) {
	data, err := readFile(fsys, "proc/net/snmp", largeFile)
	if err != nil {
		return Segments{}, err
	}
	var names []string
	for l := range strings.Lines(string(data)) {
		fields := strings.Fields(l)
		switch {
		case len(fields) == 0 || fields[0] != "Tcp:":
		case names == nil:
			names = fields
		case len(names) == len(fields):
			var s Segments
			var err1, err2 error
			found := 0
			for i, name := range names {
				switch name {
				case "OutSegs":
					s.Sent, err1 = strconv.ParseFloat(fields[i], 64)
					found++
				case "RetransSegs":
					s.Again, err2 = strconv.ParseFloat(fields[i], 64)
					found++
				}
			}
			if found == 2 && err1 == nil && err2 == nil {
				return s, nil
			}
		}
	}
	return Segments{}, errors.New("cannot read TCP's segments in /proc/net/snmp: it is malformed")
}

// MemoryUse is what the kernel tells of its memory, in bytes.
type MemoryUse struct {
	Total, Available float64
	// Slab is the kernel's own memory that it cannot give back.
	Slab float64
}

// ReadMemory returns how memory is used (source: /proc/meminfo).
func ReadMemory(fsys fs.FS) (MemoryUse, error) {
	data, err := readFile(fsys, "proc/meminfo", smallFile*4)
	if err != nil {
		return MemoryUse{}, err
	}
	var m MemoryUse
	wanted := map[string]*float64{"MemTotal": &m.Total, "MemAvailable": &m.Available, "SUnreclaim": &m.Slab}
	found := 0
	for l := range strings.Lines(string(data)) {
		name, rest, _ := strings.Cut(l, ":")
		at := wanted[name]
		if at == nil {
			continue
		}
		number, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
		kib, err := strconv.ParseUint(number, 10, 53)
		if err != nil {
			return MemoryUse{}, fmt.Errorf("cannot read %s in /proc/meminfo: it is malformed", name)
		}
		*at = float64(kib) * 1024
		found++
	}
	if found != len(wanted) || m.Total <= 0 {
		return MemoryUse{}, errors.New("cannot read /proc/meminfo: a line is missing")
	}
	return m, nil
}

// ModulePosture reads what would keep any module out, without asking the firmware.
func ModulePosture(fsys fs.FS) hotstick.SecurityFacts {
	return hotstick.SecurityFacts{
		Lockdown:          lockdown(line(fsys, "sys/kernel/security/lockdown")),
		SignatureEnforced: flag(fsys, "sys/module/module/parameters/sig_enforce", "Y", "N"),
		ModulesDisabled:   flag(fsys, "proc/sys/kernel/modules_disabled", "1", "0"),
	}
}
