// Package strictjson reads JSON that somebody else wrote.
//
// The standard decoder is generous: it takes the last of two equal keys, matches
// keys whatever their case, ignores keys it does not know, replaces bytes that
// are not UTF-8, and turns null into a zero. Two readers of one document can then
// see two different things, which is how a signed statement comes to mean
// something its signer never said. This package refuses all of it.
//
// # What is refused
//
//   - a key that the Go type has no field for, written exactly so;
//   - a key twice in one object, in any part of the document;
//   - bytes that are not UTF-8, and escaped surrogates without their other half;
//   - anything but white space after the first value;
//   - null where the Go type cannot be nil, which its encoder never writes;
//   - values nested deeper than [MaxDepth];
//   - a document that would fill much more memory than it is long (see [Unmarshal]);
//   - everything that encoding/json refuses.
//
// Types that read themselves (json.Unmarshaler, encoding.TextUnmarshaler) are
// given their part of the document after it was searched for doubled keys.
//
// Errors say what is wrong and at which byte. They quote at most a few characters
// of the input, so that they can be logged.
package strictjson

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"unicode/utf8"
)

// MaxDepth bounds how deep objects and arrays may be nested.
const MaxDepth = 64

// ErrTooLarge is wrapped by the error of [Decode] for input above the limit.
var ErrTooLarge = errors.New("input is too large")

// What a document may fill, in bytes: an element of a list of large structs is
// written with the three bytes {}, and a list is decoded before anybody can count its
// elements. What people and programs write stays far below: few structs are written
// with less than half of their size.
const (
	memoryFloor   = 4 << 20
	memoryPerByte = 4
)

// Unmarshal reads exactly one JSON value from data into v, a pointer. After an
// error v may be filled in part.
//
// The elements of lists and maps, and what pointers point to, may take four bytes of
// memory for each byte of data, and 4 MiB more; strings are not counted. While a list
// grows, the decoder takes up to three times as much.
func Unmarshal(data []byte, v any) error {
	return UnmarshalWithin(data, memoryFloor+memoryPerByte*int64(len(data)), v)
}

// UnmarshalWithin is [Unmarshal] for values that may fill this many bytes of memory,
// for a reader who knows how few elements there can honestly be.
func UnmarshalWithin(data []byte, memory int64, v any) error {
	return unmarshal(data, v, walker{memory: memory})
}

// UnmarshalForeign is [UnmarshalWithin] for documents of a schema that is not ours and
// grows: keys that the Go type has no field for are passed over with their values. Keys
// that differ from a field's only by their case are refused, because decoders disagree
// about them; so is everything else that the package refuses, in the parts passed over
// too.
func UnmarshalForeign(data []byte, memory int64, v any) error {
	return unmarshal(data, v, walker{memory: memory, foreign: true})
}

func unmarshal(data []byte, v any, w walker) error {
	t := reflect.TypeOf(v)
	if t == nil || t.Kind() != reflect.Pointer {
		return fmt.Errorf("cannot read JSON into a %T: want a pointer", v)
	}
	if err := walk(data, shapeOf(t.Elem()), w); err != nil {
		return err
	}
	return explain(json.Unmarshal(data, v))
}

// Decode reads one JSON value of at most maxBytes from r into v, a pointer. It
// reads r to its end, or to one byte past the limit.
func Decode(r io.Reader, maxBytes int64, v any) error {
	data, err := io.ReadAll(io.LimitReader(r, maxBytes+1))
	if err != nil {
		return fmt.Errorf("cannot read JSON: %w", err)
	}
	if int64(len(data)) > maxBytes {
		return fmt.Errorf("cannot read JSON of more than %d bytes: %w", maxBytes, ErrTooLarge)
	}
	return Unmarshal(data, v)
}

// Check looks for everything that is refused whatever the Go type is, for a
// document that another decoder will read.
func Check(data []byte) error {
	if err := walk(data, anything, walker{memory: memoryFloor + memoryPerByte*int64(len(data))}); err != nil {
		return err
	}
	if !json.Valid(data) {
		return errors.New("cannot read JSON: malformed")
	}
	return nil
}

// explain turns the standard decoder's errors into ours. It leaves out the
// offending value, which may be as long as the document.
func explain(err error) error {
	if err == nil {
		return nil
	}
	if mismatch, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return fmt.Errorf("cannot read JSON: want %s for %q (byte %d)", mismatch.Type, mismatch.Field, mismatch.Offset)
	}
	return fmt.Errorf("cannot read JSON: %.200s", err.Error())
}

func walk(data []byte, s *shape, w walker) error {
	if !utf8.Valid(data) {
		return errors.New("cannot read JSON: it is not UTF-8")
	}
	w.data, w.left = data, w.memory
	if err := w.value(s, 0); err != nil {
		return err
	}
	if w.space(); w.pos != len(data) {
		return w.fault("bytes follow the end of the value")
	}
	return nil
}
