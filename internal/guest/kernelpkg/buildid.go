package kernelpkg

import (
	"bytes"
	"compress/gzip"
	"debug/elf"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"github.com/pierrec/lz4/v4"
)

// Offsets in the boot protocol header of a bzImage, see the kernel's
// Documentation/arch/x86/boot.rst.
const (
	setupSectorsOffset  = 0x1f1
	headerMagicOffset   = 0x202
	payloadOffsetOffset = 0x248
	payloadLengthOffset = 0x24c
)

// unpackFunc decompresses with a program: "zstd" or "xz".
type unpackFunc func(program string, payload []byte) ([]byte, error)

// maxKernelSize bounds what is decompressed; a Debian kernel has about 60 MB.
const maxKernelSize = 512 << 20

// imageBuildID returns the GNU build ID of a bzImage in lower-case hex: what the
// running kernel shows in /sys/kernel/notes. So artifacts can be built for a
// kernel that has never been booted.
func imageBuildID(bzImage []byte, unpack unpackFunc) (string, error) {
	vmlinux, err := unpackImage(bzImage, unpack)
	if err != nil {
		return "", err
	}
	f, err := elf.NewFile(bytes.NewReader(vmlinux))
	if err != nil {
		return "", fmt.Errorf("cannot read kernel: %w", err)
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type != elf.PT_NOTE {
			continue
		}
		notes, err := io.ReadAll(p.Open())
		if err != nil {
			return "", fmt.Errorf("cannot read kernel notes: %w", err)
		}
		if id, ok := NoteBuildID(notes); ok {
			return id, nil
		}
	}
	return "", errors.New("cannot find a build ID: the kernel has no GNU build-id note")
}

// NoteBuildID finds the GNU build ID in ELF notes, such as the content of
// /sys/kernel/notes on a little-endian machine, and returns it in lower-case hex.
func NoteBuildID(notes []byte) (id string, ok bool) {
	const gnuBuildID = 3
	for len(notes) >= 12 {
		nameLen := binary.LittleEndian.Uint32(notes)
		descLen := binary.LittleEndian.Uint32(notes[4:])
		kind := binary.LittleEndian.Uint32(notes[8:])
		notes = notes[12:]
		end := align4(nameLen) + align4(descLen)
		if nameLen > 1<<16 || descLen > 1<<16 || end > uint64(len(notes)) {
			return "", false
		}
		name, desc := notes[:nameLen], notes[align4(nameLen):][:descLen]
		if kind == gnuBuildID && string(name) == "GNU\x00" && descLen > 0 {
			return hex.EncodeToString(desc), true
		}
		notes = notes[end:]
	}
	return "", false
}

func align4(n uint32) uint64 { return (uint64(n) + 3) &^ 3 }

// unpackImage returns the vmlinux inside a bzImage. The boot header says where
// the compressed payload lies; its last four bytes are the unpacked size.
func unpackImage(b []byte, unpack unpackFunc) ([]byte, error) {
	if len(b) < payloadLengthOffset+4 || string(b[headerMagicOffset:headerMagicOffset+4]) != "HdrS" {
		return nil, errors.New("cannot unpack kernel: it is no bzImage")
	}
	start := (uint64(b[setupSectorsOffset])+1)*512 + uint64(binary.LittleEndian.Uint32(b[payloadOffsetOffset:]))
	length := uint64(binary.LittleEndian.Uint32(b[payloadLengthOffset:]))
	if length < 8 || start+length > uint64(len(b)) {
		return nil, errors.New("cannot unpack kernel: its payload lies outside the image")
	}
	payload := b[start : start+length-4]
	size := uint64(binary.LittleEndian.Uint32(b[start+length-4:]))
	if size > maxKernelSize {
		return nil, fmt.Errorf("cannot unpack kernel: it claims to have %d bytes", size)
	}
	out, err := decompress(payload, size, unpack)
	if err != nil {
		return nil, fmt.Errorf("cannot unpack kernel: %w", err)
	}
	if uint64(len(out)) != size {
		return nil, fmt.Errorf("cannot unpack kernel: got %d bytes of %d", len(out), size)
	}
	return out, nil
}

func decompress(payload []byte, size uint64, unpack unpackFunc) ([]byte, error) {
	switch {
	case bytes.HasPrefix(payload, []byte{0x02, 0x21, 0x4c, 0x18}):
		return readUpTo(lz4.NewReader(bytes.NewReader(payload)), size)
	case bytes.HasPrefix(payload, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		// Debian uses a window of 128 MB, which the standard library's decoder refuses.
		return unpack("zstd", payload)
	case bytes.HasPrefix(payload, []byte{0xfd, '7', 'z', 'X', 'Z', 0}):
		return unpack("xz", payload)
	case bytes.HasPrefix(payload, []byte{0x1f, 0x8b}):
		r, err := gzip.NewReader(bytes.NewReader(payload))
		if err != nil {
			return nil, err
		}
		return readUpTo(r, size)
	}
	return nil, fmt.Errorf("unknown compression (starts with % x)", payload[:4])
}

func readUpTo(r io.Reader, size uint64) ([]byte, error) {
	out := make([]byte, size)
	n, err := io.ReadFull(r, out)
	return out[:n], err
}
