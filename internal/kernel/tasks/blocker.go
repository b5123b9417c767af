package tasks

import (
	"cmp"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"github.com/hotstick/hotstick"
)

// ranks orders the causes by what they tell.
var ranks = []hotstick.BlockCause{
	hotstick.BlockInside, hotstick.BlockStopped, hotstick.BlockUninterruptible, hotstick.BlockRunning,
	hotstick.BlockStack, hotstick.BlockAsleep, hotstick.BlockUnknown,
}

// describe tells of the known blockers, the most telling first.
func (w *Watch) describe(t Transition) []hotstick.Blocker {
	var blockers []hotstick.Blocker
	for _, k := range w.known[:min(len(w.known), maxDescribed)] {
		blockers = append(blockers, w.blocker(k, t))
	}
	slices.SortStableFunc(blockers, func(a, b hotstick.Blocker) int {
		return cmp.Compare(slices.Index(ranks, a.Cause), slices.Index(ranks, b.Cause))
	})
	return blockers[:min(len(blockers), hotstick.MaxBlockers)]
}

func (w *Watch) blocker(k thread, t Transition) hotstick.Blocker {
	b := hotstick.Blocker{PID: k.pid, TID: k.tid, Command: clean(w.read(k.file("comm")), maxText)}
	b.State, b.Kernel = parseStat(w.read(k.file("stat")))
	b.Unit = unitOf(w.read("proc/" + strconv.Itoa(k.pid) + "/cgroup"))
	b.Stack = parseStack(w.read(k.file("stack")))
	b.Function = clean(t.inside(b.Stack), maxText)
	b.Cause = causeOf(b)
	b.Stack = b.Stack[:min(len(b.Stack), hotstick.MaxStack)]
	return b
}

// read reads a file of the kernel; what cannot be read is empty.
func (w *Watch) read(name string) string {
	raw, err := fs.ReadFile(w.fsys, name)
	if err != nil {
		return ""
	}
	return string(raw)
}

// Limits of texts, in bytes; below those of [hotstick.Stall.Validate].
const (
	maxText = 200
	maxLine = 200
	// shownFrames is how many frames the kernel shows of a stack at most
	// (MAX_STACK_TRACE_DEPTH in fs/proc/base.c).
	shownFrames = 64
)

// kernelThread is the flag PF_KTHREAD of a task.
const kernelThread = 0x00200000

// parseStat reads the state's letter, and whether the kernel made the task. The name
// before them is in parentheses and may hold any character, parentheses too.
func parseStat(stat string) (state string, kernel bool) {
	fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	if len(fields) < 7 || !strings.Contains(stat, ")") {
		return "", false
	}
	flags, _ := strconv.ParseUint(fields[6], 10, 64)
	return clean(fields[0], 8), flags&kernelThread != 0
}

// unitOf reads the unit from the cgroups of a process: the first directory of its path
// that systemd itself starts and stops. Of the processes of a user that is the user's
// own manager, user@1000.service.
func unitOf(cgroups string) string {
	for line := range strings.Lines(cgroups) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) < 3 || parts[1] != "" && parts[1] != "name=systemd" {
			continue
		}
		for dir := range strings.SplitSeq(parts[2], "/") {
			for _, kind := range []string{".service", ".scope", ".mount", ".socket", ".swap"} {
				if strings.HasSuffix(dir, kind) {
					return clean(dir, maxText)
				}
			}
		}
	}
	return ""
}

// parseStack reads lines such as "[<0>] do_sys_poll+0x3a/0x60".
func parseStack(text string) (stack []string) {
	for line := range strings.Lines(text) {
		if _, frame, ok := strings.Cut(line, "] "); ok && len(stack) < shownFrames {
			stack = append(stack, clean(frame, maxLine))
		}
	}
	return stack
}

// causeOf concludes the likely cause.
func causeOf(b hotstick.Blocker) hotstick.BlockCause {
	switch {
	case b.Function != "":
		return hotstick.BlockInside
	case b.State == "T" || b.State == "t":
		return hotstick.BlockStopped
	case b.State == "D":
		return hotstick.BlockUninterruptible
	case b.State == "R":
		return hotstick.BlockRunning
	case len(b.Stack) >= shownFrames:
		return hotstick.BlockStack
	case b.State == "S" || b.State == "I":
		return hotstick.BlockAsleep
	}
	return hotstick.BlockUnknown
}

// clean makes one line of text fit for JSON and for a screen.
func clean(s string, limit int) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '?'
		}
		return r
	}, strings.ToValidUTF8(strings.TrimSpace(s), "?"))
	if len(s) > limit {
		s = strings.ToValidUTF8(s[:limit], "")
	}
	return s
}
