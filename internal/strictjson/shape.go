package strictjson

import (
	"encoding"
	"encoding/json"
	"reflect"
	"strings"
	"sync"
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
}

// field is one key of a struct.
type field struct {
	index int
	shape *shape
}

// anything is the shape of values that are not ours to know.
var anything = &shape{nullable: true}

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
			return anything
		}
	}
	s := &shape{}
	under[t] = s
	switch t.Kind() {
	case reflect.Pointer:
		*s = *build(t.Elem(), under)
		s.nullable = true
	case reflect.Interface:
		s.nullable = true
	case reflect.Slice, reflect.Map:
		s.nullable = true
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
