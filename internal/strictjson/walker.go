package strictjson

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// walker goes through a document once, beside the shape of the type it will be
// read into. It trusts no syntax, but leaves to the standard decoder what that
// checks anyway: the form of numbers, literals and most escapes.
type walker struct {
	data []byte
	pos  int
	// memory is how many bytes the decoder may allocate for values, left how many of
	// them are not spoken for.
	memory, left int64
	// foreign: keys that no field is for are passed over, see [UnmarshalForeign].
	foreign bool
}

// take counts bytes that the decoder is going to allocate.
func (w *walker) take(bytes int64) error {
	if w.left -= bytes; w.left < 0 {
		return w.fault("it would fill more than %d bytes of memory", w.memory)
	}
	return nil
}

func (w *walker) fault(format string, args ...any) error {
	return fmt.Errorf("cannot read JSON: %s (byte %d)", fmt.Sprintf(format, args...), w.pos)
}

func (w *walker) space() {
	for w.pos < len(w.data) {
		switch w.data[w.pos] {
		case ' ', '\t', '\r', '\n':
			w.pos++
		default:
			return
		}
	}
}

// next skips white space and returns the byte that follows, 0 at the end.
func (w *walker) next() byte {
	w.space()
	if w.pos == len(w.data) {
		return 0
	}
	return w.data[w.pos]
}

func (w *walker) value(s *shape, depth int) error {
	if depth > MaxDepth {
		return w.fault("nested deeper than %d", MaxDepth)
	}
	c := w.next()
	if s.behind > 0 && c != 'n' {
		if err := w.take(s.behind); err != nil {
			return err
		}
	}
	switch c {
	case 0:
		return w.fault("it ends too early")
	case '{':
		return w.object(s, depth)
	case '[':
		return w.array(s, depth)
	case '"':
		_, err := w.text()
		return err
	case 'n':
		if !s.nullable {
			return w.fault("null where a value must stand")
		}
	}
	return w.word()
}

// word skips a number or a literal.
func (w *walker) word() error {
	start := w.pos
	for w.pos < len(w.data) {
		switch c := w.data[w.pos]; {
		case c >= '0' && c <= '9', c >= 'a' && c <= 'z', c == '-', c == '+', c == '.', c == 'E':
			w.pos++
			continue
		}
		break
	}
	if w.pos == start {
		return w.fault("unexpected character")
	}
	return nil
}

func (w *walker) array(s *shape, depth int) error {
	elem := s.elem
	if elem == nil {
		elem = anything
	}
	w.pos++
	if w.next() == ']' {
		w.pos++
		return nil
	}
	for {
		if err := w.take(s.slot); err != nil {
			return err
		}
		if err := w.value(elem, depth+1); err != nil {
			return err
		}
		switch w.next() {
		case ',':
			w.pos++
		case ']':
			w.pos++
			return nil
		default:
			return w.fault("want , or ] here")
		}
	}
}

func (w *walker) object(s *shape, depth int) error {
	w.pos++
	if w.next() == '}' {
		w.pos++
		return nil
	}
	var seen keys
	for n := 0; ; n++ {
		if s.slot > 0 && n%mapGroup == 0 {
			if err := w.take(mapGroup * s.slot); err != nil {
				return err
			}
		}
		if w.next() != '"' {
			return w.fault("want a key here")
		}
		child, err := w.key(s, &seen)
		if err != nil {
			return err
		}
		if w.next() != ':' {
			return w.fault("want : here")
		}
		w.pos++
		if err := w.value(child, depth+1); err != nil {
			return err
		}
		switch w.next() {
		case ',':
			w.pos++
		case '}':
			w.pos++
			w.left += int64(len(seen.names)) * nameSize // they are forgotten
			return nil
		default:
			return w.fault("want , or } here")
		}
	}
}

