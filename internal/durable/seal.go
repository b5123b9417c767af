package durable

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
)

// ErrDamaged: the bytes are not those that were sealed.
var ErrDamaged = errors.New("cannot use a file whose bytes were changed on the disk")

var sealPrefix = []byte("\nsha256:")

// Seal adds a last line with the SHA-256 of what stands above it. Renaming keeps a
// crash from leaving a part of a file; the line finds what a disk does to it later,
// which a text of numbers and names would not show by itself. It keeps nobody away who
// may write the file.
func Seal(text []byte) []byte {
	sum := sha256.Sum256(text)
	sealed := append(append([]byte(nil), text...), sealPrefix...)
	return append(hex.AppendEncode(sealed, sum[:]), '\n')
}

// Unseal returns what was sealed; the error is ErrDamaged if it was changed. A file
// without the line is one of a version that wrote none, and comes back as it is: what
// tears the line off leaves the rest whole, and what garbles it leaves a text with an
// end that no reader takes.
func Unseal(data []byte) ([]byte, error) {
	at := bytes.LastIndex(data, sealPrefix)
	if at < 0 {
		return data, nil
	}
	text, line := data[:at], bytes.TrimSuffix(data[at+len(sealPrefix):], []byte("\n"))
	if sum := sha256.Sum256(text); string(line) != hex.EncodeToString(sum[:]) {
		return nil, ErrDamaged
	}
	return text, nil
}
