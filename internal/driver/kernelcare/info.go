package kernelcare

import (
	"bufio"
	"fmt"
	"strconv"
	"strings"
)

// Info is what kcarectl --info says of the patch that is applied.
type Info struct {
	// Applied: "patch is applied". Without it nothing else is set.
	Applied bool
	// Level is the patch level, from 1 on.
	Level int
	// Type is the set of patches, such as extra; empty for the usual one.
	Type string
	// Effective is the kernel version whose fixes it has; opaque.
	Effective string
	// Built is when the patch was built, as the tool writes it; opaque.
	Built string
}

// MaxLevel bounds a patch level.
const MaxLevel = 1_000_000

// ParseInfo reads the output of kcarectl --info:
//
//	kpatch-state: patch is applied
//	kpatch-for: Linux version 5.4.0-1028-raspi …
//	kpatch-build-time: Thu Feb 11 23:02:52 2021
//	kpatch-description: 1-:1615812815;5.4.0-1028.31
//
// The description is LEVEL[-TYPE][:SECONDS];EFFECTIVE VERSION. Where nothing is applied the
// tool says so in a sentence of its own, without these lines; then said is false. Lines that
// are not known are skipped, for the tool has gained some in the course of years.
func ParseInfo(text string) (info Info, said bool, err error) {
	fields := map[string]string{}
	for s := bufio.NewScanner(strings.NewReader(text)); s.Scan(); {
		key, value, ok := strings.Cut(s.Text(), ":")
		if !ok || !strings.HasPrefix(key, "kpatch-") {
			continue
		}
		if _, twice := fields[key]; twice {
			return Info{}, false, fmt.Errorf("cannot read the answer of %s --info: it says %.40s twice", Tool, key)
		}
		fields[key] = strings.TrimSpace(value)
	}
	state, said := fields["kpatch-state"]
	description := fields["kpatch-description"]
	switch {
	case !said && description == "":
		return Info{}, false, nil
	case state == "patch is applied":
	case description == "" && (state == "patch is not applied" || state == "no patch applied"):
		return Info{}, true, nil
	default:
		return Info{}, false, fmt.Errorf("cannot read the answer of %s --info: the state is %.80q", Tool, state)
	}
	info = Info{Applied: true, Built: fields["kpatch-build-time"]}
	if err := info.describe(description); err != nil {
		return Info{}, false, err
	}
	return info, true, nil
}

func (i *Info) describe(description string) error {
	which, effective, ok := strings.Cut(description, ";")
	which, _, _ = strings.Cut(which, ":")
	number, kind, _ := strings.Cut(which, "-")
	level, err := Level(number)
	if !ok || err != nil {
		return fmt.Errorf("cannot read the patch level in %.120q", description)
	}
	i.Level, i.Type, i.Effective = level, kind, effective
	return nil
}

// Level reads a patch level as recipes and the tool write it: digits, without zeros before
// them.
func Level(text string) (int, error) {
	level, err := strconv.Atoi(text)
	if err != nil || level < 1 || level > MaxLevel || strconv.Itoa(level) != text {
		return 0, fmt.Errorf("cannot use %.40q as a patch level: want a number from 1 on", text)
	}
	return level, nil
}

// Fix is one record of kcarectl --patch-info.
type Fix struct {
	// Name is the patch's, such as 5.4.0/cve-2022-33655.patch; CVE is empty where it
	// fixes none.
	Name, CVE string
}

// MaxFixes bounds the records that are read.
const MaxFixes = 4096

// ParsePatchInfo reads the records of kcarectl --patch-info, which are parted by empty
// lines and come after a head with OS, kernel, time and uname. They are the vendor's word
// on what a level fixes, never evidence that it is in effect.
func ParsePatchInfo(text string) ([]Fix, error) {
	var fixes []Fix
	for s := bufio.NewScanner(strings.NewReader(text)); s.Scan(); {
		key, value, ok := strings.Cut(s.Text(), ":")
		value = strings.TrimSpace(value)
		switch {
		case !ok:
		case key == "kpatch-name":
			if len(fixes) == MaxFixes {
				return nil, fmt.Errorf("cannot read the answer of %s --patch-info: it has more than %d records", Tool, MaxFixes)
			}
			fixes = append(fixes, Fix{Name: value})
		case key == "kpatch-cve" && len(fixes) > 0 && strings.HasPrefix(value, "CVE-"):
			fixes[len(fixes)-1].CVE = value
		}
	}
	return fixes, nil
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	return line[:min(len(line), 80)]
}
