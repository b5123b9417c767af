package world

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver/fake"
	"github.com/hotstick/hotstick/internal/loader/touch"
	"github.com/hotstick/hotstick/internal/trace"
)

// things are what patches may touch on a machine beside its kernel's code.
type things struct {
	n *node
	// now are the values by what is touched, and atBoot those that each boot begins with.
	// What a command did outlives a reboot.
	now, atBoot map[string]string
}

var _ touch.World = (*things)(nil)

// touchable are the touches that levels draw from.
func touchable() []hotstick.Touch {
	return []hotstick.Touch{
		{Kind: hotstick.TouchSysctl, Name: "net.core.somaxconn", Value: "64"},
		{Kind: hotstick.TouchSysctl, Name: "kernel.panic_on_oops", Value: "1"},
		{Kind: hotstick.TouchSysctl, Name: "net.unix.max_dgram_qlen", Value: "20"},
		{Kind: hotstick.TouchParameter, Name: "unix.strict", Value: "Y"},
		{Kind: hotstick.TouchCommand, Name: "rules", Do: []string{"/sbin/rules", "add"}, Undo: []string{"/sbin/rules", "remove"}},
		{Kind: hotstick.TouchServiceReload, Name: "web.service"},
	}
}

// touches gives the levels of the driver of bytes what they touch.
func (w *World) touches() {
	if !w.opt.Touched {
		return
	}
	r := stream(w.seed, "touches", 0)
	for i := range w.levels {
		p := &w.levels[i].Patch
		if p.Driver != fake.Name {
			continue // a vendor's package sees to that
		}
		for _, t := range touchable() {
			if chance(r, 45) {
				t.When = []hotstick.TouchWhen{hotstick.TouchBefore, hotstick.TouchAfter}[r.IntN(2)]
				if t.Kind == hotstick.TouchSysctl {
					t.Value = fmt.Sprint(1 + r.IntN(3)) // two levels may want different ones
				}
				p.Touches = append(p.Touches, t)
			}
		}
	}
}

// newThings is a machine as its administrator has it.
func newThings(n *node, r *rand.Rand) *things {
	t := &things{n: n, now: map[string]string{}, atBoot: map[string]string{}}
	for _, touched := range touchable() {
		value := ""
		switch touched.Kind {
		case hotstick.TouchSysctl:
			value = fmt.Sprint(r.IntN(4))
		case hotstick.TouchParameter:
			value = "N"
		case hotstick.TouchCommand:
			value = touch.Undone
		case hotstick.TouchServiceReload:
			value = []string{touch.Active, touch.Inactive}[r.IntN(2)]
		}
		t.atBoot[touched.Thing()] = value
	}
	t.now = maps.Clone(t.atBoot)
	return t
}

// boot begins all anew but what a command did.
func (t *things) boot() {
	for _, touched := range touchable() {
		if touched.Kind != hotstick.TouchCommand {
			t.now[touched.Thing()] = t.atBoot[touched.Thing()]
		}
	}
}

var errTouch = errors.New("cannot set it: input/output error")

// Read implements [touch.World].
func (t *things) Read(_ context.Context, what hotstick.Touch) (string, error) {
	if what.Kind == hotstick.TouchCommand {
		return "", nil
	}
	return t.now[what.Thing()], nil
}

// Set implements [touch.World]. It may fail, before or after the thing was changed; and the
// process, or its machine, may end right after.
func (t *things) Set(_ context.Context, what hotstick.Touch, value string) error {
	thing := what.Thing()
	at := t.n.random.IntN(100)
	if t.n.w.quiet {
		at = 99
	}
	if at < 3 {
		t.n.w.some("touch failed")
		return errTouch
	}
	if old := t.now[thing]; old != value && !touch.Service(what) {
		t.now[thing] = value
		t.n.w.emit(trace.Event{Node: "kernel", Kind: trace.KindTouch, Host: t.n.id, Boot: t.n.m.Kernel.State().BootID, From: old, To: value, Detail: thing})
	}
	t.n.w.some("touched " + string(what.Kind))
	switch {
	case at < 5:
		t.n.w.some("touch failed after it was made")
		return errTouch
	case at < 9:
		t.n.w.some("loader ended in a touch")
		panic(pulled{power: at == 8})
	}
	return nil
}

// begins is what the machine's things are like when a boot begins.
func (n *node) begins() map[string]string {
	if n.things == nil {
		return nil
	}
	return n.things.atBoot
}

// groundTouches are the values that a level gives to what it touches.
func groundTouches(p hotstick.Patch) map[string]string {
	values := map[string]string{}
	for _, t := range p.Touches {
		switch t.Kind {
		case hotstick.TouchSysctl, hotstick.TouchParameter:
			values[t.Thing()] = t.Value
		case hotstick.TouchCommand:
			values[t.Thing()] = touch.Done
		}
	}
	return values
}
