package rebootstep

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/pierrec/lz4/v4"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver"
)

// Bounds of a kernel's file and of what is packed in it, in bytes.
const (
	maxImage    = 128 << 20
	maxUnpacked = 1 << 30
)

// Where a bzImage's boot header says what is where (Documentation/arch/x86/boot.rst).
const (
	setupSectors  = 0x1f1
	headerMagic   = 0x202
	payloadOffset = 0x248
	payloadLength = 0x24c
)

// packers say how a payload begins, and which program unpacks it; two are unpacked here,
// for lz4 is on few hosts that boot what it has packed.
var packers = []struct{ program, begins string }{
	{"xz", "\xfd7zXZ\x00"}, {"zstd", "\x28\xb5\x2f\xfd"}, {asGzip, "\x1f\x8b"}, {asLZ4, "\x02\x21\x4c\x18"},
}

const asGzip, asLZ4 = "gzip", "lz4"

// unpack writes what is packed.
func (s *Step) unpack(ctx context.Context, how string, payload []byte, to io.Writer) error {
	packed := bytes.NewReader(payload)
	switch how {
	case asGzip:
		r, err := gzip.NewReader(packed)
		if err != nil {
			return err
		}
		_, err = io.Copy(to, r)
		return err
	case asLZ4:
		_, err := io.Copy(to, lz4.NewReader(packed))
		return err
	}
	return s.machine.Unpack(ctx, how, packed, to)
}

// carries refuses a kernel's file that does not carry the build ID of the build. The ID
// is a note in the packed kernel, as the kernel itself shows it once it runs.
func (s *Step) carries(ctx context.Context, name string, build hotstick.KernelBuild) error {
	stat, err := os.Stat(name)
	if err != nil {
		return driver.Refuse(hotstick.ReasonVerificationFailed, "there is no kernel %s after its packages were installed", name)
	}
	if stat.Size() > maxImage {
		return driver.Refuse(hotstick.ReasonVerificationFailed, "the kernel %s has %d bytes", name, stat.Size())
	}
	image, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	want, err := note(build.BuildID)
	if err != nil {
		return err
	}
	found := &finder{want: want}
	payload, program := packed(image)
	if program == "" {
		_, _ = found.Write(image) // an unpacked kernel, or one of another architecture
	} else if err := s.unpack(ctx, program, payload, found); err != nil && !found.found {
		if errors.Is(err, driver.ErrNoProgram) {
			return driver.Refuse(hotstick.ReasonUnsupported, "the kernel %s cannot be looked into: there is no %s", name, program)
		}
		return driver.Refuse(hotstick.ReasonVerificationFailed, "the kernel %s cannot be unpacked: %v", name, err)
	}
	if !found.found {
		return driver.Refuse(hotstick.ReasonWrongBuild, "the kernel %s is not the build %s", name, build)
	}
	return nil
}

// note is the ELF note that a build ID is kept in.
func note(id string) ([]byte, error) {
	raw, err := hex.DecodeString(id)
	if err != nil || len(raw) == 0 {
		return nil, fmt.Errorf("cannot use %.80q as a build ID", id)
	}
	b := binary.LittleEndian.AppendUint32(nil, 4)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(raw)))
	b = binary.LittleEndian.AppendUint32(b, 3)
	return append(append(b, "GNU\x00"...), raw...), nil
}

// packed returns what is packed in a bzImage and the program that unpacks it.
func packed(image []byte) ([]byte, string) {
	if len(image) < payloadLength+4 || string(image[headerMagic:headerMagic+4]) != "HdrS" {
		return nil, ""
	}
	start := (uint64(image[setupSectors])+1)*512 + uint64(binary.LittleEndian.Uint32(image[payloadOffset:]))
	length := uint64(binary.LittleEndian.Uint32(image[payloadLength:]))
	if length < 8 || start+length > uint64(len(image)) {
		return nil, ""
	}
	payload := image[start : start+length-4] // the last four bytes are the unpacked size
	for _, p := range packers {
		if bytes.HasPrefix(payload, []byte(p.begins)) {
			return payload, p.program
		}
	}
	return nil, ""
}

// finder looks for bytes in what is written to it.
type finder struct {
	want  []byte
	tail  []byte
	total int64
	found bool
}

// Write implements io.Writer. It ends the writing once it knows.
func (f *finder) Write(p []byte) (int, error) {
	if f.total += int64(len(p)); f.total > maxUnpacked {
		return 0, errors.New("it is too long")
	}
	seen := append(f.tail, p...)
	if bytes.Contains(seen, f.want) {
		f.found = true
		return 0, io.ErrShortWrite
	}
	f.tail = append([]byte(nil), seen[max(0, len(seen)-len(f.want)):]...)
	return len(p), nil
}
