package kmod

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/hotstick/hotstick/internal/kernel"
	"github.com/hotstick/hotstick/internal/shape"
)

const (
	modinfoSection = ".modinfo"
	// selfSection holds the struct module that the kernel adopts as its own.
	selfSection = ".gnu.linkonce.this_module"
	// nameOffset and nameBytes place the name in struct module: behind the state
	// (an enum) and a list head, on every 64-bit kernel since 2.6.
	nameOffset = 24
	nameBytes  = 56
)

var namePattern = shape.All("A-Za-z0-9_", 1, 55)

func (f *file) readInfo() (Info, error) {
	s, err := f.only(modinfoSection)
	if err != nil {
		return Info{}, err
	}
	if s.size > maxModinfo {
		return Info{}, refuse(TooLarge, "%d bytes of .modinfo; the limit is %d", s.size, maxModinfo)
	}
	raw, err := f.bytesAt(s.offset, s.size)
	if err != nil {
		return Info{}, err
	}
	values, err := parseModinfo(raw)
	if err != nil {
		return Info{}, err
	}
	name, err := f.ownName()
	if err != nil {
		return Info{}, err
	}
	if said, ok := values["name"]; ok && strings.ReplaceAll(said, "-", "_") != name {
		return Info{}, refuse(Ambiguous, "named %q in .modinfo and %q in the module itself", said, name)
	}
	info := Info{
		Name: name, Vermagic: values["vermagic"], Livepatch: values["livepatch"] == "Y",
		SrcVersion: values["srcversion"], License: values["license"], Arch: f.arch,
	}
	if info.Vermagic == "" {
		return Info{}, refuse(NotModule, "no vermagic")
	}
	info.BuildID, err = f.buildID()
	return info, err
}

const (
	noteSection = ".note.gnu.build-id"
	maxNote     = 1 << 10
)

// buildID returns the build ID in the module's note; empty if it has none.
func (f *file) buildID() (string, error) {
	s, err := f.only(noteSection)
	var refused *Error
	if errors.As(err, &refused) && refused.Problem == NotModule {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	if s.size > maxNote {
		return "", refuse(TooLarge, "%d bytes of %s; the limit is %d", s.size, noteSection, maxNote)
	}
	note, err := f.bytesAt(s.offset, s.size)
	if err != nil {
		return "", err
	}
	id, err := kernel.BuildID(note)
	if err != nil {
		return "", refuse(Malformed, "%s holds no build ID", noteSection)
	}
	return id, nil
}

// singular lists the keys on which a decision rests. The kernel takes the first
// of several; other readers may take the last.
var singular = map[string]bool{"name": true, "vermagic": true, "livepatch": true, "srcversion": true}

// parseModinfo reads the NUL-separated key=value entries. Of a key that may be
// repeated it keeps the first, as the kernel does.
func parseModinfo(raw []byte) (map[string]string, error) {
	if len(raw) > 0 && raw[len(raw)-1] != 0 {
		return nil, refuse(Malformed, ".modinfo does not end")
	}
	values := map[string]string{}
	for entry := range bytes.SplitSeq(raw, []byte{0}) {
		if len(entry) == 0 {
			continue // padding
		}
		key, value, ok := strings.Cut(string(entry), "=")
		if !ok {
			return nil, refuse(Malformed, ".modinfo has an entry without a value")
		}
		if _, twice := values[key]; twice {
			if singular[key] {
				return nil, refuse(Ambiguous, ".modinfo gives %s twice", key)
			}
			continue
		}
		values[key] = value
	}
	return values, nil
}

// ownName returns the name in the module's own structure.
func (f *file) ownName() (string, error) {
	s, err := f.only(selfSection)
	if err != nil {
		return "", err
	}
	if s.size < nameOffset+nameBytes {
		return "", refuse(Malformed, "%s has %d bytes", selfSection, s.size)
	}
	raw, err := f.bytesAt(s.offset+nameOffset, nameBytes)
	if err != nil {
		return "", err
	}
	name, _, ended := bytes.Cut(raw, []byte{0})
	if !ended || !namePattern.MatchString(string(name)) {
		return "", refuse(Malformed, "the module's name is not one")
	}
	return string(name), nil
}

// signatureMarker ends a signed module; before it stands struct
// module_signature, whose last four bytes are the signature's length.
const (
	signatureMarker = "~Module signature appended~\n"
	signatureTail   = 12
)

// cutSignature returns the size of the file without an appended signature, and the
// signature; nil if there is none.
func cutSignature(r io.ReaderAt, size int64) (int64, []byte, error) {
	const tail = signatureTail + int64(len(signatureMarker))
	if size < tail {
		return size, nil, nil
	}
	raw := make([]byte, tail)
	if _, err := r.ReadAt(raw, size-tail); err != nil {
		return 0, nil, fmt.Errorf("cannot read the kernel module: %w", err)
	}
	if string(raw[signatureTail:]) != signatureMarker {
		return size, nil, nil
	}
	n := int64(binary.BigEndian.Uint32(raw[8:]))
	if n > maxSignature {
		return 0, nil, refuse(TooLarge, "a signature of %d bytes; the limit is %d", n, maxSignature)
	}
	if n > size-tail {
		return 0, nil, refuse(Truncated, "the signature lies outside the file")
	}
	signature := make([]byte, n)
	if _, err := r.ReadAt(signature, size-tail-n); err != nil {
		return 0, nil, fmt.Errorf("cannot read the kernel module: %w", err)
	}
	return size - tail - n, signature, nil
}
