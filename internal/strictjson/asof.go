package strictjson

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

// MarshalAsOf encodes a value for a reader of an older version of the format: a field
// tagged since:"N" is left out where N is newer. Such a field must have omitempty or
// omitzero, for a strict reader refuses what it does not know.
func MarshalAsOf(v any, version int) ([]byte, error) {
	value := reflect.ValueOf(v)
	if !newer(value.Type(), version, map[reflect.Type]bool{}) {
		return json.Marshal(v)
	}
	return json.Marshal(asOf(value, version).Interface())
}

// newer reports whether a value of the type may hold a field that is newer. Known are
// the types under way or done.
func newer(t reflect.Type, version int, known map[reflect.Type]bool) bool {
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
		return newer(t.Elem(), version, known)
	case reflect.Struct:
		if known[t] {
			return false
		}
		known[t] = true
		for f := range t.Fields() {
			if since(f) > version || newer(f.Type, version, known) {
				return true
			}
		}
	}
	return false
}

// since is the version that brought a field; 1 if none is named.
func since(f reflect.StructField) int {
	tag, ok := f.Tag.Lookup("since")
	if !ok {
		return 1
	}
	n, err := strconv.Atoi(tag)
	if err != nil || !strings.Contains(f.Tag.Get("json"), ",omit") {
		panic(fmt.Sprintf("cannot leave out the field %s: its tag since is no number, or it has no omitempty", f.Name))
	}
	return n
}

// asOf copies a value without its newer fields.
func asOf(v reflect.Value, version int) reflect.Value {
	if !newer(v.Type(), version, map[reflect.Type]bool{}) {
		return v
	}
	out := reflect.New(v.Type()).Elem()
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			out.Set(reflect.New(v.Type().Elem()))
			out.Elem().Set(asOf(v.Elem(), version))
		}
	case reflect.Slice:
		if !v.IsNil() {
			out.Set(reflect.MakeSlice(v.Type(), v.Len(), v.Len()))
		}
		fallthrough
	case reflect.Array:
		for i := range v.Len() {
			out.Index(i).Set(asOf(v.Index(i), version))
		}
	case reflect.Map:
		if !v.IsNil() {
			out.Set(reflect.MakeMap(v.Type()))
		}
		for _, key := range v.MapKeys() {
			out.SetMapIndex(key, asOf(v.MapIndex(key), version))
		}
	case reflect.Struct:
		out.Set(v)
		for i := range v.NumField() {
			switch field := v.Type().Field(i); {
			case since(field) > version:
				out.Field(i).SetZero()
			case field.IsExported():
				out.Field(i).Set(asOf(v.Field(i), version))
			}
		}
	}
	return out
}
