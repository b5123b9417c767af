package main

import (
	"regexp"
	"strconv"
	"strings"
	"time"
)

// console is what a kernel's own log says over all boots of a guest. It goes through
// neither agent nor loader, and its times are the kernel's clock, which no wall clock
// moves.
type console struct {
	// boots counts kernels that began to run.
	boots int
	loads []load
	// forced: somebody wrote to the file force.
	forced bool
}

// load is one time that the kernel was asked for a live patch.
type load struct {
	module string
	boot   int // of which it was, from 1
	// enabled is when it was asked, done when the patch was in effect, and back when it
	// was out of effect again; zero if that did not come.
	enabled, done, back time.Duration
}

var (
	kernelLine = regexp.MustCompile(`^\[ *(\d+\.\d+)\] (.*)$`)
	enabling   = regexp.MustCompile(`^livepatch: enabling patch '([^']+)'$`)
	complete   = regexp.MustCompile(`^livepatch: '([^']+)': (un)?patching complete$`)
)

// readConsole reads a guest's console log.
func readConsole(text string) console {
	var c console
	for line := range strings.Lines(text) {
		m := kernelLine.FindStringSubmatch(strings.TrimRight(line, "\r\n"))
		if m == nil {
			continue
		}
		seconds, err := strconv.ParseFloat(m[1], 64)
		if err != nil {
			continue
		}
		at, said := time.Duration(seconds*float64(time.Second)), m[2]
		if strings.HasPrefix(said, "Linux version ") {
			c.boots++
		}
		if strings.Contains(said, "forcing remaining tasks") {
			c.forced = true
		}
		if e := enabling.FindStringSubmatch(said); e != nil {
			c.loads = append(c.loads, load{module: e[1], boot: c.boots, enabled: at})
		}
		if e := complete.FindStringSubmatch(said); e != nil {
			c.completed(e[1], e[2] == "un", at)
		}
	}
	return c
}

// completed notes the end of a transition of the newest load of a module in this boot.
func (c *console) completed(module string, back bool, at time.Duration) {
	for i := len(c.loads) - 1; i >= 0; i-- {
		l := &c.loads[i]
		if l.module != module || l.boot != c.boots {
			continue
		}
		if back {
			l.back = at
		} else {
			l.done = at
		}
		return
	}
}

// of returns the loads of one module.
func (c console) of(module string) []load {
	var out []load
	for _, l := range c.loads {
		if l.module == module {
			out = append(out, l)
		}
	}
	return out
}
