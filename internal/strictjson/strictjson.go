// Package strictjson reads JSON that somebody else wrote.
//
// The standard decoder is generous: it takes the last of two equal keys, matches
// keys whatever their case, ignores keys it does not know, replaces bytes that
// are not UTF-8, and stops at the end of the first value. Two readers of one
// document can then see two different things, which is how a signed statement
// comes to mean something its signer never said. This package refuses all of it.
//
// # What is refused
//
//   - a key that the Go type has no field for, written exactly so;
//   - a key twice in one object, in any part of the document;
//   - bytes that are not UTF-8, and escaped surrogates without their other half;
//   - anything but white space after the first value;
//   - null where the Go type cannot be nil, which its encoder never writes;
//   - values nested deeper than [MaxDepth];
//   - everything that encoding/json refuses.
//
// Types that read themselves (json.Unmarshaler, encoding.TextUnmarshaler) are
// given their part of the document after it was searched for doubled keys.
package strictjson

import (
	"errors"
	"io"
)

// MaxDepth bounds how deep objects and arrays may be nested.
const MaxDepth = 64

// ErrTooLarge is wrapped by the error of [Decode] for input above the limit.
var ErrTooLarge = errors.New("input is too large")

// Unmarshal reads exactly one JSON value from data into v, a pointer.
func Unmarshal(data []byte, v any) error { return errors.New("cannot read JSON: not written yet") }

// Decode reads one JSON value of at most maxBytes from r into v, a pointer. It
// reads r to its end.
func Decode(r io.Reader, maxBytes int64, v any) error {
	return errors.New("cannot read JSON: not written yet")
}

// Check looks for everything that is refused whatever the Go type is, for a
// document that another decoder will read.
func Check(data []byte) error { return errors.New("cannot read JSON: not written yet") }
