package strictjson

import (
	"encoding"
	"encoding/json"
	"reflect"
	"strings"
	"sync"
	"unsafe"
)

// shape is what the walker must know of a Go type.
type shape struct {
	// nullable: the type's encoder may write null.
	nullable bool
	// fields holds a struct's keys; nil for every other type.
	fields map[string]field
	// elem is what an array's elements or a map's values look like; nil where
	// that is unknown.
	elem *shape
	// slot is what the decoder allocates for each of a slice's elements or a map's
	// entries, in bytes, without what those point to.
	slot int64
	// behind is what it allocates for the value itself, in bytes: what a pointer
	// points to, a map's header.
	behind int64
}

// field is one key of a struct.
type field struct {
	index int
	shape *shape
}

// anything is the shape of values that are not ours to know: their bytes go to a
// type that reads itself.
var anything = &shape{nullable: true}

const (
	// mapHeader is the size of an empty map, in bytes.
	mapHeader = 48
	// mapGroup is how many entries a map makes room for at once.
	mapGroup = 8
	// nameSize is what the walker itself takes, in bytes, to remember one of the keys
	// of an object with many.
	nameSize = 48
)

// freely is the shape of what is decoded into an interface: a map, a slice, a string
// or a number behind it, each counted as the largest of them.
func freely() *shape {
	s := &shape{nullable: true, slot: int64(unsafe.Sizeof("") + unsafe.Sizeof(any(nil))), behind: mapHeader}
	s.elem = s
	return s
}

// shapes caches the shape of each type, as the standard decoder does.
var shapes sync.Map // reflect.Type -> *shape

func shapeOf(t reflect.Type) *shape {
	if s, ok := shapes.Load(t); ok {
		return s.(*shape)
	}
	s := build(t, map[reflect.Type]*shape{})
	shapes.Store(t, s)
	return s
}

var (
	jsonReader = reflect.TypeFor[json.Unmarshaler]()
	textReader = reflect.TypeFor[encoding.TextUnmarshaler]()
)

// build makes the shape of t. under holds the shapes being built, for types that
// contain themselves.
func build(t reflect.Type, under map[reflect.Type]*shape) *shape {
	if s, ok := under[t]; ok {
		return s
	}
	for _, r := range []reflect.Type{jsonReader, textReader} {
		if t.Implements(r) || reflect.PointerTo(t).Implements(r) {
			if t.Kind() == reflect.Pointer {
				return &shape{nullable: true, behind: int64(t.Elem().Size())}
			}
			return anything
		}
	}
	s := &shape{}
	under[t] = s
	switch t.Kind() {
	case reflect.Pointer:
		*s = *build(t.Elem(), under)
		s.nullable = true
		s.behind += int64(t.Elem().Size())
	case reflect.Interface:
		*s = *freely()
	case reflect.Slice:
		s.nullable = true
		s.slot = int64(t.Elem().Size())
		s.elem = build(t.Elem(), under)
	case reflect.Map:
		s.nullable = true
		s.slot, s.behind = int64(t.Key().Size()+t.Elem().Size()), mapHeader
		s.elem = build(t.Elem(), under)
	case reflect.Array:
		s.elem = build(t.Elem(), under)
	case reflect.Struct:
		s.fields = map[string]field{}
		addFields(s, t, under)
	}
	return s
}

// addFields adds the struct's own keys first, so that they win over those of
// embedded structs, as with the standard decoder.
func addFields(s *shape, t reflect.Type, under map[reflect.Type]*shape) {
	var embedded []reflect.Type
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Tag.Get("json") == "-" {
			continue
		}
		if f.Anonymous && name == "" {
			e := f.Type
			if e.Kind() == reflect.Pointer {
				e = e.Elem()
			}
			if e.Kind() == reflect.Struct {
				embedded = append(embedded, e)
				continue
			}
		}
		if !f.IsExported() {
			continue
		}
		if name == "" {
			name = f.Name
		}
		if _, taken := s.fields[name]; !taken {
			s.fields[name] = field{index: len(s.fields), shape: build(f.Type, under)}
		}
	}
	for _, e := range embedded {
		addFields(s, e, under)
	}
}