// key reads one key and returns the shape of its value.
func (w *walker) key(s *shape, seen *keys) (*shape, error) {
	name, err := w.text()
	if err != nil {
		return nil, err
	}
	if s.fields != nil {
		f, ok := s.fields[string(name)]
		if !ok && w.foreign {
			return w.passed(s, name, seen)
		}
		if !ok {
			return nil, w.fault("unknown field %.40q", name)
		}
		if !seen.addIndex(f.index) {
			return nil, w.fault("field %.40q stands twice", name)
		}
		return f.shape, nil
	}
	if err := w.remember(name, seen); err != nil {
		return nil, err
	}
	if s.elem != nil {
		return s.elem, nil
	}
	return anything, nil
}

func (w *walker) remember(name []byte, seen *keys) error {
	if !seen.addName(name) {
		return w.fault("key %.40q stands twice", name)
	}
	if seen.names != nil {
		return w.take(nameSize)
	}
	return nil
}

// passed is key for one that the struct has no field for. The standard decoder would
// still put its value into a field that is written alike but for the case.
func (w *walker) passed(s *shape, name []byte, seen *keys) (*shape, error) {
	for field := range s.fields {
		if len(field) <= 4*len(name) && bytes.EqualFold([]byte(field), name) {
			return nil, w.fault("field %.40q is written as %.40q", field, name)
		}
	}
	if err := w.remember(name, seen); err != nil {
		return nil, err
	}
	return anything, nil
}

// text reads a string and returns its bytes with escapes resolved.
func (w *walker) text() ([]byte, error) {
	start := w.pos
	escaped := false
	for w.pos++; w.pos < len(w.data); w.pos++ {
		switch w.data[w.pos] {
		case '"':
			w.pos++
			if !escaped {
				return w.data[start+1 : w.pos-1], nil
			}
			var s string
			if err := json.Unmarshal(w.data[start:w.pos], &s); err != nil {
				return nil, w.fault("malformed string")
			}
			return []byte(s), nil
		case '\\':
			escaped = true
			if err := w.escape(); err != nil {
				return nil, err
			}
		}
	}
	return nil, w.fault("a string has no end")
}

// escape stands on a backslash and moves to the last byte of the escape. The
// standard decoder would turn half a surrogate pair into U+FFFD.
func (w *walker) escape() error {
	w.pos++
	if w.pos == len(w.data) || w.data[w.pos] != 'u' {
		return nil
	}
	high, ok := w.unit()
	switch {
	case !ok:
		return w.fault("malformed escape")
	case high < 0xd800 || high > 0xdfff:
		return nil
	case high > 0xdbff || w.pos+2 >= len(w.data) || w.data[w.pos+1] != '\\' || w.data[w.pos+2] != 'u':
		return w.fault("half a surrogate pair")
	}
	w.pos += 2
	if low, ok := w.unit(); !ok || low < 0xdc00 || low > 0xdfff {
		return w.fault("half a surrogate pair")
	}
	return nil
}

// unit stands on the u of an escape, reads its four digits and moves to the last.
func (w *walker) unit() (rune, bool) {
	if w.pos+4 >= len(w.data) {
		return 0, false
	}
	var u rune
	for range 4 {
		w.pos++
		c := w.data[w.pos]
		switch {
		case c >= '0' && c <= '9':
			u = u<<4 | rune(c-'0')
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			u = u<<4 | rune(c|0x20-'a'+10)
		default:
			return 0, false
		}
	}
	return u, true
}

// keys remembers the keys of one object: a struct's by their index, others by
// name. Both stay off the heap for objects of the usual size.
type keys struct {
	bits  uint64
	few   [8][]byte
	n     int
	names map[string]bool
}

func (k *keys) addIndex(i int) bool {
	if i >= 64 {
		return k.addName([]byte{byte(i), byte(i >> 8)})
	}
	bit := uint64(1) << i
	if k.bits&bit != 0 {
		return false
	}
	k.bits |= bit
	return true
}

func (k *keys) addName(name []byte) bool {
	if k.names == nil {
		for _, other := range k.few[:k.n] {
			if string(other) == string(name) {
				return false
			}
		}
		if k.n < len(k.few) {
			k.few[k.n] = name
			k.n++
			return true
		}
		k.names = map[string]bool{}
		for _, other := range k.few {
			k.names[string(other)] = true
		}
	}
	if k.names[string(name)] {
		return false
	}
	k.names[string(name)] = true
	return true
}
