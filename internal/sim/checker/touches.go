package checker

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/trace"
)

// What levels touch beside the kernel's code.

func touchRules() []Rule {
	return []Rule{
		{ID: "S12t", Name: "touches come and go", check: touchesFollow,
			Text: "Where a level is confirmed, each thing that it touches has its value, and where a way back has ended, each thing is as it was before: as the level touches it that was in effect then, or as the machine booted."},
		{ID: "L7", Name: "touches are put back", check: atEnd(touchesLeft),
			Text: "At the end each thing is as the level in effect touches it, or as the machine booted."},
	}
}

// touched takes a change of a thing.
func (h *host) touched(e *trace.Event) {
	if h.things == nil {
		h.things = map[string]string{}
	}
	h.things[e.Detail] = e.To
}

// rebooted begins a machine's things anew, but for what commands made, which outlives a
// reboot.
func (h *host) rebooted() {
	maps.DeleteFunc(h.things, func(thing, _ string) bool { return !strings.HasPrefix(thing, "command ") })
}

// untouched says which thing is not as it is to be with a level in effect, or with none;
// empty if all are.
func (f *fleet) untouched(h *host, level hotstick.Digest) string {
	for _, thing := range slices.Sorted(maps.Keys(h.begins)) {
		is, changed := h.things[thing]
		if !changed {
			is = h.begins[thing]
		}
		should, touches := f.artifacts[level].Touches[thing]
		if !touches {
			should = h.begins[thing]
		}
		if is != should {
			return fmt.Sprintf("%s is %q and should be %q", thing, is, should)
		}
	}
	return ""
}

func touchesFollow(f *fleet, e *trace.Event) (bool, string) {
	to := hotstick.HostState(e.To)
	if e.Kind != trace.KindPhase || f.ground == nil || to != hotstick.Confirmed && to != hotstick.Reverted || e.Artifact == "" || e.Detail == ReadBack {
		return false, ""
	}
	h := f.host(e.Host)
	if h.begins == nil || h.putBack || h.foreign > 0 || !h.up {
		return false, ""
	}
	if to == hotstick.Confirmed {
		return true, f.untouched(h, e.Artifact)
	}
	switch now := h.inEffect(""); len(now) {
	case 0:
		return true, f.untouched(h, "")
	case 1:
		return true, f.untouched(h, now[0])
	}
	return false, ""
}

func touchesLeft(f *fleet) string {
	for _, h := range f.hostOrder {
		if h.begins == nil || h.putBack || h.foreign > 0 || !h.up || h.writtenOff || h.open != nil || h.stuck {
			continue
		}
		now := h.inEffect("")
		if len(now) > 1 {
			continue
		}
		level := hotstick.Digest("")
		if len(now) == 1 {
			level = now[0]
		}
		if text := f.untouched(h, level); text != "" {
			return h.name + ": " + text
		}
	}
	return ""
}
