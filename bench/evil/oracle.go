package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/hotstick/hotstick/internal/demo/host"
	"github.com/hotstick/hotstick/internal/guest"
)

// state is what a kernel says of itself: on the serial line, which goes through no
// agent, and on its console.
type state struct {
	boot string
	// patches are the entries of /sys/kernel/livepatch with enabled and transition.
	patches []string
	// modules are the names in /proc/modules.
	modules []string
	// console are the lines that the live patch code of the kernel wrote, over all
	// boots.
	console []string
}

// look prints what state has. The shell's own words do it, for a guest without a
// processor of its own takes long to start a program.
const look = `read -r boot </proc/sys/kernel/random/boot_id; echo "boot $boot"
for p in /sys/kernel/livepatch/*; do [ -e "$p/enabled" ] && read -r e <"$p/enabled" && read -r t <"$p/transition" && echo "patch ${p##*/} $e $t"; done
while read -r name rest; do echo "module $name"; done </proc/modules`

// observe asks a kernel.
func observe(ctx context.Context, g *guest.Guest) (state, error) {
	out, err := host.MustRun(ctx, g, look)
	if err != nil {
		return state{}, err
	}
	log, err := g.ConsoleLog()
	if err != nil {
		return state{}, err
	}
	return readState(out, log)
}

func readState(out, console string) (state, error) {
	var s state
	for text := range strings.Lines(out) {
		kind, rest, _ := strings.Cut(strings.TrimSpace(text), " ")
		switch kind {
		case "boot":
			s.boot = rest
		case "patch":
			s.patches = append(s.patches, rest)
		case "module":
			s.modules = append(s.modules, rest)
		}
	}
	if s.boot == "" || len(s.modules) == 0 {
		return s, fmt.Errorf("cannot read the kernel's state: it says %q", out)
	}
	for text := range strings.Lines(console) {
		if at := strings.Index(text, "livepatch: "); at >= 0 {
			s.console = append(s.console, strings.TrimSpace(text[at:]))
		}
	}
	slices.Sort(s.patches)
	slices.Sort(s.modules)
	return s, nil
}

// changes says in what a kernel differs from what it was.
func (s state) changes(before state) []string {
	var out []string
	if s.boot != before.boot {
		out = append(out, fmt.Sprintf("the boot is %.8s and was %.8s", s.boot, before.boot))
	}
	for what, lists := range map[string][2][]string{"live patch": {before.patches, s.patches}, "module": {before.modules, s.modules}} {
		for _, gone := range missing(lists[0], lists[1]) {
			out = append(out, what+" is not there any more: "+gone)
		}
		for _, come := range missing(lists[1], lists[0]) {
			out = append(out, what+" is new: "+come)
		}
	}
	slices.Sort(out)
	for _, text := range s.console[min(len(before.console), len(s.console)):] {
		out = append(out, "console: "+text)
	}
	return out
}

// missing returns what the second list has not of the first; both are sorted.
func missing(of, in []string) []string {
	return slices.DeleteFunc(slices.Clone(of), func(s string) bool {
		_, there := slices.BinarySearch(in, s)
		return there
	})
}

// runs reports whether a live patch is in effect.
func (s state) runs(module string) bool { return slices.Contains(s.patches, module+" 1 0") }
