package fake

import (
	"fmt"
	"time"
)

// next returns the earliest thing that is going to happen: the end of the
// transition, or a crash.
func (k *Kernel) next() (time.Time, bool) {
	if k.down {
		return time.Time{}, false
	}
	var at time.Time
	found := false
	if k.moving != nil && !k.until.IsZero() {
		at, found = k.until, true
	}
	if m, crash := k.nextCrash(); m != nil && (!found || crash.Before(at)) {
		at, found = crash, true
	}
	return at, found
}

func (k *Kernel) nextCrash() (*module, time.Time) {
	var first *module
	var at time.Time
	for _, m := range k.modules {
		due := m.loadedAt.Add(m.does.CrashAfter)
		if m.does.Crash && (first == nil || due.Before(at)) {
			first, at = m, due
		}
	}
	return first, at
}

// catchUp lets everything happen, in order, that is due by now.
func (k *Kernel) catchUp(now time.Time) {
	for {
		at, ok := k.next()
		if !ok || at.After(now) {
			return
		}
		if m, crash := k.nextCrash(); m != nil && crash.Equal(at) {
			k.goDown(Crash{At: at, BootID: k.bootID(), Module: m.name, Trace: trace(m, at.Sub(k.bootedAt))})
			return
		}
		k.endTransition(at)
	}
}

func (k *Kernel) goDown(c Crash) {
	k.down = true
	k.modules, k.moving = nil, nil
	k.crash = nil
	if c.Trace != "" {
		k.crash = &c
	}
	k.unheard = append(k.unheard, c)
}

// trace imitates what a 6.1 kernel prints when a module's work panics.
func trace(m *module, uptime time.Duration) string {
	stamp := fmt.Sprintf("[%12.6f]", uptime.Seconds())
	text := ""
	for _, line := range []string{
		"Kernel panic - not syncing: " + m.name + ": killed on purpose",
		"CPU: 0 PID: 9 Comm: kworker/0:1 Tainted: G           OE K    6.1.0-simulated #1",
		"Workqueue: events " + m.name + "_kill [" + m.name + "]",
		"Call Trace:",
		" <TASK>",
		" panic+0x118/0x2ef",
		" " + m.name + "_kill+0x15/0x20 [" + m.name + "]",
		" process_one_work+0x1c7/0x380",
		" </TASK>",
	} {
		text += stamp + " " + line + "\n"
	}
	return text
}

// startTransition begins the way in or out of m.
func (k *Kernel) startTransition(now time.Time, m *module) {
	k.moving = m
	length := k.cfg.Transition
	way := "unpatching"
	if m.enabled {
		way = "patching"
		if m.does.Transition > 0 {
			length = m.does.Transition
		}
	}
	k.until = now.Add(length)
	if k.stalls(m) {
		k.until = time.Time{}
	}
	k.printk(now, "livepatch: '%s': starting %s transition", m.name, way)
}

// stalls reports whether the way that m is on does not end by itself.
func (k *Kernel) stalls(m *module) bool {
	return m.enabled && (m.does.Stall || m.does.Sleepy) || !m.enabled && m.does.StallOut
}

func (k *Kernel) endTransition(at time.Time) {
	m := k.moving
	k.moving = nil
	if !m.enabled {
		m.patched = false
		k.printk(at, "livepatch: '%s': unpatching complete", m.name)
		return
	}
	if !m.does.Stacks {
		for _, other := range k.modules {
			if other != m && other.patched {
				other.patched, other.enabled = false, false
			}
		}
	}
	k.printk(at, "livepatch: '%s': patching complete", m.name)
	if m.does.Warns != "" {
		k.taint |= taintWarn
		k.printk(at, "WARNING: CPU: 0 PID: 1 at %s+0x1/0x2 [%s]", m.does.Warns, m.name)
	}
}
