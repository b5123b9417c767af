// Package strict reads the YAML files that a person writes for the command
// line: one document, known keys only, each once, and a limit to its size.
package strict

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/goccy/go-yaml"
)

// Decode reads the one document in raw into value. The error of a malformed
// document shows its place, line and caret; an empty document is an error.
func Decode(raw []byte, maxBytes int, value any) (err error) {
	if len(raw) > maxBytes {
		return fmt.Errorf("cannot read more than %d bytes of YAML", maxBytes)
	}
	// The parser panics on some malformed tags; to whoever wrote the file that is
	// a malformed document like any other.
	defer func() {
		if p := recover(); p != nil {
			err = errors.New("cannot read a malformed YAML document")
		}
	}()
	dec := yaml.NewDecoder(bytes.NewReader(raw), yaml.Strict())
	if err := dec.Decode(value); errors.Is(err, io.EOF) {
		return errors.New("cannot read an empty YAML document")
	} else if err != nil {
		return errors.New(yaml.FormatError(err, false, true))
	}
	if err := dec.Decode(new(any)); !errors.Is(err, io.EOF) {
		return errors.New("cannot read a second YAML document in one file")
	}
	return nil
}
