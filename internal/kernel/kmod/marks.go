package kmod

import (
	"bytes"
	"strings"

	"github.com/hotstick/hotstick"
)

// Marks are what a live patch's file shows of a way back that is not a simple one. They
// are read from its symbols. Shadow variables and exit functions cannot hide there;
// callbacks and states are known by what their sources name them, as the kernel's
// documentation, its klp-build and kpatch do. So a mark is proof, and no mark is none.
type Marks struct {
	// Callbacks: something else than the functions is changed when the patch comes or
	// goes, and an atomic replace does not run the callbacks of what it replaces.
	Callbacks bool
	// States: the patch declares states, which bar the kernel from loading a level that
	// does not know them.
	States bool
	// Shadow: it attaches data to objects of the kernel, which stays when the patch goes.
	Shadow bool
	// NoExit: the module has no exit function, so it stays in memory until a reboot.
	NoExit bool
}

// Reversibility is the best way back that the marks leave.
func (m Marks) Reversibility() hotstick.Reversibility {
	switch {
	case m.NoExit:
		return hotstick.ReversibleReboot
	case m.Callbacks || m.States || m.Shadow:
		return hotstick.ReversibleDowngrade
	}
	return hotstick.ReversibleLive
}

// Contradicts reports whether a way back that somebody promises is better than the marks
// leave. No promise contradicts nothing.
func (m Marks) Contradicts(promised hotstick.Reversibility) bool {
	return !m.Reversibility().AtLeast(promised)
}

// String names the marks; it is empty if there are none.
func (m Marks) String() string {
	var names []string
	for _, mark := range []struct {
		set  bool
		name string
	}{{m.Callbacks, "callbacks"}, {m.States, "states"}, {m.Shadow, "shadow variables"}, {m.NoExit, "no exit function"}} {
		if mark.set {
			names = append(names, mark.name)
		}
	}
	return strings.Join(names, ", ")
}

// Layout of a symbol, from the System V ABI.
const (
	sectionSym  = 2
	symbolBytes = 24
	symbolData  = 1 // STT_OBJECT
)

// readMarks looks at every symbol. A module without a table of symbols shows nothing; no
// kernel loads one.
func (f *file) readMarks() (Marks, error) {
	var table *section
	for i := range f.sections {
		if f.sections[i].kind != sectionSym {
			continue
		}
		if table != nil {
			return Marks{}, refuse(Ambiguous, "two tables of symbols")
		}
		table = &f.sections[i]
	}
	if table == nil {
		return Marks{}, nil
	}
	if int(table.link) >= len(f.sections) || f.sections[table.link].kind != sectionStr {
		return Marks{}, refuse(Malformed, "the symbols' names are in section %d", table.link)
	}
	if names := f.sections[table.link]; table.size > maxSymbols || names.size > maxSymbols {
		return Marks{}, refuse(TooLarge, "%d bytes of symbols and %d of their names; the limit is %d", table.size, names.size, maxSymbols)
	}
	raw, err := f.bytesAt(table.offset, table.size)
	if err != nil {
		return Marks{}, err
	}
	names, err := f.bytesAt(f.sections[table.link].offset, f.sections[table.link].size)
	if err != nil {
		return Marks{}, err
	}
	return f.judgeSymbols(raw, names)
}

// hooks is how kpatch's linker script begins the names of where its lists of callbacks
// begin and end. Every patch has those, most of them with nothing between.
const hooks = "__kpatch_callbacks_"

func (f *file) judgeSymbols(raw, names []byte) (Marks, error) {
	var (
		m          Marks
		init, exit bool
		lists      = map[string]uint64{}
	)
	for ; len(raw) >= symbolBytes; raw = raw[symbolBytes:] {
		at := f.order.Uint32(raw)
		if uint64(at) >= uint64(len(names)) {
			return Marks{}, refuse(Truncated, "the name of a symbol lies outside the names")
		}
		end := bytes.IndexByte(names[at:], 0)
		if end < 0 {
			return Marks{}, refuse(Malformed, "the name of a symbol does not end")
		}
		name, data := string(names[at:int(at)+min(end, 128)]), raw[4]&15 == symbolData
		switch missing := f.order.Uint16(raw[6:]) == 0; {
		case missing:
			m.Shadow = m.Shadow || strings.HasPrefix(name, "klp_shadow_")
			m.States = m.States || name == "klp_get_state" || name == "klp_get_prev_state"
		case strings.HasPrefix(name, hooks):
			lists[name] = f.order.Uint64(raw[8:])
		case name == "init_module":
			init = true
		case name == "cleanup_module":
			exit = true
		case data && (name == "states" || strings.Contains(name, "klp_state") || strings.HasSuffix(name, "_states")):
			m.States = true
		default:
			m.Callbacks = m.Callbacks || isCallback(name)
		}
	}
	for name, begin := range lists {
		if end, ok := lists[name+"_end"]; ok && end != begin {
			m.Callbacks = true
		}
	}
	m.NoExit = init && !exit
	return m, nil
}

// isCallback reports whether a name is that of a patch's callback.
func isCallback(name string) bool {
	for _, hook := range []string{"pre_patch", "post_patch", "pre_unpatch", "post_unpatch"} {
		if strings.Contains(name, hook) {
			return true
		}
	}
	return false
}
