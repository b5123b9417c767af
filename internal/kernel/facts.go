package kernel

import (
	"errors"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/shape"
)

// Read reads the groups of facts that are the kernel's own: host, kernel,
// security and modules. What drivers and configuration know is left empty. The
// error names every fact that could not be read and without which nothing can be
// decided; the others are then still filled in.
func Read(fsys fs.FS, arch string) (hotstick.Facts, error) {
	var facts hotstick.Facts
	var errs [4]error
	facts.Host = readHost(fsys)
	facts.Host.BootID, errs[0] = BootID(fsys)
	facts.Kernel.Build, errs[1] = Build(fsys, arch)
	facts.Kernel.Tainted, errs[2] = Taint(fsys)
	facts.Kernel.Version = line(fsys, "proc/sys/kernel/version")
	if cmdline, err := readFile(fsys, "proc/cmdline", largeFile); err == nil {
		facts.Kernel.CommandLine = text(cmdline)
	}
	facts.Kernel.LivepatchSupported = HasLivepatch(fsys)
	facts.Security = Security(fsys)
	facts.Kernel.Package = bootedPackage(fsys, facts.Host, facts.Kernel)
	facts.Kernel.Installed = installed(fsys, facts.Kernel.Build.Release)
	facts.Kernel.BuiltIn = builtIn(fsys, facts.Kernel.Build.Release, facts.Security)
	modules, err := readModules(fsys)
	errs[3] = err
	for _, m := range modules {
		facts.Modules = append(facts.Modules, m.facts(fsys))
	}
	// The kernel lists the newest first; in the order of names two lists can be compared.
	slices.SortFunc(facts.Modules, func(a, b hotstick.ModuleFacts) int { return strings.Compare(a.Name, b.Name) })
	return facts, errors.Join(errs[:]...)
}

func exists(fsys fs.FS, name string) bool {
	_, err := fs.Stat(fsys, name)
	return err == nil
}

var machineIDPattern = shape.All("0-9a-f", 32, 32)

func readHost(fsys fs.FS) hotstick.HostFacts {
	h := hotstick.HostFacts{
		Hostname:     line(fsys, "proc/sys/kernel/hostname"),
		BootedAt:     bootTime(fsys),
		Distribution: osRelease(fsys, "PRETTY_NAME"),
		CPUs:         cpus(line(fsys, "sys/devices/system/cpu/online")),
		MemoryBytes:  memory(fsys),
	}
	h.DistributionID, h.DistributionVersion = identifier(fsys, "ID"), identifier(fsys, "VERSION_ID")
	h.Hardware, h.Model = hardware(fsys), Model(fsys)
	if id := line(fsys, "etc/machine-id"); machineIDPattern.MatchString(id) {
		h.MachineID = id
	}
	return h
}

// bootTime reads the second in which the kernel started, by its wall clock; zero
// if unknown.
func bootTime(fsys fs.FS) time.Time {
	// The interrupt counters of a large machine make this file long.
	stat, err := readFile(fsys, "proc/stat", 8<<20)
	if err != nil {
		return time.Time{}
	}
	for l := range strings.Lines(string(stat)) {
		if s, ok := strings.CutPrefix(l, "btime "); ok {
			if seconds, err := strconv.ParseInt(strings.TrimSpace(s), 10, 64); err == nil && seconds > 0 {
				return time.Unix(seconds, 0).UTC()
			}
		}
	}
	return time.Time{}
}

// unquote removes the shell quotes that os-release(5) allows.
func unquote(s string) string {
	if len(s) < 2 || s[0] != s[len(s)-1] || s[0] != '"' && s[0] != '\'' {
		return s
	}
	quote, s := s[0], s[1:len(s)-1]
	if quote == '\'' {
		return s
	}
	return strings.NewReplacer(`\"`, `"`, `\$`, `$`, "\\`", "`", `\\`, `\`).Replace(s)
}

// cpus counts a list of ranges such as 0-3,5; zero if it is not one.
func cpus(list string) int {
	n := 0
	for part := range strings.SplitSeq(list, ",") {
		first, last, isRange := strings.Cut(part, "-")
		if !isRange {
			last = first
		}
		a, err1 := strconv.ParseUint(first, 10, 16)
		b, err2 := strconv.ParseUint(last, 10, 16)
		if err1 != nil || err2 != nil || b < a {
			return 0
		}
		n += int(b-a) + 1
	}
	return n
}

func memory(fsys fs.FS) int64 {
	data, err := readFile(fsys, "proc/meminfo", largeFile)
	if err != nil {
		return 0
	}
	for l := range strings.Lines(string(data)) {
		fields := strings.Fields(l)
		if len(fields) == 3 && fields[0] == "MemTotal:" && fields[2] == "kB" {
			kib, err := strconv.ParseUint(fields[1], 10, 50)
			if err != nil {
				return 0
			}
			return int64(kib) << 10
		}
	}
	return 0
}
